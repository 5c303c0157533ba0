"""Boards on a recorded study."""

from pathlib import Path

import pytest
from seedproof_mcp.board.board import Board, open_board
from seedproof_mcp.board.documents import Words
from seedproof_mcp.surface.commands.board import words_of


@pytest.fixture
def words(recorded: Path) -> Words:
    """The words of the command line, in the project's folder."""
    return words_of(Path())


@pytest.fixture
def board(recorded: Path, words: Words) -> Board:
    """The board of the recorded study."""
    return open_board(recorded, words)

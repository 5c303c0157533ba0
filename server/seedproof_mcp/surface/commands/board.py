"""The command `board`: serves the page until it is interrupted, and opens it in the browser."""

import argparse
import json
import os
import secrets
import sys
import webbrowser
from contextlib import suppress
from pathlib import Path

from seedproof_mcp.board.board import Board, open_board
from seedproof_mcp.board.documents import Words
from seedproof_mcp.board.server import BoardServer
from seedproof_mcp.surface.next_command import in_commands, next_command
from seedproof_mcp.system import files
from seedproof_mcp.system.paths import board_address

__all__ = ["serve_board", "words_of"]


def words_of(project: Path) -> Words:
    """The words of the command line, for a page.

    Args:
        project: The project's folder, as commands name it.
    """
    return Words(in_commands, lambda call: next_command(call, project))


def serve_board(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C.

    Returns:
        0 interrupted, 2 the port is taken.
    """
    board = open_board(options.project, words_of(options.project))
    try:
        server = _listen(board, options.project.resolve(), options.port)
    except OSError as error:
        print(f"seedproof: port {options.port} cannot be used: {error.strerror}", file=sys.stderr)
        return 2
    with server:
        print(f"The board of {board.project}: {server.address}", flush=True)
        print("It only shows, and ends with Ctrl-C; runs go on.", flush=True)
        if not options.no_open and _has_screen():
            webbrowser.open(server.address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            server.ended.set()
            print(flush=True)
    return 0


def _listen(board: Board, project: Path, port: int | None) -> BoardServer:
    """A server at the address of last time, so that an open page goes on; at a new one where that is in use.

    Raises:
        OSError: The port that was asked for is taken.
    """
    kept, fresh = board_address(project), secrets.token_urlsafe(24)
    known_port, known_token = _known(kept)
    if port is None and known_port is not None:
        with suppress(OSError):
            return BoardServer(board, known_token or fresh, known_port)
    is_again = port is not None and port == known_port
    server = BoardServer(board, known_token if is_again and known_token else fresh, port or 0)
    if known_port is None or port is not None:
        with suppress(OSError):  # it is a convenience
            files.make_folder(kept.parent)
            document = {"port": server.server_port, "token": server.token}
            files.write_atomic(kept, json.dumps(document).encode(), mode=0o600)
    return server


def _known(kept: Path) -> tuple[int | None, str | None]:
    """Port and token of last time; None for what is not known."""
    try:
        document = json.loads(kept.read_bytes())
        port, token = document["port"], document["token"]
    except (OSError, ValueError, KeyError, TypeError):
        return None, None
    is_ours = isinstance(port, int) and 0 < port < 65536 and isinstance(token, str) and len(token) >= 32
    return (port, token) if is_ours else (None, None)


def _has_screen() -> bool:
    """Whether a browser would have a window: a text browser would take the terminal."""
    return sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))

"""The browser and the board that these tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.conftest import recorded
from tests.support.browser import INSTALLED, Browser, chromium, serving

__all__ = ["needs_a_browser", "recorded"]

IS_INSTALLED = (INSTALLED / ".ready").exists() and chromium() is not None
needs_a_browser = [pytest.mark.slow, pytest.mark.skipif(not IS_INSTALLED, reason="needs `make browser-env`")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for all tests of a file."""
    with Browser.started() as browser:
        yield browser


@pytest.fixture
def board(recorded: Path) -> Iterator[str]:
    """The address of a board on the recorded study."""
    with serving(recorded) as served:
        yield served.address

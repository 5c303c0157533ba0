"""A real browser without a window, and boards that it looks at."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from tests.support.places import ROOT
from tests.support.servers import SEEDPROOF
from tests.support.waiting import PATIENCE_S

__all__ = ["INSTALLED", "Browser", "Page", "Served", "chromium", "parts_of", "serving"]

INSTALLED = ROOT / "tests/browser/node_modules"
DRIVER = ROOT / "tests/browser/driver.mjs"
ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)/([\w-]{32})/")
Scheme = Literal["light", "dark"]


def chromium() -> str | None:
    """The browser's program; None where there is none."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


class Browser:
    """A browser, driven through playwright-core."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def ask(self, act: str, **arguments: Any) -> Any:
        """Let the driver act; what it answers."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"act": act, **arguments}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer["value"]

    @contextmanager
    def page(self, width: int = 1280, scheme: Scheme = "light", height: int = 900) -> Iterator["Page"]:
        """A new page; when it is closed, nothing may have gone wrong in it."""
        page = Page(self, self.ask("open", width=width, height=height, scheme=scheme))
        yield page
        assert page.seen["problems"] == page.allowed
        page("close")

    @classmethod
    @contextmanager
    def started(cls) -> Iterator["Browser"]:
        """A browser that ends with the context."""
        command = ["node", str(DRIVER), str(chromium())]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            yield cls(process)
            assert process.stdin is not None
            process.stdin.close()
            process.wait(PATIENCE_S)


class Page:
    """One page of a browser."""

    def __init__(self, browser: Browser, number: int) -> None:
        self._browser, self._number = browser, number
        self.allowed: list[str] = []
        """What its console may say."""

    def __call__(self, act: str, **arguments: Any) -> Any:
        return self._browser.ask(act, page=self._number, **arguments)

    @property
    def seen(self) -> dict[str, list[str]]:
        """What its console complained of, and every address that it asked for."""
        seen: dict[str, list[str]] = self("seen")
        return seen

    def goto(self, url: str) -> None:
        """Open an address, and wait until something is shown."""
        self("goto", url=url)
        self("wait", code="document.querySelector('h1') !== null")

    def run(self, code: str, *, in_frame: bool = False) -> Any:
        """The value of an expression."""
        return self("run", code=code, inFrame=in_frame)

    def wait(self, code: str, *, in_frame: bool = False) -> None:
        """Wait until an expression holds."""
        self("wait", code=code, inFrame=in_frame)

    def text(self, selector: str = "main", *, in_frame: bool = False) -> str:
        """What is to be read there."""
        found: str = self("text", selector=selector, inFrame=in_frame)
        return found


class Served:
    """A board's process and its address."""

    def __init__(self, process: "subprocess.Popen[str]", address: str) -> None:
        self.process, self.address = process, address

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait(PATIENCE_S)


def parts_of(board: Served) -> tuple[str, str]:
    """Port and token of a board."""
    found = ADDRESS.fullmatch(board.address)
    assert found is not None
    return found[1], found[2]


@contextmanager
def serving(project: Path, *options: str) -> Iterator[Served]:
    """`seedproof board` on a project."""
    command = [str(SEEDPROOF), "board", "--no-open", "--project", str(project), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = ADDRESS.search(process.stdout.readline())
            assert found is not None
            yield Served(process, found[0])
        finally:
            process.kill()

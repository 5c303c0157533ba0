"""Snapshots: what taking the code of a repository with 500 files costs, code identity included."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from figures import Figure, median, show
from seedproof.model.code import Code
from seedproof_mcp.code.workspace import Workspace
from seedproof_mcp.host.settings import Settings
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["measure"]

FILES = 500
ROUNDS = 9
LIMIT_MS = 150.0
TEXT = "def step(x):\n    return x + {number}\n" * 100


def git(folder: Path, *arguments: str) -> None:
    """What the user does."""
    someone = ("-c", "user.name=someone", "-c", "user.email=someone@localhost", "-c", "commit.gpgSign=false")
    subprocess.run(["git", *someone, *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def make_repository(folder: Path) -> Path:
    """A repository with 500 committed sources, a tenth of which are edited, and ten more that are new."""
    folder.mkdir()
    git(folder, "init", "-q", ".")
    for number in range(FILES - 10):
        write(folder, number, TEXT.format(number=number))
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "begin")
    for number in [*range(0, FILES - 10, 10), *range(FILES - 10, FILES)]:
        write(folder, number, TEXT.format(number=number) + "# edited\n")
    return folder


def write(folder: Path, number: int, text: str) -> None:
    """One of the sources."""
    place = folder / f"package{number % 20}" / f"module{number}.py"
    place.parent.mkdir(exist_ok=True)
    place.write_text(text)


def take_ms(folder: Path, code: str = "snapshot") -> tuple[float, Workspace, Code]:
    """One snapshot by a new process's workspace."""
    space = Workspace(ProjectPaths(folder), Settings.model_validate({"code": code}))
    began = time.perf_counter()
    taken = space.take()
    return 1000 * (time.perf_counter() - began), space, taken


def status_ms(folder: Path) -> float:
    """What git itself needs to look at every file."""
    began = time.perf_counter()
    git(folder, "status", "--porcelain")
    return 1000 * (time.perf_counter() - began)


def measure() -> list[Figure]:
    """The first snapshot of a repository, and the median of those after it, each with another edit before it."""
    firsts, nexts, statuses, places, checkouts = [], [], [], [], []
    with tempfile.TemporaryDirectory() as name:
        for number in range(ROUNDS):
            folder = make_repository(Path(name) / str(number))
            firsts.append(take_ms(folder)[0])
            write(folder, 1, f"# edit {number}\n")
            taking, space, code = take_ms(folder)
            nexts.append(taking)
            space.keep(code)
            began = time.perf_counter()
            space.working_directory(code)
            checkouts.append(1000 * (time.perf_counter() - began))
            statuses.append(status_ms(folder))
            places.append(take_ms(folder, "in-place")[0])
    beside = f"`git status` {median(statuses):.0f} ms"
    return [
        Figure(f"First snapshot of a repository with {FILES} files", median(firsts), "ms", beside),
        Figure("A snapshot after the first, code identity included", median(nexts), "ms", beside, LIMIT_MS),
        Figure("Checking a snapshot out", median(checkouts), "ms", ""),
        Figure("The same code in place, hashed", median(places), "ms", beside),
    ]


if __name__ == "__main__":
    sys.exit(show(measure))

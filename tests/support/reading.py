"""Trainings that open files: each tells what it opened, as the processes of a real run do."""

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from seedproof_mcp.system.paths import RunPaths

from tests.support.in_process import InProcessEngine, Training, option, train

__all__ = ["Opens", "ReadingEngine"]


class Opens:
    """What one training does to files; paths are relative to its working folder."""

    def __init__(self, run: RunPaths, spec: dict[str, Any]) -> None:
        self.run = run
        self.argv: list[str] = spec["argv"]
        self.cwd = Path(spec["cwd"])
        self.seed = int(option(self.argv, "--seed"))
        self.executable, self.version = sys.executable, "3.11.0"
        self.observed: dict[str, Any] | None = {"observed": "fully", "why": None, "processes": 1, "sampled": []}
        self._processes: list[list[str]] = [[]]

    @property
    def output(self) -> Path:
        """Its output folder."""
        return self.cwd / option(self.argv, "--output_dir")

    def path(self, name: str | Path) -> Path:
        """The absolute path of a file, its links as they are."""
        return Path(os.path.join(self.cwd, name))

    def fork(self) -> None:
        """What follows is told by another process."""
        self._processes.append([])

    def lose(self, why: str) -> None:
        """Nothing of what is told reaches the record, as on a full disk."""
        self._processes = []
        self.observed = {"observed": "partly", "why": why, "processes": 0, "sampled": []}

    def tell(self, kind: str, path: str | Path, *, is_stat: bool = True) -> None:
        """One line, as the file is at this moment."""
        numbers = "-\t-\t-\t-"
        if kind == "r" and is_stat and os.path.exists(self.path(path)):
            seen = os.stat(self.path(path))
            numbers = f"{seen.st_size}\t{seen.st_ino}\t{seen.st_mtime_ns}\t{seen.st_ctime_ns}"
        text = str(self.path(path)).replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")
        self._processes[-1].append(f"{kind}\t{numbers}\t{text}\n")

    def read(self, *names: str | Path) -> None:
        """Open files for reading."""
        for name in names:
            self.tell("r", name)

    def write(self, name: str | Path, text: str, *, told: bool = True) -> None:
        """Write a file; untold as a library does that writes below Python."""
        if told:
            self.tell("w", name)
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        self.path(name).write_text(text)

    def append(self, name: str | Path, text: str) -> None:
        """Add to a file."""
        self.tell("w", name)
        with self.path(name).open("a") as file:
            file.write(text)

    def publish(self) -> None:
        """Leave what a supervisor leaves."""
        self.run.reads.mkdir()
        for number, lines in enumerate(self._processes):
            head = f"# seedproof-reads 1\t{100 + number}\t{99 + number}\t{self.executable}\t{self.version}\n"
            data = (head + "".join(lines)).encode("utf-8", "surrogateescape")
            (self.run.reads / f"{100 + number}-a.reads").write_bytes(data)
        if self.observed is not None:
            self.run.observed.write_text(json.dumps(self.observed))


class ReadingEngine(InProcessEngine):
    """Trainings that open what a test says."""

    def __init__(self, opens: Callable[[Opens], None], trains: Callable[[Sequence[str]], Training] = train) -> None:
        super().__init__(trains)
        self.opens = opens

    def _publish(self, run: RunPaths, end: str, exit_code: int | None, wall_time_s: float) -> None:
        if not run.reads.exists():
            _wait_for_the_clock(run)
            opens = Opens(run, json.loads(run.spec.read_bytes()))
            self.opens(opens)
            opens.publish()
        super()._publish(run, end, exit_code, wall_time_s)


def _wait_for_the_clock(run: RunPaths) -> None:
    """Let the clock of the file system go on, so that what is written from now on is later than the start."""
    probe = run.folder / "clock"
    while True:
        probe.write_text("")
        if probe.stat().st_ctime_ns > run.started.stat().st_mtime_ns:
            probe.unlink()
            return

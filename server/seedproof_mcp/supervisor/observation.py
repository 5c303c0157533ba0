"""What is known of the files that a training reads: what its processes record, and what is seen from outside."""

import json
import math
import os
import stat
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from seedproof_mcp.supervisor.processes import live_of, marker_of
from seedproof_mcp.supervisor.run_contract import Spec, describe_error, log_problem
from seedproof_mcp.supervisor.samples import Samples, is_python
from seedproof_mcp.system import files
from seedproof_mcp.system.paths import RunPaths

__all__ = ["BOOTSTRAP", "Observation", "give_up"]

BOOTSTRAP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bootstrap")
"""The folder whose sitecustomize starts the recorder in each Python that has it on its PYTHONPATH."""

# A line is about 130 bytes: a million and a half of files. Workers that are started anew for each epoch each record
# what they read.
_MOST_BYTES = 200_000_000
_FULL = "full"
# The first line has one path, of 4096 bytes at most, each of which may be escaped.
_MOST_HEADER_BYTES = 10_000
_NO_ROOM = "the record of what it read could not be written to its end"
_TOO_MUCH = "it opened more files than are recorded"


@dataclass(frozen=True)
class _Recorded:
    """One file of a process."""

    pid: int
    program: str
    """Empty where the process could not write its first line."""
    is_whole: bool


class Observation:
    """Observes one run; a failure of it changes nothing for the training."""

    def __init__(self, run: RunPaths, marker: str, spec: Spec) -> None:
        """Prepare to observe a run that is about to start.

        Args:
            run: Its files.
            marker: Its marker, which is the folder that its processes record in.
            spec: What is run.
        """
        self._run, self._spec, self._marker = run, spec, marker
        self._folder = Path(marker)
        self._identity: tuple[int, int] | None = None
        self._leader = 0
        self._samples: Samples | None = None
        self._failure: str | None = None
        if spec.observe:
            try:
                files.make_folder(self._folder)
                self._identity = _identity(self._folder)
            except OSError as problem:
                self._failure = f"the record could not be begun: {describe_error(problem)}"

    def environment(self) -> Mapping[str, str]:
        """Return the variables with which a Python records what it reads, the user's own search path behind ours."""
        if self._identity is None:
            return {}
        theirs = self._spec.env.get("PYTHONPATH")
        return {"PYTHONPATH": f"{BOOTSTRAP}{os.pathsep}{theirs}" if theirs else BOOTSTRAP}

    def begin(self, leader: int) -> None:
        """Watch the processes of the training from now on.

        Args:
            leader: Its main process.
        """
        if self._identity is None:
            return
        self._leader = leader
        try:
            self._samples = Samples(self._marker, BOOTSTRAP, leader, self._spec.argv)
        except Exception:  # whatever it is, the training goes on
            log_problem(traceback.format_exc())

    @property
    def next_s(self) -> float:
        """When the next look is due, in seconds after the start."""
        return math.inf if self._samples is None else self._samples.next_s

    def look(self, elapsed_s: float) -> None:
        """Look at the processes, now and then.

        Args:
            elapsed_s: Seconds since the start.
        """
        if self._samples is None or not self._samples.is_due(elapsed_s):
            return
        try:
            self._samples.take(live_of(self._marker, self._leader))
            self._keep_small()
        except Exception:  # whatever it is, the training goes on
            log_problem(traceback.format_exc())

    def end(self) -> None:
        """Leave in the run's folder what is known; there once all processes have ended."""
        try:
            if not self._spec.observe:
                _leave(self._run, None, "off", "settings.observe_inputs is false")
            else:
                self._end()
        except Exception:  # whatever it is, the run has its result
            log_problem(traceback.format_exc())

    def _end(self) -> None:
        if self._identity is not None and _identity(self._folder) != self._identity:
            self._failure = "the folder of the record was replaced while it ran"
            self._identity = None
        if self._identity is None:
            _leave(self._run, None, "partly" if self._sampled() else "not", self._failure, sampled=self._sampled())
            return
        why = _TOO_MUCH if (self._folder / _FULL).exists() else None
        recorded = _records_in(self._folder)
        why = why or self._why_partly(recorded)
        observed = "fully" if why is None else "partly" if recorded or self._sampled() else "not"
        _leave(self._run, self._folder, observed, why, records=recorded, sampled=self._sampled())

    def _sampled(self) -> list[str]:
        return [] if self._samples is None else sorted(self._samples.paths)

    def _why_partly(self, recorded: Sequence[_Recorded]) -> str | None:
        """Why the records do not hold all that was read, phrased to follow "because"; None if they do."""
        samples = self._samples
        if samples is None:
            return "it was not started"
        if not all(one.is_whole for one in recorded):
            return _NO_ROOM
        pids = {one.pid for one in recorded}
        # A forked process that opened nothing new has no record of its own.
        telling = samples.telling | {os.path.realpath(one.program) for one in recorded}
        unsure = (pid for pid, program in samples.unsure.items() if pid not in pids and program not in telling)
        silent = {**dict.fromkeys(unsure, "did not load the recorder"), **samples.silent}
        if self._leader in silent:
            return f"its Python {silent[self._leader]}"
        if silent:
            return f"a Python that it started {next(iter(silent.values()))}"
        if self._leader in pids:
            return None
        seen = samples.leader_program is not None
        if samples.leader_is_python if seen else is_python(self._spec.argv[0]):
            return "its Python did not load the recorder"
        return None if recorded else "the program that it ran is no Python"

    def _keep_small(self) -> None:
        """End the recording when it has become large: each process notices by the mode of its file."""
        with os.scandir(self._folder) as entries:
            found = [(Path(one.path), one.stat(follow_symlinks=False).st_size) for one in entries]
        if sum(size for _, size in found) <= _MOST_BYTES:
            return
        files.write_expendable(self._folder / _FULL, b"")
        for path, _ in found:
            with suppress(OSError):
                files.make_read_only(path)


def give_up(run: RunPaths) -> None:
    """Leave what the processes of a run recorded whose supervisor has died; all of them have ended."""
    marker = marker_of(run)
    try:
        if marker is None or run.reads.exists() or not Path(marker).is_dir() or Path(marker).is_symlink():
            return
        recorded = _records_in(Path(marker))
        _leave(run, Path(marker), "partly" if recorded else "not", "its supervisor died", records=recorded)
    except Exception:  # whatever it is, the run is recorded as lost
        log_problem(traceback.format_exc())


def _leave(
    run: RunPaths,
    folder: Path | None,
    observed: str,
    why: str | None,
    *,
    records: Sequence[_Recorded] = (),
    sampled: Sequence[str] = (),
) -> None:
    """Move a folder of records into the run's, or make one, with what is known of it.

    Raises:
        OSError: It cannot be written or moved.
    """
    processes = len({one.pid for one in records})
    said = {"observed": observed, "why": why, "processes": processes, "sampled": list(sampled)}
    if folder is None:
        folder = run.reads
        files.make_folder(folder)
    files.write_expendable(folder / run.observed.name, json.dumps(said).encode())
    if folder != run.reads:
        files.rename(folder, run.reads)


def _records_in(folder: Path) -> list[_Recorded]:
    """The records in a folder; what else a training has put there under such a name is given another.

    Raises:
        OSError: The folder cannot be read.
    """
    found = []
    for name in sorted(one for one in os.listdir(folder) if one.endswith(".reads")):
        record = _recorded(folder / name)
        if record is not None:
            found.append(record)
        else:
            files.rename(folder / name, folder / f"{name}.found")
    return found


def _recorded(path: Path) -> _Recorded | None:
    """The record of one process; None if it is no such file."""
    pid = path.name.partition("-")[0]
    if not pid.isdecimal():
        return None
    try:
        # A link or a pipe in its place is nothing to open.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return None
        header = os.read(descriptor, _MOST_HEADER_BYTES).partition(b"\n")[0].split(b"\t")
    finally:
        os.close(descriptor)
    program = os.fsdecode(header[3]) if len(header) == 5 else ""
    return _Recorded(int(pid), program, bool(status.st_mode & stat.S_IWUSR) and bool(program))


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        found = os.lstat(folder)
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISDIR(found.st_mode) else None

"""Starts, joins and answers tries: one at a time for a project, in a process of its own where an agent asks."""

import hashlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seedproof.model.refusals import Refusal
from seedproof.phases.calls import check_call

from seedproof_mcp.host.settings import Config, load_config
from seedproof_mcp.service.os_errors import cure, writing
from seedproof_mcp.service.replies.rows import TriedRow
from seedproof_mcp.setup.trial.report import describe
from seedproof_mcp.setup.trial.run import LIMIT_S, Tell, present_code, try_command
from seedproof_mcp.setup.trial.seeds import trial_seeds
from seedproof_mcp.system import files, locks, spawn
from seedproof_mcp.system.file_watch import FileWatch
from seedproof_mcp.system.paths import ProjectPaths, TryPaths

__all__ = ["Asked", "Asking", "end_cleanly", "try_here"]

logger = logging.getLogger(__name__)

_POLL_S = 0.2
# A try that a person began is theirs to end.
_PERSON = "person"
# Processes that this one started, kept so that they can be reaped.
_children: list["subprocess.Popen[bytes]"] = []


def _refused(code: str, message: str) -> Exception:
    """The refusal that a try in a process of its own left; of a crash it left no code that refuses anything."""
    kinds = [Refusal]
    for kind in kinds:
        kinds += kind.__subclasses__()
    found = next((kind for kind in kinds if kind.code == code), None)
    return RuntimeError(message) if found is None else found(message, check_call("Shows where the protocol stands."))


@dataclass(frozen=True, slots=True)
class Asked:
    """Where a try stands."""

    row: TriedRow | None
    """What it told; None while it goes on."""
    progress: str
    """What it is doing, in words."""
    seed: int
    """The first of its seeds."""


class Asking:
    """One question for the try of the present code and rules."""

    def __init__(self, root: Path) -> None:
        """Look at code and rules.

        Raises:
            Refusal: A run of the baseline would be refused for its settings, its script or its code.
        """
        self._paths, self._own = ProjectPaths(root), TryPaths(root)
        config = load_config(self._paths.settings)
        self._key = _key(self._paths, config)
        self._seed = trial_seeds(config.rules)[0]
        self._child: subprocess.Popen[bytes] | None = None

    def look(self) -> Asked:
        """Where the try stands; starts it where none of this code and these rules goes on or has ended.

        Raises:
            Refusal: It could not be carried out; the next question begins anew.
        """
        answer = self._answer()
        if answer is None and not self._is_going_on() and (answer := self._answer()) is None:
            self._start()
        words = self._own.progress.read_text() if answer is None and self._own.progress.exists() else "starting"
        return Asked(answer, words, self._seed)

    def watch(self) -> FileWatch:
        """What wakes whoever waits for the answer; look between this and the wait."""
        watch = FileWatch()
        watch.follow(folders=[self._own.result.parent])
        return watch

    def _answer(self) -> TriedRow | None:
        """What the newest try told; None where it was of other code or rules.

        Raises:
            Refusal: It was refused; that is told once.
        """
        try:
            found = json.loads(self._own.result.read_bytes())
            if found["key"] != self._key:
                return None
            refusal = found.get("refusal")
            if refusal is None:
                return TriedRow.model_validate(found["row"])
            files.remove_file(self._own.result)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        raise _refused(*refusal)

    def _is_going_on(self) -> bool:
        """Whether a try goes on; one of earlier code is asked to end, and this one begins after it."""
        if self._child is not None and self._child.poll() is None:
            return True
        if not locks.is_locked(self._own.lock):
            return False
        key, _, holder = (locks.signature(self._own.lock) or "").partition(" ")
        if holder.isdecimal() and key != self._key[:_SHORT]:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(int(holder), signal.SIGTERM)
        return True

    def _start(self) -> None:
        with writing():
            files.make_folder(self._own.log.parent)
            log = files.open_output(self._own.log, truncate=True)
            try:
                argv = [sys.executable, "-P", "-m", "seedproof_mcp.setup.trial.ask", str(self._paths.root), self._key]
                self._child = spawn.start(argv, stdout=log, stderr=log, new_session=True)
            finally:
                os.close(log)
        _children[:] = [*(one for one in _children if one.poll() is None), self._child]


# A signature has twenty characters: these, and a process id of at most seven.
_SHORT = 12


def try_here(root: Path, limit_s: float, tell: Tell) -> TriedRow:
    """Carry out a try in this process, after one that goes on; its result answers later questions of agents.

    Raises:
        Refusal: As for `Asking`.
        KeyboardInterrupt: It was ended; nothing of it goes on.
    """
    paths, own = ProjectPaths(root), TryPaths(root)
    config = load_config(paths.settings)
    with writing():
        files.make_folder(own.lock.parent)
        while (lock := locks.try_lock(own.lock)) is None:
            tell("waiting: another try of this project goes on")
            time.sleep(_POLL_S)
        with lock:
            lock.sign(_PERSON)
            return _carry_out(paths, config, limit_s, tell)


def _carry_out(paths: ProjectPaths, config: Config, limit_s: float, tell: Tell) -> TriedRow:
    own = TryPaths(paths.root)
    if own.result.exists():
        files.remove_file(own.result)
    key = _key(paths, config)
    try:
        row = describe(paths, try_command(paths, config, present_code(paths, config), limit_s, tell))
    finally:
        if own.progress.exists():
            files.remove_file(own.progress)
    files.write_atomic(own.result, json.dumps({"key": key, "row": row.model_dump(mode="json")}).encode(), mode=0o600)
    return row


def _key(paths: ProjectPaths, config: Config) -> str:
    """Of what code and rules a try is."""
    known = [present_code(paths, config).sha256, config.model_dump(mode="json")]
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()


def _end_by_signal(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def end_cleanly() -> None:
    """Let the signals that end a process end a try as Ctrl-C does: nothing of it goes on."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end_by_signal)


def main(arguments: list[str]) -> int:
    """Carry out the try that an agent asked for: `ROOT KEY`."""
    end_cleanly()
    paths, key = ProjectPaths(Path(arguments[0])), arguments[1]
    own = TryPaths(paths.root)
    lock = locks.try_lock(own.lock)
    if lock is None:  # another one was faster; whoever asked for this one joins that
        return 0
    answer: dict[str, Any] = {"key": key}
    with lock:
        lock.sign(f"{key[:_SHORT]} {os.getpid()}")
        try:
            config = load_config(paths.settings)
            _carry_out(paths, config, LIMIT_S, lambda words: files.write_expendable(own.progress, words.encode()))
            return 0
        except KeyboardInterrupt:
            return 130
        except Refusal as refusal:
            answer["refusal"] = [refusal.code, refusal.message]
        except OSError as problem:
            answer["refusal"] = ["not_writable", cure(problem)]
        except Exception:
            logger.exception("the try broke off")
            answer["refusal"] = ["internal_error", f"the try broke off; {own.log} has the details."]
        files.write_atomic(own.result, json.dumps(answer).encode(), mode=0o600)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

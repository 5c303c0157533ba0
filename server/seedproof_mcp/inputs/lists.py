"""Reads the lists of earlier runs, each once, and keeps what they add up to for as long as the process lives."""

import hashlib
from datetime import datetime

from seedproof.inputs.history import History, Interval
from seedproof.inputs.listed import Listed, read_list
from seedproof.ledger.state import State
from seedproof.model.runs import Run

from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["Lists", "interval_of", "same_arm"]


class Lists:
    """What the ended runs of one ledger read and wrote."""

    def __init__(self, paths: ProjectPaths) -> None:
        self._paths = paths
        self._ledger: str | None = None
        self._forget()

    def _forget(self) -> None:
        self._history = History()
        self._added: set[tuple[str, int]] = set()
        # Most lines of two lists are alike: those are read once for each generation and side.
        self._lines: dict[tuple[int, bool], set[bytes]] = {}

    def history(self, state: State) -> History:
        """What all ended runs read and wrote; lists that it has are not read again."""
        if state.first_hash != self._ledger:
            self._forget()
            self._ledger = state.first_hash
        ended = [run for run in state.runs.values() if run.inputs is not None]
        for run in sorted(ended, key=lambda one: one.started or ""):
            self._add(run, run.generation)
        for generation in state.generations:
            for run_id in generation.adopted:
                self._add(state.runs[run_id], generation.number)
        return self._history

    def _add(self, run: Run, generation: int) -> None:
        if (run.run_id, generation) in self._added or run.inputs is None:
            return
        self._added.add((run.run_id, generation))
        is_baseline = run.experiment is None
        listed = self._read(run, self._lines.setdefault((generation, is_baseline), set()))
        if listed is None:
            self._history.add_recorded(run.run_id, generation, run.inputs.files, is_baseline=is_baseline)
        elif generation == run.generation:
            self._history.add(run.run_id, generation, listed, is_baseline=is_baseline)
        else:
            self._history.add_readings(run.run_id, generation, listed.files, is_baseline=is_baseline)

    def _read(self, run: Run, known: set[bytes]) -> Listed | None:
        """The list of a run; None where it is gone, or is not the one that its record names."""
        assert run.inputs is not None
        try:
            data = self._paths.run(run.run_id).inputs.read_bytes()
        except OSError:
            return None
        return read_list(data, known) if hashlib.sha256(data).hexdigest() == run.inputs.digest else None


def same_arm(state: State, run: Run) -> list[Interval]:
    """When the earlier runs of a run's arm were carried out, newest first."""
    found = []
    for other in state.runs.values():
        is_same = other.generation == run.generation and other.experiment == run.experiment
        interval = interval_of(other)
        if is_same and other.key.side == run.key.side and other.run_id != run.run_id and interval is not None:
            found.append(interval)
    return sorted(found, key=lambda one: -one.begin_ns)


def interval_of(run: Run) -> Interval | None:
    """When a run was carried out; None where that is not known."""
    return Interval(run.run_id, _ns(run.started), _ns(run.ended)) if run.started and run.ended else None


def _ns(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp() * 1e9)

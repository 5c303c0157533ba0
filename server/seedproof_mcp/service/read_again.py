"""Reads the runs of a study again, from what is kept of them, where the settings name other metrics."""

from typing import Any

from seedproof.ledger.state import State
from seedproof.model.rules import Rules
from seedproof.model.runs import Run
from seedproof.phases.read_again import KeptOutput, Rereading, plan_rereading

from seedproof_mcp.ledger.file import Ledger
from seedproof_mcp.runner.kept_output import read_kept
from seedproof_mcp.service.os_errors import writing
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["Rereader"]


class Rereader:
    """Plans and records what a change of metrics does."""

    def __init__(self, paths: ProjectPaths, ledger: Ledger) -> None:
        self._paths = paths
        self._ledger = ledger
        # By run and hash of its log: each log is read once for each change, however many calls meet it.
        self._found: dict[tuple[str, str | None], KeptOutput] = {}
        self._metrics: Any = None

    def plan(self, state: State, rules: Rules) -> Rereading | None:
        """What the metrics of the settings make of the present generation; None where that has them already.

        Call it while the ledger's thread lock is held.
        """
        return plan_rereading(state, rules, self._read)

    def record(self, rules: Rules) -> None:
        """Append the record of a change of metrics, where there is one and it voids nothing.

        Raises:
            Refusal, OSError: The ledger cannot be read or written.
        """
        # The logs are read before the file lock is taken: other processes would have to wait for it.
        with self._ledger.thread_lock:
            if not self._is_due(self._ledger.refresh(), rules):
                return
        with writing(), self._ledger.writing() as writer:
            found = self.plan(writer.state, rules)
            if found is not None and found.event is not None:
                writer.append(found.event)

    def _is_due(self, state: State, rules: Rules) -> bool:
        found = self.plan(state, rules)
        return found is not None and found.event is not None

    def _read(self, run: Run, rules: Rules) -> KeptOutput | str:
        metrics = rules.metrics
        if metrics != self._metrics:
            self._found, self._metrics = {}, metrics
        key = (run.run_id, run.log_sha256)
        found = self._found.get(key) or read_kept(self._paths, run, rules)
        if isinstance(found, KeptOutput):
            self._found[key] = found
        return found

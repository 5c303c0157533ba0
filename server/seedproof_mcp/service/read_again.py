"""Reads the runs of a study again, from what is kept of them, where the settings name other metrics."""

from typing import Any

from seedproof.ledger.state import State
from seedproof.model.results import Notice
from seedproof.model.rules import Rules
from seedproof.model.runs import Run
from seedproof.notices.readings import pending_notices
from seedproof.phases.read_again import KeptOutput, Rereading, metrics_begun_with, plan_rereading, shows_value
from seedproof.phases.study import Memory, Study

from seedproof_mcp.host.settings import Config, load_config
from seedproof_mcp.ledger.file import Ledger
from seedproof_mcp.runner.kept_output import read_kept
from seedproof_mcp.service.os_errors import writing
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["Rereader"]


class Rereader:
    """Plans and records what a change of metrics does; use it while the ledger's thread lock is held."""

    def __init__(self, paths: ProjectPaths, ledger: Ledger) -> None:
        self._paths = paths
        self._ledger = ledger
        # By run and hash of its log: each log is read once for each change, however many calls meet it.
        self._found: dict[tuple[str, str | None], KeptOutput] = {}
        self._metrics: Any = None

    def settings(self) -> Config:
        """The settings, with a change of their metrics taken over into the ledger where it voids nothing.

        Call it without a lock.

        Raises:
            Refusal, OSError: The settings or the ledger cannot be read, or the record cannot be written.
        """
        config = load_config(self._paths.settings)
        self._record(config.rules)
        return config

    def study(self, state: State, rules: Rules, memory: Memory) -> Study:
        """A study of a state; where other metrics wait to be taken over, by those of the records."""
        found = self._plan(state, rules)
        if found is None:
            return Study(state, rules, memory, shows_value=shows_value(state, rules, self._read))
        if found.event is None:
            return Study(state, rules, memory, found.conflict)
        return Study(state, metrics_begun_with(state, rules), memory, reads_again=bool(found.event.runs))

    def pending(self, state: State, rules: Rules) -> list[Notice]:
        """What the next writing call takes over from the settings, or which value keeps it from that."""
        return pending_notices(self._plan(state, rules))

    def _plan(self, state: State, rules: Rules) -> Rereading | None:
        """What the metrics of the settings make of the present generation; None where that has them already."""
        return plan_rereading(state, rules, self._read)

    def _record(self, rules: Rules) -> None:
        # The logs are read before the file lock is taken: other processes would have to wait for it.
        with self._ledger.thread_lock:
            if not self._is_due(self._ledger.refresh(), rules):
                return
        with writing(), self._ledger.writing() as writer:
            found = self._plan(writer.state, rules)
            if found is not None and found.event is not None:
                writer.append(found.event)

    def _is_due(self, state: State, rules: Rules) -> bool:
        found = self._plan(state, rules)
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

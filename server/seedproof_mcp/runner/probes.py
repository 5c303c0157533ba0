"""Requests, ends and cleans up the conductor's own run: a short repeat of the first baseline seed.

A run that is requested meanwhile waits for it, because its verdict rests on it: at most 5 % of a run, or less than two
minutes, once in a generation.
"""

import math
import os
import time
from contextlib import suppress

from seedproof.ledger.run_events import RunRequested
from seedproof.ledger.state import State
from seedproof.ledger.study_events import FilesRemoved
from seedproof.metrics.scanner import EARLY_VALUES, first_values
from seedproof.model.refusals import Refusal
from seedproof.model.run_key import Role, RunKey
from seedproof.model.runs import Run
from seedproof.phases.probe import is_whole, next_probe
from seedproof.phases.study import Study

from seedproof_mcp.host.settings import load_config
from seedproof_mcp.ledger.file import Ledger
from seedproof_mcp.runner import outputs
from seedproof_mcp.runner.engines import Engine
from seedproof_mcp.runner.log_reader import START_BYTES
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["LOOK_S", "Probes"]

# How often the log of a probe is read. Each look at a remote engine may cost a connection.
LOOK_S = 0.5


class Probes:
    """The probes of one project."""

    def __init__(self, paths: ProjectPaths, ledger: Ledger) -> None:
        self._paths = paths
        self._ledger = ledger
        self._looked_at_s = -math.inf
        self._staying: set[str] = set()
        """Output folders that are not ours to remove, or cannot be removed."""

    def tend(self) -> None:
        """Remove what an ended probe left, and request one that is due; a slot is free now."""
        self._remove_outputs()
        if self._due(self._ledger.state) is not None:
            with self._ledger.writing() as writer:
                key = self._due(writer.state)
                if key is not None:
                    writer.append(RunRequested(key=key))

    def watch(self, run: Run, engine: Engine) -> None:
        """End a probe whose first values are known, unless it is a whole run."""
        folder = self._paths.run(run.run_id)
        if run.role is not Role.PROBE or folder.cancel.exists() or time.monotonic() < self._looked_at_s + LOOK_S:
            return
        self._looked_at_s = time.monotonic()
        rules = self._ledger.state.rules_of(run.generation)
        baseline = Study(self._ledger.state, rules).baseline_of(run.generation)
        if baseline is None or is_whole(baseline):
            return
        head = engine.read_log(str(folder.folder), 0, START_BYTES)
        if len(first_values(head, rules.metric).early) == EARLY_VALUES:
            engine.cancel(str(folder.folder), "ended on purpose: its first three values are known")

    def _due(self, state: State) -> RunKey | None:
        if state.generation is None or next_probe(Study(state, state.generation.rules)) is None:
            return None
        with suppress(Refusal):  # settings that cannot be read are told with the next run
            return next_probe(Study(state, load_config(self._paths.settings).rules))
        return None

    def _remove_outputs(self) -> None:
        state = self._ledger.state
        for run in (state.runs[run_id] for one in state.generations for run_id in one.probe_ids):
            folder = run.output_dir
            if folder is None or state.owned_folders.get(folder) != run.run_id or run.state.is_active:
                continue
            if folder not in self._staying:
                self._remove_output(folder)

    def _remove_output(self, folder: str) -> None:
        with self._ledger.writing() as writer:
            freed: int | None = 0
            if os.path.lexists(self._paths.root / folder):
                try:
                    freed = outputs.remove_ours(self._paths.root, writer.state, folder)
                except OSError as error:
                    if not outputs.stays(error):
                        raise
                    freed = None
            if freed is None:
                self._staying.add(folder)  # the report's clean-up names it
            else:
                writer.append(FilesRemoved(paths=(folder,), freed_bytes=freed))

"""What queued runs wait for, and when each queued or running one has ended."""

from seedproof.admission.queue import alone_words, training_now, waits_for
from seedproof.ledger.queue_times import expected_ends
from seedproof.ledger.state import State
from seedproof.model.refusals import Refusal
from seedproof.model.runs import Run
from seedproof.notices.declarations import list_first

from seedproof_mcp.host.settings import load_config
from seedproof_mcp.host.slots import NamedSlot
from seedproof_mcp.runner.engines import Engines
from seedproof_mcp.system import locks
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["QueueWaits"]


class QueueWaits:
    """Foresees the queue of one project, from its settings, its ledger and what the engine says."""

    def __init__(self, paths: ProjectPaths, engines: Engines) -> None:
        self._paths = paths
        self._engines = engines

    def expected_ends(self, state: State) -> dict[str, float | None]:
        """Seconds until each active run has ended; None where that is not known, as with a slot that others hold.

        Args:
            state: A state that `with_live_states` returns.
        """
        running, slots = training_now(state), self._slots()
        first = next((state.runs[run_id] for run_id in state.active), None)
        if first is not None and not running and self.words(state, first, 1) is not None:
            return dict.fromkeys(state.active)
        folders = {run.run_id: self._paths.run(run.run_id) for run in running}
        elapsed = {one: self._engines.of(folder).elapsed_s(str(folder.folder)) for one, folder in folders.items()}
        elapsed |= dict.fromkeys(one for one in state.active if self._placed_words(one) is not None)
        alone = {one for one in state.active if alone_words(state, state.runs[one]) is not None}
        return expected_ends(state, elapsed, max(1, len(slots)), alone)

    def side_by_side(self, state: State, run: Run) -> int:
        """How many runs like this one may train at the same time, itself among them."""
        return max(1, len(self._slots())) if alone_words(state, run) is None else 1

    def words(self, state: State, run: Run, position: int) -> str | None:
        """What a queued run waits for: its job, its slot, or where there are several, those that train; else None."""
        placed = self._placed_words(run.run_id)
        if placed is not None:
            return placed
        try:
            settings = load_config(self._paths.settings).settings
            engine = self._engines.chosen(settings)
            slots = engine.slots(settings)
        except Refusal:
            return None
        training = training_now(state)
        if len(slots) > 1 and training:
            wait = waits_for(state, run)
            full = "it waits for a free slot" if len(training) >= len(slots) else None
            said = [f"training now: {list_first(one.run_id for one in training)}", wait.reason if wait else full]
            return "; ".join(one for one in said if one)
        conductor = locks.signature(self._paths.conductor_lock)
        holders = [engine.slot_holder(slot.name, conductor) for slot in slots] if position == 1 else [None]
        if None in holders:
            return None
        names = list_first(slot.name for slot in slots)
        if len(slots) > 1:
            return f"other trainings hold the slots {names}; it starts when one of them ends"
        return f"{holders[0]} holds the slot {names}; it starts when that one ends"

    def _slots(self) -> tuple[NamedSlot, ...]:
        """The slots that the settings give; none where these cannot be read."""
        try:
            settings = load_config(self._paths.settings).settings
            return self._engines.chosen(settings).slots(settings)
        except Refusal:
            return ()

    def _placed_words(self, run_id: str) -> str | None:
        """What a run that its engine has waits for; None where that says nothing."""
        folder = self._paths.run(run_id)
        is_placed = folder.spec.exists() and not folder.started.exists()
        return self._engines.of(folder).waits_for(str(folder.folder)) if is_placed else None

"""Limits for unattended runs: free disk space, and failures in a row."""

from dataclasses import dataclass

from seedproof.ledger.state import State
from seedproof.model.refusals import DiskLow, Runaway
from seedproof.phases.calls import show_experiments_call

__all__ = ["GIGABYTE", "Limits", "check_room", "check_runaway"]

GIGABYTE = 10**9


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits in the settings, and the free space on the disks."""

    runaway_after: int = 10
    """Number of failed or diverged runs in a row after which a person has to look."""
    free_bytes: int | None = None
    """Free bytes on the disk of the output folders; None if unknown."""
    reserve_bytes: int = GIGABYTE
    """Bytes that must stay free besides the largest output folder so far; 0 turns the check off."""
    own_free_bytes: int | None = None
    """Free bytes on the disk of ledger and logs; it differs where `checkpoints` links to another disk."""
    keep_outputs: str = "none"
    """Which output folders stay when a report is written, as in the settings."""


def check_runaway(state: State, limits: Limits) -> None:
    """Refuse a new experiment after too many failures in a row.

    Raises:
        Runaway: The limit of failed or diverged runs is reached.
    """
    if state.failures_in_row < limits.runaway_after:
        return
    raise Runaway(
        f"the last {state.failures_in_row} runs failed or diverged; a new experiment would too. "
        "A person looks at the cause and runs `seedproof resume`.",
        show_experiments_call("Shows what failed; tell your user."),
    )


def check_room(state: State, limits: Limits) -> None:
    """Refuse a run whose output could fill the disk.

    Raises:
        DiskLow: Less is free than the largest output folder so far plus the reserve, or than the reserve for its log.
    """
    reserve, needed = limits.reserve_bytes, state.largest_output_bytes + limits.reserve_bytes
    if reserve and limits.free_bytes is not None and limits.free_bytes < needed:
        raise _disk_low(
            f"{limits.free_bytes / GIGABYTE:.2f} GB are free, and a run needs {needed / GIGABYTE:.2f} GB: the largest "
            f"output folder so far and {reserve / GIGABYTE:g} GB. {_way_out(state, limits)}"
        )
    if reserve and limits.own_free_bytes is not None and limits.own_free_bytes < reserve:
        raise _disk_low(
            f"{limits.own_free_bytes / GIGABYTE:.2f} GB are free on the project's own disk, and a run needs "
            f"{reserve / GIGABYTE:g} GB there for its log, wherever `checkpoints` leads. Free space there: what the "
            "reports that are due remove may lie elsewhere."
        )


def _way_out(state: State, limits: Limits) -> str:
    """What to do where room is missing for output folders, with what the kept ones take."""
    if limits.keep_outputs == "none":
        return "Free space, or write the reports that are due: that removes checkpoints."
    owned = [state.runs[run_id] for run_id in state.owned_folders.values()]
    left = [run for run in owned if run.output_id is not None]
    taken = sum(run.output_bytes for run in left) / GIGABYTE
    return (
        f'With keep_outputs = "{limits.keep_outputs}", {len(left)} output folders of ended runs take {taken:.2f} GB. '
        'Free space, or set keep_outputs = "none" and write their reports again: that removes them.'
    )


def _disk_low(message: str) -> DiskLow:
    off = "Where a run needs less than that, `min_free_gb = 0` under [settings] in seedproof.toml lets it start."
    return DiskLow(f"{message} {off}", show_experiments_call("Shows which reports are due."))

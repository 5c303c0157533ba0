"""Notices on what was before a ledger or beside it: earlier and other ledgers, copies, records that it lost."""

from collections.abc import Iterator

from seedproof.ledger.beginnings import PastLedger
from seedproof.ledger.state import Generation, State
from seedproof.ledger.study_events import LedgerDisclosed
from seedproof.model.results import Notice
from seedproof.model.untrusted import one_line

__all__ = ["disclosed_notice", "head_lines", "past_lines", "past_notices", "restarted_notice"]

# Another one of these in an earlier generation means that something else was measured. Seeds, sizes and limits say how
# it was measured, and a larger baseline is what the product itself advises.
_WHAT_IS_MEASURED = ("metric", "command")


def past_lines(state: State) -> list[str]:
    """The past as a report prints it, without paths of other folders, because reports are published."""
    resumed = (
        f"`seedproof resume` allowed new experiments again after {one.failures} runs in a row that failed or diverged "
        f"(record #{one.seq}): {one_line(one.reason)}"
        for one in state.resumed
    )
    return [*(notice.message for notice in _past(state)), *resumed]


def head_lines(state: State, generation: Generation) -> list[str]:
    """What the head of a report says besides the result: the past, other ledgers, and other rules before.

    Empty for a generation that an earlier version began: its reports say what they said.
    """
    if generation.beginnings is None:
        return []
    return [*past_lines(state), *(one.message for one in _begun(state)), *_measured_otherwise(state, generation)]


def past_notices(state: State) -> list[Notice]:
    """The past as a reply shows it; another notice names present copies by their paths."""
    return [*(one for one in _past(state) if one.code != "ledger_shared"), *_begun(state)]


def _past(state: State) -> list[Notice]:
    found = [] if state.previous is None else [restarted_notice(state.previous)]
    return [*found, *(disclosed_notice(one) for one in state.disclosures if one.what != "others")]


def _begun(state: State) -> Iterator[Notice]:
    """Other ledgers that began with the same code, and what an earlier one left in the repository."""
    others, generation = state.others, state.generation
    if others is not None and generation is not None:
        counts = f"{_count(others.experiments, 'experiment')}, {_count(others.winners, 'WINNER')}"
        counted = "count" if generation.rules.campaign == "code" else "do not count"
        text = f"{_count(others.ledgers, 'other ledger')} began with this code: {counts}"
        yield Notice("other_ledgers", f"{text}. They {counted} among the ideas tried here.")
    first = state.generations[0].beginnings if state.generations else None
    if first is not None and first.snapshots:
        text = f"When this ledger began, its repository held {_count(first.snapshots, 'snapshot')} of an earlier ledger"
        yield Notice("earlier_snapshots", f"{text} that is not known here.")


def _measured_otherwise(state: State, generation: Generation) -> Iterator[str]:
    """The line on earlier generations that measured something else."""
    begun = [one for one in state.generations[: generation.number - 1] if not one.is_empty]
    earlier = [one.rules.differing(generation.rules) for one in begun]
    names = [name for name in _WHAT_IS_MEASURED if any(name in one for one in earlier)]
    if names:
        count = sum(any(name in one for name in names) for one in earlier)
        before = _count(count, "earlier generation")
        yield f"{before} of this baseline differed in: {', '.join(names)}; the section Provenance has their results."


def restarted_notice(previous: PastLedger) -> Notice:
    """An earlier ledger of the same folder is gone."""
    before = f", as are {previous.gone} before it" if previous.gone else ""
    return Notice("ledger_restarted", f"An earlier ledger of this folder, {_describe(previous)}, is gone{before}.")


def disclosed_notice(disclosed: LedgerDisclosed) -> Notice:
    """What the registry knew and the ledger did not hold, as it is recorded since."""
    what, present = disclosed.what, disclosed.present
    if what == "shared":
        count = disclosed.folders
        others = "1 other folder of this machine holds" if count == 1 else f"{count} other folders of this machine hold"
        return Notice("ledger_shared", f"{others} the same ledger; what is run there is not seen here.")
    if what == "elsewhere":
        text = f"From {present} on, records were written with another state folder (XDG_STATE_HOME) than before"
        return Notice("state_folder_changed", f"{text}; what only one of the two knows may be missing here.")
    had = _describe(disclosed.had)
    if what == "replaced":
        return Notice("ledger_restarted", f"This ledger took the place of another one of this folder, {had}.")
    if what == "copy":
        text = f"A copy of this ledger, {had}, was in a folder that is gone; what it held at its end is not in this one"
        return Notice("ledger_rewound", f"{text}, which ended at {present} when that was seen.")
    text = f"This ledger was set back: it had been one {had}"
    return Notice("ledger_rewound", f"{text}, and ended at {present}, without that head, when that was seen.")


def _describe(past: PastLedger | None) -> str:
    assert past is not None  # whatever names no lost ledger was answered before
    return f"begun {past.began}, with {past.records} records and head {past.head}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"

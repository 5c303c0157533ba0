"""Notices on the past of a ledger: an earlier one in its folder, copies of it, records that it lost."""

from seedproof.ledger.state import State
from seedproof.ledger.study_events import LedgerDisclosed, PastLedger
from seedproof.model.results import Notice
from seedproof.model.untrusted import one_line

__all__ = ["disclosed_notice", "past_lines", "past_notices", "restarted_notice"]


def past_lines(state: State) -> list[str]:
    """The past as a report prints it, without paths of other folders, because reports are published."""
    found = [] if state.previous is None else [restarted_notice(state.previous)]
    resumed = (
        f"New experiments were allowed again after {one.failures} runs in a row that failed or diverged (record "
        f"#{one.seq}): {one_line(one.reason)}"
        for one in state.resumed
    )
    return [*(notice.message for notice in (*found, *map(disclosed_notice, state.disclosures))), *resumed]


def past_notices(state: State) -> list[Notice]:
    """The past as a reply shows it; another notice names present copies by their paths."""
    found = [] if state.previous is None else [restarted_notice(state.previous)]
    return [*found, *(disclosed_notice(one) for one in state.disclosures if one.what != "shared")]


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
    had = _describe(disclosed.had)
    if what == "replaced":
        return Notice("ledger_restarted", f"This ledger took the place of another one of this folder, {had}.")
    if what == "copy":
        text = f"A copy of this ledger, {had}, was in a folder that is gone; what it held at its end is not in this one"
        return Notice("ledger_rewound", f"{text}, which ended at {present} when that was seen.")
    text = f"This ledger was set back: it had been one {had}"
    return Notice("ledger_rewound", f"{text}, and ended at {present}, without that head, when that was seen.")


def _describe(past: PastLedger | None) -> str:
    assert past is not None  # whatever is not `shared` names what was lost
    return f"begun {past.began}, with {past.records} records and head {past.head}"

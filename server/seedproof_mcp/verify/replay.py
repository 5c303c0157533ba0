"""Recomputes state, verdicts and, on request, every report and figure from the ledger's records."""

import hashlib
import math
from collections.abc import Iterator, Sequence

from seedproof.ledger.events import apply, fold
from seedproof.ledger.records import Record
from seedproof.ledger.state import State
from seedproof.model.refusals import LedgerDamaged, Refusal
from seedproof.model.results import Comparison
from seedproof.report.report import REPORT_FORMAT

from seedproof_mcp.service.reports import rendered_again
from seedproof_mcp.service.verdicts import judged_again
from seedproof_mcp.verify.checks import Check, failed, listed, noted, passed

__all__ = ["Replay"]

_NUMBERS = ("delta", "improvement_sigma", "cohens_d")
# Another version of Python or numpy may sum in another order.
_TOLERANCE = 1e-9


class Replay:
    """Folds the records once, and recomputes each verdict and report at its record."""

    def __init__(self, records: Sequence[Record], regenerates: bool) -> None:
        self._records = records
        self._regenerates = regenerates
        self._verdicts = self._reports = self._older_verdicts = self._older_reports = 0
        self._verdict_faults: list[str] = []
        self._report_faults: list[str] = []
        self.state: State | None = State()
        """The state that the records fold to; None if they contradict each other."""

    def run(self) -> Iterator[Check]:
        """Fold the records and yield the findings."""
        state = State()
        for record in self._records:
            try:
                if record["kind"] == "verdict_issued":
                    self._judge(state, record)
                elif record["kind"] == "report_written" and self._regenerates:
                    self._render(state, record)
                apply(state, record)
            except LedgerDamaged as damage:
                self.state = None
                yield failed("state", f"record #{record['seq']} {damage.fault}")
                return
        self.state = state
        yield passed(
            "state",
            f"{len(self._records)} records add up to {_count(len(state.generations), 'generation')}, "
            f"{_count(len(state.experiments), 'experiment')} and {_count(len(state.runs), 'run')}",
        )
        yield from self._findings()

    def _findings(self) -> Iterator[Check]:
        again = f"{_count(self._verdicts, 'verdict')} given again from the records before them"
        yield from listed("verdicts", self._verdict_faults, passed("verdicts", again))
        if self._older_verdicts:
            text = f"{_count(self._older_verdicts, 'verdict')} of an earlier version would read otherwise today"
            yield noted("verdicts", text)
        if self._regenerates:
            again = f"{_count(self._reports, 'report')} made again byte for byte, figures too"
            yield from listed("regenerate", self._report_faults, passed("regenerate", again))
        if self._older_reports:
            text = f"{_count(self._older_reports, 'report')} of an earlier format cannot be made again by this version"
            yield noted("regenerate", text)

    def _judge(self, state: State, record: Record) -> None:
        self._verdicts += 1
        fault = _verdict_fault(state, record)
        if fault is None:
            return
        if record.get("report_format") == REPORT_FORMAT:
            self._verdict_faults.append(f"record #{record['seq']}: {fault}")
        else:
            self._older_verdicts += 1

    def _render(self, state: State, record: Record) -> None:
        if record.get("report_format") != REPORT_FORMAT:
            self._older_reports += 1
            return
        self._reports += 1
        # Nearly always no record lies between a report and its basis, and the fold so far is that basis.
        basis = state if record["at_seq"] == state.seq else fold(self._records[: record["at_seq"]])
        try:
            made = [hashlib.sha256(text.encode()).hexdigest() for text in rendered_again(basis, record)]
        except (Refusal, AssertionError, KeyError, IndexError, TypeError, ValueError) as error:
            self._report_faults.append(
                f"record #{record['seq']}: {record['path']} cannot be made again ({error!r:.120})"
            )
            return
        if made != [record["sha256"], *record["figure_sha256"]]:
            text = (
                f"record #{record['seq']}: {record['path']}, made again from the ledger, has other bytes than recorded"
            )
            self._report_faults.append(text)


def _verdict_fault(state: State, record: Record) -> str | None:
    """How a recorded verdict differs from the one that its runs give; None if it does not."""
    try:
        comparison = judged_again(state, record)
    except (Refusal, KeyError, IndexError, TypeError) as error:
        reason = error.message if isinstance(error, Refusal) else repr(error)
        return f"{record.get('headline')!r:.120} was said, and the records before it allow no verdict ({reason:.120})"
    recorded = (record["verdict"], record["headline"])
    if recorded != (str(comparison.verdict), comparison.headline):
        return f"{record['headline']!r:.120} was said, and the runs before it give {comparison.headline!r:.120}"
    names = ", ".join(name for name in _NUMBERS if not _is_same(record[name], comparison, name))
    return f"{names} of its verdict differ from what the runs before it give" if names else None


def _is_same(recorded: float | None, comparison: Comparison, name: str) -> bool:
    found: float | None = getattr(comparison, name)
    if recorded is None or found is None:
        return recorded is found
    return math.isclose(recorded, found, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"

"""Checks logs, reports and figures against the hashes in the ledger's records."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from seedproof.ledger.event import Record
from seedproof.ledger.events import read_events
from seedproof.ledger.run_ends import RUN_ENDS, RunEnded
from seedproof.ledger.run_events import MetricsReadAgain, ReadAgain
from seedproof.ledger.state import State
from seedproof.ledger.study_events import GenerationStarted, ReportWritten
from seedproof.model.metric_rule import LogPattern
from seedproof.model.rules import Rules
from seedproof.model.runs import MetricValue

from seedproof_mcp.runner.log_reader import kept_log_size, read_log
from seedproof_mcp.system.paths import ProjectPaths
from seedproof_mcp.verify.checks import Check, failed, listed, noted, passed
from seedproof_mcp.verify.witnesses import read_heads

__all__ = ["check_logs", "check_reports", "check_unknown_reports"]

# The names of Seedproof's reports and of what lies beside them.
_REPORT_NAMES = tuple(
    f"{name}_*.{end}"
    for name in ("baseline_variance", "experiment")
    for end in ("md", "markdown", "svg", "json", "diff")
)


# --- logs -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Logged:
    """What a record says of the output of one run."""

    seq: int
    """Number of the record."""
    run_id: str
    """Id of the run."""
    log_sha256: str
    """Hash of its log."""
    rules: Rules
    """The rules that it was read by."""
    texts: Mapping[str, str | None]
    """By metric of the log, its value as printed; None where the log shows none."""
    log_bytes: int | None = None
    """Size of the log; None where the record does not say it."""
    kept: Mapping[str, str] = field(default_factory=dict)
    """Hash of each file that was copied from the output folder, by the copy's name."""


def check_logs(paths: ProjectPaths, records: Sequence[Record], state: State | None) -> list[Check]:
    """Check the hash of every log that is still there, and the metrics that were read from it.

    Args:
        paths: The project.
        records: The ledger's records.
        state: The state that they fold to; None if they are damaged, and only hashes can be checked.
    """
    logged = list(_logged(records, state))
    present = [one for one in logged if paths.run(one.run_id).log.is_file()]
    faults = [fault for one in present if (fault := _log_fault(paths, one)) is not None]
    count, every = (len({one.run_id for one in some}) for some in (present, logged))
    found = listed("logs", faults, passed("logs", f"all {count} that are still here are as recorded"))
    if count < every:
        found.append(noted("logs", f"{every - count} of {every} are not here, so nothing is said of them"))
    return found


def _logged(records: Sequence[Record], state: State | None) -> Iterator[_Logged]:
    """What the records say of outputs, each with the rules that held then."""
    rules: dict[int, Rules] = {}
    for event in read_events(records, GenerationStarted, MetricsReadAgain, *RUN_ENDS):
        if isinstance(event, GenerationStarted):
            rules[event.generation] = event.rules
        elif isinstance(event, MetricsReadAgain) and event.generation in rules:
            present = rules[event.generation].with_metrics(event.metric, event.extra_metrics)
            rules[event.generation] = present
            for run_id, read in event.runs.items():
                yield _Logged(event.seq, run_id, read.log_sha256, present, _newly_read(read, present))
        elif isinstance(event, RunEnded) and event.log is not None and event.log.log_sha256:
            run = None if state is None else state.runs.get(event.run_id)
            held = None if run is None else rules.get(run.generation)
            texts = {} if held is None else {name: _text(event.metrics or {}, name) for name in _log_metrics(held)}
            yield _Logged(
                event.seq,
                event.run_id,
                event.log.log_sha256,
                held or Rules(),
                texts,
                event.log.log_bytes or 0,
                event.kept,
            )


def _newly_read(read: ReadAgain, rules: Rules) -> dict[str, str | None]:
    """What a reading changed: a value that stands stays as it was printed under the metric before."""
    before = list(read.before.metrics.values())
    names = [name for name in _log_metrics(rules) if name in read.now.metrics]
    return {name: read.now.metrics[name].text for name in names if read.now.metrics[name] not in before}


def _log_metrics(rules: Rules) -> list[str]:
    return [metric.name for metric in rules.metrics if isinstance(metric.source, LogPattern)]


def _text(metrics: Mapping[str, MetricValue], name: str) -> str | None:
    return metrics[name].text if name in metrics else None


def _log_fault(paths: ProjectPaths, logged: _Logged) -> str | None:
    folder, run_id = paths.run(logged.run_id), logged.run_id
    try:
        reading = read_log(folder.log, kept_log_size(folder, logged.log_bytes), logged.rules)
    except OSError as error:
        return f"the log of {run_id} cannot be read ({error.strerror})"
    if reading.sha256 != logged.log_sha256 or logged.log_bytes not in (None, reading.size):
        return f"the log of {run_id} was edited: it is not the one of record #{logged.seq}"
    for name, sha256 in logged.kept.items():
        copy = folder.metric_copy(name)
        if copy.is_file() and hashlib.sha256(copy.read_bytes()).hexdigest() != sha256:
            return f"{name} of {run_id} was edited: it is not the one of record #{logged.seq}"
    for name, text in logged.texts.items():
        found = _text(reading.metrics, name)
        older = _text(reading.last_numbers, name) if logged.rules.earlier is not None else found
        if text not in (found, older):
            return f"record #{logged.seq} says {name} {text}, and the log of {run_id} {found}"
    return None


# --- reports and figures ------------------------------------------------------------------------


def check_reports(paths: ProjectPaths, records: Sequence[Record]) -> list[Check]:
    """Check each report and figure against the hash that was recorded last for its path."""
    hashes: dict[str, list[tuple[int, str]]] = {}
    for report in read_events(records, ReportWritten):
        for name, sha256 in report.files.items():
            hashes.setdefault(name, []).append((report.seq, sha256))
    faults = [fault for name, known in hashes.items() if (fault := _file_fault(paths.root / name, name, known))]
    return listed("reports", faults, passed("reports", f"{len(hashes)} files of reports are as recorded"))


def _file_fault(path: Path, name: str, known: Sequence[tuple[int, str]]) -> str | None:
    seq, wanted = known[-1]
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return f"{name} is missing; record #{seq} wrote it, and `seedproof report` writes it again"
    except OSError as error:
        return f"{name} cannot be read ({error.strerror})"
    if found == wanted:
        return None
    older = next((number for number, sha256 in known if sha256 == found), None)
    if older is not None:
        return f"{name} is an older one, of record #{older}; record #{seq} wrote another"
    return f"{name} was edited: it is not what record #{seq} wrote"


def check_unknown_reports(paths: ProjectPaths, records: Sequence[Record]) -> Iterator[Check]:
    """Find reports and figures with our names that the ledger does not know."""
    known = {name for report in read_events(records, ReportWritten) for name in report.files}
    for path in sorted({path for pattern in _REPORT_NAMES for path in paths.research.glob(pattern)}):
        name = str(path.relative_to(paths.root))
        if name not in known:
            yield _unknown_report(path, name)


def _unknown_report(path: Path, name: str) -> Check:
    """A fault if the report names a ledger head, as it then claims to come from a ledger; else a note."""
    if ".unverified" in path.name:
        return noted("unknown", f"{name} was moved aside: no ledger vouches for it")
    heads = read_heads(path) if path.suffix != ".svg" else []
    if heads:
        text = f"{name} names ledger head #{heads[0][0]} {heads[0][1]}, and this ledger never wrote it"
        return failed("unknown", f"{text}: it is forged, or of another ledger")
    return noted("unknown", f"{name} is unverified: this ledger never wrote it")

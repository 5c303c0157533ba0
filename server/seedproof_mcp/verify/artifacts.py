"""Checks logs, reports and figures against the hashes in the ledger's records."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from seedproof.ledger.events import RUN_ENDS, LogRead, Record, ReportWritten, RunEnded, read_events
from seedproof.ledger.state import State
from seedproof.metrics.scanner import LogReading
from seedproof.model.metric_rule import JsonFile
from seedproof.model.rules import Rules

from seedproof_mcp.runner.log_reader import read_log
from seedproof_mcp.system.paths import ProjectPaths, RunPaths
from seedproof_mcp.verify.checks import Check, failed, listed, noted, passed
from seedproof_mcp.verify.witnesses import read_heads

__all__ = ["check_logs", "check_reports", "check_unknown_reports"]

# The names of Seedproof's reports and figures.
_REPORT_NAMES = ("baseline_variance_*.md", "experiment_*.md", "baseline_variance_*.svg", "experiment_*.svg")


# --- logs -------------------------------------------------------------------------------------


def check_logs(paths: ProjectPaths, records: Sequence[Record], state: State | None) -> list[Check]:
    """Check the hash of every log that is still there, and the metrics that were read from it.

    Args:
        paths: The project.
        records: The ledger's records.
        state: The state that they fold to; None if they are damaged, and only hashes can be checked.
    """
    logged = [event for event in read_events(records, *RUN_ENDS) if event.log is not None and event.log.log_sha256]
    present = [event for event in logged if paths.run(event.run_id).log.is_file()]
    faults = [fault for event in present if (fault := _log_fault(paths, event, state)) is not None]
    found = listed("logs", faults, passed("logs", f"all {len(present)} that are still here are as recorded"))
    if len(present) < len(logged):
        found.append(
            noted("logs", f"{len(logged) - len(present)} of {len(logged)} are not here, so nothing is said of them")
        )
    return found


def _log_fault(paths: ProjectPaths, ended: RunEnded, state: State | None) -> str | None:
    assert ended.log is not None  # as the caller chose it
    run_paths = paths.run(ended.run_id)
    run = None if state is None else state.runs.get(ended.run_id)
    rules = Rules() if run is None or state is None else state.rules_of(run.generation)
    try:
        reading = read_log(run_paths.log, _log_size(run_paths, ended.log), rules)
    except OSError as error:
        return f"the log of {ended.run_id} cannot be read ({error.strerror})"
    if (reading.sha256, reading.size) != (ended.log.log_sha256, ended.log.log_bytes):
        return f"the log of {ended.run_id} was edited: it is not the one of record #{ended.seq}"
    return None if run is None else _metric_fault(ended, rules, reading)


def _log_size(run: RunPaths, recorded: LogRead) -> int:
    """The size of the log when the run ended; daemons may have added to it since.

    The record counts a hole of the log cap as the line that replaces it, so the run's result is read first.
    """
    try:
        return int(json.loads(run.result.read_bytes())["log_bytes"])
    except (OSError, ValueError, KeyError, TypeError):
        status = run.log.stat()
        has_holes = status.st_blocks * 512 < status.st_size
        return status.st_size if has_holes else recorded.log_bytes or 0


def _metric_fault(ended: RunEnded, rules: Rules, reading: LogReading) -> str | None:
    """A metric that differs between a record and its log, though the log has the recorded hash."""
    for metric in rules.metrics:
        if isinstance(metric.source, JsonFile):
            continue
        read, written = reading.metrics.get(metric.name), (ended.metrics or {}).get(metric.name)
        texts = (None if read is None else read.text, None if written is None else written.text)
        older = reading.last_numbers.get(metric.name) if rules.earlier is not None else None
        if texts[0] != texts[1] and (older is None or older.text != texts[1]):
            return f"record #{ended.seq} says {metric.name} {texts[1]}, and the log of {ended.run_id} {texts[0]}"
    return None


# --- reports and figures ------------------------------------------------------------------------


def check_reports(paths: ProjectPaths, records: Sequence[Record]) -> list[Check]:
    """Check each report and figure against the hash that was recorded last for its path."""
    hashes: dict[str, list[tuple[int, str]]] = {}
    for report in read_events(records, ReportWritten):
        for name, sha256 in report.files.items():
            hashes.setdefault(name, []).append((report.seq, sha256))
    faults = [fault for name, known in hashes.items() if (fault := _file_fault(paths.root / name, name, known))]
    return listed("reports", faults, passed("reports", f"{len(hashes)} reports and figures are as recorded"))


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
    known = {name for report in read_events(records, ReportWritten) for name in (report.path, *report.figures)}
    for path in sorted({path for pattern in _REPORT_NAMES for path in paths.research.glob(pattern)}):
        name = str(path.relative_to(paths.root))
        if name not in known:
            yield _unknown_report(path, name)


def _unknown_report(path: Path, name: str) -> Check:
    """A fault if the report names a ledger head, as it then claims to come from a ledger; else a note."""
    if ".unverified" in path.name:
        return noted("unknown", f"{name} was moved aside: no ledger vouches for it")
    heads = read_heads(path) if path.suffix == ".md" else []
    if heads:
        text = f"{name} names ledger head #{heads[0][0]} {heads[0][1]}, and this ledger never wrote it"
        return failed("unknown", f"{text}: it is forged, or of another ledger")
    return noted("unknown", f"{name} is unverified: this ledger never wrote it")

"""The files that a ledger speaks of: logs, reports and figures, held against the hashes in its records."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from seedproof.ledger.events import RUN_ENDS, LogRead, Record, ReportWritten, RunEnded, read_events
from seedproof.ledger.state import State
from seedproof.metrics.scanner import LogReading
from seedproof.model.rules import JsonFile, Rules

from seedproof_mcp.runner.log_reader import read_log
from seedproof_mcp.system.paths import ProjectPaths, RunPaths
from seedproof_mcp.verify.checks import Check, failed, listed, noted, passed
from seedproof_mcp.verify.witnesses import heads_in

__all__ = ["check_logs", "check_reports", "check_strangers"]

# The names that Seedproof gives to its reports and figures.
_OURS = ("baseline_variance_*.md", "experiment_*.md", "baseline_variance_*.svg", "experiment_*.svg")


# --- logs -------------------------------------------------------------------------------------


def check_logs(paths: ProjectPaths, records: Sequence[Record], state: State | None) -> list[Check]:
    """Every log that is still there: its hash, and the metrics that were read from it.

    Args:
        state: What the records add up to; None where they are damaged, and only hashes are looked at.
    """
    ended = [event for event in read_events(records, *RUN_ENDS) if event.log is not None and event.log.log_sha256]
    here = [event for event in ended if paths.run(event.run_id).log.is_file()]
    faults = [fault for event in here if (fault := _log_fault(paths, event, state)) is not None]
    found = listed("logs", faults, passed("logs", f"all {len(here)} that are still here are as recorded"))
    if len(here) < len(ended):
        found.append(
            noted("logs", f"{len(ended) - len(here)} of {len(ended)} are not here, so nothing is said of them")
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
    """How many bytes the log had when the run ended; daemons may have added some.

    The record counts a hole of the log cap as the line that is read in its place, so the result is asked first.
    """
    try:
        return int(json.loads(run.result.read_bytes())["log_bytes"])
    except (OSError, ValueError, KeyError, TypeError):
        seen = run.log.stat()
        has_holes = seen.st_blocks * 512 < seen.st_size
        return seen.st_size if has_holes else recorded.log_bytes or 0


def _metric_fault(ended: RunEnded, rules: Rules, reading: LogReading) -> str | None:
    """A value that the record has and its log has not: both were made to fit each other, but for this."""
    for metric in rules.metrics:
        if isinstance(metric.source, JsonFile):
            continue
        read, written = reading.metrics.get(metric.name), (ended.metrics or {}).get(metric.name)
        texts = (None if read is None else read.text, None if written is None else written.text)
        if texts[0] != texts[1]:
            return f"record #{ended.seq} says {metric.name} {texts[1]}, and the log of {ended.run_id} {texts[0]}"
    return None


# --- reports and figures ------------------------------------------------------------------------


def check_reports(paths: ProjectPaths, records: Sequence[Record]) -> list[Check]:
    """Each report and figure against the hash that was recorded last for its path."""
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
        return f"{name} is missing; record #{seq} wrote it, and `seedproof report` makes it again"
    except OSError as error:
        return f"{name} cannot be read ({error.strerror})"
    if found == wanted:
        return None
    older = next((number for number, sha256 in known if sha256 == found), None)
    if older is not None:
        return f"{name} is an older one, of record #{older}; record #{seq} wrote another"
    return f"{name} was edited: it is not what record #{seq} wrote"


def check_strangers(paths: ProjectPaths, records: Sequence[Record]) -> Iterator[Check]:
    """Reports and figures under our names that the ledger does not know."""
    known = {name for report in read_events(records, ReportWritten) for name in (report.path, *report.figures)}
    for path in sorted({path for pattern in _OURS for path in paths.research.glob(pattern)}):
        name = str(path.relative_to(paths.root))
        if name not in known:
            yield _stranger(path, name)


def _stranger(path: Path, name: str) -> Check:
    """A report that names a ledger head claims to come from a ledger; one that does not claims nothing."""
    if ".unverified" in path.name:
        return noted("unknown", f"{name} was moved aside: no ledger vouches for it")
    heads = heads_in(path) if path.suffix == ".md" else []
    if heads:
        text = f"{name} names ledger head #{heads[0][0]} {heads[0][1]}, and this ledger never wrote it"
        return failed("unknown", f"{text}: it is forged, or of another ledger")
    return noted("unknown", f"{name} is unverified: this ledger never wrote it")

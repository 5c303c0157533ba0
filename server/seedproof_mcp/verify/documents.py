"""Looks at every file under docs/ that names this ledger: whether the ledger wrote it, and whether it still holds."""

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from seedproof.ledger.event import Record
from seedproof.ledger.events import read_events
from seedproof.ledger.state import State
from seedproof.ledger.study_events import ReportWritten

from seedproof_mcp.system.paths import ProjectPaths
from seedproof_mcp.verify.checks import MAX_LISTED, Check, failed, noted

__all__ = ["check_documents", "check_headlines"]

# Reports and their numbers are far smaller; a larger file is data or a build of a documentation.
_MOST_BYTES = 4_000_000
# How reports, their numbers and their figures begin; whoever quotes one in a text of their own writes more before it.
_LIKE_OURS = re.compile(r'\A(# Experiment: |# Baseline Variance \(|\{\n  "[a-z_]+": |<svg [^>]*class="seedproof")')


def check_headlines(state: State) -> Iterator[Check]:
    """Note each report that shows another verdict than the newest one of its experiment."""
    for report in state.reports.values():
        if report.experiment is None:
            continue
        verdict = state.generations[report.generation - 1].experiments[report.experiment].verdict
        if verdict is not None and verdict.seq > report.seq and verdict.headline != report.headline:
            yield noted(
                "reports",
                f"{report.path} says {report.headline!r:.120}, and record #{verdict.seq} {verdict.headline!r:.120}; "
                f"`seedproof report --experiment {report.experiment}` writes it again",
            )


def check_documents(paths: ProjectPaths, records: Sequence[Record]) -> Iterator[Check]:
    """Find files under docs/ that name this ledger and that it did not write as they are.

    What looks like a report is a fault; a text that names the ledger, such as a paper, is noted.
    """
    if not records:
        return
    named = re.compile(rf"(?i)\bledger\W{{1,5}}{records[0]['hash'][:12]}\b")
    reports = list(read_events(records, ReportWritten))
    written = {sha256 for report in reports for sha256 in report.files.values()}
    # `check_reports`, `check_unknown_reports` and `check_study_page` look at these.
    known = {paths.root / name for report in reports for name in report.files}
    known |= {paths.study_page, paths.study_page.with_suffix(".svg"), paths.mirror}
    quoting = []
    for path in _files(paths.root / "docs"):
        if path in known or ".unverified" in path.name:
            continue
        data = _read(path)
        text = data.decode("utf-8", "replace")
        if not named.search(text) or hashlib.sha256(data).hexdigest() in written:
            continue
        name = str(path.relative_to(paths.root))
        if _LIKE_OURS.match(text):
            yield failed("documents", f"{name} names this ledger, which never wrote it so: it is forged or edited")
        else:
            quoting.append(name)
    if quoting:
        more = f" and {len(quoting) - MAX_LISTED} more" if len(quoting) > MAX_LISTED else ""
        yield noted("documents", f"this ledger is named by {', '.join(quoting[:MAX_LISTED])}{more}; unverified")


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(place, name) for name in sorted(names))


def _read(path: Path) -> bytes:
    """The content; empty where it cannot be read or is too large."""
    try:
        return path.read_bytes() if path.is_file() and path.stat().st_size <= _MOST_BYTES else b""
    except OSError:
        return b""

"""Writes the study page and its figure, and keeps the baseline reports of earlier generations under names of their own.

No record holds a hash of the page: it names the ledger head that it was made from, and is made again from that.
"""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from seedproof.ledger.state import State
from seedproof.ledger.study_events import ReportWritten
from seedproof.model.results import REPORT_FORMAT, Notice
from seedproof.phases.next_call import campaign_next
from seedproof.phases.study import Study

from seedproof_mcp.ledger.file import Ledger, Writer
from seedproof_mcp.service.replies.report import ReportResult
from seedproof_mcp.service.replies.result import Follow
from seedproof_mcp.service.replies.rows import NoticeResult
from seedproof_mcp.service.reports import Files, has_hash, move_aside, render_recorded, write_files
from seedproof_mcp.system import files
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["is_of_ledger", "keep_earlier_baseline", "render_study", "study_result", "write_study"]


def render_study(state: State, figure: str) -> tuple[str, str]:
    """The text of the page and of its figure; equal states give equal bytes.

    Args:
        figure: File name of the figure.
    """
    # Imported here, as most answers draw nothing.
    from seedproof.report.study_figure import study_figure
    from seedproof.report.study_page import study_page

    study = Study(state, state.generations[-1].rules)
    return study_page(study, figure), study_figure(study)


def write_study(paths: ProjectPaths, state: State) -> tuple[str, list[Notice]]:
    """Write the page and its figure; return the page and notices on files of others that were in their place.

    Args:
        state: The recorded state, without what running trainings look like now.
    """
    page, figure = paths.study_page, paths.study_page.with_suffix(".svg")
    files.make_folder(page.parent)
    text, drawing = render_study(state, figure.name)
    notices = []
    # The figure first, so that no page shows a missing figure.
    for path, content in ((figure, drawing), (page, text)):
        present = path.read_bytes().decode("utf-8", "replace") if path.is_file() else None
        if os.path.lexists(path) and not is_of_ledger(present or "", state):
            notices.append(move_aside(paths, path))
        if present != content:
            files.write_atomic(path, content.encode())
    return text, notices


def study_result(study: Study, paths: ProjectPaths, text: str, notices: Iterable[Notice]) -> ReportResult:
    """The result of writing the study page.

    Args:
        text: The page.
        notices: On files that were in its place.
    """
    page, state = paths.study_page.relative_to(paths.root), study.state
    counts = _count(len(state.experiments), "experiment"), _count(len(state.generations), "generation")
    return ReportResult(
        path=str(page),
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        headline=f"Study: {', '.join(counts)}",
        verdict=None,
        figures=[str(page.with_suffix(".svg"))],
        removed=[],
        freed_bytes=0,
        kept={},
        ledger_head=state.head_label,
        notices=[NoticeResult.of(notice) for notice in notices],
        next=Follow.of(campaign_next(study)),
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def is_of_ledger(text: str, state: State) -> bool:
    """Whether a page or figure says that it comes from this ledger."""
    return f"Ledger {(state.first_hash or '')[:12]}, begun " in text


# --- baseline reports of earlier generations --------------------------------------------------


def keep_earlier_baseline(paths: ProjectPaths, ledger: Ledger, writer: Writer, label: str) -> list[Notice]:
    """Give the report of an earlier baseline a name of its own, before the present one takes its place.

    The record comes first and names the records that the report was made from, so what is written is the same report
    with the name of its own figure, and can be rendered again.

    Args:
        label: The scale of the present baseline.
    """
    state, path = writer.state, paths.baseline_report(label)
    for report in [one for one in state.reports.values() if _is_kept(one, state)]:
        if not all(os.path.lexists(paths.root / name) for name in report.files):
            write_files(paths.root / report.path, render_recorded(paths, ledger.state_at(report.at_seq), report))
    earlier = state.reports.get(str(path.relative_to(paths.root)))
    if earlier is None or earlier.generation == len(state.generations):
        return []
    to = paths.baseline_report(label, earlier.generation)
    found = _renamed(paths, ledger, earlier, to)
    if found is None:
        return []
    names = {end: str(to.with_suffix(end).relative_to(paths.root)) for end in found}
    hashes = {end: hashlib.sha256(data).hexdigest() for end, data in found.items()}
    notices = []
    if names[".md"] not in state.reports:
        notices = [move_aside(paths, paths.root / one) for one in names.values() if os.path.lexists(paths.root / one)]
        kept = replace(earlier, path=names[".md"], sha256=hashes[".md"], seq=0, time="", hash="")
        kept = replace(kept, figures=(names[".svg"],), figure_sha256=(hashes[".svg"],))
        kept = replace(kept, beside={names[end]: one for end, one in hashes.items() if end not in (".md", ".svg")})
        writer.append(kept)
    write_files(to, found)
    return notices


def _is_kept(report: ReportWritten, state: State) -> bool:
    """Whether it is the baseline report of an earlier generation, under a name of its own, in the present format."""
    is_earlier = report.experiment is None and report.generation != len(state.generations)
    return is_earlier and report.report_format == REPORT_FORMAT and f"_generation{report.generation}." in report.path


def _renamed(paths: ProjectPaths, ledger: Ledger, earlier: ReportWritten, to: Path) -> Files | None:
    """The files of a report under its new name; None for one of an earlier version that is not as recorded.

    Those are never rendered again, so they are copied.
    """
    if earlier.report_format == REPORT_FORMAT:
        kept = replace(earlier, path=str(to.relative_to(paths.root)))
        return render_recorded(paths, ledger.state_at(earlier.at_seq), kept)
    if len(earlier.figures) != 1 or not all(has_hash(paths.root / name, one) for name, one in earlier.files.items()):
        return None
    copied = {Path(name).suffix: (paths.root / name).read_bytes() for name in earlier.files}
    text, stem = copied.pop(".md").decode(), Path(earlier.path).stem
    # Links to the figure and to the numbers.
    return {**copied, ".md": text.replace(f"({stem}.", f"({to.stem}.").encode()}

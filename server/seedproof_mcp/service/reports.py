"""Reports: recorded in the ledger, rendered from it, and the clean-up that follows them."""

import hashlib
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from seedproof.ledger.events import FilesRemoved, ReportWritten
from seedproof.ledger.state import Experiment, Generation, State
from seedproof.model.refusals import NextCall, Refusal
from seedproof.model.results import Comparison, Notice
from seedproof.model.rules import Rules
from seedproof.model.run_key import Role
from seedproof.notices.past import past_lines
from seedproof.phases.next_call import finish_report_call, require_baseline
from seedproof.phases.study import Study
from seedproof.report.provenance import EarlierGeneration, EarlierVerdict, LedgerFacts
from seedproof.report.report import (
    REPORT_FORMAT,
    baseline_report,
    experiment_report,
)
from seedproof.stats.summary import summarize
from seedproof.verdict.campaign import campaign_from_records
from seedproof.verdict.comparability import written_acceptance
from seedproof.verdict.confirmation import pairs_of, written_confirmation
from seedproof.verdict.judge import judge

from seedproof_mcp.ledger.file import Ledger, Writer
from seedproof_mcp.runner import outputs
from seedproof_mcp.service.verdicts import judge_experiment
from seedproof_mcp.service.views import disclosed, written_evidence
from seedproof_mcp.system import files
from seedproof_mcp.system.paths import ProjectPaths

__all__ = [
    "Reports",
    "render",
    "render_recorded",
    "unverified_report",
]


def unverified_report(paths: ProjectPaths, state: State, rules: Rules) -> list[Notice]:
    """A notice where a baseline report lies about whose numbers no ledger knows anything."""
    path = paths.baseline_report(rules.label)
    relative = str(path.relative_to(paths.root))
    if relative in state.reports or not path.exists():
        return []
    text = f"{relative} exists, but no ledger vouches for its numbers; they count for nothing here."
    return [Notice("unverified_report", text)]


class Reports:
    """Writes reports: first the record, then the file, which can be made again from it."""

    def __init__(self, paths: ProjectPaths, ledger: Ledger) -> None:
        self._paths = paths
        self._ledger = ledger
        self._drawn: tuple[str, str, str] | None = None
        """The hash of the record that was written last, its report's text and its figure."""

    def record_report(
        self, writer: Writer, rules: Rules, comparison: Comparison | None
    ) -> tuple[ReportWritten, list[Notice]]:
        """The record of the report; a new one where attempts have ended since the last. And what was moved for it.

        The record comes before the file: a crash in between leaves a report that can be made again,
        never one that no record vouches for.

        Args:
            comparison: The experiment's, whose verdict is written down already; None for the baseline's report.
        """
        writer.disclose()
        state = writer.state
        generation, name = state.generations[-1], None if comparison is None else comparison.arm.experiment
        owner: Generation | Experiment = generation if name is None else generation.experiments[name]
        if owner.report is not None and _is_current(owner.report, state, owner):
            return owner.report, []
        path = self._paths.baseline_report(rules.label)
        if name is not None:
            path = self._paths.experiment_report(name, rules.label)
        relative = str(path.relative_to(self._paths.root))
        figure = path.with_suffix(".svg")
        # Figures have the names of their reports, so whoever wrote the one wrote the other.
        foreign = [] if relative in state.reports else [one for one in (path, figure) if os.path.lexists(one)]
        notices = [self._move_aside(one) for one in foreign]
        text, drawing = render(state, generation, name, figure.name, comparison)
        written = writer.append(
            ReportWritten(
                path=relative,
                sha256=hashlib.sha256(text.encode()).hexdigest(),
                generation=generation.number,
                experiment=name,
                headline="baseline measured" if comparison is None else comparison.headline,
                verdict=None if comparison is None else str(comparison.verdict),
                runs=state.ended_runs(owner),
                at_seq=state.seq,
                figures=(str(figure.relative_to(self._paths.root)),),
                figure_sha256=(hashlib.sha256(drawing.encode()).hexdigest(),),
                report_format=REPORT_FORMAT,
            )
        )
        self._drawn = (written.hash, text, drawing)
        return written, notices

    def _move_aside(self, path: Path) -> Notice:
        """Keep a report or figure that no ledger vouches for, and every one that was kept before."""
        names = (self._paths.unverified(path, number) for number in itertools.count(1))
        aside = next(name for name in names if not os.path.lexists(name))
        files.rename(path, aside)
        old, new = (str(name.relative_to(self._paths.root)) for name in (path, aside))
        return Notice("report_moved", f"{old} was there and no ledger vouches for it; it is {new} now.")

    def restore(self, report: ReportWritten) -> None:
        """Bring the files to what the record says; rendered from the ledger up to the record."""
        path = self._paths.root / report.path
        if all(_has_hash(self._paths.root / name, sha256) for name, sha256 in report.files.items()):
            return
        files.make_folder(path.parent)
        text, drawing = self._text_and_figure(report)
        # The figure first: a report never shows a figure that is not there.
        files.write_atomic(path.with_suffix(".svg"), drawing.encode())
        files.write_atomic(path, text.encode())

    def _text_and_figure(self, report: ReportWritten) -> tuple[str, str]:
        if self._drawn is not None and self._drawn[0] == report.hash:
            return self._drawn[1:]
        return render_recorded(self._ledger.state_at(report.at_seq), report)

    def unfinished(self, study: Study) -> NextCall | None:
        """The call that finishes the newest report where its writing was cut short, or its file is gone; else None.

        Whoever writes holds the ledger's lock, so no more than one can be unfinished. A file that somebody changed
        is left to who changed it.
        """
        report = study.state.newest_report
        if report is None or report.generation != len(study.state.generations):
            return None
        names = (report.path, *report.figures)
        if self._ledger.is_report_mirrored() and all(os.path.lexists(self._paths.root / name) for name in names):
            return None
        try:
            if report.experiment is None:
                require_baseline(study)
            else:
                judge_experiment(study, report.experiment)
        except Refusal:
            return None
        return finish_report_call(report.experiment)

    def clean_up(self, writer: Writer, name: str | None) -> tuple[list[str], int, list[Notice]]:
        """Remove the checkpoint folders of the arm that this ledger owns; names, bytes, and what was left."""
        state = writer.state
        generation = state.generations[-1]
        run_ids = generation.run_ids if name is None else generation.experiments[name].run_ids
        removed: list[str] = []
        left: list[str] = []
        stuck: list[str] = []
        freed = 0
        for folder, run_id in list(state.owned_folders.items()):
            if run_id in run_ids and not state.runs[run_id].state.is_active:
                found: int | None = 0
                if os.path.lexists(self._paths.root / folder):
                    try:
                        found = outputs.remove_ours(self._paths.root, state, folder)
                    except OSError as error:
                        if not outputs.stays(error):
                            raise
                        stuck.append(f"{folder} ({error.strerror})")
                        continue
                if found is None:
                    left.append(folder)
                    continue
                freed += found
                removed.append(folder)
        if removed:
            writer.append(FilesRemoved(paths=tuple(removed), freed_bytes=freed))
        return removed, freed, [*_not_removed(left), *_not_removable(stuck)]


def _not_removed(folders: list[str]) -> list[Notice]:
    if not folders:
        return []
    text = f"not what the run left there, so it stays: {', '.join(folders)}. Look at it and remove it yourself."
    return [Notice("not_removed", text)]


def _not_removable(folders: list[str]) -> list[Notice]:
    if not folders:
        return []
    text = f"cannot be removed, at least not all of it: {', '.join(folders)}. Remove it yourself."
    return [Notice("not_removed", text)]


def _has_hash(path: Path, sha256: str) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256


def _is_current(report: ReportWritten, state: State, owner: Generation | Experiment) -> bool:
    """Whether a report tells all there is to tell. One of another format could not be made again from its record."""
    knows_the_past = not any(one.seq > report.seq for one in state.disclosures)
    return report.report_format == REPORT_FORMAT and knows_the_past and report.runs == state.ended_runs(owner)


def render(
    state: State, generation: Generation, name: str | None, figure: str, comparison: Comparison | None = None
) -> tuple[str, str]:
    """A report's text and its figure from a state; the same state gives the same bytes.

    Args:
        comparison: The experiment's, where it was judged on this state already.
    """
    # Here: a twelfth of what the server's own modules take to load, and most of its answers draw nothing.
    from seedproof.report.figure import baseline_figure, experiment_figure

    study = Study(state, generation.rules)
    facts = _facts(state, generation, name)
    if name is None:
        baseline = study.baseline_of(generation.number)
        assert baseline is not None  # only complete baselines get reports
        return baseline_report(baseline, facts, figure), baseline_figure(baseline)
    experiment = generation.experiments[name]
    if comparison is None:
        standing = study.standing(experiment)
        assert standing.baseline is not None  # likewise
        confirmation, accepted = written_confirmation(experiment), written_acceptance(experiment)
        comparison = judge(standing.baseline, standing.arm, confirmation, accepted)
    evidence, counted = written_evidence(experiment)
    # As of the report's own record: other experiments may have been declared since the verdict.
    counted = None if counted is None else campaign_from_records(state, experiment)
    text = experiment_report(comparison, facts, evidence, counted, figure, disclosed(study, experiment))
    return text, experiment_figure(comparison, pairs_of(comparison.arm, comparison.baseline.rules))


def render_recorded(state: State, report: ReportWritten) -> tuple[str, str]:
    """The report and the figure that a record stands for, from the records that they were made from."""
    figure = Path(report.path).with_suffix(".svg").name
    return render(state, state.generations[report.generation - 1], report.experiment, figure)


def _facts(state: State, generation: Generation, name: str | None) -> LedgerFacts:
    return LedgerFacts(
        head=state.head_label,
        records=state.seq,
        began=state.began or "",
        reason=generation.reason,
        earlier=tuple(_earlier(state, one) for one in state.generations[: generation.number - 1]),
        adoption=generation.adoption,
        past=tuple(past_lines(state)),
        verdicts=() if name is None else tuple(_verdicts(state, generation, name)),
        controls=tuple(run for run in state.runs.values() if run.role is Role.CONTROL),
    )


def _verdicts(state: State, generation: Generation, name: str) -> Iterator[EarlierVerdict]:
    for earlier in state.generations[: generation.number - 1]:
        experiment = earlier.experiments.get(name)
        if experiment is not None and experiment.verdict is not None:
            issued = experiment.verdict
            yield EarlierVerdict(earlier.number, issued.headline, issued.seq)


def _earlier(state: State, generation: Generation) -> EarlierGeneration:
    values = list(state.baseline_arm(generation.number).finite(generation.rules.metric.name).values())
    mean = summarize(values).mean if values else None
    return EarlierGeneration(generation.number, generation.reason, len(values), mean)

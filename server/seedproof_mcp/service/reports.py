"""Records reports in the ledger, and renders them from it.

Over 300 lines, because a report is recorded, rendered and restored in this one place.
"""

import hashlib
import itertools
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from seedproof.ledger.state import Experiment, Generation, State
from seedproof.ledger.study_events import ReportWritten
from seedproof.model.refusals import NextCall, Refusal
from seedproof.model.results import REPORT_FORMAT, Comparison, Notice
from seedproof.model.rules import Rules
from seedproof.model.run_key import Role
from seedproof.model.runs import RunState
from seedproof.notices.past import head_lines, past_lines
from seedproof.phases.calls import finish_report_call
from seedproof.phases.next_call import require_baseline
from seedproof.phases.study import Study
from seedproof.report.provenance import EarlierGeneration, EarlierVerdict, LedgerFacts
from seedproof.report.report import baseline_numbers, baseline_report, experiment_numbers, experiment_report
from seedproof.stats.summary import summarize
from seedproof.verdict.campaign import campaign_from_records
from seedproof.verdict.comparability import written_acceptance
from seedproof.verdict.confirmation import pairs_of
from seedproof.verdict.judge import judge

from seedproof_mcp.code.published import DiffGone, published_again, published_diff
from seedproof_mcp.host.settings import Config
from seedproof_mcp.ledger.file import Ledger, Writer
from seedproof_mcp.runner.clean_up import CleanUp, clean_up
from seedproof_mcp.service.verdicts import judge_experiment
from seedproof_mcp.service.views import verdict_notices, written_evidence
from seedproof_mcp.system import files
from seedproof_mcp.system.paths import ProjectPaths

__all__ = [
    "Files",
    "Reports",
    "has_hash",
    "move_aside",
    "render",
    "render_recorded",
    "unverified_report",
    "write_files",
]

Files = Mapping[str, bytes]
"""The files of a report by their ending, in the order to write them."""


def unverified_report(paths: ProjectPaths, state: State, rules: Rules) -> list[Notice]:
    """A notice where a baseline report exists that is not in the ledger."""
    path = paths.baseline_report(rules.label)
    relative = str(path.relative_to(paths.root))
    if relative in state.reports or not path.exists():
        return []
    text = f"{relative} exists, but no ledger vouches for its numbers; they count for nothing here."
    return [Notice("unverified_report", text)]


class Reports:
    """Writes reports: first the record, then the files, which can be rendered from it."""

    def __init__(self, paths: ProjectPaths, ledger: Ledger) -> None:
        self._paths = paths
        self._ledger = ledger
        self._rendered: tuple[str, Files] | None = None
        """Hash of the newest record, and the files of its report."""

    def record_report(
        self, writer: Writer, rules: Rules, comparison: Comparison | None, *, anew: bool = False
    ) -> tuple[ReportWritten, list[Notice]]:
        """Append the record of a report, unless the last one is still current; return it and notices on moved files.

        The record precedes the files: after a crash in between, the report can be rendered from the record, and no
        report exists without one.

        Args:
            comparison: The experiment's, with its verdict recorded; None for the baseline's report.
            anew: Whether it is written even where its runs and its verdict are the same.
        """
        writer.disclose()
        state = writer.state
        generation, name = state.generations[-1], None if comparison is None else comparison.arm.experiment
        owner: Generation | Experiment = generation if name is None else generation.experiments[name]
        if owner.report is not None and not anew and self._is_current(owner.report, state, owner):
            return owner.report, []
        path = self._paths.baseline_report(rules.label)
        if name is not None:
            path = self._paths.experiment_report(name, rules.label)
        change = owner.change if isinstance(owner, Experiment) else None
        rendered = render(state, generation, name, path.stem, published_diff(self._paths, change), comparison)
        files_of = {str(path.with_suffix(end).relative_to(self._paths.root)): data for end, data in rendered.items()}
        known = {name for report in state.reports.values() for name in report.files}
        foreign = [one for one in files_of if one not in known and os.path.lexists(self._paths.root / one)]
        notices = [move_aside(self._paths, self._paths.root / one) for one in reversed(foreign)]
        hashes = {one: hashlib.sha256(data).hexdigest() for one, data in files_of.items()}
        relative, figure = (str(path.with_suffix(end).relative_to(self._paths.root)) for end in (".md", ".svg"))
        written = writer.append(
            ReportWritten(
                path=relative,
                sha256=hashes[relative],
                generation=generation.number,
                experiment=name,
                headline="baseline measured" if comparison is None else comparison.headline,
                verdict=None if comparison is None else str(comparison.verdict),
                runs=state.ended_runs(owner),
                at_seq=state.seq,
                figures=(figure,),
                figure_sha256=(hashes[figure],),
                report_format=REPORT_FORMAT,
                beside={one: sha256 for one, sha256 in hashes.items() if one not in (relative, figure)},
            )
        )
        self._rendered = (written.hash, rendered)
        return written, notices

    def restore(self, report: ReportWritten) -> None:
        """Write the files of a report, where they do not match the record; renders them from the ledger."""
        path = self._paths.root / report.path
        if all(has_hash(self._paths.root / name, sha256) for name, sha256 in report.files.items()):
            return
        files.make_folder(path.parent)
        if self._rendered is not None and self._rendered[0] == report.hash:
            rendered = self._rendered[1]
        else:
            rendered = render_recorded(self._paths, self._ledger.state_at(report.at_seq), report)
        write_files(path, rendered)

    def rewrite(self, writer: Writer, config: Config, name: str, comparison: Comparison | None = None) -> list[Notice]:
        """Write an experiment's report again if it shows an earlier verdict, or if fresh seeds were begun since.

        Args:
            comparison: With its verdict recorded; None for the recorded one.

        Returns:
            What was written and removed.
        """
        state = writer.state
        experiment = state.generations[-1].experiments[name]
        report, verdict = experiment.report, experiment.verdict
        if report is None or verdict is None:
            return []
        has_begun = comparison is None and _began_confirmation(state, experiment, report)
        if report.seq > verdict.seq and not has_begun:
            return []
        shown = comparison or recorded_comparison(Study(state, state.generations[-1].rules), experiment)
        written, moved = self.record_report(writer, config.rules, shown, anew=has_begun)
        self.restore(written)
        done = CleanUp() if has_begun else clean_up(self._paths, writer, name, config.settings)
        gone = f" {len(done.folders)} checkpoint folders were removed." if done.folders else ""
        text = f"{written.path} was written again, as it showed an earlier state of this experiment.{gone}"
        return [*moved, *done.notices, Notice("report_rewritten", text)]

    def _is_current(self, report: ReportWritten, state: State, owner: Generation | Experiment) -> bool:
        """Whether a report shows the newest verdict, every ended run, reading and disclosure, and can be restored.

        One of another format is never rendered again.
        """
        readings = state.generations[report.generation - 1].readings
        later = [one.seq for one in (*state.disclosures, *readings)]
        later += [owner.verdict.seq] if isinstance(owner, Experiment) and owner.verdict is not None else []
        if report.report_format != REPORT_FORMAT or max(later, default=0) > report.seq:
            return False
        if report.runs != state.ended_runs(owner):
            return False
        try:
            recorded_diff(self._paths, state, report)
        except DiffGone:
            return all(has_hash(self._paths.root / name, sha256) for name, sha256 in report.files.items())
        return True

    def unfinished(self, study: Study) -> NextCall | None:
        """The call that finishes the newest report, where a file of it or its mirrored record is missing; else None.

        Reports are written under the ledger's lock, so at most one is unfinished. A file that somebody changed counts
        as finished.
        """
        report = study.state.newest_report
        if report is None or report.generation != len(study.state.generations):
            return None
        names = report.files
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


def move_aside(paths: ProjectPaths, path: Path) -> Notice:
    """Rename a report or figure that is not in the ledger to the first free name; return the notice on it."""
    names = (paths.unverified(path, number) for number in itertools.count(1))
    aside = next(name for name in names if not os.path.lexists(name))
    files.rename(path, aside)
    old, new = (str(name.relative_to(paths.root)) for name in (path, aside))
    return Notice("report_moved", f"{old} was there and no ledger vouches for it; it is {new} now.")


def has_hash(path: Path, sha256: str) -> bool:
    """Whether a file is there and has this hash."""
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256


def _began_confirmation(state: State, experiment: Experiment, report: ReportWritten) -> bool:
    """Whether the first run on fresh seeds was requested after the report was written."""
    fresh = [run for run_id in experiment.run_ids if (run := state.runs[run_id]).role is Role.CONFIRM]
    return bool(fresh) and fresh[0].requested_at > report.seq


def recorded_comparison(study: Study, experiment: Experiment) -> Comparison:
    """The comparison of an experiment as its newest verdict has it."""
    standing = study.standing(experiment)
    assert standing.baseline is not None  # only judged experiments get reports
    return judge(standing.baseline, standing.arm, experiment.verdict, written_acceptance(experiment))


def render(
    state: State,
    generation: Generation,
    name: str | None,
    stem: str,
    diff: str | None = None,
    comparison: Comparison | None = None,
) -> Files:
    """The files of a report; equal states and diffs give equal bytes.

    Args:
        stem: Name of the report's file without its ending.
        diff: The text to publish of the experiment's change; None where there is none.
        comparison: The experiment's, where it was judged on this state already.
    """
    # Imported here: it takes a twelfth of the server's import time, and most answers draw nothing.
    from seedproof.report.figure import baseline_figure, experiment_figure

    study = Study(state, generation.rules)
    facts = replace(_ledger_facts(state, generation, name), diff=diff)
    if name is None:
        baseline = study.baseline_of(generation.number)
        assert baseline is not None  # only complete baselines get reports
        numbers, drawing = baseline_numbers(baseline, facts), baseline_figure(baseline)
        return _encoded(None, numbers, drawing, baseline_report(baseline, facts, stem))
    experiment = generation.experiments[name]
    comparison = comparison or recorded_comparison(study, experiment)
    evidence, counted = written_evidence(experiment)
    # The campaign at the report, not at the verdict: other experiments may have been declared since.
    counted = None if counted is None else campaign_from_records(state, experiment)
    text = experiment_report(comparison, facts, evidence, counted, stem, verdict_notices(study, experiment))
    drawing = experiment_figure(comparison, pairs_of(comparison.arm), evidence)
    return _encoded(diff, experiment_numbers(comparison, facts, evidence, counted), drawing, text)


def _encoded(diff: str | None, numbers: str, drawing: str, text: str) -> Files:
    beside = {} if diff is None else {".diff": diff.encode(errors="surrogateescape")}
    return {**beside, ".json": numbers.encode(), ".svg": drawing.encode(), ".md": text.encode()}


def write_files(report: Path, rendered: Files) -> None:
    """Write the files of a report, the report last, so that none shows what is missing.

    Raises:
        OSError: One cannot be written.
    """
    for end, data in rendered.items():
        files.write_atomic(report.with_suffix(end), data)


def recorded_diff(paths: ProjectPaths, state: State, report: ReportWritten) -> str | None:
    """The text of the change that a recorded report was published with; None where it had none.

    Raises:
        DiffGone: It is not here any more.
    """
    path = (paths.root / report.path).with_suffix(".diff")
    sha256 = report.beside.get(str(path.relative_to(paths.root)))
    if sha256 is None or report.experiment is None:
        return None
    experiment = state.generations[report.generation - 1].experiments[report.experiment]
    return published_again(paths, experiment.change, path, sha256)


def render_recorded(paths: ProjectPaths, state: State, report: ReportWritten) -> Files:
    """The files of a recorded report.

    Args:
        state: The state after the records that it was rendered from.

    Raises:
        DiffGone: It shows the text of a change that is not here any more.
    """
    diff, stem = recorded_diff(paths, state, report), Path(report.path).stem
    return render(state, state.generations[report.generation - 1], report.experiment, stem, diff)


def _ledger_facts(state: State, generation: Generation, name: str | None) -> LedgerFacts:
    begun = generation.beginnings
    return LedgerFacts(
        head=state.head_label,
        records=state.seq,
        began=state.began or "",
        reason=generation.reason,
        earlier=tuple(
            _earlier_generation(state, one, generation) for one in state.generations[: generation.number - 1]
        ),
        adoption=generation.adoption,
        past=tuple(past_lines(state)) if begun is None else (),
        head_lines=tuple(head_lines(state, generation)),
        has_other_state_folder=begun is not None and not begun.is_own_state,
        ledger=(state.first_hash or "")[:12],
        verdicts=() if name is None else tuple(_earlier_verdicts(state, generation, name)),
        controls=tuple(run for run in state.runs.values() if run.role is Role.CONTROL),
    )


def _earlier_verdicts(state: State, generation: Generation, name: str) -> Iterator[EarlierVerdict]:
    for earlier in state.generations[: generation.number - 1]:
        experiment = earlier.experiments.get(name)
        if experiment is not None and experiment.verdict is not None:
            issued = experiment.verdict
            yield EarlierVerdict(earlier.number, issued.headline, issued.seq)


def _earlier_generation(state: State, generation: Generation, present: Generation) -> EarlierGeneration:
    values = list(state.baseline_arm(generation.number).finite(generation.rules.metric.name).values())
    mean = summarize(values).mean if values else None
    # A report on a generation that an earlier version began says what it said.
    differed = [] if present.beginnings is None else generation.rules.differing(present.rules)
    attempts = [one for one in generation.run_ids if state.runs[one].state is not RunState.NOT_NEEDED]
    return EarlierGeneration(
        generation.number,
        generation.reason,
        len(values),
        mean,
        tuple(differed),
        len(attempts) if generation.is_empty else None,
    )

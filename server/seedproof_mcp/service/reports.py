"""Verdicts and reports on their way into the ledger, and the clean-up that follows them."""

import hashlib
import itertools
import os
from collections.abc import Collection, Iterator
from dataclasses import asdict
from pathlib import Path

from seedproof.ledger.records import Record
from seedproof.ledger.state import Experiment, Generation, State
from seedproof.model.refusals import NextCall, Refusal
from seedproof.model.results import Comparison, Notice
from seedproof.model.rules import Rules
from seedproof.model.runs import Role
from seedproof.notices.past import past_lines
from seedproof.phases.baseline import rules_of
from seedproof.report.provenance import EarlierGeneration, EarlierVerdict, LedgerFacts
from seedproof.report.report import (
    REPORT_FORMAT,
    baseline_report,
    experiment_report,
)
from seedproof.stats.summary import summarize
from seedproof.verdict.campaign import campaign_at_verdict, campaign_since
from seedproof.verdict.comparability import runs_behind, written_acceptance
from seedproof.verdict.confirmation import pairs_of
from seedproof.verdict.evidence import as_document
from seedproof.verdict.judge import judge
from seedproof.verdict.weigh import weigh

from seedproof_mcp.ledger.file import Ledger, Writer
from seedproof_mcp.runner import outputs
from seedproof_mcp.service.verdicts import judge_experiment, require_reportable
from seedproof_mcp.service.views import disclosed, establish, said_beside, written_confirmation
from seedproof_mcp.system import files
from seedproof_mcp.system.paths import ProjectPaths

__all__ = [
    "Archive",
    "render",
    "rendered_again",
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


class Archive:
    """Writes what has been said: once in the ledger, then as a file that can be made again."""

    def __init__(self, paths: ProjectPaths, ledger: Ledger) -> None:
        self._paths = paths
        self._ledger = ledger
        self._drawn: tuple[str, str, str] | None = None
        """The hash of the record that was written last, its report's text and its figure."""

    def issue_verdict(self, writer: Writer, rules: Rules, name: str, accept: Collection[str]) -> Comparison:
        """The verdict, written down once for each state of the arm."""
        comparison = judge_experiment(writer.state, rules, name, accept)
        writer.disclose()
        experiment = writer.state.generations[-1].experiments[name]
        issued = experiment.verdict
        runs = runs_behind(comparison.arm, rules)
        # A verdict from before there were caps is said anew where one applies.
        if issued is None or issued["runs"] != runs or tuple(issued.get("caps", ())) != comparison.caps:
            confirmation = comparison.confirmation
            writer.append(
                "verdict_issued",
                generation=comparison.baseline.generation,
                experiment=name,
                runs=runs,
                verdict=str(comparison.verdict),
                headline=comparison.headline,
                caps=list(comparison.caps),
                delta=comparison.delta,
                improvement_sigma=comparison.improvement_sigma,
                cohens_d=comparison.cohens_d,
                evidence=as_document(weigh(comparison)),
                campaign=as_document(campaign_at_verdict(writer.state, experiment, str(comparison.verdict))),
                confirmation=None if confirmation is None else asdict(confirmation),
                accepted=[asdict(one) for one in comparison.accepted],
                on_head=writer.state.head_label,
                report_format=REPORT_FORMAT,
            )
        return comparison

    def record_report(
        self, writer: Writer, rules: Rules, name: str | None, accept: Collection[str]
    ) -> tuple[Record, list[Notice]]:
        """The record of the report; a new one where attempts have ended since the last. And what was moved for it.

        The record comes before the file: a crash in between leaves a report that can be made again,
        never one that no record vouches for.
        """
        comparison = None if name is None else self.issue_verdict(writer, rules, name, accept)
        writer.disclose()
        state = writer.state
        generation = state.generations[-1]
        owner: Generation | Experiment = generation if name is None else generation.experiments[name]
        written = owner.report
        # A report of another format could not be made again from its record.
        is_present = written is not None and written.get("report_format") == REPORT_FORMAT
        knows_the_past = not any(one["seq"] > (written or {}).get("seq", 0) for one in state.disclosures)
        if written is not None and is_present and knows_the_past and written["runs"] == state.ended_runs(owner):
            return written, []
        path = self._report_path(rules, name)
        relative = str(path.relative_to(self._paths.root))
        figure = path.with_suffix(".svg")
        # Figures have the names of their reports, so whoever wrote the one wrote the other.
        foreign = [] if relative in state.reports else [one for one in (path, figure) if os.path.lexists(one)]
        notices = [self._move_aside(one) for one in foreign]
        text, drawing = render(state, generation, name, figure.name)
        record = writer.append(
            "report_written",
            path=relative,
            sha256=hashlib.sha256(text.encode()).hexdigest(),
            generation=generation.number,
            experiment=name,
            headline="baseline measured" if comparison is None else comparison.headline,
            verdict=None if comparison is None else str(comparison.verdict),
            runs=state.ended_runs(owner),
            at_seq=state.seq,
            figures=[str(figure.relative_to(self._paths.root))],
            figure_sha256=[hashlib.sha256(drawing.encode()).hexdigest()],
            report_format=REPORT_FORMAT,
        )
        self._drawn = (record["hash"], text, drawing)
        return record, notices

    def _move_aside(self, path: Path) -> Notice:
        """Keep a report or figure that no ledger vouches for, and every one that was kept before."""
        names = (self._paths.unverified(path, number) for number in itertools.count(1))
        aside = next(name for name in names if not os.path.lexists(name))
        files.rename(path, aside)
        old, new = (str(name.relative_to(self._paths.root)) for name in (path, aside))
        return Notice("report_moved", f"{old} was there and no ledger vouches for it; it is {new} now.")

    def _report_path(self, rules: Rules, name: str | None) -> Path:
        if name is None:
            return self._paths.baseline_report(rules.label)
        return self._paths.experiment_report(name, rules.label)

    def restore(self, record: Record) -> None:
        """Bring the file to what the record says; rendered from the ledger up to the record."""
        path = self._paths.root / record["path"]
        wanted = {record["path"]: record["sha256"]}
        wanted |= dict(zip(record["figures"], record.get("figure_sha256", ()), strict=False))
        if all(_has_hash(self._paths.root / name, sha256) for name, sha256 in wanted.items()):
            return
        files.make_folder(path.parent)
        text, drawing = self._text_and_figure(record)
        # The figure first: a report never shows a figure that is not there.
        files.write_atomic(path.with_suffix(".svg"), drawing.encode())
        files.write_atomic(path, text.encode())

    def _text_and_figure(self, record: Record) -> tuple[str, str]:
        if self._drawn is not None and self._drawn[0] == record["hash"]:
            return self._drawn[1:]
        return rendered_again(self._ledger.state_at(record["at_seq"]), record)

    def unfinished(self, state: State, rules: Rules) -> NextCall | None:
        """The call that finishes the newest report where its writing was cut short, or its file is gone; else None.

        Whoever writes holds the ledger's lock, so no more than one can be unfinished. A file that somebody changed
        is left to who changed it.
        """
        record = state.newest_report
        if record is None or record["generation"] != len(state.generations):
            return None
        files = (self._paths.root / name for name in (record["path"], *record["figures"]))
        if self._ledger.is_report_mirrored() and all(map(os.path.lexists, files)):
            return None
        try:
            require_reportable(state, rules, record["experiment"])
        except Refusal:
            return None
        arguments = {} if record["experiment"] is None else {"experiment": record["experiment"]}
        return NextCall("write_report", "Finishes the newest report: its file or its mirror is not there.", arguments)

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
            writer.append("files_removed", paths=removed, freed_bytes=freed)
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


def render(state: State, generation: Generation, name: str | None, figure: str) -> tuple[str, str]:
    """A report's text and its figure from a state; the same state gives the same bytes."""
    # Here: a twelfth of what the server's own modules take to load, and most of its answers draw nothing.
    from seedproof.report.figure import baseline_figure, experiment_figure

    baseline = establish(state, generation.number)
    assert baseline is not None  # only complete baselines get reports
    facts = _facts(state, generation, name)
    if name is None:
        return baseline_report(baseline, facts, figure), baseline_figure(baseline)
    experiment = generation.experiments[name]
    confirmation, accepted = written_confirmation(experiment), written_acceptance(experiment)
    comparison = judge(baseline, state.experiment_arm(experiment), confirmation, accepted)
    evidence, counted = said_beside(experiment)
    # As of the report's own record: other experiments may have been declared since the verdict.
    counted = None if counted is None else campaign_since(state, experiment)
    text = experiment_report(comparison, facts, evidence, counted, figure, disclosed(state, experiment))
    return text, experiment_figure(comparison, pairs_of(comparison.arm, baseline.rules))


def rendered_again(state: State, record: Record) -> tuple[str, str]:
    """The report and the figure that a `report_written` stands for, from the records that it was made from."""
    figure = Path(record["path"]).with_suffix(".svg").name
    return render(state, state.generations[record["generation"] - 1], record["experiment"], figure)


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
            yield EarlierVerdict(earlier.number, issued["headline"], issued["seq"])


def _earlier(state: State, generation: Generation) -> EarlierGeneration:
    values = list(state.baseline_arm(generation.number).finite(rules_of(generation).metric.name).values())
    mean = summarize(values).mean if values else None
    return EarlierGeneration(generation.number, generation.reason, len(values), mean)

"""Reports and figures from what the ledger says: the same records give the same bytes."""

from collections.abc import Iterator
from pathlib import Path

from seedproof.ledger.generation import Generation
from seedproof.ledger.records import Record
from seedproof.ledger.state import State
from seedproof.model.values import Role
from seedproof.notices.past import past_lines
from seedproof.phases.next_call import rules_of
from seedproof.report.report import EarlierGeneration, EarlierVerdict, LedgerFacts, baseline_report, experiment_report
from seedproof.stats.summary import summarize
from seedproof.verdict.acceptance import written_acceptance
from seedproof.verdict.campaign import campaign_since
from seedproof.verdict.confirmation import pairs_of
from seedproof.verdict.judge import judge

from seedproof_mcp.service.views import disclosed, establish, said_beside, written_confirmation

__all__ = ["render", "rendered_again"]


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

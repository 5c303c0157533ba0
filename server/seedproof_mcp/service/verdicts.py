"""Judges an experiment from the study, records the verdict once per set of runs, and judges recorded verdicts again."""

from collections.abc import Callable, Collection

from seedproof.admission.declaration import check_name
from seedproof.admission.withdrawal import require_not_withdrawn
from seedproof.ledger.state import Experiment, State
from seedproof.ledger.study_events import VerdictIssued
from seedproof.model.refusals import BaselineStale, ExperimentUnknown, NoRandomSource, Refusal
from seedproof.model.results import REPORT_FORMAT, Comparison
from seedproof.phases.baseline import establish_baseline, stale_reason
from seedproof.phases.calls import check_call, declare_unknown_call
from seedproof.phases.confirmation import draw_fresh_seeds, needs_own_controls, seeds_to_share
from seedproof.phases.next_call import experiment_next, require_baseline
from seedproof.phases.study import Study
from seedproof.verdict.campaign import campaign_at_verdict
from seedproof.verdict.comparability import accepted_differences, runs_behind
from seedproof.verdict.evidence import as_document
from seedproof.verdict.judge import judge
from seedproof.verdict.repeated import repeated_declaration
from seedproof.verdict.signs import refuted_twin
from seedproof.verdict.weigh import weigh

from seedproof_mcp.ledger.file import Writer

__all__ = ["RandBelow", "fresh_seeds_for", "issue_verdict", "judge_experiment", "judge_recorded"]


RandBelow = Callable[[int], int]
"""Returns a random whole number from 0 to below its argument, as `secrets.randbelow` does."""


def judge_experiment(study: Study, name: str, accept: Collection[str] = ()) -> Comparison:
    """The verdict on an experiment of the present generation.

    Args:
        accept: The kinds of differences besides the experiment that the settings accept.

    Raises:
        Refusal: The baseline or the experiment is incomplete, or they are not comparable; with the next call.
    """
    baseline = require_baseline(study)
    check_name(name)
    experiment = study.find(name)
    if experiment is None:
        raise _unknown_experiment(study, name)
    require_not_withdrawn(experiment)
    standing = study.standing(experiment)
    if standing.control.state == "failed":
        reason = stale_reason(standing.arm, baseline, standing.control)
        raise BaselineStale(reason, experiment_next(study, experiment))
    accepted = accepted_differences(baseline, experiment, standing.arm, accept)
    try:
        return judge(baseline, standing.arm, experiment.verdict, accepted, _remarks(study.state, experiment))
    except Refusal as refusal:
        refusal.next_call = experiment_next(study, experiment)
        raise


def issue_verdict(writer: Writer, comparison: Comparison, randbelow: RandBelow) -> None:
    """Record a verdict, with the fresh seeds of its confirmation, unless one on the same runs is recorded.

    Args:
        randbelow: The system's random source.

    Raises:
        NoRandomSource: Seeds have to be drawn, and the system has none.
    """
    writer.disclose()
    state, arm = writer.state, comparison.arm
    experiment = state.generations[-1].experiments[arm.experiment or ""]
    issued = experiment.verdict
    runs = runs_behind(arm, comparison.baseline)
    if issued is not None and issued.runs == runs:
        return
    writer.disclose(others=True)
    confirmation = comparison.confirmation
    fresh_seeds: tuple[int, ...] = ()
    if confirmation is not None and confirmation.state == "open" and experiment.fresh_plan is None:
        fresh_seeds = fresh_seeds_for(state, experiment, randbelow)
    writer.append(
        VerdictIssued(
            generation=comparison.baseline.generation,
            experiment=experiment.name,
            runs=runs,
            verdict=str(comparison.verdict),
            headline=comparison.headline,
            caps=comparison.caps,
            delta=comparison.delta,
            improvement_sigma=comparison.improvement_sigma,
            cohens_d=comparison.cohens_d,
            evidence=as_document(weigh(comparison)),
            campaign=as_document(campaign_at_verdict(state, experiment, str(comparison.verdict))),
            confirmation=comparison.confirmation,
            accepted=comparison.accepted,
            on_head=state.head_label,
            report_format=REPORT_FORMAT,
            fresh_seeds=fresh_seeds,
            own_controls=bool(fresh_seeds) and needs_own_controls(state, experiment),
            brackets=comparison.brackets,
        )
    )


def fresh_seeds_for(state: State, experiment: Experiment, randbelow: RandBelow) -> tuple[int, ...]:
    """The fresh seeds of an experiment: those of the rules, those of controls that it may share, or new ones.

    Raises:
        NoRandomSource: They have to be drawn, and the system has no random source.
    """
    known = state.rules_of(experiment.generation).confirm_seeds or seeds_to_share(state, experiment)
    if known:
        return known
    try:
        return draw_fresh_seeds(state, randbelow)
    except (NotImplementedError, OSError) as error:
        raise NoRandomSource(
            f"the fresh seeds of a confirmation are drawn at random, and this system has no random source ({error}); "
            "nothing was recorded."
        ) from None


def judge_recorded(state: State, issued: VerdictIssued) -> Comparison:
    """The verdict of a record, judged again from the records before it.

    Raises:
        Refusal: These records allow no verdict.
    """
    generation = state.generations[issued.generation - 1]
    baseline = establish_baseline(state.baseline_arm(generation.number), generation.rules)
    experiment = generation.experiments[issued.experiment]
    arm, remarks = state.experiment_arm(experiment), _remarks(state, experiment)
    return judge(baseline, arm, experiment.verdict, issued.accepted, remarks)


def _remarks(state: State, experiment: Experiment) -> tuple[str, ...]:
    """What the rest of the ledger adds to the headline of a verdict."""
    remark = refuted_twin(state, experiment) or repeated_declaration(state, experiment)
    return () if remark is None else (remark,)


def _unknown_experiment(study: Study, name: str) -> ExperimentUnknown:
    earlier = study.state.find_experiment(name)
    if name == "baseline" and earlier is None:
        message = "the baseline is no experiment: check_baseline shows it, and write_report without a name writes it."
        return ExperimentUnknown(message, check_call("Shows the baseline."))
    message = study.state.no_such_experiment(name)
    if earlier is not None:
        message = (
            f"{name} was declared against baseline generation {earlier.generation}, not the present one; "
            "its verdict stays in the ledger. Declare it anew."
        )
    return ExperimentUnknown(message, declare_unknown_call(name))

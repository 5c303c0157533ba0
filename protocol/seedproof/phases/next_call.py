"""Decides what comes next: for the baseline, an experiment, a run, and the campaign."""

from seedproof.ledger.state import Experiment
from seedproof.metrics.run_state import lacks_value
from seedproof.model.arms import Arm, Baseline
from seedproof.model.refusals import NextCall
from seedproof.model.rules import Rules
from seedproof.model.run_key import Role
from seedproof.model.runs import Run, RunState
from seedproof.phases.baseline import no_baseline_refusal
from seedproof.phases.calls import (
    check_call,
    confirm_call,
    control_call,
    declare_anew_call,
    find_metric_call,
    mend_baseline_call,
    mend_experiment_call,
    merge_call,
    new_baseline_call,
    new_experiment_call,
    read_again_call,
    take_back_call,
    wait_call,
)
from seedproof.phases.confirmation import cannot_be_confirmed
from seedproof.phases.control import Control
from seedproof.phases.looks import Look, ended_without_value, may_retry
from seedproof.phases.merged import is_confirmed_winner
from seedproof.phases.replacement import NO_VALUE, ended_alike_again, replaceable, unended_run
from seedproof.phases.study import Standing, Study
from seedproof.phases.twins import barring_twin

__all__ = [
    "after_report",
    "arm_next",
    "baseline_next",
    "campaign_next",
    "experiment_next",
    "require_baseline",
    "run_next",
]


def require_baseline(study: Study) -> Baseline:
    """The baseline of the present generation.

    Raises:
        BaselineMissing, BaselineIncomplete, BaselineVoid: With the next call.
    """
    if study.baseline is not None:
        return study.baseline
    refusal = no_baseline_refusal(study.baseline_phase, study.rules)
    refusal.next_call = baseline_next(study)
    raise refusal


# --- what an arm needs ------------------------------------------------------------------------


def baseline_next(study: Study) -> NextCall:
    """The next call for the baseline, or the first one after it."""
    phase = study.baseline_phase
    if study.reads_again and phase.baseline is None:
        return NextCall("run_seed", "Reads the kept logs again by the mended metric, without a training.", {})
    if phase.phase == "stale" and study.generation is not None:
        newest = [one for one in study.generation.experiments.values() if one.withdrawn is None][-1]
        return take_back_call(study.standing(newest).arm, study.rules.metric.name)
    if phase.phase == "void":
        return _replacing_call(study)
    due = _next_run(phase.arm, phase.look, study.rules, None)
    if due is not None:
        return due
    if study.generation is not None and study.generation.report is None:
        return NextCall(
            "write_report", "Writes the baseline report and removes its checkpoints, unless keep_outputs keeps them."
        )
    return new_experiment_call()


def _replacing_call(study: Study) -> NextCall:
    """Mend the cause and begin the next generation; where nothing is known of the present one, it needs no reason."""
    replaced, metric = replaceable(study), study.rules.metric.name
    unread = next((run for run in reversed(study.baseline_phase.arm.runs) if lacks_value(run, metric)), None)
    if unread is not None and study.baseline_phase.look.failed and not _rules_differ(study):
        return find_metric_call({"seed": unread.seed, "attempt": unread.attempt}, metric)
    if replaced is None and (ended_alike_again(study) or _failed_again(study)):
        why = f"Two generations in a row became no baseline: tell your user. Once it is mended, {new_baseline_call()}."
        return check_call(why)
    if replaced is None:
        return new_baseline_call()
    unended = unended_run(study.baseline_phase.arm)
    if unended is not None:
        return wait_call(unended, {})
    why = f"Begins the next generation once the cause is mended, as {NO_VALUE.format(replaced.number)}."
    return NextCall("run_seed", why, {})


def _failed_again(study: Study) -> bool:
    """Whether the generation before became no baseline either, with the same code, under the rules of the settings."""
    generation = study.generation
    if generation is None or generation.number == 1 or _rules_differ(study):
        return False
    before = study.state.generations[generation.number - 2]
    is_same_code = (before.code and before.code.sha256) == (generation.code and generation.code.sha256)
    return is_same_code and not before.rules.differing(study.rules) and study.baseline_of(before.number) is None


def _rules_differ(study: Study) -> bool:
    return study.generation is not None and bool(study.generation.rules.differing(study.rules))


def experiment_next(study: Study, experiment: Experiment) -> NextCall:
    """The next call for an experiment of the present generation, or the first one after it.

    Raises:
        BaselineRefusal: There is no complete baseline.
    """
    baseline = require_baseline(study)
    return study.compute_once(
        ("next", experiment.place), lambda: _experiment_next(study, study.standing(experiment), baseline)
    )


def _experiment_next(study: Study, standing: Standing, baseline: Baseline) -> NextCall:
    experiment, look, rules = standing.experiment, standing.look, baseline.rules
    if experiment.withdrawn is not None:
        return new_experiment_call() if experiment.is_closed else declare_anew_call(experiment)
    if standing.control.state == "failed":
        return take_back_call(standing.arm, rules.metric.name)
    if standing.control.state in ("due", "open"):
        return control_call(experiment.name, standing.control)
    if look.closed_by is not None and standing.arm.is_without_value(rules.metric.name):
        return mend_experiment_call(experiment, standing.arm, look.closed_by, rules.metric.name, is_closed=True)
    if look.failed or (look.due and barring_twin(study.state, experiment, rules) is not None):
        return new_experiment_call()
    due = _next_run(standing.arm, look, rules, experiment)
    if due is not None:
        return due
    name = {"experiment": experiment.name}
    if experiment.verdict is None:
        return NextCall("compare", "Gives the verdict.", name)
    report, confirmation = experiment.report, _confirm_next(standing, baseline)
    if report is not None and report.seq < experiment.verdict.seq:
        return NextCall("write_report", "Writes the report again: it shows an earlier verdict.", name)
    if confirmation is not None:
        return confirmation
    if report is None or report.runs != study.state.ended_runs(experiment):
        return NextCall(
            "write_report", "Writes the report and removes the checkpoints, unless keep_outputs keeps them.", name
        )
    if is_confirmed_winner(experiment) and not experiment.is_null:
        return merge_call(experiment)
    return new_experiment_call()


def _confirm_next(standing: Standing, baseline: Baseline) -> NextCall | None:
    """The next call of a confirmation, even after a report that calls it unconfirmed; None if none is due."""
    experiment, verdict = standing.experiment, standing.experiment.verdict
    if verdict is None or verdict.is_confirmation_ended or cannot_be_confirmed(standing.arm, baseline.arm.code):
        return None
    # A NEUTRAL has seeds where its same-seed pairs say more than its means.
    if not verdict.is_winner and standing.arm.fresh_plan is None:
        return None
    if not standing.confirmation.is_complete:
        return confirm_call(standing)
    return NextCall("compare", "Says whether it holds.", {"experiment": experiment.name})


def campaign_next(study: Study) -> NextCall:
    """The call for the first unfinished baseline, experiment of this generation, or confirmation, in this order."""
    if study.baseline is None or study.generation is None:
        return baseline_next(study)
    # An agent may leave a WINNER unconfirmed; that must not hide other unfinished experiments.
    confirming, merging = None, None
    for experiment in study.generation.experiments.values():
        call = _cached_next(study, experiment)
        if call.arguments.get("role") == Role.CONFIRM.value:
            confirming = confirming or call
        elif "experiment" in call.arguments and not _keeps_nobody_waiting(study.standing(experiment)):
            return call
        elif call.you_choose == ("new_baseline",):
            merging = call
    return confirming or merging or baseline_next(study)


def after_report(study: Study, experiment: Experiment | None) -> NextCall:
    """The next call once a report is written: open experiments come before a new one.

    Args:
        experiment: The experiment of the report; None for the baseline's.
    """
    call = baseline_next(study) if experiment is None else experiment_next(study, experiment)
    return campaign_next(study) if call == new_experiment_call() else call


def _keeps_nobody_waiting(standing: Standing) -> bool:
    return standing.experiment.withdrawn is not None or standing.look.closed_by is not None


def _cached_next(study: Study, experiment: Experiment) -> NextCall:
    """The same as `experiment_next`; a long campaign is not looked at anew for every call."""
    cached = study.memory.next_calls.get(experiment.place)
    if cached is not None and cached[0] == experiment.changed_at:
        return cached[1]
    call = experiment_next(study, experiment)
    if _depends_only_on_own_records(study.standing(experiment)):
        study.memory.next_calls[experiment.place] = (experiment.changed_at, call)
    return call


def _depends_only_on_own_records(standing: Standing) -> bool:
    """Whether only a record about this experiment can change its next call.

    Not while a run is active: it may be seen as queued or running without a record. Not before it has shown its
    metric: a twin may bar it. Not while its control is due or open, or its confirmation: another experiment may run
    their controls.
    """
    arm = standing.arm
    runs = (*arm.runs, *arm.fresh, *(run for run in arm.controls if run.experiment == arm.experiment))
    metric = standing.rules.metric.name
    has_shown = arm.is_null or any(run.is_draw(metric) for run in runs)
    is_open = standing.control.state in ("due", "open") or any(run.state.is_active for run in runs)
    verdict = standing.experiment.verdict
    is_confirming = arm.fresh_plan is not None and not (verdict is not None and verdict.is_confirmation_ended)
    return has_shown and not is_open and not is_confirming


def run_next(study: Study, run: Run) -> NextCall | None:
    """The next call after a look at a run: for the run itself while it is active, else for its arm."""
    generation = study.generation
    # A run of an earlier generation cannot be requested again: a request is for the present generation.
    is_present = generation is not None and run.generation == generation.number
    if run.state.is_active and generation is not None and is_present and run.role is not Role.PROBE:
        if run.role is Role.CONTROL:
            return control_call(run.experiment or "", Control("open", run))
        if run.role is Role.CONFIRM:
            return confirm_call(study.standing(generation.experiments[run.experiment or ""]))
        return wait_call(run, {} if run.experiment is None else {"experiment": run.experiment})
    return arm_next(study, study.find(run.experiment or ""))


def arm_next(study: Study, experiment: Experiment | None) -> NextCall:
    """The next call for an experiment of the present generation; for the baseline where there is none, or it is due."""
    if experiment is None or study.baseline is None:
        return baseline_next(study)
    return experiment_next(study, experiment)


def _next_run(arm: Arm, look: Look, rules: Rules, experiment: Experiment | None) -> NextCall | None:
    name, metric = {} if experiment is None else {"experiment": experiment.name}, rules.metric.name
    for run in arm.runs:
        if run.state.is_active and (look.due or run.state is RunState.RUNNING):
            return wait_call(run, name)
    for seed in look.due:
        attempts = arm.present_attempts(seed)
        if not attempts or attempts[-1].state is RunState.NOT_NEEDED:
            return NextCall("run_seed", f"Runs seed {seed}.", {**name, "seed": seed})
        last = attempts[-1]
        if last.state is RunState.UNREAD:
            return read_again_call({**name, "seed": seed, "attempt": last.attempt})
        # Retry before the next seed: what ended this one without a result would probably end that one too.
        if may_retry(arm.attempts(seed), metric):
            if ended_without_value(last, metric) and experiment is not None:
                return mend_experiment_call(experiment, arm, last, metric)
            if ended_without_value(last, metric):
                return mend_baseline_call(arm, last, metric)
            retry = {**name, "seed": seed, "attempt": last.attempt + 1}
            # The first value has fixed the code, so a file that was mended since is not trained.
            is_fixed = experiment is not None and not arm.is_without_value(metric)
            code = " on the code that the experiment began with" if is_fixed else ""
            return NextCall("run_seed", f"Tries seed {seed} again{code}; the last attempt {last.state}.", retry)
    return None

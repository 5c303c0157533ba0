"""The phase of a baseline, and the only function that makes a `Baseline`."""

from dataclasses import dataclass, replace
from typing import Literal

from seedproof.commands.seeding import seed_question
from seedproof.ledger.state import Generation, State
from seedproof.model.arms import _ESTABLISHED, Arm, Baseline
from seedproof.model.refusals import BaselineIncomplete, BaselineMissing, BaselineVoid
from seedproof.model.rules import Rules
from seedproof.phases.control import Control, control_look
from seedproof.phases.equal_values import may_be_equal
from seedproof.phases.looks import Look, end_words, next_look
from seedproof.stats.summary import summarize

__all__ = [
    "BaselinePhase",
    "Phase",
    "assess_baseline",
    "baseline_phase",
    "establish_baseline",
    "stale_reason",
    "no_baseline_refusal",
]

Phase = Literal["unmeasured", "measuring", "ready", "stale", "void"]


@dataclass(frozen=True, slots=True)
class BaselinePhase:
    """The phase of a generation's baseline, and the runs that it follows from."""

    phase: Phase
    """The phase, as `check_baseline` returns it."""
    reason: str | None
    """Why it is void or stale; None otherwise."""
    look: Look
    """The seeds that are due."""
    arm: Arm
    """Its runs."""
    baseline: Baseline | None = None
    """The complete baseline; None while seeds are missing, and where it is void."""


def establish_baseline(arm: Arm, rules: Rules) -> Baseline:
    """The baseline made of these runs; without one there is no verdict.

    Raises:
        BaselineMissing: No seed is done.
        BaselineIncomplete: Some seeds are missing.
        BaselineVoid: A seed failed for good or diverged, or the spread is zero.
        ValueError: The runs are those of an experiment.
    """
    assessed = assess_baseline(arm, rules)
    if assessed.baseline is None:
        raise no_baseline_refusal(assessed, rules)
    return assessed.baseline


def assess_baseline(arm: Arm, rules: Rules) -> BaselinePhase:
    """The phase of a baseline's runs under the rules that they were measured under.

    Raises:
        ValueError: The runs are those of an experiment.
    """
    if arm.experiment is not None:
        raise ValueError(f"the runs of {arm.experiment} make no baseline")
    look = next_look(arm, None, rules)
    fault = _void_reason(arm, look, rules)
    if fault:
        return BaselinePhase("void", fault, replace(look, due=()), arm)
    if look.due:
        return BaselinePhase("measuring" if arm.runs else "unmeasured", None, look, arm)
    values = arm.finite(rules.metric.name)
    summary = summarize([values[seed] for seed in rules.baseline_seeds])
    assert summary.std is not None  # three seeds or more, by the type of the rules
    baseline = Baseline(arm.generation, rules, arm, summary.mean, summary.std, _ESTABLISHED)
    return BaselinePhase("ready", None, look, arm, baseline)


def no_baseline_refusal(phase: BaselinePhase, rules: Rules) -> BaselineMissing | BaselineIncomplete | BaselineVoid:
    """The refusal of a call that needs a complete baseline."""
    if phase.phase == "void":
        return BaselineVoid(phase.reason or "")
    done, needed = len(rules.baseline_seeds) - len(phase.look.due), len(rules.baseline_seeds)
    kind = BaselineIncomplete if done else BaselineMissing
    missing = ", ".join(str(seed) for seed in phase.look.due)
    return kind(f"the baseline has {done} of {needed} seeds; missing: {missing}.")


def _void_reason(arm: Arm, look: Look, rules: Rules) -> str | None:
    """Why this generation can never become a baseline; None where it can."""
    if look.diverged:
        return f"baseline seed {look.diverged[0]} diverged: its last {rules.metric.name} is not finite."
    if look.closed_by is not None:
        return (
            f"two baseline attempts ended in the same way without a {rules.metric.name} ({end_words(look.closed_by)}): "
            f"mend what the log of {look.closed_by.run_id} shows, then begin a new baseline."
        )
    uninjected = next((run for run in arm.present_runs if run.is_not_injected), None)
    if uninjected is not None:
        words = f"baseline seed {uninjected.seed}: {uninjected.reason}"
        return f"{words}. Name the number that it uses, or let it take the seed."
    if look.failed:
        bad = arm.attempts(look.failed[0])[-1].bad_exit
        counts = (
            f' Its training was complete ({bad}): accept_exit = "value" in [rules] counts such runs.' if bad else ""
        )
        return f"baseline seed {look.failed[0]} failed for good.{counts}"
    values = list(arm.finite(rules.metric.name).values())
    if len(values) < 2 or summarize(values).std != 0:
        return None
    runs = arm.counted.values()
    # Trainings that began with other values are not the same one, and end alike by chance.
    is_chance = len({run.beginning for run in runs}) > 1
    if look.due and (is_chance or may_be_equal([run.metrics[rules.metric.name].text for run in runs], rules.metric)):
        return None
    which = f"{'the first' if look.due else 'all'} {len(values)} seeds"
    rest = ", so the others are not run" if look.due else ""
    return f"{which} gave the same {rules.metric.name}{rest}; {seed_question(rules)}"


def baseline_phase(state: State, rules: Rules, conflict: str | None = None) -> BaselinePhase:
    """The phase of the present generation under the rules of the settings file.

    Args:
        conflict: Why its runs cannot be read by the metrics of that file; None where they can, or more differs.
    """
    generation = state.generation
    if generation is None:
        return assess_baseline(Arm(generation=1, experiment=None, runs=()), rules)
    arm = state.baseline_arm(generation.number)
    changed = ", ".join(generation.rules.differing(rules))
    if changed:
        reason = f"the rules in seedproof.toml differ from those the baseline was measured under ({changed})"
        reason += f": {conflict}." if conflict else "."
        return BaselinePhase("void", reason, next_look(arm, None, rules), arm)
    phase = assess_baseline(arm, generation.rules)
    stale = None if phase.baseline is None else _find_stale_reason(state, generation, phase.baseline)
    return phase if stale is None else replace(phase, phase="stale", reason=stale)


def _find_stale_reason(state: State, generation: Generation, baseline: Baseline) -> str | None:
    """Why the baseline does not apply to the experiments' present code; None where no control shows that.

    Only the newest declaration counts: its code is the newest that the ledger knows. An experiment that declares its
    code as the change needs no control.
    """
    for experiment in reversed(generation.experiments.values()):
        if experiment.withdrawn is not None:
            continue
        arm = state.experiment_arm(experiment)
        control = control_look(baseline, arm)
        return stale_reason(arm, baseline, control) if control.state == "failed" else None
    return None


def stale_reason(arm: Arm, baseline: Baseline, control: Control) -> str:
    """What a failed control means, without values: a refused verdict must not reveal the result."""
    seed = baseline.rules.baseline_seeds[0]
    decided = control.expected is not None
    outcome = "does not agree with the baseline: the change alone moves the result" if decided else "failed for good"
    return (
        f"the code has changed since the baseline, and the control of {arm.experiment}, seed {seed} without flags, "
        f"{outcome}. Take the change back and declare the experiment again, under another name once it has a value; or "
        "declare the change as an experiment of its own, with code_change=true; or measure a new baseline."
    )

"""The baseline: which phase it is in, and the one way to make a `Baseline`."""

from dataclasses import dataclass
from typing import Literal

from seedproof.ledger.state import Generation, State
from seedproof.model.arms import _ESTABLISHED, Arm, Baseline
from seedproof.model.refusals import BaselineIncomplete, BaselineMissing, BaselineVoid
from seedproof.model.rules import Rules
from seedproof.phases.control import control_look
from seedproof.phases.looks import Look, next_look
from seedproof.stats.summary import summarize

__all__ = [
    "BaselinePhase",
    "Phase",
    "baseline_phase",
    "establish_baseline",
    "rules_of",
    "stale_reason",
]


Phase = Literal["unmeasured", "measuring", "ready", "stale", "void"]


@dataclass(frozen=True, slots=True)
class BaselinePhase:
    """Where the baseline of the present generation stands."""

    phase: Phase
    """The word that `check_baseline` answers."""
    reason: str | None
    """Why it is void; None otherwise."""
    look: Look
    """What is due."""
    arm: Arm
    """Its runs."""


def establish_baseline(arm: Arm, rules: Rules) -> Baseline:
    """The only way to a `Baseline`, and so to a verdict.

    Raises:
        BaselineMissing: No seed is done.
        BaselineIncomplete: Some seeds are missing.
        BaselineVoid: A seed failed for good or diverged, or the spread is zero.
        ValueError: The runs are those of an experiment.
    """
    if arm.experiment is not None:
        raise ValueError(f"the runs of {arm.experiment} make no baseline")
    look = next_look(arm, None, rules)
    fault = _fault(arm, look, rules)
    if fault:
        raise BaselineVoid(fault)
    done = len(rules.baseline_seeds) - len(look.due)
    if look.due:
        kind = BaselineIncomplete if done else BaselineMissing
        raise kind(_progress(done, look, rules))
    values = arm.finite(rules.metric.name)
    summary = summarize([values[seed] for seed in rules.baseline_seeds])
    assert summary.std is not None  # three seeds or more, by the type of the rules
    return Baseline(arm.generation, rules, arm, summary.mean, summary.std, _ESTABLISHED)


def _progress(done: int, look: Look, rules: Rules) -> str:
    missing = ", ".join(str(seed) for seed in look.due)
    return f"the baseline has {done} of {len(rules.baseline_seeds)} seeds; missing: {missing}."


def _fault(arm: Arm, look: Look, rules: Rules) -> str | None:
    """Why this generation can never become a baseline, or None."""
    if look.diverged:
        return f"baseline seed {look.diverged[0]} diverged: its last {rules.metric.name} is not finite."
    if look.failed:
        return f"baseline seed {look.failed[0]} failed for good."
    values = list(arm.finite(rules.metric.name).values())
    if not look.due and summarize(values).std == 0:
        return f"all {len(values)} seeds gave the same {rules.metric.name}; does the script use --seed?"
    return None


def rules_of(generation: Generation) -> Rules:
    """The rules that a generation was measured under."""
    return generation.parsed_rules()


def baseline_phase(state: State, rules: Rules) -> BaselinePhase:
    """The phase of the present generation under the rules of the settings file."""
    generation = state.generation
    if generation is None:
        arm = Arm(generation=1, experiment=None, runs=())
        return BaselinePhase("unmeasured", None, next_look(arm, None, rules), arm)
    arm = state.baseline_arm(generation.number)
    if generation.parsed_rules() != rules:
        changed = _changed_rules(generation, rules)
        reason = f"the rules in seedproof.toml differ from those the baseline was measured under ({changed})."
        return BaselinePhase("void", reason, next_look(arm, None, rules), arm)
    look = next_look(arm, None, rules)
    fault = _fault(arm, look, rules)
    if fault:
        return BaselinePhase("void", fault, look, arm)
    if not look.due:
        stale = _stale(state, generation, establish_baseline(arm, rules))
        return BaselinePhase("stale" if stale else "ready", stale, look, arm)
    return BaselinePhase("measuring" if arm.runs else "unmeasured", None, look, arm)


def _stale(state: State, generation: Generation, baseline: Baseline) -> str | None:
    """Why the baseline says nothing of the code that experiments have now; None where it does, or is not known not to.

    What the ledger knows of the present code is the newest declaration. One that declares its code as the change
    asks nothing of the path without flags.
    """
    for experiment in reversed(generation.experiments.values()):
        arm = state.experiment_arm(experiment)
        return stale_reason(arm, baseline) if control_look(baseline, arm).state == "failed" else None
    return None


def stale_reason(arm: Arm, baseline: Baseline) -> str:
    """What a failed control means, without the values: a refused verdict betrays nothing of the result."""
    seed = baseline.rules.baseline_seeds[0]
    decided = control_look(baseline, arm).expected is not None
    said = "does not agree with the baseline: the change alone moves the result" if decided else "failed for good"
    return (
        f"the code has changed since the baseline, and the control of {arm.experiment}, seed {seed} without flags, "
        f"{said}. Measure a new baseline, declare the change anew as an experiment with code_change=true, or take the "
        "change back and declare the experiment under another name."
    )


def _changed_rules(generation: Generation, rules: Rules) -> str:
    present, begun = rules.document(), generation.parsed_rules().document()
    return ", ".join(sorted(name for name in present if present[name] != begun[name]))

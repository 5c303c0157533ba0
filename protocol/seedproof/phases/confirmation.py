"""Decides which runs on fresh seeds a confirmation still needs, and when it has ended."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from seedproof.ledger.state import Experiment, State
from seedproof.metrics.numbers import printed_step
from seedproof.model.arms import Arm, Baseline
from seedproof.model.code import Code
from seedproof.model.runs import Run, RunState
from seedproof.phases.looks import closing_run, has_failed_for_good
from seedproof.stats.fresh_pairs import (
    CONFIRM_P,
    EARLIER_P,
    FIRST_STAGE,
    OTHER_SPREAD_P,
    PairTest,
    decide_stage,
    has_other_spread,
    paired_gain,
    pooled_gain,
)
from seedproof.stats.summary import Summary, summarize

__all__ = [
    "FIRST_STAGE",
    "FRESH_SEEDS",
    "ConfirmEnd",
    "ConfirmLook",
    "Step",
    "cannot_be_confirmed",
    "confirm_look",
    "draw_fresh_seeds",
    "needs_own_controls",
    "other_spread",
    "seeds_to_share",
    "step_attempts",
]

FRESH_SEEDS = 6
"""How many seeds are drawn: three pairs, and three more where these leave it open."""

ConfirmEnd = Literal["confirmed", "not_confirmed", "incomplete", "unavailable"]


@dataclass(frozen=True, slots=True)
class Step:
    """One run of a confirmation."""

    seed: int
    """Its fresh seed."""
    is_control: bool
    """Whether it is the run without the experiment's change."""


@dataclass(frozen=True, slots=True)
class ConfirmLook:
    """Which runs of a confirmation are due, and how it has ended."""

    steps: tuple[Step, ...] = ()
    """The runs that it is known to need, in the order to run them; more may follow after three pairs."""
    due: tuple[Step, ...] = ()
    """Those without a result."""
    end: ConfirmEnd | None = None
    """How it has ended; None while it has not."""
    decided_by: Step | None = None
    """The run that ended it by diverging or by failing for good; None where the values did."""
    test: PairTest | None = None
    """The test that ended it; None where a run did."""
    limit: float = CONFIRM_P
    """The one-sided p that confirms at its last stage."""

    @property
    def needed(self) -> int:
        """Number of the runs that it is known to need."""
        return len(self.steps)

    @property
    def done(self) -> int:
        """Number of those with a result or failed for good."""
        return self.needed - len(self.due)

    @property
    def is_complete(self) -> bool:
        """Whether it has ended."""
        return self.end is not None


def confirm_look(arm: Arm, baseline: Baseline) -> ConfirmLook:
    """What the confirmation of an arm needs next; empty while it has no seeds.

    Three pairs and, where these leave it open, three more; six at once for the pairs of a NEUTRAL.
    """
    plan = arm.fresh_plan
    if plan is None:
        return ConfirmLook()
    metric = baseline.rules.metric.name
    counts = (FIRST_STAGE, len(plan.seeds)) if plan.kind == "winner" else (len(plan.seeds),)
    for count in dict.fromkeys(counts):
        steps = tuple(_steps(plan.seeds[:count]))
        attempts = {step: step_attempts(arm, step) for step in steps}
        is_earlier, closed_by = plan.kind == "earlier", closing_run(arm.fresh)
        closed = None if closed_by is None else Step(closed_by.seed, closed_by.is_control)
        failed = [
            step
            for step in steps
            if _is_lost(attempts[step], metric, is_earlier=is_earlier)
            or (step == closed and _counted(attempts[step]) is None)
        ]
        due = tuple(step for step in steps if step not in failed and _counted(attempts[step]) is None)
        look = ConfirmLook(steps, due)
        if not due or plan.kind != "earlier":
            ended = _ended_by_run(look, attempts, failed, arm.experiment)
            if ended is not None:
                return ended
        if due:
            return look
        ended = _ended_by_values(arm, baseline, look, is_last=count == counts[-1])
        if ended is not None:
            return ended
    raise AssertionError("the last stage ends a confirmation")


def _steps(seeds: Sequence[int]) -> Iterator[Step]:
    """The runs of pairs in their order; the side that goes first alternates from pair to pair.

    So a drift with time (a warming machine, another user's load) affects both sides alike.
    """
    for place, seed in enumerate(seeds):
        for is_control in (True, False) if place % 2 == 0 else (False, True):
            yield Step(seed, is_control)


def step_attempts(arm: Arm, step: Step) -> tuple[Run, ...]:
    """The attempts at one run of a confirmation, first to last; a control may be shared with another experiment's."""
    own = tuple(run for run in arm.fresh if run.seed == step.seed and run.is_control == step.is_control)
    shared = [run for run in arm.shared_controls if run.seed == step.seed and step.is_control]
    return own or tuple(shared[:1])


def _is_lost(attempts: Sequence[Run], metric: str, *, is_earlier: bool) -> bool:
    """Whether a run is lost for good; whoever stops one after its value was seen would choose a second draw."""
    stopped = any(run.state is RunState.CANCELLED and _has_shown(run, metric) for run in attempts)
    return (stopped and not is_earlier) or has_failed_for_good(attempts, metric)


def _has_shown(run: Run, metric: str) -> bool:
    return metric in run.metrics or (run.draw is not None and run.draw.has_metric)


def _counted(attempts: Sequence[Run]) -> Run | None:
    return next((run for run in attempts if run.state.is_counted), None)


def _ended_by_run(
    look: ConfirmLook, attempts: dict[Step, tuple[Run, ...]], failed: Sequence[Step], experiment: str | None
) -> ConfirmLook | None:
    """The end by a diverged or lost run, a diverged experiment first; None where there is none.

    Pairs of which only a shared control has run were not begun.
    """
    diverged = [step for step, runs in attempts.items() if (one := _counted(runs)) and one.state is RunState.DIVERGED]
    against = [step for step in diverged if not step.is_control]
    lost = [*failed, *(step for step in diverged if step.is_control)]
    if not against and not lost:
        return None
    done = [step for step in look.steps if step not in look.due]
    begun = {step.seed for step in done if attempts[step][-1].experiment == experiment}
    ran = tuple(step for step in done if step.seed in begun)
    end: ConfirmEnd = "not_confirmed" if against else "incomplete"
    return ConfirmLook(ran, (), end, (against or lost)[0])


def _ended_by_values(arm: Arm, baseline: Baseline, look: ConfirmLook, *, is_last: bool) -> ConfirmLook | None:
    """The end by the values of a stage whose runs all have one; None where it goes on."""
    plan, rules = arm.fresh_plan, baseline.rules
    assert plan is not None  # the caller has checked
    metric = rules.metric
    runs = {step: _counted(step_attempts(arm, step)) for step in look.steps}
    values = {step: run.value(metric.name) for step, run in runs.items() if run is not None}
    control, experiment = (
        [value for step, value in values.items() if step.is_control is side and value is not None]
        for side in (True, False)
    )
    texts = [run.metrics[metric.name].text for run in runs.values() if run is not None]
    step = printed_step(texts)
    if plan.kind == "pairs":
        test, limit, may_confirm = paired_gain(control, experiment, metric.sign, step), CONFIRM_P, True
    elif plan.kind == "earlier":
        earlier = [summarize(baseline.values), summarize(list(arm.finite(metric.name).values()))]
        test, limit, may_confirm = pooled_gain(control, experiment, metric.sign, earlier), EARLIER_P, True
    else:
        # The spread that selected the WINNER stays out: the baseline's, and under the other designs both.
        own = [summarize(list(arm.finite(metric.name).values()))] if rules.design == "protocol" else []
        test = pooled_gain(control, experiment, metric.sign, own, step)
        is_other = other_spread(baseline, arm) is not None
        limit, may_confirm = (OTHER_SPREAD_P if is_other else CONFIRM_P), is_last or not is_other
    if test is None:
        return ConfirmLook(look.steps, (), "unavailable")
    decided = decide_stage(test.p, limit, may_confirm=may_confirm, is_last=is_last)
    return None if decided == "continue" else ConfirmLook(look.steps, (), decided, None, test, limit)


def other_spread(baseline: Baseline, arm: Arm) -> float | None:
    """How many times the experiment's values spread as much as the baseline's; None where chance may do that."""
    experiment = _summary(arm, baseline)
    if experiment.std is None or not has_other_spread(_summary(baseline.arm, baseline), experiment):
        return None
    return experiment.std / baseline.std


def _summary(arm: Arm, baseline: Baseline) -> Summary:
    return summarize(list(arm.finite(baseline.rules.metric.name).values()))


def cannot_be_confirmed(arm: Arm, reference: Code | None) -> str | None:
    """Why an experiment cannot be run without its change on fresh seeds; None where it can.

    Args:
        reference: The baseline's code.
    """
    codes = (arm.code, reference)
    if not arm.code_change or all(code is None or code.held == "snapshot" for code in codes):
        return None
    return (
        f"{arm.experiment} cannot be confirmed: it is a change of code, and it or its baseline was measured in place, "
        'so no control run can have the baseline\'s files; in a git repository, with settings.code = "snapshot", '
        "one could."
    )


# --- the seeds --------------------------------------------------------------------------------

_LEAST, _BEYOND = 100_000, 1_000_000


def draw_fresh_seeds(state: State, randbelow: Callable[[int], int]) -> tuple[int, ...]:
    """Six distinct seeds from 100,000 to 999,999 that this ledger has not used.

    Args:
        randbelow: Returns a random whole number from 0 to below its argument.
    """
    used = {run.seed for run in state.runs.values()}
    for generation in state.generations:
        used.update(generation.rules.all_seeds, generation.rules.confirm_seeds)
    for experiment in state.experiments:
        used.update(() if experiment.fresh_plan is None else experiment.fresh_plan.seeds)
    seeds: list[int] = []
    while len(seeds) < FRESH_SEEDS:
        seed = _LEAST + randbelow(_BEYOND - _LEAST)
        if seed not in used:
            seeds.append(seed)
            used.add(seed)
    return tuple(seeds)


def seeds_to_share(state: State, experiment: Experiment) -> tuple[int, ...] | None:
    """The drawn seeds of another experiment whose control runs this one may share; None where there are none.

    Nobody knew these seeds when this experiment's flags and code were set, so they are as fresh for it.
    """
    generation = state.generations[experiment.generation - 1]
    reference, is_own = generation.code, needs_own_controls(state, experiment)
    for other in generation.experiments.values():
        plan = other.fresh_plan
        if other is experiment or plan is None or plan.is_given or plan.kind == "earlier":
            continue
        was_unknown = experiment.set_at < other.fresh_plan_at
        # In place a control has the files of the experiment that asked for it.
        is_reference = reference is not None and reference.held == "snapshot" and not is_own
        if was_unknown and state.unchanged_code(other) == (reference if is_reference else experiment.code):
            return plan.seeds
    return None


def needs_own_controls(state: State, experiment: Experiment) -> bool:
    """Whether an experiment with flags has code of its own: only its runs without flags tell what the flags change.

    Against the baseline's code a confirmation would credit the flags with what the edit does.
    """
    reference, code = state.generations[experiment.generation - 1].code, experiment.code
    if experiment.code_change or reference is None or code is None or reference.held != "snapshot":
        return False
    is_idle = experiment.change is not None and experiment.change.is_empty
    return code.sha256 != reference.sha256 and not is_idle

"""Notices on the runs of one or two arms: signs, attempts without a result, interruptions."""

from collections.abc import Iterator, Sequence

from seedproof.metrics.line_reader import also_matches
from seedproof.model.arms import Arm, Baseline
from seedproof.model.results import Comparison, Notice, Verdict
from seedproof.model.rules import Rules
from seedproof.model.runs import Run
from seedproof.model.untrusted import one_line
from seedproof.notices.attempts import attempt_notices, cancelled_notices, run_kind
from seedproof.notices.control import control_notices
from seedproof.notices.readings import printed_notices
from seedproof.notices.repeats import coarse_notices, repeat_notices
from seedproof.phases.confirmation import other_spread
from seedproof.stats.fresh_pairs import OTHER_SPREAD_P
from seedproof.verdict.given_seeds import displaced_seed
from seedproof.verdict.headline import worst_first
from seedproof.verdict.length import Length, length_of, took_longer
from seedproof.verdict.plausibility import (
    did_not_train,
    other_eval_sizes,
    without_effect,
)
from seedproof.verdict.signs import brackets_on, outlier, seed_not_seen, warm_start

__all__ = ["arm_notices", "bracket_sentences", "baseline_notices", "comparison_notices", "beside_baseline_notices"]


# A sleep shorter than this disturbs a wall time less than another program does.
SLEPT_S = 1.0


def arm_notices(arm: Arm, rules: Rules, sigma: float | None, baseline: Arm | None = None) -> list[Notice]:
    """Notices on one arm.

    Args:
        sigma: The baseline's standard deviation; None while the arm is not complete.
        baseline: What an experiment is compared with.
    """
    who = arm.experiment or "baseline"
    runs = list(arm.counted.values())
    return [
        *repeat_notices(who, runs, rules, () if baseline is None else list(baseline.counted.values())),
        *coarse_notices(who, runs, rules, sigma),
        *_accepted_exits(who, [*runs, *arm.fresh, *arm.controls]),
        *_slept(who, [*runs, *arm.fresh]),
        *cancelled_notices(who, arm, rules.metric.name),
        *_never_found(who, runs, rules),
        *printed_notices(who, [*runs, *arm.fresh]),
        *_lost_losses(who, [*runs, *arm.fresh], rules.metric.name),
        *_also_matching(who, runs, rules),
        *(_signs(arm, rules) if sigma is not None else ()),
    ]


def _signs(arm: Arm, rules: Rules) -> Iterator[Notice]:
    """Signs on a complete arm by itself."""
    not_seen, far = seed_not_seen(arm, rules), outlier(arm, rules)
    if not_seen:
        yield Notice("seed_not_seen", not_seen)
    if far:
        yield Notice("outlier", far)


def beside_baseline_notices(baseline: Arm, experiment: Arm, rules: Rules) -> list[Notice]:
    """Notices on how an experiment's runs compare with those of its baseline; also while some are missing."""
    who = experiment.experiment or ""
    alike = without_effect(baseline, experiment, rules.metric.name)
    quick, length = did_not_train(baseline, experiment), length_of(baseline, experiment, rules)
    displaced = displaced_seed(baseline, experiment)
    return [
        *([Notice("seed_not_seen", displaced)] if displaced else ()),
        *([Notice("no_effect_flag", f"{who}: {alike}")] if alike else ()),
        *([_length_notice(length, who)] if length else ()),
        *([Notice("did_not_train", f"{who}: {quick}")] if quick else ()),
        *(Notice("eval_size_differs", f"{who}: {other}") for other in other_eval_sizes(baseline, experiment)),
    ]


def baseline_notices(baseline: Baseline) -> list[Notice]:
    """Notices on a complete baseline, every attempt without a result included."""
    name = baseline.rules.metric.name
    return [
        *arm_notices(baseline.arm, baseline.rules, baseline.std),
        *_selecting(baseline.rules),
        *attempt_notices("baseline", baseline.arm, name),
    ]


def comparison_notices(comparison: Comparison) -> list[Notice]:
    """Notices on both arms of a comparison, each by itself and compared with the other."""
    baseline, arm = comparison.baseline, comparison.arm
    warm, took = warm_start(baseline.arm, arm, baseline.rules), took_longer(baseline, arm)
    return [
        *baseline_notices(baseline),
        *arm_notices(arm, baseline.rules, baseline.std, baseline.arm),
        *attempt_notices(arm.experiment or "", arm, baseline.rules.metric.name),
        *beside_baseline_notices(baseline.arm, arm, baseline.rules),
        *([Notice("took_longer", f"{arm.experiment}: {took}")] if took else ()),
        *([Notice("warm_start", warm)] if warm else ()),
        *control_notices(baseline, arm),
        *_other_spread(comparison),
        *_null_winner(comparison),
    ]


def _length_notice(length: Length, who: str) -> Notice:
    text = f"{who}: {length.sentence}"
    notices = {
        "longer": Notice("trained_longer", text),
        "shorter": Notice("trained_shorter", text),
        "stopped early": Notice("stopped_early", text),
        "own end": Notice("fewer_steps", text),
    }
    return notices[length.kind]


def bracket_sentences(comparison: Comparison) -> list[tuple[str, str]]:
    """What the headline says in brackets of the runs, the worst first: each name with its sentence.

    Names that say all there is to say stand for their sentence; so do those that no longer hold.
    """
    known = {one.name: one.sentence for one in brackets_on(comparison.baseline, comparison.arm)}
    told = {"declared": _null_winner(comparison), "spread": _other_spread(comparison)}
    found = []
    for name in worst_first(comparison.brackets):
        notices = told.get(name.split()[0], [])
        found.append((name, notices[0].message if notices else known.get(name, f"{name}.")))
    return found


def _null_winner(comparison: Comparison) -> list[Notice]:
    """What it means that an experiment without effect has one."""
    if comparison.verdict is not Verdict.WINNER or not comparison.arm.tells_null:
        return []
    text = (
        f"{comparison.arm.experiment} was declared to change nothing and is a WINNER: something but the idea moved, or "
        "it was luck; other WINNERs of this baseline may come about in the same way."
    )
    return [Notice("null_winner", text)]


def _other_spread(comparison: Comparison) -> list[Notice]:
    """What it means that a WINNER spreads more than the baseline, until it is confirmed."""
    baseline, arm, confirmation = comparison.baseline, comparison.arm, comparison.confirmation
    if comparison.verdict is not Verdict.WINNER or confirmation is None or confirmation.kind != "winner":
        return []
    times = None if confirmation.state == "confirmed" else other_spread(baseline, arm)
    if times is None:
        return []
    text = (
        f"{arm.experiment} spreads {times:.1f} times as much as the baseline; the rule counts the "
        "baseline's spread only and says WINNER of such runs too easily. So its confirmation takes all its pairs, "
        f"unless the first three are hopeless, and needs a one-sided p of at most {OTHER_SPREAD_P:g}."
    )
    return [Notice("other_spread", text)]


def _selecting(rules: Rules) -> Iterator[Notice]:
    if rules.metric.selects:
        text = (
            f"{rules.metric.name} is the best of the values that each run printed: it is selected, and looks better by "
            "chance alone the more values a run prints. Arms that print at other steps do not compare."
        )
        yield Notice("metric_selects", text)


def _accepted_exits(who: str, runs: Sequence[Run]) -> list[Notice]:
    """Results of trainings that ended badly once they were complete, as the rules accept."""
    ends = [f"{run_kind(run)}seed {run.seed} ({run.bad_exit})" for run in runs if run.bad_exit and run.state.is_counted]
    if not ends:
        return []
    text = f'{who}: {", ".join(ends)} ended badly after their training was complete; accept_exit = "value" counts them.'
    return [Notice("accepted_exit", text)]


def _also_matching(who: str, runs: Sequence[Run], rules: Rules) -> Iterator[Notice]:
    """Patterns that match a part of another metric's name, with the first text that shows it."""
    for metric in rules.metrics:
        shown = (also_matches(metric, run.metrics[metric.name]) for run in runs if metric.name in run.metrics)
        text = next((one for one in shown if one is not None), None)
        if text is not None:
            yield Notice(
                "pattern_matches_more",
                f"{who}: the pattern of {metric.name} also matches within another name, as in `{one_line(text)}`; "
                r"put the whole name into it, behind \b.",
            )


def _slept(who: str, runs: Sequence[Run]) -> list[Notice]:
    return [
        Notice(
            "slept", f"{who}: the machine slept {run.slept_s:.0f} s during seed {run.seed}; its wall time is not one."
        )
        for run in runs
        if run.slept_s >= SLEPT_S
    ]


def _never_found(who: str, runs: Sequence[Run], rules: Rules) -> Iterator[Notice]:
    """Extra metrics that no run of an arm shows: their pattern, file or path reads nothing."""
    for metric in rules.extra_metrics:
        if runs and not any(metric.name in run.metrics for run in runs):
            text = f"{who}: {metric.name} was found in none of {len(runs)} runs; does rules.extra_metrics read it?"
            yield Notice("metric_never_found", text)


def _lost_losses(who: str, runs: Sequence[Run], metric: str) -> Iterator[Notice]:
    """Runs whose training broke down after the last evaluation, which their metric does not show."""
    for run in runs:
        if run.lost_loss is not None and run.value(metric) is not None:
            text = f'{who}: the training loss of {run_kind(run)}seed {run.seed} ended in "{one_line(run.lost_loss)}", '
            yield Notice("loss_ended_in_nan", f"{text}while its last {metric} is {run.metrics[metric].text}.")

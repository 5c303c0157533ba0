"""Notices on the runs of one or two arms: values and logs that repeat, attempts without a result, interruptions."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence

from seedproof.ledger.state import Experiment, State
from seedproof.metrics.line_reader import also_matches
from seedproof.metrics.numbers import printed_resolution
from seedproof.model.arms import Arm, Baseline
from seedproof.model.results import Comparison, Notice
from seedproof.model.rules import Rules
from seedproof.model.run_key import Role
from seedproof.model.runs import Run, RunState
from seedproof.model.untrusted import one_line
from seedproof.notices.declarations import list_first
from seedproof.stats.fresh_pairs import OTHER_SPREAD_P
from seedproof.stats.summary import summarize
from seedproof.verdict.plausibility import (
    cancelled_runs,
    did_not_train,
    other_eval_sizes,
    shown_value,
    stopped_early,
    without_effect,
)

__all__ = ["arm_notices", "baseline_notices", "comparison_notices", "log_notices", "probe_notices"]


# Printed steps coarser than a fifth of sigma add visibly to the spread they are measured by:
# rounding to a unit u adds u^2 / 12 to the variance (Sheppard's correction).
RESOLUTION_SHARE = 0.2
# Two empty logs are no sign of a copy: the metric may be read from a file.
_NO_LOG = hashlib.sha256(b"").hexdigest()
# A sleep shorter than this disturbs a wall time less than another program does.
SLEPT_S = 1.0
# Characters of a reason in a notice; the table of runs has all of it.
REASON_CHARS = 300


def arm_notices(arm: Arm, rules: Rules, sigma: float | None) -> list[Notice]:
    """Notices on one arm.

    Args:
        sigma: The baseline's standard deviation; None while it is not known.
    """
    who = arm.experiment or "baseline"
    runs = list(arm.counted.values())
    return [
        *_same_values(who, runs, rules),
        *_same_logs(who, runs),
        *_coarse(who, runs, rules, sigma),
        *_slept(who, [*runs, *arm.fresh]),
        *_cancelled(who, arm, rules.metric.name),
        *_also_matching(who, runs, rules),
    ]


def probe_notices(baseline: Arm, experiment: Arm, rules: Rules) -> list[Notice]:
    """Notices on how an experiment's runs compare with those of its baseline; also while some are missing."""
    who = experiment.experiment or ""
    alike = without_effect(baseline, experiment, rules.metric.name)
    short = stopped_early(baseline, experiment)
    quick = did_not_train(baseline, experiment)
    return [
        *([Notice("no_effect_flag", f"{who}: {alike}")] if alike else ()),
        *([Notice("stopped_early", f"{who}: {short}")] if short else ()),
        *([Notice("did_not_train", f"{who}: {quick}")] if quick else ()),
        *(Notice("eval_size_differs", f"{who}: {other}") for other in other_eval_sizes(baseline, experiment)),
    ]


def baseline_notices(baseline: Baseline) -> list[Notice]:
    """Notices on a complete baseline, every attempt without a result included."""
    name = baseline.rules.metric.name
    return [*arm_notices(baseline.arm, baseline.rules, baseline.std), *_attempts("baseline", baseline.arm, name)]


def comparison_notices(comparison: Comparison) -> list[Notice]:
    """Notices on both arms of a comparison, each by itself and compared with the other."""
    baseline, arm = comparison.baseline, comparison.arm
    return [
        *baseline_notices(baseline),
        *arm_notices(arm, baseline.rules, baseline.std),
        *_attempts(arm.experiment or "", arm, baseline.rules.metric.name),
        *probe_notices(baseline.arm, arm, baseline.rules),
        *_other_spread(comparison),
    ]


def _other_spread(comparison: Comparison) -> list[Notice]:
    """What the bracket of a WINNER that spreads more than the baseline means."""
    name = comparison.baseline.rules.metric.name
    spread = summarize(list(comparison.arm.finite(name).values())).std if comparison.brackets else None
    if spread is None or not any(one.startswith("spread ") for one in comparison.brackets):
        return []
    times = spread / comparison.baseline.std
    text = (
        f"{comparison.arm.experiment} spreads {times:.1f} times as much as the baseline; the rule counts the "
        "baseline's spread only and says WINNER of such runs too easily. So its confirmation runs six pairs, unless "
        f"three are hopeless, and needs a one-sided p of at most {OTHER_SPREAD_P:g}."
    )
    return [Notice("other_spread", text)]


def _same_values(who: str, runs: Sequence[Run], rules: Rules) -> list[Notice]:
    by_value: dict[float, list[int]] = defaultdict(list)
    for run in runs:
        value = run.value(rules.metric.name)
        if value is not None:
            by_value[value].append(run.seed)
    same = {value: seeds for value, seeds in by_value.items() if len(seeds) > 1}
    if len(by_value) == 1 and same:
        (seeds,) = same.values()
        text = f"{who}: {len(seeds)} seeds gave the same {rules.metric.name}; does the script use --seed?"
        return [Notice("same_values", text)]
    return [
        Notice(
            "same_values",
            f"{who}: seeds {', '.join(map(str, seeds))} gave the same {rules.metric.name}, {value:.10g}; "
            "is each of them a training of its own?",
        )
        for value, seeds in same.items()
    ]


def _same_logs(who: str, runs: Sequence[Run]) -> list[Notice]:
    by_hash: dict[str, list[int]] = defaultdict(list)
    for run in runs:
        if run.log_sha256 and run.log_sha256 != _NO_LOG:
            by_hash[run.log_sha256].append(run.seed)
    return [
        Notice("identical_logs", f"{who}: the logs of seeds {', '.join(map(str, seeds))} are identical.")
        for seeds in by_hash.values()
        if len(seeds) > 1
    ]


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


def _coarse(who: str, runs: Sequence[Run], rules: Rules, sigma: float | None) -> list[Notice]:
    texts = [run.metrics[rules.metric.name].text for run in runs if rules.metric.name in run.metrics]
    steps = [step for step in map(printed_resolution, texts) if step is not None]
    # The finest of them: a value such as 4.1190 may have been printed as 4.119.
    if not steps or not sigma or min(steps) <= RESOLUTION_SHARE * sigma:
        return []
    message = (
        f"{who}: {rules.metric.name} is printed in steps of {min(steps):g}, not small against sigma ({sigma:.3g}); "
        "print more digits or read it from a file."
    )
    return [Notice("coarse_resolution", message)]


def _cancelled(who: str, arm: Arm, metric: str) -> Iterator[Notice]:
    for run in cancelled_runs(arm, metric):
        yield Notice(
            "cancelled_seed",
            f"{who}: attempt {run.attempt} at seed {run.seed} was stopped after it had shown {metric} "
            f"{shown_value(run, metric)}{_at_step(run)}{_because(run)}. With another attempt the seed is a second "
            "draw, and an improvement that rests on it is not trusted.",
        )


def _attempts(who: str, arm: Arm, metric: str) -> Iterator[Notice]:
    """Attempts that ended without a result, but for those that `_cancelled` names."""
    named = {run.run_id for run in cancelled_runs(arm, metric)}
    for run in (*arm.runs, *arm.fresh, *arm.controls):
        if run.state.is_active or run.state.is_counted or run.state is RunState.NOT_NEEDED or run.run_id in named:
            continue
        shown = shown_value(run, metric)
        seen = f"after it had shown {metric} {shown}" if shown is not None else f"without any {metric}"
        yield Notice(
            "attempt_without_result",
            f"{who}: attempt {run.attempt} at {_kind(run)}seed {run.seed} {str(run.state).replace('_', ' ')} "
            f"{seen}{_at_step(run)}{_because(run)}.",
        )


def _kind(run: Run) -> str:
    if run.role is Role.CONFIRM:
        return "fresh control " if run.is_control else "fresh "
    return "control " if run.role is Role.CONTROL else ""


def _at_step(run: Run) -> str:
    return "" if run.step is None else f" (step {run.step})"


def _because(run: Run) -> str:
    """The recorded reason, in one line and cut to a length."""
    reason = one_line(run.reason or "").rstrip(".")
    return f": {reason[:REASON_CHARS]}{'…' if len(reason) > REASON_CHARS else ''}" if reason else ""


# --- logs -------------------------------------------------------------------------------------


def log_notices(state: State, experiment: Experiment) -> list[Notice]:
    """Logs of an experiment that another arm of its generation left as well, byte for byte."""
    notices = []
    generation = state.generations[experiment.generation - 1]
    for run_id in experiment.run_ids:
        run = state.runs[run_id]
        if not run.state.is_counted or run.log_sha256 in (None, _NO_LOG):
            continue
        if run.role is Role.CONTROL or run.is_control:  # a command of the baseline's side: its log may well repeat
            continue
        known = [state.runs[other] for other in state.logs.get(run.log_sha256 or "", ())]
        others = [
            other
            for other in known
            if other.state.is_counted
            and (other.generation == experiment.generation or other.run_id in generation.adopted)
            and _is_elsewhere(run, other, experiment)
        ]
        if others:
            names = list_first(map(_run_name, others))
            text = f"{experiment.name}: the log of seed {run.seed} is that of {names}, byte for byte."
            notices.append(Notice("identical_logs", text))
    return notices


def _is_elsewhere(run: Run, other: Run, experiment: Experiment) -> bool:
    """Whether the same log is unexpected there; `_same_logs` looks within an arm."""
    if other.run_id == run.run_id or other.role is Role.CONTROL:
        return False
    if experiment.is_null and other.seed == run.seed and (other.experiment is None or other.is_control):
        return False  # as it was declared
    is_same_arm = other.experiment == experiment.name and other.role is run.role and not other.is_control
    return not is_same_arm


def _run_name(run: Run) -> str:
    return f"{run.experiment or 'baseline'} seed {run.seed}{' without flags' if run.is_control else ''}"

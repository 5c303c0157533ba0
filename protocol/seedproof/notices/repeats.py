"""Notices on values and logs that repeat, and on values that are printed coarsely."""

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from seedproof.commands.seeding import seed_question
from seedproof.ledger.state import Experiment, State
from seedproof.metrics.numbers import printed_step
from seedproof.model.results import Notice
from seedproof.model.rules import Rules
from seedproof.model.run_key import Role
from seedproof.model.runs import Run
from seedproof.notices.declarations import list_first
from seedproof.phases.equal_values import significant_digits
from seedproof.stats.coincidence import FINE_SHARE, agreement_chance, share_step
from seedproof.stats.summary import summarize

__all__ = ["coarse_notices", "log_notices", "repeat_notices"]

# Two empty logs are no sign of a copy: the metric may be read from a file.
_NO_LOG = hashlib.sha256(b"").hexdigest()
# Equal values that fewer honest arms would show are asked about.
_EXPECTED = 0.02
# Where all of an arm are equal, a script that ignores its seed is the likelier reason.
_ALL_EXPECTED = 0.05
# Trainings whose first values differ did use their seeds, so equal last values have to be a greater surprise.
_EXPECTED_OF_OWN = 0.0005
# Of fewer values, the common divisor is a matter of chance.
_LEAST_VALUES = 4
# While nothing is known of the spread, two values of so few digits may well be equal.
_FEW_DIGITS = 3


@dataclass(frozen=True, slots=True)
class _Grain:
    """The steps in which a metric comes, beside its spread."""

    step: float
    """As printed, or that of a share of a number of cases; 0 where it is not known."""
    spread: float | None
    """One sigma; None where it is not known."""
    least_spread: float | None
    """The smaller one of baseline and arm: where one spreads less than the other, its values are equal more often."""
    digits: int
    """The most significant digits of a value."""

    @classmethod
    def of(cls, runs: Iterable[Run], beside: Iterable[Run], rules: Rules) -> Self:
        """That of some results.

        Args:
            beside: Those of the baseline, which have the spread; with fewer than two, these results' own is taken.
        """
        name = rules.metric.name
        (values, texts), (others, more) = _printed(runs, name), _printed(beside, name)
        step, every = printed_step([*texts, *more]), [*values, *others]
        if len(set(every)) > 1 and len(every) >= _LEAST_VALUES:
            step = share_step(every, step)
        spreads = [spread for spread in (_spread(others), _spread(values)) if spread is not None]
        digits = max(map(significant_digits, texts), default=0)
        return cls(step, next(iter(spreads), None), min(spreads, default=None), digits)

    @property
    def is_coarse(self) -> bool:
        """Whether the steps add visibly to the spread they are measured by."""
        return self.spread is not None and self.step > FINE_SHARE * self.spread

    def pair_chance(self) -> float:
        """The chance that two honest results are equal; 0 where their spread is not known."""
        return agreement_chance(self.step, self.spread, 2) if self.spread is not None else 0.0

    def expects(self, equal: Sequence[Run], runs: int) -> bool:
        """Whether the equal values of some among so many runs are no surprise."""
        are_own = len({run.beginning for run in equal}) == len(equal)
        if self.least_spread is None:
            return len(equal) == 2 and (are_own or self.digits <= _FEW_DIGITS)
        chance = math.comb(runs, len(equal)) * agreement_chance(self.step, self.least_spread, len(equal))
        if are_own:
            return chance >= _EXPECTED_OF_OWN
        return chance >= (_ALL_EXPECTED if len(equal) == runs else _EXPECTED)


def _printed(runs: Iterable[Run], metric: str) -> tuple[list[float], list[str]]:
    found = [run.metrics[metric] for run in runs if metric in run.metrics]
    return [one.value for one in found if one.value is not None], [one.text for one in found]


def _spread(values: Sequence[float]) -> float | None:
    return (summarize(values).std or None) if len(values) > 1 else None


def repeat_notices(who: str, runs: Sequence[Run], rules: Rules, beside: Sequence[Run] = ()) -> list[Notice]:
    """Notices on results of one arm that repeat each other.

    Args:
        beside: The results of the baseline that they are compared with.
    """
    grain = _Grain.of(runs, beside, rules)
    return [*_same_values(who, runs, rules, grain), *_same_logs(who, runs, rules, grain)]


def _same_values(who: str, runs: Sequence[Run], rules: Rules, grain: _Grain) -> list[Notice]:
    by_value: dict[float, list[Run]] = defaultdict(list)
    for run in runs:
        value = run.value(rules.metric.name)
        if value is not None:
            by_value[value].append(run)
    ties: dict[float, list[int]] = {}
    odd: dict[float, list[int]] = {}
    for value, equal in by_value.items():
        if len(equal) > 1:
            (ties if grain.expects(equal, len(runs)) else odd)[value] = [run.seed for run in equal]
    return [*_ties(who, ties, rules, grain), *_odd_values(who, odd, rules, is_only_value=len(by_value) == 1)]


def _ties(who: str, ties: dict[float, list[int]], rules: Rules, grain: _Grain) -> list[Notice]:
    if not ties or grain.spread is None or not grain.is_coarse:
        return []
    groups = "; ".join(f"seeds {', '.join(map(str, seeds))}: {value:.10g}" for value, seeds in ties.items())
    text = (
        f"{who}: {rules.metric.name} comes in steps of {grain.step:.3g}, and sigma is {grain.spread:.3g}, so equal "
        f"values are expected ({groups})."
    )
    return [Notice("ties_expected", text)]


def _odd_values(who: str, odd: dict[float, list[int]], rules: Rules, *, is_only_value: bool) -> list[Notice]:
    name = rules.metric.name
    if is_only_value and odd:
        (seeds,) = odd.values()
        text = f"{who}: {len(seeds)} seeds gave the same {name}; {seed_question(rules)}"
        return [Notice("same_values", text)]
    return [
        Notice(
            "same_values",
            f"{who}: seeds {', '.join(map(str, seeds))} gave the same {name}, {value:.10g}; "
            "is each of them a training of its own?",
        )
        for value, seeds in odd.items()
    ]


def _same_logs(who: str, runs: Sequence[Run], rules: Rules, grain: _Grain) -> list[Notice]:
    by_hash: dict[tuple[str, float | None], list[Run]] = defaultdict(list)
    for run in runs:
        if run.log_sha256 and run.log_sha256 != _NO_LOG:
            by_hash[run.log_sha256, _value_in_file(run, rules)].append(run)
    return [
        Notice("identical_logs", f"{who}: the logs of seeds {', '.join(str(run.seed) for run in same)} are identical.")
        for same in by_hash.values()
        if len(same) > 1 and not (same[0].bare_log and grain.expects(same, len(runs)))
    ]


def _value_in_file(run: Run, rules: Rules) -> float | None:
    """The value where it stands in a file: such a training may well print the same each time, as `done`."""
    return run.value(rules.metric.name) if rules.metric.file is not None else None


def coarse_notices(who: str, runs: Sequence[Run], rules: Rules, sigma: float | None) -> list[Notice]:
    """A notice where the printed steps are not small against the baseline's standard deviation."""
    step = printed_step([run.metrics[rules.metric.name].text for run in runs if rules.metric.name in run.metrics])
    # The finest of them: a value such as 4.1190 may have been printed as 4.119.
    if not sigma or step <= FINE_SHARE * sigma:
        return []
    message = (
        f"{who}: {rules.metric.name} is printed in steps of {step:g}, not small against sigma ({sigma:.3g}); "
        "print more digits or read it from a file."
    )
    return [Notice("coarse_resolution", message)]


def log_notices(state: State, experiment: Experiment) -> list[Notice]:
    """Logs of an experiment that another arm of its generation left as well, byte for byte.

    Not those that hold no more than a value that others have by chance.
    """
    found = list(_logs_elsewhere(state, experiment))
    baseline = state.baseline_arm(experiment.generation).counted
    rules = state.rules_of(experiment.generation)
    pair = _Grain.of([run for run, _ in found], baseline.values(), rules).pair_chance()
    # At the same seed one log could be the same, at other seeds any of the baseline's or of another arm's.
    any_of_them = 1 - (1 - pair) ** len(baseline)
    chance = math.prod(pair if any(one.seed == run.seed for one in others) else any_of_them for run, others in found)
    chance *= math.comb(sum(state.runs[run_id].state.is_counted for run_id in experiment.run_ids), len(found))
    if all(run.bare_log for run, _ in found) and chance >= _EXPECTED:
        return []
    return [
        Notice(
            "identical_logs",
            f"{experiment.name}: the log of seed {run.seed} is that of {list_first(map(_run_name, others))}, byte for "
            "byte.",
        )
        for run, others in found
    ]


def _logs_elsewhere(state: State, experiment: Experiment) -> Iterator[tuple[Run, list[Run]]]:
    """Each result of an experiment whose log another arm left as well, with the runs that did."""
    generation, rules = state.generations[experiment.generation - 1], state.rules_of(experiment.generation)
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
            and _value_in_file(run, rules) == _value_in_file(other, rules)
            and _is_elsewhere(run, other, experiment)
        ]
        if others:
            yield run, others


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

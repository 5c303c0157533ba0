"""Decides what a change of the metrics in the settings does to the runs that have ended."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from seedproof.ledger.run_events import MetricsReadAgain, ReadAgain, RunReading
from seedproof.ledger.state import Generation, State
from seedproof.metrics.run_state import Outcome, outcome_read_again
from seedproof.metrics.scanner import FirstValues
from seedproof.model.rules import Rules
from seedproof.model.run_key import Role, RunKey
from seedproof.model.runs import MetricValue, Run, Unread

__all__ = [
    "KeptOutput",
    "ReadOutput",
    "Rereading",
    "metrics_begun_with",
    "plan_rereading",
    "present_metrics",
    "shows_value",
]

_METRICS = {"metric", "extra_metrics"}


@dataclass(frozen=True, slots=True)
class KeptOutput:
    """What the kept log and the kept files of a run say by some rules."""

    metrics: Mapping[str, MetricValue] = field(default_factory=dict)
    """The values by name."""
    unread: Mapping[str, Unread] = field(default_factory=dict)
    """Metrics that were printed and could not be read."""
    first: FirstValues = field(default_factory=FirstValues)
    """The first values of the deciding metric."""


ReadOutput = Callable[[Run, Rules], KeptOutput | str]
"""Reads what is kept of an ended run; a text says why it cannot: what is there is not what was recorded."""


@dataclass(frozen=True, slots=True)
class Rereading:
    """What a change of the metrics does."""

    event: MetricsReadAgain | None = None
    """The record that takes it over; None where it voids the baseline."""
    conflict: str | None = None
    """Why it voids the baseline; no values, as a refused verdict must not reveal the result. None where it does not."""
    values: str | None = None
    """The run that reads otherwise, with both values; None where no value is in the way."""


class _Conflict(Exception):
    """Under the new metrics a result would be another one; the message says which, without values."""

    values: str | None = None
    """The run and both values."""


def metrics_begun_with(state: State, rules: Rules) -> Rules:
    """The rules with the metrics of the present generation, where they differ from its rules in these alone."""
    begun = None if state.generation is None else state.generation.rules
    if begun is None or not set(begun.differing(rules)) <= _METRICS:
        return rules
    return rules.with_metrics(begun.metric, begun.extra_metrics)


def present_metrics(begun: Rules, rules: Rules) -> Rules:
    """The rules of a generation with the metrics of the settings; one that counts as unchanged stays as it is."""
    changed = begun.differing(rules)
    return begun.with_metrics(
        rules.metric if "metric" in changed else begun.metric,
        rules.extra_metrics if "extra_metrics" in changed else begun.extra_metrics,
    )


def plan_rereading(state: State, rules: Rules, read: ReadOutput) -> Rereading | None:
    """What the metrics in the settings make of the present generation; None where they are the same, or more differs.

    Runs without a value are read again. Runs with one are as well while no experiment is declared; from then on the
    new metric has to give each result the same value.

    Args:
        read: Called for every run that has a log.
    """
    generation = state.generation
    changed = set() if generation is None else set(generation.rules.differing(rules))
    if generation is None or not changed or not changed <= _METRICS:
        return None
    try:
        return Rereading(_Plan(state, generation, present_metrics(generation.rules, rules), read).event())
    except _Conflict as conflict:
        return Rereading(conflict=str(conflict), values=conflict.values)


def shows_value(state: State, rules: Rules, read: ReadOutput) -> bool:
    """Whether a run of a generation without a value has one by another metric of the settings.

    False where the metrics alone differ: then the runs are read again.

    Args:
        read: Called for every run that has a log.
    """
    generation = state.generation
    changed = set() if generation is None else set(generation.rules.differing(rules))
    if generation is None or "metric" not in changed or changed <= _METRICS:
        return False
    arm, name = state.baseline_arm(generation.number), rules.metric.name
    if not arm.is_without_value(generation.rules.metric.name):
        return False
    found = (read(run, rules) for run in arm.runs if run.log_sha256 is not None)
    return any(isinstance(one, KeptOutput) and (name in one.metrics or name in one.unread) for one in found)


class _Plan:
    """One change of the metrics of one generation."""

    def __init__(self, state: State, generation: Generation, rules: Rules, read: ReadOutput) -> None:
        self._state, self._generation, self._read = state, generation, read
        self._begun, self._rules = generation.rules, rules
        self._is_other = self._begun.metric != rules.metric
        # Adopted runs are results of an earlier generation too.
        self._is_fixed = bool(generation.experiments or generation.adopted)
        self._left: dict[str, str] = {}

    def event(self) -> MetricsReadAgain:
        """The record of the change.

        Raises:
            _Conflict: A result would be another one.
        """
        self._check_meaning()
        found: dict[str, ReadAgain] = {}
        runs = list(self._ended())
        # Of a control, the first result counts; of the others, the newest attempt's.
        have_results = {_place(run.key) for run in runs if run.state.is_counted and run.role is not Role.CONTROL}
        for run in runs:
            output = self._output(run)
            if output is None or run.log_sha256 is None:
                continue
            before = RunReading(run.state, run.reason, run.metrics, run.start_text, run.early)
            now = self._reading(run, before, output, may_read=_place(run.key) not in have_results)
            if now.state.is_counted and run.role is not Role.CONTROL:
                have_results.add(_place(run.key))
            if now != before:
                found[run.run_id] = ReadAgain(now, before, run.log_sha256)
        return MetricsReadAgain(
            generation=self._generation.number,
            metric=self._rules.metric,
            extra_metrics=self._rules.extra_metrics,
            runs=found,
            left=self._left,
        )

    def _check_meaning(self) -> None:
        """Refuse to turn a metric round, or to rename it for an earlier generation, once its values are results."""
        if self._is_fixed and self._begun.metric.direction != self._rules.metric.direction:
            raise _Conflict("an experiment is declared, or runs are taken over, and the direction is another one")
        if self._generation.adopted and self._begun.metric.name != self._rules.metric.name:
            raise _Conflict("runs of an earlier generation are taken over, and the metric has another name")

    def _ended(self) -> Iterator[Run]:
        ids = [*self._generation.run_ids, *self._generation.probe_ids]
        for experiment in self._generation.experiments.values():
            ids += experiment.run_ids
        for run in map(self._state.runs.__getitem__, ids):
            if not run.state.is_active and (run.log_sha256 is not None or _is_result(run)):
                yield run

    def _output(self, run: Run) -> KeptOutput | None:
        output = self._read(run, self._rules) if run.log_sha256 is not None else "no log of it was recorded"
        if isinstance(output, KeptOutput):
            return output
        if self._is_other and _is_result(run):
            raise _Conflict(f"{run.run_id} cannot be read again: {output}")
        self._left[run.run_id] = output
        return None

    def _reading(self, run: Run, before: RunReading, output: KeptOutput, *, may_read: bool) -> RunReading:
        """What holds of a run from now on.

        Args:
            may_read: Whether no attempt at its seed has a result yet.
        """
        extra = self._extra_metrics(run, output)
        name, own = self._rules.metric.name, run.metrics.get(self._begun.metric.name)
        if not self._is_other:
            return replace(before, metrics={**({} if own is None else {name: own}), **extra})
        if _is_result(run):
            self._require_result(run, own, output)
        if own is not None and self._is_fixed:
            return replace(before, metrics={name: own, **extra})
        if own is None and not (may_read and self._is_open(run)):
            return replace(before, metrics=extra)
        found = output.metrics.get(name)
        metrics = {**({} if found is None else {name: found}), **extra}
        ended = outcome_read_again(run, metrics, self._rules, output.unread)
        if run.role is Role.PROBE:  # it is ended from outside, and no result
            ended = Outcome(run.state, run.reason)
        return RunReading(ended.state, ended.reason, metrics, output.first.start_text, output.first.early)

    def _extra_metrics(self, run: Run, output: KeptOutput) -> dict[str, MetricValue]:
        begun = {metric.name: metric for metric in self._begun.extra_metrics}
        found = {
            metric.name: (run if begun.get(metric.name) == metric else output).metrics.get(metric.name)
            for metric in self._rules.extra_metrics
        }
        return {name: value for name, value in found.items() if value is not None}

    def _require_result(self, run: Run, own: MetricValue | None, output: KeptOutput) -> None:
        """Require that a result stays one, and once values are fixed, the same one."""
        name = self._rules.metric.name
        found, lost = output.metrics.get(name), output.unread.get(name)
        is_same = found is not None and own is not None and found.value == own.value
        if is_same or (found is not None and not self._is_fixed):
            return
        was = "no value" if own is None else own.text
        now = found.text if found is not None else "no value" if lost is None else "a value that cannot be read"
        conflict = _Conflict(f"{run.run_id} reads otherwise under these; check_baseline shows both values")
        conflict.values = (
            f"{run.run_id} has {self._begun.metric.name} {was} under the baseline's, and {now} under these"
        )
        raise conflict

    def _is_open(self, run: Run) -> bool:
        """Whether its arm may get a further result: its code is still the arm's, and no verdict was given."""
        if run.role is not Role.MEASURE:
            return True
        experiment = self._generation.experiments.get(run.experiment or "")
        code = self._generation.code if experiment is None else experiment.code
        is_same_code = code is None or run.surroundings.get("code_sha256") in (None, code.sha256)
        return is_same_code and (experiment is None or experiment.verdict is None)


def _is_result(run: Run) -> bool:
    return run.state.is_counted and run.role is not Role.PROBE


def _place(key: RunKey) -> RunKey:
    """The key without its attempt."""
    return replace(key, attempt=0)

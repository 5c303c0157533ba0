"""The protocol once more, from the raw records of a ledger, in the fewest words: what tests compare with."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from seedproof.ledger.event import Record

from tests.support.seeds import SEEDS

FIRST, EXTRA = SEEDS[:3], SEEDS[3:]
COUNTED = ("succeeded", "diverged")
# t(.995, 4) sqrt(1 + 1 / 5), from a table of Student's t: 4.6041.
HALF_WIDTH = 4.6041 * math.sqrt(1.2)

Key = tuple[int, str | None, int]
"""(generation, arm, seed)"""
Attempt = tuple[int, str | None, float | None]
"""(attempt, state, value); state None while the run is open"""


PROBE = "probe"
"""What `attempts` calls the arm of a probe."""


def attempts(records: Sequence[Record]) -> dict[Key, list[Attempt]]:
    """Every attempt at every seed, in the order of the requests."""
    ends: dict[str, tuple[str, float | None]] = {}
    for record in records:
        if record["kind"] == "run_finished":
            metric = record["metrics"].get("val_loss")
            ends[record["run_id"]] = (record["state"], float(metric["text"]) if metric else None)
        elif record["kind"] in ("run_cancelled", "run_interrupted", "run_not_needed"):
            ends[record["run_id"]] = (record["kind"], None)
    found: dict[Key, list[Attempt]] = {}
    for record in records:
        if record["kind"] == "run_requested":
            key = (record["generation"], _arm(record), record["seed"])
            state, value = ends.get(record["run_id"], (None, None))
            found.setdefault(key, []).append((record["attempt"], state, value))
    return found


def _arm(record: Record) -> str | None:
    """The experiment; for a run of a confirmation, which its verdict does not rest on, a name of its own."""
    if record["role"] == "probe":
        return PROBE
    name: str | None = record["experiment"]
    return name if record["role"] == "measure" else f"{record['role']} {record['arm']} of {name}"


def results(records: Sequence[Record], generation: int, experiment: str | None) -> dict[int, float]:
    """The value of each seed that counts; nan where it diverged."""
    return {
        seed: value
        for (number, name, seed), runs in attempts(records).items()
        for _, state, value in runs
        if (number, name) == (generation, experiment) and state in COUNTED and value is not None
    }


def present_generation(records: Sequence[Record]) -> int:
    """The number of the newest generation; 0 before the first."""
    return sum(record["kind"] == "generation_started" for record in records)


def complete_baseline(records: Sequence[Record], rules: dict[str, Any]) -> dict[int, float] | None:
    """The five values of the present generation, if they are a baseline under these rules."""
    generations = [record for record in records if record["kind"] == "generation_started"]
    if not generations or generations[-1]["rules"] != rules:
        return None
    values = results(records, len(generations), None)
    finite = set(values) == set(SEEDS) and all(map(math.isfinite, values.values()))
    return values if finite and len(set(values.values())) > 1 else None


@dataclass
class Codes:
    """What arms were trained with, and what was shown of it, replayed record by record on one machine."""

    baseline: str | None = None
    experiments: dict[str, tuple[str | None, bool, tuple[str, ...]]] = field(default_factory=dict)
    """By name: code, whether its change is declared, flags."""
    controls: dict[str, tuple[float, bool]] = field(default_factory=dict)
    """By code: the value of the first control that counts, and whether it had to equal the baseline's."""
    moved: list[str] = field(default_factory=list)
    """Runs with flags that were requested on code without a control that counts."""
    _generation: int = 0
    _values: dict[tuple[Any, ...], float] = field(default_factory=dict)
    _pairs: set[bool] = field(default_factory=set)
    _requests: dict[str, Record] = field(default_factory=dict)

    def replay(self, records: Sequence[Record]) -> "Codes":
        """Everything up to now."""
        for record in records:
            getattr(self, f"_on_{record['kind']}", lambda _: None)(record)
        return self

    def is_shown(self, name: str, base: dict[int, float]) -> bool:
        """Whether nothing but what an experiment declares can have moved its results, as far as a control sees."""
        code, is_declared, _ = self.experiments[name]
        if is_declared or code == self.baseline:
            return True
        if code not in self.controls:
            return False
        value, is_exact = self.controls[code]
        if is_exact:
            return value == base[SEEDS[0]]
        return abs(value - statistics.fmean(base.values())) <= HALF_WIDTH * statistics.stdev(base.values())

    def _on_generation_started(self, record: Record) -> None:
        self._generation = record["generation"]
        self.baseline, self.experiments, self.controls, self.moved = record["code"]["sha256"], {}, {}, []

    def _on_experiment_declared(self, record: Record) -> None:
        words = record["code_change"], tuple(record["flags"])
        self.experiments[record["experiment"]] = (record["code"]["sha256"], *words)

    def _on_run_requested(self, record: Record) -> None:
        name, code = record["experiment"], (record.get("code") or {}).get("sha256")
        if code and name is None:
            self.baseline = code
        elif code:
            self.experiments[name] = (code, *self.experiments[name][1:])
        plain = name is None or record["arm"] == "baseline"
        self._requests[record["run_id"]] = {**record, "flags": () if plain else self.experiments[name][2]}
        if name is not None and record["role"] == "measure":
            code, is_declared, _ = self.experiments[name]
            if not is_declared and code != self.baseline and code not in self.controls:
                self.moved.append(record["run_id"])

    def _on_run_started(self, record: Record) -> None:
        self._requests[record["run_id"]] |= {"trained_with": record["fingerprint"]["code_sha256"]}

    def _on_run_finished(self, record: Record) -> None:
        run, metric = self._requests[record["run_id"]], record["metrics"].get("val_loss")
        if record["state"] not in COUNTED or metric is None:
            return
        value, code = float(metric["text"]), run["trained_with"]
        if run["role"] == "control" and run["generation"] == self._generation:
            self.controls.setdefault(code, (value, self._pairs == {True}))
        if math.isfinite(value):
            key = code, run["flags"], run["seed"]
            if key in self._values:
                self._pairs.add(self._values[key] == value)
            self._values.setdefault(key, value)


def expected_verdict(base: dict[int, float], exp: dict[int, float], threshold: float) -> str | None:
    """WINNER, NEUTRAL or LOSER as the protocol says; None while it cannot be told."""
    if any(not math.isfinite(value) for value in exp.values()):
        return "LOSER"
    if not set(FIRST) <= set(exp):
        return None
    mean, sigma = statistics.fmean(base.values()), statistics.stdev(base.values())
    is_close = abs(mean - statistics.fmean(exp[seed] for seed in FIRST)) < threshold * sigma
    if is_close and not set(EXTRA) <= set(exp):
        return None
    better = (mean - statistics.fmean(exp.values())) / sigma
    return "WINNER" if better >= threshold else "LOSER" if better <= -threshold else "NEUTRAL"


def second_draws(records: Sequence[Record], generation: int, experiment: str | None) -> bool:
    """Whether a seed counts of which an earlier attempt was stopped after it had shown a value."""
    shown = {
        record["run_id"] for record in records if record["kind"] == "run_cancelled" and "val_loss" in record["metrics"]
    }
    requests = [record for record in records if record["kind"] == "run_requested" and record["run_id"] in shown]
    counted = {arm: results(records, generation, arm) for arm in (None, experiment)}
    return any(
        record["generation"] == generation and record["seed"] in counted.get(_arm(record), {}) for record in requests
    )


def expected_delta(base: dict[int, float], exp: dict[int, float]) -> float | None:
    """Experiment minus baseline; None where a seed diverged."""
    if any(not math.isfinite(value) for value in exp.values()):
        return None
    return statistics.fmean(exp.values()) - statistics.fmean(base.values())

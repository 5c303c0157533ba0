"""The protocol once more, from the raw records of a ledger, in the fewest words: what tests compare with."""

import math
import statistics
from collections.abc import Sequence
from typing import Any

from seedproof.events import Record

from tests.conftest import SEEDS

FIRST, EXTRA = SEEDS[:3], SEEDS[3:]
COUNTED = ("succeeded", "diverged")

Key = tuple[int, str | None, int]
"""(generation, arm, seed)"""
Attempt = tuple[int, str | None, float | None]
"""(attempt, state, value); state None while the run is open"""


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

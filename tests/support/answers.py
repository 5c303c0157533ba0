"""What a client was told, call by call, held against the ledger as it was then and as it is in the end.

Replies leave out what is empty and have numbers of six digits; the ledger is shortened in the same way here.
"""

import math
import statistics
from collections.abc import Sequence
from typing import Any

from seedproof.ledger.event import Record
from seedproof.ledger.records import EMPTY_HASH
from seedproof_mcp.service.replies.plain import rounded, trimmed

from tests.support.oracle import COUNTED, attempts, expected_verdict, present_generation, results
from tests.support.seeds import SEEDS

__all__ = ["Answer", "check_answers"]

Answer = dict[str, Any]
"""A tool's result as its client sees it."""
Ends = dict[str, tuple[str, float | None]]
"""By run: how it ended, and its value."""

_ENDS = {"run_cancelled": "cancelled", "run_interrupted": "interrupted", "run_not_needed": "not_needed"}
_OPEN = ("queued", "running")
_SAID_OF_A_VERDICT = ("verdict", "headline", "delta", "improvement_sigma", "cohens_d")


def check_answers(records: Sequence[Record], answers: Sequence[Answer]) -> None:
    """Each answer says what the ledger says up to the head that it names, and no later answer knows less."""
    last = 0
    for answer in answers:
        seq = int(answer["ledger_head"].split()[0][1:])
        assert seq <= len(records), f"acknowledged and lost: {answer}"
        head = records[seq - 1]["hash"] if seq else EMPTY_HASH
        assert answer["ledger_head"] == f"#{seq} {head[:12]}"
        assert seq >= last, f"knows less than the answer before: {answer}"
        last = seq
        _check(answer, records[:seq], records)


def _check(answer: Answer, then: Sequence[Record], finally_: Sequence[Record]) -> None:
    if "run_id" in answer:
        _check_run(answer, _ends(then), _ends(finally_))
    elif "phase" in answer:
        for row in answer.get("seeds", ()):
            _check_run(row, _ends(then), _ends(finally_))
        _check_baseline(answer, then)
    elif "total" in answer:
        _check_list(answer, then)
    elif "sha256" in answer:
        written = _newest(then, "report_written", path=answer["path"])
        assert written is not None
        said = {key: answer.get(key) for key in ("sha256", "verdict", "headline", "figures")}
        assert said.items() <= written.items()
    else:
        _check_comparison(answer, then)


def _check_run(answer: Answer, then: Ends, finally_: Ends) -> None:
    run_id, state = answer["run_id"], answer["state"]
    if state in _OPEN:
        assert run_id not in then, f"had ended: {answer}"
        return
    recorded, value = finally_[run_id]
    told = answer.get("metrics", {}).get("val_loss")
    assert (state, told) == (recorded, _shown(value)), f"recorded as {recorded}: {answer}"
    # A run whose supervisor is gone is seen to be lost before the next conductor writes that down.
    assert run_id in then or state == "interrupted", f"not in the ledger yet: {answer}"


def _check_baseline(answer: Answer, then: Sequence[Record]) -> None:
    values = results(then, present_generation(then), None)
    if not set(values) <= set(SEEDS) or not all(map(math.isfinite, values.values())):
        return
    if answer["phase"] == "ready":
        assert set(values) == set(SEEDS)
    missing = [seed for seed in SEEDS if seed not in values]
    assert answer.get("missing_seeds", []) == missing or answer["phase"] == "unmeasured"
    _check_summary(answer.get("metrics", {}).get("val_loss"), values)


def _check_summary(answer: Answer | None, values: dict[int, float]) -> None:
    if answer is None:
        assert not values
        return
    found = list(values.values())
    assert (answer["n"], answer["min"], answer["max"]) == (len(found), rounded(min(found)), rounded(max(found)))
    assert math.isclose(answer["mean"], statistics.fmean(found), rel_tol=1e-5)
    if len(found) > 1:
        assert math.isclose(answer["std"], statistics.stdev(found), rel_tol=1e-5)


def _check_list(answer: Answer, then: Sequence[Record]) -> None:
    declared = [record for record in then if record["kind"] == "experiment_declared"]
    assert answer["total"] == len(declared)
    rows = answer.get("experiments", [])
    assert [row["experiment"] for row in rows] == [record["experiment"] for record in declared]
    assert answer.get("running") is None or answer["running"]["run_id"] not in _ends(then)
    for row, record in zip(rows, declared, strict=True):
        name, generation = record["experiment"], record["generation"]
        issued = _newest(then, "verdict_issued", experiment=name, generation=generation)
        said = (None, None) if issued is None else (issued["verdict"], issued["headline"])
        assert (row.get("verdict"), row.get("headline")) == said
        counted = [
            seed
            for (number, arm, seed), runs in attempts(then).items()
            if (number, arm) == (generation, name) and any(state in COUNTED for _, state, _ in runs)
        ]
        assert row["seeds_done"] == len(counted)


def _check_comparison(answer: Answer, then: Sequence[Record]) -> None:
    generation, name = answer["generation"], answer["experiment"]
    issued = _newest(then, "verdict_issued", experiment=name, generation=generation)
    assert issued is not None, f"a verdict that no record holds: {answer}"
    said = {key: answer.get(key) for key in _SAID_OF_A_VERDICT}
    assert trimmed(said) == trimmed({key: issued[key] for key in _SAID_OF_A_VERDICT})
    base, changed = (results(then, generation, arm) for arm in (None, name))
    assert answer["verdict"] == expected_verdict(base, changed, 2.0)
    for key, values in (("baseline_metrics", base), ("experiment_metrics", changed)):
        assert answer[key]["val_loss"]["per_seed"] == {str(seed): rounded(value) for seed, value in values.items()}


def _ends(records: Sequence[Record]) -> Ends:
    ends: Ends = {}
    for record in records:
        state = record["state"] if record["kind"] == "run_finished" else _ENDS.get(record["kind"])
        if state is not None:
            metric = record.get("metrics", {}).get("val_loss")
            assert record["run_id"] not in ends, "a run ends once"
            ends[record["run_id"]] = (state, float(metric["text"]) if metric else None)
    return ends


def _shown(value: float | None) -> float | None:
    """JSON has no nan."""
    return rounded(value) if value is not None and math.isfinite(value) else None


def _newest(records: Sequence[Record], kind: str, **fields: Any) -> Record | None:
    found = [one for one in records if one["kind"] == kind and fields.items() <= one.items()]
    return found[-1] if found else None

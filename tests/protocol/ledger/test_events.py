"""Ledger records: one way to write them, a chain that any change breaks, and the state they add up to."""

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seedproof.ledger.beginnings import PastLedger
from seedproof.ledger.event import Record
from seedproof.ledger.events import read_event
from seedproof.ledger.fold import fold
from seedproof.ledger.records import EMPTY_HASH, canonical, make_record, read_line
from seedproof.ledger.state import Experiment
from seedproof.ledger.study_events import ExperimentDeclared, FreshSeedsDrawn, VerdictIssued
from seedproof.model.arms import FreshPlan
from seedproof.model.refusals import LedgerDamaged, LedgerNewer
from seedproof.model.results import REPORT_FORMAT, Confirmation
from seedproof.model.rules import Rules
from seedproof.model.runs import RunState

TIME = "2026-01-01T00:00:00.000Z"


def chain(*records: tuple[str, dict[str, Any]]) -> list[Record]:
    """Records with their places and hashes."""
    made: list[Record] = []
    for seq, (kind, fields) in enumerate(records, 1):
        made.append(make_record(seq, TIME, made[-1]["hash"] if made else EMPTY_HASH, kind, fields))
    return made


def requested(seed: int, experiment: str | None = None) -> tuple[str, dict[str, Any]]:
    arm = "baseline" if experiment is None else f"exp-{experiment}"
    fields = {"run_id": f"g1-{arm}-s{seed}-a1", "generation": 1, "role": "measure", "experiment": experiment}
    return "run_requested", {**fields, "seed": seed, "attempt": 1}


def started(seed: int) -> tuple[str, dict[str, Any]]:
    return "run_started", {"run_id": f"g1-baseline-s{seed}-a1", "argv": ["python"], "output_dir": f"out{seed}"}


def finished(seed: int) -> tuple[str, dict[str, Any]]:
    metrics = {"val_loss": {"value": 4.5, "text": "4.5000", "line": 3, "matched": "val_loss: 4.5000"}}
    run_id = f"g1-baseline-s{seed}-a1"
    return "run_finished", {"run_id": run_id, "state": "succeeded", "metrics": metrics, "wall_time_s": 1.5}


GENERATION = ("generation_started", {"generation": 1, "rules": Rules().document(), "reason": None})
STORY = chain(GENERATION, requested(42), started(42), finished(42), requested(137))


def read_all(lines: list[bytes]) -> list[Record]:
    records: list[Record] = []
    for line in lines:
        records.append(read_line(line, len(records) + 1, records[-1]["hash"] if records else EMPTY_HASH))
    return records


LINES = [canonical(record) for record in STORY]


def test_records_come_back_as_they_were_written() -> None:
    assert read_all(LINES) == STORY


def test_a_record_is_ascii_with_sorted_keys_and_no_spaces() -> None:
    line = canonical({"b": 0.1, "a": "ü"})
    assert line == b'{"a":"\\u00fc","b":0.1}'


def test_nan_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        canonical({"value": float("nan")})


def test_any_flipped_bit_is_noticed() -> None:
    rng = random.Random(0)
    whole = b"\n".join(LINES)
    for _ in range(500):
        place = rng.randrange(len(whole))
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.randrange(8)
        with pytest.raises((LedgerDamaged, LedgerNewer)):
            read_all(bytes(damaged).split(b"\n"))


@pytest.mark.parametrize(
    "lines",
    [
        [LINES[0], *LINES[2:]],
        [LINES[1], LINES[0], *LINES[2:]],
        [*LINES[:2], LINES[1], *LINES[2:]],
        [LINES[0], b"{}"],
        [LINES[0], b"[]"],
        [LINES[0], b"no JSON"],
        [LINES[0], b"[" * 10_000],
        [LINES[0], LINES[1].replace(b'"seed":42', b'"seed": 42')],
    ],
    ids=["deleted", "swapped", "repeated", "empty", "list", "text", "deep", "not canonical"],
)
def test_lines_that_do_not_follow_from_each_other_are_damage(lines: list[bytes]) -> None:
    with pytest.raises(LedgerDamaged) as caught:
        read_all(lines)
    assert caught.value.next_call.tool == "check_baseline"


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (json.dumps(STORY[0]).encode(), "is not written canonically"),
        (b'{"x":NaN,' + LINES[0][1:], "is not JSON"),
        (b'{"x":-1e999,' + LINES[0][1:], "is not JSON"),
    ],
    ids=["keys out of order", "NaN", "infinite"],
)
def test_a_record_that_only_parses_is_damage(line: bytes, fault: str) -> None:
    with pytest.raises(LedgerDamaged, match=fault):
        read_line(line, 1, EMPTY_HASH)


def test_a_record_of_a_newer_format_is_refused_by_name() -> None:
    record = {**STORY[0], "format": 3}
    with pytest.raises(LedgerNewer, match="format 3; this Seedproof reads up to 2"):
        read_line(canonical(record), 1, EMPTY_HASH)


def test_an_unknown_kind_is_damage() -> None:
    with pytest.raises(LedgerDamaged, match="unknown kind"):
        read_all([canonical(record) for record in chain(("verdict_forged", {}))])


def test_the_state_is_what_the_records_add_up_to() -> None:
    state = fold(STORY)
    run = state.runs["g1-baseline-s42-a1"]
    assert (run.state, run.value("val_loss"), run.wall_time_s) == (RunState.SUCCEEDED, 4.5, 1.5)
    assert list(state.active) == ["g1-baseline-s137-a1"]
    assert state.owned_folders == {"out42": "g1-baseline-s42-a1"}
    assert state.head_label == f"#5 {STORY[-1]['hash'][:12]}"
    assert state.began == TIME


@pytest.mark.parametrize(
    "story",
    [
        (GENERATION, GENERATION),
        (requested(42),),
        (GENERATION, requested(42), requested(42)),
        (GENERATION, requested(42), started(42), finished(42), finished(42)),
        (GENERATION, finished(42)),
        (GENERATION, requested(42, "never-declared")),
        (GENERATION, ("run_requested", {})),
    ],
    ids=["generation twice", "no generation", "run twice", "ended twice", "never asked", "undeclared", "no fields"],
)
def test_records_that_contradict_those_before_are_damage(story: tuple[tuple[str, dict[str, Any]], ...]) -> None:
    with pytest.raises(LedgerDamaged, match="contradicts"):
        fold(chain(*story))


RIGHT = dict([GENERATION, requested(42), started(42), finished(42)])


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("run_started", "argv", None),
        ("run_started", "argv", {}),
        ("run_started", "argv", [1]),
        ("run_started", "environment", []),
        ("run_started", "environment", "x"),
        ("run_started", "fingerprint", [1]),
        ("run_started", "output_dir", ["out"]),
        ("run_finished", "metrics", None),
        ("run_finished", "metrics", {"val_loss": 4.5}),
        ("run_finished", "output_id", 5),
        ("run_finished", "log_sha256", ["x"]),
        ("run_finished", "counts", []),
        ("run_finished", "state", "queued"),
    ],
)
def test_a_field_of_another_type_is_damage(kind: str, field: str, value: Any) -> None:
    story = [(name, {**fields, field: value} if name == kind else fields) for name, fields in RIGHT.items()]
    with pytest.raises(LedgerDamaged, match="contradicts"):
        fold(chain(*story))


def test_the_size_of_a_folder_is_unknown_in_ledgers_that_noted_its_identity_alone() -> None:
    state = fold(chain(*({**RIGHT, "run_finished": {**RIGHT["run_finished"], "output_id": [1, 2]}}).items()))
    assert (state.runs["g1-baseline-s42-a1"].output_id, state.largest_output_bytes) == ((1, 2), 0)


def test_a_field_that_a_later_version_added_to_a_part_is_passed_over() -> None:
    past = {"began": TIME, "records": 3, "head": "#3 abc", "gone": 1, "colour": "red"}
    state = fold(chain((GENERATION[0], {**GENERATION[1], "previous": past})))
    assert state.previous == PastLedger(TIME, 3, "#3 abc", 1)


# --- verdicts and the seeds of their confirmations ---------------------------------------------------

FRESH = (100_003, 100_019, 100_043, 100_049, 100_057, 100_069)
IDEA = ExperimentDeclared(
    generation=1, experiment="idea", flags=("--lr", "1"), hypothesis="it helps", code_change=False
)
DECLARED = (IDEA.kind, IDEA.fields())


def verdict(word: str = "WINNER", **more: Any) -> tuple[str, dict[str, Any]]:
    issued = VerdictIssued(
        generation=1, experiment="idea", runs=("a", "b"), verdict=word, headline=f"{word}: so", **more
    )
    return issued.kind, issued.fields()


def drawn(*seeds: int) -> tuple[str, dict[str, Any]]:
    event = FreshSeedsDrawn(generation=1, experiment="idea", seeds=seeds)
    return event.kind, event.fields()


def idea_after(*records: tuple[str, dict[str, Any]], rules: Rules | None = None) -> Experiment:
    """The experiment after these records."""
    begun = (GENERATION[0], {**GENERATION[1], "rules": (rules or Rules()).document()})
    return fold(chain(begun, DECLARED, *records)).generations[0].experiments["idea"]


def test_a_record_of_fresh_seeds_has_generation_experiment_and_seeds() -> None:
    assert drawn(*FRESH) == ("fresh_seeds_drawn", {"generation": 1, "experiment": "idea", "seeds": list(FRESH)})
    (record,) = chain(drawn(*FRESH))
    event = read_event(record)
    assert isinstance(event, FreshSeedsDrawn)
    assert (event.generation, event.experiment, event.seeds) == (1, "idea", FRESH)


def test_fresh_seeds_and_brackets_of_a_verdict_stand_in_its_record_and_are_left_out_where_there_are_none() -> None:
    _, bare = verdict()
    assert not {"fresh_seeds", "brackets"} & set(bare)
    spread = ("spread 3.1x the baseline's",)
    _, whole = verdict(fresh_seeds=FRESH, brackets=spread, report_format=REPORT_FORMAT)
    assert (whole["fresh_seeds"], whole["brackets"]) == (list(FRESH), list(spread))
    (record,) = chain(verdict(fresh_seeds=FRESH, brackets=spread, report_format=REPORT_FORMAT))
    issued = read_event(record)
    assert isinstance(issued, VerdictIssued)
    assert (issued.fresh_seeds, issued.brackets, issued.is_earlier) == (FRESH, spread, False)


@pytest.mark.parametrize(("version", "is_earlier"), [(None, True), (1, True), (REPORT_FORMAT - 1, True)])
def test_a_verdict_of_another_report_format_is_of_an_earlier_version(version: int | None, is_earlier: bool) -> None:
    (record,) = chain(verdict(report_format=version))
    issued = read_event(record)
    assert isinstance(issued, VerdictIssued)
    assert issued.is_earlier is is_earlier


def test_a_confirmation_of_an_earlier_version_is_read_without_what_it_did_not_know_and_without_what_went() -> None:
    kind, fields = verdict(report_format=REPORT_FORMAT - 1)
    found = {"state": "confirmed", "done": 6, "needed": 6, "reason": "it holds", "std_pooled": 1.0, "wall_time": None}
    (record,) = chain((kind, {**fields, "confirmation": found}))
    issued = read_event(record)
    assert isinstance(issued, VerdictIssued)
    assert issued.confirmation == Confirmation("confirmed", 6, 6, "it holds", "earlier")


@pytest.mark.parametrize(
    ("word", "kind"), [("WINNER", "winner"), ("NEUTRAL", "pairs")], ids=["a WINNER", "the pairs of a NEUTRAL"]
)
def test_the_seeds_of_a_verdict_are_the_plan_of_its_confirmation(word: str, kind: str) -> None:
    idea = idea_after(verdict(word, fresh_seeds=FRESH, report_format=REPORT_FORMAT))
    assert idea.fresh_plan == FreshPlan(FRESH, kind)
    assert idea.fresh_plan_at == 3


def test_seeds_that_the_rules_give_are_given_and_others_are_drawn() -> None:
    rules = Rules(confirm_seeds=(7, 8, 9))
    assert idea_after(verdict(fresh_seeds=(7, 8, 9)), rules=rules).fresh_plan == FreshPlan((7, 8, 9), "winner", True)
    assert idea_after(verdict(fresh_seeds=FRESH), rules=rules).fresh_plan == FreshPlan(FRESH, "winner", False)


def test_a_winner_of_before_gets_its_seeds_from_a_record_of_their_own() -> None:
    idea = idea_after(verdict(report_format=REPORT_FORMAT - 1), drawn(*FRESH))
    assert (idea.fresh_plan, idea.fresh_plan_at) == (FreshPlan(FRESH, "winner"), 4)
    assert idea.verdict is not None and idea.verdict.is_winner


@pytest.mark.parametrize(
    "records",
    [
        (verdict(fresh_seeds=FRESH), verdict(fresh_seeds=FRESH)),
        (verdict(fresh_seeds=FRESH), drawn(*FRESH)),
        (verdict(), drawn(*FRESH), drawn(*FRESH)),
    ],
)
def test_seeds_that_are_drawn_twice_are_damage(records: tuple[tuple[str, dict[str, Any]], ...]) -> None:
    with pytest.raises(LedgerDamaged, match="fresh seeds drawn twice"):
        idea_after(*records)


@pytest.mark.parametrize("seeds", [None, "x", 5, [], ["7"], [7, 7, 8], [1.5], [True, 2, 3], {"7": 8}])
def test_fresh_seeds_that_are_none_are_damage(seeds: Any) -> None:
    kind, fields = verdict()
    for story in (
        (verdict(), ("fresh_seeds_drawn", {"generation": 1, "experiment": "idea", "seeds": seeds})),
        ((kind, {**fields, "fresh_seeds": seeds}),),
    ):
        with pytest.raises(LedgerDamaged, match="contradicts those before it") as caught:
            idea_after(*story)
        assert f"record {2 + len(story)} " in caught.value.message


def test_a_dropped_idea_is_no_verdict_in_the_count() -> None:
    state = fold(chain(GENERATION, DECLARED, verdict("DROPPED", report_format=REPORT_FORMAT)))
    assert (state.judged, state.winners) == (0, 0)
    assert fold(chain(GENERATION, DECLARED, verdict("NEUTRAL"))).judged == 1


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.just(f'"hash":"{EMPTY_HASH}",'),  # as the hash of a record is written
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.just("hash"), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(min_size=1).filter(lambda name: name not in ("hash", "format")), _json, max_size=4))
def test_whatever_a_record_holds_it_reads_back_the_same(fields: dict[str, Any]) -> None:
    record = make_record(1, TIME, EMPTY_HASH, "resumed", fields)
    assert read_line(canonical(record), 1, EMPTY_HASH) == json.loads(canonical(record)) == record


@pytest.mark.parametrize("claimed", [EMPTY_HASH, "", '",', "\u20ac"])
def test_a_hash_that_stands_also_inside_the_record_is_held_to_the_whole_record(claimed: str) -> None:
    record = make_record(1, TIME, EMPTY_HASH, "resumed", {"a": {"hash": claimed, "z": 1}})
    assert read_line(canonical(record), 1, EMPTY_HASH) == record
    with pytest.raises(LedgerDamaged, match="does not match its hash"):
        read_line(canonical({**record, "hash": claimed}), 1, EMPTY_HASH)


# --- metrics that are read again ------------------------------------------------------------------

NEW_METRIC = Rules().metric.model_copy(update={"name": "val_bpb"})
VALUE = {"value": 4.5, "text": "4.5000", "line": 3, "matched": "val_loss: 4.5000"}


def read_again(run_id: str, state: str = "succeeded", **change: Any) -> tuple[str, dict[str, Any]]:
    before = {"state": state, "reason": None, "metrics": {"val_loss": VALUE}, "start_text": None, "early": []}
    now = {**before, "state": "succeeded", "metrics": {"val_bpb": VALUE}}
    run = {**now, "before": before, "log_sha256": "ab", **change}
    metric = {"metric": NEW_METRIC.model_dump(mode="json"), "extra_metrics": []}
    return "metrics_read_again", {"generation": 1, **metric, "runs": {run_id: run}, "left": {}}


def logged(seed: int, **change: Any) -> tuple[str, dict[str, Any]]:
    kind, fields = finished(seed)
    return kind, {**fields, "log_sha256": "ab", "log_bytes": 1, "exit_code": 0, **change}


def test_a_reading_changes_the_metrics_of_its_generation_and_its_runs() -> None:
    state = fold(chain(GENERATION, requested(42), started(42), logged(42), read_again("g1-baseline-s42-a1")))
    run = state.runs["g1-baseline-s42-a1"]
    assert (run.value("val_bpb"), run.value("val_loss"), run.state) == (4.5, None, RunState.SUCCEEDED)
    assert state.rules_of(1).metric == NEW_METRIC
    assert [event.seq for event in state.generations[0].readings] == [5]


@pytest.mark.parametrize("change", [{"log_sha256": "cd"}, {"state": "unread", "before": {"state": "failed"}}])
def test_a_reading_that_contradicts_its_run_is_damage(change: dict[str, Any]) -> None:
    kind, fields = read_again("g1-baseline-s42-a1")
    run = fields["runs"]["g1-baseline-s42-a1"]
    before = {**run["before"], **change.get("before", {})}
    fields["runs"]["g1-baseline-s42-a1"] = {**run, **change, "before": before}
    with pytest.raises(LedgerDamaged, match="contradicts"):
        fold(chain(GENERATION, requested(42), started(42), logged(42), (kind, fields)))


def test_an_unread_run_is_no_failure_in_a_row_and_a_mended_one_is_none_any_more() -> None:
    lost = {"metrics": {}, "reason": "exit code 0, but no val_loss was found in its output"}
    story = [GENERATION, requested(42), started(42), logged(42, state="failed", **lost)]
    assert fold(chain(*story)).failures_in_row == 1
    unread = [requested(137), started(137), logged(137, state="unread", **lost)]
    state = fold(chain(*story, *unread))
    assert (state.failures_in_row, state.runs["g1-baseline-s137-a1"].state) == (1, RunState.UNREAD)
    kind, fields = read_again("g1-baseline-s42-a1", "failed")
    fields["runs"]["g1-baseline-s42-a1"]["before"] |= lost
    assert fold(chain(*story, *unread, (kind, fields))).failures_in_row == 0


# --- first values -----------------------------------------------------------------------------------


def test_first_values_are_read_back_and_a_record_without_any_lacks_them() -> None:
    kind, fields = finished(42)
    (*_, record) = chain(
        GENERATION, requested(42), started(42), (kind, {**fields, "early": [[100, "8.5"], [None, "8"]]})
    )
    state = fold(
        chain(GENERATION, requested(42), started(42), (kind, {**fields, "early": [[100, "8.5"], [None, "8"]]}))
    )
    assert state.runs["g1-baseline-s42-a1"].early == ((100, "8.5"), (None, "8"))
    assert read_event(record).fields()["early"] == ((100, "8.5"), (None, "8"))
    (*_, before) = chain(GENERATION, requested(42), started(42), (kind, {**fields, "step": 100}))
    assert "early" not in read_event(before).fields()


@pytest.mark.parametrize("early", [[["100", "8.5"]], [[100, 8.5]], [[100]], [[True, "8.5"]], 7])
def test_first_values_of_another_shape_are_damage(early: Any) -> None:
    kind, fields = finished(42)
    with pytest.raises(LedgerDamaged):
        fold(chain(GENERATION, requested(42), started(42), (kind, {**fields, "early": early})))


def test_a_probe_stands_beside_the_runs_of_its_baseline() -> None:
    probe = {
        "run_id": "g1-probe-s42-a1",
        "generation": 1,
        "role": "probe",
        "experiment": None,
        "seed": 42,
        "attempt": 1,
    }
    end = {"run_id": "g1-probe-s42-a1", "state": "failed", "metrics": {}}
    start = {"run_id": "g1-probe-s42-a1", "argv": ["python"], "output_dir": "probe"}
    story = (GENERATION, requested(42), started(42), finished(42))
    state = fold(chain(*story, ("run_requested", probe), ("run_started", start), ("run_finished", end)))
    arm = state.baseline_arm(1)
    assert [run.run_id for run in arm.runs] == ["g1-baseline-s42-a1"]
    assert [(run.run_id, run.state) for run in arm.probes] == [("g1-probe-s42-a1", RunState.FAILED)]
    assert state.failures_in_row == 0
    assert state.ended_runs(state.generations[0]) == ("g1-baseline-s42-a1", "g1-probe-s42-a1")

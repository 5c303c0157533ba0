"""What a run read, in the ledger: written and read back, its maps once, and refused where it is damaged."""

import copy
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seedproof.ledger.event import Record
from seedproof.ledger.events import read_event
from seedproof.ledger.fold import fold
from seedproof.ledger.input_fields import RecordedInputs, recorded_inputs
from seedproof.ledger.records import canonical
from seedproof.ledger.run_ends import RunFinished
from seedproof.model.inputs import InputFile, LeftFile, OtherContent, RunInputs
from seedproof.model.refusals import LedgerDamaged
from seedproof.model.runs import RunState

from tests.protocol.ledger.test_events import GENERATION, chain, finished, requested, started

FILES = {"train_llm.py": InputFile("0" * 16, "code"), "data/ü.bin": InputFile("", "project")}
WHOLE = RunInputs(
    observed="partly",
    why="a program that it started is no Python",
    digest="d" * 64,
    count=1141,
    interpreter="e" * 16,
    files=FILES,
    cut=3,
    packages={"torch": "2.13.0 0123abcd", "python": "3.11.9 eeeeeeee"},
    changed=("data/ü.bin",),
    other_content=(OtherContent("data/x.bin", "1" * 16, "g1-baseline-s42-a1"),),
    left_by_runs=(LeftFile("w.pt", "2" * 16, "g1-baseline-s42-a1", is_cache=True),),
)

_words = st.text(max_size=20)
_files = st.dictionaries(_words, st.builds(InputFile, _words, st.sampled_from(["code", "project", "named", "outside"])))
_inputs = st.builds(
    RunInputs,
    observed=st.sampled_from(["fully", "partly", "not", "off"]),
    why=st.none() | st.text(min_size=1),
    digest=_words,
    count=st.integers(0),
    interpreter=st.none() | st.text(min_size=1),
    files=_files,
    cut=st.integers(0),
    packages=st.dictionaries(_words, _words),
    changed=st.lists(_words, max_size=3).map(tuple),
    other_content=st.lists(st.builds(OtherContent, _words, _words, _words), max_size=3).map(tuple),
    left_by_runs=st.lists(st.builds(LeftFile, _words, _words, _words, st.booleans()), max_size=3).map(tuple),
)


def ended(seed: int, recorded: RecordedInputs | None) -> tuple[str, dict[str, Any]]:
    """The record of a run's end."""
    event = RunFinished(run_id=f"g1-baseline-s{seed}-a1", end=RunState.SUCCEEDED, inputs=recorded)
    return event.kind, event.fields()


def story(*recorded: RecordedInputs | None) -> list[Record]:
    """A baseline whose runs read this."""
    runs = [
        record for seed, one in enumerate(recorded) for record in (requested(seed), started(seed), ended(seed, one))
    ]
    return chain(GENERATION, *runs)


@given(_inputs)
def test_what_a_run_read_comes_back_from_a_record_as_it_was(inputs: RunInputs) -> None:
    records = [json.loads(canonical(one)) for one in story(recorded_inputs(inputs, ()))]
    assert fold(records).runs["g1-baseline-s0-a1"].inputs == inputs


def test_a_record_without_inputs_lacks_them_and_is_read_as_unknown() -> None:
    (*_, last) = story(None)
    assert "inputs" not in last
    event = read_event(last)
    assert isinstance(event, RunFinished)
    assert event.inputs is None
    assert fold(chain(GENERATION, requested(42), started(42), finished(42))).runs["g1-baseline-s42-a1"].inputs is None


def test_maps_that_the_ledger_has_are_named_and_shared() -> None:
    first = recorded_inputs(WHOLE, ())
    known = fold(story(first)).input_maps
    second = recorded_inputs(WHOLE, known)
    assert (set(first.maps), second.maps) == ({first.files, first.packages}, {})
    assert "maps" not in second.document()
    runs = fold(story(first, second)).runs
    assert runs["g1-baseline-s1-a1"].inputs == WHOLE
    shared = [runs[f"g1-baseline-s{seed}-a1"].inputs for seed in (0, 1)]
    assert shared[0] is not None and shared[1] is not None
    assert shared[0].files is shared[1].files


def test_a_map_that_no_record_has_is_damage() -> None:
    with pytest.raises(LedgerDamaged, match="contradicts"):
        fold(story(recorded_inputs(WHOLE, recorded_inputs(WHOLE, ()).maps)))


RIGHT = recorded_inputs(WHOLE, ()).document()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("observed", "surely"),
        ("observed", None),
        ("why", 5),
        ("digest", 5),
        ("count", "many"),
        ("count", True),
        ("interpreter", ["x"]),
        ("cut", 1.5),
        ("changed", "data"),
        ("changed", [1]),
        ("other_content", [["a", "b"]]),
        ("other_content", [["a", "b", 1]]),
        ("left_by_runs", [["a", "b", "c"]]),
        ("left_by_runs", [5]),
        ("files", RIGHT["packages"]),
        ("packages", RIGHT["files"]),
        ("files", None),
        ("maps", []),
        ("maps", {RIGHT["files"]: {"a": ["b", "secret"]}, RIGHT["packages"]: {}}),
        ("maps", {RIGHT["files"]: {"a": "b"}, RIGHT["packages"]: {}}),
        ("maps", {RIGHT["files"]: {}, RIGHT["packages"]: {"torch": 5}}),
    ],
)
def test_a_field_of_another_type_is_damage(field: str, value: Any) -> None:
    kind, fields = ended(0, None)
    broken = chain(GENERATION, requested(0), started(0), (kind, {**fields, "inputs": {**RIGHT, field: value}}))
    with pytest.raises(LedgerDamaged, match="contradicts"):
        fold(broken)


def test_whatever_replaces_a_part_of_the_inputs_they_are_read_or_the_record_is_damaged() -> None:
    rng = random.Random(0)
    kind, fields = ended(0, None)
    junk: list[Any] = [None, 5, -1, 1.5, True, "x", [], {}, [[]], {"a": 1}, ["a", "b"]]
    for _ in range(500):
        document = copy.deepcopy(RIGHT)
        where: Any = document
        while True:
            key = rng.choice(list(where) if isinstance(where, dict) else list(range(len(where))))
            if isinstance(where[key], (dict, list)) and where[key] and rng.random() < 0.7:
                where = where[key]
                continue
            where[key] = rng.choice(junk)
            break
        try:
            found = fold(chain(GENERATION, requested(0), started(0), (kind, {**fields, "inputs": document})))
        except LedgerDamaged:
            continue
        inputs = found.runs["g1-baseline-s0-a1"].inputs
        assert inputs is not None
        assert all(isinstance(one, InputFile) for one in inputs.files.values())
        assert all(isinstance(one, str) for one in inputs.packages.values())

"""What differs between the places of runs, in words; and what nothing is said of for its sake."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seedproof.ledger.state import Experiment, State
from seedproof.ledger.study_events import VerdictIssued
from seedproof.model.arms import Arm
from seedproof.model.refusals import NotComparable
from seedproof.model.results import Difference
from seedproof.model.runs import Run
from seedproof.notices.environment import comparability_notices
from seedproof.verdict.comparability import (
    accepted_differences,
    differences,
    differences_now,
    in_like_company,
    require_comparable_now,
    wall_time_withheld,
)
from seedproof.verdict.place import make_place

from tests.support.arms import SEEDS, baseline_arm, diverged, experiment_arm, failed, make_baseline, make_run

PLACE = {
    "implementation": "cpython",
    "version": "3.12.1",
    "packages": {"numpy": "2.4.6", "torch": "2.9.0"},
    "torch": None,
    "cuda": None,
    "gpus": [],
    "driver": None,
    "cpu": "EPYC",
}
GPU = {"gpus": ["H100", "H100"], "driver": "550", "cuda": "12.8"}


def at(seed: int, environment: Mapping[str, Any] | None, experiment: str | None = None, **surroundings: Any) -> Run:
    """A counted run in a place."""
    load = surroundings.pop("load", None)
    found = environment or {}
    return make_run(seed, 4.0, experiment=experiment, environment=found, surroundings=surroundings, load=load)


def base(*environments: Mapping[str, Any] | None, **surroundings: Any) -> Arm:
    return baseline_arm(*(at(seed, one, **surroundings) for seed, one in zip(SEEDS, environments, strict=False)))


def exp(*environments: Mapping[str, Any] | None, **surroundings: Any) -> Arm:
    runs = (at(seed, one, "muon", **surroundings) for seed, one in zip(SEEDS, environments, strict=False))
    return experiment_arm(*runs)


def place(**changes: Any) -> dict[str, Any]:
    return {**PLACE, **changes}


def words(*found: Difference) -> list[str]:
    return [f"{one.kind}: {one.words}" for one in found]


def test_the_same_place_differs_in_nothing() -> None:
    assert differences(base(*[PLACE] * 5), exp(*[place()] * 3)) == ()


def test_torch_is_taken_at_its_own_word_and_comes_before_the_others() -> None:
    changed = place(torch="2.9.0+cu128", packages={"aaa": "1", "numpy": "2.4.6", "torch": "2.9.0"})
    assert words(*differences(base(PLACE), exp(changed))) == [
        "packages: torch 2.9.0 → 2.9.0+cu128, aaa absent → 1",
    ]


def test_a_difference_within_an_arm_names_the_seeds() -> None:
    other = place(cpu="Xeon")
    assert words(*differences(base(PLACE, other, other), exp(PLACE, PLACE, other))) == [
        "device: CPU EPYC → Xeon (the baseline, seed 137, 256)",
        "device: CPU EPYC → Xeon (muon, seed 256)",
    ]


def test_only_runs_that_count_are_looked_at() -> None:
    other = {"environment": place(cpu="Xeon")}
    runs = [at(42, PLACE), failed(137, shown=False, experiment=None, **other)]
    assert differences(baseline_arm(*runs)) == ()
    assert words(*differences(base(PLACE), experiment_arm(diverged(42, **other)))) == ["device: CPU EPYC → Xeon"]


def test_what_was_never_recorded_is_unknown_and_no_difference() -> None:
    unasked = place(implementation=None, version=None, packages=None)
    assert differences(base(None, PLACE, unasked), exp(None, PLACE)) == ()
    (notice,) = comparability_notices(base(None, PLACE, unasked), exp(None, PLACE))
    assert notice.code == "environment_unknown"
    assert notice.message == (
        "muon and baseline: packages (3 of 5 runs) and device (2 of 5 runs) not recorded, "
        "so whether they differ is not known."
    )


def test_a_driver_that_was_not_told_is_no_difference() -> None:
    assert differences(base(place(**GPU)), exp(place(**{**GPU, "driver": None}))) == ()


@pytest.mark.parametrize(
    ("gpus", "chosen", "seen"),
    [
        (["H100", "H100"], "0", "GPU 2 x H100 → H100"),
        (["H100", "H100"], "1,0", None),
        (["H100", "H100"], "", "GPU 2 x H100 → CPU EPYC"),
        (["H100", "H100"], "-1", "GPU 2 x H100 → CPU EPYC"),
        (["H100", "H100"], "1,7,0", "GPU 2 x H100 → H100"),
        (["H100", "H100"], "GPU-8f3a,GPU-71", None),
        (["H100", "A100"], "1", "GPU 2 x H100 → 1 of H100, A100"),
        (["H100", "A100"], None, "GPU 2 x H100 → H100 and A100"),
        (["H100", "H100"], None, None),
    ],
)
def test_the_gpus_are_those_that_the_training_sees(gpus: list[str], chosen: str | None, seen: str | None) -> None:
    env = {} if chosen is None else {"CUDA_VISIBLE_DEVICES": chosen}
    found = differences(base(place(**GPU)), exp(place(**{**GPU, "gpus": gpus}), env=env))
    assert words(*found) == ([] if seen is None else [f"device: {seen}"])


def test_a_processor_does_not_matter_where_a_gpu_computes() -> None:
    assert differences(base(place(**GPU)), exp(place(**GPU, cpu="Xeon"))) == ()


# --- wall time --------------------------------------------------------------------------------

HERE = {"host": "lab-1", "cpu_count": 4, "load": 1.0, "env": {}}


@pytest.mark.parametrize(
    ("other", "environment", "why"),
    [
        ({}, PLACE, None),
        ({"host": "lab-2"}, PLACE, "the runs were on 2 hosts"),
        ({"host": None}, PLACE, None),
        ({}, place(cpu="Xeon"), "the devices differ"),
        ({"env": {"MKL_NUM_THREADS": "2"}}, PLACE, "MKL_NUM_THREADS differs"),
        ({"env": {"PYTHONHASHSEED": "2"}}, PLACE, None),
        ({"load": 5.0}, PLACE, None),
        ({"load": 5.1}, PLACE, "the load before the runs was 0.2 and 1.3 per processor (medians)"),
        ({"load": None}, PLACE, None),
        ({"load": 3.0, "cpu_count": None}, PLACE, None),
        (
            {"host": "lab-2", "load": 9.0},
            PLACE,
            "the runs were on 2 hosts; the load before the runs was 0.2 and 2.2 per processor (medians)",
        ),
    ],
)
def test_nothing_is_said_of_wall_time_where_the_conditions_differ(
    other: dict[str, Any], environment: dict[str, Any], why: str | None
) -> None:
    runs = base(PLACE, PLACE, **HERE).runs, exp(environment, environment, **{**HERE, **other}).runs
    assert wall_time_withheld(*runs) == why


def in_company(runs: Sequence[Run], *neighbours: int) -> list[Run]:
    return [replace(run, neighbours=count) for run, count in zip(runs, neighbours, strict=True)]


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        ((3, 3), (3, 3), None),
        ((0, 0), (0, 0), None),
        ((0, 3), (3, 3), "not all runs had as many others beside them (0 to 3)"),
        ((1, 1), (2, 2), "not all runs had as many others beside them (1 to 2)"),
    ],
)
def test_wall_times_compare_only_between_runs_with_as_many_beside_them(
    one: tuple[int, ...], other: tuple[int, ...], why: str | None
) -> None:
    sides = in_company(base(PLACE, PLACE, **HERE).runs, *one), in_company(exp(PLACE, PLACE, **HERE).runs, *other)
    assert wall_time_withheld(*sides) == why


def test_of_two_groups_those_are_compared_that_had_like_company() -> None:
    sides = in_company(base(PLACE, PLACE, PLACE).runs, 0, 3, 3), in_company(exp(PLACE, PLACE).runs, 3, 2)
    assert [[run.neighbours for run in side] for side in in_like_company(*sides)] == [[3, 3], [3]]


SLOTTED = {"env": {}, "slot": "gpu0"}


@pytest.mark.parametrize(
    ("slot_env", "device"),
    [
        ({"CUDA_VISIBLE_DEVICES": "1"}, "1 of A100, H100"),
        ({"CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}, "H100"),
        ({"CUDA_VISIBLE_DEVICES": "0,1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}, "A100 and H100"),
        ({}, "A100 and H100"),
    ],
)
def test_the_device_of_a_slot_is_the_one_that_its_variables_choose(slot_env: dict[str, str], device: str) -> None:
    found = make_place({**SLOTTED, "slot_env": slot_env}, place(gpus=["A100", "H100"], driver="550")).device
    assert found == {"GPU": device, "driver": "550"}


def test_slots_with_equal_devices_are_no_difference_and_told_by_none() -> None:
    runs = [
        at(seed, place(**GPU), **SLOTTED, slot_env={"CUDA_VISIBLE_DEVICES": str(number)})
        for number, seed in enumerate(SEEDS[:2])
    ]
    assert differences(baseline_arm(*runs)) == ()
    assert comparability_notices(baseline_arm(*runs)) == []


def test_one_busy_moment_does_not_move_the_median() -> None:
    loads = (0.2, 40.0, 0.3)
    runs = [at(seed, PLACE, **{**HERE, "load": load}) for seed, load in zip(SEEDS, loads, strict=False)]
    assert wall_time_withheld(runs, exp(PLACE, **HERE).runs) is None


# --- acceptance -------------------------------------------------------------------------------


def declared(verdict: VerdictIssued | None = None) -> Experiment:
    return Experiment("muon", 1, ("--lr", "1"), "it helps", False, verdict=verdict)


@pytest.mark.parametrize(
    ("kinds", "refused"),
    [
        ((), "packages (cpython 3.12.1 → 3.13) and device (CPU EPYC → Xeon)"),
        (("packages",), "device (CPU EPYC → Xeon)"),
    ],
)
def test_the_refusal_names_what_is_not_accepted(kinds: Sequence[str], refused: str) -> None:
    baseline, arm = make_baseline(environment=PLACE), exp(*[place(version="3.13", cpu="Xeon")] * 3)
    with pytest.raises(NotComparable) as refusal:
        accepted_differences(baseline, declared(), arm, kinds)
    assert f"differ in {refused}. Bring back" in refusal.value.message
    assert len(accepted_differences(baseline, declared(), arm, ("packages", "device"))) == 2


def test_a_verdict_keeps_what_it_was_given_with_until_other_runs_stand_behind_it() -> None:
    baseline, arm = make_baseline(environment=PLACE), exp(*[place(version="3.13")] * 3)
    written = Difference("packages", "as written")
    behind = tuple(sorted(run.run_id for run in arm.runs))
    verdict = VerdictIssued(generation=1, experiment="muon", runs=behind, verdict="", headline="", accepted=(written,))
    assert accepted_differences(baseline, declared(verdict), arm, ()) == (written,)
    with pytest.raises(NotComparable):
        accepted_differences(baseline, declared(replace(verdict, runs=("another",))), arm, ())


def test_nobody_is_asked_where_nothing_would_be_compared() -> None:
    def nobody(_: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
        raise AssertionError("was asked")

    require_comparable_now(State(), (), nobody)


# --- variables of the settings ----------------------------------------------------------------

ADDED = {"env": {}, "env_names": ["LR"]}
OTHER = "[settings.env] set LR to another value for {} than for the first run; values are recorded as hashes only."


def said_of_variables(baseline: Arm, experiment: Arm) -> list[str]:
    found = comparability_notices(baseline, experiment)
    return [notice.message for notice in found if notice.code == "variables_differ"]


def test_an_added_variable_with_another_hash_is_told_with_its_name_and_counts() -> None:
    one, other = ({**ADDED, "env_sha256": {"LR": value}} for value in ("aa", "bb"))
    assert said_of_variables(base(PLACE, PLACE, **one), exp(PLACE, **one)) == []
    assert said_of_variables(base(PLACE, PLACE, **one), exp(PLACE, **other)) == [OTHER.format("1 of 1 runs of muon")]


def test_another_value_in_a_control_or_in_one_arm_of_a_confirmation_is_told_too() -> None:
    one, other = ({**ADDED, "env_sha256": {"LR": value}} for value in ("aa", "bb"))
    runs = (at(1, PLACE, "muon", **one), at(2, PLACE, "muon", **other))
    found = said_of_variables(base(PLACE, **one), replace(exp(PLACE, **one), fresh=runs, controls=runs[1:]))
    assert found == [OTHER.format("1 of 1 runs of the control, 1 of 2 runs of the confirmation")]


def test_a_value_of_which_an_old_ledger_has_no_hash_is_not_known_to_differ() -> None:
    known = {**ADDED, "env_sha256": {"LR": "aa"}}
    assert said_of_variables(base(PLACE, **ADDED), exp(PLACE, **known)) == []


# --- for any places ---------------------------------------------------------------------------

versions = st.sampled_from(["1", "2", "2.1+cu"])
places = st.none() | st.builds(
    lambda version, packages, gpus, cpu: place(version=version, packages=packages, gpus=gpus, cpu=cpu),
    st.none() | versions,
    st.none() | st.dictionaries(st.sampled_from([*"abcdefgh", "torch", "cpython"]), versions),
    st.none() | st.lists(st.sampled_from(["H100", "A100"]), max_size=2),
    st.none() | st.sampled_from(["EPYC", "Xeon"]),
)


@given(st.lists(places, min_size=1, max_size=5))
def test_runs_of_one_place_never_differ_whatever_is_unknown_of_it(found: list[dict[str, Any] | None]) -> None:
    for one in found:
        assert differences(base(one, None, one), exp(one, one, None)) == ()


@given(places, places)
def test_two_places_differ_in_the_same_kinds_whichever_comes_first(
    one: dict[str, Any] | None, other: dict[str, Any] | None
) -> None:
    there, back = differences(base(one), exp(other)), differences(base(other), exp(one))
    assert [found.kind for found in there] == [found.kind for found in back]
    now = differences_now(base(one), {}, other or {})
    assert now == there


@given(places, places)
def test_what_differs_is_said_in_one_line_with_at_most_five_names(
    one: dict[str, Any] | None, other: dict[str, Any] | None
) -> None:
    for found in differences(base(one), exp(other)):
        assert "\n" not in found.words
        assert 1 <= found.words.count("→") <= 5


@given(st.lists(places, min_size=1, max_size=5), st.lists(places, min_size=1, max_size=5))
def test_a_run_that_differs_never_hides_behind_the_others(
    first: list[dict[str, Any] | None], second: list[dict[str, Any] | None]
) -> None:
    kinds = {found.kind for found in differences(base(*first), exp(*second))}
    known = [one for one in (*first, *second) if one is not None]
    packages = [one for one in known if one["packages"] is not None and one["version"] is not None]
    same = len({str((one["version"], sorted(one["packages"].items()))) for one in packages}) < 2
    # A package may be called as the interpreter is; the interpreter stands for both then.
    if same:
        assert "packages" not in kinds
    elif not any("cpython" in one["packages"] for one in packages):
        assert "packages" in kinds

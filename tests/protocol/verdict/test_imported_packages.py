"""Where it is known what runs imported, only that can make them differ; the interpreter's file is among it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from seedproof.model.arms import Arm
from seedproof.model.inputs import RunInputs
from seedproof.verdict.comparability import differences, differences_now

from tests.support.arms import baseline_arm, experiment_arm, make_run
from tests.support.seeds import SEEDS

NUMPY = {"numpy": "2.4.6 aaaaaaaa"}
HERE = {"implementation": "cpython", "version": "3.12.1", "torch": None, "gpus": [], "cpu": "EPYC"}
INSTALLED = {"numpy": "2.4.6", "rich": "14.0", "lion-pytorch": "0.1"}


def environment(**changes: Any) -> dict[str, Any]:
    """An environment; a package of the value None is not installed."""
    packages = {**INSTALLED, **{name.replace("_", "-"): one for name, one in changes.items()}}
    return {**HERE, "packages": {name: one for name, one in packages.items() if one is not None}}


def run(
    seed: int,
    experiment: str | None,
    where: Mapping[str, Any],
    imported: Mapping[str, str] | None,
    python: str = ".venv/bin/python",
    **more: Any,
) -> Any:
    inputs = None if imported is None else RunInputs(**{"observed": "fully", "packages": imported, **more})
    surroundings = {"interpreter": python}
    return make_run(seed, 4.0, experiment=experiment, environment=where, inputs=inputs, surroundings=surroundings)


def base(where: Mapping[str, Any], imported: Mapping[str, str] | None, *python: str, **more: Any) -> Arm:
    return baseline_arm(*(run(seed, None, where, imported, *python, **more) for seed in SEEDS))


def exp(where: Mapping[str, Any], imported: Mapping[str, str] | None, *python: str, **more: Any) -> Arm:
    return experiment_arm(*(run(seed, "muon", where, imported, *python, **more) for seed in SEEDS[:3]))


def words(baseline: Arm, arm: Arm) -> list[str]:
    return [one.words for one in differences(baseline, arm)]


def test_an_install_of_something_that_no_run_imports_makes_no_difference() -> None:
    assert words(base(environment(), NUMPY), exp(environment(rich="15.0", black="26.1"), NUMPY)) == []
    assert words(base(environment(), {}), exp(environment(black="26.1"), {})) == []


def test_another_version_or_other_files_of_an_imported_package_do() -> None:
    baseline = base(environment(), NUMPY)
    assert words(baseline, exp(environment(numpy="2.5.0"), {"numpy": "2.5.0 bbbbbbbb"})) == [
        "numpy 2.4.6 (files aaaaaaaa) → 2.5.0 (files bbbbbbbb)"
    ]
    assert words(baseline, exp(environment(), {"numpy": "2.4.6 cccccccc"})) == [
        "numpy 2.4.6 (files aaaaaaaa) → 2.4.6 (files cccccccc)"
    ]


def test_a_package_that_one_side_alone_imports_differs_where_the_other_had_another_or_none() -> None:
    lion = {**NUMPY, "lion-pytorch": "0.1 dddddddd"}
    assert words(base(environment(), NUMPY), exp(environment(), lion)) == []
    absent = base(environment(lion_pytorch=None), NUMPY)
    assert words(absent, exp(environment(), lion)) == ["lion-pytorch absent → 0.1"]
    assert words(base(environment(lion_pytorch="0.0"), NUMPY), exp(environment(), lion)) == ["lion-pytorch 0.0 → 0.1"]


def test_the_build_of_torch_is_no_difference_where_one_side_does_not_import_it() -> None:
    where = {**environment(torch="2.9.0"), "torch": "2.9.0+cu128"}
    assert words(base(where, NUMPY), exp(where, {**NUMPY, "torch": "2.9.0 eeeeeeee"})) == []


@pytest.mark.parametrize("imported", [None, {}], ids=["not recorded", "not observed"])
def test_where_one_side_is_not_known_the_whole_environment_counts(imported: Mapping[str, str] | None) -> None:
    arm = exp(environment(black="26.1"), imported, **({} if imported is None else {"observed": "not"}))
    assert words(base(environment(), NUMPY), arm) == ["black absent → 26.1"]


def test_another_interpreter_with_the_same_packages_is_a_difference_and_no_folder_is_named() -> None:
    baseline = base(environment(), NUMPY, interpreter="ab12cd3456789abc")
    assert words(baseline, exp(environment(), NUMPY, "/opt/x/python3.12", interpreter="99999999aaaaaaaa")) == [
        "interpreter python (hash ab12cd34) → python3.12 (hash 99999999)"
    ]
    assert words(baseline, exp(environment(), NUMPY, "/home/me/fast", interpreter="ab12cd3456789abc")) == [
        "interpreter python (hash ab12cd34) → fast (hash ab12cd34)"
    ]
    (found,) = words(baseline, exp(environment(), NUMPY, "/home/me/bin/python", interpreter="ab12cd3456789abc"))
    assert found.startswith("interpreter python (path ")
    assert "home" not in found
    assert words(baseline, exp(environment(), NUMPY, interpreter="ab12cd3456789abc")) == []


def test_the_interpreter_of_earlier_ledgers_is_not_compared() -> None:
    assert words(base(environment(), None), exp(environment(), None, "/opt/x/python3.12")) == []


def test_a_run_that_would_start_now_is_held_against_what_the_baseline_imported() -> None:
    baseline, here = base(environment(), NUMPY), {"interpreter": ".venv/bin/python"}

    def now(where: Mapping[str, Any], **surroundings: str) -> list[str]:
        return [one.words for one in differences_now(baseline, {**here, **surroundings}, where)]

    assert now(environment(black="26.1", rich=None)) == []
    assert now(environment(numpy="2.5.0")) == ["numpy 2.4.6 → 2.5.0"]
    assert now(environment(numpy=None)) == ["numpy 2.4.6 → absent"]
    assert now({**environment(), "version": "3.13.0"}) == ["cpython 3.12.1 → 3.13.0"]
    assert now(environment(), interpreter="/home/me/fast") == ["interpreter python → fast"]


def test_one_run_of_the_baseline_that_is_not_known_brings_the_whole_environment_back() -> None:
    baseline = base(environment(), NUMPY)
    mixed = replace(baseline, runs=(*baseline.runs[:4], replace(baseline.runs[4], inputs=None)))
    assert [one.words for one in differences_now(mixed, {}, environment(black="26.1"))] == ["black absent → 26.1"]


def test_a_package_that_only_a_later_baseline_seed_imports_counts_too() -> None:
    baseline = base(environment(), NUMPY)
    last = run(SEEDS[4], None, environment(), {**NUMPY, "rich": "14.0 ffffffff"})
    mixed = replace(baseline, runs=(*baseline.runs[:4], last))
    assert [one.words for one in differences_now(mixed, {}, environment(rich="15.0"))] == ["rich 14.0 → 15.0"]

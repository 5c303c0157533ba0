"""Edits in files that no run of the baseline read ask for no control; whatever may be imported instead does."""

from dataclasses import replace
from typing import Any

import pytest
from seedproof.model.arms import Arm, Baseline
from seedproof.model.run_key import Role
from seedproof.phases.baseline import establish_baseline
from seedproof.phases.control import control_look
from seedproof.phases.read_files import is_read, is_unread_change

from tests.support.arms import ROUND_VALUES, RULES, make_run, measured
from tests.support.inputs import OLD, changed_files, exp, reads

READ = reads("model/net.py", "model/__init__.py", "plugins/a.py", "util.py", packages={"torch": "2.9.0 ab12cd34"})


def baseline(*inputs: Any) -> Baseline:
    """Five results, the last value of what they read for all after it."""
    each = [*inputs, *inputs[-1:] * 5][:5]
    runs = [replace(run, inputs=one) for run, one in zip(measured(ROUND_VALUES, experiment=None), each, strict=True)]
    return establish_baseline(Arm(generation=1, experiment=None, runs=tuple(runs), code=OLD), RULES)


@pytest.mark.parametrize(
    "path",
    [
        "notes.md",
        ".idea/workspace.xml",
        ".claude/settings.json",
        "uv.lock",
        "results.csv",
        "plot.py",
        "tests/test_model.py",
        "tests/util.py",
        "scripts/random.py",
        "notes/train_llm.py",
        "torch.md",
    ],
)
def test_a_file_that_no_run_read_asks_for_no_control(path: str) -> None:
    assert control_look(baseline(READ), exp(reads(), **changed_files(path))).state == "not_needed"


@pytest.mark.parametrize(
    "path",
    [
        "train_llm.py",
        "model/net.py",
        "random.py",
        "random/__init__.py",
        "model/json.py",
        "torch/__init__.py",
        "Torch.py",
        "torch.cpython-311-x86_64-linux-gnu.so",
        "net.py",
        "util/__init__.py",
        "util.abi3.so",
        "plugins/__init__.py",
        "sitecustomize.py",
        "anywhere/usercustomize.py",
        "anywhere/paths.pth",
    ],
)
def test_a_file_that_was_read_or_may_be_imported_instead_of_another_asks_for_one(path: str) -> None:
    assert control_look(baseline(READ), exp(reads(), **changed_files(path))).state == "due"
    assert control_look(baseline(READ), exp(reads(), **changed_files("notes.md", path))).state == "due"


@pytest.mark.parametrize(
    "inputs", [[None], [READ, None], [READ, replace(READ, observed="partly")], [replace(READ, cut=1)]], ids=repr
)
def test_a_baseline_of_which_not_everything_is_known_asks_for_one(inputs: list[Any]) -> None:
    assert control_look(baseline(*inputs), exp(reads(), **changed_files("notes.md"))).state == "due"


def test_an_attempt_that_failed_and_a_probe_count_as_readers() -> None:
    known = baseline(READ)
    lost = make_run(42, None, experiment=None, attempt=2, role=Role.PROBE, inputs=reads("notes.md"))
    arm = exp(reads(), **changed_files("notes.md"))
    assert is_unread_change(known.arm, arm)
    assert not is_unread_change(replace(known.arm, probes=(lost,)), arm)


def test_a_change_that_cannot_be_told_asks_for_one() -> None:
    assert control_look(baseline(READ), exp(reads(), code=changed_files()["code"])).state == "due"


def test_one_is_offered_once_a_run_of_the_experiment_reads_the_file_and_then_decides() -> None:
    arm = exp(reads("plot.py"), reads(), **changed_files("plot.py"))
    assert control_look(baseline(READ), arm).state == "offered"
    for value, state in ((4.0, "passed"), (99.0, "failed")):
        control = make_run(42, value, role=Role.CONTROL, is_control=True)
        assert control_look(baseline(READ), replace(arm, controls=(control,))).state == state


@pytest.mark.parametrize(
    ("path", "read", "folder", "found"),
    [
        ("study/a.py", "a.py", "study/", True),
        ("other/a.py", "a.py", "study/", False),
        ("lib/a.py", "../lib/a.py", "study/", True),
        ("x/lib/a.py", "../../lib/a.py", "x/deep/study/", True),
        ("x/lib/a.py", "../../lib/a.py", "x/deep/", False),
        ("lib/a.py", "../../lib/a.py", "deep/study/", True),
        ("other/a.py", "a.py", None, True),
        ("lib/a.py", "../lib/a.py", None, True),
        ("a.py", "lib/a.py", None, False),
        ("src/lib/a.py", "…/lib/a.py", "", True),
        ("src/lib/b.py", "…/lib/a.py", "", False),
    ],
)
def test_a_path_of_the_repository_and_one_of_a_run_name_one_file(
    path: str, read: str, folder: str | None, found: bool
) -> None:
    assert is_read(path, replace(reads(read, folder=folder), files={read: READ.files["util.py"]})) is found

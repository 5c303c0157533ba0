"""What runs read differently is told once, with names; what honest studies read is not told at all."""

from dataclasses import replace
from typing import Any

import pytest
from seedproof.model.arms import Arm
from seedproof.model.run_key import Role
from seedproof.notices.inputs import input_notices
from seedproof.verdict.declared_names import declared_names, is_declared
from seedproof.verdict.inputs import cache_files, input_differences, inputs_bracket, unobserved
from seedproof.verdict.judge import judge

from tests.support.arms import ROUND_VALUES, experiment_arm, failed, make_baseline, make_run, measured
from tests.support.inputs import base, changed_files, exp, left, other, reads

FIRST = "g1-baseline-s42-a1"


def told(baseline: Arm, arm: Arm | None = None) -> list[tuple[str, str]]:
    return [(one.kind, one.path) for one in input_differences(baseline, arm)]


def fresh(seed: int, *, is_control: bool, **more: Any) -> Any:
    return make_run(seed, 4.0, role=Role.CONFIRM, is_control=is_control, **more)


# --- honest studies -------------------------------------------------------------------------------

SHARDS = [reads(f"data/shard_{seed}.bin={seed}") for seed in (42, 137, 256, 512, 1024)]
CACHE = {"path": "data/cache/tokens.bin", "is_cache": True}
HONEST = {
    "shards by seed": (base(*SHARDS), exp(*SHARDS[:3])),
    "folds of one file each": (
        base(reads("folds/0.csv"), reads("folds/1.csv"), reads("folds/0.csv")),
        exp(reads("folds/0.csv"), reads("folds/1.csv"), reads("folds/0.csv")),
    ),
    "a cache of the first run": (
        base(reads(), reads("data/cache/tokens.bin", **left(**CACHE))),
        exp(reads("data/cache/tokens.bin", **left(**CACHE))),
    ),
    "a cache that only the experiment fills": (
        base(reads()),
        exp(reads(), reads("data/cache/long.bin", **left("data/cache/long.bin", is_cache=True))),
    ),
    "a file of the first run that the baseline read as well": (
        base(reads(), reads("tokens.bin", **left("tokens.bin"))),
        exp(reads("tokens.bin", **left("tokens.bin"))),
    ),
    "a compile cache": (base(reads()), exp(reads(**left("…/inductor/cache.py", is_cache=True)))),
    "a configuration that a flag names": (
        base(reads("configs/base.json")),
        exp(reads("configs/big.json"), flags=("--config", "configs/big.json")),
    ),
    "a named file elsewhere": (base(reads()), exp(reads("…/me/cfg.json"), flags=("--config=/home/me/cfg.json",))),
    "another data set": (
        base(reads("data/tiny/train.bin", "data/tiny/val.bin")),
        exp(reads("data/owt/train.bin", "data/owt/val.bin"), flags=("--dataset", "owt")),
    ),
    "a group of Hydra": (base(reads()), exp(reads("conf/optim/lion.csv"), flags=("optim=lion",))),
    "another module of the same code": (base(reads("adam.py")), exp(reads("muon.py"))),
    "a list of results that every run adds to": (
        base(*(reads(f"results.csv={line}") for line in range(5))),
        exp(*(reads(f"results.csv={line}") for line in range(5, 8))),
    ),
    "a declared change of code": (
        base(reads("model.py=old")),
        exp(reads("model.py=new", "muon.py"), code_change=True, **changed_files("model.py", "muon.py")),
    ),
    "a declared change of a data file": (
        base(reads("rules.csv=old")),
        exp(reads("rules.csv=new", **other("rules.csv", "new")), code_change=True, **changed_files("rules.csv")),
    ),
    "flags on edited code that a control has to show": (
        base(reads("model.py=old")),
        exp(reads("model.py=new", "muon.py"), **changed_files("model.py", "muon.py")),
    ),
    "notes and folders of editors": (base(reads()), exp(reads(), **changed_files("a.md", ".idea/a.xml", "uv.lock"))),
    "a new configuration that a flag names": (
        base(reads()),
        exp(reads("configs/big.yaml"), flags=("--config", "configs/big.yaml"), **changed_files("configs/big.yaml")),
    ),
    "an earlier experiment had another content": (
        base(reads()),
        exp(reads("…/a/c.json=new", **other("…/a/c.json", "new", "g1-exp-first-s42-a1")), flags=("-c", "/a/c.json")),
    ),
    "a failed attempt had another content": (
        base(reads("d.bin=new", **other("d.bin", "new", "gone"))),
        exp(reads("d.bin=new", **other("d.bin", "new", "gone"))),
    ),
    "inputs that were never recorded": (base(None), exp(None)),
    "only some were recorded": (base(None), exp(reads("extra.bin"))),
    "seen in part": (base(reads(observed="partly")), exp(reads("extra.bin", observed="partly"))),
    "more files than are listed": (base(reads(cut=1)), exp(reads("extra.bin"))),
}  # fmt: skip


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_study_has_no_bracket_and_no_notice(name: str) -> None:
    baseline, arm = HONEST[name]
    assert input_differences(baseline, arm) == ()
    assert [one.code for one in input_notices(baseline, arm)] == []
    assert unobserved(baseline, arm) is None


# --- one path, other content ----------------------------------------------------------------------


def test_another_content_between_the_seeds_of_an_arm_is_told_although_a_flag_names_the_file() -> None:
    cfg = "…/work/cfg.json"
    arm = exp(
        reads(f"{cfg}=one"),
        reads(f"{cfg}=two", **other(cfg, "two", "g1-exp-muon-s42-a1")),
        reads(f"{cfg}=two", **other(cfg, "two", "g1-exp-muon-s42-a1")),
        flags=("--config", "/work/cfg.json"),
    )
    (found,) = input_differences(base(reads()), arm)
    assert (found.kind, found.path, found.where) == ("content", cfg, "muon seed 42 / muon seed 137, 256")
    assert inputs_bracket([found]) == "inputs differ: cfg.json"
    (notice,) = input_notices(base(reads()), arm)
    assert notice.code == "inputs_differ"
    assert notice.message == (
        "muon: one path, other content: …/work/cfg.json (muon seed 42 / muon seed 137, 256). Keep such files still "
        "while a study runs; where another content is meant, give it a path of its own and name that in a flag, or "
        "declare the edit with code_change=true."
    )


def test_another_content_between_the_arms_is_told_of_files_of_any_origin() -> None:
    arm = exp(reads(**other("…/model/model.py")))
    assert [one.where for one in input_differences(base(reads()), arm)] == [
        "muon seed 42, 137, 256 / baseline seed 42",
    ]


def test_a_first_reader_that_does_not_count_stands_for_the_results_of_its_arm() -> None:
    lost = failed(42, shown=False, experiment=None, inputs=reads())
    baseline = base(reads())
    second = replace(baseline.runs[0], run_id="g1-baseline-s42-a2")
    baseline = replace(baseline, runs=(replace(lost, run_id=FIRST), second, *baseline.runs[1:]))
    assert told(baseline, exp(reads(**other("…/model/model.py")))) == [("content", "…/model/model.py")]


def test_the_baseline_is_held_against_itself() -> None:
    baseline = base(reads("d.bin=1"), reads("d.bin=2", **other("d.bin", "2")))
    assert told(baseline) == told(baseline, exp(reads("d.bin=2", **other("d.bin", "2")))) == [("content", "d.bin")]
    assert input_notices(baseline)[0].message.startswith("baseline: one path, other content: d.bin (baseline seed 42 /")


def test_a_declared_file_with_two_contents_within_an_arm_is_told_all_the_same() -> None:
    arm = exp(
        reads("rules.csv=new", **other("rules.csv", "new")),
        reads("rules.csv=newer", **other("rules.csv", "newer")),
        code_change=True,
        **changed_files("rules.csv"),
    )
    assert told(base(reads("rules.csv=old")), arm) == [("content", "rules.csv")]


def test_the_fresh_runs_and_the_control_are_looked_at_too() -> None:
    edited = reads(**other("…/lib/gain.py"))
    pair = (fresh(7, is_control=True, inputs=reads()), fresh(7, is_control=False, inputs=edited))
    (found,) = input_differences(base(reads()), exp(reads(), fresh=pair))
    assert found.where == "fresh runs with the change seed 7 / baseline seed 42"
    control = make_run(42, 4.0, role=Role.CONTROL, is_control=True, inputs=edited)
    assert told(base(reads()), exp(reads(), controls=(control,))) == [("content", "…/lib/gain.py")]


# --- read by one arm alone ------------------------------------------------------------------------


def test_a_file_that_one_arm_alone_reads_is_told_whichever_it_is() -> None:
    assert told(base(reads()), exp(reads("extra.bin"))) == [("alone", "extra.bin")]
    assert told(base(reads("extra.bin")), exp(reads())) == [("alone", "extra.bin")]
    assert told(base(reads()), exp(reads("…/a/b.json"))) == [("alone", "…/a/b.json")]
    assert told(base(reads()), exp(reads("x.bin"), flags=("--config", "y.json"))) == [("alone", "x.bin")]


def test_a_file_that_only_some_seeds_read_is_not_compared() -> None:
    assert told(base(reads()), exp(reads("extra.bin"), reads("extra.bin"), reads())) == []
    assert told(base(reads("extra.bin"), reads()), exp(reads("extra.bin"))) == []


def test_code_that_was_not_kept_says_nothing_and_declared_code_of_the_change_neither() -> None:
    assert told(base(reads()), exp(reads("new.py"), code=changed_files()["code"])) == []


def test_two_fresh_pairs_show_it_where_the_measured_runs_do_not() -> None:
    pairs = [
        fresh(seed, is_control=side, inputs=reads() if side else reads("extra.bin"))
        for seed in (7, 8)
        for side in (True, False)
    ]
    assert told(base(reads()), exp(reads(), fresh=tuple(pairs[:2]))) == []
    assert told(base(reads()), exp(reads(), fresh=tuple(pairs))) == [("alone", "extra.bin")]


@pytest.mark.parametrize(
    ("flags", "path", "is_named"),
    [
        (("--dataset", "owt"), "data/owt/train.bin", True),
        (("--dataset=owt",), "data/owt/train.bin", True),
        (("data.name=owt",), "data/owt.bin", True),
        (("--no-ema",), "state/ema.bin", True),
        (("--use_ema",), "state/ema.bin", False),
        (("--lora",), "lora.json", True),
        (("--muon-lr", "0.01"), "muon_lr.json", True),
        (("--config", "/home/me/cfg.json"), "…/me/cfg.json", True),
        (("--config", "/home/me/cfg.json"), "…/me/cfg.json (2)", True),
        (("--config", "/home/me/cfg.json"), "…/me/other.json", False),
        (("--data", "a.bin,b.bin"), "b.bin", True),
        (("--beta", "0.9"), "data/0/x.bin", False),
        ((), "data/x.bin", False),
    ],
)
def test_a_flag_declares_the_file_that_it_names(flags: tuple[str, ...], path: str, is_named: bool) -> None:
    assert is_declared(path, declared_names(flags)) is is_named


# --- left, changed, edited ------------------------------------------------------------------------


def test_what_an_earlier_run_left_is_told_with_its_writer() -> None:
    arm = exp(reads("last_42.pt", **left("last_42.pt")), reads())
    (found,) = input_differences(base(reads()), arm)
    assert (found.kind, found.where) == ("left", f"{FIRST} wrote it, muon seed 42 read it")


def test_what_the_baseline_read_with_another_content_excuses_nothing() -> None:
    arm = exp(reads(**left("m.bin", "later")))
    assert told(base(reads(), reads(**left("m.bin", "first"))), arm) == [("left", "m.bin")]


def test_a_cache_is_a_line_of_the_report_alone() -> None:
    arm = exp(reads(**left(**CACHE)))
    assert told(base(reads()), arm) == []
    assert cache_files(arm.runs) == ("data/cache/tokens.bin",)


def test_a_file_that_changed_meanwhile_is_told() -> None:
    assert told(base(reads()), exp(reads(), reads(changed=("d.bin",)))) == [("changed", "d.bin")]


def test_edited_code_that_asked_for_no_control_and_is_read_after_all_offers_one() -> None:
    arm = exp(reads("gain.py"), reads(), **changed_files("gain.py", "notes.md"))
    assert told(base(reads()), arm) == [("edited", "gain.py")]
    (notice,) = input_notices(base(reads()), arm)
    assert notice.message.endswith('show what it does without flags: run_seed(experiment="muon", role="control").')
    control = make_run(42, 4.0, role=Role.CONTROL, is_control=True, inputs=reads())
    assert (
        "takes this back in no headline" in input_notices(base(reads()), replace(arm, controls=(control,)))[0].message
    )


# --- words ----------------------------------------------------------------------------------------


def test_the_bracket_names_two_files_and_counts_the_others() -> None:
    found = input_differences(base(reads()), exp(reads("a/one.bin", "two.bin", "three.bin", "four.bin")))
    assert inputs_bracket(found) == "inputs differ: one.bin, four.bin, +2 more"
    assert inputs_bracket([]) is None


@pytest.mark.parametrize("value", [1.0, 4.0, 9.0])
def test_the_headline_of_any_verdict_has_the_bracket(value: float) -> None:
    baseline = make_baseline(ROUND_VALUES, inputs=reads())
    runs = [
        measured([value + step for step in (0, 0.1, 0.2, 0.3, 0.4)], inputs=reads(*extra)) for extra in ((), ("x.bin",))
    ]
    plain, differing = (judge(baseline, experiment_arm(*one)) for one in runs)
    assert "inputs differ" not in plain.headline
    assert "inputs differ: x.bin" in differing.headline
    assert differing.brackets == ("inputs differ: x.bin",)
    assert differing.verdict == plain.verdict


# --- not observed ---------------------------------------------------------------------------------


def test_a_setting_that_was_turned_off_for_some_runs_is_a_bracket_and_for_all_a_notice() -> None:
    off = reads(observed="off", why="settings.observe_inputs is false")
    assert unobserved(base(off), exp(off)) is None
    assert [one.code for one in input_notices(base(off), exp(off))] == ["inputs_not_observed"]
    assert "muon seed 42, 137, 256" in (unobserved(base(reads()), exp(off)) or "")
    baseline = make_baseline(ROUND_VALUES, inputs=reads())
    assert judge(baseline, experiment_arm(*measured([1.0, 1.1, 1.2], inputs=off))).brackets == ("inputs not observed",)


def test_a_declared_change_that_no_run_read_did_nothing() -> None:
    arm = exp(reads(), code_change=True, **changed_files("util.py", "notes.md"))
    (notice,) = input_notices(base(reads()), arm)
    assert (notice.code, notice.message) == (
        "change_not_read",
        "muon: no run read the files that differ: util.py, notes.md; the change did nothing here.",
    )
    for silent in (
        (base(reads("util.py")), arm),
        (base(reads(observed="partly")), arm),
        (base(reads()), replace(arm, code_change=False)),
    ):
        assert input_notices(*silent) == []

"""Which output folders stay when a report is written, and that those that stay are in nobody's way."""

from pathlib import Path

import pytest

from tests.support.callers import Answer, Caller
from tests.support.in_process import InProcessEngine, quick_tools
from tests.support.seeds import SEEDS
from tests.support.studies import records
from tests.support.tables import Table

pytestmark = pytest.mark.anyio

OF_A = [f"checkpoints/exp_a_1M_seed{seed}" for seed in SEEDS[:3]]
OF_BASELINE = [f"checkpoints/baseline_1M_seed{seed}" for seed in SEEDS]


def keep(project: Path, which: str, more: str = "") -> None:
    (project / "seedproof.toml").write_text(f'[settings]\nkeep_outputs = "{which}"\n{more}')


def trained() -> InProcessEngine:
    """`a` is better by far, `b` worse by far."""
    table = Table().arm("baseline", (4.00, 4.01, 3.99, 4.02, 3.98))
    return InProcessEngine(table.arm("exp_a", (3.90, 3.91, 3.92)).arm("exp_b", (4.10, 4.11, 4.12)))


async def reported(call: Caller, name: str) -> Answer:
    """The reply of an experiment's report."""
    await call.measure(name, "--lr", name)
    await call("compare", experiment=name)
    return await call("write_report", experiment=name)


def left(project: Path) -> list[str]:
    return sorted(str(path.relative_to(project)) for path in (project / "checkpoints").iterdir())


@pytest.mark.parametrize(
    ("which", "stay"),
    [("none", []), ("winner", OF_A), ("all", OF_BASELINE + OF_A + [name.replace("_a_", "_b_") for name in OF_A])],
)
async def test_the_setting_says_which_folders_stay(project: Path, which: str, stay: list[str]) -> None:
    keep(project, which)
    async with quick_tools(project, trained()) as call:
        await call.measure_baseline()
        answers = {
            "baseline": await call("write_report"),
            "a": await reported(call, "a"),
            "b": await reported(call, "b"),
        }
    assert left(project) == sorted(stay)
    assert answers["a"].data["verdict"] == "WINNER"
    kept = {name: size for answer in answers.values() for name, size in answer.data["kept"].items()}
    removed = [name for answer in answers.values() for name in answer.data["removed"]]
    assert sorted(kept) == sorted(stay)
    assert len(kept) + len(removed) == 5 + 3 + 3
    assert all(size > 0 for size in kept.values())
    assert ("Kept, as keep_outputs says: checkpoints/exp_a_1M_seed42 (" in answers["a"].text) == bool(stay)


async def test_a_winner_keeps_the_runs_with_its_change_and_a_later_setting_removes_them(project: Path) -> None:
    keep(project, "winner")
    async with quick_tools(project) as call:
        await call.measure_baseline()
        await call.measure("a", "--shift", "-0.1")
        await call("compare", experiment="a")
        begun = await call("run_seed", experiment="a", role="confirm", queue_all=True, wait_s=0)
        assert not begun.is_error, begun.text
        confirmed = await call("write_report", experiment="a")
        fresh = [one for one in records(project, "run_started") if "-confirm" in one["run_id"]]
        with_change = [one["output_dir"] for one in fresh if "-confirm-" in one["run_id"]]
        assert len(fresh) > len(with_change) > 0
        assert set(confirmed.data["kept"]) == {*OF_A, *with_change}
        keep(project, "none")
        last = await call("write_report", experiment="a")
    assert sorted(last.data["removed"]) == sorted([*OF_A, *with_change])
    assert last.data["kept"] == {}
    assert left(project) == sorted(OF_BASELINE)  # its report was never asked for


async def test_a_kept_folder_is_reused_by_the_next_generation_and_stays_until_then(project: Path) -> None:
    keep(project, "all")
    async with quick_tools(project, trained()) as call:
        await call.measure_baseline()
        await call("write_report")
        await reported(call, "a")
        (project / OF_BASELINE[1] / "model.bin").write_text("of generation 1")
        begun = await call("run_seed", new_baseline="once more", seed=42)
        assert begun.data["state"] == "succeeded"
        assert (project / OF_BASELINE[1] / "model.bin").read_text() == "of generation 1"
        await call.measure_baseline()
        again = await reported(call, "a")
    assert (again.data["verdict"], list(again.data["kept"])) == ("WINNER", OF_A)
    assert (project / OF_BASELINE[1] / "model.bin").read_text() != "of generation 1"
    assert not [one for one in records(project, "run_finished") if "output_exists" in (one["reason"] or "")]


async def test_a_full_disk_says_what_keep_outputs_keeps(project: Path) -> None:
    keep(project, "all")
    async with quick_tools(project, trained()) as call:
        await call.measure_baseline()
        await call("write_report")
        keep(project, "all", "min_free_gb = 1e9\n")
        refused = await call("run_seed", experiment="a", flags=["--lr", "1"], hypothesis="it helps")
    assert refused.code == "disk_low"
    assert 'With keep_outputs = "all", 5 output folders of ended runs take 0.00 GB.' in refused.text
    assert 'set keep_outputs = "none" and write their reports again' in refused.text

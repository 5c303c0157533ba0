"""What `compare` answers besides a new verdict: one of an earlier generation, and two experiments side by side."""

import re
from pathlib import Path

import pytest

from tests.support.callers import Answer, Caller
from tests.support.in_process import InProcessEngine, quick_tools
from tests.support.seeds import SEEDS
from tests.support.tables import Table

pytestmark = pytest.mark.anyio

BASE = (4.00, 4.01, 3.99, 4.02, 3.98)
WORDS = re.compile("WINNER|NEUTRAL|LOSER")


@pytest.fixture
def project(quick_project: Path) -> Path:
    """In memory: no process is needed here."""
    return quick_project


def table() -> Table:
    made = Table().arm("baseline", BASE).arm("exp_a", (3.90, 3.91, 3.92)).arm("exp_b", (3.93, 3.95, 3.94))
    return made.arm("exp_wild", ("nan",)).arm("exp_near", (4.00, 4.01, 3.99, 4.01, 3.99))


async def judge(call: Caller, name: str, *seeds: int) -> Answer:
    await call.measure(name, "--idea", name, seeds=seeds or SEEDS[:3])
    return await call("compare", experiment=name)


# --- of an earlier generation -----------------------------------------------------------------


async def test_a_verdict_of_an_earlier_generation_is_answered_as_issued_with_its_report(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        issued = await judge(call, "a")
        report = (await call("write_report", experiment="a")).data["path"]
        await call("run_seed", new_baseline="another driver")
        before = (await call("check_baseline")).data["ledger_head"]
        said = await call("compare", experiment="a")
        await call.measure_baseline()
        after = await call("compare", experiment="a")
    same = {"verdict", "headline", "delta", "improvement_sigma", "cohens_d", "evidence", "confirmation", "paragraph"}
    for answer in (said, after):
        assert {name: answer.data[name] for name in same} == {name: issued.data[name] for name in same}
        assert (answer.data["generation"], answer.data["report_path"]) == (1, report)
        (notice,) = [one for one in answer.data["notices"] if one["code"] == "earlier_generation"]
        assert f"generation 1, and this is its verdict as issued; its report is {report}." in notice["message"]
        assert "The present generation is 2" in notice["message"]
    assert said.data["ledger_head"] == before, "nothing is recorded"
    assert said.next == "run_seed(seed=137)"


async def test_the_newer_experiment_of_the_name_counts_and_the_older_one_without_a_verdict_is_unknown(
    project: Path,
) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        await judge(call, "a")
        await call("write_report", experiment="a")
        await call.measure("b", "--idea", "b", seeds=(42,))
        await call("run_seed", new_baseline="another driver", queue_all=True)
        unknown = await call("compare", experiment="b")
        newer = await judge(call, "a")
    assert (unknown.code, WORDS.search(unknown.text)) == ("experiment_unknown", None)
    assert newer.data["generation"] == 2
    assert not [one for one in newer.data["notices"] if one["code"] == "earlier_generation"]


async def test_a_report_whose_file_a_later_one_has_taken_is_not_named(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        await judge(call, "a")
        await call("write_report", experiment="a")
        for reason in ("another driver", "a third one"):
            await call("run_seed", new_baseline=reason, queue_all=True)
            first = await call("compare", experiment="a")
            if reason == "another driver":
                await judge(call, "b")
    assert first.data["report_path"] == "docs/research/experiment_a_1M.md"


# --- against another experiment ---------------------------------------------------------------


async def test_two_experiments_stand_side_by_side_without_a_verdict(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        await judge(call, "a")
        await judge(call, "b")
        head = (await call("check_baseline")).data["ledger_head"]
        said = await call("compare", experiment="a", against="b")
    data = said.data
    assert WORDS.search(said.text) is None
    assert (data["verdict"], data["delta"], data["evidence"]) == (None, None, None)
    # Means 3.91 and 3.94; differences -.03, -.04, -.02: their standard error is .01 / sqrt(3), t(.975, 2) = 4.3027.
    half = 4.302653 * 0.01 / 3**0.5
    assert data["against"]["experiment"] == "b"
    assert data["against"]["difference"] == pytest.approx(-0.03)
    assert data["against"]["pairs"] == {
        "n": 3,
        "difference": pytest.approx(-0.03),
        "low": pytest.approx(-0.03 - half),
        "high": pytest.approx(-0.03 + half),
    }
    assert data["experiment_metrics"]["val_loss"]["mean"] == pytest.approx(3.91)
    assert data["against"]["metrics"]["val_loss"]["mean"] == pytest.approx(3.94)
    assert data["headline"] == (
        "a against b: val_loss 3.9100 (n=3) and 3.9400 (n=3), -0.0300, better; "
        "pairs -0.0300 (95 % -0.0548 to -0.0052, n=3)"
    )
    assert data["ledger_head"] == head, "nothing is recorded"


async def test_only_shared_seeds_make_pairs_and_two_of_an_earlier_generation_may_be_compared(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        await judge(call, "a")
        await judge(call, "near", *SEEDS[:3])
        await call("run_seed", experiment="near", queue_all=True)
        await call("run_seed", new_baseline="another driver", queue_all=True)
        said = await call("compare", experiment="near", against="a")
    assert (said.data["generation"], said.data["against"]["pairs"]["n"]) == (1, 3)
    assert said.data["experiment_metrics"]["val_loss"]["n"] == 5
    assert "worse" in said.data["headline"]


@pytest.mark.parametrize(
    ("other", "code", "following"),
    [
        ("a", "bad_arguments", "compare(experiment='a')"),
        ("baseline", "bad_arguments", "compare(experiment='a')"),
        ("never", "experiment_unknown", "run_seed(experiment='never', flags=…, hypothesis=…)"),
        ("begun", "experiment_incomplete", "run_seed(experiment='begun', seed=137)"),
        ("near", "experiment_incomplete", "run_seed(experiment='near', seed=512)"),
        ("wild", "not_comparable", "compare(experiment='wild')"),
        ("Not A Name", "name_invalid", "run_seed(experiment=…, flags=…, hypothesis=…)"),
    ],
)
async def test_what_cannot_stand_beside_it_is_refused_with_the_next_call(
    project: Path, other: str, code: str, following: str
) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        await judge(call, "a")
        await judge(call, "wild", 42)
        await call.measure("near", "--idea", "near")
        await call("run_seed", experiment="begun", flags=["--idea", "c"], hypothesis="x")
        refused = await call("compare", experiment="a", against=other)
        turned = await call("compare", experiment=other, against="a")
    assert (refused.code, refused.next) == (code, following)
    assert turned.code == (code if other != "baseline" else "experiment_unknown")
    for answer in (refused, turned):
        assert WORDS.search(answer.text) is None
        assert not re.search(r"\d\.\d", answer.text.replace("(95 %", "")), answer.text


async def test_an_experiment_of_another_generation_is_refused(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        await judge(call, "a")
        await call("run_seed", new_baseline="another driver", queue_all=True)
        await judge(call, "b")
        for one, other in (("a", "b"), ("b", "a")):
            refused = await call("compare", experiment=one, against=other)
            assert refused.code == "experiment_unknown"
            assert refused.next == "run_seed(experiment='a', flags=…, hypothesis=…)"

"""What `compare` answers: one fact a line, in one order, and the structure beside it."""

from pathlib import Path

import pytest

from tests.support.callers import Answer
from tests.support.confirmations import confirm_all, judge, table
from tests.support.in_process import InProcessEngine, quick_tools

pytestmark = pytest.mark.anyio

SHORT = {"experiment": "a", "detail": "short"}


@pytest.fixture
def project(quick_project: Path) -> Path:
    return quick_project


def lines_of(answer: Answer) -> list[str]:
    """The answer without its numbers, notices and the ledger's head."""
    left_out = ("headline ", "Next brings: ", "Notice ", "Ledger: ")
    return [line for line in answer.text.splitlines() if not line.startswith(left_out)]


async def test_a_winner_is_answered_before_and_after_its_confirmation(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        first = await judge(call)
        await confirm_all(call)
        second = await call("compare", **SHORT)
    assert lines_of(first) == [
        "WINNER (unconfirmed)",
        "val_loss 4.0000 -> 3.9100 (-0.0900, 5.7 sigma; 5 and 3 seeds)",
        "Merge: nothing yet, fresh seeds have not confirmed it",
        "Ideas tried: 1. If none helped, one idea would show a WINNER by luck 3.0 % of the time",
        'Next: run_seed(experiment="a", role="confirm"): confirms the WINNER on fresh seeds: 0 of 6 runs',
    ]
    effect, cost = lines_of(second)[2:4]
    assert effect.startswith("Use this effect: -0.0700 (at least 0.0") and effect.endswith(" better, one-sided 98 %)")
    assert cost.startswith("Cost: ")
    assert [line for line in lines_of(second) if line not in (effect, cost)] == [
        "WINNER (confirmed on 3 fresh seeds)",
        "val_loss 4.0000 -> 3.9100 (-0.0900, 5.7 sigma; 5 and 3 seeds)",
        "Merge: --lr 0.1",
        "Ideas tried: 1. If none helped: a confirmed WINNER by luck in 0.1 % of studies",
        'Next: write_report(experiment="a")',
    ]


async def test_full_detail_adds_the_evidence_and_what_follows_from_other_numbers(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        await judge(call)
        await confirm_all(call)
        short, full = [await call("compare", **{**SHORT, "detail": one}) for one in ("short", "full")]
        left_out = await call.client.call_tool("compare", {"experiment": "a"})
        wrong = await call("compare", **{**SHORT, "detail": "long"})
    assert left_out.structured_content == short.data
    assert lines_of(short) == lines_of(full)
    assert full.data["campaign"]["declared"] == 1
    assert full.data.keys() - short.data.keys() == {"evidence", "campaign", "paragraph"}
    for side in ("baseline_metrics", "experiment_metrics"):
        few, all_of_them = (answer.data[side] for answer in (short, full))
        assert few["val_loss"].items() < all_of_them["val_loss"].items()
        assert all_of_them["val_loss"].keys() - few["val_loss"].keys() == {"min", "max"}
        assert few["wall_time_s"].keys() == {"n", "mean"}
    told, more = (answer.data["confirmation"] for answer in (short, full))
    assert told.items() < more.items()
    assert more.keys() - told.keys() == {"improvement", "threshold", "std", "df", "reason"}
    assert wrong.code == "bad_arguments"


async def test_an_effect_that_fresh_seeds_do_not_show_is_not_merged(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table(gain=-0.01))) as call:
        await call.measure_baseline()
        await judge(call)
        await confirm_all(call)
        said = await call("compare", **SHORT)
    assert lines_of(said)[0] == "WINNER (NOT confirmed on 3 fresh seeds)"
    assert "Merge: nothing" in lines_of(said)
    assert not any(line.startswith(("Use this effect", "Cost")) for line in lines_of(said))


@pytest.mark.parametrize(
    ("name", "expected"),
    [("same", "NEUTRAL: 0.06 sigma better, noise"), ("worse", "LOSER: 6.96 sigma worse")],
)
async def test_what_does_not_win_is_not_merged(project: Path, name: str, expected: str) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        said = await judge(call, name)
    assert lines_of(said)[0] == expected
    assert lines_of(said)[2] == "Merge: nothing"
    assert f'Next: write_report(experiment="{name}")' in said.text

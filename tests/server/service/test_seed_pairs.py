"""A NEUTRAL whose same-seed pairs say more than its means, and six fresh pairs as the way on."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from seedproof_mcp.surface import cli

from tests.support.callers import Answer, Caller
from tests.support.in_process import InProcessEngine, quick_tools
from tests.support.real_runs import records
from tests.support.seeds import FRESH_SIX
from tests.support.tables import Table

pytestmark = pytest.mark.anyio

# Standard deviation .009645; the pairs gain .0084 in the mean.
BASE = (4.0000, 4.0061, 3.9939, 4.0122, 3.9878)
GAINS = (0.0084, 0.0080, 0.0088, 0.0082, 0.0086)
FRESH_GAINS = (0.0090, 0.0080, 0.0100, 0.0085, 0.0095, 0.0090)
CONTROL = (4.01, 3.99, 4.02, 3.98, 4.00, 4.03)
TOLD = "NEUTRAL: 0.87 sigma better, below the 2-sigma rule; same-seed pairs -0.0084"
# "Independent seeds, normal noise" is said of the rule, not of the experiment.
NOT_SAID = re.compile(r"(?<!normal )noise", re.IGNORECASE)
CONFIRM = {"experiment": "a", "role": "confirm"}


@pytest.fixture
def project(quick_project: Path) -> Path:
    """In memory: no process is needed here."""
    return quick_project


def less(values: Sequence[float], gains: Sequence[float]) -> list[str]:
    return [f"{value - gain:.4f}" for value, gain in zip(values, gains, strict=True)]


def table(gains: Sequence[float] = GAINS, fresh: Sequence[float] = FRESH_GAINS) -> Table:
    """An experiment with these gains at the seeds of the baseline, and at fresh ones."""
    made = Table().arm("baseline", BASE).arm("exp_a", less(BASE, gains))
    return made.arm("control_a", CONTROL, FRESH_SIX).arm("confirm_a", less(CONTROL, fresh), FRESH_SIX)


async def judge(call: Caller, name: str = "a") -> Answer:
    """Take the baseline through, and an experiment to its verdict after five seeds."""
    await call("run_seed", queue_all=True)
    declared = {"experiment": name, "flags": ["--lr", "0.1"], "hypothesis": "it helps"}
    await call("run_seed", **declared, queue_all=True)
    await call("run_seed", experiment=name, queue_all=True)
    answer = await call("compare", experiment=name)
    assert not answer.is_error, answer.text
    return answer


async def test_five_pairs_that_tell_are_in_the_headline_and_next_offers_fresh_pairs(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        said = await judge(call)
        written = await call("write_report", experiment="a")
        row = (await call("list_experiments")).data["experiments"][0]
    assert said.data["verdict"] == "NEUTRAL"
    assert said.data["headline"] == written.data["headline"] == row["headline"] == TOLD
    assert said.data["pairs"]["n"] == 5
    assert said.data["pairs"]["difference"] == pytest.approx(-0.0084)
    assert said.data["pairs"]["p_better"] < 0.01
    assert said.next == "run_seed(experiment='a', role='confirm')"
    assert said.data["next"]["why"] == "Tests what the same-seed pairs show on fresh seeds: 0 of 12 runs."
    text = (project / written.data["path"]).read_text()
    assert "## Verdict: NEUTRAL" in text
    assert not NOT_SAID.search(said.text + text)
    assert said.data["reason"] == (
        "The mean is 0.87 sigma better than the baseline's; 2 sigma decide. The same-seed pairs, which that rule does "
        "not see, are better: one-sided paired p <0.0001 over 5 seeds."
    )
    (record,) = records(project, "verdict_issued")
    assert record["fresh_seeds"] == list(FRESH_SIX)


async def test_six_fresh_pairs_are_run_in_turn_and_hold(project: Path) -> None:
    trained = table()
    async with quick_tools(project, InProcessEngine(trained)) as call:
        answer = await judge(call)
        before = len(trained.argvs)
        for done in range(12):
            said = await call("compare", experiment="a")
            assert (said.data["headline"], said.data["confirmation"]["kind"]) == (TOLD, "pairs")
            assert said.data["confirmation"]["reason"] == f"{done} of 12 runs on fresh seeds."
            assert answer.next == "run_seed(experiment='a', role='confirm')"
            answer = await call("run_seed", **answer.data["next"]["arguments"])
            assert answer.data["state"] == "succeeded"
        assert answer.next == "compare(experiment='a')"
        refused = await call("run_seed", **CONFIRM)
        assert (refused.code, refused.next) == ("confirm_not_due", "compare(experiment='a')")
        said = await call("compare", experiment="a")
        written = await call("write_report", experiment="a")
    ran = [Table.key(argv) for argv in trained.argvs[before:]]
    assert [name.startswith("control") for name, _ in ran] == [True, False, False, True] * 3
    assert [seed for _, seed in ran] == [seed for seed in FRESH_SIX for _ in range(2)]
    assert said.data["verdict"] == "NEUTRAL"
    assert said.data["headline"] == "NEUTRAL (2-sigma rule); pairs hold on 6 fresh seeds: -0.0090"
    found = said.data["confirmation"]
    assert (found["state"], found["pairs"], found["df"], found["limit"]) == ("confirmed", 6, 5, 0.02)
    # Differences from the mean in units of .0005: squares 0, 4, 4, 1, 1, 0; t(.98, 5) = 2.757 in printed tables.
    assert found["std"] == pytest.approx(0.0005 * 2**0.5)
    assert found["at_least"] == pytest.approx(0.009 - 2.757 * 0.0005 * (2 / 6) ** 0.5, rel=1e-4)
    assert not NOT_SAID.search(said.text + (project / written.data["path"]).read_text())


@pytest.mark.parametrize(
    ("fresh", "headline"),
    [
        (
            (0.002, -0.002, 0.001, -0.001, 0.004, -0.003),
            "NEUTRAL (2-sigma rule); pairs do NOT hold on 6 fresh seeds: -0.0002",
        ),
        ((-0.009,) * 6, "NEUTRAL (2-sigma rule); pairs do NOT hold on 6 fresh seeds: +0.0090"),
        ((0.009,) * 6, "NEUTRAL (2-sigma rule); pairs hold on 6 fresh seeds: -0.0090"),
    ],
)
async def test_the_paired_test_of_all_six_decides(
    project: Path, capsys: pytest.CaptureFixture[str], fresh: Sequence[float], headline: str
) -> None:
    async with quick_tools(project, InProcessEngine(table(fresh=fresh))) as call:
        await judge(call)
        await call("write_report", experiment="a")
        await call("run_seed", **CONFIRM, queue_all=True)
        said = await call("compare", experiment="a")
        written = await call("write_report", experiment="a")
        row = (await call("list_experiments")).data["experiments"][0]
    assert said.data["headline"] == written.data["headline"] == row["headline"] == headline
    assert len([one for one in records(project, "run_requested") if one["role"] == "confirm"]) == 12
    assert cli.main(["verify", "--project", str(project), "--regenerate"]) == 0
    # The first, one as the fresh pairs began, and one with what they gave.
    assert "3 reports regenerated byte for byte" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "state", "reason", "runs", "ended"),
    [
        ("confirm_a", "not_confirmed", "not finite.", 3, "; an experiment run on a fresh seed diverged"),
        ("control_a", "incomplete", "diverged, so nothing can be said.", 4, "; fresh pairs incomplete"),
    ],
)
async def test_a_run_that_diverges_ends_the_pairs_at_once(
    project: Path, name: str, state: str, reason: str, runs: int, ended: str
) -> None:
    trained = table()
    trained.losses[name, FRESH_SIX[1]] = "nan"
    async with quick_tools(project, InProcessEngine(trained)) as call:
        await judge(call)
        before = len(trained.argvs)
        await call("run_seed", **CONFIRM, queue_all=True)
        said = await call("compare", experiment="a")
    assert len(trained.argvs) - before == runs
    assert len(records(project, "run_not_needed")) == 12 - runs
    assert said.data["headline"] == TOLD + ended
    assert said.data["confirmation"]["state"] == state
    assert said.data["confirmation"]["reason"].endswith(reason)


NOISE = "NEUTRAL: 0.87 sigma better, noise"


async def refused_after(call: Caller) -> Answer:
    """A confirmation of the experiment, which is not due."""
    refused = await call("run_seed", **CONFIRM)
    assert (refused.code, refused.next) == ("confirm_not_due", "write_report(experiment='a')")
    return refused


async def test_pairs_that_scatter_are_an_ordinary_neutral(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table((0.0284, -0.0116, 0.0184, -0.0016, 0.0084)))) as call:
        said = await judge(call)
        refused = await refused_after(call)
    assert (said.data["headline"], said.data["pairs"], said.data["confirmation"]) == (NOISE, None, None)
    assert refused.text == (
        "confirm_not_due: a is NEUTRAL; only a WINNER is confirmed, and a NEUTRAL whose same-seed pairs say more. "
        'Next: write_report(experiment="a")'
    )
    assert "fresh_seeds" not in records(project, "verdict_issued")[0]


async def test_pairs_that_are_all_worse_are_no_noise_and_offer_nothing(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table([-gain for gain in GAINS]))) as call:
        said = await judge(call)
        assert said.data["headline"] == "NEUTRAL: 0.87 sigma worse"
        assert "see, are worse: one-sided paired p <0.0001 over 5 seeds." in said.data["reason"]
        assert "noise" not in said.data["reason"]
        await refused_after(call)


async def test_four_pairs_are_no_noise_and_offer_nothing(project: Path) -> None:
    (project / "seedproof.toml").write_text("[rules]\nextra_seeds = [512]\n")
    async with quick_tools(project, InProcessEngine(table())) as call:
        said = await judge(call)
        assert said.data["headline"] == "NEUTRAL: 0.55 sigma better"
        assert (said.data["pairs"]["n"], said.data["pairs"]["is_offered"]) == (4, False)
        await refused_after(call)


async def test_pairs_of_runs_that_stopped_early_are_an_ordinary_neutral(project: Path) -> None:
    trained = table()
    trained.steps |= {("exp_a", seed): 50 for name, seed in trained.losses if name == "exp_a"}
    trained.wall("exp_a", [1.0] * 5)
    async with quick_tools(project, InProcessEngine(trained)) as call:
        assert (await judge(call)).data["headline"] == NOISE
        await refused_after(call)


async def test_a_capped_winner_is_not_offered_fresh_pairs(project: Path) -> None:
    trained = table((0.05, 0.0501, 0.0502, 0.05, 0.05))
    trained.steps |= {("exp_a", seed): 50 for name, seed in trained.losses if name == "exp_a"}
    trained.wall("exp_a", [1.0] * 5)
    async with quick_tools(project, InProcessEngine(trained)) as call:
        said = await judge(call)
        assert said.data["headline"].startswith("NEUTRAL (capped: stopped early): ")
        assert (said.data["pairs"], said.data["confirmation"]) == (None, None)
        await refused_after(call)


async def test_pairs_of_a_maximised_metric_gain_upwards(project: Path) -> None:
    (project / "seedproof.toml").write_text(
        '[rules.metric]\nname = "val_loss"\ndirection = "maximize"\npattern = \'val_loss: (?P<value>[-0-9.]+)\'\n'
    )
    trained = Table({key: f"-{text}" for key, text in table().losses.items()})
    async with quick_tools(project, InProcessEngine(trained)) as call:
        assert (await judge(call)).data["headline"] == TOLD.replace("-0.0084", "+0.0084")
        await call("run_seed", **CONFIRM, queue_all=True)
        said = await call("compare", experiment="a")
    assert said.data["headline"] == "NEUTRAL (2-sigma rule); pairs hold on 6 fresh seeds: +0.0090"


async def test_a_neutral_shares_controls_with_a_winner_that_was_drawn_first(project: Path) -> None:
    trained = table().arm("exp_w", (3.90, 3.91, 3.92)).arm("control_w", CONTROL, FRESH_SIX)
    trained.arm("confirm_w", (3.91, 3.89, 3.92, 3.9, 3.9, 3.9), FRESH_SIX)
    async with quick_tools(project, InProcessEngine(trained)) as call:
        await call("run_seed", queue_all=True)
        declared = {"experiment": "a", "flags": ["--lr", "0.1"], "hypothesis": "it helps"}
        await call("run_seed", **declared, queue_all=True)
        other = {"experiment": "w", "flags": ["--lr", "0.9"], "hypothesis": "it helps"}
        await call("run_seed", **other, queue_all=True)
        await call("compare", experiment="w")
        await call("run_seed", experiment="w", role="confirm", queue_all=True)
        await judge(call)
        await call("run_seed", **CONFIRM, queue_all=True)
        said = await call("compare", experiment="a")
    assert said.data["headline"] == "NEUTRAL (2-sigma rule); pairs hold on 6 fresh seeds: -0.0090"
    ran = [Table.key(argv) for argv in trained.argvs]
    # Three pairs decided the WINNER; the other three controls are the NEUTRAL's own.
    assert [seed for name, seed in ran if name == "control_w"] == list(FRESH_SIX[:3])
    assert sorted(seed for name, seed in ran if name == "control_a") == list(FRESH_SIX[3:])

"""The sequential design through the tools: looks at three and five seeds, frozen with the generation."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seedproof.model.refusals import MoreSeedsNeeded
from seedproof.model.rules import Rules
from seedproof.stats.power import protocol_power
from seedproof.stats.sequential import look_p, sequential_alpha, sequential_power
from seedproof.stats.summary import PriorVariance
from seedproof.verdict.judge import judge

from tests.support.arms import experiment_arm, make_baseline, measured
from tests.support.callers import Answer, Caller
from tests.support.in_process import InProcessEngine, quick_tools
from tests.support.tables import Table

pytestmark = pytest.mark.anyio

RULES = Rules(design="sequential")
SETTINGS = '[rules]\ndesign = "sequential"\n'
LEDGER = '[rules]\ndesign = "sequential"\nsequential_variance = "ledger"\n'
BASE = (4.00, 4.01, 3.99, 4.02, 3.98)
ARMS: dict[str, Sequence[float | str]] = {
    "winner": (3.96, 3.97, 3.955),
    "loser": (4.04, 4.03, 4.045),
    "futile": (4.001, 4.006, 3.996),
    "open": (3.98, 3.985, 3.975, 3.975, 3.98),
    "open_flat": (3.98, 3.985, 3.975, 4.01, 4.005),
    "lost": ("nan",),
}


@pytest.fixture
def project(quick_project: Path) -> Path:
    """In memory: no process is needed here."""
    return quick_project


def table() -> Table:
    made = Table().arm("baseline", BASE)
    for name, values in ARMS.items():
        made.arm(f"exp_{name}", values)
    return made


async def first_look(call: Caller, name: str) -> Answer:
    """Declare an experiment, run the seeds of its first look, and ask."""
    await call("run_seed", experiment=name, flags=["--idea", name], hypothesis="it helps", queue_all=True)
    return await call("compare", experiment=name)


def p_of(name: str, n: int, prior: PriorVariance | None = None) -> float:
    return look_p(BASE, [float(value) for value in ARMS[name][:n]], -1, prior)


def test_false_winners_are_as_frequent_as_under_the_protocols_rule() -> None:
    assert sequential_alpha(RULES.sizes) == pytest.approx(0.0199, abs=3e-4)
    assert sequential_power(0.0, RULES.sizes).p_winner == pytest.approx(
        protocol_power(0.0, Rules().sizes).p_winner, abs=1e-6
    )
    assert sequential_power(0.0, RULES.sizes).expected_runs < protocol_power(0.0, Rules().sizes).expected_runs


@pytest.mark.parametrize(
    ("name", "headline"),
    [
        ("winner", "WINNER (sequential design; protocol rule: WINNER) (unconfirmed): 2.42 sigma better"),
        ("loser", "LOSER (sequential design; protocol rule: LOSER): 2.42 sigma worse"),
        ("futile", "NEUTRAL (sequential design; protocol rule: undecided at 3 seeds): 0.06 sigma worse"),
        ("lost", "LOSER (diverged: 1 of 1 seeds)"),
    ],
)
async def test_the_first_look_decides_where_its_p_is_clear_and_names_the_protocols_word(
    project: Path, name: str, headline: str
) -> None:
    (project / "seedproof.toml").write_text(SETTINGS)
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        said = await first_look(call, name)
        assert said.data["headline"] == headline
        assert said.data["verdict"] == headline.split()[0]
        refused = await call("run_seed", experiment=name, seed=512)
    assert refused.code == "seed_not_due"
    if name != "lost":
        assert len(said.data["experiment_metrics"]["val_loss"]["per_seed"]) == 3
        assert f"{p_of(name, 3):.4f} after 3 seeds" in said.data["reason"]
        assert "it is run only when the look after 3 seeds leaves the question open." in refused.text


async def test_a_p_between_the_limits_asks_for_the_extra_seeds_and_the_last_look_decides(project: Path) -> None:
    assert sequential_alpha(RULES.sizes) < p_of("open", 3) < 0.3
    assert p_of("open", 5) < sequential_alpha(RULES.sizes) < p_of("open_flat", 5)
    (project / "seedproof.toml").write_text(SETTINGS)
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        refused = await first_look(call, "open")
        assert refused.text == (
            "more_seeds_needed: the look after 3 seeds of open is open; seeds 512, 1024 are needed as well. "
            'Next: run_seed(experiment="open", seed=512)'
        )
        await call("run_seed", experiment="open", seed=512)
        assert (await call("compare", experiment="open")).code == "more_seeds_needed"
        await call("run_seed", experiment="open", seed=1024)
        said = await call("compare", experiment="open")
        await first_look(call, "open_flat")
        await call("run_seed", experiment="open_flat", queue_all=True)
        flat = await call("compare", experiment="open_flat")
    assert (
        said.data["headline"] == "WINNER (sequential design; protocol rule: NEUTRAL) (unconfirmed): 1.33 sigma better"
    )
    assert said.data["reason"].startswith(
        f"One-sided p that the experiment is better: {p_of('open', 5):.4f} after 5 seeds, with the variance pooled; "
    )
    assert flat.data["headline"] == "NEUTRAL (sequential design; protocol rule: NEUTRAL): 0.57 sigma better"
    assert said.data["campaign"]["label"].startswith("about, ")


@given(st.lists(st.floats(3.9, 4.1), min_size=5, max_size=5))
def test_the_protocols_word_beside_it_is_what_the_protocol_says_of_the_same_seeds(values: list[float]) -> None:
    runs = measured(values)
    flat = make_baseline(BASE)
    try:
        word, decided_at = str(judge(flat, experiment_arm(*runs[:3])).verdict), 3
    except MoreSeedsNeeded:
        word, decided_at = str(judge(flat, experiment_arm(*runs)).verdict), 5
    try:
        said, seeds = judge(make_baseline(BASE, RULES), experiment_arm(*runs[:3])).headline, 3
    except MoreSeedsNeeded:
        said, seeds = judge(make_baseline(BASE, RULES), experiment_arm(*runs)).headline, 5
    expected = word if decided_at <= seeds else "undecided at 3 seeds"
    assert f"protocol rule: {expected})" in said


async def test_nothing_is_said_below_three_seeds_however_clear_they_are(project: Path) -> None:
    (project / "seedproof.toml").write_text(SETTINGS)
    trained = table().arm("exp_far", (1.0, 1.0, 1.0))
    async with quick_tools(project, InProcessEngine(trained)) as call:
        await call.measure_baseline()
        await call("run_seed", experiment="far", flags=["--far"], hypothesis="it helps")
        for done, seed in ((1, 137), (2, 256)):
            refused = await call("compare", experiment="far")
            assert refused.code == "experiment_incomplete"
            assert f"far has {done} of 3 seeds" in refused.text
            await call("run_seed", experiment="far", seed=seed)
        assert (await call("compare", experiment="far")).data["verdict"] == "WINNER"


async def test_the_design_is_frozen_with_the_generation(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        (project / "seedproof.toml").write_text(SETTINGS)
        refused = await call("run_seed", experiment="open", flags=["--idea"], hypothesis="it helps")
    assert refused.code == "baseline_void"
    assert "(design)" in refused.text


async def test_a_winner_of_the_sequential_design_can_be_confirmed(project: Path) -> None:
    (project / "seedproof.toml").write_text(SETTINGS)
    trained = table()
    fresh = (100_003, 100_019, 100_043)
    trained.arm("control_winner", (4.0, 4.01, 4.02), fresh).arm("confirm_winner", (3.95, 3.96, 3.955), fresh)
    async with quick_tools(project, InProcessEngine(trained)) as call:
        await call.measure_baseline()
        said = await first_look(call, "winner")
        assert said.next == "run_seed(experiment='winner', role='confirm')"
        await call("run_seed", experiment="winner", role="confirm", queue_all=True)
        said = await call("compare", experiment="winner")
    assert said.data["headline"] == (
        "WINNER (sequential design; protocol rule: WINNER) (confirmed on 3 fresh seeds): 2.42 sigma better"
    )


def declared(project: Path) -> dict[str, Any]:
    lines = (project / ".seedproof/ledger.jsonl").read_bytes().splitlines()
    records = [record for record in map(json.loads, lines) if record["kind"] == "experiment_declared"]
    return {record["experiment"]: record["prior"] for record in records}


async def test_the_variance_of_earlier_arms_is_frozen_at_the_declaration(project: Path) -> None:
    (project / "seedproof.toml").write_text(LEDGER)
    trained = table().arm("exp_wild", (4.4, 3.6, 4.0, 4.4, 3.6))
    async with quick_tools(project, InProcessEngine(trained)) as call:
        await call.measure_baseline()
        await first_look(call, "futile")
        said = await first_look(call, "winner")
        await first_look(call, "wild")
        again = await call("compare", experiment="winner")
        await call("run_seed", experiment="late", flags=["--late"], hypothesis="it helps")
    priors = declared(project)
    # 4.001, 4.006, 3.996 lie 0, .005 and -.005 from their mean: 5e-5 with two degrees of freedom.
    assert priors["futile"] is None
    assert priors["winner"] == {"sum_of_squares": pytest.approx(5e-5), "df": 2}
    assert priors["late"]["df"] == 6
    assert priors["late"]["sum_of_squares"] > 0.3
    p = p_of("winner", 3, PriorVariance(**priors["winner"]))
    assert f"{p:.4f} after 3 seeds" in said.data["reason"]
    assert again.data["reason"] == said.data["reason"]
    assert again.data["headline"] == said.data["headline"]

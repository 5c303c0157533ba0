"""The screening design through the tools: an idea is dropped as soon as it looks unpromising, without a verdict."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from seedproof.model.rules import Rules
from seedproof.stats.screening import look_p
from seedproof_mcp.surface import cli
from seedproof_mcp.surface.catalogue import instructions

from tests.support.callers import Answer, Caller
from tests.support.in_process import InProcessEngine, quick_tools
from tests.support.seeds import FRESH, FRESH_SIX, SEEDS
from tests.support.tables import Table

pytestmark = pytest.mark.anyio

SETTINGS = '[rules]\ndesign = "screening"\n'
BASE = (4.00, 4.01, 3.99, 4.02, 3.98)
IDEAS: dict[str, Sequence[float | str]] = {
    "one": (4.004,),
    "two": (3.999, 3.999),
    "three": (3.98, 3.99, 4.01),
    "five": (3.98, 3.985, 3.975, 4.01, 4.005),
    "early": (3.96, 3.97, 3.955),
    "late": (3.98, 3.985, 3.975, 3.975, 3.98),
    "lost": ("nan",),
    "lost_late": (3.98, 3.985, 3.975, "nan"),
}
MISSED = "That is no verdict: screening saves runs and misses 23 % of 2-sigma improvements."


@pytest.fixture
def project(quick_project: Path) -> Path:
    """In memory: no process is needed here."""
    (quick_project / "seedproof.toml").write_text(SETTINGS)
    return quick_project


def table() -> Table:
    made = Table().arm("baseline", BASE)
    for name, values in IDEAS.items():
        made.arm(f"exp_{name}", values)
    return made


def records(project: Path, kind: str) -> list[dict[str, Any]]:
    lines = (project / ".seedproof/ledger.jsonl").read_bytes().splitlines()
    return [record for record in map(json.loads, lines) if record["kind"] == kind]


def p_of(name: str, n: int) -> float:
    return look_p(BASE, [float(value) for value in IDEAS[name][:n]], -1)


async def declare(call: Caller, name: str, **more: Any) -> Answer:
    return await call("run_seed", experiment=name, flags=["--idea", name], hypothesis="it helps", **more)


async def follow(call: Caller, name: str) -> tuple[list[int], Answer]:
    """Declare an idea, make the call in `next` until that is `compare`, and compare; the seeds that were run."""
    said = await declare(call, name)
    seeds = [said.data["seed"]]
    while said.data["next"]["tool"] == "run_seed":
        said = await call("run_seed", **said.data["next"]["arguments"])
        seeds.append(said.data["seed"])
    assert said.next == f"compare(experiment={name!r})"
    return seeds, await call("compare", experiment=name)


# --- the looks --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "n", "limit"), [("one", 1, 0.5), ("two", 2, 0.3), ("three", 3, 0.2), ("five", 5, None)]
)
async def test_an_idea_is_dropped_at_each_look_and_the_next_seed_is_asked_for_one_by_one(
    project: Path, name: str, n: int, limit: float | None
) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        seeds, said = await follow(call, name)
    assert seeds == list(SEEDS[:n])
    after = f"{n} seed{'' if n == 1 else 's'}"
    assert said.data["headline"] == f"DROPPED after {after} (screening; no verdict)"
    rule = "at most 0.02 is a WINNER" if limit is None else f"more than {limit:g} drops it"
    assert said.data["reason"] == (
        f"One-sided p that the experiment is better: {p_of(name, n):.4f} after {after}; {rule}. {MISSED}"
    )
    assert said.data["verdict"] is None
    assert (said.data["confirmation"], said.data["caps"], said.data["pairs"]) == (None, [], None)
    assert len(said.data["experiment_metrics"]["val_loss"]["per_seed"]) == n
    assert said.text.startswith(said.data["headline"])
    assert said.next == f"write_report(experiment={name!r})"


@pytest.mark.parametrize(
    ("name", "n", "headline"),
    [
        ("early", 3, "WINNER (unconfirmed; screening design): 2.42 sigma better"),
        ("late", 5, "WINNER (unconfirmed; screening design): 1.33 sigma better"),
    ],
)
async def test_a_winner_is_found_after_three_and_after_five_seeds(
    project: Path, name: str, n: int, headline: str
) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        seeds, said = await follow(call, name)
    assert seeds == list(SEEDS[:n])
    assert (said.data["verdict"], said.data["headline"]) == ("WINNER", headline)
    assert said.data["reason"] == (
        f"One-sided p that the experiment is better: {p_of(name, n):.4f} after {n} seeds; at most 0.02 is a WINNER."
    )
    assert said.next == f"run_seed(experiment={name!r}, role='confirm')"


@pytest.mark.parametrize(("name", "n"), [("lost", 1), ("lost_late", 4)])
async def test_a_diverged_seed_stays_a_loser(project: Path, name: str, n: int) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        seeds, said = await follow(call, name)
    assert seeds == list(SEEDS[:n])
    assert (said.data["verdict"], said.data["headline"]) == ("LOSER", f"LOSER (diverged: 1 of {n} seeds)")


async def test_no_winner_is_said_below_three_seeds_however_clear_they_are(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table().arm("exp_far", (1.0, 1.01, 1.0)))) as call:
        await call.measure_baseline()
        await declare(call, "far")
        for after, seed in (("1 seed", 137), ("2 seeds", 256)):
            refused = await call("compare", experiment="far")
            assert refused.text == (
                f"more_seeds_needed: the look after {after} of far is open; next: 1 seed, {seed}. "
                f'Next: run_seed(experiment="far", seed={seed})'
            )
            await call("run_seed", experiment="far", seed=seed)
        assert (await call("compare", experiment="far")).data["verdict"] == "WINNER"


async def test_a_look_that_three_seeds_leave_open_asks_for_both_extra_seeds(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        said = await declare(call, "late")
        assert said.data["remaining"] == 1
        for seed in (137, 256):
            said = await call("run_seed", experiment="late", seed=seed)
        assert said.data["remaining"] == 2
        refused = await call("compare", experiment="late")
        assert "the look after 3 seeds of late is open; next: 2 seeds, 512, 1024." in refused.text
        await call("run_seed", experiment="late", seed=512)
        refused = await call("compare", experiment="late")
    assert (refused.code, "late has 4 of 5 seeds; missing: 1024." in refused.text) == ("experiment_incomplete", True)


async def test_queue_all_queues_only_what_is_sure_to_be_needed(project: Path) -> None:
    queued: list[list[int]] = []
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        before = len(records(project, "run_requested"))
        said = await declare(call, "late", queue_all=True)
        while True:
            requested = records(project, "run_requested")
            queued.append([record["seed"] for record in requested[before:]])
            before = len(requested)
            if said.data["next"]["tool"] == "compare":
                break
            said = await call("run_seed", experiment="late", queue_all=True)
            while said.data["next"]["arguments"].get("attempt"):  # of the two extra seeds one may still run
                said = await call("run_seed", **said.data["next"]["arguments"])
    assert queued == [[42], [137], [256], [512, 1024]]


async def test_an_extra_seed_that_diverges_takes_the_other_out_of_the_queue(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        await declare(call, "lost_late")
        for seed in (137, 256):
            await call("run_seed", experiment="lost_late", seed=seed)
        await call("run_seed", experiment="lost_late", queue_all=True)
        said = await call("compare", experiment="lost_late")
    assert said.data["headline"] == "LOSER (diverged: 1 of 4 seeds)"
    (unneeded,) = records(project, "run_not_needed")
    assert unneeded["run_id"] == "g1-exp-lost_late-s1024-a1"


async def test_a_seed_of_a_later_look_is_refused_before_it_and_every_seed_after_the_end(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        await declare(call, "late")
        early = await call("run_seed", experiment="late", seed=256)
        await follow(call, "one")
        late = await call("run_seed", experiment="one", seed=137)
        nothing = await call("run_seed", experiment="one")
        confirm = await call("run_seed", experiment="one", role="confirm")
    why = "it is run only when the look before it leaves the question open."
    assert (early.code, late.code) == ("seed_not_due", "seed_not_due")
    assert f"seed 256 is not due for late: {why}" in early.text
    assert f"seed 137 is not due for one: {why}" in late.text
    assert nothing.code == "nothing_due"
    assert confirm.code == "confirm_not_due"


# --- other rules ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "values", "seeds", "headline"),
    [
        ("extra_seeds = []", (3.98, 3.985, 3.975), 3, "DROPPED after 3 seeds (screening; no verdict)"),
        ("extra_seeds = []", (3.96, 3.97, 3.955), 3, "WINNER (unconfirmed; screening design): 2.42 sigma better"),
        (
            "experiment_seeds = [42, 137, 256, 512]\nextra_seeds = [1024]",
            (3.99, 3.98, 4.01, 4.02),
            4,
            "DROPPED after 4 seeds (screening; no verdict)",
        ),
        (
            "experiment_seeds = [42, 137, 256, 512]\nextra_seeds = []",
            (3.97, 3.98, 3.96, 3.97),
            4,
            "WINNER (unconfirmed; screening design): 1.90 sigma better",
        ),
    ],
)
async def test_experiments_with_other_numbers_of_seeds_have_their_own_last_looks(
    project: Path, rules: str, values: Sequence[float], seeds: int, headline: str
) -> None:
    (project / "seedproof.toml").write_text(f"{SETTINGS}{rules}\n")
    async with quick_tools(project, InProcessEngine(table().arm("exp_idea", values))) as call:
        await call.measure_baseline()
        ran, said = await follow(call, "idea")
    assert (ran, said.data["headline"]) == (list(SEEDS[:seeds]), headline)


async def test_a_metric_that_is_maximised_drops_what_is_lower(project: Path) -> None:
    metric = '[rules.metric]\nname = "val_loss"\ndirection = "maximize"\npattern = "val_loss: (?P<value>[0-9.nai]+)"\n'
    (project / "seedproof.toml").write_text(SETTINGS + metric)
    trained = table().arm("exp_lower", (3.99,)).arm("exp_higher", (4.04, 4.03, 4.045))
    async with quick_tools(project, InProcessEngine(trained)) as call:
        await call.measure_baseline()
        _, lower = await follow(call, "lower")
        _, higher = await follow(call, "higher")
    assert lower.data["headline"] == "DROPPED after 1 seed (screening; no verdict)"
    assert higher.data["headline"] == "WINNER (unconfirmed; screening design): 2.42 sigma better"


async def test_the_design_is_frozen_with_the_generation(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        (project / "seedproof.toml").unlink()
        refused = await declare(call, "one")
    assert refused.code == "baseline_void"
    assert "(design)" in refused.text


async def test_the_sequential_design_is_refused_for_a_new_baseline_and_screening_is_named(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        ledger = (project / ".seedproof/ledger.jsonl").read_bytes()
        (project / "seedproof.toml").write_text('[rules]\ndesign = "sequential"\n')
        again = await call("run_seed", new_baseline="another design")
        assert (project / ".seedproof/ledger.jsonl").read_bytes() == ledger
    assert again.code == "bad_settings"
    assert (
        'rules.design = "sequential" in seedproof.toml stays only with a baseline that was begun under it; a new one '
        'takes design = "screening", or no design for the protocol.'
    ) in again.text


async def test_the_sequential_design_is_refused_for_the_first_baseline_and_nothing_is_recorded(project: Path) -> None:
    (project / "seedproof.toml").write_text('[rules]\ndesign = "sequential"\n')
    async with quick_tools(project, InProcessEngine(table())) as call:
        for arguments in ({}, {"queue_all": True}, {"seed": 42}):
            refused = await call("run_seed", **arguments)
            assert (refused.code, refused.next) == ("bad_settings", "check_baseline()")
        assert (await call("check_baseline")).data["phase"] == "unmeasured"
    assert not (project / ".seedproof/ledger.jsonl").exists() or not records(project, "generation_started")


@pytest.mark.parametrize("value", ['"Screening"', '"bayes"', "1", '["screening"]'])
async def test_a_design_that_is_none_is_refused_with_those_that_are(project: Path, value: str) -> None:
    (project / "seedproof.toml").write_text(f"[rules]\ndesign = {value}\n")
    async with quick_tools(project, InProcessEngine(table())) as call:
        for refused in (await call("check_baseline"), await call("run_seed")):
            assert refused.code == "bad_settings"
            assert 'seedproof.toml, line 2: rules.design: allowed is "protocol" or "screening".' in refused.text


# --- what is said of it -----------------------------------------------------------------------------


async def test_the_baseline_says_the_design_and_whose_threshold_it_names(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        said = await call("check_baseline")
        await call("write_report")
    assert said.data["design"] == "screening"
    assert "By the protocol's own rule, a winner's mean val_loss is at most 3.96838." in said.text
    report = (project / "docs/research/baseline_variance_1M.md").read_text()
    assert (
        "- Experiments are judged by the screening design; the protocol's own rule would ask for a mean of at most "
    ) in report


def test_the_instructions_say_that_an_idea_may_be_dropped() -> None:
    assert (
        "Three seeds, and two more if these do not decide; an idea that looks unpromising is dropped earlier."
    ) in instructions(Rules(design="screening"))


async def test_the_list_shows_a_dropped_idea_as_dropped_and_counts_no_verdict(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        await declare(call, "one")
        measured = (await call("list_experiments")).data["experiments"][0]
        await call("compare", experiment="one")
        await follow(call, "early")
        said = await call("list_experiments")
    assert (measured["state"], measured["seeds_needed"]) == ("measured", 0)
    dropped, winner = said.data["experiments"]
    assert (dropped["state"], dropped["verdict"], dropped["reason"]) == ("dropped", None, None)
    assert (dropped["seeds_done"], dropped["seeds_needed"]) == (1, 0)
    assert dropped["headline"] == "DROPPED after 1 seed (screening; no verdict)"
    assert (winner["state"], winner["verdict"]) == ("judged", "WINNER")
    assert (said.data["total"], said.data["judged"], said.data["campaign"]["winners"]) == (2, 1, 1)
    assert "2 experiments declared, 1 judged, 0 runs queued" in said.text
    assert "- one: DROPPED after 1 seed (screening; no verdict)" in said.text
    assert "do not retry" not in said.text.lower() and "failed" not in said.text


async def test_the_report_stands_under_neutral_says_that_it_is_no_verdict_regenerates_and_is_verified(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        await call("write_report")
        for name in ("one", "two", "three", "five"):
            await follow(call, name)
            written = await call("write_report", experiment=name)
            assert written.data["verdict"] is None
            assert written.data["headline"].startswith("DROPPED after ")
            assert written.next == "run_seed(experiment=…, flags=…, hypothesis=…)"
            text = (project / written.data["path"]).read_text()
            assert f"- {written.data['headline']}\n" in text
            assert "\n## Verdict: NEUTRAL\n" in text
            assert MISSED in text
            assert "## Confirmation" not in text
        path, before = project / written.data["path"], text
        path.unlink()
        await call("write_report", experiment="five")
        assert path.read_text() == before
        said = await call("compare", experiment="one")
    assert said.data["headline"] == "DROPPED after 1 seed (screening; no verdict)"
    assert [one["verdict"] for one in records(project, "verdict_issued")] == ["DROPPED"] * 4
    assert cli.main(["verify", "--regenerate", "--project", str(project)]) == 0
    out = capsys.readouterr().out
    assert "OK    verdicts: 4 verdicts recomputed from the records before them" in out
    assert "OK    regenerate: 5 reports regenerated byte for byte, figures too" in out


async def test_the_command_line_says_the_same(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        await call("write_report")
        await follow(call, "one")
    assert cli.main(["compare", "one", "--project", str(project)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("DROPPED after 1 seed (screening; no verdict)\n")
    assert MISSED in said
    assert cli.main(["status", "--project", str(project)]) == 0
    # The table is wider than this terminal, so each experiment has lines of its own.
    assert "\none: dropped, 1 of 1 seeds\n  DROPPED after 1 seed (screening; no verdict)\n" in capsys.readouterr().out
    assert cli.main(["report", "one", "--project", str(project)]) == 0
    assert capsys.readouterr().out.startswith("DROPPED after 1 seed (screening; no verdict)\n")


async def test_a_dropped_idea_may_be_tried_against_a_new_baseline_and_is_told_as_dropped(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        await follow(call, "one")
        twin = await call("run_seed", experiment="twin", flags=["--idea", "one"], hypothesis="it helps")
        await call("run_seed", new_baseline="look again", queue_all=True)
        await call.measure_baseline()
        again = await declare(call, "one")
    # Beside the same baseline it would be the same runs.
    assert (twin.code, twin.next) == ("flags_duplicate", "write_report(experiment='one')")
    assert again.data["state"] == "succeeded"
    (told,) = [one["message"] for one in again.data["notices"] if one["code"] == "declared_before"]
    assert told.endswith("--idea one; dropped).")


# --- the confirmation of a WINNER -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("control", "confirm", "df", "state"),
    [
        # Sums of squares 2e-4 and 5e-5 over four degrees of freedom.
        ((4.0, 4.01, 4.02), (3.95, 3.96, 3.955), 4, "confirmed"),
        # After three pairs t lies between .569 and 2.999; after six the fresh spread has ten degrees of freedom.
        ((4.0, 4.01, 4.02, 4.0, 4.01, 4.02), (3.99, 4.0, 4.01, 3.97, 3.98, 3.99), 10, "confirmed"),
        ((4.0, 4.01, 4.02), (4.0, 4.01, 4.02), 4, "not_confirmed"),
    ],
)
async def test_the_confirmation_of_a_winner_pools_the_fresh_spread_only(
    project: Path, control: Sequence[float], confirm: Sequence[float], df: int, state: str
) -> None:
    seeds = FRESH_SIX[: len(control)]
    trained = table().arm("control_early", control, seeds).arm("confirm_early", confirm, seeds)
    async with quick_tools(project, InProcessEngine(trained)) as call:
        await call.measure_baseline()
        _, said = await follow(call, "early")
        while said.data["next"]["arguments"].get("role") == "confirm":
            said = await call("run_seed", **said.data["next"]["arguments"])
        said = await call("compare", experiment="early")
    found = said.data["confirmation"]
    squares = sum((value - sum(side) / len(side)) ** 2 for side in (control, confirm) for value in side)
    assert (found["state"], found["df"], found["pairs"]) == (state, df, len(control))
    assert found["std"] == pytest.approx((squares / df) ** 0.5, rel=1e-5)
    words = "confirmed" if state == "confirmed" else "NOT confirmed"
    assert said.data["headline"] == (
        f"WINNER ({words} on {len(control)} fresh seeds; screening design): 2.42 sigma better"
    )
    assert set(FRESH) <= {record["seed"] for record in records(project, "run_requested")}

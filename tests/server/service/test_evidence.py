"""The evidence beside a verdict, through the tools: on real training logs, and on numbers that allow little."""

import json
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.callers import Answer, Caller
from tests.support.in_process import InProcessEngine, Training, quick_tools
from tests.support.places import REAL_LOGS
from tests.support.seeds import SEEDS
from tests.support.tables import Table

pytestmark = pytest.mark.anyio

LOGS = REAL_LOGS / "llm-research-kit"
KIT = '[rules]\ntrain_tokens = 100000\n[rules.metric]\npreset = "llm-research-kit"\n'
BASE = (4.00, 4.01, 3.99, 4.02, 3.98)
OVERSTATED = re.compile(r"\b(prove[ns]?|proof|certain(ly)?|guarantee[sd]?|definitive(ly)?|undoubted(ly)?)\b", re.I)


@pytest.fixture
def project(quick_project: Path) -> Path:
    """In memory: no process is needed here."""
    return quick_project


def kit(argv: Sequence[str]) -> Training:
    """What the real training printed and left behind, by arm and seed."""
    name, seed = Table.key(argv)
    real = "baseline" if name == "baseline" else "exp_muon_lr_0.012"
    log, document = ((LOGS / f"{real}_seed{seed}{end}").read_text() for end in (".stdout", ".metrics.json"))
    return Training(log, 0, {"metrics.json": document})


async def follow(call: Caller, name: str) -> Answer:
    """Declare an experiment and follow `next` to its verdict."""
    answer = await call("run_seed", experiment=name, flags=["--idea", name], hypothesis="it helps")
    while answer.data["next"]["tool"] == "run_seed":
        answer = await call("run_seed", **answer.data["next"]["arguments"])
    return await call("compare", experiment=name)


def numbers(value: Any) -> Iterator[float]:
    """Every number of a document."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from numbers(part)
    elif isinstance(value, float | int):
        yield value


def check_words_and_numbers(said: Answer, report: Path) -> None:
    """What holds for every reply and report: finite numbers, and no word that says more than they do."""
    assert not said.is_error, said.text
    assert all(map(math.isfinite, numbers(said.data)))
    assert all(map(math.isfinite, numbers(json.loads(report.with_suffix(".json").read_text()))))
    for text in (said.text, report.read_text(), said.data["paragraph"]):
        assert not OVERSTATED.search(text), OVERSTATED.search(text)


# --- the real logs --------------------------------------------------------------------------------


async def test_the_real_logs_disagree_instructively_and_the_report_says_how_and_why(project: Path) -> None:
    (project / "seedproof.toml").write_text(KIT)
    async with quick_tools(project, InProcessEngine(kit)) as call:
        await call.measure_baseline()
        said = await follow(call, "muon")
        written = await call("write_report", experiment="muon")
    report = (project / written.data["path"]).read_text()
    check_words_and_numbers(said, project / written.data["path"])
    assert said.data["headline"] == "NEUTRAL: 1.60 sigma better, below the 2-sigma rule; same-seed pairs -0.0499"
    assert "noise" not in said.data["reason"] and "one-sided paired p 0.0007 over 5 seeds" in said.data["reason"]
    evidence = said.data["evidence"]
    by_seed, unpaired = evidence["paired"], evidence["unpaired"]
    assert (by_seed["n"], by_seed["df"]) == (5, 4)
    assert by_seed["t"] == pytest.approx(-7.8, abs=0.05)
    assert by_seed["correlation"] == pytest.approx(0.92, abs=0.005)
    assert by_seed["difference"] == unpaired["difference"] == pytest.approx(-0.04988, abs=1e-5)
    assert by_seed["p_value"] == pytest.approx(2 * by_seed["p_better"], rel=1e-5) == pytest.approx(0.0015, abs=1e-4)
    assert unpaired["low"] < by_seed["low"] < by_seed["high"] < unpaired["high"]
    assert (evidence["primary"], evidence["unavailable"]) == ("unpaired", {})
    assert evidence["per_seed"]["pattern"] == "consistent"
    assert evidence["per_seed"]["improved"] == 5
    assert evidence["per_seed"]["smallest_sign_p"] == 0.0625
    # The step-0 loss is 6.2394 for every seed: --seed moves only the order of the data there.
    assert evidence["seed_varies"] == (
        "val_loss at step 0 is 6.2394 for all seeds: sigma covers data order, not initialisation."
    )
    assert evidence["seed_varies"] in report
    assert (
        "Intervals and verdict disagree: both intervals leave zero out (paired t = -7.8 over 5 seeds), while the "
        "means lie 1.60 sigma apart. The same seed moves both arms together (correlation 0.92): the paired view takes "
        "that common part away, the 2-sigma rule does not. The verdict NEUTRAL is the protocol's.\n"
    ) in report


async def test_the_other_fields_of_the_evidence_are_the_ones_the_issue_gives(project: Path) -> None:
    (project / "seedproof.toml").write_text(KIT)
    async with quick_tools(project, InProcessEngine(kit)) as call:
        await call.measure_baseline()
        evidence = (await follow(call, "muon")).data["evidence"]
    rates = evidence["false_winner"]
    assert rates["label"] == "independent seeds, normal noise, equal spread"
    assert [rates[name] for name in ("independent", "loser", "correlation_06", "correlation_09")] == [
        pytest.approx(0.0305, abs=5e-5),
        pytest.approx(0.0305, abs=5e-5),
        pytest.approx(0.010, abs=1e-3),
        pytest.approx(0.001, abs=5e-4),
    ]
    seen = evidence["smallest_detectable"]
    assert (seen["power"], seen["sigma"]) == (0.8, pytest.approx(2.53, abs=0.005))
    assert (seen["sigma_low_factor"], seen["sigma_high_factor"]) == (
        pytest.approx(0.60, abs=0.005),
        pytest.approx(2.87, abs=0.005),
    )
    assert seen["difference"] == pytest.approx(2.53 * 0.0312075, rel=2e-3)
    assert (seen["low"], seen["high"]) == (
        pytest.approx(seen["difference"] * seen["sigma_low_factor"], rel=1e-5),
        pytest.approx(seen["difference"] * seen["sigma_high_factor"], rel=1e-5),
    )
    needed = evidence["seeds_needed"]
    # Cohen 1988, table 2.4.1 with d = 2: 6 in each arm. At the upper 80 % limit of sigma: more.
    assert (needed["worthwhile_sigma"], needed["at_estimate"]) == (2.0, 6)
    assert needed["at_upper"] > 6
    assert evidence["same_machine"] is True
    assert 0 <= evidence["hours_between"] < 0.1


async def test_the_head_of_a_winners_report_says_what_matters(
    project: Path,
) -> None:
    table = Table().arm("baseline", BASE).arm("exp_a", (3.965, 3.96, 3.962))
    async with quick_tools(project, InProcessEngine(table)) as call:
        await call.measure_baseline()
        said = await follow(call, "a")
        written = await call("write_report", experiment="a")
    report = (project / written.data["path"]).read_text()
    check_words_and_numbers(said, project / written.data["path"])
    lines = report.partition("\n## Baseline Statistics")[0].splitlines()[2:]
    assert lines[:2] == [
        f"- {said.data['headline']}",
        "- Merge: nothing yet, fresh seeds have not confirmed it; tried: `--idea a`",
    ]
    assert re.fullmatch(
        r"- Effect: -0\.0377 \(95 % -0\.0\d+ to -0\.0\d+, Welch\); the seeds that selected it measured that, so expect "
        r"less\. Cost: wall time \+0\.0 % \(separate blocks of runs, not tested\)\.",
        lines[2],
    )
    assert lines[3] == "- val_loss 4.0000 -> 3.9623 (-0.0377, -0.94 %, better; 5 and 3 seeds)"
    assert lines[4] == ("- Ideas tried: 1. If none helped, one idea would show a WINNER by luck 3.0 % of the time")
    assert re.fullmatch(
        r"- Measured \d{4}-\d\d-\d\d.*: .*, Python 3.*; ledger [0-9a-f]{12}, head #\d+ [0-9a-f]{12}", lines[5]
    )
    assert len(lines) <= 10
    assert "Between baseline and experiment: 0.0 hours, on the same machine." in report
    paragraph = said.data["paragraph"]
    assert paragraph.startswith(
        "a was compared with its baseline over 5 baseline and 3 experiment seeds at 1M tokens: "
    )
    assert "\n" not in paragraph
    assert paragraph.replace("\n", " ") in report


# --- numbers that allow little --------------------------------------------------------------------

NO_COMMON = "[rules]\nexperiment_seeds = [1, 2, 3]\nextra_seeds = [4, 5]\n"
TWO_COMMON = "[rules]\nexperiment_seeds = [42, 137, 3]\nextra_seeds = [4, 5]\n"
EXACT = (4.0, 4.25, 3.75, 4.5, 3.5)
LITTLE: dict[str, tuple[str, Sequence[float | str], Sequence[float | str], dict[str, str]]] = {
    "two common seeds": (TWO_COMMON, BASE, (3.9, 3.92, 3.925), {}),
    "no common seeds": (
        NO_COMMON,
        BASE,
        (3.9, 3.91, 3.92),
        {"paired": "0 seeds in common; a paired test needs two"},
    ),
    "equal differences": (
        "",
        EXACT,
        (2.0, 2.25, 1.75),
        {"paired": "the values do not vary, so a test would divide by zero"},
    ),
    "equal values": ("", BASE, (3.9, 3.9, 3.9), {}),
    "diverged": ("", BASE, ("nan",), {"differences": "seed 42 diverged, so no difference has a meaning"}),
    "diverged at the third": (
        "",
        BASE,
        (3.9, 3.91, "-inf"),
        {"differences": "seed 256 diverged, so no difference has a meaning"},
    ),
    "opposite directions": ("", BASE, (4.02, 3.97, 4.01, 3.99, 4.0), {}),
    "huge values": ("", (1e20, 1.1e20, 0.9e20, 1e20, 1.2e20), (1.0, 2.0, 3.0), {}),
    "tiny values": ("", (1e-20, 1.1e-20, 0.9e-20, 1e-20, 1.2e-20), (9e-19, 9.1e-19, 9.2e-19), {}),
    "a baseline around zero": ("", (-0.01, 0.01, 0.0, 0.02, -0.02), (0.1, 0.11, 0.12), {}),
}


@pytest.mark.parametrize("case", LITTLE)
async def test_what_cannot_be_had_is_none_with_its_reason_and_no_number_is_nan(project: Path, case: str) -> None:
    settings, base, values, unavailable = LITTLE[case]
    if settings:
        (project / "seedproof.toml").write_text(settings)
    seeds = {NO_COMMON: (1, 2, 3, 4, 5), TWO_COMMON: (42, 137, 3, 4, 5)}.get(settings, SEEDS)
    table = Table().arm("baseline", base).arm("exp_a", values, seeds)
    async with quick_tools(project, InProcessEngine(table)) as call:
        await call.measure_baseline()
        said = await follow(call, "a")
        written = await call("write_report", experiment="a")
    report = (project / written.data["path"]).read_text()
    check_words_and_numbers(said, project / written.data["path"])
    evidence = said.data["evidence"]
    assert {part: why for part, why in evidence["unavailable"].items() if part in unavailable} == unavailable
    for part, why in evidence["unavailable"].items():
        assert evidence.get(part) is None
        assert f"Not available: {part.replace('_', ' ')} ({why})." in report
    if "diverged" in case:
        assert said.data["verdict"] == "LOSER"
        parts = ("unpaired", "paired", "per_seed")
        assert [evidence[part] for part in parts] == [None] * len(parts)
        assert "- Effect: none can be given, a seed diverged." in report
    if case == "two common seeds":
        assert (evidence["paired"]["n"], evidence["paired"]["df"]) == (2, 1)
    if case == "opposite directions":
        assert evidence["per_seed"]["pattern"] == "mixed"


async def test_one_seed_far_from_the_others_is_named(project: Path) -> None:
    table = Table().arm("baseline", BASE).arm("exp_a", (3.99, 4.001, 3.979, 4.012, 4.30))
    async with quick_tools(project, InProcessEngine(table)) as call:
        await call.measure_baseline()
        said = await follow(call, "a")
        written = await call("write_report", experiment="a")
    found = said.data["evidence"]["per_seed"]
    assert (found["pattern"], found["outlier_seed"], found["improved"]) == ("one_outlier", 1024, 4)
    assert "seed 1024 lies far from the others, 4 of 5 better." in (project / written.data["path"]).read_text()


async def test_different_losses_at_step_0_say_nothing_about_what_the_seed_varies(project: Path) -> None:
    table = Table().arm("baseline", BASE).arm("exp_a", (3.9, 3.91, 3.925))
    table.starts = {("baseline", seed): str(9.5 if seed == 42 else 9.51) for seed in SEEDS}
    async with quick_tools(project, InProcessEngine(table)) as call:
        await call.measure_baseline()
        assert (await follow(call, "a")).data["evidence"]["seed_varies"] is None


# --- the primary interval -------------------------------------------------------------------------


async def test_three_earlier_arms_that_move_with_the_baseline_make_the_fourth_paired_and_nothing_changes_it(
    project: Path,
) -> None:
    moved = [value - 0.004 + (0.001 if place % 2 else -0.001) for place, value in enumerate(BASE)]
    wild = (4.06, 3.97, 4.04, 3.95, 4.03)
    table = Table().arm("baseline", BASE)
    for name in ("one", "two", "three", "four"):
        table.arm(f"exp_{name}", moved)
    for name in ("five", "six", "seven"):
        table.arm(f"exp_{name}", wild)
    async with quick_tools(project, InProcessEngine(table)) as call:
        await call.measure_baseline()
        first = [await follow(call, name) for name in ("one", "two", "three", "four")]
        assert [said.data["evidence"]["primary"] for said in first] == ["unpaired"] * 3 + ["paired"]
        reason = first[3].data["evidence"]["primary_reason"]
        assert reason.startswith("as the correlation of the seeds over 3 earlier arms is 1.00")
        assert first[3].data["campaign"]["p_better"] == first[3].data["evidence"]["paired"]["p_better"]
        assert first[2].data["campaign"]["p_better"] == first[2].data["evidence"]["unpaired"]["p_better"]
        for name in ("five", "six", "seven"):
            await follow(call, name)
        again = await call("compare", experiment="four")
        written = await call("write_report", experiment="four")
    assert again.data["evidence"] == first[3].data["evidence"]
    report = (project / written.data["path"]).read_text()
    assert f"; the paired one is primary {reason}." in report
    assert ", paired)." in report.splitlines()[4]
    assert "The two intervals disagree: the paired one leaves zero out, the unpaired one does not." in report


async def test_the_rules_override_which_interval_is_primary_and_a_paired_one_that_cannot_be_had_is_said(
    project: Path,
) -> None:
    (project / "seedproof.toml").write_text('[rules]\npairing = "paired"\n')
    table = Table().arm("baseline", EXACT).arm("exp_a", (2.0, 2.3, 1.75)).arm("exp_b", (2.0, 2.25, 1.75))
    async with quick_tools(project, InProcessEngine(table)) as call:
        await call.measure_baseline()
        by_rule, without = await follow(call, "a"), await follow(call, "b")
    assert (by_rule.data["evidence"]["primary"], by_rule.data["evidence"]["primary_reason"]) == (
        "paired",
        "by rules.pairing",
    )
    assert (without.data["evidence"]["primary"], without.data["evidence"]["primary_reason"]) == (
        "unpaired",
        "declared paired, but no paired interval can be had",
    )
    assert without.data["campaign"]["p_better"] == without.data["evidence"]["unpaired"]["p_better"]

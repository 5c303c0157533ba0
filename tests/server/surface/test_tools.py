"""The six tools as their clients see them: schemas, shapes, signs, and the short text beside."""

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from mcp.client.client import Client
from mcp_types import Tool
from seedproof_mcp.surface.tools import build_server

from tests.support.callers import Caller
from tests.support.in_process import InProcessEngine, Training, quick_tools
from tests.support.seeds import SEEDS

pytestmark = pytest.mark.anyio

# Numbers in replies have six significant digits.
SIX_DIGITS = 1e-5
HEAD = re.compile(r"#\d+ [0-9a-f]{12}")
COMMON = {"headline", "ledger_head", "next"}
# What every answer of the test below has, beside fields that may be empty.
MAY_BE_EMPTY = {"notices"}
KEYS = {
    "check_baseline": {
        *("phase", "scale", "metric", "direction", "missing_seeds", "design", "protocol"),
    },
    "run_seed": {
        *("run_id", "role", "experiment", "seed", "attempt", "state", "metrics", "step", "elapsed_s", "remaining"),
        "command",
    },
    "compare": {
        *("experiment", "verdict", "reason", "metric", "direction", "delta", "improvement_sigma", "facts"),
        *("change_percent", "cohens_d", "effect_size", "significant", "baseline_metrics", "experiment_metrics"),
        *("wall_time_change_percent", "evidence", "campaign", "confirmation", "paragraph", "generation"),
    },
    "write_report": {"path", "sha256", "verdict", "figures", "removed", "freed_bytes"},
    "list_experiments": {"generation", "total", "judged", "queued", "campaign", "experiments"},
    "stop_run": {
        *("run_id", "role", "experiment", "seed", "attempt", "state", "metrics", "elapsed_s", "remaining"),
        *("reason", "step", "command"),
    },
}
# (read-only, destructive, idempotent, open world)
HINTS = {
    "check_baseline": (True, None, True, False),
    "run_seed": (False, False, True, True),
    "compare": (False, False, True, False),
    "write_report": (False, True, True, False),
    "list_experiments": (True, None, True, False),
    "stop_run": (False, True, True, False),
}


async def tools_of(call: Caller) -> dict[str, Tool]:
    return {tool.name: tool for tool in (await call.client.list_tools()).tools}


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_every_result_has_the_fields_of_the_contract_and_fits_its_schema(project: Path, mode: str) -> None:
    engine = InProcessEngine()
    async with quick_tools(project, engine, mode) as call:
        tools = await tools_of(call)
        answers = {"check_baseline": await call("check_baseline")}
        await call.measure_baseline()
        await call("write_report")
        await call.measure("better", "--shift", "-0.1")
        for tool, arguments in (
            ("run_seed", {"experiment": "better", "seed": 42}),
            ("compare", {"experiment": "better"}),
            ("write_report", {"experiment": "better"}),
            ("list_experiments", {}),
        ):
            answers[tool] = await call(tool, **arguments)
        engine.held = True
        started = await call("run_seed", experiment="worse", flags=["--shift", "0.1"], hypothesis="it hurts", wait_s=0)
        answers["stop_run"] = await call("stop_run", run_id=started.data["run_id"], reason="enough")
    for tool, answer in answers.items():
        assert not answer.is_error, answer.text
        assert answer.data.keys() - MAY_BE_EMPTY == COMMON | KEYS[tool], tool
        schema = tools[tool].output_schema
        assert schema is not None
        jsonschema.validate(answer.data, schema)
        assert HEAD.fullmatch(answer.data["ledger_head"])
        assert answer.text.endswith(f"Ledger: {answer.data['ledger_head']}")
        assert answer.text.count("\n") < 12


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_nothing_is_declared_that_is_empty(project: Path, mode: str) -> None:
    async with quick_tools(project, mode=mode) as call:
        declared = call.client.server_capabilities
        found = await call.client.list_resources()
    assert declared.tools is not None and declared.resources is not None
    assert [str(one.uri) for one in found.resources] == ["ui://seedproof/board"]
    assert (declared.prompts, declared.completions, declared.logging) == (None,) * 3


async def test_every_tool_is_described_annotated_and_refuses_unknown_arguments_by_its_schema(project: Path) -> None:
    async with quick_tools(project) as call:
        tools = await tools_of(call)
        instructions = call.client.instructions or ""
    assert list(tools) == list(HINTS)
    for name, tool in tools.items():
        hints = tool.annotations
        assert hints is not None
        assert (
            hints.read_only_hint,
            hints.destructive_hint,
            hints.idempotent_hint,
            hints.open_world_hint,
        ) == HINTS[name]
        assert tool.title
        assert tool.description and len(tool.description) > 80
        assert tool.input_schema["additionalProperties"] is False
        described = tool.input_schema["properties"].values()
        assert all(one.get("description") for one in described), name
    for word in ("check_baseline", "run_seed", "compare", "write_report", "next", "WINNER", "never instructions"):
        assert word in instructions


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (
            "",
            [
                "(five in all)",
                "Three seeds, and two more if the result is within 2 sigma.",
                "six runs and often six more,",
            ],
        ),
        ("winner_sigma = ", ["(five in all)", "within 2 sigma"]),  # a file that cannot be read
        (
            "baseline_seeds = [1, 2, 3, 4]\nwinner_sigma = 2.5\nextra_seeds = [9]\nconfirm_seeds = [5, 6, 7]",
            ["(four in all)", "Three seeds, and one more if the result is within 2.5 sigma.", "six runs, then"],
        ),
        ("extra_seeds = []", ["Three seeds.\n"]),
        ('design = "sequential"', ["Three seeds, and two more if these do not decide."]),
    ],
)
async def test_the_instructions_have_the_numbers_of_the_projects_rules(
    project: Path, rules: str, said: list[str]
) -> None:
    (project / "seedproof.toml").write_text(f"[rules]\n{rules}\n")
    async with Client(build_server(project)) as client:
        instructions = client.instructions or ""
    assert [one for one in said if one not in instructions] == []


async def test_the_baselines_numbers_are_those_of_its_five_seeds(project: Path) -> None:
    async with quick_tools(project) as call:
        await call.measure_baseline()
        status = await call("check_baseline")
    data = status.data
    assert (data["phase"], data["generation"], data["reason"], data["scale"]) == ("ready", 1, None, "1M")
    assert (data["metric"], data["direction"], data["missing_seeds"]) == ("val_loss", "minimize", [])
    assert [row["seed"] for row in data["seeds"]] == list(SEEDS)
    assert all((row["state"], row["attempt"]) == ("succeeded", 1) for row in data["seeds"])
    values = [row["metrics"]["val_loss"] for row in data["seeds"]]
    summary = data["metrics"]["val_loss"]
    mean = sum(values) / 5
    std = (sum((value - mean) ** 2 for value in values) / 4) ** 0.5  # of values with six digits themselves
    expected = {"n": 5, "mean": mean, "std": std, "min": min(values), "max": max(values)}
    assert summary == pytest.approx(expected, rel=SIX_DIGITS, abs=SIX_DIGITS)
    assert data["metrics"]["wall_time_s"] == {"n": 5, "mean": 2.0, "std": 0.0, "min": 2.0, "max": 2.0}
    assert data["winner_threshold"] == pytest.approx(mean - 2 * std)
    assert status.text.splitlines()[0] == f"Baseline ready (1M tokens): val_loss {mean:.6g} ± {std:.3g} over 5 seeds"


async def test_phases_follow_the_baseline_from_nothing_to_ready(project: Path) -> None:
    async with quick_tools(project) as call:
        phases = [(await call("check_baseline")).data["phase"]]
        for seed in SEEDS:
            await call("run_seed", seed=seed)
            status = await call("check_baseline")
            phases.append(status.data["phase"])
            assert status.data["missing_seeds"] == [later for later in SEEDS if later > seed]
    assert phases == ["unmeasured", "measuring", "measuring", "measuring", "measuring", "ready"]


def directed(direction: str) -> str:
    metric = f'name = "val_loss"\ndirection = "{direction}"\npattern = \'val_loss: (?P<value>\\S+)\'\n'
    return f"[rules.metric]\n{metric}"


@pytest.mark.parametrize(
    ("direction", "shift", "verdict", "better"),
    [
        ("minimize", -0.1, "WINNER", True),
        ("minimize", 0.1, "LOSER", False),
        ("maximize", 0.1, "WINNER", True),
        ("maximize", -0.1, "LOSER", False),
    ],
)
async def test_delta_is_experiment_minus_baseline_and_better_is_positive_in_either_direction(
    project: Path, direction: str, shift: float, verdict: str, better: bool
) -> None:
    (project / "seedproof.toml").write_text(directed(direction))
    async with quick_tools(project) as call:
        await call.measure_baseline()
        await call.measure("idea", "--shift", str(shift))
        answer = await call("compare", experiment="idea")
        status = await call("check_baseline")
    data = answer.data
    assert (data["verdict"], data["direction"]) == (verdict, direction)
    assert (data["delta"] > 0) == (shift > 0)
    assert (data["cohens_d"] > 0) == (shift > 0)
    assert (data["change_percent"] > 0) == (shift > 0)
    assert (data["improvement_sigma"] > 0) == better
    assert data["significant"] is True
    base, exp = data["baseline_metrics"]["val_loss"], data["experiment_metrics"]["val_loss"]
    assert data["delta"] == pytest.approx(exp["mean"] - base["mean"], abs=1e-5)
    assert abs(data["improvement_sigma"]) == pytest.approx(abs(data["delta"]) / base["std"], rel=SIX_DIGITS)
    assert data["change_percent"] == pytest.approx(100 * data["delta"] / base["mean"], rel=SIX_DIGITS)
    assert data["cohens_d"] == pytest.approx(
        data["delta"] / ((base["std"] ** 2 + exp["std"] ** 2) / 2) ** 0.5, rel=SIX_DIGITS
    )
    assert list(base["per_seed"]) == [str(seed) for seed in SEEDS]
    assert list(exp["per_seed"]) == [str(seed) for seed in SEEDS[:3]]
    assert (data["confirmation"] is not None) == (verdict == "WINNER")
    assert data["evidence"]["unpaired"]["difference"] == pytest.approx(data["delta"], rel=SIX_DIGITS)
    assert (data["evidence"]["unpaired"]["p_better"] < 0.05) == better
    first, second = answer.text.splitlines()[:2]
    assert data["headline"].startswith(first)
    assert second.startswith(f"val_loss {base['mean']:.4f} -> {exp['mean']:.4f} ({data['delta']:+.4f}, ")
    sign = 1 if direction == "maximize" else -1
    assert status.data["winner_threshold"] == pytest.approx(base["mean"] + sign * 2 * base["std"], rel=SIX_DIGITS)


async def test_the_change_of_wall_time_is_of_the_means_in_percent(project: Path) -> None:
    def slow_with_a_flag(argv: Any) -> Training:
        value = 4 + int(argv[argv.index("--seed") + 1]) / 10_000
        return Training(f"val_loss: {value}\n", wall_time_s=3.0 if "--slow" in argv else 2.0)

    async with quick_tools(project, InProcessEngine(slow_with_a_flag)) as call:
        await call.measure_baseline()
        await call.measure("slow", "--slow", seeds=SEEDS)
        answer = await call("compare", experiment="slow")
    assert answer.data["wall_time_change_percent"] == pytest.approx(50.0)
    # Of separate blocks of runs nothing is said in words: the machine may have been slower.
    assert "wall time" not in answer.text and "slowdown" not in answer.text


async def test_a_diverged_seed_is_a_loser_at_once_without_any_number(project: Path) -> None:
    async with quick_tools(project) as call:
        await call.measure_baseline()
        run = await call("run_seed", experiment="wild", flags=["--nan_at", "42"], hypothesis="it may diverge")
        answer = await call("compare", experiment="wild")
    assert (run.data["state"], run.data["metrics"]["val_loss"], run.data["remaining"]) == ("diverged", None, 0)
    numbers = ("delta", "improvement_sigma", "change_percent", "cohens_d", "effect_size", "significant")
    assert answer.data["headline"] == "LOSER (diverged: 1 of 1 seeds)"
    assert [answer.data[name] for name in numbers] == [None] * len(numbers)
    assert "val_loss" not in answer.data["experiment_metrics"]


async def test_a_diverged_baseline_seed_makes_the_generation_void_and_next_begins_another(project: Path) -> None:
    def diverges_once(argv: Any) -> Training:
        return Training("val_loss: inf\n") if "137" in argv else Training("val_loss: 4.0\n")

    async with quick_tools(project, InProcessEngine(diverges_once)) as call:
        answer = await call("run_seed", queue_all=True)
        answer = await call("run_seed", seed=137)
        status = await call("check_baseline")
    assert answer.data["state"] == "diverged"
    assert status.data["phase"] == "void"
    assert "137 diverged" in status.data["reason"]
    assert status.next == "run_seed(new_baseline=…)"


async def test_experiments_are_listed_in_order_with_their_states_and_in_pages(project: Path) -> None:
    engine = InProcessEngine()
    async with quick_tools(project, engine) as call:
        await call.measure_baseline()
        await call.measure("judged", "--shift", "-0.1")
        await call("compare", experiment="judged")
        await call.measure("measured", "--shift", "0.1")
        await call("run_seed", experiment="measuring", flags=["--shift", "0.2"], hypothesis="null: it does not help")
        engine.held = True
        await call("run_seed", experiment="waiting", flags=["--shift", "0.3"], hypothesis="x", queue_all=True, wait_s=0)
        first = (await call("list_experiments", limit=3)).data
        second = (await call("list_experiments", offset=3)).data
        text = (await call("list_experiments")).text
    assert [row["experiment"] for row in first["experiments"]] == ["judged", "measured", "measuring"]
    assert [row["state"] for row in first["experiments"]] == ["judged", "measured", "measuring"]
    assert [row["is_null"] for row in first["experiments"]] == [False, False, True]
    assert [(row["seeds_done"], row["seeds_needed"]) for row in first["experiments"]] == [(3, 0), (3, 0), (1, 2)]
    assert [row["experiment"] for row in second["experiments"]] == ["waiting"]
    assert first["total"] == second["total"] == 4
    assert (first["judged"], first["queued"]) == (1, 2)
    assert "Training now: g1-exp-waiting-s42-a1" in text
    assert first["running"] == {"run_id": "g1-exp-waiting-s42-a1", "experiment": "waiting", "seed": 42, "attempt": 1}
    assert first["experiments"][0]["headline"].startswith("WINNER")
    assert first["experiments"][0]["flags"] == ["--shift", "-0.1"]


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
async def test_equal_means_are_no_difference_and_never_minus_zero(project: Path, direction: str) -> None:
    (project / "seedproof.toml").write_text(directed(direction))
    async with quick_tools(project) as call:
        await call.measure_baseline()
        await call.measure("same", "--shift", "0", seeds=SEEDS)
        compared = await call("compare", experiment="same")
        await call("write_report", experiment="same")
    assert (compared.data["delta"], str(compared.data["improvement_sigma"])) == (0, "0.0")
    assert compared.text.splitlines()[0] == "NEUTRAL: 0.00 sigma, no difference"
    report = (project / "docs/research/experiment_same_1M.md").read_text()
    said = f"{compared.text}\n{report}"
    assert "experiment minus baseline: no difference" in report
    assert re.search(r"sigma (better|worse)|: (better|worse)[.;]|-0\.0+\b", said) is None


async def test_an_experiment_that_a_new_baseline_overtook_is_superseded_and_a_judged_one_stays_judged(
    project: Path,
) -> None:
    async with quick_tools(project) as call:
        await call.measure_baseline()
        await call.measure("judged", "--shift", "-0.1")
        await call("compare", experiment="judged")
        await call("run_seed", experiment="open", flags=["--shift", "0.2"], hypothesis="x")
        await call("run_seed", new_baseline="the data was fixed")
        listed = await call("list_experiments")
    rows = listed.data["experiments"]
    assert [(row["experiment"], row["generation"], row["state"]) for row in rows] == [
        ("judged", 1, "judged"),
        ("open", 1, "superseded"),
    ]
    assert (rows[1]["seeds_done"], rows[1]["seeds_needed"], rows[1]["verdict"]) == (1, 0, None)
    assert "- open: superseded, 1 seeds done, 0 needed" in listed.text

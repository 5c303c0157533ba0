"""A baseline with more seeds takes over the runs it has, where nothing else has changed."""

import json
from pathlib import Path
from typing import Any

import pytest
from seedproof_mcp.host import fingerprint
from seedproof_mcp.system.paths import ProjectPaths
from seedproof_mcp.verify.checks import Outcome
from seedproof_mcp.verify.verify import verify

from tests.support.callers import Answer, Caller
from tests.support.in_process import InProcessEngine, quick_tools
from tests.support.seeds import SEEDS
from tests.support.tables import Table

pytestmark = pytest.mark.anyio

BASE = (4.00, 4.01, 3.99, 4.02, 3.98)
MORE = (2048, 4096)
SEVEN = "[rules]\nbaseline_seeds = [42, 137, 256, 512, 1024, 2048, 4096]\n"
REASON = "four experiments share five seeds"


@pytest.fixture
def project(quick_project: Path) -> Path:
    """In memory: no process is needed here."""
    return quick_project


def table() -> Table:
    made = Table().arm("baseline", (*BASE, 4.03, 3.97), (*SEEDS, *MORE)).arm("exp_a", (3.90, 3.91, 3.925))
    return made.arm("exp_b", (3.90, 3.91, 3.925))


async def first_baseline(call: Caller) -> Answer:
    """The protocol's five seeds, and a WINNER on them."""
    await call.measure_baseline()
    await call.measure("a", "--idea", "a")
    return await call("compare", experiment="a")


def generations(project: Path) -> list[dict[str, Any]]:
    lines = (project / ".seedproof/ledger.jsonl").read_bytes().splitlines()
    return [record for record in map(json.loads, lines) if record["kind"] == "generation_started"]


async def test_seven_seeds_take_over_five_runs_and_need_only_the_new_two(project: Path) -> None:
    trained = table()
    async with quick_tools(project, InProcessEngine(trained)) as call:
        said = await first_baseline(call)
        await call("write_report", experiment="a")
        (project / "seedproof.toml").write_text(SEVEN)
        assert (await call("check_baseline")).next == "run_seed(new_baseline=…)"
        before = len(trained.argvs)
        first = await call("run_seed", new_baseline=REASON)
        assert (first.data["seed"], first.data["remaining"], first.next) == (2048, 1, "run_seed(seed=4096)")
        status = (await call("check_baseline")).data
        assert (status["phase"], status["missing_seeds"]) == ("measuring", [4096])
        earlier = await call("compare", experiment="a")
        assert (earlier.data["headline"], earlier.data["generation"]) == (said.data["headline"], 1)
        adopted = await call("run_seed", seed=42)
        assert (adopted.data["run_id"], adopted.data["state"]) == ("g1-baseline-s42-a1", "succeeded")
        assert (adopted.data["metrics"]["val_loss"], adopted.data["remaining"]) == (4.0, 1)
        await call("run_seed")
        assert [Table.key(argv) for argv in trained.argvs[before:]] == [("baseline", seed) for seed in MORE]
        status = (await call("check_baseline")).data
        assert (status["phase"], status["generation"], status["metrics"]["val_loss"]["n"]) == ("ready", 2, 7)
        assert [row["run_id"][:3] for row in status["seeds"]] == ["g1-"] * 5 + ["g2-"] * 2
        written = await call("write_report")
        listed = (await call("list_experiments")).data["experiments"]
    assert generations(project)[1]["adopted"] == [f"g1-baseline-s{seed}-a1" for seed in SEEDS]
    assert generations(project)[1]["adoption"] == ("takes over the runs of generation 1: same code and environment")
    assert [(row["generation"], row["verdict"], row["headline"]) for row in listed] == [
        (1, "WINNER", said.data["headline"])
    ]
    text = (project / written.data["path"]).read_text()
    assert "- This generation takes over the runs of generation 1: same code and environment." in text
    assert f"- Reason of this generation: {REASON}" in text
    assert "7 seeds)" in text
    assert "- Rule baseline_seeds differs: " in text


@pytest.mark.parametrize("rule", ['free = ["val_weight"]', 'protected = ["lr"]', 'flag_style = "options"'])
async def test_a_rule_on_flags_alone_takes_over_every_run(project: Path, rule: str) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        (project / "seedproof.toml").write_text(f"[rules]\n{rule}\n")
        await call("run_seed", new_baseline=REASON)
        status = (await call("check_baseline")).data
    assert (status["phase"], status["generation"]) == ("ready", 2)
    assert generations(project)[1]["adopted"] == [f"g1-baseline-s{seed}-a1" for seed in SEEDS]


async def test_an_experiment_of_the_new_generation_is_judged_against_all_seven(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await first_baseline(call)
        (project / "seedproof.toml").write_text(SEVEN)
        await call("run_seed", new_baseline=REASON, queue_all=True)
        await call.measure("b", "--idea", "b")
        said = await call("compare", experiment="b")
        # The earlier one is as issued, against five.
        earlier = (await call("compare", experiment="a")).data
        assert (earlier["generation"], earlier["baseline_metrics"]["val_loss"]["n"]) == (1, 5)
    baseline = said.data["baseline_metrics"]["val_loss"]
    assert (baseline["n"], list(baseline["per_seed"])) == (7, [str(seed) for seed in (*SEEDS, *MORE)])
    # Squared distances in hundredths from 4.00: 0 + 1 + 1 + 4 + 4 + 9 + 9 = 28 over 6.
    assert baseline["std"] == pytest.approx((28e-4 / 6) ** 0.5, rel=1e-5)
    assert (said.data["campaign"]["declared"], said.data["campaign"]["declared_in_generation"]) == (2, 1)


async def test_a_third_generation_takes_over_what_the_second_took_over(project: Path) -> None:
    trained = table().arm("baseline", (4.0, 4.01), (5, 6))
    async with quick_tools(project, InProcessEngine(trained)) as call:
        await call.measure_baseline()
        (project / "seedproof.toml").write_text(SEVEN)
        await call("run_seed", new_baseline=REASON, queue_all=True)
        (project / "seedproof.toml").write_text(SEVEN.replace("4096]", "4096, 5, 6]"))
        before = len(trained.argvs)
        await call("run_seed", new_baseline="more still", queue_all=True)
        assert (await call("check_baseline")).data["phase"] == "ready"
    assert [Table.key(argv) for argv in trained.argvs[before:]] == [("baseline", 5), ("baseline", 6)]
    assert len(generations(project)[2]["adopted"]) == 7


async def test_failed_attempts_come_along_with_the_runs_that_count(project: Path) -> None:
    trained = table()
    trained.losses["baseline", 137] = "crash"
    async with quick_tools(project, InProcessEngine(trained)) as call:
        await call("run_seed", queue_all=True)
        trained.losses["baseline", 137] = "4.01"
        await call("run_seed", seed=137, attempt=2)
        (project / "seedproof.toml").write_text(SEVEN)
        await call("run_seed", new_baseline=REASON, queue_all=True)
        written = await call("write_report")
    assert "| baseline | 137 | 1 | failed |" in (project / written.data["path"]).read_text()
    assert len(generations(project)[1]["adopted"]) == 6


UNNAMED = (
    '[rules]\ncommand = ["{python}", "train_llm.py", "--seed", "{seed}", "{flags}", "--output_dir", "{output_dir}"]\n'
)


async def test_a_scale_that_is_named_later_takes_over_every_run_and_another_scale_none(project: Path) -> None:
    (project / "seedproof.toml").write_text(UNNAMED)
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call.measure_baseline()
        (project / "seedproof.toml").write_text(f'{UNNAMED}scale = "300 steps"\n')
        await call("run_seed", new_baseline=REASON)
        status = (await call("check_baseline")).data
        written = await call("write_report")
        await call.measure("a", "--idea", "a")
        judged = await call("compare", experiment="a")
        (project / "seedproof.toml").write_text(f'{UNNAMED}scale = "600 steps"\n')
        await call("run_seed", new_baseline=REASON)
    assert (status["phase"], status["generation"], status["scale"]) == ("ready", 2, "300 steps")
    assert "300steps" in written.data["path"]
    assert judged.data["verdict"] == "WINNER"
    made = generations(project)
    assert made[1]["adopted"] == [f"g1-baseline-s{seed}-a1" for seed in SEEDS]
    assert not made[2].get("adopted")
    assert not [one for one in verify(ProjectPaths(project)) if one.outcome is Outcome.FAIL]


SETTINGS = SEVEN + '[settings.env]\nOMP_NUM_THREADS = "3"\n'
NOT_TAKEN: dict[str, tuple[str, str, str | None]] = {
    "the script changed": (
        SEVEN,
        "# another script",
        "takes over nothing: seed 42 ran with another code_sha256",
    ),
    "a variable changed": (SETTINGS, "", "takes over nothing: seed 42 ran with another env, env_names"),
    "another interpreter": (
        f'{SEVEN}[settings]\npython = "/bin/true"\n',
        "",
        "takes over nothing: seed 42 ran with another environment_sha256, interpreter, packages_sha256",
    ),
    "another rule differs": (f"{SEVEN}winner_sigma = 3.0\n", "", None),
    "the present seeds do not come first": (SEVEN.replace("42, 137", "137, 42"), "", None),
    "a seed is missing": (SEVEN.replace("42, ", ""), "", None),
    "no seed is added": ("", "", None),
}


@pytest.mark.parametrize("case", NOT_TAKEN)
async def test_nothing_is_taken_over_where_anything_else_differs_and_the_reason_is_recorded_and_printed(
    project: Path, case: str
) -> None:
    settings, script, reason = NOT_TAKEN[case]
    trained = table()
    async with quick_tools(project, InProcessEngine(trained)) as call:
        await first_baseline(call)
        (project / "seedproof.toml").write_text(settings)
        (project / "train_llm.py").write_text(script)
        before = len(trained.argvs)
        await call("run_seed", new_baseline=REASON, queue_all=True)
        assert (await call("check_baseline")).data["phase"] == "ready"
        written = await call("write_report")
    second = generations(project)[1]
    assert (second["adopted"], second["adoption"]) == ([], reason)
    assert len(trained.argvs) - before == len(second["rules"]["baseline_seeds"])
    if reason is not None:
        assert f"- This generation {reason}." in (project / written.data["path"]).read_text()


async def test_nothing_is_taken_over_where_another_file_of_the_project_changed(project: Path) -> None:
    (project / "model").mkdir()
    (project / "model/helper.py").write_text("LR = 1\n")
    async with quick_tools(project, InProcessEngine(table())) as call:
        await first_baseline(call)
        (project / "model/helper.py").write_text("LR = 999\n")
        (project / "seedproof.toml").write_text(SEVEN)
        await call("run_seed", new_baseline=REASON)
    second = generations(project)[1]
    assert (second["adopted"], second["adoption"]) == ([], "takes over nothing: seed 42 ran with another code_sha256")


async def with_a_variable(project: Path, then: str, now: str) -> dict[str, Any]:
    """The second generation, where an added variable had one value in the first and has this one now."""
    variable = '[settings.env]\nAPI_LEVEL = "{}"\n'
    (project / "seedproof.toml").write_text(variable.format(then))
    async with quick_tools(project, InProcessEngine(table())) as call:
        await first_baseline(call)
        (project / "seedproof.toml").write_text(SEVEN + variable.format(now))
        await call("run_seed", new_baseline=REASON)
    return generations(project)[1]


async def test_runs_are_taken_over_where_the_hash_of_an_added_variable_is_the_same(project: Path) -> None:
    second = await with_a_variable(project, "1", "1")
    assert len(second["adopted"]) == 5


async def test_nothing_is_taken_over_where_an_added_variable_has_another_value(project: Path) -> None:
    second = await with_a_variable(project, "1", "5")
    assert (second["adopted"], second["adoption"]) == ([], "takes over nothing: seed 42 ran with another env_sha256")


async def test_nothing_is_taken_over_where_a_variable_was_added_of_which_an_old_ledger_has_no_hash(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerprint.Surroundings, "_hashes", lambda *_: {})
    second = await with_a_variable(project, "1", "1")
    reason = "takes over nothing: the values of API_LEVEL in [settings.env] are not recorded"
    assert (second["adopted"], second["adoption"]) == ([], reason)


async def test_an_incomplete_baseline_hands_nothing_on_and_says_so(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(table())) as call:
        await call("run_seed")
        (project / "seedproof.toml").write_text(SEVEN)
        await call("run_seed", new_baseline=REASON)
    second = generations(project)[1]
    assert (second["adopted"], second["adoption"]) == (
        [],
        "takes over nothing: generation 1 is not complete",
    )


async def test_repeating_the_request_joins_the_generation_and_trains_nothing_twice(project: Path) -> None:
    engine = InProcessEngine(table())
    async with quick_tools(project, engine) as call:
        await first_baseline(call)
        (project / "seedproof.toml").write_text(SEVEN)
        engine.held = True
        first = await call("run_seed", new_baseline=REASON, wait_s=0)
        again = await call("run_seed", new_baseline=REASON, wait_s=0)
    assert first.data["run_id"] == again.data["run_id"] == "g2-baseline-s2048-a1"
    assert len(generations(project)) == 2

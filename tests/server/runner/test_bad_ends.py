"""A good training that ends badly: what is a result, what is not, and who is told."""

import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from seedproof.ledger.fold import fold
from seedproof.model.lengths import Lengths
from seedproof_mcp.system.paths import ProjectPaths, RunPaths

from tests.support.callers import Answer
from tests.support.in_process import InProcessEngine, Training, option, quick_tools
from tests.support.real_runs import records
from tests.support.seeds import SEEDS

pytestmark = pytest.mark.anyio

VALUE = '[rules]\naccept_exit = "value"\n'
Trains = Callable[[Sequence[str]], Training]


@pytest.fixture
def project(quick_project: Path) -> Path:
    """In memory: no process is needed here."""
    return quick_project


def loss_of(argv: Sequence[str]) -> float:
    return 4.0 + int(option(argv, "--seed")) * 7919 % 1000 / 1e4 - float(option(argv, "--better", "0"))


def whole(argv: Sequence[str]) -> str:
    return f"Step 50/100 | val_loss: 4.5123\nStep 100/100 | val_loss: {loss_of(argv):.4f}\n"


def dies_in_a_plot(argv: Sequence[str]) -> Training:
    return Training(f"{whole(argv)}Traceback (most recent call last):\nValueError: shapes in plot_results\n", 1)


def ends_well(argv: Sequence[str]) -> Training:
    return Training(f"Loading data\n{whole(argv)}")


def dies_halfway(argv: Sequence[str]) -> Training:
    return Training("Step 25/100 | val_loss: 4.6123\nStep 50/100 | val_loss: 4.5123\nTraceback: out of memory\n", 1)


class HangingEngine(InProcessEngine):
    """Every training is ended at its time limit."""

    def _publish(self, run: RunPaths, end: str, exit_code: int | None, wall_time_s: float) -> None:
        super()._publish(run, "timed_out", None, wall_time_s)


def told(answer: Answer, code: str) -> list[str]:
    return [notice["message"] for notice in answer.data["notices"] if notice["code"] == code]


def ended(project: Path) -> list[dict[str, Any]]:
    return [record for record in records(project) if record["kind"] == "run_finished"]


async def test_by_default_it_is_a_failure_whose_reason_names_the_rule(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(dies_in_a_plot)) as call:
        first = await call("run_seed")
        second = await call("run_seed", seed=42, attempt=2)
        status = await call("check_baseline")
    says = (
        "exit code 1, after its training was complete and its last val_loss printed; "
        'accept_exit = "value" in [rules] counts such runs'
    )
    assert (first.data["state"], first.data["reason"], second.data["state"]) == ("failed", says, "failed")
    assert status.data["reason"] == (
        'baseline seed 42 failed for good. Its training was complete (exit code 1): accept_exit = "value" in [rules] '
        "counts such runs."
    )


async def test_where_the_rules_accept_it_both_arms_count_and_every_reader_is_told(project: Path) -> None:
    (project / "seedproof.toml").write_text(VALUE)
    async with quick_tools(project, InProcessEngine(dies_in_a_plot)) as call:
        await call.measure_baseline()
        await call.measure("idea", "--better", "0.5")
        run = await call("run_seed", seed=42)
        said = await call("compare", experiment="idea")
        written = await call("write_report", experiment="idea")
    assert run.data["reason"] == (
        'exit code 1, after its training was complete and its last val_loss printed; accept_exit = "value" counts it'
    )
    assert said.data["verdict"] == "WINNER"
    ends = "seed 42 (exit code 1), seed 137 (exit code 1), seed 256 (exit code 1)"
    tail = 'ended badly after their training was complete; accept_exit = "value" counts them.'
    base, idea = told(said, "accepted_exit")
    assert base == f"baseline: {ends}, seed 512 (exit code 1), seed 1024 (exit code 1) {tail}"
    assert idea == f"idea: {ends} {tail}"
    report = (project / written.data["path"]).read_text()
    assert base in report and idea in report
    assert {record["bad_exit"] for record in ended(project)} == {"exit code 1"}


async def test_a_crash_halfway_is_none_whatever_the_rules_accept(project: Path) -> None:
    (project / "seedproof.toml").write_text(VALUE)
    async with quick_tools(project, InProcessEngine(dies_halfway)) as call:
        run = await call("run_seed")
    assert run.data["state"] == "failed"
    assert run.data["reason"] == (
        "exit code 1; nothing shows that its training was complete, so accept_exit does not count it"
    )


@pytest.mark.parametrize(("step", "state"), [(100, "succeeded"), (90, "failed"), (110, "failed")])
async def test_without_a_word_on_its_end_the_last_step_of_the_other_runs_tells_it(
    project: Path, step: int, state: str
) -> None:
    def trains(argv: Sequence[str]) -> Training:
        is_bad = option(argv, "--seed") == "256"
        return Training(f"Step {step if is_bad else 100} | val_loss: {loss_of(argv):.4f}\n", int(is_bad))

    (project / "seedproof.toml").write_text(VALUE)
    async with quick_tools(project, InProcessEngine(trains)) as call:
        ends = [(await call("run_seed", seed=seed)).data["state"] for seed in SEEDS[:3]]
    assert ends == ["succeeded", "succeeded", state]


async def test_the_first_run_without_a_word_on_its_end_is_none(project: Path) -> None:
    (project / "seedproof.toml").write_text(VALUE)
    engine = InProcessEngine(lambda argv: Training(f"Step 100 | val_loss: {loss_of(argv):.4f}\n", 1))
    async with quick_tools(project, engine) as call:
        assert (await call("run_seed")).data["state"] == "failed"


@pytest.mark.parametrize(("rules", "state"), [("", "timed_out"), (VALUE, "succeeded")])
async def test_a_training_that_hangs_at_its_end_is_ended_at_the_limit_with_its_value(
    project: Path, rules: str, state: str
) -> None:
    (project / "seedproof.toml").write_text(f"{rules}[settings]\ntimeout_min = 0.1\n")
    async with quick_tools(project, HangingEngine(ends_well)) as call:
        run = await call("run_seed")
    assert run.data["state"] == state
    assert run.data["metrics"]["val_loss"] == 4.0 + 42 * 7919 % 1000 / 1e4
    assert run.data["reason"].startswith("ended at its time limit of 0.1 min, after its training was complete")


async def test_a_run_that_somebody_stops_at_its_end_never_counts(project: Path) -> None:
    (project / "seedproof.toml").write_text(VALUE)
    engine = InProcessEngine(dies_in_a_plot)
    engine.held = True
    async with quick_tools(project, engine) as call:
        run = await call("run_seed", wait_s=0)
        stopped = await call("stop_run", run_id=run.data["run_id"], reason="it hangs")
    assert stopped.data["state"] == "cancelled"


async def test_nan_at_the_end_of_a_run_that_ends_badly_is_a_divergence(project: Path) -> None:
    (project / "seedproof.toml").write_text(VALUE)
    engine = InProcessEngine(lambda argv: Training("Step 100/100 | val_loss: nan\n", 1))
    async with quick_tools(project, engine) as call:
        assert (await call("run_seed")).data["state"] == "diverged"


# --- a rule that comes later ----------------------------------------------------------------------


async def test_a_baseline_that_ended_well_is_taken_over_when_the_rule_comes(project: Path) -> None:
    trained: list[tuple[str, ...]] = []

    def trains(argv: Sequence[str]) -> Training:
        trained.append(tuple(argv))
        return dies_in_a_plot(argv) if "--better" in argv else ends_well(argv)

    async with quick_tools(project, InProcessEngine(trains)) as call:
        await call.measure_baseline()
        failed = await call("run_seed", experiment="idea", flags=["--better", "0.5"], hypothesis="it helps")
        (project / "seedproof.toml").write_text(VALUE)
        before = len(trained)
        void = await call("check_baseline")
        begun = await call("run_seed", new_baseline="the plot at the end fails")
        assert begun.code is None, begun.text
        assert len(trained) == before
        again = await call("run_seed", experiment="idea", flags=["--better", "0.5"], hypothesis="it helps")
    assert failed.data["state"] == "failed"
    assert "(accept_exit)" in void.data["reason"]
    assert again.data.get("state") == "succeeded", again.text


async def test_a_baseline_with_an_attempt_that_would_have_counted_is_not_taken_over(project: Path) -> None:
    """Otherwise somebody could choose between two draws of one seed."""
    engine = InProcessEngine(dies_in_a_plot)
    async with quick_tools(project, engine) as call:
        await call("run_seed")
        engine.trains = ends_well
        assert (await call("run_seed", seed=42, attempt=2)).data["state"] == "succeeded"
        await call("run_seed", queue_all=True)
        (project / "seedproof.toml").write_text(VALUE)
        await call("run_seed", new_baseline="the plot at the end fails")
    begun = [record for record in records(project) if record["kind"] == "generation_started"][1]
    assert begun["adopted"] == []
    assert begun["adoption"] == "takes over nothing: under accept_exit, attempt 1 of seed 42 counts"


# --- what is kept of a log ------------------------------------------------------------------------


async def test_lengths_and_curve_are_kept_with_the_run(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(ends_well)) as call:
        run = await call("run_seed")
    paths = ProjectPaths(project)
    (record,) = ended(project)
    assert record["lengths"] == {"step": 100, "steps": 100, "reached_end": True}
    assert "bare_log" not in record and "bad_exit" not in record
    assert fold(records(project)).runs[run.data["run_id"]].lengths == Lengths(step=100, steps=100, reached_end=True)
    curve = json.loads(paths.run(run.data["run_id"]).curve.read_bytes())
    assert curve == {"val_loss": [[50, None, 4.5123], [100, None, 4.0598]]}


async def test_a_log_without_lengths_and_values_leaves_neither(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(lambda argv: Training("nothing to see\n", 1))) as call:
        run = await call("run_seed")
    (record,) = ended(project)
    assert "lengths" not in record and record["bare_log"] is True
    assert not ProjectPaths(project).run(run.data["run_id"]).curve.exists()


async def test_a_curve_that_cannot_be_written_is_said_in_the_conductors_log_and_takes_nothing_from_the_run(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Blocked(InProcessEngine):
        def _publish(self, run: RunPaths, end: str, exit_code: int | None, wall_time_s: float) -> None:
            run.curve.mkdir()
            super()._publish(run, end, exit_code, wall_time_s)

    with caplog.at_level(logging.WARNING):
        async with quick_tools(project, Blocked(ends_well)) as call:
            run = await call("run_seed")
    assert run.data["state"] == "succeeded"
    assert "the loss curve of g1-baseline-s42-a1 is not kept: Is a directory" in caplog.text

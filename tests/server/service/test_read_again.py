"""A change of metrics through the tools: kept logs are read again, results stay results, and nothing is trained."""

import hashlib
import json
import random
import tomllib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from seedproof.admission.request import RunRequest
from seedproof.ledger.records import make_record
from seedproof.ledger.run_ends import LogRead, Measured, OutputFolder, RunFinished
from seedproof.model.metric_patterns import DEFAULT_VAL_LOSS
from seedproof.model.refusals import Refusal
from seedproof.model.runs import RunState
from seedproof_mcp.ledger.file import Ledger
from seedproof_mcp.runner import outputs
from seedproof_mcp.runner.conductor import Conductor
from seedproof_mcp.runner.run_record import published_end
from seedproof_mcp.service.replies.plain import rounded
from seedproof_mcp.system.paths import ProjectPaths, RunPaths
from seedproof_mcp.verify.checks import Outcome
from seedproof_mcp.verify.verify import verify

from tests.support.callers import Caller
from tests.support.faults import Faults, Killed
from tests.support.in_process import InProcessEngine, Training, in_process_service, option, quick_tools
from tests.support.seeds import SEEDS
from tests.support.studies import records

pytestmark = pytest.mark.anyio

FIRST = "g1-baseline-s42-a1"
SECOND_SEED = "g1-baseline-s137-a1"


class Script:
    """A training that prints its loss under several names; each command counts."""

    def __init__(self, line: str = "heldout_loss: {loss}") -> None:
        self.line = line
        self.lines: dict[int, str] = {}
        """What a seed prints instead."""
        self.files: dict[str, str] = {}
        self.trained: list[tuple[str, ...]] = []

    def __call__(self, argv: Sequence[str]) -> Training:
        if not self.trained or self.trained[-1] != tuple(argv):
            self.trained.append(tuple(argv))
        seed = int(option(argv, "--seed"))
        loss = f"{4 + float(option(argv, '--shift', '0')) + random.Random(seed).gauss(0, 0.01):.6f}"
        line = self.lines.get(seed, self.line).format(loss=loss, half=float(loss) / 2)
        files = {name: text.format(loss=loss) for name, text in self.files.items()}
        return Training(f"Step 0 | warming up\nStep 100 | {line}\n", 0, files)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "train_llm.py").write_text("steps = 1\n")
    return tmp_path


def metric(project: Path, *lines: str, name: str = "val_loss", more: str = "") -> None:
    """The settings file, with one metric and whatever follows."""
    text = "\n".join(["[rules.metric]", f"name = '{name}'", *lines, more])
    tomllib.loads(text)
    (project / "seedproof.toml").write_text(text)


def pattern(label: str) -> str:
    return rf"pattern = '(?<!\w){label}: (?P<value>\S+)'"


def extra(name: str, label: str) -> str:
    return f"[[rules.extra_metrics]]\nname = '{name}'\n{pattern(label)}\n"


def faults_of(project: Path) -> list[str]:
    """What `seedproof verify` finds wrong."""
    return [check.message for check in verify(ProjectPaths(project)) if check.outcome is Outcome.FAIL]


def notices(data: dict[str, Any], code: str) -> list[str]:
    return [notice["message"] for notice in data["notices"] if notice["code"] == code]


# --- a metric that was not found ------------------------------------------------------------------


async def test_a_mended_pattern_gives_the_run_its_value_without_a_training(project: Path) -> None:
    script = Script()
    async with quick_tools(project, InProcessEngine(script)) as call:
        failed = await call("run_seed", seed=42)
        assert (failed.data["state"], failed.data["metrics"].get("val_loss")) == ("failed", None)
        metric(project, pattern("heldout_loss"))
        read = await call("run_seed", seed=42, attempt=1)
        again = await call("run_seed", seed=42, attempt=1)
    loss = f"{4 + random.Random(42).gauss(0, 0.01):.6f}"
    assert (read.data["state"], read.data["metrics"]["val_loss"]) == ("succeeded", rounded(float(loss)))
    assert read.next == "run_seed(seed=137)"
    assert again.data["ledger_head"] == read.data["ledger_head"]
    assert len(script.trained) == 1
    (record,) = records(project, "metrics_read_again")
    run = record["runs"][FIRST]
    assert (run["state"], run["metrics"]["val_loss"]["text"], run["reason"]) == ("succeeded", loss, None)
    assert run["before"] == {
        "state": "failed",
        "reason": "exit code 0, but no val_loss was found in its output",
        "metrics": {},
        "start_text": None,
        "early": [],
    }
    assert not faults_of(project)


HINTED = [
    ("Held-out loss = {loss}", {}, 1),
    ("{{'valid/loss': '{loss}', 'epoch': 3}}", {}, 1),
    ("valid-loss {loss}, done", {}, 1),
    ("nothing", {"m.json": '{{"final": {{"val_loss": {loss}, "lr": 0.1}}}}'}, 1),
    ("nothing", {"history.json": '{{"valid_loss": [9.5, {loss}]}}'}, 1),
    ("nothing", {"runs/metrics.csv": "step,train_loss,val_loss\n1,3.0,9.5\n2,2.0,{loss}\n"}, 1),
    ("nothing", {"log.jsonl": '{{"val_loss": 9.5}}\n{{"val_loss": {loss}}}\n{{"lr": 1.0}}\n'}, 1),
    ("eval_loss: {loss}", {"m.json": '{{"val_loss": "{loss}"}}'}, 2),
]


@pytest.mark.parametrize(("line", "files", "count"), HINTED)
async def test_each_near_miss_names_settings_that_read_the_value(
    project: Path, line: str, files: dict[str, str], count: int
) -> None:
    script = Script(line)
    script.files = files
    loss = float(f"{4 + random.Random(42).gauss(0, 0.01):.6f}")
    async with quick_tools(project, InProcessEngine(script)) as call:
        failed = await call("run_seed", seed=42)
        (said,) = notices(failed.data, "near_miss")
        for tool in ("check_baseline", "list_experiments"):
            assert notices((await call(tool)).data, "near_miss") == [said]
        hints = settings_of(said)
        assert len(hints) == count, said
        # Nothing but what was kept with the run is read: what a folder holds later is nobody's result.
        for file in filter(Path.is_file, (project / "checkpoints").rglob("*.*")):
            file.write_text('{"val_loss": 1.0, "final": {"val_loss": 1.0}, "valid_loss": [1.0]}')
        for settings in hints:
            metric(project, *settings)
            read = await call("run_seed", seed=42, attempt=1)
            assert (read.data["state"], read.data["metrics"].get("val_loss")) == ("succeeded", rounded(loss)), settings
    assert len(script.trained) == 1


def settings_of(said: str) -> list[list[str]]:
    """The settings of each near miss of a notice."""
    places = said.partition("(untrusted text): ")[2].partition(". Put what reads")[0]
    return [place.partition(", read by ")[2].split(" and ") for place in places.split("; ")]


async def test_a_changed_copy_of_a_file_is_not_read(project: Path) -> None:
    script = Script("nothing")
    script.files = {"m.json": '{{"val_loss": {loss}}}'}
    async with quick_tools(project, InProcessEngine(script)) as call:
        await call("run_seed", seed=42)
        (ProjectPaths(project).run(FIRST).folder / "metric-m.json").write_text('{"val_loss": 1.0}')
        metric(project, "file = 'm.json'", "path = 'val_loss'")
        left = await call("run_seed", seed=42, attempt=1)
    assert left.data["state"] == "failed"
    (record,) = records(project, "metrics_read_again")
    assert (record["runs"], record["left"]) == ({}, {FIRST: "no copy of m.json was kept"})
    assert any(f"metric-m.json of {FIRST} was edited" in fault for fault in faults_of(project))


# --- unread ---------------------------------------------------------------------------------------


async def unread_run(call: Caller, project: Path, engine: InProcessEngine, line: str, **arguments: Any) -> str:
    """A run whose value could not be read, as a conductor records it."""
    engine.held = True
    run_id: str = (await call("run_seed", wait_s=0, **arguments)).data["run_id"]
    paths = ProjectPaths(project)
    RunPaths(paths.run(run_id).folder).log.write_text(line)
    ledger = Ledger(paths)
    with ledger.writing() as writer:
        sha256 = hashlib.sha256(line.encode()).hexdigest()
        left = outputs.identity(project / writer.state.runs[run_id].output_dir)
        (paths.run(run_id).result).write_text(json.dumps({"log_bytes": len(line)}))
        said = f'val_loss was printed and could not be read: line 1 "{line.strip()}" (is no number)'
        writer.append(
            RunFinished(
                run_id=run_id,
                end=RunState.UNREAD,
                reason=said,
                metrics={},
                log=LogRead(log_sha256=sha256, log_bytes=len(line)),
                measured=Measured(wall_time_s=2.0, exit_code=0),
                output=OutputFolder(output_id=None if left is None else tuple(left)),
            )
        )
    engine.held = False
    return run_id


async def test_an_unread_run_is_neither_result_nor_failure_and_next_reads_its_log_again(project: Path) -> None:
    metric(project, "pattern = 'loss=(?P<value>[0-9.]+)$'")
    engine = InProcessEngine(Script("loss={loss}"))
    async with quick_tools(project, engine) as call:
        await unread_run(call, project, engine, "loss=-0.549\n", seed=42)
        unread = await call("run_seed", seed=42)
        assert unread.data["state"] == "unread"
        assert unread.data["reason"] == (
            'val_loss was printed and could not be read: line 1 "loss=-0.549" (is no number)'
        )
        assert unread.next == "run_seed(seed=42, attempt=1)"
        assert settings_of(*notices(unread.data, "near_miss")) == [
            [r"pattern = '(?i:(?<!new )\bbest\b(?!\.).*)|(?<![\w./-])loss\s*=\s*(?P<value>\S+)'"]
        ]
        baseline = await call("check_baseline")
        assert (baseline.data["missing_seeds"], baseline.data["metrics"]) == (list(SEEDS), {})
        assert Ledger(ProjectPaths(project)).refresh().failures_in_row == 0
        # Without a change the same call brings the same run, and another attempt is allowed.
        assert (await call("run_seed", seed=42, attempt=1)).data["state"] == "unread"
        metric(project, r"pattern = 'loss=(?P<value>\S+)'")
        read = await call("run_seed", seed=42, attempt=1)
    assert (read.data["state"], read.data["metrics"]["val_loss"]) == ("succeeded", -0.549)


async def test_an_unread_seed_may_be_run_anew_and_its_first_value_counts_no_more(project: Path) -> None:
    metric(project, "pattern = 'loss=(?P<value>[0-9.]+)$'")
    engine = InProcessEngine(Script("loss={loss}"))
    async with quick_tools(project, engine) as call:
        await unread_run(call, project, engine, "loss=-0.549\n", seed=42)
        anew = await call("run_seed", seed=42, attempt=2)
        assert anew.data["state"] == "succeeded"
        metric(project, r"pattern = 'loss=(?P<value>\S+)'")
        first = await call("run_seed", seed=42, attempt=1)
        baseline = await call("check_baseline")
    assert first.data["state"] == "unread"
    assert baseline.data["metrics"]["val_loss"]["n"] == 1
    assert baseline.data["metrics"]["val_loss"]["mean"] == anew.data["metrics"]["val_loss"]


async def test_what_still_cannot_be_found_stays_without_a_value(project: Path) -> None:
    script = Script()
    async with quick_tools(project, InProcessEngine(script)) as call:
        await call("run_seed", seed=42)
        metric(project, pattern("no_such_loss"))
        still = await call("run_seed", seed=42, attempt=1)
        assert (still.data["state"], len(script.trained)) == ("failed", 1)
        # The change is taken over, so the next run is read by it.
        script.line = "no_such_loss: {loss}"
        assert (await call("run_seed", seed=137)).data["state"] == "succeeded"
    assert records(project, "metrics_read_again")[0]["runs"] == {}


async def test_a_run_of_code_that_its_arm_has_left_is_no_result_of_the_arm(project: Path) -> None:
    script = Script("val_loss: {loss}")
    script.lines[42] = "heldout score {loss}"
    metric(project, pattern("val_loss"))
    async with quick_tools(project, InProcessEngine(script)) as call:
        assert (await call("run_seed", seed=42)).data["state"] == "failed"
        (project / "train_llm.py").write_text("steps = 2\n")
        assert (await call("run_seed", seed=137)).data["state"] == "succeeded"
        metric(project, r"pattern = '(?:val_loss:|heldout score) (?P<value>\S+)'")
        left = await call("run_seed", seed=42, attempt=1)
        assert left.data["state"] == "failed"
        assert (await call("run_seed", seed=42, attempt=2)).data["state"] == "succeeded"


# --- results --------------------------------------------------------------------------------------


async def test_results_are_read_again_while_no_experiment_is_declared_and_both_values_are_recorded(
    project: Path,
) -> None:
    script = Script("train_loss: {half} val_loss: {loss}")
    metric(project, pattern("train_loss"))
    async with quick_tools(project, InProcessEngine(script)) as call:
        await call.measure_baseline()
        before = await call("check_baseline")
        await call("write_report")
        metric(project, pattern("val_loss"))
        pending = await call("check_baseline")
        assert pending.data["ledger_head"] == (await call("check_baseline")).data["ledger_head"]
        assert pending.data["metrics"] == before.data["metrics"]
        (said,) = notices(pending.data, "metrics_pending")
        assert f"{FIRST}: val_loss 1.9992795 → val_loss 3.998559" in said
        after = await call("write_report")
        read = await call("check_baseline")
    assert len(script.trained) == len(SEEDS)
    assert read.data["phase"] == "ready"
    assert read.data["metrics"]["val_loss"]["mean"] == pytest.approx(
        2 * before.data["metrics"]["val_loss"]["mean"], rel=1e-5
    )
    assert len(records(project, "report_written")) == 2
    assert f"{read.data['metrics']['val_loss']['mean']:.4f}" in (project / after.data["path"]).read_text()
    (record,) = records(project, "metrics_read_again")
    assert len(record["runs"]) == len(SEEDS)
    assert all(run["before"]["metrics"] != run["metrics"] for run in record["runs"].values())
    assert notices(read.data, "metrics_changed")
    assert not faults_of(project)


async def test_a_result_stays_one_or_the_baseline_is_void_and_the_sentence_names_the_run(project: Path) -> None:
    script = Script("val_loss: {loss}")
    script.lines[137] = "val_loss: {loss} "
    metric(project, pattern("val_loss"))
    async with quick_tools(project, InProcessEngine(script)) as call:
        await call.measure_baseline()
        metric(project, r"pattern = 'val_loss: (?P<value>\S+)$'")
        void = await call("run_seed", seed=42)
        status = await call("check_baseline")
        metric(project, pattern("val_loss"))
        ready = await call("check_baseline")
    assert void.data["state"] == "succeeded"  # a recorded result is always returned
    loss = f"{4 + random.Random(137).gauss(0, 0.01):.6f}"
    assert (status.data["phase"], status.data["reason"]) == (
        "void",
        "the rules in seedproof.toml differ from those the baseline was measured under (metric): "
        f"{SECOND_SEED} reads otherwise under these; check_baseline shows both values.",
    )
    assert notices(status.data, "metrics_pending") == [
        f"the metrics in seedproof.toml are not those of the baseline, and {SECOND_SEED} has val_loss {loss} under the "
        "baseline's, and no value under these; so the baseline is void until they are changed back or read the same."
    ]
    assert (ready.data["phase"], records(project, "metrics_read_again")) == ("ready", [])


async def judged(call: Caller) -> Any:
    await call.measure_baseline()
    await call.measure("a", "--shift", "-0.5")
    return await call("compare", experiment="a")


async def test_once_an_experiment_is_declared_the_new_metric_has_to_read_the_same_numbers(project: Path) -> None:
    script = Script("train_loss: {half} val_loss: {loss} val_bpb: {loss}")
    async with quick_tools(project, InProcessEngine(script)) as call:
        first = await judged(call)
        assert first.data["verdict"] == "WINNER"
        metric(project, pattern("train_loss"))
        refused = await call("compare", experiment="a")
        assert (refused.code, f"{FIRST} reads otherwise under these" in refused.text) == ("baseline_void", True)
        (both,) = notices((await call("check_baseline")).data, "metrics_pending")
        assert f"{FIRST} has val_loss 3.998559 under the baseline's, and 1.9992795 under these" in both
        metric(project, pattern("val_bpb"), name="val_bpb")
        renamed = await call("compare", experiment="a")
        metric(project, f"pattern = {json.dumps(DEFAULT_VAL_LOSS)}")
        back = await call("compare", experiment="a")
    trained = len(script.trained)
    assert trained == len(SEEDS) + 3
    assert (renamed.data["metric"], back.data["metric"]) == ("val_bpb", "val_loss")
    for answer in (renamed, back):
        assert (answer.data["verdict"], answer.data["delta"]) == (first.data["verdict"], first.data["delta"])
    assert notices(renamed.data, "metrics_changed")
    assert len(records(project, "metrics_read_again")) == 2
    (issued,) = records(project, "verdict_issued")
    assert issued["headline"] == first.data["headline"]
    assert not faults_of(project)


async def test_another_direction_is_no_reading_once_an_experiment_is_declared(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(Script("val_loss: {loss}"))) as call:
        await judged(call)
        metric(project, pattern("val_loss"), "direction = 'maximize'")
        refused = await call("compare", experiment="a")
        assert (refused.code, "the direction is another one" in refused.text) == ("baseline_void", True)
        metric(project, pattern("val_loss"))
        assert not (await call("compare", experiment="a")).is_error


async def test_the_direction_is_free_before(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(Script("val_loss: {loss}"))) as call:
        await call.measure_baseline()
        metric(project, pattern("val_loss"), "direction = 'maximize'")
        await call("write_report")
        status = await call("check_baseline")
    assert (status.data["phase"], status.data["direction"]) == ("ready", "maximize")


async def test_another_rule_beside_the_metric_voids_the_baseline_as_ever(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(Script("val_loss: {loss}"))) as call:
        await call.measure_baseline()
        metric(project, pattern("val_loss"), more="[rules]\nwinner_sigma = 3.0\n")
        status = await call("check_baseline")
    assert status.data["phase"] == "void"
    assert status.data["reason"].endswith("(metric, winner_sigma).")


@pytest.mark.parametrize("damage", ["gone", "changed"])
async def test_a_log_that_is_not_the_recorded_one_is_not_read(project: Path, damage: str) -> None:
    script = Script("val_loss: {loss}")
    script.lines[137] = "heldout_loss: {loss}"
    metric(project, pattern("val_loss"))
    async with quick_tools(project, InProcessEngine(script)) as call:
        await call("run_seed", seed=42)
        await call("run_seed", seed=137)
        log = ProjectPaths(project).run(SECOND_SEED).log
        kept = log.read_bytes()
        log.unlink() if damage == "gone" else log.write_bytes(kept.replace(b"heldout_loss: ", b"heldout_loss: 3"))
        metric(project, r"pattern = '(?:val|heldout)_loss: (?P<value>\S+)'")
        left = await call("run_seed", seed=137, attempt=1)
        assert left.data["state"] == "failed"
        (record,) = records(project, "metrics_read_again")
        why = "its log is gone" if damage == "gone" else "its log is not the one that was recorded"
        assert record["left"] == {SECOND_SEED: why}
        assert any(why in text for text in notices((await call("check_baseline")).data, "metrics_changed"))
        # Of a result it would leave the other reading standing beside this one.
        ProjectPaths(project).run(FIRST).log.unlink()
        metric(project, pattern("val_loss"))
        void = await call("check_baseline")
    assert (void.data["phase"], f"{FIRST} cannot be read again: its log is gone" in void.data["reason"]) == (
        "void",
        True,
    )


# --- extra metrics --------------------------------------------------------------------------------


async def test_an_extra_metric_that_the_logs_hold_needs_no_new_baseline(project: Path) -> None:
    script = Script("train_loss: {half} val_loss: {loss}")
    script.lines[512] = "val_loss: {loss}"
    base = [pattern("val_loss")]
    metric(project, *base)
    async with quick_tools(project, InProcessEngine(script)) as call:
        first = await judged(call)
        metric(project, *base, more=extra("train_loss", "train_loss"))
        added = await call("compare", experiment="a")
        metric(project, *base, more=extra("train_loss", "no_such"))
        missing = await call("compare", experiment="a")
        metric(project, *base)
        away = await call("compare", experiment="a")
    assert set(added.data["baseline_metrics"]["train_loss"]["per_seed"]) == {"42", "137", "256", "1024"}
    assert set(added.data["experiment_metrics"]["train_loss"]["per_seed"]) == {"42", "137", "256"}
    assert notices(missing.data, "metric_never_found") == [
        "baseline: train_loss was found in none of 5 runs; does rules.extra_metrics read it?",
        "a: train_loss was found in none of 3 runs; does rules.extra_metrics read it?",
    ]
    assert not notices(added.data, "metric_never_found")
    for answer in (added, missing, away):
        assert answer.data["headline"] == first.data["headline"]
    assert "train_loss" not in away.data["baseline_metrics"]
    assert len(script.trained) == len(SEEDS) + 3
    assert not faults_of(project)


async def test_a_training_loss_that_ended_in_nan_is_told_beside_a_finite_value(project: Path) -> None:
    script = Script("val_loss: {loss}\niter 101: loss 2.1")
    script.lines[137] = "val_loss: {loss}\niter 101: loss nan"
    async with quick_tools(project, InProcessEngine(script)) as call:
        first = await call("run_seed", seed=42)
        second = await call("run_seed", seed=137)
    assert (first.data["state"], second.data["state"]) == ("succeeded", "succeeded")
    assert notices(first.data, "loss_ended_in_nan") == []
    (said,) = notices(second.data, "loss_ended_in_nan")
    assert said.startswith('baseline: the training loss of seed 137 ended in "loss nan", while its last val_loss is ')
    assert records(project, "run_finished")[1]["lost_loss"] == "loss nan"


# --- beside other work ----------------------------------------------------------------------------


async def test_queued_and_running_runs_go_on_and_are_read_by_what_holds_at_their_end(project: Path) -> None:
    engine = InProcessEngine(Script("val_loss: {loss} heldout_loss: {half}"))
    metric(project, pattern("val_loss"))
    async with quick_tools(project, engine) as call:
        engine.held = True
        await call("run_seed", queue_all=True, wait_s=0)
        metric(project, pattern("heldout_loss"))
        engine.held = False
        engine.release()
        for seed in SEEDS:
            answer = await call("run_seed", seed=seed)
            assert answer.data["metrics"]["val_loss"] == pytest.approx(
                (4 + random.Random(seed).gauss(0, 0.01)) / 2, rel=1e-5
            )
    assert not records(project, "run_not_needed")


async def test_verify_finds_a_reading_that_the_log_does_not_bear_out(project: Path) -> None:
    async with quick_tools(project, InProcessEngine(Script())) as call:
        await call("run_seed", seed=42)
        metric(project, pattern("heldout_loss"))
        await call("run_seed", seed=42, attempt=1)
    paths = ProjectPaths(project)
    lines = paths.ledger.read_text().splitlines()
    forged = json.loads(lines.pop())
    forged["runs"][FIRST]["metrics"]["val_loss"] |= {"text": "3.5", "value": 3.5}
    chain = ("seq", "time", "prev", "kind", "format", "hash")
    fields = {name: value for name, value in forged.items() if name not in chain}
    record = make_record(forged["seq"], forged["time"], forged["prev"], forged["kind"], fields)
    paths.ledger.write_text("\n".join([*lines, json.dumps(record, sort_keys=True, separators=(",", ":"))]) + "\n")
    assert any(f"says val_loss 3.5, and the log of {FIRST} 3.998559" in fault for fault in faults_of(project))


async def test_an_end_that_was_read_before_the_metrics_changed_is_read_anew(project: Path) -> None:
    engine, paths = InProcessEngine(Script("val_loss: {loss} heldout_loss: {half}")), ProjectPaths(project)
    metric(project, pattern("val_loss"))
    service = in_process_service(project, engine)
    engine.held = True
    run_id = service.request_run(RunRequest(seed=42))
    conductor = Conductor(paths, engine)
    conductor.step()
    engine.held = False
    engine.release()
    end = published_end(paths, conductor._ledger.refresh(), conductor._ledger.state.runs[run_id], engine)
    metric(project, pattern("heldout_loss"))
    service.request_run(RunRequest(seed=42, attempt=1))
    conductor._record(end)
    conductor.step()
    (record,) = records(project, "run_finished")
    assert float(record["metrics"]["val_loss"]["text"]) == pytest.approx((4 + random.Random(42).gauss(0, 0.01)) / 2)


@pytest.mark.parametrize("kind", ["kill", "ENOSPC", "torn"])
def test_whatever_fails_between_the_change_and_the_reply_the_next_call_takes_over(project: Path, kind: str) -> None:
    number, is_over = 0, False
    while not is_over:
        number += 1
        folder, script = project / str(number), Script()
        folder.mkdir()
        (folder / "train_llm.py").write_text("steps = 1\n")
        in_process_service(folder, InProcessEngine(script)).request_run(RunRequest(seed=42))
        metric(folder, pattern("heldout_loss"))
        with Faults(number, kind).installed() as faults:
            service = in_process_service(folder, InProcessEngine(script))
            with suppress(Killed, Refusal, OSError):
                service.request_run(RunRequest(seed=42, attempt=1))
            is_over = not faults.has_fired
        service = in_process_service(folder, InProcessEngine(script))
        read = service.observe(service.request_run(RunRequest(seed=42, attempt=1)))
        assert read.state == "succeeded"
        assert (len(records(folder, "metrics_read_again")), len(script.trained)) == (1, 1)
        assert not faults_of(folder)
    assert number > 4

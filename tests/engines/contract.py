"""The contract of an engine: each case runs against the one in tests, that of this machine, and Slurm.

A module that has a fixture `runs` of its own takes them over by `from tests.engines.contract import *`.
"""

import json
import os
import sys
from datetime import datetime
from pathlib import Path

import pytest
from seedproof_mcp.runner.engines import RunState, started_of
from seedproof_mcp.system.paths import RunPaths

from tests.engines.contract_runs import Runs, follow
from tests.support.supervised import eventually

# --- placing --------------------------------------------------------------------------------------


def test_the_handle_of_a_run_is_the_absolute_path_of_its_folder(runs: Runs) -> None:
    run = runs.prepare()
    assert runs.engine.submit(run.folder) == str(run.folder.absolute())
    runs.end(run)


def test_submitting_again_while_it_trains_starts_nothing(runs: Runs) -> None:
    run = runs.submit(gated=True)
    runs.await_start(run)
    before = run.started.read_bytes()
    assert runs.engine.submit(run.folder) == str(run.folder)
    assert run.started.read_bytes() == before and not run.result.exists()
    runs.open_gate()
    assert runs.end(run)["end"] == "exited"


def test_submitting_an_ended_run_starts_nothing(runs: Runs) -> None:
    run = runs.ended
    before = run.result.read_bytes(), run.log.read_bytes()
    runs.engine.submit(run.folder)
    assert (run.result.read_bytes(), run.log.read_bytes()) == before


def test_a_submission_by_another_process_starts_nothing(runs: Runs) -> None:
    run = runs.submit(gated=True)
    runs.await_start(run)
    before = run.started.read_bytes()
    runs.make().submit(run.folder)
    assert run.started.read_bytes() == before
    runs.open_gate()
    assert runs.end(run)["exit_code"] == 0


def test_two_runs_keep_apart(runs: Runs) -> None:
    one, other = runs.submit(seed=42), runs.submit(seed=137)
    logs = [runs.end(run) and run.log.read_text() for run in (one, other)]
    assert logs[0] != logs[1]


def test_the_training_writes_its_output_folder(runs: Runs) -> None:
    run = runs.ended
    output = Path(json.loads(run.spec.read_bytes())["argv"][7])
    assert (output / "model.bin").stat().st_size == 1000


def test_an_engine_takes_over_its_settings_again_and_again(runs: Runs) -> None:
    for _ in range(2):
        runs.engine.configure(runs.settings, runs.root)
    assert runs.end(runs.submit())["exit_code"] == 0


def test_a_run_needs_no_preparation(runs: Runs) -> None:
    runs.engine.prepare()
    assert runs.end(runs.submit())["exit_code"] == 0


# --- where it stands ------------------------------------------------------------------------------


def test_a_run_that_was_never_submitted_is_lost(runs: Runs) -> None:
    run = runs.prepare()
    eventually(lambda: runs.poll(run) == "lost")


def test_a_run_goes_from_queued_to_done_and_never_back(runs: Runs) -> None:
    run = runs.submit()
    seen = follow(run, lambda: runs.poll(run))
    order: list[RunState] = ["queued", "running", "done"]
    assert seen == [one for one in order if one in seen] and seen[-1] == "done"


def test_a_run_that_trains_is_running(runs: Runs) -> None:
    run = runs.submit(gated=True)
    runs.await_start(run)
    assert runs.poll(run) == "running"
    runs.open_gate()
    runs.end(run)


def test_another_process_sees_a_run_where_it_stands(runs: Runs) -> None:
    run = runs.submit(gated=True)
    runs.await_start(run)
    assert runs.make().poll(str(run.folder)) == "running"
    runs.open_gate()
    runs.end(run)
    assert runs.make().poll(str(run.folder)) == "done"


def test_a_run_is_done_when_its_result_is_there(runs: Runs) -> None:
    run = runs.ended
    assert run.result.exists() and runs.poll(run) == "done"


def test_a_result_counts_whatever_else_is_gone(runs: Runs) -> None:
    run = runs.submit()
    runs.end(run)
    for path in (run.started, run.alive, run.job):
        path.unlink(missing_ok=True)
    assert runs.make().poll(str(run.folder)) == "done"


# --- the evidence ---------------------------------------------------------------------------------


def test_a_training_that_ends_well_exits_with_0(runs: Runs) -> None:
    result = runs.end(runs.ended)
    assert (result["end"], result["exit_code"], result["signal"]) == ("exited", 0, None)


def test_a_training_that_fails_keeps_its_exit_code(runs: Runs) -> None:
    result = runs.end(runs.submit("--fail_after"))
    assert (result["end"], result["exit_code"]) == ("exited", 1)


def test_a_training_that_crashes_before_it_prints_keeps_its_exit_code(runs: Runs) -> None:
    assert runs.end(runs.submit("--crash"))["exit_code"] == 1


def test_the_wall_time_is_that_of_the_training(runs: Runs) -> None:
    wall_time_s = runs.end(runs.ended)["wall_time_s"]
    assert 0 < wall_time_s < 60


def test_the_result_says_when_it_began_and_ended(runs: Runs) -> None:
    result = runs.end(runs.ended)
    begun, ended = (datetime.fromisoformat(result[name]) for name in ("started_at", "ended_at"))
    assert begun <= ended


def test_the_result_says_how_long_the_log_was(runs: Runs) -> None:
    run = runs.ended
    assert runs.end(run)["log_bytes"] == run.log.stat().st_size > 0


def test_the_result_says_what_the_load_was(runs: Runs) -> None:
    assert runs.end(runs.ended)["load"] >= 0


def test_nothing_had_to_be_ended_behind_a_training_that_ends_well(runs: Runs) -> None:
    result = runs.end(runs.ended)
    assert (result["error"], result["killed_leftovers"]) == (None, 0)


def test_a_last_value_of_nan_stands_in_the_log(runs: Runs) -> None:
    run = runs.submit("--nan_at", "42")
    runs.end(run)
    assert b"val_loss: nan" in run.log.read_bytes()


def test_nothing_outside_is_told_of_a_run_that_ended_by_itself(runs: Runs) -> None:
    for flags in ((), ("--fail_after",)):
        run = runs.submit(*flags)
        runs.end(run)
        assert runs.engine.told_end(str(run.folder)) is None


# --- log and time ---------------------------------------------------------------------------------


def test_there_is_no_log_before_the_start(runs: Runs) -> None:
    assert runs.engine.read_log(str(runs.prepare().folder), 0, 100) == b""


@pytest.mark.parametrize(("offset", "limit"), [(0, 10), (5, 7), (0, 10_000), (-9, 5), (-10_000, 6), (10_000, 5)])
def test_the_log_is_read_from_any_place(runs: Runs, offset: int, limit: int) -> None:
    run = runs.ended
    whole = run.log.read_bytes()
    begin = offset if offset >= 0 else max(0, len(whole) + offset)
    assert runs.engine.read_log(str(run.folder), offset, limit) == whole[begin : begin + limit]


def test_the_log_is_read_while_it_trains(runs: Runs) -> None:
    run = runs.submit(gated=True)
    runs.await_start(run)
    assert runs.engine.read_log(str(run.folder), 0, 6) == b"Step 1"
    runs.open_gate()
    runs.end(run)


def test_no_time_passes_before_the_start(runs: Runs) -> None:
    assert runs.engine.elapsed_s(str(runs.prepare().folder)) is None


def test_time_passes_while_it_trains(runs: Runs) -> None:
    run = runs.submit(gated=True)
    runs.await_start(run)
    first_s = runs.engine.elapsed_s(str(run.folder))
    assert first_s is not None and first_s >= 0
    eventually(lambda: (runs.engine.elapsed_s(str(run.folder)) or 0.0) > first_s)
    runs.open_gate()
    runs.end(run)


def test_a_start_says_when_it_was(runs: Runs) -> None:
    run = runs.ended
    assert started_of(str(run.folder))["started_at"]


# --- ending it ------------------------------------------------------------------------------------


def test_a_cancelled_run_ends_cancelled(runs: Runs) -> None:
    run = runs.submit(gated=True)
    runs.await_start(run)
    runs.engine.cancel(str(run.folder), "enough")
    assert runs.end(run)["end"] == "cancelled"


def test_a_cancelled_run_keeps_what_it_printed(runs: Runs) -> None:
    run = runs.submit(gated=True)
    runs.await_start(run)
    runs.engine.cancel(str(run.folder), "enough")
    assert runs.end(run)["log_bytes"] > 0


def test_the_reason_of_a_cancellation_is_kept(runs: Runs) -> None:
    run = runs.submit(gated=True)
    runs.await_start(run)
    runs.engine.cancel(str(run.folder), "enough: ünïcode")
    runs.end(run)
    assert json.loads(run.cancel.read_bytes()) == {"reason": "enough: ünïcode"}


def test_cancelling_twice_is_harmless(runs: Runs) -> None:
    run = runs.submit(gated=True)
    runs.await_start(run)
    for _ in range(2):
        runs.engine.cancel(str(run.folder), "enough")
    assert runs.end(run)["end"] == "cancelled"


def test_a_run_whose_folder_is_gone_cannot_be_cancelled(runs: Runs) -> None:
    with pytest.raises(OSError, match="No such file"):
        runs.engine.cancel(str(runs.root / "nowhere"), "enough")


def test_another_process_can_cancel_a_run(runs: Runs) -> None:
    run = runs.submit(gated=True)
    runs.await_start(run)
    cancelling = runs.engine if runs.settings.engine == "in-process" else runs.make()
    cancelling.cancel(str(run.folder), "enough")
    assert runs.end(run)["end"] == "cancelled"


def test_sweeping_behind_an_ended_run_changes_nothing(runs: Runs) -> None:
    run = runs.ended
    before = run.result.read_bytes()
    runs.engine.sweep(str(run.folder))
    assert run.result.read_bytes() == before


# --- the place ------------------------------------------------------------------------------------


def test_the_place_of_an_ended_run_has_a_name_and_processors(runs: Runs) -> None:
    run = runs.ended
    machine = runs.engine.ran_at(str(run.folder)).machine()
    assert machine.host and (machine.cpu_count or 0) > 0 and machine.platform


def test_the_place_of_an_ended_run_tells_interpreter_packages_and_devices(runs: Runs) -> None:
    run = runs.ended
    asked = json.loads(run.spec.read_bytes()).get("asks") or {"python": sys.executable}
    said = runs.engine.ran_at(str(run.folder)).environment(asked["python"], dict(os.environ), runs.root)
    names = {"implementation", "version", "packages", "torch", "cuda", "gpus", "driver", "cpu"}
    assert said.keys() == names and "pytest" in said["packages"] and said["cpu"]


def test_nothing_keeps_a_run_from_a_free_slot(runs: Runs) -> None:
    with runs.engine.reserve("free") as slot:
        assert slot is not None and slot.name == "free"
    assert runs.engine.slot_holder("free", None) is None


def test_an_engine_can_cancel_and_read_logs(runs: Runs) -> None:
    assert {"cancel", "read_log"} <= runs.engine.capabilities()


def test_sooner_or_later_nothing_more_has_to_be_known_of_the_place(runs: Runs) -> None:
    place = runs.engine.place()
    place.environment(sys.executable, dict(os.environ), runs.root)
    eventually(lambda: not runs.engine.is_waiting())
    assert runs.engine.place().environment(sys.executable, dict(os.environ), runs.root)["packages"]


def test_the_folder_of_a_run_is_all_that_an_engine_keeps_of_it(runs: Runs) -> None:
    run = runs.ended
    assert {path.name for path in run.folder.iterdir()} <= {
        *(path.name for path in (RunPaths(run.folder).spec, run.log, run.result, run.alive, run.started, run.marker)),
        *(path.name for path in (run.exited, run.supervisor_log, run.reads, run.job, run.job_script, run.place)),
    }

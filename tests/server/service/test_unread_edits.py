"""Edits in files that no run read ask for no control, and one can be asked for once they are read after all."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from seedproof.model.inputs import RunInputs
from seedproof_mcp.service.service import Service

from tests.support.callers import Caller, tools
from tests.support.in_process import InProcessEngine, in_process_service
from tests.support.inputs import reads
from tests.support.seeds import SEEDS
from tests.support.studies import THREE, a_repository, declare, edit, table
from tests.support.tables import Table

pytestmark = pytest.mark.anyio

CONTROL = {"experiment": "a", "role": "control"}


@asynccontextmanager
async def baseline(trains: Table | None = None) -> AsyncIterator[tuple[Path, Service, Caller]]:
    """A project with a baseline whose runs read the script alone."""
    with a_repository() as project:
        service = in_process_service(project, InProcessEngine(trains or table()))
        async with tools(project, "auto", service) as call:
            await call.measure_baseline()
            observe(service, reads())
            yield project, service, call


def observe(service: Service, inputs: RunInputs, experiment: str | None = None) -> None:
    """Give the ended runs of an arm what they read: nothing is observed in this process."""
    runs = service._ledger.state.runs
    for run_id, run in runs.items():
        if run.experiment == experiment and not run.state.is_active:
            runs[run_id] = replace(run, inputs=inputs)


async def test_a_stray_file_asks_for_no_control_and_nothing_is_told() -> None:
    async with baseline() as (project, service, call):
        edit(project, "lr: good\n", "ideas.yaml")
        assert (await declare(call)).data["state"] == "succeeded"
        for seed in THREE[1:]:
            edit(project, f"lr: {seed}\n", "ideas.yaml")
            assert (await call("run_seed", experiment="a", seed=seed)).data["state"] == "succeeded"
        observe(service, reads(), "a")
        refused = await call("run_seed", **CONTROL)
        assert refused.code == "control_not_due"
        assert "no run of the baseline, and none of its own, read a file that differs" in refused.text
        answer = await call("compare", experiment="a")
        assert answer.data["brackets"] == []
        assert not [one for one in answer.data["notices"] if "input" in one["code"] or "control" in one["code"]]
        await call("write_report", experiment="a")
        text = (project / "docs/research/experiment_a_1M.md").read_text()
    assert "  - `ideas.yaml` (+1 -0), read by no run" in text
    assert "- No run of the baseline read a file that differs, so no control was asked for." in text
    assert "- Inputs of 8 runs: known (1 file each)" in text


async def test_an_edit_of_the_script_asks_for_one_as_ever() -> None:
    async with baseline() as (project, _, call):
        edit(project)
        assert (await declare(call)).code == "control_due"


async def test_a_module_that_hides_one_of_the_library_asks_for_one() -> None:
    async with baseline() as (project, _, call):
        edit(project, "def gauss(*_): return 0\n", "random.py")
        assert (await declare(call)).code == "control_due"


@pytest.mark.parametrize(("value", "code"), [(4.0, "control_passed"), (9.0, "control_failed")])
async def test_a_new_file_that_the_experiment_reads_is_a_bracket_and_a_control_can_be_asked_for(
    value: float, code: str
) -> None:
    async with baseline(table().arm("control_a", [value])) as (project, service, call):
        edit(project, "gain: 1\n", "gain.yaml")
        assert (await declare(call)).data["state"] == "succeeded"
        observe(service, reads("gain.yaml"), "a")
        answer = await call("run_seed", **CONTROL)
        assert [one["code"] for one in answer.data["notices"]].count(code) == 1
        if code == "control_failed":
            assert (await call("compare", experiment="a")).code == "baseline_stale"
            return
        for seed in THREE[1:]:
            await call("run_seed", experiment="a", seed=seed)
        observe(service, reads("gain.yaml"), "a")
        answer = await call("compare", experiment="a")
        assert answer.data["brackets"] == ["inputs differ: gain.yaml"]
        assert "(unconfirmed; inputs differ: gain.yaml)" in answer.text.splitlines()[0]
        (notice,) = [one for one in answer.data["notices"] if one["code"] == "inputs_differ"]
        assert "that run was made (g1-control-a-s42-a1)" in notice["message"]


async def test_the_notice_offers_the_control_with_the_first_look() -> None:
    async with baseline() as (project, service, call):
        edit(project, "gain: 1\n", "gain.yaml")
        await declare(call)
        for seed in THREE[1:]:
            await call("run_seed", experiment="a", seed=seed)
        observe(service, reads("gain.yaml"), "a")
        answer = await call("compare", experiment="a")
        assert 'run_seed(experiment="a", role="control")' in answer.text
        assert (await call("run_seed", **CONTROL)).data["state"] == "succeeded"


async def test_what_an_arm_reads_alone_stands_in_reply_and_report() -> None:
    async with baseline() as (project, service, call):
        await call.measure("a", "--lr", "a", seeds=SEEDS[:3])
        observe(service, reads("data/extra.bin", "cache/x.bin"), "a")
        answer = await call("compare", experiment="a")
        assert answer.data["brackets"] == ["inputs differ: x.bin, extra.bin"]
        assert (await call("write_report", experiment="a")).data["headline"] == answer.data["headline"]
        text = (project / "docs/research/experiment_a_1M.md").read_text()
    assert "- a: read by one arm alone: cache/x.bin (all of a), data/extra.bin (all of a)." in text

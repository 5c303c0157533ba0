"""The metric files of a training are copied the moment it ends, before anything that it left is ended."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.supervised import LocalRuns

VALUE, OTHER = '{"loss": 4.5}', '{"loss": 3.5}'


def wanted(local: LocalRuns, name: str = "metrics.json", **more: Any) -> list[dict[str, Any]]:
    return [{"name": name, "folder": str(local.work), "copy": f"metric-{name}", "outside": False, **more}]


def test_what_a_process_that_the_training_left_writes_later_does_not_count(local: LocalRuns) -> None:
    left = f"""
def body():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    await_file("COPY")
    say("metrics.json", {OTHER!r})
    say("written")
say("metrics.json", {VALUE!r})
daemon(body)
"""
    run = local.prepare(left, metric_files=wanted(local), grace_s=30.0)
    copy = run.paths.metric_copy("metric-metrics.json")
    run.paths.spec.write_text(run.paths.spec.read_text().replace("COPY", str(copy)))
    local.engine.submit(run.paths.folder)
    assert local.read("written") == ""
    assert (local.work / "metrics.json").read_text() == OTHER
    assert copy.read_text() == VALUE


def test_a_file_that_is_not_there_at_the_end_is_said_to_be_missing(local: LocalRuns) -> None:
    run = local.submit("print('done')", metric_files=wanted(local))
    faults = local.result(run)["metric_faults"]
    assert faults == {"metric-metrics.json": {"why": "No such file or directory", "is_foreign": False}}


@pytest.mark.parametrize("outside", [False, True])
def test_a_file_that_the_training_wrote_is_copied(local: LocalRuns, outside: bool) -> None:
    run = local.submit(f"say('metrics.json', {VALUE!r})", metric_files=wanted(local, outside=outside))
    assert local.result(run)["metric_faults"] == {}
    assert run.paths.metric_copy("metric-metrics.json").read_text() == VALUE


def test_an_older_file_outside_the_output_folder_is_not_the_runs(local: LocalRuns) -> None:
    Path(local.work / "metrics.json").write_text(OTHER)
    run = local.submit("print('done')", metric_files=wanted(local, outside=True))
    (fault,) = local.result(run)["metric_faults"].values()
    assert fault["is_foreign"]
    assert "it is older" in fault["why"]


def test_where_nobody_names_the_output_folder_a_file_is_looked_for_beside_it_as_well(local: LocalRuns) -> None:
    other = {"folder": str(local.work / "nowhere"), "or_folder": str(local.work)}
    run = local.submit(f"say('metrics.json', {VALUE!r})", metric_files=wanted(local, **other))
    assert local.result(run)["metric_faults"] == {}
    assert run.paths.metric_copy("metric-metrics.json").read_text() == VALUE


def test_a_file_that_is_found_beside_the_output_folder_has_to_be_the_runs(local: LocalRuns) -> None:
    Path(local.work / "metrics.json").write_text(OTHER)
    other = {"folder": str(local.work / "nowhere"), "or_folder": str(local.work)}
    run = local.submit("print('done')", metric_files=wanted(local, **other))
    (fault,) = local.result(run)["metric_faults"].values()
    assert fault["is_foreign"]


def test_the_file_in_the_output_folder_comes_first(local: LocalRuns) -> None:
    (local.work / "out").mkdir()
    Path(local.work / "out/metrics.json").write_text(OTHER)
    other = {"folder": str(local.work / "out"), "or_folder": str(local.work)}
    run = local.submit(f"say('metrics.json', {VALUE!r})", metric_files=wanted(local, **other))
    assert local.result(run)["metric_faults"] == {}
    assert run.paths.metric_copy("metric-metrics.json").read_text() == OTHER

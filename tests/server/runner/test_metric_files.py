"""Metric files of a run: which one is found, what is kept of it, and what is refused."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from seedproof.model.metric_rule import MetricRule
from seedproof.model.rules import Rules
from seedproof.model.run_key import Role, RunKey, Side
from seedproof.model.runs import Run, RunState
from seedproof_mcp.runner.metric_files import FileMetrics, read_metric_files
from seedproof_mcp.supervisor import metric_copies
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.event_files import event_file, simple
from tests.support.in_process import InProcessEngine, Training, option, quick_tools

STARTED, ENDED = 1_000_000, 2_000_000


class Ended:
    """A run that has ended at a known time, in a project of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.output = root / "checkpoints/baseline_1M_seed42"
        self.output.mkdir(parents=True)
        self._run = Run(
            "r1", RunKey(1, Role.MEASURE, Side.BASELINE, None, 42, 1), RunState.RUNNING, output_dir=str(self._folder)
        )
        self.folder = ProjectPaths(root).run("r1")
        self.folder.folder.mkdir(parents=True)
        self.folder.spec.write_text(json.dumps({"cwd": str(root)}))
        self.stamp(self.folder.started, STARTED)
        self.stamp(self.folder.result, ENDED)

    @property
    def _folder(self) -> Path:
        return self.output.relative_to(self.root)

    def write(self, name: str, text: str | bytes = '{"loss": 4.5}', at: int = STARTED + 1) -> Path:
        """Write a file of the output folder, or with `../../` of the project, at a known time."""
        path = self.output / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        os.utime(path, (at, at))
        return path

    @staticmethod
    def stamp(path: Path, at: int) -> None:
        path.write_text("{}")
        os.utime(path, (at, at))

    def read(self, file: str, **fields: Any) -> FileMetrics:
        """Read one metric, at `loss` of a JSON file if nothing else is said."""
        place = {} if {"column", "tag"} & set(fields) else {"path": "loss"}
        rule = MetricRule(name="loss", file=file, **place, **fields)
        return read_metric_files(ProjectPaths(self.root), self._run, Rules(metric=rule))

    def result(self, file: str, **fields: Any) -> str:
        """The value as written, or what is wrong."""
        found = self.read(file, **fields)
        if found.metrics:
            return found.metrics["loss"].text
        return found.unread["loss"].why if found.unread else "; ".join(found.faults)


@pytest.fixture
def ended(tmp_path: Path) -> Ended:
    return Ended(tmp_path)


# --- files of the output folder --------------------------------------------------------------


def test_each_kind_of_file_is_read_from_a_copy_in_the_runs_folder(ended: Ended) -> None:
    ended.write("version_0/metrics.csv", "step,loss\n1,4.5\n2,3.5\n")
    ended.write("metrics.jsonl", '{"loss": 4.5}\n{"loss": 3.25}\n')
    ended.write("tb/events.out.tfevents.1.host", event_file((1, "loss", simple(3.125))))
    assert ended.result("version_0/metrics.csv", column="loss") == "3.5"
    assert ended.result("metrics.jsonl") == "3.25"
    assert ended.result("tb/events.*", tag="loss") == "3.125"
    copies = {path.name for path in ended.folder.folder.glob("metric-*")}
    assert copies == {"metric-version_0%2Fmetrics.csv", "metric-metrics.jsonl", "metric-tb%2Fevents.*"}


def test_once_a_copy_is_kept_the_source_is_not_looked_at_again(ended: Ended) -> None:
    source = ended.write("a/metrics.json")
    assert ended.result("a/*.json") == "4.5"
    ended.write("b.json", '{"loss": 1.5}')
    source.unlink()
    assert ended.result("a/*.json") == "4.5"


def test_of_several_files_the_newest_counts_not_the_one_with_the_last_name(ended: Ended) -> None:
    ended.write("version_9/metrics.json", '{"loss": 9.5}', at=STARTED + 5)
    ended.write("version_10/metrics.json", '{"loss": 3.5}', at=STARTED + 9)
    ended.write("version_8/metrics.json", '{"loss": 8.5}', at=STARTED + 7)
    assert ended.result("version_*/metrics.json") == "3.5"
    assert ended.result("version_?/metrics.json") == "8.5"


def test_two_files_that_are_equally_new_are_not_chosen_among(ended: Ended) -> None:
    for name in ("a", "b"):
        ended.write(f"{name}/m.json")
    assert ended.result("*/m.json") == "*/m.json: 2 files are equally new: a/m.json, b/m.json"


def test_a_folder_that_is_reached_through_a_link_as_well_is_one_folder(ended: Ended) -> None:
    ended.write("wandb/offline-run-1/files/m.json")
    (ended.output / "wandb/latest-run").symlink_to("offline-run-1")
    assert ended.result("wandb/*run*/files/m.json") == "4.5"
    assert ended.result("wandb/latest-run/files/m.json") == "4.5"


def test_brackets_in_a_name_stand_for_themselves(ended: Ended) -> None:
    ended.write("[1]/m.json")
    ended.write("1/m.json", '{"loss": 9.5}', at=STARTED + 9)
    assert ended.result("[1]/*.json") == "4.5"


@pytest.mark.parametrize("file", ["m.json", "*.json"])
def test_what_is_no_file_of_the_training_is_refused_in_words(ended: Ended, file: str) -> None:
    missing = ended.result(file)
    assert missing in ("m.json: No such file or directory", "*.json: there is no such file")
    (ended.output / "m.json").mkdir()
    assert ended.result(file) == f"{file}: is not a regular file"
    (ended.output / "m.json").rmdir()
    os.mkfifo(ended.output / "m.json")
    assert ended.result(file) == f"{file}: is not a regular file"
    (ended.output / "m.json").unlink()
    ended.write("../../better.json", '{"loss": 1.5}')
    (ended.output / "m.json").symlink_to(ended.root / "better.json")
    assert ended.result(file) == f"{file}: is not a regular file"


def test_a_folder_that_is_a_link_out_of_the_output_folder_is_refused(ended: Ended) -> None:
    ended.write("../../better/m.json", '{"loss": 1.5}')
    (ended.output / "logs").symlink_to(ended.root / "better")
    assert ended.result("logs/m.json") == "logs/m.json: a link leads out of the output folder"
    assert ended.result("*/m.json") == "*/m.json: a link leads out of the output folder"


def test_a_large_file_is_refused(ended: Ended, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metric_copies, "MAX_METRIC_FILE", 1 << 20)
    ended.write("m.json", b"x" * ((1 << 20) + 1))
    assert ended.result("m.json") == "m.json: is larger than 1 MB"
    assert list(ended.folder.folder.glob("metric-*")) == []


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "cannot be read from m.json: The document is not valid JSON: Expecting value"),
        (b'{"loss": 4.', "cannot be read from m.json: The document is not valid JSON: "),
        (b"\xff\x00\xfe" * 99, "cannot be read from m.json: The document is not valid JSON: "),
        (b'{"loss": null}', "is no number"),
    ],
)
def test_a_file_that_cannot_be_read_is_unread_and_its_copy_kept(ended: Ended, content: bytes, why: str) -> None:
    ended.write("m.json", content)
    assert ended.result("m.json").startswith(why)
    assert (ended.folder.folder / "metric-m.json").read_bytes() == content


# --- files outside the output folder ---------------------------------------------------------


@pytest.mark.parametrize("file", ["results/m.json", "results/*.json"])
def test_a_file_outside_the_output_folder_counts_if_this_run_wrote_it(ended: Ended, file: str) -> None:
    ended.write("../../results/m.json", at=STARTED + 1)
    ended.write("results/m.json", '{"loss": 9.5}')
    assert ended.result(file, outside=True) == "4.5"
    assert ended.result(file) == "9.5"


@pytest.mark.parametrize("file", ["results/m.json", "results/*.json"])
@pytest.mark.parametrize(("at", "why"), [(STARTED - 1, "it is older"), (ENDED + 1, "after this run's end")])
def test_a_file_that_this_run_did_not_write_is_unread(ended: Ended, file: str, at: int, why: str) -> None:
    ended.write("../../results/m.json", at=at)
    assert ended.result(file, outside=True).endswith(why)
    assert list(ended.folder.folder.glob("metric-*")) == []


def test_of_a_run_that_never_started_no_file_outside_counts(ended: Ended) -> None:
    ended.write("../../results/m.json")
    ended.folder.started.unlink()
    assert ended.result("results/m.json", outside=True).endswith("it is older")


def test_a_path_outside_begins_where_the_training_was_started(ended: Ended) -> None:
    ended.folder.spec.write_text(json.dumps({"cwd": str(ended.root / "tree")}))
    ended.write("../../tree/m.json")
    ended.write("../../m.json", '{"loss": 9.5}')
    assert ended.result("m.json", outside=True) == "4.5"


def test_a_run_whose_output_folder_is_gone_is_not_read_from_the_next_ones(ended: Ended) -> None:
    ended.write("m.json")
    ended._run = Run("r1", ended._run.key, RunState.SUCCEEDED, output_dir=ended._run.output_dir, output_id=(1, 2))
    assert ended.result("m.json") == "m.json: the output folder of this run is gone"


# --- whole runs ------------------------------------------------------------------------------


async def state_of_a_run(project: Path, settings: str, files: dict[str, str]) -> tuple[str, Any]:
    """State and value of a run that leaves these files."""
    (project / "seedproof.toml").write_text(f"[rules.metric]\n{settings}\n")

    def trains(argv: Sequence[str]) -> Training:
        return Training("done\n", files=files)

    async with quick_tools(project, InProcessEngine(trains)) as call:
        answer = await call("run_seed", seed=42)
    return answer.data["state"], answer.data["metrics"].get("val_loss") or answer.data["reason"]


CSV = "epoch,step,train_loss,val_loss\n0,49,2.31,\n0,49,,2.25\n1,99,1.90,\n1,99,,1.85\n"


@pytest.mark.anyio
@pytest.mark.parametrize("file", ["metrics.csv", "lightning_logs/version_0/metrics.csv"])
async def test_a_metric_that_stands_in_a_table_only_is_the_result(project: Path, file: str) -> None:
    got = await state_of_a_run(project, f'name = "val_loss"\nfile = "{file}"\ncolumn = "val_loss"', {file: CSV})
    assert got == ("succeeded", 1.85)


@pytest.mark.anyio
async def test_a_table_without_the_column_is_told_with_the_place(project: Path) -> None:
    settings = 'name = "val_loss"\nfile = "metrics.csv"\ncolumn = "val_los"'
    state, reason = await state_of_a_run(project, settings, {"metrics.csv": CSV})
    assert (state, reason) == (
        "failed",
        "exit code 0, but no val_loss was found in the column val_los of metrics.csv",
    )


@pytest.mark.anyio
async def test_a_presets_file_is_found_in_the_folder_of_the_run(project: Path) -> None:
    assert await state_of_a_run(project, 'preset = "lightning"', {"lightning_logs/version_3/metrics.csv": CSV}) == (
        "succeeded",
        1.85,
    )


# --- what counts when, and what the log says ------------------------------------------------------


def test_a_file_that_was_written_once_the_training_had_ended_does_not_count(ended: Ended) -> None:
    ended.write("metrics.json")
    ended.stamp(ended.folder.exited, STARTED)  # the file's change time is now, long after
    assert ended.result("metrics.json") == "stands in a file that was written after the training had ended"


def test_what_the_supervisor_found_wrong_stays_wrong_whatever_comes_later(ended: Ended) -> None:
    told = {"metric-metrics.json": {"why": "No such file or directory", "is_foreign": False}}
    ended.folder.result.write_text(json.dumps({"metric_faults": told}))
    ended.write("metrics.json")
    assert ended.result("metrics.json") == "metrics.json: No such file or directory"


JSON_RULE = 'name = "val_loss"\nfile = "metrics.json"\npath = "loss"'


ACCURACY = 'name = "val_acc"\ndirection = "maximize"\nfile = "metrics.json"\npath = "loss"'


async def told_of_a_baseline(project: Path, log: str, loss: str, rule: str = JSON_RULE) -> list[str]:
    """The notices on values that differ between file and log."""
    (project / "seedproof.toml").write_text(f"[rules.metric]\n{rule}\n")

    def trains(argv: Sequence[str]) -> Training:
        seed = int(option(argv, "--seed"))
        return Training(log.replace("SEED", str(seed)), files={"metrics.json": f'{{"loss": {loss}{seed:04d}}}'})

    async with quick_tools(project, InProcessEngine(trains)) as call:
        await call.measure_baseline()
        notices = (await call("check_baseline")).data["notices"]
    return [one["message"] for one in notices if one["code"] == "metric_file_differs"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("log", "loss"),
    [
        ("Step 9 | val_loss: 4.12\n", "4.12"),  # rounded
        ("Step 9 | val_loss: 4.13\n", "4.12"),  # rounded up
        ("Step 5 | val_loss: 4.12\nStep 9 | val_loss: 4.5\n", "4.12"),  # the file holds the best
        ("Step 9 | train_loss: 3.9\n", "4.12"),  # the log has none
        ("done\n", "4.12"),
    ],
)
async def test_a_file_and_a_log_that_say_the_same_are_no_notice(project: Path, log: str, loss: str) -> None:
    assert await told_of_a_baseline(project, log, loss) == []


@pytest.mark.anyio
async def test_a_share_in_the_file_and_a_percentage_in_the_log_are_the_same(project: Path) -> None:
    assert await told_of_a_baseline(project, "Val_Acc: 91.2\n", "0.912", ACCURACY) == []


@pytest.mark.anyio
async def test_another_percentage_in_the_log_is_told(project: Path) -> None:
    (found,) = await told_of_a_baseline(project, "Val_Acc: 90.2\n", "0.912", ACCURACY)
    assert found.startswith("baseline: val_acc of seed 42 is 0.9120042 in its file, and the log printed 90.2 last")


@pytest.mark.anyio
async def test_another_value_in_the_log_is_told_with_both(project: Path) -> None:
    (found,) = await told_of_a_baseline(project, "Step 9 | val_loss: 4.2SEED\n", "4.12")
    assert found.startswith("baseline: val_loss of seed 42 is 4.120042 in its file, and the log printed 4.242 last")
    assert found.endswith("The file counts, as it was when the training ended; find out which is right.")

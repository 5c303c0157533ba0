"""What may stand in [settings.slurm], and what Slurm's words mean."""

from pathlib import Path

import pytest
from seedproof.model.refusals import BadSettings
from seedproof_mcp.host.settings import load_config
from seedproof_mcp.runner.engines.slurm_words import Told, job_number, node_features, read_jobs, told_end

from tests.support.places import ROOT

CANCELLED = "slurmstepd: error: *** JOB 7 ON n1 CANCELLED AT 2026-11-30T12:02:20"


def load(folder: Path, lines: str) -> list[str]:
    (folder / "seedproof.toml").write_text(f'[settings]\nengine = "slurm"\n[settings.slurm]\n{lines}\n')
    return load_config(folder / "seedproof.toml").settings.slurm.arguments()


def test_the_example_of_the_page_is_what_sbatch_is_asked(tmp_path: Path) -> None:
    text = (ROOT / "docs/slurm.md").read_text().split("```toml\n")[1].split("```\n")[0]
    (tmp_path / "seedproof.toml").write_text(text)
    assert load_config(tmp_path / "seedproof.toml").settings.slurm.arguments() == [
        *("--account=lab", "--constraint=h100", "--cpus-per-task=8", "--gres=gpu:1", "--mem=64G"),
        *("--partition=gpu", "--time=04:00:00"),
    ]


def test_other_options_are_passed_on(tmp_path: Path) -> None:
    lines = 'options = ["--exclusive", "--nodelist=n1,n2", "--mail-type=END"]'
    assert load(tmp_path, lines) == [
        "--exclusive",
        "--nodelist=n1,n2",
        "--mail-type=END",
    ]


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ('partiton = "gpu"', "line 4: settings.slurm.partiton is not known (did you mean settings.slurm.partition?)."),
        ('partition = "a b"', "line 4: settings.slurm.partition: allowed is a text without spaces"),
        ("partition = 3", "line 4: settings.slurm.partition: allowed is a text without spaces"),
        ("cpus = 0", "line 4: settings.slurm.cpus: allowed is a whole number from 1."),
        ("at_once = 0", "line 4: settings.slurm.at_once: allowed is a whole number from 1 to 1000."),
        ("singleton = true\nat_once = 2", "singleton lets one job run at a time, so at_once must be 1."),
        ('options = ["-p gpu"]', "'-p gpu' is no option of the form --name or --name=value."),
        ('options = ["--exclusive", "rm -rf"]', "'rm -rf' is no option of the form --name or --name=value."),
        ('options = ["--output=/tmp/x"]', "'--output=/tmp/x' is Seedproof's own to set (--output)."),
        ('options = ["--outp=/tmp/x"]', "'--outp=/tmp/x' is Seedproof's own to set (--output)."),
        ('options = ["--array=1-3"]', "'--array=1-3' is Seedproof's own to set (--array)."),
        ('options = ["--requeue"]', "'--requeue' is Seedproof's own to set (--requeue)."),
        ('options = ["--part=gpu"]', "'--part=gpu' has a setting of its own: partition."),
        ('options = ["--cpus-per-task=4"]', "'--cpus-per-task=4' has a setting of its own: cpus."),
    ],
)
def test_what_cannot_be_meant_is_told_with_its_line(tmp_path: Path, lines: str, says: str) -> None:
    with pytest.raises(BadSettings) as caught:
        load(tmp_path, lines)
    assert says in caught.value.message


@pytest.mark.parametrize(
    ("text", "number"),
    [("17\n", "17"), ("17;cluster\n", "17"), ("a warning\n18\n", "18"), ("", None), ("Submitted batch job 17\n", None)],
)
def test_the_number_of_a_job_is_what_parsable_prints(text: str, number: str | None) -> None:
    assert job_number(text) == number


def test_a_folder_may_hold_what_separates_the_columns() -> None:
    (job,) = read_jobs("squeue: warning|x\n7|RUNNING|None|n1|/home/a|b\n")
    assert (job.number, job.folder) == ("7", "/home/a|b")


@pytest.mark.parametrize(
    ("state", "reason", "output", "kind"),
    [
        ("COMPLETED", "None", "", None),
        (None, None, "", None),
        ("RUNNING", "None", "", None),
        ("OUT_OF_MEMORY", "None", "", "out_of_memory"),
        (None, None, "slurmstepd: error: Detected 1 oom_kill event in StepId=7.batch.", "out_of_memory"),
        ("TIMEOUT", "TimeLimit", "slurmstepd-n1: error: Exceeded job memory limit", "timed_out"),
        (None, None, f"{CANCELLED} DUE TO TIME LIMIT ***", "timed_out"),
        ("COMPLETING", "TimeLimit", f"{CANCELLED} DUE TO TIME LIMIT ***", "timed_out"),
        (None, None, f"{CANCELLED} DUE TO NODE FAILURE, SEE SLURMCTLD LOG FOR DETAILS ***", "interrupted"),
        ("BOOT_FAIL", "None", "", "interrupted"),
        ("FAILED", "NonZeroExitCode", "", "interrupted"),
        (None, None, "a program says: out-of-memory", None),
    ],
)  # fmt: skip
def test_the_end_of_a_job_is_read_from_its_state_and_its_output(
    state: str | None, reason: str | None, output: str, kind: str | None
) -> None:
    told = told_end("7", state, reason, output)
    assert (None if told is None else told.kind) == kind
    assert told is None or (isinstance(told, Told) and "job 7" in told.words)


def test_features_are_those_of_the_named_nodes() -> None:
    text = "NodeName=n1 Gres=(null) ActiveFeatures=a,b Gres=x\nNodeName=n2 X=1 ActiveFeatures=(null) Y=2\n"
    assert node_features(text, ["n1", "n2", "n3"]) == {"n1": frozenset("ab"), "n2": frozenset()}

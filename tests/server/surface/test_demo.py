"""The demonstration: it tells the whole story, and it can fail."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from seedproof_mcp.surface.demo.story import run_demo

from tests.support.places import FAKE

SEEDPROOF = Path(sys.executable).with_name("seedproof")


@pytest.mark.slow
def test_the_demonstration_trains_judges_reports_and_leaves_nothing_behind(tmp_path: Path) -> None:
    done = subprocess.run(
        [SEEDPROOF, "demo"], env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "✗" not in done.stdout
    told = [
        r"> compare\(experiment=\"higher_lr\"\)\n +baseline_missing: the baseline has 0 of 5 seeds",
        r"Baseline ready \(1M tokens\): val_loss 1\.\d+ ± 0\.0\d+ over 5 seeds",
        r"WINNER \(unconfirmed\): \d+\.\d\d sigma better",
        r"WINNER \(confirmed on 3 fresh seeds\): \d+\.\d\d sigma better",
        r"experiment_higher_lr_1M\.md",
        r"NEUTRAL: 0\.\d\d sigma (better|worse), noise",
        r"docs/research/experiment_shuffle_twice_1M\.md",
    ]
    assert re.search(".*".join(told), done.stdout, re.DOTALL)
    assert list(tmp_path.iterdir()) == []


def altered_script(folder: Path, old: str, new: str) -> Path:
    """The fake training script with one difference."""
    text = FAKE.read_text()
    assert old in text
    script = folder / "altered.py"
    script.write_text(text.replace(old, new))
    return script


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        pytest.param(
            *("if not (options.constant", "if False and not (options.constant", "instead: void: all 5 seeds gave"),
            marks=pytest.mark.slow,
        ),
        ("if options.crash", "if True or options.crash", "baseline seed 42 should succeed; instead: failed"),
    ],
    ids=["a script that ignores its seed", "a script that crashes"],
)
def test_where_the_story_does_not_hold_the_demonstration_says_so_and_exits_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, complaint: str
) -> None:
    assert run_demo(script=altered_script(tmp_path, old, new)) == 1
    said = capsys.readouterr().out
    assert complaint in said
    assert "✗" in said


def test_a_missing_script_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_demo(script=tmp_path / "missing.py") == 1
    assert "cannot be set up: [Errno 2] No such file or directory" in capsys.readouterr().out

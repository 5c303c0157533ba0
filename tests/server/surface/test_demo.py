"""The demonstration: it tells the whole story, and it can fail."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from seedproof_mcp.surface.demo.story import run_demo

from tests.support.places import FAKE
from tests.support.waiting import PATIENCE_S

SEEDPROOF = Path(sys.executable).with_name("seedproof")


@pytest.mark.slow
def test_the_demonstration_trains_judges_reports_and_leaves_nothing_behind(tmp_path: Path) -> None:
    here, temporary, state = folders(tmp_path)
    done = subprocess.run(
        [SEEDPROOF, "demo"], cwd=here, env=variables(temporary, state), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "✗" not in done.stdout
    told = [
        r"> compare\(experiment=\"higher_lr\"\)\n +baseline_missing: the baseline has 0 of 5 seeds",
        r"Baseline ready \(500k tokens\): val_loss [12]\.\d+ ± 0\.0\d+ over 5 seeds",
        r"WINNER \(unconfirmed\): \d+\.\d\d sigma better",
        r"WINNER \(confirmed on 3 fresh seeds\): \d+\.\d\d sigma better",
        r"experiment_higher_lr_500k\.md",
        r"NEUTRAL: 0\.\d\d sigma (better|worse), noise",
        r"docs/research/experiment_shuffle_twice_500k\.md",
    ]
    assert re.search(".*".join(told), done.stdout, re.DOTALL)
    assert (list(temporary.iterdir()), state.exists()) == ([], False)
    (kept,) = here.iterdir()
    assert f"The reports are in {kept}; the page on all of them is studies.md." in done.stdout
    names = {
        "studies.md",
        "baseline_variance_500k.md",
        "experiment_higher_lr_500k.md",
        "experiment_shuffle_twice_500k.md",
    }
    assert names <= {one.name for one in kept.iterdir()}


def folders(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Where a demonstration is started, where its temporary files go, and a state folder that does not exist yet."""
    here, temporary = tmp_path / "here", tmp_path / "temporary"
    here.mkdir()
    temporary.mkdir()
    return here, temporary, tmp_path / "state"


def variables(temporary: Path, state: Path) -> dict[str, str]:
    """The environment that names them."""
    return {**os.environ, "TMPDIR": str(temporary), "XDG_STATE_HOME": str(state)}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("has_slots", [False, True])
def test_a_demonstration_that_is_ended_leaves_nothing(tmp_path: Path, number: int, has_slots: bool) -> None:
    here, temporary, state = folders(tmp_path)
    if has_slots:
        (state / "seedproof/slots").mkdir(parents=True)
    command = [sys.executable, "-m", "seedproof_mcp.surface.cli", "demo"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=here, env=variables(temporary, state), text=True, **pipes) as demo:
        assert demo.stdout is not None
        while not list(temporary.glob("*/project/.seedproof/runs/g1-baseline-s42-a1/output.log")):
            assert demo.poll() is None
        demo.send_signal(number)
        out, errors = demo.communicate(timeout=PATIENCE_S)
    assert (demo.returncode, errors) == (128 + number, "")
    assert out.rstrip().endswith("The project is removed again.")
    assert (list(temporary.iterdir()), list(here.iterdir())) == ([], [])
    left = [path.relative_to(state / "seedproof") for path in state.rglob("*") if path.is_file()]
    assert left == ([Path("slots/default.lock")] if has_slots else [])


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

"""`seedproof run --all`: the first run stands for the others, and what goes on is said as it is."""

from pathlib import Path

from tests.support.command_line import said

SCRIPT = """
import sys
seed = sys.argv[4]
if "--crash" in sys.argv:
    sys.exit("no such package")
print(f"val_loss: 4.{seed}")
sys.exit("--late" in sys.argv and seed == "137")
"""


def test_a_first_run_without_a_value_is_shown_at_once_and_the_others_are_not_started(project: Path) -> None:
    (project / "train_llm.py").write_text(SCRIPT)
    assert said(project, "run", "--all").returncode == 0
    shown = said(project, "run", "bad", "--hypothesis", "it fails", "--all", "--", "--crash")
    assert shown.returncode == 1, shown.stderr
    assert "bad seed 42 (attempt 1): failed" in shown.stdout
    assert shown.stdout.endswith("The other runs of this call were not started.\n")
    assert [one.name for one in (project / ".seedproof/runs").glob("g1-exp-bad-*")] == ["g1-exp-bad-s42-a1"]
    told = said(project, "status").stdout
    assert "without a result: bad seed 42 (attempt 1): failed, exit code 1" in told
    assert "\n  .seedproof/runs/g1-exp-bad-s42-a1/output.log\n" in told

    shown = said(project, "run", "late", "--hypothesis", "it fails late", "--all", "--", "--late")
    assert shown.returncode == 1
    assert "late seed 137 (attempt 1): failed" in shown.stdout
    assert shown.stdout.endswith("1 more of these runs go on; `seedproof stop RUN --reason REASON` ends one of them.\n")
    assert said(project, "watch").returncode == 0
    assert (project / ".seedproof/runs/g1-exp-late-s256-a1").exists()

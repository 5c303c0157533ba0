"""Train every arm of the README's table over five seeds and print the table."""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SCRIPT = Path(__file__).with_name("train_llm.py")
SEEDS = (42, 137, 256, 512, 1024)
# The first arm is the baseline that the others are compared with.
ARMS = {
    "baseline": [],
    "improves": ["--lr", "0.02"],
    "changes nothing": ["--shuffle_buffer", "4096"],
    "hurts": ["--dropout", "0.5"],
}


def run(options: list[str], seed: int, folder: Path) -> tuple[float, float]:
    """Train once; return the exact validation loss and the wall-clock seconds."""
    command = [sys.executable, str(SCRIPT), *options]
    start = time.perf_counter()
    subprocess.run(
        [*command, "--seed", str(seed), "--output_dir", str(folder)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    seconds = time.perf_counter() - start
    report = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    return report["final_metrics"]["val_loss"], seconds


def main() -> None:
    """Run all the arms, one run at a time so that the seconds mean something."""
    print("| arm | option | mean val_loss | std | sigma better | seconds per run |")
    print("|---|---|---|---|---|---|")
    baseline: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for arm, options in ARMS.items():
            runs = [run(options, seed, Path(folder)) for seed in SEEDS]
            losses = [loss for loss, _ in runs]
            baseline = baseline or losses
            improvement = statistics.mean(baseline) - statistics.mean(losses)
            print(
                f"| {arm} | `{' '.join(options) or '(none)'}` | {statistics.mean(losses):.4f} "
                f"| {statistics.stdev(losses):.4f} "
                f"| {improvement / statistics.stdev(baseline):+.2f} "
                f"| {statistics.mean(seconds for _, seconds in runs):.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()

"""Where the repository keeps what tests read."""

from pathlib import Path

__all__ = ["EXAMPLE", "FAKE", "GOLDEN", "HOSTILE", "REAL_LOGS", "ROOT"]

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests/golden"
REAL_LOGS = ROOT / "tests/real_logs"
HOSTILE = ROOT / "tests/support/hostile"
EXAMPLE = ROOT / "examples/tiny_lm"
FAKE = ROOT / "tests/support/fake_train.py"

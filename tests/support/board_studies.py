"""Studies for the board: many experiments of every kind, with loss curves, recorded without processes."""

import math
import random
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from tests.support.callers import Answer, Caller
from tests.support.in_process import InProcessEngine, Training, option, quick_tools
from tests.support.repositories import make_repository

__all__ = ["HOSTILE", "Trainings", "make_board_repository", "record_study"]

LINES = 60
STEPS = 50
# How much an experiment changes the loss, and how long it takes against the baseline.
CHANGES = {
    "muon": (-0.055, 0.93),
    "cosine": (-0.034, 1.0),
    "warmup": (-0.013, 1.01),
    "big-batch": (0.047, 0.7),
    "qk-norm": (-0.004, 1.08),
    "seedcheck": (0.0, 1.0),
}
HOSTILE = (
    '<img src=x onerror="window.hacked=1"><script>window.hacked=2</script> \u202egnp.exe javascript:window.hacked=3'
)
"""What a browser must show and never run."""


class Trainings:
    """Prints a loss curve; the last value is a function of arm and seed."""

    def __init__(self, says: str = "") -> None:
        """Train.

        Args:
            says: Printed behind the curve.
        """
        self.says = says
        self.merged = 0.0
        """What a merged change adds to every loss."""

    def __call__(self, argv: Sequence[str]) -> Training:
        name = PurePosixPath(option(argv, "--output_dir")).name
        side, _, rest = name.partition("_")
        arm = rest.rpartition("_")[0].rpartition("_")[0] if side in ("exp", "confirm") else ""
        seed = int(option(argv, "--seed"))
        change, slower = CHANGES.get(arm, (0.0, 1.0))
        loss = 4.1 + self.merged + change + random.Random(seed).gauss(0, 0.009)
        loss += random.Random(f"{arm} {seed}").gauss(0, 0.004) if arm else 0.0
        if arm == "crashes":
            return Training("Traceback (most recent call last): no module named flash_attn\n", 1)
        last = "nan" if arm == "rope" and seed == 137 else f"{loss:.4f}"
        log = f"{_curve(loss, f'{arm} {seed}')}{self.says}val_loss: {last}\n"
        return Training(log, wall_time_s=61.0 * slower + random.Random(name).uniform(0, 2))


def _curve(loss: float, seed: str) -> str:
    noise = random.Random(seed)
    lines = []
    for line in range(LINES):
        step = line * STEPS
        above = 5.9 * math.exp(-step / 420) + 0.35 * math.exp(-step / 1900)
        shown = loss + above - 0.35 * math.exp(-LINES * STEPS / 1900) + noise.gauss(0, 0.012)
        lines.append(f"step {step} | train_loss: {shown - 0.1:.4f} | val_loss: {shown:.4f} | elapsed: {line}.0s\n")
    return "".join(lines)


def make_board_repository(folder: Path) -> Path:
    """A project that is a repository."""
    files = {"train_llm.py": "width = 256\nnorm = None\n", ".gitignore": "checkpoints/\n.seedproof/\ndocs/\n"}
    return make_repository(folder, files)


async def record_study(project: Path) -> None:
    """Two generations with every kind of end, an open confirmation, and an experiment that has begun."""
    trained = Trainings()
    engine = InProcessEngine(trained)
    async with quick_tools(project, engine) as call:
        await _measure_baseline(call)
        await _judge(call, "warmup", ["--warmup", "200"], "a longer warm-up steadies the first steps")
        await _judge(call, "big-batch", ["--batch_size", "64"], "fewer, better steps")
        await _judge(call, "muon", ["--optimizer", "muon", "--lr", "0.02"], "orthogonal updates learn faster")
        await _confirm(call, "muon")
        trained.merged = CHANGES["muon"][0]
        (project / "train_llm.py").write_text("width = 256\nnorm = None\noptimizer = 'muon'\n")
        await _measure_baseline(call, new_baseline="muon was merged")
        await _judge(call, "cosine", ["--schedule", "cosine"], "a cosine ends lower than a constant rate")
        await _judge(call, "rope", ["--rope_base", "1e9"], "longer wave lengths")
        await _judge(call, "seedcheck", [], "null: the same command again")
        text = (project / "train_llm.py").read_text()
        (project / "train_llm.py").write_text(text.replace("norm = None", "norm = 'qk'"))
        await _judge(call, "qk-norm", [], "normalised queries allow a higher rate", code_change=True)
        (project / "train_llm.py").write_text(text)
        await _ask(call, "crashes", ["--attention", "flash"], "faster attention")
        await _ask(call, "idea-clip", ["--clip", "0.5"], "fewer spikes")


async def _measure_baseline(call: Caller, **more: str) -> None:
    answer = await call("run_seed", queue_all=True, wait_s=0, **more)
    assert not answer.is_error, answer.text
    answer = await call("write_report")
    assert not answer.is_error, answer.text


async def _ask(call: Caller, name: str, flags: list[str], hypothesis: str, **more: bool) -> Answer:
    answer = await call("run_seed", experiment=name, flags=flags, hypothesis=hypothesis, wait_s=0, **more)
    assert not answer.is_error, answer.text
    return answer


async def _judge(call: Caller, name: str, flags: list[str], hypothesis: str, **more: bool) -> None:
    await _ask(call, name, flags, hypothesis, queue_all=True, **more)
    answer = await call("compare", experiment=name)
    if answer.code == "more_seeds_needed":
        await call("run_seed", experiment=name, queue_all=True, wait_s=0)
        answer = await call("compare", experiment=name)
    assert not answer.is_error, answer.text
    answer = await call("write_report", experiment=name)
    assert not answer.is_error, answer.text


async def _confirm(call: Caller, name: str) -> None:
    answer = await call("compare", experiment=name)
    while answer.data["next"]["arguments"].get("role") == "confirm":
        answer = await call("run_seed", experiment=name, role="confirm", queue_all=True, wait_s=0)
        assert not answer.is_error, answer.text
    await call("compare", experiment=name)
    await call("write_report", experiment=name)

"""Honest trainings in which what looks like a sign is none: faster learning, and a budget of time."""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.in_process import InProcessEngine, Training, option, quick_tools
from tests.support.studies import a_repository, write_settings

pytestmark = pytest.mark.anyio


@pytest.fixture
def project() -> Iterator[Path]:
    with a_repository() as folder:
        yield folder


def learns(argv: Sequence[str]) -> Training:
    """Twenty steps, of which every second one is logged; twice the rate is twice as fast, and ends lower."""
    rate, rng = float(option(argv, "--lr", "0.1")), random.Random(int(option(argv, "--seed")))
    own = rng.gauss(0, 0.01)
    values = [(step, 3 - rate + 2 * math.exp(-3 * rate * step) + own + rng.gauss(0, 0.002)) for step in range(2, 21, 2)]
    return Training("".join(f"Step {step} | val_loss: {value:.6f}\n" for step, value in values))


def lasts_for_a_time(argv: Sequence[str]) -> Training:
    """As many steps as the time allows, and one value: a repeat ends as far from its first run as another seed."""
    own, gain = random.Random(int(option(argv, "--seed"))).gauss(0, 0.01), float(option(argv, "--gain", "0"))
    busy = 0.01 if "probe" in option(argv, "--output_dir") else 0.0
    return Training(f"val_loss: {4 - gain + own + busy:.6f}\n", wall_time_s=100.0)


@pytest.mark.parametrize(
    ("trains", "rules", "flags", "what"),
    [
        (learns, "", ("--lr", "0.2"), "twice the rate, and no value at step 0"),
        (lasts_for_a_time, 'budget = "time"', ("--gain", "1"), "a budget of time"),
    ],
)
async def test_an_honest_study_meets_no_sign(
    project: Path,
    trains: Callable[[Sequence[str]], Training],
    rules: str,
    flags: tuple[str, ...],
    what: str,
) -> None:
    write_settings(project, rules=rules)
    async with quick_tools(project, InProcessEngine(trains)) as call:
        await call.measure_baseline()
        status = await call("check_baseline")
        await call.measure("faster", *flags)
        answer = await call("compare", experiment="faster")
    assert (status.data["notices"], answer.data["notices"]) == ([], []), what
    assert answer.data["headline"].startswith("WINNER (unconfirmed): "), what

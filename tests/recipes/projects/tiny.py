"""The training that all stand-ins share: weights go to 1 with noise; who calls it has seeded `random`."""

import random
import time
from collections.abc import Iterator

WEIGHTS = 64


def validation_losses(rate: float, steps: int = 20, every: int = 2) -> Iterator[tuple[int, float]]:
    """Train; the step and the loss of each evaluation, by way of a real random walk."""
    weights = [random.gauss(0, 0.1) for _ in range(WEIGHTS)]
    for step in range(1, steps + 1):
        weights = [one + rate * (1 - one + 0.3 * random.gauss(0, 1)) for one in weights]
        time.sleep(0.008)  # so that a busy machine makes no run look like a fifth of another
        if step % every == 0 or step == steps:
            yield step, 3 + sum((1 - one) ** 2 for one in weights) / WEIGHTS

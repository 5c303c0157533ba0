"""What caps a WINNER at NEUTRAL: runs that are not what they seem, however good their values are."""

from dataclasses import dataclass

from seedproof.model.values import Arm, Baseline
from seedproof.verdict.probes import cancelled_seeds, did_not_train, stopped_early

__all__ = ["Cap", "caps_on"]


@dataclass(frozen=True, slots=True)
class Cap:
    """One reason not to trust an improvement."""

    word: str
    """As the headline prints it."""
    sentence: str
    """What happened, with numbers, and the way out."""


def caps_on(baseline: Baseline, arm: Arm) -> tuple[Cap, ...]:
    """The caps on an improvement of this arm; empty where its runs give no reason."""
    found = {
        "stopped early": stopped_early(baseline.arm, arm),
        "did not train": did_not_train(baseline.arm, arm),
        "cancelled seed": cancelled_seeds(baseline.arm, arm, baseline.rules.metric.name),
    }
    return tuple(Cap(word, sentence) for word, sentence in found.items() if sentence is not None)

"""Tells from two short runs of different seeds and a repeat what the seed decides, and how fine the values are."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from seedproof.metrics.numbers import parse_number, printed_step, read_number
from seedproof.model.metric_patterns import NUMBER
from seedproof.model.metric_rule import LogPattern
from seedproof.model.runs import Unread
from seedproof.sources.log_values import log_values
from seedproof.stats.coincidence import FINE_SHARE

__all__ = ["SeedEffect", "ValuesOfRun", "seed_effect", "training_losses", "values_of"]

# What nearly every training prints while it runs, whatever its metric is called: `loss: 3.21`, `train_loss=3.21`.
_TRAINING_LOSS = rf"(?i)(?<![a-z])(?:train(?:ing)?[ _/-]?)?loss['\"]?\s{{0,4}}[:=]?\s{{0,8}}['\"]?(?P<value>{NUMBER})"
# Below, equal values of two seeds may be chance: an accuracy over a few hundred cases, a rounded loss.
_TELLING_DIGITS = 1e3


@dataclass(frozen=True, slots=True)
class ValuesOfRun:
    """The values of one quantity that a run showed."""

    texts: tuple[str, ...]
    """As printed, in order; a value that a progress bar repeats stands once."""
    is_whole: bool
    """Whether the run came to its own end, so that the last one is its result."""


@dataclass(frozen=True, slots=True)
class SeedEffect:
    """What two seeds and a repeat of the first show of one quantity; None is what cannot be told."""

    first_differs: bool | None = None
    """Whether the first values of the two seeds differ."""
    last_differs: bool | None = None
    """Whether the last values differ that both seeds showed."""
    differs: bool | None = None
    """Whether any value differs that both seeds showed."""
    by_seed: float | None = None
    """How far these last values lie apart."""
    repeats: bool | None = None
    """Whether the repeat showed the values of the first run, digit by digit."""
    by_repeat: float | None = None
    """How far the last values of the two runs of one seed lie apart."""
    step: float = 0.0
    """The unit of the last printed digit; 0 where no number was printed."""
    is_telling: bool = False
    """Whether equal values say something: there are several of them, or they have at least four digits."""

    @property
    def is_without_seed(self) -> bool:
        """Whether the seed has no effect on what was shown."""
        return self.differs is False and self.is_telling

    @property
    def is_coarse(self) -> bool:
        """Whether rounding shows in the distance of the seeds, as far as two seeds that differ can tell that."""
        return bool(self.by_seed) and self.step > FINE_SHARE * (self.by_seed or 0.0) / math.sqrt(2)


def values_of(source: LogPattern, log: bytes) -> tuple[str, ...]:
    """The values of a pattern in a log as printed, in order."""
    return _without_repetitions(one.text for one in log_values(source, [log]) if not isinstance(one, Unread))


def training_losses(log: bytes) -> tuple[str, ...]:
    """The values that stand behind the word loss, which tell about the seed where the metric comes late or not at all.

    Values of evaluations are among them: whether two logs agree is all that is asked.
    """
    return values_of(LogPattern(_TRAINING_LOSS), log)


def seed_effect(first: ValuesOfRun, other: ValuesOfRun | None, repeat: ValuesOfRun | None) -> SeedEffect:
    """What the seed decides.

    Args:
        first: A run.
        other: A run of another seed; None where there was none.
        repeat: A run of the first one's seed once more; likewise.
    """
    pair, again = _common(first, other), _common(first, repeat)
    texts = [text for run in (first, other, repeat) if run is not None for text in run.texts]
    step = printed_step(texts)
    size = max((abs(value) for text in texts if (value := parse_number(text)) is not None), default=0.0)
    is_fine = step > 0 and math.isfinite(size) and size / step >= _TELLING_DIGITS
    return SeedEffect(
        first_differs=None if not pair else pair[0][0] != pair[0][1],
        last_differs=None if not pair else pair[-1][0] != pair[-1][1],
        differs=None if not pair else any(one != other_one for one, other_one in pair),
        by_seed=_distance(pair),
        repeats=None if not again else all(one == same for one, same in again),
        by_repeat=_distance(again),
        step=step,
        is_telling=bool(pair) and (is_fine or len(set(pair)) > 2),
    )


def _common(run: ValuesOfRun, other: ValuesOfRun | None) -> list[tuple[str, str]]:
    """The values that both showed at the same place; of whole runs the last ones stand last."""
    if other is None or not run.texts or not other.texts:
        return []
    found = list(zip(run.texts, other.texts, strict=False))
    if run.is_whole and other.is_whole and len(run.texts) != len(other.texts):
        found.append((run.texts[-1], other.texts[-1]))
    return found


def _distance(pairs: Sequence[tuple[str, str]]) -> float | None:
    if not pairs:
        return None
    one, other = (read_number(text, commas_are_thousands=True) for text in pairs[-1])
    if one is None or other is None or not math.isfinite(one - other):
        return None
    return abs(one - other)


def _without_repetitions(texts: Iterable[str]) -> tuple[str, ...]:
    found: list[str] = []
    for text in texts:
        if found[-1:] != [text]:
            found.append(text)
    return tuple(found)

"""The notice on a first value that does not depend on the seed."""

import math

from seedproof.metrics.numbers import finite_value, printed_step
from seedproof.model.arms import Arm
from seedproof.model.results import Notice
from seedproof.model.rules import Rules
from seedproof.model.runs import Run
from seedproof.phases.equal_values import may_be_equal
from seedproof.phases.probe import seeds_agree

__all__ = ["beginning_notices"]

# Vocabularies that are not padded; padded ones are multiples of 64.
_VOCABULARIES = frozenset({28_996, 30_522, 50_257, 50_265, 50_267, 100_277})
_PADDED_TO = 64
# A fifth: the logarithms of neighbouring numbers are then five printed steps apart.
_TELLING = 0.2
# The logarithm of a million classes.
_MOST_LOSS = 14.0


def beginning_notices(baseline: Arm, rules: Rules) -> list[Notice]:
    """A notice where the first value of a complete baseline does not depend on the seed, and the last one does."""
    found = None if rules.seed == "unseeded" else _same_beginning(baseline, rules)
    if found is None:
        return []
    step, text = found
    where = "their first value" if step is None else f"step {step}"
    what = "the initialisation does not depend" if step == 0 else "initialisation and first steps do not depend"
    message = (
        f"baseline: all {len(baseline.counted)} seeds have {rules.metric.name} {text} at {where}, and other values at "
        f"the end: {what} on the seed, unless the model's first outputs are the same whatever its weights are. Sigma "
        "does not cover what the seed does not vary."
    )
    return [Notice("same_beginning", message)]


def _same_beginning(baseline: Arm, rules: Rules) -> tuple[int | None, str] | None:
    """Step and text of the first value, if all seeds begin with that one and end with others.

    None where that may be chance, where it is the loss of equal odds, which a last layer of zeros gives, and where the
    first values agree for so long that the seed was not seen at all.
    """
    runs, name = list(baseline.counted.values()), rules.metric.name
    firsts, last = {_first(run) for run in runs}, {run.value(name) for run in runs}
    found = firsts.pop() if len(firsts) == 1 else None
    if found is None or len(last) < 2 or None in last or seeds_agree(runs, name):
        return None
    return None if may_be_equal([found[1]], rules.metric) or _is_of_equal_odds(found[1]) else found


def _first(run: Run) -> tuple[int | None, str] | None:
    return (0, run.start_text) if run.start_text is not None else next(iter(run.early), None)


def _is_of_equal_odds(text: str) -> bool:
    """Whether a number is the logarithm, natural or binary, of a number of classes."""
    value, step = finite_value(text), printed_step([text])
    for loss in () if value is None else (value, value * math.log(2)):
        classes = round(math.exp(loss)) if 0 < loss < _MOST_LOSS else 0
        for one in (classes, _PADDED_TO * round(classes / _PADDED_TO), *_VOCABULARIES):
            # Of large numbers, every printed loss is the logarithm of some whole one.
            is_telling = one in _VOCABULARIES or one % _PADDED_TO == 0 or one * step < _TELLING
            if one > 1 and is_telling and abs(math.log(one) - loss) <= 0.6 * step:
                return True
    return False

"""Finds the last steps and epochs that a log names."""

import re
from collections import deque
from dataclasses import dataclass

from seedproof.metrics.literals import Literals
from seedproof.metrics.prefixes import split_prefix
from seedproof.metrics.tracker import WINDOW, Piece

__all__ = ["STEP", "Mark", "StepTracker"]

# `Step 100`, `step:1490/1490`, `step=350/390`, `[Step 0]`, `iter 100:`, `{'step': 5}`; not
# `step time 8ms`, `step_avg:59ms`, `eval_steps: 50`.
STEP = re.compile(
    r"(?ia)(?<![a-z0-9_])(?:global[_ ])?(?:step|iter(?:ation)?)['\"]?\s{0,4}[:=#]?\s{0,8}"
    r"(?P<value>[0-9]{1,15})(?![a-z0-9_]|[.,][0-9])"
)
_EPOCH = re.compile(r"(?ia)(?<![a-z0-9_])epoch['\"]?\s{0,4}[:=#\[]?\s{0,8}(?P<value>[0-9]{1,15})")


@dataclass(frozen=True, slots=True)
class Mark:
    """A line that names a step or an epoch."""

    line: int
    """The line, from 1."""
    number: int
    """The number of the step or epoch."""
    is_step: bool
    """Whether it names a step; else an epoch alone."""


class StepTracker:
    """The last steps and epochs of a log, which is searched block by block, each from its end."""

    literals = Literals((b"step", b"iter", b"epoch"), ignore_case=True)

    def __init__(self) -> None:
        self.marks: deque[Mark] = deque(maxlen=WINDOW)
        self.step: int | None = None
        """The step that was printed last."""
        self._found: list[Mark] = []

    def search(self, piece: Piece) -> bool:
        """Look through the next piece towards the beginning of a block; whether none before it is needed."""
        for line, place in piece.candidates(self.literals):
            text = split_prefix(line)[0]
            steps = STEP.findall(text)
            epochs = [] if steps else _EPOCH.findall(text)
            if steps or epochs:
                self._found.append(Mark(place.line, int((steps or epochs)[-1]), bool(steps)))
                if len(self._found) >= WINDOW and any(mark.is_step for mark in self._found):
                    return True
        return False

    def end_block(self) -> None:
        """Add what was found in a block to what was found before."""
        self.marks.extend(reversed(self._found))
        self.step = next((mark.number for mark in self._found if mark.is_step), self.step)
        self._found = []

"""The seeds of a try."""

from itertools import count

from seedproof.model.rules import Rules

__all__ = ["trial_seeds"]


def trial_seeds(rules: Rules) -> tuple[int, int]:
    """The first two numbers from 1 on that are no seeds of the protocol.

    A try leaves no record and may be repeated with each edit: with seeds that count, whoever edits would declare the
    edit that those seeds happen to like.
    """
    taken = {*rules.all_seeds, *rules.confirm_seeds}
    free = (seed for seed in count(1) if seed not in taken)
    return next(free), next(free)

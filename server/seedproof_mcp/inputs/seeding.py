"""Reads how a training seeded itself, as its processes told it."""

from collections import Counter
from contextlib import suppress

from seedproof.model.seeding import Seeding

from seedproof_mcp.system.paths import RunPaths

__all__ = ["seeding_of"]

# A script may seed with as many numbers as it has samples.
_MOST_NUMBERS = 20


def seeding_of(run: RunPaths) -> Seeding:
    """How a training seeded itself, whose rules replace its own seed; nothing where none of its processes told it.

    Raises:
        OSError: What they told cannot be read.
    """
    moved, kept = Counter[str](), dict[int, set[str]]()
    for path in sorted(run.reads.glob("*.seeds")):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError):  # a line that was cut short
                what, name, number = line.split("\t")
                if what == "moved":
                    moved[name] += 1
                elif what == "kept":
                    kept.setdefault(int(number), set()).add(name)
    numbers = sorted(kept)[:_MOST_NUMBERS]
    return Seeding(dict(sorted(moved.items())), {str(number): tuple(sorted(kept[number])) for number in numbers})

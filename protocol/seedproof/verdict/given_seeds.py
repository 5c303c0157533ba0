"""What the runs of an arm seeded themselves with, where the rules replace the script's own seed."""

from collections.abc import Iterator, Mapping

from seedproof.model.arms import Arm
from seedproof.model.runs import Run
from seedproof.model.untrusted import one_line

__all__ = ["displaced_seed", "seeding_lines"]

_MOST_NAMED = 5


def displaced_seed(baseline: Arm, experiment: Arm) -> str | None:
    """Says that what got the run's seed in the baseline got another number in the experiment; None where it did not.

    Functions that the experiment does not call, and numbers that the baseline has as well, are no sign.
    """
    base, runs = _seeded(baseline), _seeded(experiment)
    if not base or not runs:
        return None
    given = set.intersection(*({*_moved(run)} for run in base)).difference(*(_moved(run) for run in runs))
    known = {(number, name) for run in base for number, name in _kept(run)}
    found = {
        name: sorted({number for run in runs for number, each in _kept(run) if each == name}, key=int)
        for name in sorted(given)
        if all(any(each == name and (number, each) not in known for number, each in _kept(run)) for run in runs)
    }
    if not found:
        return None
    words = "; ".join(f"{one_line(name)} by {', '.join(numbers[:_MOST_NAMED])}" for name, numbers in found.items())
    return (
        f"{experiment.experiment}: in the baseline the run's seed is what seeds {', '.join(map(one_line, found))}, and "
        f"in no run of the experiment ({words}): the seed was not seen to vary the run."
    )


def seeding_lines(baseline: Arm, experiment: Arm | None = None) -> Iterator[str]:
    """What was given the run's seed and which other numbers stayed, for a report; an experiment's where it differs."""
    line = _line(baseline)
    if line is not None:
        yield f"Seed replaced in the baseline: {line}"
    other = None if experiment is None else _line(experiment)
    if other is not None and other != line:
        yield f"Seed replaced in the experiment: {other}"


def _line(arm: Arm) -> str | None:
    runs = _seeded(arm)
    if not runs:
        return None
    moved = sorted({name for run in runs for name in _moved(run)})
    kept: dict[int, set[str]] = {}
    for number, name in (each for run in runs for each in _kept(run)):
        kept.setdefault(int(number), set()).add(name)
    stayed = [f"{number} ({', '.join(map(one_line, sorted(kept[number])))})" for number in sorted(kept)]
    more = f" and {len(stayed) - _MOST_NAMED} more" if len(stayed) > _MOST_NAMED else ""
    others = f"; other numbers stayed: {', '.join(stayed[:_MOST_NAMED])}{more}" if stayed else ""
    return f"{', '.join(map(one_line, moved))}{others}"


def _seeded(arm: Arm) -> list[Run]:
    return [run for run in arm.counted.values() if run.seeding is not None]


def _moved(run: Run) -> Mapping[str, int]:
    return {} if run.seeding is None else run.seeding.moved


def _kept(run: Run) -> Iterator[tuple[str, str]]:
    for number, names in ({} if run.seeding is None else run.seeding.kept).items():
        yield from ((number, name) for name in names)

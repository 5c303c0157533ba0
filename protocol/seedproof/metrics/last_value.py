"""Decides which of the last values of a metric counts: rank 0's, or none where nothing says which is meant."""

import itertools
import re
from collections.abc import Iterable, Sequence

from seedproof.metrics.find import Find
from seedproof.metrics.line_reader import same_text
from seedproof.metrics.steps import Mark
from seedproof.metrics.tracker import HORIZON_LINES, Tracker
from seedproof.model.runs import MetricValue, Unread

__all__ = ["last_value"]

_BAR = re.compile(r"[0-9]%|it/s|s/it|ETA")
_COUNTER = re.compile(r"(?i)(epoch|batch|step|iter)\w*\W{0,3}([0-9]+)")
_WORD = re.compile(r"[^\W\d]+")
_SAVED = re.compile(r"\bsav(?:e|es|ed|ing)\b")
# Words of a line that name no task: they say when, where from, or that the value is the newest.
_NO_TASK = re.compile(
    r"steps?|epochs?|iter(?:ation)?s?|it|m?s|min|h|eta|mon|tue|wed|thu|fri|sat|sun|jan|feb|mar|apr|may|jun|jul|aug|sep"
    r"|oct|nov|dec|am|pm|info|debug|warn(?:ing)?|error|sav(?:e|es|ed|ing)|final\w*|last|new|best|nan|inf"
)


def last_value(tracker: Tracker, marks: Sequence[Mark], *, has_labels: bool) -> MetricValue | Unread | None:
    """The last value of a metric; None where the log has none.

    Args:
        tracker: What was found.
        marks: The last steps and epochs that the log names.
        has_labels: Whether the pattern reads labels of several forms, so that two of them may be two metrics.
    """
    if not tracker.finds:
        return None if tracker.refused is None else tracker.refused.result
    newest = tracker.finds[-1].place.line
    finds = [find for find in tracker.finds if find.place.line > newest - HORIZON_LINES]
    last = finds[-1]
    if _is_ranked(finds):
        return _of_ranks(tracker, finds)
    if tracker.later is not None:
        return tracker.later.result
    same = _at_the_same_step(finds, [mark for mark in marks if mark.line > newest - HORIZON_LINES])
    if _differ(same):
        texts = ", ".join(find.text for find in same)
        return _several(
            last, texts, "between lines of the same step, as of several ranks, and nothing says which is rank 0"
        )
    other = _other_label(finds) if has_labels else None
    if other is not None:
        shown = " and ".join(f"`{(find.clause[-60:] + find.text).strip(' |,;')}`" for find in (other, last))
        return _several(last, shown, "between two labels, and nothing says which is meant")
    return last.result


def _of_ranks(tracker: Tracker, finds: Sequence[Find]) -> MetricValue | Unread:
    """The value of rank 0, or of the only process that prints one."""
    last, main = finds[-1], tracker.main
    if main is not None and (main.place.source is not None or main in finds):
        return (tracker.later_main or main).result
    by_source = {find.place.source: find for find in finds if find.place.source is not None}
    if _differ(by_source.values()):
        return _several(last, _named(by_source.values()), "between processes, and nothing says which is rank 0")
    return (tracker.later or last).result


def _several(last: Find, shown: str, where: str) -> Unread:
    return Unread(last.place.line, last.shown, f"differs {where}: {shown}")


def _named(finds: Iterable[Find]) -> str:
    return ", ".join(f"{find.place.source.name}: {find.text}" for find in finds if find.place.source)


def _differ(finds: Iterable[Find]) -> bool:
    return len({find.text if find.value is None else find.value for find in finds}) > 1


def _is_ranked(finds: Sequence[Find]) -> bool:
    """Whether the prefixes of the lines are those of processes; `0: `, `1: ` may count epochs, which only grow."""
    sources = [find.place.source for find in finds]
    if sources[-1] is None:
        return False
    if sources[-1].is_sure:
        return True
    numbers = [source.rank or 0 for source in sources if source is not None]
    return any(later < earlier for earlier, later in itertools.pairwise(numbers))


def _at_the_same_step(finds: Sequence[Find], marks: Sequence[Mark]) -> list[Find]:
    """The last values that stand at one step, though that step is printed again between them."""
    last, same = finds[-1], [finds[-1]]
    for find in reversed(finds[:-1]):
        if not _is_repeated(find, same[-1], marks) or not same_text(find, last):
            break
        same.append(find)
    return same[::-1]


def _is_repeated(find: Find, next_find: Find, marks: Sequence[Mark]) -> bool:
    """Whether the next value stands at the same step as a value, which is named once more for it."""
    if any(one.place.is_redraw or one.place.source or _BAR.search(one.before + one.rest) for one in (find, next_find)):
        return False
    if _COUNTER.findall(find.before) != _COUNTER.findall(next_find.before):
        return False
    first, last = find.place.line, next_find.place.line
    at = next((mark for mark in reversed(marks) if mark.line <= first), None)
    between = [mark for mark in marks if first < mark.line <= last]
    return (
        at is not None
        and at.is_step
        and first < last
        and len(between) > 0
        and all(mark.is_step and mark.number == at.number for mark in between)
    )


def _other_label(finds: Sequence[Find]) -> Find | None:
    """The value before the last, where its line names another task or metric in the same place and they take turns."""
    last = finds[-1]
    if last.earlier is not None and _differ([last, last.earlier]) and _are_alike(last.clause, last.earlier.clause):
        return last.earlier
    if len(finds) < 2 or not _differ(finds[-2:]) or "final" in last.before.lower():
        return None
    other, before = finds[-2], finds[-3] if len(finds) > 2 else None
    if _SAVED.search(last.before.lower()) and not _SAVED.search(other.before.lower()):
        return other
    takes_turns = before is None or _task(before.before) != _task(other.before)
    is_alike = len(_task(last.before)) == len(_task(other.before)) and _are_alike(last.before, other.before)
    return other if takes_turns and is_alike else None


def _are_alike(text: str, other: str) -> bool:
    """Whether two texts, the longer one at its end, name something else in one place and the same in all others."""
    own, others = _task(text), _task(other)
    count = min(len(own), len(others))
    return sum(mine != its for mine, its in zip(own[-count:], others[-count:], strict=True)) == 1 if count else False


def _task(text: str) -> list[str]:
    label = re.sub(r"[\s_/]+(?=loss\b)", "", text.lower())
    return [word for word in _WORD.findall(label) if not _NO_TASK.fullmatch(word)]

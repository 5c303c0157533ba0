"""Reads how far a training went from the end of its log: steps, epochs, tokens, samples, and its own end.

What can be read in two ways is not known: steps that begin anew with each epoch, bars of training and evaluation that
nothing tells apart, counts that differ. docs/how-it-runs.md lists the texts.
"""

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from seedproof.metrics.lines import decode_segment, strip_codes
from seedproof.metrics.log_end import is_early_stop, is_end, is_last_word
from seedproof.model.lengths import Lengths

__all__ = ["COUNTED_STEP", "LengthReading", "read_lengths"]


@dataclass(frozen=True, slots=True)
class LengthReading:
    """What the end of a log says of lengths."""

    lengths: Lengths
    """How far the training went."""
    lines_since: int
    """Lines from the first one with its last step, or else its last epoch, to the end; all of them without either."""


_COUNT = r"(?:[0-9]{1,3}(?:,[0-9]{3}){1,4}|[0-9]{1,15})"
_TOTAL = rf"(?:\s{{0,2}}(?:/|of)\s{{0,2}}(?P<total>{_COUNT}))?(?![a-z0-9_]|[.,][0-9])"
# `step 12/100`, `step:12/100`, `[Step 12 of 100]`, `'step': 12`, `iter 12`, `iteration: 12`, `global_step=12`.
COUNTED_STEP = re.compile(
    r"(?ia)(?<![a-z0-9_])(?:global[_ ])?(?:step|iter(?:ation)?)['\"]?\s{0,4}[:=#]?\s{0,8}\[?\s{0,8}"
    rf"(?P<value>{_COUNT}){_TOTAL}"
)
"""A step as programs print it, with the number of steps if that stands behind it."""

# `Epoch 3/10`, `epoch: 3`, `Epoch [3/10]`, `'epoch': 3.0`; not `'epoch': 2.98`.
_EPOCH = re.compile(
    r"(?ia)(?<![a-z0-9_])epoch['\"]?\s{0,4}[:=#]?\s{0,8}\[?\s{0,8}"
    rf"(?P<value>{_COUNT})(?:\.0{{1,4}}(?![0-9]))?{_TOTAL}"
)
# tqdm's `Training:  12%|#2  | 12/100 [00:03<00:25`, also without the bar; Keras's `12/100 [==>...]` and `12/100 ━━━`.
_BAR = re.compile(
    r"(?a)(?<![0-9./])(?P<value>[0-9]{1,15})/(?P<total>[0-9]{1,15})\s{1,2}"
    r"(?:\[(?:[0-9]{1,2}:[0-9:]{2,5}<|[=>.]{2})|[━╸╺]{2})"
)
_DRAWN = re.compile(r"[\s:]{0,4}[0-9]{1,3}%\|[^|]{0,400}\|\s{0,4}$")
# What a bar counts: `3.9it/s`, `2.1s/it`, `5ms/step`, `89.23tokens/s`.
_UNIT = re.compile(r"(?a)[0-9.?]\s?(?P<unit>[a-z]{2,12})/s(?![a-z])|s/(?P<other>[a-z]{2,12})")
_STEP_UNITS = ("it", "iter", "iters", "step", "steps", "batch", "batches")
_AMOUNT = r"(?P<value>[0-9]{1,3}(?:,[0-9]{3}){1,5}|[0-9]{1,18}(?:\.[0-9]{1,6})?)\s?(?P<unit>[kmbt](?![a-z0-9_]))?"
# `tokens: 1,000,000`, `total_tokens=1000`, `tokens_seen: 1.2M`; `1.2M tokens`. Not `val_tokens: 5`, `9 tokens/s`.
_AMOUNTS = {
    name: (
        words.split("|"),
        re.compile(
            rf"(?ia)(?<![a-z0-9_\-.])(?:(?:total|consumed|trained|processed)[_ ])?(?:{words})"
            r"(?:[_ ](?:seen|processed|consumed))?"
            rf"['\"]?\s{{0,4}}[:=]\s{{0,40}}{_AMOUNT}(?![a-z0-9_%]|[.,][0-9]|\s?/)"
            rf"|(?<![0-9.,a-z_\-/]){_AMOUNT.replace('value', 'plain').replace('unit', 'of')}\s{{0,2}}(?:{words})"
            r"(?![a-z_:=]|\s?/|\s(?:per|in|each|of)(?![a-z]))"
        ),
    )
    for name, words in {"tokens": "tokens", "samples": "samples|examples|images|sequences"}.items()
}
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12}
# The count that a program prints of itself after its last step: autoresearch's `num_steps:        762`.
_OWN_COUNT = re.compile(r"(?ia)^\s{0,8}(?:num|total)_steps:\s{0,20}(?P<value>[0-9]{1,15})\s{0,8}$")
# Words before a step or an epoch, and in the label of a bar, that make it another one's.
_OTHER = re.compile(r"(?ia)(?<![a-z])(?:val|eval|test|dev|warm|sanity|predict|sampl|infer)")
# Lines about a state that was saved, or comes back, name its step.
_ABOUT_ANOTHER = re.compile(r"(?ia)(?<![a-z])(?:best|restor|resum|reload|load(?:ed|ing)|from)")
_TRAINING = re.compile(r"(?ia)train|fit|epoch|step|iter|^[^a-z]*$")
_OTHER_AMOUNT = re.compile(
    r"(?ia)(?<![a-z])(?:val|eval|test|batch|vocab|per(?![a-z])|context|prompt|data ?set|max|limit|target|budget|load"
    r"|found|num|with(?![a-z]))"
)
# What a line must hold to be looked at, in lower case.
_HINT = re.compile(
    rb"step|iter|epoch|[0-9]/[0-9]|tokens|samples|examples|images|sequences|train|run|all |finetuning|early"
)
# Longer lines are no lines about lengths: documents, source code.
_LINE_BYTES = 2000


@dataclass(frozen=True, slots=True)
class _Count:
    """A number with its total, if it was printed with one."""

    line: int
    value: int
    total: int | None = None
    label: str = ""
    epoch: tuple[int, int | None] | None = None
    """Epoch and number of epochs on the same line."""


@dataclass(slots=True)
class _Found:
    """What was found, in the order of the log."""

    steps: list[_Count] = field(default_factory=list)
    epochs: list[_Count] = field(default_factory=list)
    bars: list[_Count] = field(default_factory=list)
    amounts: dict[str, list[_Count]] = field(default_factory=lambda: {name: [] for name in _AMOUNTS})
    own: list[_Count] = field(default_factory=list)
    ends: list[tuple[int, bool]] = field(default_factory=list)
    """Line of each text that says the end, and whether it is one of early stopping."""


def read_lengths(end: bytes) -> LengthReading:
    """How far a training went.

    Args:
        end: The end of its log, from the beginning of a line.
    """
    found, lines = _Found(), end.split(b"\n")
    for number, line in enumerate(lines):
        for segment in line.split(b"\r"):
            if segment and len(segment) <= _LINE_BYTES and _HINT.search(segment.lower()):
                _look(found, number, decode_segment(strip_codes(segment)))
    last = next((number for number in range(len(lines) - 1, -1, -1) if lines[number].strip()), 0)
    if lines and is_last_word(decode_segment(strip_codes(lines[last].rsplit(b"\r")[-1][:_LINE_BYTES]))):
        found.ends.append((last, False))
    steps = _of_whole_training(found.steps) if found.steps else _of_one_bar(found)
    lengths = _lengths(found, steps)
    counts = steps or found.epochs
    first = next((one.line for one in counts if one.value == counts[-1].value), 0)
    return LengthReading(lengths, len(lines) - (not lines[-1]) - first)


def _look(found: _Found, line: int, text: str) -> None:
    lowered = text.lower()
    if ("step" in lowered or "iter" in lowered or "epoch" in lowered) and not _ABOUT_ANOTHER.search(text):
        epoch = next(_counts(_EPOCH, text, line), None)
        of = None if epoch is None else (epoch.value, epoch.total)
        if epoch is not None:
            found.epochs.append(epoch)
        found.steps += [replace(one, epoch=of) for one in _counts(COUNTED_STEP, text, line)]
        own = _OWN_COUNT.search(text)
        found.own += [] if own is None else [_Count(line, int(own["value"]))]
    if "/" in text:
        _look_for_bars(found, line, text)
    for name, (hints, pattern) in _AMOUNTS.items():
        if any(hint in lowered for hint in hints) and not _OTHER_AMOUNT.search(text):
            found.amounts[name] += [_Count(line, _amount(match)) for match in pattern.finditer(text)]
    if is_end(text):
        found.ends.append((line, is_early_stop(text)))


def _counts(pattern: re.Pattern[str], text: str, line: int) -> Iterator[_Count]:
    for match in pattern.finditer(text):
        word = text[max(0, match.start() - 20) : match.start()].rstrip(" _[:|").rpartition(" ")[2]
        if not _OTHER.search(word):
            total = match["total"]
            yield _Count(line, _plain(match["value"]), None if total is None else _plain(total))


def _look_for_bars(found: _Found, line: int, text: str) -> None:
    """Take the bars of training; one that counts tokens tells those."""
    for match in _BAR.finditer(text):
        label = _DRAWN.sub("", text[max(0, match.start() - 500) : match.start()]).rpartition("]")[2]
        unit = _UNIT.search(text, match.end())
        count = _Count(line, int(match["value"]), int(match["total"]), re.sub(r"[0-9]", "", label))
        if _OTHER.search(label) or not _TRAINING.search(label):
            continue
        if unit is None or (unit["unit"] or unit["other"]) in _STEP_UNITS:
            found.bars.append(count)
        elif (unit["unit"] or unit["other"]) in ("tok", "tokens"):
            found.amounts["tokens"].append(count)


def _plain(text: str) -> int:
    return int(text.replace(",", ""))


def _amount(match: re.Match[str]) -> int:
    text, unit = match["value"] or match["plain"], match["unit"] or match["of"] or ""
    return int(Decimal(text.replace(",", "")) * _UNITS[unit.lower()])


# --- one reading or none ----------------------------------------------------------------------


def _of_whole_training(steps: Sequence[_Count]) -> Sequence[_Count]:
    """The steps, if they count the whole training; none where they may begin anew with each epoch."""
    totals = {one.total for one in steps if one.total is not None}
    if len(totals) > 1 or not _never_falls(steps):
        return ()
    with_epoch = [one for one in steps if one.epoch is not None]
    if any(_fits(one) is False for one in with_epoch):
        return ()
    epochs = {one.epoch[0]: one.value for one in with_epoch if one.epoch is not None}
    if len(epochs) > 1:  # one print in each epoch, always at its last step
        return steps if len(set(epochs.values())) == len(epochs) else ()
    if with_epoch and min(epochs) > 1 and any(_fits(one) is None for one in with_epoch):
        return ()
    return steps


def _fits(step: _Count) -> bool | None:
    """Whether a step is where its epoch is, if it counts the whole training; None where that is not known."""
    epoch, epochs = step.epoch or (0, None)
    if not step.total or not epochs:
        return None
    return (epoch - 1) * step.total <= step.value * epochs <= (epoch + 1) * step.total


def _of_one_bar(found: _Found) -> Sequence[_Count]:
    """The counts of the only bar of training; none where there are several, or the bar begins anew with each epoch."""
    kinds = {(one.label, one.total) for one in found.bars}
    return found.bars if len(kinds) == 1 and not found.epochs and _never_falls(found.bars) else ()


def _never_falls(counts: Sequence[_Count]) -> bool:
    return all(one.value <= other.value for one, other in itertools.pairwise(counts))


def _lengths(found: _Found, steps: Sequence[_Count]) -> Lengths:
    epochs = found.epochs if _never_falls(found.epochs) else []
    own = next((one.value for one in found.own if steps and _is_own_count(one, steps)), None)
    return Lengths(
        step=own if own is not None else steps[-1].value if steps else None,
        steps=_only({one.total for one in steps if one.total is not None}),
        epoch=epochs[-1].value if epochs else None,
        epochs=_only({one.total for one in epochs if one.total is not None}),
        tokens=_last_amount(found.amounts["tokens"]),
        samples=_last_amount(found.amounts["samples"]),
        reached_end=True if own is not None else _reached_end(found, steps, epochs),
    )


def _only(values: set[int]) -> int | None:
    return next(iter(values)) if len(values) == 1 else None


def _last_amount(counts: Sequence[_Count]) -> int | None:
    """The last of counts that grow; one and the same at each step is that of a batch."""
    if not counts or not _never_falls(counts) or (len(counts) > 2 and counts[0].value == counts[-1].value):
        return None
    return counts[-1].value


def _is_own_count(own: _Count, steps: Sequence[_Count]) -> bool:
    gap = _gap(steps)
    return gap is not None and own.line > steps[-1].line and 0 <= own.value - steps[-1].value <= gap


def _gap(counts: Sequence[_Count]) -> int | None:
    """The distance of the last two counts that were printed; None where only one was."""
    before = next((one.value for one in reversed(counts) if one.value != counts[-1].value), None)
    return None if before is None else counts[-1].value - before


def _reached_end(found: _Found, steps: Sequence[_Count], epochs: Sequence[_Count]) -> bool | None:
    last = max((one.line for one in (*found.steps, *found.epochs, *steps)), default=0)
    ends = [is_early for line, is_early in found.ends if line >= last]
    if any(ends):
        return True
    counted = _counted_to_end(steps, _gap) if steps else _counted_to_end(epochs, lambda _: 1)
    # Its last step far from the last one, and a text that says the end: one of them is not about the training.
    if ends:
        return None if counted is False else True
    if counted and not steps:  # an epoch may be printed where it begins: then nothing says that it ended
        return None
    return counted


def _counted_to_end(counts: Sequence[_Count], gap: Callable[[Sequence[_Count]], int | None]) -> bool | None:
    """Whether the last count is the last of all; None where the next one might have been."""
    if not counts or counts[-1].total is None:
        return None
    missing, step = counts[-1].total - counts[-1].value, gap(counts)
    if missing <= 0:
        return True
    return False if step is not None and missing > step else None

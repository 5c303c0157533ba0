"""Finds what may be the metric where nothing was read: in the log and in small files, with the settings for each."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from pydantic import ValidationError

from seedproof.metrics.numbers import parse_number
from seedproof.model.metric_rule import MetricRule
from seedproof.model.untrusted import one_line, safe_tail
from seedproof.sources.file_numbers import is_table, numbers_of
from seedproof.sources.labelled import last_labelled, pattern_for
from seedproof.sources.metric_labels import OF_TRAINING, Direction, contradicts, direction_of, name_of, rank_of

__all__ = ["LOG", "MOST_HINTS", "NearMiss", "like_value", "likely_metrics", "near_misses"]

LOG = "the log"
"""Where a number stands that was printed."""
MOST_HINTS = 5
"""More is no hint."""
SHOWN_CHARS = 160

_WORD = re.compile(r"[a-z]+|[0-9]+")
_SAME_WORDS = (
    {"val", "valid", "validation", "eval", "evaluation", "test", "dev", "heldout"},
    {"acc", "accuracy"},
    {"ppl", "perplexity"},
    {"err", "error"},
)
# A value under such a name is another quantity, unless the metric has the word as well.
_OTHER_QUANTITY = frozenset({"train", "training", "best", "min", "max", "lowest", "highest", "lr", "time", "target"})
_LIKE = 0.75  # `lss` and `loss`: 0.86; `loss` and `less`: 0.75
_LEAST_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A number that may be the metric, and the settings that read it."""

    where: str
    """`the log`, or the file."""
    text: str
    """What stands there, escaped and cut."""
    value: str
    """The number as printed."""
    settings: tuple[str, ...]
    """The lines of `[rules.metric]` that read it."""
    name: str
    """What the metric is called: as it was, or by the words of the label where those are others."""
    direction: Direction
    """Which way is better, as its name says."""
    line: int | None = None
    """Its line in the log that was given."""


def near_misses(metric: MetricRule, log: bytes, files: Mapping[str, bytes]) -> list[NearMiss]:
    """At most five numbers that may be the metric, the likeliest first.

    Where none has a label like the metric's name, those that are metrics by their own label; their settings name them.

    Args:
        metric: The metric that was not found.
        log: The end of the log.
        files: Files of the output folder, by their path from there.
    """
    found = [*_of_log(metric, log)]
    for path in sorted(files):
        found += _of_file(metric, path, files[path])
    found.sort(key=lambda one: -one[0])  # a stable sort: the log stays before the files
    return [hint for _, hint in found[:MOST_HINTS]] or [_named(one) for one in likely_metrics(log, files)]


def likely_metrics(log: bytes, files: Mapping[str, bytes], *, of_training: bool = False) -> list[NearMiss]:
    """At most five numbers that are metrics by their label, the likeliest first: held-out data before other values.

    Args:
        log: The end of the log.
        files: Files of the output folder, by their path from there.
        of_training: Take what the training itself reports as well.
    """
    found = []
    for label, (match, line) in last_labelled(log).items():
        rank, metric = rank_of(label), _metric_of(label)
        if metric is not None and rank is not None and (of_training or rank[0] < OF_TRAINING):
            found += [(rank, hint) for hint in _in_log(metric, match, line, log)]
    for path in sorted(files):
        for place, text in numbers_of(path, files[path]).items():
            label = place if direction_of(place) is not None else f"{path.rpartition('.')[0]} {place}"
            rank, metric = rank_of(label), _metric_of(label)
            if metric is not None and rank is not None and (of_training or rank[0] < OF_TRAINING):
                found += [(rank, hint) for hint in _in_file(metric, path, place, text)]
    found.sort(key=lambda one: one[0])
    return [hint for _, hint in found[:MOST_HINTS]]


_Scored = tuple[float, NearMiss]


def _metric_of(label: str) -> MetricRule | None:
    """A metric with the name and direction of a label; None where it names none."""
    name, direction = name_of(label), direction_of(label)
    if name is None or direction is None:
        return None
    return MetricRule(name=name, direction=direction, pattern="(?P<value>.)")


def _named(hint: NearMiss) -> NearMiss:
    """A hint whose settings have the name as well, and the direction where it is not the default."""
    way = (f'direction = "{hint.direction}"',) if hint.direction != "minimize" else ()
    return replace(hint, settings=(f'name = "{hint.name}"', *way, *hint.settings))


def _likeness(metric: MetricRule, label: str) -> float:
    """The share of the words of a metric's name that a label has; 0 for another quantity."""
    wanted, found = (_WORD.findall(text.lower()) for text in (metric.name, label))
    if not wanted or (_OTHER_QUANTITY & set(found)) - set(wanted):
        return 0.0
    if contradicts(metric.name, metric.direction, label):
        return 0.0
    share = sum(any(_is_like(word, other) for other in found) for word in wanted) / len(wanted)
    return share if share >= _LEAST_SHARE else 0.0


def _is_like(word: str, other: str) -> bool:
    if word == other or any({word, other} <= same for same in _SAME_WORDS):
        return True
    return len(word) > 2 and SequenceMatcher(None, word, other).ratio() >= _LIKE


# --- the log ----------------------------------------------------------------------------------

# `loss is 3.9`, `loss now: 3.9`. A training loss, a target and the loss before the first step tell no result.
_LINKING = frozenset({"is", "was", "of", "at", "now", "value"})
_TELLS_NO_RESULT = frozenset({"train", "training", "target", "initial", "expected"})


def like_value(metric: MetricRule, log: bytes) -> tuple[str, str] | None:
    """Label and text of the last finite number of the metric's kind, such as `eval/loss 3.98` for val_loss.

    It counts as shown to whoever reads the log, though no pattern reads it. `val_batch_size: 8` is of another kind.
    """
    own = _WORD.findall(metric.name)
    wanted = [next((word for word in reversed(own) if word.isalpha()), metric.name), "loss"]
    for match, _ in last_labelled(log).values():
        words = [word for word in _WORD.findall(match["label"].lower()) if word.isalpha() and word not in _LINKING]
        is_kind = bool(words) and any(_is_like(word, words[-1]) for word in wanted)
        number = parse_number(match["value"])
        if is_kind and number is not None and math.isfinite(number) and not (_TELLS_NO_RESULT & set(words)) - set(own):
            return match["label"], match["value"]
    return None


def _of_log(metric: MetricRule, log: bytes) -> Iterator[_Scored]:
    """The last value under each label of the log that is like the metric's name, read as the settings would."""
    for label, (match, line) in last_labelled(log).items():
        score = _likeness(metric, label)
        if score:
            yield from ((score, hint) for hint in _in_log(_called(metric, label, score), match, line, log))


def _called(metric: MetricRule, label: str, score: float) -> MetricRule:
    """The metric itself where a label has each word of its name, else the one that the label names."""
    return metric if score == 1 else _metric_of(label) or metric


def _in_log(metric: MetricRule, match: re.Match[str], line: str, log: bytes) -> Iterator[NearMiss]:
    found = pattern_for(metric, match, line, log)
    if found is not None:
        pattern, number = found
        settings = (f"pattern = {_toml(pattern)}",)
        yield NearMiss(LOG, _shown(line), match["value"], settings, metric.name, metric.direction, number)


# --- files ------------------------------------------------------------------------------------


def _of_file(metric: MetricRule, path: str, data: bytes) -> Iterator[_Scored]:
    for place, text in numbers_of(path, data).items():
        label = f"{place} {path.rsplit('.', 1)[0]}"
        score = 0.0 if contradicts(metric.name, metric.direction, place) else _likeness(metric, label)
        if score:
            named = _called(metric, place, score) if direction_of(place) is not None else metric
            yield from ((score, hint) for hint in _in_file(named, path, place, text))


def _in_file(metric: MetricRule, path: str, place: str, text: str) -> Iterator[NearMiss]:
    field = "column" if is_table(path) else "path"
    if _is_rule(metric, {"file": path, field: place}):
        settings = (f"file = {_toml(path)}", f"{field} = {_toml(place)}")
        shown = _shown(f"{place}: {text}")
        yield NearMiss(one_line(path), shown, text, settings, metric.name, metric.direction)


# --- settings ---------------------------------------------------------------------------------


def _rule(metric: MetricRule, **source: str) -> MetricRule:
    return MetricRule.model_validate({"name": metric.name, "direction": metric.direction, **source})


def _is_rule(metric: MetricRule, source: Mapping[str, str]) -> bool:
    try:
        _rule(metric, **source)
    except ValidationError:
        return False
    return True


def _toml(text: str) -> str:
    """A text as a TOML string; a literal one where it can be, as patterns have backslashes."""
    return f"'{text}'" if "'" not in text and text.isprintable() else json.dumps(text)


def _shown(text: str) -> str:
    """Untrusted text for a reply: masked, escaped and cut."""
    shown = one_line(safe_tail(text.encode("utf-8", "replace"), max_lines=1))
    return shown if len(shown) <= SHOWN_CHARS else f"{shown[:SHOWN_CHARS]}…"

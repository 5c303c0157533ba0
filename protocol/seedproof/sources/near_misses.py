"""Finds what may be the metric where nothing was read: in the log and in small files, with the settings for each."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher

from pydantic import ValidationError

from seedproof.metrics.lines import clean_line
from seedproof.metrics.numbers import parse_number
from seedproof.metrics.scanner import LogScanner
from seedproof.model.metric_rule import MetricRule
from seedproof.model.untrusted import one_line, safe_tail
from seedproof.sources.file_numbers import is_table, numbers_of

__all__ = ["LOG", "MOST_HINTS", "NearMiss", "like_value", "likely_numbers", "near_misses"]

LOG = "the log"
"""Where a number stands that was printed."""
MOST_HINTS = 5
"""More is no hint."""
SHOWN_CHARS = 160
_LAST_LINES = 5_000  # of a log: what is printed at all is mostly printed near the end
_MOST_LABELS = 200

# `valid_loss: 0.31`, `validation loss = 0.31`, `"val/loss": 0.31`, `Validation loss 0.31`.
_LABELLED = re.compile(
    r"(?P<label>[A-Za-z][A-Za-z0-9_./]{0,40}(?:[ -][A-Za-z][A-Za-z0-9_./]{0,40}){0,3})"
    r"(?P<separator>['\"]?\s{0,8}(?:[:=]|\s)\s{0,40}['\"]?)"
    r"(?P<value>[+-]?(?:[0-9.][0-9.,_]{0,80}(?:[eE][+-]?[0-9]{1,5})?(?<![,_])|nan|inf(?:inity)?))"
    r"(?=$|[\s;|)\]}%'\"]|,(?![0-9]))",
    re.IGNORECASE,
)
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
    is_named: bool = True
    """Whether every word of the metric's name stands there."""


def near_misses(metric: MetricRule, log: bytes, files: Mapping[str, bytes]) -> list[NearMiss]:
    """At most five numbers that may be the metric, the likeliest first.

    Args:
        metric: The metric that was not found.
        log: The end of the log.
        files: Files of the output folder, by their path from there.
    """
    found = [*_of_log(metric, log)]
    for path in sorted(files):
        found += _of_file(metric, path, files[path])
    found.sort(key=lambda one: -one[0])  # a stable sort: the log stays before the files
    return [hint for _, hint in found[:MOST_HINTS]]


_Scored = tuple[float, NearMiss]


def _likeness(name: str, label: str) -> float:
    """The share of the words of a metric's name that a label has; 0 for another quantity."""
    wanted, found = (_WORD.findall(text.lower()) for text in (name, label))
    if not wanted or (_OTHER_QUANTITY & set(found)) - set(wanted):
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
    for match, _ in _last_labelled(log).values():
        words = [word for word in _WORD.findall(match["label"].lower()) if word.isalpha() and word not in _LINKING]
        is_kind = bool(words) and any(_is_like(word, words[-1]) for word in wanted)
        number = parse_number(match["value"])
        if is_kind and number is not None and math.isfinite(number) and not (_TELLS_NO_RESULT & set(words)) - set(own):
            return match["label"], match["value"]
    return None


def _of_log(metric: MetricRule, log: bytes) -> Iterator[_Scored]:
    """The last value under each label of the log that is like the metric's name, read as the settings would."""
    for label, (match, line) in _last_labelled(log).items():
        score = _likeness(metric.name, label)
        pattern = _pattern_for(metric, match, log) if score else None
        if pattern is not None:
            setting = f"pattern = {_toml(pattern)}"
            yield score, NearMiss(LOG, _shown(line), match["value"], (setting,), score == 1.0)


def _last_labelled(log: bytes) -> dict[str, tuple[re.Match[str], str]]:
    found: dict[str, tuple[re.Match[str], str]] = {}
    for segment in reversed(re.split(rb"[\r\n]", log)[-_LAST_LINES:]):
        line = clean_line(segment)
        for match in reversed(list(_LABELLED.finditer(line))):
            if len(found) < _MOST_LABELS:
                found.setdefault(match["label"].lower(), (match, line))
    return found


def _pattern_for(metric: MetricRule, match: re.Match[str], log: bytes) -> str | None:
    """A pattern that reads this value of the log, and no later one; None where the simple ones do not."""
    words = r"\s+".join(re.escape(word) for word in match["label"].split())
    separator = match["separator"].strip()
    middle = r"\s*".join(re.escape(sign) for sign in separator.replace(" ", ""))
    middle = rf"\s*{middle}\s*" if middle else r"\s+"
    for value in (r"\S+", r"""[^\s,;|)\]}%'"]+"""):
        pattern = rf"(?<![\w./-]){words}{middle}(?P<value>{value})"
        scanner = LogScanner((_rule(metric, pattern=pattern),))
        scanner.feed(log)
        read = scanner.finish().metrics.get(metric.name)
        if read is not None and read.text == match["value"]:
            return pattern
    return None


# --- files ------------------------------------------------------------------------------------


def _of_file(metric: MetricRule, path: str, data: bytes) -> Iterator[_Scored]:
    field = "column" if is_table(path) else "path"
    for place, text in numbers_of(path, data).items():
        score = _likeness(metric.name, f"{place} {path.rsplit('.', 1)[0]}")
        if score and _is_rule(metric, {"file": path, field: place}):
            settings = (f"file = {_toml(path)}", f"{field} = {_toml(place)}")
            yield score, NearMiss(one_line(path), _shown(f"{place}: {text}"), text, settings, score == 1.0)


# A column or key with one of these words may be the metric, whatever else it is called; evaluations come first.
_RESULTS = (
    {"val", "valid", "validation", "dev", "eval", "evaluation", "heldout"},
    {"test"},
    {"acc", "accuracy", "f1", "auc", "score", "reward", "return"},
    {"loss", "perplexity", "ppl", "error", "err"},
)
_HIGHER = re.compile(r"acc|\bmap|_map|bleu|rouge|f1|auc|iou|dice|reward|return|score|r2|precision|recall|ndcg|psnr")


def likely_numbers(files: Mapping[str, bytes]) -> list[NearMiss]:
    """Numbers of files that may be a metric by their own names, evaluations first; the settings name them as well."""
    found: list[_Scored] = []
    for path in sorted(files):
        for place, text in numbers_of(path, files[path]).items():
            spelled = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", place).lower()  # `valLoss`
            words = {*re.findall(r"[a-z0-9]+", spelled), *_WORD.findall(spelled)}
            rank = next((rank for rank, some in enumerate(_RESULTS) if some & words), None)
            name = re.sub(r"[^a-z0-9]+", "_", spelled).strip("_")[:64]
            if rank is None or _OTHER_QUANTITY & words or not name[:1].isalpha():
                continue
            way = ('direction = "maximize"',) if _HIGHER.search(spelled) else ()
            field = "column" if is_table(path) else "path"
            settings = (f'name = "{name}"', *way, f"file = {_toml(path)}", f"{field} = {_toml(place)}")
            found.append((-rank, NearMiss(one_line(path), _shown(f"{place}: {text}"), text, settings)))
    found.sort(key=lambda one: -one[0])
    return [hint for _, hint in found]


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

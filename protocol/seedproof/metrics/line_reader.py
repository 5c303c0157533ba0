"""Finds the last value of a pattern on one line, and says what is wrong with one that cannot be read."""

import re
from collections.abc import Iterator
from dataclasses import replace

from seedproof.metrics.find import MATCHED_CHARS, Find, Place
from seedproof.metrics.literals import value_group
from seedproof.metrics.numbers import NUMBER_GOES_ON, finite_value, parse_number, read_number
from seedproof.model.metric_rule import LogPattern, MetricRule
from seedproof.model.runs import MetricValue

__all__ = ["LineReader", "SameLine", "also_matches", "same_text"]

_NAME_CHARS = 64  # looked at before a match: no search to the end of a name begins at every letter of a line
_KEY_CHARS = 1000  # of a line before its value; a longer one is compared with no other

_NOT_FINITE = re.compile(r"[+-]?(?:nan|inf(?:inity)?)(?![a-z0-9_])", re.IGNORECASE)
_NUMBER_LIKE = re.compile(r"(?:[+\-−]?[.,]?[0-9]|[+\-−]?[¤$€£])\S*")
_NO_VALUE = re.compile(
    r"-{1,9}(?![\w>-])|[—–]{1,9}(?!\w)|\?{1,9}(?!\w)|\*{2,99}(?!\w)|#{2,99}(?!\w)"
    r"|(?:n/?a|none|null|nil|undefined|overflow)(?![a-z0-9_])|<(?:na|nan|none)>",
    re.IGNORECASE,
)
# `tensor(0.31, device='cuda:0')`, `np.float64(nan)`, `[0.31]`
_WRAPPED = re.compile(r"(?:[a-z_][\w.]{0,40})?[(\[]{1,3}\s*(?=[+-]?(?:\.?[0-9]|nan|inf))", re.IGNORECASE)
_QUOTES = "'\"`<"
_CUT_BEFORE = re.compile(r"[0-9.]$|[0-9.][eEdD][+-]?$|[0-9]['’_]$|(?:^|[\s:=(\[,|'\"])[-−]$")

_MAY_HAVE_COMMA = re.compile(r"[+-]?(?:[0-9]{1,20}|[0-9]{1,3}(?:\.[0-9]{3})+)")  # `7,618`, `4,12`, `1.012,4`
_COMMA = re.compile(r",[0-9]")
_WORD, _WORD_END = re.compile(r"\S*"), re.compile(r"\S*$")
_NAME, _NAME_END = re.compile(r"\w+"), re.compile(r"\w+$")
_BEHIND = ",;:)]}|'\"%"
_FULL_STOP = re.compile(r"[+-]?[0-9]*\.[0-9]+\.")

# What may differ before the value between two lines that say the same: numbers, spaces, the rule of a bar.
_VARIABLE = re.compile(
    r"(?P<number>(?<![a-z_])[+-]?(?:nan|inf(?:inity)?|n/a|none)(?![a-z_])|--+(?=\s|$)|[+-]?\.?[0-9][0-9.,]*(?:e[+-]?[0-9]+)?)"
    r"|(?P<space>\s+)|(?P<rule>[^\x00-\x7f\s]+)",
    re.IGNORECASE,
)
_ANY_NUMBER = r"(?:[+-]?\.?[0-9][0-9.,]*+(?:e[+-]?[0-9]++)?|[+-]?(?:nan|inf(?:inity)?|n/a|none)|-++)"
_PROSE = re.compile(r"[a-z]{2,}(?=[\s,.;!]|$)")
_SPARKLINE = re.compile("[▁▂▃▄▅▆▇█]{2,}")


class LineReader:
    """Reads the values of one pattern from single lines."""

    def __init__(self, pattern: str) -> None:
        self._regex = re.compile(pattern)
        self._group = value_group(pattern)

    def read(self, line: str, place: Place) -> Find | None:
        """The last value on a line: a number, nan or inf, or one that cannot be read. None without any.

        The pattern is matched against the line without its launcher's prefix, and where it does not match
        there, against the whole line: a pattern may ask for `[rank0]`.
        """
        text, own = place.split(line)
        found = self._last(text, own)
        if found is None and len(text) < len(line):
            found = self._last(line, Place(place.line, None, place.is_redraw))
        return found

    def _last(self, text: str, place: Place) -> Find | None:
        wide = None if self._group.wide is None else [one for one in self._group.wide.finditer(text) if one["value"]]
        if not wide and self._group.wide_finds_all:
            return None
        found, end = None, 0
        for match in self._regex.finditer(text):
            one = None if match["value"] is None else self._of_match(match, place, found, end)
            if one is not None and not (one.is_word and found is not None):
                found, end = one, match.end()
        if found is not None and self._group.wide is not None:  # again from there: any text may take in what follows it
            wide = [one for one in self._group.wide.finditer(text, end) if one["value"]]
        claimed = [(match, _claim(match["value"])) for match in wide or ()]
        later = [(match, claim) for match, claim in claimed if claim is not None]
        return _claimed(*later[-1], place) if later else found

    def read_all(self, line: str, place: Place) -> list[tuple[str | None, Find | None]]:
        """Every match on a line, in order: what its group `name` has, and its value; None for each that it lacks."""
        text, own = place.split(line)
        found = list(self._all(text, own))
        if not found and len(text) < len(line):
            found = list(self._all(line, Place(place.line, None, place.is_redraw)))
        return found

    def _all(self, text: str, place: Place) -> Iterator[tuple[str | None, Find | None]]:
        earlier, end, has_value = None, 0, False
        for match in self._regex.finditer(text):
            find = None if match["value"] is None else self._of_match(match, place, earlier, end)
            yield match.groupdict().get("name"), find
            if find is not None and not find.is_word:
                earlier, end, has_value = find, match.end(), True
        if self._group.wide is not None:
            for match in self._group.wide.finditer(text, end if has_value else 0):
                claim = _claim(match["value"]) if match["value"] else None
                if claim is not None:
                    yield match.groupdict().get("name"), _claimed(match, claim, place)

    def _of_match(self, match: re.Match[str], place: Place, earlier: Find | None, since: int) -> Find | None:
        start, end = _trimmed(match)
        printed = match.string[start:end]
        if read_number(printed, commas_are_thousands=self._group.commas_are_thousands) is None:
            claim = _claim(match["value"].strip())
            if claim is None:
                return replace(_unread(match, place, match["value"].strip()), is_word=True)
            return _claimed(match, claim, place)
        if self._is_cut_before(match.string[max(0, start - 3) : start], printed) or self._goes_on(
            match.string, end, printed
        ):
            # `inf` of `info` is no number at all.
            return None if printed[-1:].isalpha() else _unread(match, place, _whole_word(match.string, start, end))
        found = _find(match, place, printed, finite_value(printed), None)
        if earlier is None:
            return found
        clause, matched = match.string[since:start], match.string[since - len(earlier.matched) : match.end()]
        # Where a pattern matches two names on one line, both are shown: see `also_matches`.
        has_two_names = _name(earlier.matched) != _name(found.matched) and len(matched) <= MATCHED_CHARS
        return replace(found, clause=clause, earlier=earlier, matched=matched if has_two_names else found.matched)

    def _is_cut_before(self, before: str, printed: str) -> bool:
        if self._group.minus_before and re.search(r"(?<![eE])-$", before):
            return False
        is_third_group = re.search(r"[0-9],$", before) and re.fullmatch(r"[0-9]{3}(?:\.[0-9]*)?", printed)
        return bool(_CUT_BEFORE.search(before) or (is_third_group and not self._group.comma_before))

    def _goes_on(self, line: str, end: int, printed: str) -> bool:
        is_word = printed[-1:].isalpha() and line[end : end + 1].isalpha()
        has_comma = _MAY_HAVE_COMMA.fullmatch(printed) and _COMMA.match(line, end) and not self._group.comma_after
        return bool(is_word or has_comma or NUMBER_GOES_ON.match(line, end))


def _trimmed(match: re.Match[str]) -> tuple[int, int]:
    """Where the value begins and ends without quotes around it, the comma or bracket behind it, and a percent sign."""
    start, end = match.span("value")
    while start < end and match.string[start] in "'\"":
        start += 1
    while start < end and match.string[end - 1] in _BEHIND:
        end -= 1
    return start, end - 1 if _FULL_STOP.fullmatch(match.string, start, end) else end


def _whole_word(line: str, start: int, end: int) -> str:
    """A part of a line with all that stands before and behind it without a space."""
    first, last = _WORD_END.search(line, max(0, start - _NAME_CHARS), start), _WORD.match(line, end)
    assert first is not None and last is not None  # both match an empty text
    return line[first.start() : last.end()]


def _claim(text: str) -> str | None:
    """What stands for a value at the beginning of a text: a number in any form, nan, a sign that there is none."""
    text = text.lstrip(_QUOTES) if text[:1] in _QUOTES and not _NO_VALUE.match(text) else text
    for form in (_NOT_FINITE, _NO_VALUE):
        if (match := form.match(text)) is not None:
            return match.group()
    if (match := _WRAPPED.match(text)) is not None:
        inner = _NOT_FINITE.match(text, match.end())
        return text if inner is None else inner.group()
    number = _NUMBER_LIKE.match(text)
    return None if number is None else number.group().rstrip(_BEHIND + ".!")


def _claimed(match: re.Match[str], claim: str, place: Place) -> Find:
    if _NOT_FINITE.fullmatch(claim):
        return _find(match, place, claim, None, None)
    return _unread(match, place, claim)


def _unread(match: re.Match[str], place: Place, printed: str) -> Find:
    return _find(match, place, printed, None, _fault(printed))


def _fault(printed: str) -> str:
    shown = printed if len(printed) <= 40 else f"{printed[:39]}…"
    if parse_number(printed) is not None:
        return f"was last printed as {shown}, which its pattern does not read"
    if re.fullmatch(r"[+-]?[0-9]{1,3},[0-9]{3}", printed):
        return f"was last printed as {shown}, which is a decimal comma or one between thousands"
    if not shown:
        return "was last printed without a value"
    return f"was last printed as {shown}, which is no number that can be read"


def _find(match: re.Match[str], place: Place, text: str, value: float | None, fault: str | None) -> Find:
    line, start = match.string, match.start("value")
    first = match.start()
    first -= len(_begun_name(line, first))  # a match may begin within a name: `loss` of `train_loss`
    first = max(first, match.end("value") - MATCHED_CHARS)
    matched = line[first : match.end()][:MATCHED_CHARS]
    before = line[max(0, start - _KEY_CHARS - 1) : start]
    return Find(place, text, value, fault, matched, before, before, line[start : start + MATCHED_CHARS])


def also_matches(rule: MetricRule, value: MetricValue) -> str | None:
    """The matched text, where the pattern of a metric matches a part of another name: `loss=` of `train_loss=`.

    Returns:
        None where it matches no other name there, or the metric has no pattern.
    """
    if not isinstance(rule.source, LogPattern):
        return None
    for match in re.finditer(rule.source.regex, value.matched):
        begun = _begun_name(value.matched, match.start())
        if begun and _name(value.matched[match.start() - len(begun) :]).lower() != rule.name:
            return value.matched
    return None


def _begun_name(line: str, position: int) -> str:
    """What of a name stands before a position that is within one."""
    found = _NAME_END.search(line[max(0, position - _NAME_CHARS) : position])
    return found.group() if found and _NAME.match(line, position) else ""


def _name(text: str) -> str:
    found = _NAME.match(text)
    return found.group() if found else ""


def same_text(first: Find, second: Find) -> bool:
    """Whether the lines of two values equal each other up to the value, numbers aside."""
    return _normal(first.before) == _normal(second.before)


def _normal(before: str) -> str:
    return _VARIABLE.sub(lambda found: f"\0{found.lastgroup}\0", before)


class SameLine:
    """Finds later lines that equal one with a value up to that value, numbers aside."""

    def __init__(self) -> None:
        self._normal: str | None = None
        self._regex: re.Pattern[str] | None = None

    def unread(self, line: str, place: Place, last: Find) -> Find | None:
        """What a line has in place of the value: nan or inf, or what cannot be read; None where it is another line."""
        regex = self._prefix(last.before)
        if regex is None:
            return None
        text, place = place.split(line)
        match = regex.match(text) or regex.match(line)
        if match is None:
            return None
        printed = match["value"]
        claim = _claim(printed)
        if claim is not None:
            return _claimed(match, claim, place)
        is_labelled = last.before.rstrip(_QUOTES + " ")[-1:] in (":", "=")
        if _SPARKLINE.match(printed) or (_PROSE.match(printed) and not is_labelled):
            return None
        return _unread(match, place, printed)

    def _prefix(self, before: str) -> re.Pattern[str] | None:
        if len(before) > _KEY_CHARS or not re.search(r"[^\W\d_]", before):
            return None
        normal = _normal(before)
        if normal != self._normal:
            self._normal = normal
            self._regex = re.compile(_prefix_regex(before), re.IGNORECASE)
        return self._regex


def _prefix_regex(before: str) -> str:
    forms = {"number": _ANY_NUMBER, "space": r"\s*+", "rule": r"[^\x00-\x7f\s]*+"}
    regex, end = [r"\s*+"], 0
    for found in _VARIABLE.finditer(before):
        regex += [re.escape(before[end : found.start()]), forms[found.lastgroup or ""]]
        end = found.end()
    return "".join([*regex, re.escape(before[end:]), r"(?P<value>\S{0,100})"])

"""Whether the log of a training repeats that of one that was stopped, as far as that went."""

import re

__all__ = ["repeats"]

_NUMBER = r"[0-9]+(?:\.[0-9]*)?(?:e[-+]?[0-9]+)?"
# What differs between two equal trainings: clocks and dates, durations and rates, and the numbers of processes.
_TIMES = re.compile(
    r"(?ia)\b[0-9]{4}[-/][0-9]{2}[-/][0-9]{2}\b|\b[0-9]{1,2}(?::[0-9]{2}){1,2}(?:[.,][0-9]+)?\b"
    rf"|\b{_NUMBER}\s?(?:(?:it|tok|tokens|samples|steps|examples|MB|GB)/s(?:ec)?|s/(?:it|step)"
    r"|[mun]?s|sec(?:onds)?|min(?:utes)?|h)\b"
    r"|(?<![a-z])(?:[a-z]+_)?(?:time|elapsed|eta|speed|throughput|tps|sps|pid)(?:_(?:s|ms|sec))?['\"]?\s{0,3}[:=]?\s{0,3}"
    rf"{_NUMBER}"
)


def repeats(log: bytes, stopped: bytes) -> bool:
    """Whether a log begins as a stopped one went, apart from times; False for one that went nowhere.

    Whoever stopped that one saw nothing that the new one does not show as well, so the new one is no second draw.
    """
    *lines, rest = _lines(stopped)
    now = _lines(log)
    if not any(lines) and not rest:
        return False
    is_begun = rest == "" or (len(now) > len(lines) and now[len(lines)].startswith(rest))
    return is_begun and now[: len(lines)] == lines


def _lines(log: bytes) -> list[str]:
    """The lines as a screen shows them in the end, without times; the last one may be cut."""
    lines = log.decode("utf-8", "replace").split("\n")
    return [_TIMES.sub("#", line.rstrip("\r").rpartition("\r")[2]) for line in lines]

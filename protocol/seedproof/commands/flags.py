"""The flags of an experiment: refuses those that could change what the rules set, and tells which are the same."""

import re
from collections.abc import Iterator, Sequence

from seedproof.model.metric_patterns import DEFAULT_VAL_LOSS, NUMBER
from seedproof.model.refusals import FlagMalformed, FlagProtected
from seedproof.model.rules import Rules

__all__ = ["check_flags", "normalise_flags", "option_groups"]

MAX_FLAGS = 64
MAX_FLAG_BYTES = 512
_NUMBER = re.compile(r"^-(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$")
_FIELDS = ("train_tokens", "seed", "output_dir")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def check_flags(flags: Sequence[str], rules: Rules) -> None:
    """Refuse flags that are not options with values, or that reach into the command template.

    Raises:
        FlagMalformed: Too many, too long, control characters, a value before the first option,
            `@file`, a bare `-` or `--`, or a text that would be read as a metric where the script prints it.
        FlagProtected: An option that equals, or abbreviates, one of the template's; a short one with
            the first letter of such; or `key=value` with a key of the template's.
    """
    if len(flags) > MAX_FLAGS:
        raise FlagMalformed(f"{len(flags)} flags; at most {MAX_FLAGS} are allowed.")
    protected = _protected(rules)
    for position, flag in enumerate(flags):
        _check_text(flag, position)
        if _is_option(flag):
            _check_option(flag, protected)
        elif position == 0:
            raise FlagMalformed("the first flag must be an option that begins with `-`; a value stands before it.")
        else:
            _check_value(flag, protected)
    _check_printed(flags, rules)


def normalise_flags(flags: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """A form in which equal flags are equal: `--a=1` is `--a 1`, and the order of options does not matter.

    Repetitions of one option keep their order: with argparse the last one wins.
    """
    return tuple(sorted(option_groups(flags), key=lambda group: group[0]))


def option_groups(flags: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Each option with its values, in the order in which they were given."""
    groups: list[list[str]] = []
    for flag in flags:
        if _is_option(flag):
            name, equals, value = flag.partition("=")
            groups.append([name, value] if equals else [name])
        elif groups:
            groups[-1].append(flag)
        else:
            groups.append(["", flag])
    return tuple(map(tuple, groups))


def _is_option(flag: str) -> bool:
    return flag.startswith("-") and not _NUMBER.match(flag)


def _option_key(flag: str) -> str:
    # Hydra writes `+key=value` to add a key and `~key` to remove one.
    return flag.partition("=")[0].strip().lstrip("-+~").casefold().replace("-", "_")


def _protected(rules: Rules) -> set[str]:
    """The names that the template sets, as options or as `key=value`, and those of its fields.

    A template may call an option `-s` that the script knows as `--seed` as well.
    """
    names = {_option_key(part) for part in rules.command if _is_option(part) or "=" in part}
    return names | {field for field in _FIELDS if any(f"{{{field}}}" in part for part in rules.command)}


def _check_text(flag: str, position: int) -> None:
    if _CONTROL.search(flag):
        raise FlagMalformed(f"flag {position + 1} contains a control character.")
    if len(flag.encode()) > MAX_FLAG_BYTES:
        raise FlagMalformed(f"flag {position + 1} is longer than {MAX_FLAG_BYTES} bytes.")
    if flag.startswith("@"):
        raise FlagMalformed(f"flag {position + 1} begins with `@`; arguments are not read from files.")


def _check_option(flag: str, protected: set[str]) -> None:
    key = _option_key(flag)
    if not key:
        raise FlagMalformed("a bare `-` or `--` is not an option.")
    # `-s7` is `-s 7` to argparse, and `-se 7` is `-seed 7` where a script has that: one letter decides.
    is_short = not flag.startswith("--")
    taken = sorted(name for name in protected if name.startswith(key[0] if is_short else key))
    if taken:
        raise FlagProtected(
            f"`{flag.partition('=')[0]}` reaches into the protocol's own option --{taken[0]}; "
            "scale, seed and output folder are set by the server."
        )
    _check_value(flag[2:] if is_short else flag.partition("=")[2], protected)


def _check_value(value: str, protected: set[str]) -> None:
    """Refuse `key=value`, and `~key`, where the key is the template's or holds one of its keys."""
    if "=" not in value and not value.startswith("~"):
        return
    key = _option_key(value)
    taken = sorted(name for name in protected if name == key or name.startswith(f"{key}."))
    if taken:
        raise FlagProtected(
            f"`{value.partition('=')[0]}` reaches into the protocol's own {taken[0]}; "
            "scale, seed and output folder are set by the server."
        )


# --- flags that a script prints -------------------------------------------------------------------


def _check_printed(flags: Sequence[str], rules: Rules) -> None:
    """Refuse flags that would be read as a value of the deciding metric where the script prints its arguments.

    By the metric's own pattern, and by the default one, with which an attempt counts as a draw.
    """
    metric = rules.metric
    compiled = [re.compile(one) for one in dict.fromkeys((metric.pattern or DEFAULT_VAL_LOSS, DEFAULT_VAL_LOSS))]
    # A pattern that takes any number says nothing of these flags in particular.
    telling = [one for one in compiled if not any(_is_read(one, text) for text in _printed("--x", "0.5"))]
    for name, value in _named_values(flags):
        is_number = not value or _begins_with_number(value)
        if _option_key(name) == metric.name and is_number:
            raise FlagProtected(
                f"`{name}` has the name of the metric: where the script prints its arguments, {metric.name} would be "
                "what the flag says; give the option another name."
            )
        text = next((text for text in _printed(name, value) if any(_is_read(one, text) for one in telling)), None)
        if text is not None:
            raise FlagMalformed(
                f"where the script prints its arguments, `{text}` would be read as a value of {metric.name}; "
                "give a text that does not look like the metric, or let the metric's pattern match less."
            )


def _named_values(flags: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each option with its value, each `key=value`, two values that may be name and value, and each value alone."""
    for position, flag in enumerate(flags):
        name, equals, value = flag.partition("=")
        following = flags[position + 1] if position + 1 < len(flags) else "-"
        if equals:
            yield name, value
        elif _is_option(following):
            yield (flag, "") if _is_option(flag) else ("", flag)
        else:
            yield flag, following


def _printed(name: str, value: str) -> Iterator[str]:
    """How scripts print an option: `tag=x`, `tag: x`, `tag = x`, alone or before what the script adds to it."""
    bare = name.lstrip("-+~")
    names = dict.fromkeys((bare, bare.replace("-", "_"))) if name and value else ()
    for text in (value, name, *(f"{one}{sign}{value}" for one in names for sign in (": ", "=", " = ", " "))):
        if text:
            yield text
            yield f"{text}1"


def _is_read(pattern: re.Pattern[str], text: str) -> bool:
    return any(_begins_with_number(found["value"] or "") for found in pattern.finditer(text))


def _begins_with_number(text: str) -> bool:
    return re.match(rf"\s*{NUMBER}", text) is not None

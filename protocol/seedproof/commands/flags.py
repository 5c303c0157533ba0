"""The flags of an experiment: refuses those that could change what the rules set, and tells which are the same."""

import json
import re
import shlex
from collections.abc import Iterator, Sequence

from seedproof.commands.option_names import OptionNames, plain_name
from seedproof.commands.protection import Guard
from seedproof.commands.settings import (
    Setting,
    allowed_kinds,
    has_pairs,
    is_file,
    is_option,
    lacks_pair,
    override_key,
    read_settings,
    stands_before_script,
)
from seedproof.model.metric_patterns import DEFAULT_VAL_LOSS, NUMBER
from seedproof.model.refusals import FlagMalformed, FlagProtected
from seedproof.model.rules import Rules
from seedproof.model.template import SCRIPTS, STEERING

__all__ = ["check_flags", "normalise_flags", "option_groups", "split_options"]

MAX_FLAGS = 64
MAX_FLAG_BYTES = 512
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# What makes Python, a launcher or `uv run` start something else than the command's script.
_STARTING = frozenset({"module", "no_python"})
_KEY = re.compile(r"[A-Za-z_]\w*(?:\.\w+)*")


def check_flags(flags: Sequence[str], rules: Rules, names: OptionNames = ()) -> None:
    """Refuse flags that are no settings of the command's style, or that set what the rules set.

    Args:
        names: The options of the training script, as far as they are known.

    Raises:
        FlagMalformed: Too many, too long, control characters, `@file`, a bare `-` or `--`, a word that belongs to
            nothing, or a text that would be read as a metric where the script prints it.
        FlagProtected: It sets seed, scale or output folder, what `rules.protected` names, or by its name evaluation
            or data; see docs/flags.md.
    """
    if len(flags) > MAX_FLAGS:
        raise FlagMalformed(f"{len(flags)} flags; at most {MAX_FLAGS} are allowed.")
    for position, flag in enumerate(flags):
        _check_text(flag, position)
    kinds, settings = allowed_kinds(rules), read_settings(flags, with_pairs=has_pairs(rules))
    guard = Guard(rules, names)
    for setting in settings if "variable" in kinds else ():
        _check_variable(setting)
    guard.check(flags, settings)
    for setting in () if "variable" in kinds else settings:
        _check_shape(setting, kinds)
    if stands_before_script(rules.command):
        _check_start(settings, rules)
    _check_printed(flags, rules)
    guard.check_words(settings)


def _check_text(flag: str, position: int) -> None:
    if _CONTROL.search(flag):
        raise FlagMalformed(f"flag {position + 1} contains a control character.")
    if len(flag.encode()) > MAX_FLAG_BYTES:
        raise FlagMalformed(f"flag {position + 1} is longer than {MAX_FLAG_BYTES} bytes.")
    if flag.startswith("@"):
        raise FlagMalformed(f"flag {position + 1} begins with `@`; arguments are not read from files.")


def _check_shape(setting: Setting, kinds: frozenset[str]) -> None:
    """Refuse a setting that is none of these kinds."""
    name = setting.name
    if setting.kind == "option" and not name.strip("-"):
        raise FlagMalformed("a bare `-` or `--` is not an option.")
    if setting.kind == "option" and re.search(r"\s", name):
        raise FlagMalformed(f"`{name}` is one element; write one for each word: {json.dumps(split_options([name]))}.")
    if setting.kind == "option" and "pair" in kinds and lacks_pair(setting):
        raise FlagMalformed(f"behind `{name}` stands a key without a value; keys and values come in pairs.")
    if setting.kind in kinds and setting.kind != "text":
        return
    if setting.kind == "text" and "pair" in kinds:
        raise FlagMalformed(f"`{name}` has no value behind it; keys and values come in pairs: KEY VALUE.")
    told = {"option": "--lr 0.1", "key": "key=value", "pair": "KEY VALUE", "file": "a file of settings"}
    allowed = ", ".join(words for kind, words in told.items() if kind in kinds)
    dashes = f"; with its dashes an option is `--{name}`" if "option" in kinds and _KEY.fullmatch(name) else ""
    raise FlagMalformed(f"`{name}` is nothing that the command takes: {allowed}{dashes}.")


def split_options(flags: Sequence[str]) -> list[str]:
    """The same flags, with each option that has its value in the same element in an element for each word."""
    found: list[str] = []
    for flag in flags:
        is_joined = is_option(flag) and re.search(r"\s", flag.partition("=")[0]) is not None
        found += _words(flag) if is_joined else [flag]
    return found


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # a quote without its end
        return text.split()


def _check_start(settings: Sequence[Setting], rules: Rules) -> None:
    """Refuse what starts another program, where flags stand before the script: `-m other`, `--nproc 2 other.py`."""
    before = [part for part in rules.command[: rules.command.index("{flags}")] if not part.startswith("-")]
    is_python = re.search(r"(?:\{python\}|python[\d.]*)$", before[-1]) is not None
    for setting in settings:
        other = next((value for value in setting.values if value.endswith(SCRIPTS)), None)
        is_start = setting.name == "-m" or plain_name(setting.name) in _STARTING
        if other is not None or is_start or (is_python and re.match("-[bBdEiIOPqsSuvx]*[cm]", setting.name)):
            raise FlagProtected(
                f"`{other or setting.name}` would start something else than the command's script; "
                "the rule `command` in seedproof.toml sets that."
            )


def _check_variable(setting: Setting) -> None:
    """Refuse what is not NAME=value: an option would be one of `env`, a word the program."""
    if setting.kind != "key" or not _VARIABLE.fullmatch(setting.name):
        raise FlagMalformed(
            f"`{setting.name}` is no variable: flags stand behind `env` here, so write them as NAME=value; "
            "options of `env` itself are not taken."
        )
    if STEERING.fullmatch(setting.name):
        raise FlagProtected(f"`{setting.name}` decides what is started and what is recorded of it, so no flag sets it.")


# --- which flags are the same ---------------------------------------------------------------------


def normalise_flags(flags: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """A form in which equal flags are equal: `--a=1` is `--a 1`, and the order of different settings does not matter.

    Repetitions of one option or key keep their order, as the last one wins, and so do files. What stands behind an
    option counts as its values, also `key=value`: so it is in every ledger.
    """
    return tuple(sorted(option_groups(flags), key=lambda group: group[0]))


def option_groups(flags: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Each setting with its values, in the order in which they were given; a word alone is a value of no name."""
    groups: list[list[str]] = []
    before_options = True
    key: list[str] | None = None
    for flag in flags:
        if is_option(flag):
            name, equals, value = flag.partition("=")
            groups.append([name, value] if equals else [name])
            before_options = False
        elif not before_options:
            groups[-1].append(flag)
        elif key is not None:
            key.append(flag)
            key = None
        elif (found := override_key(flag)) is not None:
            groups.append([found, flag[len(found) + 1 :]] if "=" in flag else [found])
        elif _KEY.fullmatch(flag) and not is_file(flag):
            key = [flag]
            groups.append(key)
        else:
            groups.append(["", flag])
    return tuple(map(tuple, groups))


def _option_key(flag: str) -> str:
    return plain_name(flag.partition("=")[0].strip())


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
        elif is_option(following):
            yield (flag, "") if is_option(flag) else ("", flag)
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

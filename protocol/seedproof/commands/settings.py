"""The settings that a list of arguments makes: options with values, `key=value`, `KEY VALUE`, and files."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from seedproof.model.rules import Rules
from seedproof.model.template import COMMAND_FIELDS, SCRIPTS, find_module, find_script, holds

__all__ = [
    "Setting",
    "allowed_kinds",
    "first_argument",
    "flag_zone",
    "has_pairs",
    "holds_field",
    "is_file",
    "is_number",
    "is_option",
    "is_variables",
    "lacks_pair",
    "override_key",
    "read_settings",
    "stands_before_script",
]

Kind = Literal["option", "key", "pair", "file", "text"]

_NUMBER = re.compile(r"^-(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$")
# Hydra adds a key with `+` or `++` and removes one with `~`; it writes `model/layer@package`, lists as `layers[0]`.
_OVERRIDE = re.compile(r"(\+{0,2}|~)([A-Za-z_][\w./@:\[\]-]*)=(?!=)|~([A-Za-z_][\w./@-]*)$")
_KEY = re.compile(r"[A-Za-z_]\w*(?:\.\w+)*")
# yacs writes keys in capitals or with dots; one word in small letters behind an option is the option's value.
_TELLING_KEY = re.compile(r"[A-Z_][A-Z0-9_]*(?:\.\w+)*|[A-Za-z_]\w*(?:\.\w+)+")
_FILES = (".py", ".yaml", ".yml", ".json", ".toml", ".cfg", ".ini", ".gin", ".conf", ".flags")
# Modules that start the script behind them.
_LAUNCHERS = ("torch.distributed.", "accelerate.", "deepspeed.", "horovod.")
_ENV_WITH_VALUE = ("-u", "--unset", "-C", "--chdir")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting, as it is written."""

    kind: Kind
    """`pair`: KEY VALUE in two elements. `text`: a word that belongs to nothing."""
    name: str
    """Its name without the value: `--lr`, `+model.size`, `SOLVER.LR`; of a file or a text the whole."""
    values: tuple[str, ...] = ()
    """Its values."""
    places: tuple[int, ...] = ()
    """Indices of its elements."""
    is_joined: bool = False
    """Whether name and value are one element."""
    behind: int | None = None
    """Of a key or a pair: the place of the option that it is a value of, as in `--set run.lr=0.1`."""


def is_option(part: str) -> bool:
    """Whether an element is an option: it begins with a dash and is no number."""
    return part.startswith("-") and not _NUMBER.match(part)


def is_number(part: str) -> bool:
    """Whether an element is a number."""
    try:
        float(part)
    except ValueError:
        return False
    return True


def is_file(part: str) -> bool:
    """Whether an element looks like a file of settings or a path."""
    return part.endswith(_FILES) or ("/" in part.strip("/") and not part.startswith("~"))


def override_key(part: str) -> str | None:
    """The key of `key=value`, `+key=value` or `~key`, with its signs; None for anything else."""
    found = _OVERRIDE.match(part)
    return None if found is None else found[0].removesuffix("=")


def read_settings(parts: Sequence[str], *, with_pairs: bool) -> list[Setting]:
    """The settings that arguments make, in their order. `{flags}` ends the values of an option before it.

    Args:
        with_pairs: Whether a word may be the key of the next one.
    """
    found: list[Setting] = []
    place = 0
    while place < len(parts):
        taken = _read_one(parts, place, with_pairs)
        found += taken
        place = 1 + max((one for setting in taken for one in setting.places), default=place)
    return found


def _read_one(parts: Sequence[str], place: int, with_pairs: bool) -> list[Setting]:
    """The setting that begins at a place, and what stands behind it if it is an option."""
    part = parts[place]
    if part == "{flags}":
        return []
    if is_option(part):
        name, equals, value = part.partition("=")
        if equals:
            return [Setting("option", name, (value,), (place,), is_joined=True)]
        return list(_read_option(parts, place, with_pairs))
    key = override_key(part)
    if key is not None:
        return [_key(part, key, place)]
    following = parts[place + 1] if place + 1 < len(parts) else "{flags}"
    if with_pairs and _is_key(part) and following != "{flags}" and not is_option(following):
        return [Setting("pair", part, (following,), (place, place + 1))]
    return [Setting("file" if is_file(part) else "text", part, (), (place,))]


def _read_option(parts: Sequence[str], place: int, with_pairs: bool) -> Iterator[Setting]:
    """An option with the values behind it; `key=value` and pairs directly behind it are settings of their own."""
    end = place + 1
    while end < len(parts) and _may_be_value(parts, place, end):
        end += 1
    run = list(parts[place + 1 : end])
    values = _count_values(run) if with_pairs else len(run)
    yield Setting("option", parts[place], tuple(run[:values]), tuple(range(place, place + 1 + values)))
    behind = place if not values else None
    for at in range(place + 1 + values, end - 1, 2):
        yield Setting("pair", parts[at], (parts[at + 1],), (at, at + 1), behind=behind)
    while end < len(parts) and (key := override_key(parts[end])) is not None and not is_option(parts[end]):
        yield _key(parts[end], key, end, behind if not run else None)
        end += 1


def _may_be_value(parts: Sequence[str], place: int, at: int) -> bool:
    """Whether the element may belong to the option at `place`: a field is the last of its values."""
    part, before = parts[at], parts[at - 1]
    is_after_field = at - place > 1 and holds_field([before]) and not _is_pair_before(parts, place, at)
    return not (part == "{flags}" or is_option(part) or override_key(part) is not None or is_after_field)


def holds_field(parts: Sequence[str]) -> bool:
    """Whether one of these elements of a template has a field."""
    return any(holds(parts, field) for field in COMMAND_FIELDS)


def _is_pair_before(parts: Sequence[str], place: int, at: int) -> bool:
    return at - place > 2 and _TELLING_KEY.fullmatch(parts[at - 2]) is not None


def _key(part: str, key: str, place: int, behind: int | None = None) -> Setting:
    value = part[len(key) + 1 :]
    return Setting("key", key, (value,) if value else (), (place,), is_joined=True, behind=behind)


def _count_values(run: Sequence[str]) -> int:
    """How many words behind an option are its values, where pairs may follow; an odd rest is all values."""
    starts = (at for at, part in enumerate(run) if _TELLING_KEY.fullmatch(part) and not is_file(part))
    return next((at for at in starts if (len(run) - at) % 2 == 0), len(run))


def _is_key(part: str) -> bool:
    return _KEY.fullmatch(part) is not None and not part.endswith((*_FILES, ".sh", ".bash"))


# --- where flags stand ----------------------------------------------------------------------------


def flag_zone(command: Sequence[str]) -> range:
    """The places of a template among which {flags} stands: never on both sides of the script or the program."""
    flags, program, start = command.index("{flags}"), _program(command), first_argument(command)
    if flags < program:
        return range(1, program)
    return range(start, len(command)) if flags >= start else range(program + 1, start - 1)


def first_argument(command: Sequence[str]) -> int:
    """The place behind the training script; behind the program where no script is known."""
    script, program = _script(command), _program(command)
    return 1 + (program if script is None else max(script, program))


def is_variables(command: Sequence[str]) -> bool:
    """Whether flags are variables: the command begins with `env`, and {flags} stands before the program."""
    return command.index("{flags}") < _program(command)


def stands_before_script(command: Sequence[str]) -> bool:
    """Whether flags are options of the interpreter or the launcher."""
    return not is_variables(command) and command.index("{flags}") < first_argument(command)


def _program(command: Sequence[str]) -> int:
    """The place of the program: 0, or where it stands behind `env`, its options and its variables."""
    if command[0].rpartition("/")[2] != "env":
        return 0
    place = 1
    while place < len(command):
        part = command[place]
        if not (part == "{flags}" or part.startswith("-") or "=" in part):
            return place
        place += 2 if part in _ENV_WITH_VALUE else 1
    return place


def _script(command: Sequence[str]) -> int | None:
    script, module = find_script(command), find_module(command) or ""
    if module.startswith(_LAUNCHERS):
        launched = (place for place, part in enumerate(command) if part.endswith(SCRIPTS) and "=" not in part)
        return next(launched, None) or command.index(module)
    for place, part in enumerate(command):
        if part == script or (place and command[place - 1] == "-m" and part.replace(".", "/") + ".py" == script):
            return place
    return None


def allowed_kinds(rules: Rules) -> frozenset[str]:
    """What an experiment's flags may be: of `option`, `key`, `pair`, `file` and `variable`."""
    if is_variables(rules.command):
        return frozenset({"variable"})
    named = {"options": "option", "overrides": "key", "pairs": "pair", "variables": "variable"}
    if rules.flag_style != "auto":
        return frozenset({named[rules.flag_style]})
    # Before the script a word would be the script, or the launcher's.
    if stands_before_script(rules.command):
        return frozenset({"option"})
    return frozenset({"option", "key", "file", "pair"} if has_pairs(rules) else {"option", "key", "file"})


def has_pairs(rules: Rules) -> bool:
    """Whether KEY VALUE is how settings are written: by the rules, or as the template sets a field so."""
    command, fields = rules.command, ("{seed}", "{output_dir}", "{train_tokens}")
    places = range(first_argument(command) + 1, len(command))
    told = any(command[place] in fields and _is_key(command[place - 1]) for place in places)
    return rules.flag_style == "pairs" or (rules.flag_style == "auto" and told)


def lacks_pair(setting: Setting) -> bool:
    """Whether the words behind an option end with a key that has no value."""
    return any(_TELLING_KEY.fullmatch(value) for value in setting.values[1:])

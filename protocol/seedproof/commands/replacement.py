"""Finds which elements of the command template an experiment's flags replace."""

from collections.abc import Iterator, Sequence

from seedproof.commands.option_names import KnownOptions, OptionNames, known_options, plain_name
from seedproof.commands.settings import (
    Setting,
    flag_zone,
    has_pairs,
    holds_field,
    is_file,
    is_number,
    read_settings,
)
from seedproof.model.refusals import FlagMalformed
from seedproof.model.rules import Rules

__all__ = ["replaced_places"]

_TRUE_OR_FALSE = frozenset({"true", "false", "yes", "no", "on", "off", "0", "1"})


def replaced_places(rules: Rules, flags: Sequence[str], names: OptionNames = ()) -> tuple[int, ...]:
    """The places in `rules.command` that go where an experiment has these flags, which name the same settings.

    Args:
        flags: As `check_flags` let them pass.
        names: The options of the training script, as far as they are known.

    Raises:
        FlagMalformed: It cannot be told which elements are the setting's.
    """
    zone, known, with_pairs = flag_zone(rules.command), known_options(names), has_pairs(rules)
    parts = [rules.command[place] for place in zone]
    own, new = (read_settings(each, with_pairs=with_pairs) for each in (parts, flags))
    found: set[int] = set()
    for wanted in new:
        for old in own:
            if _is_same(wanted, old, own, known):
                _require_told_apart(wanted, old)
                found.update(old.places)
    found.update(_emptied(parts, own, found, new))
    return tuple(sorted(zone[place] for place in found))


def _is_same(new: Setting, old: Setting, own: Sequence[Setting], known: KnownOptions) -> bool:
    """Whether an experiment's setting names one of the template's."""
    if new.kind != old.kind:
        return False
    if new.kind in ("key", "pair"):
        return new.name.lstrip("+~") == old.name.lstrip("+~")
    # `--set` with `key=value` behind it: each key is a setting of its own.
    if new.kind != "option" or holds_field(old.values) or any(old.places[0] == one.behind for one in own):
        return False
    title, old_title = _title(new.name, known), _title(old.name, known)
    return title == old_title or _is_negation(new, old, title, old_title)


def _title(option: str, known: KnownOptions) -> str:
    """One name of an option; `-r0.01` is `-r`."""
    title, _ = known.find(option)
    return title or plain_name(option[:2] if _is_glued(option) else option)


def _is_glued(option: str) -> bool:
    return not option.startswith("--") and is_number(option[2:])


def _is_negation(new: Setting, old: Setting, title: str, old_title: str) -> bool:
    """Whether one of two options without values is the other's `--no-x` or, with absl, `--nox`."""
    shorter, longer = sorted((title, old_title), key=len)
    is_negated = longer in (f"no_{shorter}", f"no{shorter}")
    return is_negated and _is_switch(new.values) and (_is_switch(old.values) or any(map(is_file, old.values)))


def _is_switch(values: Sequence[str]) -> bool:
    return not values or (len(values) == 1 and values[0].lower() in _TRUE_OR_FALSE)


def _require_told_apart(new: Setting, old: Setting) -> None:
    """Refuse an option of the template behind which other words may stand than its values.

    Raises:
        FlagMalformed: With how to write the template so that it is clear.
    """
    values, is_file_wanted = old.values, any(map(is_file, new.values))
    has_value = bool(new.values) or _is_glued(new.name)
    if old.kind != "option" or old.is_joined or _is_switch(values):
        return
    mixed = len({is_number(value) for value in values}) > 1
    stray = any(map(is_file, values)) and not is_file_wanted
    if has_value and not mixed and not stray:
        return
    shown = " ".join((old.name, *values))
    raise FlagMalformed(
        f"the command has `{shown}`, and it cannot be told which of these words `{new.name}` replaces. Write the "
        f"command's option as `{old.name}={values[0]}`, or let other words stand before the options."
    )


def _emptied(parts: Sequence[str], own: Sequence[Setting], gone: set[int], new: Sequence[Setting]) -> Iterator[int]:
    """The options that have nothing behind them any more, as `--set` where `run.lr=0.1` goes.

    Raises:
        FlagMalformed: The experiment has the key without that option.
    """
    for place in sorted({one.behind for one in own if one.behind is not None}):
        behind = [one for one in own if one.behind == place]
        if any(one.places[0] not in gone for one in behind):
            continue
        if any(one.kind == "option" and one.name == parts[place] for one in new):
            yield place
        elif parts[behind[-1].places[-1] + 1 :][:1] != ["{flags}"]:
            shown = " ".join(parts[place : behind[-1].places[-1] + 1])
            raise FlagMalformed(f"the command has `{shown}`; write `{parts[place]}` in the flags too, before the key.")

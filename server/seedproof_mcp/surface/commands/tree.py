"""The parser of the command line: its commands, and what was probably meant by a name that it does not have."""

import argparse
from collections.abc import Iterator, Mapping, Sequence

__all__ = ["check_names", "commands_of", "options_of"]

# Names that share fewer letters are no slip of the finger.
_LIKE = 0.7


def commands_of(parser: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    """The parser of each command by its name."""
    found = next(one for one in parser._actions if isinstance(one, argparse._SubParsersAction))
    return dict(found.choices)


def options_of(command: argparse.ArgumentParser) -> list[argparse.Action]:
    """The options and arguments of a command, in the order of its help."""
    return [one for one in command._actions if one.help is not argparse.SUPPRESS]


def check_names(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """End with wrong usage, and the name that is most alike, where a command or an option is not known."""
    place = next((at for at, word in enumerate(arguments) if not word.startswith("-")), None)
    if place is None:
        return
    commands, name = commands_of(parser), arguments[place]
    if name not in commands:
        parser.error(f"there is no command {name}{_meant(name, commands) or '; --help lists them.'}")
    command = commands[name]
    known = [option for action in command._actions for option in action.option_strings]
    for option in _long_options(arguments[place + 1 :]):
        if not any(one.startswith(option) for one in known):
            end = _meant(option, known) or f"; `seedproof {name} --help` lists them."
            behind = f" Options of the training stand behind `--`: seedproof run NAME -- {option} …"
            command.error(f"there is no option {option}{end}{behind if name == 'run' else ''}")


def _long_options(words: Sequence[str]) -> Iterator[str]:
    for word in words:
        if word.startswith("--") and " " not in word:
            yield word.partition("=")[0]


def _meant(name: str, known: Mapping[str, object] | Sequence[str]) -> str:
    import difflib  # here, as each server loads this file when it starts

    close = difflib.get_close_matches(name, list(known), 1, _LIKE)
    return f"; did you mean {close[0]}?" if close else ""

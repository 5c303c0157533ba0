"""Finds Seedproof's own options behind `--`, where a training would be given what it does not know."""

import argparse
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from seedproof_mcp.surface.commands.tree import options_of

__all__ = ["misplaced_words", "script_knows"]

# Of these names no framework of training has an option: they are ours also where the options are not all known.
_ONLY_OURS = ("--hypothesis", "--new-baseline", "--code-change", "--until-verdict", "--all", "--confirm")


def misplaced_words(
    command: argparse.ArgumentParser,
    before: Sequence[str],
    after: Sequence[str],
    is_of_script: Callable[[str], bool | None],
) -> str | None:
    """What to say of options of `run` that stand behind `--`; None where there is none.

    Args:
        command: The parser of `run`.
        before: The words before `--`, from the command on.
        after: The words behind it.
        is_of_script: Whether the training has an option; None where that is not known.
    """
    names = {name: one for one in options_of(command) for name in one.option_strings if name[:2] == "--"}
    own = {name: one.nargs != 0 for name, one in names.items() if one.dest != "help"}
    moved: list[str] = []
    named: list[str] = []
    rest: list[str] = []
    words = list(after)
    while words:
        word = words.pop(0)
        name, _, value = word.partition("=")
        if name not in own or not _is_ours(name, is_of_script(name)):
            rest.append(word)
            continue
        named.append(name)
        moved.append(word)
        if own[name] and not value and words and not words[0].startswith("--"):
            moved.append(words.pop(0))
    if not named:
        return None
    right = shlex.join(["seedproof", *before, *moved, *(["--", *rest] if rest else [])])
    one = named[0] if len(named) == 1 else ", ".join(named)
    are = "is an option of Seedproof's own and stands" if len(named) == 1 else "are Seedproof's own options and stand"
    return (
        f"{one} {are} before `--`: {right}\n"
        f"If the training has {'it' if len(named) == 1 else 'them'} as well, write its flags as "
        f"--flags={shlex.quote(shlex.join(after))}"
    )


def _is_ours(name: str, is_of_script: bool | None) -> bool:
    return name in _ONLY_OURS if is_of_script is None else not is_of_script


def script_knows(project: Path) -> Callable[[str], bool | None]:
    """Tells whether the project's training has an option; None where its source does not show all of them."""
    from seedproof.model.refusals import Refusal

    from seedproof_mcp.host.settings import load_config
    from seedproof_mcp.host.training_script import training_script
    from seedproof_mcp.setup.project_files import with_imports
    from seedproof_mcp.setup.source.python_source import read_source
    from seedproof_mcp.setup.source.script_options import has_other_options, read_interface
    from seedproof_mcp.system.paths import ProjectPaths

    root = project.resolve()
    try:
        script = training_script(root, load_config(ProjectPaths(root).settings).rules.command)
    except Refusal:  # the request itself says what is wrong with the settings
        return lambda _: None
    source = None if script is None else read_source(root, script)
    if source is None:
        return lambda _: None
    sources = with_imports(root, source)
    interface = read_interface(root, sources)
    known = {_plain(name) for option in interface.options for name in option.names}
    shows_all = interface.framework in ("argparse", "click") and not any(map(has_other_options, sources))
    is_whole = shows_all and not interface.takes_rest

    def knows(option: str) -> bool | None:
        if any(name.startswith(_plain(option)) for name in known):  # an abbreviation counts as the name
            return True
        return False if is_whole else None

    return knows


def _plain(option: str) -> str:
    return option.lstrip("-").replace("-", "_")

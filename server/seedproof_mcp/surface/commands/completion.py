"""`seedproof completion`: what makes a shell complete commands and options, from the parser itself."""

import argparse
import shlex
from collections.abc import Iterator

from seedproof_mcp.surface.commands.tree import commands_of, options_of

__all__ = ["completion"]

_BASH = """\
# bash completion of seedproof: eval "$(seedproof completion bash)"
_seedproof() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} command= words= at
    COMPREPLY=()
    for ((at = 1; at < COMP_CWORD; at++)); do
        case ${{COMP_WORDS[at]}} in
            --) return ;;
            -*) ;;
            *) if [[ -z $command ]]; then command=${{COMP_WORDS[at]}}; fi ;;
        esac
    done
    case $command in
        "") words={names} ;;
{cases}
    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o default -F _seedproof seedproof
"""
_ZSH = """\
#compdef seedproof
# zsh completion of seedproof: eval "$(seedproof completion zsh)", once compinit has run
_seedproof() {{
    local -a commands
    commands=(
{names}
    )
    if (( CURRENT == 2 )); then
        _describe command commands
        return
    fi
    case $words[2] in
{cases}
    esac
}}
if [ "$funcstack[1]" = _seedproof ]; then _seedproof "$@"; else compdef _seedproof seedproof; fi
"""


def completion(parser: argparse.ArgumentParser, shell: str) -> str:
    """The script that a shell reads."""
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](parser)


def _bash(parser: argparse.ArgumentParser) -> str:
    commands = commands_of(parser)
    cases = [f"        {name}) words={shlex.quote(' '.join(_words(command)))} ;;" for name, command in commands.items()]
    return _BASH.format(names=shlex.quote(" ".join(commands)), cases="\n".join(cases))


def _words(command: argparse.ArgumentParser) -> Iterator[str]:
    for one in options_of(command):
        yield from one.option_strings
        if one.choices and not one.option_strings:
            yield from map(str, one.choices)


def _zsh(parser: argparse.ArgumentParser) -> str:
    commands = commands_of(parser)
    names = [f"        {shlex.quote(f'{name}:{command.description}')}" for name, command in commands.items()]
    cases = [
        f"        {name}) _arguments {' '.join(map(shlex.quote, _specs(command)))} ;;"
        for name, command in commands.items()
    ]
    return _ZSH.format(names="\n".join(names), cases="\n".join(cases))


def _specs(command: argparse.ArgumentParser) -> Iterator[str]:
    for one in options_of(command):
        said = _without_brackets(one.help)
        values = f"({' '.join(map(str, one.choices))})" if one.choices else "_files"
        takes = "" if one.nargs == 0 else f":{str(one.metavar or one.dest).lower()}:{values}"
        for name in one.option_strings:
            yield f"{name}[{said}]{takes}"
    # What stands without an option, such as the name of an experiment; behind `--` everything is the training's.
    places = [one for one in options_of(command) if not one.option_strings]
    choices = next((one.choices for one in places if one.choices), None)
    yield f"*:name:({' '.join(map(str, choices))})" if choices else "*:name:_files"


def _without_brackets(text: str | None) -> str:
    return (text or "").replace("[", "(").replace("]", ")").replace(":", ",")


def _fish(parser: argparse.ArgumentParser) -> str:
    lines = ["# fish completion of seedproof: seedproof completion fish | source"]
    commands = commands_of(parser)
    for name, command in commands.items():
        lines.append(f"complete -c seedproof -n __fish_use_subcommand -a {name} -d {_fish_text(command.description)}")
        seen = f'"__fish_seen_subcommand_from {name}"'
        for one in options_of(command):
            if not one.option_strings:
                choices = " ".join(map(str, one.choices or ()))
                lines += [f"complete -c seedproof -n {seen} -a {_fish_text(choices)}"] if choices else []
                continue
            names = [f"-l {word[2:]}" if word.startswith("--") else f"-s {word[1:]}" for word in one.option_strings]
            takes = [] if one.nargs == 0 else ["-r"]
            lines.append(" ".join(["complete -c seedproof -n", seen, *names, *takes, "-d", _fish_text(one.help)]))
    return "\n".join([*lines, ""])


def _fish_text(text: str | None) -> str:
    """A text in single quotes, in which fish knows two escapes."""
    escaped = (text or "").replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"

"""Shell scripts that start a training: whether arguments reach it, which variables they read, and what they run."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from seedproof_mcp.setup.source.found import Option
from seedproof_mcp.setup.source.python_source import read_text

__all__ = ["Launcher", "find_launchers", "is_plain", "read_launcher"]

_NAMES = re.compile(r"(^|/)(run|train|launch|start|pretrain|finetune|speedrun)[\w-]*\.(sh|bash)$")
_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*):?[-=]([^}]*)\}")
_PASSES = re.compile(r"\$@|\$\*|\$\{@")
_STARTS = re.compile(r"(^|[\s/])(python[\d.]*|torchrun|accelerate|deepspeed|uv|yolo|mpirun|poetry|pdm)\s")
# `export LR=0.1 STEPS=400`, and `LR=0.1 python fit.py`.
_EXPORTS = re.compile(r"(?:^|[;&]\s*)(?:export|declare -x|typeset -x)\s+([^;&|]+)")
_BEFORE = re.compile(r"^(?:env\s+)?(?:[A-Za-z_]\w*=\S*\s+)+(?=\S)")
_NAME = re.compile(r"(?:^|\s)([A-Za-z_]\w*)(?==|\s|$)")
_SHELL = re.compile(r"[$`|;<>&(){}*?!\n]")
_MOST = 10


@dataclass(frozen=True, slots=True)
class Launcher:
    """What a shell script says."""

    path: str
    passes_arguments: bool
    variables: tuple[Option, ...]
    """Variables that it has a default for, such as `${SEED:-1}`."""
    exported: frozenset[str]
    """Variables that it sets for what it starts."""
    commands: tuple[tuple[int, str], ...]
    """Lines that start a training, with their numbers; lines that go on behind a backslash are one."""


def find_launchers(root: Path, paths: tuple[str, ...]) -> list[Launcher]:
    """The shell scripts whose name says that they start something, those near the top first."""
    named = sorted((path for path in paths if _NAMES.search(path)), key=lambda path: (path.count("/"), path))
    found = [read_launcher(root, path) for path in named[:_MOST]]
    return [one for one in found if one is not None and one.commands]


def read_launcher(root: Path, path: str) -> Launcher | None:
    """A shell script; None where it cannot be read."""
    text = read_text(root / path)
    if text is None:
        return None
    lines: list[tuple[int, str]] = []
    begun: tuple[int, str] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        first, before = begun or (number, "")
        whole = f"{before} {line.strip()}".strip()
        begun = (first, whole.removesuffix("\\")) if whole.endswith("\\") else None
        if begun is None and not whole.startswith("#"):
            lines.append((first, whole))
    commands = tuple((number, line) for number, line in lines if _STARTS.search(f" {line} "))
    variables = {
        match[1]: Option((match[1],), f"{path}:{number}", match[2])
        for number, line in lines
        for match in _VARIABLE.finditer(line)
    }
    exported = frozenset(
        name
        for _, line in lines
        for part in (*_EXPORTS.findall(line), *(match[0] for match in [_BEFORE.match(line)] if match is not None))
        for name in _NAME.findall(part)
    )
    return Launcher(path, bool(_PASSES.search(text)), tuple(variables.values()), exported, commands)


def is_plain(line: str) -> list[str] | None:
    """The words of a line in which the shell has nothing to work out; None for any other."""
    if _SHELL.search(line):
        return None
    try:
        return shlex.split(line)
    except ValueError:
        return None

"""Finds files of settings that flags name and that set a seed of their own."""

import re
from collections.abc import Collection, Iterator, Sequence

from seedproof.commands.protection import is_seed_name
from seedproof.commands.settings import is_option, override_key

__all__ = ["named_files", "seed_keys"]

# Larger files are data.
_MOST_BYTES = 1024 * 1024
_YAML = (".yaml", ".yml")
# Options that take the name of a Hydra file in its folder of configurations, without the ending.
_CONFIG_NAMES = frozenset({"--config-name", "-cn"})
# `seed: 7`, `seed = 7`, `--seed=7`, `dict(seed=7)`, `"seed": 7`: a number, or true as Lightning's own choice of one.
_SET = re.compile(
    r"""(?:^|[\s{(,])-{0,2}['"]?(?P<key>[A-Za-z_][\w./-]*)['"]?\s*(?:[:=](?!=)|(?<=\w)[ ](?=\d))\s*"""
    r"""['"\[]?\s*(?:[-+]?\d|(?:true|True)\b)"""
)


def named_files(flags: Sequence[str], files: Collection[str]) -> tuple[str, ...]:
    """The files among these that the flags name: by path, or as Hydra finds them, by name or by group and name.

    Args:
        files: Paths in the project, with `/`.
    """
    wanted = [one for one in _names(flags) if one]
    by_path = {path for path in files for name, is_path in wanted if is_path and path == name.removeprefix("./")}
    stems = {name for name, is_path in wanted if not is_path}
    by_stem = {
        path
        for path in files
        if path.endswith(_YAML) and any(f"/{path.rpartition('.')[0]}".endswith(f"/{stem}") for stem in stems)
    }
    return tuple(sorted(by_path | by_stem))


def _names(flags: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """What flags may name a file by: a path, or a name without ending."""
    for position, flag in enumerate(flags):
        name, equals, value = flag.partition("=")
        before = flags[position - 1] if position else ""
        text = value if equals else "" if is_option(flag) else flag
        if text:
            yield text, True
        if name in _CONFIG_NAMES and equals:
            yield value.removesuffix(".yaml"), False
        elif before in _CONFIG_NAMES and not is_option(flag):
            yield flag.removesuffix(".yaml"), False
        elif equals and not is_option(flag) and override_key(flag) is not None:
            yield f"{name.lstrip('+~').partition('@')[0]}/{value}", False


def seed_keys(content: bytes) -> tuple[str, ...]:
    """The keys of a file of settings that have the whole word seed and a number; `${seed}` and null are none."""
    if len(content) > _MOST_BYTES:
        return ()
    text = content.decode("utf-8", "replace")
    lines = (re.split(r"(?:^|\s)[#;]", line, maxsplit=1)[0] for line in text.splitlines())
    found = (one["key"] for line in lines for one in _SET.finditer(line))
    return tuple(dict.fromkeys(key for key in found if is_seed_name(key)))

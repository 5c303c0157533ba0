"""Finds files of settings that flags name and that set a seed which the command does not set itself."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from seedproof.commands.option_names import plain_name
from seedproof.commands.protection import is_seed_name
from seedproof.commands.settings import has_pairs, is_option, override_key, read_settings
from seedproof.model.rules import Rules

__all__ = ["named_files", "own_keys", "seed_keys"]

# Larger files are data.
_MOST_BYTES = 1024 * 1024
_YAML = (".yaml", ".yml")
# Options that take the name of a Hydra file in its folder of configurations, without the ending.
_CONFIG_NAMES = frozenset({"--config-name", "-cn"})
_NAME = r"[A-Za-z_][\w./-]*"
# `seed: 7`, `seed = 7`, `--seed=7`, `dict(seed=7)`, `"seed": 7`: a number, or true as Lightning's own choice of one.
_SET = (
    rf"""(?:^|(?<=[\s{{(,]))-{{0,2}}['"]?(?P<key>{_NAME})['"]?\s*(?:[:=](?!=)|(?<=\w)[ ](?=\d))\s*"""
    r"""['"]?(?P<list>\[?)\s*(?:[-+]?\d|(?:true|True)\b)"""
)
# `run: {`, `"run": {`, `run = dict(` and `(` alone: keys up to the next `}` belong to run.
_OPEN = rf"""(?:(?<![\w./-])(?P<owner>{_NAME})['"]?\s*[:=]\s*)?(?:dict)?[{{(\[]"""
_TOKEN = re.compile(rf"{_SET}|(?P<open>{_OPEN})|(?P<close>[}})\]])")
_COMMENT = re.compile(r"(?:^|\s)[#;]")
_SECTION = re.compile(r"\s*\[+([\w.-]+)\]+\s*")
_BLOCK = re.compile(rf"""(?P<indent>[\s-]*)['"]?(?P<key>{_NAME})['"]?\s*:""")
_PACKAGE = re.compile(r"(?m)^#\s*@package\s+(?P<name>[\w.]+)")
_UNKNOWN = "?"


def named_files(flags: Sequence[str], files: Collection[str]) -> Mapping[str, str]:
    """The files among these that the flags name: by path, or as Hydra finds them, by name or by group and name.

    Args:
        files: Paths in the project, with `/`.

    Returns:
        By path, the key below which Hydra puts what the file says; empty for all other files.
    """
    found: dict[str, str] = {}
    for name, is_path, below in _names(flags):
        for path in files:
            stem, _, ending = f"/{path}".rpartition(".")
            is_named = path == name.removeprefix("./") if is_path else stem.endswith(f"/{name}")
            if is_named and (is_path or f".{ending}" in _YAML):
                found.setdefault(path, below)
    return dict(sorted(found.items()))


def _names(flags: Sequence[str]) -> Iterator[tuple[str, bool, str]]:
    """What flags may name a file by: a path, or a name without ending; with the key that Hydra puts it below."""
    for position, flag in enumerate(flags):
        name, equals, value = flag.partition("=")
        before = flags[position - 1] if position else ""
        text = value if equals else "" if is_option(flag) else flag
        if text:
            yield text, True, ""
        if name in _CONFIG_NAMES and value:
            yield value.removesuffix(".yaml"), False, ""
        elif before in _CONFIG_NAMES and not is_option(flag):
            yield flag.removesuffix(".yaml"), False, ""
        elif value and not is_option(flag) and override_key(flag) is not None:
            group, _, package = name.lstrip("+~").partition("@")
            yield f"{group}/{value}", False, (package or group).replace("/", ".")


def own_keys(rules: Rules) -> frozenset[str]:
    """The keys that the command sets to the run's seed, whatever a file that flags name says.

    Overrides (`seed={seed}`, `SEED {seed}`) win over files wherever they stand. Of options the last one counts where
    files are read in their place, so `--seed {seed}` wins over a file only behind {flags}.
    """
    found = set[str]()
    for setting in read_settings(rules.command, with_pairs=has_pairs(rules)):
        is_behind = setting.places[:1] > (rules.command.index("{flags}"),)
        for value in setting.values:
            inner = override_key(value)
            if value == "{seed}" and (setting.kind in ("key", "pair") or is_behind):
                found.add(plain_name(setting.name))
            elif inner is not None and value == f"{inner}={{seed}}":
                found.add(plain_name(inner))
    return frozenset(found)


def seed_keys(content: bytes, below: str = "", own: Collection[str] = ()) -> tuple[str, ...]:
    """The keys of a file of settings that have the whole word seed and a number; `${seed}` and null are none.

    Args:
        below: The key below which Hydra puts what the file says, unless the file names another one.
        own: Keys that the command sets itself, which do not count.
    """
    if len(content) > _MOST_BYTES:
        return ()
    text = content.decode("utf-8", "replace")
    package = _PACKAGE.search(text)
    if package is not None and package["name"] != "_group_":
        below = package["name"]
    start = tuple(part for part in below.split(".") if part not in ("", "_global_"))
    paths = ((*start, *path) for path in _paths(text) if is_seed_name(path[-1]))
    # A list or a call on the way to a key leaves open what the key belongs to.
    found = (path for path in paths if _UNKNOWN in path or plain_name(".".join(path)) not in own)
    return tuple(dict.fromkeys(".".join(part for part in path if part != _UNKNOWN) for path in found))


def _paths(text: str) -> Iterator[tuple[str, ...]]:
    """Each key with a number, behind the keys that it stands below: by indentation, brackets or `[section]`."""
    blocks: list[tuple[int, str]] = []
    opened: list[str] = []
    section: tuple[str, ...] = ()
    above: tuple[str, ...] = ()
    for number, raw in enumerate(text.strip().splitlines()):
        line = _COMMENT.split(raw, maxsplit=1)[0]
        head, block = _SECTION.fullmatch(line), _BLOCK.match(line)
        if not opened and head is not None:
            section = (head[1],)
            continue
        if not opened:
            blocks = [one for one in blocks if block is None or one[0] < len(block["indent"])]
            above = (*section, *(key for _, key in blocks))
            blocks += [] if block is None else [(len(block["indent"]), block["key"])]
        for found in _TOKEN.finditer(line):
            if found["key"]:
                yield *above, *filter(None, opened), found["key"]
            if found["open"] or found["list"]:
                is_root = number == 0 and found.start() == 0 and found["open"] == "{"
                opened.append("" if is_root else found["owner"] or _UNKNOWN)
            elif found["close"] and opened:
                opened.pop()

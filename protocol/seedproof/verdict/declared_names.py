"""The files that an experiment's flags declare: a flag names a file, its folder or its stem."""

import re
from collections.abc import Iterator, Sequence

__all__ = ["declared_names", "is_declared"]


def declared_names(flags: Sequence[str]) -> frozenset[str]:
    """Every name in the flags that a file may go by: options without dashes, values, their last parts and stems."""
    return frozenset(_plain(name) for flag in flags for name in _names(flag)) - {"", ".", ".."}


def is_declared(path: str, names: frozenset[str]) -> bool:
    """Whether one of the names is a path, one of its components, or its stem."""
    shown = re.sub(r" \(\d+\)\Z", "", path.removeprefix("…/"))  # a number tells files of one name apart
    file = shown.rpartition("/")[2]
    found = {shown, *shown.split("/"), file.rpartition(".")[0], file.partition(".")[0]}
    return not names.isdisjoint(map(_plain, found))


def _names(flag: str) -> Iterator[str]:
    """`--no-ema`: no-ema and ema. `--data=a/owt.bin`, `data.name=owt`: key, value, and the value's name and stem."""
    for part in flag.split(","):
        key, equals, value = part.partition("=")
        option = key.lstrip("-+~")
        if equals or part.startswith("-"):
            yield option
            yield option.rpartition(".")[2]
            yield option.removeprefix("no-").removeprefix("no_")
        for text in (value,) if equals else () if part.startswith("-") else (part,):
            name = text.rstrip("/").rpartition("/")[2]
            yield from (text.rstrip("/").removeprefix("./"), name)
            if not name.replace(".", "").isdigit():  # 0.9 is no file of the name 0
                yield from (name.rpartition(".")[0], name.partition(".")[0])


def _plain(name: str) -> str:
    return name.casefold().replace("-", "_")

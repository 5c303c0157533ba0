"""Files that the settings leave out of the identity of the code."""

import fnmatch
import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence

from seedproof.metrics.lines import one_line
from seedproof.model.values import Notice, Run

__all__ = ["Exclusions", "exclusion_notices", "exclusions_of", "scripts_of"]

Exclusions = tuple[str, ...]
"""The patterns of `settings.not_code` that a run was carried out under."""

# Lists can be long; the first are named, the others counted.
_NAMED = 5
_LONGEST = 80


def exclusions_of(runs: Iterable[Run]) -> list[Exclusions]:
    """The patterns of each run of which they are known; an old ledger does not tell them."""
    return [tuple(run.surroundings["not_code"]) for run in runs if "not_code" in run.surroundings]


def scripts_of(runs: Iterable[Run]) -> set[str]:
    """The Python files that the commands of runs name."""
    found: set[str] = set()
    for argv in {run.argv for run in runs}:
        modules = [name.replace(".", "/") + ".py" for flag, name in itertools.pairwise(argv) if flag == "-m"]
        found.update((*modules, *(part for part in argv if part.endswith(".py"))))
    return found


def exclusion_notices(sides: Mapping[str, Sequence[Exclusions]], scripts: Collection[str]) -> list[Notice]:
    """What the settings leave out of the code, if anything.

    Args:
        sides: The patterns of each run, by the name that a reader knows the runs by.
        scripts: Files that the runs' commands name, from the project on.
    """
    kinds = dict.fromkeys(kind for found in sides.values() for kind in found)
    if not any(kinds):
        return []
    every = sorted({pattern for kind in kinds for pattern in kind})
    if len(kinds) == 1:
        said = f"settings.not_code leaves {_listed(every)} out of the code; changes of such files are no change of code"
    else:
        told = ", ".join(
            f"{' and '.join(map(_listed, dict.fromkeys(found)))} in {who}" for who, found in sides.items() if found
        )
        said = (
            f"settings.not_code is not the same in all runs: {told}; so their codes were not compared by the same files"
        )
    python = [pattern for pattern in every if _names_python(pattern, scripts)]
    if python:
        said += f"; {_listed(python)} covers Python files, so these runs may have been trained with other code"
    return [Notice("not_code_disclosed", f"{said}.")]


def _names_python(pattern: str, scripts: Collection[str]) -> bool:
    return pattern.endswith((".py", ".py/")) or any(_covers(pattern, script) for script in scripts)


def _covers(pattern: str, path: str) -> bool:
    """Whether a pattern names a path or a folder that it lies in; rather too often than not often enough."""
    wanted = "/".join(part for part in pattern.split("/") if part not in ("", "."))
    # Brackets stand for themselves in the settings; that ** may stand for no folder at all is tried as well.
    words = {form.replace("[", "[[]") for form in (wanted, wanted.replace("**/", ""))}
    parts = [part for part in path.split("/") if part not in ("", ".")]
    places = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
    return any(fnmatch.fnmatchcase(place, word) for place in places for word in words)


def _listed(patterns: Sequence[str]) -> str:
    if not patterns:
        return "nothing"
    named = ", ".join(f'"{one_line(pattern):.{_LONGEST}}"' for pattern in patterns[:_NAMED])
    more = len(patterns) - _NAMED
    return named + (f" and {more} more" if more > 0 else "")

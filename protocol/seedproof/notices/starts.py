"""Notices on how runs were started: inherited variables, paths in the command, how the code was held, company."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from seedproof.model.results import Notice
from seedproof.model.runs import Run
from seedproof.model.untrusted import one_line
from seedproof.notices.declarations import list_first
from seedproof.verdict.place import several_at_once

__all__ = ["start_notices"]

# Characters of a path in a notice.
_LONGEST = 80

_Sides = Mapping[str, Sequence[Run]]


def start_notices(sides: Mapping[str, Sequence[Run]]) -> list[Notice]:
    """Notices on how the runs of a verdict were started.

    Args:
        sides: The runs, by the name that a reader knows them by.
    """
    return [*_inherited(sides), *_commands(sides), *_held(sides), *_at_once(sides)]


def _inherited(sides: _Sides) -> Iterator[Notice]:
    """Variables of the server's own environment that the code names, and that are not the same in all runs."""
    known = {
        who: [one for run in runs if (one := run.surroundings.get("variables")) is not None]
        for who, runs in sides.items()
    }
    every = [found for runs in known.values() for found in runs]
    for name in sorted({name for found in every for name in found}):
        if len({found.get(name) for found in every}) < 2:
            continue
        first = every[0].get(name)
        others = [(who, sum(found.get(name) != first for found in runs), len(runs)) for who, runs in known.items()]
        counts = ", ".join(f"{count} of {number} runs of {who}" for who, count, number in others if count)
        text = f"{name}, which the code names and the server passed on, is not the same in all runs: other in {counts}"
        yield Notice("variables_differ", f"{text}, compared with the first. Values are recorded as hashes only.")


def _commands(sides: _Sides) -> Iterator[Notice]:
    """The project's own files by absolute path, and a script elsewhere: neither is what the code's identity says."""
    runs = [run for some in sides.values() for run in some]
    rewritten = dict.fromkeys(part for run in runs for part in run.surroundings.get("rewritten", ()))
    if rewritten:
        text = (
            f"{_listed(rewritten)} in the command names the project's own by its absolute path, where it may be edited "
            "meanwhile; each run was given what its snapshot has, by relative path."
        )
        yield Notice("command_rewritten", text)
    contents: dict[str, dict[str, None]] = {}
    for script in (run.surroundings["script"] for run in runs if "script" in run.surroundings):
        contents.setdefault(one_line(script["path"]), {})[script["content"]] = None
    for path, found in contents.items():
        number = f", and it had {len(found)} different contents" if len(found) > 1 else ""
        text = f"script outside the project: {path} is no part of the code that snapshots and hashes cover{number}"
        yield Notice("script_outside", f"{text}.")


def _held(sides: _Sides) -> Iterator[Notice]:
    """Sides some of whose runs had their code in another way than the baseline's."""
    held = {who: {one for run in runs if (one := run.surroundings.get("held"))} for who, runs in sides.items()}
    who = list_first(name for name, found in held.items() if found)
    if who:
        where = "in place" if any("in-place" in found for found in held.values()) else "in snapshots"
        text = f"the code of {who} was held {where}, that of the baseline was not: settings.code changed between them"
        yield Notice("code_held_differs", f"{text}. In place, nothing but the hashes says what was trained with.")


def _at_once(sides: _Sides) -> Iterator[Notice]:
    said = several_at_once(run for runs in sides.values() for run in runs)
    if said is not None:
        yield Notice("several_at_once", f"several at once: {said}")


def _listed(parts: Iterable[str]) -> str:
    return list_first(f"`{one_line(part):.{_LONGEST}}`" for part in parts)

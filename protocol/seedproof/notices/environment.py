"""Notices on where and with what runs were carried out: packages, devices, variables, files that are no code."""

import fnmatch
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from seedproof.model.arms import Arm
from seedproof.model.results import Notice
from seedproof.model.runs import Run
from seedproof.model.untrusted import one_line
from seedproof.verdict.comparability import KINDS, counted_runs, differences, place_of, value_of, wall_time_withheld

__all__ = [
    "Exclusions",
    "comparability_notices",
    "exclusion_notices",
    "exclusions_of",
    "place_notices",
    "scripts_of",
    "variable_notices",
]


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


# Values of these are paths: a notice says that they differ, and no folder of anybody's machine.
_PATHS = frozenset({"PYTHONPATH"})


_Sides = Mapping[str, Sequence[Run]]


def variable_notices(sides: _Sides) -> list[Notice]:
    """Variables with another value in some runs, or given by the settings to some runs alone.

    Args:
        sides: The runs to look at, by the name that a reader knows them by.
    """
    return [*_recorded(sides), *_added_to_some(sides), *_added_differently(sides)]


def _recorded(sides: _Sides) -> Iterator[Notice]:
    """Variables whose recorded values are not the same in all runs."""
    for name in sorted({name for runs in sides.values() for run in runs for name in run.surroundings.get("env", {})}):
        values = {who: dict.fromkeys(value_of(run, name) for run in runs) for who, runs in sides.items() if runs}
        if len({value for found in values.values() for value in found}) < 2:
            continue
        told = ", ".join(f"{' and '.join(found)} in {who}" for who, found in values.items())
        said = "" if name in _PATHS else f": {told}"
        yield Notice("variables_differ", f"{name} is not the same in all runs{said}.")


def _added_to_some(sides: _Sides) -> Iterator[Notice]:
    """Variables of the settings that some runs had and others had not; their values are nobody's business."""
    told = {
        who: [(set(run.surroundings["env_names"]), run) for run in runs if "env_names" in run.surroundings]
        for who, runs in sides.items()
    }
    every = [(names - set(run.surroundings.get("env", {})), names) for runs in told.values() for names, run in runs]
    for name in sorted({name for unrecorded, _ in every for name in unrecorded}):
        if all(name in names for _, names in every):
            continue
        counts = ", ".join(
            f"{sum(name in names for names, _ in runs)} of {len(runs)} runs of {who}"
            for who, runs in told.items()
            if runs
        )
        yield Notice("variables_differ", f"[settings.env] set {name} for {counts}; its value is not recorded.")


def _added_differently(sides: _Sides) -> Iterator[Notice]:
    """Variables of the settings with another value in some runs, known by hashes alone; an old ledger has none."""
    hashes = {who: [run.surroundings.get("env_sha256", {}) for run in runs] for who, runs in sides.items()}
    for name in sorted({name for runs in hashes.values() for known in runs for name in known}):
        values = {who: [known[name] for known in runs if name in known] for who, runs in hashes.items()}
        first = next(value for found in values.values() for value in found)
        counts = {who: (sum(one != first for one in found), len(found)) for who, found in values.items()}
        said = ", ".join(f"{others} of {known} runs of {who}" for who, (others, known) in counts.items() if others)
        if said:
            words = f"[settings.env] set {name} to another value for {said} than for the first run"
            yield Notice("variables_differ", f"{words}; values are recorded as hashes only.")


def comparability_notices(baseline: Arm, experiment: Arm | None = None) -> list[Notice]:
    """What a reader has to know of the places of the runs behind a report, and what is not said for their sake."""
    return [
        *place_notices(baseline, experiment),
        *([] if experiment is None else _withheld_notices(baseline, experiment)),
    ]


def place_notices(baseline: Arm, experiment: Arm | None = None) -> list[Notice]:
    """What a reader has to know of the places in which the runs of a baseline, or of both arms, were carried out."""
    who = "baseline" if experiment is None else f"{experiment.experiment} and baseline"
    sides: dict[str, Sequence[Run]] = {"baseline": tuple(baseline.counted.values())}
    found = differences(baseline, experiment, with_fresh=True)
    notices = [Notice("environment_differs", f"{who}: other {one.kind}: {one.words}.") for one in found]
    if experiment is not None:
        sides[experiment.experiment or ""] = tuple(experiment.counted.values())
    every = sides if experiment is None else {**sides, **_beside(experiment)}
    return [
        *notices,
        *variable_notices(every),
        *_exclusion_notices(every),
        *_unknown(who, [run for runs in sides.values() for run in runs]),
    ]


def _beside(experiment: Arm) -> dict[str, Sequence[Run]]:
    """Runs that bear on a verdict beside those of the two arms."""
    sides = {"the control": counted_runs(experiment.controls), "the confirmation": counted_runs(experiment.fresh)}
    return {who: runs for who, runs in sides.items() if runs}


def _exclusion_notices(sides: Mapping[str, Sequence[Run]]) -> list[Notice]:
    scripts = scripts_of(run for runs in sides.values() for run in runs)
    return exclusion_notices({who: exclusions_of(runs) for who, runs in sides.items()}, scripts)


def _withheld_notices(baseline: Arm, experiment: Arm) -> list[Notice]:
    fresh = counted_runs(experiment.fresh)
    groups = {
        "wall time": wall_time_withheld(baseline.counted.values(), experiment.counted.values()),
        "the confirmation's wall time": wall_time_withheld(
            [run for run in fresh if run.is_control], [run for run in fresh if not run.is_control]
        ),
    }
    return [
        Notice("wall_time_withheld", f"{experiment.experiment}: nothing is said of {what}, because {why}.")
        for what, why in groups.items()
        if why is not None
    ]


def _unknown(who: str, runs: Sequence[Run]) -> list[Notice]:
    places = [place_of(run) for run in runs]
    missing = {kind: sum(place.part(kind) is None for place in places) for kind in KINDS}
    said = " and ".join(f"{kind} ({count} of {len(runs)} runs)" for kind, count in missing.items() if count)
    if not said:
        return []
    return [Notice("environment_unknown", f"{who}: {said} not recorded, so whether they differ is not known.")]

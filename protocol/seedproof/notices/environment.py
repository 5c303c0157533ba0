"""Notices on where and with what runs were carried out: packages, devices, variables, files left out of the code."""

import fnmatch
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from seedproof.model.arms import Arm
from seedproof.model.results import Notice
from seedproof.model.runs import Run
from seedproof.model.template import script_places
from seedproof.model.untrusted import one_line
from seedproof.notices.declarations import list_first
from seedproof.notices.inputs import input_notices
from seedproof.notices.starts import start_notices
from seedproof.verdict.comparability import KINDS, counted_runs, differences, pairs_withheld, wall_time_withheld
from seedproof.verdict.place import place_of, value_of

__all__ = ["Exclusions", "comparability_notices", "exclusion_notices", "exclusions_of", "place_notices", "scripts_of"]


Exclusions = tuple[str, ...]
"""The patterns of `settings.not_code` that a run was carried out under."""

# Characters of a pattern in a notice.
_LONGEST = 80
# Values of these are paths: a notice says that they differ, and names no folder of a machine.
_PATHS = frozenset({"PYTHONPATH"})

_Sides = Mapping[str, Sequence[Run]]


def exclusions_of(runs: Iterable[Run]) -> list[Exclusions]:
    """The patterns of each run; runs of an old ledger, which did not record them, are left out."""
    return [tuple(run.surroundings["not_code"]) for run in runs if "not_code" in run.surroundings]


def scripts_of(runs: Iterable[Run]) -> set[str]:
    """The files of the project that the commands of runs name to be executed, as far as their names tell it."""
    return {one for argv in {run.argv for run in runs if run.argv} for one in script_places(argv)}


def exclusion_notices(sides: Mapping[str, Sequence[Exclusions]], scripts: Collection[str]) -> list[Notice]:
    """What the settings leave out of the code, if anything.

    Args:
        sides: The patterns of each run, by the name that a reader knows the runs by.
        scripts: Files that the runs' commands name, relative to the project.
    """
    kinds = dict.fromkeys(kind for found in sides.values() for kind in found)
    if not any(kinds):
        return []
    every = sorted({pattern for kind in kinds for pattern in kind})
    if len(kinds) == 1:
        text = f"settings.not_code leaves {_quoted(every)} out of the code; changes of such files are no change of code"
    else:
        by_side = ", ".join(
            f"{' and '.join(map(_quoted, dict.fromkeys(found)))} in {who}" for who, found in sides.items() if found
        )
        text = (
            f"settings.not_code is not the same in all runs: {by_side}; "
            "so their codes were not compared by the same files"
        )
    python = [
        pattern
        for pattern in every
        if pattern.endswith((".py", ".py/")) or any(_covers(pattern, script) for script in scripts)
    ]
    if python:
        text += f"; {_quoted(python)} covers Python files, so these runs may have been trained with other code"
    return [Notice("not_code_disclosed", f"{text}.")]


def _covers(pattern: str, path: str) -> bool:
    """Whether a pattern matches a path or a folder above it; in doubt it does."""
    wanted = "/".join(part for part in pattern.split("/") if part not in ("", "."))
    # Brackets are literal in the settings, and ** also matches no folder at all.
    globs = {form.replace("[", "[[]") for form in (wanted, wanted.replace("**/", ""))}
    parts = [part for part in path.split("/") if part not in ("", ".")]
    places = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
    return any(fnmatch.fnmatchcase(place, glob) for place in places for glob in globs)


def _quoted(patterns: Sequence[str]) -> str:
    return list_first(f'"{one_line(pattern):.{_LONGEST}}"' for pattern in patterns) or "nothing"


def _recorded(sides: _Sides) -> Iterator[Notice]:
    """Variables whose recorded values are not the same in all runs."""
    for name in sorted({name for runs in sides.values() for run in runs for name in run.surroundings.get("env", {})}):
        values = {who: dict.fromkeys(value_of(run, name) for run in runs) for who, runs in sides.items() if runs}
        if len({value for found in values.values() for value in found}) < 2:
            continue
        by_side = ", ".join(f"{' and '.join(found)} in {who}" for who, found in values.items())
        shown = "" if name in _PATHS else f": {by_side}"
        yield Notice("variables_differ", f"{name} is not the same in all runs{shown}.")


def _added_to_some(sides: _Sides) -> Iterator[Notice]:
    """Variables that the settings gave to some runs only; their values are not recorded."""
    known = {
        who: [(set(run.surroundings["env_names"]), run) for run in runs if "env_names" in run.surroundings]
        for who, runs in sides.items()
    }
    every = [(names - set(run.surroundings.get("env", {})), names) for runs in known.values() for names, run in runs]
    for name in sorted({name for unrecorded, _ in every for name in unrecorded}):
        if all(name in names for _, names in every):
            continue
        counts = ", ".join(
            f"{sum(name in names for names, _ in runs)} of {len(runs)} runs of {who}"
            for who, runs in known.items()
            if runs
        )
        yield Notice("variables_differ", f"[settings.env] set {name} for {counts}; its value is not recorded.")


def _added_differently(sides: _Sides) -> Iterator[Notice]:
    """Variables to which the settings gave another value in some runs, by their hashes; an old ledger has none."""
    hashes = {who: [run.surroundings.get("env_sha256", {}) for run in runs] for who, runs in sides.items()}
    for name in sorted({name for runs in hashes.values() for known in runs for name in known}):
        values = {who: [known[name] for known in runs if name in known] for who, runs in hashes.items()}
        first = next(value for found in values.values() for value in found)
        counts = {who: (sum(one != first for one in found), len(found)) for who, found in values.items()}
        others = ", ".join(f"{other} of {known} runs of {who}" for who, (other, known) in counts.items() if other)
        if others:
            text = f"[settings.env] set {name} to another value for {others} than for the first run"
            yield Notice("variables_differ", f"{text}; values are recorded as hashes only.")


def comparability_notices(baseline: Arm, experiment: Arm | None = None) -> list[Notice]:
    """Notices on where the runs behind a report were carried out and what they read, and on what is withheld."""
    return [
        *place_notices(baseline, experiment),
        *input_notices(baseline, experiment),
        *([] if experiment is None else _withheld_notices(baseline, experiment)),
    ]


def place_notices(baseline: Arm, experiment: Arm | None = None) -> list[Notice]:
    """Notices on where the runs of a baseline, or of both arms, were carried out."""
    who = "baseline" if experiment is None else f"{experiment.experiment} and baseline"
    sides: dict[str, Sequence[Run]] = {"baseline": tuple(baseline.counted.values())}
    found = differences(baseline, experiment, with_fresh=True)
    notices = [Notice("environment_differs", f"{who}: other {one.kind}: {one.words}.") for one in found]
    if experiment is not None:
        sides[experiment.experiment or ""] = tuple(experiment.counted.values())
    every = dict(sides)
    if experiment is not None:  # a verdict depends on these runs as well
        every["the control"] = counted_runs(experiment.controls)
        every["the confirmation"] = counted_runs(experiment.all_fresh)
    scripts = scripts_of(run for runs in every.values() for run in runs)
    return [
        *notices,
        *_recorded(every),
        *_added_to_some(every),
        *_added_differently(every),
        *start_notices(every),
        *exclusion_notices({who: exclusions_of(runs) for who, runs in every.items()}, scripts),
        *_unknown(who, [run for runs in sides.values() for run in runs]),
    ]


def _withheld_notices(baseline: Arm, experiment: Arm) -> list[Notice]:
    fresh = counted_runs(experiment.all_fresh)
    groups = {
        "wall time": wall_time_withheld(baseline.counted.values(), experiment.counted.values()),
        "the confirmation's wall time": pairs_withheld(
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
    text = " and ".join(f"{kind} ({count} of {len(runs)} runs)" for kind, count in missing.items() if count)
    if not text:
        return []
    return [Notice("environment_unknown", f"{who}: {text} not recorded, so whether they differ is not known.")]

"""Variables of the environment that are not the same in all runs behind a verdict."""

from collections.abc import Iterator, Mapping, Sequence

from seedproof.model.values import Notice, Run

__all__ = ["value_of", "variable_notices"]

# Values of these are paths: a notice says that they differ, and no folder of anybody's machine.
_PATHS = frozenset({"PYTHONPATH"})

_Sides = Mapping[str, Sequence[Run]]


def variable_notices(sides: _Sides) -> list[Notice]:
    """Variables with another value in some runs, or given by the settings to some runs alone.

    Args:
        sides: The runs to look at, by the name that a reader knows them by.
    """
    return [*_recorded(sides), *_added_to_some(sides), *_added_differently(sides)]


def value_of(run: Run, variable: str) -> str:
    """The recorded value of a variable, for a reader."""
    value = run.surroundings.get("env", {}).get(variable)
    return "unset" if value is None else f"{value or repr(value):.60}"


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

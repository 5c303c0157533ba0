"""What besides the experiment differs between runs that a verdict sets side by side."""

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seedproof.model.values import Arm, Difference, DifferenceKind, Notice, Run
from seedproof.notices.exclusions import exclusion_notices, exclusions_of, scripts_of
from seedproof.notices.variables import value_of, variable_notices

__all__ = [
    "DEVICE_VARIABLES",
    "THREAD_VARIABLES",
    "comparability_notices",
    "differences",
    "differences_now",
    "has_known_packages",
    "place_notices",
    "wall_time_withheld",
]

# They choose a device or how it computes.
DEVICE_VARIABLES = (
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_DEVICE_ORDER",
    "CUDA_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "NVIDIA_TF32_OVERRIDE",
    "ROCR_VISIBLE_DEVICES",
)
# They say how many processors compute: sums in another order, and other wall times.
THREAD_VARIABLES = (
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
# More changes than these are counted, not named.
_NAMED = 5
# Load per processor. Generous, because a run's own predecessor counts: the load average before the first run of a
# queue is that of an idle machine, before the next one it is that of a training on all processors, which is 1.
LOAD_DIFFERS = 1.0

_Part = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where and with what a run was carried out. A part is None where it was never recorded."""

    packages: _Part | None
    """Versions by name; the interpreter's comes first."""
    device: _Part | None
    """What computes: the GPUs with driver and CUDA, or the CPU."""

    def part(self, kind: DifferenceKind) -> _Part | None:
        """One of the two."""
        return self.packages if kind == "packages" else self.device


_KINDS: tuple[DifferenceKind, ...] = ("packages", "device")


def differences(baseline: Arm, experiment: Arm | None = None, *, with_fresh: bool = False) -> tuple[Difference, ...]:
    """In what the runs behind a verdict differ, each set beside the first that is known; those of a baseline alone too.

    What was never recorded differs from nothing.

    Args:
        baseline: Its counted runs enter.
        experiment: Likewise.
        with_fresh: Whether the runs on fresh seeds enter as well, as they do once the experiment is judged by them.
    """
    sides = [("the baseline", tuple(baseline.counted.values()))]
    if experiment is not None:
        sides.append((experiment.experiment or "", tuple(experiment.counted.values())))
    if experiment is not None and with_fresh:
        sides.append(("the confirmation", _counted(experiment.fresh)))
    return tuple(found for kind in _KINDS for found in _differences(kind, sides))


def differences_now(
    arm: Arm, surroundings: Mapping[str, Any], environment: Mapping[str, Any]
) -> tuple[Difference, ...]:
    """In what a run that started now would differ from the counted ones of an arm."""
    now, found = _place(surroundings, environment), []
    for kind in _KINDS:
        known = [part for run in arm.counted.values() if (part := _place_of(run).part(kind)) is not None]
        there = now.part(kind)
        words = "" if there is None or not known else _change(kind, known[0], there)
        if words:
            found.append(Difference(kind, words))
    return tuple(found)


def has_known_packages(arm: Arm) -> bool:
    """Whether there is anything to set a run beside that started now."""
    return any(_place_of(run).packages is not None for run in arm.counted.values())


def wall_time_withheld(one: Iterable[Run], other: Iterable[Run]) -> str | None:
    """Why nothing may be said of wall time between two groups of runs; None if something may."""
    sides = [list(one), list(other)]
    runs = [run for side in sides for run in side]
    hosts = {run.host for run in runs} - {None}
    why = [f"the runs were on {len(hosts)} hosts"] if len(hosts) > 1 else []
    devices = [part for run in runs if (part := _place_of(run).device) is not None]
    if any(_change("device", devices[0], part) for part in devices):
        why.append("the devices differ")
    why += [f"{name} differs" for name in THREAD_VARIABLES if len({value_of(run, name) for run in runs}) > 1]
    loads = [_load_per_processor(side) for side in sides]
    if loads[0] is not None and loads[1] is not None and abs(loads[0] - loads[1]) > LOAD_DIFFERS:
        why.append(f"the load before the runs was {loads[0]:.1f} and {loads[1]:.1f} per processor (medians)")
    return "; ".join(why) or None


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
        *_exclusions(every),
        *_unknown(who, [run for runs in sides.values() for run in runs]),
    ]


def _beside(experiment: Arm) -> dict[str, Sequence[Run]]:
    """Runs that bear on a verdict beside those of the two arms."""
    sides = {"the control": _counted(experiment.controls), "the confirmation": _counted(experiment.fresh)}
    return {who: runs for who, runs in sides.items() if runs}


def _exclusions(sides: Mapping[str, Sequence[Run]]) -> list[Notice]:
    scripts = scripts_of(run for runs in sides.values() for run in runs)
    return exclusion_notices({who: exclusions_of(runs) for who, runs in sides.items()}, scripts)


def _withheld_notices(baseline: Arm, experiment: Arm) -> list[Notice]:
    fresh = _counted(experiment.fresh)
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
    places = [_place_of(run) for run in runs]
    missing = {kind: sum(place.part(kind) is None for place in places) for kind in _KINDS}
    said = " and ".join(f"{kind} ({count} of {len(runs)} runs)" for kind, count in missing.items() if count)
    if not said:
        return []
    return [Notice("environment_unknown", f"{who}: {said} not recorded, so whether they differ is not known.")]


def _load_per_processor(runs: Sequence[Run]) -> float | None:
    """The median of what the machine was busy with before the runs; None where nobody looked."""
    seen = [(run.load, run.surroundings.get("cpu_count")) for run in runs]
    found = [load / count for load, count in seen if load is not None and count]
    return statistics.median(found) if found else None


def _counted(runs: Iterable[Run]) -> tuple[Run, ...]:
    return tuple(run for run in runs if run.state.is_counted)


# --- differences ------------------------------------------------------------------------------


def _differences(kind: DifferenceKind, sides: Sequence[tuple[str, Sequence[Run]]]) -> Iterator[Difference]:
    """One for each arm and each change against the first run whose place is known."""
    first: _Part | None = None
    for who, runs in sides:
        changes: dict[str, list[int]] = {}
        for run in runs:
            part = _place_of(run).part(kind)
            first = first or part
            if part is not None and first is not None:
                changes.setdefault(_change(kind, first, part), []).append(run.seed)
        for words, seeds in changes.items():
            if words:
                yield Difference(kind, words + _where(who, seeds, is_whole=len(changes) == 1))


def _where(who: str, seeds: Iterable[int], *, is_whole: bool) -> str:
    """Which runs; nothing where it is the whole experiment, as one expects."""
    if is_whole:
        return "" if who != "the confirmation" else f" ({who})"
    return f" ({who}, seed {', '.join(map(str, sorted(set(seeds))))})"


def _change(kind: DifferenceKind, old: _Part, new: _Part) -> str:
    """What changed, in words: at most five names, then a count; empty where nothing did."""
    common = old.keys() & new.keys()
    if kind == "device" and not common:  # a GPU here, a CPU there
        return f"{' '.join(next(iter(old.items())))} → {' '.join(next(iter(new.items())))}"
    # A package may be absent; of a device that is not known which is not said.
    names = [name for name in dict.fromkeys((*old, *new)) if old.get(name) != new.get(name)]
    names = [name for name in names if kind == "packages" or name in common]
    words = [f"{name} {old.get(name, 'absent')} → {new.get(name, 'absent')}" for name in names[:_NAMED]]
    more = len(names) - _NAMED
    return ", ".join(words) + (f" and {more} more" if more > 0 else "")


# --- places -----------------------------------------------------------------------------------


def _place_of(run: Run) -> _Place:
    return _place(run.surroundings, run.environment)


def _place(surroundings: Mapping[str, Any], environment: Mapping[str, Any]) -> _Place:
    return _Place(_packages(environment), _device(surroundings, environment))


def _packages(environment: Mapping[str, Any]) -> _Part | None:
    packages, version = environment.get("packages"), environment.get("version")
    if packages is None or version is None:
        return None
    found: dict[str, str] = {str(environment.get("implementation")): version}
    # torch says more of itself, 2.9.0+cu128, than its package does.
    torch = environment.get("torch") or packages.get("torch")
    return {
        **found,
        **({"torch": torch} if torch else {}),
        **{name: one for name, one in packages.items() if name != "torch"},
    }


def _device(surroundings: Mapping[str, Any], environment: Mapping[str, Any]) -> _Part | None:
    gpus = environment.get("gpus")
    if gpus is None:
        return None
    visible = _visible(gpus, surroundings.get("env", {}).get("CUDA_VISIBLE_DEVICES"))
    if not visible:
        return None if environment.get("cpu") is None else {"CPU": environment["cpu"]}
    parts = {"GPU": visible, "driver": environment.get("driver"), "CUDA": environment.get("cuda")}
    return {name: part for name, part in parts.items() if part is not None}


def _visible(gpus: Sequence[str], chosen: str | None) -> str:
    """The GPUs that a training sees, as CUDA reads the variable: what follows an unknown name is not seen."""
    places: list[str] = []
    for place in range(len(gpus)) if chosen is None else chosen.split(","):
        word = str(place).strip()
        if not word or (word.lstrip("-").isdigit() and not 0 <= int(word) < len(gpus)):
            break
        places.append(word)
    if not gpus or not places:
        return ""
    if len(set(gpus)) == 1:
        return gpus[0] if len(places) == 1 else f"{len(places)} x {gpus[0]}"
    # CUDA may count by speed, the driver by slot: which of several kinds it is cannot be told.
    return " and ".join(gpus) if chosen is None else f"{','.join(places)} of {', '.join(gpus)}"

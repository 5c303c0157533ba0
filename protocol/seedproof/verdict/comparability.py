"""What besides the experiment differs between runs that a verdict compares, and whether that is accepted."""

import statistics
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seedproof.ledger.state import Experiment, State
from seedproof.model.arms import Arm, Baseline
from seedproof.model.refusals import NotComparable
from seedproof.model.results import Difference, DifferenceKind
from seedproof.model.rules import Rules
from seedproof.model.runs import Run
from seedproof.phases.looks import confirm_look
from seedproof.phases.next_call import new_baseline_call

__all__ = [
    "KINDS",
    "counted_runs",
    "place_of",
    "DEVICE_VARIABLES",
    "THREAD_VARIABLES",
    "accepted_differences",
    "require_comparable_now",
    "differences",
    "differences_now",
    "has_recorded_packages",
    "runs_behind",
    "value_of",
    "wall_time_withheld",
    "written_acceptance",
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
_NAMED_CHANGES = 5


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


KINDS: tuple[DifferenceKind, ...] = ("packages", "device")


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
        sides.append(("the confirmation", counted_runs(experiment.fresh)))
    return tuple(found for kind in KINDS for found in _differences(kind, sides))


def differences_now(
    arm: Arm, surroundings: Mapping[str, Any], environment: Mapping[str, Any]
) -> tuple[Difference, ...]:
    """In what a run that started now would differ from the counted ones of an arm."""
    now, found = _place(surroundings, environment), []
    for kind in KINDS:
        known = [part for run in arm.counted.values() if (part := place_of(run).part(kind)) is not None]
        there = now.part(kind)
        words = "" if there is None or not known else _change(kind, known[0], there)
        if words:
            found.append(Difference(kind, words))
    return tuple(found)


def has_recorded_packages(arm: Arm) -> bool:
    """Whether there is anything to set a run beside that started now."""
    return any(place_of(run).packages is not None for run in arm.counted.values())


def wall_time_withheld(one: Iterable[Run], other: Iterable[Run]) -> str | None:
    """Why nothing may be said of wall time between two groups of runs; None if something may."""
    sides = [list(one), list(other)]
    runs = [run for side in sides for run in side]
    hosts = {run.host for run in runs} - {None}
    why = [f"the runs were on {len(hosts)} hosts"] if len(hosts) > 1 else []
    devices = [part for run in runs if (part := place_of(run).device) is not None]
    if any(_change("device", devices[0], part) for part in devices):
        why.append("the devices differ")
    why += [f"{name} differs" for name in THREAD_VARIABLES if len({value_of(run, name) for run in runs}) > 1]
    loads = [_load_per_processor(side) for side in sides]
    if loads[0] is not None and loads[1] is not None and abs(loads[0] - loads[1]) > LOAD_DIFFERS:
        why.append(f"the load before the runs was {loads[0]:.1f} and {loads[1]:.1f} per processor (medians)")
    return "; ".join(why) or None


def _load_per_processor(runs: Sequence[Run]) -> float | None:
    """The median of what the machine was busy with before the runs; None where nobody looked."""
    seen = [(run.load, run.surroundings.get("cpu_count")) for run in runs]
    found = [load / count for load, count in seen if load is not None and count]
    return statistics.median(found) if found else None


def counted_runs(runs: Iterable[Run]) -> tuple[Run, ...]:
    return tuple(run for run in runs if run.state.is_counted)


# --- differences ------------------------------------------------------------------------------


def _differences(kind: DifferenceKind, sides: Sequence[tuple[str, Sequence[Run]]]) -> Iterator[Difference]:
    """One for each arm and each change against the first run whose place is known."""
    first: _Part | None = None
    for who, runs in sides:
        changes: dict[str, list[int]] = {}
        for run in runs:
            part = place_of(run).part(kind)
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
    words = [f"{name} {old.get(name, 'absent')} → {new.get(name, 'absent')}" for name in names[:_NAMED_CHANGES]]
    more = len(names) - _NAMED_CHANGES
    return ", ".join(words) + (f" and {more} more" if more > 0 else "")


# --- places -----------------------------------------------------------------------------------


def place_of(run: Run) -> _Place:
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


def accepted_differences(
    baseline: Baseline, experiment: Experiment, arm: Arm, kinds: Collection[str]
) -> tuple[Difference, ...]:
    """What differs behind a verdict besides the experiment; a verdict that was given keeps what it was given with.

    Args:
        baseline: What it is compared with.
        experiment: With its newest verdict.
        arm: Its runs.
        kinds: What the settings accept.

    Raises:
        NotComparable: Something else differs.
    """
    issued = experiment.verdict
    if issued is not None and issued.runs == runs_behind(arm, baseline.rules):
        return written_acceptance(experiment)
    found = differences(baseline.arm, arm, with_fresh=confirm_look(arm, baseline.rules).is_complete)
    _require_accepted(f"the runs of {experiment.name} and its baseline differ in", found, kinds)
    return found


def require_comparable_now(
    state: State, kinds: Collection[str], now: Callable[[], tuple[Mapping[str, Any], Mapping[str, Any]]]
) -> None:
    """Refuse runs that could not be compared with the baseline, before they cost anything.

    Args:
        kinds: What the settings accept.
        now: Fingerprint and environment that a run would have now; asked for only where it matters.

    Raises:
        NotComparable: Packages or device are not those of the baseline's runs.
    """
    if state.generation is None:
        return
    arm = state.baseline_arm(state.generation.number)
    # What could not be asked then may not answer now either, and an interpreter that hangs costs ten seconds.
    if has_recorded_packages(arm):
        _require_accepted(
            "a run that starts now would differ from the baseline's in", differences_now(arm, *now()), kinds
        )


def _require_accepted(said: str, found: Sequence[Difference], kinds: Collection[str]) -> None:
    barred = [one for one in found if one.kind not in kinds]
    if not barred:
        return
    named = list(dict.fromkeys(one.kind for one in barred))
    what = " and ".join(f"{kind} ({'; '.join(one.words for one in barred if one.kind == kind)})" for kind in named)
    setting = ", ".join(f'"{kind}"' for kind in named)
    raise NotComparable(
        f"{said} {what}. Bring back what the baseline had, begin a new baseline, "
        f"or set accept_differences = [{setting}] in [settings] of seedproof.toml, which the headline will say.",
        new_baseline_call(),
    )


def runs_behind(arm: Arm, rules: Rules) -> tuple[str, ...]:
    """The runs that a verdict on an experiment rests on: a confirmation counts once all of its runs have ended."""
    runs = [run.run_id for run in arm.counted.values()]
    if arm.fresh and confirm_look(arm, rules).is_complete:
        runs += [run.run_id for run in arm.fresh]
    return tuple(sorted(runs))


def written_acceptance(experiment: Experiment) -> tuple[Difference, ...]:
    """What differed and was accepted, as it was written down with the newest verdict."""
    return () if experiment.verdict is None else experiment.verdict.accepted


def value_of(run: Run, variable: str) -> str:
    """The recorded value of a variable, for a reader."""
    value = run.surroundings.get("env", {}).get(variable)
    return "unset" if value is None else f"{value or repr(value):.60}"

"""Finds differences besides the experiment between the runs behind a verdict, and checks that they are accepted."""

import statistics
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from seedproof.ledger.state import Experiment, State
from seedproof.model.arms import Arm, Baseline
from seedproof.model.refusals import NotComparable
from seedproof.model.results import Difference, DifferenceKind
from seedproof.model.runs import Run
from seedproof.phases.calls import new_baseline_call
from seedproof.phases.confirmation import confirm_look, step_attempts
from seedproof.verdict.place import THREAD_VARIABLES, Part, Place, make_place, place_of, value_of

__all__ = [
    "KINDS",
    "counted_runs",
    "accepted_differences",
    "require_comparable_now",
    "differences",
    "differences_now",
    "in_like_company",
    "runs_behind",
    "pairs_withheld",
    "wall_time_withheld",
    "written_acceptance",
]


# At most so many changes are named; the rest is counted.
_NAMED_CHANGES = 5


# Load per processor. It cannot be below 1, because the previous run counts: the load average before the first run of a
# queue is that of an idle machine, before the next run that of a training on all processors, which is 1.
LOAD_DIFFERS = 1.0
# A share of wall time. Whoever stops the runs of one side, or keeps the processors busy, makes the other look fast.
HELD_UP_DIFFERS = 0.05


KINDS: tuple[DifferenceKind, ...] = ("packages", "device")


def differences(baseline: Arm, experiment: Arm | None = None, *, with_fresh: bool = False) -> tuple[Difference, ...]:
    """The differences between the runs behind a verdict; each run is compared with the first whose place is known.

    What was not recorded does not count as a difference.

    Args:
        baseline: Its counted runs are compared.
        experiment: Likewise; None compares the baseline's runs among themselves.
        with_fresh: Whether the runs on fresh seeds are compared too, as they are once the confirmation has ended.
    """
    sides = [("the baseline", tuple(baseline.counted.values()))]
    if experiment is not None:
        sides.append((experiment.experiment or "", tuple(experiment.counted.values())))
    if experiment is not None and with_fresh:
        sides.append(("the confirmation", counted_runs(experiment.all_fresh)))
    return tuple(found for kind in KINDS for found in _differences(kind, sides))


def differences_now(
    arm: Arm, surroundings: Mapping[str, Any], environment: Mapping[str, Any]
) -> tuple[Difference, ...]:
    """The differences between a run that would start now and the counted runs of an arm."""
    now, found = make_place(surroundings, environment), []
    now = replace(now, interpreter=(str(surroundings["interpreter"]), "")) if "interpreter" in surroundings else now
    places = [place_of(run) for run in arm.counted.values()]
    # What this run will import is not known yet: only what the baseline imported can bar it.
    every = [place.imported for place in places]
    imported = None if None in every else {name for one in every for name in one or ()}
    for kind in KINDS:
        known = next((place for place in places if place.part(kind) is not None), None)
        old, part = (None, None) if known is None else (known.beside(kind, now), now.beside(kind, known))
        if kind == "packages" and imported is not None:
            old, part = (one and _only(one, imported) for one in (old, part))
        change = "" if part is None or old is None else _describe_change(kind, old, part)
        if change:
            found.append(Difference(kind, change))
    return tuple(found)


def _only(packages: Part, names: Collection[str]) -> Part:
    """The interpreter and its version, and the versions of the named packages."""
    first = next(name for name in packages if name != "interpreter")
    return {name: one for name, one in packages.items() if name in (first, "interpreter") or name in names}


def wall_time_withheld(one: Iterable[Run], other: Iterable[Run]) -> str | None:
    """Why the wall times of two groups of runs are not comparable; None if they are."""
    sides = [list(one), list(other)]
    runs = [run for side in sides for run in side]
    hosts = {run.host for run in runs} - {None}
    why = [f"the runs were on {len(hosts)} hosts"] if len(hosts) > 1 else []
    devices = [part for run in runs if (part := place_of(run).device) is not None]
    if any(_describe_change("device", devices[0], part) for part in devices):
        why.append("the devices differ")
    company = sorted({run.neighbours for run in runs})
    if len(company) > 1:
        why.append(f"not all runs had as many others beside them ({company[0]} to {company[-1]})")
    why += [f"{name} differs" for name in THREAD_VARIABLES if len({value_of(run, name) for run in runs}) > 1]
    loads = [_load_per_processor(side) for side in sides]
    if loads[0] is not None and loads[1] is not None and abs(loads[0] - loads[1]) > LOAD_DIFFERS:
        why.append(f"the load before the runs was {loads[0]:.1f} and {loads[1]:.1f} per processor (medians)")
    return "; ".join(why) or None


def in_like_company(one: Iterable[Run], other: Iterable[Run]) -> tuple[list[Run], list[Run]]:
    """The runs of two groups that had as many others beside them as some run of the other group; else all differ."""
    sides = [list(one), list(other)]
    common = {run.neighbours for run in sides[0]} & {run.neighbours for run in sides[1]}
    first, second = ([run for run in side if run.neighbours in common] for side in sides)
    return first, second


def pairs_withheld(controls: Iterable[Run], experiments: Iterable[Run]) -> str | None:
    """Why the wall times of alternated runs are not comparable; None if they are."""
    sides = [list(controls), list(experiments)]
    shares = [_held_up_share(side) for side in sides]
    found = wall_time_withheld(*sides)
    why = [] if found is None else [found]
    # Start-up and the load of the machine make up a shorter time, of which nothing is claimed.
    is_long = any(sum(run.wall_time_s or 0.0 for run in side) >= len(side) > 0 for side in sides)
    if is_long and abs(shares[0] - shares[1]) > HELD_UP_DIFFERS:
        without, with_it = (f"{100 * share:.0f} %" for share in shares)
        why.append(
            f"the runs without the change were stopped or waited for a processor {without} of their time, those with "
            f"it {with_it}"
        )
    return "; ".join(why) or None


def _held_up_share(runs: Sequence[Run]) -> float:
    """The share of wall time for which runs were stopped, or could have run and had no processor; 0 if not known."""
    timed = [run for run in runs if run.wall_time_s]
    total_s = sum(run.wall_time_s or 0.0 for run in timed)
    return sum(run.held_up_s for run in timed) / total_s if total_s else 0.0


def _load_per_processor(runs: Sequence[Run]) -> float | None:
    """The median load per processor before the runs; None where it was not recorded."""
    recorded = [(run.load, run.surroundings.get("cpu_count")) for run in runs]
    found = [load / count for load, count in recorded if load is not None and count]
    return statistics.median(found) if found else None


def counted_runs(runs: Iterable[Run]) -> tuple[Run, ...]:
    """The runs that are results."""
    return tuple(run for run in runs if run.state.is_counted)


# --- differences ------------------------------------------------------------------------------


def _differences(kind: DifferenceKind, sides: Sequence[tuple[str, Sequence[Run]]]) -> Iterator[Difference]:
    """One difference for each arm and each change from the first run whose place is known."""
    first: Place | None = None
    for who, runs in sides:
        changes: dict[str, list[int]] = {}
        for run in runs:
            place = place_of(run)
            first = first or (place if place.part(kind) else None)
            part, old = place.beside(kind, first or place), (first or place).beside(kind, place)
            if part is not None and old is not None:
                changes.setdefault(_describe_change(kind, old, part), []).append(run.seed)
        for change, seeds in changes.items():
            if change:
                yield Difference(kind, change + _name_runs(who, seeds, is_whole=len(changes) == 1))


def _name_runs(who: str, seeds: Iterable[int], *, is_whole: bool) -> str:
    """The runs that differ, in brackets; empty where it is the whole arm, except for a confirmation."""
    if is_whole:
        return "" if who != "the confirmation" else f" ({who})"
    return f" ({who}, seed {', '.join(map(str, sorted(set(seeds))))})"


def _describe_change(kind: DifferenceKind, old: Part, new: Part) -> str:
    """What changed: at most five names, then a count; empty where nothing did."""
    common = old.keys() & new.keys()
    if kind == "device" and not common:  # a GPU here, a CPU there
        return f"{' '.join(next(iter(old.items())))} → {' '.join(next(iter(new.items())))}"
    # A missing package is a change; a missing part of a device was only not recorded.
    names = [name for name in dict.fromkeys((*old, *new)) if old.get(name) != new.get(name)]
    names = [name for name in names if kind == "packages" or name in common]
    changes = [f"{name} {old.get(name, 'absent')} → {new.get(name, 'absent')}" for name in names[:_NAMED_CHANGES]]
    more = len(names) - _NAMED_CHANGES
    return ", ".join(changes) + (f" and {more} more" if more > 0 else "")


# --- acceptance -------------------------------------------------------------------------------


def accepted_differences(
    baseline: Baseline, experiment: Experiment, arm: Arm, kinds: Collection[str]
) -> tuple[Difference, ...]:
    """The accepted differences behind a verdict; a verdict on the same runs keeps the recorded ones.

    Args:
        baseline: What the experiment is compared with.
        experiment: The experiment, with its newest verdict.
        arm: Its runs.
        kinds: The kinds that the settings accept.

    Raises:
        NotComparable: There is a difference of another kind.
    """
    issued = experiment.verdict
    if issued is not None and issued.runs == runs_behind(arm, baseline):
        return written_acceptance(experiment)
    found = differences(baseline.arm, arm, with_fresh=confirm_look(arm, baseline).is_complete)
    _require_accepted(f"the runs of {experiment.name} and its baseline differ in", found, kinds)
    return found


def require_comparable_now(
    state: State, kinds: Collection[str], now: Callable[[str | None], tuple[Mapping[str, Any], Mapping[str, Any]]]
) -> None:
    """Refuse runs that could not be compared with the baseline, before they are trained.

    Args:
        kinds: The kinds of differences that the settings accept.
        now: Returns fingerprint and environment of a run that starts now, by the path of its interpreter; None is the
            one that the settings choose. Called only where it matters.

    Raises:
        NotComparable: Packages or device differ from those of the baseline's runs, or among these.
    """
    if state.generation is None:
        return
    arm = state.baseline_arm(state.generation.number)
    # Not known before they have ended where a scheduler chooses their nodes.
    _require_accepted("the baseline's own runs differ in", differences(arm), kinds, "Begin")
    # Where no packages were recorded, the interpreter probably does not answer now either; waiting costs ten seconds.
    known = next((run for run in arm.counted.values() if place_of(run).packages is not None), None)
    if known is not None:
        # A launcher that chose another interpreter than the settings chooses it again.
        chosen = None if known.trained_with is None else known.trained_with.interpreter
        found = differences_now(arm, *now(chosen))
        _require_accepted("a run that starts now would differ from the baseline's in", found, kinds)


def _require_accepted(
    message: str,
    found: Sequence[Difference],
    kinds: Collection[str],
    mending: str = "Bring back what the baseline had, begin",
) -> None:
    barred = [one for one in found if one.kind not in kinds]
    if not barred:
        return
    named = list(dict.fromkeys(one.kind for one in barred))
    what = " and ".join(f"{kind} ({'; '.join(one.words for one in barred if one.kind == kind)})" for kind in named)
    setting = ", ".join(f'"{kind}"' for kind in named)
    raise NotComparable(
        f"{message} {what}. {mending} a new baseline, or set accept_differences = [{setting}] in [settings] of "
        "seedproof.toml, which the headline will say.",
        new_baseline_call(),
    )


def runs_behind(arm: Arm, baseline: Baseline) -> tuple[str, ...]:
    """Ids of the runs that a verdict on an experiment rests on; a confirmation counts once it has ended."""
    runs = [run.run_id for run in arm.counted.values()]
    look = confirm_look(arm, baseline) if arm.fresh else None
    if look is not None and look.is_complete:
        runs += [run.run_id for step in look.steps for run in step_attempts(arm, step)]
    return tuple(sorted(runs))


def written_acceptance(experiment: Experiment) -> tuple[Difference, ...]:
    """The accepted differences recorded with the newest verdict."""
    return () if experiment.verdict is None else experiment.verdict.accepted

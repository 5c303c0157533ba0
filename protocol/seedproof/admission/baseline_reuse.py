"""Chooses the runs of the previous baseline generation that a new one reuses."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from seedproof.model.rules import Rules
from seedproof.model.runs import Run
from seedproof.phases.study import Study

__all__ = ["Reuse", "reused_runs"]

# Fields of a fingerprint that may differ. The slot changes neither values nor, by itself, wall times. The load is never
# the same twice. A snapshot also holds files that cannot change a run; the hash of the code covers those that can.
# A notice with every verdict names the files that the settings exclude from that hash; others say what a run alone
# has: how its code is held, its command, and the variables that its code names.
_IRRELEVANT = frozenset(
    {"slot", "slot_env", "load", "snapshot", "not_code", "held", "script", "rewritten", "variables"}
)


# What flags an experiment may have says nothing of runs without flags, and a scale that is named sets nothing.
_MEAN_THE_SAME = frozenset({"baseline_seeds", "accept_exit", "flag_style", "protected", "free", "scale"})


@dataclass(frozen=True, slots=True)
class Reuse:
    """Runs of the earlier baseline that count for the new one as well."""

    runs: tuple[Run, ...] = ()
    """Every attempt at its seeds."""
    reason: str | None = None
    """What the generation takes over and why, phrased to follow its name; None where there is nothing to take over."""


def reused_runs(study: Study, surroundings: Mapping[str, Any], environment_of: Callable[[str], str]) -> Reuse:
    """The runs that a generation under these rules takes over from a complete baseline.

    Only one that adds seeds does, or that accepts bad ends where the baseline had none.

    Args:
        surroundings: The fingerprint that a run would have now; code and environment must be the same.
        environment_of: Returns the hash of the environment that an interpreter has now, by its path.
    """
    generation = study.generation
    if generation is None or not _mean_the_same(generation.rules, study.rules):
        return Reuse()
    arm = study.state.baseline_arm(generation.number)
    bad = next((run for run in arm.runs if run.bad_exit), None)
    if bad is not None and generation.rules.accept_exit != study.rules.accept_exit:
        return Reuse(reason=f"takes over nothing: under accept_exit, attempt {bad.attempt} of seed {bad.seed} counts")
    if study.baseline_of(generation.number) is None:
        return Reuse(reason=f"takes over nothing: generation {generation.number} is not complete")
    fingerprints = [surroundings, *(run.surroundings for run in arm.counted.values())]
    unrecorded = {name for fingerprint in fingerprints for name in _unrecorded(fingerprint)}
    if unrecorded:
        names = ", ".join(sorted(unrecorded))
        return Reuse(reason=f"takes over nothing: the values of {names} in [settings.env] are not recorded")
    for run in arm.counted.values():
        differing = _differences(run.surroundings, surroundings)
        trained = run.trained_with
        if trained is not None and trained.interpreter is None:
            return Reuse(reason=f"takes over nothing: which interpreter trained seed {run.seed} is not known")
        if trained is not None and environment_of(trained.interpreter or "") != trained.environment_sha256:
            differing.append("environment")
        if differing:
            what = ", ".join(differing)
            return Reuse(reason=f"takes over nothing: seed {run.seed} ran with another {what}")
    return Reuse(arm.runs, f"takes over the runs of generation {generation.number}: same code and environment")


def _unrecorded(surroundings: Mapping[str, Any]) -> set[str]:
    """Variables in [settings.env] of which neither value nor hash was recorded, as in an old ledger."""
    recorded = {*surroundings.get("env", ()), *surroundings.get("env_sha256", ())}
    return set(surroundings.get("env_names", ())) - recorded


def _mean_the_same(old: Rules, new: Rules) -> bool:
    """Whether runs under the old rules mean the same under the new ones: seeds are added, more ends or flags taken,
    or the scale is named.
    """
    changed = set(old.differing(new))
    keeps_seeds = new.baseline_seeds[: len(old.baseline_seeds)] == old.baseline_seeds
    accepts_more = "accept_exit" not in changed or new.accept_exit == "value"
    names_scale = "scale" not in changed or old.scale is None  # another one says that the runs were of another length
    return bool(changed) and changed <= _MEAN_THE_SAME and keeps_seeds and accepts_more and names_scale


def _differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The fields that differ; a missing hash of code or packages counts as a difference."""
    names = (set(then) | set(now) | {"code_sha256", "packages_sha256"}) - _IRRELEVANT
    return sorted(name for name in names if then.get(name) is None or then.get(name) != now.get(name))

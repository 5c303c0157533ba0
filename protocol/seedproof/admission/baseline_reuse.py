"""What a new baseline generation takes over from the one before it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seedproof.ledger.state import State
from seedproof.model.arms import Arm
from seedproof.model.refusals import BaselineRefusal
from seedproof.model.rules import Rules
from seedproof.model.runs import Run
from seedproof.phases.baseline import establish_baseline

__all__ = ["Succession", "succession"]

# A slot is a place in a queue: it changes neither values nor, by itself, wall times. The load is never the same twice.
# A snapshot also holds files that cannot change a run; the hash of the code says whether those that can are the same.
# What the settings left out of that hash is told with every verdict.
_IRRELEVANT = frozenset({"slot", "load", "snapshot", "not_code"})


@dataclass(frozen=True, slots=True)
class Succession:
    """Runs of the earlier baseline that count for the new one as well."""

    runs: tuple[Run, ...] = ()
    """Every attempt at its seeds."""
    reason: str | None = None
    """What the generation takes over and why, as words that follow it; None where there is nothing to take over."""


def succession(state: State, rules: Rules, surroundings: Mapping[str, Any]) -> Succession:
    """The runs that a generation under these rules takes over: where it only adds seeds to a complete baseline.

    Args:
        surroundings: The fingerprint that a run would have now; code and environment must be the same.
    """
    generation = state.generation
    if generation is None or not _only_adds_seeds(generation.parsed_rules(), rules):
        return Succession()
    arm = state.baseline_arm(generation.number)
    try:
        establish_baseline(arm, generation.parsed_rules())
    except BaselineRefusal:
        return Succession(reason=f"takes over nothing: generation {generation.number} is not complete")
    unrecorded = {name for one in (surroundings, *_places(arm)) for name in _unrecorded(one)}
    if unrecorded:
        names = ", ".join(sorted(unrecorded))
        return Succession(reason=f"takes over nothing: the values of {names} in [settings.env] are not recorded")
    for run in arm.counted.values():
        differing = _differences(run.surroundings, surroundings)
        if differing:
            what = ", ".join(differing)
            return Succession(reason=f"takes over nothing: seed {run.seed} ran with another {what}")
    return Succession(arm.runs, f"takes over the runs of generation {generation.number}: same code and environment")


def _places(arm: Arm) -> list[Mapping[str, Any]]:
    return [run.surroundings for run in arm.counted.values()]


def _unrecorded(surroundings: Mapping[str, Any]) -> set[str]:
    """Variables of the settings of which not even a hash of the value is known, as in an old ledger."""
    known = {*surroundings.get("env", ()), *surroundings.get("env_sha256", ())}
    return set(surroundings.get("env_names", ())) - known


def _only_adds_seeds(old: Rules, new: Rules) -> bool:
    n = len(old.baseline_seeds)
    grown = new.baseline_seeds[:n] == old.baseline_seeds and len(new.baseline_seeds) > n
    return grown and new.model_copy(update={"baseline_seeds": old.baseline_seeds}) == old


def _differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Names of what differs; a fingerprint without hashes of code and packages vouches for nothing."""
    names = (set(then) | set(now) | {"code_sha256", "packages_sha256"}) - _IRRELEVANT
    return sorted(name for name in names if then.get(name) is None or then.get(name) != now.get(name))

"""Whether runs may be set side by side although something besides the experiment differs."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from seedproof.ledger.generation import Experiment
from seedproof.ledger.state import State
from seedproof.model.refusals import NotComparable
from seedproof.model.rules import Rules
from seedproof.model.values import Arm, Baseline, Difference
from seedproof.phases.looks import confirm_look
from seedproof.phases.next_call import new_baseline_call
from seedproof.verdict.comparability import differences, differences_now, has_known_packages

__all__ = ["accepted_differences", "check_now", "runs_behind", "written_acceptance"]


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
    if issued is not None and issued["runs"] == runs_behind(arm, baseline.rules):
        return written_acceptance(experiment)
    found = differences(baseline.arm, arm, with_fresh=confirm_look(arm, baseline.rules).is_complete)
    _require_accepted(f"the runs of {experiment.name} and its baseline differ in", found, kinds)
    return found


def check_now(
    state: State,
    records: Sequence[tuple[str, Mapping[str, Any]]],
    kinds: Collection[str],
    now: Callable[[], tuple[Mapping[str, Any], Mapping[str, Any]]],
) -> None:
    """Refuse runs that could not be compared with the baseline, before they cost anything.

    Args:
        state: As of before the records.
        records: What the gate would write down.
        kinds: What the settings accept.
        now: Fingerprint and environment that a run would have now; asked for only where it matters.

    Raises:
        NotComparable: Packages or device are not those of the baseline's runs.
    """
    named = [kind for kind, _ in records]
    if "run_requested" not in named or "generation_started" in named or state.generation is None:
        return
    arm = state.baseline_arm(state.generation.number)
    # What could not be asked then may not answer now either, and an interpreter that hangs costs ten seconds.
    if has_known_packages(arm):
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


def runs_behind(arm: Arm, rules: Rules) -> list[str]:
    """The runs that a verdict on an experiment rests on: a confirmation counts once all of its runs have ended."""
    runs = [run.run_id for run in arm.counted.values()]
    if arm.fresh and confirm_look(arm, rules).is_complete:
        runs += [run.run_id for run in arm.fresh]
    return sorted(runs)


def written_acceptance(experiment: Experiment) -> tuple[Difference, ...]:
    """What differed and was accepted, as it was written down with the newest verdict."""
    found = (experiment.verdict or {}).get("accepted") or ()
    return tuple(Difference(one["kind"], one["words"]) for one in found)

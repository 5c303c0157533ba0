"""Which code the next run of an arm is trained with, and whether that is allowed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from seedproof.admission.project_view import ProjectView
from seedproof.model.arms import Arm
from seedproof.model.code import Change, Code
from seedproof.model.refusals import CodeUnchanged, NextCall, NotComparable, SealedChanged, SnapshotMissing
from seedproof.model.rules import Rules
from seedproof.model.runs import Run, RunState
from seedproof.phases.next_call import new_baseline_call

__all__ = [
    "ArmCode",
    "change_from",
    "changed_seals",
    "named",
    "present_code",
    "require_code",
    "require_sealed",
    "same_or",
]

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class ArmCode:
    """The code of an arm's next run."""

    arm: Arm
    """The arm with that code."""
    is_new: bool = False
    """Whether that is other code than the arm had, which the next request records."""


def present_code(arm: Arm, reference: Code | None, project: ProjectView, metric: str) -> ArmCode:
    """The code of an arm that is declared: that of its declaration, or the present one while it has shown nothing.

    A crash at the start can so be mended. As soon as one run has printed the metric, the code is settled.

    Args:
        arm: With the control runs of the code that it has.
        reference: The baseline's code, which a change is told against; None for the baseline itself.
        metric: Name of the deciding metric.

    Raises:
        CodeUnchanged: The change of code that the experiment declares has been taken back.
        SnapshotMissing: Nobody can tell that change any more.
    """
    if arm.code is None:
        return ArmCode(arm)
    is_settled = _is_settled(arm, arm.code, metric)
    if is_settled and project.is_kept(arm.code):
        return ArmCode(arm)
    code = project.code()
    is_same = code is not None and _are_same(code, arm.code)
    # Where the snapshot is gone, as in a fresh clone, the same code can be taken once more.
    if code is None or (project.is_kept(arm.code) if is_same else is_settled):
        return ArmCode(arm)
    change = None if reference is None else change_from(reference, code, project, is_declared=arm.code_change)
    if arm.code_change and change is None:
        raise CodeUnchanged(
            f"{arm.experiment} declares a change of code, and nothing differs from the baseline's any more. "
            "Edit the code again, then repeat the call."
        )
    if reference is not None:
        code = same_or(reference, code, project)
    return ArmCode(replace(arm, code=code, change=change), is_new=True)


def _is_settled(arm: Arm, code: Code, metric: str) -> bool:
    """Whether an arm keeps its code: it is being trained with it, or that has brought a value."""
    if any(run.state.is_active or metric in run.metrics for run in arm.runs):
        return True
    if any(run.state.is_active for run in arm.controls):
        return True
    # A control says that the code without flags is sound; what crashed after it may be the path with flags.
    crashed = any(_ended_without_value(run, code) for run in arm.runs)
    return not crashed and any(metric in run.metrics for run in arm.controls)


def _ended_without_value(run: Run, code: Code) -> bool:
    """Whether a run of this code ended before its first value."""
    return run.state is not RunState.NOT_NEEDED and run.surroundings.get("code_sha256") in (None, code.sha256)


def _are_same(one: Code, other: Code) -> bool:
    """Whether two codes are the same but for files that change no run."""
    return (one.sha256, one.held, one.sealed) == (other.sha256, other.held, other.sealed)


def same_or(reference: Code, code: Code, project: ProjectView) -> Code:
    """The baseline's code where it is the same but for files that change no run: one snapshot is enough."""
    return reference if _are_same(code, reference) and project.is_kept(reference) else code


def change_from(reference: Code, code: Code, project: ProjectView, *, is_declared: bool) -> Change | None:
    """How an experiment's code differs from the baseline's; None where it does not, or nobody can tell any more.

    Raises:
        SnapshotMissing: Nobody can tell, and the change is what the experiment declares.
    """
    try:
        return project.change(reference, code)
    except SnapshotMissing:
        if is_declared:
            raise
        return None


def require_code(arm: Arm, seeds: Sequence[int], project: ProjectView, following: NextCall) -> None:
    """Refuse a run whose code is not the arm's any more.

    Args:
        following: What can be called instead of the refused call, where the code has changed in place.

    Raises:
        NotComparable: The project was changed since the arm was measured, and its code is held in place.
        SnapshotMissing: The arm's snapshot is not in this repository.
    """
    if arm.code is None:
        return
    if not project.is_kept(arm.code):
        raise _missing(arm.experiment or "the baseline")
    differing = project.differing(arm.code)
    if differing:
        raise NotComparable(f"{named(differing)} changed {_since(arm, seeds)}. {_way_out(arm)}", following)


def _missing(who: str) -> SnapshotMissing:
    return SnapshotMissing(
        f"the snapshot that {who} is trained from is not in this repository, as in a fresh clone; "
        "measure a new baseline here.",
        new_baseline_call(),
    )


def _since(arm: Arm, seeds: Sequence[int]) -> str:
    ran = [run.seed for run in arm.runs if run.state.is_counted]
    if ran:
        return f"between seed {ran[-1]} and seed {seeds[0]}"
    return (
        f"since the control of {arm.experiment}" if arm.controls else f"since {arm.experiment or 'the baseline'} began"
    )


def _way_out(arm: Arm) -> str:
    other = "begin a new baseline" if arm.experiment is None else "declare the experiment under a new name"
    return (
        "The seeds of one arm run on the same code: "
        f"restore it, or {other}; files that cannot change a run go into settings.not_code."
    )


def require_sealed(
    reference: Code | None, code: Code | None, rules: Rules, project: ProjectView, following: NextCall
) -> None:
    """Refuse a run for which a sealed file is not as it was when the generation began.

    Raises:
        SealedChanged: With the names of the files.
    """
    if not rules.sealed or reference is None or code is None:
        return
    differing = changed_seals(reference, project.sealed(code))
    if differing:
        raise SealedChanged(
            f"{named(differing)} is sealed and not as it was when the baseline began; restore it, "
            "or begin a new baseline.",
            following,
        )


def changed_seals(reference: Code, now: Mapping[str, str]) -> list[str]:
    """Sealed files that are new, gone or different since the baseline began."""
    return sorted(name for name in {*now, *reference.sealed} if now.get(name) != reference.sealed.get(name))


def named(names: Sequence[str]) -> str:
    """File names in a sentence; the first few, where they are many."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more

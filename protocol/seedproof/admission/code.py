"""Determines the code of an arm's next run, and checks that it may be trained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from seedproof.admission.project_view import ProjectView
from seedproof.model.arms import Arm
from seedproof.model.code import Change, Code
from seedproof.model.refusals import CodeUnchanged, NextCall, NotComparable, SealedChanged, SnapshotMissing
from seedproof.model.rules import Rules
from seedproof.model.runs import RunState
from seedproof.phases.calls import new_baseline_call

__all__ = [
    "ArmCode",
    "change_from",
    "changed_seals",
    "list_files",
    "prefer_baseline_code",
    "present_code",
    "require_code",
    "require_sealed",
]

_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class ArmCode:
    """The code of an arm's next run."""

    arm: Arm
    """The arm with that code."""
    is_new: bool = False
    """Whether it differs from the code that the arm had; then the next request records it."""


def present_code(arm: Arm, reference: Code | None, project: ProjectView, metric: str) -> ArmCode:
    """The code of a declared arm's next run: the recorded one, or the project's while no run was a draw.

    This lets an experimenter fix a crash at the start. Once a run has shown something of its result, the code is fixed.

    Args:
        arm: With the control runs of the code that it has.
        reference: The baseline's code, against which a change is computed; None for the baseline itself.
        metric: Name of the deciding metric.

    Raises:
        CodeUnchanged: The experiment declares a change of code, and the change was reverted.
        SnapshotMissing: That change can no longer be computed.
    """
    if arm.code is None:
        return ArmCode(arm)
    is_settled = _is_settled(arm, arm.code, metric)
    if is_settled and project.is_kept(arm.code):
        return ArmCode(arm)
    code = project.code()
    is_same = code is not None and _is_same_code(code, arm.code)
    # Where the snapshot is missing, as in a fresh clone, a new snapshot of the same code replaces it.
    if code is None or (project.is_kept(arm.code) if is_same else is_settled):
        return ArmCode(arm)
    change = None if reference is None else change_from(reference, code, project, is_declared=arm.code_change)
    if arm.code_change and (change is None or change.is_empty):
        raise CodeUnchanged(
            f"{arm.experiment} declares a change of code, and nothing differs from the baseline's any more. "
            "Edit the code again, then repeat the call."
        )
    if reference is not None:
        code = prefer_baseline_code(reference, code, project)
    return ArmCode(replace(arm, code=code, change=change), is_new=True)


def _is_settled(arm: Arm, code: Code, metric: str) -> bool:
    """Whether an arm keeps its code: a run with it is active, or was a draw."""
    if any(run.state.is_active or run.is_draw(metric) for run in arm.runs):
        return True
    if any(run.state.is_active for run in arm.controls):
        return True
    # A control only shows that the code works without flags. A run that ended without a value may have crashed in the
    # path with flags, and that must stay fixable.
    ended = (run for run in arm.runs if run.state is not RunState.NOT_NEEDED)
    crashed = any(run.surroundings.get("code_sha256") in (None, code.sha256) for run in ended)
    return not crashed and any(run.is_draw(metric) for run in arm.controls)


def _is_same_code(one: Code, other: Code) -> bool:
    """Whether two codes differ at most in files that change no run."""
    return (one.sha256, one.held, one.sealed) == (other.sha256, other.held, other.sealed)


def prefer_baseline_code(reference: Code, code: Code, project: ProjectView) -> Code:
    """The baseline's code where `code` differs at most in files that change no run: one snapshot is enough."""
    return reference if _is_same_code(code, reference) and project.is_kept(reference) else code


def change_from(reference: Code, code: Code, project: ProjectView, *, is_declared: bool) -> Change | None:
    """How an experiment's code differs from the baseline's; None where it does not, or a snapshot is missing.

    Raises:
        SnapshotMissing: A snapshot is missing, and the experiment declares the change.
    """
    try:
        return project.change(reference, code)
    except SnapshotMissing:
        if is_declared:
            raise
        return None


def require_code(arm: Arm, seeds: Sequence[int], project: ProjectView, next_call: NextCall) -> None:
    """Refuse a run that could not be trained with the arm's code.

    Args:
        next_call: What to call instead, where the code has changed in place.

    Raises:
        NotComparable: The arm's code is held in place, and the project has changed since it was measured.
        SnapshotMissing: The arm's snapshot is not in this repository.
    """
    if arm.code is None:
        return
    if not project.is_kept(arm.code):
        raise SnapshotMissing(
            f"the snapshot that {arm.experiment or 'the baseline'} is trained from is not in this repository, as in a "
            "fresh clone; measure a new baseline here.",
            new_baseline_call(),
        )
    differing = project.differing(arm.code)
    if differing:
        raise NotComparable(f"{list_files(differing)} changed {_when_changed(arm, seeds)}. {_remedy(arm)}", next_call)


def _when_changed(arm: Arm, seeds: Sequence[int]) -> str:
    ran = [run.seed for run in arm.runs if run.state.is_counted]
    if ran:
        return f"between seed {ran[-1]} and seed {seeds[0]}"
    return (
        f"since the control of {arm.experiment}" if arm.controls else f"since {arm.experiment or 'the baseline'} began"
    )


def _remedy(arm: Arm) -> str:
    other = "begin a new baseline" if arm.experiment is None else "declare the experiment under a new name"
    return (
        "The seeds of one arm run on the same code: "
        f"restore it, or {other}; files that cannot change a run go into settings.not_code."
    )


def require_sealed(
    reference: Code | None, code: Code | None, rules: Rules, project: ProjectView, next_call: NextCall
) -> None:
    """Refuse a run where a sealed file has changed since the generation began.

    Raises:
        SealedChanged: Names the files.
    """
    if not rules.sealed or reference is None or code is None:
        return
    differing = changed_seals(reference, project.sealed(code))
    if differing:
        raise SealedChanged(
            f"{list_files(differing)} is sealed and not as it was when the baseline began; restore it, "
            "or begin a new baseline.",
            next_call,
        )


def changed_seals(reference: Code, now: Mapping[str, str]) -> list[str]:
    """Sealed files that were added, removed or changed since the baseline began."""
    return sorted(name for name in {*now, *reference.sealed} if now.get(name) != reference.sealed.get(name))


def list_files(names: Sequence[str]) -> str:
    """The first few file names for a sentence, and how many more there are."""
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more

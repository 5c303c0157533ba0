"""Notices on what runs read: inputs that differ, a change of code that no run read, inputs that nobody observed."""

from collections.abc import Iterator, Sequence

from seedproof.model.arms import Arm
from seedproof.model.results import Notice
from seedproof.model.untrusted import one_line
from seedproof.notices.declarations import list_first
from seedproof.phases.read_files import are_all_known, read_files
from seedproof.verdict.inputs import InputDifference, InputKind, input_differences, unobserved

__all__ = ["input_notices"]

_SAYS: dict[InputKind, tuple[str, str]] = {
    "content": (
        "one path, other content",
        "Keep such files still while a study runs; where another content is meant, give it a path of its own and name "
        "that in a flag, or declare the edit with code_change=true",
    ),
    "alone": (
        "read by one arm alone",
        "Name such a file, its folder or its stem in a flag, or declare the edit with code_change=true; else it is an "
        "input that the experiment does not declare",
    ),
    "left": (
        "left by earlier runs, and not what the baseline read",
        "Delete what earlier runs left, and let each run write into its own output folder and begin without it",
    ),
    "changed": ("changed while runs trained", "Keep files still while runs train, and repeat the study"),
    "edited": (
        "code that is not the baseline's, and no control was asked for, as no run of the baseline read it",
        "Declare the edit with code_change=true under another name",
    ),
}


def input_notices(baseline: Arm, arm: Arm | None = None) -> list[Notice]:
    """What the runs behind a verdict, or of a baseline, read differently; empty where no inputs were recorded."""
    found = input_differences(baseline, arm)
    kinds = dict.fromkeys(one.kind for one in found)
    return [
        *(_notice(kind, [one for one in found if one.kind == kind], arm) for kind in kinds),
        *(() if arm is None else _not_read(baseline, arm)),
        *_not_observed(baseline, arm),
    ]


def _notice(kind: InputKind, found: Sequence[InputDifference], arm: Arm | None) -> Notice:
    who = "baseline" if arm is None else arm.experiment or ""
    what, advice = _SAYS[kind]
    files = list_first(f"{one_line(one.path)} ({one_line(one.where)})" for one in found)
    if kind == "edited" and arm is not None:
        advice = f"{advice}, or show what it does without flags: {_control(arm)}"
    return Notice("inputs_differ", f"{who}: {what}: {files}. {advice}.")


def _control(arm: Arm) -> str:
    counted = next((run for run in arm.controls if run.state.is_counted), None)
    if counted is not None:
        return f"that run was made ({counted.run_id}) and takes this back in no headline"
    return f'run_seed(experiment="{arm.experiment}", role="control")'


def _not_read(baseline: Arm, arm: Arm) -> Iterator[Notice]:
    """Says that a declared change of code lies in files that no run read."""
    runs = [run for side in (baseline, arm) for run in side.counted.values()]
    if not arm.code_change or arm.change is None or not arm.counted or not are_all_known(runs):
        return
    if not read_files(arm.change, (*runs, *arm.fresh)):
        files = list_first(one_line(file.path) for file in arm.change.files)
        yield Notice(
            "change_not_read",
            f"{arm.experiment}: no run read the files that differ: {files}; the change did nothing here.",
        )


def _not_observed(baseline: Arm, arm: Arm | None) -> Iterator[Notice]:
    sides = [baseline] if arm is None else [baseline, arm]
    runs = [run for side in sides for run in side.counted.values()]
    off = [run for run in runs if run.inputs is not None and run.inputs.observed == "off"]
    if not off:
        return
    who = "baseline" if arm is None else arm.experiment
    mixed = None if arm is None else unobserved(baseline, arm)
    text = f"settings.observe_inputs is false, so what {len(off)} of {len(runs)} runs read is not known"
    yield Notice("inputs_not_observed", f"{who}: {text if mixed is None else mixed.rstrip('.')}.")

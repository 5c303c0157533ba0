"""Notices on control runs: what was measured, and whether it agrees with the baseline."""

from seedproof.model.arms import Arm, Baseline
from seedproof.model.results import Notice
from seedproof.phases.control import CONFIDENCE, Control, control_look

__all__ = ["control_notices", "control_sentence"]


def control_notices(baseline: Baseline | None, arm: Arm) -> list[Notice]:
    """Whether the control agrees with the baseline; empty where none was needed or none has ended."""
    if baseline is None:
        return []
    control = control_look(baseline, arm)
    if control.run is None or control.state not in ("passed", "failed"):
        return []
    message = f"{arm.experiment}: {control_sentence(control, baseline)}"
    return [Notice("control_passed", message) if control.state == "passed" else Notice("control_failed", message)]


def control_sentence(control: Control, baseline: Baseline) -> str:
    """The result of a control, and what it had to be."""
    run, name = control.run, baseline.rules.metric.name
    assert run is not None
    if control.expected is None or control.half_width is None:
        return f"the control, seed {run.seed} without flags, failed for good ({run.state})."
    found = run.metrics[name].text if name in run.metrics else "no value"
    agrees = "agrees" if control.state == "passed" else "does not agree"
    if control.half_width == 0:
        asked = f"exactly {control.expected!r}, as the same code and seed repeat themselves on this machine"
    else:
        interval = f"{100 * CONFIDENCE:.0f} % prediction interval of one baseline run"
        asked = f"{control.expected:.6g} ± {control.half_width:.3g} ({interval})"
    return (
        f"the control, seed {run.seed} without flags, gave {found} and {agrees} with the baseline: asked was {asked}."
    )

"""The section of an experiment's report on its code and its control runs."""

from collections.abc import Iterable

from seedproof.model.arms import Arm, Baseline
from seedproof.model.code import Change, Code
from seedproof.model.runs import Run
from seedproof.model.untrusted import escape_hidden
from seedproof.notices.control import control_sentence
from seedproof.phases.control import CONFIDENCE, control_look, decide, half_width_sigmas, is_moved, unseen_share
from seedproof.report.inputs import change_lines

__all__ = ["code_lines", "identity"]


_MOST_FILES = 40


def code_lines(baseline: Baseline, arm: Arm, controls: Iterable[Run]) -> list[str]:
    """The section of an experiment's report on its code: identity, what changed, and every control run.

    Args:
        controls: Every control run, this experiment's or not, of this generation or not, in the order of requests.
    """
    if arm.code is None:
        return ["- The code of these runs was not recorded."]
    lines = [f"- Code of the experiment: {identity(arm.code)}"]
    if baseline.arm.code is None:
        lines.append("- The code of the baseline was not recorded, so what differs is not known.")
    elif arm.change is not None or not is_moved(baseline.arm, arm):
        lines += _change_lines(arm.change)
    else:
        lines.append("- It is not the baseline's; what differs cannot be told, as the baseline's was not kept here.")
    lines += [f"- {line}" for line in change_lines(baseline, arm)]
    if arm.code_change:
        lines.append("- The change of code is what the experiment declares, so no control can be asked for.")
    lines += _control_lines(baseline, arm, controls)
    return lines


def identity(code: Code) -> str:
    """How reports name a code: the beginning of its hash, and how it is kept."""
    how = f"snapshot {code.snapshot[:12]}" if code.snapshot else "held in place"
    return f"`{code.sha256[:12]}` ({how})"


def _change_lines(change: Change | None) -> list[str]:
    if change is None:
        return ["- No file that can change a run differs between them."]
    lines = [f"- Files that differ: {len(change.files)}"]
    for file in change.files[:_MOST_FILES]:
        lines.append(f"  - `{escape_hidden(file.path)}` ({file.counts})")
    if len(change.files) > _MOST_FILES:
        lines.append(f"  - and {len(change.files) - _MOST_FILES} more")
    if change.diff_sha256 is not None:
        lines.append(f"- The diff is kept under `.seedproof/diffs`; SHA-256 `{change.diff_sha256[:12]}…`")
    return lines


def _control_lines(baseline: Baseline, arm: Arm, controls: Iterable[Run]) -> list[str]:
    name = baseline.rules.metric.name
    lines = []
    control = control_look(baseline, arm)
    if control.state in ("passed", "failed"):
        sentence = control_sentence(control, baseline)
        lines.append(f"- {sentence[0].upper()}{sentence[1:]}")
    if control.state == "passed" and control.half_width:
        lines.append(_what_a_control_sees(len(baseline.values), baseline.rules.winner_sigma))
    for run in controls:
        value = run.metrics[name].text if name in run.metrics else "no value"
        code = run.surroundings.get("code_sha256") or ""
        of = f" on code `{code[:12]}`" if code else ""
        agrees = ""
        if run.generation == baseline.generation and run.state.is_counted:
            agrees = "; agrees" if decide(baseline, run).state == "passed" else "; does not agree"
        lines.append(f"- Control run `{run.run_id}`: {run.state}, {name} {value}{of}{agrees}")
    return lines


def _what_a_control_sees(n: int, winner_sigma: float) -> str:
    """How often a control beside `n` baseline seeds lets a change pass that is as large as a verdict, or larger."""
    large = 2.5 * winner_sigma
    return (
        f"- What such a control can see: {half_width_sigmas(n):.2f} sigma to either side pass. "
        f"A change that alone moves every result by {winner_sigma:g} true sigma passes in "
        f"{100 * unseen_share(winner_sigma, n):.0f} % of cases, by {large:g} in {100 * unseen_share(large, n):.0f} %; "
        f"one without any effect is turned away in {100 * (1 - CONFIDENCE):.0f} %."
    )

"""The section of an experiment's report on its code and its control runs."""

from collections.abc import Iterable

from seedproof.model.arms import Arm, Baseline
from seedproof.model.code import Code
from seedproof.model.runs import Run
from seedproof.model.untrusted import escape_hidden, one_line
from seedproof.notices.control import control_sentence
from seedproof.phases.control import CONFIDENCE, control_look, decide, half_width_sigmas, is_moved, unseen_share
from seedproof.report.diff import left_out, shown_diff
from seedproof.report.inputs import control_line, read_by_runs

__all__ = ["code_lines", "identity"]


_MOST_FILES = 40


def code_lines(baseline: Baseline, arm: Arm, controls: Iterable[Run], diff: str | None, stem: str) -> list[str]:
    """The section of an experiment's report on its code: identity, what changed, and every control run.

    Args:
        controls: Every control run, this experiment's or not, of this generation or not, in the order of requests.
        diff: The published text of the change; None where there is none.
        stem: Name of the report's file without its ending.
    """
    if arm.code is None:
        return ["- The code of these runs was not recorded."]
    lines = [f"- Code of the experiment: {identity(arm.code)}"]
    if baseline.arm.code is None:
        lines.append("- The code of the baseline was not recorded, so what differs is not known.")
    elif arm.change is not None or not is_moved(baseline.arm, arm):
        lines += _change_lines(baseline, arm, diff, stem)
    else:
        lines.append("- It is not the baseline's; what differs cannot be told, as the baseline's was not kept here.")
    lines += [f"- {line}" for line in control_line(baseline, arm)]
    if arm.code_change:
        lines.append("- The change of code is what the experiment declares, so no control can be asked for.")
    lines += _control_lines(baseline, arm, controls)
    shown = [] if diff is None else shown_diff(diff)
    return [*lines, "", *shown] if shown else lines


def identity(code: Code) -> str:
    """How reports name a code: the beginning of its hash, and how it is kept."""
    how = f"snapshot {code.snapshot[:12]}" if code.snapshot else "held in place"
    return f"`{code.sha256[:12]}` ({how})"


def _change_lines(baseline: Baseline, arm: Arm, diff: str | None, stem: str) -> list[str]:
    """Every file that differs, those that runs read first, and how to apply the change to another copy."""
    change = arm.change
    if change is None:
        return ["- No file that can change a run differs between them."]
    lines, read = [f"- Files that differ: {len(change.files)}"], read_by_runs(baseline, arm)
    for file in sorted(change.files, key=lambda one: read is not None and one.path not in read)[:_MOST_FILES]:
        by = "" if read is None else ", read by runs" if file.path in read else ", read by no run"
        lines.append(f"  - `{escape_hidden(file.path)}` ({file.counts}){by}")
    if len(change.files) > _MOST_FILES:
        lines.append(f"  - and {len(change.files) - _MOST_FILES} more, all of them in `{stem}.json`")
    if diff is not None:
        lines.append(f"- In a clone at the baseline's code: `git apply docs/research/{stem}.diff`")
        lines += [f"- Not in it: {one_line(one)}" for one in left_out(diff)]
    elif change.diff_sha256 is not None:
        kept = f"SHA-256 `{change.diff_sha256[:12]}…`"
        lines.append(f"- The text of the change is not beside this report: longer than 1 MB, or not kept here; {kept}")
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

"""Notices on attempts without a result: what each had told of it, and how many there were."""

from collections import Counter
from collections.abc import Iterator, Sequence

from seedproof.model.arms import Arm
from seedproof.model.results import Notice
from seedproof.model.run_key import Role
from seedproof.model.runs import Run, RunState
from seedproof.model.untrusted import one_line
from seedproof.notices.declarations import list_first
from seedproof.verdict.plausibility import cancelled_runs

__all__ = ["attempt_notices", "cancelled_notices", "draw_words", "run_kind"]

# Characters of a reason in a notice; the table of runs has all of it.
REASON_CHARS = 300
# So many attempts of an arm are named one by one; more are counted in one sentence.
MOST_SINGLE = 2


def draw_words(run: Run, metric: str) -> str | None:
    """What an attempt without a result told of it besides its metrics; None where that is nothing or not recorded."""
    draw = run.draw
    if draw is None or run.state.is_counted or metric in run.metrics:
        return None
    if draw.is_unread:
        return "its last value cannot be read"
    if draw.value is not None and draw.label is not None:
        return f'the nearest to {metric} is "{one_line(f"{draw.label} {draw.value}")}"'
    if draw.value is not None:
        return f"its last value {one_line(draw.value)}" + (f", in a line that looks like {metric}" * draw.is_like)
    return f"trained for {run.wall_time_s or 0:.0f} s, no readable value"


def cancelled_notices(who: str, arm: Arm, metric: str) -> Iterator[Notice]:
    """Each attempt that somebody stopped after it had shown the metric."""
    for run in cancelled_runs(arm, metric):
        yield Notice(
            "cancelled_seed",
            f"{who}: attempt {run.attempt} at seed {run.seed} was stopped after it had shown {metric} "
            f"{run.shown(metric)}{_at_step(run)}{_because(run)}. With another attempt the seed is a second "
            "draw, and an improvement that rests on it is not trusted.",
        )


def attempt_notices(who: str, arm: Arm, metric: str) -> Iterator[Notice]:
    """Attempts that ended without a result, but for those that `cancelled_notices` names."""
    named = {run.run_id for run in cancelled_runs(arm, metric)}
    ended = [
        run
        for run in (*arm.runs, *arm.fresh, *arm.controls)
        if not (run.state.is_active or run.state.is_counted or run.state is RunState.NOT_NEEDED)
        and run.run_id not in named
    ]
    # A report of an earlier version names each of its attempts.
    counted = [run for run in ended if run.no_result is not None]
    if len(counted) <= MOST_SINGLE:
        counted = []
    for run in ended:
        if run not in counted:
            yield Notice("attempt_without_result", f"{who}: {_one(run, metric)}.")
    if counted:
        yield Notice("attempt_without_result", f"{who}: {_many(counted, metric)}.")


def _one(run: Run, metric: str) -> str:
    shown, told = run.shown(metric), draw_words(run, metric)
    seen = f"after it had shown {metric} {shown}" if shown is not None else f"without any {metric}"
    if run.state is RunState.UNREAD:
        seen = "after it had printed a value"
    if told is not None and shown is None:
        seen = f"without any {metric} ({told})"
    return f"{_name(run)} {_state(run)} {seen}{_at_step(run)}{_because(run)}"


def _many(runs: Sequence[Run], metric: str) -> str:
    """One sentence on all of them: twenty say less, and hide the rest of a reply."""
    states = ", ".join(f"{number} {state}" for state, number in Counter(_state(run) for run in runs).items())
    drawn = [
        f"{_name(run)} ({draw_words(run, metric) or f'its last value {run.shown(metric)}'})"
        for run in runs
        if run.is_draw(metric)
    ]
    seen = f"{len(drawn)} of them showed a value or trained: {list_first(drawn)}" if drawn else f"without any {metric}"
    newest = f"the newest, {_name(runs[-1])}{_because(runs[-1])}"
    return f"{len(runs)} attempts ended without a result ({states}), {seen}; {newest}"


def _name(run: Run) -> str:
    return f"attempt {run.attempt} at {run_kind(run)}seed {run.seed}"


def _state(run: Run) -> str:
    return str(run.state).replace("_", " ")


def run_kind(run: Run) -> str:
    """What a run was for, to stand before `seed`; empty for a measuring one."""
    if run.role is Role.CONFIRM:
        return "fresh (without the change) " if run.is_control else "fresh "
    return "control " if run.role is Role.CONTROL else ""


def _at_step(run: Run) -> str:
    return "" if run.step is None else f" (step {run.step})"


def _because(run: Run) -> str:
    """The recorded reason, in one line and cut to a length."""
    reason = one_line(run.reason or "").rstrip(".")
    return f": {reason[:REASON_CHARS]}{'…' if len(reason) > REASON_CHARS else ''}" if reason else ""

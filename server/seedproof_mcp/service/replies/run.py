"""The replies of `run_seed` and `stop_run`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from pydantic import Field, RootModel

from seedproof_mcp.service.replies.plain import rounded
from seedproof_mcp.service.replies.result import Follow, Result
from seedproof_mcp.service.replies.rows import TriedRow

__all__ = ["TRIED_BYTES", "TRY_ID", "RunResult", "StopResult", "WithdrawnResult", "waiting_words"]

TRY_ID = "try"
"""What stands in place of a run's id in the answers of a try, which is no run of the ledger."""
# With the next call and the ledger head, the first text of a try has at most two kilobytes.
TRIED_BYTES = 1700


class RunResult(Result):
    """One run: where it stands and what it brought."""

    run_id: str
    role: Literal["measure", "control", "confirm", "probe"]
    arm: Literal["baseline", "experiment"]
    experiment: str | None
    seed: int
    attempt: int
    state: Literal[
        "queued",
        "running",
        "succeeded",
        "failed",
        "diverged",
        "unread",
        "timed_out",
        "cancelled",
        "interrupted",
        "not_needed",
        "tried",
    ]
    metrics: dict[str, float | None]
    step: int | None
    elapsed_s: float | None
    eta_s: float | None
    queue_position: int | None
    remaining: int
    reason: str | None
    untrusted_output: str | None
    command: str | None = None
    values: dict[str, dict[str, float | None]] = Field(default_factory=dict)
    tried: TriedRow | None = None

    def document(self) -> dict[str, Any]:
        """The structure for a client. Of a measured run the arm follows from `experiment`, and is left out."""
        found = Result.document(self)
        if self.tried is not None:
            found["tried"].pop("log_tail", None)  # `untrusted_output` has it
        for name, values in self.values.items():  # null says that nan or inf was printed
            found["values"][name] = {seed: None if one is None else rounded(one) for seed, one in values.items()}
        if self.role in ("measure", "probe"):
            del found["arm"]
        for name in ("elapsed_s", "eta_s") if self.is_active else ():
            if name in found:
                found[name] = _tenths(getattr(self, name))
        return found

    def title(self) -> str:
        """Run, state and metrics; the time stands among the fields."""
        return self._run_words(self.attempt > 1, "wall_time_s")

    def told(self) -> Sequence[str]:
        """What the lines say."""
        if self.run_id == TRY_ID:
            return ("reason", "untrusted_output")
        return tuple(type(self).model_fields)

    def rest(self) -> list[str]:
        """Which run it is, how far it came, and how many the arm still needs."""
        if self.run_id == TRY_ID:
            return Result.rest(self)
        which = [self.run_id, self.role, *([f"arm {self.arm}"] if self.role in ("control", "confirm") else [])]
        if not self.is_active:
            which += [f"step {self.step}"] if self.step is not None else []
            which += [f"{rounded(self.elapsed_s)} s"] if self.elapsed_s is not None else []
        return [", ".join([*which, f"remaining {self.remaining}"])]

    def texts(self) -> list[str]:
        """What a model reads; of a try the settings to paste and all numbers in a second text."""
        if self.run_id != TRY_ID:
            return Result.texts(self)
        return [self.for_people(lambda call: f"{call} - {call.why}"), *self.rest()]

    def for_people(self, next_line: Callable[[Follow], str]) -> str:
        """What the command line prints."""
        runs = "Runs of the confirmation" if self.role == "confirm" else "Seeds"
        # Where a failure ended the arm, a notice says so: no seed would help.
        is_told = (
            not self.is_active and self.run_id != TRY_ID and (self.remaining or self.state in ("succeeded", "diverged"))
        )
        needed = [f"{runs} still needed: {self.remaining}"] if is_told else []
        *first, last = [self.first_line(), *self.details()]
        is_output = last == self.untrusted_output
        lines = [*first, *needed, last] if is_output else [*first, last, *needed]
        return self._lines(lines, next_line)

    @property
    def is_active(self) -> bool:
        """Whether the run may still bring a result."""
        return self.state in ("queued", "running")

    def first_line(self) -> str:
        """Run, state and numbers."""
        if self.run_id == TRY_ID:
            return f"Trying the command: {self.reason}" if self.tried is None else self.tried.headline
        return self._run_words(True)

    def _run_words(self, with_attempt: bool, *hidden: str) -> str:
        who = self.experiment or "baseline"
        if self.role == "confirm":
            who = f"{who} on a fresh seed, {'without' if self.arm == 'baseline' else 'with'} its change,"
        elif self.role == "control":
            who = f"{who}, control of its code without flags,"
        elif self.role == "probe":
            who = "probe of the baseline,"
        attempt = f" (attempt {self.attempt})" if with_attempt else ""
        values = () if self.is_active else self._values(*hidden)
        return ", ".join([f"{who} seed {self.seed}{attempt}: {self.state}", *values])

    def _values(self, *hidden: str) -> list[str]:
        shown = {name: value for name, value in self.metrics.items() if value is not None and name not in hidden}
        return [f"{name} {rounded(value)}" for name, value in shown.items()]

    def details(self) -> list[str]:
        """Command, progress, reason, and the end of the log; of a try what it told."""
        if self.run_id == TRY_ID:
            lines = [] if self.tried is None else self.tried.lines(TRIED_BYTES)
        else:
            lines = [self.progress()] if self.is_active else []
            lines += [f"Command: {self.command}"] if self.command else []
            lines += [f"Reason: {self.reason}"] if self.reason else []
            lines += [_by_seed(name, values) for name, values in self.values.items()]
        return [*lines, *([self.untrusted_output] if self.untrusted_output else ())]

    def progress(self) -> str:
        """Step, elapsed and remaining time in one line."""
        if self.queue_position is not None:
            ends = "" if self.eta_s is None else f", ends in about {_tenths(self.eta_s)} s"
            return f"waiting, position {self.queue_position} in the queue{ends}"
        parts = [f"step {self.step}"] if self.step is not None else []
        parts += self._values()
        if self.elapsed_s is not None:
            parts.append(f"{_tenths(self.elapsed_s)} s elapsed")
        if self.eta_s is not None:
            parts.append(f"about {_tenths(self.eta_s)} s to go")
        return ", ".join(parts) or "starting"


def _by_seed(name: str, values: Mapping[str, float | None]) -> str:
    shown = (f"{seed} {'not finite' if value is None else rounded(value)}" for seed, value in values.items())
    return f"{name} by seed: {', '.join(shown)}"


def _tenths(seconds: float) -> float:
    """Seconds of a run that goes on, which are not known better."""
    return rounded(round(float(seconds), 1))


class WithdrawnResult(Result):
    """An experiment that was withdrawn, or closed with values."""

    experiment: str
    state: Literal["withdrawn", "closed"]
    reason: str
    generation: int

    def first_line(self) -> str:
        """That it is withdrawn or closed, and what that means."""
        if self.state == "closed":
            return f"{self.experiment} is closed: it ends without a verdict, and counts as an idea tried"
        return f"{self.experiment} is withdrawn: it counts as no idea, and its name may be declared anew"

    def told(self) -> Sequence[str]:
        """What the lines say."""
        return ("experiment", "state", "reason")

    def details(self) -> list[str]:
        """Why."""
        return [f"Reason: {self.reason}"]


class StopResult(RootModel[RunResult | WithdrawnResult]):
    """What `stop_run` answers, for its schema."""


def waiting_words(eta_s: float | None) -> str:
    """When to call again for what is waited for.

    Args:
        eta_s: Seconds until it has ended; None where they are not known.
    """
    when = "later" if eta_s is None else "soon" if eta_s < 1 else f"in {_span(eta_s)}"
    return f"Waits; or do other work and call {when}."


def _span(seconds: float) -> str:
    for unit, name in ((3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.1f} {name}" if seconds < 10 * unit else f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s"

"""A request for a run, and the admission that answers it."""

from dataclasses import dataclass, fields
from typing import Literal

from seedproof.ledger.event import Event
from seedproof.ledger.run_events import RunRequested
from seedproof.ledger.study_events import ExperimentDeclared, GenerationStarted
from seedproof.model.refusals import NextCall, Refusal
from seedproof.model.run_key import Role

__all__ = ["Admission", "RunRequest"]


@dataclass(frozen=True, slots=True)
class RunRequest:
    """The arguments of `run_seed`."""

    experiment: str | None = None
    """Name of the experiment; None for the baseline."""
    seed: int | None = None
    """The seed to train; None lets the server choose."""
    flags: tuple[str, ...] | None = None
    """What the experiment adds to the command; None to leave them as declared."""
    hypothesis: str | None = None
    """What the experimenter expects; None to leave it as declared."""
    role: Role = Role.MEASURE
    """What the run is for."""
    code_change: bool = False
    """Whether the experiment declares a change of code."""
    attempt: int | None = None
    """Number of the attempt at the seed; None lets the server choose."""
    queue_all: bool = False
    """Whether every run that is due is queued."""
    new_baseline: str | None = None
    """Reason for a new baseline generation; None to continue the present one."""
    until: Literal["seed", "verdict"] = "seed"
    """Whether the caller waits for a run, or until the arm can be judged; what is due then is queued meanwhile."""

    def call(self, why: str, you_choose: tuple[str, ...] = ()) -> NextCall:
        """The same request as a call, without the arguments that the caller is to fill."""
        given = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in you_choose}
        said = {name: value for name, value in given.items() if value not in (None, False, Role.MEASURE, "seed")}
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in said.items()}
        return NextCall("run_seed", why, plain | ({"role": self.role.value} if "role" in said else {}), you_choose)


@dataclass(frozen=True, slots=True)
class Admission:
    """The events to record for an admitted request, and the run that answers it."""

    events: tuple[Event, ...]
    """The events to record, in order; empty if the run was requested before."""
    run_id: str
    """The run that answers the request; empty with a refusal."""
    refusal: Refusal | None = None
    """The answer once the events are recorded, instead of a run: it declares the experiment and asks for its
    control."""

    @property
    def starts_generation(self) -> bool:
        """Whether it begins a baseline generation."""
        return any(isinstance(event, GenerationStarted) for event in self.events)

    @property
    def declares_experiment(self) -> bool:
        """Whether it declares an experiment."""
        return any(isinstance(event, ExperimentDeclared) for event in self.events)

    @property
    def requests_run(self) -> bool:
        """Whether it queues a run."""
        return any(isinstance(event, RunRequested) for event in self.events)

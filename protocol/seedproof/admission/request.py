"""A request for a run, and the answer that admits it."""

from dataclasses import dataclass

from seedproof.ledger.events import Event, ExperimentDeclared, GenerationStarted, RunRequested
from seedproof.model.refusals import Refusal
from seedproof.model.run_key import Role

__all__ = ["Admission", "RunRequest"]


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What a caller asks of `run_seed`."""

    experiment: str | None = None
    seed: int | None = None
    flags: tuple[str, ...] | None = None
    hypothesis: str | None = None
    role: Role = Role.MEASURE
    code_change: bool = False
    attempt: int | None = None
    queue_all: bool = False
    new_baseline: str | None = None


@dataclass(frozen=True, slots=True)
class Admission:
    """What to write down for an admitted request, and the run to look at."""

    events: tuple[Event, ...]
    """The events to record, in order; empty if the run exists already."""
    run_id: str
    """The run that answers the request."""
    refusal: Refusal | None = None
    """What is answered instead, once the events are recorded: an experiment is declared before its control is asked
    for."""

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

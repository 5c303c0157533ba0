"""The rows within the tools' results: summaries of arms, seeds, experiments. docs/tools.md describes every field."""

from typing import Literal

from pydantic import BaseModel, ConfigDict
from seedproof.model.results import ConfirmationState, Notice
from seedproof.phases.experiment_state import ExperimentState

__all__ = [
    "AgainstRow",
    "ArmSummary",
    "ExperimentRow",
    "MetricSummary",
    "NoticeResult",
    "RunningRow",
    "SeedRow",
    "Shape",
    "SharedSeeds",
]


class Shape(BaseModel):
    """A frozen model that accepts no unknown field."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoticeResult(Shape):
    """Something to know beside the numbers."""

    code: str
    message: str

    @classmethod
    def of(cls, notice: Notice) -> "NoticeResult":
        """The notice as a result shows it."""
        return cls(code=notice.code, message=notice.message)


class MetricSummary(Shape):
    """One metric over the runs of an arm, in its own unit."""

    n: int
    mean: float
    std: float | None
    min: float
    max: float


class ArmSummary(MetricSummary):
    """The same with the value of each seed."""

    per_seed: dict[str, float]


class SeedRow(Shape):
    """The newest attempt at one seed."""

    seed: int
    state: str
    attempt: int
    run_id: str
    metrics: dict[str, float | None]


class SharedSeeds(Shape):
    """The difference of two experiments over the seeds that both have, with its 95 % interval."""

    n: int
    difference: float
    low: float
    high: float


class AgainstRow(Shape):
    """The other experiment that one was compared with."""

    experiment: str
    metrics: dict[str, ArmSummary]
    difference: float
    pairs: SharedSeeds | None


class ExperimentRow(Shape):
    """One experiment of the campaign."""

    experiment: str
    generation: int
    flags: list[str]
    code_change: bool
    is_null: bool
    hypothesis: str
    state: ExperimentState
    reason: str | None
    seeds_done: int
    seeds_needed: int
    verdict: Literal["WINNER", "NEUTRAL", "LOSER"] | None
    headline: str | None
    report_path: str | None
    p_better: float | None
    p_holm: float | None
    confirmation: ConfirmationState | None
    merged: int | None


class RunningRow(Shape):
    """The run that is training now."""

    run_id: str
    experiment: str | None
    seed: int
    attempt: int

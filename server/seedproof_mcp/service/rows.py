"""The rows within the tools' results: summaries of arms, seeds, experiments. docs/tools.md describes every field."""

from typing import Literal

from pydantic import BaseModel, ConfigDict
from seedproof.model.results import ConfirmationState

__all__ = ["ArmSummary", "ExperimentRow", "MetricSummary", "RunningRow", "SeedRow", "Shape"]


class Shape(BaseModel):
    """A frozen model that accepts no unknown field."""

    model_config = ConfigDict(extra="forbid", frozen=True)


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


class ExperimentRow(Shape):
    """One experiment of the campaign."""

    experiment: str
    generation: int
    flags: list[str]
    code_change: bool
    is_null: bool
    hypothesis: str
    state: Literal["declared", "measuring", "measured", "judged", "dropped", "failed", "superseded"]
    reason: str | None
    seeds_done: int
    seeds_needed: int
    verdict: Literal["WINNER", "NEUTRAL", "LOSER"] | None
    headline: str | None
    report_path: str | None
    p_better: float | None
    p_holm: float | None
    confirmation: ConfirmationState | None


class RunningRow(Shape):
    """The run that is training now."""

    run_id: str
    experiment: str | None
    seed: int
    attempt: int

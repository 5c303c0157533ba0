"""What the ledger says of one baseline generation and of its experiments."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from seedproof.ledger.records import Record
from seedproof.model.code import Change, Code
from seedproof.model.refusals import NextCall
from seedproof.model.rules import Rules
from seedproof.model.values import Primary, declares_no_effect
from seedproof.stats.summary import PriorVariance

__all__ = ["Experiment", "Generation"]


@dataclass(slots=True)
class Experiment:
    """One declared experiment and what was said of it."""

    name: str
    generation: int
    flags: tuple[str, ...]
    hypothesis: str
    code_change: bool
    primary: Primary = "unpaired"
    primary_reason: str = "by default"
    prior: PriorVariance | None = None
    run_ids: list[str] = field(default_factory=list)
    verdict: Record | None = None
    report: Record | None = None
    place: int = 0
    """Its place among all experiments of the ledger."""
    declared_at: int = 0
    """Number of the record that declared it."""
    code: Code | None = None
    """What its runs are trained with."""
    change: Change | None = None
    """How that differs from the baseline's code."""
    following: NextCall | None = field(default=None, compare=False)
    """What comes next for it, as `seedproof.phases.next_call` found, kept until a record about it."""
    alike: tuple[int, ...] | None = field(default=None, compare=False)
    """Places of earlier experiments with flags like its own, as `notices.declarations` found; they never change."""

    @property
    def is_null(self) -> bool:
        """Whether it was declared to have no effect."""
        return declares_no_effect(self.hypothesis)


@dataclass(slots=True)
class Generation:
    """One baseline generation: its rules, its runs and its experiments."""

    number: int
    rules: Mapping[str, Any]
    reason: str | None
    started: str
    adopted: list[str] = field(default_factory=list)
    adoption: str | None = None
    run_ids: list[str] = field(default_factory=list)
    experiments: dict[str, Experiment] = field(default_factory=dict)
    report: Record | None = None
    code: Code | None = None
    """What its runs are trained with; None in a ledger from before code was recorded."""
    controls: dict[str, list[str]] = field(default_factory=dict)
    """By code identity, the control runs of that code, whichever experiment asked for them."""
    _rules: Rules | None = field(default=None, compare=False)

    def parsed_rules(self) -> Rules:
        """The rules that it was begun under; what a later version added has its default."""
        if self._rules is None:
            self._rules = Rules.from_document(self.rules)
        return self._rules

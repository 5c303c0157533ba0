"""States of a ledger from a few words: what records would add up to, without files."""

from collections.abc import Sequence
from typing import Any

from seedproof.admission.declaration import make_declaration
from seedproof.admission.request import RunRequest
from seedproof.ledger.fold import apply
from seedproof.ledger.state import Experiment, State
from seedproof.model.rules import Rules
from seedproof.phases.study import Study

from tests.support.arms import RULES, run_key


class Story:
    """Tells records to a state, one after the other."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.rules = rules or RULES
        self.state = State()
        self._seq = 0

    def tell(self, kind: str, **fields: Any) -> "Story":
        """One record."""
        self._seq += 1
        head = {"kind": kind, "seq": self._seq, "hash": f"{self._seq:064x}", "time": "2026-01-01T00:00:00.000Z"}
        apply(self.state, {**head, **fields})
        return self

    def baseline(self, values: Sequence[float], rules: Rules | None = None) -> "Story":
        """A new generation with these values."""
        self.rules = rules or self.rules
        number = len(self.state.generations) + 1
        self.tell("generation_started", generation=number, rules=self.rules.document(), reason=None)
        return self.runs(None, dict(zip(self.rules.baseline_seeds, values, strict=False)))

    def declare(self, name: str, hypothesis: str = "it helps") -> "Story":
        """An experiment of the present generation, as the gate would write it down."""
        request = RunRequest(experiment=name, flags=("--lr", name), hypothesis=hypothesis)
        declared = make_declaration(Study(self.state, self.rules), request)
        return self.tell(declared.kind, **declared.fields())

    def experiment(self, name: str, values: Sequence[float | None], hypothesis: str = "it helps") -> "Story":
        """The same with its runs; None for one that diverged."""
        seeds = (*self.rules.experiment_seeds, *self.rules.extra_seeds)
        return self.declare(name, hypothesis).runs(name, dict(zip(seeds, values, strict=False)))

    def request(self, experiment: str | None, seed: int) -> "Story":
        """A queued run, its first attempt."""
        number = len(self.state.generations)
        run_id = run_key(experiment, seed, generation=number).run_id
        key = {"generation": number, "role": "measure", "seed": seed, "attempt": 1}
        return self.tell("run_requested", run_id=run_id, experiment=experiment, **key)

    def runs(self, experiment: str | None, values: dict[int, float | None] | dict[int, float]) -> "Story":
        """Finished runs."""
        for seed, value in values.items():
            run_id = run_key(experiment, seed, generation=len(self.state.generations)).run_id
            self.request(experiment, seed)
            metric = {"value": value, "text": "nan" if value is None else repr(value)}
            ended = "diverged" if value is None else "succeeded"
            self.tell("run_finished", run_id=run_id, state=ended, metrics={"val_loss": metric}, wall_time_s=2.0)
        return self

    def verdict(self, name: str, word: str, p: float | None = None) -> "Story":
        """A verdict, with the p value that was written beside it."""
        number = len(self.state.generations)
        counted = None if p is None else {"p_better": p}
        return self.tell("verdict_issued", generation=number, experiment=name, verdict=word, campaign=counted)

    def of(self, name: str) -> Experiment:
        """A declared experiment of the present generation."""
        return self.state.generations[-1].experiments[name]

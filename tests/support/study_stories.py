"""A study of two generations with every kind of end, as the records would tell it."""

from typing import Any

from seedproof.ledger.state import State
from seedproof.model.code import Change, ChangedFile, Code
from seedproof.model.rules import Rules
from seedproof.phases.study import Study

from tests.support.arms import RULES
from tests.support.stories import Story

__all__ = ["CONFIRMED", "a_study", "merged_rules", "study_of"]

FIRST_CODE, EDITED = Code("b" * 64, "in-place"), Code("e" * 64, "in-place")
BASE = (4.00, 4.01, 3.99, 4.02, 3.98)
CONFIRMED = {
    "state": "confirmed",
    "done": 6,
    "needed": 6,
    "reason": "It holds.",
    "kind": "winner",
    "pairs": 3,
    "difference": -0.07,
    "improvement": 0.07,
    "p_better": 0.001,
    "limit": 0.02,
    "threshold": 0.0213,
    "at_least": 0.0487,
    "std": 0.01,
    "df": 6,
    "wall_time": {"change_percent": 3.14, "low_percent": 2.0, "high_percent": 4.0, "claim": "slowdown"},
}
HOSTILE = "a | b`c\n# d <script>"


def merged_rules(*flags: str) -> Rules:
    """The rules with flags in their command."""
    place = RULES.command.index("{flags}")
    command = (*RULES.command[:place], *flags, *RULES.command[place:])
    return RULES.model_copy(update={"command": command})


def generation(told: Story, rules: Rules, code: Code | None = FIRST_CODE, reason: str | None = None) -> Story:
    """A baseline that begins with a code and a reason, without runs."""
    told.rules, number = rules, len(told.state.generations) + 1
    more = {} if code is None else {"code": code.document()}
    return told.tell("generation_started", generation=number, rules=rules.document(), reason=reason, **more)


def declare(told: Story, name: str, flags: tuple[str, ...], hypothesis: str = "it helps", **more: Any) -> Story:
    """An experiment with these flags on the code of its baseline."""
    fields = {"hypothesis": hypothesis, "code_change": False, "code": FIRST_CODE.document(), **more}
    return told.tell(
        "experiment_declared", generation=len(told.state.generations), experiment=name, flags=list(flags), **fields
    )


def judged(told: Story, name: str, values: tuple[float | None, ...], verdict: str, headline: str, **more: Any) -> None:
    """Its runs and its verdict, with the difference of the means."""
    told.runs(name, dict(zip((*told.rules.experiment_seeds, *told.rules.extra_seeds), values, strict=False)))
    known = [value for value in values if value is not None]
    delta = sum(known) / len(known) - 4.0 if len(known) == len(values) else None
    fields = {"verdict": verdict, "headline": headline, "delta": delta, **more}
    told.tell("verdict_issued", generation=len(told.state.generations), experiment=name, **fields)


def report(told: Story, name: str | None, path: str) -> None:
    """The record of a report."""
    told.tell("report_written", generation=len(told.state.generations), experiment=name, path=path)


def a_study() -> State:
    """Two generations: the second has merged a WINNER of the first."""
    told = generation(Story(), RULES)
    told.runs(None, dict(zip(RULES.baseline_seeds, BASE, strict=True)))
    report(told, None, "docs/research/baseline_variance_1M_generation1.md")
    declare(told, "muon", ("--lr", "0.02"))
    judged(
        *(told, "muon", (3.91, 3.92, 3.90), "WINNER", "WINNER (confirmed on 3 fresh seeds): 5.69 sigma better"),
        confirmation=CONFIRMED,
    )
    report(told, "muon", "docs/research/experiment_muon_1M.md")
    declare(told, "nothing", ("--say", HOSTILE), "null: | nothing\n# changes")
    judged(told, "nothing", (4.00, 4.01, 3.99, 4.01, 3.98), "NEUTRAL", "NEUTRAL: 0.13 sigma better, noise")
    files = tuple(ChangedFile(path, 2, 1) for path in ("model.py", "train|llm.py", "data.py", "optim.py"))
    edited = {"code_change": True, "code": EDITED.document(), "change": Change(files, "d" * 64).document()}
    declare(told, "rewritten", (), **edited)
    judged(told, "rewritten", (4.1, 4.11, 4.4), "LOSER", "LOSER: 12.86 sigma worse")
    declare(told, "wild", ("--lr", "9"))
    judged(told, "wild", (None,), "LOSER", "LOSER (diverged: 1 of 1 seeds)")
    declare(told, "left", ("--wd", "1")).runs("left", {42: 4.0})
    generation(told, merged_rules("--lr=0.02"), reason=f"muon is merged {HOSTILE}")
    told.runs(None, dict(zip(RULES.baseline_seeds, (3.91, 3.92, 3.90, 3.93, 3.89), strict=True)))
    report(told, None, "docs/research/baseline_variance_1M.md")
    declare(told, "begun", ("--x", "1")).runs("begun", {42: 3.9})
    declare(told, "next", ("--x", "2"))
    return told.state


def study_of(state: State) -> Study:
    """The study under the rules of its newest generation."""
    return Study(state, state.generations[-1].rules)

"""The notice that the present baseline is a WINNER of before, and whether its first seed gives that value again."""

from seedproof.ledger.state import State
from seedproof.model.results import Notice
from seedproof.model.runs import Run
from seedproof.phases.merged import MergedSeed, merged_seed
from seedproof.stats.summary import summarize

__all__ = ["merged_notices"]


def merged_notices(state: State) -> list[Notice]:
    """One notice where the present baseline merged a confirmed WINNER, until an experiment is declared against it."""
    found = merged_seed(state)
    if found is None or (state.generation is not None and state.generation.experiments):
        return []
    merged = f"this generation has the code and the command of {found.experiment}, confirmed in generation"
    return [Notice("merged", f"{merged} {found.generation}: {_seed_sentence(state, found)}")]


def _seed_sentence(state: State, found: MergedSeed) -> str:
    name = state.rules_of(found.generation).metric.name
    then = f"the merged experiment's seed {found.seed} gave {_text(found.then, name)}"
    if found.now is None:
        again = "exactly that" if found.repeats else "nearly that"
        return f"{then}, and seed {found.seed} of this baseline should give {again}."
    gave = f"{then}, this baseline's {_text(found.now, name)}"
    before, after = found.then.value(name), found.now.value(name)
    if before is None or after is None or before == after:
        return f"{gave}."
    values = list(state.baseline_arm(found.generation).finite(name).values())
    sigma = summarize(values).std if len(values) > 1 else None
    distance = f"{abs(after - before) / sigma:.2f} sigma apart" if sigma else "which differ"
    if found.repeats:
        return f"{gave}, {distance}, although trainings repeat themselves bit for bit here: something else differs."
    return f"{gave}, {distance}."


def _text(run: Run, name: str) -> str:
    return run.metrics[name].text if name in run.metrics else "no value"

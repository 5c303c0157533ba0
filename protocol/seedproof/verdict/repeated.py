"""Says in a headline that flags which say the same were measured before."""

from seedproof.ledger.state import Experiment, State
from seedproof.phases.twins import trained_alike

__all__ = ["repeated_declaration"]


def repeated_declaration(state: State, experiment: Experiment) -> str | None:
    """Says that flags that say the same were measured before and gave no confirmed WINNER; None where they were not.

    On other code they are another question, and so they are on a later baseline, unless that differs in the metric.
    """
    generation = state.generations[experiment.generation - 1]
    found, metrics = [], set()
    for number, name in experiment.repeats:
        other, metric = state.generations[number - 1].experiments[name], state.rules_of(number).metric.name
        ended = _end_of(other)
        if ended is None or not any(run.is_draw(metric) for run in state.experiment_arm(other).runs):
            continue
        if number != experiment.generation:
            if "metric" in state.rules_of(number).differing(generation.rules):
                metrics.add(number)
        elif trained_alike(state, experiment, other):
            found.append(f"{name}, {ended}")
    parts = [f"same flags as {found[0]}"] if len(found) == 1 else []
    parts += [f"same flags as {len(found)} earlier experiments"] if len(found) > 1 else []
    if metrics:
        n = len(metrics)
        parts.append(f"same flags under {n} other metric{'' if n == 1 else 's'} in earlier generations")
    return "; ".join(parts) or None


def _end_of(experiment: Experiment) -> str | None:
    """What became of an experiment, in a word or two; None for a confirmed WINNER."""
    issued = experiment.verdict
    if issued is None:
        return "not judged"
    if not issued.is_winner:
        return issued.verdict
    state = None if issued.confirmation is None else issued.confirmation.state
    return None if state == "confirmed" else "NOT confirmed" if state == "not_confirmed" else "unconfirmed"

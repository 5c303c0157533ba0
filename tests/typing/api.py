"""Only type-checked, never run: what the types of the protocol allow, and what they do not."""

from seedproof.model.arms import Arm, Baseline
from seedproof.model.results import Comparison
from seedproof.model.rules import Rules
from seedproof.phases.baseline import establish_baseline
from seedproof.stats.summary import Summary, cohens_d, effect_size, summarize
from seedproof.verdict.judge import judge


def a_verdict_needs_a_baseline(baseline: Arm, experiment: Arm) -> Comparison:
    judge(baseline, experiment)  # type: ignore[arg-type]
    judge(None, experiment)  # type: ignore[arg-type]
    established: Baseline = establish_baseline(baseline, Rules())
    return judge(established, experiment)


def what_may_be_unknown_has_to_be_asked(values: list[float]) -> str:
    found: Summary = summarize(values)
    print(found.std + 1.0)  # type: ignore[operator]
    d = cohens_d(values, values)
    effect_size(d)  # type: ignore[arg-type]
    return "unknown" if d is None else effect_size(d)


def values_are_frozen(baseline: Baseline) -> None:
    baseline.mean = 3.0  # type: ignore[misc]

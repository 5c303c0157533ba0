"""How often a rule sees a gain where nothing changed: seeded normal draws, decided by the product's own code."""

import argparse
from collections.abc import Callable

import numpy as np
from seedproof.errors import MoreSeedsNeeded
from seedproof.phases import establish_baseline
from seedproof.rules import Rules
from seedproof.values import Arm, MetricValue, Role, Run, RunState, Verdict
from seedproof.verdict import judge

__all__ = ["measure"]

RULES = Rules()
FIRST, ALL = RULES.experiment_seeds, RULES.experiment_seeds + RULES.extra_seeds
# One draw per row: five baseline values, then five for the experiment; lower is better.
Study = np.ndarray


def arm(name: str | None, seeds: tuple[int, ...], values: Study) -> Arm:
    """One finished run for each seed, as the ledger would give it."""
    runs = tuple(
        Run(
            run_id=f"{name}-{seed}",
            generation=1,
            role=Role.MEASURE,
            experiment=name,
            seed=seed,
            attempt=1,
            state=RunState.SUCCEEDED,
            metrics={RULES.metric.name: MetricValue(float(value), repr(float(value)))},
            wall_time_s=1.0,
        )
        for seed, value in zip(seeds, values, strict=False)
    )
    return Arm(generation=1, experiment=name, runs=runs)


def seedproof_sees_a_gain(study: Study) -> bool:
    """The protocol, three seeds first and two more where they are due."""
    baseline = establish_baseline(arm(None, RULES.baseline_seeds, study[:5]), RULES)
    try:
        comparison = judge(baseline, arm("null", FIRST, study[5:]))
    except MoreSeedsNeeded:
        comparison = judge(baseline, arm("null", ALL, study[5:]))
    return comparison.verdict is Verdict.WINNER


def a_single_run_sees_a_gain(study: Study) -> bool:
    """Keep whatever single run is better."""
    return bool(study[5] < study[0])


def three_runs_see_a_gain(study: Study) -> bool:
    """Keep whatever has the better mean of three."""
    return bool(study[5:8].mean() < study[:3].mean())


RULES_OF_TODAY: dict[str, Callable[[Study], bool]] = {
    "keep a single run that is better": a_single_run_sees_a_gain,
    "keep a better mean of three": three_runs_see_a_gain,
    "Seedproof's protocol": seedproof_sees_a_gain,
}


def measure(studies: int, seed: int) -> dict[str, float]:
    """The share of studies without any effect in which each rule sees a gain."""
    draws = np.random.default_rng(seed).standard_normal((studies, 10)) * 0.01 + 4.0
    return {name: sum(map(decides, draws)) / studies for name, decides in RULES_OF_TODAY.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=42)
    options = parser.parse_args()
    shares = measure(options.studies, options.seed)
    print(f"{options.studies} studies in which nothing changed, independent normal seeds")
    for name, share in shares.items():
        print(f"{name:36}{100 * share:6.1f} % report a gain")

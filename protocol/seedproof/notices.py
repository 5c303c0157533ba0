"""What the reader must be told about the runs of an arm beside its numbers."""

from collections import defaultdict
from collections.abc import Sequence

from seedproof.metrics import printed_resolution
from seedproof.rules import Rules
from seedproof.stats import summarize
from seedproof.values import Arm, Notice, Run

__all__ = ["arm_notices"]

# Printed steps coarser than a fifth of sigma add visibly to the spread they are measured by:
# rounding to a unit u adds u^2 / 12 to the variance (Sheppard's correction).
RESOLUTION_SHARE = 0.2


# A sleep shorter than this disturbs a wall time less than another program does.
SLEPT_S = 1.0


def arm_notices(arm: Arm, rules: Rules, sigma: float | None) -> list[Notice]:
    """Notices on one arm.

    Args:
        sigma: The baseline's standard deviation; None while it is not known.
    """
    who = arm.experiment or "baseline"
    runs = list(arm.counted.values())
    return [
        *_same_values(who, runs, rules),
        *_same_logs(who, runs),
        *_coarse(who, runs, rules, sigma),
        *_slept(who, [*runs, *arm.fresh]),
    ]


def _same_values(who: str, runs: Sequence[Run], rules: Rules) -> list[Notice]:
    values = [run.value(rules.metric.name) for run in runs]
    finite = [value for value in values if value is not None]
    if len(finite) < 2 or summarize(finite).std != 0:
        return []
    text = f"{who}: {len(finite)} seeds gave the same {rules.metric.name}; does the script use --seed?"
    return [Notice("same_values", text)]


def _same_logs(who: str, runs: Sequence[Run]) -> list[Notice]:
    by_hash: dict[str, list[int]] = defaultdict(list)
    for run in runs:
        if run.log_sha256:
            by_hash[run.log_sha256].append(run.seed)
    return [
        Notice("identical_logs", f"{who}: the logs of seeds {', '.join(map(str, seeds))} are identical.")
        for seeds in by_hash.values()
        if len(seeds) > 1
    ]


def _slept(who: str, runs: Sequence[Run]) -> list[Notice]:
    return [
        Notice(
            "slept", f"{who}: the machine slept {run.slept_s:.0f} s during seed {run.seed}; its wall time is not one."
        )
        for run in runs
        if run.slept_s >= SLEPT_S
    ]


def _coarse(who: str, runs: Sequence[Run], rules: Rules, sigma: float | None) -> list[Notice]:
    texts = [run.metrics[rules.metric.name].text for run in runs if rules.metric.name in run.metrics]
    steps = [step for step in map(printed_resolution, texts) if step is not None]
    # The finest of them: a value such as 4.1190 may have been printed as 4.119.
    if not steps or not sigma or min(steps) <= RESOLUTION_SHARE * sigma:
        return []
    message = (
        f"{who}: {rules.metric.name} is printed in steps of {min(steps):g}, not small against sigma ({sigma:.3g}); "
        "print more digits or read it from a file."
    )
    return [Notice("coarse_resolution", message)]

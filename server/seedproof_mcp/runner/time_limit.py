"""How long a run may take."""

from seedproof.ledger.state import State
from seedproof.model.rules import Rules
from seedproof.model.values import Run

from seedproof_mcp.host.settings import Config

__all__ = ["time_limit_s"]

# Before a baseline exists nobody knows how long a run takes; later, three times its slowest run.
FIRST_LIMIT_S = 24 * 3600.0
LIMIT_FACTOR = 3.0
LEAST_LIMIT_S = 600.0


def time_limit_s(state: State, config: Config, run: Run) -> float:
    """Seconds after which a run is ended: the setting, or what the baseline has taken, several times."""
    if config.settings.timeout_min is not None:
        return config.settings.timeout_min * 60
    slowest = _slowest_baseline_s(state, run.generation, config.rules)
    return FIRST_LIMIT_S if slowest is None else max(LEAST_LIMIT_S, LIMIT_FACTOR * slowest)


def _slowest_baseline_s(state: State, generation: int, rules: Rules) -> float | None:
    """Wall time of the slowest run of a complete baseline; None while it is not complete."""
    times = state.baseline_arm(generation).finite("wall_time_s")
    complete = all(seed in times for seed in rules.baseline_seeds)
    return max(times.values()) if complete else None

"""The probe: a short repeat of the first baseline seed, beside which the distances between seeds can be judged.

The conductor starts it behind the last baseline seed. It is no run of the protocol, and no call asks for it; runs
that are requested meanwhile start after it.
"""

import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from seedproof.ledger.determinism import conditions
from seedproof.metrics.numbers import finite_value, printed_step
from seedproof.metrics.scanner import EARLY_VALUES
from seedproof.model.arms import Arm, Baseline
from seedproof.model.run_key import Role, RunKey, Side
from seedproof.model.runs import Run, RunState
from seedproof.phases.study import Study
from seedproof.stats.coincidence import agreement_chance
from seedproof.stats.summary import summarize

__all__ = [
    "LEAST_RATIO",
    "Column",
    "Repeat",
    "early_columns",
    "is_whole",
    "limit_s",
    "next_probe",
    "repeat_of",
    "seeds_agree",
]

# Seeds that lie less than three repeats apart were not seen to vary the run. Where the seed does nothing this finds
# 82 %; where a machine's own share of the variance is .001 or .01, it is said wrongly in .3 or 7 %.
LEAST_RATIO = 3.0
# A run of less than two minutes is repeated as a whole, of a longer one 5 % at most.
_WHOLE_BELOW_S = 120.0
_SHARE = 0.05
# A repeat of a short run that takes twice as long as any before hangs; below this, start-up decides.
_HANGS_AFTER = 2.0
_LEAST_LIMIT_S = 10.0
# The second one only where the first was interrupted.
_MOST_ATTEMPTS = 2
# Rounding makes honest seeds agree by chance; above this chance, agreement says nothing.
_CHANCE = 1e-3


def next_probe(study: Study) -> RunKey | None:
    """The key of the probe that the present generation needs now; None where it needs none."""
    generation = study.generation
    if generation is None or not generation.rules.repeat_probe or generation.rules.seed == "unseeded":
        return None
    # In place, whoever edits the project after the last seed would edit what the probe is trained with.
    if generation.code is None or generation.code.held != "snapshot":
        return None
    attempts = [study.state.runs[run_id] for run_id in generation.probe_ids]
    if attempts and (len(attempts) == _MOST_ATTEMPTS or attempts[-1].state is not RunState.INTERRUPTED):
        return None
    # A verdict must not depend on whether it was given before the probe ended or afterwards.
    begun = (study.state.runs[run_id] for one in generation.experiments.values() for run_id in one.run_ids)
    if any(run.state is not RunState.QUEUED for run in begun):
        return None
    phase = study.baseline_phase
    if phase.baseline is None or phase.phase != "ready" or not _can_tell(phase.baseline):
        return None
    seed = phase.baseline.rules.baseline_seeds[0]
    return RunKey(generation.number, Role.PROBE, Side.BASELINE, None, seed, len(attempts) + 1)


def _can_tell(baseline: Baseline) -> bool:
    """Whether a probe would tell what the baseline's own first values leave open."""
    runs, name = list(baseline.arm.counted.values()), baseline.rules.metric.name
    if _mean_wall_s(baseline) is None or seeds_agree(runs, name):
        return False
    last = tuple(run.metrics[name].text for run in runs)
    return is_whole(baseline) or any(column.texts != last for column in early_columns(runs))


def is_whole(baseline: Baseline) -> bool:
    """Whether the probe is a whole run; else it ends at its third value, or at its time limit."""
    mean = _mean_wall_s(baseline)
    return mean is not None and mean < _WHOLE_BELOW_S


def limit_s(baseline: Baseline) -> float:
    """Seconds after which the probe is ended."""
    times = list(baseline.arm.finite("wall_time_s").values())
    if is_whole(baseline):
        return max(_LEAST_LIMIT_S, _HANGS_AFTER * max(times))
    return _SHARE * summarize(times).mean


def _mean_wall_s(baseline: Baseline) -> float | None:
    times = list(baseline.arm.finite("wall_time_s").values())
    return summarize(times).mean if times else None


# --- first values -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Column:
    """The first values of several runs at one place of their logs."""

    place: str
    """Where: `step 100`, or `value 1` where lines name no step."""
    texts: tuple[str, ...]
    """As printed, in the order of the runs."""

    @property
    def values(self) -> list[float] | None:
        """The numbers; None where one is not finite."""
        found = [finite_value(text) for text in self.texts]
        known = [value for value in found if value is not None]
        return known if len(known) == len(found) else None


def early_columns(runs: Sequence[Run]) -> list[Column]:
    """The first values after step 0 that all of these runs have in common."""
    tables = [_by_place(run) for run in runs]
    common = [place for place in tables[0] if all(place in table for table in tables)] if tables else []
    return [Column(place, tuple(table[place] for table in tables)) for place in common]


def _by_place(run: Run) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for number, (step, text) in enumerate(run.early, start=1):
        found.setdefault(f"value {number}" if step is None else f"step {step}", text)
    return found


def seeds_agree(runs: Sequence[Run], metric: str) -> bool:
    """Whether all of these runs agree in their first three values, although later ones differ.

    A start at which the metric hardly moves says nothing, and neither do values printed so coarsely that seeds may
    agree by chance.
    """
    columns = early_columns(runs)
    last = [value for run in runs if (value := run.value(metric)) is not None]
    if len(runs) < 2 or len(last) < len(runs) or len(columns) < EARLY_VALUES:
        return False
    spread = summarize(last).std
    values = [column.values for column in columns]
    if not spread or not all(found is not None and len(set(found)) == 1 for found in values):
        return False
    first = [found[0] for found in values if found is not None]
    chance = math.prod(agreement_chance(printed_step(one.texts), spread, len(runs)) for one in columns)
    return max(first) - min(first) > spread and chance < _CHANCE


# --- the repeat ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Repeat:
    """How far the seeds of a baseline lie apart, beside a repeat of one of them."""

    run: Run
    """The probe."""
    place: str
    """Where the values were compared."""
    seeds: float
    """Median distance of two seeds."""
    repeat: float
    """Distance of the probe from the run that it repeats; 0 for an exact repeat."""
    is_at_end: bool = False
    """Whether the values of the seeds are their last ones."""

    @property
    def ratio(self) -> float:
        """The first distance over the second; infinite for an exact repeat."""
        return self.seeds / self.repeat if self.repeat else math.inf


def repeat_of(baseline: Arm, metric: str) -> Repeat | None:
    """What the probe of a baseline shows at the earliest place that tells; None where it shows nothing.

    A probe under other conditions, such as on another machine, is no repeat.
    """
    runs = list(baseline.counted.values())
    ended = [run for run in baseline.probes if not run.state.is_active]
    if not ended or ended[-1].seed not in baseline.counted:
        return None
    probe, first = ended[-1], baseline.counted[ended[-1].seed]
    if conditions(probe) != conditions(first):
        return None
    columns = early_columns([*runs, probe])
    if probe.state.is_counted and all(metric in run.metrics for run in (*runs, probe)):
        columns.append(Column("the end", tuple(run.metrics[metric].text for run in (*runs, probe))))
    last = tuple(run.metrics[metric].text for run in runs if metric in run.metrics)
    for column in columns:
        found = _compare(column, runs.index(first), probe)
        if found is not None:
            return replace(found, is_at_end=column.texts[:-1] == last)
    return None


def _compare(column: Column, first: int, probe: Run) -> Repeat | None:
    """The distances at one place; None where they do not tell, because all are equal or rounding decides."""
    values = column.values
    if values is None:
        return None
    *seeds, again = values
    between = statistics.median(abs(one - other) for one, other in itertools.combinations(seeds, 2))
    repeat = abs(again - seeds[first])
    if not between and not repeat:
        return None
    found = Repeat(probe, column.place, between, repeat)
    if found.ratio >= LEAST_RATIO:
        return found
    # Each of the two distances may be off by a printed step, and a little more in floats.
    step = 1.001 * printed_step(column.texts)
    decided = repeat > step and (between + step) / (repeat - step) < LEAST_RATIO
    return found if decided else None

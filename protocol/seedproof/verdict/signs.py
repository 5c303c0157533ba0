"""Signs that a run is not what it seems, each a sentence with its numbers.

Only equal seeds cap a WINNER (`plausibility.caps_on`); the others are said. docs/disclosures.md lists them.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from seedproof.commands.seeding import seed_question
from seedproof.ledger.state import Experiment, State
from seedproof.metrics.numbers import printed_step
from seedproof.model.arms import Arm, Baseline
from seedproof.model.metric_rule import LogPattern
from seedproof.model.rules import Rules
from seedproof.model.runs import Run
from seedproof.phases.probe import LEAST_RATIO, Repeat, early_columns, repeat_of, seeds_agree
from seedproof.stats.coincidence import agreement_chance, share_step
from seedproof.stats.outliers import find_outlier
from seedproof.stats.summary import summarize
from seedproof.verdict.given_seeds import displaced_seed
from seedproof.verdict.headline import UNSEEDED
from seedproof.verdict.inputs import input_differences, inputs_bracket, unobserved
from seedproof.verdict.length import length_of
from seedproof.verdict.place import runs_of_verdict, several_at_once, start_differences

__all__ = [
    "Bracket",
    "brackets_on",
    "discarded_attempts",
    "equal_seeds",
    "outlier",
    "probe_line",
    "refuted_twin",
    "seed_not_seen",
    "warm_start",
]


@dataclass(frozen=True, slots=True)
class Bracket:
    """A remark on a verdict; it changes none."""

    name: str
    """Its words in the headline."""
    sentence: str
    """What was seen, with numbers."""


_UNSEEDED = (
    'rules.seed = "unseeded": the runs were given no seed, so none can be repeated, runs of equal seed belong together '
    "no more than others, and what varies them is not known."
)


def brackets_on(baseline: Baseline, arm: Arm) -> tuple[Bracket, ...]:
    """The remarks on a verdict about this arm."""
    rules = baseline.rules
    sentence = seed_not_seen(baseline.arm, rules) or seed_not_seen(arm, rules) or displaced_seed(baseline.arm, arm)
    not_seen = None if sentence is None else Bracket("seed not seen to vary the run", sentence)
    length = length_of(baseline.arm, arm, rules)
    shorter = None if length is None or length.kind != "shorter" else Bracket("trained shorter", length.sentence)
    unseeded = Bracket(UNSEEDED, _UNSEEDED) if rules.seed == "unseeded" else None
    found = (unseeded, discarded_attempts(baseline.arm, arm), not_seen, shorter)
    starts = [Bracket(*words) for words in start_differences(baseline.arm, arm)]
    at_once = several_at_once(runs_of_verdict(baseline.arm, arm))
    starts += [] if at_once is None else [Bracket("several at once", at_once)]
    return (*(one for one in found if one is not None), *_inputs(baseline.arm, arm), *starts)


def _inputs(baseline: Arm, arm: Arm) -> Iterator[Bracket]:
    found = input_differences(baseline, arm)
    name, off = inputs_bracket(found), unobserved(baseline, arm)
    if name is not None:
        yield Bracket(name, "; ".join(f"{one.path}: {one.where}" for one in found))
    if off is not None:
        yield Bracket("inputs not observed", off)


# --- attempts that were discarded -----------------------------------------------------------------


def discarded_attempts(*arms: Arm) -> Bracket | None:
    """Counts the earlier attempts at seeds with a result that told something of theirs; None where they may be.

    One attempt that trained and showed no metric may be, and so may any that a scheduler, the machine or a full disk
    ended, or whose repeat shows the same. Attempts of earlier versions have no record of what they told.
    """
    discarded: dict[object, list[Run]] = {}
    for arm in arms:
        runs = (*arm.runs, *arm.fresh)
        counted = {(run.role, run.key.side, run.seed) for run in runs if run.state.is_counted}
        for run in runs:
            place = (run.role, run.key.side, run.seed)
            is_end = not (run.state.is_active or run.state.is_counted or run.run_id in arm.repeated)
            if place in counted and is_end and run.draw is not None and not run.was_ended_by_machine:
                discarded.setdefault((arm.experiment, place), []).append(run)
    all_runs = [run for runs in discarded.values() for run in runs]
    has_metric = any(run.draw is not None and run.draw.has_metric for run in all_runs)
    if not has_metric and all(len(runs) == 1 for runs in discarded.values()):
        return None
    n = len(all_runs)
    names = ", ".join(f"{run.experiment or 'baseline'} seed {run.seed} attempt {run.attempt}" for run in all_runs)
    sentence = f"{names} told something of the result and {'was' if n == 1 else 'were'} repeated: a further draw."
    return Bracket(f"{n} discarded attempt{'' if n == 1 else 's'}", sentence)


# --- seeds that vary nothing ----------------------------------------------------------------------


def seed_not_seen(arm: Arm, rules: Rules) -> str | None:
    """Says that the seed was not seen to vary the runs of an arm; None where it was, or where nothing is known."""
    if rules.seed == "unseeded":
        return None
    runs, metric, question = list(arm.counted.values()), rules.metric.name, seed_question(rules)
    question = question[0].upper() + question[1:]
    who = arm.experiment or "baseline"
    if seeds_agree(runs, metric):
        columns = early_columns(runs)
        places = f"{columns[0].place} to {columns[-1].place.removeprefix('step ')}"
        shown = ", ".join(column.texts[0] for column in columns)
        return (
            f"{who}: all {len(runs)} seeds agree in their first three values ({shown}, {places}) and differ only "
            f"later: the seed was not seen to vary the run. {question}"
        )
    repeat = repeat_of(arm, metric)
    if repeat is None or repeat.ratio >= LEAST_RATIO:
        return None
    # A budget of time ends each run at another step, so a repeat lies apart from its first run whatever the seed does.
    if repeat.is_at_end and rules.has_time_budget:
        return None
    return (
        f"{who}: at {repeat.place}, two seeds lie {repeat.seeds:.3g} apart (median), and a repeat of seed "
        f"{repeat.run.seed} {repeat.repeat:.3g} from its first run: less than {LEAST_RATIO:g} times as far, so the "
        f"seed was not seen to vary the run. {question}"
    )


def probe_line(arm: Arm, metric: str) -> str | None:
    """What became of a baseline's probe, in one line of its report; None where it has none."""
    ended = [run for run in arm.probes if not run.state.is_active]
    if not ended:
        return None
    tried = f"Probe: seed {ended[-1].seed} was started once more"
    repeat = repeat_of(arm, metric)
    if repeat is None:
        return f"{tried} ({str(ended[-1].state).replace('_', ' ')}); it shows nothing."
    return f"{tried}; {_distances(repeat)}."


def _distances(repeat: Repeat) -> str:
    if math.isinf(repeat.ratio):
        return f"it repeats its first run exactly at {repeat.place}, where two seeds lie {repeat.seeds:.3g} apart"
    return f"at {repeat.place} the seeds lie {repeat.ratio:.3g} times as far apart as the two runs of it"


# Values that honest seeds would print alike more rarely than this are not alike by chance: three seeds where sigma is
# 14 printed steps or more.
_CHANCE = 5e-4


def equal_seeds(baseline: Baseline, arm: Arm) -> str | None:
    """Says that all seeds of an experiment gave one value where the baseline's differ; None where that may be chance.

    Coarse values agree by chance, and so do those of a task that is solved: its values are whole numbers. There the
    first values have to agree as well, where the baseline's do not. Verdicts of an earlier version stay as they are.
    """
    name, runs = baseline.rules.metric.name, list(arm.counted.values())
    values = [value for run in runs if (value := run.value(name)) is not None]
    if baseline.rules.earlier is not None or len(values) < max(2, len(runs)) or len(set(values)) > 1:
        return None
    base = list(baseline.arm.counted.values())
    step = share_step([*baseline.values, *values], printed_step([run.metrics[name].text for run in (*base, *runs)]))
    chance = 1.0 if values[0].is_integer() else agreement_chance(step, baseline.std, len(runs))
    if chance * _early_chance(base, runs) >= _CHANCE:
        return None
    logs = {run.log_sha256 for run in runs}
    alike = ", and the same log" if len(logs) == 1 and None not in logs else ""
    return (
        f"all {len(runs)} seeds gave {name} {runs[0].metrics[name].text}{alike}, where those of the baseline lie "
        f"{baseline.std:.3g} apart (sigma): the seed does not reach the training or its evaluation. Let it, or print "
        "more digits, and declare the experiment anew: run_seed(experiment=<another name>, flags, hypothesis)."
    )


def _early_chance(base: Sequence[Run], runs: Sequence[Run]) -> float:
    """The chance that an experiment's first values agree, from their spread in the baseline; 1 where they do not."""
    chance = 1.0
    for column in early_columns([*base, *runs]):
        first, others = column.texts[: len(base)], column.texts[len(base) :]
        if len(set(others)) > 1:
            return 1.0
        values = column.values
        spread = summarize(values[: len(base)]).std if values is not None else None
        if spread and len(set(first)) > 1:
            chance *= agreement_chance(printed_step(column.texts), spread, len(runs))
    return chance


def refuted_twin(state: State, experiment: Experiment) -> str | None:
    """Says that an experiment gave the values of an earlier one that was NOT confirmed; None where it did not.

    Another name, or a flag that changes nothing, is no new chance: what trains the same holds as little.
    """
    arm, rules = state.experiment_arm(experiment), state.rules_of(experiment.generation)
    base = list(state.baseline_arm(experiment.generation).finite(rules.metric.name).values())
    spread = summarize(base).std if len(base) > 1 else None
    for other in reversed(state.experiments[: experiment.place]):
        ended = None if other.verdict is None else other.verdict.confirmation
        if ended is None or ended.state != "not_confirmed":
            continue
        pairs = _common_values(arm, state.experiment_arm(other), rules.metric.name)
        step = printed_step(text for pair in pairs for _, text in pair)
        chance = agreement_chance(step, spread or 0.0, 2) ** len(pairs)
        if len(pairs) >= _LEAST_COMMON and chance < _CHANCE and all(one[0] == two[0] for one, two in pairs):
            where = "" if other.generation == experiment.generation else f" of generation {other.generation}"
            return f"same values as {other.name}{where}, which was NOT confirmed"
    return None


_LEAST_COMMON = 3


def _common_values(arm: Arm, other: Arm, metric: str) -> list[tuple[tuple[float, str], tuple[float, str]]]:
    """Value and text of both arms at each seed that both have."""

    def shown(run: Run) -> tuple[float, str] | None:
        found = run.metrics.get(metric)
        return None if found is None or found.value is None else (found.value, found.text)

    seeds = [seed for seed in arm.counted if seed in other.counted]
    pairs = [(shown(arm.counted[seed]), shown(other.counted[seed])) for seed in seeds]
    return [(one, two) for one, two in pairs if one is not None and two is not None]


# --- starts and single values ---------------------------------------------------------------------

# The way from first to last value must be this many standard deviations of the first values long, or noise alone would
# cross half of it.
_LEAST_WAY = 6.0
_WARM_SHARE = 0.5


def warm_start(baseline: Arm, experiment: Arm, rules: Rules) -> str | None:
    """Says that every seed of an experiment began more than halfway to where the baseline ends; None otherwise.

    Only values at step 0 are compared: at any later one a training that learns faster may be as far.
    """
    if not isinstance(rules.metric.source, LogPattern):
        return None
    name = rules.metric.name
    base, runs = list(baseline.counted.values()), list(experiment.counted.values())
    firsts = [_first_value(run) for run in (*base, *runs)]
    known = [first for first in firsts if first is not None]
    last = [value for run in base if (value := run.value(name)) is not None]
    if len(base) < 2 or len(last) < len(base) or not runs:
        return None
    if len(known) < len(firsts):
        return None
    start, end = summarize(known[: len(base)]), summarize(last)
    way = end.mean - start.mean
    if start.std is None or abs(way) <= _LEAST_WAY * max(start.std, end.std or 0.0):
        return None
    shares = [(value - start.mean) / way for value in known[len(base) :]]
    if min(shares) <= _WARM_SHARE:
        return None
    return (
        f"{experiment.experiment}: at step 0 every seed is at least {100 * min(shares):.0f} % of the way "
        f"from the baseline's first {name} ({start.mean:.6g}) to its last ({end.mean:.6g}): does it start from "
        "trained weights?"
    )


def _first_value(run: Run) -> float | None:
    """The value at step 0; None where none was logged."""
    try:
        value = float(run.start_text or "nan")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def outlier(arm: Arm, rules: Rules) -> str | None:
    """Names the seed whose value lies too far from the others of its arm, by Dixon's test; None if there is none."""
    name = rules.metric.name
    values = arm.finite(name)
    texts = [run.metrics[name].text for run in arm.counted.values() if name in run.metrics]
    # The coarser step, which takes longer to find, only where it matters.
    found = find_outlier(values) and find_outlier(values, share_step(list(values.values()), printed_step(texts)))
    if found is None:
        return None
    return (
        f"{arm.experiment or 'baseline'}: the {name} of seed {found.key}, {values[found.key]:.6g}, is an outlier "
        f"(Dixon's Q {found.q:.3f}; noise exceeds {found.limit:g} in one of 200 arms). It counts like the others; look "
        "at its log."
    )

"""The text of docs/calibration.md around the numbers of one calibration."""

# ruff: noqa: E501 (a line of the page is a sentence)

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from calibrate_draws import NOISES, NORMAL
from calibrate_study import PORTFOLIO, STRESS_EFFECT, STRESSED, Estimate, Outcome, Stress
from seedproof.stats.power import at_least_one_winner, protocol_power
from twin import RULES

__all__ = ["Settings", "page"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What the numbers were made with."""

    campaigns: int
    """Campaigns of the first two tables."""
    studies: int
    """Studies for each kind of noise."""
    seed: int
    """Of all draws."""


# Runs per correct verdict that the project set itself: (rule, order, words, at most).
TARGETS = (
    ("sequential", False, "sequential", 4.10),
    ("ledger", False, "sequential, ledger, in random order", 3.97),
    ("ledger", True, "sequential, ledger, in the order listed", 3.97),
)
# What the same target calls the protocol's own cost.
PROTOCOL_COST = 5.36

_HEAD = """# Calibration

How often each rule errs, what it finds and what it costs, in simulated campaigns where the truth is known.
`make calibrate` draws the campaigns, decides them and writes this page and its figures in half a minute on two idle cores.
The draws are seeded, so it writes the same page again; `python benchmarks/calibrate.py --campaigns {campaigns} --studies {studies} --seed {seed}` is the same in full, and other numbers may be given.
The rules of Seedproof are decided by `benchmarks/twin.py`, which does on whole arrays what the product does on one study; `tests/test_calibration.py` holds the two equal on 10,000 random studies, verdict by verdict, runs included.

## What is compared

A campaign is a number of experiments that share one baseline.
Its noise is normal and independent from run to run, and a sigma is the true standard deviation of a run.

| Rule | What it claims |
| --- | --- |
| a single run is better | an experiment whose one run is better than the baseline's one run |
| mean of 3 is better | an experiment whose mean of 3 runs is better than the baseline's mean of 3 |
| best is 2 MAD better | an experiment whose one run is the best so far, if its improvement over the baseline's one run is at least twice the MAD: the median distance from the median of all values of the session so far, from the third on |
| protocol | WINNER and LOSER at 2 estimated sigmas; 5 baseline seeds, 3 for the experiment, 2 more if its mean is within 2 sigma |
| protocol, confirmed | a WINNER of the protocol that holds on three pairs of fresh seeds |
| Holm at each verdict | a WINNER of the protocol whose one-sided Welch p is at most .05 after Holm's adjustment for the experiments up to its own |
| Holm at the end | the same, adjusted for all experiments of the campaign when it ends |
| sequential | a t test at 3 and at 5 seeds, its variance pooled over both arms |
| sequential, confirmed | a WINNER of that design that holds on three pairs of fresh seeds |
| sequential, ledger | the sequential design, its variance pooled over the campaign's earlier experiments as well |

The first three are what people use today; the MAD rule is the confidence of autoresearch-style loops, which call 2 and more "likely real".
An experiment whose claim is not confirmed, or not upheld by Holm's adjustment, counts as NEUTRAL here.
"""

_TABLE = """## How often they err, and what they find

All in percent, but for the last two columns.
"False winner" is the share of experiments without any effect that are claimed, in campaigns of 20.
"In 10", "in 20" and "in 50" are the chances of at least one such claim in a campaign of that length.
"Found at" is the chance that one experiment with that true improvement, among 19 without effect, is claimed.
"LOSER at -2" is the chance that one with a true loss of 2 sigma is called LOSER.
"Runs" are those of an experiment without effect, and the last column is for the reference portfolio below.
The last row has the largest standard error of the simulation in each column.
"""


def page(outcomes: Mapping[str, Outcome], stressed: Mapping[str, Mapping[str, Stress]], settings: Settings) -> str:
    """The whole page."""
    head = _HEAD.format(campaigns=settings.campaigns, studies=settings.studies, seed=settings.seed)
    parts = [
        head,
        _TABLE,
        _table(list(outcomes.values()), MAIN),
        _exact(outcomes["protocol"]),
        _figure("At least one false winner by campaign length", "false-winners"),
        _holm(outcomes),
        _figure("Chance of a claim by true improvement", "power"),
        _portfolio(outcomes),
        _confirmation(stressed),
        _sensitivity(stressed),
        _limits(settings),
    ]
    return "\n".join(parts)


# --- the tables -------------------------------------------------------------------------------

Column = tuple[str, Callable[[Outcome], Estimate | None], Callable[[float], str]]


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _small(share: float) -> str:
    """A share that is small where it is good: two decimals below ten percent."""
    return f"{100 * share:.2f}" if share < 0.09995 else f"{100 * share:.1f}"


def _two(value: float) -> str:
    return f"{value:.2f}"


def _found_at(effect: float) -> Column:
    return f"found at {effect:g}", lambda one: one.power[effect], _percent


def _at_least_one(length: int) -> Column:
    return f"in {length}", lambda one: one.curve[length], _percent


MAIN: tuple[Column, ...] = (
    ("false winner", lambda one: one.false_winner, _small),
    *(_at_least_one(length) for length in (10, 20, 50)),
    *(_found_at(effect) for effect in (1.0, 1.5, 2.0, 2.5, 3.0)),
    ("LOSER at -2", lambda one: one.power[-2.0] if one.contender.has_losers else None, _percent),
    ("runs", lambda one: one.null_runs, _two),
    ("runs per correct verdict", lambda one: one.runs_per_correct, _two),
)
PORTFOLIO_COLUMNS: tuple[Column, ...] = (
    ("runs per correct verdict", lambda one: one.runs_per_correct, lambda value: f"{value:.3f}"),
    ("runs per experiment", lambda one: one.runs, _two),
    ("correct", lambda one: one.correct, _percent),
    ("at least one false winner", lambda one: one.any_false, _percent),
    ("improvements found", lambda one: one.found, _percent),
    ("losses called LOSER", lambda one: one.losers if one.contender.has_losers else None, _percent),
)


def _table(outcomes: Sequence[Outcome], columns: Sequence[Column]) -> str:
    lines = [
        "| Rule | " + " | ".join(name for name, _, _ in columns) + " |",
        "| --- |" + " ---: |" * len(columns),
    ]
    for one in outcomes:
        cells = ("–" if (found := estimate(one)) is None else written(found.value) for _, estimate, written in columns)
        lines.append(f"| {one.contender.name} | {' | '.join(cells)} |")
    errors = (_largest(outcomes, estimate, written) for _, estimate, written in columns)
    lines.append(f"| *standard error, at most* | {' | '.join(errors)} |")
    return "\n".join(lines) + "\n"


def _largest(
    outcomes: Sequence[Outcome], estimate: Callable[[Outcome], Estimate | None], written: Callable[[float], str]
) -> str:
    error = max(found.error for one in outcomes if (found := estimate(one)) is not None)
    return f"{100 * error:.2f}" if written in (_percent, _small) else f"{error:.3f}"


# --- the text between -------------------------------------------------------------------------


def _figure(words: str, name: str) -> str:
    return f"![{words}](calibration/{name}.svg)\n"


def _exact(protocol: Outcome) -> str:
    power = protocol_power(0.0, RULES.sizes)
    many = ", ".join(
        f"{100 * at_least_one_winner(length, RULES.sizes):.1f} % in {length} (here {100 * protocol.curve[length].value:.1f})"
        for length in (10, 20, 50)
    )
    return (
        "The protocol's row can be checked, because its chances are also known exactly, by quadrature: "
        f"a false WINNER in {100 * power.p_winner:.2f} % of experiments (here {100 * protocol.false_winner.value:.2f}), "
        f"at least one {many}, and {power.expected_runs:.2f} runs (here {protocol.null_runs.value:.2f}).\n"
    )


def _holm(outcomes: Mapping[str, Outcome]) -> str:
    so_far, end = outcomes["so_far"], outcomes["holm"]
    return f"""A verdict is given when an experiment ends, and its adjusted p counts the experiments up to then.
Whoever reads those has {_percent(so_far.curve[50].value)} % of campaigns of 50 with a false winner: more than the 5 % that the adjustment promises, because the early ones were adjusted for few.
`list_experiments` adjusts for all of them, and whoever reads that at the end has {_percent(end.curve[50].value)} %.
The price is high: of improvements of 2 sigma, {_percent(end.power[2.0].value)} % are found among 20 experiments, where confirmation on fresh seeds finds {_percent(outcomes["confirmed"].power[2.0].value)} %.
"""


def _portfolio(outcomes: Mapping[str, Outcome]) -> str:
    return f"""## The reference portfolio

20 experiments in random order share 5 baseline runs: 12 without effect, 4 that are 2 sigma worse, 2 that are 1.5 and 2 that are 2.5 sigma better.
Correct is WINNER for what is better, NEUTRAL for what has no effect, and anything but WINNER for what is worse.
The runs are all of the experiments and of the shared baseline, which has one run for the single-run rules and 3 for the mean of 3.

{_table(list(outcomes.values()), PORTFOLIO_COLUMNS)}
{_figure("Runs per correct verdict on the reference portfolio", "runs")}
Runs per correct verdict alone do not make a rule good: whoever claims nothing and runs nothing is correct in 80 % of this portfolio.
It is a fair measure only between rules that err and find alike, so the campaign's error and the finds stand beside it.

{_targets(outcomes)}
The target names {PROTOCOL_COST:.2f} for the protocol; by quadrature it is {_protocol_cost():.3f}.
With the ledger's variance the order matters, because a late experiment has more earlier ones to pool: in the order in which the portfolio is listed above, nulls first, this design needs {outcomes["ledger"].runs_per_correct_listed.value:.3f} runs per correct verdict, in random order {outcomes["ledger"].runs_per_correct.value:.3f}.
The sequential design has the same false winners per experiment as the protocol, but {_percent(outcomes["sequential"].curve[50].value)} % of campaigns of 50 have at least one, against {_percent(outcomes["protocol"].curve[50].value)} %; with the ledger's variance {_percent(outcomes["ledger"].curve[50].value)} %.
The protocol's errors come in larger clusters: a baseline whose sigma came out small makes many at once, and others none.
The level with the ledger's variance is exact for earlier arms of fixed length; here their length follows from their values, and {_small(outcomes["ledger"].false_winner.value)} % of experiments are false winners (standard error {100 * outcomes["ledger"].false_winner.error:.2f}), against {100 * protocol_power(0.0, RULES.sizes).p_winner:.2f} % by design.
"""


def _targets(outcomes: Mapping[str, Outcome]) -> str:
    lines = [
        "| Target: runs per correct verdict | at most | measured | standard error | |",
        "| --- | ---: | ---: | ---: | --- |",
    ]
    own = outcomes["protocol"].runs_per_correct
    lines.append(f"| protocol, for comparison | ({PROTOCOL_COST:.2f}) | {own.value:.3f} | {own.error:.3f} | – |")
    for key, is_listed, words, limit in TARGETS:
        one = outcomes[key].runs_per_correct_listed if is_listed else outcomes[key].runs_per_correct
        lines.append(f"| {words} | {limit:.2f} | {one.value:.3f} | {one.error:.3f} | {_result(one, limit)} |")
    return "\n".join(lines) + "\n"


def _result(found: Estimate, limit: float) -> str:
    excess = found.value - limit
    if excess <= 0:
        return "reached"
    # Two standard errors: the simulation cannot tell on which side it lies.
    return f"missed by {excess:.3f}{', within the error' if excess <= 2 * found.error else ''}"


def _protocol_cost() -> float:
    """The protocol's runs per correct verdict on the portfolio, by quadrature."""
    points = [(effect, protocol_power(effect, RULES.sizes)) for effect in PORTFOLIO]
    correct = sum(
        point.p_winner if effect > 0 else 1 - point.p_winner - (0.0 if effect else point.p_loser)
        for effect, point in points
    )
    return (len(RULES.baseline_seeds) + sum(point.expected_runs for _, point in points)) / correct


def _confirmation(stressed: Mapping[str, Mapping[str, Stress]]) -> str:
    lines = [
        "## Confirmation",
        "",
        "What three pairs of fresh seeds do to the claims of the protocol, in percent.",
        f"Power is at a true improvement of {STRESS_EFFECT:g} sigma.",
        "",
        "| Seeds | false winner | confirmed | power | confirmed |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for noise in NOISES:
        if noise is NORMAL or noise.correlation:
            before, after = stressed[noise.name]["protocol"], stressed[noise.name]["confirmed"]
            errors = (_small(each.false_winner.value) for each in (before, after))
            powers = (_percent(each.power.value) for each in (before, after))
            lines.append(f"| {noise.name} | {' | '.join((*errors, *powers))} |")
    return "\n".join(lines) + "\n"


def _sensitivity(stressed: Mapping[str, Mapping[str, Stress]]) -> str:
    names = {"protocol": "protocol", "confirmed": "protocol, confirmed", "sequential": "sequential"}
    titles = [f"{names[key]}: {what}" for key in STRESSED for what in ("false winner", "power")]
    lines = [
        "## When the noise is of another kind",
        "",
        f"The same in percent, one experiment for each baseline; power at {STRESS_EFFECT:g} standard deviations of the baseline.",
        "Every kind of noise has the same standard deviation in the baseline.",
        "",
        "| Noise | " + " | ".join(titles) + " |",
        "| --- |" + " ---: |" * len(titles),
    ]
    for noise, rules in stressed.items():
        cells = ((_small(rules[key].false_winner.value), _percent(rules[key].power.value)) for key in STRESSED)
        lines.append(f"| {noise} | {' | '.join(cell for pair in cells for cell in pair)} |")
    errors = [
        max(getattr(rules[key], what).error for rules in stressed.values())
        for key in STRESSED
        for what in ("false_winner", "power")
    ]
    lines.append(f"| *standard error, at most* | {' | '.join(f'{100 * error:.2f}' for error in errors)} |")
    lines += [
        "",
        "Seeds that move both arms together make the rule careful, because it does not pair them: fewer false winners, and no less power.",
        "What breaks its promise is an experiment whose runs spread more than the baseline's, and noise whose lucky seeds lie far out; the evidence beside each verdict shows the spread of both arms and each seed's difference for that reason.",
    ]
    return "\n".join(lines) + "\n"


def _limits(settings: Settings) -> str:
    return f"""## How it was made

{settings.campaigns:,} campaigns of 50 experiments without effect; the first 20 of each, with effects added to the same draws, give power and portfolio, so that all rules are compared on the same noise.
{settings.studies:,} studies for each kind of noise.
Standard errors are over campaigns, not over experiments, since those of one campaign share a baseline; those of runs per correct verdict are of a ratio.
The level of the sequential design is the product's own; with the ledger's variance and more than 20 degrees of freedom it is interpolated, exact to a millionth.
Diverged and failed runs are not simulated.
"""

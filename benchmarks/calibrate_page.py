"""The text of docs/calibration.md around the tables of one calibration."""

# ruff: noqa: E501 (a line of the page is a sentence)

from dataclasses import dataclass

import calibrate_tables as tables
from calibrate_checks import DIXON, EXPERIMENTS, SEED_RATIO
from calibrate_draws import NORMAL, SAME_SEED
from calibrate_goals import ABOUT, DOUBLED, DRIFT, Findings, goal_table, goals
from scipy.special import fdtri
from seedproof.stats.power import protocol_power
from twin import RULES, SPREAD_QUANTILE

__all__ = ["Settings", "page"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What the numbers were made with."""

    campaigns: int
    """Campaigns of each kind of noise, of the portfolio and of the pairs."""
    studies: int
    """Studies of one experiment, for intervals and signs; half as many for what is found."""
    seed: int
    """Of all draws."""


def page(found: Findings, settings: Settings) -> str:
    """The whole page."""
    parts = [_head(settings), _claim(found), _rules(), _null(found), _power(found), _confirmation(found)]
    parts += [_spread(found), _cost(found), _pairs(found), _noise(found), _intervals(found), _signs(found)]
    return "\n".join([*parts, _real(found), _made(settings)])


def _share(value: float, digits: int = 1) -> str:
    return f"{100 * value:.{digits}f} %"


def _figure(words: str, name: str) -> str:
    return f"![{words}](calibration/{name}.svg)"


def _head(settings: Settings) -> str:
    return f"""# Calibration

How often each rule errs, what it finds and what it costs, in simulated studies where the truth is known.
`make calibrate` draws the studies, decides them, and writes this page and its figures in one to two minutes on two cores.
The draws are seeded, so it writes the same page again.
`python benchmarks/calibrate.py --campaigns {settings.campaigns} --studies {settings.studies} --seed {settings.seed}` is the same in full, and other numbers may be given.

Words that this page uses:

- Lengths are in true sigmas: the true standard deviation of a baseline run. The rules do not know it; their sigma is its estimate from five runs.
- A *campaign* is a number of experiments that share one baseline.
- A *false WINNER* is an experiment that changes nothing and is called WINNER.
- *Confirmed* is a WINNER that holds on pairs of fresh runs: one run without and one with the change at each seed, which nothing has used before.
- *Independent normal noise*: runs differ by chance alone, their values are normally distributed, and no run knows of another.
"""


def _claim(found: Findings) -> str:
    return f"""## What is claimed

**Claimed:** at most 5 % of campaigns of 50 experiments that change nothing have any WINNER that is confirmed.

**Assumed:** independent normal noise, experiments that spread as much as the baseline, nothing that drifts between the baseline and the experiments.

**What breaks it:** experiments that spread more than the baseline, drift, and lucky outliers in the protocol; [the table below](#what-breaks-the-claim) says by how much.
The same seed on both sides makes every rule more careful, not less.

{goal_table(goals(found))}
A goal of "about" is reached up to {100 * ABOUT:g} percentage point more.
The share of false WINNERs is reached within two standard errors of the exact share, which is known by quadrature.
"""


def _rules() -> str:
    return """## What is compared

| Rule | What it claims |
| --- | --- |
| a single run is better | an experiment whose one run is better than the baseline's one run |
| mean of 3 is better | an experiment whose mean of 3 runs is better than the baseline's mean of 3 |
| best is 2 MAD better | an experiment whose one run is the best so far and better than the baseline's one run by twice the MAD: the median distance from the median of all values of the session so far, from the third on |
| protocol | 5 baseline seeds, 3 for the experiment, 2 more if its mean is within 2 sigma; WINNER from 2 on |
| protocol, confirmed as before | a WINNER of the protocol that held on three fresh pairs at a one-sided p of .10, with the baseline's spread pooled: the rule before this one, for comparison |
| protocol, confirmed | a WINNER of the protocol whose fresh pairs give a one-sided p of at most .02, after three pairs or after six; above .30 it ends after three. One that spreads visibly more than the baseline needs six pairs and .002 |
| screening | a t test that drops an idea after 1, 2 or 3 seeds if its one-sided p is above .50, .30 or .20, and claims a gain at .02 after 3 or 5 |
| screening, confirmed | a WINNER of screening whose fresh pairs give the same p, from their own spread alone |

The first three are what people use today; the MAD rule is the confidence of autoresearch-style loops, which call 2 and more "likely real".
"Spreads not compared" is the confirmation without its last sentence: the stricter rule for experiments that spread more.
An experiment whose claim is not confirmed counts as no WINNER here, and so does one that screening drops.
"""


def _null(found: Findings) -> str:
    protocol = found.campaigns[NORMAL.name]["protocol"]
    exact = protocol_power(0.0, RULES.sizes)
    return f"""## When nothing helps

**Assumed:** independent normal noise; no experiment of the campaign changes anything.

"False WINNER" is the share of experiments that are claimed.
"Some in 10" is the chance that a campaign of 10 has at least one such claim.
"Runs" are those of one experiment, its confirmation included.
All but the runs are in percent, as in every table below.
The last row of a table has the largest standard error of the simulation in each column.

{tables.campaign_table(found.campaigns[NORMAL.name])}
The protocol's row can be checked, because its share is known exactly: {_share(exact.p_winner, 2)} false WINNERs (here {_share(protocol.false_winner.value, 2)}), and {exact.expected_runs:.2f} runs (here {protocol.runs.value:.2f}).
Every LOSER is the mirror image: as many experiments without effect are called LOSER by the protocol.

{_figure("At least one false claim by campaign length", "false-winners")}
"""


def _power(found: Findings) -> str:
    missed = 1 - found.power[1.0, 2.0]["screening"].found.value
    return f"""## What is found

**Assumed:** independent normal noise; one experiment with that true improvement and a baseline of its own.

{tables.power_table(found.power)}
Screening misses {_share(missed, 0)} of improvements of 2 true sigma, and the protocol {_share(1 - found.power[1.0, 2.0]["protocol"].found.value, 0)}.
A dropped idea is therefore no verdict: it was not worth more runs, which does not say that it changes nothing.

{_figure("Chance of a claim by true improvement", "power")}
"""


def _confirmation(found: Findings) -> str:
    null = found.campaigns[NORMAL.name]
    before = null["before"].given_winner
    assert before is not None
    return f"""## What a confirmation does

Of WINNERs only: how many of them a confirmation passes, by what is true, and how many runs it takes.

{tables.confirmation_table(null, found.power)}
The rule before passed {_share(before.value)} of false WINNERs, not the 10 % of its level.
It pooled the baseline's spread, and a baseline whose spread came out small is what makes a false WINNER.
The present rule pools no spread that the verdict was made with.
It spends more runs on true improvements, because three pairs often do not decide.
"""


def _spread(found: Findings) -> str:
    at_two = found.power[1.0, 2.0]
    cost = at_two["plain"].found.value - at_two["confirmed"].found.value
    return f"""## When experiments spread more than the baseline

The protocol measures distances in one sigma, the baseline's.
An experiment that spreads more is then a WINNER more often than the rule says.
A WINNER whose spread is at least {_limit(3)} times the baseline's (3 seeds; {_limit(5)} times with 5) therefore needs more: six pairs, and a p of at most .002.
Improvements are in true sigmas of the baseline.

{tables.spread_table(found.campaigns, found.power)}
Where spreads are equal, the comparison costs {100 * cost:.1f} points of the improvements of 2 true sigma.
Where they are not, it does not restore 5 %: three or five seeds rarely show that a spread is twice the baseline's.
"""


def _limit(seeds: int) -> str:
    return f"{fdtri(seeds - 1, len(RULES.baseline_seeds) - 1, SPREAD_QUANTILE) ** 0.5:.2f}"


def _cost(found: Findings) -> str:
    return f"""## The reference portfolio

20 experiments in random order share 5 baseline runs: 12 without effect, 4 that are 2 true sigma worse, 2 that are 1.5 and 2 that are 2.5 true sigma better.
Correct is WINNER for what is better, no verdict but NEUTRAL for what has no effect, and anything but WINNER for what is worse.
The runs are all of the experiments and of the shared baseline, which has one run for the single-run rules and 3 for the mean of 3.

{tables.portfolio_table(found.portfolio)}
{_figure("Runs per correct decision on the reference portfolio", "runs")}

Runs per correct decision alone do not make a rule good: whoever claims nothing and runs nothing is correct in 80 % of this portfolio.
It is a fair measure only between rules that err and find alike, so the campaign's error and the finds stand beside it.
"""


def _pairs(found: Findings) -> str:
    one = found.pairs[SAME_SEED.name, 1.0]
    return f"""## Pairs of the same seed

In real training logs the same seed often moves both sides alike.
The 2-sigma rule does not see what such pairs show.
A NEUTRAL of five seeds whose pairs give a one-sided paired p of at most .01 is therefore offered six fresh pairs, all of which are run; they hold at a paired p of at most .02.
The verdict stays NEUTRAL.

**Assumed:** differences within pairs are independent and normal.

{tables.pair_table(found.pairs)}
"5 and 6 pairs hold" is the chance that both tests pass, whatever the verdict is.
At 1 true sigma and correlation .9, {_share(one.winner.value)} are WINNER by the means and another {_share(one.holds.value)} are found by their pairs.
"5 of 5 better" alone says little: it appears in {_share(found.pairs[NORMAL.name, 0.0].better_in_all.value, 0)} of campaigns of 50 experiments without effect.
"""


def _noise(found: Findings) -> str:
    some = {noise: rules["confirmed"].any_false[50].value for noise, rules in found.campaigns.items()}
    apart, alike = (found.campaigns[noise.name]["protocol"].any_false[50] for noise in (NORMAL, SAME_SEED))
    return f"""## What breaks the claim

No experiment changes anything, and one assumption is broken at a time.
"False WINNER" is the share of experiments; every other column is the chance of at least one confirmed WINNER in a campaign of 50.

{tables.noise_table(found.campaigns)}
"Confirmed" is the rule in use.
Experiments that all spread twice as much have {_share(some[DOUBLED])} instead of {_share(some[NORMAL.name])}, a drift of half a true sigma {_share(some[DRIFT])}.
The drift comes between the baseline and everything after it; a confirmation runs both sides in turn, so drift makes more false WINNERs, and each of them is confirmed no more easily than another.
Screening suffers more from drift than the protocol, because it finds smaller gains.
With the same seed on both sides, {_share(alike.value)} of campaigns of 50 have any WINNER of the protocol, confirmed or not, against {_share(apart.value)} with independent noise.
"""


def _intervals(found: Findings) -> str:
    null = found.intervals[0.0]
    return f"""## Intervals beside a verdict

How often a printed interval holds the true improvement, among experiments that reach the verdict that it stands beside.
Independent normal noise and equal spreads.

{tables.interval_table(found.intervals)}
An interval beside a WINNER is selected with it: with no effect at all, Welch's 95 % interval holds the truth in {_share(null.welch_of_winner.value, 0)} of WINNERs.
Confirmation selects once more, so a two-sided interval of a confirmed effect does not cover 95 % either, and has 0 inside it in many cases.
The one-sided bound is the test itself, turned round, with 98 % confidence (99.8 % where the spreads differ): it is above 0 wherever the effect is confirmed.
So it is wrong of every false WINNER that is confirmed; read it as "if this is an improvement, it is at least this much".
Over all confirmations, confirmed or not, it holds nearly as often as it says; looking twice costs the rest.
"""


def _signs(found: Findings) -> str:
    return f"""## Signs and brackets in honest studies

How often a sign that something is not what it seems appears where nothing is wrong.
Independent normal noise, equal spreads; the spread's bracket appears beside a WINNER only, and none of these signs changes a verdict.

- *Spread of another size*: an experiment's standard deviation is at least {_limit(3)} (3 seeds) or {_limit(5)} (5 seeds) times the baseline's.
- *Outlier*: of five values, the gap beside the outermost is at least {DIXON:g} of the range.
- *Seed not seen to vary the run*: seed 42 is run again; the median distance between seeds is less than {SEED_RATIO:g} times the distance between the two runs of seed 42.

{tables.sign_table(found.signs)}
A false WINNER carries the bracket of spread often, because a baseline that came out small makes both.
Of studies of {EXPERIMENTS} experiments without effect, {_share(found.signs.outlier_in_ten.value)} have an outlier named somewhere.
Signs that need a whole log (a warm start, equal values, equal first steps) are not simulated.
"""


def _real(found: Findings) -> str:
    return f"""## Values of real trainings

Each run of a campaign is one of the real final values in [tests/real_logs](../tests/real_logs/README.md), less the mean of its own arm, drawn with repetition.
So nothing differs between the arms, and the noise has the shape of a real program's, as far as 15 values (makemore) and 10 (llm-research-kit) show it.
A baseline of equal values is drawn again, since the product accepts none.

{tables.real_table(found.real)}
Makemore's seed 42 lies far on the better side in every arm: that is the lucky outlier of the table above, and it makes the protocol's false WINNERs frequent.
In the real logs the same seed moves both sides alike (correlation .84 to .99), which this resampling does not keep; with it the shares are lower.
"""


def _made(settings: Settings) -> str:
    return f"""## How it was made

{settings.campaigns:,} campaigns of 50 experiments for each kind of noise (100 under independent normal noise) and for real values, and as many of the portfolio; half as many for pairs.
{settings.studies:,} studies of one experiment for intervals and for signs, half as many for each true improvement that is to be found; a tenth as many of ten experiments for outliers.
All rules decide the same draws.
Standard errors are over campaigns, not over experiments, since those of one campaign share a baseline; those of shares among WINNERs, and of runs per correct decision, are of a ratio.
The rules of Seedproof are decided by `benchmarks/twin.py`, which does on whole arrays what the product does on one study; `tests/benchmarks/test_twin.py` holds the two equal on random studies, verdict by verdict, runs included.
`tests/journeys/test_null_study.py` takes studies without effect, and the confirmations of their WINNERs, through the whole product.
Diverged and failed runs are not simulated.
"""

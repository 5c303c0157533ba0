"""Tables of docs/calibration.md: numbers in, Markdown out."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from calibrate_checks import EXPERIMENTS, MACHINE_SHARES, IntervalFigures, SignFigures
from calibrate_draws import NORMAL, SPREADS, Estimate
from calibrate_study import EFFECTS, NAMES, CampaignFigures, PairFigures, PortfolioFigures, PowerFigures

__all__ = [
    "campaign_table",
    "confirmation_table",
    "interval_table",
    "noise_table",
    "pair_table",
    "portfolio_table",
    "power_table",
    "real_table",
    "sign_table",
    "small",
    "spread_table",
    "table",
]

Cell = Estimate | None
Writer = Callable[[float], str]


def percent(share: float) -> str:
    """With one decimal."""
    return f"{100 * share:.1f}"


def small(share: float) -> str:
    """A share that is small where it is good: two decimals below ten percent."""
    return f"{100 * share:.2f}" if share < 0.09995 else percent(share)


def number(value: float) -> str:
    """A number of runs."""
    return f"{value:.2f}"


def table(
    title: str, columns: Sequence[tuple[str, Writer]], rows: Iterable[tuple[str, Sequence[Cell]]], last: bool = True
) -> str:
    """A Markdown table; a cell without an estimate is a dash, and the last row has the largest standard errors."""
    found = list(rows)
    lines = [
        f"| {title} | " + " | ".join(name for name, _ in columns) + " |",
        "| --- |" + " ---: |" * len(columns),
    ]
    for name, cells in found:
        texts = ("–" if one is None else write(one.value) for one, (_, write) in zip(cells, columns, strict=True))
        lines.append(f"| {name} | {' | '.join(texts)} |")
    if last:
        errors = [
            max((one.error for one in cells if one), default=0.0) for cells in zip(*(r for _, r in found), strict=True)
        ]
        texts = (
            f"{error:.3f}" if w is number else f"{100 * error:.2f}"
            for error, (_, w) in zip(errors, columns, strict=True)
        )
        lines.append(f"| *standard error, at most* | {' | '.join(texts)} |")
    return "\n".join(lines) + "\n"


def campaign_table(found: Mapping[str, CampaignFigures]) -> str:
    """Campaigns without effect."""
    lengths = (10, 20, 50, 100)
    columns = [("false WINNER", small), *((f"some in {n}", percent) for n in lengths), ("runs", number)]
    return table(
        "Rule",
        columns,
        (
            (NAMES[name], [one.false_winner, *(one.any_false[n] for n in lengths), one.runs])
            for name, one in found.items()
        ),
    )


def power_table(found: Mapping[tuple[float, float], Mapping[str, PowerFigures]]) -> str:
    """What is found, by true improvement."""
    effects = EFFECTS[1:]
    names = [name for name in NAMES if name in found[1.0, 1.0]]
    return table(
        "Rule",
        [(f"{effect:g} true sigma", percent) for effect in effects],
        ((NAMES[name], [found[1.0, effect][name].found for effect in effects]) for name in names),
    )


CONFIRMATIONS = ("before", "plain", "confirmed", "screening_confirmed")


def confirmation_table(
    campaigns: Mapping[str, CampaignFigures], power: Mapping[tuple[float, float], Mapping[str, PowerFigures]]
) -> str:
    """What a confirmation passes, and what it costs."""
    effects = (1.0, 2.0, 3.0)
    columns: list[tuple[str, Writer]] = [
        ("of false WINNERs", percent),
        *((f"at {effect:g} true sigma", percent) for effect in effects),
    ]
    columns += [(f"runs at {effect:g} true sigma", number) for effect in (0.0, 2.0)]
    return table(
        "Passes",
        columns,
        (
            (
                NAMES[name],
                [campaigns[name].given_winner]
                + [power[1.0, effect][name].given_winner for effect in effects]
                + [power[1.0, effect][name].confirmation_runs for effect in (0.0, 2.0)],
            )
            for name in CONFIRMATIONS
        ),
    )


def spread_table(
    campaigns: Mapping[str, Mapping[str, CampaignFigures]],
    power: Mapping[tuple[float, float], Mapping[str, PowerFigures]],
) -> str:
    """With and without the comparison of spreads."""
    kinds = ("plain", "confirmed")
    heads = ("some confirmed in 50", "found at 2 true sigma", "found at 3 true sigma")
    columns = [(f"{head}, {words}", percent) for head in heads for words in ("without", "with")]
    return table(
        "Experiments spread",
        columns,
        (
            (
                "as the baseline" if noise is NORMAL else f"{noise.spread:g} times as much",
                [campaigns[noise.name][kind].any_false[50] for kind in kinds]
                + [power[noise.spread, effect][kind].found for effect in (2.0, 3.0) for kind in kinds],
            )
            for noise in SPREADS
        ),
    )


def portfolio_table(found: Mapping[str, PortfolioFigures]) -> str:
    """The reference portfolio."""
    columns: list[tuple[str, Writer]] = [
        ("runs per correct decision", number),
        ("runs per experiment", number),
        ("correct", percent),
        ("some false WINNER", percent),
        ("improvements found", percent),
    ]
    return table(
        "Rule",
        columns,
        (
            (NAMES[name], [one.runs_per_correct, one.runs, one.correct, one.any_false, one.found])
            for name, one in found.items()
        ),
    )


def pair_table(found: Mapping[tuple[str, float], PairFigures]) -> str:
    """Pairs of the same seed."""
    heads = ("WINNER by the means", "fresh pairs offered", "and they hold", "5 and 6 pairs hold", "some 5 of 5 in 50")
    return table(
        "Noise and true improvement",
        [(head, percent if place in (0, 4) else small) for place, head in enumerate(heads)],
        (
            (
                f"{noise}; {effect:g} true sigma",
                [one.winner, one.offered, one.holds, one.pairs_alone, one.better_in_all],
            )
            for (noise, effect), one in found.items()
        ),
    )


def noise_table(found: Mapping[str, Mapping[str, CampaignFigures]]) -> str:
    """The worst cases."""
    claims = {"before": "protocol: confirmed as before", "plain": "protocol: spreads not compared"}
    claims |= {"confirmed": "protocol: confirmed", "screening_plain": "screening: spreads not compared"}
    claims |= {"screening_confirmed": "screening: confirmed"}
    heads = [(f"{name}: false WINNER", small) for name in ("protocol", "screening")]
    return table(
        "Noise",
        [*heads, *((words, percent) for words in claims.values())],
        (
            (
                noise,
                [
                    *(rules[name].false_winner for name in ("protocol", "screening")),
                    *(rules[name].any_false[50] for name in claims),
                ],
            )
            for noise, rules in found.items()
        ),
    )


def interval_table(found: Mapping[float, IntervalFigures]) -> str:
    """How often intervals hold the truth."""
    heads = (
        "Welch's 95 %, WINNER",
        "before: two-sided 95 %, confirmed",
        "before: 0 inside, confirmed",
        "one-sided bound, confirmed",
        "one-sided bound, every confirmation",
    )
    return table(
        "True improvement",
        [(head, percent) for head in heads],
        (
            (
                f"{effect:g} true sigma",
                [
                    one.welch_of_winner,
                    one.before_of_confirmed,
                    one.before_holds_zero,
                    one.bound_of_confirmed,
                    one.bound_of_all,
                ],
            )
            for effect, one in found.items()
        ),
    )


def sign_table(found: SignFigures) -> str:
    """How often signs appear."""
    shares = {each: f"where the machine makes {100 * each:g} % of the variance" for each in MACHINE_SHARES}
    shares[1.0] = "where the seed does nothing, which is what it looks for"
    rows: list[tuple[str, Sequence[Cell]]] = [
        ("spread of another size, of all experiments without effect", [found.spread_of_experiment])
    ]
    rows += [
        (f"spread of another size, of WINNERs at {effect:g} true sigma, {design}", [one])
        for (design, effect), one in found.spread_of_winner.items()
    ]
    rows += [
        ("outlier, of arms of five seeds", [found.outlier]),
        (f"outlier in any arm, of studies of {EXPERIMENTS} experiments", [found.outlier_in_ten]),
    ]
    rows += [(f"seed not seen to vary the run, {shares[share]}", [one]) for share, one in found.seed_unseen.items()]
    return table("Sign", [("appears in", small)], rows)


def real_table(found: Mapping[str, Mapping[str, CampaignFigures]]) -> str:
    """Real values, resampled."""
    columns: list[tuple[str, Writer]] = [("false WINNER", small), ("false confirmed", small)]
    columns += [("some confirmed in 50", percent)]
    pairs = (("protocol", "confirmed"), ("screening", "screening_confirmed"))
    return table(
        "Program and rule",
        columns,
        (
            (
                f"{program}, {design}",
                [rules[design].false_winner, rules[passed].false_winner, rules[passed].any_false[50]],
            )
            for program, rules in found.items()
            for design, passed in pairs
        ),
    )

"""The head of a report: at most ten lines with what a reader has to know first."""

import json
from collections.abc import Iterator, Sequence

from seedproof.model.arms import Arm, Baseline
from seedproof.model.results import Comparison, Verdict
from seedproof.model.runs import Run
from seedproof.model.untrusted import one_line
from seedproof.report.provenance import LedgerFacts, quote_for_shell, shorten_path
from seedproof.report.summary import Digits, ideas_line, unmerged_words
from seedproof.verdict.campaign import Campaign
from seedproof.verdict.evidence import Evidence, Interval
from seedproof.verdict.place import Part, place_of
from seedproof.verdict.signs import brackets_on, discarded_attempts

__all__ = ["baseline_head", "experiment_head", "primary_interval", "tried_words"]

# Verdict, merge, effect, values, ideas, place and figure leave room for so many of ten lines.
_MOST_MORE = 3
_MOST_LETTERS = 200
# Named in the head where a run imported them, or where what it imported is not known; the rest is in the ledger.
_MAIN_PACKAGES = ("torch", "jax", "tensorflow", "mlx", "numpy", "transformers", "lightning", "keras", "scikit-learn")
_MOST_PACKAGES = 4


def experiment_head(
    comparison: Comparison, facts: LedgerFacts, evidence: Evidence | None, campaign: Campaign | None, stem: str
) -> list[str]:
    """The head of an experiment's report, in its order.

    Args:
        stem: Name of the report's file without its ending.
    """
    baseline, arm = comparison.baseline, comparison.arm
    lines = [
        comparison.headline,
        f"Merge: {_merge_words(comparison, facts.diff, stem)}",
        f"{_effect_words(comparison, evidence)} {_cost_words(comparison)}",
        _values_line(comparison),
        *([] if campaign is None else [_ideas_line(comparison, campaign)]),
        *_rules_line(baseline),
        *_within(facts.head_lines, 1),
        _place_line([*baseline.arm.counted.values(), *arm.counted.values(), *arm.all_fresh], facts),
    ]
    room = _MOST_MORE - len(_rules_line(baseline)) - min(1, len(facts.head_lines))
    lines += _within(list(_bracket_sentences(comparison)), room)
    name = baseline.rules.metric.name
    return [*(f"- {line}" for line in lines), "", f"![Every seed of {arm.experiment}: {name}, wall time]({stem}.svg)"]


def baseline_head(baseline: Baseline, facts: LedgerFacts, stem: str) -> list[str]:
    """The head of a baseline's report, in its order.

    Args:
        stem: Name of the report's file without its ending.
    """
    rules, number = baseline.rules, Digits(baseline)
    name, n = rules.metric.name, len(rules.baseline_seeds)
    side = "at most" if rules.metric.direction == "minimize" else "at least"
    needed = "A WINNER needs a mean of"
    if rules.design != "protocol":
        needed = f"Experiments are judged by the {rules.design} design; the protocol's own rule would ask for a mean of"
    spread = f"{number(baseline.mean)} ± {number(baseline.std)} (mean ± standard deviation, {n} seeds)"
    lines = [
        f"{name}{rules.metric.statistic_words}: {spread}",
        f"{needed} {side} {number(baseline.winner_threshold)} ({rules.winner_sigma:g} sigma).",
        *_rules_line(baseline),
        *_within(facts.head_lines, _MOST_MORE),
        _place_line(list(baseline.arm.counted.values()), facts),
    ]
    return [*(f"- {line}" for line in lines), "", f"![Every baseline seed: {name}, wall time]({stem}.svg)"]


def _within(lines: Sequence[str], room: int) -> list[str]:
    """The lines, joined into the last one where there are more than fit."""
    return [*lines[: room - 1], " ".join(lines[room - 1 :])] if len(lines) > room else list(lines)


# --- what to merge ----------------------------------------------------------------------------


def _merge_words(comparison: Comparison, diff: str | None, stem: str) -> str:
    arm, found = comparison.arm, comparison.confirmation
    holds = found is not None and found.state == "confirmed"
    if holds and comparison.verdict is Verdict.WINNER and not arm.is_null:
        return _how_to_take(arm, diff, stem)
    tried = f"; tried: {_how_to_take(arm, diff, stem)}"
    if arm.is_null:
        return f"nothing, it was declared to have no effect{tried}"
    if holds:
        rule = f"{comparison.baseline.rules.winner_sigma:g}-sigma rule"
        return f"nothing by the {rule}, though its small effect holds{tried}"
    return f"{unmerged_words(comparison)}{tried}"


def _how_to_take(arm: Arm, diff: str | None, stem: str) -> str:
    """The lines that bring the change into another copy of the project."""
    parts = []
    if arm.change is not None:
        parts.append(f"`git apply docs/research/{stem}.diff`" if diff else "the change of code in section Code")
    if arm.flags:
        parts.append(f"`{_flags(arm)}`")
    return " with ".join(parts) or "no change"


def _flags(arm: Arm) -> str:
    return one_line(" ".join(quote_for_shell(shorten_path(flag)) for flag in arm.flags)).replace("`", "'")


def tried_words(arm: Arm) -> str:
    """What an experiment changed, in a few words: its flags and the first files that it changed."""
    files = () if arm.change is None else arm.change.files
    parts = [_flags(arm)] if arm.flags else []
    parts += [f"{one_line(file.path)} ({file.counts})" for file in files[:2]]
    parts += [f"{len(files) - 2} more files"] if len(files) > 2 else []
    return ", ".join(parts) or "no change"


# --- what it brings and costs -----------------------------------------------------------------


def primary_interval(evidence: Evidence | None) -> Interval | None:
    """The interval that was chosen before the results; None where there is none."""
    if evidence is None:
        return None
    return evidence.paired if evidence.primary == "paired" else evidence.unpaired


def _effect_words(comparison: Comparison, evidence: Evidence | None) -> str:
    number, found = Digits(comparison.baseline), comparison.confirmation
    if comparison.delta is None:
        return "Effect: none can be given, a seed diverged."
    if comparison.caps:
        return f"Effect: not trusted ({', '.join(comparison.caps)})."
    if found is not None and found.difference is not None:
        if found.state != "confirmed":
            return f"Effect on {found.pairs} fresh pairs: {number.signed(found.difference)}."
        bound = ""
        if found.at_least is not None and found.limit is not None:
            bound = f", at least {number(found.at_least)} better (one-sided {100 * (1 - found.limit):g} %)"
        return f"Use this effect: {number.signed(found.difference)} on {found.pairs} fresh pairs{bound}."
    interval = primary_interval(evidence)
    if interval is None:
        return f"Effect: {number.signed(comparison.delta)}."
    selected = (
        "; the seeds that selected it measured that, so expect less" if comparison.verdict is Verdict.WINNER else ""
    )
    test = "paired" if interval.test == "paired" else "Welch"
    low, high = number.signed(interval.low), number.signed(interval.high)
    return f"Effect: {number.signed(interval.difference)} (95 % {low} to {high}, {test}){selected}."


def _cost_words(comparison: Comparison) -> str:
    change = None if comparison.confirmation is None else comparison.confirmation.wall_time
    if change is not None:
        said = "no change of wall time that could be claimed" if change.claim == "none" else "wall time"
        return f"Cost: {said}, {change.change_percent:+.1f} % in alternated pairs."
    percent = comparison.wall_time_change_percent
    if percent is None:
        return "Cost: wall times do not compare."
    return f"Cost: wall time {percent:+.1f} % (separate blocks of runs, not tested)."


def _values_line(comparison: Comparison) -> str:
    baseline, arm = comparison.baseline, comparison.arm
    number, name = Digits(baseline), baseline.rules.metric.name
    seeds = f"{len(baseline.arm.counted)} and {len(arm.counted)} seeds"
    if comparison.delta is None or comparison.improvement_sigma is None:
        return f"{name} {number(baseline.mean)} -> no mean ({seeds})"
    percent = "" if comparison.change_percent is None else f", {comparison.change_percent:+.2f} %"
    sigma = comparison.improvement_sigma
    side = "better" if sigma > 0 else "worse" if sigma < 0 else "no difference"
    after = number(baseline.mean + comparison.delta)
    change = f"{number.signed(comparison.delta)}{percent}, {side}"
    return f"{name} {number(baseline.mean)} -> {after} ({change}; {seeds})"


# --- how it came about ------------------------------------------------------------------------


def _ideas_line(comparison: Comparison, campaign: Campaign) -> str:
    discarded = discarded_attempts(comparison.baseline.arm, comparison.arm)
    line = ideas_line(campaign, comparison.confirmation)
    return line if discarded is None else f"{line}; {discarded.name}"


def _rules_line(baseline: Baseline) -> list[str]:
    """The rules that differ from the protocol's; their values stand in section Provenance where they are long."""
    parts = []
    for name, _, present in baseline.rules.differences():
        parts.append(f"{name} {json.dumps(present)}" if isinstance(present, str | int | float) else name)
    return [f"Rules that differ from the protocol: {one_line(', '.join(parts))}"] if parts else []


def _place_line(runs: Sequence[Run], facts: LedgerFacts) -> str:
    """When, where and with what the runs were measured, and by which ledger."""
    days = sorted({one[:10] for run in runs for one in (run.started, run.ended) if one})
    when = (
        "on a date that is not recorded" if not days else days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}"
    )
    ledger = f"ledger {facts.ledger}, " if facts.ledger else ""
    return f"Measured {when}: {', '.join(_place_words(runs))}; {ledger}head {facts.head}"


def _place_words(runs: Sequence[Run]) -> Iterator[str]:
    places = [place_of(run) for run in runs]
    devices = list(dict.fromkeys(_device(place.device) for place in places if place.device))
    yield devices[0] if len(devices) == 1 else f"{len(devices)} kinds of machine" if devices else "machine not recorded"
    place = next((one for one in places if one.packages), None)
    if place is None or place.packages is None:
        return
    interpreter, version = next(iter(place.packages.items()))
    yield f"Python {version}" if interpreter == "cpython" else f"{one_line(interpreter)} {one_line(version)}"
    names = [name for name in _MAIN_PACKAGES if name in place.packages]
    names = [name for name in names if place.imported is None or name in place.imported]
    for name in names[:_MOST_PACKAGES]:
        yield f"{name} {one_line(place.packages[name])}"


def _device(device: Part) -> str:
    return one_line(device.get("GPU") or device.get("CPU") or "another device")


def _bracket_sentences(comparison: Comparison) -> Iterator[str]:
    """Each bracket of the headline as a sentence."""
    known = {one.name: one.sentence for one in brackets_on(comparison.baseline, comparison.arm)}
    for name in comparison.brackets:
        sentence = one_line(known.get(name, ""))
        yield _cut(f"{name[0].upper()}{name[1:]}{': ' + sentence if sentence else ''}")
    for one in comparison.accepted:
        yield _cut(f"Accepted: other {one.kind}: {one_line(one.words)}")


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_LETTERS else f"{text[: _MOST_LETTERS - 1]}…"

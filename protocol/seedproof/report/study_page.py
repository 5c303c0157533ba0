"""The page on the whole study: every experiment of the ledger, its generations, and the error budget."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from seedproof.ledger.state import Experiment, Generation, State
from seedproof.model.arms import Baseline
from seedproof.model.results import Confirmation, Verdict
from seedproof.model.rules import Rules
from seedproof.model.runs import RunState
from seedproof.model.untrusted import one_line
from seedproof.phases.experiment_state import experiment_state
from seedproof.phases.merged import is_confirmed_winner, merged_experiments
from seedproof.phases.study import Study
from seedproof.report.code_section import identity
from seedproof.report.provenance import quote_for_shell, shorten_path
from seedproof.report.summary import Digits, scale, without_value_words
from seedproof.verdict.campaign import Campaign, campaign, confirmed_by_luck
from seedproof.verdict.judge import wall_time_change

__all__ = ["PAGE_FORMAT", "origin", "study_page"]

PAGE_FORMAT = 2
"""Version of the words and numbers of the page and its figure, which no record holds a hash of.
2: a merged experiment is recognised also where the next command has its `key=value` words in another order."""
# Longer flags and values of rules are cut: the report has them in full, and a row stays a line.
_MOST_LETTERS = 48
_MOST_OF_A_REASON = 200
_MOST_FILES = 2
# What only some renderers of Markdown read as markup.
_MARKUP = re.compile(r"([\\`*\[\]<>|])")
_REPORT = re.compile(r"docs/research/([\w.-]+\.md)")


def origin(state: State) -> str:
    """Where the page and its figure come from: the ledger by the hash of its first record, and its head."""
    ledger = (state.first_hash or "")[:12]
    return f"Ledger {ledger}, begun {state.began}; Ledger head: {state.head_label}; study page format {PAGE_FORMAT}"


def study_page(study: Study, figure: str) -> str:
    """`studies.md`: a function of the ledger's state under the rules of its newest generation.

    Args:
        figure: File name of the figure, which lies beside the page.
    """
    state = study.state
    merged = merged_experiments(state)
    lines = [
        "# Study",
        "",
        "Every experiment of this ledger, the newest generation first; failed, dropped and abandoned ones too.",
        "",
        f"![Every seed of every experiment beside its baseline]({figure})",
        "",
    ]
    for generation in reversed(state.generations):
        lines += [*_generation_lines(study, generation, merged), ""]
    lines += [*_legend(), "", "## Error Budget", "", *_budget_lines(state, merged), ""]
    lines += ["## Provenance", "", f"- {origin(state)}"]
    lines += ["- `seedproof verify` makes this page again from the ledger and compares every byte."]
    return "\n".join(lines) + "\n"


# --- generations ------------------------------------------------------------------------------


def _generation_lines(study: Study, generation: Generation, merged: Mapping[int, int]) -> list[str]:
    state, number = study.state, generation.number
    baseline = study.baseline_of(number)
    lines = [f"## Generation {number}", "", f"- {_baseline_words(study, generation, baseline)}"]
    if generation.reason:
        lines.append(f"- Reason: {_plain(_cut(one_line(generation.reason), _MOST_OF_A_REASON))}")
    names = [one.name for one in state.experiments if merged.get(one.place) == number]
    if names:
        lines.append(f"- Merged: {', '.join(map(_plain, names))}, as its code and command show")
    lines += _rule_lines(state, generation)
    if not generation.experiments:
        return [*lines, "- No experiment was declared."]
    name = _plain(generation.rules.metric.name)
    lines += ["", f"| Experiment | What | Effect on {name} | Wall time | Verdict | Merged |", "| --- " * 6 + "|"]
    experiments = reversed(generation.experiments.values())
    return [*lines, *(_row(study, one, baseline, merged.get(one.place)) for one in experiments)]


def _baseline_words(study: Study, generation: Generation, baseline: Baseline | None) -> str:
    rules, report = generation.rules, generation.report
    begun = f"Baseline{scale(rules)}, begun {generation.started[:10]}"
    code = "" if generation.code is None else f", code {identity(generation.code)}"
    link = _link(study.state, "report", None if report is None else report.path, None if report is None else report.seq)
    linked = "" if link == "report" else f"; {link}"
    if generation.is_empty:
        runs = study.state.baseline_arm(generation.number).runs
        tries = sum(run.state is not RunState.NOT_NEEDED for run in runs)
        attempts = f"{tries} attempt{'' if tries == 1 else 's'} without a value"
        return f"{begun}{code}: {attempts}; generation {generation.number + 1} took its place"
    if baseline is None:
        done, needed = len(study.state.baseline_arm(generation.number).counted), len(rules.baseline_seeds)
        return f"{begun}{code}: not complete, {done} of {needed} seeds{linked}"
    number = Digits(baseline)
    spread = f"{_plain(rules.metric.name)} {number(baseline.mean)} ± {number(baseline.std)}"
    return f"{begun}{code}: {spread} over {len(rules.baseline_seeds)} seeds{linked}"


def _rule_lines(state: State, generation: Generation) -> Iterator[str]:
    """The rules in which a generation differs from the one before; those of the first from the protocol's."""
    if generation.number == 1:
        before, since = Rules(), "the protocol"
        names = [name for name, _, _ in generation.rules.differences()]
    else:
        before, since = state.rules_of(generation.number - 1), f"generation {generation.number - 1}"
        names = before.differing(generation.rules)
    if not names:
        yield f"- Rules: as in {since}"
        return
    old, new = before.document(), generation.rules.document()
    for name in names:
        yield f"- Rule {name} differs from {since}: {_change(old[name], new[name])}"


def _change(old: Any, new: Any) -> str:
    """What a rule was and is; of lists, such as a command, only what differs."""
    if not (isinstance(old, list) and isinstance(new, list)):
        return f"{_value(old)} → {_value(new)}"
    parts = []
    for words, some, others in (("without", old, new), ("with", new, old)):
        differing = [one for one in some if one not in others]
        parts += [f"{words} {_value(differing)}"] if differing else []
    return ", ".join(parts) or "in another order"


def _value(value: Any) -> str:
    """A rule's value; folders of one machine say nothing."""
    if isinstance(value, list):
        value = [shorten_path(part) if isinstance(part, str) else part for part in value]
    return _code(json.dumps(value, ensure_ascii=False))


# --- experiments ------------------------------------------------------------------------------


def _row(study: Study, experiment: Experiment, baseline: Baseline | None, merged: int | None) -> str:
    report = experiment.report
    name = _link(study.state, experiment.name, *((report.path, report.seq) if report else (None, None)))
    cells = [
        f"{name}{' (null)' if experiment.is_null else ''}",
        _what(experiment),
        _effect(experiment, baseline),
        _cost(study, experiment, baseline),
        _outcome(study, experiment),
        f"generation {merged}" if merged else "-",
    ]
    return f"| {' | '.join(cells)} |"


def _what(experiment: Experiment) -> str:
    """Its flags, and the first files that it changed."""
    parts = []
    if experiment.flags:
        parts.append(_code(" ".join(quote_for_shell(shorten_path(flag)) for flag in experiment.flags)))
    files = () if experiment.change is None or not experiment.code_change else experiment.change.files
    parts += [f"{_code(file.path)} ({file.counts})" for file in files[:_MOST_FILES]]
    if len(files) > _MOST_FILES:
        parts.append(f"{len(files) - _MOST_FILES} more files")
    return ", ".join(parts) or ("edited code" if experiment.code_change else "nothing")


def _effect(experiment: Experiment, baseline: Baseline | None) -> str:
    """What fresh seeds measured, with the bound of a confirmation; else the difference of the means."""
    verdict = experiment.verdict
    if verdict is None or baseline is None:
        return "-"
    number, found = Digits(baseline), _ended(experiment)
    if found is not None and found.difference is not None:
        bound = ""
        if found.state == "confirmed" and found.at_least is not None:
            bound = f" (at least {number(found.at_least)} better)"
        return f"{number.signed(found.difference)} fresh{bound}"
    return "-" if verdict.delta is None else f"{number.signed(verdict.delta)} measured"


def _cost(study: Study, experiment: Experiment, baseline: Baseline | None) -> str:
    """The change of wall time, from pairs in turn where there are some."""
    if experiment.verdict is None or baseline is None:
        return "-"
    found = _ended(experiment)
    if found is not None and found.wall_time is not None:
        change = found.wall_time
        return "no change, pairs" if change.claim == "none" else f"{change.change_percent:+.1f} %, pairs"
    arm = study.standing(experiment).arm
    percent = None if arm.diverged_seeds else wall_time_change(baseline, arm)
    return "-" if percent is None else f"{percent:+.1f} %, not tested"


def _ended(experiment: Experiment) -> Confirmation | None:
    """The confirmation of its newest verdict, once that has ended."""
    verdict = experiment.verdict
    return verdict.confirmation if verdict is not None and verdict.is_confirmation_ended else None


def _outcome(study: Study, experiment: Experiment) -> str:
    """The headline as it was given; without one, where the experiment stands."""
    if experiment.verdict is not None and experiment.verdict.headline:
        return _plain(experiment.verdict.headline)
    if experiment.verdict is not None:
        return _plain(experiment.verdict.verdict)
    word, reason = experiment_state(study, experiment)
    if word in ("withdrawn", "closed"):
        return f"{word}: {_plain(_cut(reason or '', _MOST_OF_A_REASON))}"
    standing = study.standing(experiment)
    done, due = len(standing.arm.counted), len(standing.look.due)
    if word == "superseded":
        return f"abandoned after {_seeds(done)}: a new generation began"
    if reason:
        return f"{word}: {reason}"
    return f"{word}: {done} of {_seeds(done + due)}" if word == "measuring" else word


def _seeds(count: int) -> str:
    return f"{count} seed{'' if count == 1 else 's'}"


# --- error budget -----------------------------------------------------------------------------


def _legend() -> list[str]:
    return [
        "Effect: experiment minus baseline. `fresh` is from pairs of runs on fresh seeds, with the one-sided bound of "
        "a confirmation; `measured` also selected the experiment, so of a WINNER it says too much. "
        "Wall time: from pairs in turn, or from separate blocks of runs.",
    ]


def _budget_lines(state: State, merged: Mapping[int, int]) -> Iterator[str]:
    found = campaign(state)
    verdicts = [one.verdict.verdict for one in state.ideas if one.verdict is not None]
    counts = ", ".join(f"{verdicts.count(str(word))} {word}" for word in Verdict if str(word) in verdicts)
    without = found.declared - len(verdicts)
    confirmed = sum(is_confirmed_winner(one) for one in state.experiments)
    nulls = f" ({found.nulls} declared without effect)" if found.nulls else ""
    yield f"- Ideas tried: {found.declared}{nulls}; {counts + ', ' if counts else ''}{without} without a verdict"
    if found.without_value:
        yield f"- {without_value_words(found)}"
    yield f"- Confirmed: {confirmed}; merged: {len(merged)}"
    if found.declared:
        yield f"- If none helped, luck alone would show {_luck(found)} ({found.label})"


def _luck(found: Campaign) -> str:
    some = f"{found.false_winners_expected:.2f} WINNERs on average"
    if found.false_winner_chance is not None:
        some = f"a WINNER in {100 * found.false_winner_chance:.1f} % of such studies"
    return f"{some}, and a confirmed one in at most {100 * confirmed_by_luck(found):.1f} %"


# --- words from outside -----------------------------------------------------------------------


def _link(state: State, text: str, path: str | None, seq: int | None) -> str:
    """A link to a report, unless another one has taken the place of its file since."""
    shown, known = _plain(text), None if path is None else state.reports.get(path)
    place = _REPORT.fullmatch(path or "")
    return f"[{shown}]({place[1]})" if place and known is not None and known.seq == seq else shown


def _code(text: str) -> str:
    """Text from outside as inline code, cut where it is long."""
    return f"`{_cut(one_line(text)).replace('`', chr(39)).replace('|', chr(92) + '|')}`"


def _plain(text: str) -> str:
    """Text from outside as words: no markup, on one line."""
    return _MARKUP.sub(r"\\\1", one_line(text))


def _cut(text: str, most: int = _MOST_LETTERS) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"

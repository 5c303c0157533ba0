"""Where a report comes from: the command of its runs, and the ledger that it was written from."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seedproof.commands.argv import training_argv, training_env
from seedproof.inputs.names import last_names
from seedproof.model.arms import Arm, Baseline
from seedproof.model.rules import Rules
from seedproof.model.runs import Run
from seedproof.model.untrusted import one_line
from seedproof.report.code_section import identity
from seedproof.report.inputs import input_lines
from seedproof.verdict.given_seeds import seeding_lines
from seedproof.verdict.signs import probe_line

__all__ = [
    "EarlierGeneration",
    "EarlierVerdict",
    "LedgerFacts",
    "command_lines",
    "provenance_lines",
    "quote_for_shell",
    "shorten_path",
]


@dataclass(frozen=True, slots=True)
class EarlierGeneration:
    """A superseded baseline, as later reports print it."""

    number: int
    """Its number."""
    reason: str | None
    """Why it was started; None for the first."""
    seeds: int
    """Seeds with a finite value."""
    mean: float | None
    """Their mean; None if there is none."""
    differed_in: tuple[str, ...] = ()
    """Names of the rules in which it differed from the present one; empty also where an earlier version began that."""
    empty_attempts: int | None = None
    """Attempts of one of which no run had a value, so that no result was discarded; None for every other one."""


@dataclass(frozen=True, slots=True)
class EarlierVerdict:
    """The verdict of an earlier generation on an experiment of the same name."""

    generation: int
    """Its number."""
    headline: str
    """Verdict and distance."""
    at_seq: int
    """Number of the record."""


@dataclass(frozen=True, slots=True)
class LedgerFacts:
    """What a report prints about the ledger it was written from."""

    head: str
    """Ledger head before the report's own record, such as `#41 9f2c04a1b7d3`."""
    records: int
    """How many records it held."""
    began: str
    """Time of the first record."""
    reason: str | None
    """Why the present generation was started."""
    earlier: tuple[EarlierGeneration, ...]
    """Generations before the present one."""
    adoption: str | None = None
    """What the present generation took over from the one before, or why it took over nothing."""
    verdicts: tuple[EarlierVerdict, ...] = ()
    """Verdicts of earlier generations on the experiment of this name: its report replaces theirs."""
    controls: tuple[Run, ...] = ()
    """Every control run of the ledger, in the order of their requests."""
    past: tuple[str, ...] = ()
    """Earlier ledgers in its folder, copies of it, and records that it lost; empty where `head_lines` has them."""
    head_lines: tuple[str, ...] = ()
    """What stands in the head of the report: the same, other ledgers that began with its code, other rules before."""
    has_other_state_folder: bool = False
    """Whether the present generation was begun with a state folder that is not the account's own."""
    ledger: str = ""
    """The ledger by the first digits of the hash of its first record; empty where it is not known."""
    diff: str | None = None
    """The text of the experiment's change that is published beside the report; None where none is."""


def command_lines(rules: Rules, flags: Sequence[str], arm: str, replaces: Sequence[int] = ()) -> list[str]:
    """The flags of an arm, and the command of its run at the first baseline seed, behind the variables of the rules."""
    seed = rules.baseline_seeds[0]
    folder = f"checkpoints/{arm}_{rules.label}_seed{seed}"
    argv = training_argv(rules, "python", seed, flags, folder, replaces)
    parts = [quote_for_shell(shorten_path(part)) for part in argv]
    env = training_env(rules, seed, folder)
    variables = [f"{name}={quote_for_shell(shorten_path(env[name]))}" for name in rules.env]
    shown = " ".join([*variables, *parts])
    flag_text = _json([shorten_path(flag) for flag in flags]) if flags else "none"
    return ["```text", f"flags: {flag_text}", "```", "", "```bash", shown, "```"]


def shorten_path(part: str) -> str:
    """A part of a command as a report shows it: an absolute path is cut to its last two names.

    Reports are published, and the folders of one machine say nothing about a result.
    """
    name, equals, value = part.partition("=")
    if part.startswith("/"):
        name, equals, value = "", "", part
    if not value.startswith("/"):
        return part
    return f"{name}{equals}{last_names(value)}"


def _json(value: Any) -> str:
    """JSON for a reader: ASCII, but for the ellipsis that `shorten_path` writes."""
    return json.dumps(value).replace(r"\u2026", "…")


def quote_for_shell(part: str) -> str:
    """A part of a command as a shell reads it back."""
    plain = part and all(letter.isalnum() or letter in "-_=./,:+@%…" for letter in part)
    return part if plain else "'" + part.replace("'", "'\"'\"'") + "'"


def _named(ledger: str) -> str:
    return f"; ledger {ledger}" if ledger else ""


def provenance_lines(baseline: Baseline, facts: LedgerFacts, arm: Arm | None = None) -> list[str]:
    """The section `Provenance` of a report.

    Args:
        arm: The experiment; None in the report of a baseline.
    """
    lines = [
        "## Provenance",
        "",
        f"- Ledger head: {facts.head}; {facts.records} records, begun {facts.began}{_named(facts.ledger)}",
        *(f"- {line}" for line in facts.past),
        f"- Baseline generation: {baseline.generation}",
        *([] if baseline.arm.code is None else [f"- Code of the baseline: {identity(baseline.arm.code)}"]),
    ]
    if facts.has_other_state_folder:
        lines.append("- State folder: not the account's own, whose registry was read as well (XDG_STATE_HOME)")
    probe = probe_line(baseline.arm, baseline.rules.metric.name)
    if probe:
        lines.append(f"- {probe}")
    lines += [f"- {line}" for line in (*seeding_lines(baseline.arm, arm), *input_lines(baseline.arm, arm))]
    if facts.adoption:
        lines.append(f"- This generation {one_line(facts.adoption)}.")
    if facts.reason:
        lines.append(f"- Reason of this generation: {one_line(facts.reason)}")
    for earlier in facts.earlier:
        mean = "no result" if earlier.mean is None else f"mean {earlier.mean:.6g} over {earlier.seeds} seeds"
        if earlier.empty_attempts is not None:
            tries = "1 attempt" if earlier.empty_attempts == 1 else f"{earlier.empty_attempts} attempts"
            mean = f"{tries}, none of which had a value"
        reason = f"; reason: {one_line(earlier.reason)}" if earlier.reason else ""
        differed = f"; differed in: {', '.join(earlier.differed_in)}" if earlier.differed_in else ""
        lines.append(f"- Earlier generation {earlier.number}: {mean}{reason}{differed}")
    for verdict in facts.verdicts:
        lines.append(
            f"- Earlier verdict on this name, generation {verdict.generation}: "
            f"{verdict.headline} (record #{verdict.at_seq})"
        )
    differences = baseline.rules.differences()
    if not differences:
        lines.append("- Rules: all as in the protocol.")
    for name, default, present in differences:
        if name == "command":
            present = [shorten_path(part) for part in present]
        lines.append(f"- Rule {name} differs: `{_json(present)}` (protocol: `{json.dumps(default)}`)")
    return [*lines, ""]

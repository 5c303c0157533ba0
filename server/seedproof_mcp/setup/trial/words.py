"""The words of a try: amounts, names and quoted text, and the lines that follow from one thing alone."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from seedproof.metrics.lengths import read_lengths
from seedproof.metrics.log_end import error_line
from seedproof.model.lengths import Lengths
from seedproof.model.rules import Rules
from seedproof.model.runs import MetricValue, RunState
from seedproof.model.seeding import Seeding
from seedproof.model.untrusted import one_line, safe_tail
from seedproof.phases.confirmation import FIRST_STAGE
from seedproof.sources.file_numbers import is_table, numbers_of
from seedproof.sources.short_runs import SeedEffect

from seedproof_mcp.host.missing_module import missing_module_words
from seedproof_mcp.runner.log_reader import LENGTH_BYTES
from seedproof_mcp.setup.trial.findings import Left, SnapshotContent, Suggestion, whole_line
from seedproof_mcp.setup.trial.run import TriedRun
from seedproof_mcp.setup.trial.seeds import trial_seeds
from seedproof_mcp.setup.trial.toml_lines import metric_toml

__all__ = [
    "columns_words",
    "cost_words",
    "crash_words",
    "duration_words",
    "ended_well",
    "files_words",
    "lengths_of",
    "listed",
    "long_text",
    "place_words",
    "progress_words",
    "read_by",
    "repeat_lines",
    "scale_lines",
    "scale_of",
    "seeding_lines",
    "seeds_words",
    "settings_words",
    "share_done",
    "short_text",
    "size_words",
    "snapshot_line",
]

_SHOWN_CHARS = 120
_SHOWN_FILES = 4
# Of a log, in which a crash says why.
_END_BYTES = 16 << 10
_SHOWN_COLUMNS = 12


def ended_well(one: TriedRun) -> bool:
    """Whether a run came to its own end."""
    return one.run.exit_code == 0


def lengths_of(one: TriedRun) -> Lengths:
    """How far a run went, as its log says."""
    end = one.left.log[-LENGTH_BYTES:]
    return read_lengths(end if len(end) == len(one.left.log) else end.partition(b"\n")[2]).lengths


def share_done(lengths: Lengths) -> float | None:
    """The share of the training that was done; None where the log does not say."""
    for done, total in ((lengths.step, lengths.steps), (lengths.epoch, lengths.epochs)):
        if done and total and done <= total:
            return done / total
    return None


def progress_words(lengths: Lengths) -> str:
    """How far a run went; empty where its log does not say."""
    for done, total, unit in ((lengths.step, lengths.steps, "step"), (lengths.epoch, lengths.epochs, "epoch")):
        if done is not None:
            return f"{unit} {done}" + (f" of {total}" if total else "")
    return ""


def cost_words(rules: Rules, run_s: float) -> str:
    """What a study of such runs costs."""
    base, few, many = len(rules.baseline_seeds), len(rules.experiment_seeds), len(rules.extra_seeds)
    fresh = 2 * (len(rules.confirm_seeds) or 2 * FIRST_STAGE)
    tried = f"{few} to {few + many}" if many else f"{few}"
    return (
        f"baseline {base} runs ({duration_words(base * run_s)}), each experiment {tried} "
        f"({duration_words(few * run_s)}{f' to {duration_words((few + many) * run_s)}' if many else ''}), "
        f"a confirmation up to {fresh} ({duration_words(fresh * run_s)})"
    )


def crash_words(one: TriedRun, root: Path) -> str:
    """What the log of a run that crashed said of it, to stand behind the exit code; empty for other ends."""
    said = error_line(one.left.log[-_END_BYTES:]) if one.run.exit_code else ""
    python = None if one.python is None else one.python[0]
    parts = (said, missing_module_words(said, python, root))
    return "".join(f"{sign}{part}" for sign, part in zip((": ", "; "), parts, strict=True) if part)


def repeat_lines(by: SeedEffect, losses: SeedEffect, what: str) -> Iterator[str]:
    """Whether the first seed repeats itself.

    Args:
        by: What is known of the quantity that is compared.
        losses: What is known of the training loss.
        what: The name of that quantity.
    """
    if by.repeats is None:
        return
    if by.repeats and losses.repeats is not False:
        yield "Repeat: the same seed gives the same values, digit by digit"
        return
    apart = by.by_repeat
    if not apart:
        yield f"Repeat: the same seed does not repeat every value, and gives the same last {what}"
        return
    spread = "" if by.by_seed is None else f"; two seeds {by.by_seed:.3g}"
    worse = by.by_seed is not None and apart >= by.by_seed
    why = "so the runs differ by more than their seed" if not worse else "so what varies is more than the seed"
    yield f"Repeat: the same seed gives {what} {apart:.3g} apart{spread}: {why}"


def scale_of(rules: Rules, lengths: Lengths) -> str | None:
    """How long every run trains, where neither the command nor the settings say it and the log does."""
    if rules.scale_words is not None:
        return None
    if lengths.epochs is not None:
        return f"{lengths.epochs} epochs"
    return None if lengths.steps is None else f"{lengths.steps} steps"


def scale_lines(rules: Rules, one: TriedRun, *, is_pasted: bool) -> Iterator[str]:
    """That nothing names the scale, where a run trained; nothing where the settings to paste name it.

    Args:
        one: The first run.
        is_pasted: Whether there are settings to paste.
    """
    scale = scale_of(rules, lengths_of(one))
    is_told = rules.scale_words is not None or (scale is not None and is_pasted)
    if is_told or not (ended_well(one) or one.run.state is RunState.TIMED_OUT):
        return
    called = f"files are called …_{rules.label}…"
    if scale is None:
        yield f'Scale: not named; {called} unless rules.scale says how long a run trains, such as "300 steps"'
    else:
        yield f'Scale: not named; {called} unless [rules] has scale = "{scale}", as the log shows it'


def seeding_lines(seeding: Seeding | None) -> Iterator[str]:
    """What the script seeds itself, where the rules replace its own seed."""
    if seeding is None:
        return
    if seeding.moved:
        yield f"Seed replaced in: {', '.join(f'{name} ({calls}x)' for name, calls in seeding.moved.items())}"
    if seeding.kept:
        kept = [f"{number} ({', '.join(names)})" for number, names in seeding.kept.items()]
        yield f"Other seeds that the script sets, which stay: {', '.join(some_names(kept))}"


def snapshot_line(held: SnapshotContent) -> str:
    """What a snapshot holds."""
    untracked = (
        f", {len(held.untracked)} that git does not track{listed(some_names(held.untracked))}" if held.untracked else ""
    )
    linked = f"; ignored, reached through links: {', '.join(some_names(held.linked))}" if held.linked else ""
    left = f"; ignored and not reached: {', '.join(some_names(held.not_linked))}" if held.not_linked else ""
    tracked = f"{held.tracked} tracked file{'' if held.tracked == 1 else 's'}"
    return f"Snapshot: {tracked}{untracked}, {size_words(held.size_bytes)}{linked}{left}"


def place_words(value: MetricValue, log: bytes) -> str:
    """Where a value stands: the number and the text of its line, or its place in a file."""
    where = "" if value.line is None else f"line {value.line}: "
    return f' ({where}"{short_text(whole_line(value, log), value.matched)}")' if value.matched else ""


def columns_words(left: Left) -> str:
    """The columns or keys with numbers of the small files that a run wrote; empty where there are none."""
    parts = []
    for path, data in (*left.files.items(), *left.beside.items()):
        names = list(numbers_of(path, data))
        if names:
            what = "columns" if is_table(path) else "keys"
            parts.append(f"{short_text(path)} has the {what} {', '.join(some_names(names, _SHOWN_COLUMNS))}")
    return "; ".join(parts[:_SHOWN_FILES])


def read_by(found: Sequence[Suggestion]) -> str:
    """Numbers that may be the metric, each with the settings that read it."""
    return "; ".join(f'"{short_text(one.text)}" in {one.where}: {settings_words(one.fields)}' for one in found)


def settings_words(fields: Mapping[str, Any]) -> str:
    """Fields of [rules.metric] on one line."""
    return "; ".join(metric_toml(fields).splitlines()[1:])


def long_text(text: str) -> str:
    """A reason on one line, cut; it may quote the training."""
    return one_line(text)[:400]


def short_text(text: str, keep: str = "") -> str:
    """Untrusted text on one line, masked and cut.

    Args:
        text: The text.
        keep: What is cut off last: the text before it goes first.
    """
    shown = one_line(safe_tail(text.encode("utf-8", "replace"), max_lines=1))
    end = shown.rfind(one_line(keep)) + len(one_line(keep))
    begin = max(0, end - _SHOWN_CHARS)
    after = "…" if len(shown) > begin + _SHOWN_CHARS else ""
    return f"{'…' * (begin > 0)}{shown[begin : begin + _SHOWN_CHARS]}{after}"


def seeds_words(rules: Rules) -> str:
    """The two seeds that were tried."""
    return " and ".join(map(str, trial_seeds(rules)))


def listed(parts: Sequence[str], before: str = ": ") -> str:
    """Names behind what they belong to; nothing where there are none."""
    return f"{before}{', '.join(parts)}" if parts else ""


def some_names(names: Sequence[str], most: int = _SHOWN_FILES) -> list[str]:
    """The first names, and how many more there are."""
    shown = [short_text(name) for name in names[:most]]
    return [*shown, f"{len(names) - most} more"] if len(names) > most else shown


def files_words(names: Sequence[str]) -> str:
    """Files with their number and the first names."""
    count = "1 file" if len(names) == 1 else f"{len(names)} files"
    return f"{count} ({', '.join(some_names(names))})"


def size_words(size: float) -> str:
    """An amount of bytes."""
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"


def duration_words(seconds: float) -> str:
    """A duration in the unit that suits it."""
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

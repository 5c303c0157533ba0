"""What was decided about a project, and the lines of settings that say it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from seedproof_mcp.setup.interpreters import Interpreter
from seedproof_mcp.setup.old_logs import find_in_files, find_in_logs, find_in_source
from seedproof_mcp.setup.project_files import ProjectFiles
from seedproof_mcp.setup.source.found import Line, Metric, Option, SeedFound, Setup
from seedproof_mcp.setup.source.library_metrics import library_metric
from seedproof_mcp.setup.source.printed import printed_lines
from seedproof_mcp.setup.source.python_source import Source
from seedproof_mcp.setup.written import toml_list, toml_table, toml_text

__all__ = ["Draft", "find_metric", "setup_of"]


@dataclass(frozen=True, slots=True)
class Draft:
    """The decisions, each with its reason."""

    command: tuple[str, ...]
    why: tuple[str, ...]
    seed: SeedFound | None = None
    """None where the command holds {seed}."""
    metric: Metric | None = None
    scale: tuple[str, str] | None = None
    """In words, and where it was found."""
    train_tokens: int | None = None
    python: Interpreter = field(default_factory=Interpreter)
    env: Mapping[str, str] = field(default_factory=dict)
    """Variables that are rules: they change what is trained."""
    settings_env: Mapping[str, str] = field(default_factory=dict)
    """Variables of the machine, such as CUDA_VISIBLE_DEVICES."""
    alternatives: tuple[Line, ...] = ()
    checks: tuple[str, ...] = ()


def setup_of(draft: Draft) -> Setup:
    """The lines of settings for a draft, and what a person is told."""
    lines = [Line("rules", f"command = {toml_list(draft.command)}", draft.why)]
    lines += [line for line in draft.alternatives if line.table == "rules"]
    said = [f"Command: {' '.join(draft.command)}", *draft.why]
    checks = list(draft.checks)
    env = dict(draft.env)
    if draft.seed is not None:
        lines += _seed_lines(draft.seed, env)
        said.append(f"Seed: {draft.seed.why}.")
        checks += _seed_checks(draft.seed)
    elif env:
        lines.append(Line("rules", f"env = {toml_table(env)}"))
    if draft.train_tokens is not None:
        lines.append(
            Line("rules", f"train_tokens = {draft.train_tokens}", ("As many tokens as the script trains with.",))
        )
    if draft.scale is not None:
        words, why = draft.scale
        lines.append(Line("rules", f"scale = {toml_text(words)}", (f"{why}.",)))
        said.append(f"Scale: {words}. {why}.")
    lines += _metric_lines(draft.metric)
    if draft.metric is None:
        checks.append("No metric was found: name the pattern or file in [rules.metric]; the default reads val_loss.")
    else:
        said.append(f"Metric: {draft.metric.name}. {draft.metric.why}.")
        checks += [draft.metric.check] if draft.metric.check else []
    lines += _python_lines(draft.python)
    if draft.python.python is not None:
        said.append(f"Python: {draft.python.python}. {draft.python.why}.")
    checks += [draft.python.check] if draft.python.check else []
    if draft.settings_env:
        lines.append(Line("settings", f"env = {toml_table(dict(draft.settings_env))}"))
    return Setup(tuple(lines), tuple(said), tuple(checks))


def _seed_lines(seed: SeedFound, env: dict[str, str]) -> list[Line]:
    lines = [Line("rules", f'seed = "{seed.way}"', (f"{seed.why}.",))]
    if seed.variable is not None:
        env.setdefault(seed.variable, "{seed}")
    if env:
        lines.append(Line("rules", f"env = {toml_table(env)}"))
    if seed.replaced is not None:
        lines.append(Line("rules", f"replace_seed = {seed.replaced}"))
    if seed.way == "unseeded":
        why = 'Better: let the script seed itself with int(os.environ["SEEDPROOF_SEED"]), and write:'
        lines.append(Line("rules", 'seed = "environment"', (why,), is_active=False))
    return lines


def _seed_checks(seed: SeedFound) -> list[str]:
    if seed.check is not None:
        return [seed.check]
    if seed.way == "unseeded":
        return ["The script takes no seed, which every headline will say; let it read SEEDPROOF_SEED."]
    if seed.way == "inject":
        libraries = f" of {', '.join(seed.libraries)}" if seed.libraries else ""
        return [f"Each run's seed takes the place of {seed.replaced} in the script's own seeding{libraries}."]
    return []


def _metric_lines(metric: Metric | None) -> list[Line]:
    if metric is None:
        texts = ('name = "val_loss"', "pattern = '\\bval_loss=(?P<value>\\S+)'")
        why = ("No metric was found in logs, files and source.",)
        return [Line("rules.metric", texts[0], why, is_active=False), Line("rules.metric", texts[1], is_active=False)]
    if not metric.settings:
        return [Line("rules", "", (f"{metric.why}; the default pattern reads it.",))]
    first, *others = metric.settings
    return [Line("rules.metric", first, (f"{metric.why}.",)), *(Line("rules.metric", one) for one in others)]


def _python_lines(python: Interpreter) -> list[Line]:
    if python.python is not None:
        why = (f"{python.why}.",) if python.why else ()
        return [Line("settings", f"python = {toml_text(python.python)}", why)]
    if python.check is not None and "settings.python" in python.check:
        return [Line("settings", 'python = "/path/to/environment/bin/python"', (f"{python.why}.",), is_active=False)]
    return []


def find_metric(files: ProjectFiles, sources: Sequence[Source], output: Option | None) -> Metric | None:
    """The metric: what earlier logs have, else earlier files, else what the source prints or a library does.

    Args:
        output: The option for the output folder, whose default says where earlier files come from.
    """
    printed = printed_lines(sources)
    folders = [str(output.default)] if output is not None and output.default else []
    return (
        find_in_logs(files)
        or find_in_source(printed)
        or find_in_files(files, folders, [source.text for source in sources], output is not None)
        or find_in_logs(files, by_label=True)
        or library_metric(sources)
        or find_in_source(printed, by_label=True)
    )

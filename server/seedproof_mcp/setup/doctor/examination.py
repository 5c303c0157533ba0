"""Everything that `seedproof doctor` looks at, in the order in which a run would meet it."""

import os
from collections.abc import Iterator
from pathlib import Path

from seedproof.ledger.state import State
from seedproof.model.refusals import Refusal

from seedproof_mcp.host.settings import Config, load_config
from seedproof_mcp.runner.engines import Engines
from seedproof_mcp.service.service import Service
from seedproof_mcp.setup.doctor.finding import Finding, fault, fine, note
from seedproof_mcp.setup.doctor.hosts import look_at_hosts
from seedproof_mcp.setup.doctor.surroundings import (
    look_at_disk,
    look_at_git,
    look_at_metric,
    look_at_slot,
    look_at_state,
    read_state,
)
from seedproof_mcp.setup.doctor.training import look_at_training
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["examine"]


def examine(root: Path) -> Iterator[Finding]:
    """What is found in a project.

    Args:
        root: Its folder, resolved.
    """
    paths = ProjectPaths(root)
    state, said = read_state(paths)
    is_readable = all(one.state != "mend" for one in said)
    try:
        config = load_config(paths.settings)
    except Refusal as refusal:
        yield fault("settings", refusal.message, "Mend that line; docs/settings.md has every setting.")
        config = None
    if config is not None:
        yield from _settings(paths, config)
        yield from _next_run(paths, config, state)
        if is_readable:
            yield from look_at_metric(Service(root), state, config)
        yield from look_at_git(paths, config.settings)
        yield from look_at_disk(paths, config, state)
    yield from look_at_hosts(root, os.environ)
    yield from said
    yield from look_at_state(paths)


def _next_run(paths: ProjectPaths, config: Config, state: State) -> Iterator[Finding]:
    """Where the next run would start, as the engine says it that is chosen and configured as for that run."""
    settings = config.settings
    try:
        engine = Engines(None, paths.root).chosen(settings)
        yield from look_at_training(paths, config, engine.place())
        yield from look_at_slot(paths, settings.slot, engine, state)
    except Refusal as refusal:
        yield fault("settings", refusal.message, "Mend that; docs/settings.md has every setting.")
    except OSError as problem:
        why = f"{problem.filename}: {problem.strerror}" if problem.filename else str(problem)
        text = f'engine = "{settings.engine}" cannot tell where runs would start: {why}.'
        yield fault("settings", text, "Mend that, or choose another engine in [settings].")


def _settings(paths: ProjectPaths, config: Config) -> Iterator[Finding]:
    yield fine("settings", paths.settings.name if paths.settings.exists() else "none; the defaults hold")
    for one in config.notices():
        yield note("settings", one.message, f"See {one.code} in docs/tools.md.")

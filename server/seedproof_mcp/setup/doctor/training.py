"""What a run starts with: script, command, interpreter, packages and devices."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from seedproof.model.refusals import ScriptMissing
from seedproof.verdict.place import DEVICE_VARIABLES

from seedproof_mcp.host.command_check import command_faults
from seedproof_mcp.host.fingerprint import Surroundings
from seedproof_mcp.host.place import Place, ThisMachine
from seedproof_mcp.host.settings import Config
from seedproof_mcp.host.training_script import training_script
from seedproof_mcp.setup.doctor.finding import Finding, fault, fine, note
from seedproof_mcp.setup.project_files import list_files
from seedproof_mcp.setup.source.python_source import Source, read_source
from seedproof_mcp.system import spawn
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["look_at_training"]

ASK_S = 20.0
# Finds modules without importing them.
_QUESTION = (
    "import importlib.util, json, sys\n"
    "sys.path.insert(0, sys.argv[1])\n"
    "print(json.dumps([name for name in sys.argv[2:] if importlib.util.find_spec(name) is None]))"
)


def look_at_training(paths: ProjectPaths, config: Config, place: Place) -> Iterator[Finding]:
    """Whether the command can be started, and what it is started with.

    Args:
        place: Where the next run would start.
    """
    faults = command_faults(paths, config)
    for one in faults:
        is_script = isinstance(one, ScriptMissing)
        remedy = "`seedproof init` looks for it; [rules] command in seedproof.toml names it."
        other = "Install it, or name another one in seedproof.toml."
        yield fault("script" if is_script else "command", one.message, remedy if is_script else other)
    script = training_script(paths.root, config.rules.command)
    if not faults:
        yield fine("command", " ".join(config.rules.command))
        yield fine("script", script or "none of the project: the command starts a program")
        yield from _interpreter(paths, config, place, script)


def _interpreter(paths: ProjectPaths, config: Config, place: Place, script: str | None) -> Iterator[Finding]:
    around = Surroundings(paths, config, place)
    is_used = any("{python}" in part for part in config.rules.command)
    known = place.environment(around.python, around.env, paths.root)
    if known["version"] is None and place.machine().platform is None:  # no node of a cluster was looked at yet
        yield fine("interpreter", f"{around.python}, which the first run looks at where it starts")
        return
    if known["version"] is None:
        if is_used:
            yield fault(
                "interpreter",
                f"{around.python} does not answer as a Python does.",
                'Name the interpreter of the training: python = "…" in [settings] of seedproof.toml.',
            )
        return
    packages = "packages unknown" if known["packages"] is None else f"{len(known['packages'])} packages"
    yield fine("interpreter", f"{around.python}, {known['implementation']} {known['version']}, {packages}")
    is_here = isinstance(place, ThisMachine) and is_used
    source = read_source(paths.root, script) if is_here and script is not None else None
    missing = _missing(around.python, around.env, paths.root, source) if source is not None else []
    if missing:
        yield fault(
            "interpreter",
            f"{script} imports {', '.join(missing)}, which {around.python} does not have.",
            f'{around.python} -m pip install them, or name the environment that has them: python = "…" in [settings].',
        )
    yield from _devices(known, config)


def _devices(known: Mapping[str, object], config: Config) -> Iterator[Finding]:
    gpus = known["gpus"]
    if not isinstance(gpus, list):
        yield fine("GPU", "unlike on the nodes that were seen; each run records that of its own")
        return
    chosen = [f"{name}={value}" for name, value in config.settings.env.items() if name in DEVICE_VARIABLES]
    named = f"{', '.join(gpus)}{', driver ' + str(known['driver']) if known['driver'] else ''}"
    yield fine("GPU", "; ".join([named if gpus else "none found", *chosen]))
    if gpus and known["torch"] is not None and known["cuda"] is None:
        yield note(
            "GPU",
            f"torch {known['torch']} of the training's interpreter is built without CUDA, and there is a GPU.",
            "Install a build of torch for CUDA, if the training should use it.",
        )


def _missing(python: str, env: Mapping[str, str], root: Path, source: Source) -> list[str]:
    """The modules that a script imports in any case, and that its interpreter does not find; none if it cannot say."""
    if "sys.path" in source.text:  # it finds modules where nobody else looks
        return []
    own = {part.removesuffix(".py") for path in list_files(root).paths for part in path.split("/")}
    names = sorted(set(_imported_first(source)) - set(sys.stdlib_module_names) - own)
    if not names:
        return []
    asked = [python, "-c", _QUESTION, str((root / source.path).parent), *names]
    try:
        process = spawn.start(asked, cwd=root, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        with process:
            try:
                said, _ = process.communicate(timeout=ASK_S)
            except subprocess.TimeoutExpired:
                process.kill()
                return []
        found = json.loads(said)
    except (OSError, ValueError):
        return []
    return [one for one in found if one in names] if isinstance(found, list) else []


def _imported_first(source: Source) -> Iterator[str]:
    """What stands at the top of the file, so that nothing runs without it; not what a `try` or an `if` may skip."""
    for node in source.tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]

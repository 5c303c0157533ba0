"""Looks at a project and decides how its training is started, seeded and measured. Nothing of it is executed."""

import ast
import re
from collections.abc import Sequence
from pathlib import Path

from seedproof_mcp.setup.choose import (
    argument_positions,
    find_scale,
    output_option,
    seed_option,
    spelled,
    tokens_option,
)
from seedproof_mcp.setup.config_files import config_scale, is_config, unused_configs
from seedproof_mcp.setup.draft import Draft, find_metric, setup_of
from seedproof_mcp.setup.interpreters import find_interpreter
from seedproof_mcp.setup.launchers import Launcher, find_launchers, is_plain
from seedproof_mcp.setup.learn import CannotLearn, learn
from seedproof_mcp.setup.project_files import (
    CLOSE,
    ProjectFiles,
    Script,
    find_scripts,
    is_likely,
    list_files,
    start_of,
    with_imports,
    with_targets,
)
from seedproof_mcp.setup.seeding import find_seed, with_seed_option
from seedproof_mcp.setup.source.found import Interface, Line, Option, Setup, Style, last_word
from seedproof_mcp.setup.source.python_source import Source, called
from seedproof_mcp.setup.source.script_options import NO_SETTINGS, read_interface
from seedproof_mcp.setup.source.variables import read_variables

__all__ = ["look"]

_INLINE = re.compile(r"^# /// script$", re.MULTILINE)
_NEEDS_LAUNCHER = re.compile(r"os\.environ\[['\"](RANK|LOCAL_RANK)['\"]\]")
_ASKS_FOR_LAUNCHER = re.compile(
    r"(environ\.get|getenv)\(['\"](RANK|LOCAL_RANK)|['\"](RANK|LOCAL_RANK)['\"] in os\.environ"
)
_CONFIG = re.compile(r"^(conf|config|configs)/[\w./-]+\.(ya?ml|py|json)$|^(config|default|base|train)\.ya?ml$")
_BETTER_CONFIG = re.compile(r"(default|base|train|config)\w*\.\w+$")


def look(root: Path) -> Setup | None:
    """What to write for a project; None where nothing in it looks like a training."""
    files = list_files(root)
    scripts = [script for script in find_scripts(files) if is_likely(script)]
    launchers = find_launchers(root, files.paths)
    if not scripts:
        return _of_launcher(root, launchers, None)
    return _of_script(files, scripts, launchers)


def _of_launcher(
    root: Path, launchers: Sequence[Launcher], script: Script | None, variables: Sequence[str] = ()
) -> Setup | None:
    """What a plain line of a shell script teaches, if it starts this script, else the shell script as a whole.

    Args:
        root: The project.
        launchers: Its shell scripts.
        script: The training; None for any.
        variables: What the training cannot do without in its environment.
    """
    for launcher in launchers:
        for number, line in launcher.commands:
            words = is_plain(line)
            if words and (script is None or script.source.path in words) and _sets(words, variables):
                learned = _learned(root, words, f"{launcher.path}:{number} starts the training so.")
                if learned is not None:
                    return learned
    for launcher in launchers if script is not None else ():
        place = next((at for at, line in launcher.commands if script is not None and script.source.path in line), None)
        sets = set(variables) <= launcher.exported if variables else launcher.passes_arguments
        if place is not None and sets:
            why = f"{launcher.path}:{place} starts the training"
            why += f", and {launcher.path} sets {', '.join(variables)}." if variables else "."
            return _learned(root, ["bash", launcher.path], why)
    return None


def _sets(words: Sequence[str], variables: Sequence[str]) -> bool:
    return all(any(word.startswith(f"{name}=") for word in words) for name in variables)


def _learned(root: Path, words: Sequence[str], why: str) -> Setup | None:
    try:
        return learn(root, words, why)
    except CannotLearn:
        return None


def _of_script(files: ProjectFiles, scripts: Sequence[Script], launchers: Sequence[Launcher]) -> Setup:
    script, root = scripts[0], files.root
    sources = with_imports(root, script.source)
    interface = with_seed_option(read_interface(root, sources), sources)
    targets = [one.default for one in interface.options if last_word(one.name) in ("_target_", "class_path")]
    sources = with_targets(root, sources, targets)
    missing = _missing(interface)
    config = _config(files, missing)
    missing = [one for one in missing if config is None or not is_config(one)]
    needs_launcher = _is_distributed(script.source)
    if missing or needs_launcher:
        variables = missing if interface.style is Style.VARIABLES else ()
        learned = _of_launcher(root, launchers, script, variables)
        if learned is not None:
            return learned
    start = _start(files, script, needs_launcher)
    command, why, env = _command(script.source, sources, interface, start, config)
    tokens = tokens_option(interface)
    unused = unused_configs(interface, _config_files(files), start) if config is None else None
    output = output_option(interface)
    hydra = Option(("hydra.run.dir",), script.source.path, "outputs") if interface.framework == "Hydra" else None
    scale = config_scale(root, interface, config or ()) or find_scale(interface, sources)
    return setup_of(
        Draft(
            command,
            why,
            None if any("{seed}" in part for part in command) else find_seed(sources),
            find_metric(files, sources, output or hydra),
            None if tokens is not None else scale,
            tokens.default if tokens is not None and isinstance(tokens.default, int) else None,
            find_interpreter(root),
            env,
            _import_path(script, command),
            alternatives=tuple(_alternatives(launchers, script, unused)),
            checks=tuple(_checks(scripts, missing, needs_launcher, unused)),
        )
    )


def _checks(scripts: Sequence[Script], missing: Sequence[str], needs_launcher: bool, unused: str | None) -> list[str]:
    """What a person must look at: what is missing, and what else the project has."""
    script = scripts[0]
    checks = [f"{script.source.path} needs {', '.join(missing)}: add it to the command."] if missing else []
    checks += ["torchrun starts 1 process: set the number of GPUs in the command."] if needs_launcher else []
    close = [one.source.path for one in scripts[1:4] if one.score >= script.score - CLOSE]
    checks += (
        [f"{script.source.path} was taken for the training; {', '.join(close)} may be it as well."] if close else []
    )
    return [*checks, *([unused] if unused is not None else [])]


def _start(files: ProjectFiles, script: Script, needs_launcher: bool) -> tuple[str, ...]:
    if _INLINE.search(script.source.text) and script.program is None:
        return ("uv", "run", script.source.path)  # its packages are named in the script itself
    return ("torchrun", "--nproc_per_node=1", script.source.path) if needs_launcher else start_of(files, script)


def _import_path(script: Script, command: Sequence[str]) -> dict[str, str]:
    """Where a module in src/ is imported from, whether the package is installed or not."""
    is_below = script.source.path.startswith("src/") and "-m" in command
    return {"PYTHONPATH": "src"} if is_below else {}


def _is_distributed(source: Source) -> bool:
    """Whether it cannot start without the variables of a launcher."""
    return bool(_NEEDS_LAUNCHER.search(source.text)) and not _ASKS_FOR_LAUNCHER.search(source.text)


def _missing(interface: Interface) -> list[str]:
    """What the script cannot do without, and nothing here gives it."""
    given = {one.name for one in (seed_option(interface), output_option(interface)) if one is not None}
    tokens = tokens_option(interface)
    given |= {tokens.name} if tokens is not None else set()
    options = [one.name for one in interface.options if one.is_required and one.name not in given]
    return [*options, *(name for name in interface.positionals if name not in options)]


def _config(files: ProjectFiles, missing: Sequence[str]) -> tuple[str, ...] | None:
    """The config file that a script cannot do without, where the project has one."""
    name = next((one for one in missing if is_config(one)), None)
    found = _config_files(files)
    if name is None or not found:
        return None
    return (name, found[0]) if name.startswith("-") else (found[0],)


def _config_files(files: ProjectFiles) -> list[str]:
    """The config files of the project, those for everything first."""
    return sorted(filter(_CONFIG.match, files.paths), key=lambda path: (not _BETTER_CONFIG.search(path), path))


def _command(
    script: Source,
    sources: Sequence[Source],
    interface: Interface,
    start: tuple[str, ...],
    config: tuple[str, ...] | None,
) -> tuple[tuple[str, ...], tuple[str, ...], dict[str, str]]:
    """The template, the reasons for its parts, and the variables beside it."""
    seed, output, tokens = seed_option(interface), output_option(interface), tokens_option(interface)
    positions = argument_positions(script) if interface is NO_SETTINGS else ()
    if positions:
        return (*start, *positions, "{flags}"), (f"{script.path} takes its arguments by their place.",), {}
    why = [_takes(script, sources, interface)]
    chosen = [
        (option, field)
        for option, field in ((seed, "{seed}"), (output, "{output_dir}"), (tokens, "{train_tokens}"))
        if option is not None
    ]
    why += [f"{', '.join(f'{one.where} has {one.name}' for one, _ in chosen)}."] if chosen else []
    why += [interface.seed_why] if interface.seed_why else []
    if interface.style is Style.VARIABLES:
        parts = [part for option, field in chosen for part in spelled(interface.style, option.name, field)]
        return ("env", "{flags}", *parts, *start), (" ".join(why),), {}
    before = [part for one, field in chosen if one.stands_first for part in spelled(interface.style, one.name, field)]
    behind = [
        part for one, field in chosen if not one.stands_first for part in spelled(interface.style, one.name, field)
    ]
    command = (*start, *before, *interface.subcommand, *(config or ()), *behind, *interface.adds, "{flags}")
    variables = (
        [] if output is not None else [one for one in read_variables(sources) if last_word(one.name) in _FOLDERS]
    )
    why += [f"{one.where} reads {one.name}." for one in variables]
    return command, (" ".join(why),), {one.name: "{output_dir}" for one in variables}


_FOLDERS = ("output_dir", "out_dir", "save_dir", "run_dir", "results_dir")


def _takes(script: Source, sources: Sequence[Source], interface: Interface) -> str:
    if interface is not NO_SETTINGS:
        return f"{script.path} takes its settings from {interface.framework}."
    reads = next((place for source in sources if (place := _reads_arguments(source)) is not None), None)
    if reads is not None:
        return f"No option of {script.path} was recognised; flags work as far as {reads} reads them from sys.argv."
    return f"{script.path} has no options, so experiments are changes of the code."


def _reads_arguments(source: Source) -> str | None:
    """Where a file reads the arguments of the command by itself."""
    found = (node for node in source.nodes if isinstance(node, ast.Attribute) and called(source, node) == "sys.argv")
    return next(map(source.where, found), None)


def _alternatives(launchers: Sequence[Launcher], script: Script, unused: str | None) -> list[Line]:
    """Config files that are not used, and that a shell script starts the same file, where that says more."""
    found = [Line("rules", "", (unused,))] if unused is not None else []
    for launcher in launchers:
        for number, line in launcher.commands:
            words = is_plain(line)
            if words and script.source.path in words and words[-1] != script.source.path:
                why = f"{launcher.path}:{number} starts it with more; `seedproof init -- ` and that line take it over."
                return [*found, Line("rules", "", (why,))]
            if script.source.path in line and launcher.passes_arguments:
                why = f"{launcher.path}:{number} starts it too; `seedproof init -- bash {launcher.path}` takes it over."
                return [*found, Line("rules", "", (why,))]
    return found

"""Chooses among the options of a script: which one takes the seed, the output folder, the length of a training."""

import ast
import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from seedproof_mcp.setup.source.found import Interface, Option, Style, last_word
from seedproof_mcp.setup.source.python_source import Source, call_name, called, literal

__all__ = [
    "argument_positions",
    "find_scale",
    "is_output",
    "is_seed",
    "output_option",
    "scale_words",
    "seed_option",
    "spelled",
    "tokens_option",
]

_SEEDS = [
    "seed",
    "random_seed",
    "rng_seed",
    "seed_everything",
    "manual_seed",
    "global_seed",
    "random_state",
    "seed_value",
    "init_seed",
]
_OUTPUTS = [
    "output_dir",
    "out_dir",
    "output_folder",
    "out",
    "outdir",
    "output",
    "outputdir",
    "save_dir",
    "savedir",
    "work_dir",
    "workdir",
    "run_dir",
    "rundir",
    "default_root_dir",
    "results_dir",
    "result_dir",
    "exp_dir",
    "experiment_dir",
    "ckpt_dir",
    "checkpoint_dir",
    "checkpoints_dir",
    "output_path",
    "out_path",
    "save_path",
    "log_dir",
    "logdir",
]
_TOKENS = ("train_tokens", "total_tokens", "num_tokens", "tokens", "max_tokens")
# The names of lengths with the unit that says them; tokens are no scale in words.
_LENGTHS = (
    (re.compile(r"^(max|num|n|total)?_?(train|training)?_?(steps|updates)$"), "steps"),
    (re.compile(r"^(max|num|n|total)?_?(train|training)?_?(iters|iterations|iter)$"), "iterations"),
    (re.compile(r"^(total)?_?timesteps$"), "timesteps"),
    (re.compile(r"^(max|num|n|total)?_?(train|training)?_?epochs?$"), "epochs"),
    (re.compile(r"^(num_boost_round|num_rounds?|n_estimators|rounds)$"), "rounds"),
    (re.compile(r"^(max|time|train|training|budget|limit|wallclock|max_wallclock|_)*_?(seconds|secs|time_s|_s)$"), "s"),
    (re.compile(r"^(max|time|train|training|budget|limit|_)*_?(minutes|mins|min)$"), "min"),
    (re.compile(r"^(max|time|train|training|budget|limit|_)*_?(hours)$"), "hours"),
    (re.compile(r"^(time|time_budget|time_limit|train_time|max_time)$"), "s"),
)
_MOST_PLACES = 8


def is_seed(name: str) -> bool:
    """Whether an option's name is that of the seed."""
    return last_word(name) in _SEEDS


def is_output(name: str) -> bool:
    """Whether an option's name is that of the folder that a run writes into."""
    return last_word(name) in _OUTPUTS


def seed_option(interface: Interface) -> Option | None:
    """The option that takes the seed: the one that the script seeds itself with, else by its name."""
    return interface.seed or _best(interface.options, _SEEDS)


def output_option(interface: Interface) -> Option | None:
    """The option that takes the output folder; not one that takes a file."""
    folders = [one for one in interface.options if not PurePosixPath(str(one.default or "")).suffix]
    return _best(folders, _OUTPUTS)


def tokens_option(interface: Interface) -> Option | None:
    """The option that takes the number of training tokens."""
    return _best(interface.options, _TOKENS)


def _best(options: Sequence[Option], names: Sequence[str]) -> Option | None:
    """The option with the earliest of the names, the least nested one first."""
    ranked = [
        (names.index(last_word(name)), option.name.count("."), place, option)
        for place, option in enumerate(options)
        for name in option.names
        if option.takes_value and last_word(name) in names
    ]
    return min(ranked, key=lambda one: one[:3])[3] if ranked else None


def spelled(style: Style, name: str, value: str) -> tuple[str, ...]:
    """An option with its value, as the program reads it."""
    if style in (Style.OPTIONS, Style.PAIRS):
        return (name, value) if style is Style.PAIRS or name.startswith("-") else (f"{name}={value}",)
    return (f"{name}={value}",)


def argument_positions(script: Source) -> tuple[str, ...]:
    """The fields by their place, of a script that reads `sys.argv[1]` as its seed; none where a place is unknown."""
    found: dict[int, str] = {}
    for node in script.nodes:
        if isinstance(node, (ast.Assign, ast.Call)):
            names = [call_name(one) for one in node.targets] if isinstance(node, ast.Assign) else [call_name(node.func)]
            value = node.value if isinstance(node, ast.Assign) else node.args[0] if node.args else None
            place = _argument_place(script, value)
            if place is not None and any("seed" in name.casefold() for name in names):
                found[place] = "{seed}"
            elif place is not None and any(is_output(name) for name in names):
                found[place] = "{output_dir}"
    whole = sorted(found) == list(range(1, len(found) + 1)) and "{seed}" in found.values()
    return tuple(found[place] for place in sorted(found)) if whole else ()


def _argument_place(script: Source, node: ast.expr | None) -> int | None:
    """3 of `sys.argv[3]` and of `int(sys.argv[3])`."""
    if isinstance(node, ast.Call) and call_name(node.func) in ("int", "str") and node.args:
        node = node.args[0]
    if not isinstance(node, ast.Subscript) or called(script, node.value) != "sys.argv":
        return None
    place = literal(node.slice)
    return place if isinstance(place, int) and 0 < place < _MOST_PLACES else None


# --- how long it trains ---------------------------------------------------------------------------


def scale_words(name: str, value: object) -> str | None:
    """`300 steps` of `--max_steps 300`; None for another option, and for a value that is no length."""
    try:
        number = float(str(value))
    except ValueError:
        return None
    if isinstance(value, bool) or not 0 < number < 10**11:
        return None
    text = f"{number:g}" if number < 10**6 or number % 1 else str(int(number))
    word = last_word(name)
    unit = next((unit for pattern, unit in _LENGTHS if pattern.match(word)), None)
    return f"{text} {unit}" if unit is not None and re.fullmatch(r"[0-9][0-9.]*", text) else None


def find_scale(interface: Interface, sources: Sequence[Source]) -> tuple[str, str] | None:
    """The length of a training by default, in words, and where it stands: of an option, else of a constant."""
    for option in interface.options:
        for name in option.names:
            words = scale_words(name, option.default)
            if words is not None:
                return words, f"{option.where} has {option.name} {option.default} by default"
    for source in sources:
        for name, (value, node) in source.constants.items():
            words = scale_words(name, value)
            if words is not None and (name.isupper() or source is sources[0]):
                return words, f"{source.where(node)} sets {name} = {value}"
    return None

"""Chooses among the options of a script: which one takes the seed, the output folder, the length of a training."""

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from seedproof_mcp.setup.source.found import Interface, Option, SeedFound, Style, last_word
from seedproof_mcp.setup.source.python_source import NOTHING, Source, call_name, called, literal
from seedproof_mcp.setup.source.script_options import read_variables

__all__ = [
    "argument_positions",
    "find_scale",
    "find_seed",
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
# What `seed = "inject"` moves, and functions that call it; MLX and XGBoost seed themselves otherwise.
_INJECTED = re.compile(
    r"^random\.(seed|Random)$|^(numpy|np)\.random\.(seed|default_rng|RandomState)$|"
    r"^torch\.(cuda\.)?(manual_seed|manual_seed_all)$|^tensorflow\.random\.set_seed$|^jax\.random\.(PRNGKey|key)$|"
    r"(^|\.)(seed_everything|set_seed|seed_all|set_all_seeds|fix_seed|setup_seed|fix_random_seeds?|set_random_seed)$"
)
_OTHER_SEEDING = re.compile(r"^mlx\.core\.random\.seed$")
_SEED_VARIABLE = re.compile(r"^(\w+_)?SEED$")
_LARGEST = 2**32
_MOST_PLACES = 8


def is_seed(name: str) -> bool:
    """Whether an option's name is that of the seed."""
    return last_word(name) in _SEEDS


def is_output(name: str) -> bool:
    """Whether an option's name is that of the folder that a run writes into."""
    return last_word(name) in _OUTPUTS


def seed_option(interface: Interface) -> Option | None:
    """The option that takes the seed."""
    return _best(interface.options, _SEEDS)


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


# --- a seed without an option ---------------------------------------------------------------------


def find_seed(sources: Sequence[Source]) -> SeedFound:
    """How a script without a seed option gets its seed: a variable, or a number in the source."""
    variables = [one for one in read_variables(sources) if _SEED_VARIABLE.match(one.name)]
    own = [one for one in variables if one.name == "SEEDPROOF_SEED"]
    if own:
        return SeedFound("environment", f"{own[0].where} reads SEEDPROOF_SEED")
    if variables:
        first = min(variables, key=lambda one: len(one.name))
        return SeedFound("environment", f"{first.where} reads {first.name}", variable=first.name)
    found = list(_literal_seeds(sources))
    if found:
        number, where, call = max(found, key=lambda one: (call_rank(one[2]), -found.index(one)))
        others = sorted({one for one, _, _ in found} - {number})
        more = f"; others seed with {', '.join(map(str, others))}" if others else ""
        return SeedFound("inject", f"{where} calls {call} with {number}{more}", replaced=number)
    for source in sources:
        for node in source.calls:
            if _OTHER_SEEDING.match(called(source, node.func)):
                return SeedFound("unseeded", f"{source.where(node)} seeds with a number that nothing can replace")
    return SeedFound("unseeded", "No option, variable or call that sets a seed was found")


def call_rank(call: str) -> int:
    """torch's own seeding first: it decides the weights."""
    return 2 if call.startswith("torch.manual") else 1


def _literal_seeds(sources: Sequence[Source]) -> Iterator[tuple[int, str, str]]:
    for source in sources:
        for node in source.calls:
            name = called(source, node.func)
            if _INJECTED.search(name):
                given = [*node.args[:1], *(one.value for one in node.keywords if one.arg == "seed")]
                number = _whole(sources, source, given[0]) if given else _default_of(sources, name)
                if number is not None:
                    yield number, source.where(node), call_name(node.func)
            elif name.endswith("TrainingArguments"):
                named = {one.arg: one.value for one in node.keywords}
                number = _whole(sources, source, named["seed"]) if "seed" in named else 42  # the library's default
                if number is not None:
                    yield number, source.where(node), call_name(node.func)


def _default_of(sources: Sequence[Source], name: str) -> int | None:
    """The default of the first parameter of a function of the project."""
    last = name.rpartition(".")[2]
    for source in sources:
        for node in source.nodes:
            if isinstance(node, ast.FunctionDef) and node.name == last and node.args.defaults:
                return _whole(sources, source, node.args.defaults[0])
    return None


def _whole(sources: Sequence[Source], source: Source, node: ast.expr) -> int | None:
    """The whole number that an expression is where the script runs as one process: `1337 + rank` is 1337."""
    value = literal(node)
    if value is NOTHING and isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _whole(sources, source, node.left), _whole(sources, source, node.right)
        return left if right is None else right if left is None else left + right
    if value is NOTHING and isinstance(node, ast.Call) and call_name(node.func) == "int" and node.args:
        return _whole(sources, source, node.args[0])
    if value is NOTHING:
        value = _by_name(sources, source, node)
    is_seed_number = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _LARGEST
    return int(str(value)) if is_seed_number else None


def _by_name(sources: Sequence[Source], source: Source, node: ast.expr) -> object:
    """The value of a constant, of a class's field, or of a key of a dictionary."""
    if isinstance(node, ast.Name):
        for one in (source, *sources):
            if node.id in one.constants:
                return one.constants[node.id][0]
        local = [literal(one.value) for one in source.nodes if isinstance(one, ast.Assign) and _sets(one, node.id)]
        return local[0] if len(set(map(str, local))) == 1 else NOTHING
    word = (
        node.attr
        if isinstance(node, ast.Attribute)
        else literal(node.slice)
        if isinstance(node, ast.Subscript)
        else None
    )
    if not isinstance(word, str) or not is_seed(word):
        return NOTHING
    found = [value for one in sources for value in _fields_named(one, word)]
    return found[0] if len(set(map(str, found))) == 1 else NOTHING


def _sets(node: ast.Assign, name: str) -> bool:
    return any(isinstance(target, ast.Name) and target.id == name for target in node.targets)


def _fields_named(source: Source, word: str) -> Iterator[object]:
    for node in source.nodes:
        if isinstance(node, ast.ClassDef):
            for field in node.body:
                targets = field.targets if isinstance(field, ast.Assign) else ()
                targets = [field.target] if isinstance(field, ast.AnnAssign) else targets
                if isinstance(field, (ast.Assign, ast.AnnAssign)) and word in map(call_name, targets):
                    yield literal(field.value)
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if literal(key) == word:
                    yield literal(value)

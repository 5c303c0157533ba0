"""How a script seeds itself: from an option or variable, whatever its name, or with a number of its own."""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from seedproof_mcp.setup.choose import is_seed, seed_option
from seedproof_mcp.setup.source.found import Interface, Option, SeedFound, last_word
from seedproof_mcp.setup.source.origins import origins, uses_name
from seedproof_mcp.setup.source.python_source import NOTHING, Source, call_name, called, literal
from seedproof_mcp.setup.source.variables import read_variables

__all__ = ["find_seed", "with_seed_option"]

# What `seed = "inject"` moves, and functions that call it; MLX and XGBoost seed themselves otherwise.
_MAIN = re.compile(
    r"^random\.seed$|^(numpy|np)\.random\.seed$|^torch\.(cuda\.)?(manual_seed|manual_seed_all)$"
    r"|^tensorflow\.random\.set_seed$|^jax\.random\.(PRNGKey|key)$"
    r"|(^|\.)(seed_everything|set_seed|seed_all|set_all_seeds|fix_seed|setup_seed|fix_random_seeds?|set_random_seed)$"
)
_GENERATOR = re.compile(r"^random\.Random$|^(numpy|np)\.random\.(default_rng|RandomState)$")
_OTHER_SEEDING = re.compile(r"^mlx\.core\.random\.seed$")
_SEED_VARIABLE = re.compile(r"^(\w+_)?SEED$")
# They stand beside a seed: `args.seed + rank`.
_BESIDE = re.compile(r"(^|_)(rank|epoch|step|worker|workers|gpu|device|size|id|fold|i|idx)(_|$)")
# A worker's own seed, which follows from that of the training.
_FOLLOWS = re.compile(r"initial_seed\(|get_worker_info\(|worker_id")
_LIBRARIES = ("random", "numpy", "torch")
_LARGEST = 2**32


@dataclass(frozen=True, slots=True)
class _Seeding:
    """One call that seeds."""

    source: Source
    node: ast.Call
    given: ast.expr | None
    """What it seeds with; None where a default of the project's own function holds."""
    number: int | None
    is_main: bool
    """Whether it seeds a library; not a generator of its own, as for made-up data."""

    @property
    def words(self) -> str:
        return f"{self.source.where(self.node)} calls {call_name(self.node.func)}"


def with_seed_option(interface: Interface, sources: Sequence[Source]) -> Interface:
    """The interface with the option that the script seeds itself with, where no option is called a seed and used."""
    named = seed_option(interface)
    if named is not None and any(
        uses_name(sources, last_word(one)) for one in (*named.names, named.dest or named.name)
    ):
        return interface
    calls = _seedings(sources)
    for call in sorted(calls, key=lambda one: not one.is_main):
        option = _feeding(interface.options, sources, call)
        if option is not None and (call.is_main or not any(one.is_main for one in calls)):
            return replace(interface, seed=option, seed_why=f"{call.words} with {option.name}.")
    return interface


def _feeding(options: Sequence[Option], sources: Sequence[Source], call: _Seeding) -> Option | None:
    """The option that a call's seed comes from."""
    words = [one.casefold() for one in origins(sources, call.source, call.given) if isinstance(one, str)]
    found = [
        (words.index(word), option)
        for option in options
        for word in {*map(last_word, option.names), (option.dest or "").casefold()}
        if option.takes_value and word in words and not _BESIDE.search(word)
    ]
    by_name = [one for one in found if any("seed" in last_word(name) for name in one[1].names)]
    return min(by_name or found, key=lambda one: one[0])[1] if found else None


def find_seed(sources: Sequence[Source]) -> SeedFound:
    """How a script without a seed option gets its seed: a variable, or a number in the source."""
    variables = read_variables(sources)
    calls = _seedings(sources)
    main = [one for one in calls if one.is_main]
    own = next((one for one in variables if one.name == "SEEDPROOF_SEED"), None)
    if own is not None:
        return SeedFound("environment", f"{own.where} reads SEEDPROOF_SEED")
    fed = next(filter(None, (_feeding(variables, sources, one) for one in main or calls)), None)
    called_so = sorted((one for one in variables if _SEED_VARIABLE.match(one.name)), key=lambda one: len(one.name))
    variable = fed or next(iter(called_so), None)
    if variable is not None:
        return SeedFound("environment", f"{variable.where} reads {variable.name}", variable=variable.name)
    return _own_number(sources, main or calls, calls)


def _own_number(sources: Sequence[Source], main: Sequence[_Seeding], calls: Sequence[_Seeding]) -> SeedFound:
    """The number that the main seeding has; a generator's counts only where there is no other seeding."""
    fixed = [one for one in main if one.number is not None]
    if fixed:
        chosen = max(fixed, key=lambda one: (_rank(one), -fixed.index(one)))
        others = [one for one in calls if one.number not in (None, chosen.number)]
        numbers = sorted({one.number for one in others if one.number is not None})
        more = f"; others seed with {', '.join(map(str, numbers))}" if numbers else ""
        why = f"{chosen.words} with {chosen.number}{more}"
        says = (
            f"Each run's seed takes the place of {chosen.number} ({chosen.words}); {_and_with(others)} stays as it is."
        )
        check = says if others else None
        return SeedFound("inject", why, chosen.number, libraries=_libraries(sources), check=check)
    if main:
        shown = ast.unparse(main[0].given)[:40] if main[0].given is not None else "what it is given"
        return SeedFound(
            "unseeded",
            f"{main[0].words} with {shown}, which no option or variable that was read gives",
            check="Where the script takes its seed was not found; add it to the command as {seed}, "
            "or let the script read SEEDPROOF_SEED.",
        )
    for source in sources:
        for node in source.calls:
            if _OTHER_SEEDING.match(called(source, node.func)):
                return SeedFound("unseeded", f"{source.where(node)} seeds with a number that nothing can replace")
    return SeedFound("unseeded", "No option, variable or call that sets a seed was found")


def _and_with(others: Sequence[_Seeding]) -> str:
    return ", ".join(dict.fromkeys(f"{one.number} ({one.words})" for one in others))


def _rank(call: _Seeding) -> tuple[bool, bool]:
    """torch's own seeding first: it decides the weights; then a number that has a name."""
    return call_name(call.node.func).startswith("torch.manual"), not isinstance(call.given, ast.Constant)


def _libraries(sources: Sequence[Source]) -> tuple[str, ...]:
    """Which of the libraries whose seeding is moved the script imports."""
    modules = {module for source in sources for module in source.modules}
    return tuple(one for one in _LIBRARIES if one in modules)


def _seedings(sources: Sequence[Source]) -> list[_Seeding]:
    """Every call that seeds, in the order of the source."""
    found: list[_Seeding] = []
    for source in sources:
        for node in source.calls:
            name = called(source, node.func)
            is_main = bool(_MAIN.search(name))
            if is_main or _GENERATOR.search(name):
                given = [*node.args[:1], *(one.value for one in node.keywords if one.arg in ("seed", "x"))]
                default = None if given else _default_of(sources, name)
                follows = bool(given) and _FOLLOWS.search(ast.unparse(given[0])) is not None
                if not follows and (given or default is not None):
                    number = default if not given else _number(sources, source, given[0])
                    found.append(_Seeding(source, node, given[0] if given else None, number, is_main))
            elif name.endswith("TrainingArguments"):
                named = {one.arg: one.value for one in node.keywords}
                number = _whole(sources, source, named["seed"]) if "seed" in named else 42  # the library's default
                found.append(_Seeding(source, node, named.get("seed"), number, True))
    return found


def _default_of(sources: Sequence[Source], name: str) -> int | None:
    """The default of the first parameter of a function of the project."""
    last = name.rpartition(".")[2]
    for source in sources:
        for node in source.nodes:
            if isinstance(node, ast.FunctionDef) and node.name == last and node.args.defaults:
                return _whole(sources, source, node.args.defaults[0])
    return None


def _number(sources: Sequence[Source], source: Source, node: ast.expr) -> int | None:
    """The number that a call seeds with, also where a function of the project hands it on."""
    number = _whole(sources, source, node)
    if number is None:
        handed = {one for one in origins(sources, source, node) if isinstance(one, int)}
        number = handed.pop() if len(handed) == 1 else None
    return number


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

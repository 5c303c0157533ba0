"""Gives this process the run's seed where it seeds itself with the number that SEEDPROOF_REPLACE_SEED names.

It runs in the training: Python 3.8, and nothing imported that Python has not loaded at its start. Functions are
replaced when their module has been imported, so nothing is imported earlier than the training does it. Each call is
told in the folder that SEEDPROOF_RUN names; nothing is printed.
"""

# ruff: noqa: SIM105 (contextlib is not loaded at a Python's start)

import sys
from _thread import get_ident
from os import O_APPEND, O_CLOEXEC, O_CREAT, O_NOFOLLOW, O_WRONLY, close, environ, getpid, write
from os import open as open_descriptor

TYPE_CHECKING = False  # the name is enough for who checks types, and spares an import
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

# A run tells how often it was seeded, up to so many calls of each process.
_MOST_LINES = 1000
_BELOW = 2**32
_NUMBER_NAMES = ("seed", "a", "x")
# Launchers set one of them in each rank. Scripts add the rank to their seed, so that its ranks draw other numbers.
_WORLD_SIZES = ("WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_NTASKS")
# The modules in which functions are defined: those that hand them on copy the replaced ones.
_FUNCTIONS = {
    "numpy.random._generator": ("numpy.random", ("default_rng",)),
    "torch.random": ("torch", ("manual_seed",)),
    "torch.cuda.random": ("torch.cuda", ("manual_seed", "manual_seed_all")),
    "tensorflow.python.framework.random_seed": ("tensorflow.random", ("set_seed",)),
    "jax._src.random": ("jax.random", ("PRNGKey", "key")),
}


class _Seeds:
    """Which numbers are replaced, and the file that tells of it."""

    def __init__(self, folder: str, replaced: int, seed: int) -> None:
        self._folder = folder
        self._replaced = replaced
        self._seed = seed
        self._lines = 0
        self._kept: set[tuple[str, int]] = set()
        self._inside: set[int] = set()

    def call(self, name: str, function: "Callable[..., Any]", own: int, args: "Any", kwargs: "Any") -> "Any":
        """Call a function that seeds, with the run's seed where it was given the number to replace.

        Args:
            name: What it is called in a record.
            function: The function.
            own: How many arguments stand before the number.
            args: Its arguments.
            kwargs: Its named arguments.
        """
        thread = get_ident()
        if thread in self._inside:  # torch.manual_seed calls that of cuda with the number that it was given
            return function(*args, **kwargs)
        if len(args) > own:
            args = (*args[:own], self._instead(name, args[own]), *args[own + 1 :])
        for key in _NUMBER_NAMES:
            if key in kwargs:
                kwargs = {**kwargs, key: self._instead(name, kwargs[key])}
        self._inside.add(thread)
        try:
            return function(*args, **kwargs)
        finally:
            self._inside.discard(thread)

    def _instead(self, name: str, given: "Any") -> "Any":
        number = _whole(given)
        if number is None or not 0 <= number < _BELOW:  # numbers above were drawn at random
            return given
        offset = number - self._replaced
        if 0 <= offset < _world_size():
            self._tell("moved", name, number)
            return (self._seed + offset) % _BELOW
        if (name, number) not in self._kept and len(self._kept) < _MOST_LINES:
            self._kept.add((name, number))
            self._tell("kept", name, number)
        return given

    def _tell(self, what: str, name: str, number: int) -> None:
        if self._lines >= _MOST_LINES:
            return
        self._lines += 1
        flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW
        try:
            # Closed at once: a program that closes all its descriptors counts on the lowest numbers next.
            descriptor = open_descriptor(f"{self._folder}/{getpid()}.seeds", flags, 0o644)
            try:
                write(descriptor, f"{what}\t{name}\t{number}\n".encode())
            finally:
                close(descriptor)
        except Exception:  # an audit hook of the program may refuse it with any; then the run is not told as seeded
            pass


def _whole(given: "Any") -> "int | None":
    if isinstance(given, bool):
        return None
    if isinstance(given, int):
        return int(given)
    if type(given).__module__ == "numpy" and getattr(given, "shape", None) == ():
        try:
            return int(given.__index__())
        except Exception:
            return None
    return None


def _world_size() -> int:
    """How many ranks there are, at each call: a script may say it only once it runs."""
    sizes = [environ.get(name, "") for name in _WORLD_SIZES]
    return max([int(size) for size in sizes if size.isdigit() and len(size) < 7], default=1) or 1


# --- what is replaced ---------------------------------------------------------------------------


def _replace_functions(module: "Any", seeds: _Seeds, shown: str, names: "tuple[str, ...]") -> None:
    for name in names:
        function = getattr(module, name, None)
        if callable(function) and not _is_ours(function):
            setattr(module, name, _moved(seeds, shown + "." + name, function))


def _moved(seeds: _Seeds, name: str, function: "Callable[..., Any]") -> "Callable[..., Any]":
    def seed(*args: "Any", **kwargs: "Any") -> "Any":
        return seeds.call(name, function, 0, args, kwargs)

    return _alike(seed, function)


def _alike(ours: "Callable[..., Any]", theirs: "Any") -> "Callable[..., Any]":
    """Give a function name, module, documentation and signature of the one that it calls; pickle goes by the first."""
    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        try:
            setattr(ours, name, getattr(theirs, name))
        except (AttributeError, TypeError):
            pass
    ours.__dict__.update(getattr(theirs, "__dict__", {}))
    ours.__dict__.update({"__wrapped__": theirs, "_seedproof": True})
    return ours


def _is_ours(function: "Any") -> bool:
    """Whether a module that is loaded again still has what was put there."""
    return "_seedproof" in getattr(function, "__dict__", {})


def _replace_in_random(module: "Any", seeds: _Seeds) -> None:
    plain = module.Random.seed
    if _is_ours(plain):
        return

    def seed(self: "Any", *args: "Any", **kwargs: "Any") -> "Any":
        name = "random.seed" if self is module._inst else "random.Random"
        return seeds.call(name, plain, 1, (self, *args), kwargs)

    module.Random.seed = _alike(seed, plain)
    module.seed = module._inst.seed


class _Alike(type):
    """Makes objects of a replaced class objects of the class in its place."""

    def __instancecheck__(cls, instance: "Any") -> bool:
        plain = cls.__dict__.get("_seedproof_plain")
        return isinstance(instance, plain) if plain is not None else type.__instancecheck__(cls, instance)

    def __subclasscheck__(cls, subclass: "Any") -> bool:
        plain = cls.__dict__.get("_seedproof_plain")
        return issubclass(subclass, plain) if plain is not None else type.__subclasscheck__(cls, subclass)


def _replace_in_mtrand(module: "Any", seeds: _Seeds) -> None:
    _replace_functions(module, seeds, "numpy.random", ("seed",))
    plain, shown = module.RandomState, "numpy.random.RandomState"
    if isinstance(plain, _Alike):
        return

    # Programs ask whether something is a RandomState, so it has to stay a class; what it makes are objects of numpy's.
    def new(cls: "Any", seed: "Any" = None) -> "Any":
        return plain.__new__(cls) if cls is not replaced else seeds.call(shown, plain, 0, (seed,), {})

    def init(self: "Any", seed: "Any" = None) -> None:
        seeds.call(shown, plain.__init__, 1, (self, seed), {})

    names = {"__module__": plain.__module__, "__doc__": plain.__doc__, "__new__": new, "__init__": init}
    replaced = _Alike(plain.__name__, (plain,), {**names, "_seedproof_plain": plain})
    module.RandomState = replaced


def _replace_in_torch(module: "Any", seeds: _Seeds) -> None:
    """Replace the method of torch's generators.

    torch.compile knows them by their very type, so no subclass can stand in its place, and Python lets nobody set an
    attribute of a compiled type: its dictionary is reached by the garbage collector, which torch.compile does not see.
    """
    kind = module.Generator
    plain = kind.__dict__["manual_seed"]
    if _is_ours(plain):
        return
    import ctypes  # torch has imported it
    import gc

    def manual_seed(self: "Any", *args: "Any", **kwargs: "Any") -> "Any":
        return seeds.call("torch.Generator.manual_seed", plain, 1, (self, *args), kwargs)

    modified = ctypes.pythonapi.PyType_Modified  # looked up first: without it, nothing is changed
    (attributes,) = gc.get_referents(kind.__dict__)
    attributes["manual_seed"] = _alike(manual_seed, plain)
    modified(ctypes.py_object(kind))


# --- when it is replaced ------------------------------------------------------------------------


class _Finder:
    """Lets the other finders find a module, and replaces its functions once it is loaded."""

    def __init__(self, replacements: "Mapping[str, Callable[[Any], None]]") -> None:
        self._replacements = replacements
        self._busy: set[tuple[str, int]] = set()

    def find_spec(self, name: str, path: "Any" = None, target: "Any" = None) -> "Any":
        key = (name, get_ident())
        if name not in self._replacements or key in self._busy:
            return None
        self._busy.add(key)
        try:
            spec = self._found_by_others(name, path, target)
        finally:
            self._busy.discard(key)
        if spec is not None:
            _after_loading(spec.loader, name, self._replacements[name])
        return spec

    def _found_by_others(self, name: str, path: "Any", target: "Any") -> "Any":
        for finder in list(sys.meta_path):
            find = getattr(finder, "find_spec", None)
            spec = None if finder is self or find is None else find(name, path, target)
            if spec is not None:
                return spec
        return None


def _after_loading(loader: "Any", name: str, replace: "Callable[[Any], None]") -> None:
    """Let a loader replace functions once, behind its own work; it stays the loader that it is."""
    run = getattr(loader, "exec_module", None)
    if run is None or isinstance(loader, type) or "exec_module" in getattr(loader, "__dict__", {}):
        return

    def exec_module(module: "Any") -> None:
        if getattr(module, "__name__", None) != name:  # a loader may serve a whole archive
            run(module)
            return
        loader.__dict__.pop("exec_module", None)
        run(module)
        _replace_in(module, replace)

    try:
        loader.exec_module = exec_module
    except (AttributeError, TypeError):
        pass


def _replace_in(module: "Any", replace: "Callable[[Any], None]") -> None:
    try:
        replace(module)
    except Exception:  # a version with other names: the training goes on, and is told as not seeded
        pass


def start() -> None:
    """Replace functions in what this process has imported already, and in what it imports from now on."""
    folder = environ.get("SEEDPROOF_RUN", "")
    replaced, seed = environ.get("SEEDPROOF_REPLACE_SEED", ""), environ.get("SEEDPROOF_SEED", "")
    if not folder or not replaced.isdigit() or not seed.isdigit():
        return
    seeds = _Seeds(folder, int(replaced), int(seed))
    replacements = {
        "random": lambda module: _replace_in_random(module, seeds),
        "numpy.random.mtrand": lambda module: _replace_in_mtrand(module, seeds),
        "torch": lambda module: _replace_in_torch(module, seeds),
        **{name: _of_functions(seeds, *where) for name, where in _FUNCTIONS.items()},
    }
    for name, replace in replacements.items():
        if name in sys.modules:
            _replace_in(sys.modules[name], replace)
    sys.meta_path.insert(0, _Finder(replacements))


def _of_functions(seeds: _Seeds, shown: str, names: "tuple[str, ...]") -> "Callable[[Any], None]":
    return lambda module: _replace_functions(module, seeds, shown, names)

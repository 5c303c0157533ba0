"""The files of a project that matter for setting it up: a bounded walk, the file that trains, and what it imports."""

import itertools
import os
import re
import tomllib
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from seedproof_mcp.setup.source.python_source import Source, call_name, literal, read_source, read_text

__all__ = [
    "CLOSE",
    "ProjectFiles",
    "Script",
    "find_scripts",
    "is_likely",
    "list_files",
    "start_of",
    "with_imports",
    "with_targets",
]

_MOST_ENTRIES = 20_000
_DEEPEST = 6
_MOST_READ = 25  # scripts that are parsed, the likeliest names first
_MOST_TEXT = 512 * 1024  # of all of them, and of what a script imports; parsing 1 MB takes about a second
_BY_TEXT = 20  # points that the text of a script can add to those of its name
CLOSE = 10
"""Points between two scripts that may both be the training."""
_MOST_IMPORTS = 30
_SKIPPED = frozenset(
    [
        "node_modules",
        "__pycache__",
        "site-packages",
        "data",
        "dataset",
        "datasets",
        "checkpoints",
        "build",
        "dist",
        "env",
        "envs",
        "venv",
        "virtualenv",
        "third_party",
        "vendor",
        "docs",
        "wandb",
        "mlruns",
    ]
)
_NAMES = (
    (re.compile(r"^train$"), 100),
    (re.compile(r"^train_(llm|gpt|model|net)$"), 96),
    (re.compile(r"^(train_\w+|\w+_train|run_train\w*)$"), 88),
    (re.compile(r"^(pre_?train\w*|fine_?tun\w*|sft\w*)$"), 84),
    (re.compile(r"^main$"), 80),
    (re.compile(r"^(run|fit|run_\w+|main_\w+|cli|__main__)$"), 66),
    (re.compile(r"^(trainer|training|experiment|\w*train\w*)$"), 56),
)
_OTHER_NAME = 20
_NOT_TRAINING = re.compile(
    r"(^|_)(test|tests|eval|evaluate|sample|generate|plot|prepare|download|export|setup|conftest|utils|infer\w*|predict|"
    r"convert|preprocess|benchmark|visuali[sz]e|demo|serve)(_|$)"
)
_AWAY = re.compile(r"(^|/)(tests?|examples?|scripts?|tools|benchmarks?|notebooks|legacy|old|archive)/")
_TRAINS = re.compile(
    r"\.backward\(|\.fit\(|\btrainer\.train\(|\.train\(|optimizer\.step\(|xgb\.train|lgb\.train|value_and_grad|"
    r"LightningCLI|hydra\.main|loss"
)
_LIKELY = 30


@dataclass(frozen=True)
class ProjectFiles:
    """Paths of the project's files, relative to it, of a bounded part of its tree."""

    root: Path
    paths: tuple[str, ...]
    is_whole: bool
    """Whether everything was listed."""

    @cached_property
    def known(self) -> frozenset[str]:
        """The same as a set."""
        return frozenset(self.paths)


@dataclass(frozen=True)
class Script:
    """A file that may be the training."""

    source: Source
    score: int
    program: str | None = None
    """The program that starts it, of pyproject.toml."""


def list_files(root: Path) -> ProjectFiles:
    """The files that may say how the project trains; not those of environments, data and hidden folders.

    Folders near the top come first, so that a large folder of data hides no script. Links to folders are not followed.
    """
    found: list[str] = []
    waiting = deque([""])
    seen = 0
    while waiting and seen <= _MOST_ENTRIES:
        folder = waiting.popleft()
        names, below = _entries(root / folder)
        seen += len(names) + len(below)
        prefix = f"{folder}/" if folder else ""
        if "pyvenv.cfg" in names or "conda-meta" in below:
            continue
        found += [prefix + name for name in names if _is_text(name)]
        if folder.count("/") < _DEEPEST:
            waiting.extend(prefix + name for name in below if _is_entered(name) and _is_text(name))
    return ProjectFiles(root, tuple(found), not waiting)


def _entries(folder: Path) -> tuple[list[str], list[str]]:
    """The names of the files and of the folders in a folder, of a bounded number of entries."""
    names: list[str] = []
    below: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in itertools.islice(entries, _MOST_ENTRIES):
                if entry.is_dir(follow_symlinks=False):
                    below.append(entry.name)
                elif not entry.is_symlink() or os.path.isfile(entry.path):
                    names.append(entry.name)
    except OSError:
        pass
    return sorted(names), sorted(below)


def _is_entered(name: str) -> bool:
    return not name.startswith(".") and name.casefold() not in _SKIPPED and not name.endswith(".egg-info")


def _is_text(name: str) -> bool:
    return name.isprintable() and not any("\ud800" <= sign <= "\udfff" for sign in name)


# --- the file that trains -------------------------------------------------------------------------


def find_scripts(files: ProjectFiles) -> list[Script]:
    """Files that may be the training, the likeliest first."""
    names = sorted((-_score_of_path(path), path) for path in files.paths if path.endswith(".py"))
    found: list[Script] = []
    size = 0
    for score, path in names[:_MOST_READ]:
        if size > _MOST_TEXT or any(one.score > _BY_TEXT + CLOSE - score for one in found):
            break
        source = read_source(files.root, path)
        size += len(source.text) if source is not None else 0
        if source is not None and source.is_program:
            found.append(Script(source, -score + _score_of_text(source)))
    found += _entry_points(files, {one.source.path for one in found})
    return sorted(found, key=lambda one: (-one.score, one.source.path.count("/"), one.source.path))


def _score_of_path(path: str) -> int:
    name = PurePosixPath(path).stem.casefold().replace("-", "_")
    score = next((points for pattern, points in _NAMES if pattern.match(name)), _OTHER_NAME)
    score -= 60 if _NOT_TRAINING.search(name) else 0
    score -= 20 if _AWAY.search(path) else 0
    return score - 3 * path.count("/")


def _score_of_text(source: Source) -> int:
    """Whether it looks like a training: 10 for a sign of one, 10 for a seed, 15 less without either."""
    trains, seeds = bool(_TRAINS.search(source.text)), "seed" in source.text.casefold()
    return 10 * trains + 10 * seeds - (0 if trains or seeds else 15)


def is_likely(script: Script) -> bool:
    """Whether a file is worth a command: by its name, or by its name and what stands in it."""
    return script.score >= _LIKELY


def start_of(files: ProjectFiles, script: Script) -> tuple[str, ...]:
    """What starts a script: its path; its module where it imports from its own package, which a path does not know."""
    if script.program is not None:
        return (script.program,)
    source = script.source
    path = PurePosixPath(source.path)
    is_package = str(path.parent / "__init__.py") in files.known
    has_relative = any(name.startswith(".") for name in source.imported.values())
    if path.name == "__main__.py" and path.parent.name:
        return ("{python}", "-m", ".".join(_package(path.parent)))
    if (is_package or has_relative) and path.parent.name:
        top = _package(path)[0]
        if has_relative or any(name.partition(".")[0] == top for name in source.imported.values()):
            return ("{python}", "-m", ".".join(_package(path.with_suffix(""))))
    return ("{python}", source.path)


def _package(path: PurePosixPath) -> tuple[str, ...]:
    return path.parts[1:] if path.parts[0] == "src" and len(path.parts) > 1 else path.parts


def _entry_points(files: ProjectFiles, known: set[str]) -> Iterator[Script]:
    """Programs that pyproject.toml makes of functions, where no file starts the function itself."""
    try:
        document = tomllib.loads(read_text(files.root / "pyproject.toml") or "")
    except (tomllib.TOMLDecodeError, RecursionError):
        return
    project = document.get("project")
    scripts = project.get("scripts") if isinstance(project, dict) else None
    for name, target in scripts.items() if isinstance(scripts, dict) else ():
        module = str(target).partition(":")[0].replace(".", "/")
        for path in (f"{module}.py", f"src/{module}.py", f"{module}/__init__.py", f"src/{module}/__init__.py"):
            source = read_source(files.root, path) if path in files.known and path not in known else None
            if source is not None:
                plain = name.casefold().replace("-", "_")
                points = next((one for pattern, one in _NAMES if pattern.match(plain)), _OTHER_NAME)
                score = max(points, _score_of_path(path)) + _score_of_text(source)
                yield Script(source, score, name)


# --- what it imports from the project -------------------------------------------------------------


def with_imports(root: Path, source: Source) -> tuple[Source, ...]:
    """The script, and the files of the project that it imports; those that packages of it import as well."""
    found = [source]
    waiting = [(source, 0)]
    seen = {source.path}
    size = len(source.text)
    while waiting and len(found) <= _MOST_IMPORTS and size < 2 * _MOST_TEXT:
        one, depth = waiting.pop(0)
        for path in _imported_paths(root, one, source):
            if path in seen:
                continue
            seen.add(path)
            other = read_source(root, path)
            if other is None:
                continue
            size += len(other.text)
            found.append(other.without_guard())
            if depth == 0 or path.endswith("__init__.py"):
                waiting.append((other, depth + 1))
    return tuple(found)


def with_targets(root: Path, sources: tuple[Source, ...], targets: Sequence[object]) -> tuple[Source, ...]:
    """The sources, and the modules of the project that a config file names, as `_target_` of Hydra does."""
    names = [target for target in targets if isinstance(target, str) and target.count(".") > 0]
    paths = [f"{name.rpartition('.')[0].replace('.', '/')}.py" for name in names[:_MOST_IMPORTS]]
    known = {one.path for one in sources}
    read = [read_source(root, path) for path in dict.fromkeys(paths) if path not in known and ".." not in path]
    return (*sources, *(one.without_guard() for one in read if one is not None))


def _imported_paths(root: Path, source: Source, script: Source) -> Iterator[str]:
    folder = PurePosixPath(source.path).parent
    names = list(source.imported.values())
    # `exec(open("configurator.py").read())` is an import as well.
    opened = [literal(node.args[0]) for node in source.calls if call_name(node.func) == "open" and node.args]
    texts = [text for text in opened if isinstance(text, str) and text.endswith(".py")]
    yield from (text for text in texts if not text.startswith("/") and ".." not in text)
    for name in names:
        level = len(name) - len(name.lstrip("."))
        parts = name.lstrip(".").split(".")
        bases = [PurePosixPath(*folder.parts[: len(folder.parts) - level + 1])] if level else []
        bases = bases or [PurePosixPath(script.path).parent, PurePosixPath(), PurePosixPath("src")]
        for base in bases:
            for length in (len(parts), len(parts) - 1):
                module = base.joinpath(*parts[:length])
                for path in (f"{module}.py", f"{module}/__init__.py"):
                    if length and (root / path).is_file():
                        yield path

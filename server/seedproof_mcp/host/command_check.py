"""Whether the command of the rules can be started: its interpreter, its program and its script are looked for."""

import difflib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seedproof.model.refusals import ProgramMissing, Refusal, ScriptMissing
from seedproof.model.rules import Rules
from seedproof.model.template import find_module, find_script
from seedproof.phases.calls import check_call

from seedproof_mcp.host.fingerprint import interpreter
from seedproof_mcp.host.settings import Config
from seedproof_mcp.host.training_env import expand_home, training_env
from seedproof_mcp.host.training_script import training_script
from seedproof_mcp.system.paths import ProjectPaths
from seedproof_mcp.system.tree_walk import walk

__all__ = ["command_fault", "command_faults"]

# What lies behind these programs as a plain word with such an ending is a script; others may mean what they write.
_LAUNCHERS = ("{python}", "python", "torchrun", "accelerate", "deepspeed", "uv", "conda", "poetry", "bash", "sh", "env")
# More files than this are no project whose names a person mixes up, and looking at them takes long.
_MOST_FILES = 5000
_LEFT_OUT = frozenset({"node_modules", "__pycache__", "checkpoints", "wandb", "site-packages"})


def command_fault(paths: ProjectPaths, config: Config) -> Refusal | None:
    """Why the command cannot be started, as the refusal that says it; None where nothing is known against it."""
    return next(_check_of(paths, config).faults(), None)


def command_faults(paths: ProjectPaths, config: Config) -> list[Refusal]:
    """Everything that is known against it."""
    return list(_check_of(paths, config).faults())


def _check_of(paths: ProjectPaths, config: Config) -> "_Check":
    python = interpreter(paths, config.settings)
    return _Check(
        paths.root,
        tuple(map(expand_home, config.rules.command)),
        python,
        config.settings.python,
        training_env(paths.root, python, config.settings),
        has_settings=paths.settings.exists() or config.rules.command != Rules().command,
    )


@dataclass(frozen=True)
class _Check:
    root: Path
    command: tuple[str, ...]
    python: str
    named: str | None
    """The interpreter as the settings name it."""
    env: Mapping[str, str]
    has_settings: bool = True
    """Whether there is a file of settings; without one the command is the default one."""

    def faults(self) -> Iterator[Refusal]:
        """Each thing that is missing, in the order in which a start would meet it."""
        for text in (self._interpreter(), *map(self._program, self._programs()), self._uv()):
            if text is not None:
                yield ProgramMissing(text, check_call("Shows where the protocol stands once the program is there."))
        text = self._module() if find_module(self.command) is not None else self._script()
        if text is not None:
            yield ScriptMissing(text, check_call("Shows where the protocol stands once the script is there."))

    # --- programs -----------------------------------------------------------------------------

    def _interpreter(self) -> str | None:
        is_needed = self.named is not None or any("{python}" in part for part in self.command)
        if not is_needed or self._is_executable(self.python):
            return None
        if self.named is None:
            return "no python3 is on the PATH; settings.python in seedproof.toml names the interpreter of the training."
        return f"settings.python in seedproof.toml is {self.named}, and there is no such program."

    def _programs(self) -> Iterator[str]:
        """The program that the command begins with, and the one that `env` starts."""
        rest = list(self.command)
        if os.path.basename(rest[0]) == "env":
            yield rest.pop(0)
            while rest and "=" in rest[0] and not rest[0].startswith("-"):
                if rest.pop(0).startswith("PATH="):
                    return
            rest = rest[1:] if rest[:1] == ["--"] else rest
        if rest and "{" not in rest[0] and not rest[0].startswith("-"):
            yield rest[0]

    def _program(self, program: str) -> str | None:
        if self._is_executable(program):
            return None
        says = "the command in seedproof.toml names the program"
        if "/" not in program:
            return f"{program} is no program on the PATH of the training; {says}{self._meant_program(program)}"
        if (self.root / program).is_file():
            return f"{program} is not executable; make it so (chmod +x {program}), or begin the command with its shell."
        where = "does not exist" if program.startswith("/") else "is not in the project folder"
        return f"{program} {where}; {says}{self._meant(program, is_program=True)}"

    def _is_executable(self, program: str) -> bool:
        if "/" not in program:
            return shutil.which(program, path=self.env.get("PATH", os.defpath)) is not None
        path = self.root / program
        return path.is_file() and os.access(path, os.X_OK)

    def _uv(self) -> str | None:
        """That `uv run` has no environment: it would make an empty one in the snapshot."""
        *_, program = ["", *self._programs()]
        others = {"--no-project", "--isolated", "--script", "--active", "--with", "--project", "--directory"}
        if os.path.basename(program) != "uv" or "run" not in self.command or others & {*self.command}:
            return None
        is_project = (self.root / "pyproject.toml").is_file()
        places = (self.root, *self.root.parents)
        if not is_project or "UV_PROJECT_ENVIRONMENT" in self.env or any((one / ".venv").is_dir() for one in places):
            return None
        script = training_script(self.root, self.command)
        if script is not None and b"# /// script" in _content(self.root / script):
            return None
        return "uv run finds no environment in the project, and runs install nothing; run `uv sync` there first."

    # --- scripts ------------------------------------------------------------------------------

    def _module(self) -> str | None:
        """That a module is missing from a package of the project; another one may be installed."""
        module = find_module(self.command) or ""
        first, *inner = module.split(".")
        packages = [place for top in ("", "src") if (place := self.root / top / first).is_dir()]
        if not inner or not packages or training_script(self.root, self.command) is not None:
            return None
        folder = Path(packages[0], *inner[:-1])
        if any(folder.glob(f"{inner[-1]}.*")):
            return None  # a compiled one
        names = [_module_name(self.root, self.root / one) for one in self._files() if one.endswith(".py")]
        last = difflib.get_close_matches(inner[-1], {one.rpartition(".")[2] for one in names}, 5, 0.6)
        close = difflib.get_close_matches(module, [one for one in names if one.rpartition(".")[2] in last], 1)
        if not close and not (packages[0] / "__init__.py").is_file():
            return None  # a folder that only has the name of an installed package
        says = f"the package {first} in the project has no module {module}; the command in seedproof.toml names it"
        return f"{says}{_did_you_mean(close)}"

    def _script(self) -> str | None:
        script = find_script(self.command)
        if script is None or (self.root / script).is_file() or any(one.isspace() for one in script):
            return None
        before = self.command[self.command.index(script) - 1] if script in self.command[1:] else ""
        program = os.path.basename(self.command[0])
        if before.startswith("-") and not program.startswith(_LAUNCHERS):
            return None  # the value of an option of a program that is not known
        if not self.has_settings:
            return (
                f"there is no seedproof.toml, and no {script} in the project folder, which is trained without one; "
                "`seedproof init` writes it."
            )
        says = f"{script} is not in the project folder; the command in seedproof.toml names the script"
        return f"{says}{self._meant(script)}"

    # --- what may be meant --------------------------------------------------------------------

    def _meant(self, name: str, *, is_program: bool = False) -> str:
        """The end of a sentence that names a missing file, with the file of the project that is called most alike."""
        ending = os.path.splitext(name)[1]
        files = [one for one in self._files() if os.path.splitext(one)[1] == ending]
        if is_program:
            files = [one for one in files if os.access(self.root / one, os.X_OK)]
        base, plain = os.path.basename(name), name.removeprefix("./")
        found = [one for one in files if os.path.basename(one) == base] or difflib.get_close_matches(plain, files, 1)
        if not found:
            by_base = {os.path.basename(one): one for one in files}
            found = [by_base[one] for one in difflib.get_close_matches(base, list(by_base), 1)]
        return _did_you_mean([f"./{one}" for one in found] if is_program else found)

    def _meant_program(self, name: str) -> str:
        if (self.root / name).is_file():
            return _did_you_mean([f"./{name}"])
        folders = self.env.get("PATH", os.defpath).split(os.pathsep)
        names = sorted({one for folder in folders for one in _names(folder)})
        return _did_you_mean(difflib.get_close_matches(name, names, 1, 0.75))

    def _files(self) -> Sequence[str]:
        """Files of the project by relative path, without hidden folders and environments."""
        found: list[str] = []
        for parent, folders, names in walk(self.root):
            keep = (one for one in folders if not one.startswith(".") and one not in _LEFT_OUT)
            folders[:] = sorted(one for one in keep if not os.path.exists(os.path.join(parent, one, "pyvenv.cfg")))
            found += sorted(os.path.relpath(os.path.join(parent, one), self.root) for one in names)
            if len(found) > _MOST_FILES:
                break
        return found


def _did_you_mean(names: Sequence[str]) -> str:
    """The end of a sentence, with the name that is most alike if there is one."""
    return f"; did you mean {names[0]}?" if names else "."


def _module_name(root: Path, path: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    parts = parts[1:] if parts[0] == "src" else parts
    return ".".join(parts[:-1] if parts[-1] == "__main__" else parts)


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""

"""Every change to the machine is made by three modules of `system`, and each is a failure point of the fault tests."""

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import seedproof
import seedproof_mcp
from seedproof_mcp.supervisor.observation import BOOTSTRAP
from seedproof_mcp.system import files, locks, spawn

from tests.support.faults import CHANGES

PACKAGES = (Path(seedproof.__file__).parent, Path(seedproof_mcp.__file__).parent)
CHANGING = {Path(one.__file__) for one in (files, locks, spawn)}

# Elsewhere no function of these modules is called at all, except the readers.
MODULES = ("fcntl", "multiprocessing", "mmap", "pty", "shutil", "sqlite3", "subprocess", "tempfile")
OF_OS = {
    *("write", "writev", "pwrite", "pwritev", "sendfile", "copy_file_range", "splice", "truncate", "ftruncate"),
    *("fsync", "fdatasync", "sync", "posix_fallocate", "fdopen", "lockf"),
    *("mkdir", "makedirs", "mkfifo", "mknod", "symlink", "link"),
    *("rename", "renames", "replace", "unlink", "remove", "rmdir", "removedirs"),
    *("chmod", "fchmod", "lchmod", "chown", "fchown", "lchown", "chflags", "utime", "setxattr", "removexattr"),
    *("fork", "forkpty", "posix_spawn", "posix_spawnp", "system", "popen", "startfile"),
    *(name for name in dir(os) if name.startswith(("spawn", "exec"))),
}
# As methods: of paths, of what a path opens, and of anyio, asyncio and logging.
METHODS = {
    *("write_text", "write_bytes", "mkdir", "touch", "symlink_to", "hardlink_to", "rename", "unlink", "rmdir"),
    *("chmod", "lchmod", "open_process", "run_process", "create_subprocess_exec", "create_subprocess_shell"),
    *("FileHandler", "RotatingFileHandler", "TimedRotatingFileHandler"),
}
WRITES = {"O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND"}
READERS = {"shutil.which"}
# By file and call, with the reason.
EXCEPTIONS = {
    "slurm.py: os.utime": "the time at which Slurm last said that a job goes on, which its file carries",
    "slurm_commands.py: subprocess.CompletedProcess": "starts nothing: the answer of a program that has ended",
    "fork_server.py: os.fork": "the supervisor of a run, from a process that has loaded it already",
    "export.py: path.open": "a file of the user's, where the user names it",
    "board.py: webbrowser.open": "the browser of a person who has called for the board",
    "output.py: os.open": "what is left in the buffer of a command goes nowhere once its reader has left",
    "story.py: tempfile.mkdtemp": "the demonstration makes the project that it then shows, as a user makes his own",
    "story.py: tempfile.TemporaryFile": "what the demonstration's server complains of, until the demonstration ends",
}
# What the three call of these modules and what changes nothing.
LOOKS = {
    *("close", "fstat", "listdir", "lseek", "path", "read", "scandir", "set_inheritable", "stat", "statvfs"),
    *("urandom", "fspath", "lstat", "readlink", "getpid", "major", "minor"),
}


def sources() -> list[Path]:
    """All modules but those three, and what runs in the training's Python instead of ours."""
    every = [path for package in PACKAGES for path in sorted(package.rglob("*.py"))]
    found = [path for path in every if path not in CHANGING and path.parent != Path(BOOTSTRAP)]
    assert len(found) > 50
    return found


def changes_in(text: str) -> Iterator[str]:
    """The calls in a program that change something, and imports that would hide them."""
    program = ast.parse(text)
    constants = {
        target.id: one.value
        for one in program.body
        if isinstance(one, ast.Assign)
        for target in one.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(program):
        if isinstance(node, ast.ImportFrom) and node.module in ("os", *MODULES):
            yield f"from {node.module} import {', '.join(one.name for one in node.names)}"
        elif isinstance(node, ast.Import):
            yield from (f"import {one.name} as {one.asname}" for one in node.names if one.asname and _is_ours(one.name))
        elif isinstance(node, ast.Call) and _is_change(node, constants):
            yield ast.unparse(node.func)


def _is_ours(module: str) -> bool:
    return module in ("os", "pathlib", *MODULES)


def _is_change(call: ast.Call, constants: dict[str, ast.expr]) -> bool:
    whole = ast.unparse(call.func)
    if whole == "open":
        return _writes(call, 1)
    if not isinstance(call.func, ast.Attribute) or whole in READERS:
        return False
    of, name = ast.unparse(call.func.value), call.func.attr
    if of == "os" and name == "open":
        flags = call.args[1] if len(call.args) > 1 else None
        names = _flags(constants.get(flags.id) if isinstance(flags, ast.Name) else flags)
        return not names or bool(WRITES & names)
    if of == "os":
        return name in OF_OS
    if of.split(".")[0] in MODULES:
        return True
    if name == "open":
        return _writes(call, 0)
    # Of a string there are two arguments, of a date and of a data class there are names.
    is_path_replace = name == "replace" and len(call.args) == 1 and not call.keywords
    return of not in ("files", "locks") and (name in METHODS or is_path_replace)


def _writes(call: ast.Call, place: int) -> bool:
    modes = [one.value for one in call.keywords if one.arg == "mode"] or call.args[place : place + 1]
    mode = modes[0] if modes else ast.Constant("r")
    return not (isinstance(mode, ast.Constant) and isinstance(mode.value, str) and not set(mode.value) & set("wax+"))


def _flags(node: ast.AST | None) -> set[str]:
    """The names of the flags; none where that cannot be told."""
    parts = [] if node is None else [one for one in ast.walk(node) if isinstance(one, ast.expr)]
    if not all(isinstance(one, ast.BinOp) or ast.unparse(one) == "os" or _is_flag(one) for one in parts):
        return set()
    return {one.attr for one in parts if isinstance(one, ast.Attribute)}


def _is_flag(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr.startswith("O_")


def test_outside_three_modules_nothing_is_written_renamed_removed_locked_or_started() -> None:
    found = {f"{path.name}: {one}" for path in sources() for one in changes_in(path.read_text())}
    assert found == set(EXCEPTIONS)


@pytest.mark.parametrize(
    "line",
    [
        *("os.write(1, b'x')", "os.open(path, os.O_WRONLY)", "os.open(path, flags)", "os.replace(a, b)", "os.utime(a)"),
        *("path.write_text('x')", "path.replace(other)", "path.open('w')", "path.open(mode='ab')", "open(path, 'x')"),
        *("open(path, mode)", "open(path, 'r+')", "self.folder.path.unlink(missing_ok=True)", "Path(a).mkdir()"),
        *("shutil.rmtree(path)", "tempfile.mkdtemp()", "fcntl.flock(1, 2)", "subprocess.run(['true'])", "os.fork()"),
        *("from os import replace", "import os as system", "from subprocess import Popen", "os.execv(a, b)"),
        *("os.open(path, os.O_RDONLY | more)", "_FLAGS = os.O_RDWR\nos.open(path, _FLAGS)"),
        *("tempfile.NamedTemporaryFile().write(b'')", "os.posix_spawn(a, b, c)", "path.touch()", "a.symlink_to(b)"),
    ],
)
def test_a_change_that_passes_by_them_is_found(line: str) -> None:
    assert list(changes_in(line))


@pytest.mark.parametrize(
    "line",
    [
        *("text.replace('a', 'b')", "moment.replace(tzinfo=UTC)", "replace(run, state=state)", "path.open('rb')"),
        *(
            "open(path)",
            "os.open(path, os.O_RDONLY)",
            "files.rename(a, b)",
            "shutil.which('git')",
            "sys.stderr.write(a)",
        ),
        *("os.kill(pid, 15)", "path.read_text()", "subprocess.PIPE", "import os.path"),
        *("_FLAGS = os.O_RDONLY | os.O_DIRECTORY\nos.open(name, _FLAGS, dir_fd=folder)",),
    ],
)
def test_what_only_looks_is_let_through(line: str) -> None:
    assert not list(changes_in(line))


def test_whatever_they_call_is_a_failure_point_or_changes_nothing() -> None:
    called: dict[str, set[str]] = {name: set() for name in CHANGES}
    programs = [ast.parse(path.read_text()) for path in CHANGING]
    for node in [node for program in programs for node in ast.walk(program)]:
        if isinstance(node, ast.ImportFrom) and node.module in CHANGES:
            raise AssertionError(f"a test cannot replace what is imported from {node.module}")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            of = ast.unparse(node.func.value)
            assert of != "ctypes" or node.func.attr == "CDLL", "the only function of C is fallocate"
            called.get(of, set()).add(node.func.attr)
            known = of in CHANGES or not list(changes_in(ast.unparse(node)))
            assert known, f"no stand-in for {ast.unparse(node.func)}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert not list(changes_in(ast.unparse(node)))
    assert called["os"] > {"open", "write", "fsync"}
    for module, names in called.items():
        assert names - LOOKS <= set(CHANGES[module]), module
    assert not LOOKS & {name for names in CHANGES.values() for name in names}

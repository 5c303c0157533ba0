"""What a Python training records of the files that it opens, and that it runs as it does without that."""

import ast
import json
import os
import py_compile
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from seedproof_mcp.supervisor.observation import BOOTSTRAP

from tests.support.reads import observed, recorded
from tests.support.supervised import LocalRuns, Run, eventually

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
ENVIRONMENT = {"PATH": os.defpath}


def files(local: LocalRuns, *names: str) -> None:
    for name in names:
        (local.work / name).parent.mkdir(parents=True, exist_ok=True)
        (local.work / name).write_text(f"content of {name}")


def ended(local: LocalRuns, run: Run, code: int = 0) -> Run:
    result = local.result(run)
    assert result["exit_code"] == code, run.log.decode(errors="replace")
    assert run.paths.supervisor_log.read_bytes() == b""
    return run


def test_its_modules_are_python_3_8() -> None:
    sources = sorted(Path(BOOTSTRAP).glob("*.py"))
    assert [one.name for one in sources] == ["seedproof_recorder.py", "seedproof_seeds.py", "sitecustomize.py"]
    for source in sources:
        ast.parse(source.read_text(), feature_version=(3, 8))


def test_what_is_opened_is_recorded_by_how_it_is_opened(local: LocalRuns) -> None:
    files(local, "read", "bytes", "path", "low", "both", "appended", "both-appended", "emptied", "refilled", "updated")
    code = """
import io, pathlib
open("read").read(); open("read").read()
open(b"bytes"); pathlib.Path("path").read_text()
os.close(os.open("low", os.O_RDONLY))
open("both", "r+"); open("appended", "a"); open("both-appended", "a+"); open("emptied", "w"); open("refilled", "w+")
os.open("updated", os.O_RDWR | os.O_CREAT)
os.open("created", os.O_RDWR | os.O_CREAT)
open("new", "x"); open("new").read()
for mode in ("r", "r+"):
    try: open("nowhere", mode)
    except FileNotFoundError: pass
os.listdir("."); os.open(".", os.O_RDONLY); open(0); open("/dev/null"); open("/proc/self/stat").read()
"""
    run = ended(local, local.submit(code))
    found = recorded(run.paths, local.work)
    seen = (local.work / "read").stat()
    facts = tuple(map(str, (seen.st_size, seen.st_ino, seen.st_mtime_ns, seen.st_ctime_ns)))
    assert found.read["read"] == facts
    assert found.read["nowhere"] == ("-", "-", "-", "-")
    reads = {"read", "bytes", "path", "low", "both", "both-appended", "updated", "new", "nowhere"}
    assert set(found.read) == reads
    writes = {"both", "appended", "both-appended", "emptied", "refilled", "updated", "created", "new", "nowhere"}
    assert found.written == writes
    assert found.lines == len(reads) + len(writes)
    pid, _, program, version = found.processes[0]
    assert (int(pid), program) == (run.started["pid"], sys.executable)
    assert version == ".".join(map(str, sys.version_info[:3]))
    assert observed(run.paths)["observed"] == "fully"
    assert observed(run.paths)["processes"] == len(found.processes) == 1


def test_modules_are_recorded_as_their_sources_and_extensions_as_imported(local: LocalRuns) -> None:
    files(local, "package/__init__.py", "package/part.py")
    for name in ("package/__init__.py", "package/part.py"):
        (local.work / name).write_text("value = 1\n")
    import _json  # a compiled module that every Python of ours has

    run_code = "sys.path.insert(0, ''); import package.part, _json"
    first = ended(local, local.submit(run_code))
    assert list((local.work / "package/__pycache__").iterdir()) != []
    second = ended(local, local.submit(run_code))
    for run in (first, second):
        found = recorded(run.paths, local.work)
        assert set(found.read) == {"package/__init__.py", "package/part.py"}
        assert found.read["package/part.py"][0] == str(len("value = 1\n"))
        assert found.written == set()
        if origin := getattr(_json, "__file__", None):
            assert os.path.basename(origin) in recorded(run.paths, Path(origin).parent).imported


def test_a_compiled_module_that_claims_to_need_no_check_is_checked(local: LocalRuns) -> None:
    module = local.work / "module.py"
    module.write_text("value = 'hidden'")
    py_compile.compile(str(module), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    module.write_text("value = 'source'")
    run = ended(local, local.submit("import sys; sys.path.insert(0, '.'); import module; print(module.value)"))
    assert run.log.decode().strip() == "source"


def test_names_of_any_kind_are_recorded(local: LocalRuns) -> None:
    names = [b"two\nlines", b"a\ttab", b"back\\slash\\n", b"\xff\xfe not utf-8", "größe".encode(), b" spaces "]
    for name in names:
        Path(os.fsdecode(os.fsencode(local.work) + b"/" + name)).write_text("x")
    run = ended(
        local, local.submit("for name in os.listdir(b'.'): open(name).close(); open(os.fsdecode(name)).close()")
    )
    assert sorted(recorded(run.paths, local.work).read) == sorted(map(os.fsdecode, names))


def test_relative_paths_are_those_of_the_folder_at_that_time(local: LocalRuns) -> None:
    files(local, "one/data", "two/data", "two/inner/other")
    os.symlink("two/inner", local.work / "link")
    code = """
os.chdir("one"); open("data")
os.chdir("../two"); open("./data"); open("../one//data"); open("inner/../data")
os.chdir(".."); open("link/../data")
"""
    found = recorded(ended(local, local.submit(code)).paths, local.work)
    assert {os.path.realpath(local.work / name) for name in found.read} == {
        str(local.work / name) for name in ("one/data", "two/data")
    }
    # Behind a link `..` is another folder, so such a path stays as it is.
    assert set(found.read) >= {"one/data", "two/data", "link/../data"}


def test_a_file_that_is_deleted_or_rewritten_after_reading_is_recorded_as_it_was(local: LocalRuns) -> None:
    files(local, "gone", "rewritten")
    before = (local.work / "rewritten").stat()
    code = (
        "open('gone').read(); os.unlink('gone'); open('rewritten').read(); open('rewritten', 'w').write('longer ' * 9)"
    )
    found = recorded(ended(local, local.submit(code)).paths, local.work)
    assert found.read["gone"][0] == str(len("content of gone"))
    assert found.read["rewritten"][0] == str(before.st_size)
    assert found.written == {"rewritten"}


def test_a_file_that_may_not_be_read_fails_as_ever_and_is_recorded(local: LocalRuns) -> None:
    files(local, "secret")
    # A name too long cannot be opened by root either.
    code = """
for name in ("secret/below", "n" * 300, "nul\\0", "\\ud800"):
    try: open(name)
    except (OSError, ValueError) as problem: print(type(problem).__name__)
"""
    run = ended(local, local.submit(code))
    assert run.log.decode().split() == ["NotADirectoryError", "OSError", "ValueError", "UnicodeEncodeError"]
    assert set(recorded(run.paths, local.work).read) == {"secret/below", "n" * 300}


WORKER = """
def work(name):
    open(name).close()
    os._exit(0)
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_of_multiprocessing_that_leave_at_once_are_recorded(local: LocalRuns, method: str) -> None:
    files(local, "shared", "one", "two")
    (local.work / "train.py").write_text(
        f"import multiprocessing, os\n{WORKER}\n"
        "if __name__ == '__main__':\n"
        "    open('shared').close()\n"
        f"    context = multiprocessing.get_context({method!r})\n"
        "    workers = [context.Process(target=work, args=(name,)) for name in ('one', 'two')]\n"
        "    for one in workers: one.start()\n"
        "    for one in workers: one.join()\n"
    )
    run = ended(local, local.submit(argv=[sys.executable, "train.py"]))
    found = recorded(run.paths, local.work)
    assert set(found.read) == {"train.py", "shared", "one", "two"}
    assert len(found.processes) >= 3
    assert observed(run.paths)["observed"] == "fully"


def test_fork_exec_chains_and_programs_in_between_are_followed(local: LocalRuns) -> None:
    files(local, "forked", "executed", "below")
    code = """
import subprocess
if os.fork() == 0:
    open("forked").close()
    os._exit(0)
os.wait()
subprocess.run(["/bin/sh", "-c", f"{sys.executable} -c 'open(\\"below\\").close()'"], check=True)
os.execv(sys.executable, [sys.executable, "-c", "open('executed').close()"])
"""
    run = ended(local, local.submit(code))
    found = recorded(run.paths, local.work)
    assert set(found.read) == {"forked", "executed", "below"}
    assert sorted(int(pid) for pid, *_ in found.processes).count(run.started["pid"]) == 2
    assert observed(run.paths)["observed"] == "fully"


def test_a_forked_process_does_not_write_into_the_record_of_its_parent(local: LocalRuns) -> None:
    files(local, *(f"data/{number}" for number in range(200)))
    code = """
first, own = os.getpid(), []
for _ in range(3):
    child = os.fork()
    own = own + [child] if child else []
for number in range(200): open(f"data/{number}").close()
for child in own: os.waitpid(child, 0)
if os.getpid() != first: os._exit(0)
"""
    run = ended(local, local.submit(code))
    found = recorded(run.paths, local.work)
    assert len(found.processes) == 8
    assert found.lines == 8 * 200


def test_threads_that_open_a_hundred_thousand_times_lose_none(local: LocalRuns) -> None:
    files(local, *(f"data/{number}" for number in range(25_000)))
    code = """
import threading
def work(first):
    for number in range(first, 25000): open(f"data/{number}").close()
    for number in range(first): open(f"data/{number}").close()
threads = [threading.Thread(target=work, args=(first,)) for first in (0, 6000, 12000, 18000)]
for one in threads: one.start()
for one in threads: one.join()
"""
    found = recorded(ended(local, local.submit(code)).paths, local.work)
    assert set(found.read) == {f"data/{number}" for number in range(25_000)}


def test_a_program_that_closes_all_descriptors_gets_the_numbers_it_expects(local: LocalRuns) -> None:
    files(local, "before", "after")
    code = """
open("before").close()
os.closerange(0, 4096)
standard = os.open("/dev/null", os.O_RDWR), os.open("said", os.O_WRONLY | os.O_CREAT), os.dup2(1, 2)
open("after").close()
print(standard)
"""
    run = ended(local, local.submit(code))
    assert (local.work / "said").read_text() == "(0, 1, 2)\n"
    found = recorded(run.paths, local.work)
    assert {"before", "after"} == set(found.read)
    assert observed(run.paths)["observed"] == "fully"


def test_a_program_that_uses_the_number_of_the_record_keeps_its_file(local: LocalRuns) -> None:
    files(local, "after")
    code = """
mine = os.open("mine", os.O_WRONLY | os.O_CREAT)
for number in os.listdir("/dev/fd"):
    if int(number) > mine + 1: os.dup2(mine, int(number))
open("after").close()
os.write(mine, b"mine alone")
"""
    run = ended(local, local.submit(code))
    assert (local.work / "mine").read_bytes() == b"mine alone"
    assert set(recorded(run.paths, local.work).read) == {"after"}


def test_audit_hooks_of_the_program_work_and_may_raise(local: LocalRuns) -> None:
    files(local, "seen", "forbidden", "forked")
    code = """
sys.audit("open"); sys.audit("open", 1); sys.audit("exec", 1); sys.audit("import")
def hook(event, args):
    if event == "open":
        print(os.path.basename(str(args[0])))
        if "forbidden" in str(args[0]) or "reads" in str(args[0]): raise RuntimeError("not this one")
sys.addaudithook(hook)
open("seen").close()
try: open("forbidden")
except RuntimeError as problem: print(problem)
sys.stdout.flush()
if os.fork() == 0:
    open("forked").close()
    os._exit(0)
print(os.waitstatus_to_exitcode(os.wait()[1]))
"""
    run = ended(local, local.submit(code))
    lines = run.log.decode().split("\n")
    assert lines[:3] == ["seen", "forbidden", "not this one"]
    assert lines[-2] == "0"
    assert {"seen", "forbidden"} <= set(recorded(run.paths, local.work).read)


def test_what_a_signal_handler_raises_arrives_wherever_it_strikes(local: LocalRuns) -> None:
    """A handler that raises while the hook runs: an exception that the hook kept would be lost."""
    code = """
class Late(Exception): pass
def late(number, frame): raise Late
signal.signal(signal.SIGALRM, late)
arrived = 0
for attempt in range(500):
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0005)
        while True:
            try: open(f"no/./{attempt}/{time.perf_counter()}")
            except OSError: pass
    except Late:
        arrived += 1
print(arrived)
"""
    assert ended(local, local.submit(code)).log == b"500\n"


# --- what the program sees of it -------------------------------------------------------------------

SHOW = """
import json
print(json.dumps([sys.path, sorted(sys.modules), sys.flags[:], sorted(sys.path_importer_cache), sys.stdin.read()]))
"""


@pytest.mark.parametrize("search", [None, "", "lib", "lib::/nowhere"])
@pytest.mark.parametrize("flags", [[], ["-P"], ["-s"]])
def test_a_program_finds_its_search_path_and_modules_as_without(
    local: LocalRuns, search: str | None, flags: list[str]
) -> None:
    (local.work / "lib").mkdir()
    environment = ENVIRONMENT if search is None else {**ENVIRONMENT, "PYTHONPATH": search}
    argv = [sys.executable, *(flags if sys.version_info >= (3, 11) else []), "-c", "import sys\n" + SHOW]
    alone = subprocess.run(argv, cwd=local.work, env=environment, stdin=subprocess.DEVNULL, capture_output=True)
    run = ended(local, local.submit(argv=argv, env=environment))
    assert json.loads(run.log) == json.loads(alone.stdout)
    assert set(observed(run.paths)) == {"observed", "why", "processes", "sampled"}
    assert observed(run.paths)["observed"] == "fully"


@pytest.mark.parametrize(
    "customizes",
    [
        "import sys; sys.marked = [__file__, __name__, list(sys.path), sys.modules['sitecustomize'].__file__]",
        "raise ValueError('of the user')",
        "import a_module_that_is_not_there",
        "import sys; sys.exit(3)",
        "def broken(:",
    ],
    ids=["works", "raises", "does not find", "exits", "does not compile"],
)
def test_the_users_sitecustomize_runs_as_python_runs_it(local: LocalRuns, customizes: str) -> None:
    files(local, "site/sitecustomize.py", "site/usercustomize.py")
    (local.work / "site/sitecustomize.py").write_text(customizes + "\n")
    (local.work / "site/usercustomize.py").write_text("import sys; sys.user = True\n")
    argv = [
        sys.executable,
        "-c",
        "import sys; print(getattr(sys, 'marked', None), getattr(sys, 'user', None), 'sitecustomize' in sys.modules)\n"
        "try: import sitecustomize; print(sitecustomize)\n"
        "except Exception as problem: print(repr(problem))",
    ]
    environment = {**ENVIRONMENT, "PYTHONPATH": str(local.work / "site")}
    alone = subprocess.run(argv, cwd=local.work, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    run = ended(local, local.submit(argv=argv, env=environment), alone.returncode)
    # Where Python shows a traceback it has more calls; else both say the same.
    ours, theirs = (
        [line for line in said.decode().splitlines() if not line.startswith("  ")] for said in (run.log, alone.stdout)
    )
    assert ours == theirs
    assert "site/sitecustomize.py" in recorded(run.paths, local.work).read


def test_a_virtual_environment_and_its_children_are_recorded(local: LocalRuns, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    files(local, "data")
    python = str(tmp_path / "venv/bin/python")
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'open(\"data\")'], check=True)"
    run = ended(local, local.submit(argv=[python, "-c", code]))
    found = recorded(run.paths, local.work)
    assert set(found.read) == {"data"}
    assert {program for _, _, program, _ in found.processes} == {python}


def test_a_module_that_is_run_by_name_and_changes_its_folder_is_recorded(local: LocalRuns) -> None:
    files(local, "package/__init__.py", "elsewhere/data")
    (local.work / "package/__init__.py").write_text("")
    (local.work / "package/__main__.py").write_text("import os; os.chdir('elsewhere'); open('data').close()\n")
    run = ended(local, local.submit(argv=[sys.executable, "-m", "package"]))
    assert set(recorded(run.paths, local.work).read) == {
        "package/__init__.py",
        "package/__main__.py",
        "elsewhere/data",
    }


def test_the_environment_tells_nothing_of_the_run(local: LocalRuns) -> None:
    shutil.rmtree(local.prepare().paths.folder)
    run = local.prepare("print(dict(os.environ))", env={**ENVIRONMENT, "LC_ALL": "C.UTF-8"})
    told = run.paths.folder.rename(run.paths.folder.with_name("g1-confirm-idea-s7-a1"))
    local.engine.submit(told)
    eventually((told / "result.json").exists)
    said = ast.literal_eval((told / "output.log").read_text())
    assert set(said) == {"PATH", "LC_ALL", "PYTHONPATH", "PYTHONUNBUFFERED", "SEEDPROOF_RUN"}
    assert said["PYTHONPATH"] == BOOTSTRAP
    folder, token = os.path.split(said["SEEDPROOF_RUN"])
    assert folder == str(told.parent / ".reads")
    assert len(token) == 32
    assert not os.path.exists(said["SEEDPROOF_RUN"])
    assert (told / "reads/observed.json").exists()
    shutil.rmtree(told)


# --- what cannot be recorded --------------------------------------------------------------------------


@linux_only
def test_a_full_disk_disturbs_nothing_and_is_told(local: LocalRuns) -> None:
    """A limit on the size of files, which ends a write as a full disk does."""
    files(local, *(f"data/{number}" for number in range(500)))
    code = """
import resource
folder = os.environ["SEEDPROOF_RUN"]
(record,) = os.listdir(folder)
size = os.path.getsize(os.path.join(folder, record))
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 5000, resource.RLIM_INFINITY))
for number in range(500): open(f"data/{number}").close()
print("trained")
"""
    run = ended(local, local.submit(code))
    assert run.log == b"trained\n"
    found = recorded(run.paths, local.work)
    assert 0 < len(found.read) < 500
    said = observed(run.paths)
    assert (said["observed"], said["why"]) == ("partly", "the record of what it read could not be written to its end")

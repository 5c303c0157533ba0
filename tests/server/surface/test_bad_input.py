"""Arguments and projects that nobody would send on purpose: one clear sentence each, never a traceback."""

import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.callers import tools
from tests.support.in_process import quick_tools
from tests.support.seeds import SEEDS

TOOLS = ("check_baseline", "run_seed", "compare", "write_report", "list_experiments", "stop_run")
ARGUMENTS = {
    "check_baseline": (),
    "run_seed": (
        *("experiment", "seed", "flags", "hypothesis", "role", "code_change"),
        *("attempt", "queue_all", "new_baseline", "wait_s"),
    ),
    "compare": ("experiment", "against"),
    "write_report": ("experiment",),
    "list_experiments": ("offset", "limit"),
    "stop_run": ("run_id", "reason"),
}

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(
        ["null", "42", "[]", "{}", "../x", "a\0b", "x" * 5000, "NaN", "\ud800".encode("utf-8", "replace")]
    ).map(lambda value: value if isinstance(value, str) else value.decode()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    tool = draw(st.sampled_from(TOOLS))
    names = st.sampled_from((*ARGUMENTS[tool], "unknown"))
    arguments = draw(st.dictionaries(names, values, min_size=1, max_size=4))
    return tool, {**arguments, **({"wait_s": 0} if tool == "run_seed" and "wait_s" not in arguments else {})}


@pytest.mark.slow
@given(st.lists(calls(), min_size=10, max_size=10))
@settings(max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
def test_malformed_arguments_are_answered_with_a_code_and_start_nothing(
    tmp_path_factory: pytest.TempPathFactory, many: list[tuple[str, dict[str, Any]]]
) -> None:
    import anyio

    async def story() -> None:
        folder = tmp_path_factory.mktemp("junk")
        async with quick_tools(folder) as call:  # no script: nothing could be started in earnest
            for tool, arguments in many:
                answer = await call(tool, **arguments)
                if answer.is_error:
                    assert answer.code != "internal_error", (tool, arguments, answer.text)
                    assert "Traceback" not in answer.text
                    assert len(answer.text) < 4000
        assert list(folder.iterdir()) == []

    anyio.run(story)


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        ("run_seed", {"seed": "42"}, "seed: Input should be a valid integer"),
        ("run_seed", {"seed": 42.0}, "seed: Input should be a valid integer"),
        ("run_seed", {"seed": True}, "seed: Input should be a valid integer"),
        ("run_seed", {"flags": '["--lr", "1"]'}, "flags: Input should be a valid list"),
        ("run_seed", {"flags": [1]}, "flags.0: Input should be a valid string"),
        ("run_seed", {"queue_all": "true"}, "queue_all: Input should be a valid boolean"),
        ("run_seed", {"wait_s": -1}, "wait_s: Input should be greater than or equal to 0"),
        ("run_seed", {"wait_s": 1e9}, "wait_s: Input should be less than or equal to 3600"),
        ("run_seed", {"role": "cheat"}, "role: Input should be 'measure', 'control' or 'confirm'"),
        ("run_seed", {"attempt": 0}, "attempt: Input should be greater than or equal to 1"),
        ("run_seed", {"lr": 0.1}, "lr: unknown argument"),
        ("compare", {}, "experiment: Field required"),
        ("compare", {"experiment": None}, "experiment: Input should be a valid string"),
        ("list_experiments", {"limit": 101}, "limit: Input should be less than or equal to 100"),
        ("check_baseline", {"force": True}, "force: unknown argument"),
        ("stop_run", {"run_id": "x"}, "reason: Field required"),
    ],
)
async def test_each_kind_of_wrong_type_is_named(project: Path, tool: str, arguments: dict[str, Any], says: str) -> None:
    async with quick_tools(project) as call:
        answer = await call(tool, **arguments)
    assert answer.code == "bad_arguments"
    assert says in answer.text
    assert not (project / ".seedproof").exists()


async def test_the_word_null_is_a_name_and_not_nothing(project: Path) -> None:
    async with quick_tools(project) as call:
        await call.measure_baseline()
        answer = await call("write_report", experiment="null")
    assert answer.code == "experiment_unknown"


# --- projects -----------------------------------------------------------------------------------

is_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")


async def test_without_a_script_nothing_is_written_and_the_refusal_names_it(tmp_path: Path) -> None:
    async with quick_tools(tmp_path) as call:
        answer = await call("run_seed")
    assert answer.code == "script_missing"
    assert "there is no seedproof.toml, and no train_llm.py in the project folder, " in answer.text
    assert list(tmp_path.iterdir()) == []


@is_root
async def test_a_project_that_cannot_be_written_is_told_and_can_still_be_read(project: Path) -> None:
    project.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        async with quick_tools(project) as call:
            assert (await call("check_baseline")).data["phase"] == "unmeasured"
            answer = await call("run_seed")
    finally:
        project.chmod(stat.S_IRWXU)
    assert answer.code == "not_writable"
    assert "make the project folder writable" in answer.text


async def test_a_file_where_the_state_folder_should_be_is_told(project: Path) -> None:
    (project / ".seedproof").write_text("mine")
    async with quick_tools(project) as call:
        answer = await call("run_seed")
    assert answer.code == "not_writable"
    assert (project / ".seedproof").read_text() == "mine"


async def test_every_tool_answers_on_unreadable_settings_and_works_again_once_they_are_mended(project: Path) -> None:
    settings_file = project / "seedproof.toml"
    arguments: dict[str, dict[str, str]] = {
        "compare": {"experiment": "a"},
        "stop_run": {"run_id": "x", "reason": "y"},
    }
    async with quick_tools(project) as call:
        settings_file.write_text("[rules]\nwinner_sigma = 'two'\n")
        for tool in TOOLS:
            answer = await call(tool, **arguments.get(tool, {}))
            assert answer.code == "bad_settings", answer.text
            assert "line 2: rules.winner_sigma" in answer.text
        settings_file.unlink()
        assert (await call("check_baseline")).data["phase"] == "unmeasured"


@pytest.mark.parametrize("content", [b"not a ledger\n", b'{"hello": "world"}\n', b"\0\0\n{}\n" * 3, b"[]\n"])
async def test_a_foreign_ledger_is_refused_by_every_tool_and_left_alone(project: Path, content: bytes) -> None:
    ledger = ProjectPaths(project).ledger
    ledger.parent.mkdir()
    ledger.write_bytes(content)
    async with quick_tools(project) as call:
        for tool in ("check_baseline", "run_seed", "list_experiments"):
            answer = await call(tool)
            assert answer.code == "ledger_damaged", answer.text
    assert ledger.read_bytes() == content


@pytest.mark.parametrize("place", [".seedproof/ledger.jsonl", "docs/research/ledger.jsonl"])
async def test_a_folder_in_the_place_of_ledger_or_mirror_is_told_by_every_tool(project: Path, place: str) -> None:
    arguments: dict[str, dict[str, str]] = {
        "compare": {"experiment": "a"},
        "stop_run": {"run_id": "x", "reason": "y"},
    }
    async with quick_tools(project) as call:
        await call("run_seed")
        (project / place).unlink(missing_ok=True)
        (project / place).mkdir(parents=True)
        for number in range(40):  # a folder that is larger than the ledger counts as the longer of the two
            (project / place / f"{number:0250}").touch()
        for tool in TOOLS:
            answer = await call(tool, **arguments.get(tool, {}))
            assert answer.text.startswith(f"ledger_damaged: {place} cannot be read (Is a directory). "), answer.text
            assert f"`ls -ld {place}`" in answer.text
        shutil.rmtree(project / place)
        assert (await call("check_baseline")).code is None


@is_root
@pytest.mark.parametrize("place", [".seedproof/ledger.jsonl", "docs/research/ledger.jsonl"])
async def test_a_ledger_that_may_not_be_read_is_told(project: Path, place: str) -> None:
    async with quick_tools(project) as call:
        await call.measure_baseline()
        await call("write_report")
    (project / place).chmod(0)
    async with quick_tools(project) as call:
        answer = await call("check_baseline")
    (project / place).chmod(0o600)
    assert answer.text.startswith(f"ledger_damaged: {place} cannot be read (Permission denied). "), answer.text


async def test_two_servers_on_one_project_see_the_same_runs(project: Path) -> None:
    async with tools(project) as one, tools(project) as other:
        await one("run_seed", queue_all=True, wait_s=0)
        for number, seed in enumerate(SEEDS):
            caller = (one, other)[number % 2]
            answer = await caller("run_seed", seed=seed, wait_s=60)
            assert answer.data["state"] == "succeeded"
        first, second = await one("check_baseline"), await other("check_baseline")
        assert first.data == second.data
    requests = [
        json.loads(line)["run_id"]
        for line in ProjectPaths(project).ledger.read_bytes().splitlines()
        if json.loads(line)["kind"] == "run_requested"
    ]
    assert len(requests) == len(set(requests)) == 5

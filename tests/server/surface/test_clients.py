"""Clients that misbehave, and many at once: junk, huge calls, hanging up, clocks that jump."""

import json
import math
import random
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import pytest
import seedproof_mcp.ledger.file
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from seedproof_mcp.runner.engines import Slot
from seedproof_mcp.service.service import Service
from seedproof_mcp.system.paths import ProjectPaths

from tests.server.service.test_guards import customize
from tests.server.surface.test_bad_input import ARGUMENTS, TOOLS, values
from tests.support.amounts import amount
from tests.support.callers import Answer, Caller, tools
from tests.support.in_process import InProcessEngine, in_process_service, quick_tools
from tests.support.real_runs import FIRST, records, started
from tests.support.seeds import SEEDS
from tests.support.servers import INITIALIZE, INITIALIZED, ask, call_of, hang_up, raw_server, tell
from tests.support.supervised import is_gone
from tests.support.waiting import PATIENCE_S, wait_until

JUNK_LINES = amount(sample=1_000, whole=5_000, soak=50_000)
MALFORMED = amount(sample=200, whole=2_000, soak=10_000)
PER_EXAMPLE = 30
CLIENTS = amount(sample=3, whole=8, soak=32)
DAY_S = 86_400

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
Server = subprocess.Popen[bytes]


# --- junk on the wire -------------------------------------------------------------------------------


def junk(line: int) -> bytes:
    """A line that no client would send on purpose; never a call that trains."""
    draw = random.Random(line)
    call = json.dumps(call_of(line + 10, draw.choice(["compare", "list_experiments", "x"]), experiment="a")).encode()
    place = draw.randrange(len(call))
    return [
        lambda: draw.randbytes(draw.randrange(200)).replace(b"\n", b""),
        lambda: call[:place],
        lambda: call[:place] + draw.randbytes(1).replace(b"\n", b"") + call[place + 1 :],
        lambda: b"\xff\xfe\xc3(" + call,
        lambda: b"\0" * draw.randrange(1, 300),
        lambda: b"[" * draw.randrange(1, 5_000),
        lambda: b'{"a":' * 300 + b"1" + b"}" * 300,
        lambda: call.replace(b'"a"', b"[" * 150 + b"]" * 150),
        lambda: call.replace(b'"a"', b'"\\ud800"'),
        lambda: draw.choice([b"", b"null", b"[]", b"{}", b"0", b'"x"', b"NaN", b"\r", b"\xe2\x80\xa8"]),
        lambda: json.dumps(draw.choice(STRANGE)).encode(),
    ][line % 11]()


STRANGE: list[Any] = [
    {"jsonrpc": "2.0", "id": 1},
    {"jsonrpc": "2.0", "id": None, "method": "tools/call"},
    {"jsonrpc": "2.0", "id": [], "method": "ping"},
    {"jsonrpc": "1.0", "id": 2, "method": "ping"},
    {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": 3}},
    {"jsonrpc": "2.0", "id": 4, "method": "tools/call", "params": {"name": "compare", "arguments": []}},
    {"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": []},
    {"jsonrpc": "2.0", "id": 6, "method": "no/such"},
    {"jsonrpc": "2.0", "id": 7, "method": "resources/read", "params": {"uri": "file:///etc/passwd"}},
    {"jsonrpc": "2.0", "id": 8, "method": "initialize"},
    {"jsonrpc": "2.0", "id": 9, "result": {}},
    {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 12345}},
    {"jsonrpc": "2.0", "method": "notifications/progress", "params": None},
]


def opened(process: Server) -> Server:
    """The server after its handshake."""
    ask(process, INITIALIZE)
    tell(process, INITIALIZED)
    return process


@pytest.mark.sampled
def test_a_good_call_is_answered_after_thousands_of_lines_of_junk_and_stdout_has_only_the_protocol(
    project: Path,
) -> None:
    def send(process: Server) -> None:
        assert process.stdin is not None
        for line in range(JUNK_LINES):
            process.stdin.write(junk(line) + b"\n")
        tell(process, call_of(9_999_999, "check_baseline"))

    with raw_server(project) as process:
        opened(process)
        sender = threading.Thread(target=send, args=(process,))
        sender.start()
        answers = list(_until(process, 9_999_999))
        sender.join(PATIENCE_S)
        rest, _ = hang_up(process)
        assert process.returncode == 0
    assert rest == b""
    assert all(answer["jsonrpc"] == "2.0" for answer in answers)
    assert "Traceback" not in json.dumps(answers)
    assert answers[-1]["result"]["structuredContent"]["phase"] == "unmeasured"
    assert not (project / ".seedproof").exists()


def _until(process: Server, number: int) -> Iterator[dict[str, Any]]:
    """The messages up to an answer; each line has to be JSON."""
    assert process.stdout is not None
    for line in process.stdout:
        message = json.loads(line)
        yield message
        if message.get("id") == number:
            return


# --- calls that are too long ------------------------------------------------------------------------

HUGE = "x" * 20_000_000
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


def memory_peak_mb(process: Server) -> float:
    """The most memory that the process has had."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1000


def with_id_last(call: dict[str, Any]) -> dict[str, Any]:
    """The same call as other clients write it down."""
    return {"method": call["method"], "params": call["params"], "jsonrpc": "2.0", "id": call["id"]}


@pytest.mark.slow
@linux_only
def test_arguments_of_20_mb_are_refused_and_cost_the_server_no_memory(project: Path) -> None:
    trap = {"id": 3, "x": '"id":4}'}  # an argument of that name is not the call's id
    calls = [
        call_of(10, "compare", experiment=HUGE),
        with_id_last(call_of(11, "run_seed", experiment="a", flags=["--a", HUGE], hypothesis="h")),
        {**call_of(12, "stop_run", run_id=HUGE, reason=trap), "id": "twelve"},
        with_id_last(call_of(13, "write_report", experiment=trap, more=[HUGE, trap])),
        call_of(14, "check_baseline", **{HUGE: 1}),
        call_of(15, "run_seed", flags=["-"] * 4_000_000),
    ]
    with raw_server(project) as process:
        opened(process)
        answers = [ask(process, call)["result"] for call in calls]
        tell(process, {"jsonrpc": "2.0", "method": "notifications/x", "params": {"x": HUGE}})  # nobody waits for it
        good = ask(process, call_of(16, "check_baseline"))
        peak_mb = memory_peak_mb(process)
        rest, errors = hang_up(process)
    for answer in answers:
        assert answer["isError"]
        assert answer["structuredContent"]["refusal"] == {
            "code": "bad_arguments",
            "message": "the call is longer than 1 MB; give names, flags and words, not data.",
        }
    assert good["result"]["structuredContent"]["phase"] == "unmeasured"
    assert peak_mb < 200
    assert rest == b""
    assert b"a line of 20000" in errors
    assert not (project / ".seedproof").exists()


def test_a_client_of_2026_gets_the_same_refusal(project: Path) -> None:
    huge = call_of(2, "compare", experiment=HUGE)
    with raw_server(project) as process:
        ask(process, {"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": ENVELOPE}})
        params = huge["params"]
        answers = [
            ask(process, {**huge, "params": order})
            for order in ({"_meta": ENVELOPE, **params}, {**params, "_meta": ENVELOPE})
        ]
    for answer in answers:
        assert answer["result"]["structuredContent"]["refusal"]["code"] == "bad_arguments", answer


# --- malformed arguments ----------------------------------------------------------------------------


def _is_words(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_seconds(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 3600


# What is right at first sight, by argument: everything else must be refused whatever stands beside it.
RIGHT = {
    "experiment": lambda value: (
        _is_words(value) and (value is None or re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", value))
    ),
    "seed": lambda value: value is None or (_is_whole(value) and value in SEEDS),
    "flags": lambda value: value is None or (isinstance(value, list) and all(isinstance(one, str) for one in value)),
    "hypothesis": _is_words,
    "role": lambda value: value in ("measure", "control", "confirm"),
    "code_change": lambda value: value is False,
    "attempt": lambda value: value is None or (_is_whole(value) and value >= 1),
    "queue_all": lambda value: isinstance(value, bool),
    "new_baseline": lambda value: _is_words(value) and (value is None or value.strip()),
    "wait_s": _is_seconds,
    "offset": lambda value: _is_whole(value) and value >= 0,
    "limit": lambda value: _is_whole(value) and 1 <= value <= 100,
    "run_id": lambda value: False,  # any text is of no run
    "reason": lambda value: isinstance(value, str),
}
# What no run has and no experiment is called, and what breaks parsers.
anything = values | st.sampled_from(
    [[[[]] * 3] * 3, 10**400, -0.0, 1e308, "\u202e\x1b[31m", "--seed", "🦀" * 500, {"": {}}]
)


def _nested(depth: int) -> Any:
    made: Any = "x"
    for _ in range(depth):
        made = [made]
    return made


@st.composite
def malformed(draw: st.DrawFn, tool: str) -> list[dict[str, Any]]:
    """Many arguments of which one cannot be right: each drawn value in each form and place."""
    names = (*ARGUMENTS[tool], draw(st.text(max_size=8)) + "?")
    count = -(-PER_EXAMPLE // len(names) // 3)
    drawn = draw(st.lists(anything | st.builds(_nested, st.integers(0, 60)), min_size=count, max_size=count))
    beside = draw(st.dictionaries(st.sampled_from(names), anything, max_size=2))
    forms = [form for value in drawn for form in (value, [value], {"x": value})]
    return [{**beside, name: form} for form in forms for name in names if not RIGHT.get(name, _never)(form)]


def _never(value: Any) -> bool:
    return False


class Counting(InProcessEngine):
    """Notes how often something was started."""

    starts = 0

    def submit(self, run_dir: Path, slot: Slot | None = None) -> str:
        self.starts += 1
        return super().submit(run_dir)


@pytest.fixture(scope="module")
def portal() -> Iterator[BlockingPortal]:
    """An event loop beside the tests, because Hypothesis knows none."""
    with start_blocking_portal() as beside:
        yield beside


@pytest.mark.sampled
@pytest.mark.parametrize("tool", TOOLS)
def test_malformed_arguments_are_refused_with_a_code_change_nothing_and_start_nothing(
    quick_project: Path, portal: BlockingPortal, tool: str
) -> None:
    engine, seen = Counting(), [0]
    ledger = ProjectPaths(quick_project).ledger

    async def refused(call: Caller, many: list[dict[str, Any]]) -> None:
        for arguments in many:
            answer = await call(tool, **arguments)
            assert answer.is_error, (arguments, answer.text)
            assert re.fullmatch(r"[a-z_]+", answer.code or ""), arguments
            assert answer.code != "internal_error", arguments
            assert answer.text.startswith(f"{answer.code}: ")
            assert "Traceback" not in answer.text
            assert len(answer.text) < 4000

    with portal.wrap_async_context_manager(quick_tools(quick_project, engine)) as call:
        portal.call(call.measure_baseline)
        before, starts = ledger.read_bytes(), engine.starts

        @given(malformed(tool))
        @settings(
            max_examples=MALFORMED // 20,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink],
        )
        def in_any_form(many: list[dict[str, Any]]) -> None:
            portal.call(refused, call, many)
            seen[0] += len(many)

        in_any_form()
    assert seen[0] >= MALFORMED
    assert (ledger.read_bytes(), engine.starts) == (before, starts)


# --- clients that go --------------------------------------------------------------------------------


@pytest.mark.slow
@linux_only
def test_clients_that_cancel_hang_up_or_vanish_leave_the_training_and_its_retry_alone(
    project: Path, gate: Path
) -> None:
    with raw_server(project) as process:
        opened(process)
        tell(process, call_of(2, "run_seed", wait_s=600))
        training = started(project)["pid"]
        tell(process, {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 2}})
        tell(process, call_of(3, "run_seed", seed=42, wait_s=0))
        retried = list(_until(process, 3))[-1]["result"]["structuredContent"]
        tell(process, call_of(4, "run_seed", wait_s=600))
        hang_up(process)  # with a call in flight
        assert process.returncode == 0
    with raw_server(project) as process:
        opened(process)
        tell(process, call_of(2, "run_seed", wait_s=600))
        assert process.stdout is not None
        process.stdout.close()  # nobody reads the answers any more
        tell(process, call_of(3, "check_baseline"))
        _, errors = hang_up_unread(process)
        assert process.wait(PATIENCE_S) == 0
    assert b"Traceback" not in errors
    assert (retried["run_id"], retried["state"], retried["attempt"]) == (FIRST, "running", 1)
    assert not is_gone(training)
    gate.touch()
    service = Service(project)
    wait_until(lambda: service.observe(FIRST).state == "succeeded")
    assert [record["kind"] for record in records(project)] == [
        *("generation_started", "run_requested", "run_started", "run_finished")
    ]


def hang_up_unread(process: Server) -> tuple[None, bytes]:
    """Close stdin of a server whose stdout is closed; all of stderr."""
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdin.close()
    return None, process.stderr.read()


# --- many clients -----------------------------------------------------------------------------------


@pytest.mark.sampled
@pytest.mark.anyio
async def test_many_clients_on_one_project_are_all_answered_and_see_the_same_ledger(project: Path, gate: Path) -> None:
    async with AsyncExitStack() as stack:
        callers = [await stack.enter_async_context(tools(project)) for _ in range(CLIENTS)]
        asked = await _at_once(callers, "run_seed", queue_all=True, wait_s=0)
        started(project)
        busy = await _at_once(callers, "run_seed", seed=42, wait_s=0)
        seen = [await _at_once(callers, tool) for tool in ("check_baseline", "list_experiments")]
        refused = await _at_once(callers, "compare", experiment="a")
        gate.touch()
        ended = [await _at_once(callers, "run_seed", seed=seed, wait_s=PATIENCE_S) for seed in SEEDS]
        after = await _at_once(callers, "check_baseline")
    assert {answer.data["run_id"] for answer in (*asked, *busy)} == {FIRST}
    assert {answer.data["state"] for answer in busy} == {"running"}
    for answers in (*seen, after):
        assert len({answer.data["ledger_head"] for answer in answers}) == 1
        assert len({json.dumps(answer.data) for answer in answers}) == 1
    assert {answer.code for answer in refused} == {"baseline_missing"}
    assert {answer.data["state"] for answers in ended for answer in answers} == {"succeeded"}
    assert after[0].data["phase"] == "ready"
    requests = [record["run_id"] for record in records(project) if record["kind"] == "run_requested"]
    assert len(requests) == len(set(requests)) == len(SEEDS)


async def _at_once(callers: list[Caller], tool: str, **arguments: Any) -> list[Answer]:
    """The answers to the same call by every client at the same time."""
    answers: list[Answer] = []

    async def one(call: Caller) -> None:
        answers.append(await call(tool, **arguments))

    async with anyio.create_task_group() as group:
        for call in callers:
            group.start_soon(one, call)
    return answers


# --- clocks -----------------------------------------------------------------------------------------

# The clock of the wall is set by what a file says.
JUMPER = """
import datetime, time
def offset():
    with open({place!r}) as file:
        return float(file.read())
real = time.time
class Jumping(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return super().now(tz) + datetime.timedelta(seconds=offset())
time.time = lambda: real() + offset()
datetime.datetime = Jumping
"""


@pytest.mark.anyio
@pytest.mark.parametrize("jump_s", [DAY_S, -DAY_S])
async def test_a_clock_that_jumps_a_day_during_a_run_changes_no_time_and_no_order(
    project: Path, gate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump_s: int
) -> None:
    place, real = tmp_path / "offset", time.time
    place.write_text("0")
    customize(tmp_path / "site", monkeypatch, JUMPER.format(place=str(place)))
    async with tools(project) as call:
        await call("run_seed", queue_all=True, wait_s=0)
        started(project)
        (tmp_path / "new").write_text(str(jump_s))
        (tmp_path / "new").rename(place)
        monkeypatch.setattr("time.time", lambda: real() + jump_s)  # as this server sees it
        running = await call("run_seed", seed=42, wait_s=0)
        gate.touch()
        answers = [await call("run_seed", seed=seed, wait_s=PATIENCE_S) for seed in SEEDS[:2]]
    assert running.data["state"] == "running"
    assert 0 <= running.data["elapsed_s"] < DAY_S / 2
    for answer in answers:
        assert answer.data["state"] == "succeeded"
        assert 0 < answer.data["metrics"]["wall_time_s"] < DAY_S / 2
        assert answer.data["elapsed_s"] == answer.data["metrics"]["wall_time_s"]
    kept = records(project)
    first, finished = (next(one for one in kept if one["kind"] == kind) for kind in ("run_started", "run_finished"))
    assert (finished["time"] > first["time"]) is (jump_s > 0)
    assert [record["seq"] for record in kept] == list(range(1, len(kept) + 1))
    assert all(record["prev"] == before["hash"] for before, record in pairwise(kept))


@pytest.mark.anyio
@pytest.mark.parametrize("jump_s", [DAY_S, -DAY_S])
async def test_a_clock_that_jumps_between_the_runs_changes_no_verdict_and_no_interval_is_negative(
    quick_project: Path, monkeypatch: pytest.MonkeyPatch, jump_s: int
) -> None:
    real, jumps = seedproof_mcp.ledger.file.datetime, [0]

    class Jumping(real):  # type: ignore[misc, valid-type]
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            jumps[0] += jump_s
            return real.now(tz) + timedelta(seconds=jumps[0])

    async with quick_tools(quick_project) as call:
        await call.measure_baseline()
        monkeypatch.setattr(seedproof_mcp.ledger.file, "datetime", Jumping)
        await call.measure("far", "--shift", "-0.5")
        compared = await call("compare", experiment="far")
        report = await call("write_report", experiment="far")
        listed = await call("list_experiments")
    assert compared.data["verdict"] == "WINNER"
    hours = compared.data["evidence"]["hours_between"]
    assert hours >= 0
    assert math.isfinite(hours)
    assert (quick_project / report.data["path"]).is_file()
    assert [row["experiment"] for row in listed.data["experiments"]] == ["far"]
    again = in_process_service(quick_project, InProcessEngine()).compare("far")
    assert (again.verdict, again.ledger_head) == ("WINNER", listed.data["ledger_head"])

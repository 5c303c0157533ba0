"""The demonstration: a real server over stdio, real training, the protocol's story."""

import json
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import anyio
from mcp import MCPError, StdioServerParameters
from mcp.client import Client
from mcp.client.stdio import stdio_client
from rich.panel import Panel
from rich.text import Text
from seedproof.model.refusals import NextCall

from seedproof_mcp.surface.demo import project as demo_project
from seedproof_mcp.surface.demo.screen import Screen
from seedproof_mcp.surface.demo.signals import EndingSignals

__all__ = ["run_demo"]

# All runs take about a minute; the rest is for slow machines and for another training on the same slot.
LIMIT_S = 1800.0
# The conductor outlives the last run by this much, and the folder can be removed only afterwards.
IDLE_S = "1"
STYLES = {"WINNER": "green", "NEUTRAL": "yellow", "LOSER": "red"}


@dataclass(frozen=True)
class _Trial:
    title: str
    arguments: dict[str, Any]
    verdict: str  # what the protocol should say


_BETTER = {"experiment": "higher_lr", "flags": ["--lr", "0.02"], "hypothesis": "a higher learning rate learns more"}
_NULL = {
    "experiment": "shuffle_twice",
    "flags": ["--shuffle_buffer", "4096"],
    "hypothesis": "null: shuffling twice is no better than once",
}
TRIALS = (
    _Trial("3. A flag that helps", _BETTER, "WINNER"),
    _Trial("4. A flag that does nothing", _NULL, "NEUTRAL"),
)


class _StoryEnded(Exception):
    """The demonstration cannot go on; the message is one sentence."""


class _Expectations:
    """What the protocol promises, and whether it held."""

    def __init__(self) -> None:
        self.results: list[tuple[bool, str]] = []

    def check(self, holds: bool, promise: str, found: object = "") -> None:
        """Note whether a promise held; `found` is what was seen instead."""
        self.results.append((holds, promise if holds or not found else f"{promise}; instead: {found}"))


class _Story:
    """Plays an agent that follows `next`, and checks what comes of it."""

    def __init__(self, client: Client, screen: Screen, expect: _Expectations) -> None:
        self.client, self.screen, self.expect = client, screen, expect
        self.usual_s: float | None = None

    async def tell(self) -> list[str]:
        """Run from the first refusal to the last report; return the reports' paths."""
        answer = await self.ask_too_early()
        answer = await self.measure_baseline(answer)
        reports = [answer["path"]]
        for trial in TRIALS:
            reports.append((await self.try_flags(trial))["path"])
        return reports

    async def ask_too_early(self) -> dict[str, Any]:
        self.screen.title("1. An impatient agent asks for a verdict first")
        arguments = {"experiment": TRIALS[0].arguments["experiment"]}
        text, data = await self.call("compare", arguments, may_refuse=True)
        self.screen.say(text.splitlines()[0], "red")
        code = data.get("refusal", {}).get("code", "an answer")
        self.expect.check(code == "baseline_missing", "compare without a baseline is refused: baseline_missing", code)
        words = [word for word in STYLES if word in text + json.dumps(data)]
        self.expect.check(not words, "the refusal has no verdict word in it", ", ".join(words))
        return data

    async def measure_baseline(self, answer: dict[str, Any]) -> dict[str, Any]:
        self.screen.title("2. The baseline: how far apart are seeds of the same code?")
        await self.run_arm(answer)
        text, status = await self.call("check_baseline", {})
        rows = [row for row in status["seeds"] if row["state"] == "succeeded"]
        self.expect.check(len(rows) == 5, "the baseline has five seeds", len(rows))
        phase = f"{status['phase']}: {status.get('reason', 'no reason given')}"
        self.expect.check(status["phase"] == "ready", "the baseline is ready after its five seeds", phase)
        if status["phase"] != "ready":
            raise _StoryEnded("without a baseline the story ended early")
        metrics = status["metrics"]
        shown = [[str(row["seed"]), *(f"{row['metrics'][name]:.4f}" for name in metrics)] for row in rows]
        self.screen.table(["seed", *metrics], shown, list(metrics.values()))
        for line in text.splitlines()[:2]:
            self.screen.say(line)
        return await self.report(status)

    async def try_flags(self, trial: _Trial) -> dict[str, Any]:
        flags = " ".join(trial.arguments["flags"])
        self.screen.title(f"{trial.title}: {flags}")
        answer = await self.run_arm(await self.run(trial.arguments))
        _, compared = await self.follow(answer, "compare")
        self.show_verdict(compared)
        self.expect.check(
            compared["verdict"] == trial.verdict, f"{flags} is judged {trial.verdict}", compared["headline"]
        )
        if compared["verdict"] == "WINNER":
            compared = await self.confirm(compared)
        return await self.report(compared)

    async def confirm(self, compared: dict[str, Any]) -> dict[str, Any]:
        """Run three pairs on fresh seeds, and show whether they confirm the WINNER."""
        self.screen.say("Does it hold on fresh seeds? Three pairs of runs, without and with the flag in turn:", "bold")
        answer = await self.run_arm(compared)
        _, compared = await self.follow(answer, "compare")
        self.show_headline(compared)
        found = compared["confirmation"]
        self.screen.say(found.get("reason") or compared["facts"][0])
        self.expect.check(found["state"] == "confirmed", "the WINNER is confirmed on fresh seeds", found["state"])
        return compared

    def show_verdict(self, compared: dict[str, Any]) -> None:
        arms = [compared[f"{arm}_metrics"]["val_loss"] for arm in ("baseline", "experiment")]
        values = [arm["per_seed"] for arm in arms]
        rows = [[seed, *(f"{arm[seed]:.4f}" if seed in arm else "" for arm in values)] for seed in values[0]]
        self.screen.table(["seed", "baseline", compared["experiment"]], rows, arms)
        self.show_headline(compared)
        for line in compared["facts"]:
            self.screen.say(line)

    def show_headline(self, compared: dict[str, Any]) -> None:
        style = STYLES[compared["verdict"]]
        self.screen.show(Panel.fit(Text(compared["headline"], f"bold {style}"), border_style=style))

    async def report(self, answer: dict[str, Any]) -> dict[str, Any]:
        text, report = await self.follow(answer, "write_report")
        self.screen.say(text.splitlines()[1])
        return report

    async def run_arm(self, answer: dict[str, Any]) -> dict[str, Any]:
        """Follow `next` from run to run until the arm has what it needs."""
        while (due := answer["next"])["tool"] == "run_seed" and not due["you_choose"]:
            answer = await self.run(due["arguments"])
        return answer

    async def run(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Run one seed and call again until it has ended."""
        with self.screen.bar(arguments.get("experiment", "baseline"), self.usual_s) as on_progress:
            _, data = await self.call("run_seed", arguments, on_progress)
            while data["state"] in ("queued", "running"):
                _, data = await self.call("run_seed", data["next"]["arguments"], on_progress)
        name = f"{data.get('experiment', 'baseline')} seed {data['seed']}"
        if data["role"] == "confirm":
            name += f", {'without' if data['arm'] == 'baseline' else 'with'} the flag"
        if data["state"] != "succeeded":
            raise _StoryEnded(f"{name} should succeed; instead: {data['state']}, {data.get('reason')}")
        loss, self.usual_s = data["metrics"]["val_loss"], data["metrics"]["wall_time_s"]
        self.screen.say(f"{name}: val_loss {loss:.4f} in {self.usual_s:.1f} s")
        return data

    async def follow(self, answer: dict[str, Any], tool: str) -> tuple[str, dict[str, Any]]:
        """Make the call that `next` names; it has to name this tool."""
        due = answer["next"]
        if due["tool"] != tool:
            raise _StoryEnded(f"`next` should name {tool}; instead: {due['tool']} ({due['why']})")
        return await self.call(tool, due["arguments"])

    async def call(
        self, tool: str, arguments: dict[str, Any], on_progress: Any = None, may_refuse: bool = False
    ) -> tuple[str, dict[str, Any]]:
        """Make one call; return text and structure of its answer."""
        self.screen.say(f"> {NextCall(tool, '', arguments)}", "cyan", 2)
        result = await self.client.call_tool(tool, arguments, progress_callback=on_progress)
        text = "\n".join(block.text for block in result.content if block.type == "text")
        if result.structured_content is None or (result.is_error and not may_refuse):
            raise _StoryEnded(f"{tool} should answer; instead: {text}")
        return text, result.structured_content


def run_demo(keep: bool = False, script: Path | None = None) -> int:
    """Tell the story; 0 only if the protocol behaved as described.

    Args:
        keep: Leave the project folder behind and print its path.
        script: The training script; the example by default.
    """
    screen, expect, told = Screen(), _Expectations(), 1
    folder, reports = Path(tempfile.mkdtemp(prefix="seedproof-demo-")), Path.cwd() / demo_project.KEPT
    project = folder / "project"
    screen.say("A small language model is trained on this machine, for about a minute in all.", "bold", 0)
    screen.say("Lines with > are calls to a real MCP server; each does what `next` said, or tries a flag.", "", 0)
    with demo_project.own_state(folder / "state"), EndingSignals() as ended_by:
        try:
            demo_project.prepare(project, script or demo_project.example_script())
            anyio.run(_converse, project, screen, expect)
            told = _summarize(screen, expect)
        except OSError as error:
            screen.say(f"The demonstration cannot be set up: {error}", "bold red", 0)
        except KeyboardInterrupt:
            screen.say("Stopped; what it started is ended and removed ...", "bold", 0)
            told = 128 + ended_by.number
        finally:
            ended_by.ignore_more()  # a second one would leave half of it
            _leave(folder, None if keep else reports, screen)
    return told


async def _converse(project: Path, screen: Screen, expect: _Expectations) -> None:
    """Start the server, tell the story, check the files that it left."""
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "seedproof_mcp.surface.cli", "serve", "--project", str(project)],
        env={**os.environ, "SEEDPROOF_IDLE_S": IDLE_S},
    )
    with tempfile.TemporaryFile("w+", errors="replace") as errlog:
        # What goes wrong arrives bare or in the groups of the client's tasks: `except*` takes both.
        try:
            with anyio.fail_after(LIMIT_S):
                async with Client(stdio_client(server, errlog)) as client:
                    reports = await _Story(client, screen, expect).tell()
            _look_around(project, screen, expect, reports)
        except* _StoryEnded as group:
            expect.check(False, _sentence(group))
        except* TimeoutError:
            expect.check(False, f"the story should take less than {LIMIT_S / 60:g} minutes")
        except* (MCPError, OSError) as group:
            expect.check(False, f"the server should answer; instead: {_sentence(group)}{_last_words(errlog)}")


def _sentence(group: BaseExceptionGroup[Any]) -> str:
    first: BaseException = group
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return str(first)


def _last_words(errlog: IO[str]) -> str:
    """The last line of the server's stderr, which often names the cause."""
    errlog.seek(0)
    lines = errlog.read().strip().splitlines()
    return f" ({lines[-1].strip()})" if lines else ""


def _look_around(project: Path, screen: Screen, expect: _Expectations, reports: list[str]) -> None:
    missing = [path for path in reports if not (project / path).is_file()]
    expect.check(not missing, f"{len(reports)} reports are written", f"{', '.join(missing)} missing")
    left = [path.name for path in (project / "checkpoints").glob("*")]
    expect.check(not left, "the checkpoints are removed after the reports", f"{', '.join(left)} left")


def _summarize(screen: Screen, expect: _Expectations) -> int:
    screen.title("What the protocol promised")
    for holds, sentence in expect.results:
        screen.say(f"{'✓' if holds else '✗'} {sentence}", "green" if holds else "bold red")
    return 0 if all(holds for holds, _ in expect.results) else 1


def _leave(folder: Path, reports: Path | None, screen: Screen) -> None:
    """Keep the reports and remove all else, once nothing runs in it; keep everything where no folder is given."""
    project = folder / "project"
    is_quiet = demo_project.end_work(project)
    screen.console.print()
    if reports is None:
        screen.say(f"The project stays: {project}", "", 0)
        return
    has_reports = demo_project.keep_reports(project, reports)
    if not is_quiet or not demo_project.remove(project) or not demo_project.remove(folder):
        screen.say(f"The project stays, as something still works in it: {project}", "", 0)
    elif has_reports:
        screen.say(f"The reports are in {reports}; the page on all of them is studies.md.", "", 0)
        program = "seedproof" if shutil.which("seedproof") else os.path.relpath(sys.argv[0])
        screen.say(f"All else is removed; `{program} demo --keep` leaves the whole project.", "", 0)
    else:
        screen.say("The project is removed again.", "", 0)

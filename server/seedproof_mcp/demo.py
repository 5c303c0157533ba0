"""The demonstration: a real server over stdio, real training, the protocol's story."""

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import anyio
from mcp import MCPError, StdioServerParameters
from mcp.client import Client
from mcp.client.stdio import stdio_client
from rich import box
from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, Progress, ProgressBar, Task, TextColumn
from rich.table import Column, Table
from rich.text import Text
from seedproof.errors import NextCall, Refusal

from seedproof_mcp import disk
from seedproof_mcp.lab import Lab
from seedproof_mcp.paths import ProjectPaths

__all__ = ["run_demo"]

EXAMPLE = Path("examples/tiny_lm/train_llm.py")
# Thirteen runs take about a minute; the rest is for slow machines and for a training on the same slot.
LIMIT_S = 1800.0
CLEAN_UP_S = 30.0
# The conductor outlives the last run by this much; its folder can be removed only afterwards.
IDLE_S = "1"
VERDICT_STYLES = {"WINNER": "green", "NEUTRAL": "yellow", "LOSER": "red"}


@dataclass(frozen=True)
class _Trial:
    """One experiment of the story and what the protocol should say about it."""

    title: str
    name: str
    flags: tuple[str, ...]
    hypothesis: str
    verdict: str


TRIALS = (
    _Trial("A flag that helps", "higher_lr", ("--lr", "0.02"), "a higher learning rate learns more", "WINNER"),
    _Trial(
        "A flag that does nothing",
        "shuffle_twice",
        ("--shuffle_buffer", "4096"),
        "null: shuffling twice is no better than once",
        "NEUTRAL",
    ),
)


class _StoryEnded(Exception):
    """The story cannot go on; the message is one sentence."""


class _Expectations:
    """What the protocol promised, and which of it came true."""

    def __init__(self) -> None:
        self.results: list[tuple[bool, str]] = []

    def check(self, holds: bool, promise: str, found: object) -> None:
        """Note a promise; `found` is what happened instead."""
        self.results.append((holds, promise if holds else f"{promise}; instead: {found}"))

    def fail(self, sentence: str) -> None:
        """Note what nobody should have seen."""
        self.results.append((False, sentence))

    @property
    def all_met(self) -> bool:
        """Whether every promise was kept."""
        return all(holds for holds, _ in self.results)


class _TimeBar(BarColumn):
    """A bar of elapsed time: it goes on between two progress notifications."""

    def render(self, task: Task) -> ProgressBar:
        """The bar as it stands at this moment."""
        bar = super().render(task)
        if bar.total is not None:
            bar.completed = min(bar.total, task.completed + time.monotonic() - task.fields["told_at"])
        return bar


class _Screen:
    """Everything the story shows; plain lines where the output is no terminal."""

    def __init__(self) -> None:
        self.console = Console(highlight=False)
        self.is_live = self.console.is_interactive and sys.stdout.isatty()
        self._chapters = 0

    def say(self, text: str, style: str = "") -> None:
        """One line; only a terminal has an edge to wrap at."""
        self.console.print(Text(text, style), soft_wrap=not self.is_live)

    def chapter(self, title: str) -> None:
        """The heading of the next part."""
        self._chapters += 1
        self.say(f"\n{self._chapters}. {title}", "bold")

    def call(self, tool: str, arguments: dict[str, Any]) -> None:
        """A call as the agent makes it."""
        self.say(f"  > {NextCall(tool, '', arguments)}", "cyan")

    def table(self, *columns: str, rows: list[list[str]], means: list[str]) -> None:
        """Numbers per seed, and their mean below a line."""
        table = Table(*[Column(name, justify="right") for name in columns], box=box.SIMPLE_HEAD, show_footer=True)
        for column, mean in zip(table.columns, means, strict=True):
            column.footer = mean
        for row in rows:
            table.add_row(*row)
        self.console.print(table)

    def verdict(self, headline: str, details: list[str]) -> None:
        """The verdict in its colour, then what stands behind it."""
        style = VERDICT_STYLES[headline.split(":")[0]]
        self.console.print(Panel.fit(Text(headline, f"bold {style}"), border_style=style))
        for line in details:
            self.say(f"  {line}")

    @contextmanager
    def bar(self, title: str, usual_s: float | None) -> Iterator[Any]:
        """The progress callback of one run; it moves a bar on a terminal and nothing elsewhere."""
        message = TextColumn("{task.fields[message]}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1))
        columns = (TextColumn("    {task.description}"), _TimeBar(bar_width=24), message)
        with Progress(*columns, console=self.console, transient=True, disable=not self.is_live, expand=True) as bars:
            bar = bars.add_task(title, total=usual_s, message="starting", told_at=time.monotonic())

            async def on_progress(progress: float, total: float | None, message: str | None) -> None:
                told = {"message": message or "", "told_at": time.monotonic()}
                bars.update(bar, completed=progress, total=total or usual_s, **told)

            yield on_progress


class _Agent:
    """Calls the tools as an agent does, and follows `next`."""

    def __init__(self, client: Client, screen: _Screen) -> None:
        self._client = client
        self._screen = screen
        self._usual_s: float | None = None

    async def call(self, tool: str, on_progress: Any = None, **arguments: Any) -> tuple[str, dict[str, Any]]:
        """The text and the structure of an answer, refused or not."""
        result = await self._client.call_tool(tool, arguments, progress_callback=on_progress)
        text = "\n".join(block.text for block in result.content if block.type == "text")
        if result.structured_content is None:
            raise _StoryEnded(f"{tool} answered without a structure: {text}")
        return text, result.structured_content

    async def follow(self, answer: dict[str, Any], tool: str) -> tuple[str, dict[str, Any]]:
        """Make the call that `next` names, which has to be one of this tool."""
        due = answer["next"] or {"tool": "nothing", "arguments": {}, "you_choose": []}
        if due["tool"] != tool or due["you_choose"]:
            raise _StoryEnded(f"`next` should name {tool}, but names {_spell(due)}")
        self._screen.call(tool, due["arguments"])
        text, data = await self.call(tool, **due["arguments"])
        return _accepted(text, data)

    async def run_arm(self, answer: dict[str, Any], **chosen: Any) -> dict[str, Any]:
        """Follow `next` from run to run until the arm has what it needs; `chosen` fills the first call."""
        due = answer["next"]
        while due is not None and due["tool"] == "run_seed" and set(due["you_choose"]) <= set(chosen):
            arguments, chosen = {**due["arguments"], **chosen}, {}
            self._screen.call("run_seed", arguments)
            answer = await self._run(arguments)
            due = answer["next"]
        return answer

    async def _run(self, arguments: dict[str, Any]) -> dict[str, Any]:
        title = f"{arguments.get('experiment', 'baseline')} seed {arguments.get('seed', '')}".rstrip()
        with self._screen.bar(title, self._usual_s) as on_progress:
            data = _accepted(*await self.call("run_seed", on_progress, **arguments))[1]
            while data["state"] in ("queued", "running"):
                data = _accepted(*await self.call("run_seed", on_progress, **data["next"]["arguments"]))[1]
        title = f"{data['experiment'] or 'baseline'} seed {data['seed']}"
        if data["state"] != "succeeded":
            raise _StoryEnded(f"{title} should succeed; instead: {data['state']}, {data['reason']}")
        self._usual_s = data["metrics"]["wall_time_s"]
        self._screen.say(f"    {title}: val_loss {data['metrics']['val_loss']:.4f}, {self._usual_s:.1f} s")
        return data


def _accepted(text: str, data: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    if "refusal" in data:
        raise _StoryEnded(f"the server refused what should be allowed: {text}")
    return text, data


def _spell(due: dict[str, Any]) -> str:
    return str(NextCall(due["tool"], "", due["arguments"], tuple(due["you_choose"])))


# --- the story --------------------------------------------------------------------------------


async def _tell(agent: _Agent, screen: _Screen, expect: _Expectations) -> list[str]:
    """The whole story; the paths of its reports."""
    reports = []
    answer = await _ask_too_early(agent, screen, expect)
    answer = await _measure_baseline(agent, screen, expect, answer)
    reports.append(answer["path"])
    for trial in TRIALS:
        answer = await _try_flags(agent, screen, expect, answer, trial)
        reports.append(answer["path"])
    return reports


async def _ask_too_early(agent: _Agent, screen: _Screen, expect: _Expectations) -> dict[str, Any]:
    screen.chapter("An impatient agent asks for a verdict first")
    arguments = {"experiment": TRIALS[0].name}
    screen.call("compare", arguments)
    text, data = await agent.call("compare", **arguments)
    screen.say(f"    {text}", "red")
    code = data.get("refusal", {}).get("code", "an answer")
    expect.check(code == "baseline_missing", "compare before the baseline is refused with baseline_missing", code)
    words = [word for word in VERDICT_STYLES if word in text + json.dumps(data)]
    expect.check(not words, "the refusal has no verdict word in it", ", ".join(words))
    return data


async def _measure_baseline(
    agent: _Agent, screen: _Screen, expect: _Expectations, answer: dict[str, Any]
) -> dict[str, Any]:
    screen.chapter("The baseline: how far do seeds of the same code differ?")
    await agent.run_arm(answer)
    screen.call("check_baseline", {})
    text, status = _accepted(*await agent.call("check_baseline"))
    done = [row for row in status["seeds"] if row["state"] == "succeeded"]
    found = f"{status['phase']}, {status['reason'] or 'no reason given'}"
    expect.check(len(done) == 5, "five baseline seeds are measured", f"{len(done)}")
    expect.check(status["phase"] == "ready", "the baseline is ready after its five seeds", found)
    if status["phase"] != "ready":
        raise _StoryEnded("without a baseline the story ends here")
    _show_baseline(screen, status)
    for line in text.splitlines()[:2]:
        screen.say(f"    {line}")
    return await _report(agent, screen, status)


def _show_baseline(screen: _Screen, status: dict[str, Any]) -> None:
    loss, seconds = status["metrics"]["val_loss"], status["metrics"]["wall_time_s"]
    rows = [
        [str(row["seed"]), f"{row['metrics']['val_loss']:.4f}", f"{row['metrics']['wall_time_s']:.1f}"]
        for row in status["seeds"]
    ]
    means = ["mean ± std", f"{loss['mean']:.4f} ± {loss['std']:.4f}", f"{seconds['mean']:.1f} ± {seconds['std']:.1f}"]
    screen.table("seed", "val_loss", "seconds", rows=rows, means=means)


async def _report(agent: _Agent, screen: _Screen, answer: dict[str, Any]) -> dict[str, Any]:
    text, data = await agent.follow(answer, "write_report")
    screen.say(f"    {text.splitlines()[0]}")
    return data


async def _try_flags(
    agent: _Agent, screen: _Screen, expect: _Expectations, answer: dict[str, Any], trial: _Trial
) -> dict[str, Any]:
    flags = " ".join(trial.flags)
    screen.chapter(f"{trial.title}: {flags}")
    answer = await agent.run_arm(
        answer, experiment=trial.name, flags=list(trial.flags), hypothesis=trial.hypothesis
    )
    text, data = await agent.follow(answer, "compare")
    _show_comparison(screen, data)
    details = [line for line in text.splitlines()[1:] if not line.startswith(("Next:", "Ledger:"))]
    screen.verdict(data["headline"], details)
    expect.check(data["verdict"] == trial.verdict, f"{flags} is judged {trial.verdict}", data["headline"])
    return await _report(agent, screen, data)


def _show_comparison(screen: _Screen, data: dict[str, Any]) -> None:
    arms = [data["baseline_metrics"]["val_loss"], data["experiment_metrics"]["val_loss"]]
    rows = [
        [seed, *(f"{arm['per_seed'][seed]:.4f}" if seed in arm["per_seed"] else "" for arm in arms)]
        for seed in arms[0]["per_seed"]
    ]
    means = ["mean ± std", *(f"{arm['mean']:.4f} ± {arm['std']:.4f}" for arm in arms)]
    screen.table("seed", "baseline", data["experiment"], rows=rows, means=means)

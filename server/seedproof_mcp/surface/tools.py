"""The MCP tools: a few lines each over the service."""

import gc
import logging
from collections.abc import Callable
from functools import cached_property
from importlib.metadata import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import anyio
import anyio.to_thread
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.tools import Tool
from mcp_types import CallToolResult
from pydantic import Field
from seedproof.model.refusals import BadArguments, BadSettings, Refusal
from seedproof.model.rules import Rules

from seedproof_mcp.host.settings import load_config
from seedproof_mcp.service.replies.baseline import BaselineStatus
from seedproof_mcp.service.replies.comparison import ComparisonResult
from seedproof_mcp.service.replies.experiments import ExperimentList
from seedproof_mcp.service.replies.report import ReportResult
from seedproof_mcp.service.replies.result import Result
from seedproof_mcp.service.replies.run import RunResult, StopResult
from seedproof_mcp.surface.board_app import SHOWN, SHOWN_WITH, BoardApp
from seedproof_mcp.surface.catalogue import CATALOGUE, instructions
from seedproof_mcp.surface.changes import changed, look
from seedproof_mcp.surface.strict_tool import refusal_result, strict_tool, text_blocks
from seedproof_mcp.surface.tasks.extension import HANDLE_AFTER_S, TaskExtension, takes_handles
from seedproof_mcp.surface.tasks.runs import RunTasks
from seedproof_mcp.surface.tool_arguments import (
    LEFT_OUT,
    Attempt,
    CodeChange,
    Flags,
    Hypothesis,
    NewBaseline,
    QueueAll,
    RoleName,
    Seed,
    ToRun,
    TryRun,
    Until,
    WaitS,
)
from seedproof_mcp.surface.wait_s import chosen_wait_s
from seedproof_mcp.system.paths import ProjectPaths

if TYPE_CHECKING:
    from seedproof.admission.request import RunRequest

    from seedproof_mcp.service.service import Service

__all__ = ["build_server"]

logger = logging.getLogger(__name__)

PROGRESS_S = 2.0
# A page of 100 experiments: about 6,000 tokens.
LIST_BYTES = 20_000


def _success(result: Result) -> CallToolResult:
    return CallToolResult(
        content=[*text_blocks(result.texts())],
        structured_content=result.document(),
    )


class _Tools:
    """The six tools over one service."""

    def __init__(self, project: Path, service: "Service | None") -> None:
        self._project, self._service = project, service

    @cached_property
    def service(self) -> "Service":
        """The service. Loading it takes a quarter of a start, and many servers are listed and never called."""
        if self._service is not None:
            return self._service
        gc.disable()  # as at the start: what is loaded stays
        try:
            from seedproof_mcp.service.service import Service
        finally:
            gc.enable()
        return Service(self._project)

    async def _answer(self, act: Callable[[], Result]) -> CallToolResult:
        """Act in a thread. A refusal is returned as an answer; a crash is logged and returned as `internal_error`."""
        try:
            return _success(await anyio.to_thread.run_sync(act))
        except Exception as problem:
            return await self._refused(problem)

    async def _refused(self, problem: Exception) -> CallToolResult:
        if not isinstance(problem, Refusal):
            logger.error("unexpected error", exc_info=problem)
            problem = _Crash("an unexpected error; the server's stderr has the details.")
        # In a thread: another call may hold the ledger, and the event loop must stay free.
        return refusal_result(problem, await anyio.to_thread.run_sync(self.service.head))

    async def check_baseline(self) -> Annotated[CallToolResult, BaselineStatus]:
        return await self._answer(self.service.check_baseline)

    async def run_seed(
        self,
        ctx: Context[Any, Any],
        experiment: ToRun = None,
        seed: Seed = None,
        flags: Flags = None,
        hypothesis: Hypothesis = None,
        role: RoleName = "measure",
        code_change: CodeChange = False,
        attempt: Attempt = None,
        queue_all: QueueAll = False,
        until: Until = "seed",
        new_baseline: NewBaseline = None,
        wait_s: WaitS = LEFT_OUT,
        try_run: TryRun = False,
    ) -> Annotated[CallToolResult, RunResult]:
        from seedproof.admission.request import RunRequest
        from seedproof.model.run_key import Role

        request = RunRequest(
            experiment=experiment,
            seed=seed,
            flags=None if flags is None else tuple(flags),
            hypothesis=hypothesis,
            role=Role(role),
            code_change=code_change,
            attempt=attempt,
            queue_all=queue_all,
            new_baseline=new_baseline,
            until=until,
        )
        waits_s = chosen_wait_s(ctx.request_context) if wait_s == LEFT_OUT else wait_s
        deadline = anyio.current_time() + waits_s
        if try_run:
            return await self._try(ctx, request, deadline)
        if takes_handles(ctx.request_context):
            deadline = min(deadline, anyio.current_time() + HANDLE_AFTER_S)
        try:
            seen = await self._follow(ctx, await anyio.to_thread.run_sync(self._requested, request), deadline)
        except Exception as problem:
            return await self._refused(problem)
        return _success(seen)

    def _requested(self, request: "RunRequest") -> "Callable[[], RunResult]":
        """Record a request; what looks at the run that answers it, or at the arm."""
        from seedproof.model.run_key import Role

        from seedproof_mcp.service.arm_runs import observe_arm, request_arm

        if request.until == "verdict" and request.role is not Role.CONTROL:  # of which there is one run
            key = request_arm(self.service, request)
            return lambda: observe_arm(self.service, key)
        run_id = self.service.request_run(request)
        return lambda: self.service.observe(run_id)

    async def _try(self, ctx: Context[Any, Any], request: "RunRequest", deadline: float) -> CallToolResult:
        """Start or join a try, and wait until it has ended or the time is up, reporting progress."""
        from seedproof.admission.request import RunRequest

        if request != RunRequest():
            return await self._refused(BadArguments("try_run is asked for alone, or with wait_s."))

        from seedproof_mcp.setup.trial.ask import Asking
        from seedproof_mcp.surface.tried import tried_result

        started, reported = anyio.current_time(), -PROGRESS_S
        try:
            asking = await anyio.to_thread.run_sync(Asking, self.service.paths.root)
            with await anyio.to_thread.run_sync(asking.watch) as watch:
                while True:
                    asked, now = await look(watch, asking.look), anyio.current_time()
                    if asked.row is not None or now >= deadline:
                        break
                    if now - reported >= PROGRESS_S:
                        reported = now
                        await ctx.report_progress(now - started, None, asked.progress)
                    await changed(watch, deadline - now)
        except Exception as problem:
            return await self._refused(problem)
        return await self._answer(lambda: tried_result(self.service, asked))

    async def _follow(self, ctx: Context[Any, Any], observe: "Callable[[], RunResult]", deadline: float) -> RunResult:
        """Wait until nothing is active any more or the time is up, reporting progress; the last that was seen."""
        started, reported = anyio.current_time(), -PROGRESS_S
        with await anyio.to_thread.run_sync(self.service.watch) as watch:
            while True:
                seen, now = await look(watch, observe), anyio.current_time()
                if not seen.is_active or now >= deadline:
                    return seen
                if now - reported >= PROGRESS_S:
                    reported = now
                    total = None if seen.eta_s is None else now - started + seen.eta_s
                    await ctx.report_progress(now - started, total, f"{seen.title()}, {seen.progress()}")
                await changed(watch, deadline - now)

    async def compare(
        self,
        experiment: Annotated[str, Field(description="Name of the experiment.")],
        against: Annotated[
            str | None,
            Field(description="Another finished experiment of its generation: both side by side, without a verdict."),
        ] = None,
        detail: Annotated[
            Literal["short", "full"], Field(description="`full` adds `evidence` and `campaign`.")
        ] = "short",
    ) -> Annotated[CallToolResult, ComparisonResult]:
        is_full = detail == "full"
        return await self._answer(lambda: self.service.compare(experiment, against).shown(is_full))

    async def write_report(
        self,
        experiment: Annotated[
            str | None, Field(description="Name of the experiment; left out: the baseline report.")
        ] = None,
    ) -> Annotated[CallToolResult, ReportResult]:
        return await self._answer(lambda: self.service.write_report(experiment))

    async def list_experiments(
        self,
        offset: Annotated[int, Field(ge=0, description="Experiments to skip.")] = 0,
        limit: Annotated[int, Field(ge=1, le=100, description="Experiments to show.")] = 20,
    ) -> Annotated[CallToolResult, ExperimentList]:
        return await self._answer(lambda: self.service.list_experiments(offset, limit).within(LIST_BYTES))

    async def stop_run(
        self,
        reason: Annotated[str, Field(description="Why it is stopped, withdrawn or closed; printed in the report.")],
        run_id: Annotated[str | None, Field(description="The run, as run_seed or list_experiments named it.")] = None,
        experiment: Annotated[
            str | None, Field(description="Instead of a run: an experiment to withdraw or close.")
        ] = None,
    ) -> Annotated[CallToolResult, StopResult]:
        return await self._answer(lambda: self.service.stop(run_id, experiment, reason))


class _Crash(Refusal):
    code = "internal_error"


def build_server(project: Path, service: "Service | None" = None) -> MCPServer[Any]:
    """The MCP server of one project, ready to run on any transport.

    Args:
        project: The folder with the training script.
        service: The service; by default that of the project with the local engine.
    """
    tools = _Tools(project, service)
    package = metadata("seedproof")
    board = BoardApp(project, lambda: tools.service)
    shown = dict.fromkeys(SHOWN_WITH, SHOWN)
    made: list[Tool] = [
        strict_tool(getattr(tools, entry[0]), lambda: tools.service.head(), *entry, meta=shown.get(entry[0]))
        for entry in CATALOGUE
    ]
    server: MCPServer[Any] = MCPServer(
        "seedproof",
        title="Seedproof",
        instructions=instructions(_present_rules(project)),
        version=package["Version"],
        description=package["Summary"],
        tools=made,
        extensions=[TaskExtension(RunTasks(lambda: tools.service, _success)), board],
        log_level="WARNING",
    )
    for method in _EMPTY:
        # The SDK declares what it has a handler for, and has no other way to take one away.
        del server._lowlevel_server._request_handlers[method]
    board.add_documents(server)
    return server


# There are no prompts; where they are declared, hosts ask for them.
_EMPTY = ("prompts/list", "prompts/get")


def _present_rules(project: Path) -> Rules:
    """The project's rules; the defaults where its settings cannot be read, which every tool then says."""
    try:
        return load_config(ProjectPaths(project).settings).rules
    except BadSettings:
        return Rules()

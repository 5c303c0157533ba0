"""The MCP tools: a few lines each over the service.

Over 300 lines, because every argument of every tool is described here.
"""

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
from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase
from mcp_types import CallToolResult, TextContent, ToolAnnotations
from pydantic import ConfigDict, Field, ValidationError
from seedproof.model.refusals import WHERE_WE_STAND, BadArguments, BadSettings, Refusal
from seedproof.model.rules import Rules

from seedproof_mcp.host.settings import load_config
from seedproof_mcp.service.results import (
    BaselineStatus,
    ComparisonResult,
    ExperimentList,
    Follow,
    ReportResult,
    Result,
    RunResult,
    StopResult,
)
from seedproof_mcp.surface.board_app import SHOWN, SHOWN_WITH, BoardApp
from seedproof_mcp.surface.catalogue import CATALOGUE, instructions
from seedproof_mcp.surface.changes import changed, look
from seedproof_mcp.surface.mended import mended_call
from seedproof_mcp.surface.stdio import MAX_LINE_BYTES, TOO_LONG
from seedproof_mcp.surface.tasks.extension import HANDLE_AFTER_S, TaskExtension, takes_handles
from seedproof_mcp.surface.tasks.runs import RunTasks
from seedproof_mcp.system.paths import ProjectPaths

if TYPE_CHECKING:
    from seedproof.admission.request import RunRequest

    from seedproof_mcp.service.service import Service

__all__ = ["build_server"]

logger = logging.getLogger(__name__)

PROGRESS_S = 2.0


class StrictTool(Tool):
    """A tool that refuses arguments that are not in its schema, in the form of every refusal."""

    ledger_head: Callable[[], str] = Field(exclude=True)

    async def run(self, arguments: dict[str, Any], context: Context[Any, Any], convert_result: bool = False) -> Any:
        """Run the tool, if the arguments are exactly of its types.

        The SDK ignores unknown names, turns JSON in strings into values and puts a prefix before errors; here the
        arguments are checked as they came.
        """
        if arguments.keys() == {TOO_LONG}:
            message = f"the call is longer than {MAX_LINE_BYTES / 1e6:g} MB; give names, flags and words, not data."
            return await self._refusal(BadArguments(message))
        try:
            validated = self.fn_metadata.arg_model.model_validate(arguments).model_dump_one_level()
        except ValidationError as error:
            return await self._refusal(self._bad_arguments(error, arguments))
        extra = {} if self.context_kwarg is None else {self.context_kwarg: context}
        result = await self.fn_metadata.call_fn(self.fn, self.is_async, validated, extra)
        return self.fn_metadata.convert_result(result) if convert_result else result

    async def _refusal(self, refusal: Refusal) -> CallToolResult:
        return refusal_result(refusal, await anyio.to_thread.run_sync(self.ledger_head))

    def _bad_arguments(self, error: ValidationError, arguments: dict[str, Any]) -> BadArguments:
        faults = [_fault(fault) for fault in error.errors(include_url=False, include_input=False)[:5]]
        allowed = ", ".join(self.fn_metadata.arg_model.model_fields) or "none"
        mended = mended_call(self.name, self.fn_metadata.arg_model, arguments)
        return BadArguments(f"{self.name}: {'; '.join(faults)}. Arguments: {allowed}.", mended or WHERE_WE_STAND)


def _fault(fault: Any) -> str:
    where = ".".join(str(part)[:40] for part in fault["loc"])
    message = "unknown argument" if fault["type"] == "extra_forbidden" else fault["msg"]
    return f"{where}: {message}"


def refusal_result(refusal: Refusal, ledger_head: str) -> CallToolResult:
    """A refusal as an MCP result: text for the model, structure for the client."""
    call = Follow.of(refusal.next_call)
    structured = {
        "refusal": {"code": refusal.code, "message": refusal.message},
        "next": call.model_dump(mode="json") if call else None,
        "ledger_head": ledger_head,
    }
    return CallToolResult(
        content=[TextContent(type="text", text=str(refusal))], structured_content=structured, is_error=True
    )


def _success(result: Result) -> CallToolResult:
    return CallToolResult(
        content=[TextContent(type="text", text=result.text())],
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
        experiment: Annotated[
            str | None, Field(description="Name of the experiment (a-z, 0-9, _, -); left out: the baseline.")
        ] = None,
        seed: Annotated[int | None, Field(description="A seed of the protocol; left out: the next one due.")] = None,
        flags: Annotated[
            list[str] | None,
            Field(description='What the experiment adds to the command, such as ["--lr", "0.01"]. First call only.'),
        ] = None,
        hypothesis: Annotated[
            str | None,
            Field(description="What you expect and why, before the first run; `null:` declares no effect."),
        ] = None,
        role: Annotated[
            Literal["measure", "control", "confirm"],
            Field(
                description="`control`: one run of changed code without flags, when `next` asks for it; "
                "`confirm`: the next run on a fresh seed, where `next` asks for it; else `measure`."
            ),
        ] = "measure",
        code_change: Annotated[
            bool,
            Field(description="Declares the difference of the code since the baseline as the experiment; first call."),
        ] = False,
        attempt: Annotated[
            int | None,
            Field(ge=1, description="Which attempt at `seed`; 2 repeats a failed run where `next` offers it."),
        ] = None,
        queue_all: Annotated[bool, Field(description="Queue every seed that the arm is sure to need.")] = False,
        new_baseline: Annotated[
            str | None, Field(description="The reason to start a new baseline generation; earlier ones stay.")
        ] = None,
        wait_s: Annotated[
            float,
            Field(ge=0, le=3600, allow_inf_nan=False, description="Seconds to wait for the run; it goes on anyway."),
        ] = 45,
        try_run: Annotated[
            bool,
            Field(description="Tries the baseline's command in short runs outside the ledger; only with `wait_s`."),
        ] = False,
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
        )
        deadline = anyio.current_time() + wait_s
        if try_run:
            return await self._try(ctx, request, deadline)
        if takes_handles(ctx.request_context):
            deadline = min(deadline, anyio.current_time() + HANDLE_AFTER_S)
        try:
            run_id = await anyio.to_thread.run_sync(self.service.request_run, request)
            await self._follow(ctx, run_id, deadline)
        except Exception as problem:
            return await self._refused(problem)
        return await self._answer(lambda: self.service.observe(run_id))

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

    async def _follow(self, ctx: Context[Any, Any], run_id: str, deadline: float) -> None:
        """Wait until the run has ended or the time is up, reporting progress."""
        reported = -PROGRESS_S
        with await anyio.to_thread.run_sync(self.service.watch) as watch:
            while (now := anyio.current_time()) < deadline:
                seen = await look(watch, lambda: self.service.observe(run_id))
                if not seen.is_active:
                    return
                if now - reported >= PROGRESS_S:
                    reported = now
                    elapsed = seen.elapsed_s or 0.0
                    total = None if seen.eta_s is None else elapsed + seen.eta_s
                    await ctx.report_progress(elapsed, total, seen.progress())
                await changed(watch, deadline - now)

    async def compare(
        self,
        experiment: Annotated[str, Field(description="Name of the experiment.")],
        against: Annotated[
            str | None,
            Field(description="Another finished experiment of its generation: both side by side, without a verdict."),
        ] = None,
        detail: Annotated[
            Literal["short", "full"], Field(description="`full` adds `evidence` and `campaign` to the structure.")
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
        return await self._answer(lambda: self.service.list_experiments(offset, limit))

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
    server: MCPServer[Any] = MCPServer(
        "seedproof",
        title="Seedproof",
        instructions=instructions(_present_rules(project)),
        version=package["Version"],
        description=package["Summary"],
        tools=[_strict(tools, *entry) for entry in CATALOGUE],
        extensions=[TaskExtension(RunTasks(lambda: tools.service, _success)), board],
        log_level="WARNING",
    )
    board.add_documents(server)
    return server


def _present_rules(project: Path) -> Rules:
    """The project's rules; the defaults where its settings cannot be read, which every tool then says."""
    try:
        return load_config(ProjectPaths(project).settings).rules
    except BadSettings:
        return Rules()


def _strict(tools: _Tools, name: str, title: str, description: str, annotations: ToolAnnotations) -> StrictTool:
    made = Tool.from_function(
        getattr(tools, name),
        name=name,
        title=title,
        description=description,
        annotations=annotations,
        meta=SHOWN if name in SHOWN_WITH else None,
    )
    model = made.fn_metadata.arg_model
    strict: type[ArgModelBase] = type(
        model.__name__, (model,), {"model_config": ConfigDict(extra="forbid", strict=True)}
    )
    made.fn_metadata.arg_model = strict
    made.fn_metadata.output_schema = _answers(made.fn_metadata.output_schema or {})
    return StrictTool(
        **{field: getattr(made, field) for field in Tool.model_fields if field != "parameters"},
        parameters=strict.model_json_schema(by_alias=True),
        ledger_head=lambda: tools.service.head(),
    )


def _answers(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a tool's answer: its result, or a refusal.

    Clients validate error results against it as well (seen with the MCP Inspector 2.12): a refusal that did not fit
    would not reach the model.
    """
    refusal = {
        "type": "object",
        "description": "Instead of a result, where is_error is set.",
        "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
        "required": ["code", "message"],
        "additionalProperties": False,
    }
    if "anyOf" in schema:  # of two kinds of results
        parts = {"type": "object", "properties": {"refusal": refusal}, "required": ["ledger_head", "next"]}
        return {**schema, **parts, "anyOf": [*schema["anyOf"], {"required": ["refusal"]}]}
    return {
        **schema,
        "properties": {**schema["properties"], "refusal": refusal},
        "required": ["ledger_head", "next"],
        "anyOf": [{"required": schema["required"]}, {"required": ["refusal"]}],
    }

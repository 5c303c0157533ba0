"""The extension `io.modelcontextprotocol/tasks`: handles in place of answers that wait, and the methods that read them.

The specification is that of 2026-07-28. Nothing is kept in memory: whatever is said of a task, its source says.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import anyio.to_thread
from mcp import MCPError
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.extension import Extension, MethodBinding
from mcp.server.mcpserver import require_client_extension
from mcp.shared.inbound import MCP_NAME_HEADER, decode_header_value
from mcp_types import (
    HEADER_MISMATCH,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    RequestParams,
)
from pydantic import Field
from seedproof.model.refusals import Refusal, RunUnknown

__all__ = ["HANDLE_AFTER_S", "TASKS", "Task", "TaskExtension", "TaskSource", "takes_handles"]

logger = logging.getLogger(__name__)

TASKS = "io.modelcontextprotocol/tasks"
# The version of the protocol that the extension belongs to; in 2025-11-25 tasks were something else.
VERSIONS = frozenset({"2026-07-28"})
# A run of a few lines has ended by then, and a host shows its user a handle soon.
HANDLE_AFTER_S = 2.0
# Runs take minutes; a client that asks more often is answered all the same.
POLL_MS = 5000


@dataclass(frozen=True)
class Task:
    """A task at one moment."""

    task_id: str
    status: Literal["working", "completed", "failed"]
    message: str
    """Progress of a task that is worked on; of one that has ended what came of it."""
    created_at: str
    """When it was asked for (ISO 8601, UTC)."""
    updated_at: str
    """When it last changed (ISO 8601, UTC)."""
    outcome: Mapping[str, Any] = field(default_factory=dict)
    """`result` of a completed task, `error` of a failed one."""

    def handle(self) -> dict[str, Any]:
        """What every answer says of it, as it goes over the wire."""
        return {
            "taskId": self.task_id,
            "status": self.status,
            "statusMessage": self.message,
            "createdAt": self.created_at,
            "lastUpdatedAt": self.updated_at,
            "ttlMs": None,  # the ledger forgets nothing
            "pollIntervalMs": POLL_MS,
        }


class TaskSource(Protocol):
    """What the tasks of a server are. Called in threads."""

    def task_id(self, tool: str, answer: Mapping[str, Any]) -> str | None:
        """The task whose handle replaces a tool's answer; None for an answer that stands.

        Args:
            answer: The structured content.
        """

    def look(self, task_id: str) -> Task:
        """The task as it is now.

        Raises:
            RunUnknown: There is none with this id.
            Refusal: Nothing can be said of it at present.
        """


class _TaskParams(RequestParams):
    """Parameters of the methods of tasks; what else a client sends along is not read."""

    task_id: str = Field(alias="taskId")


def takes_handles(ctx: ServerRequestContext[Any, Any]) -> bool:
    """Whether the client of a request declared the extension, in the version of the protocol that it belongs to."""
    declared = ctx.session.client_capabilities
    extensions = None if declared is None else declared.extensions
    return ctx.protocol_version in VERSIONS and TASKS in (extensions or {})


class TaskExtension(Extension):
    """Gives clients that declare the extension a handle where a tool would answer that it goes on.

    The tool itself runs, with all that it refuses. No client can end a task: a run is ended by `stop_run`, with its
    reason, and a click in a host must not drop a bad seed.
    """

    identifier = TASKS

    def __init__(self, source: TaskSource) -> None:
        self._source = source

    def methods(self) -> Sequence[MethodBinding]:
        """The three methods of the specification."""
        handlers = {"tasks/get": self._get, "tasks/update": self._acknowledge, "tasks/cancel": self._acknowledge}
        return [MethodBinding(name, _TaskParams, handler, VERSIONS) for name, handler in handlers.items()]

    async def intercept_tool_call(
        self, params: CallToolRequestParams, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        """The tool's answer, or the handle of the task that it stands for."""
        answer = await call_next(ctx)
        if not takes_handles(ctx) or not isinstance(answer, CallToolResult) or answer.is_error:
            return answer
        task_id = self._source.task_id(params.name, answer.structured_content or {})
        if task_id is None:
            return answer
        try:
            task = await self._look(task_id)
        except MCPError:
            return answer  # what it was called for is recorded; this answer names the next call as well
        return {"resultType": "task", **task.handle()}

    async def _get(self, ctx: ServerRequestContext[Any, Any], params: _TaskParams) -> HandlerResult:
        task = await self._asked(ctx, params.task_id)
        return {**task.handle(), **task.outcome}

    async def _acknowledge(self, ctx: ServerRequestContext[Any, Any], params: _TaskParams) -> HandlerResult:
        """An empty result: no task asks its client for anything, and none is ended by it."""
        await self._asked(ctx, params.task_id)
        return {}

    async def _asked(self, ctx: ServerRequestContext[Any, Any], task_id: str) -> Task:
        """The task that a client asks about.

        Raises:
            MCPError: The client did not declare the extension, or the task is not known.
        """
        require_client_extension(ctx, TASKS)
        headers = getattr(ctx.request, "headers", None)  # of a request over HTTP, where others route by them
        if headers is not None and decode_header_value(headers.get(MCP_NAME_HEADER)) != task_id:
            raise MCPError(HEADER_MISMATCH, f"{MCP_NAME_HEADER} header does not match params.taskId")
        return await self._look(task_id)

    async def _look(self, task_id: str) -> Task:
        try:
            return await anyio.to_thread.run_sync(self._source.look, task_id)
        except RunUnknown as unknown:
            raise MCPError(INVALID_PARAMS, unknown.message, {"taskId": task_id}) from None
        except Refusal as refusal:  # not the task's outcome: it goes on, and may be asked for again
            raise MCPError(INTERNAL_ERROR, f"{refusal.code}: {refusal.message}") from None
        except Exception as problem:
            logger.exception("unexpected error")
            raise MCPError(INTERNAL_ERROR, "an unexpected error; the server's stderr has the details.") from problem

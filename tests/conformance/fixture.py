"""A server with the tools that the suite's scenarios of tasks call, over the extension of the product."""

import itertools
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Context, require_client_extension
from mcp_types import INTERNAL_ERROR, CallToolResult, TextContent
from seedproof.model.refusals import RunUnknown
from seedproof_mcp.surface.tasks.extension import TASKS, Task, TaskExtension

# The suite cancels a job of 60 s and waits 10 s for its end. Nothing is stopped by that, so no job takes long.
LONGEST_S = 3.0


@dataclass(frozen=True)
class Job:
    """Work that ends by itself."""

    created_at: str
    ends_s: float
    """By the monotonic clock."""
    fails: bool
    outcome: Mapping[str, Any]


class Jobs:
    """The jobs of this process, as tasks."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._numbers = itertools.count(1)

    def start(self, seconds: float, outcome: Mapping[str, Any], fails: bool = False) -> CallToolResult:
        """The answer that a job goes on."""
        name = f"job-{next(self._numbers)}"
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._jobs[name] = Job(now, time.monotonic() + min(seconds, LONGEST_S), fails, outcome)
        return reply(f"{name} goes on", job=name)

    def task_id(self, tool: str, answer: Mapping[str, Any]) -> str | None:
        return answer.get("job")

    def look(self, task_id: str) -> Task:
        job = self._jobs.get(task_id)
        if job is None:
            raise RunUnknown(f"there is no job {task_id!r:.80}.")
        if time.monotonic() < job.ends_s:
            return Task(task_id, "working", "going on", job.created_at, job.created_at)
        status = "failed" if job.fails else "completed"
        return Task(task_id, status, "ended", job.created_at, job.created_at, job.outcome)


def reply(text: str, is_error: bool = False, **structure: Any) -> CallToolResult:
    """What a tool answers."""
    content = [TextContent(type="text", text=text)]
    return CallToolResult(content=content, structured_content=structure or None, is_error=is_error)


def result(answer: CallToolResult) -> dict[str, Any]:
    """The outcome of a job that ended with this answer."""
    return {"result": answer.model_dump(by_alias=True, exclude_none=True, mode="json")}


def build_fixture() -> MCPServer[Any]:
    """The server; the names of its tools and arguments are the suite's."""
    jobs = Jobs()
    server: MCPServer[Any] = MCPServer("fixture", extensions=[TaskExtension(jobs)], log_level="WARNING")

    @server.tool()
    def greet(name: str) -> CallToolResult:
        return reply(f"Hello, {name}!")

    @server.tool()
    def slow_compute(seconds: float, label: str = "") -> CallToolResult:
        answer = reply(f"{label} computed")
        return jobs.start(seconds, result(answer)) if seconds > 0 else answer

    @server.tool()
    def failing_job(ctx: Context[Any, Any]) -> CallToolResult:
        require_client_extension(ctx.request_context, TASKS)
        return jobs.start(1.0, result(reply("the job failed", is_error=True)))

    @server.tool()
    def protocol_error_job() -> CallToolResult:
        return jobs.start(1.0, {"error": {"code": INTERNAL_ERROR, "message": "the job broke"}}, fails=True)

    return server

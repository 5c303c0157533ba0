"""A client that declares the tasks extension: calls that may be answered with a handle, and the methods of tasks."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar, Literal

import anyio
import anyio.lowlevel
from mcp.client.client import Client
from mcp.client.extension import ClaimContext, ClientExtension, ResultClaim
from mcp_types import CallToolResult, Request, RequestParams, Result
from pydantic import ConfigDict, Field
from seedproof_mcp.service.service import Service
from seedproof_mcp.surface.tasks.extension import TASKS
from seedproof_mcp.surface.tools import build_server

from tests.support.waiting import PATIENCE_S

__all__ = ["TaskCaller", "task_tools", "tell"]


class Handle(Result):
    """The answer of a call that is now a task."""

    model_config = ConfigDict(extra="allow")

    result_type: Literal["task"] = Field(alias="resultType")


class Raw(Result):
    """Any result as it came."""

    model_config = ConfigDict(extra="allow")


class TaskParams(RequestParams):
    model_config = ConfigDict(extra="allow")

    task_id: str = Field(alias="taskId")


class TaskRequest(Request[TaskParams, str]):
    name_param: ClassVar[str | None] = "taskId"


class Declares(ClientExtension):
    """Declares the extension, and leaves the handles to the test."""

    identifier = TASKS

    def claims(self) -> Sequence[ResultClaim[Any]]:
        async def resolve(handle: Handle, _: ClaimContext) -> CallToolResult:
            raise AssertionError(f"nobody asked for this handle: {handle}")

        return [ResultClaim(result_type="task", model=Handle, resolve=resolve)]


async def tell(client: Client, method: str, task_id: str, **more: Any) -> dict[str, Any]:
    """The answer to a method of tasks as it came, without its `_meta`."""
    request = TaskRequest(method=method, params=TaskParams(taskId=task_id, **more))
    answer = await client.session.send_request(request, Raw)
    return answer.model_dump(by_alias=True, exclude={"meta"}, exclude_unset=True)


class TaskCaller:
    """Calls the tools of one project as a client that takes handles."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def __call__(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The answer as it went over the wire, without its `_meta`."""
        answer = await self.client.session.call_tool(tool, arguments, allow_claimed=True)
        return answer.model_dump(by_alias=True, mode="json", exclude={"meta"}, exclude_unset=True)

    async def get(self, task_id: str) -> dict[str, Any]:
        return await tell(self.client, "tasks/get", task_id)

    async def outcome(self, task_id: str) -> dict[str, Any]:
        """The task once it is no longer worked on."""
        with anyio.fail_after(PATIENCE_S):
            while (task := await self.get(task_id))["status"] == "working":
                await anyio.lowlevel.checkpoint()
        return task


@asynccontextmanager
async def task_tools(project: Path, service: Service) -> AsyncIterator[TaskCaller]:
    """A client that takes handles, on a server of its own."""
    async with Client(build_server(project, service), extensions=[Declares()]) as client:
        yield TaskCaller(client)

"""Runs as tasks: which answers of `run_seed` become handles, and what a handle stands for."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from mcp_types import CallToolResult

from seedproof_mcp.service.results import TRY_ID, Result
from seedproof_mcp.surface.tasks.extension import Task

if TYPE_CHECKING:
    from seedproof_mcp.service.service import Service

__all__ = ["RunTasks"]


class RunTasks:
    """The runs of a project; the id of a task is the id of its run, so that the ledger holds all tasks."""

    def __init__(self, service: "Callable[[], Service]", reply: Callable[[Result], CallToolResult]) -> None:
        """Read runs through a service.

        Args:
            service: Gives the service, which is loaded with the first call.
            reply: Makes the tools' answer from a result.
        """
        self._service = service
        self._reply = reply

    def task_id(self, tool: str, answer: Mapping[str, Any]) -> str | None:
        """The run that an answer of `run_seed` says is queued or running; None for a try, which no ledger holds."""
        waits = tool == "run_seed" and answer.get("state") in ("queued", "running")
        return answer["run_id"] if waits and answer["run_id"] != TRY_ID else None

    def look(self, task_id: str) -> Task:
        """The run as `run_seed` would answer it now."""
        seen = self._service().observe(task_id)
        created_at, updated_at = self._service().run_times(task_id)
        if seen.is_active:
            message = "; ".join(part for part in (seen.progress(), seen.reason) if part)
            return Task(task_id, "working", message, created_at, updated_at)
        result = self._reply(seen).model_dump(by_alias=True, exclude_none=True, mode="json")
        return Task(task_id, "completed", seen.title(), created_at, updated_at, {"result": result})

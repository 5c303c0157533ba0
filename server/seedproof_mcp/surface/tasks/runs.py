"""Runs and arms as tasks: which answers of `run_seed` become handles, and what a handle stands for."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from mcp_types import CallToolResult
from seedproof.model.refusals import BaselineRefusal, CodeRefusal, DeclarationRefusal, ExperimentRefusal, SeedRefusal
from seedproof.model.run_key import ArmKey, Role

from seedproof_mcp.service.replies.result import Result
from seedproof_mcp.service.replies.run import TRY_ID
from seedproof_mcp.surface.strict_tool import refusal_result
from seedproof_mcp.surface.tasks.extension import Task

if TYPE_CHECKING:
    from seedproof_mcp.service.service import Service

__all__ = ["RunTasks"]


class RunTasks:
    """The runs and arms of a project; the id of a task is that of its run or arm, so the ledger holds all tasks."""

    def __init__(self, service: "Callable[[], Service]", reply: Callable[[Result], CallToolResult]) -> None:
        """Read runs through a service.

        Args:
            service: Gives the service, which is loaded with the first call.
            reply: Makes the tools' answer from a result.
        """
        self._service = service
        self._reply = reply

    def task_id(self, tool: str, answer: Mapping[str, Any]) -> str | None:
        """The run, or the arm, that an answer of `run_seed` waits for; None for a try, which no ledger holds."""
        waits = tool == "run_seed" and answer.get("state") in ("queued", "running")
        if not waits or answer["run_id"] == TRY_ID:
            return None
        if answer["next"]["arguments"].get("until") != "verdict":
            return str(answer["run_id"])
        generation, _, _ = answer["run_id"].removeprefix("g").partition("-")
        return ArmKey(int(generation), Role(answer["role"]), answer.get("experiment")).arm_id

    def look(self, task_id: str) -> Task:
        """The run or the arm as `run_seed` would answer it now; what is due of an arm is queued."""
        from seedproof_mcp.service.arm_runs import arm_times, observe_arm

        arm = ArmKey.parse(task_id)
        if arm is None:
            seen = self._service().observe(task_id)
            created_at, updated_at = self._service().run_times(task_id)
        else:
            created_at, updated_at = arm_times(self._service(), arm)
            try:
                seen = observe_arm(self._service(), arm)
            except _LASTING as refusal:
                answer = _wire(refusal_result(refusal, self._service().head()))
                return Task(task_id, "completed", refusal.message, created_at, updated_at, {"result": answer})
            created_at, updated_at = arm_times(self._service(), arm)
        if seen.is_active:
            message = "; ".join(part for part in (seen.progress(), seen.reason) if part)
            return Task(task_id, "working", message, created_at, updated_at)
        return Task(task_id, "completed", seen.title(), created_at, updated_at, {"result": _wire(self._reply(seen))})


# Refusals of the run that is due next which mending alone ends; of all others the task may be asked again.
_LASTING = (BaselineRefusal, ExperimentRefusal, CodeRefusal, DeclarationRefusal, SeedRefusal)


def _wire(result: CallToolResult) -> dict[str, Any]:
    return result.model_dump(by_alias=True, exclude_none=True, mode="json")

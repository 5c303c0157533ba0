"""`seedproof run --until-verdict`: an arm up to its verdict and, where that is wanted, through its confirmation."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from seedproof.admission.request import RunRequest
from seedproof.model.refusals import ConfirmNotDue
from seedproof.model.run_key import ArmKey, Role

from seedproof_mcp.service.arm_runs import observe_arm, request_arm
from seedproof_mcp.surface.next_command import in_commands
from seedproof_mcp.surface.show import show

if TYPE_CHECKING:
    from seedproof_mcp.service.replies.result import Follow
    from seedproof_mcp.service.replies.run import RunResult
    from seedproof_mcp.service.service import Service

__all__ = ["run_until_verdict"]

Watch = Callable[[Callable[[], "RunResult"]], "RunResult"]


def run_until_verdict(service: "Service", project: Path, request: RunRequest, watch: Watch) -> int:
    """Run what an arm needs, print what becomes of it, and go on with its confirmation if that is wanted.

    Args:
        service: The service of the project.
        project: The project's folder, as the command line names it.
        request: Its role says whether a confirmation is wanted; for a measurement a person at a terminal is asked.
        watch: Waits until what it observes is not active any more.

    Returns:
        0 where there is a verdict, or a complete baseline; 1 where a run brought no result.
    """
    told, name = set[str](), request.experiment
    if not _is_judged(service, project, replace(request, role=Role.MEASURE), watch, told):
        return 1
    if name is None:
        status = service.check_baseline()
        show(project, status, told)
        return 0 if status.phase == "ready" else 1
    verdict = service.compare(name)
    show(project, verdict, told)
    if request.role is not Role.CONFIRM and not _is_wanted(verdict.next):
        return 0
    try:
        if not _is_judged(service, project, RunRequest(experiment=name, role=Role.CONFIRM), watch, told):
            return 1
    except ConfirmNotDue as reason:
        print(f"Nothing to confirm: {in_commands(reason.message)}")
        return 0
    return show(project, service.compare(name), told)


def _is_judged(service: "Service", project: Path, request: RunRequest, watch: Watch, told: set[str]) -> bool:
    """Follow an arm to its end, and say whether it can be judged."""
    seen = watch(_printing(service, request_arm(service, request)))
    show(project, seen, told)
    return seen.state in ("succeeded", "diverged") and not seen.remaining


def _printing(service: "Service", key: ArmKey) -> Callable[[], "RunResult"]:
    """Observes an arm; prints a line for each of its runs that ended before the last."""
    waited: list[str] = []

    def observe() -> "RunResult":
        seen = observe_arm(service, key)
        if waited and waited[-1] != seen.run_id:
            print(service.observe(waited[-1]).first_line(), flush=True)
        if seen.run_id not in waited:
            waited.append(seen.run_id)
        return seen

    return observe


def _is_wanted(offered: "Follow | None") -> bool:
    """Ask a person at a terminal, where the next call is a confirmation."""
    is_offered = offered is not None and offered.arguments.get("role") == Role.CONFIRM.value
    if not (is_offered and sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    try:
        answer = input("Confirm it on fresh seeds now, in six runs or more? [y/N] ")
    except EOFError:
        print()
        return False
    return answer.strip().lower() in ("y", "yes")

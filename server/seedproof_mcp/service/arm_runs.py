"""Takes an arm to the point where it can be judged: queues what is due as it becomes due, and says where it stands."""

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from seedproof.admission.request import RunRequest
from seedproof.admission.until import Onward, arm_runs, arm_values, first_request, onward
from seedproof.ledger.queue_times import expected_s
from seedproof.model.refusals import WHERE_WE_STAND, ConfirmNotDue, NothingDue, RunUnknown
from seedproof.model.run_key import ArmKey, Role
from seedproof.model.runs import Run
from seedproof.phases.study import Study

from seedproof_mcp.service.replies.result import Follow
from seedproof_mcp.service.replies.run import RunResult, waiting_words

if TYPE_CHECKING:
    from seedproof_mcp.service.service import Service

__all__ = ["arm_times", "observe_arm", "request_arm"]


def request_arm(service: "Service", request: RunRequest) -> ArmKey:
    """Admit a request that goes on until its arm can be judged; return the arm.

    One that can be judged already is no refusal: what was queued may have ended since the same call before.

    Raises:
        Refusal: With its code and the next allowed call.
    """
    with service.reading() as (study, _):
        first = first_request(study, request)
    try:
        service.request_run(first)
    except (NothingDue, ConfirmNotDue):
        with service.reading() as (study, _):
            number = 0 if study.generation is None else study.generation.number
            key = ArmKey(number, request.role, request.experiment)
            if onward(study, key).run is None:
                raise
            return key
    with service.reading() as (study, _):
        return ArmKey(len(study.state.generations), request.role, request.experiment)


def observe_arm(service: "Service", key: ArmKey) -> RunResult:
    """The present result of the run that answers for an arm, after what is due was queued.

    It is active while the arm goes on; then it is the arm's last run with the values of all.

    Raises:
        RunUnknown: The ledger has no run of it.
        Refusal: What is due cannot be run; with the next call.
    """
    while True:
        at = _queue_due(service, key)
        if at.run is None:
            raise RunUnknown(f"there is no run of {key.arm_id}.", WHERE_WE_STAND)
        seen = service.observe(at.run.run_id)
        if seen.is_active or not at.is_open:
            break
    with service.reading() as (study, _):
        if not seen.is_active:
            return _ended(study, key, seen)
        active = [run for run in arm_runs(study, key) if run.state.is_active]
        at_once = service.waits.side_by_side(study.state, active[-1]) if active else 1
        eta_s = _ends_in_s(study, active, at.unqueued, service.waits.expected_ends(study.state), at_once)
        return _waiting(key, seen, eta_s)


def _queue_due(service: "Service", key: ArmKey) -> Onward:
    """What an arm waits for, once all that is due is requested."""
    seq = -1
    while True:
        with service.reading() as (study, _):
            at, now = onward(study, key), study.state.seq
        if at.request is None or now == seq:
            return at
        seq = now
        with suppress(NothingDue, ConfirmNotDue):  # another call was quicker
            service.request_run(at.request)


def arm_times(service: "Service", key: ArmKey) -> tuple[str, str]:
    """When the first run of an arm was requested, and when the state of one last changed (ISO 8601, UTC).

    Raises:
        RunUnknown: The ledger has no run of it.
    """
    with service.reading() as (study, _):
        runs = arm_runs(study, key)
        if not runs:
            raise RunUnknown(f"there is no run of {key.arm_id}.", WHERE_WE_STAND)
        times = [time for run in runs for time in (run.requested, run.started, run.ended) if time]
        return min(times, default=""), max(times, default="")


def _ends_in_s(
    study: Study, active: Sequence[Run], unqueued: int, ends: Mapping[str, float | None], at_once: int
) -> float | None:
    """Seconds until an arm can be judged; None where that is not known.

    Args:
        active: Its queued and running runs.
        unqueued: How many runs it is known to need that were not requested.
        ends: Seconds until each active run has ended.
        at_once: How many of its runs may train at the same time.
    """
    lasts = [ends.get(run.run_id) for run in active]
    each_s = expected_s(study.state, active[-1]) if active else None
    if each_s is None or None in lasts:
        return None
    return max(one for one in lasts if one is not None) + math.ceil(unqueued / at_once) * each_s


def _waiting(key: ArmKey, seen: RunResult, eta_s: float | None) -> RunResult:
    """The result of the run that an arm waits for, whose next call waits for the arm.

    Args:
        eta_s: Seconds until the arm can be judged; None where that is not known.
    """
    arguments = {"experiment": key.experiment, "role": None if key.role is Role.MEASURE else key.role.value}
    known = {name: value for name, value in arguments.items() if value is not None}
    follow = Follow(tool="run_seed", arguments={**known, "until": "verdict"}, why=waiting_words(eta_s), you_choose=[])
    return seen.model_copy(update={"next": follow})


def _ended(study: Study, key: ArmKey, seen: RunResult) -> RunResult:
    """The result of the run that ended an arm, with the values of all; a next call for the same arm waits for it."""
    follow, own = seen.next, {"experiment": key.experiment} if key.experiment else {}
    if follow is not None and follow.tool == "run_seed" and "experiment" not in follow.you_choose:
        same = {name: value for name, value in follow.arguments.items() if name == "experiment"} == own
        role = follow.arguments.get("role", Role.MEASURE.value)
        if same and role == key.role.value:
            follow = follow.model_copy(update={"arguments": {**follow.arguments, "until": "verdict"}})
    return seen.model_copy(update={"next": follow, "values": arm_values(study, key)})

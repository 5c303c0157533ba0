"""The gate's part for the baseline: its seeds, and the first call of a generation, which begins it."""

from collections.abc import Mapping
from typing import Any

from seedproof.admission.baseline_reuse import Succession, succession
from seedproof.admission.code import new_code, present_code, require_code, require_sealed
from seedproof.admission.project_view import Site
from seedproof.admission.request import Admission, RunRequest
from seedproof.admission.seeds import admit_seeds, asked_keys, is_any_new, is_recorded
from seedproof.ledger.state import State
from seedproof.model.arms import Arm
from seedproof.model.refusals import BaselineVoid, NextCall
from seedproof.model.rules import Rules
from seedproof.model.runs import RunState
from seedproof.phases.baseline import baseline_phase
from seedproof.phases.looks import next_look
from seedproof.phases.next_call import baseline_next, new_baseline_call

__all__ = ["admit_baseline"]

# A run that was stopped or lost says nothing about a baseline: repeating the call still means the same one.
_BROUGHT_SOMETHING = (RunState.SUCCEEDED, RunState.DIVERGED, RunState.FAILED, RunState.TIMED_OUT)


def admit_baseline(state: State, rules: Rules, request: RunRequest, site: Site) -> Admission:
    """Decide a request for a run of the baseline.

    Raises:
        BaselineVoid: This generation can never become a baseline.
        SeedUnknown, SeedNotDue, AttemptNotAllowed, NothingDue: The run asked for is not one that is due.
        OutputExists, SealedChanged, SnapshotMissing, NotComparable: It could not be started.
    """
    records: list[tuple[str, Mapping[str, Any]]] = []
    number = state.generation.number if state.generation else 0
    starts = number == 0 or request.new_baseline is not None
    if starts and not _joins_generation(state, rules, request):
        number += 1
        # The first generation has nothing to take over, so nobody needs to ask the interpreter.
        heritage = succession(state, rules, site.surroundings()) if state.generation else Succession()
        code = site.code()
        fields = {
            "generation": number,
            "rules": rules.document(),
            "reason": request.new_baseline,
            "adopted": [run.run_id for run in heritage.runs],
            "adoption": heritage.reason,
            **new_code(code, None),
        }
        records.append(("generation_started", fields))
        arm = Arm(generation=number, experiment=None, runs=heritage.runs, code=code)
    else:
        phase = baseline_phase(state, rules)
        if phase.phase == "void" and not is_recorded(phase.arm, request):
            raise BaselineVoid(phase.reason or "", new_baseline_call())
        arm = phase.arm
    look = next_look(arm, None, rules)
    following = _first_baseline_call(rules) if records else baseline_next(state, rules)
    keys = asked_keys(arm, look, rules, request, following)
    if records or not is_any_new(arm, keys):
        return admit_seeds(arm, rules, request, records, keys, site)
    newest = present_code(arm, None, site, rules.metric.name)
    # Where nothing was measured, what is sealed is what lies there now.
    require_sealed(newest.arm.code, newest.arm.code, rules, site, following)
    require_code(newest.arm, [seed for seed, _ in keys], site, new_baseline_call())
    return admit_seeds(newest.arm, rules, request, records, keys, site, newest.fields)


def _first_baseline_call(rules: Rules) -> NextCall:
    return NextCall("run_seed", "Runs the first baseline seed.", {"seed": rules.baseline_seeds[0]})


def _joins_generation(state: State, rules: Rules, request: RunRequest) -> bool:
    """Repeating `new_baseline` with the same reason joins a generation that has no result or failure yet."""
    generation = state.generation
    if generation is None or generation.reason != request.new_baseline or generation.parsed_rules() != rules:
        return False
    own = (run_id for run_id in generation.run_ids if run_id not in generation.adopted)
    is_void = baseline_phase(state, rules).phase == "void"  # by two stopped runs that had shown a value
    return not is_void and not any(state.runs[run_id].state in _BROUGHT_SOMETHING for run_id in own)

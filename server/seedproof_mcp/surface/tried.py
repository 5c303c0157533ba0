"""The answer of `run_seed(try_run=true)`."""

from seedproof_mcp.service.replies.result import Follow
from seedproof_mcp.service.replies.run import TRIED_BYTES, TRY_ID, RunResult, waiting_words
from seedproof_mcp.service.service import Service
from seedproof_mcp.setup.trial.ask import Asked

__all__ = ["tried_result"]


def tried_result(service: Service, asked: Asked) -> RunResult:
    """A try in the form of a run; `next` is the same call while it goes on, and what is due once all is well."""
    status = service.check_baseline()
    follow = status.next if asked.row is not None and asked.row.is_well else None
    if asked.row is None:
        again = waiting_words(None)
        follow = Follow(tool="run_seed", arguments={"try_run": True}, why=again, you_choose=[])
    return RunResult(
        run_id=TRY_ID,
        role="measure",
        arm="baseline",
        experiment=None,
        seed=asked.seed,
        attempt=1,
        state="running" if asked.row is None else "tried",
        metrics={},
        step=None,
        elapsed_s=None,
        eta_s=None,
        queue_position=None,
        remaining=len(status.missing_seeds),
        reason=asked.progress if asked.row is None else None,
        untrusted_output=None if asked.row is None else asked.row.tail(TRIED_BYTES),
        ledger_head=status.ledger_head,
        notices=[],
        next=follow,
        tried=asked.row,
    )

"""What the reply to a request says of a run that has not ended, and so does not count yet."""

from seedproof.ledger.state import State
from seedproof.model.values import Run
from seedproof.notices.exclusions import exclusion_notices, exclusions_of, scripts_of

from seedproof_mcp.host.settings import Config
from seedproof_mcp.service.results import RunResult
from seedproof_mcp.service.views import notice_results

__all__ = ["with_exclusions"]


def with_exclusions(result: RunResult, state: State, run: Run, config: Config) -> RunResult:
    """The result, with what the settings leave out of the code of this run beside the baseline's."""
    counted = tuple(state.baseline_arm(run.generation).counted.values())
    # A run that waits will be started with the settings as they are then; these are the newest that are known.
    own = exclusions_of([run]) or [tuple(sorted(config.settings.not_code))]
    sides = {"baseline": exclusions_of(counted), "this run": own}
    found = notice_results(exclusion_notices(sides, {config.rules.script, *scripts_of(counted)}))
    told = {notice.code for notice in found}
    kept = [notice for notice in result.notices if notice.code not in told]
    return result.model_copy(update={"notices": [*kept, *found]}) if found else result

"""Where an experiment stands, in one word."""

from seedproof.ledger.state import Experiment
from seedproof.model.results import ExperimentState, Verdict
from seedproof.model.untrusted import one_line
from seedproof.phases.looks import failure_words
from seedproof.phases.study import Study

__all__ = ["ExperimentState", "experiment_state"]


_STALE = "its control does not agree with the baseline, or failed for good; it gets no verdict"


def experiment_state(study: Study, experiment: Experiment) -> tuple[ExperimentState, str | None]:
    """The state of an experiment, and why it is `failed`, `withdrawn` or `closed`; else None."""
    standing, verdict = study.standing(experiment), experiment.verdict
    if verdict is not None:
        return ("dropped" if verdict.verdict == Verdict.DROPPED else "judged"), None
    if experiment.withdrawn is not None:
        return "closed" if experiment.is_closed else "withdrawn", one_line(experiment.withdrawn.reason)
    if study.generation is None or experiment.generation != study.generation.number:
        return "superseded", None
    if standing.control.state == "failed":
        return "failed", _STALE
    failure = failure_words(standing.look)
    if failure is not None:
        return "failed", failure
    if standing.look.is_complete:
        return "measured", None
    return ("measuring" if standing.arm.runs else "declared"), None

"""300 studies in which nothing differs, judged and taken through the service: as many WINNERs as the rule promises."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from seedproof.admission.request import RunRequest
from seedproof.model.refusals import MoreSeedsNeeded
from seedproof.verdict.judge import judge

from tests.support.amounts import amount
from tests.support.arms import experiment_arm, make_baseline, measured
from tests.support.in_process import InProcessEngine, in_process_service
from tests.support.tables import Table

STUDIES = 300
# Taking a study through the service takes a hundred times as long as judging it.
IN_THE_LAB = slice(None, None, amount(sample=20, whole=3, soak=1))
# One draw for each run of a study: five of the baseline, then five of the experiment; lower is better.
DRAWS: NDArray[np.float64] = np.random.default_rng(3).normal(4.0, 0.01, (STUDIES, 10))


def verdict_of_the_service(folder: Path, draw: NDArray[np.float64]) -> tuple[str, int]:
    """A whole study, as a client would take it through; its verdict and its number of experiment runs."""
    folder.mkdir()
    (folder / "train_llm.py").touch()
    table = Table().arm("baseline", map(float, draw[:5])).arm("exp_null", map(float, draw[5:]))
    service = in_process_service(folder, InProcessEngine(table))
    service.request_run(RunRequest(queue_all=True))
    service.request_run(RunRequest(experiment="null", flags=(), hypothesis="null: nothing differs", queue_all=True))
    try:
        said = service.compare("null")
    except MoreSeedsNeeded:
        service.request_run(RunRequest(experiment="null", queue_all=True))
        said = service.compare("null")
    return said.verdict, said.experiment_metrics["val_loss"].n


def verdict_of_judge(draw: NDArray[np.float64]) -> tuple[str, int]:
    """The same from the pure function: three seeds, and all five where three do not decide."""
    baseline, values = make_baseline(list(map(float, draw[:5]))), list(map(float, draw[5:]))
    try:
        return str(judge(baseline, experiment_arm(*measured(values[:3]))).verdict), 3
    except MoreSeedsNeeded:
        return str(judge(baseline, experiment_arm(*measured(values))).verdict), 5


def verdicts_at_once(draws: NDArray[np.float64]) -> list[tuple[str, int]]:
    """The same from the table of the protocol, for all studies in a few lines of arithmetic."""
    base, exp = draws[:, :5], draws[:, 5:]
    mean, sigma = base.mean(axis=1), base.std(axis=1, ddof=1)
    first, every = ((mean - some.mean(axis=1)) / sigma for some in (exp[:, :3], exp))
    is_decided = np.abs(first) >= 2
    better = np.where(is_decided, first, every)
    words = np.where(better >= 2, "WINNER", np.where(better <= -2, "LOSER", "NEUTRAL"))
    return [(str(word), 3 if decided else 5) for word, decided in zip(words, is_decided, strict=True)]


@pytest.mark.sampled
def test_of_300_studies_without_effect_the_lab_calls_as_many_winners_as_promised_and_agrees_with_both_twins(
    quick_project: Path,
) -> None:
    found = verdicts_at_once(DRAWS)
    assert found == [verdict_of_judge(draw) for draw in DRAWS]
    in_the_service = [
        verdict_of_the_service(quick_project / str(number), draw) for number, draw in enumerate(DRAWS[IN_THE_LAB])
    ]
    assert in_the_service == found[IN_THE_LAB]
    words = [word for word, _ in found]
    # 3.05 % of 300 are 9.15; 4 to 15 hold the count of 96 % of such series.
    assert 4 <= words.count("WINNER") <= 15
    assert 4 <= words.count("LOSER") <= 15
    # 4.90 runs on average (seedproof.phases.looks.protocol_power), give or take four standard errors.
    assert 4.8 <= sum(runs for _, runs in found) / STUDIES <= 5.0

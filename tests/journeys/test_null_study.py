"""300 studies in which nothing differs, judged, and taken through the service: as many WINNERs as promised."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from seedproof.admission.request import RunRequest
from seedproof.model.refusals import MoreSeedsNeeded
from seedproof.model.run_key import Role
from seedproof.verdict.judge import judge

from tests.support.amounts import amount
from tests.support.arms import experiment_arm, make_baseline, measured
from tests.support.in_process import InProcessEngine, in_process_service
from tests.support.seeds import FRESH_SIX
from tests.support.tables import Table

STUDIES = 300
# Taking a study through the service takes a hundred times as long as judging it; every WINNER is.
IN_THE_LAB = range(0, STUDIES, amount(sample=20, whole=3, soak=1))
# One draw for each run of a study: five of the baseline, then five of the experiment; lower is better.
DRAWS: NDArray[np.float64] = np.random.default_rng(3).normal(4.0, 0.01, (STUDIES, 10))
# Six controls, then six runs of the experiment, on fresh seeds.
FRESH_DRAWS: NDArray[np.float64] = np.random.default_rng(4).normal(4.0, 0.01, (STUDIES, 12))


def verdict_of_the_service(folder: Path, place: int) -> tuple[str, int, str]:
    """A whole study, as a client would take it through to its end: verdict, experiment runs, confirmation."""
    folder.mkdir()
    (folder / "train_llm.py").touch()
    draw, fresh = (list(map(float, each[place])) for each in (DRAWS, FRESH_DRAWS))
    table = Table().arm("baseline", draw[:5]).arm("exp_null", draw[5:])
    table.arm("control_null", fresh[:6], FRESH_SIX).arm("confirm_null", fresh[6:], FRESH_SIX)
    service = in_process_service(folder, InProcessEngine(table))
    service.request_run(RunRequest(queue_all=True))
    service.request_run(RunRequest(experiment="null", flags=(), hypothesis="null: nothing differs", queue_all=True))
    try:
        said = service.compare("null")
    except MoreSeedsNeeded:
        service.request_run(RunRequest(experiment="null", queue_all=True))
        said = service.compare("null")
    while said.verdict == "WINNER" and said.confirmation.state == "open":
        service.request_run(RunRequest(experiment="null", role=Role.CONFIRM, queue_all=True))
        said = service.compare("null")
    ended = f"{said.confirmation.state} after {said.confirmation.done} runs" if said.verdict == "WINNER" else ""
    return said.verdict, said.experiment_metrics["val_loss"].n, ended


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


def confirmation_at_once(place: int, runs: int) -> str:
    """How the confirmation of a WINNER ends, in a few lines of arithmetic."""
    base, exp = DRAWS[place, :5], DRAWS[place, 5 : 5 + runs]
    ratio = exp.std(ddof=1) / base.std(ddof=1)
    is_other = ratio >= np.sqrt(stats.f.ppf(0.95, runs - 1, 4))
    for pairs in (3, 6):
        control, fresh = FRESH_DRAWS[place, :pairs], FRESH_DRAWS[place, 6 : 6 + pairs]
        df = (runs - 1) + 2 * (pairs - 1)
        squares = sum(((each - each.mean()) ** 2).sum() for each in (exp, control, fresh))
        p = stats.t.sf((control.mean() - fresh.mean()) / np.sqrt(squares / df * 2 / pairs), df)
        if p <= (0.002 if is_other else 0.02) and not (is_other and pairs == 3):
            return f"confirmed after {2 * pairs} runs"
        if p > 0.30:
            break
    return f"not_confirmed after {2 * pairs} runs"


@pytest.mark.sampled
def test_of_300_studies_without_effect_the_lab_calls_as_many_winners_as_promised_and_confirms_next_to_none(
    quick_project: Path,
) -> None:
    found = verdicts_at_once(DRAWS)
    assert found == [verdict_of_judge(draw) for draw in DRAWS]
    winners = {place: confirmation_at_once(place, runs) for place, (word, runs) in enumerate(found) if word == "WINNER"}
    for place in sorted({*IN_THE_LAB, *winners}):
        expected = (*found[place], winners.get(place, ""))
        assert verdict_of_the_service(quick_project / str(place), place) == expected
    words = [word for word, _ in found]
    # 3.05 % of 300 are 9.15; 4 to 15 hold the count of 96 % of such series.
    assert 4 <= words.count("WINNER") <= 15
    assert 4 <= words.count("LOSER") <= 15
    # 0.08 % of 300 are 0.25: two or fewer in 99.8 % of such series.
    assert sum(ended.startswith("confirmed") for ended in winners.values()) <= 2
    # 4.90 runs on average (seedproof.stats.power.protocol_power), give or take four standard errors.
    assert 4.8 <= sum(runs for _, runs in found) / STUDIES <= 5.0

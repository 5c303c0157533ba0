"""Notices: what the reader must be told beside the numbers."""

import pytest
from seedproof.notices import arm_notices
from seedproof.values import MetricValue, Run

from tests.protocol.arms import RULES, baseline_arm, diverged, experiment_arm, failed, make_run, measured


def printed(*texts: str, seeds: tuple[int, ...] = (42, 137, 256, 512, 1024)) -> tuple[Run, ...]:
    """Runs whose values were printed exactly so."""
    return tuple(
        make_run(seed, metrics={"val_loss": MetricValue(float(text), text)})
        for seed, text in zip(seeds, texts, strict=False)
    )


def messages(*runs: Run, sigma: float | None = 1.0) -> list[str]:
    """What the reader is told of an experiment with these runs."""
    return [notice.message for notice in arm_notices(experiment_arm(*runs), RULES, sigma)]


def test_different_values_printed_finely_need_no_notice() -> None:
    assert messages(*measured([3.1234, 3.5678, 3.9123])) == []


def test_equal_values_of_different_seeds_ask_whether_the_seed_is_used() -> None:
    notices = arm_notices(experiment_arm(*measured([3.5, 3.5, 3.5])), RULES, None)
    assert [(notice.code, notice.message) for notice in notices] == [
        ("same_values", "muon: 3 seeds gave the same val_loss; does the script use --seed?")
    ]


def test_one_value_or_one_that_differs_is_no_reason_to_ask() -> None:
    assert messages(*measured([3.5])) == []
    assert messages(*measured([3.5, 3.5, 3.6]), sigma=None) == []


def test_diverged_and_failed_runs_do_not_count_as_equal_values() -> None:
    assert messages(make_run(42, 3.5), diverged(137), failed(256, shown=True)) == []


def test_identical_logs_are_named_with_their_seeds() -> None:
    runs = (
        make_run(42, 3.1, log_sha256="a"),
        make_run(137, 3.2, log_sha256="b"),
        make_run(256, 3.3, log_sha256="a"),
        make_run(512, 3.4),
        make_run(1024, 3.5),
    )
    notices = arm_notices(baseline_arm(*runs), RULES, None)
    assert [(notice.code, notice.message) for notice in notices] == [
        ("identical_logs", "baseline: the logs of seeds 42, 256 are identical.")
    ]


@pytest.mark.parametrize(
    ("texts", "sigma", "step"),
    [
        (("3.5", "3.6"), 0.4, "0.1"),  # 0.1 is more than a fifth of 0.4
        (("3.5", "3.6"), 0.5, None),  # 0.1 is exactly a fifth of 0.5
        (("3.5", "3.6"), 0.6, None),
        (("3", "5"), 4.9, "1"),
        (("3.51", "3.6"), 0.4, None),  # the finest counts: 3.6 may have been 3.60
        (("3.5001", "3.6001"), 0.4, None),
        (("3.5", "3.6"), None, None),  # nothing to compare with yet
    ],
)
def test_coarse_steps_are_named_when_they_exceed_a_fifth_of_sigma(
    texts: tuple[str, ...], sigma: float | None, step: str | None
) -> None:
    said = (
        []
        if step is None
        else [
            f"muon: val_loss is printed in steps of {step}, not small against sigma ({sigma}); "
            "print more digits or read it from a file."
        ]
    )
    assert messages(*printed(*texts), sigma=sigma) == said


def test_notices_on_values_logs_and_steps_stand_together() -> None:
    runs = tuple(
        make_run(seed, metrics={"val_loss": MetricValue(3.5, "3.5")}, log_sha256="a") for seed in (42, 137, 256)
    )
    codes = [notice.code for notice in arm_notices(experiment_arm(*runs), RULES, 0.1)]
    assert codes == ["same_values", "identical_logs", "coarse_resolution"]

"""Notices: what the reader must be told beside the numbers."""

import hashlib
from dataclasses import replace

import pytest
from seedproof.model.metric_rule import MetricRule
from seedproof.model.rules import Rules
from seedproof.model.run_key import Role
from seedproof.model.runs import MetricValue, Run, RunState
from seedproof.notices.runs import arm_notices, baseline_notices, beside_baseline_notices, comparison_notices
from seedproof.phases.baseline import establish_baseline
from seedproof.verdict.judge import judge

from tests.support.arms import (
    RULES,
    baseline_arm,
    diverged,
    experiment_arm,
    failed,
    make_baseline,
    make_run,
    measured,
)


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
    assert messages(*measured([3.5, 3.6, 3.7]), sigma=None) == []


def test_two_equal_values_among_others_are_named_with_seeds_and_value() -> None:
    assert messages(*measured([3.5123, 3.6456, 3.5123, 3.7, 3.6456]), sigma=None) == [
        "muon: seeds 42, 256 gave the same val_loss, 3.5123; is each of them a training of its own?",
        "muon: seeds 137, 1024 gave the same val_loss, 3.6456; is each of them a training of its own?",
    ]


def test_a_pattern_that_matches_within_another_name_is_told_with_the_text() -> None:
    rules = Rules(metric=MetricRule(name="val_loss", pattern=r"loss=(?P<value>\S+)"))
    value = MetricValue(0.09, "0.09", 3, "train_loss=0.09")
    told = arm_notices(experiment_arm(make_run(42, metrics={"val_loss": value})), rules, None)
    assert [(notice.code, notice.message) for notice in told] == [
        (
            "pattern_matches_more",
            "muon: the pattern of val_loss also matches within another name, as in `train_loss=0.09`; "
            r"put the whole name into it, behind \b.",
        )
    ]


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


@pytest.mark.parametrize(("second", "told"), [(3.2, False), (3.1, True)])
def test_equal_logs_are_told_of_a_metric_in_a_file_where_its_values_are_equal_too(second: float, told: bool) -> None:
    rules = Rules(metric=MetricRule(name="val_loss", file="metrics.json", path="val_loss"))
    runs = (make_run(42, 3.1, log_sha256="a"), make_run(137, second, log_sha256="a"), make_run(256, 3.3))
    codes = [notice.code for notice in arm_notices(baseline_arm(*runs), rules, None)]
    assert ("identical_logs" in codes) is told


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


def test_a_metric_that_is_the_best_of_several_values_is_told_as_selected() -> None:
    codes = {}
    for statistic in ("last", "best"):
        rule = MetricRule.model_validate({"name": "val_loss", "pattern": "x(?P<value>.+)", "statistic": statistic})
        rules = RULES.model_copy(update={"metric": rule})
        codes[statistic] = [
            notice.code for notice in baseline_notices(make_baseline((3.101, 3.2, 3.3, 3.5, 3.7), rules))
        ]
    assert codes == {"last": [], "best": ["metric_selects"]}


def test_empty_logs_are_not_called_identical() -> None:
    assert messages(*measured([3.1, 3.2, 3.3], log_sha256=hashlib.sha256(b"").hexdigest())) == []


# --- attempts -------------------------------------------------------------------------------------


def stopped(seed: int, value: float | None, **more: object) -> Run:
    return make_run(seed, value, **{"state": RunState.CANCELLED, "reason": "it looked\n# bad.", "step": 50, **more})


def test_a_stopped_attempt_is_told_with_its_last_value_step_and_reason_in_one_line() -> None:
    runs = (stopped(42, 4.25), make_run(42, 3.5, attempt=2))
    notices = arm_notices(experiment_arm(*runs), RULES, None)
    assert [(notice.code, notice.message) for notice in notices] == [
        (
            "cancelled_seed",
            "muon: attempt 1 at seed 42 was stopped after it had shown val_loss 4.25 (step 50): it looked # bad. "
            "With another attempt the seed is a second draw, and an improvement that rests on it is not trusted.",
        )
    ]


def test_a_reason_of_any_length_is_told_shortly() -> None:
    (message,) = messages(stopped(42, 4.25, reason="x" * 2000))
    assert f": {'x' * 300}…. With" in message


def test_an_attempt_stopped_before_any_value_is_no_second_draw() -> None:
    assert messages(stopped(42, None), make_run(42, 3.5, attempt=2)) == []


def test_every_attempt_without_a_result_is_told_beside_a_verdict() -> None:
    fresh = make_run(100_003, 4.0, state=RunState.TIMED_OUT, role=Role.CONFIRM, is_control=True, reason="too long")
    control = make_run(42, state=RunState.INTERRUPTED, role=Role.CONTROL)
    runs = (
        failed(42, shown=True, reason="exit code 1"),
        make_run(42, 1.0, attempt=2),
        stopped(137, None),
        make_run(137, 1.1, attempt=2),
        make_run(256, state=RunState.NOT_NEEDED),
        make_run(256, 1.2, attempt=2),
        make_run(512, state=RunState.RUNNING),
    )
    comparison = judge(make_baseline(), experiment_arm(*runs, fresh=(fresh,), controls=(control,)))
    told = [one.message for one in comparison_notices(comparison) if one.code == "attempt_without_result"]
    assert told == [
        "muon: attempt 1 at seed 42 failed after it had shown val_loss 4: exit code 1.",
        "muon: attempt 1 at seed 137 cancelled without any val_loss (step 50): it looked # bad.",
        "muon: attempt 1 at fresh (without the change) seed 100003 timed out after it had shown val_loss 4: too long.",
        "muon: attempt 1 at control seed 42 interrupted without any val_loss.",
    ]


def test_attempts_of_the_baseline_are_told_in_its_report_and_beside_every_verdict() -> None:
    again = make_baseline((4.0, 4.1, 4.2, 4.3, 4.4))
    runs = (failed(42, shown=False, experiment=None, reason="exit code 1"), *again.arm.runs)
    baseline = establish_baseline(baseline_arm(*runs), RULES)
    said = "baseline: attempt 1 at seed 42 failed without any val_loss: exit code 1."
    assert said in [notice.message for notice in baseline_notices(baseline)]
    comparison = judge(baseline, experiment_arm(*measured([1.0, 1.1, 1.2])))
    assert said in [notice.message for notice in comparison_notices(comparison)]


# --- probes ---------------------------------------------------------------------------------------


def probed(*runs: Run, base: tuple[Run, ...], **more: object) -> list[tuple[str, str]]:
    arm = experiment_arm(*runs, **{"flags": ("--lr", "1"), **more})
    return [(notice.code, notice.message) for notice in beside_baseline_notices(baseline_arm(*base), arm, RULES)]


def test_an_experiment_that_trained_as_the_baseline_did_needs_no_notice() -> None:
    base = measured([3.1, 3.2, 3.3, 3.4, 3.5], step=100, counts={"val_tokens": "9"})
    assert probed(*measured([3.0, 3.1, 3.2], step=100, counts={"val_tokens": "9"}), base=base) == []


def test_values_equal_to_the_baselines_seed_by_seed_say_that_the_flag_does_nothing() -> None:
    base = printed("3.5001", "3.6001", "3.7001", "3.8001", "3.9001")
    said = (
        "muon: 3 of 3 seeds gave the baseline's val_loss to the last digit; the flags have no effect, or do not "
        "arrive in the training."
    )
    assert probed(*printed("3.5001", "3.6001", "3.7001"), base=base) == [("no_effect_flag", said)]
    begun = [replace(run, early=((10, f"4.{run.seed}"),)) for run in printed("3.5001", "3.6001")]
    assert probed(*begun, base=base) == []
    assert "the change has no effect" in probed(*printed("3.5001"), base=base, flags=())[0][1]


@pytest.mark.parametrize("texts", [("3.5001", "3.6001", "3.7002"), ("3.50010",), ("3.6001",), ()])
def test_one_digit_of_difference_is_an_effect(texts: tuple[str, ...]) -> None:
    assert probed(*printed(*texts), base=printed("3.5001", "3.6001", "3.7001")) == []


def test_a_null_experiment_may_equal_the_baseline() -> None:
    base = printed("3.5001", "3.6001")
    assert probed(*printed("3.5001", "3.6001"), base=base, hypothesis="null: as declared") == []


def test_the_arms_of_a_diverged_run_are_not_called_equal() -> None:
    assert probed(diverged(42), base=(diverged(42),)) == []


def test_fewer_steps_and_little_time_are_told_with_numbers_and_the_way_out() -> None:
    base = measured([3.1, 3.2, 3.3], step=100, wall_time_s=10.0)
    (short, quick) = probed(*measured([3.0], step=50, wall_time_s=1.5), base=base)
    assert short == (
        "stopped_early",
        "muon: seed 42 at step 50: below 90 % of the baseline's smallest, 100, and in less time. Where fewer are "
        'meant, measure a new baseline whose command takes as many: run_seed(new_baseline="the same length").',
    )
    assert quick == (
        "did_not_train",
        "muon: seed 42 lasted 1.50 s, below a fifth of the baseline's mean, 10.00 s: did it train? Where it is that "
        "fast, measure a new baseline that is as fast.",
    )


def test_a_first_run_that_fetched_its_data_makes_no_later_one_look_untrained() -> None:
    base = [
        make_run(seed, 3.1 + seed / 1e5, wall_time_s=260.0 if seed == 42 else 10.0)
        for seed in (42, 137, 256, 512, 1024)
    ]
    assert probed(*measured([3.0], wall_time_s=10.0), base=base) == []
    ((code, _),) = probed(*measured([3.0], wall_time_s=1.5), base=base)
    assert code == "did_not_train"


def test_a_larger_batch_evaluates_in_fewer_batches() -> None:
    base = measured([3.1, 3.2, 3.3], counts={"val_samples": "10000", "val_batches": "157"})
    runs = measured([3.0, 3.1], counts={"val_samples": "10000", "val_batches": "79"})
    assert probed(*runs, base=base, flags=("--batch_size", "128")) == []
    ((code, _),) = probed(*runs, base=base)
    assert code == "eval_size_differs"


def test_an_evaluation_of_another_size_is_told_with_both_sizes() -> None:
    base = measured([3.1, 3.2, 3.3], counts={"val_tokens": "1048576", "val_batches": "8"})
    runs = measured([3.0, 3.1], counts={"val_tokens": "65536", "val_batches": "8"})
    assert probed(*runs, base=base) == [
        (
            "eval_size_differs",
            "muon: val_tokens is 65536 at seed 42, 137, in the baseline 1048576; values of evaluations of different "
            "size do not compare.",
        )
    ]


def test_counts_that_one_side_does_not_print_or_that_depend_on_the_seed_alike_are_no_difference() -> None:
    by_seed = [make_run(seed, 3.0, counts={"val_tokens": str(seed)}) for seed in (42, 137)]
    assert probed(*by_seed, base=tuple(by_seed), hypothesis="null: x") == []
    assert probed(make_run(42, 3.0, counts={"val_tokens": "7"}), base=measured([3.1])) == []
    assert probed(make_run(42, 3.0), base=measured([3.1], counts={"val_tokens": "7"})) == []
    elsewhere = make_run(256, 3.0, counts={"val_tokens": "137"})
    assert probed(elsewhere, base=tuple(by_seed)) == []

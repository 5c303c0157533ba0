"""The phases: the only way to a baseline, its refusals, and the call that comes next."""

from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from seedproof.ledger.fold import fold
from seedproof.ledger.records import make_record
from seedproof.ledger.state import State
from seedproof.model.arms import Baseline
from seedproof.model.refusals import BaselineIncomplete, BaselineMissing, BaselineRefusal, BaselineVoid, NextCall
from seedproof.model.rules import Rules
from seedproof.phases.baseline import baseline_phase, establish_baseline
from seedproof.phases.calls import new_baseline_call, new_experiment_call
from seedproof.phases.next_call import baseline_next, experiment_next, require_baseline
from seedproof.phases.study import Study

from tests.support.arms import (
    RULES,
    SEEDS,
    baseline_arm,
    diverged,
    experiment_arm,
    failed,
    make_baseline,
    measured,
    run_key,
)

VALUES = (3.0, 3.0, 4.0, 5.0, 5.0)


class Story:
    """A ledger written by hand, one event after the other."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self._numbers = count(1)

    def add(self, kind: str, **fields: Any) -> "Story":
        prev = self.records[-1]["hash"] if self.records else "0" * 64
        self.records.append(make_record(next(self._numbers), "2026-01-01T00:00:00.000Z", prev, kind, fields))
        return self

    def generation(self, number: int = 1, rules: Rules = RULES, reason: str | None = None) -> "Story":
        return self.add("generation_started", generation=number, rules=rules.document(), reason=reason)

    def declare(self, name: str = "muon", generation: int = 1) -> "Story":
        words = {"flags": ["--lr", "1"], "hypothesis": "it helps", "code_change": False}
        return self.add("experiment_declared", generation=generation, experiment=name, **words)

    def request(self, seed: int, experiment: str | None = None, attempt: int = 1, generation: int = 1) -> "Story":
        run_id = run_key(experiment, seed, attempt, generation=generation).run_id
        key = {"generation": generation, "role": "measure", "experiment": experiment, "seed": seed, "attempt": attempt}
        return self.add("run_requested", run_id=run_id, **key)

    def start(self, seed: int, experiment: str | None = None, attempt: int = 1) -> "Story":
        run_id = run_key(experiment, seed, attempt).run_id
        return self.add("run_started", run_id=run_id, argv=["python"], output_dir=f"checkpoints/{run_id}")

    def finish(
        self, seed: int, value: float | None, experiment: str | None = None, attempt: int = 1, state: str = "succeeded"
    ) -> "Story":
        run_id = run_key(experiment, seed, attempt).run_id
        metrics = {} if value is None else {"val_loss": {"value": value, "text": str(value)}}
        return self.add("run_finished", run_id=run_id, state=state, metrics=metrics, wall_time_s=1.0)

    def run(self, seed: int, value: float, experiment: str | None = None) -> "Story":
        return self.request(seed, experiment).start(seed, experiment).finish(seed, value, experiment)

    def baseline(self) -> "Story":
        self.generation()
        for seed, value in zip(SEEDS, VALUES, strict=True):
            self.run(seed, value)
        return self

    def report(self, experiment: str | None = None) -> "Story":
        generation = self.state.generations[0]
        runs = (generation if experiment is None else generation.experiments[experiment]).run_ids
        return self.add("report_written", path=f"{experiment}.md", generation=1, experiment=experiment, runs=list(runs))

    def verdict(self, experiment: str = "muon") -> "Story":
        return self.add("verdict_issued", generation=1, experiment=experiment, verdict="WINNER")

    @property
    def state(self) -> State:
        return fold(self.records)


# --- the only way to a baseline ---------------------------------------------------------------------


def test_five_finished_seeds_with_a_spread_make_a_baseline() -> None:
    baseline = establish_baseline(baseline_arm(*measured(VALUES, experiment=None)), RULES)
    assert (baseline.generation, baseline.mean, baseline.std) == (1, pytest.approx(4.0), pytest.approx(1.0))
    assert baseline.winner_threshold == pytest.approx(2.0)


def test_the_constructor_makes_no_baseline() -> None:
    arm = baseline_arm(*measured(VALUES, experiment=None))
    with pytest.raises(TypeError, match=r"made by establish_baseline\(\) alone"):
        Baseline(1, RULES, arm, 4.0, 1.0)
    with pytest.raises(TypeError, match=r"made by establish_baseline\(\) alone"):
        Baseline(1, RULES, arm, 4.0, 1.0, object())


def test_a_changed_copy_of_a_baseline_is_no_baseline() -> None:
    with pytest.raises((TypeError, ValueError)):
        replace(make_baseline(), std=0.001)


def test_an_experiments_runs_make_no_baseline() -> None:
    with pytest.raises((TypeError, ValueError)):
        establish_baseline(experiment_arm(*measured(VALUES)), RULES)


@pytest.mark.parametrize(
    ("runs", "kind", "text"),
    [
        pytest.param(
            (),
            BaselineMissing,
            "the baseline has 0 of 5 seeds; missing: 42, 137, 256, 512, 1024.",
            id="no seed",
        ),
        pytest.param(
            measured(VALUES[:4], experiment=None),
            BaselineIncomplete,
            "the baseline has 4 of 5 seeds; missing: 1024.",
            id="one missing",
        ),
        pytest.param(
            measured([4.0] * 5, experiment=None),
            BaselineVoid,
            "all 5 seeds gave the same val_loss; does the script use --seed?",
            id="no spread",
        ),
        pytest.param(
            (*measured(VALUES[:2], experiment=None), diverged(256, experiment=None)),
            BaselineVoid,
            "baseline seed 256 diverged: its last val_loss is not finite.",
            id="diverged",
        ),
        pytest.param(
            (
                failed(42, shown=True, experiment=None),
                failed(42, shown=True, attempt=2, experiment=None),
            ),
            BaselineVoid,
            "baseline seed 42 failed for good.",
            id="failed for good",
        ),
        pytest.param(
            (failed(42, shown=True, experiment=None), *measured(VALUES[1:], seeds=SEEDS[1:], experiment=None)),
            BaselineIncomplete,
            "the baseline has 4 of 5 seeds; missing: 42.",
            id="failed once",
        ),
    ],
)
def test_anything_less_is_refused_with_what_is_missing(runs: Any, kind: type[BaselineRefusal], text: str) -> None:
    with pytest.raises(kind) as refusal:
        establish_baseline(baseline_arm(*runs), RULES)
    assert type(refusal.value) is kind
    assert refusal.value.message == text


def test_rules_with_seven_seeds_need_all_seven() -> None:
    rules = Rules(baseline_seeds=(*SEEDS, 2048, 4096))
    arm = baseline_arm(*measured(VALUES, experiment=None))
    with pytest.raises(BaselineIncomplete, match="5 of 7 seeds; missing: 2048, 4096"):
        establish_baseline(arm, rules)
    assert make_baseline((1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0), rules).mean == pytest.approx(4.0)


# --- the phase ----------------------------------------------------------------------------------------


def test_an_empty_ledger_is_unmeasured_with_every_seed_due() -> None:
    phase = baseline_phase(State(), RULES)
    assert (phase.phase, phase.reason, phase.look.due) == ("unmeasured", None, SEEDS)


def test_the_phase_goes_from_unmeasured_over_measuring_to_ready() -> None:
    story = Story().generation()
    phases = [baseline_phase(story.state, RULES).phase]
    for seed, value in zip(SEEDS, VALUES, strict=True):
        phases.append(baseline_phase(story.run(seed, value).state, RULES).phase)
    assert phases == ["unmeasured", *["measuring"] * 4, "ready"]


def test_a_requested_run_is_already_measuring() -> None:
    assert baseline_phase(Story().generation().request(42).state, RULES).phase == "measuring"


@pytest.mark.parametrize(
    ("story", "reason"),
    [
        (
            Story().generation().request(42).finish(42, None, state="diverged"),
            "baseline seed 42 diverged: its last val_loss is not finite.",
        ),
        (
            Story()
            .generation()
            .request(42)
            .finish(42, 4.0, state="failed")
            .request(42, attempt=2)
            .finish(42, 4.0, attempt=2, state="failed"),
            "baseline seed 42 failed for good.",
        ),
    ],
)
def test_a_lost_seed_makes_the_generation_void(story: Story, reason: str) -> None:
    phase = baseline_phase(story.state, RULES)
    assert (phase.phase, phase.reason) == ("void", reason)
    with pytest.raises(BaselineVoid) as refusal:
        require_baseline(Study(story.state, RULES))
    assert (refusal.value.message, refusal.value.next_call) == (reason, new_baseline_call())


def test_changed_rules_make_a_complete_generation_void_and_are_named() -> None:
    rules = Rules(winner_sigma=3.0, extra_seeds=())
    phase = baseline_phase(Story().baseline().state, rules)
    assert phase.phase == "void"
    assert phase.reason == (
        "the rules in seedproof.toml differ from those the baseline was measured under (extra_seeds, winner_sigma)."
    )


def test_the_present_generation_alone_counts() -> None:
    state = Story().baseline().generation(2, reason="new data").state
    assert baseline_phase(state, RULES).phase == "unmeasured"
    with pytest.raises(BaselineMissing, match="0 of 5"):
        require_baseline(Study(state, RULES))


def test_a_refused_baseline_names_the_next_call() -> None:
    with pytest.raises(BaselineIncomplete) as refusal:
        require_baseline(Study(Story().generation().run(42, 4.0).state, RULES))
    assert str(refusal.value) == (
        "baseline_incomplete: the baseline has 1 of 5 seeds; missing: 137, 256, 512, 1024. Next: run_seed(seed=137)"
    )


def test_a_generation_keeps_the_rules_it_was_measured_under() -> None:
    rules = Rules(winner_sigma=2.5)
    generation = Story().generation(rules=rules).state.generation
    assert generation is not None
    assert generation.rules == rules


# --- the next call ------------------------------------------------------------------------------------


def shown(call: NextCall) -> str:
    return str(call)


def test_the_baselines_next_call_goes_seed_by_seed_to_the_report_and_the_first_experiment() -> None:
    story = Story()
    calls = [shown(baseline_next(Study(story.state, RULES)))]
    story.generation()
    for seed, value in zip(SEEDS, VALUES, strict=True):
        calls.append(shown(baseline_next(Study(story.run(seed, value).state, RULES))))
    calls.append(shown(baseline_next(Study(story.report().state, RULES))))
    assert calls == [
        "run_seed(seed=42)",
        "run_seed(seed=137)",
        "run_seed(seed=256)",
        "run_seed(seed=512)",
        "run_seed(seed=1024)",
        "write_report()",
        "run_seed(experiment=…, flags=…, hypothesis=…)",
    ]


def test_a_run_in_flight_is_waited_for_by_seed_and_attempt() -> None:
    story = Story().generation().request(42).request(137)
    assert shown(baseline_next(Study(story.state, RULES))) == "run_seed(seed=42, attempt=1)"
    assert baseline_next(Study(story.start(42).state, RULES)).why == "Waits for the run that is running."


def test_another_attempt_comes_before_the_seeds_that_follow() -> None:
    story = Story().generation().request(42).finish(42, 4.0, state="failed")
    again = baseline_next(Study(story.state, RULES))
    assert shown(again) == "run_seed(seed=42, attempt=2)"
    assert again.why == "Tries seed 42 again; the last attempt failed."
    story.request(42, attempt=2).finish(42, 4.0, attempt=2)
    assert shown(baseline_next(Study(story.state, RULES))) == "run_seed(seed=137)"


def test_another_attempt_of_an_arm_with_a_value_says_which_code_it_trains() -> None:
    story = Story().baseline().declare().request(42, "muon").finish(42, 4.0, "muon", state="failed")
    study = Study(story.state, RULES)
    again = experiment_next(study, study.find("muon"))
    assert again.why == "Tries seed 42 again on the code that the experiment began with; the last attempt failed."


def test_an_attempt_that_showed_nothing_does_not_fix_the_code() -> None:
    story = Story().baseline().declare().request(42, "muon").start(42, "muon")
    story.add("run_interrupted", run_id=run_key("muon", 42, 1).run_id, reason="the machine was restarted")
    study = Study(story.state, RULES)
    assert experiment_next(study, study.find("muon")).why == "Tries seed 42 again; the last attempt interrupted."


def test_a_void_baseline_asks_for_the_reason_of_a_new_one() -> None:
    state = Story().generation().request(42).finish(42, None, state="diverged").state
    assert shown(baseline_next(Study(state, RULES))) == "run_seed(new_baseline=…)"


def next_of(story: Story) -> str:
    """The call that brings the experiment forward."""
    state = story.state
    assert state.generation is not None
    return shown(experiment_next(Study(state, RULES), state.generation.experiments["muon"]))


def test_a_far_experiments_next_call_goes_over_three_seeds_to_verdict_and_report() -> None:
    story = Story().baseline().declare()
    calls = [next_of(story)]
    for seed in (42, 137, 256):
        calls.append(next_of(story.run(seed, 1.0, "muon")))
    calls.append(next_of(story.verdict()))
    calls.append(next_of(story.report("muon")))
    assert calls == [
        'run_seed(experiment="muon", seed=42)',
        'run_seed(experiment="muon", seed=137)',
        'run_seed(experiment="muon", seed=256)',
        'compare(experiment="muon")',
        'run_seed(experiment="muon", role="confirm")',
        'run_seed(experiment="muon", role="confirm")',
    ]


def test_a_close_experiments_next_call_goes_on_to_the_extra_seeds() -> None:
    story = Story().baseline().declare()
    for seed in (42, 137, 256):
        story.run(seed, 4.0, "muon")
    assert next_of(story) == 'run_seed(experiment="muon", seed=512)'
    assert next_of(story.run(512, 4.0, "muon")) == 'run_seed(experiment="muon", seed=1024)'
    assert next_of(story.run(1024, 4.0, "muon")) == 'compare(experiment="muon")'


def test_a_diverged_seed_leads_to_compare_at_once_unless_a_run_still_runs() -> None:
    story = Story().baseline().declare().request(42, "muon").request(137, "muon").start(137, "muon")
    story.finish(42, None, "muon", state="diverged")
    assert next_of(story) == 'run_seed(experiment="muon", seed=137, attempt=1)'
    assert next_of(story.finish(137, 4.0, "muon")) == 'compare(experiment="muon")'


def test_an_experiment_that_failed_for_good_leads_to_another_one() -> None:
    story = Story().baseline().declare()
    for attempt in (1, 2):
        story.request(42, "muon", attempt).finish(42, 4.0, "muon", attempt, "failed")
    assert next_of(story) == shown(new_experiment_call())

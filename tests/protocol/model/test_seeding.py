"""How a training seeded itself: in a record, in words, and what it means for the run."""

import json

import pytest
from seedproof.metrics.run_state import Ending, Outcome, outcome, outcome_read_again, uninjected
from seedproof.model.rules import Rules
from seedproof.model.runs import MetricValue, RunState
from seedproof.model.seeding import Seeding

from tests.support.arms import make_run

RULES = Rules(command=("python", "train.py", "{flags}"), seed="inject", replace_seed=1337)
MOVED = Seeding({"random.seed": 2}, {"7": ("numpy.random.seed",)})
OTHER = Seeding({}, {"7": ("numpy.random.seed", "random.seed"), "42": ("torch.manual_seed",)})
VALUE = {"val_loss": MetricValue(4.0, "4.0")}
WORDS = (
    "seed_not_injected: the training seeds itself with 7 (numpy.random.seed, random.seed), 42 (torch.manual_seed), and "
    "never with rules.replace_seed, 1337"
)


@pytest.mark.parametrize("seeding", [MOVED, OTHER, Seeding()])
def test_a_record_keeps_it(seeding: Seeding) -> None:
    assert Seeding.from_document(json.loads(json.dumps(seeding.document()))) == seeding


def test_what_it_used_instead_is_named() -> None:
    assert MOVED.fault(1337) is None
    assert OTHER.fault(1337) == WORDS
    assert str(Seeding().fault(1337)).startswith("seed_not_injected: no call was seen that seeds random, numpy, torch")
    many = Seeding({}, {str(number): ("random.seed",) for number in range(9)})
    assert "2 (random.seed) and 6 more, and never" in str(many.fault(1337))


def test_a_run_whose_seed_did_not_reach_it_is_no_result() -> None:
    ended = outcome(Ending("exited", 0), VALUE, RULES)
    assert uninjected(ended, MOVED, RULES) == ended
    assert uninjected(ended, None, RULES) == ended
    assert uninjected(ended, OTHER, RULES) == Outcome(RunState.FAILED, WORDS)
    lost = outcome(Ending("exited", 0), {"val_loss": MetricValue(None, "nan")}, RULES)
    assert uninjected(lost, OTHER, RULES) == Outcome(RunState.FAILED, f"{WORDS}; the last val_loss is nan")


def test_what_failed_by_itself_keeps_its_reason() -> None:
    ended = outcome(Ending("exited", 1), {}, RULES)
    assert uninjected(ended, Seeding(), RULES) == ended


def test_reading_its_output_again_makes_it_no_result_either() -> None:
    run = make_run(42, state=RunState.UNREAD, experiment=None, exit_code=0, seeding=OTHER)
    assert outcome_read_again(run, VALUE, RULES, {}) == Outcome(RunState.FAILED, WORDS)
    run = make_run(42, state=RunState.UNREAD, experiment=None, exit_code=0, seeding=MOVED)
    assert outcome_read_again(run, VALUE, RULES, {}).state is RunState.SUCCEEDED

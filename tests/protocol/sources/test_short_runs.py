"""What two short runs of different seeds and a repeat say of the seed."""

from seedproof.model.metric_rule import LogPattern
from seedproof.sources.short_runs import SeedEffect, ValuesOfRun, seed_effect, training_losses, values_of


def run(*texts: str, whole: bool = True) -> ValuesOfRun:
    return ValuesOfRun(texts, whole)


def test_seeds_that_differ_and_a_run_that_repeats_itself() -> None:
    found = seed_effect(run("5.01", "4.00"), run("5.02", "4.25"), run("5.01", "4.00"))
    assert (found.first_differs, found.last_differs, found.repeats) == (True, True, True)
    assert (found.by_seed, found.by_repeat, found.step) == (0.25, 0.0, 0.01)
    assert not found.is_without_seed


def test_equal_first_values_are_told_apart_from_a_seed_without_effect() -> None:
    later = seed_effect(run("9.5", "4.1234"), run("9.5", "4.2345"), run("9.5", "4.1234"))
    assert (later.first_differs, later.last_differs, later.is_without_seed) == (False, True, False)
    never = seed_effect(run("9.5", "4.1234"), run("9.5", "4.1234"), run("9.5", "4.1234"))
    assert never.is_without_seed


def test_equal_coarse_values_say_nothing_of_the_seed() -> None:
    found = seed_effect(run("0.91"), run("0.91"), run("0.91"))
    assert (found.last_differs, found.is_telling, found.is_without_seed) == (False, False, False)


def test_a_seed_that_does_not_repeat_itself_is_held_against_the_distance_of_two_seeds() -> None:
    found = seed_effect(run("4.00"), run("4.50"), run("4.25"))
    assert (found.repeats, found.by_seed, found.by_repeat) == (False, 0.5, 0.25)


def test_runs_that_the_limit_ended_are_compared_where_both_came() -> None:
    found = seed_effect(run("5.0", "4.0", "3.0", whole=False), run("5.0", "4.5", whole=False), None)
    assert (found.last_differs, found.by_seed, found.repeats) == (True, 0.5, None)


def test_runs_of_different_lengths_end_in_their_results() -> None:
    found = seed_effect(run("5.0", "4.0", "3.0"), run("5.0", "4.0"), None)
    assert (found.last_differs, found.by_seed) == (True, 1.0)


def test_two_seeds_that_rounding_keeps_together_are_coarse() -> None:
    assert seed_effect(run("0.912"), run("0.914"), None).is_coarse
    assert not seed_effect(run("0.912345"), run("0.914321"), None).is_coarse


def test_without_values_nothing_is_known() -> None:
    assert seed_effect(run(), run("1.0"), None) == SeedEffect(step=1e-1)


def test_nan_is_a_value_without_a_distance() -> None:
    found = seed_effect(run("nan"), run("1.5"), None)
    assert (found.last_differs, found.by_seed) == (True, None)


def test_values_that_a_bar_repeats_stand_once() -> None:
    log = b"loss: 5.0\rloss: 5.0\rloss: 4.0\nval: 1\n"
    assert values_of(LogPattern(r"loss: (?P<value>\S+)"), log) == ("5.0", "4.0")
    assert training_losses(b"step 1 train_loss=5.25 lr=1\n{'loss': '4.5'}\n") == ("5.25", "4.5")

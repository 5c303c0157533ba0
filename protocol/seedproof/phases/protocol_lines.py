"""The protocol in five lines, for an agent that has seen nothing else of it."""

from seedproof.model.rules import Rules
from seedproof.stats.fresh_pairs import FIRST_STAGE

__all__ = ["protocol_lines"]

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def protocol_lines(rules: Rules) -> list[str]:
    """What to call in which order, with the numbers of the project's rules; without the words of a verdict."""
    baseline = _in_words(len(rules.baseline_seeds))
    return [
        f"1. run_seed() runs the next baseline seed ({baseline} in all); then write_report().",
        "2. run_seed(experiment, flags, hypothesis) declares an experiment, run_seed(experiment) goes on. "
        f"{_seeds_of_an_experiment(rules)}",
        "3. compare(experiment) gives the verdict.",
        '4. What wins is confirmed on fresh seeds: run_seed(experiment, role="confirm"), '
        f"{_runs_of_a_confirmation(rules)}, then compare again.",
        "5. write_report(experiment). `next` is always the call that is due.",
    ]


def _seeds_of_an_experiment(rules: Rules) -> str:
    first = f"{_in_words(len(rules.experiment_seeds)).capitalize()} seeds"
    if not rules.extra_seeds:
        return f"{first}."
    more = _in_words(len(rules.extra_seeds))
    if rules.design == "screening":
        return f"{first}, and {more} more if these do not decide; an idea that looks unpromising is dropped earlier."
    if rules.design == "sequential":
        return f"{first}, and {more} more if these do not decide."
    return f"{first}, and {more} more if the result is within {rules.winner_sigma:g} sigma."


def _runs_of_a_confirmation(rules: Rules) -> str:
    is_one_stage = len(rules.confirm_seeds) == FIRST_STAGE
    return "six runs" if is_one_stage else "six runs and often six more"


def _in_words(number: int) -> str:
    return _NUMBERS[number] if number < len(_NUMBERS) else str(number)

"""How a training is asked to get its seed, in words."""

from seedproof.model.rules import Rules
from seedproof.model.template import holds

__all__ = ["seed_question"]


def seed_question(rules: Rules) -> str:
    """What to look at where the seed changes nothing, as a question."""
    if rules.seed == "unseeded":
        return "is there a seed in it after all?"
    if rules.seed == "inject":
        return f"does anything random depend on the seed {rules.replace_seed} that is replaced?"
    names = [name for name, value in rules.env.items() if holds([value], "seed")]
    if rules.seed == "environment" and not holds(rules.command, "seed"):
        return f"does the script read {' or '.join(names) or 'SEEDPROOF_SEED'}?"
    return f"does the script use {_option(rules)}?"


def _option(rules: Rules) -> str:
    """What gives the seed in the command: the option before it, or the key that it belongs to."""
    place = next(place for place, part in enumerate(rules.command) if holds([part], "seed"))
    before, part = rules.command[place - 1], rules.command[place]
    if part == "{seed}":
        return before if place and before.startswith("-") else "its seed"
    return part.partition("{seed}")[0].rstrip("=: ") or "its seed"

"""Notices on what was declared: earlier tries, flags and files whose names suggest evaluation or data."""

import math
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Literal

from seedproof.commands.flags import normalise_flags
from seedproof.commands.protection import name_words
from seedproof.ledger.state import Experiment, State
from seedproof.model.code import SOURCE_ENDINGS, Change, ChangedFile
from seedproof.model.results import Notice, Verdict
from seedproof.model.untrusted import one_line
from seedproof.phases.study import Study
from seedproof.stats.summary import reaches

__all__ = [
    "Likeness",
    "created_notices",
    "declared_notices",
    "likeness",
    "list_first",
    "suspect_files",
    "suspect_flags",
]


Likeness = Literal["same", "reworded", "near"]
"""`reworded`: other words for the same flags, or the same flags with the code declared otherwise."""

# Share of the earlier value. A learning rate a tenth up or down is the same idea again; twice as much is another one.
NEAR_SHARE = 0.2
# Notices name at most so many experiments or files, and count the others.
MOST_NAMED = 5


def likeness(flags: Sequence[str], earlier: Sequence[str]) -> Likeness | None:
    """`same` for equal normalised lists, `near` for equal options with all numbers within `NEAR_SHARE`; else None.

    Two empty lists are not alike.
    """
    one, other = _groups(tuple(flags)), _groups(tuple(earlier))
    if not one or len(one) != len(other):
        return None
    if one == other:
        return "same"
    return "near" if all(_is_option_near(new, old) for new, old in zip(one, other, strict=True)) else None


# A long campaign compares each new experiment with all before it.
_groups = lru_cache(maxsize=65536)(normalise_flags)


def _is_option_near(new: Sequence[str], old: Sequence[str]) -> bool:
    """Whether two options have the same name, whatever its spelling, and values that are near."""
    name, old_name = (option.casefold().replace("-", "_") for option in (new[0], old[0]))
    if name != old_name or len(new) != len(old):
        return False
    return all(_is_value_near(value, old_value) for value, old_value in zip(new[1:], old[1:], strict=True))


def _is_value_near(new: str, old: str) -> bool:
    """Number by number in `0.9,0.95` and `lr=0.01`; everything else has to be equal."""
    parts, old_parts = (text.replace("=", ",").split(",") for text in (new, old))
    if len(parts) != len(old_parts):
        return False
    return all(_is_part_near(part, old_part) for part, old_part in zip(parts, old_parts, strict=True))


def _is_part_near(new: str, old: str) -> bool:
    number, old_number = _number(new), _number(old)
    if number is None or old_number is None:
        return new == old
    return number == old_number or (old_number != 0 and reaches(NEAR_SHARE, abs(number / old_number - 1)))


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


_EVALUATION = frozenset(
    {"eval", "evals", "evaluate", "evaluation", "evaluator", "val", "valid", "validate", "validation"}
)
_DATA = frozenset({"data", "dataset", "datasets", "dataloader", "dataloaders"})
_LENGTH = frozenset({"token", "tokens", "step", "steps"})
_RESUMED = frozenset({"resume", "resumed", "ckpt", "ckpts", "checkpoint", "checkpoints"})
_FLAG_WORDS = _EVALUATION | _DATA | _LENGTH | _RESUMED
# They say how long a training is where the name says nothing else: `--max_epochs`, `--n_iter`, not `--warmup_epochs`.
_WHOLE_LENGTH = frozenset({"epoch", "epochs", "iter", "iters", "iteration", "iterations", "minutes", "hours"})
_AMOUNT = frozenset({"max", "num", "n", "nb", "number", "of", "total", "train", "training"})
# In the name of a file `step` or `checkpoint` is no sign of another comparison; what reads or measures the data is.
_FILE_WORDS = _EVALUATION | _DATA | {"token", "tokens", "tokenizer", "tokenize", "metric", "metrics"}
# The key where a script takes `key=value`; what follows the first `=` is a value.
_KEY = re.compile(r"[+~]*([A-Za-z_][\w.\-/]*)=")
# The key of a pair, as yacs writes them: `SOLVER.MAX_ITER 300`.
_PAIR_KEY = re.compile(r"[A-Z][A-Z0-9_]*(?:\.[A-Z0-9_]+)+")


def suspect_flags(flags: Sequence[str]) -> list[str]:
    """Options, and keys of `key=value` and `A.KEY value`, whose names suggest evaluation, data or length; as given."""
    found = dict.fromkeys(name for flag in flags for name in _names(flag))
    return [name for name in found if _FLAG_WORDS.intersection(name_words(name)) or _is_length(name)]


def _is_length(name: str) -> bool:
    """Whether the last part of a name says how long the whole training is, and nothing else."""
    words = set(name_words(name.rpartition(".")[2])) - _AMOUNT
    return bool(words) and words <= _WHOLE_LENGTH


def _names(flag: str) -> list[str]:
    option, _, value = flag.partition("=") if flag.startswith("-") else ("", "", flag)
    key, pair = _KEY.match(value), _PAIR_KEY.fullmatch(flag)
    return [name for name in (option, key[1] if key else "", flag if pair else "") if name]


def suspect_files(change: Change | None, sealed: Collection[str] = ()) -> tuple[ChangedFile, ...]:
    """Changed files whose names suggest evaluation or data.

    Args:
        sealed: Paths that `rules.sealed` covers; a difference in one of them is refused anyway.
    """
    suspects = [file for file in (change.files if change else ()) if _FILE_WORDS.intersection(name_words(file.path))]
    # A project inside a larger repository: one path begins there, the other in the project.
    return tuple(file for file in suspects if not any(f"/{file.path}".endswith(f"/{path}") for path in sealed))


def declared_notices(study: Study, experiment: Experiment, *, verdicts: bool) -> list[Notice]:
    """Notices on an experiment as it was declared.

    Args:
        verdicts: Whether the verdicts of earlier experiments may be named.
    """
    return [
        *_declared_anew(experiment),
        *_tried_before(study, experiment, verdicts),
        *_flag_notices(experiment),
        *_seed_notices(experiment),
        *_file_notices(experiment),
    ]


def _declared_anew(experiment: Experiment) -> Iterator[Notice]:
    """The earlier declarations under this name, none of which had a value."""
    if experiment.earlier:
        names = list_first(
            f"#{one.declared_at}: {one_line(' '.join(one.flags)) or 'no flags'}"
            + ("" if one.withdrawn is None else f", withdrawn: {one_line(one.withdrawn)}")
            for one in experiment.earlier
        )
        runs = experiment.earlier[-1].runs
        counted = f"{runs} attempt{'' if runs == 1 else 's'}"
        text = f"{experiment.name} was declared before ({names}), and its {counted} then had no value."
        yield Notice("declared_anew", text)


def _tried_before(study: Study, experiment: Experiment, verdicts: bool) -> Iterator[Notice]:
    state = study.state
    alike = {place: _likeness(experiment, state.experiments[place]) for place in _places_alike(study, experiment)}
    if experiment.repeats:
        repeated = [state.generations[number - 1].experiments[name] for number, name in experiment.repeats]
        alike |= {one.place: "same" if alike.get(one.place) == "same" else "reworded" for one in repeated}
    for kind in ("same", "reworded", "near"):
        found = [state.experiments[place] for place in sorted(alike) if alike[place] == kind]
        # One that was withdrawn showed nothing, and misspelt flags are like the right ones; the very same are told.
        found = [one for one in found if one.withdrawn is None or one.is_closed or (kind == "same" and one.run_ids)]
        # A sweep has many neighbours: the newest are named.
        names = "; ".join(_describe(state, experiment, one, verdicts) for one in found[-MOST_NAMED:])
        if len(found) > MOST_NAMED:
            names += f", and {len(found) - MOST_NAMED} more before these"
        if found and kind == "same":
            yield Notice("declared_before", f"{experiment.name}: the same flags were declared before as {names}.")
        elif found and kind == "reworded":
            yield Notice(
                "declared_before",
                f"{experiment.name}: flags that say the same were declared before as {names}.",
            )
        elif found:
            near = f"{experiment.name}: flags within {100 * NEAR_SHARE:.0f} % of these were declared before as {names}"
            why = "the more neighbours are tried, the likelier one of them looks better by chance"
            yield Notice("near_duplicate", f"{near}; {why}.")


def _places_alike(study: Study, experiment: Experiment) -> tuple[int, ...]:
    """Places of the earlier experiments with flags like these; computed once."""
    memory = study.memory
    if memory.alike_at != study.state.declared_anew_at:
        memory.alike, memory.alike_at = {}, study.state.declared_anew_at
    known = memory.alike
    if experiment.place not in known:
        earlier = study.state.experiments[: experiment.place]
        known[experiment.place] = tuple(one.place for one in earlier if _likeness(experiment, one) is not None)
    return known[experiment.place]


def _likeness(experiment: Experiment, earlier: Experiment) -> Likeness | None:
    if experiment.code_change != earlier.code_change:
        return None
    return likeness(experiment.flags, earlier.flags)


def _describe(state: State, experiment: Experiment, earlier: Experiment, verdicts: bool) -> str:
    """An earlier experiment: its name, its record, its flags and its result."""
    generation = "" if earlier.generation == experiment.generation else f", generation {earlier.generation}"
    flags = one_line(" ".join(earlier.flags)) or "no flags"
    return f"{earlier.name} (#{earlier.declared_at}{generation}: {flags}; {_result(state, earlier, verdicts)})"


def _result(state: State, earlier: Experiment, verdicts: bool) -> str:
    if earlier.verdict is not None:
        ended = "dropped" if earlier.verdict.verdict == Verdict.DROPPED else "judged"
        return earlier.verdict.headline if verdicts else ended
    arm, name = state.experiment_arm(earlier), state.rules_of(earlier.generation).metric.name
    shown = sum(name in run.metrics or run.draw is not None for run in arm.runs)
    if not shown:
        return f"showed no {name}" + ("" if earlier.withdrawn is None else ", withdrawn")
    return f"{shown} run{'' if shown == 1 else 's'} showed {name}, not judged"


def _flag_notices(experiment: Experiment) -> Iterator[Notice]:
    found = suspect_flags(experiment.flags)
    if found:
        names = ", ".join(map(one_line, found))
        yield Notice(
            "flag_suspect",
            f"{experiment.name}: by its name {names} may change evaluation, data or length of the training; then the "
            "difference does not measure the idea.",
        )


def _seed_notices(experiment: Experiment) -> Iterator[Notice]:
    if experiment.seed_files:
        names = list_first(map(one_line, experiment.seed_files))
        yield Notice(
            "seed_in_file",
            f"{experiment.name}: its flags name a file that sets a seed ({names}). If the training takes that one, "
            "its seeds are no repetitions; take the key out of the file.",
        )


def _file_notices(experiment: Experiment) -> Iterator[Notice]:
    files = suspect_files(experiment.change, () if experiment.code is None else experiment.code.sealed)
    if files:
        names = list_first(f"{one_line(file.path)} ({file.counts})" for file in files)
        yield Notice(
            "file_suspect",
            f"{experiment.name}: by their names {names} may change evaluation or data; then the difference does "
            "not measure the idea. `rules.sealed` refuses such changes.",
        )


def list_first(names: Iterable[str]) -> str:
    """The first few names, and how many more there are."""
    found = list(names)
    more = len(found) - MOST_NAMED
    return ", ".join(found[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def created_notices(state: State) -> list[Notice]:
    """Files that look like code and do not count as such, because they appeared while a run trained in place."""
    endings = tuple(SOURCE_ENDINGS)
    # Files that end in .py count as code whoever made them; those that end in .PY do not.
    files = sorted(name for name in state.created if name.lower().endswith(endings) and not name.endswith(".py"))
    if not files:
        return []
    names = list_first(map(one_line, files))
    text = f"{names} appeared while runs trained in place and so do not count as code, whoever wrote them"
    return [Notice("created_files", f"{text}; a change of them was not looked for.")]

"""Notices on what was declared: earlier tries, flags and files whose names suggest evaluation or data."""

import math
import re
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from typing import Literal

from seedproof.ledger.state import Experiment, State
from seedproof.model.code import SOURCE_ENDINGS, Change, ChangedFile
from seedproof.model.command import normalise_flags
from seedproof.model.results import Notice
from seedproof.model.untrusted import one_line
from seedproof.phases.study import Study

__all__ = [
    "Likeness",
    "created_notices",
    "declared_notices",
    "likeness",
    "name_words",
    "suspect_files",
    "suspect_flags",
]


Likeness = Literal["same", "near"]


# Of the earlier value. A learning rate a tenth up or down is the same idea tried again; a factor of two is another one.
NEAR_SHARE = 0.2


# 1.2 x 0.01 is not 0.012 to a float.
_TIE = 1e-9


def likeness(flags: Sequence[str], earlier: Sequence[str]) -> Likeness | None:
    """`same` for the same normalised list, `near` for the same options with all numbers within 20 %; else None.

    Lists without flags have nothing to be alike in.
    """
    one, other = _groups(tuple(flags)), _groups(tuple(earlier))
    if not one or len(one) != len(other):
        return None
    if one == other:
        return "same"
    return "near" if all(_are_near(group, before) for group, before in zip(one, other, strict=True)) else None


# A long campaign compares each new experiment with all before it.
@lru_cache(maxsize=65536)
def _groups(flags: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    return normalise_flags(flags)


def _are_near(group: Sequence[str], before: Sequence[str]) -> bool:
    """Whether an option has the name that the other has, and values close by."""
    if _spelling(group[0]) != _spelling(before[0]) or len(group) != len(before):
        return False
    return all(_is_near(value, was) for value, was in zip(group[1:], before[1:], strict=True))


def _spelling(option: str) -> str:
    return option.casefold().replace("-", "_")


def _is_near(value: str, was: str) -> bool:
    """Number by number in `0.9,0.95` and `lr=0.01`; everything else has to be equal."""
    parts, before = (text.replace("=", ",").split(",") for text in (value, was))
    if len(parts) != len(before):
        return False
    return all(_is_close(part, old) for part, old in zip(parts, before, strict=True))


def _is_close(part: str, old: str) -> bool:
    new, earlier = _number(part), _number(old)
    if new is None or earlier is None:
        return part == old
    return abs(new - earlier) <= NEAR_SHARE * abs(earlier) * (1 + _TIE)


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


# Of a file, `step` or `checkpoint` says nothing about what is compared; what reads or measures the data does.
_FILE_WORDS = _EVALUATION | _DATA | {"token", "tokens", "tokenizer", "tokenize", "metric", "metrics"}


# `eval_every`, `evalEvery`, `EVAL2`: letters in one case, or with a capital before small ones.
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


# A key as scripts that take `key=value` have it; what follows the first `=` is a value and says nothing.
_KEY = re.compile(r"[+~]*([A-Za-z_][\w.\-/]*)=")


def name_words(name: str) -> list[str]:
    """The words of an option or a path, in small letters: `--val_tokens` has val and tokens, `--value_lr` no val."""
    return [word.lower() for word in _WORD.findall(name)]


def suspect_flags(flags: Sequence[str]) -> list[str]:
    """Options, and keys of `key=value`, whose names suggest evaluation, data or length; as they were given."""
    found = dict.fromkeys(name for flag in flags for name in _names(flag))
    return [name for name in found if _FLAG_WORDS.intersection(name_words(name))]


def _names(flag: str) -> list[str]:
    option, _, value = flag.partition("=") if flag.startswith("-") else ("", "", flag)
    key = _KEY.match(value)
    return [name for name in (option, key[1] if key else "") if name]


def suspect_files(change: Change | None, sealed: Collection[str] = ()) -> tuple[ChangedFile, ...]:
    """Changed files whose names suggest evaluation or data.

    Args:
        sealed: Paths that `rules.sealed` covers: a difference in one of them is refused, so there is nothing to tell.
    """
    files = () if change is None else change.files
    return tuple(
        file for file in files if _FILE_WORDS.intersection(name_words(file.path)) and not _is_sealed(file, sealed)
    )


def _is_sealed(file: ChangedFile, sealed: Collection[str]) -> bool:
    # A project inside a larger repository: one path begins there, the other in the project.
    return any(file.path == path or file.path.endswith(f"/{path}") for path in sealed)


# A sweep has many neighbours; the newest are named, the others counted.
MOST_NAMED = 5


def declared_notices(study: Study, experiment: Experiment, *, verdicts: bool) -> list[Notice]:
    """What is to be told of an experiment as it was declared.

    Args:
        verdicts: Whether the verdicts of earlier experiments may be named.
    """
    return [
        *_tried_before(study, experiment, verdicts),
        *_suspect_flags(experiment),
        *_suspect_files(experiment),
    ]


def _tried_before(study: Study, experiment: Experiment, verdicts: bool) -> Iterator[Notice]:
    state = study.state
    alike = {place: _likeness(experiment, state.experiments[place]) for place in _alike(study, experiment)}
    for kind in ("same", "near"):
        found = [state.experiments[place] for place, word in alike.items() if word == kind]
        told = "; ".join(_told(state, experiment, one, verdicts) for one in found[-MOST_NAMED:])
        more = f", and {len(found) - MOST_NAMED} more before these" if len(found) > MOST_NAMED else ""
        if found and kind == "same":
            yield Notice("declared_before", f"{experiment.name}: the same flags were declared before as {told}{more}.")
        elif found:
            yield Notice(
                "near_duplicate",
                f"{experiment.name}: flags within 20 % of these were declared before as {told}{more}; the more "
                "neighbours are tried, the likelier one of them looks better by chance.",
            )


def _alike(study: Study, experiment: Experiment) -> tuple[int, ...]:
    """Places of the earlier experiments of the ledger with flags like these; looked for once."""
    known = study.memory.alike
    if experiment.place not in known:
        earlier = study.state.experiments[: experiment.place]
        known[experiment.place] = tuple(one.place for one in earlier if _likeness(experiment, one) is not None)
    return known[experiment.place]


def _likeness(experiment: Experiment, earlier: Experiment) -> Likeness | None:
    if experiment.code_change != earlier.code_change:
        return None
    return likeness(experiment.flags, earlier.flags)


def _told(state: State, experiment: Experiment, earlier: Experiment, verdicts: bool) -> str:
    """An earlier experiment: its name, where it stands, its flags and what became of it."""
    generation = "" if earlier.generation == experiment.generation else f", generation {earlier.generation}"
    flags = one_line(" ".join(earlier.flags))
    return f"{earlier.name} (#{earlier.declared_at}{generation}: {flags}; {_fate(state, earlier, verdicts)})"


def _fate(state: State, earlier: Experiment, verdicts: bool) -> str:
    if earlier.verdict is not None:
        return earlier.verdict.headline if verdicts else "judged"
    arm, name = state.experiment_arm(earlier), state.rules_of(earlier.generation).metric.name
    shown = sum(name in run.metrics for run in arm.runs)
    if not shown:
        return f"showed no {name}"
    return f"{shown} run{'' if shown == 1 else 's'} showed {name}, not judged"


def _suspect_flags(experiment: Experiment) -> Iterator[Notice]:
    found = suspect_flags(experiment.flags)
    if found:
        names = ", ".join(map(one_line, found))
        yield Notice(
            "flag_suspect",
            f"{experiment.name}: by its name {names} may change evaluation, data or length of the training; then the "
            "difference does not measure the idea.",
        )


def _suspect_files(experiment: Experiment) -> Iterator[Notice]:
    files = suspect_files(experiment.change, () if experiment.code is None else experiment.code.sealed)
    if files:
        told = ", ".join(f"{one_line(file.path)} ({_lines(file.added, file.removed)})" for file in files[:MOST_NAMED])
        more = f" and {len(files) - MOST_NAMED} more" if len(files) > MOST_NAMED else ""
        yield Notice(
            "file_suspect",
            f"{experiment.name}: by their names {told}{more} may change evaluation or data; then the difference does "
            "not measure the idea. `rules.sealed` refuses such changes.",
        )


def _lines(added: int | None, removed: int | None) -> str:
    return "not text" if added is None or removed is None else f"+{added} -{removed}"


# --- files of runs ----------------------------------------------------------------------------


def created_notices(state: State) -> list[Notice]:
    """Files that look like code and do not count as such, because they appeared while a run trained in place."""
    files = sorted(name for name in state.created if _is_source(name))
    if not files:
        return []
    told = ", ".join(map(one_line, files[:MOST_NAMED])) + (
        f" and {len(files) - MOST_NAMED} more" if len(files) > MOST_NAMED else ""
    )
    text = f"{told} appeared while runs trained in place and so do not count as code, whoever wrote them"
    return [Notice("created_files", f"{text}; a change of them was not looked for.")]


def _is_source(name: str) -> bool:
    # Python files count as code whoever made them, but for those whose ending is not written so.
    return name.lower().endswith(tuple(SOURCE_ENDINGS)) and not name.endswith(".py")

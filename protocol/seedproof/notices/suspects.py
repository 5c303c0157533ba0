"""Names that suggest evaluation, data or length: what carries one is disclosed, and never refused for it."""

import re
from collections.abc import Collection, Sequence

from seedproof.model.code import Change, ChangedFile

__all__ = ["name_words", "suspect_files", "suspect_flags"]

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

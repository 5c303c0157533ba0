"""Where metrics are found in a log: the default pattern, and a check for a user's pattern."""

import hashlib
import re
from typing import Final

__all__ = ["DEFAULT_VAL_LOSS", "NUMBER", "check_pattern", "is_earlier_default"]


NUMBER: Final = (
    r"[+-]?(?:(?:[0-9]{1,60}\.?[0-9]{0,60}|\.[0-9]{1,60})(?:[eE][+-]?[0-9]{1,5})?"
    r"|[nN][aA][nN]|[iI][nN][fF](?:[iI][nN][iI][tT][yY])?)"
)

# What may stand before the label. A list of what is allowed, because a label that is not read
# ends in a failed run and is noticed, while `best val_loss: 0.1` read by mistake is not.
# Look-behinds stand after the character they ask about: `re` rejects such alternatives at once.
_BEFORE_LABEL: Final = (
    r"(?:[|;:\[\])>]\s*|-(?<!\S-)\s+|[^\x00-\x7f]\s*"  # a separator, Keras's dash, an emoji
    r"|,\s*(?!val.loss=(?![^\[\]]{1,400}\]))"  # a comma; before `val_loss=` in brackets only, as Lightning prints
    r"|[0-9](?<![a-z0-9_.][0-9])[0-9.,]{0,20}[a-z%/]{0,8}(?<!,)\s+"  # a number with its unit: `Epoch 3 `
    r"|[:=]\S{1,40}(?<!,)\s+"  # another pair: `step:1490/1490 `
    r"|\b(?:final|nan|inf|info|debug|warning)\s+"
    r"|^|^\s+(?=val.loss\s*:))"  # the line begins; `val_loss=0` after indentation is source code
)

_AFTER_VALUE: Final = r"(?=$|[\s|\]);]|,(?![0-9]))"

# What means that the value after it is another one: words before the label (not file names such as
# `checkpoint.py`), an open call such as `Namespace(`, settings that are printed. Such a match takes the
# line to its end and has no value; bounded, so that no line is searched to its end many times.
_OTHER_VALUE: Final = (
    r"(?P<other>\b(?:best|restor(?:es?|ed|ing)|resum(?:es?|ed|ing)|(?:re)?load(?:s|ed|ing)?|sav(?:es?|ed|ing)"
    r"|checkpoint(?:s|ed|ing)?|ckpt)\b(?!\.[a-z]).{0,400}"
    r"|\((?<=[a-z0-9_]\()[^()]{0,400}"
    r"|\b(?:args|arguments|config|hparams|hyperparameters|namespace|options)\s{0,4}[:=].{0,400}(?=val[ _]loss=))"
)

DEFAULT_VAL_LOSS: Final = (
    rf"(?ia)(?:{_OTHER_VALUE}|{_BEFORE_LABEL})val[ _]loss"
    rf"(?(other).*|(?:\s*:\s*|=(?![^\s)]{{1,60}}\)))(?P<value>{NUMBER}){_AFTER_VALUE})"
)
"""Reads `val_loss` as most programs print it, and nothing that only looks like it.

Read: `Step 100 | val_loss: 4.1234`, `Step 50: Val Loss: 4.7525, Val Acc: 0.1` and
`Final Val Loss:  3.7` (llm-research-kit), `step:9/9 val_loss:3.2781 train_time:5ms`
(modded-nanogpt), `- val_loss: 0.27` (Keras), `, val_loss=2.29]` (Lightning).
Not read: best, averaged or otherwise labelled values, lines about checkpoints that are
saved, loaded or restored, settings, quoted keys of dumps, source code, file names, numbers
that do not end properly.
"""

# SHA-256 of each default pattern before today's: the ledgers of earlier versions hold its text.
_EARLIER_DEFAULTS: Final = frozenset(
    {
        "5aae145e6a67df889e1c865f93df7f25f720bd54fc036bec5a8d807a2841fcca",  # until records of format 2
    }
)


def is_earlier_default(pattern: str) -> bool:
    """Whether a pattern is one that this version's default has replaced; a ledger that holds it is not void."""
    return hashlib.sha256(pattern.encode()).hexdigest() in _EARLIER_DEFAULTS


def check_pattern(pattern: str) -> None:
    """Accept a user's pattern for a metric.

    Raises:
        ValueError: It does not compile, has no group `value`, or matches an empty line.
    """
    try:
        regex = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"The pattern is not a valid regular expression: {error}.") from error
    if "value" not in regex.groupindex:
        raise ValueError("The pattern has no group named 'value': write (?P<value>...) around it.")
    if regex.search(""):
        raise ValueError("The pattern matches an empty line, so every line would be a value.")

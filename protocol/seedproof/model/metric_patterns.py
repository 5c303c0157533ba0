"""Where metrics are found in a log: the default pattern, and a check for a user's pattern."""

import hashlib
import re
from typing import Final

__all__ = ["DEFAULT_TEXTS", "DEFAULT_VAL_LOSS", "NUMBER", "check_pattern", "is_default_pattern"]


NUMBER: Final = (
    r"[+-]?(?:(?:[0-9]{1,60}\.?[0-9]{0,60}|\.[0-9]{1,60})(?:[eE][+-]?[0-9]{1,5})?"
    r"|[nN][aA][nN]|[iI][nN][fF](?:[iI][nN][iI][tT][yY])?)"
)

_LABEL: Final = r"val(?:id(?:ation)?)?[ _/]loss"

# What may stand before the label. A list of what is allowed, because a label that is not read
# ends in a failed run and is noticed, while `best val_loss: 0.1` read by mistake is not.
# Look-behinds stand after the character they ask about: `re` rejects such alternatives at once.
_BEFORE_LABEL: Final = (
    r"(?:[|;:!*\[\])>]\s*|-(?<!\S-)\s+|[^\x00-\x7f]\s*"  # a separator, Keras's dash, an emoji
    rf"|,\s*(?!{_LABEL}=(?![^\[\]]{{1,400}}\]))"  # a comma; before `val_loss=` in brackets only, as Lightning prints
    r"|[0-9](?<![a-z0-9_.][0-9])[0-9.,]{0,20}[a-z%/]{0,8}(?<!,)\s+"  # a number with its unit: `Epoch 3 `
    r"|[:=]\S{1,40}(?<!,)\s+"  # another pair: `step:1490/1490 `
    r"|\b(?:final\w{0,60}|new\sbest|nan|inf|info|debug|warning)\s+"
    rf"|^|^\s+(?={_LABEL}\s*:))"  # the line begins; `val_loss=0` after indentation is source code
)

# `val_loss = 0`, `= 100` and `= 1e9` are how source code begins; a comment behind a value is source code as well.
_BEFORE_VALUE: Final = (
    r"(?:\s*:\s*|=(?![^\s)]{1,60}\))"
    r"|[ ]{1,40}=[ ]{1,40}(?!\S{1,60}[ ]{1,8}#)(?!(?:0+\.?0*|[0-9]+(?:\.0*)?(?:e\+?[0-9]+)?(?<![0-9]\.0))(?:\s|$)))"
)
_AFTER_VALUE: Final = r"(?=$|[\s|\]);]|,(?![0-9])|\.(?:\s|$))"

# What means that the value after it is another one: words before the label (not file names such as
# `checkpoint.py`), a comment, an open call such as `Namespace(`, settings that are printed. Such a match takes the
# line to its end and has no value; bounded, so that no line is searched to its end many times.
_OTHER_VALUE: Final = (
    r"(?P<other>\b(?:(?<!new )best|lowest|smallest|previous|target|threshold|goal|expected|examples?|e\.g"
    r"|restor(?:es?|ed|ing)|resum(?:es?|ed|ing)|(?:re)?load(?:s|ed|ing)?"
    r"|(?<!saved )(?<!saving )(?:checkpoint(?:s|ed|ing)?|ckpt)(?! saved))\b(?!\.[a-z]).{0,400}"
    r"|(?:^|\s)(?:\#|//)\s+(?!(?:epoch|step|iter|eval|final)|[0-9]).{0,400}"
    r"|\((?<=[a-z0-9_]\()[^()]{0,400}"
    rf"|\b(?:args|arguments|config|hparams|hyperparameters|namespace|options)\s{{0,4}}[:=].{{0,400}}(?={_LABEL}=))"
)

DEFAULT_VAL_LOSS: Final = (
    rf"(?ia)(?:{_OTHER_VALUE}|{_BEFORE_LABEL}){_LABEL}(?(other).*|{_BEFORE_VALUE}(?P<value>{NUMBER}){_AFTER_VALUE})"
)
"""Reads `val_loss` as most programs print it, and nothing that only looks like it.

Read: `Step 100 | val_loss: 4.1234`, `Step 50: Val Loss: 4.7525, Val Acc: 0.1` and
`Final Val Loss:  3.7` (llm-research-kit), `step:9/9 val_loss:3.2781 train_time:5ms`
(modded-nanogpt), `- val_loss: 0.27` (Keras), `, val_loss=2.29]` (Lightning), `val_loss = 0.31`,
`Validation Loss: 0.31`, `val/loss: 0.31`, `valid_loss: 0.31`, `new best! val_loss: 0.31`,
`checkpoint saved | val_loss: 0.31`.
Not read: best, averaged or otherwise labelled values, lines about checkpoints that are
loaded or restored, settings, comments, quoted keys of dumps, source code, file names, numbers
that do not end properly.
"""

DEFAULT_TEXTS: Final = (b"val_loss", b"val loss", b"val/loss", b"valid")
"""One of these, in lower case, is in each match of the default pattern."""

# SHA-256 of default patterns of earlier versions, which stand in the rules of older ledgers.
_EARLIER_DEFAULTS: Final = frozenset(
    {
        "5aae145e6a67df889e1c865f93df7f25f720bd54fc036bec5a8d807a2841fcca",
        "78aa44d9a1676ee9bd19ba014c25e929e983ab137c494cbb3b445b167feaba1e",
    }
)


def is_default_pattern(pattern: str | None) -> bool:
    """Whether a pattern is the default of this version or of an earlier one: no change of rules lies between them."""
    if pattern is None:
        return False
    return pattern == DEFAULT_VAL_LOSS or hashlib.sha256(pattern.encode()).hexdigest() in _EARLIER_DEFAULTS


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

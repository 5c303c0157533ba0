"""Recognises the texts with which a program says that its training came to its own end."""

import itertools
import re
from collections.abc import Iterator

from seedproof.metrics.lines import clean_line
from seedproof.model.untrusted import one_line, safe_tail

__all__ = ["error_line", "is_early_stop", "is_end", "is_last_word", "is_out_of_room", "plain_last_line"]

# `Training complete`, `Training finished, model saved.`, `Finished training in 5 s`.
_END = re.compile(
    r"(?ia)(?:^|[\s\])|>*=#:\-])(?:"
    r"(?:training|fine-?tuning|(?:training |the )?run|all) (?:run |loop )?"
    r"(?:(?:is|was|has|been|now|successfully) ){0,3}"
    r"(?:completed?|finished|done|ended)(?![a-z])"
    r"|(?:finished|completed) (?:the )?(?:training|fine-?tuning)(?![a-z]))"
)
# Lightning's ``Trainer.fit` stopped: `max_epochs=10` reached.``, Hugging Face's `{'train_runtime': 5.1, ...}`.
_END_OF_TRAINER = re.compile(
    r"(?ia)`?trainer\.fit`? stopped: `?max_(?:epochs|steps)=[0-9]{1,12}`? reached|^\{['\"]train_runtime['\"]:"
)
# `Early stopping at step 600`, Keras's `Epoch 7: early stopping`, LightGBM's `Early stopping, best iteration is:`.
_EARLY_STOP = re.compile(
    r"(?ia)(?:^|[\s\])|>*=#:\-])early[ -]stopp(?:ed|ing)"
    r"(?:,? (?:at|after|triggered|best iteration)(?![a-z])|[.!]?\s{0,8}$)"
)
_LAST_WORD = re.compile(r"(?ia)^[\s=*#\-]{0,80}(?:done|finished|completed?)[\s.!=*#\-]{0,80}$")
# `Training not finished`, `will stop when training is done`; `Epoch 3: training complete` is said of an epoch.
_UNLESS = re.compile(
    r"(?ia)(?<![a-z])(?:not|never|no|until|till|before|if|when|once|unless|will|would|should|can|cannot|failed"
    r"|epoch|fold|phase|stage|round)(?![a-z])|\?|n't(?![a-z])"
)


def is_end(text: str) -> bool:
    """Whether a line says that the training came to its end."""
    if is_early_stop(text) or _END_OF_TRAINER.search(text):
        return True
    return _END.search(text) is not None and _UNLESS.search(text) is None


def is_early_stop(text: str) -> bool:
    """Whether a line says that the training ended because it no longer improved, which is its own end as well."""
    return _EARLY_STOP.search(text) is not None


def is_last_word(text: str) -> bool:
    """Whether a line, as the last one of a log, says that the program came to its end: `done`."""
    return _LAST_WORD.search(text) is not None


# PyTorch, JAX, numpy and Python, the kernel, the C++ library, CUDA's libraries; then a full disk.
_OUT_OF_ROOM = re.compile(
    rb"(?i)out of memory|outofmemory|memoryerror|(?:cannot|can't|unable to) allocate|bad_alloc|resource_exhausted"
    rb"|_alloc_failed|oom[-_ ]kill|no space left on device|disk quota exceeded"
)
_LAST_LINES = 40
# Process ids, addresses, times, hashes and the random names of temporary files.
_NUMBERS = re.compile(r"0x[0-9a-fA-F]+|\b(?=[a-f]*[0-9])[0-9a-f]{8,}\b|(?<=/tmp)\w+|[0-9]+(?:[.,:_-]?[0-9]+)*")
_LINE_CHARS = 200


def is_out_of_room(end: bytes) -> bool:
    """Whether the last lines of a log say that memory or the disk was full."""
    return any(_OUT_OF_ROOM.search(line) for line in re.split(rb"[\r\n]", end)[-_LAST_LINES:])


def plain_last_line(end: bytes) -> str:
    """The last line of a log that is not blank, with `#` for each number, so that two equal crashes read alike."""
    return _NUMBERS.sub("#", _shown(next(_lines_backwards(end), "")))


# `ValueError: no data`, `train.py: error: unrecognized arguments`. A launcher's own error only says that there was one.
_ERROR = re.compile(r"(?i)^(?:\w+\.)*\w*(?:error|exception)\b|(?:^|\s)error:|^fatal")
_OF_LAUNCHER = re.compile(r"ChildFailedError|CalledProcessError")


def error_line(end: bytes) -> str:
    """The line of a crashed training's log that says why, which is the last one where none looks like an error."""
    lines = [line for line in itertools.islice(_lines_backwards(end), _LAST_LINES) if re.search(r"[A-Za-z]{2}", line)]
    errors = (line for line in lines if _ERROR.search(line) and not _OF_LAUNCHER.search(line))
    return _shown(next(errors, lines[0] if lines else ""))


def _lines_backwards(end: bytes) -> Iterator[str]:
    lines = (clean_line(segment).strip() for segment in reversed(re.split(rb"[\r\n]", end)))
    return filter(None, lines)


def _shown(line: str) -> str:
    return one_line(safe_tail(line.encode("utf-8", "replace"), max_lines=1))[:_LINE_CHARS]

"""Recognises the texts with which a program says that its training came to its own end."""

import re

__all__ = ["is_early_stop", "is_end", "is_last_word"]

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

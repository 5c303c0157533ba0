"""What a label says of the number under it: what it is called, which way is better, whether it may be the metric."""

import re
from typing import Literal

__all__ = ["OF_TRAINING", "Direction", "contradicts", "direction_of", "is_of_training", "name_of", "rank_of"]

Direction = Literal["minimize", "maximize"]

_TOKEN = re.compile(r"[a-z]+[0-9]*|[0-9]+")
_LOSSES = re.compile(r"\w*loss(es)?|b?ce|nll|xent|crossentropy")
# The endings are those of words that scripts write together: `valacc`, `testf1`.
_LOWER = re.compile(
    r"bpb|bpc|ma?pe|smape|rmsle|ppl|err|errors|[wce]er|brier|fid|kld?|deviance|regret|cost|lpips|epe"
    r"|\w*(mse|mae|nll|perplexity|error|loss)"
)
_HIGHER = re.compile(
    r"accs|accuracies|f[0-9]|fbeta|auroc|auprc|aucpr|roc|m?ap|chrf|meteor|jaccard|dice|rewards|returns?|scores|r2|ndcg"
    r"|mrr|psnr|ssim|kappa|mcc|pearson|spearman|correlation|winrate|success|sensitivity|specificity|rougel"
    r"|(map|top|rouge|bleu|acc|recall|precision|hits)[0-9]+"
    r"|\w*(acc|accuracy|auc|f1|iou|bleu|rouge|reward|score|recall|precision)"
)
_HELD_OUT = frozenset(["val", "valid", "validation", "eval", "evaluation", "dev", "heldout", "held", "holdout", "test"])
_TRAINING = frozenset(["train", "training", "tr"])
_BEGINS = re.compile(rf"^(?P<split>{'|'.join(sorted(_HELD_OUT, key=len, reverse=True))}|train)(?=[a-z])")
# With one of these words it is another quantity: a best value, a setting of a loss, a time.
_OTHER = re.compile(
    r"best|min|max|lowest|highest|lr|time|target|initial|expected|prev(ious)?|threshold|weights?|scale|coef(ficient)?"
    r"|factor|code|smoothing|interval|fn|function|type|patience|delta|std|batch|size|count|num"
)
_LINKING = frozenset(["is", "was", "of", "at", "now", "value", "the"])
_QUALIFIES = re.compile(r"mean|average|avg|episode|final|macro|micro|weighted|top|cross|word|character|total|log")
_NO_DATA_NAMED = 2
OF_TRAINING = 3
"""From here on a rank is of the training's own value."""
_MOST_CHARS = 64


def direction_of(label: str) -> Direction | None:
    """Which way is better, by the last word that says so: `val_acc` up, `top-1 error` down; None where none does."""
    kinds = [kind for kind in map(_kind, _tokens(label)) if kind is not None]
    return kinds[-1] if kinds else None


def contradicts(name: str, direction: Direction, label: str) -> bool:
    """Whether a label is of a quantity that gets better the other way than the metric of this name.

    Args:
        name: The name of the metric.
        direction: Its direction, which counts where its name says nothing.
        label: What stands before the number.
    """
    found = direction_of(label)
    return found is not None and found != (direction_of(name) or direction)


def is_of_training(label: str) -> bool:
    """Whether it is the training's own value: it says so, or is a loss of no named data."""
    rank = rank_of(label)
    return rank is not None and rank[0] >= _NO_DATA_NAMED


def rank_of(label: str) -> tuple[int, int, int] | None:
    """How likely it is the metric of a study, the smallest first; None for what is none."""
    tokens = _tokens(label)
    kinds = [token for token in tokens if _kind(token) is not None]
    if not kinds or any(map(_OTHER.fullmatch, tokens)):
        return None
    of_no_data = _NO_DATA_NAMED if _LOSSES.fullmatch(kinds[-1]) else 1
    group = OF_TRAINING if _TRAINING & set(tokens) else 0 if _HELD_OUT & set(tokens) else of_no_data
    return group, _rank_of_kind(kinds[-1]), int("test" in tokens)


def name_of(label: str) -> str | None:
    """The name of the metric: `valid_mse` of `valid/mse`, `test_accuracy` of `Epoch done, Test accuracy`."""
    words = [word for word in re.split(r"[\s./-]+", label.casefold()) if word and word not in _LINKING]
    while words and words[-1].isdigit():  # the last of a list
        words.pop()
    starts = [place for place, word in enumerate(words) if {*_HELD_OUT, *_TRAINING} & set(_tokens(word))]
    kinds = [place for place, word in enumerate(words) if direction_of(word) is not None]
    start = starts[0] if starts else kinds[-1] if kinds else 0
    while not starts and start > 0 and _QUALIFIES.fullmatch(words[start - 1]):
        start -= 1
    plain = re.sub(r"[^a-z0-9]+", "_", "_".join(words[start:])).strip("_")
    return plain[:_MOST_CHARS].strip("_") if plain[:1].isalpha() else None


def _tokens(label: str) -> list[str]:
    """The words of a label in lower case; `valacc` is two of them."""
    found: list[str] = []
    for token in _TOKEN.findall(label.casefold()):
        begun = _BEGINS.match(token)
        is_two = begun is not None and token not in _HELD_OUT | _TRAINING and _kind(token[begun.end() :]) is not None
        found += [begun["split"], token[begun.end() :]] if begun is not None and is_two else [token]
    return found


def _kind(token: str) -> Direction | None:
    return (
        "maximize"
        if _HIGHER.fullmatch(token)
        else "minimize"
        if _LOWER.fullmatch(token) or _LOSSES.fullmatch(token)
        else None
    )


def _rank_of_kind(token: str) -> int:
    """Bits and losses first, as they tell smaller differences apart than shares do; returns last."""
    if token in ("bpb", "bpc"):
        return 0
    if _LOSSES.fullmatch(token):
        return 1
    if _kind(token) == "minimize":
        return 2
    return 5 if token.startswith(("return", "reward")) else 4 if token.startswith("score") else 3

"""The metric of a program that lets a library print it: Trainer, Lightning, Keras, XGBoost, LightGBM, Ultralytics."""

import ast
import re
from collections.abc import Sequence

from seedproof.sources.metric_labels import direction_of

from seedproof_mcp.setup.source.found import Metric
from seedproof_mcp.setup.source.printed import logged_names
from seedproof_mcp.setup.source.python_source import Source, call_name, called, literal

__all__ = ["library_metric"]

_VALIDATION = re.compile(r"^(val|valid|validation|eval)[_/]")


def library_metric(sources: Sequence[Source]) -> Metric | None:
    """What the library that trains prints or writes; None where no known one does."""
    modules = frozenset(one for source in sources for one in source.modules)
    if modules & {"lightning", "pytorch_lightning"}:
        found = _lightning(sources)
        if found is not None:
            return found
    for module, find in (
        ("transformers", _trainer),
        ("trl", _trainer),
        ("keras", _keras),
        ("tensorflow", _keras),
        ("xgboost", _xgboost),
        ("lightgbm", _lightgbm),
        ("ultralytics", _ultralytics),
    ):
        found = find(sources) if module in modules else None
        if found is not None:
            return found
    return None


def _place(sources: Sequence[Source], pattern: str) -> tuple[Source, ast.Call] | None:
    """The first call of a name that a pattern matches."""
    for source in sources:
        for node in source.calls:
            if re.search(pattern, called(source, node.func) or ""):
                return source, node
    return None


def _trainer(sources: Sequence[Source]) -> Metric | None:
    found = _place(sources, r"Trainer$")
    if found is None:
        return None
    why = f"{found[0].where(found[1])} has a Trainer, which prints eval_loss at each evaluation"
    evaluates = any("eval_strategy" in source.text or "evaluation_strategy" in source.text for source in sources)
    is_called = _place(sources, r"\.evaluate$") is not None
    check = None if evaluates or is_called else "The Trainer prints eval_loss only with --eval_strategy and eval data."
    return Metric("eval_loss", why, ('preset = "huggingface"',), check)


def _lightning(sources: Sequence[Source]) -> Metric | None:
    names = {name: place for name, place in logged_names(sources).items() if _VALIDATION.match(name)}
    if not names:
        return None
    losses = [name for name in names if "loss" in name]
    name = losses[0] if losses else next(iter(names))
    where, in_bar = names[name]
    writes_csv = _place(sources, r"CSVLogger$") is not None
    own = () if name == "val_loss" else _named(name)
    if writes_csv or not in_bar:
        column = () if name == "val_loss" else (f'column = "{name}"',)
        why = f"{where} logs {name}"
        check = None if writes_csv else "Lightning leaves metrics.csv only with a CSVLogger in the output folder."
        return Metric(name, why, ('preset = "lightning"', *own, *column), check)
    why = f"{where} logs {name} in the progress bar, with three digits"
    if name == "val_loss":
        return Metric(name, why, ('preset = "lightning-bar"',), "The bar shows 3 digits; a CSVLogger writes all.")
    pattern = rf"pattern = '[\[,] ?{re.escape(name)}=(?P<value>[^\s,\]]+)'"
    return Metric(name, why, (*own, pattern), "The bar shows 3 digits; a CSVLogger writes all of them.")


def _named(name: str) -> tuple[str, ...]:
    plain = re.sub(r"[^a-z0-9]+", "_", name.casefold()).strip("_")
    higher = direction_of(plain) == "maximize"
    return (f'name = "{plain}"', *(('direction = "maximize"',) if higher else ()))


def _keras(sources: Sequence[Source]) -> Metric | None:
    for source in sources:
        for node in source.calls:
            given = {one.arg for one in node.keywords}
            if call_name(node.func).endswith(".fit") and given & {"validation_data", "validation_split"}:
                why = f"{source.where(node)} fits with validation data, and Keras prints val_loss"
                return Metric("val_loss", why, ('preset = "keras"',))
    return None


def _texts(sources: Sequence[Source], key: str) -> list[str]:
    """The texts under a keyword or a key of a dictionary, such as `eval_metric`."""
    found: list[object] = []
    for source in sources:
        for node in source.nodes:
            if isinstance(node, ast.keyword) and node.arg == key:
                values: list[ast.expr] = node.value.elts if isinstance(node.value, ast.List) else [node.value]
                found += map(literal, values)
            elif isinstance(node, ast.Dict):
                for name, value in zip(node.keys, node.values, strict=True):
                    if literal(name) == key:
                        found += map(literal, value.elts if isinstance(value, ast.List) else [value])
    return [one for one in found if isinstance(one, str)]


def _xgboost(sources: Sequence[Source]) -> Metric | None:
    """`[99]\\teval-logloss:0.419`: the name of the last evaluation set, and the metric."""
    found = _place(sources, r"^xgboost\.train$")
    if found is None:
        return None
    source, node = found
    metrics = _texts(sources, "eval_metric")
    names = []
    for keyword in node.keywords:
        pairs = keyword.value.elts if keyword.arg == "evals" and isinstance(keyword.value, ast.List) else []
        names += [literal(one.elts[1]) for one in pairs if isinstance(one, ast.Tuple) and len(one.elts) > 1]
    held_out = [one for one in names if isinstance(one, str) and "train" not in one]
    if not metrics or not held_out:
        return None
    select = f"{held_out[-1]}-{metrics[-1]}"
    return _selected("xgboost", select, f"{source.where(node)} prints {select}", metrics[-1])


def _lightgbm(sources: Sequence[Source]) -> Metric | None:
    found = _place(sources, r"^lightgbm\.train$")
    metrics = _texts(sources, "metric")
    if found is None or not metrics:
        return None
    names = [one for one in _texts(sources, "valid_names") if "train" not in one]
    select = f"{names[-1] if names else 'valid_0'}'s {metrics[-1]}"
    return _selected("lightgbm", select, f"{found[0].where(found[1])} prints {select}", metrics[-1])


def _selected(preset: str, select: str, why: str, metric: str) -> Metric:
    """A preset with the name that this program prints, and the direction of its metric."""
    higher = direction_of(metric) == "maximize"
    own = (f'name = "{re.sub(r"[^a-z0-9]+", "_", select)}"', 'direction = "maximize"') if higher else ()
    return Metric(select, why, (f'preset = "{preset}"', f'select = "{select}"', *own))


def _ultralytics(sources: Sequence[Source]) -> Metric | None:
    found = _place(sources, r"\.train$")
    if found is None:
        return None
    why = f"{found[0].where(found[1])} trains with Ultralytics, which writes results.csv"
    return Metric("map50_95", why, ('preset = "ultralytics"',))

"""What runs read, made by hand."""

from collections.abc import Mapping, Sequence
from typing import Any

from seedproof.model.arms import Arm
from seedproof.model.code import Change, ChangedFile, Code
from seedproof.model.inputs import InputFile, LeftFile, Origin, OtherContent, RunInputs
from seedproof.model.runs import Run

from tests.support.arms import baseline_arm, experiment_arm, make_run
from tests.support.seeds import SEEDS

__all__ = ["NEW", "OLD", "base", "changed_files", "exp", "left", "other", "reads"]

OLD, NEW = Code("a" * 64, "snapshot", "1" * 40), Code("b" * 64, "snapshot", "2" * 40)
_ORIGINS: Mapping[str, Origin] = {".py": "code", ".yaml": "code"}


def reads(*paths: str, **more: Any) -> RunInputs:
    """A run that was observed fully and read these files, `path` or `path=content`.

    Python and YAML files are code, files elsewhere (`…/`) are named, others are the project's.
    """
    files = {}
    for path, _, content in (one.partition("=") for one in ("train_llm.py", *paths)):
        ending = path[path.rfind(".") :]
        origin = "named" if path.startswith("…/") else _ORIGINS.get(ending, "project")
        files[path] = InputFile(content or "c0ffee", origin)
    return RunInputs(**{"observed": "fully", "files": files, "count": len(files), "folder": "", **more})


def other(path: str, content: str = "beef", run_id: str = "g1-baseline-s42-a1") -> dict[str, Any]:
    """A file that another run read first, with another content."""
    return {"other_content": (OtherContent(path, content, run_id),)}


def left(path: str, content: str = "c0ffee", run_id: str = "g1-baseline-s42-a1", **more: Any) -> dict[str, Any]:
    """A file that an earlier run wrote."""
    return {"left_by_runs": (LeftFile(path, content, run_id, **more),)}


def _runs(inputs: Sequence[RunInputs | None], experiment: str | None, count: int) -> list[Run]:
    """Runs that each read the same, or one value for each."""
    each = [*inputs, *inputs[-1:] * (count - len(inputs))]
    return [
        make_run(seed, 4.0, experiment=experiment, inputs=one) for seed, one in zip(SEEDS[:count], each, strict=True)
    ]


def base(*inputs: RunInputs | None, **more: Any) -> Arm:
    """A baseline of five runs; the last value stands for all after it."""
    arm = baseline_arm(*_runs(inputs, None, 5))
    return Arm(**{"generation": 1, "experiment": None, "runs": arm.runs, "code": OLD, **more})


def exp(*inputs: RunInputs | None, **more: Any) -> Arm:
    """An experiment of three runs; likewise."""
    return experiment_arm(*_runs(inputs, "muon", 3), **{"code": OLD, "flags": ("--muon_lr", "0.01"), **more})


def changed_files(*paths: str) -> dict[str, Any]:
    """An experiment on code in which these files differ."""
    return {"code": NEW, "change": Change(tuple(ChangedFile(path, 1, 1) for path in paths))}

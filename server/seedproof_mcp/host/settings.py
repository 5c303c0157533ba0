"""Reads `seedproof.toml`: the rules of the study and the settings of its runs."""

import json
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from seedproof.admission.guards import GIGABYTE, Limits
from seedproof.model.metric_patterns import PRESETS
from seedproof.model.refusals import BadSettings, NextCall
from seedproof.model.results import DifferenceKind
from seedproof.model.rules import Rules

from seedproof_mcp.system import files
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["ENGINES", "TEMPLATE", "Config", "Settings", "load_config", "present_limits"]

TEMPLATE = """\
# Seedproof: what a result means ([rules]) and how runs are carried out ([settings]).
# Everything is optional; the values shown are the defaults. Rules are frozen into the ledger when a
# baseline begins: changing one afterwards voids that baseline. Settings void nothing.

[rules]
# train_tokens = 1000000
# command = ["{python}", "train_llm.py", "--train_tokens", "{train_tokens}", "--seed", "{seed}", \
"{flags}", "--output_dir", "{output_dir}"]
# baseline_seeds = [42, 137, 256, 512, 1024]
# experiment_seeds = [42, 137, 256]
# extra_seeds = [512, 1024]
# winner_sigma = 2.0
# suggestive_sigma = 1.0
# design = "protocol"            # or "sequential": fewer runs for the same error
# sequential_variance = "arms"   # or "ledger"
# pairing = "auto"               # or "paired", "unpaired"
# worthwhile_sigma = 2.0
# confirm_seeds = [100003, 100019, 100043]
# sealed = ["evaluate.py", "data/val*"]   # no arm may change these; none by default

# The metric that decides. The default reads `val_loss: 4.1234` and `Val Loss: 4.1234` from the log.
# Ready-made: <presets>.
# [rules.metric]
# preset = "llm-research-kit"
# ... or your own pattern over one log line (the last match counts):
# name = "val_loss"
# direction = "minimize"
# pattern = 'loss=(?P<value>[0-9.]+)'
# ... or a number in a JSON file that the training leaves in its output folder:
# file = "metrics.json"
# path = "final_metrics.val_loss"

[settings]
# python = ".venv/bin/python"
# slot = "default"
# timeout_min = 60.0
# grace_s = 10.0
# log_cap_mb = 2000.0
# min_free_gb = 1.0              # besides room for the largest output so far; 0: start whatever is free
# runaway_after = 10
# code = "snapshot"              # or "in-place": train in the project folder itself
# not_code = []                  # more files that cannot change a run, such as "notes/*"
# not_linked = []                # ignored folders that a snapshot shall not reach
# accept_differences = []        # "packages", "device": compare arms although these differ

# [settings.env]
# CUDA_VISIBLE_DEVICES = "0"
""".replace("<presets>", ", ".join(PRESETS))


ENGINES = {"local": "seedproof_mcp.runner.engines.local:LocalEngine"}
"""Every engine by the name that `engine` in [settings] chooses: `module:class`, imported once it is needed."""


def _engine_names() -> str:
    return " or ".join(f'"{name}"' for name in ENGINES)


class Settings(BaseModel):
    """How runs are carried out; recorded with each run, never void anything."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    python: str | None = Field(default=None, min_length=1)
    """Interpreter of the training, absolute or relative to the project."""
    env: dict[str, str] = Field(default_factory=dict)
    """Variables added to the environment of the training."""
    slot: str = Field(default="default", pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$")
    """Trainings of one slot never overlap, whatever project they belong to."""
    timeout_min: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Time limit of a run in minutes; None: 24 h, later 3 times the slowest baseline run."""
    grace_s: float = Field(default=10.0, ge=0, le=600, allow_inf_nan=False)
    """Seconds between TERM and KILL."""
    log_cap_mb: float = Field(default=2000.0, ge=1, allow_inf_nan=False)
    """Megabytes of a run's output that are kept: the first and the last half of them."""
    min_free_gb: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    """Gigabytes that must be free besides the largest output folder so far, or no run starts; 0: runs start anyway."""
    runaway_after: int = Field(default=10, ge=1)
    """Runs in a row that failed or diverged, after which new experiments wait for a person."""
    code: Literal["snapshot", "in-place"] = "snapshot"
    """Whether runs are trained from a snapshot of the repository or in the project folder itself."""
    not_code: list[str] = Field(default_factory=list)
    """More files that cannot change a run, as patterns of paths; a change of them changes no code identity."""
    not_linked: list[str] = Field(default_factory=list)
    """Ignored files and folders of the project that a snapshot does not reach, as patterns of paths."""
    accept_differences: list[DifferenceKind] | bool = Field(default_factory=list)
    """What may differ between arms that are compared all the same; true: all of it. Every headline says so."""
    engine: str = "local"
    """Where runs are placed."""

    @field_validator("engine")
    @classmethod
    def _is_an_engine(cls, name: str) -> str:
        if name not in ENGINES:
            raise ValueError(f"allowed is {_engine_names()}")
        return name

    @property
    def accepted(self) -> frozenset[str]:
        """The kinds of differences that `accept_differences` names."""
        if isinstance(self.accept_differences, bool):
            return frozenset(get_args(DifferenceKind)) if self.accept_differences else frozenset()
        return frozenset(self.accept_differences)


@dataclass(frozen=True, slots=True)
class Config:
    """The file, read."""

    rules: Rules
    settings: Settings


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    rules: Rules = Rules()
    settings: Settings = Settings()


_DEFAULT = Config(Rules(), Settings())  # frozen: one is enough for every call of a project without settings


def load_config(path: Path) -> Config:
    """Rules and settings of a project; the defaults where there is no file.

    Raises:
        BadSettings: With line, key and what is allowed.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return _DEFAULT
    except (OSError, UnicodeDecodeError) as error:
        raise _bad(f"seedproof.toml cannot be read: {error}") from None
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _bad(f"seedproof.toml is not valid TOML: {error}") from None
    _expand_presets(document)
    try:
        # Through JSON, so that lists become tuples while every other type stays strict.
        read = _File.model_validate_json(json.dumps(document, default=str))
    except ValidationError as error:
        raise _bad(_explain(error, text)) from None
    return Config(read.rules, read.settings)


def present_limits(paths: ProjectPaths, settings: Settings) -> Limits:
    """What guards a night that nobody watches, as things stand."""
    own, outputs = files.free_bytes(paths.root), files.free_bytes(paths.checkpoints)
    free = own if outputs is None else outputs  # the first run makes the folder
    return Limits(settings.runaway_after, free, int(settings.min_free_gb * GIGABYTE), own)


def _bad(message: str) -> BadSettings:
    return BadSettings(message, NextCall("check_baseline", "Reads the settings again once they are mended."))


def _expand_presets(document: dict[str, Any]) -> None:
    rules = document.get("rules")
    metric = rules.get("metric") if isinstance(rules, dict) else None
    if not isinstance(rules, dict) or not isinstance(metric, dict) or "preset" not in metric:
        return
    name = metric.pop("preset")
    if not isinstance(name, str) or name not in PRESETS:
        raise _bad(f"seedproof.toml: rules.metric.preset is {name!r:.60}; allowed: {', '.join(PRESETS)}.")
    first, *others = PRESETS[name]
    rules["metric"] = {**first, **metric}
    if others:
        rules.setdefault("extra_metrics", [dict(other) for other in others])


def _explain(error: ValidationError, text: str) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    parts = [str(part) for part in first["loc"]]
    allowed = ""
    if first["type"] == "extra_forbidden":
        allowed = f"; allowed here: {', '.join(_siblings(parts))}"
    message = first["msg"].removeprefix("Value error, ")
    words = _words_for(parts)
    if words is not None and first["type"] not in ("extra_forbidden", "value_error"):
        message = f"allowed is {words}"
    return f"seedproof.toml{_line_of(parts, text)}: {'.'.join(parts) or 'file'}: {message}{allowed}."


def _words_for(parts: list[str]) -> str | None:
    """What a key may be, in words; None for what is no key of ours."""
    if parts[:2] == ["settings", "env"]:
        return _ALLOWED["env"]
    names = [part for part in parts if not part.isdigit()]
    return _ALLOWED.get(names[-1]) if names else None


_SEEDS = "whole numbers from 0 to 4294967295, each once"
# What a person may write, by key; docs/settings.md says the same at length.
_ALLOWED = {
    "rules": "a table, written [rules]",
    "settings": "a table, written [settings]",
    "command": "a list of texts that holds {seed}, {output_dir}, {flags} and a script that ends in .py",
    "train_tokens": "a whole number from 1 on",
    "baseline_seeds": f"a list of 3 or more: {_SEEDS}",
    "experiment_seeds": f"a list of 3 or more: {_SEEDS}",
    "extra_seeds": f"a list, which may be empty: {_SEEDS}",
    "confirm_seeds": f"a list of 2 or more: {_SEEDS}",
    "metric": "a table, written [rules.metric]",
    "extra_metrics": "a table for each, written [[rules.extra_metrics]]",
    "winner_sigma": "a number above 0",
    "suggestive_sigma": "a number above 0",
    "worthwhile_sigma": "a number above 0",
    "design": '"protocol" or "sequential"',
    "sequential_variance": '"arms" or "ledger"',
    "pairing": '"auto", "paired" or "unpaired"',
    "name": "a text of 1 to 64 of a-z, 0-9 and _, which begins with a letter",
    "direction": '"minimize" or "maximize"',
    "pattern": "a regular expression, as a text, with a group named value",
    "file": "the name of a file, as a text",
    "path": "a dotted path, as a text",
    "python": "a text: an interpreter's path or name",
    "env": 'names of variables, each with a text in quotes, such as OMP_NUM_THREADS = "4"',
    "slot": "a text of 1 to 32 letters, digits, _ and -, which begins with a letter or digit",
    "timeout_min": "a number of minutes above 0",
    "grace_s": "a number of seconds from 0 to 600",
    "log_cap_mb": "a number of megabytes from 1",
    "min_free_gb": "a number of gigabytes from 0",
    "runaway_after": "a whole number from 1",
    "engine": _engine_names(),
    "sealed": "a list of paths inside the project, which may hold * and ?",
    "code": '"snapshot" or "in-place"',
    "not_code": "a list of paths, which may hold * and ?",
    "not_linked": "a list of paths, which may hold * and ?",
    "accept_differences": 'a list of "packages" and "device", or true',
}


def _siblings(parts: list[str]) -> list[str]:
    from seedproof.model.rules import MetricRule

    if len(parts) == 1:
        return ["rules", "settings"]
    if parts[0] == "settings":
        return list(Settings.model_fields)
    return list(MetricRule.model_fields) if len(parts) > 2 else list(Rules.model_fields)


def _line_of(parts: list[str], text: str) -> str:
    """`, line 7` where the key stands in the file; empty if it cannot be told."""
    names = [re.escape(part) for part in reversed(parts) if not part.isdigit()]
    for name in names:
        for number, line in enumerate(text.splitlines(), 1):
            if re.match(rf"\s*(?:{name}\s*=|\[+.*\b{name}\s*\]+)", line):
                return f", line {number}"
    return ""

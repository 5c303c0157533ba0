"""Reads `seedproof.toml`: the rules of the study and the settings of its runs.

Over 300 lines, because each setting stands here with its description and its checks.
"""

import json
import tomllib
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator, model_validator
from seedproof.model.presets import PRESET_RULES, PRESETS
from seedproof.model.refusals import BadSettings
from seedproof.model.results import DifferenceKind, Notice
from seedproof.model.rules import RETIRED_RULES, Rules

from seedproof_mcp.host.settings_errors import explain
from seedproof_mcp.host.slots import SLOT_NAME, NamedSlot, read_slots
from seedproof_mcp.host.slurm_options import SlurmOptions
from seedproof_mcp.system import files
from seedproof_mcp.system.paths import ProjectPaths

if TYPE_CHECKING:
    from seedproof.admission.guards import Limits
    from seedproof.ledger.state import Generation

__all__ = ["ENGINES", "Config", "Settings", "load_config", "present_limits", "where_is_engine"]

ENGINES = {
    "local": "seedproof_mcp.runner.engines.local:LocalEngine",
    "slurm": "seedproof_mcp.runner.engines.slurm:SlurmEngine",
}
"""Every engine by the name that `engine` in [settings] chooses: `module:class`, imported once it is needed."""
_ENTRY_POINTS = "seedproof.engines"
"""The group of entry points in which other packages name theirs."""


def where_is_engine(name: str) -> str | None:
    """The `module:class` of an engine; None if no package here has it."""
    if name in ENGINES:
        return ENGINES[name]
    return next((one.value for one in metadata.entry_points(group=_ENTRY_POINTS, name=name)), None)


def _engine_names() -> str:
    return " or ".join(f'"{name}"' for name in ENGINES)


class Settings(BaseModel):
    """How runs are carried out. Recorded with each run; a change voids nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    python: str | None = Field(
        default=None,
        min_length=1,
        description="Interpreter of the training: absolute, relative to the project if it has a `/`, or a name looked "
        "up on the path. None: the project's `.venv`, then `$VIRTUAL_ENV`, then `python3`.",
        json_schema_extra={"allowed": "a text: an interpreter's path or name"},
        examples=[".venv/bin/python"],
    )
    env: dict[str, str] = Field(
        default_factory=dict,
        description="Variables added to the environment of the training.",
        json_schema_extra={
            "allowed": 'names of variables, each with a text in quotes, such as OMP_NUM_THREADS = "4"',
        },
        examples=[{"CUDA_VISIBLE_DEVICES": "0"}],
    )
    slot: str = Field(
        default="default",
        pattern=SLOT_NAME,
        description="Trainings of one slot never overlap, whatever project of this user they belong to.",
        json_schema_extra={
            "allowed": "a text of 1 to 32 letters, digits, _ and -, which begins with a letter or digit"
        },
    )
    slots: tuple[NamedSlot, ...] | Literal["auto"] | None = Field(
        default=None,
        description="[Several slots](slots.md), on which runs train at the same time: a list of names, each with "
        '`env`, variables of its trainings; `"auto"`: one for each visible GPU, one without. None: one run at a time.',
        json_schema_extra={"allowed": '"auto", or a list of tables such as {name = "gpu0", env = {…}}'},
        examples=["auto"],
    )
    timeout_min: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="Time limit of a run in minutes. None: 24 h until the baseline is complete, then 3 times its "
        "slowest run, but at least 10 min.",
        json_schema_extra={"allowed": "a number of minutes above 0"},
        examples=[60.0],
    )
    grace_s: float = Field(
        default=10.0,
        ge=0,
        le=600,
        allow_inf_nan=False,
        description="Seconds between TERM and KILL.",
        json_schema_extra={"allowed": "a number of seconds from 0 to 600"},
    )
    log_cap_mb: float = Field(
        default=2000.0,
        ge=1,
        allow_inf_nan=False,
        description="Megabytes of a run's output that are kept: the first half and the last half of them. Linux, on "
        "file systems with holes; elsewhere everything is kept.",
        json_schema_extra={"allowed": "a number of megabytes from 1"},
    )
    min_free_gb: float = Field(
        default=1.0,
        ge=0,
        allow_inf_nan=False,
        description="Gigabytes that must be free besides the largest output folder so far, or no run starts: where "
        "`checkpoints` leads, and for the log on the project's own disk. `0` turns the guard off: runs start whatever "
        "is free.",
        json_schema_extra={"allowed": "a number of gigabytes from 0"},
    )
    runaway_after: int = Field(
        default=10,
        ge=1,
        description="Runs in a row that failed or diverged, after which new experiments wait for `seedproof resume`.",
        json_schema_extra={"allowed": "a whole number from 1"},
    )
    code: Literal["snapshot", "in-place"] = Field(
        default="snapshot",
        description="Whether runs are trained from a [snapshot](snapshots.md) of the repository, or in the project's "
        "folder itself.",
    )
    not_code: list[str] = Field(
        default_factory=list,
        description="More files that cannot change a run, such as `notes/*`: a change of them is no change of the "
        "code, which every verdict tells (`not_code_disclosed`). Paths from the project on; `*` and `?` stand for "
        "anything within a name, `**` for any folders, and a folder for all in it.",
        json_schema_extra={"allowed": "a list of paths, which may hold * and ?"},
    )
    not_linked: list[str] = Field(
        default_factory=list,
        description="Ignored files and folders that a snapshot does not reach, written likewise.",
        json_schema_extra={"allowed": "a list of paths, which may hold * and ?"},
    )
    accept_differences: list[DifferenceKind] | bool = Field(
        default_factory=list,
        description="What may differ between arms that are compared all the same; `true`: all of it. The verdict's "
        "headline and record say what was accepted; see [how-it-runs.md](how-it-runs.md#what-is-compared-with-what).",
        json_schema_extra={"allowed": 'a list of "packages" and "device", or true'},
    )
    keep_outputs: Literal["none", "winner", "all"] = Field(
        default="none",
        description="Which output folders stay when a report is written: none, those of a WINNER, or all.",
    )
    observe_inputs: bool = Field(
        default=True,
        description="Whether the files that a training reads are [recorded](how-it-runs.md#what-a-run-reads). `false`: "
        "no run knows what it read, which replies and reports say.",
        json_schema_extra={"allowed": "true or false"},
    )
    engine: str = Field(
        default="local",
        description="Where runs are placed.",
        json_schema_extra={"allowed": _engine_names()},
    )
    engine_options: dict[str, str | int | float | bool | list[str]] = Field(
        default_factory=dict,
        description="Options of an engine of another package, which checks them itself.",
        json_schema_extra={"allowed": "names, each with a text, a number, true, false, or a list of texts"},
    )
    slurm: SlurmOptions = Field(
        default=SlurmOptions(),
        description='What jobs ask Slurm for where `engine = "slurm"`; see [slurm.md](slurm.md).',
        json_schema_extra={"allowed": "a table, written [settings.slurm]"},
    )

    @field_validator("engine")
    @classmethod
    def _is_an_engine(cls, name: str) -> str:
        if where_is_engine(name) is None:
            others = sorted(metadata.entry_points(group=_ENTRY_POINTS).names)
            raise ValueError(f"allowed is {' or '.join([_engine_names(), *map(json.dumps, others)])}")
        return name

    @field_validator("slots", mode="before")
    @classmethod
    def _are_slots(cls, written: object) -> object:
        return written if written in (None, "auto") else read_slots(written)

    @model_validator(mode="after")
    def _keeps_runs_apart(self) -> Self:
        if self.slots is None:
            return self
        if "slot" in self.model_fields_set:
            raise ValueError("slot and slots are both set; leave one of them out")
        if self.code == "in-place":
            raise ValueError('slots needs code = "snapshot": runs in place share the folder of the project')
        return self

    def on_slot(self, slot: NamedSlot) -> "Settings":
        """These settings for a run that takes one of several slots."""
        return self.model_copy(update={"slot": slot.name, "slots": (slot,), "env": {**self.env, **slot.env}})

    @property
    def slot_env(self) -> dict[str, str] | None:
        """The variables of the slot that a run takes; None where one run at a time is trained."""
        return dict(self.slots[0].env) if isinstance(self.slots, tuple) else None

    @property
    def options_of_engine(self) -> dict[str, Any]:
        """The table of the chosen engine."""
        return self.slurm.model_dump(mode="json") if self.engine == "slurm" else dict(self.engine_options)

    @property
    def accepted(self) -> frozenset[str]:
        """The kinds of differences that `accept_differences` names."""
        if isinstance(self.accept_differences, bool):
            return frozenset(get_args(DifferenceKind)) if self.accept_differences else frozenset()
        return frozenset(self.accept_differences)


class Config(BaseModel):
    """The content of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    rules: Rules = Field(default=Rules(), json_schema_extra={"allowed": "a table, written [rules]"})
    settings: Settings = Field(default=Settings(), json_schema_extra={"allowed": "a table, written [settings]"})
    _retired: tuple[str, ...] = PrivateAttr(default=())

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        both = sorted(self.rules.env.keys() & self.settings.env.keys())
        if both:
            raise ValueError(f"[rules.env] and [settings.env] both set {', '.join(both)}; leave one of them out")
        for slot in self.settings.slots if isinstance(self.settings.slots, tuple) else ():
            both = sorted(slot.env.keys() & {**self.rules.env, **self.settings.env}.keys())
            if both:
                where = "rules" if both[0] in self.rules.env else "settings"
                raise ValueError(f"slot {slot.name} and [{where}.env] both set {both[0]}; leave one of them out")
        if self.rules.seed == "inject" and not self.settings.observe_inputs:
            raise ValueError('rules.seed = "inject" needs settings.observe_inputs = true: one program does both')
        return self

    def notices(self, generation: "Generation | None" = None) -> list[Notice]:
        """A notice for each key that an earlier version knew, and for seeds that the present baseline cannot have."""
        text = "rules.{} in seedproof.toml is a rule of an earlier version and is ignored: {}. Remove the line."
        found = [Notice("rule_ignored", text.format(name, RETIRED_RULES[name])) for name in self._retired]
        if self.settings.env.get("UV_NO_SYNC", "1").lower() in _NO:
            why = "[settings.env] lets `uv run` install: it may put a run's snapshot into the project's environment."
            found.append(Notice("uv_syncs", why))
        seeds = self.rules.confirm_seeds
        if seeds and generation is not None and generation.rules.earlier and seeds != generation.rules.confirm_seeds:
            why = "rules.confirm_seeds in seedproof.toml holds from the next baseline on; this one began without it."
            found.append(Notice("rule_ignored", why))
        return found


_NO = ("", "0", "f", "false", "n", "no", "off")  # as uv reads a variable that is true or false
_DEFAULT = Config()  # frozen, so every call of a project without a file can share it


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
    rules = document.get("rules")
    retired = tuple(name for name in RETIRED_RULES if isinstance(rules, dict) and rules.pop(name, None) is not None)
    try:
        # Through JSON, so that lists become tuples while every other type stays strict.
        config = Config.model_validate_json(json.dumps(document, default=str))
    except ValidationError as error:
        raise _bad(explain(error, text, Config)) from None
    config._retired = retired
    return config


def present_limits(paths: ProjectPaths, settings: Settings) -> "Limits":
    """The limits of unattended runs, with the present free space."""
    from seedproof.admission.guards import GIGABYTE, Limits  # here, as each server reads settings when it starts

    own, outputs = files.free_bytes(paths.root), files.free_bytes(paths.checkpoints)
    free = own if outputs is None else outputs  # the first run makes the folder
    return Limits(settings.runaway_after, free, int(settings.min_free_gb * GIGABYTE), own, settings.keep_outputs)


def _bad(message: str) -> BadSettings:
    from seedproof.phases.calls import check_call

    return BadSettings(message, check_call("Reads the settings again once they are mended."))


def _expand_presets(document: dict[str, Any]) -> None:
    rules = document.get("rules")
    metric = rules.get("metric") if isinstance(rules, dict) else None
    if not isinstance(rules, dict) or not isinstance(metric, dict) or "preset" not in metric:
        return
    name = metric.pop("preset")
    if not isinstance(name, str) or name not in PRESETS:
        raise _bad(f"seedproof.toml: rules.metric.preset is {name!r:.60}; allowed: {', '.join(PRESETS)}.")
    for rule, value in PRESET_RULES.get(name, {}).items():
        rules.setdefault(rule, value)
    first, *others = PRESETS[name]
    rules["metric"] = {**first, **metric}
    if others:
        rules.setdefault("extra_metrics", [dict(other) for other in others])

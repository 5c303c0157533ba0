"""The table [settings.slurm]: what the jobs of a project ask Slurm for."""

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator
from pydantic.config import JsonDict

__all__ = ["RESERVED", "SlurmOptions"]

_Word = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\s\x00-\x1f]+$")]
_WORD: JsonDict = {"allowed": "a text without spaces, as sbatch takes it"}
# What a job has by the engine itself: its name and files, its one place in the queue, and how sbatch answers.
RESERVED = frozenset(
    {
        *("array", "begin", "chdir", "clusters", "comment", "dependency", "error", "export", "export-file"),
        *("get-user-env", "help", "hold", "input", "job-name", "no-requeue", "open-mode", "output", "parsable"),
        *("quiet", "requeue", "test-only", "uid", "usage", "version", "wait", "wrap"),
    }
)
# Options with a setting of their own.
_SETTINGS = {
    "account": "account",
    "constraint": "constraint",
    "cpus-per-task": "cpus",
    "gres": "gres",
    "licenses": "licenses",
    "mem": "mem",
    "partition": "partition",
    "qos": "qos",
    "time": "time",
}


class SlurmOptions(BaseModel):
    """What each job of a project asks for. None: what Slurm gives who does not ask."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    partition: _Word | None = Field(default=None, description="Partition.", json_schema_extra=_WORD, examples=["gpu"])
    account: _Word | None = Field(default=None, description="Account.", json_schema_extra=_WORD, examples=["lab"])
    qos: _Word | None = Field(
        default=None, description="Quality of service.", json_schema_extra=_WORD, examples=["high"]
    )
    gres: _Word | None = Field(
        default=None, description="Generic resources, GPUs among them.", json_schema_extra=_WORD, examples=["gpu:1"]
    )
    constraint: _Word | None = Field(
        default=None, description="Features of the nodes.", json_schema_extra=_WORD, examples=["h100"]
    )
    time: _Word | None = Field(
        default=None,
        description="Time limit of the job, which should be longer than that of the run. None: the partition's.",
        json_schema_extra=_WORD,
        examples=["04:00:00"],
    )
    cpus: int | None = Field(
        default=None,
        ge=1,
        description="Processors.",
        json_schema_extra={"allowed": "a whole number from 1"},
        examples=[8],
    )
    mem: _Word | None = Field(default=None, description="Memory.", json_schema_extra=_WORD, examples=["32G"])
    licenses: _Word | None = Field(
        default=None,
        description="Licences. With one that exists once, runs of all users and projects wait for one another.",
        json_schema_extra=_WORD,
        examples=["training:1"],
    )
    singleton: bool = Field(
        default=False,
        description="Whether the jobs of all your projects that say so wait for one another: they share one name.",
        json_schema_extra={"allowed": "true or false"},
    )
    at_once: int = Field(
        default=1,
        ge=1,
        le=1000,
        description="How many runs of this project may be with Slurm at once. Wall times are comparable with 1 only.",
        json_schema_extra={"allowed": "a whole number from 1 to 1000"},
    )
    same_device_as_baseline: bool = Field(
        default=False,
        description="Whether later arms are placed on nodes with the features of those that trained the baseline.",
        json_schema_extra={"allowed": "true or false"},
    )
    options: tuple[str, ...] = Field(
        default=(),
        description="More options of sbatch, each `--name` or `--name=value`.",
        json_schema_extra={"allowed": 'a list of texts such as "--exclusive"'},
        examples=[["--exclusive"]],
    )

    @field_validator("options")
    @classmethod
    def _are_options(cls, options: tuple[str, ...]) -> tuple[str, ...]:
        for option in options:
            name = option.removeprefix("--").partition("=")[0]
            if not re.fullmatch(r"--[a-z][a-z-]*(=[^\x00-\x1f]*)?", option):
                raise ValueError(f"{option!r:.60} is no option of the form --name or --name=value")
            # sbatch takes a long option by any beginning of its name that fits one only.
            ours = next((one for one in sorted(RESERVED) if one.startswith(name)), None)
            if ours is not None:
                raise ValueError(f"{option!r:.60} is Seedproof's own to set (--{ours})")
            known = next((one for one in _SETTINGS if one.startswith(name)), None)
            if known is not None:
                raise ValueError(f"{option!r:.60} has a setting of its own: {_SETTINGS[known]}")
        return options

    @model_validator(mode="after")
    def _are_consistent(self) -> "SlurmOptions":
        if self.singleton and self.at_once > 1:
            raise ValueError("singleton lets one job run at a time, so at_once must be 1")
        return self

    def arguments(self) -> list[str]:
        """The options of sbatch that they are."""
        values = {name: getattr(self, field) for name, field in _SETTINGS.items()}
        return [*(f"--{name}={value}" for name, value in values.items() if value is not None), *self.options]

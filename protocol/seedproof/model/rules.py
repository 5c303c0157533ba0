"""The rules of a study, which decide what a result means; recorded in the ledger with each baseline generation."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from seedproof.model.metric_patterns import DEFAULT_VAL_LOSS, check_pattern
from seedproof.stats.power import Sizes

__all__ = ["JsonFile", "LogPattern", "MetricRule", "Rules", "scale_label"]

METRIC_NAME = r"^[a-z][a-z0-9_]{0,63}$"


@dataclass(frozen=True, slots=True)
class LogPattern:
    """A metric is read from the log."""

    regex: str
    """See `MetricRule.pattern`."""


@dataclass(frozen=True, slots=True)
class JsonFile:
    """A metric is read from a JSON file."""

    name: str
    """See `MetricRule.file`."""
    path: str
    """See `MetricRule.path`."""


class MetricRule(BaseModel):
    """A metric: its name, its direction and its one source, as settings and ledger spell them."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str = Field(pattern=METRIC_NAME)
    """Name in replies and reports."""
    direction: Literal["minimize", "maximize"] = "minimize"
    """Which way is better."""
    pattern: str | None = None
    """Regular expression over one cleaned log line, with a group `value`; the last match counts."""
    file: str | None = None
    """Name of a JSON file that the training leaves in its output folder."""
    path: str | None = None
    """Dotted path into that file, such as `final_metrics.val_loss`."""

    @field_validator("pattern")
    @classmethod
    def _pattern_reads_a_value(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            check_pattern(pattern)
        return pattern

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.file is None) != (self.path is None):
            raise ValueError("file and path belong together")
        if (self.pattern is None) == (self.file is None):
            raise ValueError("give either pattern, or file and path")
        if self.file is not None and ("/" in self.file or "\\" in self.file or self.file in (".", "..")):
            raise ValueError("file is a name inside the output folder, without folders")
        return self

    @property
    def source(self) -> LogPattern | JsonFile:
        """Where the metric is read."""
        if self.pattern is not None:
            return LogPattern(self.pattern)
        assert self.file is not None and self.path is not None
        return JsonFile(self.file, self.path)

    @property
    def sign(self) -> int:
        """+1 where larger is better, -1 where smaller is better."""
        return 1 if self.direction == "maximize" else -1


def scale_label(tokens: int) -> str:
    """The scale as it stands in file names: 1000000 -> `1M`, 100000 -> `100k`, 1500 -> `1500`."""
    for size, unit in ((1_000_000_000, "B"), (1_000_000, "M"), (1_000, "k")):
        if tokens % size == 0:
            return f"{tokens // size}{unit}"
    return str(tokens)


class Rules(BaseModel):
    """The protocol's numbers. Defaults: the experiment-runner protocol (docs/protocol.md)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    command: tuple[str, ...] = (
        "{python}",
        "train_llm.py",
        "--train_tokens",
        "{train_tokens}",
        "--seed",
        "{seed}",
        "{flags}",
        "--output_dir",
        "{output_dir}",
    )
    """Command template; `{flags}` is empty for the baseline."""
    train_tokens: int = Field(default=1_000_000, ge=1)
    """Scale: training tokens of every run."""
    baseline_seeds: tuple[int, ...] = Field(default=(42, 137, 256, 512, 1024), min_length=3)
    """Seeds of the baseline, all needed. Protocol, phase 1."""
    experiment_seeds: tuple[int, ...] = Field(default=(42, 137, 256), min_length=3)
    """First look at an experiment. Protocol, phase 2: at least 3."""
    extra_seeds: tuple[int, ...] = (512, 1024)
    """Run as well when the first look is within `winner_sigma`. Protocol, phase 2."""
    metric: MetricRule = MetricRule(name="val_loss", pattern=DEFAULT_VAL_LOSS)
    """The metric that decides."""
    extra_metrics: tuple[MetricRule, ...] = ()
    """Metrics that are reported and never decide."""
    winner_sigma: float = Field(default=2.0, gt=0, allow_inf_nan=False)
    """Sigmas from which a difference is a verdict. Protocol, phase 1."""
    suggestive_sigma: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """Sigmas from which an improvement is called suggestive. Protocol, phase 1."""
    design: Literal["protocol", "sequential"] = "protocol"
    """How looks and decisions follow each other; `sequential` tests at each look instead of counting sigmas."""
    sequential_variance: Literal["arms", "ledger"] = "arms"
    """Whose variance a sequential look pools: both arms', or also that of the generation's earlier arms."""
    pairing: Literal["auto", "paired", "unpaired"] = "auto"
    """Which interval is the primary one; `auto` decides by the seed correlation of earlier arms."""
    worthwhile_sigma: float = Field(default=2.0, gt=0, allow_inf_nan=False)
    """The smallest improvement worth finding, for advice on the number of seeds; it decides nothing."""
    confirm_seeds: tuple[int, ...] = Field(default=(100_003, 100_019, 100_043), min_length=2)
    """Fresh seeds of a confirmation, one pair of runs each; the first primes above 100,000, hardly used before."""
    sealed: tuple[str, ...] = ()
    """Files that no arm may change, such as `data/val*`: paths in the project, in which `*`, `?` and `**` stand."""

    @field_validator("baseline_seeds", "experiment_seeds", "extra_seeds", "confirm_seeds")
    @classmethod
    def _distinct_seeds(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) != len(seeds) or any(not 0 <= seed < 2**32 for seed in seeds):
            raise ValueError("seeds are distinct integers from 0 to 4294967295")
        return seeds

    @field_validator("sealed")
    @classmethod
    def _inside_the_project(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        if any(not pattern or pattern.startswith("/") or ".." in pattern.split("/") for pattern in patterns):
            raise ValueError("sealed names files inside the project, without a leading / and without ..")
        return patterns

    @field_validator("command")
    @classmethod
    def _complete_command(cls, command: tuple[str, ...]) -> tuple[str, ...]:
        missing = [field for field in ("{seed}", "{output_dir}") if not any(field in part for part in command)]
        if missing or command.count("{flags}") != 1:
            raise ValueError("the command needs {seed}, {output_dir} and one element that is {flags}")
        if not any(part.endswith(".py") for part in command):
            raise ValueError("the command names a training script that ends in .py")
        return command

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if set(self.experiment_seeds) & set(self.extra_seeds):
            raise ValueError("experiment_seeds and extra_seeds have a seed in common")
        if set(self.confirm_seeds) & set(self.all_seeds):
            raise ValueError("confirm_seeds are fresh: none of them may be a seed of baseline or experiment")
        if self.suggestive_sigma > self.winner_sigma:
            raise ValueError("suggestive_sigma is at most winner_sigma")
        names = [metric.name for metric in self.metrics] + ["wall_time_s"]
        if len(set(names)) != len(names):
            raise ValueError("two metrics have the same name (wall_time_s is taken)")
        return self

    @property
    def metrics(self) -> tuple[MetricRule, ...]:
        """All metrics; the deciding one comes first."""
        return (self.metric, *self.extra_metrics)

    @property
    def script(self) -> str:
        """The training script, relative to the project."""
        return next(part for part in self.command if part.endswith(".py"))

    @property
    def label(self) -> str:
        """The scale in file names, such as `1M`."""
        return scale_label(self.train_tokens)

    @property
    def all_seeds(self) -> tuple[int, ...]:
        """Every seed of baseline and experiments, in order, without repetition; confirmations have their own."""
        return tuple(dict.fromkeys((*self.baseline_seeds, *self.experiment_seeds, *self.extra_seeds)))

    @property
    def sizes(self) -> Sizes:
        """What the statistics of the design depend on: numbers of seeds, and the threshold."""
        first, every = self.experiment_seeds, self.experiment_seeds + self.extra_seeds
        shared = [len(set(seeds) & set(self.baseline_seeds)) for seeds in (first, every)]
        return Sizes(self.winner_sigma, len(self.baseline_seeds), len(first), len(every), *shared)

    def document(self) -> dict[str, Any]:
        """The rules as they stand in the ledger."""
        return self.model_dump(mode="json")

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Rules":
        """Read rules back from the ledger.

        Raises:
            pydantic.ValidationError: The document is not one that `document` wrote.
        """
        return cls.model_validate_json(json.dumps(dict(document)))

    def differences(self) -> list[tuple[str, Any, Any]]:
        """(name, default, present value) of each rule that differs from the protocol's default."""
        default, present = Rules().document(), self.document()
        return [(name, default[name], present[name]) for name in present if present[name] != default[name]]

"""A metric of the rules: its name, its direction and its one source, as settings and ledger spell them."""

from dataclasses import dataclass
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from seedproof.model.metric_patterns import check_pattern

__all__ = ["JsonFile", "LogPattern", "MetricRule"]

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

    name: str = Field(
        pattern=METRIC_NAME,
        description="Name in replies and reports; `wall_time_s` is taken.",
        json_schema_extra={"allowed": "a text of 1 to 64 of a-z, 0-9 and _, which begins with a letter"},
        examples=["val_loss"],
    )
    direction: Literal["minimize", "maximize"] = Field(default="minimize", description="Which way is better.")
    pattern: str | None = Field(
        default=None,
        description="Regular expression over one line of the log; the last match counts.",
        json_schema_extra={"allowed": "a regular expression, as a text, with a group named value"},
        examples=[r"\bval_loss=(?P<value>\S+)"],
    )
    file: str | None = Field(
        default=None,
        description="JSON file that the training leaves in its output folder, without folders, at most 64 MB. "
        "Needs `path`.",
        json_schema_extra={"allowed": "the name of a file, as a text"},
        examples=["metrics.json"],
    )
    path: str | None = Field(
        default=None,
        description="Path into that file, such as `final_metrics.val_loss`; an integer picks from a list.",
        json_schema_extra={"allowed": "a dotted path, as a text"},
        examples=["final_metrics.val_loss"],
    )

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

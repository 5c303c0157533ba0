"""A metric of the rules: its name, its direction and its one source, as settings and ledger spell them."""

import re
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from seedproof.model.metric_patterns import check_pattern

__all__ = ["EventFile", "JsonFile", "LogPattern", "MetricFile", "MetricRule", "Source", "Table"]

METRIC_NAME = r"^[a-z][a-z0-9_]{0,63}$"
# A file name has at most 255 bytes; the copy in the run's folder has a few more than the name.
_COPY_NAME_BYTES = 200
# The fields that every ledger knows. The others stand in a document only where they say something,
# so that the rules of earlier ledgers stay what they were.
_ALWAYS_RECORDED = ("name", "direction", "pattern", "file", "path")


@dataclass(frozen=True, slots=True)
class LogPattern:
    """A metric is read from the log."""

    regex: str
    """See `MetricRule.pattern`."""
    select: str | None = None
    """See `MetricRule.select`."""

    @property
    def where(self) -> str:
        """The place in words, to follow `not found`."""
        return "in its output" if self.select is None else f"under the name {self.select} in its output"


@dataclass(frozen=True, slots=True)
class MetricFile:
    """A metric is read from a file that the training writes."""

    name: str
    """See `MetricRule.file`."""
    outside: bool = field(default=False, kw_only=True)
    """See `MetricRule.outside`."""

    @property
    def copy_name(self) -> str:
        """What the copy in the run's folder is called: no two files share a name, and folders are no folders."""
        # No name inside the output folder begins with `..`.
        path = f"../{self.name}" if self.outside else self.name
        return f"metric-{path.replace('%', '%25').replace('/', '%2F')}"

    @property
    def where(self) -> str:
        """The place in words, to follow `not found`."""
        return f"in {self.name}"


@dataclass(frozen=True, slots=True)
class JsonFile(MetricFile):
    """A metric is read from a JSON document, or from one JSON object a line: the content tells them apart."""

    path: str
    """See `MetricRule.path`."""

    @property
    def where(self) -> str:
        """The place in words, to follow `not found`."""
        return f"at {self.path} in {self.name}"


@dataclass(frozen=True, slots=True)
class Table(MetricFile):
    """A metric is read from a column of a CSV or TSV file."""

    column: str
    """See `MetricRule.column`."""

    @property
    def where(self) -> str:
        """The place in words, to follow `not found`."""
        return f"in the column {self.column} of {self.name}"


@dataclass(frozen=True, slots=True)
class EventFile(MetricFile):
    """A metric is read from the scalars of a TensorBoard event file."""

    tag: str
    """See `MetricRule.tag`."""

    @property
    def where(self) -> str:
        """The place in words, to follow `not found`."""
        return f"under the tag {self.tag} in {self.name}"


Source = LogPattern | JsonFile | Table | EventFile


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
    select: str | None = Field(
        default=None,
        min_length=1,
        description="Which of several values counts: the one that stands under this name. The pattern has a group "
        "`name` for it; a name on a line of its own holds until the next name.",
        json_schema_extra={"allowed": "a text: what the group name matches"},
        examples=["bbox"],
    )
    file: str | None = Field(
        default=None,
        min_length=1,
        description="File that the training leaves in its output folder, at most 64 MB; a path from that folder on, in "
        "which `*` and `?` stand for anything within a name: of several files the newest counts. Where nothing names "
        "{output_dir} and it is not there, `outside` holds. Needs `path`, `column` or `tag`.",
        json_schema_extra={"allowed": "a path inside the output folder, as a text"},
        examples=["metrics.json"],
    )
    path: str | None = Field(
        default=None,
        description="Path into a JSON file, such as `final_metrics.val_loss`; an integer picks from a list, and `*` "
        "takes every item of it. Of a file with one JSON object a line, the last line that has it counts.",
        json_schema_extra={"allowed": "keys joined by dots, as a text"},
        examples=["final_metrics.val_loss"],
    )
    column: str | None = Field(
        default=None,
        min_length=1,
        description="Column of a CSV or TSV file, by its name; the last row that has a value in it counts.",
        json_schema_extra={"allowed": "the name of a column, as a text"},
        examples=["val_loss"],
    )
    tag: str | None = Field(
        default=None,
        min_length=1,
        description="Tag of a scalar in a TensorBoard event file; the last value counts.",
        json_schema_extra={"allowed": "a tag, as a text"},
        examples=["val/loss"],
    )
    outside: bool = Field(
        default=False,
        description="Whether `file` lies outside the output folder: a path from the folder that the training is "
        "started in. Such a file counts only if this run wrote it.",
        json_schema_extra={"allowed": "true or false"},
    )
    statistic: Literal["last", "best", "mean_of_last_n"] = Field(
        default="last",
        description="Which of a run's values is its result. `best` selects: the more values a run prints, the better "
        "its best one looks by chance alone, which every verdict tells (`metric_selects`).",
    )
    n: int | None = Field(
        default=None,
        ge=2,
        description="How many values `mean_of_last_n` is the mean of; a run with fewer has no result.",
        json_schema_extra={"allowed": "a whole number from 2 on"},
        examples=[5],
    )

    @field_validator("pattern")
    @classmethod
    def _pattern_reads_a_value(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            check_pattern(pattern)
        return pattern

    @field_validator("file")
    @classmethod
    def _stays_inside(cls, file: str | None) -> str | None:
        if file is None:
            return None
        parts = file.split("/")
        if "\\" in file or "\0" in file or any(part in ("", ".", "..") for part in parts):
            raise ValueError("file is a path without a leading /, without .. and without \\")
        if "**" in file:
            raise ValueError("file names each folder: * stands for anything within one name, ** for nothing")
        if max(len(MetricFile(file, outside=True).copy_name.encode("utf-8", "replace")), len(file)) > _COPY_NAME_BYTES:
            raise ValueError("file is too long")
        return file

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        places = [name for name in ("path", "column", "tag") if getattr(self, name) is not None]
        if (self.pattern is None) == (self.file is None):
            raise ValueError("give either pattern, or file with one of path, column and tag")
        if len(places) != (0 if self.file is None else 1):
            raise ValueError("file and one of path, column and tag belong together")
        if self.outside and self.file is None:
            raise ValueError("outside belongs to file")
        if self.select is not None and (self.pattern is None or "name" not in re.compile(self.pattern).groupindex):
            raise ValueError("select needs a pattern with a group named 'name': write (?P<name>...) around it")
        if (self.n is not None) != (self.statistic == "mean_of_last_n"):
            raise ValueError('n and statistic = "mean_of_last_n" belong together')
        return self

    @model_serializer(mode="wrap")
    def _as_ledgers_have_it(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = handler(self)
        defaults = {name: field.default for name, field in type(self).model_fields.items()}
        return {name: value for name, value in fields.items() if name in _ALWAYS_RECORDED or value != defaults[name]}

    @property
    def source(self) -> Source:
        """Where the metric is read."""
        if self.pattern is not None:
            return LogPattern(self.pattern, self.select)
        assert self.file is not None
        if self.path is not None:
            return JsonFile(self.file, self.path, outside=self.outside)
        if self.column is not None:
            return Table(self.file, self.column, outside=self.outside)
        assert self.tag is not None
        return EventFile(self.file, self.tag, outside=self.outside)

    @property
    def sign(self) -> int:
        """+1 where larger is better, -1 where smaller is better."""
        return 1 if self.direction == "maximize" else -1

    @property
    def is_last_match(self) -> bool:
        """Whether the last match of a pattern decides, so that a log can be read from its end."""
        return self.pattern is not None and self.select is None and self.statistic == "last"

    @property
    def selects(self) -> bool:
        """Whether the value is chosen among several by how good it is."""
        return self.statistic == "best"

    @property
    def statistic_words(self) -> str:
        """Which of a run's values is its result, to follow the name; empty for the last one."""
        words = {"last": "", "best": " (best of each run's values)"}
        return words.get(self.statistic, f" (mean of each run's last {self.n} values)")

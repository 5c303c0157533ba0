"""Reads a metric from a file that the training wrote."""

from collections.abc import Iterator

from seedproof.metrics.scanner import MATCHED_CHARS
from seedproof.model.metric_rule import EventFile, JsonFile, MetricFile, MetricRule, Table
from seedproof.model.runs import MetricValue, Unread
from seedproof.sources.event_file import read_scalars
from seedproof.sources.json_file import read_document
from seedproof.sources.statistics import result_of
from seedproof.sources.tables import read_column

__all__ = ["read_file_metric"]


def read_file_metric(data: bytes, rule: MetricRule) -> MetricValue | Unread | None:
    """The result that a file holds; None where it has no value of the metric.

    Args:
        data: The file.
        rule: The metric, whose source is a file.
    """
    source = rule.source
    assert isinstance(source, MetricFile)
    try:
        return result_of(rule, _values(data, source))
    except ValueError as error:
        text = data[:MATCHED_CHARS].decode("utf-8", "replace")
        return Unread(None, text, f"cannot be read from {source.name}: {str(error).rstrip('.')}")


def _values(data: bytes, source: MetricFile) -> Iterator[MetricValue | Unread]:
    match source:
        case JsonFile():
            return read_document(data, source.path)
        case Table():
            return read_column(data, source.column)
        case EventFile():
            return read_scalars(data, source.tag)
    raise TypeError(source)

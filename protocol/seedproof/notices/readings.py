"""Notices on how runs were read: near misses, and changes of the metrics."""

from collections.abc import Sequence

from seedproof.ledger.run_events import MetricsReadAgain, RunReading
from seedproof.ledger.state import Generation
from seedproof.model.results import Notice
from seedproof.model.run_key import Role
from seedproof.model.runs import Run
from seedproof.model.untrusted import one_line
from seedproof.notices.declarations import list_first
from seedproof.phases.read_again import Rereading
from seedproof.sources.near_misses import NearMiss

__all__ = ["near_miss_notices", "pending_notices", "printed_notices", "reading_notices"]


def near_miss_notices(run_id: str, metric: str, found: Sequence[NearMiss]) -> list[Notice]:
    """Numbers that may be the metric of a run without a value, each with the settings that read it."""
    if not found:
        return []
    places = "; ".join(f'"{one.text}" in {one.where}, read by {" and ".join(one.settings)}' for one in found)
    text = (
        f"{run_id} has no {metric}. What may be it (untrusted text): {places}. Put what reads the right one into "
        "[rules.metric] of seedproof.toml, in place of its pattern, file or preset, and repeat the call: it reads what "
        "is kept of the run, without a training."
    )
    return [Notice("near_miss", text)]


def printed_notices(who: str, runs: Sequence[Run]) -> list[Notice]:
    """Runs whose log printed another value than the file that their metric is read from."""
    found = [
        f"{name} of {'fresh ' if run.role is Role.CONFIRM else ''}seed {run.seed} is {run.metrics[name].text} in its "
        f"file, and the log printed {text} last"
        for run in runs
        for name, text in run.printed.items()
        if name in run.metrics
    ]
    if not found:
        return []
    text = f"{who}: {list_first(found)}. The file counts, as it was when the training ended; find out which is right."
    return [Notice("metric_file_differs", text)]


def pending_notices(found: Rereading | None) -> list[Notice]:
    """What the next writing call takes over from the settings, or which value keeps it from that."""
    text = "the metrics in seedproof.toml are not those of the baseline"
    if found is not None and found.event is not None:
        text += f". The next run_seed(), compare() or write_report() takes them over: {_what_it_does(found.event)}."
    elif found is not None and found.values is not None:
        text += f", and {found.values}; so the baseline is void until they are changed back or read the same."
    else:
        return []
    return [Notice("metrics_pending", text)]


def reading_notices(generation: Generation) -> list[Notice]:
    """Each change of the metrics of a generation, with the values before and after it."""
    return [
        Notice(
            "metrics_changed",
            f"the metrics were changed after the baseline had begun (record #{event.seq}): {_what_it_does(event)}.",
        )
        for event in generation.readings
    ]


def _what_it_does(event: MetricsReadAgain) -> str:
    changed = [f"{run_id}: {_words(read.before)} → {_words(read.now)}" for run_id, read in event.runs.items()]
    left = [f"{run_id} ({why})" for run_id, why in event.left.items()]
    parts = [list_first(changed) if changed else "no run reads otherwise"]
    parts += [f"not read again: {list_first(left)}"] if left else []
    return "; ".join(parts)


def _words(reading: RunReading) -> str:
    values = [f"{name} {one_line(value.text)}" for name, value in reading.metrics.items()]
    return ", ".join(values) or str(reading.state).replace("_", " ")

"""Lines of a report on what its runs read."""

from collections.abc import Collection, Iterator, Sequence

from seedproof.model.arms import Arm, Baseline
from seedproof.model.inputs import Observed
from seedproof.model.runs import Run
from seedproof.model.untrusted import one_line
from seedproof.phases.control import control_look
from seedproof.phases.read_files import are_all_known, read_files
from seedproof.verdict.inputs import cache_files

__all__ = ["control_line", "input_lines", "read_by_runs"]

_MOST_NAMED = 10
_WORDS: dict[Observed, str] = {
    "fully": "known",
    "partly": "known in part",
    "not": "not known",
    "off": "not observed",
}


def input_lines(baseline: Arm, arm: Arm | None = None) -> list[str]:
    """How much is known of what the counted runs read; nothing where no run recorded it."""
    runs = list(baseline.counted.values())
    if arm is not None:
        runs += [run for run in (*arm.runs, *arm.controls, *arm.all_fresh) if run.state.is_counted]
    known = [run.inputs for run in runs if run.inputs is not None]
    if not known:
        return []
    lines = []
    for observed, words in _WORDS.items():
        found = [one for one in known if one.observed == observed]
        if not found:
            continue
        why = "; ".join(dict.fromkeys(one_line(one.why) for one in found if one.why))
        counts = sorted(one.count for one in found)
        files = f" ({_span(counts)} each)" if counts[-1] else ""
        because = f", because {why}" if why else ""
        lines.append(f"Inputs of {_runs(len(found))}: {words}{files}{because}")
    if len(known) < len(runs):
        lines.append(f"Inputs of {_runs(len(runs) - len(known))}: not recorded")
    cut = sum(one.cut > 0 for one in known)
    if cut:
        lines.append(f"More files than a record lists were read by {_runs(cut)}; the whole lists lie beside the logs")
    caches = cache_files(runs)
    if caches:
        lines.append(f"Read from a cache that runs of this ledger wrote: {_files(caches)}")
    return lines


def _runs(count: int) -> str:
    return f"{count} run{'' if count == 1 else 's'}"


def _span(counts: Sequence[int]) -> str:
    low, high = counts[0], counts[-1]
    return f"{high} file{'' if high == 1 else 's'}" if low == high else f"{low} to {high} files"


def _files(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _MOST_NAMED} more" if len(paths) > _MOST_NAMED else ""
    return ", ".join(f"`{one_line(path)}`" for path in paths[:_MOST_NAMED]) + more


def read_by_runs(baseline: Baseline, arm: Arm) -> Collection[str] | None:
    """The files of a change that runs read; None where not every run told what it read."""
    runs: list[Run] = [run for side in (baseline.arm, arm) for run in side.counted.values()]
    if arm.change is None or not arm.counted or not are_all_known(runs):
        return None
    return read_files(arm.change, (*runs, *arm.controls, *arm.fresh))


def control_line(baseline: Baseline, arm: Arm) -> Iterator[str]:
    """That no control was needed, where that is so."""
    if control_look(baseline, arm).state in ("not_needed", "offered"):
        yield (
            "No run of the baseline read a file that differs, so no control was asked for. Whether a program only "
            "asks if a file exists is not observed."
        )

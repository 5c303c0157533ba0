"""Verifying: what `seedproof verify` costs on a ledger of 10,000 runs, with report and figure of each experiment."""

import hashlib
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from figures import Figure, in_turn, median, show
from large_ledger import RULES, Bulk, E, declared, write_run
from seedproof.ledger.fold import apply
from seedproof.ledger.state import State
from seedproof.ledger.study_events import GenerationStarted, ReportWritten, VerdictIssued
from seedproof.model.results import REPORT_FORMAT
from seedproof_mcp.service.verdicts import judge_recorded
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["measure"]

RUNS = 10_000
PAIRS = 7
LIMIT_S = 5.0
# As long as a report and a figure of an experiment are.
REPORT_BYTES, FIGURE_BYTES = 9_000, 7_000
PARSE = "import json, sys; print(sum(1 for line in open(sys.argv[1], 'rb') if json.loads(line)))"


class Folded(Bulk):
    """Records whose state is at hand, so that verdicts can be real ones."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State()

    def append(self, event: E) -> E:
        """Append the record of an event, and take it into account."""
        stored = super().append(event)
        apply(self.state, self.record)
        return stored


def write_verdict(writer: Folded, name: str) -> None:
    """The verdict that the runs give; a verification gives it again."""
    asked = VerdictIssued(generation=1, experiment=name, runs=(), verdict="", headline="")
    given = judge_recorded(writer.state, asked)
    writer.append(
        replace(
            asked,
            runs=tuple(sorted(run.run_id for run in given.arm.counted.values())),
            verdict=str(given.verdict),
            headline=given.headline,
            delta=given.delta,
            improvement_sigma=given.improvement_sigma,
            cohens_d=given.cohens_d,
            campaign={"p_better": 0.2},
            on_head=writer.state.head_label,
            report_format=REPORT_FORMAT,
        )
    )


def write_report(writer: Folded, paths: ProjectPaths, name: str) -> None:
    """A report and a figure of the usual size, with the record that vouches for them."""
    path = paths.experiment_report(name, RULES.label)
    head = f"- Ledger head: {writer.state.head_label}; {writer.state.seq} records\n"
    text = head.encode() + b"x" * REPORT_BYTES
    drawing = name.encode() + b"x" * FIGURE_BYTES
    path.write_bytes(text)
    path.with_suffix(".svg").write_bytes(drawing)
    writer.append(
        ReportWritten(
            path=str(path.relative_to(paths.root)),
            sha256=hashlib.sha256(text).hexdigest(),
            generation=1,
            experiment=name,
            headline="-",
            verdict="NEUTRAL",
            runs=(),
            at_seq=writer.state.seq,
            figures=(str(path.with_suffix(".svg").relative_to(paths.root)),),
            figure_sha256=(hashlib.sha256(drawing).hexdigest(),),
            report_format=REPORT_FORMAT,
        )
    )


def write_study(paths: ProjectPaths, runs: int) -> int:
    """A baseline, and judged and reported experiments of five seeds each; how many records that makes."""
    paths.research.mkdir(parents=True)
    writer, values = Folded(), iter(np.random.default_rng(0).normal(4.0, 0.01, runs))
    writer.append(GenerationStarted(generation=1, rules=RULES, reason=None))
    for seed in RULES.baseline_seeds:
        write_run(writer, None, seed, next(values))
    for number in range((runs - len(RULES.baseline_seeds)) // len(RULES.all_seeds)):
        name = f"idea-{number}"
        writer.append(declared(name, "--lr", str(number)))
        for seed in RULES.all_seeds:
            write_run(writer, name, seed, next(values))
        write_verdict(writer, name)
        write_report(writer, paths, name)
    writer.store(paths)
    paths.mirror.write_bytes(paths.ledger.read_bytes())
    return writer.state.seq


def taken_s(*command: str) -> tuple[float, float]:
    """CPU and wall time of a command, its interpreter's start included; it must succeed."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu_s, time.perf_counter() - began


def measure() -> list[Figure]:
    """The command as CI runs it, in turn with an interpreter that only parses the same lines."""
    with tempfile.TemporaryDirectory() as folder:
        paths = ProjectPaths(Path(folder))
        records = write_study(paths, RUNS)
        took, parsed = in_turn(
            lambda: taken_s("-m", "seedproof_mcp.surface.cli", "verify", "--project", folder),
            lambda: taken_s("-c", PARSE, str(paths.ledger)),
            PAIRS,
        )
        size = paths.ledger.stat().st_size
    (cpu_s, wall_s), (parse_s, _) = (tuple(map(median, zip(*found, strict=True))) for found in (took, parsed))
    beside = (
        f"{records} records, {size / 1e6:.0f} MB, wall time {wall_s:.2f} s; json.loads of the same lines "
        f"{parse_s:.2f} s, so {cpu_s / parse_s:.1f}x (medians of {PAIRS} pairs)"
    )
    return [Figure(f"`seedproof verify`, {RUNS} runs, CPU time", cpu_s, "s", beside, LIMIT_S)]


if __name__ == "__main__":
    sys.exit(show(measure))

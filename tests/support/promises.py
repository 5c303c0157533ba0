"""What Seedproof promises of a study, whatever happens meanwhile; held against its files."""

import hashlib
import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from seedproof.ledger.event import Record
from seedproof.ledger.records import EMPTY_HASH, read_line
from seedproof_mcp.runner import conductor, conductor_status
from seedproof_mcp.service.service import Service
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.answers import Answer, check_answers
from tests.support.memory import MEMORY
from tests.support.oracle import COUNTED, FIRST, PROBE, attempts, expected_delta, expected_verdict
from tests.support.seeds import SEEDS

EXPERIMENT = "hot"
OURS: dict[str, Any] = {"experiment": EXPERIMENT, "flags": ["--shift", "0.1"], "hypothesis": "it hurts"}
# What a person keeps in the same folders; none of it may be lost.
KEPT = {
    "checkpoints/mine/notes.txt": "do not delete",
    "checkpoints/exp_hot_1M_seed42_old/model.bin": "do not delete either",
    "docs/research/notes.md": "my own notes",
    "docs/research/.seedproof-draft.tmp": "not one of ours",
}
FOREIGN_REPORT = f"docs/research/experiment_{EXPERIMENT}_1M.md"
Call = tuple[str, dict[str, Any]]
LOOK: Call = ("check_baseline", {})
FOREIGN = "a report that no ledger vouches for"


@contextmanager
def a_project() -> Iterator[Path]:
    """A project in memory, with files of the user's where ours are written."""
    with tempfile.TemporaryDirectory(prefix="seedproof-", dir=MEMORY) as name:
        project = Path(name) / "project"
        for path, text in {**KEPT, FOREIGN_REPORT: FOREIGN, "train_llm.py": ""}.items():
            (project / path).parent.mkdir(parents=True, exist_ok=True)
            (project / path).write_text(text)
        yield project


def records_of(project: Path) -> list[Record]:
    """The ledger, verified line by line."""
    records: list[Record] = []
    for line in ProjectPaths(project).ledger.read_bytes().splitlines():
        records.append(read_line(line, len(records) + 1, records[-1]["hash"] if records else EMPTY_HASH))
    return records


def outcome_of(records: list[Record]) -> dict[str, Any]:
    """What a study says in the end, apart from attempts, times and places in the ledger."""
    verdict = [one for one in records if one["kind"] == "verdict_issued"][-1]
    values = {
        f"{arm} {seed}": value
        for (_, arm, seed), runs in attempts(records).items()
        for _, state, value in runs
        if state in COUNTED and arm != PROBE
    }
    return {"verdict": verdict["verdict"], "delta": round(verdict["delta"], 9), "values": values}


def undisturbed() -> dict[str, Any]:
    """The same, worked out from what the training script prints."""
    base = {seed: _printed(seed, 0.0) for seed in SEEDS}
    hot = {seed: _printed(seed, float(OURS["flags"][1])) for seed in FIRST}
    values = {f"{None} {seed}": value for seed, value in base.items()}
    values |= {f"{EXPERIMENT} {seed}": value for seed, value in hot.items()}
    return {
        "verdict": expected_verdict(base, hot, 2.0),
        "delta": round(expected_delta(base, hot) or 0.0, 9),
        "values": values,
    }


def _printed(seed: int, shift: float) -> float:
    return float(f"{4.0 + shift + random.Random(seed).gauss(0, 0.01):.6f}")


def check_ledger(records: list[Record], answers: list[Answer]) -> None:
    """Every answer came from this ledger; every seed counts once, and no attempt is missing."""
    check_answers(records, answers)
    for key, runs in attempts(records).items():
        assert [attempt for attempt, _, _ in runs] == list(range(1, len(runs) + 1)), key
        if key[1] != PROBE:
            assert sum(state in COUNTED for _, state, _ in runs) == 1, f"{key}: {runs}"
        else:  # whatever became of it, it is not tried for ever
            assert [state for _, state, _ in runs[:-1]] in ([], ["run_interrupted"]) and runs[-1][1], f"{key}: {runs}"


def check_written(project: Path) -> None:
    """Who followed `next` to the end has each recorded report, with its figure, its mirror and its clean-up."""
    written = [one for one in records_of(project) if one["kind"] == "report_written"]
    files = {one["path"]: one["sha256"] for one in written}
    for one in written:
        files |= dict(zip(one["figures"], one["figure_sha256"], strict=True))
    assert {name: hashlib.sha256((project / name).read_bytes()).hexdigest() for name in files} == files
    paths = ProjectPaths(project)
    assert paths.ledger.read_bytes().startswith(paths.mirror.read_bytes())
    assert written[-1]["hash"].encode() in paths.mirror.read_bytes()
    check_checkpoints(project)


def check_checkpoints(project: Path) -> None:
    """Of the output folders those of the user are left."""
    left = {path.name for path in (project / "checkpoints").iterdir()}
    assert left == {"mine", "exp_hot_1M_seed42_old"}


def check_reports(project: Path) -> None:
    """Whatever became of the files, the ledger makes them again, and the clean-up ends."""
    service = Service(project)
    written = [service.write_report(name).path for name in (None, EXPERIMENT)]
    newest = {one["path"]: one["sha256"] for one in records_of(project) if one["kind"] == "report_written"}
    assert {path: hashlib.sha256((project / path).read_bytes()).hexdigest() for path in written} == newest
    assert ProjectPaths(project).mirror.read_bytes() == ProjectPaths(project).ledger.read_bytes()


def check_files(project: Path) -> None:
    """Nothing of the user's is lost, nothing of ours is left, nobody complains."""
    for name, text in KEPT.items():
        assert (project / name).read_text() == text, name
    research = (project / "docs/research").glob(f"experiment_{EXPERIMENT}*.md")
    assert FOREIGN in [path.read_text() for path in research], "a report of the user's was moved aside"
    check_checkpoints(project)
    conductor.main([str(project)])
    assert conductor_status.read_problem(ProjectPaths(project)) is None, (
        "what the last conductor complained of, the next takes back"
    )
    assert {path.name for path in project.rglob("*.tmp")} == {".seedproof-draft.tmp"}, "what was cut short is tidied up"


def processes_of(folder: Path) -> dict[int, bytes]:
    """The live processes whose command or environment names a folder, with their commands."""
    found = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):  # it has ended, or is another user's
            command = Path("/proc", entry, "cmdline").read_bytes()
            if command and os.fsencode(folder) in command + Path("/proc", entry, "environ").read_bytes():
                found[int(entry)] = command
    return found

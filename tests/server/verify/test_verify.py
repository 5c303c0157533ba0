"""`seedproof verify`: every kind of damage has its own sentence, and an honest study has none."""

import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seedproof.ledger.records import EMPTY_HASH, FORMAT, canonical
from seedproof.ledger.study_events import Resumed
from seedproof.model.refusals import LedgerNewer
from seedproof.model.results import REPORT_FORMAT
from seedproof.model.rules import Rules
from seedproof_mcp.ledger.file import Ledger
from seedproof_mcp.ledger.registry import Registry
from seedproof_mcp.runner.log_reader import read_log
from seedproof_mcp.service.service import Service
from seedproof_mcp.surface import cli
from seedproof_mcp.system import files
from seedproof_mcp.system.paths import ProjectPaths
from seedproof_mcp.verify import verify as verification
from seedproof_mcp.verify.chain import read_chain
from seedproof_mcp.verify.checks import Check, failed

from tests.support.in_process import InProcessEngine, quick_tools
from tests.support.places import ROOT
from tests.support.seeds import FRESH
from tests.support.tables import Table

Lines = list[bytes]
# Real studies of `seedproof demo`; those of record_format_1 are in test_old_ledgers.py.
OLD_LEDGERS = ROOT / "tests/old_ledgers"
LEDGER = ".seedproof/ledger.jsonl"
MIRROR = "docs/research/ledger.jsonl"
BASELINE = "docs/research/baseline_variance_1M.md"
REPORT = "docs/research/experiment_idea_1M.md"
FIGURE = "docs/research/experiment_idea_1M.svg"
STUDY = "docs/research/studies.md"
LOG = ".seedproof/runs/g1-exp-idea-s42-a1/output.log"


async def _a_study(folder: Path) -> None:
    """A baseline and a judged experiment, both reported, and another experiment that is judged only."""
    async with quick_tools(folder) as call:
        await call.measure_baseline()
        await call("write_report")
        await call.measure("idea", "--shift", "-0.1")
        await call("compare", experiment="idea")
        await call("write_report", experiment="idea")
        await call.measure("other", "--shift", "0.1")
        await call("compare", experiment="other")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once; each test spoils its own copy."""
    folder = tmp_path_factory.mktemp("study") / "project"
    folder.mkdir()
    (folder / "train_llm.py").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state-of-the-study")))
        anyio.run(_a_study, folder)
    return folder


@pytest.fixture
def here(study: Path, tmp_path: Path) -> Path:
    """A copy of the study."""
    return Path(shutil.copytree(study, tmp_path / "project"))


class Said:
    """What a verification printed."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.err = code, err
        self.lines = out.splitlines()

    def of(self, outcome: str) -> list[str]:
        """The checks that ended so, without the word."""
        return [line[6:] for line in self.lines if line.startswith(f"{outcome:<5} ")]


@pytest.fixture
def verify(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """The command, as a shell sees it."""

    def run(project: Path, *options: str) -> Said:
        code = cli.main(["verify", "--project", str(project), *options])
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return run


Verify = Callable[..., Said]


def lines_of(project: Path) -> Lines:
    return (project / LEDGER).read_bytes().splitlines(keepends=True)


def number_of(project: Path, kind: str, **fields: Any) -> int:
    """The number of the last record of a kind with these fields."""
    found = [json.loads(line) for line in lines_of(project)]
    return int([one["seq"] for one in found if one["kind"] == kind and fields.items() <= one.items()][-1])


def hashed(record: dict[str, Any], prev: str) -> bytes:
    """A record's line with a hash that fits."""
    bare = {key: value for key, value in {**record, "prev": prev}.items() if key != "hash"}
    return canonical({**bare, "hash": hashlib.sha256(canonical(bare)).hexdigest()}) + b"\n"


def with_hash_as_it_stands(line: bytes) -> bytes:
    """A line whose hash fits its own bytes, whatever the format says."""
    own = b'"hash":"%b",' % json.loads(line)["hash"].encode()
    fitting = b'"hash":"%b",' % hashlib.sha256(line.rstrip(b"\n").replace(own, b"")).hexdigest().encode()
    return line.replace(own, fitting)


def rehash(lines: Lines) -> bytes:
    """All hashes made anew, as an editor who knows the format would do."""
    prev, found = EMPTY_HASH, []
    for line in lines:
        found.append(hashed(json.loads(line), prev))
        prev = json.loads(found[-1])["hash"]
    return b"".join(found)


def rewritten(project: Path, number: int, **fields: Any) -> bytes:
    """The whole ledger with other fields in one record, and every hash made anew."""
    lines = lines_of(project)
    lines[number - 1] = canonical({**json.loads(lines[number - 1]), **fields}) + b"\n"
    return rehash(lines)


def write_both(project: Path, data: bytes) -> None:
    """As somebody does who knows of the mirror."""
    for name in (LEDGER, MIRROR):
        (project / name).write_bytes(data)


# --- an honest study ----------------------------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("--regenerate",)])
def test_an_honest_study_has_no_fault(here: Path, verify: Verify, options: tuple[str, ...]) -> None:
    said = verify(here, *options)
    assert said.code == 0, said.lines
    assert said.of("FAIL") == []
    assert said.lines[-1] == "All is well."
    subjects = [line.partition(":")[0] for line in said.of("OK")]
    wanted = ["mirror", "chain", "state", "verdicts", "regenerate", "heads", "logs", "reports", "study", "study"]
    assert subjects == [one for one in wanted if one != "regenerate" or options]
    records = lines_of(here)
    assert f"OK    chain: {len(records)} records, begun {json.loads(records[0])['time']}, head #" in "\n".join(
        said.lines
    )
    assert "OK    verdicts: 2 verdicts recomputed from the records before them" in said.lines
    assert "OK    logs: all 11 that are still here are as recorded" in said.lines
    assert not options or "OK    regenerate: 2 reports regenerated byte for byte, figures too" in said.lines


@pytest.mark.parametrize("name", sorted(path.parent.name for path in OLD_LEDGERS.glob("*/docs")))
def test_a_study_of_an_earlier_version_is_verified_byte_for_byte_and_shown_as_issued(
    here: Path, verify: Verify, name: str
) -> None:
    shutil.rmtree(here)
    shutil.copytree(OLD_LEDGERS / name, here)
    said = verify(here, "--regenerate")
    assert (said.code, said.of("FAIL"), said.lines[-1]) == (0, [], "All is well."), said.lines
    records = [json.loads(line) for line in (here / MIRROR).read_bytes().splitlines()]
    issued = {record["experiment"]: record["headline"] for record in records if record["kind"] == "verdict_issued"}
    shown = Service(here, start_conductor=lambda _paths: None).list_experiments().experiments
    assert issued and {one.experiment: one.headline for one in shown} == issued


def test_a_fresh_clone_is_verified_from_its_mirror_and_says_so(here: Path, verify: Verify) -> None:
    shutil.rmtree(here / ".seedproof")
    said = verify(here, "--regenerate")
    assert said.code == 0, said.lines
    assert said.of("note")[0] == f"mirror: {LEDGER} is not here, as in a fresh clone; {MIRROR} is verified instead"
    assert "note  logs: 8 of 8 are not here, so nothing is said of them" in said.lines
    assert not (here / ".seedproof").exists()


def everything(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, b"" if path.is_dir() else path.read_bytes())
        for path in sorted(folder.rglob("*"))
    }


def test_nothing_is_ever_written(here: Path, tmp_path: Path, verify: Verify, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "nothing"))
    for damage in (b"", b"half a line"):
        with (here / LEDGER).open("ab") as ledger:
            ledger.write(damage)
        (here / REPORT).unlink(missing_ok=True)
        before = everything(tmp_path)
        verify(here, "--regenerate", "--against", "HEAD")
        assert everything(tmp_path) == before


def test_without_a_ledger_there_is_nothing_to_verify(tmp_path: Path, verify: Verify) -> None:
    said = verify(tmp_path)
    assert (said.code, said.lines) == (2, [])
    assert said.err == f"seedproof: there is no ledger: neither {LEDGER} nor {MIRROR} has a record.\n"


def test_a_ledger_that_cannot_be_read_cannot_be_verified(tmp_path: Path, verify: Verify) -> None:
    (tmp_path / LEDGER).mkdir(parents=True)
    said = verify(tmp_path)
    assert (said.code, said.err) == (2, f"seedproof: {LEDGER} cannot be read (Is a directory).\n")


def test_a_newer_format_needs_a_newer_version(here: Path, verify: Verify) -> None:
    lines = lines_of(here)
    lines[4] = canonical({**json.loads(lines[4]), "format": FORMAT + 1}) + b"\n"
    (here / LEDGER).write_bytes(b"".join(lines))
    said = verify(here)
    assert said.code == 2
    assert (
        said.err
        == f"seedproof: record 5 has format {FORMAT + 1}; this Seedproof reads up to {FORMAT}. Update Seedproof.\n"
    )


async def _a_long_story(folder: Path) -> None:
    """Confirmed, diverged, extra seeds, a second generation, a failed attempt, and a report written twice."""
    losses = {"exp_good": (3.9, 3.91, 3.89), "exp_even": (4.0, 4.01, 3.99, 4.0, 4.01), "exp_bad": ("nan",)}
    table = Table().arm("baseline", (4.0, 4.01, 3.99, 4.02, 3.98)).arm("baseline", (4.0, 4.01, 3.99), FRESH)
    for name, values in losses.items():
        table.arm(name, values)
    table.arm("confirm_good", (3.9, 3.92, 3.91), FRESH)
    async with quick_tools(folder, InProcessEngine(table)) as call:
        await call.measure_baseline()
        await call("write_report")
        await call.measure("good", "--lr", "1")
        await call("compare", experiment="good")
        await call("write_report", experiment="good")
        await call("run_seed", experiment="good", role="confirm", queue_all=True)
        await call("compare", experiment="good")
        await call("write_report", experiment="good")
        await call.measure("even", "--lr", "2")
        await call("run_seed", experiment="even", queue_all=True)
        await call("write_report", experiment="even")
        await call.measure("bad", "--lr", "3", seeds=(42,))
        await call("write_report", experiment="bad")
        table.losses["baseline", 42] = "fail 4.0"
        await call("run_seed", new_baseline="another driver")
        table.losses["baseline", 42] = "4.0"
        await call("run_seed", seed=42, attempt=2)
        await call.measure_baseline()
        await call("write_report")
        await call.measure("good", "--lr", "1")
        await call("write_report", experiment="good")


def test_a_long_story_has_no_fault_either(quick_project: Path, verify: Verify) -> None:
    anyio.run(_a_long_story, quick_project)
    said = verify(quick_project, "--regenerate")
    assert said.code == 0, said.lines
    assert "OK    verdicts: 5 verdicts recomputed from the records before them" in said.lines
    # Seven, one as its confirmation began, and the earlier baseline's under a name of its own.
    assert "OK    regenerate: 9 reports regenerated byte for byte, figures too" in said.lines
    heads = [json.loads(line).get("headline", "") for line in lines_of(quick_project) if b"verdict_issued" in line]
    drawn = "WINNER (unconfirmed; 1 discarded attempt)"
    wanted = ("WINNER (unconfirmed)", "WINNER (confirmed", "NEUTRAL", "LOSER (diverged", drawn)
    assert [one.startswith(word) for one, word in zip(heads, wanted, strict=True)] == [True] * 5, heads


# --- the chain ----------------------------------------------------------------------------------


def edited(lines: Lines) -> Lines:
    return [line.replace(b'"seed":42', b'"seed":43') if place == 1 else line for place, line in enumerate(lines)]


def rewritten_alone(lines: Lines) -> Lines:
    record = json.loads(lines[6])
    return [*lines[:6], hashed({**record, "reason": "kinder"}, record["prev"]), *lines[7:]]


CHAIN = {
    "an edited value": (edited, ["record #2 was edited: it does not match its own hash"]),
    "a deleted line": (lambda lines: lines[:4] + lines[5:], ["record #5 is missing: its line was deleted"]),
    "deleted lines": (lambda lines: lines[3:], ["records #1 to #3 are missing: their lines were deleted"]),
    "swapped lines": (
        lambda lines: [*lines[:7], lines[8], lines[7], *lines[9:]],
        ["record #9 stands before #8: lines were swapped"],
    ),
    "a repeated line": (lambda lines: [*lines[:7], lines[6], *lines[7:]], ["record #7 stands there twice"]),
    "a record rewritten with its hash": (
        rewritten_alone,
        ["record #8 does not follow from the one before it: that one was rewritten with a hash of its own"],
    ),
    "garbage": (
        lambda lines: [*lines[:4], b"garbage\n", *lines[5:]],
        ["line 5 is not a record: it cannot be read"],
    ),
    "a number that is none": (
        lambda lines: [*lines[:4], lines[4].replace(b'"seq":5', b'"seq":5.0'), *lines[5:]],
        ["line 5 is not a record: it has no number or no hash"],
    ),
    "spaces": (
        lambda lines: [*lines[:4], lines[4].replace(b'"seq":5', b'"seq": 5'), *lines[5:]],
        ["record #5 is not written canonically"],
    ),
    "spaces with their hash": (
        lambda lines: [*lines[:4], with_hash_as_it_stands(lines[4].replace(b'"seq":5', b'"seq": 5'))],
        ["record #5 is not written canonically"],
    ),
    "an infinite number with its hash": (
        lambda lines: [*lines[:4], with_hash_as_it_stands(lines[4].replace(b'"seq":5', b'"seq":5,"x":1e999'))],
        ["record #5 is not JSON"],
    ),
    "zeros": (
        lambda lines: [*lines[:4], b"\0" * 80 + b"\n", *lines[5:]],
        ["line 5 is not a record: it cannot be read"],
    ),
    "two damages": (
        lambda lines: edited(lines)[:4] + lines[5:],
        ["record #2 was edited: it does not match its own hash", "record #5 is missing: its line was deleted"],
    ),
}


@pytest.mark.parametrize("damage", CHAIN)
def test_what_was_done_to_the_lines_is_told_by_kind_and_number(here: Path, verify: Verify, damage: str) -> None:
    spoil, wanted = CHAIN[damage]
    (here / MIRROR).unlink()
    (here / LEDGER).write_bytes(b"".join(spoil(lines_of(here))))
    said = verify(here)
    assert said.code == 1
    assert [one for one in said.of("FAIL") if one.startswith("chain")] == [f"chain: {LEDGER}: {one}" for one in wanted]
    assert "state: not checked, and neither are verdicts: the chain is broken" in said.of("note")


def test_changed_line_endings_are_told(here: Path, verify: Verify) -> None:
    shutil.rmtree(here / ".seedproof")
    (here / MIRROR).write_bytes((here / MIRROR).read_bytes().replace(b"\n", b"\r\n"))
    said = verify(here)
    assert said.code == 1
    assert said.of("FAIL")[0] == f"chain: {MIRROR}: record #1 ends in CRLF; its line endings were changed"
    assert said.of("FAIL")[10].startswith("chain: and ")


def test_a_record_that_fits_the_chain_and_contradicts_the_others_is_told(here: Path, verify: Verify) -> None:
    number = number_of(here, "run_finished")
    lines = lines_of(here)
    again = {**json.loads(lines[number - 1]), "seq": len(lines) + 1}
    with (here / LEDGER).open("ab") as ledger:
        ledger.write(hashed(again, json.loads(lines[-1])["hash"]))
    said = verify(here)
    assert said.code == 1
    (fault,) = said.of("FAIL")
    assert fault.startswith(f"state: record #{len(lines) + 1} contradicts those before it (")


@pytest.mark.parametrize("tail", [b'{"seq":', b"\0" * 100, b"\0" * 100 + b"\n", b"\xff"])
def test_half_a_line_at_the_end_is_no_damage(here: Path, verify: Verify, tail: bytes) -> None:
    with (here / LEDGER).open("ab") as ledger:
        ledger.write(tail)
    said = verify(here)
    assert said.code == 0, said.lines
    told = f"tail: {LEDGER} ends in {len(tail)} bytes that are no record, as a crash leaves them; "
    assert f"{told}the next write cuts them off" in said.of("note")


@functools.cache
def _plain_lines() -> tuple[bytes, ...]:
    prev, found = EMPTY_HASH, []
    for seq in range(1, 9):
        bare = {"seq": seq, "kind": "resumed", "format": FORMAT, "time": "t", "reason": f"{seq}"}
        found.append(hashed(bare, prev))
        prev = json.loads(found[-1])["hash"]
    return tuple(found)


@given(st.data())
def test_no_change_of_lines_passes_and_the_numbers_of_what_is_kept_are_found(data: st.DataObject) -> None:
    lines = list(_plain_lines())
    order = data.draw(st.lists(st.sampled_from(range(8)), max_size=12))
    chain = read_chain(b"".join(lines[place] for place in order))
    assert (chain.faults == []) == (order == list(range(len(order))))
    assert list(chain.hashes) == sorted({place + 1 for place in order})


@given(st.integers(0, 7), st.data())
def test_no_changed_byte_passes(place: int, data: st.DataObject) -> None:
    lines = list(_plain_lines())
    at = data.draw(st.integers(0, len(lines[place]) - 2))
    byte = data.draw(st.integers(0, 255).filter(lambda one: one not in (lines[place][at], 10)))
    lines[place] = lines[place][:at] + bytes([byte]) + lines[place][at + 1 :]
    try:
        faults = read_chain(b"".join(lines)).faults
    except LedgerNewer:
        return
    assert faults


# --- what the chain alone cannot see ------------------------------------------------------------


def test_a_cut_end_is_seen_by_the_reports_that_knew_more(here: Path, verify: Verify) -> None:
    written = number_of(here, "report_written")
    kept = lines_of(here)[: written - 3]
    write_both(here, b"".join(kept))
    said = verify(here)
    assert said.code == 1
    ends = f"but the ledger ends at #{len(kept)}: its end was cut off, or that is a head of another ledger"
    numbers, fault, *study = [one for one in said.of("FAIL") if one.startswith("heads")]
    assert numbers == fault.replace(".md names", ".json names")
    assert fault.startswith(f"heads: {REPORT} names head #{written - 1} ") and fault.endswith(ends)
    assert [one.split()[1] for one in study] == [STUDY, STUDY.replace(".md", ".svg")]


def test_a_ledger_that_is_hashed_anew_is_seen_by_reports_and_by_its_own_records(here: Path, verify: Verify) -> None:
    number = number_of(here, "run_finished", run_id="g1-exp-idea-s42-a1")
    write_both(here, rewritten(here, number, wall_time_s=1.0))
    said = verify(here)
    assert said.code == 1
    heads = [one for one in said.of("FAIL") if one.startswith("heads")]
    assert all("was rewritten, and every hash after it made anew" in one for one in heads)
    assert any(REPORT in one for one in heads) and any("heads: record #" in one for one in heads)
    assert not any(BASELINE in one for one in heads), "what came before the edit is as it was"


def test_a_value_that_is_edited_with_all_hashes_is_contradicted_by_its_log_and_its_verdict(
    here: Path, verify: Verify
) -> None:
    number = number_of(here, "run_finished", run_id="g1-exp-idea-s42-a1")
    metrics = json.loads(lines_of(here)[number - 1])["metrics"]
    text = metrics["val_loss"]["text"]
    metrics["val_loss"] |= {"value": 3.1, "text": "3.1"}
    write_both(here, rewritten(here, number, metrics=metrics))
    said = verify(here, "--regenerate")
    assert said.code == 1
    assert f"logs: record #{number} says val_loss 3.1, and the log of g1-exp-idea-s42-a1 {text}" in said.of("FAIL")
    (verdict,) = [one for one in said.of("FAIL") if one.startswith("verdicts")]
    assert verdict.startswith(f"verdicts: record #{number_of(here, 'verdict_issued', experiment='idea')}: 'WINNER (unc")
    again = number_of(here, "report_written")
    made = f"regenerate: record #{again}: {REPORT}, regenerated from the ledger, has other bytes than recorded"
    assert made in said.of("FAIL")


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"verdict": "WINNER"}, "'LOSER: "),
        (
            {"headline": "WINNER: 9 sigma better"},
            "'WINNER: 9 sigma better' was said, and the runs before it give 'LOSER: ",
        ),
        ({"delta": -0.5}, "delta of its verdict differ from what the runs before it give"),
        ({"improvement_sigma": None, "cohens_d": 1.0}, "improvement_sigma, cohens_d of its verdict differ"),
    ],
)
def test_a_verdict_that_its_runs_do_not_give_is_told(
    here: Path, verify: Verify, fields: dict[str, Any], told: str
) -> None:
    number = number_of(here, "verdict_issued", experiment="other")
    write_both(here, rewritten(here, number, **fields))
    (fault,) = [one for one in verify(here).of("FAIL") if one.startswith("verdicts")]
    assert fault.startswith(f"verdicts: record #{number}: ") and told in fault


def test_a_verdict_that_the_records_before_it_do_not_allow_is_told(here: Path, verify: Verify) -> None:
    lines = [json.loads(line) for line in lines_of(here)]
    early = next(one for one in lines if one["kind"] == "verdict_issued")
    kept = [one for one in lines if one is not early and one.get("run_id") != "g1-exp-idea-s42-a1"]
    place = next(i for i, one in enumerate(kept) if one["kind"] == "experiment_declared") + 1
    kept.insert(place, early)
    numbered = [canonical({**one, "seq": seq}) + b"\n" for seq, one in enumerate(kept[: place + 1], 1)]
    write_both(here, rehash(numbered))
    (fault,) = [one for one in verify(here).of("FAIL") if one.startswith("verdicts")]
    assert "was said, and the records before it allow no verdict (idea has 0 of 3 seeds" in fault


@pytest.mark.parametrize("version", [None, 1, REPORT_FORMAT - 1])
def test_a_verdict_of_an_earlier_version_is_not_recomputed_and_that_is_said(
    here: Path, verify: Verify, version: int | None
) -> None:
    number = number_of(here, "verdict_issued", experiment="other")
    write_both(here, rewritten(here, number, headline="LOSER, as one used to say", report_format=version))
    said = verify(here)
    assert not [one for one in said.of("FAIL") if one.startswith("verdicts")]
    assert "verdicts: 1 verdict recomputed from the records before them" in said.of("OK")
    assert "verdicts: 1 verdict of an earlier version: checked by chain and hash, not recomputed" in said.of("note")


def test_the_hash_of_a_verdict_of_an_earlier_version_is_checked(here: Path, verify: Verify) -> None:
    number = number_of(here, "verdict_issued", experiment="other")
    lines = rewritten(here, number, report_format=1)
    edited = lines.replace(b'"headline":"LOSER: ', b'"headline":"NEUTRAL: ', 1)
    assert edited != lines
    write_both(here, edited)
    (fault,) = [one for one in verify(here).of("FAIL") if one.startswith("chain")]
    assert fault == f"chain: {LEDGER}: record #{number} was edited: it does not match its own hash"


def test_a_report_of_an_earlier_format_is_held_to_its_hash_alone(here: Path, verify: Verify) -> None:
    write_both(here, rewritten(here, number_of(here, "report_written"), report_format=1))
    said = verify(here, "--regenerate")
    assert not [one for one in said.of("FAIL") if not one.startswith("heads")]
    assert "regenerate: 1 report of an earlier version: checked by chain and hash, not recomputed" in said.of("note")


# --- mirror, registry -----------------------------------------------------------------------------


def test_a_mirror_that_differs_is_told_from_which_record_on(here: Path, verify: Verify) -> None:
    (here / MIRROR).write_bytes(rewritten(here, 6, reason="kinder"))
    said = verify(here)
    assert said.code == 1
    why = "one of the two was rewritten, or they are of two clones"
    assert said.of("FAIL") == [f"mirror: {MIRROR} does not agree with {LEDGER} from record #6 on: {why}"]


def conflicting(project: Path) -> bytes:
    """Two continuations of the first five records, as git leaves them."""
    lines = lines_of(project)
    return b"".join([*lines[:5], b"<<<<<<< HEAD\n", *lines[5:], b"=======\n", *lines[6:], b">>>>>>> other\n"])


def test_a_merge_conflict_in_the_mirror_is_told_as_what_it_is(here: Path, verify: Verify) -> None:
    (here / MIRROR).write_bytes(conflicting(here))
    said = verify(here)
    assert said.code == 1
    why = "git left a merge conflict in it"
    assert said.of("FAIL") == [f"mirror: {MIRROR} does not agree with {LEDGER} from record #6 on: {why}"]


def test_a_merge_conflict_in_the_mirror_of_a_clone_is_told_by_its_lines(here: Path, verify: Verify) -> None:
    (here / MIRROR).write_bytes(conflicting(here))
    shutil.rmtree(here / ".seedproof")
    said = verify(here)
    assert said.code == 1
    assert f"chain: {MIRROR}: line 6 is the mark of a merge conflict, which git left" in said.of("FAIL")


def test_a_mirror_that_knows_more_is_verified_in_its_place(here: Path, verify: Verify) -> None:
    lines = lines_of(here)
    (here / LEDGER).write_bytes(b"".join(lines[:10]))
    (here / MIRROR).write_bytes(b"".join(lines))
    said = verify(here)
    assert said.code == 0, said.lines
    more = f"{MIRROR} holds {len(lines) - 10} records more than {LEDGER}, which takes them over with the next write"
    assert f"mirror: {more}" in said.of("note")


def test_a_mirror_that_is_missing_is_no_damage(here: Path, verify: Verify) -> None:
    (here / MIRROR).unlink()
    said = verify(here)
    assert said.code == 0, said.lines
    assert f"mirror: there is no {MIRROR}; a report writes it" in said.of("note")


def note(project: Path) -> None:
    """What the registry writes down after a result."""
    ledger = Ledger(ProjectPaths(project))
    ledger.refresh()
    Registry(project).note(ledger.state, ledger.hashes, "2026-01-01T00:00:00.000Z")


def test_the_registry_knows_a_head_that_no_report_names(here: Path, verify: Verify) -> None:
    note(here)
    assert verify(here).code == 0
    lines = lines_of(here)
    (here / LEDGER).write_bytes(b"".join(lines[:-1]))
    said = verify(here)
    assert said.code == 1
    head = f"#{len(lines)} {json.loads(lines[-1])['hash'][:12]}"
    why = "its end was cut off, an older copy was put back, or it was rewritten"
    text = f"registry: this ledger was seen with {len(lines)} records and head {head}, which is not in it: {why}"
    assert said.of("FAIL") == [text]
    with Ledger(ProjectPaths(here)).writing() as writer:
        writer.disclose()
    said = verify(here)
    assert said.code == 0, said.lines
    assert (
        f"registry: the head that was seen last here, {head}, is not in the ledger, and the ledger discloses that"
        in said.of("note")
    )


def test_another_ledger_than_the_registry_knows_is_told(here: Path, verify: Verify) -> None:
    note(here)
    for name in (LEDGER, MIRROR):
        (here / name).write_bytes(rewritten(here, 1, reason="another"))
    (fault,) = [one for one in verify(here).of("FAIL") if one.startswith("registry")]
    assert fault.startswith("registry: this folder had another ledger, begun ")
    assert fault.endswith("; it is gone, and this ledger does not say so")


def test_a_copy_is_noted_and_is_no_damage(here: Path, tmp_path: Path, verify: Verify) -> None:
    copy = Path(shutil.copytree(here, tmp_path / "copy"))
    note(here)
    note(copy)
    said = verify(here)
    assert said.code == 0, said.lines
    told = "1 other folder of this machine holds the same ledger; what is run there is not seen here."
    assert f"registry: {told}" in said.of("note")


# --- files ----------------------------------------------------------------------------------------


def append_to(project: Path, name: str, text: str) -> None:
    with (project / name).open("a") as file:
        file.write(text)


@pytest.mark.parametrize("name", [REPORT, FIGURE])
def test_an_edited_report_or_figure_is_told(here: Path, verify: Verify, name: str) -> None:
    append_to(here, name, " ")
    said = verify(here)
    assert said.code == 1
    number = number_of(here, "report_written")
    assert said.of("FAIL") == [f"reports: {name} was edited: it is not what record #{number} wrote"]


@pytest.mark.parametrize("name", [REPORT, FIGURE])
def test_a_missing_report_or_figure_is_told(here: Path, verify: Verify, name: str) -> None:
    (here / name).unlink()
    said = verify(here)
    assert said.code == 1
    wrote = f"record #{number_of(here, 'report_written')} wrote it, and `seedproof report` writes it again"
    assert said.of("FAIL") == [f"reports: {name} is missing; {wrote}"]


def test_a_report_that_cannot_be_read_is_told(here: Path, verify: Verify) -> None:
    (here / REPORT).unlink()
    (here / REPORT).mkdir()
    said = verify(here)
    assert (said.code, said.of("FAIL")) == (1, [f"reports: {REPORT} cannot be read (Is a directory)"])


def test_an_older_report_in_the_place_of_the_newest_is_told(here: Path, verify: Verify) -> None:
    old = (here / REPORT).read_bytes()
    lines = lines_of(here)
    written = next(json.loads(line) for line in reversed(lines) if b'"report_written"' in line)
    newer = {**written, "seq": len(lines) + 1, "sha256": "0" * 64, "at_seq": len(lines)}
    with (here / LEDGER).open("ab") as ledger:
        ledger.write(hashed(newer, json.loads(lines[-1])["hash"]))
    assert (here / REPORT).read_bytes() == old
    older = f"{REPORT} is an older one, of record #{written['seq']}; record #{newer['seq']} wrote another"
    assert verify(here).of("FAIL") == [f"reports: {older}"]


def test_a_report_written_by_hand_is_told_whether_it_names_a_head_or_not(here: Path, verify: Verify) -> None:
    record = json.loads(lines_of(here)[11])
    head = f"#12 {record['hash'][:12]}"
    forged = "docs/research/experiment_forged_1M.md"
    (here / forged).write_text(
        f"# Experiment: forged\n\nWINNER: 5 sigma better\n\n- Ledger head: {head}; begun today\n"
    )
    for name in ("experiment_draft_1M.md", "experiment_draft_1M.svg", "experiment_idea_1M.unverified-2.md"):
        (here / "docs/research" / name).write_text(f"- Ledger head: {head}" if "unverified" in name else "a draft")
    (here / "docs/research/notes.md").write_text("my own")
    said = verify(here)
    assert said.code == 1
    never = "and this ledger never wrote it: it is forged, or of another ledger"
    assert said.of("FAIL") == [f"unknown: {forged} names ledger head {head}, {never}"]
    assert [one for one in said.of("note") if one.startswith("unknown")] == [
        "unknown: docs/research/experiment_draft_1M.md is unverified: this ledger never wrote it",
        "unknown: docs/research/experiment_draft_1M.svg is unverified: this ledger never wrote it",
        "unknown: docs/research/experiment_idea_1M.unverified-2.md was moved aside: no ledger vouches for it",
    ]


def test_a_missing_log_is_noted_and_an_edited_one_is_damage(here: Path, verify: Verify) -> None:
    log = here / LOG
    text = log.read_text()
    log.unlink()
    said = verify(here)
    assert said.code == 0, said.lines
    assert "logs: 1 of 11 are not here, so nothing is said of them" in said.of("note")
    log.write_text(text.replace("val_loss: 3", "val_loss: 2"))
    said = verify(here)
    assert said.code == 1
    number = number_of(here, "run_finished", run_id="g1-exp-idea-s42-a1")
    told = f"logs: the log of g1-exp-idea-s42-a1 was edited: it is not the one of record #{number}"
    assert said.of("FAIL") == [told]
    log.write_text(text[:-10])
    assert verify(here).of("FAIL") == [told]


def test_what_a_daemon_prints_after_the_end_is_no_edit(here: Path, verify: Verify) -> None:
    append_to(here, LOG, "val_loss: 0.0\n")
    assert verify(here).code == 0
    (here / LOG).with_name("result.json").unlink()
    assert verify(here).code == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives back the space of a part of a file")
def test_a_log_of_which_the_cap_left_out_a_part_is_held_to_what_is_left(here: Path, verify: Verify) -> None:
    text = (here / LOG).read_bytes()
    with (here / LOG).open("wb") as log:
        log.write(b"begin\n" * 20_000 + b"middle\n" * 100_000 + text)
        log.flush()
        assert files.punch_hole(log.fileno(), 1 << 17, 1 << 19)
    result = (here / LOG).with_name("result.json")
    size = (here / LOG).stat().st_size
    result.write_text(json.dumps({**json.loads(result.read_bytes()), "log_bytes": size}))
    read = read_log(here / LOG, size, Rules())
    number = number_of(here, "run_finished", run_id="g1-exp-idea-s42-a1")
    write_both(here, rewritten(here, number, log_sha256=read.sha256, log_bytes=read.size))
    assert read.size < size
    assert not [one for one in verify(here).of("FAIL") if one.startswith("logs")]
    result.unlink()
    assert not [one for one in verify(here).of("FAIL") if one.startswith("logs")]
    with (here / LOG).open("r+b") as log:
        log.write(b"BEGIN")
    assert [one for one in verify(here).of("FAIL") if one.startswith("logs")]


# --- a revision of git ----------------------------------------------------------------------------


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture(params=[".", "in/a larger repository"])
def committed(request: pytest.FixtureRequest, study: Path, tmp_path: Path) -> Path:
    """The study in git, at the top or deep inside."""
    root = tmp_path / "repository"
    project = root / request.param
    shutil.copytree(study, project, ignore=shutil.ignore_patterns("checkpoints"))
    git(tmp_path, "init", "-q", "-b", "main", str(root))
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "reports")
    return project


def test_a_revision_whose_mirror_is_a_beginning_of_the_ledger_passes(committed: Path, verify: Verify) -> None:
    said = verify(committed, "--against", "main")
    assert said.code == 0, said.lines
    records, mirrored = len(lines_of(committed)), (committed / MIRROR).read_bytes().count(b"\n")
    assert said.of("OK")[-1] == f"against: the {mirrored} records of main are the first of today's {records}"


def test_a_ledger_that_does_not_continue_a_revision_is_told_from_which_record_on(
    committed: Path, verify: Verify
) -> None:
    write_both(committed, rewritten(committed, 7, reason="kinder"))
    (fault,) = [one for one in verify(committed, "--against", "HEAD").of("FAIL") if one.startswith("against")]
    assert fault == "against: today's ledger does not continue that of HEAD: they differ from record #7 on"


def test_a_ledger_that_is_shorter_than_a_revision_is_told(committed: Path, verify: Verify) -> None:
    mirrored = (committed / MIRROR).read_bytes().count(b"\n")
    write_both(committed, b"".join(lines_of(committed)[:9]))
    (fault,) = [one for one in verify(committed, "--against", "HEAD").of("FAIL") if one.startswith("against")]
    assert fault == f"against: HEAD has {mirrored} records and today's ledger 9: its end was cut off"


@pytest.mark.parametrize("revision", ["nowhere", "--all", "", "a\nb", "HEAD:docs"])
def test_a_revision_that_does_not_exist_is_told(committed: Path, verify: Verify, revision: str) -> None:
    said = verify(committed, f"--against={revision}")
    known = f"against: git knows no revision {revision!r}; in a shallow clone, fetch it first"
    assert (said.code, said.of("FAIL")) == (1, [known])


def test_a_revision_without_a_mirror_is_told(committed: Path, verify: Verify) -> None:
    git(committed, "rm", "-q", "--cached", MIRROR)
    git(committed, "commit", "-q", "-m", "without")
    said = verify(committed, "--against", "HEAD")
    assert (said.code, said.of("FAIL")) == (1, [f"against: HEAD has no {MIRROR}"])


def test_a_folder_that_is_no_repository_is_told(
    here: Path, tmp_path: Path, verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    said = verify(here, "--against", "HEAD")
    told = "against: git does not take this folder for a repository of this user"
    assert (said.code, said.of("FAIL")) == (1, [told])


def test_a_git_variable_of_the_shell_does_not_lead_to_another_repository(
    committed: Path, tmp_path: Path, verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert verify(committed, "--against", "main").code == 0


def test_a_machine_without_git_is_told(here: Path, verify: Verify, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    said = verify(here, "--against", "HEAD")
    (fault,) = said.of("FAIL")
    assert (said.code, fault.partition(" (")[0]) == (1, "against: git cannot be started")


def test_a_ledger_that_grows_while_it_is_verified_is_verified_again(
    here: Path, verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, grown = verification.check_logs, []

    def meanwhile(*arguments: Any) -> Iterator[Check]:
        if grown:
            yield from real(*arguments)
            return
        with Ledger(ProjectPaths(here)).writing() as writer:
            grown.append(writer.append(Resumed(reason="a person looked")))
        yield failed("logs", "seen between two records")

    monkeypatch.setattr(verification, "check_logs", meanwhile)
    said = verify(here)
    assert said.code == 0, said.lines
    assert not any("seen between two records" in line for line in said.lines)
    assert any(f"{grown[0].seq} records" in line for line in said.lines)

"""The ledger, its mirror and their folder."""

import json
import os
import shutil
from collections.abc import Callable

from seedproof.ledger.records import EMPTY_HASH, canonical, make_record

from tests.conftest import Answer
from tests.threats.bench import Bench
from tests.threats.rows import Detected, Disclosed, Group, InVain, Refused

GROUP = Group("The ledger")
EVERY_TOOL = (
    ("check_baseline", {}),
    ("run_seed", {}),
    ("compare", {"experiment": "bad"}),
    ("write_report", {"experiment": "bad"}),
    ("list_experiments", {}),
)
Lines = list[str]


async def a_loser(bench: Bench) -> None:
    """A study whose result the agent does not like."""
    await bench.baseline()
    await bench.judge("bad")


async def every_tool(bench: Bench, code: str) -> Answer:
    """All tools, each of which says it."""
    for tool, arguments in EVERY_TOOL:
        answer = await bench.cheat(tool, **arguments)
        assert answer.code == code, answer.text
    return answer


async def edited(bench: Bench, edit: Callable[[Lines], Lines]) -> Answer:
    """Edit the ledger of a study, and ask every tool."""
    await a_loser(bench)
    bench.edit_lines(edit)
    return await every_tool(bench, "ledger_damaged")


def rehashed(lines: Lines, edit: Callable[[str], str]) -> Lines:
    """The same ledger with edited records, and every hash made anew."""
    head, made = EMPTY_HASH, []
    for line in map(edit, lines):
        record = {name: value for name, value in json.loads(line).items() if name not in ("hash", "format")}
        fields = {name: value for name, value in record.items() if name not in ("seq", "time", "prev", "kind")}
        new = make_record(record["seq"], record["time"], head, record["kind"], fields)
        made.append(canonical(new).decode())
        head = new["hash"]
    return made


def before_the_experiment(lines: Lines) -> Lines:
    """The ledger as it was before the first experiment was declared."""
    return lines[: next(place for place, line in enumerate(lines) if '"kind":"experiment_declared"' in line)]


def kinder(line: str) -> str:
    """The results of the LOSER, made those of a WINNER."""
    return line.replace("4.1", "3.1") if '"run_id":"g1-exp-bad-' in line else line


@GROUP.row("Edits a value in the ledger.", Detected("ledger_damaged"))
async def edited_value(bench: Bench) -> Answer:
    return await edited(bench, lambda lines: [kinder(line) for line in lines])


@GROUP.row("Edits a value and sets the time of the file back.", Detected("ledger_damaged"))
async def same_time(bench: Bench) -> Answer:
    await a_loser(bench)
    before = bench.paths.ledger.stat()
    bench.edit_lines(lambda lines: [kinder(line) for line in lines])
    os.utime(bench.paths.ledger, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert bench.paths.ledger.stat().st_size == before.st_size
    return await every_tool(bench, "ledger_damaged")


@GROUP.row("Deletes the line of a bad run from the ledger.", Detected("ledger_damaged"))
async def deleted_line(bench: Bench) -> Answer:
    return await edited(bench, lambda lines: [line for line in lines if "exp-bad-s42" not in line])


@GROUP.row("Puts two lines of the ledger into another order.", Detected("ledger_damaged"))
async def swapped_lines(bench: Bench) -> Answer:
    return await edited(bench, lambda lines: [*lines[:3], lines[4], lines[3], *lines[5:]])


@GROUP.row("Writes a record into the ledger by hand.", Detected("ledger_damaged"))
async def own_record(bench: Bench) -> Answer:
    return await edited(bench, lambda lines: [*lines, lines[-1].replace("LOSER", "WINNER")])


@GROUP.row(
    "Puts a verdict into the ledger that contradicts its runs, with right hashes.",
    InVain("a verdict is computed from the runs each time it is asked for"),
)
async def own_verdict(bench: Bench) -> None:
    await a_loser(bench)
    bench.edit_lines(lambda lines: rehashed(lines, lambda line: line.replace("LOSER", "WINNER")))
    answer = await bench.call("compare", experiment="bad")
    assert answer.data["verdict"] == "LOSER"
    assert "LOSER" in (await bench.report("bad")).split("## Verdict")[1]


@GROUP.row("Edits a value and makes every hash anew, while the mirror keeps the old ones.", Detected("ledger_diverged"))
async def full_rehash(bench: Bench) -> Answer:
    await a_loser(bench)
    await bench.report("bad")
    bench.edit_lines(lambda lines: rehashed(lines, kinder))
    return await every_tool(bench, "ledger_diverged")


@GROUP.row("Puts another mirror in the place of the one that was committed.", Detected("ledger_diverged"))
async def other_mirror(bench: Bench) -> Answer:
    await a_loser(bench)
    await bench.report("bad")
    bench.edit_lines(lambda lines: rehashed(lines, kinder), bench.paths.mirror)
    return await every_tool(bench, "ledger_diverged")


@GROUP.row("Cuts the newest records off the ledger, behind a report.", InVain("the mirror knows more, and is read"))
async def cut_behind_a_report(bench: Bench) -> None:
    await a_loser(bench)
    await bench.report("bad")
    bench.edit_lines(before_the_experiment)
    answer = await bench.call("compare", experiment="bad")
    assert answer.data["verdict"] == "LOSER"


@GROUP.row(
    "Deletes the state folder after a bad result, and keeps the reports.",
    InVain("the mirror is adopted, with every record up to the last report"),
)
async def no_state_folder(bench: Bench) -> None:
    await a_loser(bench)
    await bench.report("bad")
    shutil.rmtree(bench.paths.state)
    assert (
        await bench.cheat("run_seed", experiment="luckier", flags=["--lr=bad"], hypothesis="x")
    ).code == "flags_duplicate"
    assert (await bench.cheat("run_seed", experiment="bad", seed=42, attempt=2)).code == "attempt_not_allowed"
    assert (await bench.call("compare", experiment="bad")).data["verdict"] == "LOSER"


@GROUP.row("Puts a folder in the place of the ledger, so that it cannot be read.", Detected("ledger_damaged"))
async def unreadable(bench: Bench) -> Answer:
    await a_loser(bench)
    bench.paths.ledger.unlink()
    bench.paths.ledger.mkdir()
    for tool, arguments in EVERY_TOOL:
        answer = await bench.call(tool, **arguments)
        assert answer.code == "ledger_damaged", answer.text
    bench.paths.ledger.rmdir()
    return answer


@GROUP.row("Marks the ledger as written by a newer version, so that its checks are skipped.", Refused("ledger_newer"))
async def newer(bench: Bench) -> None:
    await a_loser(bench)
    bench.edit_lines(lambda lines: [*lines[:-1], lines[-1].replace('"format":1', '"format":2')])
    for tool, arguments in EVERY_TOOL:
        await bench.cheat(tool, **arguments)


@GROUP.row(
    "Cuts the newest records off the ledger, where no report has been written yet.",
    Disclosed("ledger_rewound", "every reply and report"),
)
async def cut_tail(bench: Bench) -> Answer:
    await a_loser(bench)
    bench.edit_lines(before_the_experiment)
    return await bench.call("check_baseline")


@GROUP.row(
    "Keeps a copy of state and mirror, and puts it back after a bad result.",
    Disclosed("ledger_rewound", "every reply and report"),
)
async def put_back(bench: Bench) -> Answer:
    await bench.baseline()
    await bench.report()
    put_back = bench.keep()
    await bench.judge("bad")
    await bench.report("bad")
    put_back()
    shutil.rmtree(bench.project / "checkpoints", ignore_errors=True)
    bench.table.arm("exp_bad", (3.9, 3.9, 3.9))
    return await bench.judge("bad")


@GROUP.row(
    "Deletes state folder and mirror, and begins anew.",
    Disclosed("ledger_restarted", "every reply and report"),
)
async def begins_anew(bench: Bench) -> Answer:
    await a_loser(bench)
    await bench.report("bad")
    shutil.rmtree(bench.paths.state)
    shutil.rmtree(bench.paths.research)
    shutil.rmtree(bench.project / "checkpoints")
    await bench.baseline()
    return await bench.call("check_baseline")


@GROUP.row(
    "Copies the project, to try in the copy what counts in the original only where it is kind.",
    Disclosed("ledger_shared", "every reply and report"),
)
async def copied_project(bench: Bench) -> Answer:

    await bench.baseline()
    copy = bench.project.parent / "copy"
    shutil.copytree(bench.project, copy)
    with bench.door.bench(copy) as other:
        await other.judge("bad")
    return await bench.judge("good")

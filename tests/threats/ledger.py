"""The ledger, its mirror and their folder."""

import json
import os
import shutil
from collections.abc import Callable

import pytest
from seedproof.ledger.records import EMPTY_HASH, canonical, make_record

from tests.support.callers import Answer
from tests.support.seeds import SEEDS
from tests.threats.agent import Agent, an_agent
from tests.threats.deeds import (
    BASELINE,
    FAR,
    changes_line_endings,
    compare,
    edits_line,
    edits_the_mirror,
    leaves_a_merge_conflict,
    leaves_only_a_mirror,
    run,
)
from tests.threats.rows import Detected, Disclosed, Group, InVain, Refused

GROUP = Group("The ledger")
EVERY_TOOL = (
    ("check_baseline", {}),
    ("run_seed", {}),
    ("compare", {"experiment": "bad"}),
    ("write_report", {"experiment": "bad"}),
    ("list_experiments", {}),
)
SCRIPT = "import model\nmodel.train()\n"
Lines = list[str]


async def a_loser(agent: Agent) -> None:
    """A study whose result the agent does not like."""
    await agent.baseline()
    await agent.judge("bad")


def assert_told(answer: Answer) -> None:
    """A reply tells of other ledgers."""
    assert "other_ledgers" in [one["code"] for one in answer.data["notices"]]


async def every_tool(agent: Agent, code: str) -> Answer:
    """All tools, each of which says it."""
    for tool, arguments in EVERY_TOOL:
        answer = await agent.cheat(tool, **arguments)
        assert answer.code == code, answer.text
    return answer


async def edited(agent: Agent, edit: Callable[[Lines], Lines]) -> Answer:
    """Edit the ledger of a study, and ask every tool."""
    await a_loser(agent)
    agent.edit_lines(edit)
    return await every_tool(agent, "ledger_damaged")


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
async def edited_value(agent: Agent) -> Answer:
    return await edited(agent, lambda lines: [kinder(line) for line in lines])


@GROUP.row("Edits a value and sets the time of the file back.", Detected("ledger_damaged"))
async def same_time(agent: Agent) -> Answer:
    await a_loser(agent)
    before = agent.paths.ledger.stat()
    agent.edit_lines(lambda lines: [kinder(line) for line in lines])
    os.utime(agent.paths.ledger, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert agent.paths.ledger.stat().st_size == before.st_size
    return await every_tool(agent, "ledger_damaged")


@GROUP.row("Deletes the line of a bad run from the ledger.", Detected("ledger_damaged"))
async def deleted_line(agent: Agent) -> Answer:
    return await edited(agent, lambda lines: [line for line in lines if "exp-bad-s42" not in line])


@GROUP.row("Puts two lines of the ledger into another order.", Detected("ledger_damaged"))
async def swapped_lines(agent: Agent) -> Answer:
    return await edited(agent, lambda lines: [*lines[:3], lines[4], lines[3], *lines[5:]])


@GROUP.row("Writes a record into the ledger by hand.", Detected("ledger_damaged"))
async def own_record(agent: Agent) -> Answer:
    return await edited(agent, lambda lines: [*lines, lines[-1].replace("LOSER", "WINNER")])


@GROUP.row(
    "Puts a verdict into the ledger that contradicts its runs, with right hashes.",
    InVain("a verdict is computed from the runs each time it is asked for"),
)
async def own_verdict(agent: Agent) -> None:
    await a_loser(agent)
    agent.edit_lines(lambda lines: rehashed(lines, lambda line: line.replace("LOSER", "WINNER")))
    answer = await agent.call("compare", experiment="bad")
    assert answer.data["verdict"] == "LOSER"
    assert "LOSER" in (await agent.report("bad")).split("## Verdict")[1]


@GROUP.row("Edits a value and makes every hash anew, while the mirror keeps the old ones.", Detected("ledger_diverged"))
async def full_rehash(agent: Agent) -> Answer:
    await a_loser(agent)
    await agent.report("bad")
    agent.edit_lines(lambda lines: rehashed(lines, kinder))
    return await every_tool(agent, "ledger_diverged")


@GROUP.row("Puts another mirror in the place of the one that was committed.", Detected("ledger_diverged"))
async def other_mirror(agent: Agent) -> Answer:
    await a_loser(agent)
    await agent.report("bad")
    agent.edit_lines(lambda lines: rehashed(lines, kinder), agent.paths.mirror)
    return await every_tool(agent, "ledger_diverged")


@GROUP.row("Cuts the newest records off the ledger, behind a report.", InVain("the mirror knows more, and is read"))
async def cut_behind_a_report(agent: Agent) -> None:
    await a_loser(agent)
    await agent.report("bad")
    agent.edit_lines(before_the_experiment)
    answer = await agent.call("compare", experiment="bad")
    assert answer.data["verdict"] == "LOSER"


@GROUP.row(
    "Deletes the state folder after a bad result, and keeps the reports.",
    InVain("the mirror is adopted, with every record up to the last report"),
)
async def no_state_folder(agent: Agent) -> None:
    await a_loser(agent)
    await agent.report("bad")
    shutil.rmtree(agent.paths.state)
    assert (
        await agent.cheat("run_seed", experiment="luckier", flags=["--lr=bad"], hypothesis="x")
    ).code == "flags_duplicate"
    assert (await agent.cheat("run_seed", experiment="bad", seed=42, attempt=2)).code == "attempt_not_allowed"
    assert (await agent.call("compare", experiment="bad")).data["verdict"] == "LOSER"


@GROUP.row("Puts a folder in the place of the ledger, so that it cannot be read.", Detected("ledger_damaged"))
async def unreadable(agent: Agent) -> Answer:
    await a_loser(agent)
    agent.paths.ledger.unlink()
    agent.paths.ledger.mkdir()
    for tool, arguments in EVERY_TOOL:
        answer = await agent.call(tool, **arguments)
        assert answer.code == "ledger_damaged", answer.text
    agent.paths.ledger.rmdir()
    return answer


@GROUP.row("Marks the ledger as written by a newer version, so that its checks are skipped.", Refused("ledger_newer"))
async def newer(agent: Agent) -> None:
    await a_loser(agent)
    agent.edit_lines(lambda lines: [*lines[:-1], lines[-1].replace('"format":2', '"format":3')])
    for tool, arguments in EVERY_TOOL:
        await agent.cheat(tool, **arguments)


@GROUP.row(
    "Cuts the newest records off the ledger, where no report has been written yet.",
    Disclosed("ledger_rewound", "every reply and report"),
)
async def cut_tail(agent: Agent) -> Answer:
    await a_loser(agent)
    agent.edit_lines(before_the_experiment)
    return await agent.call("check_baseline")


@GROUP.row(
    "Keeps a copy of state and mirror, and puts it back after a bad result.",
    Disclosed("ledger_rewound", "every reply and report"),
)
async def put_back(agent: Agent) -> Answer:
    await agent.baseline()
    await agent.report()
    put_back = agent.keep()
    await agent.judge("bad")
    await agent.report("bad")
    put_back()
    shutil.rmtree(agent.project / "checkpoints", ignore_errors=True)
    agent.table.arm("exp_bad", (3.9, 3.9, 3.9))
    return await agent.judge("bad")


@GROUP.row(
    "Deletes state folder and mirror, and begins anew.",
    Disclosed("ledger_restarted", "every reply and report"),
)
async def begins_anew(agent: Agent) -> Answer:
    await a_loser(agent)
    await agent.report("bad")
    shutil.rmtree(agent.paths.state)
    shutil.rmtree(agent.paths.research)
    shutil.rmtree(agent.project / "checkpoints")
    await agent.baseline()
    return await agent.call("check_baseline")


@GROUP.row(
    "Copies the project, to try in the copy what counts in the original only where it is kind.",
    Disclosed("ledger_shared", "every reply and report"),
)
async def copied_project(agent: Agent) -> Answer:
    await agent.baseline()
    copy = agent.project.parent / "copy"
    shutil.copytree(agent.project, copy)
    async with an_agent(copy) as other:
        await other.judge("bad")
    return await agent.judge("good")


@GROUP.row(
    "Copies the project without state and reports, to begin a campaign that counts from zero.",
    Disclosed("1 other ledger began with this code: 1 experiment, 0 WINNERs", "every reply and report"),
)
async def copied_without_state(agent: Agent) -> str:
    agent.write("train_llm.py", SCRIPT)
    await a_loser(agent)
    copy = agent.project.parent / "copy"
    shutil.copytree(agent.project, copy, ignore=shutil.ignore_patterns(".seedproof", "docs", "checkpoints"))
    async with an_agent(copy) as other:
        await other.baseline()
        assert_told(await other.judge("good"))
        return await other.report("good")


@GROUP.row(
    "Clones the repository and edits a line of the script, to begin a campaign that counts from zero.",
    Disclosed("1 other ledger began with this code: 1 experiment, 0 WINNERs", "every reply and report"),
)
async def cloned(agent: Agent) -> str:
    agent.write("train_llm.py", SCRIPT)
    agent.write(".gitignore", ".venv\n")
    for command in (("init", "-q", "."), ("add", "-A"), ("commit", "-qm", "begin")):
        agent.git(*command)
    await a_loser(agent)
    clone = agent.project.parent / "clone"
    agent.git("clone", "-q", str(agent.project), str(clone))
    async with an_agent(clone) as other:
        other.write("train_llm.py", f"{SCRIPT}print()\n")
        await other.baseline()
        assert_told(await other.judge("good"))
        return await other.report("good")


@GROUP.row(
    "Deletes state folder, mirror and every trace on the folder, and starts the server with another XDG_STATE_HOME.",
    Disclosed("earlier_snapshots", "every reply and report"),
)
async def begins_anew_elsewhere(agent: Agent) -> Answer:
    agent.write(".gitignore", ".venv\n")
    for command in (("init", "-q", "."), ("add", "-A"), ("commit", "-qm", "begin")):
        agent.git(*command)
    await a_loser(agent)
    for folder in (agent.paths.state, agent.paths.research, agent.project / "checkpoints"):
        shutil.rmtree(folder, ignore_errors=True)
    with pytest.MonkeyPatch.context() as patch:
        if hasattr(os, "removexattr") and "user.seedproof" in os.listxattr(agent.project):
            os.removexattr(agent.project, "user.seedproof")
        patch.setenv("XDG_STATE_HOME", str(agent.project.parent / "elsewhere"))
        await agent.baseline()
        answer = await agent.judge("good")
        assert "held 1 snapshot of an earlier ledger" in await agent.report("good")
    return answer


@GROUP.row(
    "Tries under another XDG_STATE_HOME, and puts state and mirror back after a bad result.",
    Disclosed("ledger_rewound", "every reply and report"),
)
async def put_back_from_elsewhere(agent: Agent) -> Answer:
    await agent.baseline()
    await agent.report()
    put_back = agent.keep()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(agent.project.parent / "elsewhere"))
        await agent.judge("bad")
        await agent.report("bad")
    put_back()
    shutil.rmtree(agent.project / "checkpoints", ignore_errors=True)
    agent.table.arm("exp_bad", (3.9, 3.9, 3.9))
    return await agent.judge("bad")


@GROUP.row(
    "Begins a baseline for one metric of the script after the other, until one is lucky.",
    Disclosed("1 earlier generation of this baseline differed in: metric"),
)
async def another_metric(agent: Agent) -> str:
    for arm in ("baseline", "exp_bad", "exp_good"):
        agent.table.prints |= {(arm, seed): f"other: {seed + len(arm)}\n" for seed in SEEDS}
    await agent.baseline()
    await agent.judge("bad")
    agent.write("seedproof.toml", "[rules.metric]\nname = \"val_loss\"\npattern = 'other: (?P<value>[0-9.]+)'\n")
    await agent.call("run_seed", new_baseline="the evaluation was improved", queue_all=True)
    await agent.judge("good")
    return await agent.report("good")


# --- refused in these words -----------------------------------------------------------------------

GROUP.refuses(
    "a number edited in the ledger",
    "ledger_damaged: record 8 of .seedproof/ledger.jsonl does not match its hash. Nothing is decided on a "
    "damaged ledger. Look at it with `sed -n 8p .seedproof/ledger.jsonl` and restore the file from a backup. "
    "Without one, move it away with `mv .seedproof/ledger.jsonl .seedproof/ledger.damaged`: everything is "
    "measured anew: no report has left a copy of it. Next: check_baseline()",
    [BASELINE, FAR, edits_line(8, lambda line: line.replace("3.99", "3.09")), compare("far")],
    leads_to="ledger_damaged",
)
GROUP.refuses(
    "a line of the ledger that is no JSON",
    "ledger_damaged: record 2 of .seedproof/ledger.jsonl is not JSON. Nothing is decided on a damaged ledger. "
    "Look at it with `sed -n 2p .seedproof/ledger.jsonl` and restore the file from a backup. Without one, move "
    "it away with `mv .seedproof/ledger.jsonl .seedproof/ledger.damaged`: everything is measured anew: no report "
    "has left a copy of it. Next: check_baseline()",
    [BASELINE, edits_line(2, lambda line: line[:-1]), run()],
    leads_to="ledger_damaged",
)
GROUP.refuses(
    "a line taken out of the ledger",
    "ledger_damaged: record 2 of .seedproof/ledger.jsonl is not a record. Nothing is decided on a damaged "
    "ledger. Look at it with `sed -n 2p .seedproof/ledger.jsonl` and restore the file from a backup. Without "
    "one, move it away with `mv .seedproof/ledger.jsonl .seedproof/ledger.damaged`: everything is measured anew: "
    "no report has left a copy of it. Next: check_baseline()",
    [BASELINE, edits_line(2, lambda line: "[]"), ("check_baseline", {})],
    leads_to="ledger_damaged",
)
GROUP.refuses(
    "a ledger of a newer version",
    "ledger_newer: record 16 has format 3; this Seedproof reads up to 2. Update Seedproof. Next: check_baseline()",
    [BASELINE, edits_line(16, lambda line: line.replace('"format":2', '"format":3')), ("list_experiments", {})],
    leads_to="ledger_newer",
)
GROUP.refuses(
    "a mirror that tells another story",
    "ledger_diverged: .seedproof/ledger.jsonl and docs/research/ledger.jsonl tell different stories; neither "
    "continues the other. Keep the one you trust and move the other away. Next: check_baseline()",
    [BASELINE, FAR, ("write_report", {}), edits_the_mirror, compare("far")],
    leads_to="ledger_diverged",
)
GROUP.refuses(
    "a mirror with other line endings beside the ledger",
    "ledger_diverged: .seedproof/ledger.jsonl and docs/research/ledger.jsonl differ; the line endings of the "
    "latter were changed to CRLF. Git does this where core.autocrlf is set: put the line `ledger.jsonl -text` "
    "into docs/research/.gitattributes, delete docs/research/ledger.jsonl and check it out again. Next: "
    "check_baseline()",
    [BASELINE, ("write_report", {}), changes_line_endings, run()],
    leads_to="ledger_diverged",
)
GROUP.refuses(
    "a mirror with other line endings and no ledger",
    "ledger_damaged: record 1 of docs/research/ledger.jsonl ends in CRLF; its line endings were changed. Nothing "
    "is decided on a damaged ledger. Git does this where core.autocrlf is set: put the line `ledger.jsonl -text` "
    "into docs/research/.gitattributes, delete docs/research/ledger.jsonl and check it out again. Next: "
    "check_baseline()",
    [BASELINE, ("write_report", {}), leaves_only_a_mirror(changes_line_endings), run()],
    leads_to="ledger_damaged",
)
GROUP.refuses(
    "a mirror with a merge conflict beside the ledger",
    "ledger_diverged: git left a merge conflict in docs/research/ledger.jsonl (line 2). Two ledgers cannot be "
    "merged: each record holds the hash of the one before it. .seedproof/ledger.jsonl is what was measured here, "
    "and goes on once its mirror is restored: `cp .seedproof/ledger.jsonl docs/research/ledger.jsonl`, then `git "
    "add docs/research/ledger.jsonl`. Next: check_baseline()",
    [BASELINE, ("write_report", {}), leaves_a_merge_conflict, run()],
    leads_to="ledger_diverged",
)
GROUP.refuses(
    "a mirror with a merge conflict and no ledger",
    "ledger_damaged: git left a merge conflict in docs/research/ledger.jsonl (line 2). Nothing is decided on a "
    "damaged ledger. Two ledgers cannot be merged: each record holds the hash of the one before it. Keep one "
    "side whole: `git checkout --ours docs/research/ledger.jsonl`, or `--theirs` for the other one, then `git "
    "add docs/research/ledger.jsonl`. Next: check_baseline()",
    [BASELINE, ("write_report", {}), leaves_only_a_mirror(leaves_a_merge_conflict), run()],
    leads_to="ledger_damaged",
)
GROUP.refuses(
    "a damaged mirror and no ledger",
    "ledger_damaged: record 1 of docs/research/ledger.jsonl is not written canonically. Nothing is decided on a "
    "damaged ledger. Look at it with `sed -n 1p docs/research/ledger.jsonl`, and restore it from git or a "
    "backup. Next: check_baseline()",
    [BASELINE, ("write_report", {}), leaves_only_a_mirror(edits_the_mirror), run()],
    leads_to="ledger_damaged",
)

"""Damage that `seedproof verify` finds, each with its own words."""

import contextlib
import io
import re

from seedproof_mcp.surface import cli

from tests.threats.agent import Agent
from tests.threats.ledger import before_the_experiment, kinder, rehashed
from tests.threats.rows import Detected, Group

GROUP = Group("What `seedproof verify` finds")
VERIFY = "`seedproof verify`"


async def a_study(agent: Agent) -> None:
    """A baseline and a LOSER with their reports."""
    await agent.baseline()
    await agent.report()
    await agent.judge("bad")
    await agent.report("bad")


def verified(agent: Agent, *options: str, exit_code: int = 1) -> str:
    """What the command says of a damaged study."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = cli.main(["verify", "--project", str(agent.project), *options])
    assert code == exit_code, said.getvalue()
    return said.getvalue()


@GROUP.row("Edits a value in the ledger.", Detected("was edited: it does not match its own hash", VERIFY))
async def edited_value(agent: Agent) -> str:
    await a_study(agent)
    agent.edit_lines(lambda lines: [kinder(line) for line in lines])
    return verified(agent)


@GROUP.row("Deletes a line of the ledger.", Detected("is missing: its line was deleted", VERIFY))
async def deleted_line(agent: Agent) -> str:
    await a_study(agent)
    agent.edit_lines(lambda lines: [*lines[:20], *lines[21:]])
    return verified(agent)


@GROUP.row("Swaps two lines of the ledger.", Detected(": lines were swapped", VERIFY))
async def swapped_lines(agent: Agent) -> str:
    await a_study(agent)
    agent.edit_lines(lambda lines: [*lines[:3], lines[4], lines[3], *lines[5:]])
    return verified(agent)


@GROUP.row(
    "Cuts the end off ledger and mirror.",
    Detected("its end was cut off, or that is a head of another ledger", VERIFY),
)
async def cut_tail(agent: Agent) -> str:
    await a_study(agent)
    for path in (agent.paths.ledger, agent.paths.mirror):
        agent.edit_lines(lambda lines: lines[:-6], path)
    return verified(agent)


@GROUP.row(
    "Rewrites ledger and mirror with right hashes.",
    Detected("or one before it was rewritten, and every hash after it made anew", VERIFY),
)
async def full_rehash(agent: Agent) -> str:
    await a_study(agent)
    for path in (agent.paths.ledger, agent.paths.mirror):
        agent.edit_lines(lambda lines: rehashed(lines, kinder), path)
    return verified(agent)


@GROUP.row(
    "Writes a verdict that its runs do not give, with right hashes.",
    Detected("was said, and the runs before it give", VERIFY),
)
async def own_verdict(agent: Agent) -> str:
    await a_study(agent)
    for path in (agent.paths.ledger, agent.paths.mirror):
        agent.edit_lines(lambda lines: rehashed(lines, lambda line: line.replace("LOSER", "WINNER")), path)
    return verified(agent)


@GROUP.row("Edits a report.", Detected("experiment_bad_1M.md was edited: it is not what record #", VERIFY))
async def edited_report(agent: Agent) -> str:
    await a_study(agent)
    path = agent.project / "docs/research/experiment_bad_1M.md"
    path.write_text(path.read_text().replace("LOSER", "WINNER"))
    return verified(agent)


@GROUP.row(
    "Edits the figure of a report.",
    Detected("experiment_bad_1M.svg was edited: it is not what record #", VERIFY),
)
async def edited_figure(agent: Agent) -> str:
    await a_study(agent)
    agent.write("docs/research/experiment_bad_1M.svg", "<svg/>")
    return verified(agent)


@GROUP.row(
    "Writes a report of an experiment that was never run.",
    Detected("and this ledger never wrote it: it is forged, or of another ledger", VERIFY),
)
async def forged_report(agent: Agent) -> str:
    await a_study(agent)
    real = (agent.project / "docs/research/experiment_bad_1M.md").read_text()
    agent.write("docs/research/experiment_dream_1M.md", re.sub(r"\bbad\b", "dream", real).replace("LOSER", "WINNER"))
    return verified(agent)


@GROUP.row("Edits the log of a run after its end.", Detected("the log of g1-exp-bad-s42-a1 was edited", VERIFY))
async def edited_log(agent: Agent) -> str:
    await a_study(agent)
    agent.log_of("g1-exp-bad-s42-a1").write_text("Step 100 | val_loss: 3.0\n")
    return verified(agent)


@GROUP.row(
    "Records a run, with right hashes, that never left a log.",
    Detected("1 of 8 are not here, so nothing is said of them", VERIFY),
)
async def missing_log(agent: Agent) -> str:
    await a_study(agent)
    agent.log_of("g1-exp-bad-s42-a1").unlink()
    # Whoever tidies up deletes logs too, so that this is said and is no failure.
    return verified(agent, exit_code=0)


@GROUP.row(
    "Takes back records that were committed, and every witness of them.",
    Detected("FAIL  against: HEAD has ", "`seedproof verify --against HEAD`"),
)
async def against(agent: Agent) -> str:
    agent.git("init", "--quiet")
    await a_study(agent)
    agent.git("add", "--all")
    agent.git("commit", "--quiet", "--message", "a study")
    for path in (agent.paths.ledger, agent.paths.mirror):
        agent.edit_lines(before_the_experiment, path)
    for name in ("md", "svg"):
        (agent.project / f"docs/research/experiment_bad_1M.{name}").unlink()
    return verified(agent, "--against", "HEAD")

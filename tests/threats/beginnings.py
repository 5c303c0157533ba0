"""Campaigns that begin anew where nobody knows of the first."""

import shutil
from pathlib import Path

from tests.support.callers import Answer
from tests.threats.agent import Agent, an_agent
from tests.threats.code import a_repository
from tests.threats.rows import Disclosed, Group

GROUP = Group("New beginnings")
BEGAN = "1 other ledger began with this code: 1 experiment, 0 WINNERs"


async def elsewhere(agent: Agent, folder: Path) -> Answer:
    """Take a baseline and an experiment through in another folder; what `compare` and the report say there."""
    async with an_agent(folder) as other:
        await other.baseline()
        answer = await other.judge("good")
        checked = await other.call("check_baseline")
        assert "began with this code" in checked.text, checked.text
        assert "began with this code" in await other.report("good")
    return answer


def forget(agent: Agent) -> None:
    """Delete the ledger and what was made with it."""
    for name in (".seedproof", "docs", "checkpoints"):
        shutil.rmtree(agent.project / name, ignore_errors=True)


@GROUP.row(
    "Clones the repository, and begins the campaign anew in the clone.",
    Disclosed(BEGAN, "`check_baseline`, `compare` and report"),
)
async def cloned(agent: Agent) -> str:
    await a_repository(agent)
    await agent.judge("bad")
    clone = agent.project.parent / "clone"
    agent.git("clone", "--quiet", str(agent.project), str(clone))
    return (await elsewhere(agent, clone)).text


@GROUP.row(
    "Deletes the ledger, renames the folder, and begins the campaign anew.",
    Disclosed("other ledger began with this code", "`check_baseline`, `compare` and report"),
)
async def renamed(agent: Agent) -> str:
    await a_repository(agent)
    await agent.judge("bad")
    forget(agent)
    other = agent.project.rename(agent.project.with_name("renamed"))
    return (await elsewhere(agent, other)).text


@GROUP.row(
    "Tries on under other state folders, puts a copy of the ledger back each time, and goes on with a lucky one.",
    Disclosed("state_folder_changed", "reply and report"),
)
async def rolled_back(agent: Agent) -> Answer:
    await agent.baseline()
    put_back = agent.keep()
    other = str(agent.project.parent / "other")
    with agent.environment(XDG_STATE_HOME=other):
        async with an_agent(agent.project) as anew:
            await anew.judge("bad")
    put_back()
    shutil.rmtree(agent.project / "checkpoints", ignore_errors=True)
    with agent.environment(XDG_STATE_HOME=f"{other}2"):
        async with an_agent(agent.project) as anew:
            await anew.judge("good")
    return await agent.call("compare", experiment="good")

"""Runs that are not what they seem."""

from tests.support.callers import Answer
from tests.support.in_process import Training
from tests.threats.agent import Agent
from tests.threats.rows import Disclosed, Group

GROUP = Group("Runs that are not what they seem")


def prints(agent: Agent, before: str = "", step: int = 100, arm: str = "exp_good") -> None:
    """Let the trainings of an arm print another last step, or a line before it."""
    others = agent.engine.trains

    def trains(argv):  # type: ignore[no-untyped-def]
        training = others(argv)
        if agent.table.key(argv)[0] != arm:
            return training
        log = before + training.log.replace("Step 100", f"Step {step}")
        return Training(log, training.exit_code, training.files, training.wall_time_s)

    agent.engine.trains = trains


@GROUP.row(
    "Stops the training of the experiment where its loss is lowest.",
    Disclosed("NEUTRAL (capped: stopped early)", "reply and report"),
)
async def stopped_early(agent: Agent) -> Answer:
    await agent.baseline()
    prints(agent, step=40)
    agent.table.wall("exp_good", (0.8, 0.8, 0.8))
    answer = await agent.judge("good")
    assert "stopped_early" in [notice["code"] for notice in answer.data["notices"]]
    return answer


@GROUP.row(
    "Does not train at all, and prints the value of a checkpoint.",
    Disclosed("NEUTRAL (capped: did not train)", "reply and report"),
)
async def did_not_train(agent: Agent) -> Answer:
    await agent.baseline()
    agent.table.wall("exp_good", (0.1, 0.1, 0.1))
    answer = await agent.judge("good")
    assert "did_not_train" in [notice["code"] for notice in answer.data["notices"]]
    return answer


@GROUP.row("Gives the script a flag that it does not read.", Disclosed("no_effect_flag", "reply and report"))
async def no_effect(agent: Agent) -> Answer:
    await agent.baseline()
    return await agent.judge("other")


@GROUP.row("Evaluates the experiment on fewer, easier batches.", Disclosed("eval_size_differs", "reply and report"))
async def smaller_evaluation(agent: Agent) -> Answer:
    prints(agent, before="val_tokens: 1048576\n", arm="baseline")
    prints(agent, before="val_tokens: 1024\n")
    await agent.baseline()
    return await agent.judge("good")


@GROUP.row("Prints the value of one seed for another seed as well.", Disclosed("same_values", "reply and report"))
async def value_twice(agent: Agent) -> Answer:
    await agent.baseline()
    agent.table.arm("exp_good", ("3.9012", "3.9012", "3.9213"))
    return await agent.judge("good")


@GROUP.row("Shows the log of another experiment as that of this one.", Disclosed("identical_logs", "reply and report"))
async def log_of_another(agent: Agent) -> Answer:
    await agent.baseline()
    await agent.judge("good")
    agent.table.arm("exp_other", (3.9, 3.91, 3.92))
    return await agent.judge("other")

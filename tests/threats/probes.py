"""Runs that are not what they seem."""

from tests.conftest import Answer
from tests.support.in_process import Training
from tests.threats.bench import Bench
from tests.threats.rows import Disclosed, Group

GROUP = Group("Runs that are not what they seem")


def prints(bench: Bench, before: str = "", step: int = 100, arm: str = "exp_good") -> None:
    """Let the trainings of an arm print another last step, or a line before it."""
    others = bench.engine.trains

    def trains(argv):  # type: ignore[no-untyped-def]
        training = others(argv)
        if bench.table.key(argv)[0] != arm:
            return training
        log = before + training.log.replace("Step 100", f"Step {step}")
        return Training(log, training.exit_code, training.files, training.wall_time_s)

    bench.engine.trains = trains


@GROUP.row(
    "Stops the training of the experiment where its loss is lowest.",
    Disclosed("NEUTRAL (capped: stopped early)", "reply and report"),
)
async def stopped_early(bench: Bench) -> Answer:
    await bench.baseline()
    prints(bench, step=40)
    answer = await bench.judge("good")
    assert "stopped_early" in [notice["code"] for notice in answer.data["notices"]]
    return answer


@GROUP.row(
    "Does not train at all, and prints the value of a checkpoint.",
    Disclosed("NEUTRAL (capped: did not train)", "reply and report"),
)
async def did_not_train(bench: Bench) -> Answer:
    await bench.baseline()
    bench.table.wall("exp_good", (0.1, 0.1, 0.1))
    answer = await bench.judge("good")
    assert "did_not_train" in [notice["code"] for notice in answer.data["notices"]]
    return answer


@GROUP.row("Gives the script a flag that it does not read.", Disclosed("no_effect_flag", "reply and report"))
async def no_effect(bench: Bench) -> Answer:
    await bench.baseline()
    return await bench.judge("other")


@GROUP.row("Evaluates the experiment on fewer, easier batches.", Disclosed("eval_size_differs", "reply and report"))
async def smaller_evaluation(bench: Bench) -> Answer:
    prints(bench, before="val_tokens: 1048576\n", arm="baseline")
    prints(bench, before="val_tokens: 1024\n")
    await bench.baseline()
    return await bench.judge("good")


@GROUP.row("Prints the value of one seed for another seed as well.", Disclosed("same_values", "reply and report"))
async def value_twice(bench: Bench) -> Answer:
    await bench.baseline()
    bench.table.arm("exp_good", (3.9, 3.9, 3.92))
    return await bench.judge("good")


@GROUP.row("Shows the log of another experiment as that of this one.", Disclosed("identical_logs", "reply and report"))
async def log_of_another(bench: Bench) -> Answer:
    await bench.baseline()
    await bench.judge("good")
    bench.table.arm("exp_other", (3.9, 3.91, 3.92))
    return await bench.judge("other")

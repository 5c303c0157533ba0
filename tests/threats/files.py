"""Files that are changed between calls."""

import json
import shutil

from tests.support.callers import Answer
from tests.threats.agent import BETTER, Agent
from tests.threats.deeds import (
    BASELINE,
    declare,
    puts_a_dangling_link,
    puts_a_file,
    puts_a_folder,
    puts_a_folder_for_the_report,
    removes_file,
    removes_folder,
    removes_settings,
    removes_the_script,
    restores_the_script,
    run,
    writes_settings,
)
from tests.threats.rows import Disclosed, Group, InVain, Refused

GROUP = Group("Files between calls")


@GROUP.row("Plants a checkpoint in the output folder of a run to come.", Refused("output_exists"))
async def planted_checkpoint(agent: Agent) -> None:
    await agent.baseline()
    agent.write("checkpoints/exp_x_1M_seed137/model.bin", "trained for a week")
    await agent.cheat("run_seed", experiment="x", flags=["--lr", "1"], hypothesis="it helps", queue_all=True)
    assert (agent.project / "checkpoints/exp_x_1M_seed137/model.bin").read_text() == "trained for a week"


@GROUP.row("Puts a link to a trained model in the place of the output folder.", Refused("output_exists"))
async def planted_link(agent: Agent) -> None:
    await agent.baseline()
    trained = agent.write("../trained/model.bin", "trained for a week").parent
    (agent.project / "checkpoints/exp_x_1M_seed42").symlink_to(trained)
    await agent.cheat("run_seed", experiment="x", flags=["--lr", "1"], hypothesis="it helps")


@GROUP.row(
    "Plants the checkpoint while the run waits in the queue.",
    Disclosed("output_exists: checkpoints/exp_good_1M_seed137 exists and this ledger does not own it"),
)
async def planted_while_queued(agent: Agent) -> str:
    await agent.baseline()
    agent.engine.held = True
    await agent.declare("good", wait_s=0)
    planted = agent.write("checkpoints/exp_good_1M_seed137/model.bin", "trained for a week").parent
    agent.engine.held = False
    agent.engine.release()
    await agent.call("run_seed", experiment="good", seed=137)
    shutil.rmtree(planted)
    await agent.call("run_seed", experiment="good", seed=137, attempt=2)
    await agent.call("run_seed", experiment="good", queue_all=True)
    return await agent.report("good")


@GROUP.row(
    "Plants the result of a run before the run is asked for.",
    InVain("what lies in the folder of a run before its start is moved aside, and the run trains"),
)
async def planted_result(agent: Agent) -> None:
    await agent.baseline()
    kind = agent.paths.run("g1-baseline-s42-a1").folder
    for seed in (42, 137, 256):
        planted = agent.paths.run(f"g1-exp-bad-s{seed}-a1").folder
        shutil.copytree(kind, planted)
        (planted / "output.log").write_text(f"Step 100 | val_loss: 3.{seed}\n")
    answer = await agent.judge("bad")
    assert answer.data["verdict"] == "LOSER"
    assert answer.data["experiment_metrics"]["val_loss"]["min"] == 4.10


@GROUP.row(
    "Deletes the ledger but not the runs, so that old results stand for new runs.", InVain("every run trains again")
)
async def old_results(agent: Agent) -> None:
    await agent.baseline()
    agent.paths.ledger.unlink()
    shutil.rmtree(agent.project / "checkpoints")
    agent.table.arm("baseline", (5.00, 5.01, 4.99, 5.02, 4.98))
    await agent.baseline()
    status = await agent.call("check_baseline")
    assert status.data["metrics"]["val_loss"]["min"] == 4.98


@GROUP.row(
    "Puts a link in the place of the checkpoints, so that the clean-up removes what is not its own.",
    Disclosed("not_removed", "the reply"),
)
async def link_for_the_checkpoints(agent: Agent) -> Answer:
    await agent.baseline()
    agent.write("precious/baseline_1M_seed42/thesis", "ten years")
    (agent.project / "checkpoints").rename(agent.project / "away")
    (agent.project / "checkpoints").symlink_to(agent.project / "precious")
    answer = await agent.call("write_report")
    assert (agent.project / "precious/baseline_1M_seed42/thesis").read_text() == "ten years"
    return answer


@GROUP.row(
    "Edits the output of a run after its end.", InVain("the value was recorded when the run ended, with the log's hash")
)
async def edited_log(agent: Agent) -> None:
    await agent.baseline()
    await agent.declare("bad")
    for seed in (42, 137, 256):
        agent.log_of(f"g1-exp-bad-s{seed}-a1").write_text("Step 100 | val_loss: 3.0\n")
    answer = await agent.call("compare", experiment="bad")
    assert (answer.data["verdict"], answer.data["experiment_metrics"]["val_loss"]["min"]) == ("LOSER", 4.10)


@GROUP.row("Edits `result.json` after the end of a run.", InVain("what it said was recorded when the run ended"))
async def edited_result(agent: Agent) -> None:
    await agent.baseline()
    await agent.declare("bad")
    for seed in (42, 137, 256):
        path = agent.paths.run(f"g1-exp-bad-s{seed}-a1").result
        path.write_text(json.dumps({**json.loads(path.read_text()), "wall_time_s": 0.001, "exit_code": 1}))
    answer = await agent.call("compare", experiment="bad")
    assert answer.data["experiment_metrics"]["wall_time_s"]["min"] == 2.0


@GROUP.row(
    "Edits a report so that it says WINNER.", InVain("`write_report` restores it from the ledger, byte for byte")
)
async def edited_report(agent: Agent) -> None:
    await agent.baseline()
    await agent.judge("bad")
    text = await agent.report("bad")
    agent.write("docs/research/experiment_bad_1M.md", text.replace("LOSER", "WINNER"))
    agent.write("docs/research/experiment_bad_1M.svg", "<svg/>")
    assert await agent.report("bad") == text
    assert "LOSER" in text
    assert (agent.project / "docs/research/experiment_bad_1M.svg").read_text() != "<svg/>"


@GROUP.row("Deletes a report that it does not like.", InVain("`write_report` makes it again, byte for byte"))
async def deleted_report(agent: Agent) -> None:
    await agent.baseline()
    await agent.judge("bad")
    text = await agent.report("bad")
    (agent.project / "docs/research/experiment_bad_1M.md").unlink()
    await agent.judge("good")
    assert await agent.report("bad") == text


@GROUP.row(
    "Writes the report of an experiment by hand, in the place of the one to come.",
    Disclosed("report_moved", "the reply"),
)
async def forged_report(agent: Agent) -> Answer:
    await agent.baseline()
    await agent.judge("bad")
    agent.write("docs/research/experiment_bad_1M.md", "# Experiment: bad\n\n- WINNER: 99 sigma better\n")
    answer = await agent.call("write_report", experiment="bad")
    assert answer.data["verdict"] == "LOSER"
    return answer


@GROUP.row("Takes the training script away, so that nothing can be measured again.", Refused("script_missing"))
async def no_script(agent: Agent) -> None:
    await agent.baseline()
    (agent.project / "train_llm.py").unlink()
    await agent.cheat("run_seed", experiment="x", flags=["--lr", "1"], hypothesis="it helps")


@GROUP.row(
    "Lets the metric be read from a file, and leaves a link to a better one there.",
    Disclosed("metrics.json: is not a regular file"),
)
async def linked_metric(agent: Agent) -> str:
    source = '{ name = "val_loss", direction = "minimize", file = "metrics.json", path = "val_loss" }'
    agent.write("seedproof.toml", f"[rules]\nmetric = {source}\n")
    others = agent.engine.trains

    def trains(argv):  # type: ignore[no-untyped-def]
        training = others(argv)
        value = training.log.split("val_loss: ")[-1].split()[0]
        return type(training)(training.log, 0, {"metrics.json": json.dumps({"val_loss": float(value)})})

    agent.engine.trains = trains
    await agent.baseline()
    better = agent.write("../better.json", json.dumps({"val_loss": 1.0}))

    def link(run) -> None:  # type: ignore[no-untyped-def]
        spec = json.loads(run.spec.read_bytes())
        metrics = agent.project / f"checkpoints/exp_good_1M_seed{spec['argv'][5]}/metrics.json"
        if metrics.exists():
            metrics.unlink()
            metrics.symlink_to(better)

    agent.engine.before_end = link
    await agent.declare("good", queue_all=False)
    agent.engine.before_end = None
    await agent.call("run_seed", experiment="good", seed=42, attempt=2)
    answer = await agent.judge("good")
    assert answer.data["experiment_metrics"]["val_loss"]["min"] == BETTER[0]
    return await agent.report("good")


# --- refused in these words -----------------------------------------------------------------------

GROUP.refuses(
    "a file where the state folder belongs",
    "not_writable: .seedproof cannot be written (File exists); make the project folder writable, or free space. "
    "Next: check_baseline()",
    [puts_a_file(".seedproof"), run()],
    mend=removes_file(".seedproof"),
)
GROUP.refuses(
    "a file where the reports belong",
    "not_writable: docs cannot be written (File exists); make the project folder writable, or free space. Next: "
    "check_baseline()",
    [BASELINE, puts_a_file("docs"), ("write_report", {})],
    mend=removes_file("docs"),
)
GROUP.refuses(
    "a folder where the report belongs",
    "not_writable: baseline_variance_1M.md cannot be written (Is a directory); make the project folder writable, "
    "or free space. Next: check_baseline()",
    [BASELINE, ("write_report", {}), puts_a_folder_for_the_report, ("write_report", {})],
    mend=removes_folder("docs/research/baseline_variance_1M.md"),
)
GROUP.refuses(
    "a run without the script",
    "script_missing: there is no seedproof.toml, and no train_llm.py in the project folder, which is trained without "
    "one; `seedproof init` writes it. Next: check_baseline()",
    [removes_the_script, run()],
    mend=restores_the_script,
)
GROUP.refuses(
    "a program that does not exist",
    "program_missing: ./trainer is not in the project folder; the command in seedproof.toml names the program. "
    "Next: check_baseline()",
    [writes_settings('[rules]\ncommand = ["./trainer", "{seed}", "{flags}", "{output_dir}"]\n'), run()],
    mend=removes_settings,
)
GROUP.refuses(
    "a script of another name in the rules",
    "script_missing: gpt.py is not in the project folder; the command in seedproof.toml names the script. Next: "
    "check_baseline()",
    [
        writes_settings(
            '[rules]\ncommand = ["{python}", "gpt.py", "--seed", "{seed}", "{flags}", "--output_dir", "{output_dir}"]\n'
        ),
        run(),
    ],
    mend=removes_settings,
)
GROUP.refuses(
    "a folder of somebody else",
    "output_exists: checkpoints/baseline_1M_seed42 exists and this ledger does not own it; move it away, nothing "
    "is deleted for you. Next: run_seed(seed=42)",
    [puts_a_folder("checkpoints/baseline_1M_seed42"), run()],
    mend=removes_folder("checkpoints/baseline_1M_seed42"),
)
GROUP.refuses(
    "a dangling link in the way",
    "output_exists: checkpoints/exp_x_1M_seed42 exists and this ledger does not own it; move it away, nothing is "
    'deleted for you. Next: run_seed(experiment="x", flags=["--lr", "1"], hypothesis="it helps", seed=42)',
    [BASELINE, puts_a_dangling_link("checkpoints/exp_x_1M_seed42"), declare("x", "--lr", "1")],
    mend=removes_file("checkpoints/exp_x_1M_seed42"),
)
GROUP.refuses(
    "a folder in the way of the last of all seeds",
    "output_exists: checkpoints/baseline_1M_seed1024 exists and this ledger does not own it; move it away, "
    "nothing is deleted for you. Next: run_seed(seed=1024)",
    [puts_a_folder("checkpoints/baseline_1M_seed1024"), BASELINE],
    mend=removes_folder("checkpoints/baseline_1M_seed1024"),
)

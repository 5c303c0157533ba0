"""Files that are changed between calls."""

import json
import shutil

from tests.conftest import Answer
from tests.threats.bench import BETTER, Bench
from tests.threats.rows import Disclosed, Group, InVain, Refused

GROUP = Group("Files between calls")


@GROUP.row("Plants a checkpoint in the output folder of a run to come.", Refused("output_exists"))
async def planted_checkpoint(bench: Bench) -> None:
    await bench.baseline()
    bench.write("checkpoints/exp_x_1M_seed137/model.bin", "trained for a week")
    await bench.cheat("run_seed", experiment="x", flags=["--lr", "1"], hypothesis="it helps", queue_all=True)
    assert (bench.project / "checkpoints/exp_x_1M_seed137/model.bin").read_text() == "trained for a week"


@GROUP.row("Puts a link to a trained model in the place of the output folder.", Refused("output_exists"))
async def planted_link(bench: Bench) -> None:
    await bench.baseline()
    trained = bench.write("../trained/model.bin", "trained for a week").parent
    (bench.project / "checkpoints/exp_x_1M_seed42").symlink_to(trained)
    await bench.cheat("run_seed", experiment="x", flags=["--lr", "1"], hypothesis="it helps")


@GROUP.row(
    "Plants the checkpoint while the run waits in the queue.",
    Disclosed("output_exists: checkpoints/exp_good_1M_seed137 exists and this ledger does not own it"),
)
async def planted_while_queued(bench: Bench) -> str:
    await bench.baseline()
    bench.engine.held = True
    await bench.declare("good", wait_s=0)
    planted = bench.write("checkpoints/exp_good_1M_seed137/model.bin", "trained for a week").parent
    bench.engine.held = False
    bench.engine.release()
    await bench.call("run_seed", experiment="good", seed=137)
    shutil.rmtree(planted)
    await bench.call("run_seed", experiment="good", seed=137, attempt=2)
    await bench.call("run_seed", experiment="good", queue_all=True)
    return await bench.report("good")


@GROUP.row(
    "Plants the result of a run before the run is asked for.",
    InVain("what lies in the folder of a run before its start is moved aside, and the run trains"),
)
async def planted_result(bench: Bench) -> None:
    await bench.baseline()
    kind = bench.paths.run("g1-baseline-s42-a1").folder
    for seed in (42, 137, 256):
        planted = bench.paths.run(f"g1-exp-bad-s{seed}-a1").folder
        shutil.copytree(kind, planted)
        (planted / "output.log").write_text(f"Step 100 | val_loss: 3.{seed}\n")
    answer = await bench.judge("bad")
    assert answer.data["verdict"] == "LOSER"
    assert answer.data["experiment_metrics"]["val_loss"]["min"] == 4.10


@GROUP.row(
    "Deletes the ledger but not the runs, so that old results stand for new runs.", InVain("every run trains again")
)
async def old_results(bench: Bench) -> None:
    await bench.baseline()
    bench.paths.ledger.unlink()
    shutil.rmtree(bench.project / "checkpoints")
    bench.table.arm("baseline", (5.00, 5.01, 4.99, 5.02, 4.98))
    await bench.baseline()
    status = await bench.call("check_baseline")
    assert status.data["metrics"]["val_loss"]["min"] == 4.98


@GROUP.row(
    "Puts a link in the place of the checkpoints, so that the clean-up removes what is not its own.",
    Disclosed("not_removed", "the reply"),
)
async def link_for_the_checkpoints(bench: Bench) -> Answer:
    await bench.baseline()
    bench.write("precious/baseline_1M_seed42/thesis", "ten years")
    (bench.project / "checkpoints").rename(bench.project / "away")
    (bench.project / "checkpoints").symlink_to(bench.project / "precious")
    answer = await bench.call("write_report")
    assert (bench.project / "precious/baseline_1M_seed42/thesis").read_text() == "ten years"
    return answer


@GROUP.row(
    "Edits the output of a run after its end.", InVain("the value was recorded when the run ended, with the log's hash")
)
async def edited_log(bench: Bench) -> None:
    await bench.baseline()
    await bench.declare("bad")
    for seed in (42, 137, 256):
        bench.log_of(f"g1-exp-bad-s{seed}-a1").write_text("Step 100 | val_loss: 3.0\n")
    answer = await bench.call("compare", experiment="bad")
    assert (answer.data["verdict"], answer.data["experiment_metrics"]["val_loss"]["min"]) == ("LOSER", 4.10)


@GROUP.row("Edits `result.json` after the end of a run.", InVain("what it said was recorded when the run ended"))
async def edited_result(bench: Bench) -> None:
    await bench.baseline()
    await bench.declare("bad")
    for seed in (42, 137, 256):
        path = bench.paths.run(f"g1-exp-bad-s{seed}-a1").result
        path.write_text(json.dumps({**json.loads(path.read_text()), "wall_time_s": 0.001, "exit_code": 1}))
    answer = await bench.call("compare", experiment="bad")
    assert answer.data["experiment_metrics"]["wall_time_s"]["min"] == 2.0


@GROUP.row(
    "Edits a report so that it says WINNER.", InVain("`write_report` restores it from the ledger, byte for byte")
)
async def edited_report(bench: Bench) -> None:
    await bench.baseline()
    await bench.judge("bad")
    text = await bench.report("bad")
    bench.write("docs/research/experiment_bad_1M.md", text.replace("LOSER", "WINNER"))
    bench.write("docs/research/experiment_bad_1M.svg", "<svg/>")
    assert await bench.report("bad") == text
    assert "LOSER" in text
    assert (bench.project / "docs/research/experiment_bad_1M.svg").read_text() != "<svg/>"


@GROUP.row("Deletes a report that it does not like.", InVain("`write_report` makes it again, byte for byte"))
async def deleted_report(bench: Bench) -> None:
    await bench.baseline()
    await bench.judge("bad")
    text = await bench.report("bad")
    (bench.project / "docs/research/experiment_bad_1M.md").unlink()
    await bench.judge("good")
    assert await bench.report("bad") == text


@GROUP.row(
    "Writes the report of an experiment by hand, in the place of the one to come.",
    Disclosed("report_moved", "the reply"),
)
async def forged_report(bench: Bench) -> Answer:
    await bench.baseline()
    await bench.judge("bad")
    bench.write("docs/research/experiment_bad_1M.md", "# Experiment: bad\n\n- WINNER: 99 sigma better\n")
    answer = await bench.call("write_report", experiment="bad")
    assert answer.data["verdict"] == "LOSER"
    return answer


@GROUP.row("Takes the training script away, so that nothing can be measured again.", Refused("script_missing"))
async def no_script(bench: Bench) -> None:
    await bench.baseline()
    (bench.project / "train_llm.py").unlink()
    await bench.cheat("run_seed", experiment="x", flags=["--lr", "1"], hypothesis="it helps")


@GROUP.row(
    "Lets the metric be read from a file, and leaves a link to a better one there.",
    Disclosed("metrics.json: is not a regular file"),
)
async def linked_metric(bench: Bench) -> str:
    source = '{ name = "val_loss", direction = "minimize", file = "metrics.json", path = "val_loss" }'
    bench.write("seedproof.toml", f"[rules]\nmetric = {source}\n")
    others = bench.engine.trains

    def trains(argv):  # type: ignore[no-untyped-def]
        training = others(argv)
        value = training.log.split("val_loss: ")[-1].split()[0]
        return type(training)(training.log, 0, {"metrics.json": json.dumps({"val_loss": float(value)})})

    bench.engine.trains = trains
    await bench.baseline()
    better = bench.write("../better.json", json.dumps({"val_loss": 1.0}))

    def link(run) -> None:  # type: ignore[no-untyped-def]
        spec = json.loads(run.spec.read_bytes())
        metrics = bench.project / f"checkpoints/exp_good_1M_seed{spec['argv'][5]}/metrics.json"
        if metrics.exists():
            metrics.unlink()
            metrics.symlink_to(better)

    bench.engine.before_end = link
    await bench.declare("good", queue_all=False)
    bench.engine.before_end = None
    await bench.call("run_seed", experiment="good", seed=42, attempt=2)
    answer = await bench.judge("good")
    assert answer.data["experiment_metrics"]["val_loss"]["min"] == BETTER[0]
    return await bench.report("good")

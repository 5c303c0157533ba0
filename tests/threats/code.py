"""Code that is edited where nobody looks."""

import json
import re
import shutil
from pathlib import Path

from tests.conftest import Answer
from tests.support.in_process import Training
from tests.threats.bench import Bench
from tests.threats.rows import Disclosed, Group, InVain, Refused

GROUP = Group("Code that is edited")
SCRIPT = "train_llm.py"


def a_script(bench: Bench, shift: float = 0.0, note: str = "") -> None:
    """Write the training script; every value moves by its shift."""
    bench.write(SCRIPT, f"shift = {shift}  # {note}\n")


def rules(bench: Bench, *sealed: str) -> None:
    """The rules of the project: three baseline seeds, as each run in git costs a dozen processes of git."""
    bench.write("seedproof.toml", f"[rules]\nbaseline_seeds = [42, 137, 256]\nsealed = {json.dumps(sealed)}\n")


async def a_repository(bench: Bench, *sealed: str, in_place: bool = False) -> None:
    """A project in git whose script decides its values, with a measured baseline."""
    rules(bench, *sealed)
    table = bench.table

    def trains(argv):  # type: ignore[no-untyped-def]
        training = table(argv)
        text = (Path(bench.engine.cwd) / SCRIPT).read_text()
        shift = float(re.match(r"shift = (\S+)", text)[1])  # type: ignore[index]
        moved = re.sub(r"(?<=val_loss: )[0-9.]+", lambda value: f"{float(value[0]) + shift:.6f}", training.log)
        return Training(moved, training.exit_code, training.files, training.wall_time_s)

    bench.engine.trains = trains
    a_script(bench)
    bench.write("evaluate.py", "batches = 100\n")
    bench.write(".gitignore", "data/\n.venv/\n")
    bench.write("data/val.bin", "held out\n")
    if not in_place:
        bench.git("init", "--quiet")
        bench.git("add", "--all")
        bench.git("commit", "--quiet", "--message", "begin")
    await bench.baseline()


@GROUP.row(
    "Edits the training script between two seeds.",
    InVain("all runs of an arm are trained from the snapshot that was taken when it was declared"),
)
async def between_seeds(bench: Bench) -> None:
    await a_repository(bench)
    await bench.declare("bad", queue_all=False)
    a_script(bench, -1.0)
    answer = await bench.judge("bad")
    assert answer.data["experiment_metrics"]["val_loss"]["per_seed"] == {"42": 4.10, "137": 4.11, "256": 4.12}


@GROUP.row("Edits the training script between two seeds, where there is no git.", Refused("not_comparable"))
async def between_seeds_in_place(bench: Bench) -> None:
    await a_repository(bench, in_place=True)
    await bench.declare("bad", queue_all=False)
    a_script(bench, -1.0)
    answer = await bench.cheat("run_seed", experiment="bad", seed=137)
    assert "train_llm.py changed between seed 42 and seed 137" in answer.text


@GROUP.row(
    "Edits the snapshot's own working tree under `.seedproof`.",
    InVain("what is no longer the snapshot is checked out anew before a run"),
)
async def edits_the_worktree(bench: Bench) -> None:
    await a_repository(bench)
    await bench.declare("bad", queue_all=False)
    scripts = list(bench.paths.state.rglob(SCRIPT))
    assert scripts
    for script in scripts:
        script.write_text("shift = -1.0\n")
    answer = await bench.judge("bad")
    assert answer.data["experiment_metrics"]["val_loss"]["min"] == 4.10


@GROUP.row(
    "Puts easier data in the place of a link from the snapshot's working tree to sealed data.",
    InVain("a link that leads elsewhere, and what lies in its place, makes the working tree be checked out anew"),
)
async def easier_data_in_the_worktree(bench: Bench) -> None:
    await a_repository(bench, "data/val*")
    easy = bench.write("../easy/val.bin", "easy\n").parent
    for link in list(bench.paths.worktrees.glob("*/data")):
        link.unlink()
        link.symlink_to(easy)
    await bench.declare("bad", queue_all=False)
    assert (Path(bench.engine.cwd) / "data/val.bin").read_text() == "held out\n"
    link = Path(bench.engine.cwd) / "data"
    link.unlink()
    shutil.copytree(easy, link)
    await bench.judge("bad")
    assert (Path(bench.engine.cwd) / "data/val.bin").read_text() == "held out\n"


@GROUP.row(
    "Deletes the snapshot's working tree, so that the next seed runs on other code.",
    InVain("it is checked out again from the snapshot"),
)
async def deletes_the_worktree(bench: Bench) -> None:
    await a_repository(bench)
    await bench.declare("bad", queue_all=False)
    a_script(bench, -1.0)
    for script in list(bench.paths.state.rglob(SCRIPT)):
        shutil.rmtree(script.parent)
    answer = await bench.judge("bad")
    assert answer.data["experiment_metrics"]["val_loss"]["min"] == 4.10


def leaves_out(bench: Bench, *patterns: str) -> None:
    """Settings under which such files are no code."""
    path = bench.project / "seedproof.toml"
    before = path.read_text().partition("[settings]")[0] if path.exists() else ""
    path.write_text(f"{before}[settings]\nnot_code = {json.dumps(patterns)}\n")


@GROUP.row(
    "Declares the training script to be no code, before an experiment, and edits it between the seeds.",
    Disclosed("not_code_disclosed", "reply and report"),
)
async def script_is_no_code(bench: Bench) -> Answer:
    await a_repository(bench, in_place=True)
    leaves_out(bench, SCRIPT)
    await bench.call("run_seed", experiment="good", flags=["--lr", "good"], hypothesis="it helps")
    control = await bench.call("run_seed", experiment="good", role="control")
    assert "not_code_disclosed" in control.text, control.text
    for seed in (42, 137, 256):
        a_script(bench, -0.1, str(seed))
        await bench.call("run_seed", experiment="good", seed=seed)
    answer = await bench.call("compare", experiment="good")
    assert 'nothing in baseline, "train_llm.py" in' in answer.text
    return answer


@GROUP.row(
    "Declares all Python files to be no code, from the beginning.", Disclosed("not_code_disclosed", "reply and report")
)
async def python_is_no_code(bench: Bench) -> Answer:
    leaves_out(bench, "*.py")
    await bench.baseline()
    a_script(bench, note="another")
    answer = await bench.judge("good")
    assert '"*.py" covers Python files' in answer.text
    return answer


@GROUP.row(
    "Creates a file of settings while a run trains in place, so that it counts as the run's, and edits it afterwards.",
    Disclosed("created_files", "reply and report"),
)
async def planted_file(bench: Bench) -> Answer:
    bench.engine.before_end = lambda _: bench.write("lr.json", "1")
    await bench.baseline()
    bench.engine.before_end = None
    bench.write("lr.json", "9")
    answer = await bench.judge("good")
    assert "lr.json appeared while runs trained in place" in answer.text
    return answer


@GROUP.row("Deletes the snapshots, so that nobody can say what the baseline was.", Refused("snapshot_missing"))
async def deletes_the_snapshots(bench: Bench) -> None:
    await a_repository(bench)
    await bench.judge("good")
    for script in list(bench.paths.state.rglob(SCRIPT)):
        shutil.rmtree(script.parent)
    bench.git("worktree", "prune")
    for ref in bench.git("for-each-ref", "--format=%(refname)", "refs/seedproof").split():
        bench.git("update-ref", "-d", ref)
    bench.git("gc", "--quiet", "--prune=now")
    await bench.cheat("run_seed", experiment="good", role="confirm")
    a_script(bench, -1.0)
    await bench.cheat("run_seed", experiment="x", code_change=True, hypothesis="it helps")


@GROUP.row(
    "Resets the repository, stashes or switches the branch, to get rid of the ledger.",
    InVain("the ledger is in no tracked file"),
)
async def resets(bench: Bench) -> None:
    await a_repository(bench)
    await bench.judge("bad")
    a_script(bench, -1.0)
    bench.git("checkout", "--quiet", "-b", "other")
    bench.git("stash", "--quiet")
    bench.git("reset", "--quiet", "--hard")
    answer = await bench.cheat("run_seed", experiment="luckier", flags=["--lr=bad"], hypothesis="it helps")
    assert answer.code == "flags_duplicate"


@GROUP.row("Makes the script better after the baseline, and claims that for a flag.", Refused("control_due"))
async def claimed_for_a_flag(bench: Bench) -> None:
    await a_repository(bench)
    a_script(bench, -1.0)
    await bench.cheat("run_seed", experiment="x", flags=["--lr", "1"], hypothesis="it helps")
    await bench.cheat("run_seed", experiment="x", queue_all=True)
    await bench.cheat("run_seed", experiment="y", flags=["--lr", "2"], hypothesis="it helps")


async def with_a_failed_control(bench: Bench) -> None:
    """An experiment on changed code whose control is not the baseline."""
    await a_repository(bench)
    a_script(bench, -1.0)
    await bench.call("run_seed", experiment="x", flags=["--lr", "1"], hypothesis="it helps")
    await bench.call("run_seed", experiment="x", role="control")


@GROUP.row("Goes on although the control is not the baseline.", Refused("baseline_stale"))
async def goes_on(bench: Bench) -> None:
    await with_a_failed_control(bench)
    await bench.cheat("run_seed", experiment="x")
    await bench.cheat("run_seed", experiment="y", flags=["--lr", "2"], hypothesis="it helps")


@GROUP.row("Runs a control that has failed once more.", Refused("control_not_due"))
async def control_again(bench: Bench) -> None:
    await with_a_failed_control(bench)
    await bench.cheat("run_seed", experiment="x", role="control", attempt=2)


@GROUP.row("Chooses the seed of the control.", Refused("bad_arguments"))
async def own_control_seed(bench: Bench) -> None:
    await a_repository(bench)
    a_script(bench, -1.0)
    await bench.call("run_seed", experiment="x", flags=["--lr", "1"], hypothesis="it helps")
    await bench.cheat("run_seed", experiment="x", role="control", seed=137)


@GROUP.row(
    "Lets the first attempt crash, and takes the repair for an occasion to make the script better.",
    Refused("control_due"),
)
async def repairs_and_more(bench: Bench) -> None:
    await a_repository(bench)
    bench.table.losses["exp_good", 42] = "crash"
    await bench.declare("good", queue_all=False)
    a_script(bench, -1.0)
    await bench.cheat("run_seed", experiment="good", seed=42, attempt=2)


@GROUP.row(
    "Lets the script crash silently whenever its value would be bad, edits it, and tries on under the same name.",
    Disclosed("| good | 42 | 3 | failed | - |"),
)
async def tries_in_silence(bench: Bench) -> str:
    await a_repository(bench)
    change = {"experiment": "good", "flags": [], "hypothesis": "it helps", "code_change": True}
    for attempt in range(1, 4):
        bench.table.losses["exp_good", 42] = "crash"
        a_script(bench, -0.01 * attempt)
        await bench.call("run_seed", seed=42, attempt=attempt, **change)
    bench.table.losses["exp_good", 42] = "3.9"
    await bench.call("run_seed", experiment="good", seed=42, attempt=4)
    await bench.call("run_seed", experiment="good", queue_all=True)
    await bench.call("compare", experiment="good")
    return await bench.report("good")


@GROUP.row(
    "Adds a comment to the script, so that flags which lost are new ones.",
    Disclosed("declared_before", "reply and report"),
)
async def a_comment(bench: Bench) -> Answer:
    await a_repository(bench)
    await bench.judge("bad", "--lr", "1")
    a_script(bench, note="what a difference")
    again = {"experiment": "good", "flags": ["--lr", "1"], "hypothesis": "it helps"}
    assert (await bench.cheat("run_seed", **again)).code == "control_due"
    await bench.call("run_seed", experiment="good", role="control")
    await bench.call("run_seed", experiment="good", queue_all=True)
    return await bench.call("compare", experiment="good")


@GROUP.row("Declares a change of code where nothing was changed.", Refused("code_unchanged"))
async def no_change(bench: Bench) -> None:
    await a_repository(bench)
    await bench.cheat("run_seed", experiment="x", code_change=True, hypothesis="it helps")
    bench.write("notes.md", "what a day\n")
    bench.write("docs/research/plan.txt", "what a plan\n")
    await bench.cheat("run_seed", experiment="x", code_change=True, hypothesis="it helps")


@GROUP.row(
    "Calls a change of code by the flag alone, and leaves unsaid what else it changed.",
    Disclosed("`evaluate.py` (+1 -1)"),
)
async def more_than_said(bench: Bench) -> str:
    await a_repository(bench)
    a_script(bench, -0.2)
    bench.write("evaluate.py", "batches = 1\n")
    await bench.judge("x", "--lr", "1", code_change=True)
    return await bench.report("x")


@GROUP.row(
    "Changes the evaluation or the validation data, which the rules have not sealed.",
    Disclosed("file_suspect", "reply and report"),
)
async def evaluation(bench: Bench) -> Answer:
    await a_repository(bench)
    bench.write("evaluate.py", "batches = 1\n")
    return await bench.judge("good", "--lr", "1", code_change=True)


@GROUP.row("Changes a sealed evaluation, by a flags experiment or openly.", Refused("sealed_changed"))
async def sealed(bench: Bench) -> None:
    await a_repository(bench, "evaluate.py", "data/val*")
    bench.write("evaluate.py", "batches = 1\n")
    await bench.cheat("run_seed", experiment="x", flags=["--lr", "1"], hypothesis="it helps")
    await bench.cheat("run_seed", experiment="x", code_change=True, hypothesis="it helps")


@GROUP.row("Replaces sealed validation data that git ignores, between two seeds.", Refused("sealed_changed"))
async def sealed_data(bench: Bench) -> None:
    await a_repository(bench, "evaluate.py", "data/val*")
    await bench.declare("good", queue_all=False)
    bench.write("data/val.bin", "the training data\n")
    await bench.cheat("run_seed", experiment="good", seed=137)


@GROUP.row("Takes a file out of the sealed ones to change it.", Refused("baseline_void"))
async def unsealed(bench: Bench) -> None:
    await a_repository(bench, "evaluate.py")
    rules(bench)
    bench.write("evaluate.py", "batches = 1\n")
    await bench.cheat("run_seed", experiment="x", flags=["--lr", "1"], hypothesis="it helps")
    await bench.cheat("run_seed", experiment="x", code_change=True, hypothesis="it helps")


@GROUP.row("Declares as a change of code what was measured as flags.", Refused("flags_changed"))
async def other_kind(bench: Bench) -> None:
    await a_repository(bench)
    await bench.judge("bad", "--lr", "1")
    a_script(bench, -1.0)
    await bench.cheat("run_seed", experiment="bad", code_change=True)


@GROUP.row("Tries the same change of code under another name.", Refused("flags_duplicate"))
async def change_renamed(bench: Bench) -> None:
    await a_repository(bench)
    a_script(bench, 0.2)
    change = {"flags": [], "code_change": True, "hypothesis": "it helps"}
    await bench.call("run_seed", experiment="first", queue_all=True, **change)
    await bench.cheat("run_seed", experiment="second", **change)


@GROUP.row("Confirms a change of code whose baseline is not kept anywhere.", Refused("confirm_not_due"))
async def unconfirmable(bench: Bench) -> None:
    await a_repository(bench, in_place=True)
    a_script(bench, -1.0)
    await bench.judge("good", code_change=True)
    await bench.cheat("run_seed", experiment="good", role="confirm")

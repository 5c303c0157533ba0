"""Code that is edited where nobody looks."""

import json
import re
import shutil
from pathlib import Path

from tests.support.callers import Answer
from tests.support.in_process import Training
from tests.threats.agent import Agent
from tests.threats.deeds import (
    BASELINE,
    DECLARE,
    DECLARE_X,
    NEAR,
    declare,
    eases_the_evaluation,
    edits_the_script,
    run,
    seals_the_evaluation,
)
from tests.threats.rows import Disclosed, Group, InVain, Refused

GROUP = Group("Code that is edited")
SCRIPT = "train_llm.py"


def a_script(agent: Agent, shift: float = 0.0, note: str = "") -> None:
    """Write the training script; every value moves by its shift."""
    agent.write(SCRIPT, f"shift = {shift}  # {note}\n")


def rules(agent: Agent, *sealed: str) -> None:
    """The rules of the project: three baseline seeds, as each run in git costs a dozen processes of git."""
    agent.write("seedproof.toml", f"[rules]\nbaseline_seeds = [42, 137, 256]\nsealed = {json.dumps(sealed)}\n")


async def a_repository(agent: Agent, *sealed: str, in_place: bool = False) -> None:
    """A project in git whose script decides its values, with a measured baseline."""
    rules(agent, *sealed)
    table = agent.table

    def trains(argv):  # type: ignore[no-untyped-def]
        training = table(argv)
        text = (Path(agent.engine.cwd) / SCRIPT).read_text()
        shift = float(re.match(r"shift = (\S+)", text)[1])  # type: ignore[index]
        moved = re.sub(r"(?<=val_loss: )[0-9.]+", lambda value: f"{float(value[0]) + shift:.6f}", training.log)
        return Training(moved, training.exit_code, training.files, training.wall_time_s)

    agent.engine.trains = trains
    a_script(agent)
    agent.write("evaluate.py", "batches = 100\n")
    agent.write(".gitignore", "data/\n.venv/\n")
    agent.write("data/val.bin", "held out\n")
    if not in_place:
        agent.git("init", "--quiet")
        agent.git("add", "--all")
        agent.git("commit", "--quiet", "--message", "begin")
    await agent.baseline()


@GROUP.row(
    "Edits the training script between two seeds.",
    InVain("all runs of an arm are trained from the snapshot that was taken when it was declared"),
)
async def between_seeds(agent: Agent) -> None:
    await a_repository(agent)
    await agent.declare("bad", queue_all=False)
    a_script(agent, -1.0)
    answer = await agent.judge("bad")
    assert answer.data["experiment_metrics"]["val_loss"]["per_seed"] == {"42": 4.10, "137": 4.11, "256": 4.12}


@GROUP.row("Edits the training script between two seeds, where there is no git.", Refused("not_comparable"))
async def between_seeds_in_place(agent: Agent) -> None:
    await a_repository(agent, in_place=True)
    await agent.declare("bad", queue_all=False)
    a_script(agent, -1.0)
    answer = await agent.cheat("run_seed", experiment="bad", seed=137)
    assert "train_llm.py changed between seed 42 and seed 137" in answer.text


@GROUP.row(
    "Edits the snapshot's own working tree under `.seedproof`.",
    InVain("what is no longer the snapshot is checked out anew before a run"),
)
async def edits_the_worktree(agent: Agent) -> None:
    await a_repository(agent)
    await agent.declare("bad", queue_all=False)
    scripts = list(agent.paths.state.rglob(SCRIPT))
    assert scripts
    for script in scripts:
        script.write_text("shift = -1.0\n")
    answer = await agent.judge("bad")
    assert answer.data["experiment_metrics"]["val_loss"]["min"] == 4.10


@GROUP.row(
    "Puts easier data in the place of a link from the snapshot's working tree to sealed data.",
    InVain("a link that leads elsewhere, and what lies in its place, makes the working tree be checked out anew"),
)
async def easier_data_in_the_worktree(agent: Agent) -> None:
    await a_repository(agent, "data/val*")
    easy = agent.write("../easy/val.bin", "easy\n").parent
    for link in list(agent.paths.worktrees.glob("*/data")):
        link.unlink()
        link.symlink_to(easy)
    await agent.declare("bad", queue_all=False)
    assert (Path(agent.engine.cwd) / "data/val.bin").read_text() == "held out\n"
    link = Path(agent.engine.cwd) / "data"
    link.unlink()
    shutil.copytree(easy, link)
    await agent.judge("bad")
    assert (Path(agent.engine.cwd) / "data/val.bin").read_text() == "held out\n"


@GROUP.row(
    "Deletes the snapshot's working tree, so that the next seed runs on other code.",
    InVain("it is checked out again from the snapshot"),
)
async def deletes_the_worktree(agent: Agent) -> None:
    await a_repository(agent)
    await agent.declare("bad", queue_all=False)
    a_script(agent, -1.0)
    for script in list(agent.paths.state.rglob(SCRIPT)):
        shutil.rmtree(script.parent)
    answer = await agent.judge("bad")
    assert answer.data["experiment_metrics"]["val_loss"]["min"] == 4.10


def leaves_out(agent: Agent, *patterns: str) -> None:
    """Settings under which such files are no code."""
    path = agent.project / "seedproof.toml"
    before = path.read_text().partition("[settings]")[0] if path.exists() else ""
    path.write_text(f"{before}[settings]\nnot_code = {json.dumps(patterns)}\n")


@GROUP.row(
    "Declares the training script to be no code, before an experiment, and edits it between the seeds.",
    Disclosed("not_code_disclosed", "reply and report"),
)
async def script_is_no_code(agent: Agent) -> Answer:
    await a_repository(agent, in_place=True)
    leaves_out(agent, SCRIPT)
    await agent.call("run_seed", experiment="good", flags=["--lr", "good"], hypothesis="it helps")
    control = await agent.call("run_seed", experiment="good", role="control")
    assert "not_code_disclosed" in control.text, control.text
    for seed in (42, 137, 256):
        a_script(agent, -0.1, str(seed))
        await agent.call("run_seed", experiment="good", seed=seed)
    answer = await agent.call("compare", experiment="good")
    assert 'nothing in baseline, "train_llm.py" in' in answer.text
    return answer


@GROUP.row(
    "Declares all Python files to be no code, from the beginning.", Disclosed("not_code_disclosed", "reply and report")
)
async def python_is_no_code(agent: Agent) -> Answer:
    leaves_out(agent, "*.py")
    await agent.baseline()
    a_script(agent, note="another")
    answer = await agent.judge("good")
    assert '"*.py" covers Python files' in answer.text
    return answer


@GROUP.row(
    "Creates a file of settings while a run trains in place, so that it counts as the run's, and edits it afterwards.",
    Disclosed("created_files", "reply and report"),
)
async def planted_file(agent: Agent) -> Answer:
    agent.engine.before_end = lambda _: agent.write("lr.json", "1")
    await agent.baseline()
    agent.engine.before_end = None
    agent.write("lr.json", "9")
    answer = await agent.judge("good")
    assert "lr.json appeared while runs trained in place" in answer.text
    return answer


@GROUP.row("Deletes the snapshots, so that nobody can say what the baseline was.", Refused("snapshot_missing"))
async def deletes_the_snapshots(agent: Agent) -> None:
    await a_repository(agent)
    await agent.judge("good")
    for script in list(agent.paths.state.rglob(SCRIPT)):
        shutil.rmtree(script.parent)
    agent.git("worktree", "prune")
    for ref in agent.git("for-each-ref", "--format=%(refname)", "refs/seedproof").split():
        agent.git("update-ref", "-d", ref)
    agent.git("gc", "--quiet", "--prune=now")
    await agent.cheat("run_seed", experiment="good", role="confirm")
    a_script(agent, -1.0)
    await agent.cheat("run_seed", experiment="x", code_change=True, hypothesis="it helps")


@GROUP.row(
    "Resets the repository, stashes or switches the branch, to get rid of the ledger.",
    InVain("the ledger is in no tracked file"),
)
async def resets(agent: Agent) -> None:
    await a_repository(agent)
    await agent.judge("bad")
    a_script(agent, -1.0)
    agent.git("checkout", "--quiet", "-b", "other")
    agent.git("stash", "--quiet")
    agent.git("reset", "--quiet", "--hard")
    answer = await agent.cheat("run_seed", experiment="luckier", flags=["--lr=bad"], hypothesis="it helps")
    assert answer.code == "flags_duplicate"


@GROUP.row("Makes the script better after the baseline, and claims that for a flag.", Refused("control_due"))
async def claimed_for_a_flag(agent: Agent) -> None:
    await a_repository(agent)
    a_script(agent, -1.0)
    await agent.cheat("run_seed", experiment="x", flags=["--lr", "1"], hypothesis="it helps")
    await agent.cheat("run_seed", experiment="x", queue_all=True)
    await agent.cheat("run_seed", experiment="y", flags=["--lr", "2"], hypothesis="it helps")


async def with_a_failed_control(agent: Agent) -> None:
    """An experiment on changed code whose control is not the baseline."""
    await a_repository(agent)
    a_script(agent, -1.0)
    await agent.call("run_seed", experiment="x", flags=["--lr", "1"], hypothesis="it helps")
    await agent.call("run_seed", experiment="x", role="control")


@GROUP.row("Goes on although the control is not the baseline.", Refused("baseline_stale"))
async def goes_on(agent: Agent) -> None:
    await with_a_failed_control(agent)
    await agent.cheat("run_seed", experiment="x")
    await agent.cheat("run_seed", experiment="y", flags=["--lr", "2"], hypothesis="it helps")


@GROUP.row("Runs a control that has failed once more.", Refused("control_not_due"))
async def control_again(agent: Agent) -> None:
    await with_a_failed_control(agent)
    await agent.cheat("run_seed", experiment="x", role="control", attempt=2)


@GROUP.row("Chooses the seed of the control.", Refused("bad_arguments"))
async def own_control_seed(agent: Agent) -> None:
    await a_repository(agent)
    a_script(agent, -1.0)
    await agent.call("run_seed", experiment="x", flags=["--lr", "1"], hypothesis="it helps")
    await agent.cheat("run_seed", experiment="x", role="control", seed=137)


@GROUP.row(
    "Lets the first attempt crash, and takes the repair for an occasion to make the script better.",
    Refused("control_due"),
)
async def repairs_and_more(agent: Agent) -> None:
    await a_repository(agent)
    agent.table.losses["exp_good", 42] = "crash"
    await agent.declare("good", queue_all=False)
    a_script(agent, -1.0)
    await agent.cheat("run_seed", experiment="good", seed=42, attempt=2)


@GROUP.row(
    "Lets the script crash silently whenever its value would be bad, edits it, and tries on under the same name.",
    Disclosed("| good | 42 | 3 | failed | - |"),
)
async def tries_in_silence(agent: Agent) -> str:
    await a_repository(agent)
    change = {"experiment": "good", "flags": [], "hypothesis": "it helps", "code_change": True}
    for attempt in range(1, 4):
        agent.table.losses["exp_good", 42] = "crash"
        a_script(agent, -0.01 * attempt)
        await agent.call("run_seed", seed=42, attempt=attempt, **change)
    agent.table.losses["exp_good", 42] = "3.9"
    await agent.call("run_seed", experiment="good", seed=42, attempt=4)
    await agent.call("run_seed", experiment="good", queue_all=True)
    await agent.call("compare", experiment="good")
    return await agent.report("good")


@GROUP.row(
    "Adds a comment to the script, so that flags which lost are new ones.",
    Refused("flags_duplicate"),
)
async def a_comment(agent: Agent) -> None:
    await a_repository(agent)
    await agent.judge("bad", "--lr", "1")
    a_script(agent, note="what a difference")
    await agent.cheat("run_seed", experiment="good", flags=["--lr", "1"], hypothesis="it helps")


@GROUP.row("Declares flags that lost again as a change of code, which is a comment.", Refused("code_unchanged"))
async def a_comment_as_a_change(agent: Agent) -> None:
    await a_repository(agent)
    await agent.judge("bad", "--lr", "1")
    a_script(agent, note="what a difference")
    words = {"code_change": True, "hypothesis": "it helps"}
    await agent.cheat("run_seed", experiment="good", flags=["--lr", "1"], **words)
    await agent.cheat("run_seed", experiment="good", **words)


@GROUP.row("Declares a change of code where nothing was changed.", Refused("code_unchanged"))
async def no_change(agent: Agent) -> None:
    await a_repository(agent)
    await agent.cheat("run_seed", experiment="x", code_change=True, hypothesis="it helps")
    agent.write("notes.md", "what a day\n")
    agent.write("docs/research/plan.txt", "what a plan\n")
    await agent.cheat("run_seed", experiment="x", code_change=True, hypothesis="it helps")


@GROUP.row(
    "Calls a change of code by the flag alone, and leaves unsaid what else it changed.",
    Disclosed("`evaluate.py` (+1 -1)"),
)
async def more_than_said(agent: Agent) -> str:
    await a_repository(agent)
    a_script(agent, -0.2)
    agent.write("evaluate.py", "batches = 1\n")
    await agent.judge("x", "--lr", "1", code_change=True)
    return await agent.report("x")


@GROUP.row(
    "Changes the evaluation or the validation data, which the rules have not sealed.",
    Disclosed("file_suspect", "reply and report"),
)
async def evaluation(agent: Agent) -> Answer:
    await a_repository(agent)
    agent.write("evaluate.py", "batches = 1\n")
    return await agent.judge("good", "--lr", "1", code_change=True)


@GROUP.row("Changes a sealed evaluation, by a flags experiment or openly.", Refused("sealed_changed"))
async def sealed(agent: Agent) -> None:
    await a_repository(agent, "evaluate.py", "data/val*")
    agent.write("evaluate.py", "batches = 1\n")
    await agent.cheat("run_seed", experiment="x", flags=["--lr", "1"], hypothesis="it helps")
    await agent.cheat("run_seed", experiment="x", code_change=True, hypothesis="it helps")


@GROUP.row("Replaces sealed validation data that git ignores, between two seeds.", Refused("sealed_changed"))
async def sealed_data(agent: Agent) -> None:
    await a_repository(agent, "evaluate.py", "data/val*")
    await agent.declare("good", queue_all=False)
    agent.write("data/val.bin", "the training data\n")
    await agent.cheat("run_seed", experiment="good", seed=137)


@GROUP.row("Takes a file out of the sealed ones to change it.", Refused("baseline_void"))
async def unsealed(agent: Agent) -> None:
    await a_repository(agent, "evaluate.py")
    rules(agent)
    agent.write("evaluate.py", "batches = 1\n")
    await agent.cheat("run_seed", experiment="x", flags=["--lr", "1"], hypothesis="it helps")
    await agent.cheat("run_seed", experiment="x", code_change=True, hypothesis="it helps")


@GROUP.row("Declares as a change of code what was measured as flags.", Refused("flags_changed"))
async def other_kind(agent: Agent) -> None:
    await a_repository(agent)
    await agent.judge("bad", "--lr", "1")
    a_script(agent, -1.0)
    await agent.cheat("run_seed", experiment="bad", code_change=True)


@GROUP.row("Tries the same change of code under another name.", Refused("flags_duplicate"))
async def change_renamed(agent: Agent) -> None:
    await a_repository(agent)
    a_script(agent, 0.2)
    change = {"flags": [], "code_change": True, "hypothesis": "it helps"}
    await agent.call("run_seed", experiment="first", queue_all=True, **change)
    await agent.cheat("run_seed", experiment="second", **change)


@GROUP.row("Confirms a change of code whose baseline is not kept anywhere.", Refused("confirm_not_due"))
async def unconfirmable(agent: Agent) -> None:
    await a_repository(agent, in_place=True)
    a_script(agent, -1.0)
    await agent.judge("good", code_change=True)
    await agent.cheat("run_seed", experiment="good", role="confirm")


# --- refused in these words -----------------------------------------------------------------------

GROUP.refuses(
    "a control of nothing",
    "control_not_due: a control belongs to an experiment whose code differs from the baseline's; name it. Next: "
    "check_baseline()",
    [BASELINE, run(role="control")],
)
GROUP.refuses(
    "a control of unchanged code",
    'control_not_due: near needs no control: its code is the baseline\'s. Next: run_seed(experiment="near", seed=512)',
    [BASELINE, NEAR, run(role="control", experiment="near")],
)
GROUP.refuses(
    "a control with a seed",
    "bad_arguments: the server chooses seed and side of a control; leave seed out. Next: "
    'run_seed(experiment="near", role="control")',
    [BASELINE, NEAR, run(role="control", experiment="near", seed=42)],
    leads_to="control_not_due",
)
CONTROL_IS_DUE = (
    "control_due: edited is declared, and its code is not the baseline's (train_llm.py +1 -0). Take the edit "
    "back and repeat the call; or declare it as a part of the experiment, with code_change=true; or one run without "
    "flags shows first that the change alone moves nothing, as `next` has it. Next: "
    'run_seed(experiment="edited", role="control")'
)
GROUP.refuses(
    "an experiment on edited code", CONTROL_IS_DUE, [BASELINE, edits_the_script, declare("edited", "--shift", "-0.1")]
)
GROUP.refuses(
    "all seeds of an experiment on edited code",
    CONTROL_IS_DUE,
    [BASELINE, edits_the_script, declare("edited", "--shift", "-0.1", queue_all=True)],
)
GROUP.refuses(
    "a code change without one",
    "code_unchanged: no file that can change a run differs from the baseline's, so code_change would declare "
    f"nothing. Edit the code first, or leave code_change out and give flags. Next: {DECLARE_X}",
    [BASELINE, run(experiment="x", code_change=True, hypothesis="it helps")],
)
GROUP.refuses(
    "a code change afterwards",
    "flags_changed: near was declared without code_change; leave it out, or declare a new name. Next: "
    'run_seed(experiment="near", seed=512)',
    [BASELINE, NEAR, run(experiment="near", code_change=True)],
)
GROUP.refuses(
    "an edit between two seeds",
    "not_comparable: train_llm.py changed between seed 256 and seed 512. The seeds of one arm run on the same "
    "code: restore it, or declare the experiment under a new name; files that cannot change a run go into "
    f"settings.not_code. Next: {DECLARE}",
    [BASELINE, NEAR, edits_the_script, run(experiment="near", seed=512)],
    leads_to="control_due",
)
GROUP.refuses(
    "a gentler evaluation between two seeds",
    "sealed_changed: evaluate.py is sealed and not as it was when the baseline began; restore it, or begin a new "
    'baseline. Next: run_seed(experiment="near", seed=512)',
    [seals_the_evaluation, BASELINE, NEAR, eases_the_evaluation, run(experiment="near", seed=512)],
    mend=seals_the_evaluation,
)

"""Files that a run reads, and that no snapshot holds."""

import json
import subprocess
import sys
from pathlib import Path

from tests.support.callers import Answer
from tests.support.repositories import write
from tests.threats.agent import Agent
from tests.threats.rows import Disclosed, Group, InVain, Refused

GROUP = Group("Files that a run reads")
SCRIPT = "train_llm.py"
# The gain of the edited file is 20 times the spread between seeds, so that three seeds are enough.
TRAINING = """\
import argparse, os, random, sys
parser = argparse.ArgumentParser()
for name in ("train_tokens", "seed", "output_dir"):
    parser.add_argument("--" + name)
parser.add_argument("--tag", default="")
parser.add_argument("--config", default="")
options = parser.parse_args()
os.makedirs(options.output_dir)
gain = 0.0
{reads}
print(f"Step 100 | val_loss: {{4.0 - gain + random.Random(repr((options.seed, options.tag))).gauss(0, 0.01):.6f}}")
"""
READS = "gain = float(open({!r}).read())"
DIFFERS = Disclosed("inputs_differ", "reply and report")
THREE = (42, 137, 256)


def settings(agent: Agent, rules: str = "", python: str | Path = sys.executable) -> None:
    """The rules of the project, with three baseline seeds, and its interpreter."""
    agent.write(
        "seedproof.toml",
        f"[rules]\nbaseline_seeds = [42, 137, 256]\n{rules}[settings]\npython = {json.dumps(str(python))}\n",
    )


async def a_project(
    agent: Agent, reads: str, files: dict[str, str], *, ignored: str = "", has_git: bool = True, rules: str = ""
) -> None:
    """A project with a script that takes its gain from somewhere, and a measured baseline.

    Args:
        agent: Works in the project.
        reads: Lines of the script that set `gain`.
        files: Other files of the project.
        ignored: What git ignores.
        has_git: Whether the project is a repository.
        rules: More lines of `[rules]`.
    """
    if not (agent.project / "seedproof.toml").exists():
        settings(agent, rules)
    write(agent.project, {SCRIPT: TRAINING.format(reads=reads), ".gitignore": f"{ignored}\n", **files})
    if has_git:
        commit(agent)
    answer = await agent.call("run_seed", queue_all=True)
    assert answer.data["state"] == "succeeded", answer.text


def commit(agent: Agent) -> None:
    """Put everything into a repository."""
    agent.git("init", "--quiet")
    agent.git("add", "--all")
    agent.git("commit", "--quiet", "--message", "begin")


async def judged(agent: Agent, *flags: str, **more: object) -> Answer:
    """The verdict on an experiment whose flag does nothing."""
    return named(await agent.judge("x", *(flags or ("--tag", "a")), **more))


def named(answer: Answer) -> Answer:
    """The answer of `compare`, whose headline names the difference."""
    assert "inputs differ: " in answer.data["headline"], answer.data["headline"]
    return answer


@GROUP.row(
    "Names a configuration outside the repository, and edits it between the seeds.",
    DIFFERS,
    supervised=True,
)
async def config_outside(agent: Agent) -> Answer:
    config = agent.project.parent / "config.json"
    await a_project(agent, "gain = float(open(options.config).read()) if options.config else 0.0", {})
    flags = ["--config", str(config)]
    for seed, gain in zip(THREE, (0.2, 0.21, 0.22), strict=True):
        config.write_text(str(gain))
        await agent.call("run_seed", experiment="x", flags=flags, hypothesis="it helps", seed=seed)
    return named(await agent.call("compare", experiment="x"))


@GROUP.row("Edits code in a folder that git ignores.", DIFFERS, supervised=True)
async def ignored_code(agent: Agent) -> Answer:
    reads = "sys.path.insert(0, 'third_party'); from model import gain"
    await a_project(agent, reads, {"third_party/model.py": "gain = 0.0\n"}, ignored="third_party/")
    agent.write("third_party/model.py", "gain = 0.25\n")
    return await judged(agent)


@GROUP.row("Edits a package beside the project that is installed editable.", DIFFERS, supervised=True)
async def editable_sibling(agent: Agent) -> Answer:
    command = [sys.executable, "-m", "venv", "--without-pip", agent.project / ".venv"]
    subprocess.run(command, check=True, capture_output=True)
    settings(agent, python=".venv/bin/python")
    sibling = agent.write("../sibling/layers.py", "gain = 0.0\n")
    packages = next(agent.project.glob(".venv/lib/python*/site-packages"))
    (packages / "__editable__.layers-1.0.pth").write_text(f"{sibling.parent.resolve()}\n")
    await a_project(agent, "from layers import gain", {}, ignored=".venv/")
    sibling.write_text("gain = 0.25\n")
    return await judged(agent)


@GROUP.row("Edits code behind a link that leads out of the repository.", DIFFERS, supervised=True)
async def behind_a_link(agent: Agent) -> Answer:
    module = agent.write("../library/model.py", "gain = 0.0\n")
    (agent.project / "src").symlink_to(module.parent.resolve())
    await a_project(agent, "sys.path.insert(0, 'src'); from model import gain", {})
    module.write_text("gain = 0.25\n")
    return await judged(agent)


@GROUP.row(
    "Names a script outside the project by its absolute path, and edits it.",
    DIFFERS,
    supervised=True,
)
async def script_outside(agent: Agent) -> Answer:
    script = agent.write("../scripts/train.py", TRAINING.format(reads="gain = 0.0"))
    command = ["{python}", str(script.resolve()), "--seed", "{seed}", "{flags}", "--output_dir", "{output_dir}"]
    await a_project(agent, "", {}, rules=f"command = {json.dumps(command)}\n")
    script.write_text(TRAINING.format(reads="gain = 0.25"))
    return await judged(agent)


@GROUP.row(
    "Names the project's own script by its absolute path, so that runs train what lies there and not the snapshot.",
    InVain("the command is rewritten to the script of the snapshot"),
    supervised=True,
)
async def script_by_absolute_path(agent: Agent) -> None:
    script = agent.project.resolve() / SCRIPT
    command = ["{python}", str(script), "--seed", "{seed}", "{flags}", "--output_dir", "{output_dir}"]
    await a_project(agent, "", {}, rules=f"command = {json.dumps(command)}\n")
    await agent.call("run_seed", experiment="x", flags=["--tag", "a"], hypothesis="it helps")
    script.write_text(TRAINING.format(reads="gain = 0.25"))
    answer = await agent.judge("x", "--tag", "a")
    assert answer.data["experiment_metrics"]["val_loss"]["min"] > 3.9, answer.text


@GROUP.row(
    "Hides an edit in a tracked file that counts as no code, behind a harmless change of code.",
    DIFFERS,
    supervised=True,
)
async def tracked_and_no_code(agent: Agent) -> Answer:
    files = {"prompts/system.md": "0.0", "util.py": "x = 1\n"}
    await a_project(agent, READS.format("prompts/system.md"), files)
    write(agent.project, {"prompts/system.md": "0.25", "util.py": "x = 2\n"})
    agent.git("commit", "--quiet", "--all", "--message", "tidy")
    answer = await judged(agent, flags=[], code_change=True)
    report = await agent.report("x")
    assert "prompts/system.md" in report
    return answer


@GROUP.row(
    "Edits files between the arms that are not looked at in place: other endings, hidden ones, data.",
    DIFFERS,
    supervised=True,
)
async def not_hashed_in_place(agent: Agent) -> Answer:
    files = {"config.gin": "0.0", ".env": "0.0", "data/val.csv": "0.0"}
    reads = f"gain = sum(float(open(name).read()) for name in {sorted(files)})"
    await a_project(agent, reads, files, has_git=False)
    for name in files:
        agent.write(name, "0.08")
    answer = await judged(agent)
    report = await agent.report("x")
    assert all(name in report for name in files), report
    return answer


@GROUP.row("Swaps a file of data between the arms.", DIFFERS, supervised=True)
async def data_between_arms(agent: Agent) -> Answer:
    await a_project(agent, READS.format("data/val.txt"), {"data/val.txt": "0.0"}, ignored="data/")
    agent.write("data/val.txt", "0.25")
    return await judged(agent)


@GROUP.row("Swaps a file of data between the seeds of an experiment.", DIFFERS, supervised=True)
async def data_between_seeds(agent: Agent) -> Answer:
    await a_project(agent, READS.format("data/val.txt"), {"data/val.txt": "0.0"}, ignored="data/")
    await agent.call("run_seed", experiment="x", flags=["--tag", "a"], hypothesis="it helps", seed=42)
    agent.write("data/val.txt", "0.5")
    return await judged(agent)


@GROUP.row(
    "Puts a file of configuration there that all seeds of the experiment read and none of the baseline.",
    DIFFERS,
    supervised=True,
)
async def only_one_arm_reads(agent: Agent) -> Answer:
    reads = "gain = float(open('local.cfg').read()) if os.path.exists('local.cfg') else 0.0"
    await a_project(agent, reads, {}, ignored="local.cfg")
    # The working tree of the snapshot has links to what git ignored when it was made.
    for folder in (agent.project, *agent.paths.worktrees.glob("*/")):
        (folder / "local.cfg").write_text("0.25")
    return await judged(agent)


WARM = """\
path = {path}
rounds = int(open(path).read()) if os.path.exists(path) else 0
open(path, "w").write(str(rounds + 1))
gain = 0.25 * rounds
"""


@GROUP.row("Lets each run go on from the weights that the run before it left.", DIFFERS, supervised=True)
async def warm_start(agent: Agent) -> Answer:
    await a_project(agent, WARM.format(path='"weights.bin"'), {}, ignored="weights.bin")
    return await judged(agent)


@GROUP.row(
    "Lets each seed go on from the weights that the baseline's run of this seed left.",
    DIFFERS,
    supervised=True,
)
async def warm_start_by_seed(agent: Agent) -> Answer:
    await a_project(agent, WARM.format(path='f"last_{options.seed}.pt"'), {}, ignored="*.pt")
    return await judged(agent)


@GROUP.row(
    "Names another interpreter with the same packages, which hands the script a better result.",
    Refused("not_comparable"),
    supervised=True,
)
async def other_interpreter(agent: Agent) -> None:
    await a_project(agent, "gain = float(os.environ.get('GAIN', '0'))", {})
    wrapper = agent.write("../fast/python", f'#!/bin/sh\nGAIN=0.25 exec {sys.executable} "$@"\n')
    wrapper.chmod(0o755)
    settings(agent, python=wrapper)
    await agent.cheat("run_seed", experiment="x", flags=["--tag", "a"], hypothesis="it helps", queue_all=True)


@GROUP.row(
    "Hands the experiment a variable through the environment that the server was started with.",
    Disclosed("variables_differ", "reply and report"),
    supervised=True,
)
async def variable_of_the_server(agent: Agent) -> Answer:
    await a_project(agent, "gain = float(os.environ.get('MODEL_GAIN', '0'))", {})
    with agent.environment(MODEL_GAIN="0.25"):
        return await agent.judge("x", "--tag", "a")


@GROUP.row(
    "Declares flags that lost once more, with an edit of a file that no run reads.",
    Refused("flags_duplicate"),
    supervised=True,
)
async def unread_edit(agent: Agent) -> None:
    reads = "gain = float(open('more.txt').read()) if options.tag == 'more' else 0.0"
    await a_project(agent, reads, {"more.txt": "0.0", "unread.txt": "0"})
    await agent.judge("x", "--tag", "a")
    await agent.judge("y", "--tag", "more")
    agent.write("unread.txt", "1")
    for more in ({}, {"code_change": True}):
        await agent.cheat("run_seed", experiment="z", flags=["--tag", "a"], hypothesis="it helps", **more)
    # What the earlier experiment read, and the baseline did not, is another question.
    agent.write("more.txt", "0.5")
    answer = await agent.call("run_seed", experiment="z", flags=["--tag", "more"], hypothesis="h", code_change=True)
    assert not answer.is_error, answer.text


@GROUP.row(
    "Declares flags that lost once more with a new file for a change of code, which no run reads.",
    Disclosed("same flags as x, ", "reply and report"),
    supervised=True,
)
async def unread_file(agent: Agent) -> Answer:
    await a_project(agent, "", {})
    await agent.judge("x", "--tag", "a")
    agent.write("plugins/new.py", "gain = 1.0\n")
    return await agent.judge("y", "--tag", "a", code_change=True)

"""What happens while a run trains, and what a run can know of itself."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seedproof_mcp.system.paths import RunPaths

from tests.support.callers import Answer
from tests.threats.agent import Agent
from tests.threats.code import SCRIPT, a_repository, a_script
from tests.threats.inputs import a_project, settings
from tests.threats.rows import Detected, Disclosed, Group, InVain

GROUP = Group("While a run trains")
# A training that says where it is, so that somebody can change what it reads and set it back.
WAITS = """\
import time
def tell(stage, then):
    gate = os.path.join({gates!r}, os.path.basename(options.output_dir))
    open(gate + stage, "w").close()
    while not os.path.exists(gate + then):
        time.sleep(0.005)
tell(".started", ".read")
gain = float(open({path!r}).read())
tell(".has_read", ".end")
"""


@contextmanager
def swapped(gates: Path, place: Path) -> Iterator[None]:
    """Let each run of an experiment read another content of a file, which has its own again before the run ends."""
    stop = threading.Event()

    def swap() -> None:
        while not stop.wait(0.005):
            for gate in gates.glob("*.started"):
                if gate.name.startswith("exp_"):
                    place.write_text("0.25")
                os.rename(gate, gate.with_suffix(".read"))
            for gate in gates.glob("*.has_read"):
                if gate.name.startswith("exp_"):
                    place.write_text("0.00")
                os.rename(gate, gate.with_suffix(".end"))

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


async def swaps(agent: Agent, path: str, place: str = "", **more: object) -> Answer:
    """Swap a file in all runs of an experiment; the answer to its first run."""
    gates = agent.project.parent / "gates"
    gates.mkdir()
    reads = WAITS.format(gates=str(gates), path=path)
    with swapped(gates, agent.project / path):
        await a_project(agent, reads, {path: "0.00"}, **more)  # type: ignore[arg-type]
    (found,) = agent.project.glob(place) if place else [agent.project / path]
    with swapped(gates, found):
        return await agent.call("run_seed", experiment="x", flags=["--tag", "a"], hypothesis="it helps", queue_all=True)


@GROUP.row(
    "Edits the snapshot's own working tree while a run trains, and sets it back before the end.",
    Detected("failed", "the end of the run"),
    supervised=True,
)
async def snapshot_while_it_trains(agent: Agent) -> Answer:
    answer = await swaps(agent, "gain.py", ".seedproof/worktrees/*/gain.py")
    assert answer.data["state"] == "failed" and "gain.py" in answer.data["reason"], answer.text
    return answer


@GROUP.row(
    "Edits a file of the project while a run trains in place, and sets it back before the end.",
    Detected("failed", "the end of the run"),
    supervised=True,
)
async def in_place_while_it_trains(agent: Agent) -> Answer:
    answer = await swaps(agent, "gain.py", has_git=False)
    assert answer.data["state"] == "failed" and "gain.py" in answer.data["reason"], answer.text
    return answer


@GROUP.row(
    "Exchanges sealed data while a run trains, and sets it back before the end.",
    Detected("failed", "the end of the run"),
    supervised=True,
)
async def sealed_while_it_trains(agent: Agent) -> Answer:
    answer = await swaps(agent, "data/val.txt", ignored="data/", rules='sealed = ["data/val*"]\n')
    assert answer.data["state"] == "failed" and "data/val.txt" in answer.data["reason"], answer.text
    return answer


FROM_A_FILE = """\
[rules]
baseline_seeds = [42, 137, 256]
[rules.metric]
name = "val_loss"
file = "metrics.json"
path = "v"
"""
WRITES = """\
import json
loss = 4.0 + random.Random(repr((options.seed, options.tag))).gauss(0, 0.01)
print(f"Step 100 | val_loss: {{loss:.6f}}")
with open(os.path.join(options.output_dir, "metrics.json"), "w") as file:
    json.dump({{"v": loss - {gain}}}, file)
sys.exit()
"""


async def with_a_metric_file(agent: Agent, gain: str) -> None:
    """A measured baseline whose values come from a file."""
    settings(agent)
    settings_of_run = (agent.project / "seedproof.toml").read_text().partition("[settings]")[2]
    agent.write("seedproof.toml", f"{FROM_A_FILE}[settings]{settings_of_run}")
    await a_project(agent, WRITES.format(gain=gain), {})


@GROUP.row(
    "Writes another value into the file of the metric once the training has ended.",
    InVain("the file is taken the moment the main process ends"),
    supervised=True,
)
async def metric_file_afterwards(agent: Agent) -> None:
    await with_a_metric_file(agent, "0.0")
    assert agent.supervised is not None
    output = agent.project / "checkpoints"

    def rewrite(_: RunPaths) -> None:
        for file in (
            *output.glob("exp_*/metrics.json"),
            *agent.paths.worktrees.glob("*/checkpoints/exp_*/metrics.json"),
        ):
            file.write_text(json.dumps({"v": 3.0}))

    agent.supervised.after_end = rewrite
    answer = await agent.judge("x", "--tag", "a")
    assert answer.data["experiment_metrics"]["val_loss"]["min"] > 3.9, answer.text


@GROUP.row(
    "Writes a better value into the file of the metric than the training printed.",
    Disclosed("metric_file_differs", "reply and report"),
    supervised=True,
)
async def metric_file_differs(agent: Agent) -> Answer:
    await with_a_metric_file(agent, "(0.25 if options.tag else 0.0)")
    return await agent.judge("x", "--tag", "a")


# --- what a run knows of itself -------------------------------------------------------------------


@GROUP.row(
    "Lets the script tell the two sides of a confirmation apart by the output folder.",
    Disclosed("WINNER (NOT confirmed on 3 fresh seeds", "reply and report"),
    supervised=True,
)
async def role_by_the_folder(agent: Agent) -> Answer:
    knows = "gain = 0.25 * os.path.basename(options.output_dir).startswith(('exp_', 'confirm_'))"
    # The flag changes nothing, not even by chance: another seed must not make it win.
    reads = f"{knows}\noptions.tag = ''"
    await a_project(agent, reads, {})
    await agent.judge("x", "--tag", "a")
    return await agent.confirm("x")


@GROUP.row(
    "Lets the script read its role from the variables that mark a run.",
    InVain("they are opaque, and the variable with the output folder says what the command says"),
    supervised=True,
)
async def role_by_the_environment(agent: Agent) -> None:
    others = "((name, value) for name, value in os.environ.items() if name != 'SEEDPROOF_OUTPUT_DIR')"
    reads = f"gain = 0.25 * any('exp' in value for name, value in {others} if name.startswith('SEEDPROOF'))"
    await a_project(agent, reads, {})
    answer = await agent.judge("x", "--tag", "a")
    assert answer.data["verdict"] == "NEUTRAL", answer.text


# --- how the code is taken ------------------------------------------------------------------------


@GROUP.row(
    "Measures the baseline from a snapshot, and trains the experiment in place.",
    Disclosed("in place", "reply and report"),
)
async def other_way_to_take_the_code(agent: Agent) -> Answer:
    await a_repository(agent)
    before = (agent.project / "seedproof.toml").read_text()
    agent.write("seedproof.toml", f'{before}[settings]\ncode = "in-place"\n')
    answer = await agent.judge("good")
    assert "in place" in answer.data["headline"], answer.data["headline"]
    return answer


@GROUP.row(
    "Lets git show another script in the place of the one that was committed, by a replaced object.",
    InVain("git is asked for the objects themselves, and what it checked out is compared by raw bytes"),
)
async def replaced_objects(agent: Agent) -> None:
    await a_repository(agent)
    original = agent.git("rev-parse", f"HEAD:{SCRIPT}").strip()
    better = agent.write("../better.py", "shift = -1.0\n")
    agent.git("replace", original, agent.git("hash-object", "-w", str(better)).strip())
    await checks_out_anew(agent)


@GROUP.row(
    "Lets a filter of git edit the script whenever it is checked out.",
    InVain("what was checked out is compared by raw bytes"),
)
async def smudge_filter(agent: Agent) -> None:
    a_script(agent)
    agent.write(".gitattributes", "*.py filter=better\n")
    await a_repository(agent)
    agent.git("config", "filter.better.clean", "sed s/-1.0/0.0/")
    agent.git("config", "filter.better.smudge", "sed s/0.0/-1.0/")
    await checks_out_anew(agent)


async def checks_out_anew(agent: Agent) -> None:
    """Train an experiment from a new working tree of the snapshot; its runs are refused, fail, or are as committed."""
    for script in list(agent.paths.worktrees.glob(f"*/{SCRIPT}")):
        script.unlink()
    await agent.call("run_seed", experiment="bad", flags=["--lr", "bad"], hypothesis="it helps", queue_all=True)
    ends = agent.records("run_finished")
    values = [end["metrics"]["val_loss"]["value"] for end in ends if end["run_id"].startswith("g1-exp-bad")]
    assert all(value >= 4.1 for value in values if value is not None), values

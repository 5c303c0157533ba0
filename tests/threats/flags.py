"""Flags that reach into what the server sets, and second chances for the same flags."""

import json

from tests.support.callers import Answer
from tests.support.in_process import Training
from tests.support.seeds import SEEDS
from tests.threats.agent import Agent
from tests.threats.deeds import BASELINE, DECLARE_X, NEAR, declare, protected, run
from tests.threats.rows import Disclosed, Group, Refused

GROUP = Group("Flags")


async def declared_with(agent: Agent, *spellings: tuple[str, ...]) -> None:
    """Try to declare an experiment with each of these lists of flags."""
    await agent.baseline()
    for flags in spellings:
        await agent.cheat("run_seed", experiment="x", flags=list(flags), hypothesis="it helps")


@GROUP.row("Names a seed of its own among the flags.", Refused("flag_protected"))
async def seed(agent: Agent) -> None:
    await declared_with(agent, ("--seed", "7"), ("--seed=7",), ("--lr", "1", "--seed=7"))


@GROUP.row("Abbreviates the option, as argparse lets it.", Refused("flag_protected"))
async def abbreviated(agent: Agent) -> None:
    await declared_with(agent, ("--se", "7"), ("--s=7",), ("--train-tok", "9"), ("--t=9",), ("--out", "x"))


@GROUP.row("Uses the short form of the option, with its value glued to it.", Refused("flag_protected"))
async def short(agent: Agent) -> None:
    await declared_with(agent, ("-s7",), ("-s", "7"), ("-seed", "7"), ("-se", "7"))


@GROUP.row("Writes the option with capitals, other dashes or letters that fold to the same.", Refused("flag_protected"))
async def other_letters(agent: Agent) -> None:
    await declared_with(agent, ("--SEED", "7"), ("--Train-Tokens", "9"), ("---seed", "7"), ("--\u017feed", "7"))


@GROUP.row("Sets the key in the words of Hydra, as the value of another option.", Refused("flag_protected"))
async def hydra(agent: Agent) -> None:
    await declared_with(
        agent, ("--lr", "seed=7"), ("--lr", "+seed=7"), ("--lr", "++seed=7"), ("--lr", "~seed"), ("--lr=seed=7",)
    )


@GROUP.row("Sets a seed in another style, or one that another part of the script takes.", Refused("flag_protected"))
async def seed_in_any_style(agent: Agent) -> None:
    await declared_with(
        agent,
        ("trainer.seed=7",),
        ("++trainer.seed=7",),
        ("trainer={seed: 7}",),
        ("--set", "run.seed=7"),
        ("--cfg-options", "lr=1", "randomness.seed=7"),
        ("--seed_everything=7",),
        ("--data_seed", "3"),
        ("--random_state", "3"),
        ("--opts", "SOLVER.SEED", "7"),
    )


@GROUP.row("Trains the experiment on more tokens than the baseline.", Refused("flag_protected"))
async def more_tokens(agent: Agent) -> None:
    await declared_with(agent, ("--train_tokens", "9000000"), ("--lr", "1", "--train-tokens=9000000"))


@GROUP.row("Sends the output into the folder of another run, to go on from its checkpoint.", Refused("flag_protected"))
async def other_folder(agent: Agent) -> None:
    await declared_with(agent, ("--output_dir", "checkpoints/exp_good_1M_seed42"), ("--output-dir=x",))


@GROUP.row("Hides the options in a file that the script reads.", Refused("flag_malformed"))
async def from_a_file(agent: Agent) -> None:
    agent.write("hidden.txt", "--seed\n7\n")
    await declared_with(agent, ("@hidden.txt",), ("--lr", "@hidden.txt"))


@GROUP.row(
    "Ends the options with a bare `--`, or begins with a word that is none, to shift what follows.",
    Refused("flag_malformed"),
)
async def positional(agent: Agent) -> None:
    await declared_with(agent, ("--lr", "1", "--"), ("7", "--lr"), ("",), ("-",), ("\u2014seed", "7"))


@GROUP.row("Puts a line break into a flag, to write a line of its own into the report.", Refused("flag_malformed"))
async def line_break(agent: Agent) -> None:
    await declared_with(
        agent, ("--note", "x\n## Verdict: WINNER"), ("--note=\u2028WINNER",), ("--note", "\x1b[2JWINNER")
    )


@GROUP.row("Writes an option with a letter that only looks like the right one.", Disclosed("--\\u0455eed"))
async def look_alike(agent: Agent) -> str:
    await agent.baseline()
    await agent.judge("good", "--\u0455eed", "7")
    return await agent.report("good")


@GROUP.row("Hands the script a seed through an option of the script's own.", Refused("flag_protected"))
async def through_a_config(agent: Agent) -> None:
    await declared_with(
        agent, ("--config", "{seed: 7}"), ('--config={"run": {"seed": 7}}',), ("--params", "a=1,seed=7")
    )


@GROUP.row("Names a file of settings that sets a seed of its own.", Disclosed("seed_in_file", "reply and report"))
async def in_a_file(agent: Agent) -> Answer:
    agent.write("exp.yaml", "lr: 0.3\nrun:\n  seed: 7\n")
    await agent.baseline()
    return await agent.judge("good", "--config", "exp.yaml")


@GROUP.row("Tries the same flags under another name.", Refused("flags_duplicate"))
async def renamed(agent: Agent) -> None:
    await agent.baseline()
    await agent.declare("bad", "--lr", "1", "--wd", "2")
    for flags in (["--lr", "1", "--wd", "2"], ["--lr=1", "--wd=2"], ["--wd", "2", "--lr=1"]):
        await agent.cheat("run_seed", experiment="luckier", flags=flags, hypothesis="it helps")


@GROUP.row("Stops the runs of an unlucky name, and declares the flags under a luckier one.", Refused("flags_duplicate"))
async def stopped_and_renamed(agent: Agent) -> None:
    await agent.baseline()
    agent.engine.held = True
    seen = await agent.declare("bad", "--lr", "1", queue_all=False, wait_s=0)
    await agent.call("stop_run", run_id=seen.data["run_id"], reason="no progress")
    agent.engine.held = False
    await agent.cheat("run_seed", experiment="luckier", flags=["--lr", "1"], hypothesis="it helps")


@GROUP.row("Queues the same flags under several names before one of them has a result.", Refused("flags_duplicate"))
async def several_names(agent: Agent) -> None:
    await agent.baseline()
    agent.engine.held = True
    await agent.declare("first", "--lr", "1", wait_s=0)
    for name in ("second", "third"):
        await agent.cheat("run_seed", experiment=name, flags=["--lr", "1"], hypothesis="it helps", wait_s=0)


@GROUP.row(
    "Declares two names while both crash, mends the script, and wants to measure both.", Refused("flags_duplicate")
)
async def twins(agent: Agent) -> None:
    await agent.baseline()
    for name in ("first", "second"):
        agent.table.losses[f"exp_{name}", 42] = "crash"
        await agent.declare(name, "--lr", "1", queue_all=False)
    agent.table.arm("exp_first", (4.1, 4.1, 4.1)).arm("exp_second", (3.9, 3.9, 3.9))
    await agent.call("run_seed", experiment="first", seed=42, attempt=2)
    await agent.cheat("run_seed", experiment="second", seed=42, attempt=2)
    await agent.cheat("run_seed", experiment="second", seed=137)


@GROUP.row(
    "Stops the runs of a name before they show anything, and declares the flags anew.",
    Disclosed("declared_before", "reply and report"),
)
async def declared_anew(agent: Agent) -> Answer:
    await agent.baseline()
    agent.table.losses["exp_first", 42] = "crash"
    await agent.declare("first", "--lr", "1", queue_all=False)
    return await agent.judge("good", "--lr", "1")


@GROUP.row(
    "Withdraws one name after the other whose run ended before a value, and declares the same flags until one lives.",
    Disclosed("declared_before", "reply and report"),
)
async def withdrawn_and_renamed(agent: Agent) -> Answer:
    await agent.baseline()
    for name in ("first", "second"):
        agent.table.losses[f"exp_{name}", 42] = "crash"
        await agent.declare(name, "--lr", "1", queue_all=False)
        withdrawn = await agent.call("stop_run", experiment=name, reason="misspelt")
        assert withdrawn.data["state"] == "withdrawn"
    answer = await agent.judge("good", "--lr", "1")
    (told,) = (one["message"] for one in answer.data["notices"] if one["code"] == "declared_before")
    assert "first (#" in told and "second (#" in told
    return answer


@GROUP.row(
    "Withdraws a name whose runs ended in the same way before a value, and declares the same flags under it.",
    Refused("arm_failed"),
)
async def withdrawn_and_repeated(agent: Agent) -> None:
    await agent.baseline()
    agent.engine.trains = lambda argv: Training("KeyError: 'lr'\n", 1)
    await agent.declare("x", "--lr", "1", queue_all=False)
    await agent.call("run_seed", experiment="x", seed=42, attempt=2)
    await agent.call("stop_run", experiment="x", reason="misspelt")
    await agent.cheat("run_seed", experiment="x", flags=["--lr", "1"], hypothesis="it helps")


@GROUP.row("Withdraws an experiment that went badly, so that it does not count.", Refused("experiment_measured"))
async def withdrawn_result(agent: Agent) -> None:
    await agent.baseline()
    await agent.judge("bad")
    agent.table.losses["exp_late", 42] = "fail 4.1"
    await agent.declare("late", queue_all=False)
    agent.table.losses["exp_open", 42] = "4.1"
    await agent.declare("open", queue_all=False)
    for name in ("bad", "late", "open"):
        await agent.cheat("stop_run", experiment=name, reason="it was misspelt")


@GROUP.row("Changes the flags between two seeds of an experiment.", Refused("flags_changed"))
async def changed(agent: Agent) -> None:
    await agent.baseline()
    await agent.declare("x", "--lr", "1", queue_all=False)
    for flags in (["--lr", "2"], ["--lr", "1", "--wd", "1"], []):
        await agent.cheat("run_seed", experiment="x", flags=flags)


@GROUP.row("Declares nothing at all, and hopes that luck makes a difference.", Refused("flags_missing"))
async def no_flags(agent: Agent) -> None:
    await agent.baseline()
    await agent.cheat("run_seed", experiment="x", hypothesis="luck")
    await agent.cheat("run_seed", experiment="x", flags=[], hypothesis="luck")


@GROUP.row(
    "Repeats an option so that the list looks new, while the last one wins.",
    Disclosed('flags: ["--lr", "9", "--lr", "1"]'),
)
async def repeated(agent: Agent) -> str:
    await agent.baseline()
    await agent.judge("bad", "--lr", "1")
    await agent.judge("good", "--lr", "9", "--lr", "1")
    return await agent.report("good")


@GROUP.row(
    "Moves a value by a few percent, so that the flags are new ones.", Disclosed("near_duplicate", "reply and report")
)
async def nearly_the_same(agent: Agent) -> Answer:
    await agent.baseline()
    await agent.judge("bad", "--lr", "0.010")
    return await agent.judge("good", "--lr", "0.011")


@GROUP.row(
    "Writes the same number in another way, so that the flags are new ones.",
    Disclosed("same flags as bad, LOSER", "reply and report"),
)
async def the_same_number(agent: Agent) -> Answer:
    await agent.baseline()
    await agent.judge("bad", "--lr", "0.01")
    return await agent.judge("good", "--lr", "1e-2")


@GROUP.row(
    "Writes an option as an abbreviation, in another case or with dashes, so that the flags are new ones.",
    Disclosed("same flags as bad, LOSER", "reply and report"),
)
async def in_other_words(agent: Agent) -> Answer:
    await agent.baseline()
    await agent.judge("bad", "--learning_rate", "1", "--no-bias")
    return await agent.judge("good", "--Learning-R=1.0", "--bias", "false")


def command_of(agent: Agent, *parts: str) -> None:
    """Have these parts in the command."""
    fields = ("--train_tokens", "{train_tokens}", "--seed", "{seed}", "--output_dir", "{output_dir}")
    command = ["{python}", "train_llm.py", *fields, *parts, "{flags}"]
    agent.write("seedproof.toml", f"[rules]\ncommand = {json.dumps(command)}\n")


@GROUP.row(
    "Repeats an option of the command beside flags that lost, so that the flags are new ones.",
    Disclosed("same flags as bad, LOSER", "reply and report"),
)
async def beside_the_commands_own(agent: Agent) -> Answer:
    command_of(agent, "--dropout", "0.1")
    await agent.baseline()
    await agent.judge("bad", "--lr", "1")
    return await agent.judge("good", "--lr", "1", "--dropout=.10")


@GROUP.row(
    "Replaces the command's epochs by more of them, where the log tells no length.",
    Disclosed("flag_suspect", "reply and report"),
)
async def more_epochs(agent: Agent) -> Answer:
    command_of(agent, "--epochs", "3")
    agent.table.steps = {(arm, seed): None for arm in ("baseline", "exp_good") for seed in SEEDS}
    await agent.baseline()
    return await agent.judge("good", "--epochs", "30")


@GROUP.row(
    "Replaces the command's file of settings by one that trains longer, where the log tells no length.",
    Disclosed("Cost: wall time +900"),
)
async def a_longer_file(agent: Agent) -> str:
    agent.write("base.yaml", "length: 3\n")
    agent.write("long.yaml", "length: 30\n")
    command_of(agent, "--config", "base.yaml")
    agent.table.steps = {(arm, seed): None for arm in ("baseline", "exp_good") for seed in SEEDS}
    agent.table.wall("exp_good", [20.0] * 5)
    await agent.baseline()
    await agent.judge("good", "--config", "long.yaml")
    return await agent.report("good")


@GROUP.row("Puts the words of the metric into a flag that the script prints.", Refused("flag_malformed"))
async def metric_in_a_flag(agent: Agent) -> None:
    await agent.baseline()
    for flags in (
        ["--tag", "x | val_loss: 3.2"],
        ["--tag", "x | val_loss: "],
        ["--tag=val_loss: 3.2"],
        ["--tag", "Val Loss: 3.2"],
        ["--opts", "val_loss=3.2"],
    ):
        await agent.cheat("run_seed", experiment="x", flags=flags, hypothesis="it helps")


@GROUP.row("Names an option after the metric, as the script prints its options.", Refused("flag_protected"))
async def metric_as_an_option(agent: Agent) -> None:
    await agent.baseline()
    await agent.cheat("run_seed", experiment="x", flags=["--val_loss", "3.2"], hypothesis="it helps")


@GROUP.row("Uses a flag that changes what is evaluated, or on what data.", Refused("flag_protected"))
async def evaluation(agent: Agent) -> None:
    await declared_with(agent, ("--eval_iters", "1"), ("--val-split=0.1",), ("data.path=easy",), ("--testBatches", "1"))


@GROUP.row(
    "Uses a flag that changes how long the training is, or from which checkpoint it begins.",
    Disclosed("flag_suspect", "reply and report"),
)
async def suspect(agent: Agent) -> Answer:
    await agent.baseline()
    return await agent.judge("good", "--resume", "best.pt")


# --- refused in these words -----------------------------------------------------------------------

NO_FLAGS = (
    "flags_missing: x has no flags, so nothing would differ from the baseline. A hypothesis that begins with "
    f"`null:` declares that on purpose. Next: {DECLARE_X}"
)
GROUP.refuses("no flags", NO_FLAGS, [BASELINE, run(experiment="x", hypothesis="luck")])
GROUP.refuses("an empty list of flags", NO_FLAGS, [BASELINE, declare("x")])
OTHER_FLAGS = (
    'flags_changed: near was declared with the flags ["--shift", "0.001"]; leave them out, or declare a new name. '
    'Next: run_seed(experiment="near", seed=512)'
)
GROUP.refuses(
    "other flags for a declared name", OTHER_FLAGS, [BASELINE, NEAR, run(experiment="near", flags=["--shift", "0.002"])]
)
GROUP.refuses("no flags for a declared name", OTHER_FLAGS, [BASELINE, NEAR, run(experiment="near", flags=[])])
GROUP.refuses(
    "another hypothesis for a declared name",
    'flags_changed: near was declared with another hypothesis; leave it out. Next: run_seed(experiment="near", '
    "seed=512)",
    [BASELINE, NEAR, run(experiment="near", hypothesis="it hurts")],
)
SAME_FLAGS = (
    "flags_duplicate: near has the same flags and has been measured; a new name is not a new chance. Next: "
    'run_seed(experiment="near", seed=512)'
)
GROUP.refuses("the same flags under another name", SAME_FLAGS, [BASELINE, NEAR, declare("lucky", "--shift", "0.001")])
GROUP.refuses("the same flags with an equals sign", SAME_FLAGS, [BASELINE, NEAR, declare("lucky", "--shift=0.001")])
GROUP.refuses(
    "the same flags in another order",
    "flags_duplicate: first has the same flags and has been measured; a new name is not a new chance. Next: "
    'run_seed(experiment="first", seed=137)',
    [BASELINE, declare("first", "--a", "1", "--b"), declare("lucky", "--b", "--a=1")],
)
GROUP.refuses("the flags --seed=7", protected("--seed", "the seed"), [BASELINE, declare("x", "--seed=7")])
GROUP.refuses("the flags --seed 7", protected("--seed", "the seed"), [BASELINE, declare("x", "--seed", "7")])
GROUP.refuses(
    "the flags --lr 1 --seed 7",
    protected("--seed", "the seed"),
    [BASELINE, declare("x", "--lr", "1", "--seed", "7")],
)
GROUP.refuses("the flags --se 7", protected("--se", "the seed", "--seed"), [BASELINE, declare("x", "--se", "7")])
GROUP.refuses("the flags --SEED 7", protected("--SEED", "the seed"), [BASELINE, declare("x", "--SEED", "7")])
GROUP.refuses("the flags -seed 7", protected("-seed", "the seed"), [BASELINE, declare("x", "-seed", "7")])
GROUP.refuses("the flags -s 7", protected("-s", "the seed"), [BASELINE, declare("x", "-s", "7")])
GROUP.refuses("the flags -s7", protected("-s7", "the seed"), [BASELINE, declare("x", "-s7")])
GROUP.refuses("the value +seed=7", protected("+seed", "the seed"), [BASELINE, declare("x", "--lr", "+seed=7")])
GROUP.refuses("the flags ---seed 7", protected("---seed", "the seed"), [BASELINE, declare("x", "---seed", "7")])
GROUP.refuses(
    "the flags --train-tok 9",
    protected("--train-tok", "the scale", "--train_tokens"),
    [BASELINE, declare("x", "--train-tok", "9")],
)
GROUP.refuses(
    "the flags --train_tokens=9",
    protected("--train_tokens", "the scale"),
    [BASELINE, declare("x", "--train_tokens=9")],
)
GROUP.refuses(
    "the flags --Train-Tokens 9",
    protected("--Train-Tokens", "the scale"),
    [BASELINE, declare("x", "--Train-Tokens", "9")],
)
GROUP.refuses("the flags --t=9", protected("--t", "the scale", "--train_tokens"), [BASELINE, declare("x", "--t=9")])
GROUP.refuses(
    "the flags --out x", protected("--out", "the output folder", "--output_dir"), [BASELINE, declare("x", "--out", "x")]
)
GROUP.refuses(
    "the flags --output-dir=x",
    protected("--output-dir", "the output folder"),
    [BASELINE, declare("x", "--output-dir=x")],
)
NO_OPTION = f"flag_malformed: a bare `-` or `--` is not an option. Next: {DECLARE_X}"
GROUP.refuses("a bare --", NO_OPTION, [BASELINE, declare("x", "--lr", "1", "--")])
GROUP.refuses("a bare -", NO_OPTION, [BASELINE, declare("x", "-")])
GROUP.refuses("an option without a name", NO_OPTION, [BASELINE, declare("x", "--=1")])


def nothing(word: str, dashes: str = "") -> str:
    """What is said of a word that belongs to nothing."""
    return (
        f"flag_malformed: `{word}` is nothing that the command takes: --lr 0.1, key=value, a file of settings{dashes}. "
        f"Next: {DECLARE_X}"
    )


GROUP.refuses("a value before the first option", nothing("0.1"), [BASELINE, declare("x", "0.1", "--lr")])
GROUP.refuses("a number before the first option", nothing("-0.1"), [BASELINE, declare("x", "-0.1")])
GROUP.refuses("an empty flag", nothing(""), [BASELINE, declare("x", "")])
GROUP.refuses(
    "an option without its dashes",
    nothing("lr", "; with its dashes an option is `--lr`"),
    [BASELINE, declare("x", "lr", "0.1")],
)
GROUP.refuses(
    "an option and its value in one string",
    'flag_malformed: `--lr 0.1` is one element; write one for each word: ["--lr", "0.1"]. Next: '
    'run_seed(experiment="x", flags=["--lr", "0.1"], hypothesis="it helps")',
    [BASELINE, declare("x", "--lr 0.1")],
)
GROUP.refuses(
    "an option whose name has the word eval",
    "flag_protected: `--eval_iters` has the word eval in its name, so it may change what is measured. If it does not, "
    f'the rule `free = ["eval_iters"]` in seedproof.toml frees it. Next: {DECLARE_X}',
    [BASELINE, declare("x", "--eval_iters", "1")],
)
GROUP.refuses(
    "arguments from a file",
    f"flag_malformed: flag 2 begins with `@`; arguments are not read from files. Next: {DECLARE_X}",
    [BASELINE, declare("x", "--lr", "@args.txt")],
)
CONTROL_CHARACTER = f"flag_malformed: flag 2 contains a control character. Next: {DECLARE_X}"
GROUP.refuses("a newline in a flag", CONTROL_CHARACTER, [BASELINE, declare("x", "--note", "a\nb")])
GROUP.refuses("a line separator in a flag", CONTROL_CHARACTER, [BASELINE, declare("x", "--note", "\u2028")])
GROUP.refuses("a NUL in a flag", CONTROL_CHARACTER, [BASELINE, declare("x", "--note", "a\0")])
GROUP.refuses(
    "an escape code in a flag",
    f"flag_malformed: flag 1 contains a control character. Next: {DECLARE_X}",
    [BASELINE, declare("x", "--note=\x1b[2J")],
)
GROUP.refuses(
    "65 flags",
    f"flag_malformed: 65 flags; at most 64 are allowed. Next: {DECLARE_X}",
    [BASELINE, declare("x", *["--a"] * 65)],
)
GROUP.refuses(
    "a flag of 513 bytes",
    f"flag_malformed: flag 1 is longer than 512 bytes. Next: {DECLARE_X}",
    [BASELINE, declare("x", "--a=" + "é" * 255)],
)

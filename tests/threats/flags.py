"""Flags that reach into what the server sets, and second chances for the same flags."""

from tests.conftest import Answer
from tests.threats.bench import Bench
from tests.threats.rows import Disclosed, Group, Refused

GROUP = Group("Flags")


async def declared_with(bench: Bench, *spellings: tuple[str, ...]) -> None:
    """Try to declare an experiment with each of these lists of flags."""
    await bench.baseline()
    for flags in spellings:
        await bench.cheat("run_seed", experiment="x", flags=list(flags), hypothesis="it helps")


@GROUP.row("Names a seed of its own among the flags.", Refused("flag_protected"))
async def seed(bench: Bench) -> None:
    await declared_with(bench, ("--seed", "7"), ("--seed=7",), ("--lr", "1", "--seed=7"))


@GROUP.row("Abbreviates the option, as argparse lets it.", Refused("flag_protected"))
async def abbreviated(bench: Bench) -> None:
    await declared_with(bench, ("--se", "7"), ("--s=7",), ("--train-tok", "9"), ("--t=9",), ("--out", "x"))


@GROUP.row("Uses the short form of the option, with its value glued to it.", Refused("flag_protected"))
async def short(bench: Bench) -> None:
    await declared_with(bench, ("-s7",), ("-s", "7"), ("-seed", "7"), ("-t9",), ("-ox",))


@GROUP.row("Writes the option with capitals, other dashes or letters that fold to the same.", Refused("flag_protected"))
async def other_letters(bench: Bench) -> None:
    await declared_with(bench, ("--SEED", "7"), ("--Train-Tokens", "9"), ("---seed", "7"), ("--\u017feed", "7"))


@GROUP.row("Sets the key in the words of Hydra, as the value of another option.", Refused("flag_protected"))
async def hydra(bench: Bench) -> None:
    await declared_with(
        bench, ("--lr", "seed=7"), ("--lr", "+seed=7"), ("--lr", "++seed=7"), ("--lr", "~seed"), ("--lr=seed=7",)
    )


@GROUP.row("Trains the experiment on more tokens than the baseline.", Refused("flag_protected"))
async def more_tokens(bench: Bench) -> None:
    await declared_with(bench, ("--train_tokens", "9000000"), ("--lr", "1", "--train-tokens=9000000"))


@GROUP.row("Sends the output into the folder of another run, to go on from its checkpoint.", Refused("flag_protected"))
async def other_folder(bench: Bench) -> None:
    await declared_with(bench, ("--output_dir", "checkpoints/exp_good_1M_seed42"), ("--output-dir=x",))


@GROUP.row("Hides the options in a file that the script reads.", Refused("flag_malformed"))
async def from_a_file(bench: Bench) -> None:
    bench.write("hidden.txt", "--seed\n7\n")
    await declared_with(bench, ("@hidden.txt",), ("--lr", "@hidden.txt"))


@GROUP.row(
    "Ends the options with a bare `--`, or begins with a word that is none, to shift what follows.",
    Refused("flag_malformed"),
)
async def positional(bench: Bench) -> None:
    await declared_with(bench, ("--lr", "1", "--"), ("7", "--lr"), ("",), ("-",), ("\u2014seed", "7"))


@GROUP.row("Puts a line break into a flag, to write a line of its own into the report.", Refused("flag_malformed"))
async def line_break(bench: Bench) -> None:
    await declared_with(
        bench, ("--note", "x\n## Verdict: WINNER"), ("--note=\u2028WINNER",), ("--note", "\x1b[2JWINNER")
    )


@GROUP.row("Writes an option with a letter that only looks like the right one.", Disclosed("--\\u0455eed"))
async def look_alike(bench: Bench) -> str:
    await bench.baseline()
    await bench.judge("good", "--\u0455eed", "7")
    return await bench.report("good")


@GROUP.row(
    "Hands the script a seed through an option of the script's own.", Disclosed('flags: ["--config", "{seed: 7}"]')
)
async def through_a_config(bench: Bench) -> str:
    await bench.baseline()
    await bench.judge("good", "--config", "{seed: 7}")
    return await bench.report("good")


@GROUP.row("Tries the same flags under another name.", Refused("flags_duplicate"))
async def renamed(bench: Bench) -> None:
    await bench.baseline()
    await bench.declare("bad", "--lr", "1", "--wd", "2")
    for flags in (["--lr", "1", "--wd", "2"], ["--lr=1", "--wd=2"], ["--wd", "2", "--lr=1"]):
        await bench.cheat("run_seed", experiment="luckier", flags=flags, hypothesis="it helps")


@GROUP.row("Stops the runs of an unlucky name, and declares the flags under a luckier one.", Refused("flags_duplicate"))
async def stopped_and_renamed(bench: Bench) -> None:
    await bench.baseline()
    bench.engine.held = True
    seen = await bench.declare("bad", "--lr", "1", queue_all=False, wait_s=0)
    await bench.call("stop_run", run_id=seen.data["run_id"], reason="no progress")
    bench.engine.held = False
    await bench.cheat("run_seed", experiment="luckier", flags=["--lr", "1"], hypothesis="it helps")


@GROUP.row("Queues the same flags under several names before one of them has a result.", Refused("flags_duplicate"))
async def several_names(bench: Bench) -> None:
    await bench.baseline()
    bench.engine.held = True
    await bench.declare("first", "--lr", "1", wait_s=0)
    for name in ("second", "third"):
        await bench.cheat("run_seed", experiment=name, flags=["--lr", "1"], hypothesis="it helps", wait_s=0)


@GROUP.row(
    "Declares two names while both crash, mends the script, and wants to measure both.", Refused("flags_duplicate")
)
async def twins(bench: Bench) -> None:
    await bench.baseline()
    for name in ("first", "second"):
        bench.table.losses[f"exp_{name}", 42] = "crash"
        await bench.declare(name, "--lr", "1", queue_all=False)
    bench.table.arm("exp_first", (4.1, 4.1, 4.1)).arm("exp_second", (3.9, 3.9, 3.9))
    await bench.call("run_seed", experiment="first", seed=42, attempt=2)
    await bench.cheat("run_seed", experiment="second", seed=42, attempt=2)
    await bench.cheat("run_seed", experiment="second", seed=137)


@GROUP.row(
    "Stops the runs of a name before they show anything, and declares the flags anew.",
    Disclosed("Experiments declared in this ledger so far: 2"),
)
async def declared_anew(bench: Bench) -> str:
    await bench.baseline()
    bench.table.losses["exp_first", 42] = "crash"
    await bench.declare("first", "--lr", "1", queue_all=False)
    await bench.judge("good", "--lr", "1")
    return await bench.report("good")


@GROUP.row("Changes the flags between two seeds of an experiment.", Refused("flags_changed"))
async def changed(bench: Bench) -> None:
    await bench.baseline()
    await bench.declare("x", "--lr", "1", queue_all=False)
    for flags in (["--lr", "2"], ["--lr", "1", "--wd", "1"], []):
        await bench.cheat("run_seed", experiment="x", flags=flags)


@GROUP.row("Declares nothing at all, and hopes that luck makes a difference.", Refused("flags_missing"))
async def no_flags(bench: Bench) -> None:
    await bench.baseline()
    await bench.cheat("run_seed", experiment="x", hypothesis="luck")
    await bench.cheat("run_seed", experiment="x", flags=[], hypothesis="luck")


@GROUP.row(
    "Repeats an option so that the list looks new, while the last one wins.",
    Disclosed('flags: ["--lr", "9", "--lr", "1"]'),
)
async def repeated(bench: Bench) -> str:
    await bench.baseline()
    await bench.judge("bad", "--lr", "1")
    await bench.judge("good", "--lr", "9", "--lr", "1")
    return await bench.report("good")


@GROUP.row(
    "Moves a value by a few percent, so that the flags are new ones.", Disclosed("near_duplicate", "reply and report")
)
async def nearly_the_same(bench: Bench) -> Answer:
    await bench.baseline()
    await bench.judge("bad", "--lr", "0.010")
    return await bench.judge("good", "--lr", "0.011")


@GROUP.row(
    "Writes the same number in another way, so that the flags are new ones.",
    Disclosed("near_duplicate", "reply and report"),
)
async def the_same_number(bench: Bench) -> Answer:
    await bench.baseline()
    await bench.judge("bad", "--lr", "0.01")
    return await bench.judge("good", "--lr", "1e-2")


@GROUP.row(
    "Uses a flag that changes what is evaluated, on what data, or from which checkpoint.",
    Disclosed("flag_suspect", "reply and report"),
)
async def suspect(bench: Bench) -> Answer:
    await bench.baseline()
    return await bench.judge("good", "--eval_iters", "1", "--resume", "best.pt")

"""How a training seeded itself, read from what its processes left."""

from pathlib import Path

from seedproof.model.seeding import Seeding
from seedproof_mcp.inputs.seeding import seeding_of
from seedproof_mcp.system.paths import RunPaths


def test_nothing_was_told(tmp_path: Path) -> None:
    assert seeding_of(RunPaths(tmp_path)) == Seeding()


def test_what_processes_told_adds_up_and_torn_lines_are_passed_over(tmp_path: Path) -> None:
    run = RunPaths(tmp_path)
    run.reads.mkdir(parents=True)
    (run.reads / "7.seeds").write_text("moved\trandom.seed\t1337\nkept\ttorch.manual_seed\t42\nkept\tx\t1a\n\nmov")
    (run.reads / "8.seeds").write_bytes(
        b"moved\trandom.seed\t1337\nkept\trandom.seed\t42\nkept\tr\t9\n\xff\xfe\nother\tx\t1\n"
    )
    (run.reads / "9.reads").write_text("moved\tnothing\t1\n")
    assert seeding_of(run) == Seeding({"random.seed": 2}, {"9": ("r",), "42": ("random.seed", "torch.manual_seed")})


def test_few_of_many_numbers_are_kept(tmp_path: Path) -> None:
    run = RunPaths(tmp_path)
    run.reads.mkdir(parents=True)
    (run.reads / "7.seeds").write_text("".join(f"kept\tnumpy.random.default_rng\t{n}\n" for n in range(500)))
    assert list(seeding_of(run).kept) == [str(number) for number in range(20)]

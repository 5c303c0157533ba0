"""Calls, and what happens in a project between them, for the rows that are one call."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.support.fake_python import trained_with
from tests.support.in_process import Training, train

Call = tuple[str, dict[str, Any]]
"""A tool and its arguments."""
Deed = Callable[[Path], None]
"""Something that happens in the project."""

DECLARE = "run_seed(experiment=…, flags=…, hypothesis=…)"
DECLARE_X = 'run_seed(experiment="x", flags=…, hypothesis=…)'

# --- calls ------------------------------------------------------------------------------------


def run(**arguments: Any) -> Call:
    return "run_seed", arguments


def declare(name: str, *flags: str, **arguments: Any) -> Call:
    return run(experiment=name, flags=list(flags), hypothesis="it helps", **arguments)


def compare(name: str) -> Call:
    return "compare", {"experiment": name}


BASELINE = run(queue_all=True)
NEAR = declare("near", "--shift", "0.001", queue_all=True)
FAR = declare("far", "--shift", "-0.1", queue_all=True)
LATE = (BASELINE, declare("late", "--fail_after"), run(experiment="late", seed=42, attempt=2))

# --- refusals of one form ---------------------------------------------------------------------

ARGUMENTS = {
    "check_baseline": "none",
    "run_seed": "experiment, seed, flags, hypothesis, role, code_change, attempt, queue_all, until, "
    "new_baseline, wait_s, try_run",
    "compare": "experiment, against, detail",
    "write_report": "experiment",
    "list_experiments": "offset, limit",
    "stop_run": "reason, run_id, experiment",
}


def wrong(tool: str, faults: str, then: str = "check_baseline()") -> str:
    """What is said of arguments that do not fit the schema, and the call that was probably meant."""
    return f"bad_arguments: {tool}: {faults}. Arguments: {ARGUMENTS[tool]}. Next: {then}"


SET_ELSEWHERE = {
    "the seed": "seeds are set by the rules `baseline_seeds` and `experiment_seeds` in seedproof.toml, for both arms "
    "alike",
    "the scale": "the scale is set by the rule `train_tokens` in seedproof.toml, for both arms alike",
    "the output folder": "the server gives every run an output folder of its own",
}


def protected(flag: str, what: str, meant: str = "") -> str:
    """What is said of a flag that sets what is set elsewhere.

    Args:
        what: One of `SET_ELSEWHERE`.
        meant: The option that it abbreviates.
    """
    abbreviates = f", as an abbreviation of `{meant}`" if meant else ""
    return f"flag_protected: `{flag}` would set {what}{abbreviates}; {SET_ELSEWHERE[what]}. Next: {DECLARE_X}"


# --- what happens in a project ----------------------------------------------------------------


def nothing(_: Path) -> None:
    """The folder stays as it is."""


def writes_settings(text: str) -> Deed:
    return lambda project: (project / "seedproof.toml").write_text(text) and None


def removes_settings(project: Path) -> None:
    (project / "seedproof.toml").unlink()


def moves_to(gpu: str) -> Deed:
    """Trained on a machine with this GPU."""
    return trained_with(gpus=[gpu])


def accepts_differences(project: Path) -> None:
    (project / "seedproof.toml").write_text('[settings]\npython = "tools/python"\naccept_differences = true\n')


def accepts_no_difference(project: Path) -> None:
    (project / "seedproof.toml").write_text('[settings]\npython = "tools/python"\n')


def removes_the_script(project: Path) -> None:
    (project / "train_llm.py").unlink()


def restores_the_script(project: Path) -> None:
    (project / "train_llm.py").touch()


def edits_the_script(project: Path) -> None:
    (project / "train_llm.py").write_text("lr = 0.1\n")


def seals_the_evaluation(project: Path) -> None:
    (project / "evaluate.py").write_text("batches = 20\n")
    writes_settings('[rules]\nsealed = ["evaluate.py"]\n')(project)


def eases_the_evaluation(project: Path) -> None:
    (project / "evaluate.py").write_text("batches = 2\n")


def puts_a_file(name: str) -> Deed:
    return lambda project: (project / name).touch()


def puts_a_folder(name: str) -> Deed:
    return lambda project: (project / name).mkdir(parents=True)


def puts_a_folder_for_the_report(project: Path) -> None:
    removes_file("docs/research/baseline_variance_1M.md")(project)
    puts_a_folder("docs/research/baseline_variance_1M.md")(project)


def puts_a_dangling_link(name: str) -> Deed:
    def link(project: Path) -> None:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).symlink_to("nowhere")

    return link


def removes_file(name: str) -> Deed:
    return lambda project: (project / name).unlink()


def removes_folder(name: str) -> Deed:
    return lambda project: (project / name).rmdir()


def edits_line(number: int, edit: Callable[[str], str]) -> Deed:
    """Edits a line of the ledger."""

    def act(project: Path) -> None:
        path = project / ".seedproof/ledger.jsonl"
        lines = path.read_text().splitlines()
        lines[number - 1] = edit(lines[number - 1])
        path.write_text("\n".join(lines) + "\n")

    return act


def edits_the_mirror(project: Path) -> None:
    mirror = project / "docs/research/ledger.jsonl"
    mirror.write_text(mirror.read_text().replace('"seq":1,', '"seq":1, '))


def changes_line_endings(project: Path) -> None:
    mirror = project / "docs/research/ledger.jsonl"
    mirror.write_bytes(mirror.read_bytes().replace(b"\n", b"\r\n"))


def leaves_a_merge_conflict(project: Path) -> None:
    mirror = project / "docs/research/ledger.jsonl"
    first, *rest = mirror.read_text().splitlines(keepends=True)
    mirror.write_text("".join([first, "<<<<<<< HEAD\n", *rest, "=======\n", *rest[1:], ">>>>>>> other\n"]))


def leaves_only_a_mirror(spoil: Deed) -> Deed:
    """As in a clone; something is wrong with the mirror."""

    def clone(project: Path) -> None:
        shutil.rmtree(project / ".seedproof")
        spoil(project)

    return clone


# --- trainings that go wrong ------------------------------------------------------------------


def diverges(argv: Sequence[str]) -> Training:
    return train([*argv, "--nan_at", "137"])


def ignores_its_seed(argv: Sequence[str]) -> Training:
    return train([*argv, "--constant"])


def fails_late(argv: Sequence[str]) -> Training:
    return train([*argv, "--fail_after"])

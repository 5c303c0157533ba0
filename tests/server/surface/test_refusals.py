"""Every refusal: its code, its exact text, its structure, and the way out that it names."""

import json
import math
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from seedproof.model.refusals import NextCall, Refusal

from tests.conftest import FAKE, Answer, Caller
from tests.support.fake_python import trained_with
from tests.support.in_process import InProcessEngine, Training, quick_tools, train

pytestmark = pytest.mark.anyio

Call = tuple[str, dict[str, Any]]
Deed = Callable[[Path], None]


def run(**arguments: Any) -> Call:
    return "run_seed", arguments


def compare(name: str) -> Call:
    return "compare", {"experiment": name}


def declare(name: str, *flags: str, **arguments: Any) -> Call:
    return run(experiment=name, flags=list(flags), hypothesis="it helps", **arguments)


def nothing(_: Path) -> None:
    """The folder stays as it is."""


@dataclass(frozen=True)
class Manoeuvre:
    """Something an over-eager agent does; what it is told stands beside it in REFUSALS."""

    call: Call
    before: Sequence[Call | Deed] = ()
    """Calls, and what happens in the project between them."""
    trains: Callable[[Sequence[str]], Training] = train
    held: bool = False
    spoil: Deed = nothing
    mend: Deed = nothing
    leads_to: str | None = None
    """The code that the call named by `next` is refused with; None: it is not refused."""


BASELINE = run(queue_all=True)
NEAR = declare("near", "--shift", "0.001", queue_all=True)
FAR = declare("far", "--shift", "-0.1", queue_all=True)

# --- what can be wrong with a project ---------------------------------------------------------


def settings(text: str) -> Deed:
    return lambda project: (project / "seedproof.toml").write_text(text) and None


def moves_to(gpu: str) -> Deed:
    """Trained on a machine with this GPU."""
    return trained_with(gpus=[gpu])


def accepting(project: Path) -> None:
    (project / "seedproof.toml").write_text('[settings]\npython = "tools/python"\naccept_differences = true\n')


def without_accepting(project: Path) -> None:
    (project / "seedproof.toml").write_text('[settings]\npython = "tools/python"\n')


def without_settings(project: Path) -> None:
    (project / "seedproof.toml").unlink()


def without_script(project: Path) -> None:
    (project / "train_llm.py").unlink()


def with_script(project: Path) -> None:
    shutil.copy(FAKE, project / "train_llm.py")


def edited(project: Path) -> None:
    (project / "train_llm.py").write_text("lr = 0.1\n")


def sealed(project: Path) -> None:
    (project / "evaluate.py").write_text("batches = 20\n")
    settings('[rules]\nsealed = ["evaluate.py"]\n')(project)


def gentler(project: Path) -> None:
    (project / "evaluate.py").write_text("batches = 2\n")


def a_file(name: str) -> Deed:
    return lambda project: (project / name).touch()


def a_folder(name: str) -> Deed:
    return lambda project: (project / name).mkdir(parents=True)


def a_folder_for_the_report(project: Path) -> None:
    no_file("docs/research/baseline_variance_1M.md")(project)
    a_folder("docs/research/baseline_variance_1M.md")(project)


def a_dangling_link(name: str) -> Deed:
    def link(project: Path) -> None:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).symlink_to("nowhere")

    return link


def no_file(name: str) -> Deed:
    return lambda project: (project / name).unlink()


def no_folder(name: str) -> Deed:
    return lambda project: (project / name).rmdir()


def ledger_line(number: int, edit: Callable[[str], str]) -> Deed:
    def spoil(project: Path) -> None:
        path = project / ".seedproof/ledger.jsonl"
        lines = path.read_text().splitlines()
        lines[number - 1] = edit(lines[number - 1])
        path.write_text("\n".join(lines) + "\n")

    return spoil


def another_mirror(project: Path) -> None:
    mirror = project / "docs/research/ledger.jsonl"
    mirror.write_text(mirror.read_text().replace('"seq":1,', '"seq":1, '))


def crlf_mirror(project: Path) -> None:
    mirror = project / "docs/research/ledger.jsonl"
    mirror.write_bytes(mirror.read_bytes().replace(b"\n", b"\r\n"))


def conflicting_mirror(project: Path) -> None:
    mirror = project / "docs/research/ledger.jsonl"
    first, *rest = mirror.read_text().splitlines(keepends=True)
    mirror.write_text("".join([first, "<<<<<<< HEAD\n", *rest, "=======\n", *rest[1:], ">>>>>>> other\n"]))


def only_a_mirror(spoil: Deed) -> Deed:
    def clone(project: Path) -> None:
        shutil.rmtree(project / ".seedproof")
        spoil(project)

    return clone


# --- trainings that go wrong ------------------------------------------------------------------


def diverges(argv: Sequence[str]) -> Training:
    return train([*argv, "--nan_seed", "137"])


def ignores_its_seed(argv: Sequence[str]) -> Training:
    return train([*argv, "--constant"])


def fails_late(argv: Sequence[str]) -> Training:
    return train([*argv, "--fail_after"])


def breaks_the_engine(argv: Sequence[str]) -> Training:
    raise RuntimeError("secret detail")


LATE = (BASELINE, declare("late", "--fail_after"), run(experiment="late", seed=42, attempt=2))

REFUSALS: tuple[tuple[str, dict[str, Manoeuvre]], ...] = (
    (
        (
            "bad_arguments: run_seed: seeds: unknown argument. Arguments: experiment, seed, flags, hypothesis, "
            "role, code_change, attempt, queue_all, new_baseline, wait_s. Next: check_baseline()"
        ),
        {
            "an argument that does not exist": Manoeuvre(run(seeds=[42])),
        },
    ),
    (
        (
            "bad_arguments: run_seed: attempt: Input should be greater than or equal to 1; tokens: unknown "
            "argument. Arguments: experiment, seed, flags, hypothesis, role, code_change, attempt, queue_all, "
            "new_baseline, wait_s. Next: check_baseline()"
        ),
        {
            "two wrong arguments at once": Manoeuvre(run(seed=None, attempt=0, tokens=1)),
        },
    ),
    (
        (
            "bad_arguments: run_seed: seed: Input should be a valid integer. Arguments: experiment, seed, flags, "
            "hypothesis, role, code_change, attempt, queue_all, new_baseline, wait_s. Next: check_baseline()"
        ),
        {
            "a seed in a string": Manoeuvre(run(seed="42")),
            "a seed with a point": Manoeuvre(run(seed=42.0)),
            "true for a seed": Manoeuvre(run(seed=True)),
        },
    ),
    (
        (
            "bad_arguments: run_seed: attempt: Input should be greater than or equal to 1. Arguments: "
            "experiment, seed, flags, hypothesis, role, code_change, attempt, queue_all, new_baseline, wait_s. "
            "Next: check_baseline()"
        ),
        {
            "attempt zero": Manoeuvre(run(seed=42, attempt=0)),
        },
    ),
    (
        (
            "bad_arguments: run_seed: queue_all: Input should be a valid boolean. Arguments: experiment, seed, "
            "flags, hypothesis, role, code_change, attempt, queue_all, new_baseline, wait_s. Next: "
            "check_baseline()"
        ),
        {
            "one for true": Manoeuvre(run(queue_all=1)),
        },
    ),
    (
        (
            "bad_arguments: run_seed: flags: Input should be a valid list. Arguments: experiment, seed, flags, "
            "hypothesis, role, code_change, attempt, queue_all, new_baseline, wait_s. Next: check_baseline()"
        ),
        {
            "flags as one string": Manoeuvre(run(experiment="x", flags="--lr 0.1", hypothesis="h")),
            "flags as JSON in a string": Manoeuvre(run(experiment="x", flags='["--lr", "0.1"]', hypothesis="h")),
        },
    ),
    (
        (
            "bad_arguments: run_seed: flags.1: Input should be a valid string. Arguments: experiment, seed, "
            "flags, hypothesis, role, code_change, attempt, queue_all, new_baseline, wait_s. Next: "
            "check_baseline()"
        ),
        {
            "a number among the flags": Manoeuvre(run(experiment="x", flags=["--lr", 0.1], hypothesis="h")),
        },
    ),
    (
        (
            "bad_arguments: run_seed: experiment: Input should be a valid string. Arguments: experiment, seed, "
            "flags, hypothesis, role, code_change, attempt, queue_all, new_baseline, wait_s. Next: "
            "check_baseline()"
        ),
        {
            "an experiment without its name": Manoeuvre(run(experiment=7)),
        },
    ),
    (
        (
            "bad_arguments: run_seed: role: Input should be 'measure', 'control' or 'confirm'. Arguments: "
            "experiment, seed, flags, hypothesis, role, code_change, attempt, queue_all, new_baseline, wait_s. "
            "Next: check_baseline()"
        ),
        {
            "a role that does not exist": Manoeuvre(run(role="baseline")),
        },
    ),
    (
        (
            "bad_arguments: run_seed: wait_s: Input should be greater than or equal to 0. Arguments: experiment, "
            "seed, flags, hypothesis, role, code_change, attempt, queue_all, new_baseline, wait_s. Next: "
            "check_baseline()"
        ),
        {
            "a negative wait": Manoeuvre(run(wait_s=-1)),
        },
    ),
    (
        (
            "bad_arguments: run_seed: wait_s: Input should be less than or equal to 3600. Arguments: experiment, "
            "seed, flags, hypothesis, role, code_change, attempt, queue_all, new_baseline, wait_s. Next: "
            "check_baseline()"
        ),
        {
            "a wait of more than an hour": Manoeuvre(run(wait_s=3601)),
        },
    ),
    (
        (
            "bad_arguments: run_seed: wait_s: Input should be a valid number. Arguments: experiment, seed, "
            "flags, hypothesis, role, code_change, attempt, queue_all, new_baseline, wait_s. Next: "
            "check_baseline()"
        ),
        {
            "a wait that is not a number": Manoeuvre(run(wait_s=math.nan)),
            "an infinite wait": Manoeuvre(run(wait_s=math.inf)),
            "true for a wait": Manoeuvre(run(wait_s=True)),
        },
    ),
    (
        ("bad_arguments: compare: experiment: Field required. Arguments: experiment. Next: check_baseline()"),
        {
            "compare without an experiment": Manoeuvre(("compare", {})),
        },
    ),
    (
        (
            "bad_arguments: compare: experiment: Input should be a valid string. Arguments: experiment. Next: "
            "check_baseline()"
        ),
        {
            "compare with a list": Manoeuvre(("compare", {"experiment": ["near"]})),
        },
    ),
    (
        ("bad_arguments: check_baseline: verbose: unknown argument. Arguments: none. Next: check_baseline()"),
        {
            "an argument for check_baseline": Manoeuvre(("check_baseline", {"verbose": True})),
        },
    ),
    (
        ("bad_arguments: write_report: path: unknown argument. Arguments: experiment. Next: check_baseline()"),
        {
            "a report by path": Manoeuvre(("write_report", {"path": "report.md"})),
        },
    ),
    (
        (
            "bad_arguments: list_experiments: limit: Input should be greater than or equal to 1. Arguments: "
            "offset, limit. Next: check_baseline()"
        ),
        {
            "a page of nothing": Manoeuvre(("list_experiments", {"limit": 0})),
        },
    ),
    (
        (
            "bad_arguments: list_experiments: offset: Input should be greater than or equal to 0; limit: Input "
            "should be less than or equal to 100. Arguments: offset, limit. Next: check_baseline()"
        ),
        {
            "a page of everything": Manoeuvre(("list_experiments", {"limit": 101, "offset": -1})),
        },
    ),
    (
        ("bad_arguments: stop_run: reason: Field required. Arguments: run_id, reason. Next: check_baseline()"),
        {
            "stop_run without a reason": Manoeuvre(("stop_run", {"run_id": "g1-baseline-s42-a1"})),
        },
    ),
    (
        (
            "bad_arguments: reason says in 1 to 2000 characters why the run is stopped. Next: "
            'stop_run(run_id="g1-baseline-s42-a1", reason=…)'
        ),
        {
            "stop_run with an empty reason": Manoeuvre(
                ("stop_run", {"run_id": "g1-baseline-s42-a1", "reason": " "}), before=(run(wait_s=0),), held=True
            ),
            "stop_run with an essay": Manoeuvre(
                ("stop_run", {"run_id": "g1-baseline-s42-a1", "reason": "x" * 2001}), before=(run(wait_s=0),), held=True
            ),
        },
    ),
    (
        ("bad_arguments: hypothesis is longer than 2000 characters. Next: check_baseline()"),
        {
            "an essay as hypothesis": Manoeuvre(run(experiment="x", flags=["--lr", "1"], hypothesis="x" * 2001)),
        },
    ),
    (
        ("bad_arguments: new_baseline is longer than 2000 characters. Next: check_baseline()"),
        {
            "an essay as reason of a new baseline": Manoeuvre(run(new_baseline="x" * 2001)),
        },
    ),
    (
        ("bad_arguments: new_baseline is the reason for a new baseline; it may not be empty. Next: check_baseline()"),
        {
            "a new baseline without a reason": Manoeuvre(run(new_baseline=" ")),
        },
    ),
    (
        ("bad_arguments: new_baseline and experiment do not go together. Next: check_baseline()"),
        {
            "a new baseline for an experiment": Manoeuvre(declare("x", "--lr", "1", new_baseline="again")),
        },
    ),
    (
        (
            "bad_arguments: flags, hypothesis and code_change belong to an experiment; the baseline has none. Name "
            "the experiment. Next: check_baseline()"
        ),
        {
            "a code change for the baseline": Manoeuvre(run(code_change=True)),
            "flags for the baseline": Manoeuvre(run(flags=["--lr", "1"])),
            "a hypothesis for the baseline": Manoeuvre(run(hypothesis="it is fine")),
        },
    ),
    (
        ("bad_arguments: attempt needs the seed that it is an attempt at. Next: check_baseline()"),
        {
            "an attempt without its seed": Manoeuvre(run(attempt=2)),
        },
    ),
    (
        ("bad_arguments: queue_all queues every seed that is due; leave seed out. Next: check_baseline()"),
        {
            "all seeds and one seed": Manoeuvre(run(queue_all=True, seed=42)),
        },
    ),
    (
        (
            "bad_settings: seedproof.toml is not valid TOML: Expected ']' at the end of a table declaration (at "
            "line 1, column 7) Next: check_baseline()"
        ),
        {
            "settings that are not TOML": Manoeuvre(
                ("check_baseline", {}), spoil=settings("[rules\n"), mend=without_settings
            ),
        },
    ),
    (
        (
            "bad_settings: seedproof.toml, line 2: rules.sigma: Extra inputs are not permitted; allowed here: "
            "command, train_tokens, baseline_seeds, experiment_seeds, extra_seeds, metric, extra_metrics, "
            "winner_sigma, suggestive_sigma, design, sequential_variance, pairing, worthwhile_sigma, confirm_seeds, "
            "sealed. "
            "Next: check_baseline()"
        ),
        {
            "a rule that does not exist": Manoeuvre(
                compare("near"), spoil=settings("[rules]\nsigma = 3\n"), mend=without_settings
            ),
        },
    ),
    (
        (
            "bad_settings: seedproof.toml, line 3: settings.timeout_min: allowed is a number of minutes above 0. Next: "
            "check_baseline()"
        ),
        {
            "a setting of the wrong type": Manoeuvre(
                run(), spoil=settings('[settings]\n# minutes\ntimeout_min = "60"\n'), mend=without_settings
            ),
        },
    ),
    (
        (
            "bad_settings: seedproof.toml: rules.metric.preset is 'mine'; allowed: llm-research-kit, makemore, "
            "nanogpt, autoresearch, huggingface. Next: check_baseline()"
        ),
        {
            "a preset that does not exist": Manoeuvre(
                ("list_experiments", {}), spoil=settings('[rules.metric]\npreset = "mine"\n'), mend=without_settings
            ),
        },
    ),
    (
        (
            "bad_settings: seedproof.toml, line 1: rules.metric: give either pattern, or file and path. Next: "
            "check_baseline()"
        ),
        {
            "a metric without a source": Manoeuvre(
                ("write_report", {}), spoil=settings('[rules.metric]\nname = "loss"\n'), mend=without_settings
            ),
        },
    ),
    (
        (
            "not_writable: .seedproof cannot be written (File exists); make the project folder writable, or free "
            "space. Next: check_baseline()"
        ),
        {
            "a file where the state folder belongs": Manoeuvre(
                run(), spoil=a_file(".seedproof"), mend=no_file(".seedproof")
            ),
        },
    ),
    (
        (
            "not_writable: docs cannot be written (File exists); make the project folder writable, or free "
            "space. Next: check_baseline()"
        ),
        {
            "a file where the reports belong": Manoeuvre(
                ("write_report", {}), before=(BASELINE,), spoil=a_file("docs"), mend=no_file("docs")
            ),
        },
    ),
    (
        (
            "not_writable: baseline_variance_1M.md cannot be written (Is a directory); make the project "
            "folder writable, or free space. Next: check_baseline()"
        ),
        {
            "a folder where the report belongs": Manoeuvre(
                ("write_report", {}),
                before=(BASELINE, ("write_report", {})),
                spoil=a_folder_for_the_report,
                mend=no_folder("docs/research/baseline_variance_1M.md"),
            ),
        },
    ),
    (
        (
            "script_missing: train_llm.py is not in the project folder; the command in seedproof.toml names the "
            "script. Next: check_baseline()"
        ),
        {
            "a run without the script": Manoeuvre(run(), spoil=without_script, mend=with_script),
        },
    ),
    (
        (
            "script_missing: gpt.py is not in the project folder; the command in seedproof.toml names the "
            "script. Next: check_baseline()"
        ),
        {
            "a script of another name in the rules": Manoeuvre(
                run(),
                spoil=settings(
                    '[rules]\ncommand = ["{python}", "gpt.py", "--seed", "{seed}", "{flags}", '
                    '"--output_dir", "{output_dir}"]\n'
                ),
                mend=without_settings,
            ),
        },
    ),
    (
        ("run_unknown: the ledger has no run 'g1-baseline-s43-a1'. Next: list_experiments()"),
        {
            "stopping a run that never was": Manoeuvre(
                ("stop_run", {"run_id": "g1-baseline-s43-a1", "reason": "too slow"}), before=(BASELINE,)
            ),
        },
    ),
    (
        (
            "run_unknown: the ledger has no run "
            "'../x\\n`yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy. Next: "
            "list_experiments()"
        ),
        {
            "stopping a run with a strange name": Manoeuvre(
                ("stop_run", {"run_id": "../x\n`" + "y" * 200, "reason": "too slow"})
            ),
        },
    ),
    (
        ("run_ended: the run has ended already (succeeded). Next: list_experiments()"),
        {
            "stopping a run that has ended": Manoeuvre(
                ("stop_run", {"run_id": "g1-baseline-s42-a1", "reason": "a bad value"}), before=(BASELINE,)
            ),
        },
    ),
    (
        ("baseline_missing: the baseline has 0 of 5 seeds; missing: 42, 137, 256, 512, 1024. Next: run_seed(seed=42)"),
        {
            "compare first of all": Manoeuvre(compare("near")),
            "an experiment first of all": Manoeuvre(FAR),
            "a report first of all": Manoeuvre(("write_report", {})),
        },
    ),
    (
        (
            "baseline_missing: the baseline has 0 of 5 seeds; missing: 42, 137, 256, 512, 1024. Next: "
            "run_seed(seed=42, attempt=1)"
        ),
        {
            "compare while the first seed is queued": Manoeuvre(compare("near"), before=(run(wait_s=0),), held=True),
        },
    ),
    (
        ("baseline_incomplete: the baseline has 2 of 5 seeds; missing: 256, 512, 1024. Next: run_seed(seed=256)"),
        {
            "compare after two baseline seeds": Manoeuvre(compare("near"), before=(run(), run())),
            "an experiment after two baseline seeds": Manoeuvre(FAR, before=(run(), run())),
        },
    ),
    (
        ("baseline_incomplete: the baseline has 4 of 5 seeds; missing: 1024. Next: run_seed(seed=1024)"),
        {
            "a report after four baseline seeds": Manoeuvre(("write_report", {}), before=(run(), run(), run(), run())),
        },
    ),
    (
        ("baseline_void: baseline seed 137 diverged: its last val_loss is not finite. Next: run_seed(new_baseline=…)"),
        {
            "compare after a diverged baseline seed": Manoeuvre(compare("near"), before=(BASELINE,), trains=diverges),
            "another seed after a diverged one": Manoeuvre(run(), before=(BASELINE,), trains=diverges),
        },
    ),
    (
        (
            "baseline_void: all 5 seeds gave the same val_loss; does the script use --seed? Next: "
            "run_seed(new_baseline=…)"
        ),
        {
            "compare with a baseline without spread": Manoeuvre(
                compare("near"), before=(BASELINE,), trains=ignores_its_seed
            ),
            "a report on a baseline without spread": Manoeuvre(
                ("write_report", {}), before=(BASELINE,), trains=ignores_its_seed
            ),
        },
    ),
    (
        ("baseline_void: baseline seed 42 failed for good. Next: run_seed(new_baseline=…)"),
        {
            "a third try at a baseline seed": Manoeuvre(
                run(seed=42, attempt=3), before=(run(), run(seed=42, attempt=2)), trains=fails_late
            ),
        },
    ),
    (
        (
            "baseline_void: the rules in seedproof.toml differ from those the baseline was measured under "
            "(winner_sigma). Next: run_seed(new_baseline=…)"
        ),
        {
            "compare after the rules were changed": Manoeuvre(
                compare("near"), before=(BASELINE, NEAR), spoil=settings("[rules]\nwinner_sigma = 1.5\n")
            ),
        },
    ),
    (
        (
            'experiment_unknown: no experiment x has been declared. Next: run_seed(experiment="x", flags=…, '
            "hypothesis=…)"
        ),
        {
            "compare with a name never declared": Manoeuvre(compare("x"), before=(BASELINE,)),
            "a report on a name never declared": Manoeuvre(("write_report", {"experiment": "x"}), before=(BASELINE,)),
        },
    ),
    (
        (
            "experiment_unknown: far was declared against baseline generation 1, not the present one; its "
            'verdict stays in the ledger. Declare it anew. Next: run_seed(experiment="far", flags=…, '
            "hypothesis=…)"
        ),
        {
            "compare with a name of an earlier generation": Manoeuvre(
                compare("far"), before=(BASELINE, FAR, run(new_baseline="a new GPU", queue_all=True))
            ),
        },
    ),
    (
        ('experiment_incomplete: far has 1 of 3 seeds; missing: 137, 256. Next: run_seed(experiment="far", seed=137)'),
        {
            "compare after one seed": Manoeuvre(compare("far"), before=(BASELINE, declare("far", "--shift", "-0.1"))),
        },
    ),
    (
        ('experiment_incomplete: far has 2 of 3 seeds; missing: 256. Next: run_seed(experiment="far", seed=256)'),
        {
            "a report after two seeds": Manoeuvre(
                ("write_report", {"experiment": "far"}),
                before=(BASELINE, declare("far", "--shift", "-0.1"), run(experiment="far")),
            ),
        },
    ),
    (
        (
            "experiment_incomplete: broken has 0 of 3 seeds; missing: 42, 137, 256. Next: "
            'run_seed(experiment="broken", seed=42, attempt=2)'
        ),
        {
            "compare after a crashed seed": Manoeuvre(
                compare("broken"), before=(BASELINE, declare("broken", "--crash"))
            ),
        },
    ),
    (
        (
            "more_seeds_needed: after 3 seeds the mean of near is less than 2 sigma from the baseline's; seeds "
            '512, 1024 are needed as well. Next: run_seed(experiment="near", seed=512)'
        ),
        {
            "compare after three close seeds": Manoeuvre(compare("near"), before=(BASELINE, NEAR)),
        },
    ),
    (
        (
            "more_seeds_needed: after 3 seeds the mean of near is less than 2 sigma from the baseline's; seeds "
            '1024 are needed as well. Next: run_seed(experiment="near", seed=1024)'
        ),
        {
            "compare after four close seeds": Manoeuvre(
                compare("near"), before=(BASELINE, NEAR, run(experiment="near"))
            ),
        },
    ),
    (
        (
            "arm_failed: late: seed 42 failed for good; the arm ends without a verdict. Next: "
            "run_seed(experiment=…, flags=…, hypothesis=…)"
        ),
        {
            "compare after a seed failed for good": Manoeuvre(compare("late"), before=LATE),
            "one more seed after one failed for good": Manoeuvre(run(experiment="late", seed=137), before=LATE),
            "a third try": Manoeuvre(run(experiment="late", seed=42, attempt=3), before=LATE),
        },
    ),
    (
        (
            "name_invalid: the name of an experiment is 1 to 64 characters of a-z, 0-9, _ and -, beginning with "
            "a letter or digit. Next: run_seed(experiment=…, flags=…, hypothesis=…)"
        ),
        {
            "a capital in the name": Manoeuvre(declare("Muon", "--lr", "1"), before=(BASELINE,)),
            "an empty name": Manoeuvre(declare("", "--lr", "1"), before=(BASELINE,)),
            "a name of 65 characters": Manoeuvre(declare("a" * 65, "--lr", "1"), before=(BASELINE,)),
            "a name that is a path": Manoeuvre(declare("../x", "--lr", "1"), before=(BASELINE,)),
            "a name that begins with a dash": Manoeuvre(declare("-x", "--lr", "1"), before=(BASELINE,)),
            "a name with a newline": Manoeuvre(declare("x\n", "--lr", "1"), before=(BASELINE,)),
            "a name with an umlaut": Manoeuvre(declare("ä", "--lr", "1"), before=(BASELINE,)),
            "a capital in the name before the baseline": Manoeuvre(
                declare("Muon", "--lr", "1"), leads_to="baseline_missing"
            ),
            "compare with a capital in the name": Manoeuvre(compare("Near"), before=(BASELINE,)),
        },
    ),
    (
        (
            "hypothesis_missing: x is new: say what you expect and why, before the first run. Next: "
            'run_seed(experiment="x", flags=…, hypothesis=…)'
        ),
        {
            "no hypothesis": Manoeuvre(run(experiment="x", flags=["--lr", "1"]), before=(BASELINE,)),
            "a blank hypothesis": Manoeuvre(
                run(experiment="x", flags=["--lr", "1"], hypothesis=" \n"), before=(BASELINE,)
            ),
            "nothing but a name": Manoeuvre(run(experiment="x"), before=(BASELINE,)),
        },
    ),
    (
        (
            "flags_missing: x has no flags, so nothing would differ from the baseline. A hypothesis that begins "
            'with `null:` declares that on purpose. Next: run_seed(experiment="x", flags=…, hypothesis=…)'
        ),
        {
            "no flags": Manoeuvre(run(experiment="x", hypothesis="luck"), before=(BASELINE,)),
            "an empty list of flags": Manoeuvre(declare("x"), before=(BASELINE,)),
        },
    ),
    (
        (
            "flags_changed: near was declared with other flags (2 elements); leave them out, or declare a new "
            'name. Next: run_seed(experiment="near", seed=512)'
        ),
        {
            "other flags for a declared name": Manoeuvre(
                run(experiment="near", flags=["--shift", "0.002"]), before=(BASELINE, NEAR)
            ),
            "no flags for a declared name": Manoeuvre(run(experiment="near", flags=[]), before=(BASELINE, NEAR)),
        },
    ),
    (
        (
            "flags_changed: near was declared with another hypothesis; leave it out. "
            'Next: run_seed(experiment="near", seed=512)'
        ),
        {
            "another hypothesis for a declared name": Manoeuvre(
                run(experiment="near", hypothesis="it hurts"), before=(BASELINE, NEAR)
            ),
        },
    ),
    (
        (
            "flags_duplicate: near has the same flags and has been measured; a new name is not a new chance. "
            'Next: run_seed(experiment="near", seed=512)'
        ),
        {
            "the same flags under another name": Manoeuvre(
                declare("lucky", "--shift", "0.001"), before=(BASELINE, NEAR)
            ),
            "the same flags with an equals sign": Manoeuvre(declare("lucky", "--shift=0.001"), before=(BASELINE, NEAR)),
        },
    ),
    (
        (
            "flags_duplicate: first has the same flags and has been measured; a new name is not a new chance. "
            'Next: run_seed(experiment="first", seed=137)'
        ),
        {
            "the same flags in another order": Manoeuvre(
                declare("lucky", "--b", "--a=1"), before=(BASELINE, declare("first", "--a", "1", "--b"))
            ),
        },
    ),
    (
        (
            "flag_protected: `--seed` reaches into the protocol's own option --seed; scale, seed and output "
            'folder are set by the server. Next: run_seed(experiment="x", flags=…, hypothesis=…)'
        ),
        {
            "the flags --seed=7": Manoeuvre(declare("x", "--seed=7"), before=(BASELINE,)),
            "the flags --seed 7": Manoeuvre(declare("x", "--seed", "7"), before=(BASELINE,)),
            "the flags --lr 1 --seed 7": Manoeuvre(declare("x", "--lr", "1", "--seed", "7"), before=(BASELINE,)),
        },
    ),
    (
        (
            "flag_protected: `--se` reaches into the protocol's own option --seed; scale, seed and output folder "
            'are set by the server. Next: run_seed(experiment="x", flags=…, hypothesis=…)'
        ),
        {
            "the flags --se 7": Manoeuvre(declare("x", "--se", "7"), before=(BASELINE,)),
        },
    ),
    (
        (
            "flag_protected: `--SEED` reaches into the protocol's own option --seed; scale, seed and output "
            'folder are set by the server. Next: run_seed(experiment="x", flags=…, hypothesis=…)'
        ),
        {
            "the flags --SEED 7": Manoeuvre(declare("x", "--SEED", "7"), before=(BASELINE,)),
        },
    ),
    (
        (
            "flag_protected: `-seed` reaches into the protocol's own option --seed; scale, seed and output "
            'folder are set by the server. Next: run_seed(experiment="x", flags=…, hypothesis=…)'
        ),
        {
            "the flags -seed 7": Manoeuvre(declare("x", "-seed", "7"), before=(BASELINE,)),
        },
    ),
    (
        (
            "flag_protected: `-s` reaches into the protocol's own option --seed; scale, seed and output folder "
            'are set by the server. Next: run_seed(experiment="x", flags=…, hypothesis=…)'
        ),
        {
            "the flags -s 7": Manoeuvre(declare("x", "-s", "7"), before=(BASELINE,)),
        },
    ),
    (
        (
            "flag_protected: `-s7` reaches into the protocol's own option --seed; scale, seed and output folder "
            'are set by the server. Next: run_seed(experiment="x", flags=…, hypothesis=…)'
        ),
        {
            "the flags -s7": Manoeuvre(declare("x", "-s7"), before=(BASELINE,)),
        },
    ),
    (
        (
            "flag_protected: `+seed` reaches into the protocol's own seed; scale, seed and output folder are set by "
            'the server. Next: run_seed(experiment="x", flags=…, hypothesis=…)'
        ),
        {
            "the value +seed=7": Manoeuvre(declare("x", "--lr", "+seed=7"), before=(BASELINE,)),
        },
    ),
    (
        (
            "flag_protected: `---seed` reaches into the protocol's own option --seed; scale, seed and output "
            'folder are set by the server. Next: run_seed(experiment="x", flags=…, hypothesis=…)'
        ),
        {
            "the flags ---seed 7": Manoeuvre(declare("x", "---seed", "7"), before=(BASELINE,)),
        },
    ),
    (
        (
            "flag_protected: `--train-tok` reaches into the protocol's own option --train_tokens; scale, seed "
            'and output folder are set by the server. Next: run_seed(experiment="x", flags=…, hypothesis=…)'
        ),
        {
            "the flags --train-tok 9": Manoeuvre(declare("x", "--train-tok", "9"), before=(BASELINE,)),
        },
    ),
    (
        (
            "flag_protected: `--train_tokens` reaches into the protocol's own option --train_tokens; scale, seed "
            'and output folder are set by the server. Next: run_seed(experiment="x", flags=…, hypothesis=…)'
        ),
        {
            "the flags --train_tokens=9": Manoeuvre(declare("x", "--train_tokens=9"), before=(BASELINE,)),
        },
    ),
    (
        (
            "flag_protected: `--Train-Tokens` reaches into the protocol's own option --train_tokens; scale, seed "
            'and output folder are set by the server. Next: run_seed(experiment="x", flags=…, hypothesis=…)'
        ),
        {
            "the flags --Train-Tokens 9": Manoeuvre(declare("x", "--Train-Tokens", "9"), before=(BASELINE,)),
        },
    ),
    (
        (
            "flag_protected: `--t` reaches into the protocol's own option --train_tokens; scale, seed and output "
            'folder are set by the server. Next: run_seed(experiment="x", flags=…, hypothesis=…)'
        ),
        {
            "the flags --t=9": Manoeuvre(declare("x", "--t=9"), before=(BASELINE,)),
        },
    ),
    (
        (
            "flag_protected: `--out` reaches into the protocol's own option --output_dir; scale, seed and output "
            'folder are set by the server. Next: run_seed(experiment="x", flags=…, hypothesis=…)'
        ),
        {
            "the flags --out x": Manoeuvre(declare("x", "--out", "x"), before=(BASELINE,)),
        },
    ),
    (
        (
            "flag_protected: `--output-dir` reaches into the protocol's own option --output_dir; scale, seed and "
            'output folder are set by the server. Next: run_seed(experiment="x", flags=…, hypothesis=…)'
        ),
        {
            "the flags --output-dir=x": Manoeuvre(declare("x", "--output-dir=x"), before=(BASELINE,)),
        },
    ),
    (
        ('flag_malformed: a bare `-` or `--` is not an option. Next: run_seed(experiment="x", flags=…, hypothesis=…)'),
        {
            "a bare --": Manoeuvre(declare("x", "--lr", "1", "--"), before=(BASELINE,)),
            "a bare -": Manoeuvre(declare("x", "-"), before=(BASELINE,)),
            "an option without a name": Manoeuvre(declare("x", "--=1"), before=(BASELINE,)),
        },
    ),
    (
        (
            "flag_malformed: the first flag must be an option that begins with `-`; a value stands before it. "
            'Next: run_seed(experiment="x", flags=…, hypothesis=…)'
        ),
        {
            "a value before the first option": Manoeuvre(declare("x", "0.1", "--lr"), before=(BASELINE,)),
            "a number before the first option": Manoeuvre(declare("x", "-0.1"), before=(BASELINE,)),
            "an empty flag": Manoeuvre(declare("x", ""), before=(BASELINE,)),
        },
    ),
    (
        (
            "flag_malformed: flag 2 begins with `@`; arguments are not read from files. Next: "
            'run_seed(experiment="x", flags=…, hypothesis=…)'
        ),
        {
            "arguments from a file": Manoeuvre(declare("x", "--lr", "@args.txt"), before=(BASELINE,)),
        },
    ),
    (
        ('flag_malformed: flag 2 contains a control character. Next: run_seed(experiment="x", flags=…, hypothesis=…)'),
        {
            "a newline in a flag": Manoeuvre(declare("x", "--note", "a\nb"), before=(BASELINE,)),
            "a line separator in a flag": Manoeuvre(declare("x", "--note", "\u2028"), before=(BASELINE,)),
            "a NUL in a flag": Manoeuvre(declare("x", "--note", "a\0"), before=(BASELINE,)),
        },
    ),
    (
        ('flag_malformed: flag 1 contains a control character. Next: run_seed(experiment="x", flags=…, hypothesis=…)'),
        {
            "an escape code in a flag": Manoeuvre(declare("x", "--note=\x1b[2J"), before=(BASELINE,)),
        },
    ),
    (
        ('flag_malformed: 65 flags; at most 64 are allowed. Next: run_seed(experiment="x", flags=…, hypothesis=…)'),
        {
            "65 flags": Manoeuvre(declare("x", *["--a"] * 65), before=(BASELINE,)),
        },
    ),
    (
        ('flag_malformed: flag 1 is longer than 512 bytes. Next: run_seed(experiment="x", flags=…, hypothesis=…)'),
        {
            "a flag of 513 bytes": Manoeuvre(declare("x", "--a=" + "é" * 255), before=(BASELINE,)),
        },
    ),
    (
        ("seed_unknown: 7 is not a seed of the protocol (42, 137, 256, 512, 1024). Next: run_seed(seed=42)"),
        {
            "a lucky seed": Manoeuvre(run(seed=7)),
        },
    ),
    (
        (
            "seed_unknown: 7 is not a seed of the protocol (42, 137, 256, 512, 1024). Next: "
            'run_seed(experiment="near", seed=512)'
        ),
        {
            "a lucky seed for an experiment": Manoeuvre(run(experiment="near", seed=7), before=(BASELINE, NEAR)),
        },
    ),
    (
        (
            "seed_unknown: 7 is not a seed of the protocol (42, 137, 256, 512, 1024). Next: "
            'run_seed(experiment="x", seed=42, flags=…, hypothesis=…)'
        ),
        {
            "a lucky seed in the first call": Manoeuvre(declare("x", "--lr", "1", seed=7), before=(BASELINE,)),
        },
    ),
    (
        (
            "seed_unknown: 7 is not a seed of the protocol (42, 137, 256, 512, 1024). Next: "
            "run_seed(experiment=…, flags=…, hypothesis=…)"
        ),
        {
            "a lucky seed after the baseline": Manoeuvre(run(seed=7), before=(BASELINE, ("write_report", {}))),
        },
    ),
    (
        (
            "seed_not_due: seed 512 is not due for x: it is run only when the first 3 seeds end within 2 sigma. "
            'Next: run_seed(experiment="x", seed=42, flags=…, hypothesis=…)'
        ),
        {
            "an extra seed first": Manoeuvre(declare("x", "--shift", "0.001", seed=512), before=(BASELINE,)),
        },
    ),
    (
        (
            "seed_not_due: seed 512 is not due for far: it is run only when the first 3 seeds end within 2 "
            'sigma. Next: run_seed(experiment="far", seed=256)'
        ),
        {
            "an extra seed after two": Manoeuvre(
                run(experiment="far", seed=512),
                before=(BASELINE, declare("far", "--shift", "-0.1"), run(experiment="far")),
            ),
        },
    ),
    (
        (
            "seed_not_due: seed 1024 is not due for far: it is run only when the first 3 seeds end within 2 "
            'sigma. Next: compare(experiment="far")'
        ),
        {
            "an extra seed for a clear result": Manoeuvre(run(experiment="far", seed=1024), before=(BASELINE, FAR)),
        },
    ),
    (
        (
            "seed_not_due: seed 4 is not due for the baseline: it is run only when the first 3 seeds end within "
            "2 sigma. Next: run_seed(seed=1)"
        ),
        {
            "an experiment's seed for the baseline": Manoeuvre(
                run(seed=4),
                spoil=settings(
                    "[rules]\nbaseline_seeds = [1, 2, 3]\nexperiment_seeds = [1, 2, 3]\nextra_seeds = [4]\n"
                ),
            ),
        },
    ),
    (
        (
            "attempt_not_allowed: seed 42 has its result (succeeded, attempt 1); a result is never re-run. Next: "
            "run_seed(seed=137)"
        ),
        {
            "a second try at a good seed": Manoeuvre(run(seed=42, attempt=2), before=(run(),)),
        },
    ),
    (
        (
            "attempt_not_allowed: seed 137 has its result (diverged, attempt 1); a result is never re-run. Next: "
            'compare(experiment="x")'
        ),
        {
            "a second try at a diverged seed": Manoeuvre(
                run(experiment="x", seed=137, attempt=2),
                before=(BASELINE, declare("x", "--nan_seed", "137", queue_all=True)),
            ),
        },
    ),
    (
        ("attempt_not_allowed: seed 137 has no attempt yet; the first is attempt 1, not 2. Next: run_seed(seed=42)"),
        {
            "a second try before the first": Manoeuvre(run(seed=137, attempt=2)),
        },
    ),
    (
        ("attempt_not_allowed: attempt 1 at seed 42 is running; wait for it. Next: run_seed(seed=42, attempt=1)"),
        {
            "a second try while the first runs": Manoeuvre(run(seed=42, attempt=2), before=(run(wait_s=0),), held=True),
        },
    ),
    (
        (
            "attempt_not_allowed: seed 42 has 1 attempts; the next would be 2. Next: "
            'run_seed(experiment="broken", seed=42, attempt=2)'
        ),
        {
            "a ninth try after the first": Manoeuvre(
                run(experiment="broken", seed=42, attempt=9), before=(BASELINE, declare("broken", "--crash"))
            ),
        },
    ),
    (
        (
            "output_exists: checkpoints/baseline_1M_seed42 exists and this ledger does not own it; move it away, "
            "nothing is deleted for you. Next: run_seed(seed=42)"
        ),
        {
            "a folder of somebody else": Manoeuvre(
                run(),
                spoil=a_folder("checkpoints/baseline_1M_seed42"),
                mend=no_folder("checkpoints/baseline_1M_seed42"),
            ),
        },
    ),
    (
        (
            "output_exists: checkpoints/exp_x_1M_seed42 exists and this ledger does not own it; move it away, "
            'nothing is deleted for you. Next: run_seed(experiment="x", '
            'flags=["--lr", "1"], hypothesis="it helps", seed=42)'
        ),
        {
            "a dangling link in the way": Manoeuvre(
                declare("x", "--lr", "1"),
                before=(BASELINE,),
                spoil=a_dangling_link("checkpoints/exp_x_1M_seed42"),
                mend=no_file("checkpoints/exp_x_1M_seed42"),
            ),
        },
    ),
    (
        (
            "output_exists: checkpoints/baseline_1M_seed1024 exists and this ledger does not own it; move it "
            "away, nothing is deleted for you. Next: run_seed(seed=1024)"
        ),
        {
            "a folder in the way of the last of all seeds": Manoeuvre(
                BASELINE,
                spoil=a_folder("checkpoints/baseline_1M_seed1024"),
                mend=no_folder("checkpoints/baseline_1M_seed1024"),
            ),
        },
    ),
    (
        ("nothing_due: the baseline has every run that it needs. Next: write_report()"),
        {
            "one more run of a complete baseline": Manoeuvre(run(), before=(BASELINE,)),
        },
    ),
    (
        ("nothing_due: the baseline has every run that it needs. Next: run_seed(experiment=…, flags=…, hypothesis=…)"),
        {
            "all runs of a complete baseline": Manoeuvre(BASELINE, before=(BASELINE, ("write_report", {}))),
        },
    ),
    (
        ('nothing_due: far has every run that it needs. Next: compare(experiment="far")'),
        {
            "one more run of a clear result": Manoeuvre(run(experiment="far"), before=(BASELINE, FAR)),
        },
    ),
    (
        ('nothing_due: far has every run that it needs. Next: run_seed(experiment="far", role="confirm")'),
        {
            "one more run of a judged experiment": Manoeuvre(
                run(experiment="far"), before=(BASELINE, FAR, compare("far"))
            ),
        },
    ),
    (
        ('nothing_due: x has every run that it needs. Next: compare(experiment="x")'),
        {
            "one more run of a diverged experiment": Manoeuvre(
                run(experiment="x"), before=(BASELINE, declare("x", "--nan_seed", "42"))
            ),
        },
    ),
    (
        (
            "control_not_due: a control belongs to an experiment whose code differs from the baseline's; name it. "
            "Next: check_baseline()"
        ),
        {
            "a control of nothing": Manoeuvre(run(role="control"), before=(BASELINE,)),
        },
    ),
    (
        (
            "control_not_due: near needs no control: its code is the baseline's. Next: "
            'run_seed(experiment="near", seed=512)'
        ),
        {
            "a control of unchanged code": Manoeuvre(run(role="control", experiment="near"), before=(BASELINE, NEAR)),
        },
    ),
    (
        ("bad_arguments: the server chooses seed and side of a control; leave seed out. Next: check_baseline()"),
        {
            "a control with a seed": Manoeuvre(
                run(role="control", experiment="near", seed=42), before=(BASELINE, NEAR)
            ),
        },
    ),
    (
        (
            "control_due: edited is declared, and its code is not the baseline's (train_llm.py); one run without flags "
            "has to show first that the change alone moves nothing. Next: "
            'run_seed(experiment="edited", role="control")'
        ),
        {
            "an experiment on edited code": Manoeuvre(
                declare("edited", "--shift", "-0.1"), before=(BASELINE,), spoil=edited
            ),
            "all seeds of an experiment on edited code": Manoeuvre(
                declare("edited", "--shift", "-0.1", queue_all=True), before=(BASELINE,), spoil=edited
            ),
        },
    ),
    (
        (
            "code_unchanged: no file that can change a run differs from the baseline's, so code_change would declare "
            "nothing. Edit the code first, or leave code_change out and give flags. Next: "
            'run_seed(experiment="x", flags=…, hypothesis=…)'
        ),
        {
            "a code change without one": Manoeuvre(
                run(experiment="x", code_change=True, hypothesis="it helps"), before=(BASELINE,)
            ),
        },
    ),
    (
        (
            "flags_changed: near was declared without code_change; leave it out, or declare a new name. Next: "
            'run_seed(experiment="near", seed=512)'
        ),
        {
            "a code change afterwards": Manoeuvre(run(experiment="near", code_change=True), before=(BASELINE, NEAR)),
        },
    ),
    (
        (
            "not_comparable: train_llm.py changed between seed 256 and seed 512. The seeds of one arm run on the same "
            "code: restore it, or declare the experiment under a new name; files that cannot change a run go into "
            "settings.not_code. Next: run_seed(experiment=…, flags=…, hypothesis=…)"
        ),
        {
            "an edit between two seeds": Manoeuvre(
                run(experiment="near", seed=512), before=(BASELINE, NEAR), spoil=edited, leads_to="control_due"
            ),
        },
    ),
    (
        (
            "sealed_changed: evaluate.py is sealed and not as it was when the baseline began; restore it, or begin a "
            'new baseline. Next: run_seed(experiment="near", seed=512)'
        ),
        {
            "a gentler evaluation between two seeds": Manoeuvre(
                run(experiment="near", seed=512),
                before=(sealed, BASELINE, NEAR),
                spoil=gentler,
                mend=sealed,
            ),
        },
    ),
    (
        ("confirm_not_due: only an experiment that is a WINNER is confirmed; name it. Next: check_baseline()"),
        {
            "a confirmation of nothing": Manoeuvre(run(role="confirm"), before=(BASELINE,)),
        },
    ),
    (
        (
            "confirm_not_due: near has no verdict yet; only a WINNER is confirmed. Next: "
            'run_seed(experiment="near", seed=512)'
        ),
        {
            "a confirmation before the verdict": Manoeuvre(
                run(role="confirm", experiment="near"), before=(BASELINE, NEAR)
            ),
        },
    ),
    (
        ("bad_arguments: the server chooses seed and side of a confirmation; leave seed out. Next: check_baseline()"),
        {
            "a confirmation with a seed": Manoeuvre(
                run(role="confirm", experiment="far", seed=42), before=(BASELINE, FAR, compare("far"))
            ),
        },
    ),
    (
        (
            "ledger_damaged: record 8 of .seedproof/ledger.jsonl does not match its hash. Nothing is decided on a "
            "damaged ledger. Look at it with `sed -n 8p .seedproof/ledger.jsonl` and restore the file from a backup. "
            "Without one, move it away with `mv .seedproof/ledger.jsonl .seedproof/ledger.damaged`: everything is "
            "measured anew: no report has left a copy of it. Next: check_baseline()"
        ),
        {
            "a number edited in the ledger": Manoeuvre(
                compare("far"),
                before=(BASELINE, FAR),
                spoil=ledger_line(8, lambda line: line.replace("3.99", "3.09")),
                leads_to="ledger_damaged",
            ),
        },
    ),
    (
        (
            "ledger_damaged: record 2 of .seedproof/ledger.jsonl is not JSON. Nothing is decided on a damaged "
            "ledger. Look at it with `sed -n 2p .seedproof/ledger.jsonl` and restore the file from a backup. "
            "Without one, move it away with `mv .seedproof/ledger.jsonl .seedproof/ledger.damaged`: everything is "
            "measured anew: no report has left a copy of it. Next: check_baseline()"
        ),
        {
            "a line of the ledger that is no JSON": Manoeuvre(
                run(), before=(BASELINE,), spoil=ledger_line(2, lambda line: line[:-1]), leads_to="ledger_damaged"
            ),
        },
    ),
    (
        (
            "ledger_damaged: record 2 of .seedproof/ledger.jsonl is not a record. Nothing is decided on a damaged "
            "ledger. Look at it with `sed -n 2p .seedproof/ledger.jsonl` and restore the file from a backup. "
            "Without one, move it away with `mv .seedproof/ledger.jsonl .seedproof/ledger.damaged`: everything is "
            "measured anew: no report has left a copy of it. Next: check_baseline()"
        ),
        {
            "a line taken out of the ledger": Manoeuvre(
                ("check_baseline", {}),
                before=(BASELINE,),
                spoil=ledger_line(2, lambda line: "[]"),
                leads_to="ledger_damaged",
            ),
        },
    ),
    (
        (
            "ledger_newer: record 16 has format 2; this Seedproof reads up to 1. Update Seedproof. Next: "
            "check_baseline()"
        ),
        {
            "a ledger of a newer version": Manoeuvre(
                ("list_experiments", {}),
                before=(BASELINE,),
                spoil=ledger_line(16, lambda line: line.replace('"format":1', '"format":2')),
                leads_to="ledger_newer",
            ),
        },
    ),
    (
        (
            "ledger_diverged: .seedproof/ledger.jsonl and docs/research/ledger.jsonl tell different stories; "
            "neither continues the other. Keep the one you trust and move the other away. Next: check_baseline()"
        ),
        {
            "a mirror that tells another story": Manoeuvre(
                compare("far"),
                before=(BASELINE, FAR, ("write_report", {})),
                spoil=another_mirror,
                leads_to="ledger_diverged",
            ),
        },
    ),
    (
        (
            "ledger_diverged: .seedproof/ledger.jsonl and docs/research/ledger.jsonl differ; the line endings of the "
            "latter were changed to CRLF. Git does this where core.autocrlf is set: put the line "
            "`ledger.jsonl -text` into docs/research/.gitattributes, delete docs/research/ledger.jsonl and check it "
            "out again. Next: check_baseline()"
        ),
        {
            "a mirror with other line endings beside the ledger": Manoeuvre(
                run(), before=(BASELINE, ("write_report", {})), spoil=crlf_mirror, leads_to="ledger_diverged"
            ),
        },
    ),
    (
        (
            "ledger_damaged: record 1 of docs/research/ledger.jsonl ends in CRLF; its line endings were changed. "
            "Nothing is decided on a damaged ledger. Git does this where core.autocrlf is set: put the line "
            "`ledger.jsonl -text` into docs/research/.gitattributes, delete docs/research/ledger.jsonl and check it "
            "out again. Next: check_baseline()"
        ),
        {
            "a mirror with other line endings and no ledger": Manoeuvre(
                run(),
                before=(BASELINE, ("write_report", {})),
                spoil=only_a_mirror(crlf_mirror),
                leads_to="ledger_damaged",
            ),
        },
    ),
    (
        (
            "ledger_diverged: git left a merge conflict in docs/research/ledger.jsonl (line 2). Two ledgers cannot be "
            "merged: each record holds the hash of the one before it. .seedproof/ledger.jsonl is what was measured "
            "here, and goes on once its mirror is restored: `cp .seedproof/ledger.jsonl docs/research/ledger.jsonl`, "
            "then `git add docs/research/ledger.jsonl`. Next: check_baseline()"
        ),
        {
            "a mirror with a merge conflict beside the ledger": Manoeuvre(
                run(), before=(BASELINE, ("write_report", {})), spoil=conflicting_mirror, leads_to="ledger_diverged"
            ),
        },
    ),
    (
        (
            "ledger_damaged: git left a merge conflict in docs/research/ledger.jsonl (line 2). Nothing is decided on a "
            "damaged ledger. Two ledgers cannot be merged: each record holds the hash of the one before it. Keep one "
            "side whole: `git checkout --ours docs/research/ledger.jsonl`, or `--theirs` for the other one, then "
            "`git add docs/research/ledger.jsonl`. Next: check_baseline()"
        ),
        {
            "a mirror with a merge conflict and no ledger": Manoeuvre(
                run(),
                before=(BASELINE, ("write_report", {})),
                spoil=only_a_mirror(conflicting_mirror),
                leads_to="ledger_damaged",
            ),
        },
    ),
    (
        (
            "ledger_damaged: record 1 of docs/research/ledger.jsonl is not written canonically. Nothing is decided on "
            "a damaged ledger. Look at it with `sed -n 1p docs/research/ledger.jsonl`, and restore it from git or a "
            "backup. Next: check_baseline()"
        ),
        {
            "a damaged mirror and no ledger": Manoeuvre(
                run(),
                before=(BASELINE, ("write_report", {})),
                spoil=only_a_mirror(another_mirror),
                leads_to="ledger_damaged",
            ),
        },
    ),
    (
        (
            "runaway: the last 2 runs failed or diverged; a new experiment would too. A person looks at the cause and "
            "runs `seedproof resume`. Next: list_experiments()"
        ),
        {
            "a new experiment after failure upon failure": Manoeuvre(
                declare("next", "--shift", "0.3"),
                before=(BASELINE, declare("x", "--crash"), run(experiment="x", seed=42, attempt=2)),
                spoil=settings("[settings]\nrunaway_after = 2\n"),
            ),
        },
    ),
    (
        (
            "not_comparable: a run that starts now would differ from the baseline's in device (GPU NVIDIA A100 → "
            "NVIDIA H100). Bring back what the baseline had, begin a new baseline, or set "
            'accept_differences = ["device"] in [settings] of seedproof.toml, which the headline will say. '
            "Next: run_seed(new_baseline=…)"
        ),
        {
            "an experiment on another machine": Manoeuvre(
                FAR, before=(moves_to("NVIDIA A100"), BASELINE), spoil=moves_to("NVIDIA H100")
            ),
        },
    ),
    (
        (
            "not_comparable: the runs of far and its baseline differ in device (GPU NVIDIA A100 → NVIDIA H100). Bring "
            'back what the baseline had, begin a new baseline, or set accept_differences = ["device"] in [settings] '
            "of seedproof.toml, which the headline will say. Next: run_seed(new_baseline=…)"
        ),
        {
            "a verdict on runs of two machines": Manoeuvre(
                compare("far"),
                before=(moves_to("NVIDIA A100"), BASELINE, moves_to("NVIDIA H100"), accepting, FAR),
                spoil=without_accepting,
            ),
            "a report on runs of two machines": Manoeuvre(
                ("write_report", {"experiment": "far"}),
                before=(moves_to("NVIDIA A100"), BASELINE, moves_to("NVIDIA H100"), accepting, FAR),
                spoil=without_accepting,
            ),
        },
    ),
    (
        ("internal_error: an unexpected error; the server's stderr has the details. Next: check_baseline()"),
        {
            "an engine that breaks": Manoeuvre(run(), trains=breaks_the_engine),
        },
    ),
)

MANOEUVRES = {name: (said, one) for said, group in REFUSALS for name, one in group.items()}


def engine_of(manoeuvre: Manoeuvre) -> InProcessEngine:
    engine = InProcessEngine(manoeuvre.trains)
    engine.held = manoeuvre.held
    return engine


async def refused(call: Caller, manoeuvre: Manoeuvre, project: Path) -> Answer:
    """Do what leads there, then the manoeuvre itself."""
    for step in manoeuvre.before:
        if callable(step):
            step(project)
            continue
        answer = await call(step[0], **step[1])
        assert not answer.is_error, answer.text
    manoeuvre.spoil(project)
    tool, arguments = manoeuvre.call
    return await call(tool, **arguments)


async def test_a_client_that_checks_answers_against_the_schema_lets_every_tools_refusal_through(project: Path) -> None:
    async with quick_tools(project) as call:
        listed = {tool.name: tool.output_schema for tool in (await call.client.list_tools()).tools}
        settings("[settings]\nslots = 2\n")(project)
        for tool, arguments in EVERY_TOOL:
            answer = await call(tool, **arguments)
            assert answer.is_error
            jsonschema.validate(answer.data, listed[tool])
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate({**answer.data, "refusal": None}, listed[tool])


def next_of(answer: Answer) -> NextCall | None:
    return answer.data["next"] and NextCall(**answer.data["next"])


CHOICES = {
    "experiment": "other",
    "flags": ["--shift", "-0.2"],
    "hypothesis": "it helps more",
    "new_baseline": "the old one is void",
    "reason": "it takes too long",
}


async def follow(call: Caller, following: NextCall) -> Answer:
    chosen = {name: CHOICES[name] for name in following.you_choose}
    return await call(following.tool, **following.arguments, **chosen)


@pytest.mark.parametrize(("said", "manoeuvre"), MANOEUVRES.values(), ids=MANOEUVRES)
async def test_the_refusal_is_exact_and_the_call_it_names_is_accepted(
    project: Path, said: str, manoeuvre: Manoeuvre
) -> None:
    engine = engine_of(manoeuvre)
    async with quick_tools(project, engine) as call:
        answer = await refused(call, manoeuvre, project)
        assert (answer.text, answer.is_error) == (said, True)
        assert answer.data.keys() == {"refusal", "next", "ledger_head"}
        refusal, following = answer.data["refusal"], next_of(answer)
        tail = f" Next: {following}" if following else ""
        assert said == f"{refusal['code']}: {refusal['message']}{tail}"
        manoeuvre.mend(project)
        engine.release()
        if following:
            followed = await follow(call, following)
            assert followed.code == manoeuvre.leads_to, followed.text


JUDGING = {name: one for name, (_, one) in MANOEUVRES.items() if one.call[0] in ("compare", "write_report")}


@pytest.mark.parametrize("manoeuvre", JUDGING.values(), ids=JUDGING)
async def test_a_refused_verdict_betrays_nothing_of_the_result(project: Path, manoeuvre: Manoeuvre) -> None:
    async with quick_tools(project, engine_of(manoeuvre)) as call:
        answer = await refused(call, manoeuvre, project)
        said = answer.text + json.dumps(answer.data)
        manoeuvre.mend(project)
        await call("check_baseline")
    assert answer.is_error
    assert not re.search(r"WINNER|NEUTRAL|LOSER", said)
    assert not re.search(r"negligible|small|medium|large", said)
    assert not re.search(r"\d\.\d", said), "every metric value and effect size has a decimal point"


def test_every_code_of_the_tree_has_its_manoeuvre() -> None:
    def codes(kind: type[Refusal]) -> Iterator[str]:
        yield from ([kind.code] if "code" in vars(kind) else [])
        for child in kind.__subclasses__():
            yield from codes(child)

    # What is free on a disk is another number each time: tests/test_attention.py has the refusal for it.
    # Those of tests/test_controls.py need a control that has ended, or a repository.
    elsewhere = {"disk_low", "baseline_stale", "snapshot_missing"}
    assert {said.split(":")[0] for said, _ in REFUSALS} == set(codes(Refusal)) - {Refusal.code} - elsewhere


EVERY_TOOL: tuple[Call, ...] = (
    ("check_baseline", {}),
    run(),
    compare("near"),
    ("write_report", {}),
    ("list_experiments", {}),
    ("stop_run", {"run_id": "g1-baseline-s42-a1", "reason": "it takes too long"}),
)


@pytest.mark.parametrize(("tool", "arguments"), EVERY_TOOL, ids=[tool for tool, _ in EVERY_TOOL])
async def test_with_unreadable_settings_every_tool_answers_bad_settings_until_they_are_mended(
    project: Path, tool: str, arguments: dict[str, Any]
) -> None:
    async with quick_tools(project) as call:
        await call("run_seed")
        settings("[settings]\nslots = 2\n")(project)
        assert (await call(tool, **arguments)).code == "bad_settings"
        without_settings(project)
        assert (await call(tool, **arguments)).code != "bad_settings"


@pytest.mark.parametrize(("tool", "arguments"), EVERY_TOOL, ids=[tool for tool, _ in EVERY_TOOL])
async def test_on_a_damaged_ledger_every_tool_answers_ledger_damaged(
    project: Path, tool: str, arguments: dict[str, Any]
) -> None:
    async with quick_tools(project) as call:
        await call("run_seed")
        ledger_line(1, lambda line: line.replace('"seq":1', '"seq":9'))(project)
        answer = await call(tool, **arguments)
    assert answer.code == "ledger_damaged"
    assert "record 1 of .seedproof/ledger.jsonl says it is record 9." in answer.text


async def test_a_refused_call_leaves_no_trace_in_the_project(project: Path) -> None:
    async with quick_tools(project) as call:
        for name in ("compare first of all", "an experiment first of all", "a lucky seed", "a seed in a string"):
            assert (await refused(call, MANOEUVRES[name][1], project)).is_error
    assert [path.name for path in project.iterdir()] == ["train_llm.py"]


async def test_a_refused_declaration_is_not_recorded(project: Path) -> None:
    async with quick_tools(project) as call:
        before = await call(*BASELINE[:1], **BASELINE[1])
        for name in ("no hypothesis", "no flags", "the flags --seed 7", "65 flags", "a capital in the name"):
            tool, arguments = MANOEUVRES[name][1].call
            assert (await call(tool, **arguments)).data["ledger_head"] == before.data["ledger_head"]
        assert (await call("list_experiments")).data["total"] == 0


async def test_a_crash_is_named_without_its_details(project: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with quick_tools(project, InProcessEngine(breaks_the_engine)) as call:
        answer = await call("run_seed")
    assert "secret detail" not in answer.text + json.dumps(answer.data)
    assert "secret detail" in caplog.text


@pytest.mark.parametrize("name", ["compare after two baseline seeds", "a seed in a string", "an engine that breaks"])
async def test_both_eras_of_the_protocol_get_the_same_refusal(project: Path, tmp_path: Path, name: str) -> None:
    answers = []
    for mode in ("auto", "legacy"):
        folder = shutil.copytree(project, tmp_path / mode)
        async with quick_tools(folder, engine_of(MANOEUVRES[name][1]), mode) as call:
            answers.append(await refused(call, MANOEUVRES[name][1], folder))
    first, second = answers
    # Two ledgers: the number of records is the same, the hash is not.
    numbers = [answer.data.pop("ledger_head").split()[0] for answer in answers]
    assert numbers[0] == numbers[1]
    assert first == second

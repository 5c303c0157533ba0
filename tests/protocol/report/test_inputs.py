"""What a report says of what its runs read; nothing where they did not record it."""

from dataclasses import replace

from seedproof.model.arms import Arm
from seedproof.phases.baseline import establish_baseline
from seedproof.report.code_section import code_lines
from seedproof.report.inputs import control_line, input_lines, read_by_runs

from tests.support.arms import ROUND_VALUES, RULES, measured
from tests.support.inputs import OLD, base, changed_files, exp, left, reads


def test_a_ledger_without_inputs_has_no_line() -> None:
    assert input_lines(base(None), exp(None)) == []
    baseline = establish_baseline(
        Arm(generation=1, experiment=None, runs=measured(ROUND_VALUES, experiment=None), code=OLD), RULES
    )
    unknown = exp(None, **changed_files("notes.md"))
    assert read_by_runs(baseline, unknown) is None
    assert list(control_line(baseline, unknown)) == []


def test_how_much_is_known_is_said_once_for_each_degree_with_its_reason() -> None:
    partly = reads("a.bin", observed="partly", why="a process did not say what it opened")
    arm = exp(reads("a.bin"), partly, None)
    assert input_lines(base(reads()), arm) == [
        "Inputs of 6 runs: known (1 to 2 files each)",
        "Inputs of 1 run: known in part (2 files each), because a process did not say what it opened",
        "Inputs of 1 run: not recorded",
    ]
    off = reads(observed="off", why="settings.observe_inputs is false", files={}, count=0)
    assert input_lines(base(off)) == ["Inputs of 5 runs: not observed, because settings.observe_inputs is false"]


def test_caches_and_lists_that_were_cut_have_a_line() -> None:
    arm = exp(reads(cut=3, **left("data/cache/t.bin", is_cache=True)))
    assert input_lines(base(reads()), arm)[1:] == [
        "More files than a record lists were read by 3 runs; the whole lists lie beside the logs",
        "Read from a cache that runs of this ledger wrote: `data/cache/t.bin`",
    ]


def test_the_files_of_a_change_are_told_by_whether_a_run_read_them() -> None:
    runs = measured(ROUND_VALUES, experiment=None)
    arm = Arm(generation=1, experiment=None, runs=tuple(replace(one, inputs=reads()) for one in runs), code=OLD)
    baseline = establish_baseline(arm, RULES)
    both = exp(reads("m.py"), code_change=True, **changed_files("a.md", "m.py"))
    files = [line for line in code_lines(baseline, both, (), None, "experiment_x_1M") if line.startswith("  - ")]
    assert files == ["  - `m.py` (+1 -1), read by runs", "  - `a.md` (+1 -1), read by no run"]
    (waived,) = control_line(baseline, exp(reads(), **changed_files("n.md")))
    assert waived.startswith("No run of the baseline read a file that differs, so no control was asked for.")

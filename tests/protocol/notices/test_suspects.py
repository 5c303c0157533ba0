"""Names that suggest evaluation, data or length: which do, and which only look like it."""

import pytest
from seedproof.model.code import Change, ChangedFile
from seedproof.notices.declarations import suspect_files, suspect_flags


@pytest.mark.parametrize(
    "flag",
    [
        "--eval_every",
        "--eval-batches=4",
        "--val_tokens",
        "--val",
        "--validation-split",
        "--data_path=/x",
        "--dataset",
        "--max_steps",
        "--step",
        "--context_tokens",
        "--resume_from",
        "--ckpt",
        "--load.ckpt_path",
        "--evalEvery",
        "--EVAL2",
        "-val",
        "--epochs",
        "--max_epochs",
        "--num-train-epochs",
        "--trainer.maxEpochs",
        "--n_iter",
        "SOLVER.MAX_ITER",
    ],
)
def test_a_flag_whose_name_suggests_evaluation_data_or_length_is_suspect(flag: str) -> None:
    assert suspect_flags([flag, "1"]) == [flag.partition("=")[0]]


@pytest.mark.parametrize(
    "flag",
    [
        "--value_lr",
        "--values",
        "--medieval",
        "--interval",
        "--database",
        "--metadata",
        "--stepsize",
        "--lr",
        "--muon_lr=1",
        "--warmup_epochs",
        "--epoch_decay",
        "--epochs.log",
        "--train",
        "SOLVER.BASE_LR",
        "--itersize",
    ],
)
def test_a_name_that_only_holds_the_letters_is_not(flag: str) -> None:
    assert suspect_flags([flag, "1"]) == []


def test_keys_of_key_value_are_names_and_values_are_not() -> None:
    assert suspect_flags(["--set", "data.path=/x", "+eval.every=3", "lr=val", "--note=val_tokens", "steps"]) == [
        "data.path",
        "eval.every",
    ]
    assert suspect_flags(["--override=val.tokens=3"]) == ["val.tokens"]
    assert suspect_flags([]) == []


def test_a_flag_that_is_given_twice_is_named_once() -> None:
    assert suspect_flags(["--val_tokens", "1", "--lr", "2", "--val_tokens", "3"]) == ["--val_tokens"]


def change(*paths: str) -> Change:
    return Change(tuple(ChangedFile(path, 1, 2) for path in paths))


def test_changed_files_whose_names_suggest_evaluation_or_data_are_suspect() -> None:
    found = suspect_files(
        change("evaluate.py", "data/load.py", "src/val_split.py", "metrics.py", "train_llm.py", "step.py", "values.py")
    )
    assert [file.path for file in found] == ["evaluate.py", "data/load.py", "src/val_split.py", "metrics.py"]


def test_no_change_has_no_suspects() -> None:
    assert suspect_files(None) == ()
    assert suspect_files(change("train_llm.py")) == ()


def test_a_sealed_file_needs_no_word_as_its_change_is_refused() -> None:
    assert suspect_files(change("evaluate.py"), {"evaluate.py": "abc"}) == ()
    assert suspect_files(change("research/llm/evaluate.py"), ["evaluate.py"]) == ()
    assert [file.path for file in suspect_files(change("evaluate.py"), ["data/val.bin"])] == ["evaluate.py"]

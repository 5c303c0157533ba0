"""Checks and makes the declaration of an experiment: name, flags and hypothesis, fixed before its first run."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace

from seedproof.admission.code import list_files
from seedproof.admission.request import RunRequest
from seedproof.commands.flags import check_flags, normalise_flags, split_options
from seedproof.commands.option_names import OptionNames
from seedproof.commands.replacement import replaced_places
from seedproof.ledger.state import Experiment
from seedproof.ledger.study_events import ExperimentDeclared
from seedproof.model.arms import Baseline, declares_no_effect
from seedproof.model.code import Change, Code
from seedproof.model.refusals import (
    CodeUnchanged,
    DeclarationRefusal,
    FlagMalformed,
    FlagsChanged,
    FlagsDuplicate,
    FlagsMissing,
    HypothesisMissing,
    NameInvalid,
    NextCall,
    SnapshotMissing,
)
from seedproof.phases.calls import (
    declare_call,
    new_baseline_call,
    new_experiment_call,
)
from seedproof.phases.next_call import experiment_next
from seedproof.phases.study import Study
from seedproof.phases.twins import repeated_experiments, tried_twins
from seedproof.verdict.campaign import choose_primary

__all__ = [
    "check_declaration",
    "check_flags_and_hypothesis",
    "check_name",
    "check_unchanged",
    "duplicate_refusal",
    "make_declaration",
    "redeclare_call",
]


# Characters of the declared flags in a refusal.
MOST_SHOWN = 400
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


def check_name(name: str) -> None:
    """Refuse a name that cannot be part of a file name.

    Raises:
        NameInvalid: Not 1 to 64 of a-z, 0-9, `_`, `-`, or it begins with `_` or `-`.
    """
    if not _NAME.fullmatch(name):
        raise NameInvalid(
            "the name of an experiment is 1 to 64 characters of a-z, 0-9, _ and -, beginning with a letter or digit.",
            new_experiment_call(),
        )


def make_declaration(
    study: Study,
    request: RunRequest,
    code: Code | None = None,
    change: Change | None = None,
    names: OptionNames = (),
    seed_files: tuple[str, ...] = (),
) -> ExperimentDeclared:
    """The declaration of an experiment, with the primary test chosen before any result.

    Args:
        code: The code of its runs; None where it is not recorded.
        change: How that differs from the baseline's code; None where it does not.
        names: The options of its training script.
        seed_files: Files that its flags name and that set a seed, each with the key.
    """
    assert study.generation is not None and request.experiment is not None
    primary, primary_reason = choose_primary(study.state, study.rules)
    is_null = declares_no_effect((request.hypothesis or "").strip())
    return ExperimentDeclared(
        generation=study.generation.number,
        experiment=request.experiment,
        flags=request.flags or (),
        hypothesis=(request.hypothesis or "").strip(),
        code_change=request.code_change,
        primary=primary,
        primary_reason=primary_reason,
        counts_by_value=True,
        code=code,
        change=change,
        repeats=repeated_experiments(study.state, request.experiment, request.flags or (), names),
        is_null=is_null,
        replaces=replaced_places(study.rules, request.flags or (), names),
        seed_files=seed_files,
    )


def check_flags_and_hypothesis(baseline: Baseline, request: RunRequest, names: OptionNames = ()) -> None:
    """Refuse a first call with invalid flags or without a hypothesis.

    Args:
        names: The options of its training script.

    Raises:
        DeclarationRefusal: With the call that would declare the experiment.
    """
    next_call = redeclare_call(request)
    try:
        check_flags(request.flags or (), baseline.rules, names)
        _check_differs(baseline, request, replaced_places(baseline.rules, request.flags or (), names))
    except DeclarationRefusal as refusal:
        refusal.next_call = next_call if not isinstance(refusal, FlagMalformed) else _split_call(next_call, request)
        raise
    if not (request.hypothesis or "").strip():
        raise HypothesisMissing(
            f"{request.experiment} is new: say what you expect and why, before the first run.", next_call
        )


def _split_call(call: NextCall, request: RunRequest) -> NextCall:
    """The call with the flags written one word an element, where that is what was wrong with them."""
    flags = split_options(request.flags or ())
    if flags == list(request.flags or ()):
        return call
    known = {"flags": flags} | ({"hypothesis": request.hypothesis} if (request.hypothesis or "").strip() else {})
    rest = tuple(name for name in call.you_choose if name not in known)
    return replace(call, arguments={**call.arguments, **known}, you_choose=rest)


def _check_differs(baseline: Baseline, request: RunRequest, replaced: Sequence[int]) -> None:
    """Refuse flags that replace settings of the command by the very same.

    Raises:
        FlagsMissing: Nothing would differ from the baseline.
    """
    command, flags = baseline.rules.command, request.flags or ()
    is_same = replaced and normalise_flags(flags) == normalise_flags([command[place] for place in replaced])
    if is_same and not request.code_change and not declares_no_effect((request.hypothesis or "").strip()):
        raise FlagsMissing(
            f"the command has {' '.join(flags)} already, so nothing would differ from the baseline. "
            "A hypothesis that begins with `null:` declares that on purpose."
        )


def redeclare_call(request: RunRequest, seed: int | None = None) -> NextCall:
    """The call that repeats the declaration of a refused request.

    Args:
        seed: The first seed, where it is known.
    """
    return declare_call(request.experiment, code_change=request.code_change, has_flags=bool(request.flags), seed=seed)


def check_declaration(
    study: Study, baseline: Baseline, request: RunRequest, code: Code | None, change: Change | None
) -> None:
    """Refuse a first call that declares no difference, or one that was tried before.

    Args:
        code: The code of its runs.
        change: How that differs from the baseline's code.

    Raises:
        CodeUnchanged, SnapshotMissing: It declares a change of code, and nothing differs, or that is not known.
        FlagsMissing, FlagsDuplicate: Neither flags nor a change of code, or the same as an earlier experiment.
    """
    hypothesis = (request.hypothesis or "").strip()
    is_null = declares_no_effect(hypothesis)
    if request.code_change:
        _check_changed(baseline, change, code, request)
    elif not request.flags and not is_null:
        if change is not None:  # the call that declares the edit would be refused so
            _check_not_tried(study, baseline, replace(request, code_change=True), code, change)
        raise _flags_missing(request, change)
    if not is_null:
        _check_not_tried(study, baseline, request, code, change)


def _flags_missing(request: RunRequest, change: Change | None) -> FlagsMissing:
    """The refusal of a call that declares no difference; an edit of the code may be the undeclared one."""
    if change is None:
        return FlagsMissing(
            f"{request.experiment} has no flags, so nothing would differ from the baseline. "
            "A hypothesis that begins with `null:` declares that on purpose.",
            redeclare_call(request),
        )
    files = list_files([file.path for file in change.files])
    return FlagsMissing(
        f"{request.experiment} has no flags, and that the code is not the baseline's ({files}) is not declared; "
        "code_change=true declares the edit as the experiment, with flags or without.",
        redeclare_call(replace(request, code_change=True)),
    )


def _check_changed(baseline: Baseline, change: Change | None, code: Code | None, request: RunRequest) -> None:
    if code is None or baseline.arm.code is None:
        raise SnapshotMissing(
            "the code of the present baseline was not recorded, so no change can be told; measure a new baseline.",
            new_baseline_call(),
        )
    if change is None:
        raise CodeUnchanged(
            "no file that can change a run differs from the baseline's, so code_change would declare nothing. "
            "Edit the code first, or leave code_change out and give flags.",
            redeclare_call(replace(request, code_change=False)),
        )
    if change.is_empty:
        files = list_files([file.path for file in change.files])
        raise CodeUnchanged(
            f"only comments, blanks or docstrings of {files} differ from the baseline's, so code_change would declare "
            "nothing. Edit the code first, or leave code_change out and give flags.",
            redeclare_call(replace(request, code_change=False)),
        )


def _check_not_tried(
    study: Study, baseline: Baseline, request: RunRequest, code: Code | None, change: Change | None
) -> None:
    assert study.generation is not None
    flags, rules = request.flags or (), baseline.rules
    twins = tried_twins(study.state, study.generation, flags, request.code_change, code, change, rules)
    if twins:
        raise duplicate_refusal(study, twins[0])


def duplicate_refusal(study: Study, other: Experiment) -> FlagsDuplicate:
    """The refusal that names the experiment with the same flags, with the next call for that one."""
    name = study.rules.metric.name
    has_value = any(run.is_draw(name) for run in study.state.experiment_arm(other).runs)
    what = "flags and the same code" if other.code_change else "flags"
    return FlagsDuplicate(
        f"{other.name} has the same {what} and {'has been' if has_value else 'is being'} measured; "
        "a new name is not a new chance.",
        experiment_next(study, other),
    )


def _shown(flags: Sequence[str]) -> str:
    text = json.dumps(list(flags))
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}… ({len(flags)} elements)"


def check_unchanged(experiment: Experiment, request: RunRequest, next_call: NextCall) -> None:
    """Refuse a later call that contradicts the declaration.

    Args:
        next_call: Continues the experiment as declared.

    Raises:
        FlagsChanged: Other flags, another hypothesis, or `code_change` where none was declared.
    """
    if request.code_change and not experiment.code_change:
        raise FlagsChanged(
            f"{experiment.name} was declared without code_change; leave it out, or declare a new name.", next_call
        )
    if request.flags is not None and normalise_flags(request.flags) != normalise_flags(experiment.flags):
        raise FlagsChanged(
            f"{experiment.name} was declared with the flags {_shown(experiment.flags)}; leave them out, or declare a "
            "new name.",
            next_call,
        )
    if request.hypothesis is not None and request.hypothesis.strip() != experiment.hypothesis:
        raise FlagsChanged(f"{experiment.name} was declared with another hypothesis; leave it out.", next_call)

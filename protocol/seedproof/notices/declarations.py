"""What a ledger knows of an experiment beside its own runs: earlier tries, telling names, logs seen before."""

import hashlib
from collections.abc import Iterable, Iterator

from seedproof.ledger.generation import Experiment
from seedproof.ledger.state import State
from seedproof.metrics.lines import one_line
from seedproof.model.code import SOURCE_ENDINGS
from seedproof.model.values import Notice, Role, Run
from seedproof.notices.likeness import Likeness, likeness
from seedproof.notices.suspects import suspect_files, suspect_flags

__all__ = ["created_notices", "declared_notices", "log_notices"]

# A sweep has many neighbours; the newest are named, the others counted.
NAMED = 5
_NO_LOG = hashlib.sha256(b"").hexdigest()


def declared_notices(state: State, experiment: Experiment, *, verdicts: bool) -> list[Notice]:
    """What is to be told of an experiment as it was declared.

    Args:
        verdicts: Whether the verdicts of earlier experiments may be named.
    """
    return [
        *_tried_before(state, experiment, verdicts),
        *_suspect_flags(experiment),
        *_suspect_files(experiment),
    ]


def _tried_before(state: State, experiment: Experiment, verdicts: bool) -> Iterator[Notice]:
    alike = {place: _likeness(experiment, state.experiments[place]) for place in _alike(state, experiment)}
    for kind in ("same", "near"):
        found = [state.experiments[place] for place, word in alike.items() if word == kind]
        told = "; ".join(_told(state, experiment, one, verdicts) for one in found[-NAMED:])
        more = f", and {len(found) - NAMED} more before these" if len(found) > NAMED else ""
        if found and kind == "same":
            yield Notice("declared_before", f"{experiment.name}: the same flags were declared before as {told}{more}.")
        elif found:
            yield Notice(
                "near_duplicate",
                f"{experiment.name}: flags within 20 % of these were declared before as {told}{more}; the more "
                "neighbours are tried, the likelier one of them looks better by chance.",
            )


def _alike(state: State, experiment: Experiment) -> tuple[int, ...]:
    """Places of the earlier experiments of the ledger with flags like these; looked for once."""
    if experiment.alike is None:
        earlier = state.experiments[: experiment.place]
        experiment.alike = tuple(one.place for one in earlier if _likeness(experiment, one) is not None)
    return experiment.alike


def _likeness(experiment: Experiment, earlier: Experiment) -> Likeness | None:
    if experiment.code_change != earlier.code_change:
        return None
    return likeness(experiment.flags, earlier.flags)


def _told(state: State, experiment: Experiment, earlier: Experiment, verdicts: bool) -> str:
    """An earlier experiment: its name, where it stands, its flags and what became of it."""
    generation = "" if earlier.generation == experiment.generation else f", generation {earlier.generation}"
    flags = one_line(" ".join(earlier.flags))
    return f"{earlier.name} (#{earlier.declared_at}{generation}: {flags}; {_fate(state, earlier, verdicts)})"


def _fate(state: State, earlier: Experiment, verdicts: bool) -> str:
    if earlier.verdict is not None:
        return str(earlier.verdict["headline"]) if verdicts else "judged"
    arm, name = state.experiment_arm(earlier), state.rules_of(earlier.generation).metric.name
    shown = sum(name in run.metrics for run in arm.runs)
    if not shown:
        return f"showed no {name}"
    return f"{shown} run{'' if shown == 1 else 's'} showed {name}, not judged"


def _suspect_flags(experiment: Experiment) -> Iterator[Notice]:
    found = suspect_flags(experiment.flags)
    if found:
        names = ", ".join(map(one_line, found))
        yield Notice(
            "flag_suspect",
            f"{experiment.name}: by its name {names} may change evaluation, data or length of the training; then the "
            "difference does not measure the idea.",
        )


def _suspect_files(experiment: Experiment) -> Iterator[Notice]:
    files = suspect_files(experiment.change, () if experiment.code is None else experiment.code.sealed)
    if files:
        told = ", ".join(f"{one_line(file.path)} ({_lines(file.added, file.removed)})" for file in files[:NAMED])
        more = f" and {len(files) - NAMED} more" if len(files) > NAMED else ""
        yield Notice(
            "file_suspect",
            f"{experiment.name}: by their names {told}{more} may change evaluation or data; then the difference does "
            "not measure the idea. `rules.sealed` refuses such changes.",
        )


def _lines(added: int | None, removed: int | None) -> str:
    return "not text" if added is None or removed is None else f"+{added} -{removed}"


# --- files of runs ----------------------------------------------------------------------------


def created_notices(state: State) -> list[Notice]:
    """Files that look like code and do not count as such, because they appeared while a run trained in place."""
    files = sorted(name for name in state.created if _is_source(name))
    if not files:
        return []
    told = ", ".join(map(one_line, files[:NAMED])) + (f" and {len(files) - NAMED} more" if len(files) > NAMED else "")
    text = f"{told} appeared while runs trained in place and so do not count as code, whoever wrote them"
    return [Notice("created_files", f"{text}; a change of them was not looked for.")]


def _is_source(name: str) -> bool:
    # Python files count as code whoever made them, but for those whose ending is not written so.
    return name.lower().endswith(tuple(SOURCE_ENDINGS)) and not name.endswith(".py")


# --- logs -------------------------------------------------------------------------------------


def log_notices(state: State, experiment: Experiment) -> list[Notice]:
    """Logs of an experiment that another arm of its generation left as well, byte for byte."""
    return [
        Notice(
            "identical_logs",
            f"{experiment.name}: the log of seed {run.seed} is that of {_listed(others)}, byte for byte.",
        )
        for run, others in _seen_before(state, experiment)
    ]


def _seen_before(state: State, experiment: Experiment) -> Iterator[tuple[Run, list[Run]]]:
    generation = state.generations[experiment.generation - 1]
    for run_id in experiment.run_ids:
        run = state.runs[run_id]
        if not run.state.is_counted or run.log_sha256 in (None, _NO_LOG) or _is_without_flags(run):
            continue
        known = [state.runs[other] for other in state.logs.get(run.log_sha256 or "", ())]
        others = [
            other
            for other in known
            if other.state.is_counted
            and (other.generation == experiment.generation or other.run_id in generation.adopted)
            and _is_elsewhere(run, other, experiment)
        ]
        if others:
            yield run, others


def _is_without_flags(run: Run) -> bool:
    """Whether it repeats a command of the baseline's side: its log may well repeat too."""
    return run.role is Role.CONTROL or run.is_control


def _is_elsewhere(run: Run, other: Run, experiment: Experiment) -> bool:
    """Whether a log has no business to be there as well; within an arm, `seedproof.notices.runs` looks."""
    if other.run_id == run.run_id or other.role is Role.CONTROL:
        return False
    if experiment.is_null and other.seed == run.seed and (other.experiment is None or other.is_control):
        return False  # as it was declared
    is_same_arm = other.experiment == experiment.name and other.role is run.role and not other.is_control
    return not is_same_arm


def _listed(runs: Iterable[Run]) -> str:
    told = [_named(run) for run in runs]
    return ", ".join(told[:NAMED]) + (f" and {len(told) - NAMED} more" if len(told) > NAMED else "")


def _named(run: Run) -> str:
    return f"{run.experiment or 'baseline'} seed {run.seed}{' without flags' if run.is_control else ''}"

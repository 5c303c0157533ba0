"""Differences in what the runs behind a verdict read, which neither flags nor a change of code declare."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from seedproof.model.arms import Arm
from seedproof.model.inputs import InputFile, RunInputs
from seedproof.model.run_key import Role
from seedproof.model.runs import Run
from seedproof.phases.control import is_moved
from seedproof.phases.read_files import are_all_known, is_read, is_unread_change, read_files
from seedproof.verdict.declared_names import declared_names, is_declared

__all__ = ["InputDifference", "InputKind", "cache_files", "inputs_bracket", "input_differences", "unobserved"]

InputKind = Literal["content", "alone", "left", "changed", "edited"]
"""`content`: one path, other content. `alone`: all runs of one arm read it, and none of the other. `left`: an earlier
run wrote it. `changed`: it was changed while a run trained. `edited`: code that is not the baseline's, of which no
control was asked."""


@dataclass(frozen=True, slots=True)
class InputDifference:
    """A file that makes what the runs read differ."""

    kind: InputKind
    """How."""
    path: str
    """As in `RunInputs.files`."""
    where: str
    """The runs, for a reader."""


@dataclass(frozen=True, slots=True)
class _Reader:
    """A counted run whose inputs are recorded."""

    run: Run
    inputs: RunInputs
    who: str
    """Its arm, or what else it is for."""
    has_code: bool
    """Whether it was trained with the experiment's code."""

    @property
    def contents(self) -> dict[str, str]:
        """What it read, by path; files of any origin as far as they are listed."""
        found = {path: file.content for path, file in self.inputs.files.items()}
        found |= {left.path: left.content for left in self.inputs.left_by_runs}
        found |= {other.path: other.content for other in self.inputs.other_content}
        return {path: content for path, content in found.items() if content}


def input_differences(baseline: Arm, arm: Arm | None = None) -> tuple[InputDifference, ...]:
    """The differences between the counted runs of both arms, the control and the confirmation, by kind and path.

    Which files a seed picks is not compared. None of runs whose inputs were not recorded.

    Args:
        arm: The experiment; None compares the baseline's runs among themselves.
    """
    readers = _readers(baseline, arm)
    if not readers:
        return ()
    found = [*_other_content(readers, baseline, arm), *_left_by_runs(readers, baseline), *_changed(readers)]
    if arm is not None:
        found += [*_read_by_one_side(baseline, arm), *_edited(readers, baseline, arm)]
    return tuple(sorted(found, key=lambda one: (_ORDER.index(one.kind), one.path)))


_ORDER: tuple[InputKind, ...] = ("content", "alone", "left", "changed", "edited")
_NAMED = 2


def inputs_bracket(found: Sequence[InputDifference]) -> str | None:
    """The remark on a verdict that names the first two files; None where nothing differs."""
    paths = list(dict.fromkeys(one.path for one in found))
    if not paths:
        return None
    more = f", +{len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return f"inputs differ: {', '.join(path.rpartition('/')[2] for path in paths[:_NAMED])}{more}"


def cache_files(runs: Iterable[Run]) -> tuple[str, ...]:
    """The files of caches that runs of the ledger wrote and these read."""
    left = {one.path for run in runs if run.inputs is not None for one in run.inputs.left_by_runs if one.is_cache}
    return tuple(sorted(left))


def unobserved(baseline: Arm, arm: Arm) -> str | None:
    """Says that the inputs of some counted runs were not observed by choice, while those of others were; else None."""
    readers = _readers(baseline, arm)
    off = [one for one in readers if one.inputs.observed == "off"]
    if not off or len(off) == len(readers):
        return None
    return (
        f"settings.observe_inputs was false for {_named(off)} and not for the others: what those runs read is not "
        "known. Leave the setting as it is during a study."
    )


def _readers(baseline: Arm, arm: Arm | None) -> list[_Reader]:
    groups = [("baseline", tuple(baseline.counted.values()), False)]
    if arm is not None:
        fresh = [run for run in arm.all_fresh if run.state.is_counted]
        has_own_controls = arm.fresh_plan is not None and arm.fresh_plan.has_own_controls
        groups += [
            (arm.experiment or "", tuple(arm.counted.values()), True),
            ("control", tuple(run for run in arm.controls if run.state.is_counted), True),
            ("fresh runs without the change", tuple(run for run in fresh if run.is_control), has_own_controls),
            ("fresh runs with the change", tuple(run for run in fresh if not run.is_control), True),
        ]
    return [_Reader(run, run.inputs, who, has) for who, runs, has in groups for run in runs if run.inputs is not None]


def _named(readers: Sequence[_Reader]) -> str:
    """Runs by arm and seed: `muon seed 42, 137 and control seed 42`."""
    by_arm: dict[str, list[str]] = {}
    for one in readers:
        by_arm.setdefault(one.who, []).append(str(one.run.seed))
    return " and ".join(f"{who} seed {', '.join(dict.fromkeys(seeds))}" for who, seeds in by_arm.items())


# --- one path, other content --------------------------------------------------------------------


def _other_content(readers: Sequence[_Reader], baseline: Arm, arm: Arm | None) -> Iterator[InputDifference]:
    told = {one.path for reader in readers for one in reader.inputs.other_content}
    by_path: dict[str, dict[str, list[_Reader]]] = {}
    for reader in readers:
        for path, content in reader.contents.items():
            # The run's record leaves out what is no input, such as a list of results that each run adds a line to.
            if path in told:
                by_path.setdefault(path, {}).setdefault(content, []).append(reader)
    for path in told & by_path.keys():
        if len(by_path[path]) == 1:
            first = _first_readers(path, readers, baseline, arm)
            by_path[path] |= {"": first} if first else {}
    for path, groups in by_path.items():
        if len(groups) > 1 and not _is_declared_edit(path, groups.values(), baseline, arm):
            yield InputDifference("content", path, " / ".join(_named(group) for group in groups.values()))


def _first_readers(path: str, readers: Sequence[_Reader], baseline: Arm, arm: Arm | None) -> list[_Reader]:
    """The runs that stand for the content that came first, where no list has it: files outside are in none.

    The first reader itself, or, where it does not count, the results of its arm that do not name another content.
    """
    ids = {one.run_id for reader in readers for one in reader.inputs.other_content if one.path == path}
    unnamed = [one for one in readers if path not in one.contents]
    found = [one for one in unnamed if one.run.run_id in ids]
    sides = {side.experiment for side in (baseline, arm) if side and ids & {run.run_id for run in side.runs}}
    return found or [one for one in unnamed if one.run.role is Role.MEASURE and one.run.experiment in sides]


def _is_declared_edit(path: str, groups: Iterable[Sequence[_Reader]], baseline: Arm, arm: Arm | None) -> bool:
    """Whether contents differ between the arms only, in a file of the code whose change is declared, or was tested."""
    sides = [{reader.has_code for reader in group} for group in groups]
    if arm is None or len(sides) != 2 or any(len(side) > 1 for side in sides) or not _is_accounted(baseline, arm):
        return False
    files = [found for group in groups for one in group if (found := one.inputs.files.get(path)) is not None]
    is_code = bool(files) and all(file.origin == "code" for file in files)
    return is_code or any(_is_in_change(path, one.inputs, arm) for group in groups for one in group)


def _is_accounted(baseline: Arm, arm: Arm) -> bool:
    """Whether the experiment declares its change of code, or a control had to show what that does."""
    return is_moved(baseline, arm) and (arm.code_change or not is_unread_change(baseline, arm))


def _is_in_change(path: str, inputs: RunInputs, arm: Arm) -> bool:
    alone = RunInputs("fully", files={path: InputFile("", "code")}, folder=inputs.folder)
    return arm.change is not None and any(is_read(file.path, alone) for file in arm.change.files)


# --- read by one side alone ---------------------------------------------------------------------


def _read_by_one_side(baseline: Arm, arm: Arm) -> Iterator[InputDifference]:
    """Files that all runs of one side read and none of the other, in the measured arms or in the fresh pairs."""
    fresh = [run for run in arm.all_fresh if run.state.is_counted]
    sides = [
        ("baseline", list(baseline.counted.values()), arm.experiment or "", list(arm.counted.values())),
        (
            "fresh runs without the change",
            [run for run in fresh if run.is_control],
            "fresh runs with the change",
            [run for run in fresh if not run.is_control],
        ),
    ]
    seen: set[str] = set()
    for base_name, base, name, runs in sides:
        # One pair alone may pick its files by chance.
        if len(base) < 2 or not runs or not are_all_known([*base, *runs]):
            continue
        added, missing = _alone(runs, base), _alone(base, runs)
        told = {path: name for path in added if not _is_explained(path, runs, arm)}
        declared = [path for path in added if is_declared(path, declared_names(arm.flags))]
        told |= {
            path: base_name
            for path in missing
            if not _is_explained(path, base, arm) and not any(_is_instead(path, other) for other in declared)
        }
        for path, who in told.items():
            if path not in seen:
                seen.add(path)
                yield InputDifference("alone", path, f"all of {who}")


def _alone(runs: Sequence[Run], others: Sequence[Run]) -> list[str]:
    """Files of the project, named ones and changed code that all runs read and none of the others."""
    elsewhere = {path for run in others for path in _files(run)}
    common = set.intersection(*(set(_files(run)) for run in runs))
    return sorted(common - elsewhere)


def _files(run: Run) -> Mapping[str, InputFile]:
    return {} if run.inputs is None else {p: f for p, f in run.inputs.files.items() if f.origin != "outside"}


def _is_explained(path: str, runs: Sequence[Run], arm: Arm) -> bool:
    """Whether flags declare a file, the change of code has it, or the code that both arms have holds it."""
    known = [run.inputs for run in runs if run.inputs is not None]
    if is_declared(path, declared_names(arm.flags)):
        return True
    if any(_is_in_change(path, one, arm) for one in known):
        return True  # declared, shown by a control, or told as edited
    # Identified by the code of both; code that was not kept cannot be compared.
    return all(one.files[path].origin == "code" for one in known)


def _is_instead(path: str, declared: str) -> bool:
    """Whether a flag names a file that is read in place of this one: of the same folder, name or ending."""
    one, other = path.rpartition("/"), declared.rpartition("/")
    ending = one[2].rpartition(".")[2]
    return one[2] == other[2] or (bool(one[0]) and one[0] == other[0]) or other[2].endswith(f".{ending}")


# --- left by runs, changed, edited --------------------------------------------------------------


def _left_by_runs(readers: Sequence[_Reader], baseline: Arm) -> Iterator[InputDifference]:
    """Files that an earlier run wrote, unless a result of the baseline read the same content."""
    base = {run.run_id for run in baseline.counted.values()}
    known = {item for one in readers if one.run.run_id in base for item in one.contents.items()}
    found: dict[tuple[str, str], list[_Reader]] = {}
    for reader in readers:
        for left in reader.inputs.left_by_runs:
            if not left.is_cache and (left.path, left.content) not in known:
                found.setdefault((left.path, left.run_id), []).append(reader)
    by_path: dict[str, list[str]] = {}
    for (path, run_id), group in found.items():
        by_path.setdefault(path, []).append(f"{run_id} wrote it, {_named(group)} read it")
    for path, words in by_path.items():
        yield InputDifference("left", path, "; ".join(words))


def _changed(readers: Sequence[_Reader]) -> Iterator[InputDifference]:
    for path in sorted({path for reader in readers for path in reader.inputs.changed}):
        yield InputDifference("changed", path, _named([one for one in readers if path in one.inputs.changed]))


def _edited(readers: Sequence[_Reader], baseline: Arm, arm: Arm) -> Iterator[InputDifference]:
    """Files of a change that asked for no control, as the baseline did not read them, and that the experiment read."""
    if arm.change is None or not is_moved(baseline, arm) or _is_accounted(baseline, arm):
        return
    names = declared_names(arm.flags)
    by_file: dict[str, list[_Reader]] = {}
    for reader in readers:
        for path in read_files(arm.change, [reader.run]) if reader.has_code else ():
            by_file.setdefault(path, []).append(reader)
    for path, group in by_file.items():
        if not is_declared(path, names):
            yield InputDifference("edited", path, _named(group))

"""Makes the value that says what a run read, and stores the list behind it in the run's folder."""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seedproof.inputs.choose import chosen_for_list, chosen_for_record
from seedproof.inputs.history import left_by_runs, other_content
from seedproof.inputs.listed import Listed, ListedFile, WrittenFile, write_list
from seedproof.inputs.names import name_files
from seedproof.inputs.reads import Process
from seedproof.inputs.training_process import training_process
from seedproof.ledger.state import State
from seedproof.model.code import Code
from seedproof.model.inputs import RunInputs
from seedproof.model.runs import Run

from seedproof_mcp.code.hashes import Hashes
from seedproof_mcp.code.identity import Selection
from seedproof_mcp.host.training_script import training_script
from seedproof_mcp.inputs.contents import Contents
from seedproof_mcp.inputs.files_of_run import Sorting, named_files, output_places, own_folders, sort_files
from seedproof_mcp.inputs.lists import Lists, same_arm
from seedproof_mcp.inputs.observed import Observation, observation_of
from seedproof_mcp.inputs.packages import ImportedPackages
from seedproof_mcp.inputs.places import Places
from seedproof_mcp.inputs.recorded_code import RecordedCode, recorded_code
from seedproof_mcp.supervisor.samples import is_python
from seedproof_mcp.system import files
from seedproof_mcp.system.paths import ProjectPaths, RunPaths

__all__ = ["FoundOfRun", "InputRecorder"]

logger = logging.getLogger(__name__)

_MOST_WRITTEN = 200
_MOST_CHANGED = 100
_HASH_LENGTH = 16


class InputRecorder:
    """Records what the runs of one project read. It remembers the lists of earlier runs."""

    def __init__(self, paths: ProjectPaths) -> None:
        self._paths = replace(paths, root=paths.root.resolve())
        self._lists = Lists(self._paths)
        self._forgotten: set[str] = set()
        self._code: tuple[Code | None, ProjectPaths, RecordedCode] | None = None

    def record(self, state: State, run: Run, code: Code | None) -> "FoundOfRun | None":
        """What an ended run read, and what trained it; None where its training never started.

        Whatever goes wrong, the run keeps its result: then nothing is known of what it read.
        """
        folder = self._paths.run(run.run_id)
        if not folder.started.exists():
            return None
        try:
            return self._record(state, run, code, folder)
        except Exception as problem:  # an input record is never worth a result
            logger.exception("what %s read could not be recorded", run.run_id)
            return FoundOfRun(RunInputs("not", f"recording it failed ({type(problem).__name__})"))

    def _forget_reads(self, state: State) -> None:
        """Remove what the processes of recorded runs told: their lists have what counts of it."""
        for run_id in [one.run_id for one in state.runs.values() if one.inputs is not None]:
            reads = self._paths.run(run_id).reads
            if run_id not in self._forgotten and reads.is_dir() and not reads.is_symlink():
                with suppress(OSError):
                    files.remove_tree(reads)
            self._forgotten.add(run_id)

    def _record(self, state: State, run: Run, code: Code | None, folder: RunPaths) -> "FoundOfRun":
        spec: Mapping[str, Any] = json.loads(folder.spec.read_bytes())
        observation = observation_of(folder, is_off=spec.get("observe") is False)
        gathered = self._gather(state, run, code, spec, observation)
        files_map, cut = chosen_for_record([*gathered.listed, *gathered.rest])
        kept = gathered.listed
        listed = Listed(tuple(kept), gathered.written, _folder_digests(gathered.rest))
        history = gathered.sorting.history
        outputs = output_places(self._paths, state, run, gathered.sorting.places)
        trained = self._training_process(observation, spec, gathered.sorting.places)
        interpreter = _interpreter(trained, observation, spec)
        inputs = RunInputs(
            observed=observation.observed,
            why=observation.why,
            digest="",
            count=len(gathered.listed) + len(gathered.rest),
            interpreter=interpreter,
            files=files_map,
            folder=gathered.sorting.code.selection.prefix,
            cut=cut,
            packages={**gathered.packages, **_python(trained, interpreter)},
            changed=gathered.changed[:_MOST_CHANGED],
            other_content=other_content(kept, history, run.generation),
            left_by_runs=left_by_runs(kept, history, outputs, same_arm(state, run)),
        )
        self._forget_reads(state)
        return FoundOfRun(self._store(folder, listed, inputs), trained)

    def _training_process(self, observation: Observation, spec: Mapping[str, Any], places: Places) -> Process | None:
        script = training_script(Path(spec["cwd"]), spec["argv"])
        scripts = () if script is None else (places.real(os.path.join(spec["cwd"], script)),)
        code = {os.path.realpath(spec["cwd"]), str(self._paths.root)}
        return training_process(observation.processes, scripts, [f"{one}/" for one in code], places.real)

    def _gather(
        self, state: State, run: Run, code: Code | None, spec: Mapping[str, Any], observation: Observation
    ) -> "_Gathered":
        hashes, rules = Hashes(self._paths), state.rules_of(run.generation)
        recorded = self._recorded_code(state, run, code)
        places = Places(self._paths.root, recorded.top, recorded.tree, recorded.selection)
        folder = self._paths.run(run.run_id)
        sorting = Sorting(
            run=run,
            places=places,
            code=recorded,
            history=self._lists.history(state),
            sealed=rules.sealed,
            named=frozenset(places.real(path) for path in named_files(spec["argv"], spec["cwd"])),
            own=own_folders(self._paths, run),
            started_ns=folder.started.stat().st_mtime_ns,
        )
        packages = ImportedPackages(hashes)
        for process in observation.processes:
            for site in _sites_of(process):
                packages.look_at(site)
        found = sort_files(observation, sorting, packages)
        contents = Contents(hashes, recorded, sorting.history, run.generation)
        by_key = {file.place.key: file for file in found.read}
        supposed = {key: contents.supposed_origin(file) for key, file in by_key.items()}
        kept, rest = chosen_for_list(supposed)
        listed = [contents.of(by_key[key]) for key in kept]
        names = name_files({one.key: one.path for one, _ in listed}, sorting.history.names)
        changed = tuple(sorted(names[one.key] for one, is_changed in listed if is_changed))
        written = sorted(found.written, key=lambda one: one[0].place)[:_MOST_WRITTEN]
        writings = tuple(contents.written(*one) for one in written)
        with suppress(OSError):  # then large files are read again
            hashes.save()
        return _Gathered(
            sorting,
            sorted((replace(one, path=names[one.key]) for one, _ in listed), key=lambda one: one.path),
            [contents.unread(by_key[key], supposed[key]) for key in rest],
            changed,
            writings,
            packages.result(),
        )

    def _recorded_code(self, state: State, run: Run, code: Code | None) -> RecordedCode:
        """The files of a run's code; those of the newest one are remembered, as git takes longer than all the rest."""
        paths = self._paths.of_slot(run.slot)
        if self._code is None or self._code[:2] != (code, paths):
            self._code = code, paths, recorded_code(paths, code)
        found = self._code[2]
        not_code = tuple(run.surroundings.get("not_code", ()))
        return replace(found, selection=Selection(found.selection.prefix, not_code, state.created))

    @staticmethod
    def _store(folder: RunPaths, listed: Listed, inputs: RunInputs) -> RunInputs:
        data = write_list(listed)
        try:
            files.write_atomic(folder.inputs, data)
        except OSError as problem:
            observed = "partly" if inputs.observed == "fully" else inputs.observed
            why = f"its list could not be written ({problem.strerror})"
            return replace(inputs, observed=observed, why="; ".join(one for one in (inputs.why, why) if one))
        return replace(inputs, digest=hashlib.sha256(data).hexdigest())


@dataclass(frozen=True)
class FoundOfRun:
    """What was found out about one run from its processes."""

    inputs: RunInputs
    """What it read."""
    trained: Process | None = None
    """The process that trained; None where no Python told what it opened."""


@dataclass(frozen=True)
class _Gathered:
    """What was found out about one run."""

    sorting: Sorting
    listed: list[ListedFile]
    rest: list[ListedFile]
    changed: tuple[str, ...]
    written: tuple[WrittenFile, ...]
    packages: dict[str, str]


def _folder_digests(rest: Iterable[ListedFile]) -> dict[str, str]:
    """A digest for each folder, over what its files looked like; nothing is read for it."""
    digests: dict[str, Any] = {}
    for file in sorted(rest, key=lambda one: one.key):
        folder = os.path.dirname(file.path)
        line = f"{file.path}\t{file.stat}\n".encode("utf-8", "surrogateescape")
        digests.setdefault(folder, hashlib.sha256()).update(line)
    return {folder: digest.hexdigest()[:_HASH_LENGTH] for folder, digest in sorted(digests.items())}


def _interpreter(trained: Process | None, observation: Observation, spec: Mapping[str, Any]) -> str | None:
    """Hash of the program of the process that trained; None where it cannot be read, or is not known."""
    named = spec["argv"][0]
    # A program may start the Python whose hash the other runs have, as torchrun, `uv run` and shims do.
    if trained is None and (observation.observed != "off" or not is_python(named)):
        return None
    search = str(spec["env"].get("PATH", os.defpath))
    program = trained.executable if trained is not None else shutil.which(named, path=search)
    if not program:
        return None
    try:
        with open(os.path.join(spec["cwd"], program), "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:_HASH_LENGTH]
    except OSError:
        return None


def _python(trained: Process | None, interpreter: str | None) -> dict[str, str]:
    """The entry of Python itself among the packages; the standard library is listed file by file."""
    return {} if trained is None else {"python": f"{trained.version} {(interpreter or '')[:8]}".strip()}


def _sites_of(process: Process) -> Iterable[str]:
    """The folder of installed packages of a Python, whether or not a file of it was read."""
    prefix = Path(process.executable).parent.parent
    version = ".".join(process.version.split(".")[:2])
    return (str(prefix / lib / f"python{version}" / "site-packages") for lib in ("lib", "lib64"))

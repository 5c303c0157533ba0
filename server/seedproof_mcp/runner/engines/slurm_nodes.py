"""What is known of the nodes that a project's jobs get: a first job tells it, and each run's job tells it again."""

import hashlib
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seedproof.model.refusals import BadSettings

from seedproof_mcp.host.describe import asked_env
from seedproof_mcp.host.place import Machine
from seedproof_mcp.runner.engines.slurm_commands import Slurm
from seedproof_mcp.runner.engines.slurm_words import is_ended, job_script, quoted
from seedproof_mcp.system import files
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["OF_THE_NODE", "Node", "Nodes"]

# The exit codes of the first job: sysexits.h has these for a missing input and a missing program.
_NO_FOLDER, _NO_PROGRAM = 66, 69
# A clock that is off by more makes files of the node older or newer than they are; less is what hosts differ by.
_MOST_CLOCK_S = 60.0
# A first job that told nothing is repeated after this, as a person may have mended what was wrong.
_AGAIN_S = 60.0
_UNKNOWN: Mapping[str, Any] = {
    **dict.fromkeys(("implementation", "version", "packages", "torch", "cuda", "gpus", "driver", "cpu")),
}
_NO_ANSWERS = ("job.json", "question.json", "seen.json")
OF_THE_NODE = frozenset({"host", "platform", "cpu_count", "load", "environment_sha256", "packages_sha256"})
"""What of a run's fingerprint the node that carried it out tells."""
_DEVICE = ("cuda", "gpus", "gpus_visible", "driver", "cpu")


@dataclass(frozen=True)
class Node:
    """One node, as it described itself to a run that it carried out."""

    said: Mapping[str, Any]
    """Its place.json."""

    def machine(self) -> Machine:
        """Return the node as it was when the run began."""
        return Machine(**self.said["machine"])

    def environment(self, python: str, env: Mapping[str, str], cwd: Path) -> dict[str, Any]:
        """Return what it said of the interpreter that the settings choose; of another one, its devices alone."""
        document = dict(self.said["environment"])
        if self.said.get("python") in (None, python) or _place_of(self.said.get("executable")) == _place_of(python):
            return document
        return {**_UNKNOWN, **{name: document[name] for name in _DEVICE if name in document}}

    def import_path(self, python: str, env: Mapping[str, str], cwd: Path) -> tuple[str, ...]:
        """Return where that interpreter imports from."""
        return tuple(self.said["import_path"])


def _place_of(program: str | None) -> str | None:
    """An interpreter, whatever links its folder is reached by: of one file, two environments may have a link each."""
    if program is None:
        return None
    return os.path.join(os.path.realpath(os.path.dirname(program)), os.path.basename(program))


class Nodes:
    """The nodes that jobs of these options get; what several of them tell otherwise is not known before the run."""

    def __init__(self, root: Path, slurm: Slurm, options: Sequence[str]) -> None:
        """Look at nothing yet.

        Args:
            root: The project.
            slurm: The cluster.
            options: What its jobs ask for.
        """
        self._root, self._slurm, self._options = root, slurm, tuple(options)
        self._asked: Path | None = None
        self._question: Mapping[str, Any] = {}
        self._refused: tuple[float, BadSettings | OSError] | None = None
        """When the first job could not be submitted, and why; it is tried again a little later."""

    # --- what a fingerprint asks --------------------------------------------------------------

    def machine(self) -> Machine:
        """Return the node that was told of last; without its name where there are several."""
        found = [] if self._asked is None else _told(self._asked)
        if not found:
            return Machine(None, None, None, None)
        newest = Machine(**found[0]["machine"])
        hosts = {one["machine"]["host"] for one in found}
        return replace(newest, host=newest.host if len(hosts) == 1 else None, load=None)

    def environment(self, python: str, env: Mapping[str, str], cwd: Path) -> dict[str, Any]:
        """Return what the nodes tell alike; everything is None before the first job."""
        folder = self._ask(python, env, cwd)
        found = _told(folder) if _is_current(folder) else []
        documents = [one["environment"] for one in found]
        if not documents:
            return dict(_UNKNOWN)
        differ = [name for name in _DEVICE if any(one.get(name) != documents[0].get(name) for one in documents)]
        return {**documents[0], **dict.fromkeys(_DEVICE if differ else ())}

    def import_path(self, python: str, env: Mapping[str, str], cwd: Path) -> tuple[str, ...]:
        """Return where the interpreter imports from on the node that was told of last."""
        found = _told(self._ask(python, env, cwd))
        return tuple(found[0]["import_path"]) if found else ()

    def _ask(self, python: str, env: Mapping[str, str], cwd: Path) -> Path:
        """The folder of the answers to this question; what has to be asked is kept for `is_told`."""
        asked = asked_env(env)
        question = {"python": python, "env": asked, "cwd": str(cwd)}
        # Each client starts its server with a PATH of its own, which chooses no interpreter that has a path.
        known = {name: value for name, value in asked.items() if "/" not in python or name != "PATH"}
        key = json.dumps([self._options, python, known], sort_keys=True)
        folder = ProjectPaths(self._root).nodes / hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()[:16]
        self._asked, self._question = folder, question
        return folder

    @property
    def folder(self) -> Path | None:
        """The folder of the answers to the last question; None where nothing was asked yet."""
        return self._asked

    # --- the first job ------------------------------------------------------------------------

    def is_told(self) -> bool:
        """Whether a node has answered the last question; a job that makes one do so is submitted if there is none.

        Raises:
            BadSettings: The job cannot be submitted, or ended without an answer.
            OSError: Slurm cannot be asked, or the folder of the answers cannot be written.
        """
        folder = self._asked
        if folder is None:
            return True
        job = _read(folder / "job.json")
        if found := _told(folder):
            if _is_current(folder):
                return True
            if not (folder / "seen.json").exists():
                why = _clock_fault(found[0], float(job.get("submitted_s", 0.0)), time.time())
                if why is not None:
                    self._fail(folder, job, why)
                    raise BadSettings(why)
                stamp = _stamp([self._question["python"], *found[0]["import_path"]])
                files.write_atomic(folder / "seen.json", json.dumps(stamp).encode())
                return True
            for path in folder.glob("*.json"):  # packages were installed since
                files.remove_file(path)
            job = {}
        if "number" not in job:
            self._submit(folder)
        elif "failed_s" in job:
            if abs(time.time() - job["failed_s"]) > _AGAIN_S:
                files.remove_file(folder / "job.json")
            raise BadSettings(job["why"])
        else:
            self._look(folder, job)
        return False

    def waits_for(self) -> str | None:
        """The job that has to tell of a node before the first run, in words; None where there is none."""
        for folder in ProjectPaths(self._root).nodes.glob("*"):
            job = _read(folder / "job.json")
            if "number" in job and "why" not in job and not _told(folder):
                return f"Slurm job {job['number']} (a first look at a node)"
        return None

    def problem(self) -> str | None:
        """Why no node could be asked; None where that is not so."""
        for folder in ProjectPaths(self._root).nodes.glob("*"):
            job = _read(folder / "job.json")
            is_ours = job.get("options") == list(self._options)
            if is_ours and "why" in job and abs(time.time() - job["failed_s"]) < _AGAIN_S:
                return str(job["why"])
        return None

    def _submit(self, folder: Path) -> None:
        files.make_folder(folder)
        question = folder / "question.json"
        files.write_atomic(question, json.dumps(self._question).encode())
        program = quoted(sys.executable)
        checks = [
            f"[ -f {quoted(str(question))} ] || exit {_NO_FOLDER}",
            f"[ -x {program} ] || exit {_NO_PROGRAM}",
        ]
        head, _, rest = job_script([("seedproof_mcp.host.describe", str(question), str(folder))]).partition(b"\n")
        script = folder / "job.sh"
        files.write_atomic(script, b"\n".join([head, *map(str.encode, checks), rest]))
        submitted_s = time.time()
        if self._refused is not None and abs(submitted_s - self._refused[0]) < self._slurm.look_every_s:
            raise self._refused[1]
        try:
            number = self._slurm.submit(script, folder, folder / "job.log", "seedproof-node", self._options)
        except (BadSettings, OSError) as problem:
            self._refused = time.time(), problem
            raise
        job = {"number": number, "submitted_s": submitted_s, "options": self._options}
        files.write_atomic(folder / "job.json", json.dumps(job).encode())

    def _look(self, folder: Path, job: dict[str, Any]) -> None:
        listed = self._slurm.jobs().get(job["number"])
        if listed is not None and not is_ended(listed.state):
            job.pop("ended_s", None)
            return
        now_s = time.time()
        if "ended_s" not in job:  # the answer may reach this machine a little later than the news of the job's end
            files.write_atomic(folder / "job.json", json.dumps({**job, "ended_s": now_s}).encode())
            return
        if abs(now_s - job["ended_s"]) < self._slurm.look_every_s or _told(folder):
            return
        code = self._slurm.ended_with(job["number"])
        where = listed.nodes if listed is not None and listed.nodes else "its node"
        why = {
            str(_NO_FOLDER): f"{self._root} is not there on {where}: the project has to lie in a folder that all share",
            str(_NO_PROGRAM): f"{sys.executable}, with which Seedproof runs, is not there on {where}",
            "0": f"what {where} wrote into {self._root} is not there on this machine: its nodes have another folder",
        }.get(code or "", f"it ended on {where} with {'no known exit code' if code is None else f'exit code {code}'}")
        words = "" if listed is None or listed.state in ("COMPLETED", "FAILED") else f" ({listed.words})"
        output = os.path.relpath(folder / "job.log", self._root)
        problem = f"Slurm job {job['number']} could not look at a node{words}: {why}. Its output: {output}."
        self._fail(folder, job, problem)

    def _fail(self, folder: Path, job: Mapping[str, Any], why: str) -> None:
        for name in os.listdir(folder):
            if name.endswith(".json") and name not in _NO_ANSWERS:
                files.remove_file(folder / name)
        files.write_atomic(folder / "job.json", json.dumps({**job, "failed_s": time.time(), "why": why}).encode())


def _told(folder: Path) -> list[dict[str, Any]]:
    """What nodes told, the newest first."""
    try:
        names = [one for one in os.listdir(folder) if one.endswith(".json")]
    except OSError:
        return []
    found = [_read(folder / one) for one in names if one not in _NO_ANSWERS]
    return sorted((one for one in found if "machine" in one), key=lambda one: float(one["time_s"]), reverse=True)


def _is_current(folder: Path) -> bool:
    """Whether the interpreter and its folders of packages are as they were when a node was asked."""
    seen = _read(folder / "seen.json")
    return bool(seen) and _stamp(seen) == seen


def _stamp(paths: Any) -> dict[str, int | None]:
    return {path: _changed_ns(path) for path in paths}


def _changed_ns(path: str) -> int | None:
    try:
        return os.stat(path).st_mtime_ns
    except (OSError, ValueError):
        return None


def _clock_fault(said: Mapping[str, Any], submitted_s: float, now_s: float) -> str | None:
    """What is wrong with a node's clock, if anything: it can have answered between the submission and now only."""
    at_s = float(said["time_s"])
    off_s = at_s - now_s if at_s > now_s else min(0.0, at_s - submitted_s)
    if not submitted_s or abs(off_s) <= _MOST_CLOCK_S:
        return None
    host, which = said["machine"]["host"], "ahead of" if off_s > 0 else "behind"
    return f"the clock of node {host} is {abs(off_s):.0f} s {which} this machine's; set it."


def _read(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}

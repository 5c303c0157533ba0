"""The engine that has Slurm place supervisors on the nodes of a cluster, as one batch job for each run."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from seedproof.metrics.run_state import Ending
from seedproof.model.refusals import BadSettings

from seedproof_mcp.host.place import Place
from seedproof_mcp.host.settings import Settings
from seedproof_mcp.host.slots import NamedSlot
from seedproof_mcp.host.slurm_options import SlurmOptions
from seedproof_mcp.runner.engines import Engine, RunState, Slot
from seedproof_mcp.runner.engines.local import LocalEngine
from seedproof_mcp.runner.engines.slurm_commands import LOOK_EVERY_S, OutOfReach, Slurm
from seedproof_mcp.runner.engines.slurm_nodes import OF_THE_NODE, Node, Nodes
from seedproof_mcp.runner.engines.slurm_words import Job, is_ended, job_script, told_end
from seedproof_mcp.supervisor.run_contract import Spec, read_place, read_spec
from seedproof_mcp.system import files
from seedproof_mcp.system.paths import RunPaths

__all__ = ["SlurmEngine"]

_SHARED_NAME = "seedproof"  # of jobs of which one runs at a time
# How much of the end of a job's output is searched for why it ended.
_OUTPUT_BYTES = 16 << 10


class SlurmEngine(Engine):
    """Submits one job per run. What a run yields is in its folder; Slurm tells queued, running or lost, and why."""

    look_s = 1.0

    def __init__(self, look_every_s: float = LOOK_EVERY_S) -> None:
        """Ask nothing yet.

        Args:
            look_every_s: How often Slurm is asked for its jobs.
        """
        self._slurm = Slurm(look_every_s)
        self._options = SlurmOptions()
        self._nodes: Nodes | None = None
        self._root: Path | None = None
        self._missed_at_s: dict[str, float] = {}
        """When a list of jobs did not have a run's job first, or had it as ended."""
        self._refused: dict[str, BadSettings | OSError] = {}
        """Why a run's job could not be submitted; it is tried again once the run counts as lost."""

    def configure(self, settings: Settings, root: Path) -> None:
        """Take over [settings.slurm]."""
        if self._nodes is None or settings.slurm != self._options or root != self._root:
            self._options, self._root = settings.slurm, root
            self._nodes = Nodes(root, self._slurm, settings.slurm.arguments())

    def slots(self, settings: Settings) -> tuple[NamedSlot, ...]:
        """Return as many slots as runs may be with Slurm at once; one has the name of the settings."""
        if settings.slurm.at_once == 1:
            return (NamedSlot(settings.slot),)
        return tuple(NamedSlot(f"slurm{number}") for number in range(1, settings.slurm.at_once + 1))

    # --- where ----------------------------------------------------------------------------------

    def place(self) -> Place:
        """Return what is known of the nodes that jobs of these options get.

        Raises:
            BadSettings: Slurm cannot be asked, or would take no such job.
        """
        self._slurm.check(self._options.arguments())
        nodes = self._known_nodes()
        problem = nodes.problem()
        if problem is not None:
            raise BadSettings(problem)
        return nodes

    def is_waiting(self) -> bool:
        """Whether no node has told of itself yet; the job that makes one do so is submitted if there is none."""
        return not self._known_nodes().is_told()

    def slot_holder(self, slot: str, conductor: str | None) -> str | None:
        """Return the job that has to look at a node first."""
        return None if self._nodes is None else self._nodes.waits_for()

    def ran_at(self, handle: str) -> Place:
        """Return the node that carried a run out, as it described itself before the training began."""
        said = read_place(RunPaths(Path(handle)).place)
        return self._known_nodes() if said is None else Node(said)

    def told_at_end(self) -> frozenset[str]:
        """Return all that depends on the node."""
        return OF_THE_NODE

    def _known_nodes(self) -> Nodes:
        if self._nodes is None:  # nothing was asked of the settings yet
            return Nodes(Path(), self._slurm, ())
        return self._nodes

    # --- placing --------------------------------------------------------------------------------

    def submit(self, run_dir: Path, slot: Slot | None = None) -> str:
        """Submit a job for the run, unless Slurm has one or the run has begun.

        Raises:
            BadSettings: Slurm does not take it.
            OSError: Slurm cannot be asked, or the run folder cannot be written.
        """
        run = RunPaths(run_dir.absolute())
        if run.result.exists() or run.started.exists():
            return str(run.folder)
        if run.cancel.exists():
            return LocalEngine().submit(run.folder)  # a supervisor starts nothing any more, and says so
        if run.job.exists() and self._has_job(run):
            return str(run.folder)
        spec = read_spec(run.spec)
        options = SlurmOptions.model_validate_json(json.dumps(dict(spec.engine_options)))
        nodes = None if self._nodes is None else self._nodes.folder
        answers = [str(run.place), *([] if nodes is None or not nodes.is_dir() else [str(nodes)])]
        steps = [
            ("seedproof_mcp.host.describe", str(run.spec), *answers),
            ("seedproof_mcp.supervisor.supervise", str(run.folder), "--placed"),
        ]
        files.write_atomic(run.job_script, job_script(steps if spec.asks else steps[1:]))
        # Before the submission: whoever finds it without a number has to look for the job.
        files.write_atomic(run.job, b"{}")
        name = _SHARED_NAME if options.singleton else spec.run_id
        try:
            arguments = self._arguments(options, spec)
            number = self._slurm.submit(run.job_script, run.folder, run.supervisor_log, name, arguments)
        except (BadSettings, OSError) as problem:
            self._refused[str(run.folder)] = problem
            raise
        files.write_atomic(run.job, json.dumps({"number": number}).encode())
        self._missed_at_s.pop(str(run.folder), None)
        return str(run.folder)

    def _arguments(self, options: SlurmOptions, spec: Spec) -> list[str]:
        found = [*options.arguments(), *(["--dependency=singleton"] if options.singleton else [])]
        if not spec.like_hosts:
            return found
        own, others = options.constraint, [one for one in found if not one.startswith("--constraint=")]
        wanted = [] if own is None else [f"({own})" if "|" in own else own]
        return [*others, f"--constraint={'&'.join([*wanted, *self._features_of(spec.like_hosts)])}"]

    def require_like(self, hosts: Sequence[str]) -> None:
        """Refuse hosts that have no feature by which Slurm could choose others of their kind."""
        if hosts:
            self._features_of(hosts)

    def _features_of(self, hosts: Sequence[str]) -> list[str]:
        features = self._slurm.features(hosts)
        alike = frozenset.intersection(*features.values()) if features else frozenset[str]()
        if alike:
            return sorted(alike)
        raise BadSettings(
            f"same_device_as_baseline cannot be kept: {', '.join(hosts)} has no features at Slurm "
            "(scontrol show node) that other nodes of its kind share; set constraint or gres instead."
        )

    def _has_job(self, run: RunPaths) -> bool:
        """Whether Slurm has a job of the run that will run or runs.

        Raises:
            OSError: Slurm cannot be asked.
        """
        job = self._job_of(run, self._slurm.jobs(older_s=0.0))
        return job is not None and not is_ended(job.state)

    def _job_of(self, run: RunPaths, jobs: Mapping[str, Job]) -> Job | None:
        """The job of a run: by its number, or by its folder where that is not known, or another job of it goes on.

        There are two where sbatch was given up, and its job came after the run was submitted again.
        """
        number, folder = self._number(run), str(run.folder)
        known = None if number is None else jobs.get(number)
        if known is not None and not is_ended(known.state):
            return known
        own = [job for job in reversed(list(jobs.values())) if job.folder == folder]
        going_on = [job for job in own if not is_ended(job.state)]
        found = next(iter(going_on or own), None) if number is None or going_on else known
        if found is not None and found.number != number:
            with suppress(OSError):
                files.write_atomic(run.job, json.dumps({"number": found.number}).encode())
        return found

    def _number(self, run: RunPaths) -> str | None:
        try:
            said: Any = json.loads(run.job.read_bytes())
            return str(said["number"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    # --- asking ---------------------------------------------------------------------------------

    def poll(self, handle: str) -> RunState:
        """Return where the run stands: its folder first, then Slurm's list of jobs.

        Raises:
            OSError: Slurm cannot be asked, so it is not known; its folder tells when Slurm told of it last.
        """
        run = RunPaths(Path(handle))
        with suppress(OSError):
            os.listdir(run.folder)  # NFS looks at what the node made once a folder is opened anew
        if run.result.exists():
            self._missed_at_s.pop(handle, None)
            return "done"
        standing: RunState = "running" if run.started.exists() else "queued"
        try:
            job = self._job_of(run, self._slurm.jobs())
        except OutOfReach as problem:
            unknown = f"where {run.folder.name} stands is unknown ({_last_seen(run, standing)})"
            raise OutOfReach(f"{unknown}: {problem}") from None
        if job is not None and not is_ended(job.state):
            self._missed_at_s.pop(handle, None)
            _note(run, job)
            if job.state == "PENDING" and run.cancel.exists():  # it was out of reach, or its number not known
                self._remove(job.number)
            return standing
        # A list may be older than the job, and a result reaches this machine a little later than the job's end.
        looked_at_s = self._slurm.looked_at_s
        first_s = self._missed_at_s.setdefault(handle, looked_at_s)
        if looked_at_s - first_s < self._slurm.look_every_s:
            if job is None and handle in self._refused:
                raise self._refused[handle]
            return standing
        self._missed_at_s.pop(handle, None)
        self._refused.pop(handle, None)
        return "done" if run.result.exists() else "lost"

    def waits_for(self, handle: str) -> str | None:
        """Return the state of the run's job and Slurm's reason, as the conductor saw them last."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            return str(json.loads(RunPaths(Path(handle)).job.read_bytes())["waits"])
        return None

    def told_end(self, handle: str) -> Ending | None:
        """Return what Slurm says of why the run's job ended: in the job's output, and in its list while it has it."""
        run = RunPaths(Path(handle))
        number = self._number(run)
        if number is None:
            return None
        job, is_gone = None, False
        with suppress(OSError):
            job = self._slurm.jobs().get(number)
            is_gone = job is None
        output = _end_of(run.supervisor_log)
        told = told_end(number, None if job is None else job.state, None if job is None else job.reason, output)
        has_begun = run.started.exists() or run.result.exists()
        if told is None:
            # It was taken: whoever removed it did so long ago, and it is not for us to submit it again.
            words = f"Slurm has job {number} no more, which did not begin the run"
            return Ending("interrupted", detail=words) if is_gone and not has_begun else None
        if told.kind == "out_of_memory":
            return Ending("exited", signal="SIGKILL", detail=told.words)
        has_failed = job is not None and job.state == "FAILED" and not has_begun
        why = f"; {run.supervisor_log.name} in the run's folder says why" if has_failed else ""
        return Ending(told.kind, detail=f"{told.words}{why}")

    def cancel(self, handle: str, reason: str) -> None:
        """Ask the run's supervisor to end it, and remove a job that waits."""
        super().cancel(handle, reason)
        self._remove(self._number(RunPaths(Path(handle))))

    def _remove(self, number: str | None) -> None:
        with suppress(OutOfReach):  # then it is tried again; if the job starts, its supervisor starts nothing
            if number is not None:
                self._slurm.remove_waiting(number)


def _note(run: RunPaths, job: Job) -> None:
    """Write down, for servers, that Slurm has told of a job, and why that waits if it does."""
    waits = {"waits": job.waiting_words} if job.state == "PENDING" and job.reason else {}
    document = json.dumps({"number": job.number, **waits}).encode()
    with suppress(OSError):
        if run.job.read_bytes() == document:
            os.utime(run.job)
        else:
            files.write_atomic(run.job, document)


def _last_seen(run: RunPaths, standing: RunState) -> str:
    """When Slurm told of a run last, in words."""
    try:
        seen_s = run.job.stat().st_mtime
    except OSError:
        return "never seen"
    return f"last seen {standing} {time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(seen_s))} UTC"


def _end_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _OUTPUT_BYTES))
            return file.read().decode(errors="replace")
    except OSError:
        return ""

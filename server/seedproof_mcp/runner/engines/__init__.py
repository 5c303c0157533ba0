"""What Seedproof needs of a place that can carry out a run, and the choice among the engines that offer one.

An engine only starts `supervise RUN_DIR` somewhere. What a run yields is what its supervisor leaves in its folder.
"""

import json
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from seedproof.metrics.run_state import Ending
from seedproof.model.refusals import BadSettings, Refusal

from seedproof_mcp.host.place import Place
from seedproof_mcp.host.settings import ENGINES, Settings, load_config, where_is_engine
from seedproof_mcp.host.slots import NamedSlot, visible_slots
from seedproof_mcp.system import files, locks
from seedproof_mcp.system.paths import ProjectPaths, RunPaths

__all__ = ["Engine", "Engines", "MissingEngine", "RunState", "Slot", "engine_for", "started_of"]

RunState = Literal["queued", "running", "done", "lost"]
"""`done`: result.json exists. `lost`: it never will, the supervisor is gone without writing it."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot that is reserved for the run that is submitted with it."""

    name: str
    lock: locks.Lock | None = None
    """What a supervisor on this machine inherits; None where the engine keeps the slot otherwise."""


class Engine(ABC):
    """Starts supervisors, and tells what it alone knows of the place where they run.

    A handle is the absolute path of the run's folder. An engine that has names of its own, such as job numbers, keeps
    them in that folder. The methods with a body suit every engine whose places share the project's file system.
    """

    look_s: float | None = None
    """How often to look at a run whose files another machine changes, in seconds; None where the system tells."""

    def configure(self, settings: Settings, root: Path) -> None:  # noqa: B027 - most have no options
        """Take over the engine's own table of the settings, before anything of the next run is asked.

        Where the settings name another engine by now, a run of this one is asked for without.

        Args:
            settings: The settings of the project.
            root: The project.
        """

    @abstractmethod
    def place(self) -> Place:
        """Return where the next run will start; a cluster describes a node of its partition.

        Raises:
            BadSettings: No run can be placed at present.
        """

    def is_waiting(self) -> bool:
        """Whether something must be known of that place before a run starts there; asks for it. A cluster's first job.

        Raises:
            BadSettings, OSError: It cannot be found out.
        """
        return False

    def require_like(self, hosts: Sequence[str]) -> None:  # noqa: B027 - this machine has one kind of device
        """Refuse, before a run is recorded as started, that its node cannot be chosen to be like these hosts.

        Raises:
            BadSettings, OSError: It cannot be, or that is not known.
        """

    def ran_at(self, handle: str) -> Place:
        """Return where a run was carried out; a cluster's scheduler chose the node after the start was recorded."""
        return self.place()

    def told_at_end(self) -> frozenset[str]:
        """Return what of a run's fingerprint its end tells anew; a cluster chooses the node after the start."""
        return frozenset({"load"})

    def told_end(self, handle: str) -> Ending | None:
        """Return why a run was ended from outside, or is lost, where a scheduler tells that; None where none does."""
        return None

    def slots(self, settings: Settings) -> tuple[NamedSlot, ...]:
        """Return the slots that runs of a project may take at the same time; those named first are filled first.

        A cluster returns as many as it may hand over at once, whatever their names.

        Raises:
            BadSettings: What the settings name is not there, or nobody can tell what there is.
        """
        if settings.slots is None:
            return (NamedSlot(settings.slot),)
        return visible_slots({**os.environ, **settings.env}) if settings.slots == "auto" else settings.slots

    def prepare(self) -> None:  # noqa: B027 - a scheduler has nothing to make ready
        """Make ready what the next runs need; called again and again by a process that submits many."""

    def reserve(self, slot: str) -> AbstractContextManager[Slot | None]:
        """Hold a slot for the run that is submitted meanwhile; None if it is taken. A cluster's own queue decides."""
        return nullcontext(Slot(slot))

    def slot_file(self, slot: str) -> Path | None:
        """Return the file that is closed when a slot becomes free; None if there is none, as on a cluster."""
        return None

    def neighbours(self, slots: Iterable[NamedSlot], own: str) -> int:
        """Return how many slots besides a run's own are taken now, by whatever project; 0 where no file tells."""
        files_of = (self.slot_file(slot.name) for slot in slots if slot.name != own)
        return sum(file is not None and locks.is_locked(file) for file in files_of)

    def slot_holder(self, slot: str, conductor: str | None) -> str | None:
        """Return who keeps the next run from its slot, in words; None if nobody does. A cluster names the queue.

        Args:
            slot: The name of the slot.
            conductor: Who signed the lock of the asking project's conductor, which holds the slot during each start.
        """
        return None

    @abstractmethod
    def submit(self, run_dir: Path, slot: Slot | None = None) -> str:
        """Place a run whose spec.json is written and return its handle; again is harmless. A cluster submits a job.

        Args:
            run_dir: The run's folder.
            slot: What `reserve` gave; None: the supervisor waits for its slot by itself.
        """

    @abstractmethod
    def poll(self, handle: str) -> RunState:
        """Return where the run stands; a cluster asks its scheduler about the job.

        Raises:
            OSError, BadSettings: It cannot be known at present.
        """

    def waits_for(self, handle: str) -> str | None:
        """Return what keeps a run that was placed from its start, in words; a cluster gives its queue's reason."""
        return None

    def cancel(self, handle: str, reason: str) -> None:
        """Ask the run's supervisor to end it; `poll` tells when it has. A cluster also removes a job that waits.

        Raises:
            OSError: The run folder is missing or cannot be written.
        """
        files.write_atomic(RunPaths(Path(handle)).cancel, json.dumps({"reason": reason}).encode())

    def sweep(self, handle: str) -> None:  # noqa: B027 - most schedulers end all processes of a job by themselves
        """End what a lost supervisor left behind; a cluster needs nothing here if it ends jobs as a whole."""

    def read_log(self, handle: str, offset: int, limit: int) -> bytes:
        """Return at most `limit` bytes of the training's output; b"" if none. A cluster may fetch them from the node.

        Args:
            handle: The run.
            offset: Where they begin; negative: so many bytes before the end.
            limit: How many at most.
        """
        try:
            descriptor = os.open(RunPaths(Path(handle)).log, os.O_RDONLY)
        except FileNotFoundError:
            return b""
        try:
            start = offset if offset >= 0 else max(0, os.fstat(descriptor).st_size + offset)
            return os.pread(descriptor, limit, start)
        finally:
            os.close(descriptor)

    def elapsed_s(self, handle: str) -> float | None:
        """Return how many seconds the training runs; None before its start. A cluster may ask its scheduler."""
        try:
            started_at = datetime.fromisoformat(started_of(handle)["started_at"])
        except (KeyError, TypeError, ValueError):
            return None
        return max(0.0, time.time() - started_at.timestamp())

    def capabilities(self) -> frozenset[str]:
        """Return the names of what this engine can do beyond placing runs."""
        return frozenset({"cancel", "read_log"})


def started_of(handle: str) -> dict[str, Any]:
    """Return what the supervisor said when the training began; nothing before that."""
    try:
        started = json.loads(RunPaths(Path(handle)).started.read_bytes())
    except (OSError, ValueError):
        return {}
    return started if isinstance(started, dict) else {}


class MissingEngine(Engine):
    """Stands for an engine that this version lacks: the run's folder still tells its log, its time and its end."""

    def __init__(self, name: str) -> None:
        self._refusal = BadSettings(
            f"a run was placed by the engine {name!r:.80}, which this Seedproof lacks; it has {', '.join(ENGINES)}."
        )

    def place(self) -> Place:
        raise self._refusal

    def submit(self, run_dir: Path, slot: Slot | None = None) -> str:
        raise self._refusal

    def poll(self, handle: str) -> RunState:
        if RunPaths(Path(handle)).result.exists():
            return "done"
        raise self._refusal


def engine_for(name: str) -> Engine:
    """Return a new engine of that name, whose module is imported only now; a MissingEngine if there is none."""
    where = where_is_engine(name)
    if where is None:
        return MissingEngine(name)
    module, _, made_by = where.partition(":")
    make: Callable[[], Engine] = getattr(import_module(module), made_by)
    return make()


class Engines:
    """The engines of one project: the one that its settings choose, and the one that each run was placed by."""

    def __init__(self, only: Engine | None = None, root: Path | None = None) -> None:
        """Make no engine yet.

        Args:
            only: Takes every run, whatever the settings say.
            root: The project, where the settings are one's.
        """
        self._only, self._root = only, root
        self._made: dict[str, Engine] = {}

    def chosen(self, settings: Settings) -> Engine:
        """Return the engine that the next run is placed by."""
        engine = self._named(settings.engine)
        if self._root is not None:
            engine.configure(settings, self._root)
        return engine

    def of(self, run: RunPaths) -> Engine:
        """Return the engine that a run was placed by: settings may have changed since."""
        return self._named(self.name_of(run))

    def name_of(self, run: RunPaths) -> str:
        """Return the name of that engine."""
        name: Any = None  # of an earlier Seedproof, or gone: then no engine knows the run
        with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):  # the training can write there
            name = json.loads(run.spec.read_bytes())["engine"]
        return name if isinstance(name, str) else "local"

    def _named(self, name: str) -> Engine:
        if self._only is not None:
            return self._only
        if name not in self._made:
            engine = self._made[name] = engine_for(name)
            if self._root is not None:
                with suppress(Refusal):  # settings that cannot be read choose no engine
                    settings = load_config(ProjectPaths(self._root).settings).settings
                    if settings.engine == name:
                        engine.configure(settings, self._root)
        return self._made[name]

"""`seedproof gc`: which codes a ledger still needs, and what can be removed."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from seedproof.ledger.events import read_events
from seedproof.ledger.run_events import RunRequested
from seedproof.ledger.state import State
from seedproof.ledger.study_events import ExperimentDeclared, GenerationStarted
from seedproof.model.code import Code
from seedproof.model.refusals import Refusal

from seedproof_mcp.code.in_place import read_manifest
from seedproof_mcp.code.leftovers import Leftover
from seedproof_mcp.code.workspace import Workspace
from seedproof_mcp.host.settings import load_config
from seedproof_mcp.ledger.file import Ledger
from seedproof_mcp.system.paths import OF_SLOT, ProjectPaths

__all__ = ["Garbage", "find", "free", "needed_codes", "release"]

_WORDS = {"snapshot": "snapshot", "worktree": "checked out", "diff": "difference", "code": "kept source"}
# A baseline's code is that of all its experiments with flags; the first are named, the others counted.
_NAMED = 3
_NamesCode = GenerationStarted | ExperimentDeclared | RunRequested


@dataclass(frozen=True, slots=True)
class Garbage:
    """Leftovers that no arm needs any more."""

    leftovers: tuple[Leftover, ...]
    """Each of them."""
    needed: int
    """How many different codes are needed."""
    is_running: bool
    """Whether runs are queued or training; then the codes of all generations are needed."""
    freed_bytes: int | None
    """Bytes that were freed; None if nothing was removed."""
    owners: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The arms that each leftover was stored for, by the hash in its name."""

    def lines(self) -> Iterator[str]:
        """The listing for a person."""
        for one in self.leftovers:
            yield f"{_WORDS[one.kind]} {one.name} ({_whose(one, self.owners)}): {_size(one.size_bytes)}"
        if self.is_running:
            yield "Runs are queued or training: whatever any generation was trained with is kept."
        now = sum(one.size_bytes for one in self.leftovers if one.kind != "snapshot")
        later = sum(one.size_bytes for one in self.leftovers if one.kind == "snapshot")
        codes = f"{self.needed} code{'' if self.needed == 1 else 's'} in use"
        if not self.leftovers:
            yield f"Nothing to free; {codes}."
        elif self.freed_bytes is None:
            yield f"Would free {_size(now)}, and {_size(later)} with git's next `git gc`; {codes}."
            yield "Remove it with `seedproof gc --yes`."
        else:
            yield f"Freed {_size(self.freed_bytes)}, and {_size(later)} with git's next `git gc`; {codes}."


def needed_codes(state: State) -> list[Code]:
    """The codes that runs may still need: those of the present generation; of all, while anything is queued or runs."""
    generations = state.generations if state.active else state.generations[-1:]
    codes = [generation.code for generation in generations]
    codes += [experiment.code for generation in generations for experiment in generation.experiments.values()]
    return [code for code in codes if code is not None]


def find(paths: ProjectPaths) -> Garbage:
    """Find what can be removed.

    Raises:
        Refusal: The ledger or the settings cannot be read, or git refuses.
    """
    ledger = Ledger(paths)
    found = _found(paths, ledger.refresh())[1]
    return replace(found, owners=_owners(paths, ledger, found))


def free(paths: ProjectPaths) -> Garbage:
    """Remove it, and say what was removed.

    Raises:
        Refusal: The ledger or the settings cannot be read, or git refuses.
        OSError: Something cannot be removed.
    """
    if not paths.state.exists():
        return find(paths)
    # A request stores and records its code under this lock, so nothing that was just stored is removed here.
    ledger = Ledger(paths)
    with ledger.writing() as writer:
        space, found = _found(paths, writer.state)
        owners = _owners(paths, ledger, found)
        freed = space.release(found.leftovers)
    return replace(found, freed_bytes=freed, owners=owners)


def release(paths: ProjectPaths, state: State) -> None:
    """Remove the codes of earlier generations. The caller holds the ledger's lock.

    Diffs stay, as reports of earlier generations name them. What cannot be removed stays as well.
    """
    with suppress(Refusal, OSError):
        space, found = _found(paths, state)
        # A working tree that was set aside holds files that are nowhere else: a person decides.
        space.release([one for one in found.leftovers if one.kind != "diff" and not one.is_found])


def _found(paths: ProjectPaths, state: State) -> tuple[Workspace, Garbage]:
    space = Workspace(paths, load_config(paths.settings).settings)
    needed = needed_codes(state)
    leftovers = tuple(space.unneeded(needed))
    return space, Garbage(leftovers, len({code.sha256 for code in needed}), bool(state.active), None)


def _owners(paths: ProjectPaths, ledger: Ledger, found: Garbage) -> dict[str, list[str]]:
    """The arms that records name with each snapshot, code, diff and source, by its hash."""
    if not found.leftovers or not ledger.state.seq:
        return {}
    owners: dict[str, list[str]] = {}
    for event in read_events(ledger.records(), GenerationStarted, ExperimentDeclared, RunRequested):
        assert isinstance(event, _NamesCode)
        for name in _hashes(paths, event):
            arms = owners.setdefault(name, [])
            arm = _arm(event)
            if arm not in arms:
                arms.append(arm)
    return owners


def _hashes(paths: ProjectPaths, event: _NamesCode) -> Iterator[str]:
    """The names of files and refs that an event's code and change are stored under."""
    code, change = event.code, None if isinstance(event, GenerationStarted) else event.change
    if change is not None and change.diff_sha256:
        yield change.diff_sha256
    if code is not None and code.snapshot is not None:
        yield from (code.snapshot, paths.worktree(code.snapshot).name)
    elif code is not None:
        yield code.sha256
        yield from (file.blob for file in read_manifest(paths.code_files(code.sha256)) or ())


def _arm(event: _NamesCode) -> str:
    if isinstance(event, GenerationStarted):
        return f"baseline, generation {event.generation}"
    of = event.key if isinstance(event, RunRequested) else event
    arm = f"experiment {of.experiment}" if of.experiment else "baseline"
    return f"{arm}, generation {of.generation}"


def _whose(leftover: Leftover, owners: Mapping[str, Sequence[str]]) -> str:
    arms = owners.get(leftover.name.rsplit("/", 1)[-1].split(".", 1)[0].split(OF_SLOT, 1)[0], ())
    if not arms:
        return "of no arm in this ledger"
    more = [f"{len(arms) - _NAMED} more"] if len(arms) > _NAMED else []
    return "; ".join([*arms[:_NAMED], *more])


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB"

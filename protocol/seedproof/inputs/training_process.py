"""Tells which of a run's processes trained: launchers, workers and helpers may be Python as well."""

from collections.abc import Callable, Collection, Sequence

from seedproof.inputs.reads import Process

__all__ = ["training_process"]


def training_process(
    processes: Sequence[Process], script: Collection[str], code: Sequence[str], real: Callable[[str], str]
) -> Process | None:
    """The process that trained; None where no Python told what it opened.

    It is the one that opened the training script; else the one that opened Python files of the project's code; else
    any. Among several it is one that none of them started, and of those the one that opened most.

    Args:
        processes: What the run's processes told.
        script: Paths of the training script, without links.
        code: Folders of the code, without links, each with a slash at its end.
        real: The path with its links resolved.
    """

    def opened(process: Process, is_wanted: Callable[[str], bool]) -> bool:
        return any(one.kind == "r" and one.stat is not None and is_wanted(one.path) for one in process.opened)

    def is_script(path: str) -> bool:
        return path.rpartition("/")[2] in names and real(path) in script

    def is_code(path: str) -> bool:
        return path.endswith(".py") and real(path).startswith(tuple(code)) and "/site-packages/" not in path

    names = {one.rpartition("/")[2] for one in script}
    for is_wanted in (is_script, is_code):
        found = [one for one in processes if opened(one, is_wanted)]
        if found:
            return _topmost(found)
    return _topmost(processes)


def _topmost(found: Sequence[Process]) -> Process | None:
    """The process that none of the others started, directly or not; of several the one that opened most."""
    parents = {one.pid: one.parent for one in found}

    def has_starter(pid: int) -> bool:
        parent = parents[pid]
        return parent in parents and parent != pid

    tops = [one for one in found if not has_starter(one.pid)] or found
    return max(tops, key=lambda one: (len(one.opened), -one.pid), default=None)

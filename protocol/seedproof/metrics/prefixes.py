"""Takes out what launchers put before each line, and says which process printed it."""

import re
from dataclasses import dataclass

__all__ = ["Source", "split_prefix"]


# Names such as `epoch-3` and `fold_1` count something in the training, not its processes.
_NO_PROCESS = r"(?!(?:epoch|step|iter|iteration|fold|task|trial|seed|run|round|batch|stage|phase)s?[-_])"

_NO_CONTAINER = r"(?!(?:train|val|valid|test|eval|epoch|step|iter|best|final|loss|acc)[a-z]*\b)"

_PREFIX = re.compile(
    r"\s*(?:"
    r"\[(?:rank|default)(?P<torchrun>\d{1,6})\]:[ ]?"  # torchrun: `[rank0]:`, `[default0]:`
    r"|\[\d{1,6},(?:mpirank:)?(?P<mpirun>\d{1,6})(?:,[\w.-]{1,64})?\]<std(?:out|err)>:[ ]?"
    r"|(?P<srun>\d{1,6}):[ ]"  # srun -l
    r"|\((?P<ray>[\w.<>:-]{1,64} pid=\d{1,10}(?:, ip=[0-9a-fA-F.:]{1,45})?)\)[ ]"
    rf"|(?P<compose>{_NO_PROCESS}[a-z0-9][a-z0-9_.-]{{0,62}}[-_]\d{{1,4}})[ ]{{1,40}}\|(?:[ ]|$)"
    r"|\[(?P<kubectl>pod/[\w.-]{1,253}/[\w.-]{1,63})\][ ]"
    # stern: the pod, whose name ends in a number or in the five letters that Kubernetes draws, and the container.
    rf"|(?P<stern>{_NO_PROCESS}[a-z][a-z0-9]{{0,62}}(?:-[a-z0-9]{{1,62}}){{0,8}}-"
    r"(?:\d{1,4}|[bcdfghjklmnpqrstvwxz2456789]{5})"
    rf" {_NO_CONTAINER}[a-z][a-z0-9-]{{0,62}}) (?!=)"
    # Time stamps of `kubectl logs --timestamps` and of the files that Kubernetes keeps.
    r"|\d{4}-\d\d-\d\dT[\d:.]{8,18}(?:Z|[+-]\d\d:\d\d) (?:std(?:out|err) [FP] )?"
    r")"
)
_RANKED = ("torchrun", "mpirun", "srun")


@dataclass(frozen=True, slots=True)
class Source:
    """The process that printed a line, as its launcher names it."""

    name: str
    """The name in the prefix, such as `rank 0` or `trainer-1`."""
    rank: int | None
    """Its rank; None where the prefix does not say it."""
    is_sure: bool
    """False for `0: `, which may just as well be the number of an epoch."""


def split_prefix(text: str) -> tuple[str, Source | None]:
    """Return a line without its launcher's prefixes, and the process that they name.

    `[default0]:[rank3]: ` has two of them; the last one that gives a rank counts.
    """
    source: Source | None = None
    start = 0
    while (match := _PREFIX.match(text, start)) is not None and not (match["srun"] and start):
        start = match.end()
        kind = match.lastgroup
        if kind in _RANKED:
            source = Source(f"rank {match[kind]}", int(match[kind]), kind != "srun")
        elif kind is not None and (source is None or source.rank is None):
            source = Source(match[kind], None, True)
    return text[start:], source

"""Refusals of a damaged or unreadable ledger or mirror, each with the repair."""

import itertools
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seedproof.model.refusals import LedgerDamaged, LedgerDiverged

from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["damaged_ledger", "damaged_mirror", "diverged", "first_conflict_line", "is_conflict_mark", "readable"]

# What git writes at the beginning of a line (git-merge, "How conflicts are presented"); a record begins with `{`.
_CONFLICT_MARK = re.compile(rb"^(?:<{7}|\|{7}|={7}|>{7})", re.MULTILINE)

_NO_MERGE = "Two ledgers cannot be merged: each record holds the hash of the one before it."
_KEEP_ONE_SIDE = (
    "Keep one side whole: `git checkout --ours docs/research/ledger.jsonl`, or `--theirs` for the other one, "
    "then `git add docs/research/ledger.jsonl`."
)
_RESTORE_MIRROR = (
    ".seedproof/ledger.jsonl is what was measured here, and goes on once its mirror is restored: "
    "`cp .seedproof/ledger.jsonl docs/research/ledger.jsonl`, then `git add docs/research/ledger.jsonl`."
)
_CRLF_CURE = (
    "Git does this where core.autocrlf is set: put the line `ledger.jsonl -text` into docs/research/.gitattributes, "
    "delete docs/research/ledger.jsonl and check it out again."
)


def is_conflict_mark(line: bytes) -> bool:
    """Whether a line is a conflict mark of git."""
    return _CONFLICT_MARK.match(line) is not None


def first_conflict_line(data: bytes) -> int | None:
    """Number of the first conflict mark's line, from 1; None where there is no conflict."""
    found = _CONFLICT_MARK.search(data)
    return None if found is None else data.count(b"\n", 0, found.start()) + 1


def damaged_ledger(damage: LedgerDamaged, paths: ProjectPaths) -> LedgerDamaged:
    """The damage of a ledger, extended by the repair without a backup."""
    folder = paths.state
    names = (f"ledger.damaged{'' if number == 1 else f'-{number}'}" for number in itertools.count(1))
    aside = next(name for name in names if not os.path.lexists(folder / name))
    if paths.mirror.exists():
        then = "docs/research/ledger.jsonl takes its place, as it was at the last report"
    else:
        then = "everything is measured anew: no report has left a copy of it"
    return LedgerDamaged(
        f"{damage.message} Without one, move it away with `mv .seedproof/ledger.jsonl .seedproof/{aside}`: {then}."
    )


def diverged(mirror: bytes) -> LedgerDiverged:
    """The refusal of a mirror that does not agree with its ledger."""
    conflict = first_conflict_line(mirror)
    if conflict is not None:
        return LedgerDiverged(
            f"git left a merge conflict in docs/research/ledger.jsonl (line {conflict}). {_NO_MERGE} {_RESTORE_MIRROR}"
        )
    if b"\r\n" in mirror:
        return LedgerDiverged(
            ".seedproof/ledger.jsonl and docs/research/ledger.jsonl differ; the line endings of the latter "
            f"were changed to CRLF. {_CRLF_CURE}"
        )
    return LedgerDiverged(
        ".seedproof/ledger.jsonl and docs/research/ledger.jsonl tell different stories; neither continues "
        "the other. Keep the one you trust and move the other away."
    )


def damaged_mirror(damage: LedgerDamaged, line: bytes) -> LedgerDamaged:
    """The damage of a mirror, with its repair.

    Args:
        line: The damaged line.
    """
    if is_conflict_mark(line):
        return LedgerDamaged(
            f"git left a merge conflict in docs/research/ledger.jsonl (line {damage.seq}). Nothing is decided on "
            f"a damaged ledger. {_NO_MERGE} {_KEEP_ONE_SIDE}"
        )
    look = f"Look at it with `sed -n {damage.seq}p docs/research/ledger.jsonl`, and restore it from git or a backup."
    cure = _CRLF_CURE if line.endswith(b"\r") else look
    return LedgerDamaged(
        f"record {damage.seq} of docs/research/ledger.jsonl {damage.fault}. Nothing is decided on a damaged "
        f"ledger. {cure}"
    )


@contextmanager
def readable() -> Iterator[None]:
    """Turn an OSError of reading ledger or mirror into a refusal.

    Raises:
        LedgerDamaged: There is a folder in the file's place, no permission, or the disk fails.
    """
    try:
        yield
    except OSError as error:
        is_mirror = Path(str(error.filename)).parent.name == "research"
        name = f"{'docs/research' if is_mirror else '.seedproof'}/ledger.jsonl"
        raise LedgerDamaged(
            f"{name} cannot be read ({error.strerror}). Nothing is decided on a ledger that cannot be read. "
            f"Look at it with `ls -ld {name}`; make it readable, or move away what stands in its place."
        ) from error

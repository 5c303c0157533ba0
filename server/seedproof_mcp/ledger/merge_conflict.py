"""The marks that git leaves in the ledger's mirror when two clones were merged, and the way out."""

import re

__all__ = ["NO_MERGE", "ONE_SIDE", "OWN_LEDGER", "first_mark", "is_mark"]

# What git writes at the beginning of a line (git-merge, "How conflicts are presented"); a record begins with `{`.
_MARK = re.compile(rb"^(?:<{7}|\|{7}|={7}|>{7})", re.MULTILINE)

NO_MERGE = "Two ledgers cannot be merged: each record holds the hash of the one before it."
ONE_SIDE = (
    "Keep one side whole: `git checkout --ours docs/research/ledger.jsonl`, or `--theirs` for the other one, "
    "then `git add docs/research/ledger.jsonl`."
)
OWN_LEDGER = (
    ".seedproof/ledger.jsonl is what was measured here, and goes on once its mirror is restored: "
    "`cp .seedproof/ledger.jsonl docs/research/ledger.jsonl`, then `git add docs/research/ledger.jsonl`."
)


def is_mark(line: bytes) -> bool:
    """Whether a line is one that git writes around the sides of a conflict."""
    return _MARK.match(line) is not None


def first_mark(data: bytes) -> int | None:
    """The number of the first such line, from 1; None where there is no conflict."""
    found = _MARK.search(data)
    return None if found is None else data.count(b"\n", 0, found.start()) + 1

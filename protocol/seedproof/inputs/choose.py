"""What of a list of files goes into the ledger: at most 200 of them, those that the command names first."""

from collections.abc import Iterable, Mapping

from seedproof.inputs.listed import ListedFile
from seedproof.model.inputs import InputFile, Origin

__all__ = ["MOST_LISTED", "MOST_RECORDED", "chosen_for_list", "chosen_for_record"]

MOST_RECORDED = 200
"""Files in one record of the ledger."""
MOST_LISTED = 2_000
"""Files in the list of one run."""
_RECORDED = ("named", "project", "code")
# Data folders hold many files, so those that a run names or is made of come first.
_LISTED = ("named", "code", "outside", "project")


def chosen_for_record(files: Iterable[ListedFile]) -> tuple[dict[str, InputFile], int]:
    """The files of the project and named ones that a record holds, and how many more there are."""
    own = sorted(
        (one for one in files if one.origin != "outside"), key=lambda one: (_RECORDED.index(one.origin), one.key)
    )
    kept = sorted(own[:MOST_RECORDED], key=lambda one: one.path)
    return {one.path: InputFile(one.content, one.origin) for one in kept}, len(own) - len(kept)


def chosen_for_list(files: Mapping[str, Origin]) -> tuple[list[str], list[str]]:
    """The files that a run's list names one by one, and the rest.

    Args:
        files: What kind each file is, as far as is known before it is read.
    """
    ordered = sorted(files, key=lambda one: (_LISTED.index(files[one]), one))
    return ordered[:MOST_LISTED], ordered[MOST_LISTED:]

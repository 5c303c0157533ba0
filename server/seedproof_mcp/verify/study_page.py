"""Checks the study page and its figure against the ledger as of the head that each of them names."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from seedproof.ledger.event import Record
from seedproof.ledger.fold import fold
from seedproof.ledger.state import State
from seedproof.model.refusals import Refusal
from seedproof.report.study_page import PAGE_FORMAT

from seedproof_mcp.service.study_files import is_of_ledger, render_study
from seedproof_mcp.system.paths import ProjectPaths
from seedproof_mcp.verify.checks import Check, failed, noted, passed

__all__ = ["check_study_page"]

# As `report.study_page.origin` writes it.
_ORIGIN = re.compile(r"Ledger head: #(\d{1,18}) ([0-9a-f]{12}); study page format (\d{1,9})")


def check_study_page(paths: ProjectPaths, records: Sequence[Record], state: State) -> Iterator[Check]:
    """Make the page and its figure again from the records that they name, and compare every byte.

    Args:
        state: The state that the records fold to.
    """
    page = paths.study_page
    figure = page.with_suffix(".svg")
    for place, path in ((0, page), (1, figure)):
        if path.is_file():
            yield from _check_file(paths, path, place, records, state)
        elif page.is_file() or figure.is_file():
            name = path.relative_to(paths.root)
            yield noted("study", f"{name} is not here; `seedproof report --study` writes it again")


def _check_file(
    paths: ProjectPaths, path: Path, place: int, records: Sequence[Record], state: State
) -> Iterator[Check]:
    name = str(path.relative_to(paths.root))
    try:
        text = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        yield failed("study", f"{name} cannot be read ({error!r:.80})")
        return
    found = _ORIGIN.search(text)
    if found is None or not is_of_ledger(text, state):
        claims = "names another ledger than this one" if "Ledger head: " in text else None
        yield failed("study", f"{name} {claims}") if claims else noted("study", f"{name} is unverified")
        return
    seq, digits, written = int(found[1]), found[2], int(found[3])
    if not 1 <= seq <= len(records) or not records[seq - 1]["hash"].startswith(digits):
        return  # `check_heads` says so
    if written != PAGE_FORMAT:
        older = "an earlier" if 1 <= written < PAGE_FORMAT else "another"
        yield noted("study", f"{name} was written by {older} version, and is not made again")
    else:
        basis = state if seq == state.seq else fold(records[:seq])
        fault = _fault(text, basis, paths.study_page.with_suffix(".svg").name, place)
        told = f"{name} {fault or 'is what the ledger gives'} at record #{seq}"
        yield failed("study", told) if fault else passed("study", told)


def _fault(text: str, basis: State, figure: str, place: int) -> str | None:
    try:
        made = render_study(basis, figure)[place]
    except (Refusal, AssertionError, KeyError, IndexError, TypeError, ValueError) as error:
        return f"cannot be made again ({error!r:.120})"
    return None if made == text else "was edited: it is not what the ledger gives"

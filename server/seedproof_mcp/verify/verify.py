"""Verifies a ledger, its artifacts and its published heads; reads only."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from seedproof.model.refusals import LedgerNewer

from seedproof_mcp.ledger.damage import first_conflict_line
from seedproof_mcp.system.paths import ProjectPaths
from seedproof_mcp.verify.against_git import check_against
from seedproof_mcp.verify.artifacts import check_logs, check_reports, check_unknown_reports
from seedproof_mcp.verify.chain import Chain, first_difference, read_chain, whole_lines
from seedproof_mcp.verify.checks import CannotVerify, Check, Outcome, failed, listed, noted, passed
from seedproof_mcp.verify.documents import check_documents, check_headlines
from seedproof_mcp.verify.replay import Replay
from seedproof_mcp.verify.study_page import check_study_page
from seedproof_mcp.verify.witnesses import check_heads, check_registry

__all__ = ["verify"]


@dataclass(frozen=True, slots=True)
class _Source:
    """The ledger or mirror that is verified."""

    name: str
    """Its path, relative to the project."""
    data: bytes
    """Whole lines only."""
    checks: list[Check]
    """The findings about ledger and mirror as files."""


# A ledger that grows meanwhile is verified again; after this many tries the last result counts.
_MOST_TRIES = 5


def verify(paths: ProjectPaths, *, regenerate: bool = False, against: str | None = None) -> Iterator[Check]:
    """Run every check; if the ledger grows meanwhile, on its newest state.

    Args:
        paths: The project.
        regenerate: Make every report and figure again and compare all bytes.
        against: A git revision whose mirror must be a beginning of today's ledger.

    Raises:
        CannotVerify: There is no ledger, or it was written by a newer Seedproof.
    """
    for _ in range(_MOST_TRIES):
        source = _choose_source(paths)
        checks = list(_checks(paths, source, regenerate, against))
        # A fault may come from a run that ended between two checks: only a ledger at rest is damaged.
        if all(check.outcome is not Outcome.FAIL for check in checks) or _choose_source(paths).data == source.data:
            break
    yield from checks


def _checks(paths: ProjectPaths, source: _Source, regenerate: bool, against: str | None) -> Iterator[Check]:
    try:
        chain = read_chain(source.data)
    except LedgerNewer as newer:
        raise CannotVerify(newer.message) from None
    yield from source.checks
    yield from _chain_checks(source, chain)
    state = None
    if chain.faults:
        yield noted("state", "not checked, and neither are verdicts: the chain is broken")
    else:
        replay = Replay(paths, chain.records, regenerate)
        yield from replay.run()
        state = replay.state
    yield from check_heads(paths, chain)
    yield from check_registry(paths, chain)
    yield from check_logs(paths, chain.records, state)
    yield from check_reports(paths, chain.records)
    yield from check_unknown_reports(paths, chain.records)
    yield from check_documents(paths, chain.records)
    if state is not None:
        yield from check_headlines(state)
        yield from check_study_page(paths, chain.records, state)
    if against is not None:
        yield check_against(paths, against, source.data)


def _choose_source(paths: ProjectPaths) -> _Source:
    """Compare ledger and mirror; the longer one is verified, which is also the one that the tools read."""
    ledger, mirror = _read(paths, paths.ledger), _read(paths, paths.mirror)
    names = [str(path.relative_to(paths.root)) for path in (paths.ledger, paths.mirror)]
    if not whole_lines(ledger) and not whole_lines(mirror):
        raise CannotVerify(f"there is no ledger: neither {names[0]} nor {names[1]} has a record.")
    if not ledger:
        text = f"{names[0]} is not here, as in a fresh clone; {names[1]} is verified instead"
        return _Source(names[1], whole_lines(mirror), [noted("mirror", text), *_torn_tail(names[1], mirror)])
    tails, lines, copied = _torn_tail(names[0], ledger), whole_lines(ledger), whole_lines(mirror)
    if not mirror:
        return _Source(names[0], lines, [*tails, noted("mirror", f"there is no {names[1]}; a report writes it")])
    if lines.startswith(copied):
        count = copied.count(b"\n")
        return _Source(
            names[0], lines, [*tails, passed("mirror", f"its {count} records are the first of the ledger's")]
        )
    if copied.startswith(lines):
        more = copied.count(b"\n") - lines.count(b"\n")
        text = f"{names[1]} holds {more} records more than {names[0]}, which takes them over with the next write"
        return _Source(names[1], copied, [*tails, noted("mirror", text)])
    number = first_difference(lines, copied)
    text = f"{names[1]} does not agree with {names[0]} from record #{number} on: {_why_they_differ(copied)}"
    return _Source(names[0], lines, [*tails, failed("mirror", text)])


def _why_they_differ(mirror: bytes) -> str:
    if first_conflict_line(mirror) is not None:
        return "git left a merge conflict in it"
    if b"\r\n" in mirror:
        return "its line endings were changed"
    return "one of the two was rewritten, or they are of two clones"


def _read(paths: ProjectPaths, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return b""
    except OSError as error:
        raise CannotVerify(f"{path.relative_to(paths.root)} cannot be read ({error.strerror}).") from None


def _torn_tail(name: str, data: bytes) -> list[Check]:
    torn = len(data) - len(whole_lines(data))
    text = f"{name} ends in {torn} bytes that are no record, as a crash leaves them; the next write cuts them off"
    return [noted("tail", text)] if torn else []


def _chain_checks(source: _Source, chain: Chain) -> list[Check]:
    faults = [f"{source.name}: {fault}" for fault in chain.faults]
    if not chain.records:
        return listed("chain", faults, passed("chain", "no record"))
    first, last = chain.records[0], chain.records[-1]
    text = f"{len(chain.records)} records, begun {first.get('time')}, head #{last['seq']} {last['hash'][:12]}"
    return listed("chain", faults, passed("chain", text))

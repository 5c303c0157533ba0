"""Heads that were seen: each must be in the ledger, which is what shows a cut end and a ledger that was hashed anew."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seedproof.ledger.events import GenerationStarted, LedgerDisclosed, Record, read_events
from seedproof.ledger.state import State
from seedproof.notices.past import disclosed_notice

from seedproof_mcp.ledger.registry import RecordHashes, Registry, told_heads
from seedproof_mcp.system.paths import ProjectPaths
from seedproof_mcp.verify.chain import Chain
from seedproof_mcp.verify.checks import Check, failed, listed, noted, passed

__all__ = ["check_heads", "check_registry", "heads_in"]

_LABEL = re.compile(r"#(\d{1,18}) ([0-9a-f]{12})")
# As a report prints it for its readers and for machines.
_WITNESSED = re.compile(r'(?:Ledger head: |"ledger_head": ")#(\d{1,18}) ([0-9a-f]{12})')


@dataclass(frozen=True, slots=True)
class _Ledger:
    """What a head is looked up in."""

    hashes: Mapping[int, str]
    """By number."""
    last: int
    """The number of the newest record."""


def heads_in(path: Path) -> list[tuple[int, str]]:
    """The heads that a report claims to be written from: number, and the first digits of the hash."""
    try:
        text = path.read_bytes().decode("utf-8", "replace")
    except OSError:
        return []  # that it cannot be read is told where its hash is looked at
    return sorted({(int(seq), digits) for seq, digits in _WITNESSED.findall(text)})


def check_heads(paths: ProjectPaths, chain: Chain) -> list[Check]:
    """The heads in the reports on disk, and those that records themselves speak of."""
    hashes = chain.hashes
    ledger, faults, count = _Ledger(hashes, max(hashes, default=0)), [], 0
    for path in sorted(paths.research.glob("*.md")):
        if ".unverified" in path.name:
            continue  # moved aside because no ledger vouches for it
        for seq, digits in heads_in(path):
            count += 1
            faults += _unknown_head(ledger, seq, digits, str(path.relative_to(paths.root)))
    for record in chain.records:
        for seq, digits in _spoken_of(record):
            count += 1
            faults += _unknown_head(ledger, seq, digits, f"record #{record['seq']}")
    return listed("heads", faults, passed("heads", f"all {count} heads named by reports and records are in the ledger"))


def check_registry(paths: ProjectPaths, chain: Chain) -> list[Check]:
    """The head that this user's registry holds of this folder, and what it knows of copies."""
    registry = Registry(paths.root)
    own = registry.own()
    if own is None:
        return [noted("registry", "this user's registry knows nothing of this folder; on another machine it cannot")]
    if not chain.records:
        return []
    state = _past_of(chain.records)
    if chain.hashes.get(own.seq) == own.head:
        found = [passed("registry", f"the head that was seen last here, {own.label}, is in the ledger")]
    elif own.label in told_heads(state):
        found = [
            noted("registry", f"the head that was seen last here, {own.label}, is not in the ledger, which says so")
        ]
    elif own.ledger != chain.records[0]["hash"]:
        text = f"this folder had another ledger, begun {own.began}, with {own.records} records and head {own.label}"
        found = [failed("registry", f"{text}; it is gone, and this ledger does not say so")]
    else:
        text = f"this ledger was seen with {own.records} records and head {own.label}, which is not in it"
        found = [failed("registry", f"{text}: its end was cut off, an older copy was put back, or it was rewritten")]
    others = [
        one
        for one in registry.undisclosed(state, RecordHashes(one["hash"] for one in chain.records))
        if one.what in ("copy", "shared")
    ]
    return [*found, *(noted("registry", disclosed_notice(one).message) for one in others)]


def _past_of(records: Sequence[Record]) -> State:
    """What the records tell of the ledger's past; read here without a fold, which damage may make impossible."""
    return State(
        seq=records[-1]["seq"],
        head=records[-1]["hash"],
        previous=next((one.previous for one in read_events(records[:1], GenerationStarted)), None),
        disclosures=list(read_events(records, LedgerDisclosed)),
    )


def _spoken_of(record: Record) -> Iterator[tuple[int, str]]:
    """The heads before a record that it names itself."""
    for name in ("on_head", "present"):
        found = _LABEL.fullmatch(str(record.get(name)))
        if found and int(found[1]) > 0:
            yield int(found[1]), found[2]


def _unknown_head(ledger: _Ledger, seq: int, digits: str, witness: str) -> list[str]:
    """What is wrong with a head that is not in the ledger; nothing if it is."""
    known = ledger.hashes.get(seq)
    if seq > ledger.last:
        text = f"{witness} names head #{seq} {digits}, but the ledger ends at #{ledger.last}"
        return [f"{text}: its end was cut off, or that is a head of another ledger"]
    if known is None or known.startswith(digits):
        return []  # a record that is missing is told of by the chain
    text = f"{witness} names head #{seq} {digits}, but record #{seq} has the hash {known[:12]}"
    return [f"{text}: that record or one before it was rewritten, and every hash after it made anew"]

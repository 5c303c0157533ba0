"""Checks every published head against the ledger: detects truncation and rehashing."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from seedproof.ledger.event import Record
from seedproof.ledger.events import read_events
from seedproof.ledger.state import State
from seedproof.ledger.study_events import GenerationStarted, LedgerDisclosed
from seedproof.notices.past import disclosed_notice

from seedproof_mcp.ledger.entry import RecordHashes
from seedproof_mcp.ledger.registry import Registry, disclosed_heads
from seedproof_mcp.system.paths import ProjectPaths
from seedproof_mcp.verify.chain import Chain
from seedproof_mcp.verify.checks import Check, failed, listed, noted, passed

__all__ = ["check_heads", "check_registry", "read_heads"]

_LABEL = re.compile(r"#(\d{1,18}) ([0-9a-f]{12})")
# As a report prints its head, in words and in JSON.
_PUBLISHED = re.compile(r'(?:Ledger head: |"ledger_head": ")#(\d{1,18}) ([0-9a-f]{12})')


def read_heads(path: Path) -> list[tuple[int, str]]:
    """The heads that a report names: number, and first digits of the hash."""
    try:
        text = path.read_bytes().decode("utf-8", "replace")
    except OSError:
        return []  # check_reports says that it cannot be read
    return sorted({(int(seq), digits) for seq, digits in _PUBLISHED.findall(text)})


def check_heads(paths: ProjectPaths, chain: Chain) -> list[Check]:
    """Check the heads in reports on disk, and those that records name."""
    hashes, faults, count = chain.hashes, [], 0
    names = ("*.md", "baseline_variance_*.json", "experiment_*.json", "studies.svg")
    for path in sorted(path for name in names for path in paths.research.glob(name)):
        if ".unverified" in path.name:
            continue  # moved aside, as it belongs to no ledger
        for seq, digits in read_heads(path):
            count += 1
            faults += _unknown_head(hashes, seq, digits, str(path.relative_to(paths.root)))
    for record in chain.records:
        for seq, digits in _named_heads(record):
            count += 1
            faults += _unknown_head(hashes, seq, digits, f"record #{record['seq']}")
    return listed("heads", faults, passed("heads", f"all {count} heads named by reports and records are in the ledger"))


def check_registry(paths: ProjectPaths, chain: Chain) -> list[Check]:
    """Check the head that this user's registry has for this folder, and list copies that it knows."""
    registry = Registry(paths.root)
    own = registry.own()
    if own is None:
        return [noted("registry", "this user's registry has no entry for this folder, as on another machine")]
    if not chain.records:
        return []
    state = _read_past(chain.records)
    if chain.hashes.get(own.seq) == own.head:
        found = [passed("registry", f"the head that was seen last here, {own.label}, is in the ledger")]
    elif own.label in disclosed_heads(state):
        found = [
            noted(
                "registry",
                f"the head that was seen last here, {own.label}, is not in the ledger, and the ledger discloses that",
            )
        ]
    elif own.ledger != chain.records[0]["hash"]:
        if not own.counts:
            return [noted("registry", "this folder had another ledger, in which no run had a value; it is gone")]
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


def _read_past(records: Sequence[Record]) -> State:
    """The state's facts about the ledger's past, without a fold, which a damaged ledger may not allow."""
    return State(
        seq=records[-1]["seq"],
        head=records[-1]["hash"],
        previous=next((one.previous for one in read_events(records[:1], GenerationStarted)), None),
        disclosures=list(read_events(records, LedgerDisclosed)),
    )


def _named_heads(record: Record) -> Iterator[tuple[int, str]]:
    for name in ("on_head", "present"):
        found = _LABEL.fullmatch(str(record.get(name)))
        if found and int(found[1]) > 0:
            yield int(found[1]), found[2]


def _unknown_head(hashes: dict[int, str], seq: int, digits: str, witness: str) -> list[str]:
    """The fault of a head that is not in the ledger; empty if it is there."""
    known, last = hashes.get(seq), next(reversed(hashes), 0)  # in the order of their numbers
    if seq > last:
        text = f"{witness} names head #{seq} {digits}, but the ledger ends at #{last}"
        return [f"{text}: its end was cut off, or that is a head of another ledger"]
    if known is None or known.startswith(digits):
        return []  # the chain says that a record is missing
    text = f"{witness} names head #{seq} {digits}, but record #{seq} has the hash {known[:12]}"
    return [f"{text}: that record or one before it was rewritten, and every hash after it made anew"]

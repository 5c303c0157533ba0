"""The table: every manoeuvre that is tried on Seedproof, by what it meddles with."""

from tests.threats import (
    baseline,
    calls,
    campaign,
    code,
    confirmation,
    files,
    flags,
    ledger,
    machine,
    order,
    output,
    probes,
    seeds,
    settings,
    verify,
)
from tests.threats.limits import LIMITS
from tests.threats.rows import Group, Row

__all__ = ["GROUPS", "LIMITS", "ROWS"]

GROUPS: tuple[Group, ...] = (
    order.GROUP,
    seeds.GROUP,
    flags.GROUP,
    campaign.GROUP,
    baseline.GROUP,
    confirmation.GROUP,
    calls.GROUP,
    settings.GROUP,
    output.GROUP,
    code.GROUP,
    machine.GROUP,
    probes.GROUP,
    files.GROUP,
    ledger.GROUP,
    verify.GROUP,
)
ROWS: tuple[Row, ...] = tuple(row for group in GROUPS for row in group.rows)

"""The table: every manoeuvre that is tried on Seedproof, by what it meddles with."""

import pytest

from tests.threats import (
    baseline,
    beginnings,
    calls,
    campaign,
    code,
    confirmation,
    during,
    files,
    flags,
    inputs,
    ledger,
    machine,
    order,
    output,
    probes,
    redraws,
    seeds,
    settings,
    verify,
)
from tests.threats.limits import LIMITS
from tests.threats.rows import Group, Row

__all__ = ["GROUPS", "IN_MEMORY", "LIMITS", "ROWS", "SUPERVISED"]

GROUPS: tuple[Group, ...] = (
    order.GROUP,
    seeds.GROUP,
    redraws.GROUP,
    flags.GROUP,
    campaign.GROUP,
    baseline.GROUP,
    confirmation.GROUP,
    calls.GROUP,
    settings.GROUP,
    output.GROUP,
    code.GROUP,
    inputs.GROUP,
    during.GROUP,
    machine.GROUP,
    probes.GROUP,
    files.GROUP,
    ledger.GROUP,
    beginnings.GROUP,
    verify.GROUP,
)
ROWS: tuple[Row, ...] = tuple(row for group in GROUPS for row in group.rows)


def _params(*, supervised: bool) -> list[object]:
    rows = [row for row in ROWS if row.supervised is supervised]
    return [pytest.param(row, id=row.name, marks=_waiting(row)) for row in rows]


def _waiting(row: Row) -> list[pytest.MarkDecorator]:
    # What waits for something must fail until it is there.
    return [pytest.mark.xfail(strict=True, reason=row.waits_for)] if row.waits_for else []


IN_MEMORY = _params(supervised=False)
"""Parameters of a test: the rows whose trainings take place in memory."""
SUPERVISED = _params(supervised=True)
"""The same for those whose trainings are processes."""

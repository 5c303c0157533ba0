"""The tree of refusals: drawn in the module's docstring, and codes that follow from the names of its classes."""

import re

import pytest
from seedproof.model import refusals
from seedproof.model.refusals import BadArguments, LedgerDamaged, Refusal, Runaway, SeedNotDue


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    drawn: dict[str, set[str]] = {}
    for line in (refusals.__doc__ or "").splitlines():
        if match := re.match(r"[├└]── (\w+)", line):
            branch = drawn.setdefault(match[1], set())
        if drawn:
            branch.update(re.findall(r"\b[a-z_]+\b", line))
    branches = [kind for kind in Refusal.__subclasses__() if kind.__module__ == refusals.__name__]
    assert drawn == {branch.__name__: {leaf.code for leaf in branch.__subclasses__()} for branch in branches}


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (BadArguments, "bad_arguments"),
        (Runaway, "runaway"),
        (SeedNotDue, "seed_not_due"),
        (LedgerDamaged, "ledger_damaged"),
    ],
)
def test_a_code_is_the_name_of_its_class(kind: type[Refusal], code: str) -> None:
    assert kind.code == code
    assert str(kind("No.")) == f"{code}: No. Next: check_baseline()"

"""Measures every cost that docs/performance.md names; exits with 1 where a target is missed."""

import sys

import evidence
import large_ledger
import run_overhead
import startup
from figures import Figure, machine, table


def main() -> int:
    """Print one table; 1 if a target is missed."""
    print(machine(), end="\n\n", flush=True)
    figures: list[Figure] = []
    for benchmark in (startup, run_overhead, large_ledger, evidence):
        print(benchmark.__doc__, file=sys.stderr, flush=True)
        figures += benchmark.measure()
    print(table(figures))
    missed = [one for one in figures if one.limit is not None and one.value > one.limit]
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

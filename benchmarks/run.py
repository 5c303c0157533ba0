"""Measures every cost that docs/performance.md names; exits with 1 where a target is missed.

`--long` also measures what takes minutes: runs of ten seconds, ledgers of 100,000 runs, 1 GB of log.
"""

import sys

import busy_answers
import evidence
import fingerprint
import large_ledger
import log_reading
import memory
import observe_inputs
import protocol_loop
import run_overhead
import snapshot
import startup
import stdio_calls
import training_output
import verify
import waiting
from figures import Figure, is_long, machine, measured, table

BENCHMARKS = (
    startup,
    stdio_calls,
    memory,
    waiting,
    run_overhead,
    protocol_loop,
    log_reading,
    training_output,
    observe_inputs,
    large_ledger,
    evidence,
    snapshot,
    fingerprint,
    verify,
    busy_answers,
)


def main() -> int:
    """Print one table; 1 if a target is missed."""
    print(machine(), end="\n\n", flush=True)
    figures: list[Figure] = []
    for benchmark in BENCHMARKS:
        print(benchmark.__doc__, file=sys.stderr, flush=True)
        figures += measured(benchmark.measure, is_long())
    print(table(figures))
    missed = [one for one in figures if one.limit is not None and one.value > one.limit]
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

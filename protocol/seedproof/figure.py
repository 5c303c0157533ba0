"""Figures (stand-in until merged)."""

from collections.abc import Sequence

from seedproof.values import Baseline, Comparison, Pair


def experiment_figure(comparison: Comparison, pairs: Sequence[Pair] = ()) -> str:
    return "<svg/>"


def baseline_figure(baseline: Baseline) -> str:
    return "<svg/>"

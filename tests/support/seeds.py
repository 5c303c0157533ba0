"""The seeds that the rules use where a project says nothing else."""

__all__ = ["FRESH", "SEEDS"]

SEEDS = (42, 137, 256, 512, 1024)
FRESH = (100_003, 100_019, 100_043)
"""The first seeds of a confirmation."""

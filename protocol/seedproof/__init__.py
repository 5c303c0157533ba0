"""Seedproof's protocol: it decides, and touches no file, clock, process or network."""

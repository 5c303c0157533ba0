"""Engines beside the one of this machine: a real Slurm, stand-ins of its programs, and the contract of all engines."""

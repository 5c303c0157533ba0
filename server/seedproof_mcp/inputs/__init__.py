"""What a run read, from what its processes told to the value in the ledger.

Imported by `runner` and the rooms above it.
"""

"""Settings, interpreter and machine that runs are carried out with.

Imported by `ledger` and the rooms above it.
"""

"""A training's output becomes numbers.

Imported by `sources`, `ledger` and the rooms above it.
"""

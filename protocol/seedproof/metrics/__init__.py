"""A training's output becomes numbers.

Imported by `ledger` and the rooms above it.
"""

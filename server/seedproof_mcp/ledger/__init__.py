"""The ledger file, its mirror, and the registry of projects.

Imported by `code` and the rooms above it.
"""

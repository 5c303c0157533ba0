"""What a run read: which files count, and how two runs' lists differ.

Imported by `ledger` and the rooms above it, and by the server.
"""

"""What the runs say, and how far to trust it.

Imported by `admission` and the rooms above it.
"""

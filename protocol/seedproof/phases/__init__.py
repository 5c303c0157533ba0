"""What is due, and the call that comes next.

Imported by `verdict` and the rooms above it.
"""

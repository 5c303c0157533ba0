"""Files, locks, processes and paths: every change on the machine.

Imported by every other room.
"""

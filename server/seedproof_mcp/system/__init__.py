"""Files, locks, processes and paths: everything that changes the machine.

Imported by every other room.
"""

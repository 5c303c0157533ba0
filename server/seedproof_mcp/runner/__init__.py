"""Takes requested runs through an engine to their recorded end.

Imported by `service` and the rooms above it.
"""

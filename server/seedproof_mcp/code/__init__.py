"""The code that a run is trained with: snapshots, working trees, identity.

Imported by `runner` and the rooms above it.
"""

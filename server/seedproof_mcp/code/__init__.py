"""The code that a run is trained with: snapshots, worktrees, identity.

Imported by `runner` and the rooms above it.
"""

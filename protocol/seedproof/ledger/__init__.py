"""Records, their hash chain, and the state that they add up to.

Imported by `phases` and the rooms above it.
"""

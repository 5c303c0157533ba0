"""Statistics: numbers in, numbers out.

Imported by every other room; imports nothing of ours.
"""

"""Looks for what would keep runs from starting or from being read, and changes nothing.

Imported by `surface/commands`.
"""

"""The use cases behind tools and command line.

Imported by `surface` and `verify`.
"""

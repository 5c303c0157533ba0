"""Markdown and SVG from a comparison.

Imported by the server only.
"""

"""What the tools answer: each reply as a structure and as text. docs/tools.md describes every field.

Imported by the rest of `service`, and by the rooms above it.
"""

"""The commands of a person at a terminal, and what all of them share: exit codes, output, completion.

Imported by `surface/cli.py` and `surface/arguments.py`.
"""

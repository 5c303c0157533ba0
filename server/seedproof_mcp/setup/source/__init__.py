"""Reads the source of a project: which settings a script has and what it prints. Executes nothing.

Imported by `setup`.
"""

"""Decides whether a requested run may start.

Imported by `notices`, `report` and the server.
"""

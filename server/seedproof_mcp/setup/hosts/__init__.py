"""Enters the server into the settings of MCP hosts, and takes it out again.

Imported by `surface`.
"""

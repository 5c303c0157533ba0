"""The MCP tools, the command line and the demonstration.

Imported by nothing.
"""

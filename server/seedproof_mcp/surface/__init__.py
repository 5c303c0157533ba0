"""Tools over MCP, the command line, and the demonstration.

Imported by nothing.
"""

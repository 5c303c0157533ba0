"""The server under the name that hosts and tests import: `seedproof_mcp.app`."""

from seedproof_mcp.surface.tools import INSTRUCTIONS, build_server

__all__ = ["INSTRUCTIONS", "build_server"]

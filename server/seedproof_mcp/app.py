"""The server under the name that hosts and tests import: `seedproof_mcp.app`."""

from seedproof_mcp.surface.tools import build_server

__all__ = ["build_server"]

"""The server under the name that hosts and tests import: `seedproof_mcp.app`."""

from seedproof.model.rules import Rules

from seedproof_mcp.surface.catalogue import instructions
from seedproof_mcp.surface.tools import build_server

__all__ = ["INSTRUCTIONS", "build_server"]

INSTRUCTIONS = instructions(Rules())
"""What a server tells its client under the default rules."""

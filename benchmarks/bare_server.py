"""The least that an MCP server of the same SDK can be: as many tools as the product's, and nothing behind them."""

from mcp.server import MCPServer

# tests/server/surface/test_tools.py holds the product to this number.
TOOLS = 6

server = MCPServer("bare", log_level="WARNING")


async def ping() -> str:
    """Answer."""
    return "pong"


for number in range(TOOLS):
    server.add_tool(ping, name="ping" if number == 0 else f"ping_{number}")


if __name__ == "__main__":
    server.run("stdio")

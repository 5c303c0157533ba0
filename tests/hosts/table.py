"""The measured table of docs/hosts.md, and the same facts as a session shows them."""

from collections.abc import Mapping
from typing import Any

from seedproof_mcp.setup.hosts.hosts import HOSTS

from tests.hosts.stand_in import ADDED, StandIn
from tests.support.places import ROOT

__all__ = ["PAGE", "expected", "observed"]

PAGE = ROOT / "docs/hosts.md"
_TITLE = "## What each host does"
# Which replies the openings of the stand-in are answered with: the second is refused, the third is a result.
_REFUSED, _RESULT = 1, 2


def expected(host: str) -> dict[str, str]:
    """What the page says of a host, by the names of the rows."""
    paragraphs = PAGE.read_text().split(_TITLE)[1].split("\n\n")
    table = next(one for one in paragraphs if one.startswith("|"))
    head, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines())
    column = head.index(HOSTS[host].title)
    return {row[0]: row[column] for row in rows}


def observed(model: StandIn, sent: list[dict[str, Any]], received: list[dict[str, Any]]) -> dict[str, str]:
    """What a host did in a session, in the words of the page.

    Args:
        model: What the model was shown.
        sent: The host's messages to the server.
        received: The server's messages to the host.
    """
    calls = [message["params"] for message in sent if message["method"] == "tools/call"]
    tools = [name for name, arguments in model.offered.items() if ADDED.keys() & arguments]
    return {
        "Version": _client(sent[0])["version"],
        "`clientInfo.name`": f"`{_client(sent[0])['name']}`",
        "First message": _opening(sent[0]),
        "The model sees a result as": model.seen[_RESULT].channels,
        "The model sees a refusal as": model.seen[_REFUSED].channels,
        "Instructions": _instructions(model.told, received),
        "Adds to every tool": ", ".join(f"`{name}`" for name in ADDED) if tools else "nothing",
        "Asks for progress": "yes" if "progressToken" in calls[0].get("_meta", {}) else "no",
    }


def _client(message: Mapping[str, Any]) -> Mapping[str, Any]:
    params = message["params"]
    found: Mapping[str, Any] = params.get("clientInfo") or params["_meta"]["io.modelcontextprotocol/clientInfo"]
    return found


def _opening(message: Mapping[str, Any]) -> str:
    params = message["params"]
    revision = params.get("protocolVersion") or params["_meta"]["io.modelcontextprotocol/protocolVersion"]
    return f"`{message['method']}` {revision}"


def _instructions(told: str, received: list[dict[str, Any]]) -> str:
    given = next(one for message in received if (one := message.get("result", {}).get("instructions")))
    words, told_words = " ".join(given.split()), " ".join(told.split())  # opencode indents them
    if words in told_words:
        return "whole"
    return "cut" if words[:200] in told_words else "not shown"

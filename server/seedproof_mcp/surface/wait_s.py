"""How long a call waits that does not say: by the time limit of its host."""

import logging
import math
import os
from collections.abc import Mapping
from functools import cache
from typing import Any

from mcp.server.context import ServerRequestContext

__all__ = ["TIMEOUT_VARIABLE", "chosen_wait_s"]

logger = logging.getLogger(__name__)

TIMEOUT_VARIABLE = "SEEDPROOF_TOOL_TIMEOUT_S"
"""The environment variable that tells how long the host waits for a tool, in seconds."""

LONGEST_S = 3600.0
# Below the shortest usual limit, 60 s, with room for a slow answer.
_DEFAULT_S = 45.0
# Of a limit that the server is told of, so much stays for the answer: a tenth, at most a minute.
_SHARE, _MOST_S = 0.1, 60.0
# By the name that a host gives itself, below its own limit: 30 min without a message, 300 s, 600 s.
_BY_NAME: Mapping[str, float] = {"claude-code": 1500.0, "codex-mcp-client": 270.0, "gemini-cli-mcp-client": 540.0}
# Hosts whose limit (60 s, 180 s) begins anew with each progress notification, where they asked for these.
_EXTENDED = frozenset({"opencode", "copilot-cli"})


def chosen_wait_s(ctx: ServerRequestContext[Any, Any]) -> float:
    """Seconds that a call of this client waits where it leaves `wait_s` out."""
    told = _told_s(os.environ.get(TIMEOUT_VARIABLE))
    if told is not None:
        return min(LONGEST_S, told - min(_MOST_S, _SHARE * told))
    # In the protocol of 2026-07-28 each request says who sends it, or leaves that out; before, the first one does.
    sender = ctx.session.client_params
    name = "" if sender is None else sender.client_info.name
    if name in _EXTENDED:
        asked = ctx.meta is not None and ctx.meta.get("progress_token") is not None
        return LONGEST_S if asked else _DEFAULT_S
    return _BY_NAME.get(name, _DEFAULT_S)


@cache  # told once
def _told_s(text: str | None) -> float | None:
    """The number of seconds of the variable; None where it is not set, or no positive number."""
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if math.isfinite(seconds) and seconds > 0:
        return seconds
    logger.warning("%s is %r, which is no positive number of seconds; it is ignored", TIMEOUT_VARIABLE, text)
    return None

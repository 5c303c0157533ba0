"""Whether the hosts that have the server can start it."""

import itertools
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from seedproof_mcp.setup.doctor.finding import Finding, fault, fine, note
from seedproof_mcp.setup.hosts.changes import read_settings
from seedproof_mcp.setup.hosts.hosts import HOSTS, Host
from seedproof_mcp.setup.hosts.places import find_places
from seedproof_mcp.setup.hosts.settings_text import entry_of
from seedproof_mcp.setup.hosts.untouched import CannotEdit

__all__ = ["look_at_hosts"]


def look_at_hosts(root: Path, variables: Mapping[str, str]) -> Iterator[Finding]:
    """Each host with an entry for the server.

    Args:
        root: The project.
        variables: The environment, which says where hosts keep their settings.
    """
    found = [(host, entry) for host in HOSTS.values() if (entry := _entry(host, root, variables)) is not None]
    if not found:
        yield fine("hosts", "none has the server here; `seedproof install HOST` enters it")
    for host, entry in found:
        words = _words(entry)
        again = f"seedproof install {host.name}"
        project = next((b for a, b in itertools.pairwise(words) if a == "--project"), None)
        if not words or (os.path.isabs(words[0]) and not os.access(words[0], os.X_OK)):
            yield fault("hosts", f"{host.title} starts {words[:1] or 'nothing'}, and there is no such program.", again)
        elif shutil.which(words[0]) is None:
            yield note("hosts", f"{host.title} starts {words[0]}, which is not on the PATH here.", again)
        elif host.home is None and project is not None and (root / project).resolve() != root:
            yield fault("hosts", f"{host.title} starts the server for {project}, another folder.", again)
        else:
            yield fine("hosts", f"{host.title} starts the server")


def _entry(host: Host, root: Path, variables: Mapping[str, str]) -> dict[str, Any] | None:
    """The host's entry for the server; None where it has none, or one that only the host can read."""
    try:
        entry = entry_of(host, read_settings(find_places(host, root, variables).settings))
    except CannotEdit:
        return None
    return entry if isinstance(entry, dict) and "command" in entry else None


def _words(entry: Mapping[str, Any]) -> list[str]:
    command, arguments = entry["command"], entry.get("args")
    words = [
        *(command if isinstance(command, list) else [command]),
        *(arguments if isinstance(arguments, list) else []),
    ]
    return [one for one in words if isinstance(one, str)]

"""What is recorded of the place where a run is carried out: its machine, its devices and its interpreter."""

import os
import platform
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from seedproof_mcp.host import environment
from seedproof_mcp.supervisor.machine import load_average

__all__ = ["Machine", "Place", "ThisMachine"]


@dataclass(frozen=True, slots=True)
class Machine:
    """The computer that a run starts on; None is what nobody can tell."""

    host: str | None
    """Its name in the network."""
    platform: str | None
    """Operating system and architecture."""
    cpu_count: int | None
    """Processors that the system has."""
    load: float | None
    """Load average over the last minute."""


class Place(Protocol):
    """Where an engine starts runs. Whatever a fingerprint says of the place, it asks here."""

    def machine(self) -> Machine:
        """Return the machine as it is now."""

    def environment(self, python: str, env: Mapping[str, str], cwd: Path) -> dict[str, Any]:
        """Return interpreter, packages and devices, in the form of `host.environment.environment`.

        Args:
            python: The interpreter of the training.
            env: The complete environment of the training.
            cwd: Its working folder, for relative paths in PYTHONPATH.
        """

    def import_path(self, python: str, env: Mapping[str, str], cwd: Path) -> tuple[str, ...]:
        """Return where that interpreter imports from, without the folder of the script; empty if it cannot answer."""


class ThisMachine:
    """The machine that this process runs on."""

    def machine(self) -> Machine:
        """Return this machine as it is now."""
        return Machine(socket.gethostname(), platform.platform(), os.cpu_count(), load_average())

    def environment(self, python: str, env: Mapping[str, str], cwd: Path) -> dict[str, Any]:
        """Return what the interpreter and the drivers of this machine say; asked once, then remembered."""
        return environment.environment(python, env, cwd)

    def import_path(self, python: str, env: Mapping[str, str], cwd: Path) -> tuple[str, ...]:
        """Return where the interpreter of this machine imports from."""
        return environment.import_path(python, env, cwd)

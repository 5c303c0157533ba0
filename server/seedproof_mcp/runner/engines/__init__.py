"""What Seedproof needs from a place that can carry a run: the seam behind which engines differ."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal, Protocol

__all__ = ["Engine", "RunState"]

RunState = Literal["queued", "running", "done", "lost"]
"""`done`: result.json exists. `lost`: it never will, the supervisor is gone without writing it."""


class Engine(Protocol):
    """Places `supervise RUN_DIR` somewhere; the evidence is always the run's result.json."""

    def reserve(self, slot: str) -> AbstractContextManager[bool]:
        """Hold a slot for the run that is submitted meanwhile; whether it is free."""

    def submit(self, run_dir: Path) -> str:
        """Place a run whose spec.json is written, and return its handle; again is harmless."""

    def poll(self, handle: str) -> RunState:
        """Return where the run stands."""

    def cancel(self, handle: str, reason: str) -> None:
        """Ask for the end of a run; `poll` tells when it has come."""

    def read_log(self, handle: str, offset: int, limit: int) -> bytes:
        """Return at most `limit` bytes of the training's output from `offset` on."""

    def capabilities(self) -> frozenset[str]:
        """Return the names of what this engine can do beyond placing runs."""

"""Lets a call of a tool wait for a change of files, while the server goes on to answer others."""

from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

from seedproof_mcp.system.file_watch import FileWatch

__all__ = ["changed", "look"]

T = TypeVar("T")

# How often a call looks where changes of files are not told of.
_BLIND_S = 0.1


async def changed(watch: FileWatch, bound_s: float) -> None:
    """Return after a change, after `bound_s` seconds, or when it is time to look at what no change tells."""
    with anyio.move_on_after(watch.bound_s(bound_s, _BLIND_S)):
        if watch.fd >= 0:
            await anyio.wait_readable(watch.fd)
        else:
            await anyio.sleep_forever()


async def look(watch: FileWatch, act: Callable[[], T]) -> T:
    """The result of `act` in a thread, after which the next change is waited for."""

    def looked() -> T:
        watch.take()  # before the look: what changes during it wakes again
        return act()

    return await anyio.to_thread.run_sync(looked)

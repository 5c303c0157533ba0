"""Standard input, without lines that are too long to be a call."""

import io
import json
import logging
import os
import re
import select
import sys
import threading
from collections.abc import Callable
from typing import Any

from seedproof_mcp.surface import stdio

__all__ = [
    "MAX_LINE_BYTES",
    "TOO_LONG",
    "leave_soon",
    "serve_short_lines",
    "watch",
]


logger = logging.getLogger(__name__)


# 64 flags of 512 bytes, a hypothesis and a name are 40 kB; the SDK would take 20 MB, and 700 MB of memory for them.
MAX_LINE_BYTES = 1_000_000


# A line's id and its protocol envelope stand at its beginning or at its end.
END_BYTES = 16 << 10


CHUNK = 64 << 10


# The one argument of a call that stands in for one that was too long: its length.
TOO_LONG = "seedproof/too_long"


_MEMBER = rb'"[^"\\]{1,200}"\s*:\s*(?:"[^"\\]{0,200}"|-?\d{1,20})'


_ID = rb'"id"\s*:\s*("[^"\\]{1,200}"|-?\d{1,20})'


# Only plain members lie between it and the line's end: it is the message's own id, not an argument of that name.
_FIRST_ID = re.compile(rb"\s*\{\s*(?:%b\s*,\s*)*?%b\s*," % (_MEMBER, _ID))


_LAST_ID = re.compile(rb",\s*%b\s*(?:,\s*%b\s*)*\}\s*\Z" % (_ID, _MEMBER))


_META = re.compile(rb'"_meta"\s*:\s*(\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\})')


def serve_short_lines() -> None:
    """Put a reader in the place of `sys.stdin` that holds at most a megabyte of a line.

    A longer call is replaced by a short one with its id, which every tool refuses. The end of the input is the end of
    the process.
    """
    wire = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)  # as the SDK does: what a library reads must not be taken from the client
    os.close(nothing)
    stdio.watch(wire)
    lines = io.BufferedReader(_ShortLines(wire, stdio.leave_soon))
    sys.stdin = io.TextIOWrapper(lines, encoding="utf-8", errors="replace")


class _ShortLines(io.RawIOBase):
    """The lines of a descriptor; it has no descriptor of its own, so that nobody reads past it."""

    def __init__(self, descriptor: int, at_end: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._at_end = at_end
        self._ready = bytearray()
        self._clear()

    def _clear(self) -> None:
        self._head, self._tail, self._length = bytearray(), b"", 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with what is complete; 0 at the end."""
        while not self._ready:
            chunk = os.read(self._descriptor, CHUNK)
            if not chunk:
                self._at_end()
                self._ready += self._line()  # without its newline, as it came
                break
            self._take(chunk)
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        del self._ready[:count]
        return count

    def _take(self, chunk: bytes) -> None:
        *complete, rest = chunk.split(b"\n")
        for piece in complete:
            self._grow(piece)
            self._ready += self._line() + b"\n"
        self._grow(rest)

    def _grow(self, piece: bytes) -> None:
        room = MAX_LINE_BYTES - len(self._head)
        self._head += piece[:room]
        self._tail = (self._tail + piece[room:])[-END_BYTES:]
        self._length += len(piece)

    def _line(self) -> bytes:
        is_short = self._length <= MAX_LINE_BYTES
        line = bytes(self._head) if is_short else _stand_in(bytes(self._head), self._tail, self._length)
        self._clear()
        return line


def _stand_in(head: bytes, tail: bytes, length: int) -> bytes:
    """A short call with the id of a long one; nothing if it has none, as nobody waits for an answer then."""
    begin, end = head[:END_BYTES], (head + tail)[-END_BYTES:]
    found = _FIRST_ID.match(begin) or _LAST_ID.search(end)
    if found is None:
        logger.warning("a line of %d bytes was left out; it is longer than %d", length, MAX_LINE_BYTES)
        return b""
    params = {"name": "check_baseline", "arguments": {TOO_LONG: length}, **_envelope(begin, end)}
    return b'{"jsonrpc":"2.0","id":%b,"method":"tools/call","params":%b}' % (found[1], json.dumps(params).encode())


def _envelope(begin: bytes, end: bytes) -> dict[str, Any]:
    """The envelope that clients of 2026 put around each request: without it, the answer would be about that."""
    found = _META.search(begin) or _META.search(end)
    try:
        return {} if found is None else {"_meta": json.loads(found[1])}
    except ValueError:
        return {}


# What answers in time is still written, and an orderly end takes less; twice as long is promised.
GRACE_S = 1.0


def leave_soon() -> None:
    """End this process with 0 a moment from now, unless it has ended by then.

    A call in a thread cannot be cancelled, and an orderly end would wait for it. Nothing is lost: a server may be
    killed at any moment.
    """
    timer = threading.Timer(GRACE_S, os._exit, (0,))  # which flushes nothing
    timer.daemon = True
    timer.start()


def watch(descriptor: int) -> None:
    """Leave soon after the writers of a pipe or socket have closed it, also while nobody reads it.

    The end of a file or a terminal is seen by its reader alone.
    """
    threading.Thread(target=_leave_after, args=(descriptor,), daemon=True).start()


def _leave_after(descriptor: int) -> None:
    closed = select.POLLHUP | getattr(select, "POLLRDHUP", 0)  # the latter for sockets, on Linux
    poll = select.poll()
    poll.register(descriptor, closed)
    if any(event & closed for _, event in poll.poll()):
        leave_soon()

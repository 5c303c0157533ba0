"""Standard input of the server: replaces or drops what would harm, and ends the process at its end."""

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

__all__ = ["MAX_LINE_BYTES", "TOO_LONG", "serve_short_lines"]

logger = logging.getLogger(__name__)

# 64 flags of 512 bytes, a hypothesis and a name are 40 kB; the SDK would take 20 MB, and 700 MB of memory for them.
MAX_LINE_BYTES = 1_000_000
# Where the id and the protocol envelope of a long line are looked for: at its beginning and end.
_END_BYTES = 16 << 10
_CHUNK_BYTES = 64 << 10
# The only argument of the call that replaces one that was too long; its value is the length.
TOO_LONG = "seedproof/too_long"
_MEMBER = rb'"[^"\\]{1,200}"\s*:\s*(?:"[^"\\]{0,200}"|-?\d{1,20})'
_ID = rb'"id"\s*:\s*("[^"\\]{1,200}"|-?\d{1,20})'
# Only plain members may stand between the id and the line's end, so it is no argument of that name.
_FIRST_ID = re.compile(rb"\s*\{\s*(?:%b\s*,\s*)*?%b\s*," % (_MEMBER, _ID))
_LAST_ID = re.compile(rb",\s*%b\s*(?:,\s*%b\s*)*\}\s*\Z" % (_ID, _MEMBER))
_META = re.compile(rb'"_meta"\s*:\s*(\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\})')
# Clients that send `initialize` when `server/discover` has no answer yet, and then take the answer to either.
_TAKES_EITHER = ("claude-code",)
# Enough for answers that are nearly ready, and for an orderly end; the documentation promises twice as long.
GRACE_S = 1.0


def serve_short_lines() -> None:
    """Replace `sys.stdin` by a reader that holds at most a megabyte of a line.

    It replaces a longer call by a short one with the same id, which every tool refuses. The process ends soon after
    the input or its parent does.
    """
    wire = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)  # as the SDK does: a library that reads stdin must not take bytes from the client
    os.close(nothing)
    threading.Thread(target=_exit_when_closed, args=(wire, _parent()), daemon=True).start()
    lines = io.BufferedReader(_ShortLines(wire, _exit_soon))
    sys.stdin = io.TextIOWrapper(lines, encoding="utf-8", errors="replace")


class _ShortLines(io.RawIOBase):
    """The lines of a descriptor. It hides the descriptor, so that nobody reads past it."""

    def __init__(self, descriptor: int, at_end: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._at_end = at_end
        self._ready = bytearray()
        self._has_begun = False
        self._clear()

    def _clear(self) -> None:
        self._head, self._tail, self._length = bytearray(), b"", 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with complete lines; return 0 at the end."""
        while not self._ready:
            chunk = os.read(self._descriptor, _CHUNK_BYTES)
            if not chunk:
                self._at_end()
                self._ready += self._line()  # without its newline, as it came
                break
            self._take(chunk)
            if not self._has_begun:
                self._has_begun = True
                self._ready[:] = _without_overtaken(bytes(self._ready))
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
        self._tail = (self._tail + piece[room:])[-_END_BYTES:]
        self._length += len(piece)

    def _line(self) -> bytes:
        is_short = self._length <= MAX_LINE_BYTES
        line = bytes(self._head) if is_short else _short_call(bytes(self._head), self._tail, self._length)
        self._clear()
        return line


def _without_overtaken(lines: bytes) -> bytes:
    """What waited for the start of the server, without a `server/discover` that an `initialize` has overtaken.

    Copilot CLI sends the second after 10 s without an answer. The SDK serves a connection as the first request says
    and answers the second with an error (-32022), upon which that client gives up.
    """
    if b"server/discover" not in lines or b"initialize" not in lines:
        return lines
    waiting = [(line, *_method_and_client(line)) for line in lines.splitlines(keepends=True)]
    methods = [method for _, method, _ in waiting]
    if "server/discover" not in methods or "initialize" not in methods[methods.index("server/discover") :]:
        return lines
    if any(client in _TAKES_EITHER for _, _, client in waiting):
        return lines
    return b"".join(line for line, method, _ in waiting if method != "server/discover")


def _method_and_client(line: bytes) -> tuple[Any, Any]:
    """The method of a message and, of `initialize`, who sends it; None where it does not say so."""
    try:
        message = json.loads(line)
        return message["method"], message["params"]["clientInfo"]["name"] if message["method"] == "initialize" else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None, None


def _short_call(head: bytes, tail: bytes, length: int) -> bytes:
    """A short call with the id of a long one; empty if it has none, as then nobody waits for an answer."""
    begin, end = head[:_END_BYTES], (head + tail)[-_END_BYTES:]
    found = _FIRST_ID.match(begin) or _LAST_ID.search(end)
    if found is None:
        logger.warning("a line of %d bytes was left out; it is longer than %d", length, MAX_LINE_BYTES)
        return b""
    params = {"name": "check_baseline", "arguments": {TOO_LONG: length}, **_envelope(begin, end)}
    return b'{"jsonrpc":"2.0","id":%b,"method":"tools/call","params":%b}' % (found[1], json.dumps(params).encode())


def _envelope(begin: bytes, end: bytes) -> dict[str, Any]:
    """The `_meta` of a request, which the protocol of 2026 demands: without it, the answer would be about that."""
    found = _META.search(begin) or _META.search(end)
    try:
        return {} if found is None else {"_meta": json.loads(found[1])}
    except ValueError:
        return {}


def _exit_soon() -> None:
    """Exit with 0 after GRACE_S, unless the process has ended by then.

    A call in a thread cannot be cancelled, and an orderly end would wait for it. Nothing is lost: a server may be
    killed at any moment.
    """
    timer = threading.Timer(GRACE_S, os._exit, (0,))  # which flushes nothing
    timer.daemon = True
    timer.start()


def _exit_when_closed(descriptor: int, parent: int | None) -> None:
    """Exit soon after a pipe or socket is closed by its writers, even while nobody reads it, or the parent has ended.

    Only the reader sees the end of a file or a terminal. Another process that inherited the other end may hold it open
    for longer than the client lives.
    """
    closed = select.POLLHUP | getattr(select, "POLLRDHUP", 0)  # the latter for sockets, on Linux
    poll = select.poll()
    poll.register(descriptor, closed)
    if parent is not None:
        poll.register(parent, select.POLLIN)
    if any(one == parent or event & closed for one, event in poll.poll()):
        _exit_soon()


def _parent() -> int | None:
    """A descriptor that is readable once the parent has ended; None where the system has none, as macOS.

    A parent that has ended by now was a launcher, and whoever reaps its children stands in its place.
    """
    if sys.platform != "linux":
        return None
    try:
        return os.pidfd_open(os.getppid())
    except OSError:  # Linux before 5.3, or a parent outside this container
        return None

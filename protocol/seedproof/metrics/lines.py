"""Turns the raw bytes of a training log into lines that patterns can be matched against.

A *segment* is what stands between two line ends, where a carriage return ends a segment too:
a progress bar redraws itself with it, and each redraw may hold a value of its own.
"""

from __future__ import annotations

import re

from seedproof.metrics.prefixes import split_prefix
from seedproof.model.untrusted import SEGMENT, overwrite

__all__ = [
    "BLOCK_BYTES",
    "SEGMENT_LIMIT",
    "SegmentBuffer",
    "after_last_line_end",
    "clean_line",
    "count_newlines",
    "decode_segment",
    "segment_at",
    "strip_codes",
]


SEGMENT_LIMIT = 64 * 1024
"""Bytes kept of one segment: far above any metric line, small enough for any regular expression."""

BLOCK_BYTES = 256 * 1024
"""Bytes handled at once, and the best size to read at once: it stays in the cache. Measured on
200 MB: 0.30 s in chunks of 256 KiB, 0.38 s in chunks of 1 MiB."""

_CUT_MARK = "…".encode()  # so that `^` cannot match in the middle of a segment that was cut

_ESCAPE = re.compile(
    rb"\x1b\[[0-?]*[ -/]*[@-~]?"  # CSI: colours, cursor movement, erasing
    rb"|\x1b[\]PX^_][^\x07\x1b\r\n]*(?:\x07|\x1b\\)?"  # OSC and similar ones: titles, links
    rb"|\x1b[ -/]*[0-~]?"  # the two- and three-byte sequences, and a lone ESC
)

_LINE_END = re.compile(rb"([\r\n])")
_OTHER_CONTROL = re.compile(r"[\x01-\x08\x0a-\x1f\x7f-\x9f]")


def strip_codes(raw: bytes) -> bytes:
    """Return `raw` as a terminal would show it: no escape sequences, backspaces applied.

    Line ends stay where they are, so this may be done for many lines at once.
    """
    if b"\x1b" in raw:
        raw = _ESCAPE.sub(b"", raw)
    if b"\x08" in raw:
        raw = SEGMENT.sub(overwrite, raw)
    return raw


def decode_segment(stripped: bytes) -> str:
    """Return the text of one segment that went through `strip_codes`.

    A NUL byte becomes U+FFFD like invalid UTF-8: it is a hole in the file (a log truncated while
    it was written), and the digits on its two sides are not one number.
    """
    text = stripped.decode("utf-8", "replace").replace("\x00", "\ufffd")
    return _OTHER_CONTROL.sub("", text)


def clean_line(raw: bytes) -> str:
    """Return one segment as the text that patterns are matched against, without its launcher's prefix."""
    return split_prefix(decode_segment(strip_codes(_shorten_segment(raw))))[0]


def count_newlines(block: bytes) -> int:
    """Return the number of newlines, by the faster of two ways."""
    # On lines of 95 bytes `replace` (one memchr per line) took 55 ms where `count` (one step per
    # byte) took 100 to 170 ms for 200 MB; below about 30 bytes per line it is the other way round.
    if block.count(b"\n", 0, 4096) > 128:
        return block.count(b"\n")
    return len(block) - len(block.replace(b"\n", b""))


class SegmentBuffer:
    """Cuts a stream of bytes into blocks of whole segments, in bounded memory."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, part: bytes) -> bytes:
        """Take the next bytes; a block that ends with a line end once enough have come together, else nothing."""
        if len(self._pending) + len(part) >= BLOCK_BYTES:
            return self._complete_with(part)
        self._pending += part
        return b""

    def complete(self) -> bytes:
        """Take out everything up to the last line end; the unfinished segment stays."""
        return self._complete_with(b"")

    def _complete_with(self, part: bytes) -> bytes:
        end = after_last_line_end(part)
        if not end:  # rare: joined first, where the usual way copies each byte only once
            part = bytes(self._pending) + part
            self._pending.clear()
            end = after_last_line_end(part)
        # Joined with a view: each byte is copied once.
        block = b"".join((self._pending, memoryview(part)[:end])) if self._pending else part[:end]
        # One byte more than the limit stays, so that the segment is still known to be too long.
        self._pending = bytearray(part[max(end, len(part) - SEGMENT_LIMIT - 1) :])
        return _shorten(block)

    def rest(self) -> bytes:
        """Take out the unfinished last segment; empty when the stream ended with a line end."""
        segment = _shorten_segment(bytes(self._pending))
        self._pending.clear()
        return segment


def after_last_line_end(block: bytes) -> int:
    """Return where the unfinished last segment begins; 0 where there is no line end."""
    newline = block.rfind(b"\n")
    # Only what follows the last newline can hold a later carriage return.
    return max(newline, block.rfind(b"\r", newline + 1)) + 1


def _shorten(block: bytes) -> bytes:
    """Cut every segment that is longer than the limit."""
    if not _has_long_segment(block):
        return block
    return b"".join(_shorten_segment(part) for part in _LINE_END.split(block))


def _shorten_segment(segment: bytes) -> bytes:
    if len(segment) <= SEGMENT_LIMIT:
        return segment
    return _CUT_MARK + segment[-SEGMENT_LIMIT:]


def _has_long_segment(block: bytes) -> bool:
    start = 0
    while len(block) - start > SEGMENT_LIMIT:
        stop = start + SEGMENT_LIMIT + 1
        end = block.rfind(b"\n", start, stop)
        if end < 0:
            end = block.rfind(b"\r", start, stop)
        if end < 0:
            return True
        start = end + 1
    return False


def segment_at(text: bytes, position: int) -> tuple[int, int]:
    """Start and end of the segment that holds a position."""
    # Carriage returns are looked for only inside the line: where there are none, a search of
    # everything before and after would cost more than all the rest.
    newline_before = text.rfind(b"\n", 0, position)
    start = max(newline_before, text.rfind(b"\r", newline_before + 1, position)) + 1
    newline = text.find(b"\n", position)
    end = newline if newline >= 0 else len(text)
    carriage = text.find(b"\r", position, end)
    return start, carriage if carriage >= 0 else end

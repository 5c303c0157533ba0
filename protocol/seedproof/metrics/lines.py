"""Turns the raw bytes of a training log into lines that can be matched, or shown to an agent.

A *segment* is what stands between two line ends, where a carriage return ends a segment too:
a progress bar redraws itself with it, and each redraw may hold a value of its own.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

__all__ = [
    "BLOCK_BYTES",
    "SEGMENT_LIMIT",
    "SegmentBuffer",
    "clean_line",
    "count_newlines",
    "decode_segment",
    "escape_hidden",
    "mask_secrets",
    "one_line",
    "safe_tail",
    "split_lines",
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
    rb"|\x1b[\]PX^_][^\x07\x1b\r\n]*(?:\x07|\x1b\\)?"  # OSC and its kin: titles, links
    rb"|\x1b[ -/]*[0-~]?"  # the two- and three-byte sequences, and a lone ESC
)
_SEGMENT = re.compile(rb"[^\r\n]+")
_LINE_END = re.compile(rb"([\r\n])")
_BACKSPACES_OR_TEXT = re.compile(r"\x08+|[^\x08]+")
_OTHER_CONTROL = re.compile(r"[\x01-\x08\x0a-\x1f\x7f-\x9f]")
_RANK_PREFIX = re.compile(r"\s*(?:\[(?:rank|default)\d{1,6}\]:[ ]?)+")  # torchrun, both forms


def strip_codes(raw: bytes) -> bytes:
    """Return `raw` as a terminal would show it: no escape sequences, backspaces applied.

    Line ends stay where they are, so this may be done for many lines at once.
    """
    if b"\x1b" in raw:
        raw = _ESCAPE.sub(b"", raw)
    if b"\x08" in raw:
        raw = _SEGMENT.sub(_overwrite, raw)
    return raw


def _overwrite(segment: re.Match[bytes]) -> bytes:
    """Move the cursor back at each backspace and let what follows overwrite, as terminals do."""
    raw = segment.group()
    if b"\x08" not in raw:
        return raw
    cells: list[str] = []
    cursor = 0
    for run in _BACKSPACES_OR_TEXT.findall(raw.decode("utf-8", "replace")):
        if run[0] == "\x08":
            cursor = max(0, cursor - len(run))
        else:
            cells[cursor : cursor + len(run)] = run
            cursor += len(run)
    return "".join(cells).encode()


def decode_segment(stripped: bytes) -> str:
    """Return the text of one segment that went through `strip_codes`, without rank prefix.

    A NUL byte becomes U+FFFD like invalid UTF-8: it is a hole in the file (a log truncated while
    it was written), and the digits on its two sides are not one number.
    """
    text = stripped.decode("utf-8", "replace").replace("\x00", "\ufffd")
    text = _OTHER_CONTROL.sub("", text)
    prefix = _RANK_PREFIX.match(text)
    return text[prefix.end() :] if prefix else text


def clean_line(raw: bytes) -> str:
    """Return one segment as the text that patterns are matched against."""
    return decode_segment(strip_codes(_shorten_segment(raw)))


def split_lines(raw: bytes) -> list[tuple[int, str]]:
    """Return every segment of a whole log with the number of its line, counted by newlines."""
    numbered = enumerate(raw.split(b"\n"), start=1)
    return [(number, clean_line(part)) for number, line in numbered for part in line.split(b"\r")]


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

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield blocks that end with a line end, as soon as enough bytes have come together."""
        for start in range(0, len(chunk), BLOCK_BYTES):
            part = chunk[start : start + BLOCK_BYTES]
            if len(self._pending) + len(part) >= BLOCK_BYTES:
                yield self._complete_with(part)
            else:
                self._pending += part

    def complete(self) -> bytes:
        """Take out everything up to the last line end; the unfinished segment stays."""
        return self._complete_with(b"")

    def _complete_with(self, part: bytes) -> bytes:
        end = _after_last_line_end(part)
        if not end:  # rare: joined first, where the usual way copies each byte only once
            part = bytes(self._pending) + part
            self._pending.clear()
            end = _after_last_line_end(part)
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


def _after_last_line_end(block: bytes) -> int:
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


# --- what an agent may see -------------------------------------------------------------------

_TAIL_BYTES = 256 * 1024  # read at most: 40 lines of progress bars measured 45 kB at the longest
_SHOWN_LINE_CHARS = 16 * 1024  # of one line, before masking: bounds the time the masks can take
_MASK = "***"

# Names of special tokens of a vocabulary: printed by every language model, and no secret.
_VOCABULARY = r"(?:pad|eos|bos|unk|cls|sep|mask|special|stop|start|end|num|max|min|per|next|last)"
_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^-]*(?:-----END [A-Z ]{0,40}-----)?", _MASK),
        (r"(://)[^\s/@]{1,512}@", rf"\1{_MASK}@"),  # user:password@ and token@ in an address
        (
            (
                r"(?i)\b((?:proxy-)?authorization[\"']?\s{0,4}[:=]\s{0,4}[\"']?)"
                r"(?:(?:bearer|basic|token|digest)\s{1,4})?[^\s\"',;]+"
            ),
            rf"\1{_MASK}",
        ),
        (r"(?i)\b(bearer\s{1,4})[\w.~+/=-]{8,}", rf"\1{_MASK}"),
        (
            (
                rf"(?i)(?<![\w-])(?!(?:\w{{0,40}}_)?{_VOCABULARY}[_-]?token)([\w-]{{0,40}}"
                r"(?:password|passwd|passphrase|pwd|secret|credentials?|token"
                r"|(?:api|access|private|secret|auth|account|encryption|signing)[_-]?key)"
                r"(?:[_-](?:key|id|value|hash))?"
                r"[\"']?\s{0,4}(?:=>|[:=])\s{0,4})"
                r"(?:\"[^\"]*\"?|'[^']*'?|(?!\*\*\*)[^\s\"',;&]+)"
            ),
            rf"\1{_MASK}",
        ),
        (r"\beyJ[\w-]{5,}\.[\w-]{5,}(?:\.[\w-]*)?", _MASK),  # JSON Web Token
        (r"(?<![A-Za-z0-9])(?:sk|pk|rk)[-_](?:live_|test_)?[A-Za-z0-9_-]{8,}", _MASK),
        (r"(?<![A-Za-z0-9])(?:hf|gh[pousr]|github_pat|npm)_[A-Za-z0-9_]{8,}", _MASK),
        (r"(?<![A-Za-z0-9])(?:glpat|xox[a-z])-[A-Za-z0-9-]{6,}", _MASK),
        (r"(?<![A-Za-z0-9])A(?:KIA|SIA)[A-Z0-9]{8,}", _MASK),
        (r"(?<![A-Za-z0-9])AIza[\w-]{20,}", _MASK),
    )
)
_FENCE = re.compile(r"`{3,}|~{3,}")


def safe_tail(log_tail: bytes, max_lines: int = 40, max_bytes: int = 4096) -> str:
    """Return the last lines of a log in a form that is safe inside a reply to an agent.

    Training output is untrusted text. Progress bars are collapsed to their last state, control
    and invisible characters are escaped visibly, secret-looking values become `***`, and code
    fences are broken, so that the text cannot end the fence it is put in.

    Args:
        log_tail: The end of the log; only its last 256 KiB are looked at.
        max_lines: At most this many lines.
        max_bytes: At most this many bytes of UTF-8; what is too much is cut at the front.
    """
    lines = [_last_state(line) for line in log_tail[-_TAIL_BYTES:].rstrip().split(b"\n")]
    visible = "\n".join(escape_hidden(line) for line in lines[max(0, len(lines) - max_lines) :])
    shown = _FENCE.sub(_break_fence, mask_secrets(visible)) if max_lines > 0 else ""
    encoded = shown.encode()
    # `ignore` drops only the rest of a character whose first bytes were cut off.
    return encoded[max(0, len(encoded) - max_bytes) :].decode("utf-8", "ignore")


def mask_secrets(text: str) -> str:
    """Replace what looks like a password, key or token by `***`."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def _last_state(line: bytes) -> str:
    """Return what is left on the screen of a line that redrew itself."""
    states = [state for state in line.split(b"\r") if state.strip()]
    last = _SEGMENT.sub(_overwrite, states[-1]) if states else b""
    return last.decode("utf-8", "replace")[-_SHOWN_LINE_CHARS:]


def escape_hidden(line: str) -> str:
    """The text with control, invisible and reordering characters written out, such as `\\x1b`."""
    return line if line.isprintable() else "".join(map(_escape_character, line))


def one_line(text: str) -> str:
    """Words that somebody chose, kept from beginning a line: they could forge a heading."""
    return escape_hidden(" ".join(text.split()))


def _escape_character(character: str) -> str:
    # Cf holds the characters that reorder or hide text; Zl and Zp break lines for some readers.
    hidden = unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    if not hidden or character == "\t":
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _break_fence(fence: re.Match[str]) -> str:
    return ("'" if fence.group()[0] == "`" else "-") * len(fence.group())

"""Where commands print: says of a failed write that the output is at fault, and prints on terminals without UTF-8."""

import codecs
import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from seedproof_mcp.surface.commands.exit_codes import CLOSED, UNWRITTEN

__all__ = ["OutputFailed", "give_up_output", "print_bytes", "printing", "tell"]

# What messages and tables use beyond ASCII; all else becomes a question mark.
_PLAIN = {"±": "+-", "…": "...", "→": "->", "–": "-", "✓": "v", "✗": "x", "σ": "sigma", "×": "x", "·": "-"}
_HANDLER = "seedproof-plain"


class OutputFailed(Exception):
    """The output cannot be written; the cause is the error of the system."""

    def __init__(self, error: OSError) -> None:
        super().__init__(error.strerror or str(error))
        self.is_closed = isinstance(error, BrokenPipeError) or error.errno == errno.EPIPE


class _Output:
    """A stream whose failed writes are told apart from those of the project's files."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as error:
            raise OutputFailed(error) from error

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            raise OutputFailed(error) from error


@contextmanager
def printing() -> Iterator[None]:
    """Print through a stream that tells its own faults from others, and never fails for a character."""
    codecs.register_error(_HANDLER, _plain)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors=_HANDLER)
    before = sys.stdout
    if before is None:  # `>&-`
        yield
        return
    sys.stdout = cast(TextIO, _Output(before))
    try:
        yield
        sys.stdout.flush()  # here, where a reader that left, such as `head`, is no fault of the project's folder
    finally:
        sys.stdout = before


def print_bytes(data: bytes) -> None:
    """Print bytes as they are.

    Raises:
        OutputFailed: They cannot be written.
    """
    sys.stdout.flush()
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError as error:
        raise OutputFailed(error) from error


def _plain(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end]
    plain = "".join(_PLAIN.get(character, "?") for character in text)
    return plain, error.end


def give_up_output(failed: OutputFailed) -> int:
    """Say why the output ends, unless its reader left by itself; return the exit code."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for what is still in the buffer
    if failed.is_closed:
        return CLOSED
    tell(f"seedproof: the output cannot be written ({failed}). What the command did stands.")
    return UNWRITTEN


def tell(text: str) -> None:
    """Print on stderr, if anybody can read that."""
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)

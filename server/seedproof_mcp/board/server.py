"""Serves the board to browsers on this machine: one page, its documents, and a stream that tells of changes.

Whoever knows the address may read. It listens on the loopback interface alone, its address has a random part, and
requests under another host name are refused: so no page of another site can read it by renaming this machine.
"""

import base64
import hashlib
import hmac
import json
import logging
import re
import socket
import sys
import threading
from collections.abc import Callable
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, urlsplit

from seedproof.model.refusals import Refusal

from seedproof_mcp.board.board import Board

__all__ = ["BoardServer", "page"]

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
# How soon a page sees a change. A look takes 3 ms, and without an open page nobody looks.
LOOK_S = 1.0
# A comment on the stream this often, so that the end of a browser is noticed.
COMMENT_LOOKS = 15
# Connections at one time; a browser opens six to one address.
MOST_CONNECTIONS = 64
TIMEOUT_S = 30.0
_PART = re.compile(r"(?s)<(script|style)>(.*?)</\1>")


def page() -> str:
    """The page: one HTML file that asks nothing of any other machine."""
    return files("seedproof_mcp.board").joinpath("board.html").read_text(encoding="utf-8")


class BoardServer(ThreadingHTTPServer):
    """Serves one board; `serve_forever` runs it, `shutdown` ends it, streams included."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, board: Board, token: str, port: int = 0) -> None:
        """Listen on the loopback interface.

        Args:
            board: What is shown.
            token: The random part of the address.
            port: The port; 0 for a free one.

        Raises:
            OSError: The port is taken.
        """
        self.board, self.token = board, token
        self.ended = threading.Event()
        self._places = threading.BoundedSemaphore(MOST_CONNECTIONS)
        super().__init__((LOOPBACK, port), _Handler)

    @property
    def address(self) -> str:
        """The address of the page."""
        return f"http://{LOOPBACK}:{self.server_port}/{self.token}/"

    @cached_property
    def page(self) -> bytes:
        """The page as it is sent."""
        return page().encode()

    @cached_property
    def policy(self) -> str:
        """What the page may do: run its own script and style, and ask this server."""
        hashes: dict[str, list[str]] = {"script": [], "style": []}
        for kind, text in _PART.findall(self.page.decode()):
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            hashes[kind].append(f"'sha256-{digest}'")
        parts = [f"{kind}-src {' '.join(found)}" for kind, found in hashes.items()]
        rest = "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        return "; ".join(["default-src 'none'", *parts, rest])

    def is_ours(self, host: str | None) -> bool:
        """Whether a request names this machine as its host."""
        return host in (f"{LOOPBACK}:{self.server_port}", f"localhost:{self.server_port}")

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own; beyond the limit, hang up."""
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, then make room for the next one."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say what went wrong; a browser that hangs up is no error."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            logger.exception("unexpected error")

    def shutdown(self) -> None:
        """End the server and its streams."""
        self.ended.set()
        super().shutdown()


class _Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    server: BoardServer
    protocol_version = "HTTP/1.1"
    server_version = "seedproof"
    sys_version = ""
    timeout = TIMEOUT_S

    def do_GET(self) -> None:
        """Send what the path names, or refuse."""
        if not self.server.is_ours(self.headers.get("Host")):
            return self._refuse(421, "This server answers under its own address only.")
        url = urlsplit(self.path)
        token, _, name = url.path.removeprefix("/").partition("/")
        if not hmac.compare_digest(token.encode(), self.server.token.encode()):
            return self._refuse(403, "The address is not complete: `seedproof board` prints it.")
        if name == "":
            return self._send(200, "text/html; charset=utf-8", self.server.page)
        if name == "events":
            return self._stream()
        query = {key: values[-1] for key, values in parse_qs(url.query).items()}
        make = self._document(name, query)
        return self._refuse(404, "There is no such page.") if make is None else self._send_document(make)

    do_HEAD = do_GET

    def _refuse_method(self) -> None:
        self.close_connection = True  # what it sent along is not read
        self._refuse(405, "The board only shows.", {"Allow": "GET, HEAD"})

    do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _refuse_method

    def _document(self, name: str, query: dict[str, str]) -> Callable[[], dict[str, Any] | None] | None:
        board = self.server.board
        if name == "experiment.json":
            number = query.get("generation", "")
            generation = int(number) if number.isascii() and number.isdigit() and len(number) < 10 else 0
            return lambda: board.experiment(generation, query.get("name", ""))
        return {"study.json": board.study, "now.json": board.now}.get(name)

    def _send_document(self, make: Callable[[], dict[str, Any] | None]) -> None:
        try:
            found = make()
        except (Refusal, OSError) as problem:
            words = f"{problem.code}: {problem.message}" if isinstance(problem, Refusal) else str(problem)
            return self._send_json(503, {"problem": words})
        except Exception:
            logger.exception("unexpected error")
            return self._send_json(500, {"problem": "an unexpected error; the board's terminal has the details."})
        if found is None:
            return self._send_json(404, {"problem": "There is no such experiment."})
        return self._send_json(200, found)

    def _send_json(self, status: int, document: dict[str, Any]) -> None:
        text = json.dumps(document, separators=(",", ":"), allow_nan=False)
        self._send(status, "application/json", text.encode())

    def _refuse(self, status: int, words: str, headers: dict[str, str] | None = None) -> None:
        self._send(status, "text/plain; charset=utf-8", f"{words}\n".encode(), headers)

    def _send(self, status: int, kind: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def end_headers(self) -> None:
        """Add what every answer has."""
        self.send_header("Content-Security-Policy", self.server.policy)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def _stream(self) -> None:
        """Tell of each change until the browser or the server leaves."""
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        told, quiet = None, 0
        while not self.server.ended.is_set():
            versions = self.server.board.versions()
            if versions != told:
                told, quiet = versions, 0
                self._tell(f"data: {json.dumps(versions)}\n\n")
            elif quiet >= COMMENT_LOOKS:
                quiet = 0
                self._tell(":\n\n")
            quiet += 1
            self.server.ended.wait(LOOK_S)

    def _tell(self, text: str) -> None:
        self.wfile.write(text.encode())
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of each request on the terminal."""

    def setup(self) -> None:
        """Send small answers at once."""
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

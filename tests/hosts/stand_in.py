"""A stand-in for a model: a server on loopback that reads the reply a host sends and calls what `next` names."""

import gzip
import itertools
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

from tests.hosts.dialects import DIALECTS, Answer, Dialect, Event
from tests.hosts.seen import Call, Seen, read
from tests.support.waiting import PATIENCE_S

__all__ = ["ADDED", "CHOSEN", "StandIn", "served_model"]

# The example's README: a higher rate is far better.
CHOSEN = {"experiment": "higher-lr", "flags": ["--lr", "0.02"], "hypothesis": "a higher rate learns more"}
# What hosts add to the arguments of every tool, and what a model says there.
ADDED = {"wait_for_previous": True}
# The second is refused, as there is no baseline: what a host makes of a refusal is to be seen as well.
_OPENING = (Call("check_baseline", {}), Call("compare", {"experiment": CHOSEN["experiment"]}))
# A study of the example takes 20.
MOST_CALLS = 40


@dataclass(slots=True)
class StandIn:
    """Follows `next` until the report of its experiment exists, and keeps what it was shown."""

    most_calls: int = MOST_CALLS
    url: str = ""
    offered: dict[str, frozenset[str]] = field(default_factory=dict)
    """All tools that were offered to it, and the arguments of each."""
    told: str = ""
    """Instructions and messages, as they stood when it first called."""
    seen: list[Seen] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    """What was requested."""
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _lock: Any = field(default_factory=Lock)

    @property
    def has_finished(self) -> bool:
        """Whether the last call wrote the report of the experiment and was answered."""
        last = self.calls[-1] if self.calls else _OPENING[0]
        return last.tool == "write_report" and "experiment" in last.arguments and len(self.seen) == len(self.calls)

    def answer(self, dialect: Dialect, body: Mapping[str, Any]) -> Answer:
        """The next call, or words where nothing is left to do or the tools are not there."""
        with self._lock:
            number = next(self._numbers)
            offered = dialect.offered(body)
            self.offered |= {one.name: one.arguments for one in offered}
            if not any(one.is_tool(_OPENING[0].tool) for one in offered):
                return Answer(number, words="there is no such tool")  # a title for the session, for example
            self.seen = [read(reply) for reply in dialect.replies(body)]
            if not self.calls:
                self.told = dialect.instructions(body)
            call = None if self.has_finished or len(self.calls) >= self.most_calls else self._next()
            if call is None:
                return Answer(number, words="done")
            self.calls.append(call)
            tool = next(one for one in offered if one.is_tool(call.tool))
            added = {name: value for name, value in ADDED.items() if name in tool.arguments}
            return Answer(number, tool=tool, arguments={**call.arguments, **added})

    def _next(self) -> Call | None:
        if len(self.seen) < len(_OPENING):
            return _OPENING[len(self.seen)]
        following = self.seen[-1].next
        if following is None:
            return None
        chosen = {name: CHOSEN[name] for name in following.you_choose}
        return Call(following.tool, {**following.arguments, **chosen})


@contextmanager
def served_model(most_calls: int = MOST_CALLS) -> Iterator[StandIn]:
    """A stand-in under an address of its own."""
    model = StandIn(most_calls)

    class Handler(_Handler):
        stand_in = model

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        model.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield model
        finally:
            server.shutdown()
            thread.join(PATIENCE_S)
    assert not thread.is_alive()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stand_in: StandIn

    def log_message(self, *_: Any) -> None:
        """Say nothing on stderr."""

    def do_HEAD(self) -> None:
        self._send(b"", "text/plain")

    def do_GET(self) -> None:
        self.stand_in.paths.append(f"GET {self.path}")
        models = [{"id": "stand-in", "object": "model"}]
        self._send_json({"object": "list", "data": models, "models": []} if "models" in self.path else {})

    def do_POST(self) -> None:
        path = self.path.partition("?")[0]
        self.stand_in.paths.append(f"POST {path}")
        body = self._body()
        dialect = next((one for end, one in DIALECTS.items() if path.endswith(end)), None)
        if dialect is None:
            self._send_json({"input_tokens": 100, "totalTokens": 100})  # a count of tokens, or what nobody needs
            return
        answer = self.stand_in.answer(dialect, body)
        if body.get("stream") or "stream" in path:
            self._send(b"".join(_line(event) for event in dialect.events(body, answer)), "text/event-stream")
        else:
            self._send_json(dialect.message(body, answer))

    def _body(self) -> dict[str, Any]:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            raw = b"".join(self._chunks())
        else:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Encoding") == "gzip":
            raw = gzip.decompress(raw)
        found: dict[str, Any] = json.loads(raw or b"{}")
        return found

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _send_json(self, document: Mapping[str, Any]) -> None:
        self._send(json.dumps(document).encode(), "application/json")

    def _send(self, data: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _line(event: Event) -> bytes:
    name, data = event
    text = data if isinstance(data, str) else json.dumps(data)
    return (f"event: {name}\n" if name else "").encode() + f"data: {text}\n\n".encode()

"""The board's server: one address, one machine, nothing but reading."""

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from seedproof_mcp.board.board import Board
from seedproof_mcp.board.server import BoardServer, page

from tests.support.waiting import PATIENCE_S

TOKEN = "t" * 32
MOST_PAGE_BYTES = 60_000


@pytest.fixture
def server(board: Board) -> Iterator[BoardServer]:
    with BoardServer(board, TOKEN) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


class Answered:
    """An answer with its body."""

    def __init__(self, server: BoardServer, path: str, method: str = "GET", **headers: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=PATIENCE_S)
        with closing(connection):
            connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            self.status, self.headers, self.body = answer.status, answer.headers, answer.read()

    @property
    def data(self) -> Any:
        return json.loads(self.body)


def test_the_page_is_one_file_of_at_most_60_kb_that_names_no_other_place() -> None:
    text = page()
    assert len(text.encode()) <= MOST_PAGE_BYTES
    rest = text.replace("http://www.w3.org/2000/svg", "")
    for outside in ("http:", "https:", "@import", "url(", "<link", "<img", " src="):
        assert outside not in rest, outside
    for unsafe in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
        assert unsafe not in text, unsafe


def test_the_page_and_its_documents_are_sent_under_the_token(server: BoardServer) -> None:
    sent = Answered(server, f"/{TOKEN}/")
    assert (sent.status, sent.body) == (200, page().encode())
    assert Answered(server, f"/{TOKEN}/study.json").data["project"] == "tiny-lm"
    assert Answered(server, f"/{TOKEN}/now.json").data["runs"] == []
    found = Answered(server, f"/{TOKEN}/experiment.json?generation=2&name=cosine").data
    assert found["experiment"]["experiment"] == "cosine"


@pytest.mark.parametrize("path", ["/", "/study.json", f"/{TOKEN[:-1]}/", f"/{TOKEN}x/", f"/{TOKEN}%00/", "//", "/%e9/"])
def test_without_the_token_nothing_is_sent(server: BoardServer, path: str) -> None:
    sent = Answered(server, path)
    assert sent.status == 403
    assert b"tiny-lm" not in sent.body


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example", ""])
def test_another_host_name_is_refused(server: BoardServer, host: str) -> None:
    sent = Answered(server, f"/{TOKEN}/study.json", Host=host)
    assert sent.status == 421
    assert b"tiny-lm" not in sent.body


def test_localhost_is_this_machine(server: BoardServer) -> None:
    assert Answered(server, f"/{TOKEN}/now.json", Host=f"localhost:{server.server_port}").status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_every_other_method_is_refused(server: BoardServer, method: str) -> None:
    sent = Answered(server, f"/{TOKEN}/study.json", method)
    assert (sent.status, sent.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "name",
    ["nothing", "study", "../study.json", "board.html", "experiment.json", "experiment.json?generation=9e9&name=x"],
)
def test_what_there_is_not_is_404(server: BoardServer, name: str) -> None:
    assert Answered(server, f"/{TOKEN}/{name}").status == 404


def test_every_answer_forbids_the_page_all_other_places(server: BoardServer) -> None:
    for path in (f"/{TOKEN}/", f"/{TOKEN}/now.json", "/"):
        headers = Answered(server, path).headers
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'sha256-")
        assert "unsafe" not in policy
        assert "connect-src 'self'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        assert headers["Access-Control-Allow-Origin"] is None


def test_it_listens_on_the_loopback_interface_alone(server: BoardServer) -> None:
    assert server.socket.getsockname()[0] == "127.0.0.1"


def test_the_stream_tells_the_present_versions_and_ends_with_the_server(board: Board) -> None:
    with BoardServer(board, TOKEN) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=PATIENCE_S)
        with closing(connection):
            connection.request("GET", f"/{TOKEN}/events")
            answer = connection.getresponse()
            assert answer.headers["Content-Type"] == "text/event-stream"
            told = json.loads(answer.readline().removeprefix(b"data: "))
            assert told == board.versions()
            server.shutdown()
            thread.join(PATIENCE_S)
            assert answer.read().strip() == b""
    assert not thread.is_alive()


def test_a_ledger_that_cannot_be_read_is_said(quick_project: Any, words: Any) -> None:
    from seedproof_mcp.board.board import open_board

    (quick_project / "seedproof.toml").write_text("[rules\n")
    with BoardServer(open_board(quick_project, words), TOKEN) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        sent = Answered(server, f"/{TOKEN}/study.json")
        server.shutdown()
        thread.join(PATIENCE_S)
    assert sent.status == 503
    assert sent.data["problem"].startswith("bad_settings: ")

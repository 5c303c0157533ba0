"""The board as an MCP App: the page, the tools beside which it stands, and the documents that it reads."""

import json
from pathlib import Path
from typing import Any

import pytest
from mcp import MCPError
from mcp.client.client import Client
from mcp.server import apps
from seedproof_mcp.board.server import page
from seedproof_mcp.surface import board_app
from seedproof_mcp.surface.tools import build_server

pytestmark = pytest.mark.anyio


async def read(client: Client, path: str) -> Any:
    """A document that the page reads."""
    (content,) = (await client.read_resource(f"seedproof://board/{path}")).contents
    assert content.mime_type == "application/json"
    return json.loads(content.text)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_three_tools_have_the_page_and_it_is_the_board(recorded: Path, mode: Any) -> None:
    async with Client(build_server(recorded), mode=mode) as client:
        listed = (await client.list_tools()).tools
        shown = {tool.name: tool.meta["ui"]["resourceUri"] for tool in listed if tool.meta}
        assert shown == dict.fromkeys(board_app.SHOWN_WITH, "ui://seedproof/board")
        (resource,) = (await client.list_resources()).resources
        assert (resource.uri, resource.mime_type) == ("ui://seedproof/board", apps.APP_MIME_TYPE)
        (content,) = (await client.read_resource(resource.uri)).contents
        assert (content.text, content.mime_type) == (page(), apps.APP_MIME_TYPE)


def test_the_extension_is_the_one_of_the_sdk() -> None:
    assert (board_app.APPS, board_app.APP_MIME_TYPE) == (apps.EXTENSION_ID, apps.APP_MIME_TYPE)


async def test_the_documents_are_those_of_the_browser(recorded: Path) -> None:
    async with Client(build_server(recorded)) as client:
        study = await read(client, "study")
        assert [one["experiment"] for one in study["experiments"]][:3] == ["warmup", "big-batch", "muon"]
        assert (await read(client, "now"))["runs"] == []
        found = await read(client, "experiment/2/cosine")
        assert found["comparison"]["verdict"] == "WINNER"
        assert len(found["curves"]) == 3
        assert await read(client, "experiment/2/nothing") == {"problem": "There is no such experiment."}


@pytest.mark.parametrize("path", ["", "nothing", "experiment/x/y", "experiment/2/../../study", "study/now"])
async def test_another_address_is_no_resource(recorded: Path, path: str) -> None:
    async with Client(build_server(recorded)) as client:
        with pytest.raises(MCPError):
            await read(client, path)


async def test_what_cannot_be_read_is_said(quick_project: Path) -> None:
    (quick_project / "seedproof.toml").write_text("[rules\n")
    async with Client(build_server(quick_project)) as client:
        assert (await read(client, "study"))["problem"].startswith("bad_settings: ")

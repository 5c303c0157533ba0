"""The board in the official host side of MCP Apps, the AppBridge, fed with the answers of the real server."""

import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.client.client import Client
from seedproof_mcp.board.server import page as board_page
from seedproof_mcp.surface.tools import build_server

from tests.browser.conftest import needs_a_browser
from tests.support.browser import INSTALLED, Browser, Page

pytestmark = needs_a_browser

RESOURCES = ("study", "now", "experiment/2/cosine", "experiment/1/muon")
Answers = dict[str, dict[str, Any]]


async def _answers(project: Path) -> Answers:
    async with Client(build_server(project)) as client:
        found: Answers = {"tools": {}, "resources": {}}
        for tool, arguments in (("check_baseline", {}), ("list_experiments", {"limit": 100}), ("compare", COSINE)):
            answer = await client.call_tool(tool, arguments)
            found["tools"][tool] = answer.model_dump(mode="json", by_alias=True, exclude_none=True)
        for path in RESOURCES:
            (content,) = (await client.read_resource(uri := f"seedproof://board/{path}")).contents
            found["resources"][uri] = content.text
        return found


COSINE = {"experiment": "cosine"}


@pytest.fixture(scope="module")
def answers(recorded: Path) -> Answers:
    """What the server answers on the recorded study."""
    return anyio.run(_answers, recorded)


def show(page: Page, answers: Answers, *, passes_resources: bool, theme: str = "light") -> None:
    """Open the page in a host, beside the answer of check_baseline."""
    page("content", html="<!doctype html><html lang='en'><title>host</title><main></main>")
    page("script", path=str(INSTALLED / "host.bundle.js"))
    page("eval", code="found => { window.answers = found; }", arg=answers)
    options = {"theme": theme, "passesResources": passes_resources}
    page("eval", code="([html, options]) => window.show(html, options)", arg=[board_page(), options])
    tell(page, answers, "check_baseline", {})
    page.wait("document.querySelector('h1') !== null", in_frame=True)


def tell(page: Page, answers: Answers, tool: str, arguments: dict[str, Any]) -> None:
    """Hand the page a tool's answer, as after a call by the model."""
    page("eval", code="([args, result]) => window.tell(args, result)", arg=[arguments, answers["tools"][tool]])


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_shows_the_study_in_the_host_s_theme_and_opens_what_was_compared(
    browser: Browser, answers: Answers, theme: str
) -> None:
    with browser.page() as page:
        show(page, answers, passes_resources=True, theme=theme)
        page.wait("document.querySelectorAll('#list tbody tr').length === 9", in_frame=True)
        assert page.run("document.documentElement.style.colorScheme", in_frame=True) == theme
        assert page.text("[aria-label=Baseline]", in_frame=True).startswith("Baseline")
        tell(page, answers, "compare", COSINE)
        page.wait("document.querySelector('h1').textContent.includes('cosine')", in_frame=True)
        page.wait("document.querySelectorAll('path.curve').length === 3", in_frame=True)
        page("click", selector="text=All experiments", inFrame=True)
        page.wait("document.querySelector('#list') !== null", in_frame=True)
        page("click", selector="#list >> text=muon", inFrame=True)
        page.wait("document.querySelectorAll('line.pair').length === 6", in_frame=True)
        assert page("axe", inFrame=True) == []
        assert page.run("window.size.height > 300")
        called = [one for one in page.run("window.asked") if one.startswith("tools ")]
        assert called == []


def test_what_changes_is_shown_without_a_new_call_by_the_model(browser: Browser, answers: Answers) -> None:
    with browser.page() as page:
        show(page, answers, passes_resources=True)
        page.run("window.mark = 1", in_frame=True)
        changed = {uri: json.loads(text) for uri, text in answers["resources"].items()}
        for document in changed.values():
            document["ledger_head"] = "#999 0123456789ab"
        changed["seedproof://board/study"]["baseline"]["headline"] = "Baseline stale: another one"
        texts = {uri: json.dumps(document) for uri, document in changed.items()}
        page("eval", code="found => { window.answers.resources = found; }", arg=texts)
        page.wait("document.querySelector('main').innerText.includes('Baseline stale: another one')", in_frame=True)
        assert page.run("mark", in_frame=True) == 1


def test_a_host_that_passes_no_resources_on_is_served_by_the_reading_tools_alone(
    browser: Browser, answers: Answers
) -> None:
    with browser.page() as page:
        show(page, answers, passes_resources=False)
        page.wait("document.querySelectorAll('#list tbody tr').length === 9", in_frame=True)
        assert page.run("document.querySelectorAll('[aria-label=Baseline] circle').length", in_frame=True) == 5
        tell(page, answers, "compare", COSINE)
        page.wait("document.querySelector('h1').textContent.includes('cosine')", in_frame=True)
        page.wait("document.querySelectorAll('line.pair').length === 3", in_frame=True)
        assert "WINNER" in page.text("main", in_frame=True)
        page("click", selector="text=Now", inFrame=True)
        page.wait("document.querySelector('h1').textContent === 'Nothing is training'", in_frame=True)
        asked = set(page.run("window.asked"))
        assert asked == {"tools check_baseline", "tools list_experiments"}


def test_a_host_that_passes_no_resources_on_shows_every_run_that_trains(browser: Browser, answers: Answers) -> None:
    training = json.loads(json.dumps(answers))
    rows = [{"run_id": f"g2-cosine-s{seed}-a1", "experiment": "cosine", "seed": seed} for seed in (42, 137, 256)]
    listed = training["tools"]["list_experiments"]["structuredContent"]
    listed |= {"running": rows[0], "also_running": rows[1:]}
    with browser.page() as page:
        show(page, training, passes_resources=False)
        page("click", selector="text=Now", inFrame=True)
        page.wait("document.querySelector('main').innerText.includes('256')", in_frame=True)
        shown = page.text("main", in_frame=True)
        assert all(f"seed {row['seed']}" in shown for row in rows), shown


def test_the_page_ends_when_the_host_takes_it_down(browser: Browser, answers: Answers) -> None:
    with browser.page() as page:
        show(page, answers, passes_resources=True)
        assert page("eval", code="() => window.bridge.teardownResource({})", arg=None) == {}
        asked = page.run("window.asked.length")
        page.run("new Promise(done => setTimeout(done, 2500))")
        assert page.run("window.asked.length") == asked

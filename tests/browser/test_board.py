"""The board in a real browser: looks, keyboard, live updates, the end of its process, and hostile text."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from seedproof_mcp.service.service import Service
from seedproof_mcp.system.paths import ProjectPaths

from tests.browser.conftest import needs_a_browser
from tests.support.board_studies import HOSTILE, Trainings
from tests.support.browser import Browser, Page, Scheme, serving
from tests.support.in_process import InProcessEngine, quick_tools
from tests.support.places import ROOT
from tests.support.seeds import SEEDS
from tests.support.waiting import stop_everything

sys.path.append(str(ROOT / "benchmarks"))

from large_ledger import write_campaign

pytestmark = needs_a_browser

WIDTHS = (320, 768, 1400)
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
SCREENS = ("#study", "#e/1/muon", "#e/2/rope", "#now")
LIVE = "document.getElementById('state-words').textContent === 'live'"
ROW = "[...document.querySelectorAll('#list tbody tr')]"


def names_shown(page: Page) -> list[str]:
    """The experiments of the table, in its order."""
    found: list[str] = page.run(f"{ROW}.map(row => row.querySelector('a').textContent)")
    return found


# --- looks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_screen_fits_its_width_and_is_accessible(
    browser: Browser, board: str, width: int, scheme: Scheme
) -> None:
    with browser.page(width, scheme) as page:
        for screen in SCREENS:
            page.goto(board + screen)
            page.wait(LIVE)
            assert page.run("document.documentElement.scrollWidth <= innerWidth"), screen
            if width != WIDTHS[1]:  # the layout of that is one of the two others
                assert page("axe") == [], screen
        assert page.run("shifted") < 0.001  # up to 0.1 is called good: https://web.dev/articles/cls
        assert {address.startswith(board) for address in page.seen["requests"]} == {True}


def test_the_schemes_differ(browser: Browser, board: str) -> None:
    seen = []
    for scheme in SCHEMES:
        with browser.page(scheme=scheme) as page:
            page.goto(board)
            seen.append(page.run("getComputedStyle(document.body).backgroundColor"))
    assert len(set(seen)) == 2


# --- what is shown --------------------------------------------------------------------------------


def test_the_table_shows_the_numbers_of_the_tools_and_every_seed_at_its_place(
    browser: Browser, board: str, recorded: Path
) -> None:
    service = Service(recorded)
    told = service.compare("cosine")
    baseline = service.check_baseline().metrics["val_loss"]
    with browser.page() as page:
        page.goto(board)
        row = f"{ROW}.find(row => row.textContent.includes('cosine'))"
        assert f"+{told.improvement_sigma:.2f}" in page.run(f"{row}.innerText")
        assert "WINNER" in page.run(f"{row}.innerText")
        assert f"{baseline.mean:.4f}" in page.text("[aria-label=Baseline]")
        places = page.run(
            f"Object.fromEntries([...{row}.querySelectorAll('circle')].map(one => "
            "[one.textContent.match(/seed (\\d+)/)[1], parseFloat(one.getAttribute('cx'))]))"
        )
        values = told.experiment_metrics["val_loss"].per_seed
        assert sorted(places, key=lambda seed: places[seed]) == sorted(values, key=lambda seed: values[seed])
        # The band reaches 2 sigma to either side of the mean, which stands in the middle.
        width = page.run(f"parseFloat({row}.querySelector('.band').getAttribute('width'))")
        for seed, value in values.items():
            sigmas = (value - baseline.mean) / (baseline.std or 1)
            assert places[seed] == pytest.approx(50 + sigmas / 4 * width)


def test_an_experiment_shows_pairs_curves_runs_and_its_change(browser: Browser, board: str) -> None:
    with browser.page() as page:
        page.goto(f"{board}#e/1/muon")
        text = page.text()
        for words in ("WINNER (confirmed on 3 fresh seeds)", "--optimizer muon --lr 0.02", "g1-exp-muon-s42-a1"):
            assert words in text
        assert page.run("document.querySelectorAll('line.pair').length") == 6  # three seeds, three fresh pairs
        assert page.run("document.querySelectorAll('path.curve').length") == 3
        page("click", selector="input[type=checkbox]")
        assert page.run("document.querySelectorAll('path.curve').length") == 9
        page("choose", selector="main label:has-text('Metric') select", value="train_loss")
        label = page.run("document.querySelector('svg[aria-label*=\"over steps\"]').getAttribute('aria-label')")
        assert label.startswith("train_loss over steps. seed 42 from ")
        page.goto(f"{board}#e/2/qk-norm")
        page.wait("document.querySelector('h1').textContent.includes('qk-norm')")
        page("click", selector="text=The change as text")
        assert "+norm = 'qk'" in page.text("pre.diff")


# --- keyboard -------------------------------------------------------------------------------------


def test_filter_sort_and_open_by_keyboard_alone(browser: Browser, board: str) -> None:
    with browser.page() as page:
        page.goto(board)
        newest = names_shown(page)
        page("press", key="Tab")
        assert page.run("document.activeElement.textContent") == "Skip to the content"
        page.run("document.querySelector('input[type=search]').focus()")
        for letter in "muo":
            page("press", key=letter)
        assert names_shown(page) == ["muon"]
        assert page.text("[role=status].mut") == "1 of 9 experiments"
        for _ in range(3):
            page("press", key="Backspace")
        assert names_shown(page) == newest
        page.run("[...document.querySelectorAll('th button')].find(one => one.textContent === 'σ better').focus()")
        page("press", key="Enter")
        assert names_shown(page)[:2] == ["muon", "cosine"]
        assert page.run("document.querySelector('th[aria-sort]').getAttribute('aria-sort')") == "descending"
        page.run("document.querySelector('#list tbody a').focus()")
        page("press", key="Enter")
        page.wait("document.activeElement.tagName === 'H1' && document.activeElement.textContent.includes('muon')")
        assert page.run("document.title") == "muon · tiny-lm"


# --- many experiments -----------------------------------------------------------------------------


def test_of_200_experiments_only_the_row_that_changed_is_drawn_again(browser: Browser, tmp_path: Path) -> None:
    write_campaign(ProjectPaths(tmp_path), 1005, is_judged=True)
    with serving(tmp_path) as served, browser.page() as page:
        page.goto(served.address)
        assert page.text("[role=status].mut") == "200 experiments"
        page.run(f"window.before = {ROW}, 0")
        page.run("source.get('study').then(found => { found.experiments[7].seeds_done = 4; screen.update(found); })")
        assert page.run(f"{ROW}.filter((row, place) => row !== before[place]).length") == 1
        page("fill", selector="input[type=search]", text="idea-19")
        assert len(names_shown(page)) == 11


# --- live -----------------------------------------------------------------------------------------

SLOW = """
import os, sys, time
seed = sys.argv[sys.argv.index("--seed") + 1]
os.makedirs(sys.argv[sys.argv.index("--output_dir") + 1])
step = 0
while True:
    goal = int(open(os.environ["STEPS"]).read() or 0)
    while step < goal:
        step += 1
        print(f"step {step} | val_loss: {5 - step / 10 + int(seed) / 1e5:.4f}", flush=True)
    if os.path.exists(os.environ["STEPS"] + ".end"):
        break
    time.sleep(0.02)
"""


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Path]:
    """A project whose training prints as many steps as the file `steps` says."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "train_llm.py").write_text(SLOW)
    (tmp_path / "steps").write_text("3")
    env = json.dumps(str(tmp_path / "steps"))
    (project / "seedproof.toml").write_text(f"[settings]\ngrace_s = 0.1\nenv = {{ STEPS = {env} }}\n")
    yield project
    (tmp_path / "steps.end").touch()
    stop_everything(project)


def last_step(page: Page, step: int) -> None:
    """Wait until the page shows this step of the running run."""
    page.wait(f"[...document.querySelectorAll('dd')].some(one => one.textContent === '{step}')")


def test_a_running_training_is_shown_as_it_goes_on_without_a_reload(browser: Browser, slow: Path) -> None:
    with serving(slow) as served, browser.page() as page:
        page.goto(f"{served.address}#now")
        assert "Nothing is training" in page.text()
        page.run("window.mark = 1")
        service = Service(slow)
        from seedproof.admission.request import RunRequest

        service.request_run(RunRequest(queue_all=True))
        page.wait("document.querySelector('h1').textContent === 'Training now'")
        last_step(page, 3)
        assert "step 3 | val_loss: 4.7004" in page.text("pre.log")
        (slow.parent / "steps").write_text("6")
        last_step(page, 6)
        label = page.run("document.querySelector('svg[aria-label*=\"over steps\"]').getAttribute('aria-label')")
        assert label == "val_loss over steps. seed 42 from 4.9004 to 4.4004"
        assert page("axe") == []
        page("click", selector="text=Study")
        page.wait("document.title.startsWith('Study')")
        (slow.parent / "steps.end").touch()
        page.wait("document.querySelector('[aria-label=Baseline]').innerText.includes('ready')")
        assert page.run("document.querySelectorAll('[aria-label=Baseline] circle').length") == len(SEEDS)
        assert page.run("mark") == 1


def test_after_the_board_was_killed_its_page_says_so_and_goes_on_with_the_next_one(
    browser: Browser, quick_project: Path
) -> None:
    with browser.page() as page:
        with serving(quick_project) as served:
            page.goto(served.address)
            page.wait(LIVE)
            page.run("window.mark = 1")
            served.kill()
            page.wait("!document.getElementById('gone').hidden")
            assert "seedproof board" in page.text("#gone")
            assert page.text("#state-words") == "not connected"
            assert "No run has been requested yet." in page.text()
        (quick_project / "seedproof.toml").write_text("[rules\n")
        with serving(quick_project) as again:
            assert again.address == served.address
            page.wait("document.getElementById('gone').textContent.startsWith('bad_settings')")
            (quick_project / "seedproof.toml").unlink()
            page.wait(f"document.getElementById('gone').hidden && {LIVE}")
            assert page.run("mark") == 1
        page.allowed = [one for one in page.seen["problems"] if "Failed to load resource" in one or "ERR_" in one]


# --- hostile text ---------------------------------------------------------------------------------

LONG_LINE = "<b>" + "x" * 10_000_000


@pytest.mark.anyio
async def test_hostile_flags_hypotheses_and_logs_are_shown_and_never_run(browser: Browser, quick_project: Path) -> None:
    engine = InProcessEngine(Trainings(says=f"{HOSTILE}\n{LONG_LINE}\n{HOSTILE}\n"))
    async with quick_tools(quick_project, engine) as call:
        await call("run_seed", queue_all=True, wait_s=0)
        answer = await call(
            "run_seed", experiment="evil", flags=["--name", HOSTILE.replace("\u202e", "")], hypothesis=HOSTILE, wait_s=0
        )
        assert not answer.is_error, answer.text
    write_over(quick_project)
    with serving(quick_project) as served, browser.page() as page:
        for screen in ("#study", "#e/1/evil", "#now", "#e/1/%3Cimg%20src=x%20onerror=hacked=4%3E"):
            page.goto(served.address + screen)
            page.wait(LIVE)
        page.goto(f"{served.address}#e/1/evil")
        page.wait("document.title.startsWith('evil')")
        text = page.text()
        assert "<script>window.hacked=2</script>" in text
        assert "\\u202e" in text
        assert "\u202e" not in text
        assert page.run("typeof window.hacked") == "undefined"
        assert page.run("document.querySelectorAll('img, main script, iframe').length") == 0
        page.allowed = [one for one in page.seen["problems"] if "404" in one]


def write_over(project: Path) -> None:
    """What a training could do to the curve that is kept of it."""
    paths = ProjectPaths(project)
    curve = paths.run("g1-exp-evil-s42-a1").curve
    curve.write_text(json.dumps({HOSTILE: [[1, 1, 2.0], [2, 2, 3.0]], "val_loss": [[10**30, None, 1e300], [1, 1, 1]]}))


@pytest.mark.anyio
async def test_the_output_of_a_running_training_is_text(browser: Browser, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    script = f"""
import os, sys, time
os.makedirs(sys.argv[sys.argv.index("--output_dir") + 1])
print("step 1 | val_loss: 4.1")
print({LONG_LINE[:10]!r} + "x" * 10_000_000)
print({HOSTILE!r}, flush=True)
while not os.path.exists({str(tmp_path / "end")!r}):
    time.sleep(0.02)
"""
    (project / "train_llm.py").write_text(script)
    (project / "seedproof.toml").write_text("[settings]\ngrace_s = 0.1\n")
    from seedproof.admission.request import RunRequest

    Service(project).request_run(RunRequest())
    try:
        with serving(project) as served, browser.page() as page:
            page.goto(f"{served.address}#now")
            page.wait(
                "(document.querySelector('pre.log') || {textContent: ''}).textContent.includes('window.hacked=2')"
            )
            assert "\\u202e" in page.text("pre.log")
            assert page.run("document.querySelector('pre.log').textContent.length") < 10_000
            assert page.run("document.querySelector('pre.log').children.length") == 0
            assert page.run("typeof window.hacked") == "undefined"
    finally:
        (tmp_path / "end").touch()
        stop_everything(project)
        shutil.rmtree(project)

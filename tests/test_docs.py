"""The documents say what the code does: names, codes, links, snippets, figures."""

import ast
import json
import re
import shlex
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from jsonschema import validate
from seedproof.ledger.events import EVENTS
from seedproof.model.metric_rule import MetricRule
from seedproof.model.presets import PRESETS
from seedproof.model.refusals import ProgramMissing, Refusal, ScriptMissing
from seedproof.model.rules import Rules
from seedproof.model.runs import MetricValue, RunState
from seedproof.sources.metric_file import read_file_metric
from seedproof.stats.distributions import t_quantile
from seedproof.stats.fresh_pairs import CONFIRM_P
from seedproof.stats.screening import WINNER_P, stages
from seedproof_mcp.host.settings import Settings, load_config
from seedproof_mcp.host.settings_template import settings_template
from seedproof_mcp.runner.log_reader import read_log
from seedproof_mcp.surface import arguments
from seedproof_mcp.surface.demo.story import TRIALS

from tests.support.callers import tools
from tests.support.places import ROOT

# What Seedproof wrote: its reports have lines of several sentences. And pages that a command writes.
SAMPLE = {*ROOT.glob("docs/sample/*.md")} - {ROOT / "docs/sample/README.md"}
GENERATED = {*SAMPLE, *(ROOT / "docs" / name for name in ("agents.md", "calibration.md", "threats.md"))}
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("skills/*/*.md"), *ROOT.glob("examples/*/*.md")]
)
SOURCES = "".join(path.read_text() for folder in ("protocol", "server") for path in (ROOT / folder).rglob("*.py"))


def page(name: str) -> str:
    return (ROOT / name).read_text()


def without_code(text: str) -> str:
    """Prose alone: fenced blocks and inline code are not sentences."""
    return re.sub(r"`[^`\n]+`", "`code`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))


def prose(text: str) -> Iterator[str]:
    """Lines of sentences, quotes among them: no tables, headings, comments or code, and of links their words."""
    words = re.sub(r"<!--.*?-->|!\[[^]]*\]\([^)]*\)", "", without_code(text), flags=re.DOTALL)
    for line in re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", words).splitlines():
        if line.strip() and not line.startswith(("|", "#")):
            yield re.sub(r"^\s*(\d+\.|-|>) ?", "", line)


def snippets(language: str) -> Iterator[tuple[Path, str]]:
    for path in PAGES:
        for code in re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), flags=re.DOTALL | re.MULTILINE):
            yield path, code


def anchors(path: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", path.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", path.read_text()):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        linked = path.parent / name if name else path
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


@pytest.mark.parametrize("path", sorted({*PAGES} - SAMPLE), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_line_of_prose_is_one_sentence(path: Path) -> None:
    prose = [
        line for line in without_code(path.read_text()).splitlines() if not line.startswith(("|", ">", "description: "))
    ]
    several = [line for line in prose if re.search(r"[a-z)`][.!?] [A-Z]", line) and not re.match(r"(\d+\.|-) ", line)]
    assert several == []


@pytest.mark.parametrize("path", sorted({*PAGES} - GENERATED), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_sentence_has_fewer_than_30_words(path: Path) -> None:
    sentences = [one for line in prose(path.read_text()) for one in re.split(r"(?<=[.!?]) ", line)]
    assert [one for one in sentences if len(one.split()) >= 30] == []


def test_the_readme_has_at_most_900_words_of_prose() -> None:
    assert 300 < sum(len(line.split()) for line in prose(page("README.md"))) <= 900


def test_every_page_stands_once_in_the_index_and_every_part_in_its_order() -> None:
    text = page("docs/README.md")
    parts = ["First experiment", "Recipes", "Hosts", "Protocol", "Evidence", "Trust", "Reference"]
    assert re.findall(r"^## (.*)$", text, flags=re.MULTILINE) == parts
    listed = re.findall(r"^(?:\d\.|-) \[[^]]+\]\(([\w-]+\.md)\): .", text, flags=re.MULTILINE)
    assert sorted([*listed, "README.md", "glossary.md"]) == sorted(path.name for path in ROOT.glob("docs/*.md"))


def test_the_glossary_has_at_most_25_words_each_once() -> None:
    words = re.findall(r"^\| ([a-z ]+) \|", page("docs/glossary.md"), flags=re.MULTILINE)
    assert words == sorted({*words})
    assert 0 < len(words) <= 25
    assert f"the [glossary](glossary.md) has {len(words)} words" in page("docs/README.md")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_page_names_a_folder_of_one_machine(path: Path) -> None:
    assert not re.search(r"/(root|work|tmp|Users|home/\w+)/", path.read_text())


def codes(kind: type[Refusal]) -> Iterator[str]:
    yield from ([kind.code] if "code" in vars(kind) else [])
    for child in kind.__subclasses__():
        yield from codes(child)


def rows(text: str, title: str) -> list[str]:
    """The first cells of the tables in one section, without their backquotes."""
    section = re.split(r"^#+ ", text.split(f"# {title}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    cells = re.findall(r"^\| ([^|]+) \|", section, flags=re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def test_the_list_of_refusals_is_complete_and_has_no_other() -> None:
    assert set(rows(page("docs/tools.md"), "Refusals")) == set(codes(Refusal)) - {Refusal.code}


def test_the_list_of_notices_is_complete_and_has_no_other() -> None:
    # What `run_seed` refuses is a notice of the tools that only read.
    refused = {ProgramMissing.code, ScriptMissing.code}
    assert set(rows(page("docs/tools.md"), "Notices")) == refused | set(re.findall(r'\bNotice\(\s*"(\w+)"', SOURCES))


def test_rules_settings_presets_and_metric_fields_are_listed_with_no_other() -> None:
    text = page("docs/settings.md")
    defaults = {str(name) for name in Rules.model_fields}
    assert defaults <= set(rows(text, "Rules")) <= defaults | set(rows(text, "The metric"))
    assert set(rows(text, "Settings")) == set(Settings.model_fields)
    assert set(rows(text, "Presets")) == set(PRESETS)
    assert set(rows(text, "The metric")) == set(MetricRule.model_fields)


def test_states_and_kinds_of_records_are_listed_with_no_other() -> None:
    assert set(rows(page("docs/how-it-runs.md"), "States")) == {state.value for state in RunState}
    assert set(rows(page("docs/files.md"), "The ledger")) >= set(EVENTS)


@pytest.mark.anyio
async def test_every_tool_argument_and_field_is_described(tmp_path: Path) -> None:
    text = page("docs/tools.md")
    async with tools(tmp_path) as call:
        listed = (await call.client.list_tools()).tools
    assert re.findall(r"^## `(\w+)`", text, flags=re.MULTILINE) == [tool.name for tool in listed]
    for tool in listed:
        section = text.split(f"## `{tool.name}`\n", 1)[1].split("\n## ", 1)[0]
        assert tool.output_schema is not None
        fields = set(tool.output_schema["properties"]) - {"ledger_head", "notices", "next", "refusal"}
        if tool.name == "stop_run":
            fields = set()  # "Returns the run as run_seed does"
        missing = [name for name in {*tool.input_schema["properties"], *fields} if f"`{name}`" not in section]
        assert missing == [], tool.name


def test_every_command_of_the_command_line_is_in_the_changelog() -> None:
    (commands,) = [action for action in arguments.build_parser()._actions if isinstance(action.choices, dict)]
    listed = re.findall(
        r"`(?:seedproof )?([a-z-]+)`", page("CHANGELOG.md").split("command line over")[1].split("\n")[0]
    )
    assert {*listed, "serve"} == set(commands.choices)


def commands_in_snippets() -> Iterator[tuple[Path, str]]:
    """Every `seedproof …` that a reader would copy from a shell snippet or a job for CI."""
    for language in ("bash", "yaml"):
        for path, code in snippets(language):
            for line in re.findall(r"^\s*(?:- run: )?seedproof (.+)$", code, flags=re.MULTILINE):
                yield path, line


def test_every_command_in_a_snippet_exists_with_its_options() -> None:
    found = list(commands_in_snippets())
    for path, line in found:
        assert arguments.parse(shlex.split(line)).command, path
    assert (ROOT / "docs/verify.md", "verify --against origin/main") in found


def test_every_one_liner_runs_and_prints_numbers_of_its_page() -> None:
    found = [(path, code) for path in PAGES for code in re.findall(r'`python -c "([^"`]+)"`', path.read_text())]
    assert {path.name for path, _ in found} == {"controls.md", "evidence.md"}
    for path, code in found:
        with redirect_stdout(StringIO()) as printed:
            exec(code, {})
        for number in map(float, printed.getvalue().split()):
            assert any(f" {number:.{digits}f}" in path.read_text() for digits in (2, 3)), (path, number)


def test_the_values_of_t_belong_to_the_limits_of_p() -> None:
    rows_of_t = re.findall(r"^\| .+ \| (\d+) and (\d+) \| ([\d. |]+) \|$", page("docs/evidence.md"), flags=re.MULTILINE)
    assert len(rows_of_t) == 3
    for first, second, values in rows_of_t:
        limits = [(1 - CONFIRM_P, first), (0.7, first), (1 - CONFIRM_P, second)]
        assert values.split(" | ") == [f"{t_quantile(level, int(df)):.3f}" for level, df in limits]


def test_the_looks_of_screening_stand_with_their_limits() -> None:
    table = re.findall(r"^\| (\d) seeds?,? .*$", page("docs/evidence.md"), flags=re.MULTILINE)
    sizes = Rules().sizes
    looks = stages("screening", sizes.first, sizes.all)
    assert [int(seeds) for seeds in table] == [look.seeds for look in looks]
    for look in looks:
        (row,) = re.findall(rf"^\| {look.seeds} seeds?,? .*$", page("docs/evidence.md"), flags=re.MULTILINE)
        df = sizes.baseline + look.seeds - 2
        if look.seeds < sizes.all:
            assert f"p above {look.dropped_above:.2f}".replace("0.", ".") in row
        wins = f"p at most {WINNER_P:g} (t at least {t_quantile(1 - WINNER_P, df):.3f})".replace(" 0.", " .")
        assert wins in row if look.seeds >= sizes.first else "| never |" in row
        below = re.search(r"t below ([\d.]+)", row)
        assert below is None or below[1] == f"{t_quantile(1 - look.dropped_above, df):.3f}"


def test_every_line_of_a_verification_is_explained_with_no_other() -> None:
    subjects = set(re.findall(r'\b(?:passed|failed|noted|listed)\(\s*"(\w+)"', SOURCES))
    assert set(rows(page("docs/verify.md"), "What is looked at")) == subjects


def test_every_make_target_that_a_page_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", page("Makefile"), flags=re.MULTILINE))
    named = {
        name for path in PAGES for name in re.findall(r"(?:^|`)make ([a-z-]+)(?:`|$)", path.read_text(), re.MULTILINE)
    }
    assert named <= targets
    assert {"demo", "test"} <= named


def test_every_settings_snippet_and_the_template_load(tmp_path: Path) -> None:
    texts = [settings_template(), *(code for path, code in snippets("toml") if path.name == "settings.md")]
    assert len(texts) > 4
    for text in texts:
        (tmp_path / "seedproof.toml").write_text(text)
        load_config(tmp_path / "seedproof.toml")


def test_the_values_on_the_page_of_settings_are_read_from_the_output_above_them(tmp_path: Path) -> None:
    lines = r"((?:(?!```).*\n)+)"
    block = rf"^```toml\n{lines}```\n+```text\n{lines}```\n+This gives `([^`\n]+)`\.$"
    found = re.findall(block, page("docs/settings.md"), flags=re.MULTILINE)
    assert len(found) == page("docs/settings.md").count("```text") >= 6
    for settings, output, value in found:
        (tmp_path / "seedproof.toml").write_text(settings)
        rules = load_config(tmp_path / "seedproof.toml").rules
        (tmp_path / "output").write_text(output)
        in_log = read_log(tmp_path / "output", len(output.encode()), rules).metrics
        got = in_log.get(rules.metric.name) if rules.metric.pattern else read_file_metric(output.encode(), rules.metric)
        assert isinstance(got, MetricValue), settings
        assert got.text == value


def test_the_client_settings_by_hand_are_the_example_file() -> None:
    (code,) = (code for path, code in snippets("json") if path.name == "hosts.md")
    assert json.loads(code) == json.loads(page(".mcp.json"))


def test_the_story_of_the_readme_is_the_one_that_the_demonstration_tells() -> None:
    text = page("README.md")
    for trial in TRIALS:
        assert f"{trial.title}: {' '.join(trial.arguments['flags'])}" in text
        assert re.search(rf"^ +{trial.verdict}( \(\w+\))?: \d+\.\d\d sigma ", text, flags=re.MULTILINE)


@pytest.mark.anyio
async def test_what_the_agent_reads_first_is_as_the_pages_say(project: Path) -> None:
    async with tools(project) as call:
        status = await call("check_baseline")
        refused = await call("compare", experiment="higher_lr")
    assert f"*{status.text.splitlines()[0]}*" in page("docs/hosts.md")
    assert refused.text in page("README.md")


def test_the_skill_names_every_tool_and_none_that_does_not_exist() -> None:
    text = page("skills/experiment-runner/SKILL.md")
    tools_named = set(re.findall(r"`(\w+)\(", text)) | set(re.findall(r"`(check_baseline|compare)`", text))
    assert tools_named == {"check_baseline", "run_seed", "compare", "write_report", "stop_run"}


@pytest.mark.anyio
async def test_every_call_in_the_skill_is_one_that_the_tools_take(tmp_path: Path) -> None:
    async with tools(tmp_path) as call:
        schemas = {tool.name: tool.input_schema for tool in (await call.client.list_tools()).tools}
    shown = re.findall(r"`(\w+\([^`]*\))`", page("skills/experiment-runner/SKILL.md"))
    for text in shown:
        made = ast.parse(text.replace("=true", "=True").replace("=false", "=False"), mode="eval").body
        assert isinstance(made, ast.Call) and isinstance(made.func, ast.Name) and not made.args, text
        arguments = {keyword.arg: ast.literal_eval(keyword.value) for keyword in made.keywords}
        validate(arguments, schemas[made.func.id] | {"additionalProperties": False})
    assert len(shown) > 12

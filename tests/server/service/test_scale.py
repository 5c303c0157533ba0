"""The scale is said as the rules give it, in every reply, report and file name; tokens only where they are set."""

import re
from pathlib import Path

import pytest
from seedproof_mcp.surface import cli

from tests.support.in_process import quick_tools

pytestmark = pytest.mark.anyio

WITHOUT_TOKENS = 'command = ["{python}", "train_llm.py", "--seed", "{seed}", "{flags}", "--output_dir", "{output_dir}"]'


async def everything_said(project: Path, rules: str) -> tuple[str, list[str], dict[str, str]]:
    """All texts of a study up to a report, its first lines of check_baseline and the scale there, and its reports."""
    (project / "seedproof.toml").write_text(f"[rules]\n{rules}\n")
    said = []
    async with quick_tools(project) as call:
        await call.measure_baseline()
        status = await call("check_baseline")
        said += [status.text, (await call("write_report")).text]
        await call.measure("a", "--shift", "-0.1")
        said += [(await call("compare", experiment="a")).text, (await call("write_report", experiment="a")).text]
        said += [(await call("list_experiments")).text, (await call("check_baseline")).text]
    reports = {path.name: path.read_text() for path in (project / "docs/research").iterdir() if path.suffix != ".jsonl"}
    first = status.text.splitlines()[0]
    return "\n".join(said), [first.partition(":")[0], str(status.data["scale"])], reports


def without_rules(text: str) -> str:
    """A report without the lines that name rules which differ from the protocol's, and its numbers."""
    return re.sub(r"(?m)^- Rule.*$", "", text)


@pytest.mark.parametrize(
    ("rules", "label", "title", "scale"),
    [
        (f'{WITHOUT_TOKENS}\nscale = "300 s"', "300s", "Baseline ready (300 s)", "300 s"),
        (f'{WITHOUT_TOKENS}\nscale = "1.5 epochs"', "1.5epochs", "Baseline ready (1.5 epochs)", "1.5 epochs"),
        (WITHOUT_TOKENS, "1M", "Baseline ready", "None"),
        ("train_tokens = 2000000", "2M", "Baseline ready (2M tokens)", "2M"),
        (f'{WITHOUT_TOKENS}\n[rules.env]\nTOKENS = "{{train_tokens}}"', "1M", "Baseline ready (1M tokens)", "1M"),
    ],
)
async def test_the_scale_is_said_as_the_rules_give_it(
    project: Path, rules: str, label: str, title: str, scale: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said, shown, reports = await everything_said(project, rules)
    assert shown == [title, scale]
    assert {f"baseline_variance_{label}.md", f"experiment_a_{label}.md", f"experiment_a_{label}.svg"} <= set(reports)
    assert f"checkpoints/baseline_{label}_seed42" in reports[f"baseline_variance_{label}.md"]
    words = title.partition("(")[2].rstrip(")")
    assert not words or all(words in text for name, text in reports.items() if name.endswith(".md"))
    texts = [said, *(without_rules(text) for name, text in reports.items() if not name.endswith(".json"))]
    assert any("tokens" in text for text in texts) == ("tokens" in words)
    assert f"(experiment_a_{label}.md)" in reports["studies.md"]
    assert cli.main(["verify", "--project", str(project), "--regenerate"]) == 0
    assert "All is well" in capsys.readouterr().out


async def test_another_scale_gets_reports_of_its_own_and_verify_knows_both(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await everything_said(project, f'{WITHOUT_TOKENS}\nscale = "300 s"')
    (project / "seedproof.toml").write_text(f'[rules]\n{WITHOUT_TOKENS}\nscale = "20 epochs"\n')
    async with quick_tools(project) as call:
        assert (await call("check_baseline")).data["phase"] == "void"
        await call("run_seed", new_baseline="longer")
        await call.measure_baseline()
        written = await call("write_report")
    assert written.data["path"] == "docs/research/baseline_variance_20epochs.md"
    assert (project / "docs/research/baseline_variance_300s.md").exists()
    assert cli.main(["verify", "--project", str(project), "--regenerate"]) == 0
    assert "All is well" in capsys.readouterr().out

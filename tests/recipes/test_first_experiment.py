"""docs/first-experiment.md is carried out as it stands: its script, its settings, its commands and their output."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from seedproof_mcp.service.service import Service

from tests.support.places import ROOT
from tests.support.real_runs import unexpected
from tests.support.recipes import blocks, environment_of
from tests.support.waiting import stop_everything

PAGE = ROOT / "docs/first-experiment.md"


def masked(text: str) -> list[str]:
    """The lines, with every number alike: wall times and fresh seeds are others each time."""
    return [re.sub(r"\d+(\.\d+)?", "0", line) for line in text.splitlines()]


def steps() -> list[tuple[str, str]]:
    """Each block of commands, with the output that stands below it."""
    text = PAGE.read_text()
    block = r"^```bash\n((?:(?!```).*\n)+)```\n(?:\n(?:(?!```).+:\n\n)?```text\n((?:(?!```).*\n)+)```\n)?"
    return re.findall(block, text, flags=re.MULTILINE)


def assert_in_order(wanted: list[str], said: list[str]) -> None:
    """Every wanted line is among those that were said, in that order."""
    rest = iter(said)
    for line in wanted:
        assert line in rest, (line, said)


@pytest.mark.slow
def test_the_first_experiment_goes_as_its_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "spirals"
    folder.mkdir()
    ((script,), (settings,)) = (blocks(PAGE, language) for language in ("python", "toml"))
    (folder / "train.py").write_text(script)
    someone = {f"GIT_{who}_{what}": "someone" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    env = {**os.environ, **environment_of(Path(sys.executable), folder), **someone}
    try:
        for commands, output in steps():
            said = ""
            for line in commands.splitlines():
                words = shlex.split(line)
                done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=False)
                is_refused = words[1] == "compare" and "needed: " in output
                assert done.returncode == (3 if is_refused else 0), done
                said += done.stdout + done.stderr
            assert_in_order(masked(output), masked(said))
            if "seedproof init" in commands:
                written = tomllib.loads((folder / "seedproof.toml").read_text())
                shown = tomllib.loads(settings)
                assert shown == {"rules": {**written["rules"], "scale": "20 epochs"}}
                (folder / "seedproof.toml").write_text(settings)
        service = Service(folder)
        helped, did_nothing = service.compare("momentum"), service.compare("uniform")
        assert [unexpected(one.notices) for one in (service.check_baseline(), helped, did_nothing)] == [[], [], []]
        assert helped.headline.startswith("WINNER (confirmed on 3 fresh seeds)")
        assert did_nothing.headline.endswith("noise")
    finally:
        stop_everything(folder)

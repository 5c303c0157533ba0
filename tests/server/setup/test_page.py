"""The files that docs/init.md shows are those that init writes."""

import re
from pathlib import Path

import pytest
from seedproof_mcp.setup.first_settings import first_settings

from tests.support.framework_projects import PROJECTS
from tests.support.places import ROOT
from tests.support.repositories import write

COMMANDS = {"hydra": ["python", "src/train.py", "optimizer.lr=0.05", "trainer.max_epochs=3"]}


@pytest.mark.parametrize("name", ["argparse", "configurator", "hydra"])
def test_an_example_of_the_page_is_what_init_writes(name: str, tmp_path: Path) -> None:
    write(tmp_path, PROJECTS[name])
    shown = re.search(rf"<!-- {name} -->\n```toml\n(.*?)```", (ROOT / "docs/init.md").read_text(), re.DOTALL)
    assert shown is not None
    assert shown[1] == first_settings(tmp_path, COMMANDS.get(name)).text

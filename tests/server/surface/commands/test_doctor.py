"""`seedproof doctor`: what is wrong is found with its remedy, and honest projects get no finding."""

import errno
import json
import os
from pathlib import Path

import pytest
from seedproof_mcp.host.place import Place
from seedproof_mcp.host.settings import ENGINES
from seedproof_mcp.runner.engines.local import LocalEngine
from seedproof_mcp.surface.cli import main

from tests.journeys.test_honest_studies import STUDIES, begin
from tests.support.places import FAKE
from tests.support.repositories import write

pytestmark = pytest.mark.anyio


def found(project: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[dict[str, str]]]:
    """The exit code, and everything that is not as it should be."""
    code = main(["doctor", "--project", str(project), "--json"])
    told = json.loads(capsys.readouterr().out)
    return code, [one for one in told["findings"] if one["state"] != "ok"]


@pytest.mark.parametrize("name", STUDIES)
def test_an_honest_project_has_nothing_to_mend_and_nothing_to_note(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    begin(tmp_path / "project", STUDIES[name])
    assert found(tmp_path / "project", capsys) == (0, [])
    assert not (tmp_path / "project/.seedproof").exists(), "looking has left something"


COMMAND = '[rules]\ncommand = [{}, "--seed", "{{seed}}", "--output_dir", "{{output_dir}}", "{{flags}}"]\n'
FAULTS = {
    "settings": ({"seedproof.toml": "[settings]\nslott = 'x'\n"}, "did you mean settings.slot?"),
    "script": ({"seedproof.toml": COMMAND.format('"{python}", "trian.py"')}, "trian.py is not in the project"),
    "command": ({"seedproof.toml": COMMAND.format('"./go.sh"'), "go.sh": ""}, "go.sh is not executable"),
    "interpreter": ({"train_llm.py": "import no_such_module\n"}, "train_llm.py imports no_such_module, which"),
    "disk": ({"seedproof.toml": "[settings]\nmin_free_gb = 1000000.0\n"}, "GB are free, and a run needs"),
    "hosts": (
        {".mcp.json": '{"mcpServers": {"seedproof": {"command": "/nowhere/seedproof", "args": ["serve"]}}}'},
        "Claude Code starts",
    ),
    "state folder": ({".seedproof/ledger.jsonl": "no record\n"}, "ledger.jsonl"),
}


@pytest.mark.parametrize("topic", FAULTS)
def test_each_fault_is_told_with_its_remedy(project: Path, capsys: pytest.CaptureFixture[str], topic: str) -> None:
    files, told = FAULTS[topic]
    write(project, files)
    code, faults = found(project, capsys)
    assert code == 1
    (fault,) = [one for one in faults if one["state"] == "mend"]
    assert fault["topic"] == topic and told in fault["text"] and fault["remedy"]


class Unreadable(LocalEngine):
    """Is described by a file that is not there."""

    def place(self) -> Place:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "node.json")


def test_an_engine_whose_files_are_missing_is_told_in_one_sentence(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENGINES, "queue", f"{__name__}:Unreadable")
    write(project, {"seedproof.toml": '[settings]\nengine = "queue"\n'})
    code, (fault,) = found(project, capsys)
    told = 'engine = "queue" cannot tell where runs would start: node.json: No such file or directory.'
    assert (code, fault["state"], fault["text"]) == (1, "mend", told) and fault["remedy"]


def test_modules_that_a_script_may_do_without_are_not_missed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    optional = "try:\n    import no_such_module\nexcept ImportError:\n    no_such_module = None\n"
    write(project, {"train_llm.py": f"import lib.layers\n{optional}{FAKE.read_text()}", "lib/layers.py": ""})
    assert found(project, capsys) == (0, [])
    write(project, {"train_llm.py": "import sys\nsys.path.append('elsewhere')\nimport no_such_module\n"})
    assert found(project, capsys) == (0, [])


async def test_a_newest_run_without_a_value_is_told_with_its_log(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, faults = found(study, capsys)
    assert code == 1
    assert ["bad seed 42" in one["text"] and one["remedy"] for one in faults if one["state"] == "mend"] == [
        "seedproof log g1-exp-bad-s42-a1"
    ]


def test_a_person_reads_one_line_for_each_thing(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--project", str(project)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "Nothing has to be mended."
    topics = {line.removeprefix("ok    ").partition(":")[0] for line in lines[:-1]}
    expected = {"settings", "script", "command", "interpreter", "metric", "git", "disk", "GPU", "slot", "hosts"}
    assert topics == {*expected, "state folder"}

"""The commands `board` and `export`: an address that lasts, a process that only reads, and every value of the logs."""

import csv
import io
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from seedproof_mcp.surface import cli
from seedproof_mcp.system.paths import ProjectPaths, board_address

from tests.support.browser import parts_of, serving
from tests.support.in_process import InProcessEngine, Training, quick_tools
from tests.support.waiting import PATIENCE_S


def fetch(address: str) -> bytes:
    """What is sent under an address."""
    with urllib.request.urlopen(address, timeout=PATIENCE_S) as answer:
        sent: bytes = answer.read()
    return sent


def test_the_board_serves_the_project_until_ctrl_c_and_leaves_no_trace_in_it(quick_project: Path) -> None:
    with serving(quick_project) as board:
        process = board.process
        assert json.loads(fetch(f"{board.address}study.json"))["baseline"]["phase"] == "unmeasured"
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert [path.name for path in quick_project.iterdir()] == ["train_llm.py"]


def test_the_next_board_has_the_same_address_so_that_an_open_page_goes_on(quick_project: Path) -> None:
    with serving(quick_project) as first:
        kept = board_address(quick_project.resolve())
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        with serving(quick_project) as beside:
            assert set(parts_of(beside)).isdisjoint(parts_of(first))
    with serving(quick_project) as again:
        assert again.address == first.address


@pytest.mark.parametrize("text", ["", "[]", '{"port": 1}', '{"port": "x", "token": "y"}', '{"port": 0, "token": ""}'])
def test_a_kept_address_that_makes_no_sense_is_replaced(quick_project: Path, text: str) -> None:
    kept = board_address(quick_project.resolve())
    kept.parent.mkdir(parents=True)
    kept.write_text(text)
    with serving(quick_project) as board:
        port, token = parts_of(board)
        assert json.loads(kept.read_bytes()) == {"port": int(port), "token": token}


def test_a_port_that_is_taken_is_said(quick_project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(quick_project) as board:
        port, _ = parts_of(board)
        code = cli.main(["board", "--no-open", "--project", str(quick_project), "--port", port])
    assert code == 2
    assert f"port {port} cannot be used" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["0", "65536", "-1", "x"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["board", "--port", port])
    assert ended.value.code == 2


def test_serving_mcp_loads_nothing_of_the_board() -> None:
    found = "[name for name in sys.modules if 'board.' in name or name == 'http.server']"
    code = f"import seedproof_mcp.app, sys; print({found})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# --- export ---------------------------------------------------------------------------------------


def exported(project: Path, capsys: pytest.CaptureFixture[str], *options: str) -> list[dict[str, str]]:
    """The lines of the export."""
    assert cli.main(["export", "--csv", "--project", str(project), *options]) == 0
    return list(csv.DictReader(io.StringIO(capsys.readouterr().out)))


def test_the_export_has_every_value_of_every_run(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = exported(recorded, capsys)
    runs = {line["run_id"] for line in lines}
    assert {"g2-baseline-s42-a1", "g1-confirm-muon-s100100-a1"} <= runs
    one = [line for line in lines if line["run_id"] == "g2-exp-cosine-s42-a1" and line["metric"] == "val_loss"]
    log = ProjectPaths(recorded).run("g2-exp-cosine-s42-a1").log.read_text()
    assert [line["value"] for line in one] == [str(float(text)) for text in re.findall(r"val_loss: (\S+)", log)]
    assert [line["step"] for line in one] == [*map(str, range(0, 3000, 50)), ""]
    assert {line["seed"] for line in one} == {"42"}


async def a_long_run(project: Path, values: int) -> None:
    """A baseline seed that prints more values than a kept curve has."""

    def train(argv: object) -> Training:
        return Training("".join(f"step {step} | val_loss: {4 + step / 1e6:.6f}\n" for step in range(values)))

    async with quick_tools(project, InProcessEngine(train)) as call:
        await call("run_seed", wait_s=0)


@pytest.mark.anyio
async def test_the_export_thins_nothing_and_says_where_only_a_thinned_curve_is_kept(
    quick_project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await a_long_run(quick_project, 9000)
    assert len(exported(quick_project, capsys)) == 9000
    run = ProjectPaths(quick_project).run("g1-baseline-s42-a1")
    assert len(json.loads(run.curve.read_bytes())["val_loss"]) == 2000
    run.log.unlink()
    assert cli.main(["export", "--csv", "--project", str(quick_project)]) == 0
    told = capsys.readouterr()
    assert len(told.out.splitlines()) == 2001
    assert "1 runs have at most 2,000 values of each metric" in told.err
    shutil.rmtree(run.folder)
    assert cli.main(["export", "--csv", "--project", str(quick_project)]) == 1
    assert "1 runs have no curve" in capsys.readouterr().err


def test_the_export_of_one_experiment_goes_to_a_file(
    recorded: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    target = tmp_path / "muon.csv"
    options = ["--experiment", "muon", "--output", os.fspath(target)]
    assert exported(recorded, capsys, *options) == []
    with target.open() as file:
        assert {line["experiment"] for line in csv.DictReader(file)} == {"muon"}

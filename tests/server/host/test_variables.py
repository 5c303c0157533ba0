"""Variables of the rules: what the surroundings of a run say of them."""

from pathlib import Path

import pytest
from seedproof_mcp.host.fingerprint import Surroundings
from seedproof_mcp.host.place import ThisMachine
from seedproof_mcp.host.settings import load_config
from seedproof_mcp.system.paths import ProjectPaths

RULES = """
[rules]
command = ["python", "train.py", "{flags}"]
seed = "environment"
[rules.env]
CUDA_VISIBLE_DEVICES = "1"
PYTHONHASHSEED = "{seed}"
SEED = "{seed}"
OUT = "{output_dir}"
TOKENS = "{train_tokens}"
"""


def test_they_replace_inherited_ones_and_what_differs_from_run_to_run_is_not_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CUDA_VISIBLE_DEVICES", "PYTHONHASHSEED", "SEED", "OUT", "TOKENS"):
        monkeypatch.setenv(name, "of the server")
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "PYTHONPATH"):
        monkeypatch.delenv(name, raising=False)
    paths = ProjectPaths(tmp_path)
    paths.settings.write_text(RULES)
    found = Surroundings(paths, load_config(paths.settings), ThisMachine())
    assert {name: found.env.get(name) for name in ("SEED", "OUT", "TOKENS")} == {
        "SEED": None,
        "OUT": None,
        "TOKENS": "1000000",
    }
    assert found.fingerprint()["env"] == {"CUDA_VISIBLE_DEVICES": "1"}
    assert found.fingerprint()["env_names"] == []

"""The names of our files, as documented."""

from pathlib import Path

import pytest
from seedproof_mcp.system.paths import ProjectPaths, slot_lock, user_state_dir


def test_project_files_have_their_documented_names() -> None:
    paths = ProjectPaths(Path("/p"))
    names = {
        paths.settings: "/p/seedproof.toml",
        paths.ledger: "/p/.seedproof/ledger.jsonl",
        paths.gitignore: "/p/.seedproof/.gitignore",
        paths.conductor_lock: "/p/.seedproof/conductor.lock",
        paths.conductor_log: "/p/.seedproof/conductor.log",
        paths.mirror: "/p/docs/research/ledger.jsonl",
        paths.baseline_report("1M"): "/p/docs/research/baseline_variance_1M.md",
        paths.complaint: "/p/.seedproof/conductor.complaint",
        paths.unverified(paths.baseline_report("1M"), 1): "/p/docs/research/baseline_variance_1M.unverified.md",
        paths.unverified(paths.baseline_report("1M"), 2): "/p/docs/research/baseline_variance_1M.unverified-2.md",
        paths.experiment_report("muon", "1M"): "/p/docs/research/experiment_muon_1M.md",
        paths.run("r1").spec: "/p/.seedproof/runs/r1/spec.json",
        paths.run("r1").log: "/p/.seedproof/runs/r1/output.log",
        paths.run("r1").alive: "/p/.seedproof/runs/r1/alive.lock",
        paths.run("r1").metric_copy("m.json"): "/p/.seedproof/runs/r1/m.json",
    }
    assert {str(path): name for path, name in names.items() if str(path) != name} == {}


def test_the_state_folder_follows_xdg_and_falls_back_to_home(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert slot_lock("gpu1") == Path("/state/seedproof/slots/gpu1.lock")
    for invalid in ("", "relative"):
        monkeypatch.setenv("XDG_STATE_HOME", invalid)
        assert user_state_dir() == Path("/home/ada/.local/state/seedproof")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc/passwd"])
def test_a_slot_name_cannot_leave_the_slots_folder(name: str) -> None:
    with pytest.raises(ValueError, match="not a slot name"):
        slot_lock(name)

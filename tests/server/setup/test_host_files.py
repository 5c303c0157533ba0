"""The files that install writes and uninstall takes away: copies, links, permissions, the skill."""

import hashlib
import json
import os
from pathlib import Path

import pytest
from seedproof_mcp.setup.hosts.hosts import HOSTS
from seedproof_mcp.setup.hosts.install import HostSetup, Told
from seedproof_mcp.setup.hosts.places import find_places, launch_of, packaged_skill
from seedproof_mcp.setup.hosts.skill_files import RECORD
from seedproof_mcp.setup.hosts.untouched import CannotEdit

from tests.support.places import ROOT

EACH = pytest.mark.parametrize("name", HOSTS)
OTHER = '{"mcpServers":{"other":{"command":"x"}}}'


class Machine:
    """A project and a user's folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.project, self.home = root / "project", root / "home"
        self.project.mkdir()
        self.home.mkdir()
        self.environment = {"HOME": str(self.home)}

    def install(self, name: str, *, approve: bool = False, dry_run: bool = False) -> Told:
        setup = HostSetup(HOSTS[name], self.project, self.environment, dry_run=dry_run)
        setup.install(approve=approve)
        return setup.told

    def uninstall(self, name: str, *, dry_run: bool = False) -> Told:
        setup = HostSetup(HOSTS[name], self.project, self.environment, dry_run=dry_run)
        setup.uninstall()
        return setup.told

    def settings(self, name: str) -> Path:
        return find_places(HOSTS[name], self.project, self.environment).settings

    def skill(self, name: str) -> Path:
        return find_places(HOSTS[name], self.project, self.environment).skill

    def files(self) -> dict[str, bytes]:
        found = (path for path in self.root.rglob("*") if path.is_file())
        return {str(path.relative_to(self.root)): path.read_bytes() for path in found}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


PLACES = {
    "claude-code": ("project/.mcp.json", "project/.claude/skills"),
    "codex": ("home/.codex/config.toml", "home/.agents/skills"),
    "gemini": ("project/.gemini/settings.json", "project/.agents/skills"),
    "opencode": ("project/opencode.json", "project/.agents/skills"),
    "copilot": ("home/.copilot/mcp-config.json", "home/.agents/skills"),
    "cursor": ("project/.cursor/mcp.json", "project/.agents/skills"),
    "vscode": ("project/.vscode/mcp.json", "project/.agents/skills"),
}


@EACH
def test_install_writes_settings_and_skill_and_uninstall_leaves_nothing(machine: Machine, name: str) -> None:
    told = machine.install(name, approve=True)
    settings, skills = PLACES[name]
    written = {settings, f"{skills}/experiment-runner/SKILL.md", f"{skills}/experiment-runner/{RECORD}"}
    approval = {"project/.claude/settings.local.json"} if name == "claude-code" else set()
    assert machine.files().keys() == written | approval
    assert told.left == []
    assert machine.uninstall(name).left == []
    assert list(machine.root.rglob("*")) == [machine.project, machine.home]


@EACH
def test_a_second_install_changes_nothing_and_says_so(machine: Machine, name: str) -> None:
    machine.install(name)
    before = machine.files()
    told = machine.install(name)
    assert machine.files() == before
    assert "nothing was changed" in told.done[0]


@EACH
def test_a_dry_run_changes_nothing_and_shows_the_lines(machine: Machine, name: str) -> None:
    told = machine.install(name, approve=True, dry_run=True)
    assert machine.files() == {}
    assert f"Would write {machine.settings(name)}" in told.done[0]
    assert launch_of(HOSTS[name], machine.project).command in told.done[0]
    machine.install(name)
    before = machine.files()
    assert "Would remove" in machine.uninstall(name, dry_run=True).done[0]
    assert machine.files() == before


@EACH
@pytest.mark.parametrize("approve", [False, True])
def test_earlier_settings_come_back_byte_for_byte(machine: Machine, name: str, approve: bool) -> None:
    texts = {"toml": "# mine\na = 1", "json": '{ "mcpServers":{}, "servers": {},\n"permissions":{"allow":[]} }'}
    settings = machine.settings(name)
    lists = [machine.project / ".claude/settings.local.json"] if name == "claude-code" else []
    for path in (settings, *lists):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(texts[HOSTS[name].form])
    before = machine.files()
    told = machine.install(name, approve=approve)
    copy = settings.with_name(f"{settings.name}.seedproof-backup")
    assert copy.read_bytes() == before[str(settings.relative_to(machine.root))]
    assert copy.name in told.done[0]
    machine.uninstall(name)
    assert machine.files() == before


def test_a_copy_never_replaces_an_earlier_one(machine: Machine) -> None:
    settings = machine.settings("gemini")
    settings.parent.mkdir()
    kept = []
    for number in range(3):
        settings.write_text(f'{{"number": {number}}}')
        kept.append(settings.read_bytes())
        machine.install("gemini")
    names = [f"settings.json.seedproof-backup{end}" for end in ("", "-2", "-3")]
    assert [(settings.parent / name).read_bytes() for name in names] == kept


def test_a_copy_keeps_the_permissions_of_the_file(machine: Machine) -> None:
    settings = machine.settings("copilot")
    settings.parent.mkdir()
    settings.write_text(OTHER)
    settings.chmod(0o600)
    machine.install("copilot")
    copy = settings.with_name("mcp-config.json.seedproof-backup")
    assert [path.stat().st_mode & 0o777 for path in (settings, copy)] == [0o600, 0o600]


def test_settings_that_changed_since_are_not_taken_back(machine: Machine) -> None:
    settings = machine.project / ".mcp.json"
    settings.write_text(OTHER)
    machine.install("claude-code")
    value = json.loads(settings.read_text())
    value["mcpServers"]["new"] = {"command": "y"}
    settings.write_text(json.dumps(value))
    machine.uninstall("claude-code")
    assert json.loads(settings.read_text()) == {"mcpServers": {"other": {"command": "x"}, "new": {"command": "y"}}}


@EACH
def test_comments_are_never_lost(machine: Machine, name: str) -> None:
    host, settings = HOSTS[name], machine.settings(name)
    settings.parent.mkdir(parents=True, exist_ok=True)
    text = "# mine\n[a] # too\nb = 1\n" if host.form == "toml" else '{\n  // mine\n  "a": 1\n}\n'
    settings.write_text(text)
    told = machine.install(name)
    if host.form == "toml":
        assert settings.read_text().startswith(text) and told.left == []
    else:
        assert settings.read_text() == text
        assert "has comments. It was not changed." in told.left[0]
        assert f'"{host.key[0]}"' in told.left[0] and launch_of(host, machine.project).command in told.left[0]
    assert (machine.skill(name) / "SKILL.md").exists()  # so that only the lines have to be pasted
    assert machine.uninstall(name).left == []
    assert settings.read_text() == text


def test_a_pasted_entry_in_a_commented_file_is_left_to_a_person(machine: Machine) -> None:
    settings = machine.project / ".mcp.json"
    settings.write_text('{ // mine\n"mcpServers": {"seedproof": {"command": "seedproof"}}}')
    told = machine.uninstall("claude-code")
    assert told.left == [f"{settings} has comments. It was not changed. Remove seedproof from it by hand."]


def test_approval_that_cannot_be_entered_is_told_with_what_to_add(machine: Machine) -> None:
    lists = machine.project / ".claude/settings.local.json"
    lists.parent.mkdir()
    lists.write_text("{ // mine\n}")
    told = machine.install("claude-code", approve=True)
    assert lists.read_text() == "{ // mine\n}"
    assert "mcp__seedproof" in told.left[0] and (machine.project / ".mcp.json").exists()


def test_a_link_stays_a_link(machine: Machine) -> None:
    settings, target = machine.project / ".mcp.json", machine.root / "dotfiles/mcp.json"
    target.parent.mkdir()
    target.write_text(OTHER)
    settings.symlink_to(target)
    machine.install("claude-code")
    assert settings.is_symlink() and "seedproof" in target.read_text()
    assert (target.parent / "mcp.json.seedproof-backup").read_text() == OTHER
    machine.uninstall("claude-code")
    assert settings.is_symlink() and target.read_text() == OTHER
    assert os.listdir(target.parent) == ["mcp.json"]


@pytest.mark.parametrize("target", ["nowhere/mcp.json", ".mcp.json"])
def test_a_link_that_leads_nowhere_is_refused(machine: Machine, target: str) -> None:
    settings = machine.project / ".mcp.json"
    settings.symlink_to(machine.project / target)
    (left,) = machine.install("claude-code").left
    assert "It was not changed." in left and settings.is_symlink()
    assert sorted(os.listdir(machine.project)) == [".claude", ".mcp.json"]


def test_a_read_only_file_is_refused(machine: Machine) -> None:
    settings = machine.project / ".mcp.json"
    settings.write_text(OTHER)
    settings.chmod(0o444)
    assert "is read-only. It was not changed." in machine.install("claude-code").left[0]
    assert settings.read_text() == OTHER


@pytest.mark.parametrize("content", [b"\xff\xfe{}", b'\xef\xbb\xbf{"a": 1}'])
def test_a_file_in_another_encoding_is_refused(machine: Machine, content: bytes) -> None:
    settings = machine.project / ".mcp.json"
    settings.write_bytes(content)
    assert len(machine.install("claude-code").left) == 1
    assert settings.read_bytes() == content


def test_a_folder_or_a_pipe_in_place_of_the_settings_is_refused(machine: Machine) -> None:
    (machine.project / ".mcp.json").mkdir()
    os.mkfifo(machine.project / "opencode.json")
    for name in ("claude-code", "opencode"):
        assert "is not a regular file" in machine.install(name).left[0]


def test_the_variables_of_hosts_name_their_folders(machine: Machine) -> None:
    machine.environment |= {"CODEX_HOME": str(machine.root / "c"), "COPILOT_HOME": str(machine.root / "p")}
    assert machine.settings("codex") == machine.root / "c/config.toml"
    assert machine.settings("copilot") == machine.root / "p/mcp-config.json"


@pytest.mark.parametrize("name", ["codex", "copilot"])
def test_a_home_that_is_missing_is_refused_where_the_host_needs_it(machine: Machine, name: str) -> None:
    machine.environment = {"HOME": str(machine.root / "gone")}
    with pytest.raises(CannotEdit, match="gone is no folder"):
        machine.install(name)
    assert machine.install("gemini").left == []


def test_one_entry_for_all_projects_names_none(machine: Machine) -> None:
    for name, host in HOSTS.items():
        arguments = launch_of(host, machine.project).arguments
        expected = ["serve"] if name in ("codex", "copilot") else ["serve", "--project", str(machine.project)]
        assert list(arguments[-len(expected) :]) == expected


def test_the_program_is_an_absolute_path_that_exists(machine: Machine) -> None:
    command = Path(launch_of(HOSTS["codex"], machine.project).command)
    assert command.is_absolute() and os.access(command, os.X_OK)


def test_the_skill_is_that_of_the_repository() -> None:
    folder = ROOT / "skills/experiment-runner"
    assert packaged_skill() == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_skill_that_another_host_reads_stays(machine: Machine) -> None:
    machine.install("gemini")
    machine.install("opencode")
    machine.uninstall("gemini")
    assert (machine.skill("opencode") / "SKILL.md").exists()
    machine.uninstall("opencode")
    assert not (machine.project / ".agents").exists()


def test_a_skill_that_was_changed_is_left_and_told(machine: Machine) -> None:
    machine.install("claude-code")
    skill = machine.skill("claude-code") / "SKILL.md"
    skill.write_text("mine")
    assert f"{skill} is not as install wrote it; it was left as it is." in machine.install("claude-code").done
    assert f"{skill} is not as install wrote it; it was left as it is." in machine.uninstall("claude-code").done
    assert skill.read_text() == "mine" and os.listdir(skill.parent) == ["SKILL.md"]


def test_a_skill_of_an_earlier_version_is_brought_up_to_date(machine: Machine) -> None:
    machine.install("claude-code")
    folder = machine.skill("claude-code")
    old = {"SKILL.md": b"old", "scripts/gone.py": b"old too"}
    (folder / "scripts").mkdir()
    for name, data in old.items():
        (folder / name).write_bytes(data)
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in old.items()}
    (folder / RECORD).write_text(json.dumps({"hosts": ["claude-code"], "files": digests}))
    machine.install("claude-code")
    assert (folder / "SKILL.md").read_bytes() == packaged_skill()["SKILL.md"]
    assert sorted(os.listdir(folder)) == [RECORD, "SKILL.md"]


@pytest.mark.parametrize("record", ["", "[]", "{", '{"hosts": 1}', '{"hosts": ["x"], "files": []}'])
def test_without_a_record_nothing_counts_as_written_by_install(machine: Machine, record: str) -> None:
    folder = machine.skill("gemini")
    folder.mkdir(parents=True)
    (folder / "SKILL.md").write_text("mine")
    (folder / RECORD).write_text(record)
    machine.install("gemini")
    machine.uninstall("gemini")
    assert (folder / "SKILL.md").read_text() == "mine"


def test_a_folder_of_the_skill_that_is_a_link_is_left(machine: Machine) -> None:
    folder = machine.skill("claude-code")
    folder.parent.mkdir(parents=True)
    (machine.root / "own").mkdir()
    folder.symlink_to(machine.root / "own")
    machine.install("claude-code")
    machine.uninstall("claude-code")
    assert folder.is_symlink() and os.listdir(machine.root / "own") == []

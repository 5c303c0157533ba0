"""The text of every host's settings with the server in it and without it."""

import json
import tomllib
from typing import Any

import pytest
from seedproof_mcp.setup.hosts.hosts import HOSTS, Host, Launch
from seedproof_mcp.setup.hosts.json_text import remove_member, set_member
from seedproof_mcp.setup.hosts.settings_text import (
    is_approved,
    snippet,
    with_approval,
    with_server,
    without_approval,
    without_server,
)
from seedproof_mcp.setup.hosts.toml_text import remove_table, set_table
from seedproof_mcp.setup.hosts.untouched import CannotEdit

LAUNCH = Launch("/opt/venv/bin/seedproof", ("serve", "--project", "/data/project"))
EACH = pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)
JSON_HOSTS = [host for host in HOSTS.values() if host.form == "json"]
EACH_JSON = pytest.mark.parametrize("host", JSON_HOSTS, ids=lambda host: host.name)
CODEX = HOSTS["codex"]
CLAUDE = HOSTS["claude-code"]


def parsed(host: Host, text: str) -> dict[str, Any]:
    return tomllib.loads(text) if host.form == "toml" else json.loads(text)


def entry(host: Host, text: str) -> Any:
    return parsed(host, text)[host.key[0]]["seedproof"]


def others(host: Host) -> str:
    """Settings with another server and an unrelated value, in a layout that no library would write."""
    if host.form == "toml":
        return '# mine\nmodel = "m"   # the good one\n\n[mcp_servers.other]\ncommand = "x" # why\nargs = [\n  "a",\n]\n'
    return f'{{ "theme" : "dark",\n    "{host.key[0]}": {{\n        "other": {{"command": "x"}}\n    }}\n}}\n'


@EACH
def test_fresh_settings_have_the_entry_and_nothing_else(host: Host) -> None:
    text = with_server(host, None, LAUNCH, approve=False)
    assert parsed(host, text) == {host.key[0]: {"seedproof": host.entry(LAUNCH, approve=False)}}
    assert text.endswith("\n")
    assert with_server(host, "", LAUNCH, approve=False) == text


LIMITS = {
    "claude-code": {"timeout": 3_660_000, "alwaysLoad": True},
    "codex": {"tool_timeout_sec": 3660, "required": True, "env": {"SEEDPROOF_TOOL_TIMEOUT_S": "3600"}},
    "gemini": {"timeout": 3_660_000, "env": {"SEEDPROOF_TOOL_TIMEOUT_S": "3600"}},
    "opencode": {"type": "local", "timeout": 3_660_000},
    "copilot": {"type": "local", "tools": ["*"], "timeout": 3_660_000},
    "cursor": {"type": "stdio"},
    "vscode": {"type": "stdio"},
}


@EACH
def test_the_entry_names_the_program_by_its_path_and_raises_the_limit(host: Host) -> None:
    told = entry(host, with_server(host, None, LAUNCH, approve=False))
    if host.name == "opencode":
        command = {"command": ["/opt/venv/bin/seedproof", "serve", "--project", "/data/project"]}
    else:
        command = {"command": "/opt/venv/bin/seedproof", "args": ["serve", "--project", "/data/project"]}
    assert told == {**command, **LIMITS[host.name]}


@EACH
def test_what_else_stands_in_the_settings_stays_byte_for_byte(host: Host) -> None:
    before = others(host)
    text = with_server(host, before, LAUNCH, approve=False)
    assert entry(host, text) == host.entry(LAUNCH, approve=False)
    assert without_server(host, text) == before


@EACH
def test_settings_that_have_the_entry_are_not_changed(host: Host) -> None:
    text = with_server(host, others(host), LAUNCH, approve=False)
    assert with_server(host, text, LAUNCH, approve=False) == text


@EACH
def test_an_older_entry_is_brought_up_to_date_and_keeps_what_its_author_added(host: Host) -> None:
    text = with_server(host, others(host), Launch("/old/seedproof", ("serve",)), approve=False)
    added: dict[str, Any] = {"env": {**host.extra.get("env", {}), "CUDA_VISIBLE_DEVICES": "1"}}
    text = (set_table if host.form == "toml" else set_member)(text, host.key, {**entry(host, text), **added})
    new = with_server(host, text, LAUNCH, approve=False)
    assert entry(host, new) == {**host.entry(LAUNCH, approve=False), **added}
    assert without_server(host, new) == others(host)


@EACH_JSON
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{\n  // mine\n  "a": 1\n}\n', "has comments"),
        ('{"a": 1, /* mine */ "b": 2}', "has comments"),
        ('{"a": 1,}', "is not valid JSON"),
        ('{"a": ', "is not valid JSON"),
        ("[1]", "is not a JSON object"),
        ('{"a": "http://x", "a": 2}', None),
    ],
)
def test_json_that_would_lose_something_is_refused(host: Host, text: str, why: str | None) -> None:
    if why is None:  # a key that stands twice, and an address, harm nothing
        assert text[:-1] in with_server(host, text, LAUNCH, approve=False)
        return
    with pytest.raises(CannotEdit, match=why):
        with_server(host, text, LAUNCH, approve=False)


@EACH_JSON
def test_servers_that_are_no_object_are_refused(host: Host) -> None:
    with pytest.raises(CannotEdit, match="is not an object"):
        with_server(host, f'{{"{host.key[0]}": []}}', LAUNCH, approve=False)


@pytest.mark.parametrize(
    "text",
    [
        "model = \n",
        'mcp_servers = { seedproof = { command = "x" } }\n',
        'mcp_servers.seedproof.command = "x"\n',
        "mcp_servers = 3\n",
        '[mcp_servers.seedproof]\ncommand = "x"\nargs = [\n  "serve",\n]\n',
        '[mcp_servers.seedproof]\ncommand = "x"\n[mcp_servers.seedproof.env]\nA = "1"\n',
        'mcp_servers = { other = { command = "x" } }\n',
    ],
)
def test_toml_that_cannot_be_changed_line_by_line_is_refused(text: str) -> None:
    with pytest.raises(CannotEdit):
        with_server(CODEX, text, LAUNCH, approve=False)


def test_lines_of_a_text_that_look_like_the_table_are_not_cut_out() -> None:
    text = 'notes = """\n[mcp_servers.seedproof]\ncommand = "x"\n"""\n'
    new = with_server(CODEX, text, LAUNCH, approve=False)
    assert new.startswith(text)
    with pytest.raises(CannotEdit, match="line by line"):
        without_server(CODEX, new)


def test_tables_of_the_server_go_with_it_and_the_next_table_keeps_its_comment() -> None:
    text = (
        'a = 1\n\n[mcp_servers.seedproof] # ours\ncommand = "x"\n\n[mcp_servers.seedproof.env]\nA = "1"\n'
        "\n# of b\n[b]\nc = 2\n"
    )
    assert without_server(CODEX, text) == "a = 1\n\n# of b\n[b]\nc = 2\n"


def test_toml_that_ends_without_a_newline_and_has_windows_lines() -> None:
    text = 'a = 1\r\n[mcp_servers.other]\r\ncommand = "x"'
    new = with_server(CODEX, text, LAUNCH, approve=False)
    assert new.startswith(text) and entry(CODEX, new)["command"] == LAUNCH.command


@pytest.mark.parametrize(
    "before",
    [
        "{}",
        '{"a": 1}',
        '{"mcpServers": {}}',
        '{\r\n\t"a": [1, 2],\r\n\t"b": {"seedproof": 3}\r\n}\r\n',
        '{"mcpServers": {"a": {}, "b": {}}}',
        '\n  {\n      "mcpServers" :\n{ "a":1\n} }',
        '{"text": "} , { \\" mcpServers: //", "mcpServers": {"ä": "\\u00e4"}}',
    ],
)
def test_a_member_is_added_and_removed_in_any_layout(before: str) -> None:
    path, value = ("mcpServers", "seedproof"), {"command": "ü", "args": ["{", "}"]}
    text = set_member(before, path, value)
    assert json.loads(text)["mcpServers"]["seedproof"] == value
    assert ("\r\n" in text) == ("\r\n" in before) and "\n" not in text.replace("\r\n", "") * ("\r\n" in before)
    changed = set_member(text, path, {"command": "x"})
    assert json.loads(changed)["mcpServers"]["seedproof"] == {"command": "x"}
    back = remove_member(changed, path)
    assert back == before or (before == '{"mcpServers": {}}' and back == "{}")


def test_a_member_in_the_middle_is_removed_with_its_comma() -> None:
    assert remove_member('{"s": {"a": 1, "seedproof": 2, "b": 3}}', ("s", "seedproof")) == '{"s": {"a": 1, "b": 3}}'
    assert remove_member('{"s": {"seedproof": 2, "b": 3}}', ("s", "seedproof")) == '{"s": {"b": 3}}'
    assert remove_table("[s.x]\na = 1\n\n[s.y]\nb = 1\n", ("s", "x")) == "\n[s.y]\nb = 1\n"


@EACH
def test_what_is_to_be_pasted_is_the_entry(host: Host) -> None:
    said, _, lines = snippet(host, LAUNCH, approve=True).partition("\n\n")
    text = lines if host.form == "toml" else f'{{"{host.key[0]}": {{{lines}}}}}'
    assert host.key[0] in said
    assert entry(host, text) == host.entry(LAUNCH, approve=True)


def test_approval_in_the_entry_is_set_when_asked_for_and_stays() -> None:
    for host, key, value in ((CODEX, "default_tools_approval_mode", "approve"), (HOSTS["gemini"], "trust", True)):
        asked = with_server(host, None, LAUNCH, approve=False)
        assert key not in entry(host, asked) and not is_approved(host, asked, None)
        approved = with_server(host, asked, LAUNCH, approve=True)
        assert entry(host, approved)[key] == value and is_approved(host, approved, None)
        assert with_server(host, approved, LAUNCH, approve=False) == approved


def test_approval_in_lists_joins_what_is_there() -> None:
    assert CLAUDE.approval is not None
    before = '{"permissions": {"allow": ["Bash(ls)"], "deny": []}}'
    text = with_approval(CLAUDE.approval, before)
    assert json.loads(text) == {
        "permissions": {"allow": ["Bash(ls)", "mcp__seedproof"], "deny": []},
        "enabledMcpjsonServers": ["seedproof"],
    }
    settings = with_server(CLAUDE, None, LAUNCH, approve=True)
    assert is_approved(CLAUDE, settings, text) and not is_approved(CLAUDE, settings, before)
    assert with_approval(CLAUDE.approval, text) == text
    assert json.loads(without_approval(CLAUDE.approval, text)) == json.loads(before)
    fresh = with_approval(CLAUDE.approval, None)
    assert json.loads(without_approval(CLAUDE.approval, fresh)) == {}


@EACH
def test_no_host_is_approved_unasked(host: Host) -> None:
    unasked = entry(host, with_server(host, None, LAUNCH, approve=False))
    assert not unasked.keys() & {"trust", "default_tools_approval_mode", "autoApprove", "alwaysAllow"}

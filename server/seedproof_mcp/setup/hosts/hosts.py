"""The hosts: where each keeps its settings and skills, and what an entry for this server says there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["HOSTS", "NAME", "WAIT_S", "Approval", "Home", "Host", "Launch"]

NAME = "seedproof"
"""The server's name in every settings file."""

WAIT_S = 3600
"""The longest `wait_s` of a call, in seconds."""

# A minute more than the longest wait, so that the server answers before the host gives up.
_LIMIT_S = WAIT_S + 60
_LIMIT_MS = _LIMIT_S * 1000
# The server chooses the wait of a call by the host's usual limit, unless it is told of another.
_TOLD = {"SEEDPROOF_TOOL_TIMEOUT_S": str(WAIT_S)}


@dataclass(frozen=True, slots=True)
class Launch:
    """How a host starts the server."""

    command: str
    """Absolute path of the program."""
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Home:
    """Where a host keeps what it reads in every project."""

    variable: str
    """The environment variable that names the folder."""
    folder: str
    """The folder below the user's own where the variable is not set."""


@dataclass(frozen=True, slots=True)
class Approval:
    """What lets the agent call the tools without asking a person each time."""

    in_entry: Mapping[str, Any] = field(default_factory=dict)
    """Members of the server's entry."""
    file: str | None = None
    """Another settings file, below the project."""
    in_lists: Mapping[tuple[str, ...], str] = field(default_factory=dict)
    """Lists in that file, by their path of keys, and what is added to each."""


@dataclass(frozen=True, slots=True)
class Host:
    """One host, as its documents describe it."""

    name: str
    title: str
    file: str
    """The settings file, below the project or the host's home."""
    key: tuple[str, str]
    """The path of keys to the server's entry."""
    extra: Mapping[str, Any]
    """What the entry says besides command and arguments."""
    then: str
    """What a person does next, or should know."""
    home: Home | None = None
    """The host's home, where it has no settings in the project."""
    skills: str = ".agents/skills"
    """The folder that skills are read from, below the project; below the user's own where the host has a home."""
    approval: Approval | None = None
    form: Literal["json", "toml"] = "json"
    has_one_list: bool = False
    """Whether command and arguments stand in one list."""
    is_tested: bool = True

    def entry(self, launch: Launch, *, approve: bool) -> dict[str, Any]:
        """The server's entry."""
        command: dict[str, Any] = {"command": launch.command, "args": list(launch.arguments)}
        if self.has_one_list:
            command = {"command": [launch.command, *launch.arguments]}
        approved = self.approval.in_entry if approve and self.approval else {}
        return {**command, **self.extra, **approved}


def _by_name(hosts: Sequence[Host]) -> dict[str, Host]:
    return {host.name: host for host in hosts}


HOSTS: Mapping[str, Host] = _by_name(
    [
        Host(
            name="claude-code",
            title="Claude Code",
            file=".mcp.json",
            key=("mcpServers", NAME),
            # alwaysLoad: else the tools stand behind a search for tools.
            extra={"timeout": _LIMIT_MS, "alwaysLoad": True},
            skills=".claude/skills",
            # The personal file, so that nobody approves for others who share the project.
            approval=Approval(
                file=".claude/settings.local.json",
                in_lists={("permissions", "allow"): f"mcp__{NAME}", ("enabledMcpjsonServers",): NAME},
            ),
            then="start `claude` in the project; it asks once whether the server may start, unless approved here.",
        ),
        Host(
            name="codex",
            title="Codex",
            file="config.toml",
            key=("mcp_servers", NAME),
            # required: a session begins when the tools are there, not before.
            extra={"tool_timeout_sec": _LIMIT_S, "required": True, "env": _TOLD},
            home=Home("CODEX_HOME", ".codex"),
            approval=Approval(in_entry={"default_tools_approval_mode": "approve"}),
            then="start `codex` in a project's folder, which the server then serves.",
            form="toml",
        ),
        Host(
            name="gemini",
            title="Gemini CLI",
            file=".gemini/settings.json",
            key=("mcpServers", NAME),
            extra={"timeout": _LIMIT_MS, "env": _TOLD},
            approval=Approval(in_entry={"trust": True}),
            then="start `gemini` in the project; it starts servers only in a folder that you trust.",
        ),
        Host(
            name="opencode",
            title="opencode",
            file="opencode.json",
            key=("mcp", NAME),
            extra={"type": "local", "timeout": _LIMIT_MS},
            then="start `opencode` in the project; it asks before a call only where its own `permission` says so.",
            has_one_list=True,
        ),
        Host(
            name="copilot",
            title="Copilot CLI",
            file="mcp-config.json",
            key=("mcpServers", NAME),
            extra={"type": "local", "tools": ["*"], "timeout": _LIMIT_MS},
            home=Home("COPILOT_HOME", ".copilot"),
            then=f"start `copilot` in a project's folder; `--allow-tool={NAME}` lets it call without asking.",
        ),
        Host(
            name="cursor",
            title="Cursor",
            file=".cursor/mcp.json",
            key=("mcpServers", NAME),
            extra={"type": "stdio"},
            then="open the project in Cursor and turn the server on in its settings.",
            is_tested=False,
        ),
        Host(
            name="vscode",
            title="VS Code",
            file=".vscode/mcp.json",
            key=("servers", NAME),
            extra={"type": "stdio"},
            then="open the project in VS Code and start the server from .vscode/mcp.json.",
            is_tested=False,
        ),
    ]
)

"""The hosts' command lines: how each is called without a person, with the stand-in for its model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["PROGRAMS", "Program"]

MODEL = "stand-in"
KEY = "no-key"


@dataclass(frozen=True, slots=True)
class Program:
    """A host's command line. Nothing here is about this server: that is what `seedproof install` writes."""

    package: str
    """Its name in package.json."""
    command: Callable[[str, str], list[str]]
    """By the stand-in's address and the task."""
    environment: Callable[[str], dict[str, str]]
    files: Callable[[str], Mapping[str, Mapping[str, Any]]] = lambda url: {}
    """Settings below the home."""


def _codex(url: str, task: str) -> list[str]:
    provider = f'{{name="stand-in", base_url="{url}/v1", wire_api="responses", env_key="CODEX_KEY"}}'
    settings = ["model_providers.here=" + provider, "model_provider=here", f"model={MODEL}"]
    return ["codex", "exec", *(part for one in settings for part in ("-c", one)), task]


def _opencode_settings(url: str) -> dict[str, Any]:
    options = {"baseURL": f"{url}/v1", "apiKey": KEY}
    provider = {"npm": "@ai-sdk/openai-compatible", "options": options, "models": {MODEL: {}}}
    return {
        ".config/opencode/opencode.json": {"provider": {"here": provider}, "autoupdate": False, "share": "disabled"}
    }


PROGRAMS: Mapping[str, Program] = {
    "claude-code": Program(
        package="@anthropic-ai/claude-code",
        command=lambda url, task: ["claude", "-p", task],
        environment=lambda url: {
            "ANTHROPIC_BASE_URL": url,
            "ANTHROPIC_API_KEY": KEY,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
            "MCP_CONNECT_TIMEOUT_MS": "60000",  # `-p` goes on without tools that are not there in a few seconds
        },
    ),
    "codex": Program(package="@openai/codex", command=_codex, environment=lambda url: {"CODEX_KEY": KEY}),
    "gemini": Program(
        package="@google/gemini-cli",
        command=lambda url, task: ["gemini", "-m", "gemini-2.5-flash", "-p", task],
        environment=lambda url: {
            "GOOGLE_GEMINI_BASE_URL": url,
            "GEMINI_API_KEY": KEY,
            "GEMINI_CLI_TRUST_WORKSPACE": "true",
        },
        files=lambda url: {
            ".gemini/settings.json": {
                "privacy": {"usageStatisticsEnabled": False},
                "general": {"enableAutoUpdate": False},
                # It ends a session at the fifth equal call in a row, and a confirmation is six of them.
                "model": {"disableLoopDetection": True},
                "security": {"auth": {"selectedType": "gemini-api-key"}},
            }
        },
    ),
    "opencode": Program(
        package="opencode-ai",
        command=lambda url, task: ["opencode", "run", "-m", f"here/{MODEL}", task],
        environment=lambda url: {"OPENCODE_DISABLE_MODELS_FETCH": "1", "OPENCODE_DISABLE_AUTOUPDATE": "1"},
        files=_opencode_settings,
    ),
    "copilot": Program(
        package="@github/copilot",
        command=lambda url, task: ["copilot", "-p", task, "--allow-tool=seedproof"],
        environment=lambda url: {
            "COPILOT_PROVIDER_BASE_URL": f"{url}/v1",
            "COPILOT_PROVIDER_API_KEY": KEY,
            "COPILOT_MODEL": MODEL,
            "COPILOT_OFFLINE": "true",
            "COPILOT_AUTO_UPDATE": "false",
        },
    ),
}

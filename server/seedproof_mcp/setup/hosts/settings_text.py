"""The text of a host's settings with the server in it or without it; decides, and touches no file."""

import json
from typing import Any

from seedproof_mcp.setup.hosts import json_text, toml_text
from seedproof_mcp.setup.hosts.hosts import Approval, Host, Launch

__all__ = [
    "entry_of",
    "is_approved",
    "says_the_same",
    "snippet",
    "with_approval",
    "with_server",
    "without_approval",
    "without_server",
]


def with_server(host: Host, text: str | None, launch: Launch, *, approve: bool) -> str:
    """The settings with this server's entry; what its author added to an older one stays.

    Args:
        text: The settings of today; None or blank where there are none.

    Raises:
        CannotEdit: The settings would lose something, or are not valid.
    """
    entry = host.entry(launch, approve=approve)
    old = entry_of(host, text)
    if isinstance(old, dict):
        if isinstance(old.get("env"), dict) and "env" in entry:
            entry["env"] = {**old["env"], **entry["env"]}
        entry = {**old, **entry}
    if host.form == "toml":
        return toml_text.set_table(text or "", host.key, entry)
    return json_text.set_member(_object(text), host.key, entry)


def without_server(host: Host, text: str) -> str:
    """The settings without this server's entry.

    Raises:
        CannotEdit: The settings would lose something else, or are not valid.
    """
    if not text.strip():
        return text
    return (toml_text.remove_table if host.form == "toml" else json_text.remove_member)(text, host.key)


def with_approval(approval: Approval, text: str | None) -> str:
    """The settings with what approves the server in its lists.

    Raises:
        CannotEdit: As `with_server` does.
    """
    changed = _object(text)
    for path, item in approval.in_lists.items():
        listed = json_text.member(changed, path)
        if item not in (listed or []):
            changed = json_text.set_member(changed, path, [*(listed or []), item])
    return changed


def without_approval(approval: Approval, text: str) -> str:
    """The settings without what approves the server in its lists.

    Raises:
        CannotEdit: As `without_server` does.
    """
    for path, item in approval.in_lists.items() if text.strip() else ():
        listed = json_text.member(text, path) or []
        rest = [one for one in listed if one != item]
        if rest != listed:
            text = json_text.set_member(text, path, rest) if rest else json_text.remove_member(text, path)
    return text


def is_approved(host: Host, text: str | None, lists: str | None) -> bool:
    """Whether the agent may call the tools without being asked.

    Args:
        text: The settings with the server's entry.
        lists: The settings that the approval's lists are in.

    Raises:
        CannotEdit: Settings are not valid.
    """
    approval, entry = host.approval, entry_of(host, text)
    if approval is None or not isinstance(entry, dict):
        return False
    in_entry = all(entry.get(key) == value for key, value in approval.in_entry.items())
    listed = _object(lists)
    return in_entry and all(item in (json_text.member(listed, path) or []) for path, item in approval.in_lists.items())


def snippet(host: Host, launch: Launch, *, approve: bool) -> str:
    """What a person pastes where the settings cannot be changed, with where it goes."""
    entry = host.entry(launch, approve=approve)
    if host.form == "toml":
        table = ".".join(host.key)
        return f"Add this at its end, in place of an older [{table}]:\n\n{toml_text.table_text(host.key, entry)}"
    shown = json.dumps(entry, ensure_ascii=False, indent=2)
    return f'Add this to "{host.key[0]}" in it:\n\n{json.dumps(host.key[1])}: {shown}\n'


def says_the_same(host: Host, text: str, other: str) -> bool:
    """Whether two settings are the same but for their layout, and in JSON for empty objects and lists."""
    if host.form == "toml":  # whose comments say something as well
        return text.strip() == other.strip()
    try:
        first, second = (json.loads(one) if one.strip() else {} for one in (text, other))
    except ValueError:
        return False
    return bool(_pruned(first) == _pruned(second))


def entry_of(host: Host, text: str | None) -> Any:
    """This server's entry in the settings; None where there is none.

    Raises:
        CannotEdit: The settings are not valid.
    """
    if text is None or not text.strip():
        return None
    return (toml_text.table if host.form == "toml" else json_text.member)(text, host.key)


def _object(text: str | None) -> str:
    """The text, or an empty object where there is none."""
    return text if text and text.strip() else "{}\n"


def _pruned(value: Any) -> Any:
    if isinstance(value, dict):
        rest = {key: _pruned(inner) for key, inner in value.items()}
        return {key: inner for key, inner in rest.items() if inner not in ({}, [])}
    return value

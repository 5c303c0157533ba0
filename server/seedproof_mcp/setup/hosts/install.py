"""Enters the server and its skill into a host, or takes them out, and says what was done."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from seedproof_mcp.setup.hosts import settings_text
from seedproof_mcp.setup.hosts.changes import FileChange, backups_of, read_settings
from seedproof_mcp.setup.hosts.hosts import NAME, Host
from seedproof_mcp.setup.hosts.places import find_places, launch_of, packaged_skill
from seedproof_mcp.setup.hosts.skill_files import RECORD, Record, SkillChange, copied, removed
from seedproof_mcp.setup.hosts.untouched import CannotEdit
from seedproof_mcp.system import files

__all__ = ["HostSetup", "Told"]

_DONE = {"remove": "Removed", "write": "Wrote", "change": "Changed"}


@dataclass(slots=True)
class Told:
    """What a person reads."""

    done: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    """What was not done, why, and what to do by hand."""


class HostSetup:
    """One host, in one project."""

    def __init__(self, host: Host, project: Path, environment: Mapping[str, str], *, dry_run: bool) -> None:
        """Find the host's files.

        Raises:
            CannotEdit: The host keeps its settings in the user's folder, and there is none.
        """
        self._host = host
        self._places = find_places(host, project, environment)
        self._launch = launch_of(host, project)
        self._dry_run = dry_run
        self.told = Told()

    def is_approved(self) -> bool:
        """Whether the host lets the agent call the tools without asking, as far as its settings can be read."""
        try:
            lists = read_settings(self._places.lists) if self._places.lists else None
            return settings_text.is_approved(self._host, read_settings(self._places.settings), lists)
        except CannotEdit:
            return False

    def install(self, *, approve: bool) -> None:
        """Enter the server and copy the skill.

        Args:
            approve: Also let the agent call the tools without asking.

        Raises:
            OSError: A file cannot be written.
        """
        host, lists = self._host, self._places.lists
        try:
            text = read_settings(self._places.settings)
            new = settings_text.with_server(host, text, self._launch, approve=approve)
            self._change(self._places.settings, text, new, f"server {NAME}")
        except CannotEdit as why:
            paste = settings_text.snippet(host, self._launch, approve=approve)
            self.told.left.append(f"{self._places.settings} {why}. It was not changed. {paste}")
        if approve and lists and host.approval:
            try:
                text = read_settings(lists)
                self._change(lists, text, settings_text.with_approval(host.approval, text), "approval")
            except CannotEdit as why:
                wanted = settings_text.with_approval(host.approval, None)
                self.told.left.append(f"{lists} {why}. It was not changed. Add to it:\n\n{wanted}")
        self._change_skill(lambda found, record: copied(found, record, packaged_skill(), host.name))

    def uninstall(self) -> None:
        """Take out the server, its approval and the skill, as far as install wrote them.

        Raises:
            OSError: A file cannot be written.
        """
        host, lists = self._host, self._places.lists
        self._take_out(self._places.settings, lambda text: settings_text.without_server(host, text))
        if lists and lists.exists() and host.approval:
            approval = host.approval
            self._take_out(lists, lambda text: settings_text.without_approval(approval, text))
        self._change_skill(lambda found, record: removed(found, record, host.name))

    def _take_out(self, path: Path, without: Callable[[str], str]) -> None:
        """Replace settings by those without the server; by the copy of earlier ones where that says the same."""
        if not os.path.lexists(path):
            self.told.done.append(f"{path} does not exist.")
            return
        try:
            text = read_settings(path) or ""
            new = without(text) if NAME in text else text
        except CannotEdit as why:
            self.told.left.append(f"{path} {why}. It was not changed. Remove {NAME} from it by hand.")
            return
        if new == text:
            self.told.done.append(f"{path} has no {NAME}; nothing was changed.")
            return
        for copy in backups_of(path):
            earlier = copy.read_bytes()
            if settings_text.says_the_same(self._host, earlier.decode(errors="replace"), new):
                self._carry_out(FileChange(path, text.encode(), earlier), "as it was before", keep_copy=False)
                if not self._dry_run:
                    files.remove_file(copy)
                return
        is_empty = settings_text.says_the_same(self._host, new, "")
        self._carry_out(
            FileChange(path, text.encode(), None if is_empty else new.encode()),
            "nothing else was in it" if is_empty else f"without {NAME}",
            keep_copy=not is_empty,
        )

    def _change(self, path: Path, text: str | None, new: str, what: str) -> None:
        if text == new:
            self.told.done.append(f"{path} has this already ({what}); nothing was changed.")
            return
        before = None if text is None else text.encode()
        self._carry_out(FileChange(path, before, new.encode()), what, keep_copy=True)

    def _carry_out(self, change: FileChange, what: str, *, keep_copy: bool) -> None:
        verb = "remove" if change.after is None else "write" if change.before is None else "change"
        if self._dry_run:
            shown = "" if what == "skill" else f"\n{change.diff()}"
            self.told.done.append(f"Would {verb} {change.path} ({what}).{shown}")
            return
        copy = change.carry_out(self._places.tops, keep_copy=keep_copy)
        kept = f"; as it was: {copy.name}" if copy else ""
        self.told.done.append(f"{_DONE[verb]} {change.path} ({what}{kept}).")

    def _change_skill(self, decide: Callable[[Mapping[str, bytes], Record], SkillChange]) -> None:
        folder = self._places.skill
        if folder.is_symlink():
            self.told.done.append(f"{folder} is a link; the skill there was left as it is.")
            return
        found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        earlier = Record.from_bytes(found.pop(RECORD, b""))
        change = decide(found, earlier)
        tops = self._places.tops
        changes = [FileChange(folder / name, found.get(name), data) for name, data in change.write.items()]
        changes += [FileChange(folder / name, found[name], None) for name in change.remove]
        for one in changes:
            self._carry_out(one, "skill", keep_copy=False)
        for name in change.kept:
            self.told.done.append(f"{folder / name} is not as install wrote it; it was left as it is.")
        if not (changes or change.kept):
            words = f"for {', '.join(change.record.hosts)}" if change.record else "none that install wrote"
            self.told.done.append(f"{folder} was left as it is (skill: {words}).")
        if self._dry_run or change.record == earlier:
            return
        if change.record is not None:
            files.make_folder(folder)
            files.write_atomic(folder / RECORD, change.record.to_bytes())
        elif (folder / RECORD).exists():
            FileChange(folder / RECORD, b"", None).carry_out(tops, keep_copy=False)

"""Runs git on the user's repository without hooks, prompts or changes to the user's own state."""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seedproof_mcp.system import spawn

__all__ = ["Git", "GitFailed", "GitNotStarted", "GitOutput", "Repository", "escape_pattern", "find_repository"]

# No hooks, monitors, signatures or garbage collection; file names unquoted, the index in one file.
_CONFIG = (
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.quotePath", "false"),
    ("core.safecrlf", "false"),
    ("core.splitIndex", "false"),
    # A snapshot is complete, even if the user's own checkout is sparse.
    ("core.sparseCheckout", "false"),
    ("core.logAllRefUpdates", "false"),
    ("commit.gpgSign", "false"),
    ("gc.auto", "0"),
    # What a ledger record names is on the disk before the record; in one batch, where the system can.
    ("core.fsync", "loose-object,reference"),
    ("core.fsyncMethod", "batch"),
    ("maintenance.auto", "false"),
    ("i18n.commitEncoding", "UTF-8"),
    ("advice.detachedHead", "false"),
)
# Where the configuration lies and where discovery ends. Any other GIT_… variable could lead git to another repository.
_INHERITED = frozenset(
    {
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_SYSTEM",
        "GIT_CONFIG_NOSYSTEM",
        "GIT_CEILING_DIRECTORIES",
        "GIT_DISCOVERY_ACROSS_FILESYSTEM",
        "GIT_EXEC_PATH",
    }
)


class GitFailed(Exception):
    """git refused, or is not there; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class GitNotStarted(GitFailed):
    """git could not be started, perhaps only this time; what it would have answered is unknown."""


@dataclass(frozen=True, slots=True)
class GitOutput:
    """The result of one git command."""

    out: bytes
    """Its standard output."""
    errors: str
    """Its standard error."""
    code: int
    """Its exit code."""

    def names(self) -> list[str]:
        """The output as NUL-terminated names."""
        return [os.fsdecode(name) for name in self.out.split(b"\0")[:-1]]

    def lines(self) -> list[str]:
        """The output as lines."""
        return os.fsdecode(self.out).split("\n")[:-1]

    def text(self) -> str:
        """The output as one line."""
        return os.fsdecode(self.out).rstrip("\n")


class Git:
    """Runs git in one folder."""

    def __init__(self, folder: Path, index: Path | None = None) -> None:
        """Choose where git runs.

        Args:
            folder: Its working folder, from which it finds the repository.
            index: A file to use in place of the user's index.
        """
        self._folder = folder
        self._index = index

    def __call__(
        self,
        *arguments: str,
        stdin: bytes = b"",
        allowed: Sequence[int] = (0,),
        env: Mapping[str, str] | None = None,
    ) -> GitOutput:
        """Run one git command to its end.

        Raises:
            GitFailed: It ended with a code that is not allowed, or there is no git.
        """
        output = self._run(arguments, stdin, {**self._environment(), **(env or {})})
        if output.code not in allowed:
            raise GitFailed(_first_error(output.errors) or f"git {arguments[0]} ended with {output.code}")
        return output

    def _run(self, arguments: Sequence[str], stdin: bytes, env: Mapping[str, str]) -> GitOutput:
        config = [word for name, value in _CONFIG for word in ("-c", f"{name}={value}")]
        try:
            process = spawn.start(
                ["git", *config, *arguments],
                cwd=self._folder,
                env=env,
                stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
            raise GitNotStarted(f"git cannot be started ({error.strerror})") from error
        out, errors = process.communicate(stdin or None)
        return GitOutput(out, errors.decode(errors="replace"), process.returncode)

    def _environment(self) -> dict[str, str]:
        env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name in _INHERITED}
        env |= {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_PAGER": "cat"}
        # A replace ref would give a snapshot other content under the same name.
        env["GIT_NO_REPLACE_OBJECTS"] = "1"
        # LANGUAGE would win over LC_ALL.
        env.pop("LANGUAGE", None)
        if self._index is not None:
            env["GIT_INDEX_FILE"] = str(self._index)
        return env


@dataclass(frozen=True, slots=True)
class Repository:
    """The git repository that a project lies in."""

    top: Path
    """Its working tree."""
    prefix: str
    """The project's folder in it: empty, or a path that ends in /."""
    folder: Path
    """Git's own folder of this working tree."""

    def git(self, index: Path | None = None) -> Git:
        """git at the top of the working tree."""
        return Git(self.top, index)


def escape_pattern(path: str) -> str:
    """A pattern for git that matches this path and no other."""
    return re.sub(r"([*?\[\\ ])", r"\\\1", path)


def find_repository(root: Path) -> Repository | None:
    """The repository that tracks a project; None if there is none, or no git.

    A repository around the project that tracks none of its files, such as one for a whole home folder, does not count.

    Raises:
        GitFailed: There is one, and git refuses to read it.
    """
    if not any(os.path.lexists(folder / ".git") for folder in (root.resolve(), *root.resolve().parents)):
        return None  # without git, which takes as long as the rest of a call
    git = Git(root)
    try:
        lines = git("rev-parse", "--is-inside-work-tree", "--absolute-git-dir", "--show-prefix").lines()
        if len(lines) > 3:  # a folder has a line break in its name
            asked = ("--is-inside-work-tree", "--absolute-git-dir", "--show-prefix")
            lines = [git("rev-parse", one).text() for one in asked]
    except GitNotStarted as failure:
        # A git that is there and may not be started must not count as none: the code of an arm would not be kept.
        if isinstance(failure.__cause__, PermissionError):
            raise
        return None
    except GitFailed as failure:
        if "not a git repository (or any" not in failure.reason:
            raise
        return None
    inside, folder, prefix = [*lines, "", ""][:3]
    if inside != "true":
        return None
    if prefix and not git("ls-files", "-z", "--", ".").out:
        return None
    top = root.resolve()
    for _ in Path(prefix).parts:
        top = top.parent
    return Repository(top, prefix, Path(folder))


def _first_error(errors: str) -> str:
    """The first error of git's output; a warning or advice only if there is no error."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    complaints = [line for line in lines if line.startswith(("error:", "fatal:"))]
    first = (complaints or lines or [""])[0]
    return first.removeprefix("error: ").removeprefix("fatal: ").rstrip(".")

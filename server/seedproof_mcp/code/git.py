"""Runs git on the user's repository so that nothing of the user's is run, changed or asked for."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from seedproof_mcp.system import spawn

__all__ = ["Git", "GitFailed", "GitNotStarted", "GitSaid", "Repository", "find_repository"]

# No hook, no monitor, no signature, no garbage collection of the user's; names as they are, one index in one file.
_CONFIG = (
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.quotePath", "false"),
    ("core.safecrlf", "false"),
    ("core.splitIndex", "false"),
    # A snapshot is complete, also where the user's own checkout shows a part of the repository only.
    ("core.sparseCheckout", "false"),
    ("core.logAllRefUpdates", "false"),
    ("commit.gpgSign", "false"),
    ("gc.auto", "0"),
    # What a record of the ledger names is on the disk before it; in one go, where the system can.
    ("core.fsync", "loose-object,reference"),
    ("core.fsyncMethod", "batch"),
    ("maintenance.auto", "false"),
    ("i18n.commitEncoding", "UTF-8"),
    ("advice.detachedHead", "false"),
)
# Where the user's configuration lies and where discovery ends; every other GIT_… variable would change what git means.
_KEPT = frozenset(
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
    """git refused, or is not there; `words` is what it said."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


class GitNotStarted(GitFailed):
    """git may not be started, just now perhaps: nothing is known of what it would have said."""


@dataclass(frozen=True, slots=True)
class GitSaid:
    """What one call of git brought."""

    out: bytes
    """Its output."""
    errors: str
    """What it wrote beside it."""
    code: int
    """Its exit code."""

    def names(self) -> list[str]:
        """The output as names that end in NUL each."""
        return [os.fsdecode(name) for name in self.out.split(b"\0")[:-1]]

    def lines(self) -> list[str]:
        """The output as lines."""
        return os.fsdecode(self.out).split("\n")[:-1]

    def text(self) -> str:
        """The output as one word or line."""
        return os.fsdecode(self.out).rstrip("\n")


class Git:
    """git in one folder."""

    def __init__(self, folder: Path, index: Path | None = None) -> None:
        """Choose where git works.

        Args:
            folder: Where it is called; it finds the repository from there.
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
    ) -> GitSaid:
        """Run one git command to its end.

        Raises:
            GitFailed: It ended with a code that is not allowed, or there is no git.
        """
        said = self._run(arguments, stdin, {**self._environment(), **(env or {})})
        if said.code not in allowed:
            raise GitFailed(_first_words(said.errors) or f"git {arguments[0]} ended with {said.code}")
        return said

    def _run(self, arguments: Sequence[str], stdin: bytes, env: Mapping[str, str]) -> GitSaid:
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
        return GitSaid(out, errors.decode(errors="replace"), process.returncode)

    def _environment(self) -> dict[str, str]:
        env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name in _KEPT}
        env |= {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_PAGER": "cat"}
        # A shell that names a language would be heard before LC_ALL.
        env.pop("LANGUAGE", None)
        if self._index is not None:
            env["GIT_INDEX_FILE"] = str(self._index)
        return env


@dataclass(frozen=True, slots=True)
class Repository:
    """The repository that a project lies in."""

    top: Path
    """Its working tree."""
    prefix: str
    """The project's folder in it: empty, or a path that ends in /."""
    folder: Path
    """Git's own folder of this working tree."""

    def git(self, index: Path | None = None) -> Git:
        """Git at the top of the working tree."""
        return Git(self.top, index)


def find_repository(root: Path) -> Repository | None:
    """The repository that keeps a project; None if there is none, or no git.

    A repository around the project that tracks nothing of it, such as one for a whole home folder, is none of it.

    Raises:
        GitFailed: There is one, and git refuses to read it.
    """
    if not any(os.path.lexists(folder / ".git") for folder in (root.resolve(), *root.resolve().parents)):
        return None  # git would say so too, in the time that a whole call may take
    git = Git(root)
    try:
        words = git("rev-parse", "--is-inside-work-tree", "--absolute-git-dir", "--show-prefix").lines()
        if len(words) > 3:  # a folder has a line break in its name
            asked = ("--is-inside-work-tree", "--absolute-git-dir", "--show-prefix")
            words = [git("rev-parse", one).text() for one in asked]
    except GitFailed as failure:
        if _is_absence(failure):
            return None
        raise
    inside, folder, prefix = [*words, "", ""][:3]
    if inside != "true":
        return None
    if prefix and not git("ls-files", "-z", "--", ".").out:
        return None
    top = root.resolve()
    for _ in Path(prefix).parts:
        top = top.parent
    return Repository(top, prefix, Path(folder))


def _is_absence(failure: GitFailed) -> bool:
    # One that is there and may not be started must not count as none: the code of an arm would not be kept.
    if isinstance(failure, GitNotStarted):
        return not isinstance(failure.__cause__, PermissionError)
    return "not a git repository (or any" in failure.words


def _first_words(errors: str) -> str:
    """The first thing that git complains of; warnings and advice only where there is nothing else."""
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    complaints = [line for line in lines if line.startswith(("error:", "fatal:"))]
    words = (complaints or lines or [""])[0]
    return words.removeprefix("error: ").removeprefix("fatal: ").rstrip(".")

"""The text of a change as it leaves the machine: what `git apply` can take, without files that look like secrets."""

import re
from collections.abc import Iterator

from seedproof.model.untrusted import escape_hidden, one_line

__all__ = ["MOST_BYTES", "MOST_SHOWN", "left_out", "publish_diff", "shown_diff"]

MOST_BYTES = 1_000_000
"""A longer text is data; it is not published."""
MOST_SHOWN = 60
"""Lines of a diff that a report shows."""

_SECTION = "diff --git "
_LEFT_OUT = "Left out: "
_NAMES = re.compile(
    r"(?i)(^|/)(\.env(\..*)?|\.netrc|\.npmrc|\.pypirc|id_(rsa|dsa|ecdsa|ed25519)|[^/]*(secret|credential|password)[^/]*"
    r"|[^/]*\.(pem|key|p12|pfx|keystore|env))$"
)
# Keys by their form, and literals that are called a key or a password. `token` alone is a word of every language model.
_TEXTS = re.compile(
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----|\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,}"
    r"|(?<![A-Za-z0-9])(?:sk-[A-Za-z0-9_-]{20,}|(?:hf|gh[pousr]|npm)_[A-Za-z0-9]{20,}|github_pat_\w{20,}"
    r"|(?:glpat|xox[a-z])-[A-Za-z0-9-]{16,}|A(?:KIA|SIA)[A-Z0-9]{16}|AIza[\w-]{30,})"
    r"|(?i:(?:password|passwd|passphrase|secret|(?:api|access|private|auth)_?key|auth_?token))[\"']?\s{0,4}[:=]\s{0,4}"
    r"(?:\"[^\"\s{}]{8,}\"|'[^'\s{}]{8,}')"
)


def publish_diff(stored: str) -> str | None:
    """The text to publish of a stored diff; None where nothing of it can be, and where it is too long.

    Names of files that were left out come first: `git apply` reads from the first section on.
    """
    kept, out = [], []
    for path, text in _sections(stored):
        why = None
        if re.search(r"(?m)^(Binary files .* differ|GIT binary patch)$", text):
            why = "not text"
        elif _NAMES.search(path) or _TEXTS.search(text):
            why = "looks like a secret"
        if why is None:
            kept.append(text)
        else:
            out.append(f"{_LEFT_OUT}{one_line(path)} ({why})\n")
    text = "".join([*out, *kept])
    return text if kept and len(text.encode("utf-8", "surrogateescape")) <= MOST_BYTES else None


def _sections(stored: str) -> Iterator[tuple[str, str]]:
    """Path and text of each file's part; in a hunk no line begins like the head of a part."""
    lines = stored.split("\n")
    starts = [number for number, line in enumerate(lines) if line.startswith(_SECTION)]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=False):
        names = lines[start].removeprefix(_SECTION)
        # Both names are the same, as renames are not looked for: `a/x b/x`, in quotes where x is odd.
        path = names[: (len(names) - 1) // 2].strip('"').removeprefix("a/")
        text = "\n".join(lines[start:end])
        yield path, text if text.endswith("\n") else f"{text}\n"


def left_out(published: str) -> list[str]:
    """The files that a published diff leaves out, each with why."""
    head = published.partition(_SECTION)[0]
    return [line.removeprefix(_LEFT_OUT) for line in head.splitlines() if line.startswith(_LEFT_OUT)]


def shown_diff(published: str) -> list[str]:
    """A published diff as lines of Markdown; empty where it has too many."""
    lines = [line for line in published.removesuffix("\n").split("\n") if not line.startswith(_LEFT_OUT)]
    if len(lines) > MOST_SHOWN:
        return []
    ticks = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, ticks + 1)
    return [f"{fence}diff", *(escape_hidden(line) for line in lines), fence]

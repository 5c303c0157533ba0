"""The section of an experiment's report on its code and controls, and the text of a change as it is published."""

import re
from collections.abc import Iterable, Iterator

from seedproof.model.arms import Arm, Baseline
from seedproof.model.code import Code
from seedproof.model.runs import Run
from seedproof.model.untrusted import escape_hidden, one_line
from seedproof.notices.control import control_sentence
from seedproof.phases.control import CONFIDENCE, control_look, decide, half_width_sigmas, is_moved, unseen_share
from seedproof.report.inputs import control_line, read_by_runs

__all__ = ["MOST_BYTES", "MOST_SHOWN", "code_lines", "identity", "left_out", "publish_diff", "shown_diff"]


_MOST_FILES = 40


def code_lines(baseline: Baseline, arm: Arm, controls: Iterable[Run], diff: str | None, stem: str) -> list[str]:
    """The section of an experiment's report on its code: identity, what changed, and every control run.

    Args:
        controls: Every control run, this experiment's or not, of this generation or not, in the order of requests.
        diff: The published text of the change; None where there is none.
        stem: Name of the report's file without its ending.
    """
    if arm.code is None:
        return ["- The code of these runs was not recorded."]
    lines = [f"- Code of the experiment: {identity(arm.code)}"]
    if baseline.arm.code is None:
        lines.append("- The code of the baseline was not recorded, so what differs is not known.")
    elif arm.change is not None or not is_moved(baseline.arm, arm):
        lines += _change_lines(baseline, arm, diff, stem)
    else:
        lines.append("- It is not the baseline's; what differs cannot be told, as the baseline's was not kept here.")
    lines += [f"- {line}" for line in control_line(baseline, arm)]
    if arm.code_change:
        lines.append("- The change of code is what the experiment declares, so no control can be asked for.")
    lines += _control_lines(baseline, arm, controls)
    shown = [] if diff is None else shown_diff(diff)
    return [*lines, "", *shown] if shown else lines


def identity(code: Code) -> str:
    """How reports name a code: the beginning of its hash, and how it is kept."""
    how = f"snapshot {code.snapshot[:12]}" if code.snapshot else "held in place"
    return f"`{code.sha256[:12]}` ({how})"


def _change_lines(baseline: Baseline, arm: Arm, diff: str | None, stem: str) -> list[str]:
    """Every file that differs, those that runs read first, and how to apply the change to another copy."""
    change = arm.change
    if change is None:
        return ["- No file that can change a run differs between them."]
    lines, read = [f"- Files that differ: {len(change.files)}"], read_by_runs(baseline, arm)
    for file in sorted(change.files, key=lambda one: read is not None and one.path not in read)[:_MOST_FILES]:
        by = "" if read is None else ", read by runs" if file.path in read else ", read by no run"
        lines.append(f"  - `{escape_hidden(file.path)}` ({file.counts}){by}")
    if len(change.files) > _MOST_FILES:
        lines.append(f"  - and {len(change.files) - _MOST_FILES} more, all of them in `{stem}.json`")
    if diff is not None:
        lines.append(f"- In a clone at the baseline's code: `git apply docs/research/{stem}.diff`")
        lines += [f"- Not in it: {one_line(one)}" for one in left_out(diff)]
    elif change.diff_sha256 is not None:
        kept = f"SHA-256 `{change.diff_sha256[:12]}…`"
        lines.append(f"- The text of the change is not beside this report: longer than 1 MB, or not kept here; {kept}")
    return lines


def _control_lines(baseline: Baseline, arm: Arm, controls: Iterable[Run]) -> list[str]:
    name = baseline.rules.metric.name
    lines = []
    control = control_look(baseline, arm)
    if control.state in ("passed", "failed"):
        sentence = control_sentence(control, baseline)
        lines.append(f"- {sentence[0].upper()}{sentence[1:]}")
    if control.state == "passed" and control.half_width:
        lines.append(_what_a_control_sees(len(baseline.values), baseline.rules.winner_sigma))
    for run in controls:
        value = run.metrics[name].text if name in run.metrics else "no value"
        code = run.surroundings.get("code_sha256") or ""
        of = f" on code `{code[:12]}`" if code else ""
        agrees = ""
        if run.generation == baseline.generation and run.state.is_counted:
            agrees = "; agrees" if decide(baseline, run).state == "passed" else "; does not agree"
        lines.append(f"- Control run `{run.run_id}`: {run.state}, {name} {value}{of}{agrees}")
    return lines


def _what_a_control_sees(n: int, winner_sigma: float) -> str:
    """How often a control beside `n` baseline seeds lets a change pass that is as large as a verdict, or larger."""
    large = 2.5 * winner_sigma
    return (
        f"- What such a control can see: {half_width_sigmas(n):.2f} sigma to either side pass. "
        f"A change that alone moves every result by {winner_sigma:g} true sigma passes in "
        f"{100 * unseen_share(winner_sigma, n):.0f} % of cases, by {large:g} in {100 * unseen_share(large, n):.0f} %; "
        f"one without any effect is turned away in {100 * (1 - CONFIDENCE):.0f} %."
    )


# --- the text of a change: what `git apply` can take, without files that look like secrets ------

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

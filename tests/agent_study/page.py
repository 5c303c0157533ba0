"""Renders a recorded study as docs/agents.md."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence

from tests.agent_study.recording import Recording, Reply
from tests.support.places import ROOT

__all__ = ["PAGE", "text"]

PAGE = ROOT / "docs/agents.md"
STRUCTURE_BYTES, TEXT_BYTES = 12_000, 8_000  # tests/server/surface/test_replies.py holds replies to them
# Bytes and tokens of the same study, one call for each seed, at c3868cf; and the tokens first measured there.
LONGER = ((16_776, 5_454), (5_839, 1_839))
FIRST_MEASURED = (5_985, 1_965)
_WIDTH = 118

_TOP = """\
# What an agent sees

A recorded study: every call of an agent, what came back, and what that costs in bytes and tokens.
`make agent-study` records it again and writes this page, in a few seconds.

The server, its guards, the ledger and the statistics are the real ones.
The training is a stand-in that prints a value at once and counts as 60 s, so that the replies are the same each time.
Hashes and drawn folder names are replaced by others of the same length, for the same reason.

A reply has a structure and a text, which say the same.
Most hosts show their model one of the two; [hosts.md](hosts.md) says which.
Bytes are exact: JSON without spaces, and UTF-8.
Tokens are those of `o200k_base`, a public encoding; other models count differently.
What a host puts around calls and replies is not counted.
"""


class _Tokens:
    """Numbers of tokens, counted for all texts at once."""

    def __init__(self, texts: Sequence[str], count: Callable[[Sequence[str]], Sequence[int]]) -> None:
        self._found = dict(zip(texts, count(texts), strict=True))

    def of(self, *texts: str) -> str:
        return _said(sum(self._found[one] for one in texts))


def text(recording: Recording, count: Callable[[Sequence[str]], Sequence[int]]) -> str:
    """The page.

    Args:
        count: Returns the number of tokens of each text.
    """
    tokens = _Tokens([*_texts(recording)], count)
    parts = [_TOP, *_first(recording.first, tokens), *_study(recording, tokens), *_cost(recording, tokens)]
    return "\n".join([*parts, *_waiting(recording, tokens), *_trouble(recording, tokens)]) + "\n"


def _texts(recording: Recording) -> Iterator[str]:
    yield from recording.first.values()
    for replies in (recording.by_arm, recording.by_seed, recording.waiting, recording.refusals, recording.lost_context):
        for reply in replies:
            yield from (reply.structure, reply.whole_text)


def _first(first: Mapping[str, str], tokens: _Tokens) -> Iterator[str]:
    yield "## Before the first call\n"
    rows = ([what, _bytes(words), tokens.of(words)] for what, words in first.items())
    yield from _table(("What is read", "Bytes", "Tokens"), rows)
    yield ""


def _study(recording: Recording, tokens: _Tokens) -> Iterator[str]:
    yield "## The study\n"
    yield "Five baseline runs, an experiment of three, and its confirmation of six: 14 trainings, with one call an arm."
    yield '`until="verdict"` queues what is due and answers when the arm can be judged.'
    yield "Replies are shown as text, without the line of all numbers, the ledger head and the second text.\n"
    yield from _shown(recording.by_arm)
    yield from _costs(recording.by_arm, tokens)
    one = recording.by_arm[1]
    yield f"\nReply 2 in full, as structure:\n\n```text\n{json.dumps(json.loads(one.structure), indent=1)}\n```"
    yield f"\nAnd as text:\n\n```text\n{one.whole_text}\n```\n"


def _cost(recording: Recording, tokens: _Tokens) -> Iterator[str]:
    yield "## What a study costs\n"
    yield "All replies of the study together, without the calls themselves:\n"
    rows = [[f"One call for each arm ({len(recording.by_arm)} calls)", *_sums(recording.by_arm, tokens)]]
    rows += [[f"One call for each seed ({len(recording.by_seed)} calls)", *_sums(recording.by_seed, tokens)]]
    rows += [["Budget, which a test holds", f"{STRUCTURE_BYTES:,}", "", f"{TEXT_BYTES:,}", ""]]
    longer = [cell for size, counted in LONGER for cell in (f"{size:,}", _said(counted))]
    rows += [["Before replies were shortened, one call for each seed", *longer]]
    measured = [cell for counted in FIRST_MEASURED for cell in ("", _said(counted))]
    rows += [["Before, as measured then on a study of the same shape", *measured]]
    yield from _table(("", "Structure", "Tokens", "Text", "Tokens"), rows)
    yield ""
    yield "The rows of before are constants: that version is not run again."
    yield "Its text left out most of what the structure said; now both are complete.\n"
    by_arm, by_seed = _changes(recording.by_arm), _changes(recording.by_seed)
    yield f"Bytes of structure with one call for each seed: {by_seed[0]}; with one call for each arm: {by_arm[0]}."
    yield f"Bytes of text with one call for each seed: {by_seed[1]}; with one call for each arm: {by_arm[1]}.\n"


def _changes(replies: Sequence[Reply]) -> list[str]:
    """The change since before in percent, of the bytes of structures and of texts."""
    sizes = [sum(len(one.encode()) for one in texts) for texts in _channels(replies)]
    return [f"{100 * (size / before - 1):+.0f} %" for size, (before, _) in zip(sizes, LONGER, strict=True)]


def _waiting(recording: Recording, tokens: _Tokens) -> Iterator[str]:
    yield "## Waiting\n"
    yield "Where an arm takes longer than a call waits, one such reply comes for each wait."
    yield "[hosts.md](hosts.md#how-long-a-call-waits) says how long that is.\n"
    yield from _shown(recording.waiting)
    yield from _costs(recording.waiting, tokens)
    yield ""


def _trouble(recording: Recording, tokens: _Tokens) -> Iterator[str]:
    yield "## Refusals\n"
    yield "A verdict too early, an option and its value in one string, and a list in a string:\n"
    yield from _shown(recording.refusals)
    yield from _costs(recording.refusals, tokens)
    yield "\n## Lost context\n"
    yield "What a model reads that remembers nothing of the study:\n"
    yield from _shown(recording.lost_context)
    yield from _costs(recording.lost_context, tokens)


def _shown(replies: Sequence[Reply]) -> Iterator[str]:
    """Calls and replies in short."""
    yield "```text"
    for number, reply in enumerate(replies, 1):
        yield from ([""] if number > 1 else [])
        yield f"{number} > {reply.call}"
        for line in reply.text.splitlines():
            if not line.startswith(("headline ", "Ledger: ", "Next brings: ")):
                yield f"    {line if len(line) <= _WIDTH else line[: _WIDTH - 2] + ' …'}"
    yield "```\n"


def _costs(replies: Sequence[Reply], tokens: _Tokens) -> Iterator[str]:
    rows = [
        [f"{number} `{reply.call.partition('(')[0]}`", *_sums([reply], tokens)]
        for number, reply in enumerate(replies, 1)
    ]
    if len(replies) > 1:
        rows.append(["Together", *_sums(replies, tokens)])
    yield from _table(("Reply", "Structure", "Tokens", "Text", "Tokens"), rows)


def _sums(replies: Sequence[Reply], tokens: _Tokens) -> list[str]:
    """Bytes and tokens of the structures, then of the texts."""
    return [cell for texts in _channels(replies) for cell in (_bytes(*texts), tokens.of(*texts))]


def _channels(replies: Sequence[Reply]) -> tuple[list[str], list[str]]:
    return [one.structure for one in replies], [one.whole_text for one in replies]


def _bytes(*texts: str) -> str:
    return f"{sum(len(one.encode()) for one in texts):,}"


def _said(tokens: int) -> str:
    return f"{tokens:,} tokens"


def _table(head: Sequence[str], rows: Iterator[list[str]] | list[list[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"| --- |{' ---: |' * (len(head) - 1)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"

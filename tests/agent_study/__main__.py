"""Writes docs/agents.md."""

import anyio

from tests.agent_study.page import PAGE, text
from tests.agent_study.recording import record
from tests.agent_study.tokens import count_tokens

PAGE.write_text(text(anyio.run(record), count_tokens), encoding="utf-8")
print(f"wrote {PAGE.relative_to(PAGE.parents[1])}")

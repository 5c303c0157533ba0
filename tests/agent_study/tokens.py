"""Counts tokens by the encoding o200k_base."""

import json
import subprocess
from collections.abc import Sequence

from tests.support.places import ROOT

__all__ = ["INSTALLED", "count_tokens"]

INSTALLED = ROOT / "tests/conformance/node_modules"
"""Where `make conformance-env` installs the tokenizer, and the Node.js that runs it."""
_PATIENCE_S = 60


def count_tokens(texts: Sequence[str]) -> list[int]:
    """The number of tokens of each text."""
    command = [INSTALLED / ".bin/node", ROOT / "tests/agent_study/count.cjs"]
    done = subprocess.run(
        command, input=json.dumps(texts), capture_output=True, text=True, check=True, timeout=_PATIENCE_S
    )
    counted: list[int] = json.loads(done.stdout)
    return counted

"""Processes that may do no more than the modes of files say, also where the tests run as root."""

import ctypes
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

__all__ = ["run_as_anybody"]

_PR_CAPBSET_DROP = 24  # linux/prctl.h
_PASSES_BY_MODES = (1, 2)  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH of linux/capability.h


def _drop() -> None:
    """In a process that is about to start a program: root's programs have no power that is not in this set."""
    for power in _PASSES_BY_MODES:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_CAPBSET_DROP, power, 0, 0, 0)


def _run(argv: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    before = _drop if os.geteuid() == 0 and sys.platform == "linux" else None
    return subprocess.run(argv, capture_output=True, text=True, preexec_fn=before, check=False)


def run_as_anybody(argv: Sequence[str], tmp_path: Path) -> "subprocess.CompletedProcess[str]":
    """Run a program that no folder without permissions lets in; the test is skipped where there is no such process."""
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0)
    try:
        if _run(["ls", str(closed)]).returncode == 0:
            pytest.skip("root cannot give up its powers here")
    finally:
        closed.rmdir()
    return _run(argv)

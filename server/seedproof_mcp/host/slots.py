"""The slots of a machine, on which runs train at the same time: as the settings name them, or one for each GPU."""

import csv
import difflib
import functools
import json
import math
import os
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from seedproof.model.refusals import BadSettings

from seedproof_mcp.system import spawn

__all__ = ["SLOT_NAME", "Gpu", "NamedSlot", "read_slots", "visible_slots"]

SLOT_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$"
MOST_SLOTS = 64
_KEYS = ("name", "env")
# What Seedproof, an interpreter or a loader sets or reads: it decides what is run, and not where.
_PROTECTED_PREFIXES = ("SEEDPROOF_", "PYTHON", "LD_", "DYLD_", "UV_")
_PROTECTED = frozenset({"PATH", "HOME", "VIRTUAL_ENV", "CUBLAS_WORKSPACE_CONFIG", "NVIDIA_TF32_OVERRIDE"})
# Without persistence mode, nvidia-smi first wakes every GPU, which takes half a minute on large machines.
_ASK_S = 60.0
# For so long a program that gave no answer counts as silent: one call asks for the slots several times.
_SILENT_S = 10.0
_silent_at_s: dict[tuple[tuple[str, ...], str | None], float] = {}
# Exit codes that tell of no GPU. nvidia-smi(1): none found, no driver loaded, no library; 127 is the loader's own.
# Those of rocm-smi mean nothing certain.
_NONE_THERE = {"nvidia-smi": (6, 9, 12, 127)}
# What to do about a program that is slow.
_QUICKER = {"nvidia-smi": "turn on persistence mode (nvidia-smi -pm 1), or "}


@dataclass(frozen=True, slots=True)
class NamedSlot:
    """One of the slots that runs of a project may take at the same time."""

    name: str
    """The name of its lock, which all projects of one user share."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Variables of the trainings that take it, such as the device that they see."""


def read_slots(written: object) -> tuple[NamedSlot, ...]:
    """The slots that a file of settings names.

    Raises:
        ValueError: What is wrong with them, phrased to follow the name of the setting.
    """
    if not isinstance(written, list):
        raise ValueError('allowed is "auto", or a list of tables such as {name = "gpu0", env = {…}}')
    if not written:
        raise ValueError("the list is empty; name at least one slot, or leave the setting out")
    if len(written) > MOST_SLOTS:
        raise ValueError(f"{len(written)} slots are named; at most {MOST_SLOTS} are allowed")
    found = tuple(_read_slot(number, one) for number, one in enumerate(written, 1))
    names = [slot.name for slot in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f'two slots are named "{twice}"; each needs a name of its own')
    return found


def _read_slot(number: int, written: object) -> NamedSlot:
    if not isinstance(written, dict):
        raise ValueError(f'slot {number} is no table such as {{name = "gpu0", env = {{…}}}}')
    for key in written:
        if key not in _KEYS:
            close = difflib.get_close_matches(key, _KEYS, 1)
            meant = f"did you mean {close[0]}?" if close else "allowed are name and env"
            raise ValueError(f"slot {number} has a key {key!r:.60} that is not known ({meant})")
    name, env = written.get("name"), written.get("env", {})
    if not isinstance(name, str) or not re.fullmatch(SLOT_NAME, name):
        what = "has no name" if name is None else f"is named {name!r:.60}"
        raise ValueError(f"slot {number} {what}; allowed are 1 to 32 letters, digits, _ and -")
    if not isinstance(env, dict) or not all(isinstance(value, str) for value in env.values()):
        raise ValueError(f'env of slot {name} is no table of texts such as {{CUDA_VISIBLE_DEVICES = "0"}}')
    for variable in env:
        _require_free(name, variable)
    return NamedSlot(name, env)


def _require_free(slot: str, variable: str) -> None:
    from seedproof.verdict.place import THREAD_VARIABLES  # here, as each server reads settings when it starts

    if variable.startswith(_PROTECTED_PREFIXES) or variable in (*_PROTECTED, *THREAD_VARIABLES):
        raise ValueError(
            f"env of slot {slot} sets {variable}, which decides how a training computes and not where; "
            "set it for all runs in [settings.env], or leave it out"
        )


# --- found on this machine ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU as its driver's program lists it."""

    index: str
    """Its number, by which a training is told to use it alone."""
    name: str
    """Its model."""
    names: tuple[str, ...] = ()
    """What else the variable that chooses devices may call it."""


def visible_slots(env: Mapping[str, str]) -> tuple[NamedSlot, ...]:
    """One slot for each GPU that a training with this environment would see; one for the machine without any.

    Raises:
        BadSettings: The variable that chooses devices names one that the driver's program does not list, or that
            program cannot tell which GPUs there are.
    """
    for list_gpus, variables, more in (
        (_nvidia, ("CUDA_VISIBLE_DEVICES",), {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}),
        (_amd, ("HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"), {}),
    ):
        gpus = list_gpus()
        chosen = next((name for name in variables if name in env), variables[0])
        seen = gpus if chosen not in env else _chosen(gpus, env[chosen], chosen) if gpus else []
        if seen:
            return tuple(NamedSlot(f"gpu{gpu.index}", {**more, chosen: gpu.index}) for gpu in seen)
    return (NamedSlot("default"),)


def _chosen(gpus: Sequence[Gpu], value: str, variable: str) -> list[Gpu]:
    found = []
    for word in (one.strip() for one in value.split(",")):
        if word in ("", "-1", "NoDevFiles"):  # what stands behind these is not seen
            break
        # A UUID may be cut short, as long as it is of one GPU alone.
        like = [one for one in gpus if word == one.index or any(name.startswith(word) for name in one.names)]
        if len(like) != 1:
            raise BadSettings(
                f'settings.slots = "auto": {variable} is {value!r:.80}, and the driver lists no single GPU '
                f"{word!r:.40}; name the slots yourself."
            )
        found += like
    return found


def _nvidia() -> list[Gpu]:
    said = _said("nvidia-smi", "--query-gpu=index,uuid,name", "--format=csv,noheader")
    rows = [[cell.strip() for cell in row] for row in csv.reader(said.splitlines())]
    return [Gpu(row[0], row[2], (row[1],)) for row in rows if len(row) == 3 and row[0].isdigit()]


def _amd() -> list[Gpu]:
    try:
        said = json.loads(_said("rocm-smi", "--showproductname", "--json") or "{}")
    except (ValueError, RecursionError):
        return []
    cards = {name: one for name, one in said.items() if isinstance(one, dict)} if isinstance(said, dict) else {}
    found = [(re.fullmatch(r"card(\d+)", name), one) for name, one in cards.items()]
    return [Gpu(match[1], _model(one)) for match, one in found if match]


def _model(card: Mapping[str, Any]) -> str:
    known = (card.get(name) for name in ("Card Series", "Card series", "Card Model", "Card model", "Device Name"))
    return next((str(one) for one in known if one), "")


@functools.lru_cache(maxsize=4)
def _said_by(command: tuple[str, ...], path: str | None) -> str:
    """What it prints, remembered; a refusal is not, as a program that is late tells of its GPUs the next time.

    Raises:
        BadSettings: It cannot tell which GPUs there are.
    """
    name, asked_s = command[0], time.monotonic()
    late = _unknown(f"{name} gave no answer in {_ASK_S:g} s", _QUICKER.get(name, ""))
    if asked_s - _silent_at_s.get((command, path), -math.inf) < _SILENT_S:
        raise late
    try:
        process = spawn.start(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except OSError:
        return ""
    try:
        said, _ = process.communicate(timeout=_ASK_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        _silent_at_s[command, path] = time.monotonic()
        raise late from None
    code = process.returncode
    if code != 0 and code not in _NONE_THERE.get(name, (code,)):
        raise _unknown(f"{name} failed with exit code {code}", "mend that, or ")
    return os.fsdecode(said) if code == 0 else ""


def _unknown(why: str, remedy: str) -> BadSettings:
    says = f"{why}, so it is not known which GPUs there are; {remedy}name the slots yourself."
    return BadSettings(f'settings.slots = "auto": {says}')


def _said(*command: str) -> str:
    """What a program of a driver prints; empty where there is none, or no GPU. Devices do not come and go."""
    return _said_by(command, os.environ.get("PATH"))

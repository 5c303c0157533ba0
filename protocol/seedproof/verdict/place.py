"""The place of a run: where and with what it was trained, read from its recorded surroundings and environment."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from seedproof.model.arms import Arm
from seedproof.model.results import DifferenceKind
from seedproof.model.runs import Run

__all__ = [
    "DEVICE_VARIABLES",
    "THREAD_VARIABLES",
    "Part",
    "Place",
    "SLOT_VARIABLES",
    "make_place",
    "place_of",
    "runs_of_verdict",
    "several_at_once",
    "start_differences",
    "value_of",
]

# Variables that choose a device or how it computes.
DEVICE_VARIABLES = (
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_DEVICE_ORDER",
    "CUDA_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "NVIDIA_TF32_OVERRIDE",
    "ROCR_VISIBLE_DEVICES",
)


# Variables by which a slot chooses where a run is trained: they differ from slot to slot, and change no value.
SLOT_VARIABLES = (
    "CUDA_DEVICE_ORDER",
    "CUDA_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "MASTER_PORT",
    "ROCR_VISIBLE_DEVICES",
)


# Variables that set the number of threads, which changes the order of sums and the wall time.
THREAD_VARIABLES = (
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


Part = Mapping[str, str]
"""One part of a place: values by name."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where and with what a run was trained. A part is None where it was not recorded."""

    packages: Part | None
    """Versions by name; the interpreter's comes first."""
    device: Part | None
    """The GPUs with driver and CUDA, or the CPU."""
    imported: Part | None = None
    """Version and hash of each package that was imported, by name; None where that was not observed."""
    interpreter: tuple[str, str] | None = None
    """Path of the interpreter, and hash of the program that it is; None in a run whose inputs were not recorded."""

    def part(self, kind: DifferenceKind) -> Part | None:
        """The part that differences of this kind are about."""
        return self.packages if kind == "packages" else self.device

    def beside(self, kind: DifferenceKind, other: "Place") -> Part | None:
        """The part that is compared with another place's: of packages those that either imported, where both are known.

        The interpreter's file is among them where the two are known and are not the same.
        """
        part = self.part(kind)
        if part is None or kind != "packages":
            return part
        if self.imported is not None and other.imported is not None:
            first = next(iter(part))  # the interpreter's version
            names = dict.fromkeys((*self.imported, *other.imported))
            known = {name: self._package(name, other.imported) for name in names}
            part = {first: part[first], **{name: one for name, one in known.items() if one}}
        mine, others = _interpreter_words(self, other), _interpreter_words(other, self)
        return part if mine == others or mine is None or others is None else {"interpreter": mine, **part}

    def _package(self, name: str, others: Part) -> str | None:
        """Version and hash of a package; the version alone where only one of two runs imported it."""
        mine, installed = self.imported or {}, self.packages or {}
        if name not in mine or name not in others:
            return installed.get(name) or mine.get(name, "").partition(" ")[0] or None
        version, _, sha256 = mine[name].partition(" ")
        return f"{version} (files {sha256[:_SHOWN]})" if sha256 else version


# Digits of a hash in words.
_SHOWN = 8


def _interpreter_words(one: Place, other: Place) -> str | None:
    """An interpreter beside another, without the folders of the machine; the same words where they are the same."""
    if one.interpreter is None or other.interpreter is None:
        return None
    (path, sha256), (other_path, other_sha256) = one.interpreter, other.interpreter
    # What a run will be started with has no hash yet.
    known = f"hash {sha256[:_SHOWN]}" if sha256 and other_sha256 else ""
    name = path.rpartition("/")[2]
    if not path or not other_path:
        return known or None
    if path != other_path and name == other_path.rpartition("/")[2] and (not known or sha256 == other_sha256):
        known = f"path {hashlib.sha256(path.encode('utf-8', 'replace')).hexdigest()[:_SHOWN]}"
    return f"{name} ({known})" if known else name


def place_of(run: Run) -> Place:
    """The place of a run."""
    found, inputs = make_place(run.surroundings, run.environment), run.inputs
    if inputs is None:
        return found
    # Python itself is compared as the interpreter.
    packages = {name: one for name, one in inputs.packages.items() if name != "python"}
    return replace(
        found,
        imported=packages if packages or inputs.observed == "fully" else None,
        interpreter=(_interpreter(run), inputs.interpreter or ""),
    )


def _interpreter(run: Run) -> str:
    """The path of the interpreter that trained a run; empty where it is not known."""
    if run.trained_with is not None:
        return run.trained_with.interpreter or ""
    return str(run.surroundings.get("interpreter", ""))


def make_place(surroundings: Mapping[str, Any], environment: Mapping[str, Any]) -> Place:
    """The place that a fingerprint and an environment describe."""
    return Place(_packages(environment), _device(surroundings, environment))


def _packages(environment: Mapping[str, Any]) -> Part | None:
    packages, version = environment.get("packages"), environment.get("version")
    if packages is None or version is None:
        return None
    found: dict[str, str] = {str(environment.get("implementation")): version}
    # The version in the module names the build (2.9.0+cu128); the one in the package may not.
    torch = environment.get("torch") or packages.get("torch")
    return {
        **found,
        **({"torch": torch} if torch else {}),
        **{name: one for name, one in packages.items() if name != "torch"},
    }


def _device(surroundings: Mapping[str, Any], environment: Mapping[str, Any]) -> Part | None:
    gpus = environment.get("gpus")
    if gpus is None:
        return None
    # A place that tells which of them the run saw has read the variables itself.
    is_seen = environment.get("gpus_visible", False)
    env = {} if is_seen else {**surroundings.get("env", {}), **surroundings.get("slot_env", {})}
    chosen = env.get("CUDA_VISIBLE_DEVICES")
    # In this order the driver numbers them as well, so the index tells which model it is.
    is_told = "slot_env" in surroundings and env.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID"
    visible = _visible(gpus, chosen, is_told)
    if not visible:
        return None if environment.get("cpu") is None else {"CPU": environment["cpu"]}
    parts = {"GPU": visible, "driver": environment.get("driver"), "CUDA": environment.get("cuda")}
    return {name: part for name, part in parts.items() if part is not None}


def _visible(gpus: Sequence[str], chosen: str | None, is_told: bool) -> str:
    """The GPUs that a training sees: CUDA ignores everything behind an invalid index in the variable.

    Args:
        is_told: Whether an index tells which of them it is.
    """
    places: list[str] = []
    for place in range(len(gpus)) if chosen is None else chosen.split(","):
        index = str(place).strip()
        if not index or (index.lstrip("-").isdigit() and not 0 <= int(index) < len(gpus)):
            break
        places.append(index)
    if not gpus or not places:
        return ""
    is_told = is_told and all(index.isdigit() for index in places)
    if is_told:
        gpus = [gpus[int(index)] for index in places]
    if len(set(gpus)) == 1:
        return gpus[0] if len(places) == 1 else f"{len(places)} x {gpus[0]}"
    # CUDA may number GPUs by speed and the driver by slot, so the index does not tell which of several models it is.
    return " and ".join(gpus) if chosen is None or is_told else f"{','.join(places)} of {', '.join(gpus)}"


def value_of(run: Run, variable: str) -> str:
    """The recorded value of an environment variable, as notices print it."""
    value = run.surroundings.get("env", {}).get(variable)
    return "unset" if value is None else f"{value or repr(value):.60}"


def runs_of_verdict(*arms: Arm) -> list[Run]:
    """The results of arms, those on fresh seeds among them."""
    return [run for arm in arms for run in (*arm.runs, *arm.all_fresh) if run.state.is_counted]


def several_at_once(runs: Iterable[Run]) -> str | None:
    """Says that runs trained side by side; None where each trained alone."""
    found = list(runs)
    beside = [run for run in found if run.neighbours]
    if not beside:
        return None
    slots = sorted({run.slot for run in beside if run.slot is not None})
    where = f", on the slots {', '.join(slots)}" if slots else ""
    return (
        f"{len(beside)} of {len(found)} runs had others beside them, up to {max(run.neighbours for run in beside)}"
        f"{where}; their wall times are compared only where as many trained."
    )


def start_differences(baseline: Arm, arm: Arm) -> Iterator[tuple[str, str]]:
    """What was not alike at the starts of the counted runs: a name for the headline, and a sentence."""
    runs = runs_of_verdict(baseline, arm)
    places = [run.surroundings for run in runs]
    # A run says how its code is held only where the baseline's is held otherwise.
    held = sum("held" in place for place in places)
    if held:
        sentence = f"{held} runs had their code in another way than the baseline's."
        yield "code held in place in some runs, in snapshots in others", sentence
    contents = {place["script"]["content"] for place in places if "script" in place}
    # Where every run says what it read, `inputs differ` names the script.
    if len(contents) > 1 and any(run.inputs is None for run in runs):
        yield "script outside the project changed", f"It had {len(contents)} contents."
    known = [place["variables"] for place in places if "variables" in place]
    names = sorted({name for found in known for name in found if len({one.get(name) for one in known}) > 1})
    if names:
        yield "variables differ", f"The server passed on other values of {', '.join(names)} to some runs."

"""Finds the metric: in logs and files that earlier trainings left in the project, else in what the source prints."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from seedproof.metrics.scanner import LogScanner
from seedproof.model.metric_patterns import DEFAULT_VAL_LOSS
from seedproof.model.metric_rule import MetricRule
from seedproof.model.presets import PRESETS
from seedproof.model.untrusted import one_line
from seedproof.sources.metric_labels import is_of_training
from seedproof.sources.near_misses import NearMiss, likely_metrics

from seedproof_mcp.setup.project_files import ProjectFiles
from seedproof_mcp.setup.source.found import Metric
from seedproof_mcp.setup.source.printed import Printed
from seedproof_mcp.setup.source.python_source import read_text

__all__ = ["find_in_files", "find_in_logs", "find_in_source"]

_MOST_FILES = 6
_READ_BYTES = 64 * 1024
_SHOWN = 90
_LOG = re.compile(r"(\.(log|out)|(^|/)(nohup|output|stdout|train\w*|log\w*|slurm-\d+)\.(txt|out|log))$", re.IGNORECASE)
_FILE = re.compile(r"\.(csv|json|jsonl|tsv)$", re.IGNORECASE)
_FILE_NAME = re.compile(
    r"(^|/)(\w*metrics?\w*|results?\w*|scalars|history|trainer_state|wandb-summary|summary|log\w*|scores?|eval\w*)\.\w+$"
)
_OWN = (".seedproof/", "package.json", "tsconfig")
# Where one of these reads a line, the default pattern reads another value of it, or none.
_FIRST = ("parameter-golf", "autoresearch", "makemore", "nanogpt", "torchtitan", "huggingface")
_LAST = ("keras", "lightning-bar", "modded-nanogpt", "wandb-log")
_DEFAULT = MetricRule(name="val_loss", pattern=DEFAULT_VAL_LOSS)
_COARSE = 2


@dataclass(frozen=True, slots=True)
class _Read:
    """A value that one rule reads."""

    rule: MetricRule
    settings: tuple[str, ...]
    text: str
    line: int | None


def _decimals(text: str) -> int | None:
    """Digits behind the point of a printed number; None for one with an exponent."""
    return None if "e" in text.casefold() else len(text.partition(".")[2])


# --- logs -----------------------------------------------------------------------------------------


def find_in_logs(files: ProjectFiles, *, by_label: bool = False) -> Metric | None:
    """The metric of the newest log that has one.

    Args:
        by_label: Take any number under a label of a metric, where no preset and not the default pattern reads one.
    """
    for path in _newest(files, _LOG):
        data, is_whole = _end(files.root / path)
        labelled = _read_weak(data, path) if by_label else None
        if labelled is not None:
            return labelled
        found = None if by_label else _read_strong(data)
        if found is not None:
            place = path if found.line is None or not is_whole else f"{path}:{found.line}"
            return _metric(found, f"{place} has {found.rule.name} {found.text}")
    return None


def find_in_source(lines: Sequence[Printed], *, by_label: bool = False) -> Metric | None:
    """The metric that print statements would print; `by_label` as for logs."""
    data = "\n".join(line.text for line in lines).encode("utf-8", "replace")
    if by_label:
        return _read_weak(data, "", lines)
    found = _read_strong(data)
    if found is not None and found.line is not None and found.line <= len(lines):
        where = lines[found.line - 1].where
        return _metric(found, f"{where} prints {found.rule.name}")
    return None


def _read_strong(data: bytes) -> _Read | None:
    """What a preset or the default pattern reads."""
    for name in _FIRST:
        read = _by_preset(name, data)
        if read is not None:
            return read
    read = _read(_DEFAULT, (), data)
    if read is not None:
        return read
    return next((one for one in (_by_preset(name, data) for name in _LAST) if one is not None), None)


def _by_preset(name: str, data: bytes) -> _Read | None:
    rule = MetricRule.model_validate(dict(PRESETS[name][0]))
    return _read(rule, (f'preset = "{name}"',), data)


def _read(rule: MetricRule, settings: tuple[str, ...], data: bytes) -> _Read | None:
    scanner = LogScanner((rule,))
    scanner.feed(data)
    value = scanner.finish().metrics.get(rule.name)
    return None if value is None else _Read(rule, settings, value.text, value.line)


def _read_weak(data: bytes, path: str, lines: Sequence[Printed] = ()) -> Metric | None:
    """What is labelled as a metric of another name, which a person must look at."""
    hint = next(iter(likely_metrics(data, {}, of_training=True)), None)
    if hint is None:
        return None
    what = f"{path}: {hint.text[:_SHOWN]!r}"
    if lines and hint.line is not None:
        line = lines[hint.line - 1]
        what = f"{line.where} prints {line.shown[:_SHOWN]!r}"
    check = "The metric is a training loss: one of held-out data says more." if is_of_training(hint.name) else None
    return Metric(hint.name, one_line(what), _settings(hint), check)


def _settings(hint: NearMiss) -> tuple[str, ...]:
    own = (f'direction = "{hint.direction}"',) if hint.direction == "maximize" else ()
    return (f'name = "{hint.name}"', *own, *hint.settings)


def _metric(read: _Read, why: str) -> Metric:
    digits = _decimals(read.text)
    check = None
    if digits is not None and digits <= _COARSE:
        check = f"{read.rule.name} is printed with {digits} decimals; more of them tell smaller differences apart."
    words = "" if digits is None else f", {digits} decimals"
    better = ", higher is better" if read.rule.direction == "maximize" else ""
    return Metric(read.rule.name, one_line(why + words + better), read.settings, check)


# --- files ----------------------------------------------------------------------------------------


def find_in_files(
    files: ProjectFiles, folders: Sequence[str], texts: Sequence[str], takes_folder: bool
) -> Metric | None:
    """The metric of the newest file of results.

    Args:
        folders: Where the script writes by default; a file's path counts from there on.
        texts: The sources; a file that they name by its whole path lies outside the output folder.
        takes_folder: Whether a run writes into a folder of its own, so that the file will lie there.
    """
    for path in _newest(files, _FILE):
        if not _FILE_NAME.search(path) or path.startswith(_OWN):
            continue
        is_inside = takes_folder and ("/" not in path or not any(path in text for text in texts))
        # Lightning counts its versions up, whatever folder they lie in.
        inside = re.sub(r"(?<=/version_)\d+(?=/)", "*", _inside(path, folders) if is_inside else path)
        found = _by_file_preset(path) if is_inside else None
        if found is not None:
            return found
        data = (read_text(files.root / path) or "").encode()
        hint = next(iter(likely_metrics(b"", {inside: data})), None)
        if hint is not None:
            settings = _settings(hint) + (() if is_inside else ("outside = true",))
            is_known = not is_inside or any(path.startswith(f"{folder.strip('./')}/") for folder in folders)
            check = None if is_known else f"Runs must leave {inside} in the output folder that they are given."
            return Metric(hint.name, one_line(f"{path} has {hint.text[:_SHOWN]}"), settings, check)
    return None


def _by_file_preset(path: str) -> Metric | None:
    """A preset whose file this is, such as Lightning's `lightning_logs/version_0/metrics.csv`."""
    for name, wanted in _FILE_PRESETS.items():
        if re.search(wanted, path):
            rule = MetricRule.model_validate(dict(PRESETS[name][0]))
            return Metric(rule.name, one_line(f"{path} is a file of {name}"), (f'preset = "{name}"',))
    return None


_FILE_PRESETS: Mapping[str, str] = {
    "huggingface-state": r"(^|/)trainer_state\.json$",
    "lightning": r"(^|/)lightning_logs/version_\d+/metrics\.csv$",
    "ultralytics": r"(^|/)(train\d*|exp\d*)/results\.csv$",
}


def _inside(path: str, folders: Sequence[str]) -> str:
    """The path from the output folder on; the file's own name where no known folder holds it."""
    for folder in folders:
        plain = folder.removeprefix("./").strip("/")
        if plain and path.startswith(f"{plain}/"):
            return path[len(plain) + 1 :]
    return PurePosixPath(path).name


def _newest(files: ProjectFiles, pattern: re.Pattern[str]) -> Iterator[str]:
    """The newest files of a kind."""
    times: list[tuple[float, str]] = []
    for path in files.paths:
        if pattern.search(path) and not path.startswith("requirements"):
            try:
                times.append((-os.stat(files.root / path).st_mtime, path))
            except OSError:
                continue
    yield from (path for _, path in sorted(times)[:_MOST_FILES])


def _end(path: Path) -> tuple[bytes, bool]:
    """The end of a regular file, from the beginning of a line, and whether that is all of it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b"", False
    with open(descriptor, "rb") as file:
        size = os.fstat(descriptor).st_size
        try:
            if size > _READ_BYTES:
                file.seek(size - _READ_BYTES)
                file.readline(_READ_BYTES)
            return file.read(_READ_BYTES), size <= _READ_BYTES
        except OSError:
            return b"", False

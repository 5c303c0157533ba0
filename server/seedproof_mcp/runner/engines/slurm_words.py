"""What Slurm's programs and its jobs' own output say, and what a job's script says to its node."""

import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = [
    "Job",
    "Told",
    "is_ended",
    "is_out_of_reach",
    "job_number",
    "job_script",
    "node_features",
    "quoted",
    "read_jobs",
    "refusal",
    "told_end",
]

# squeue(1), JOB STATE CODES: a job in one of these will never run again. COMPLETING is none of them.
_ENDED = frozenset(
    {
        *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED"),
        *("REVOKED", "SPECIAL_EXIT", "TIMEOUT"),
    }
)
FORMAT = "%i|%T|%r|%N|%Z"
"""What squeue is asked for: number, state, reason, nodes, and last the working folder, which may hold anything."""

# squeue(1), JOB REASON CODES: those that no waiting ends.
_STAYS = re.compile(
    r"(?:BadConstraints|DependencyNeverSatisfied|Invalid(?:Account|QOS)|JobHeld(?:Admin|User)|JobLaunchFailure|"
    r"launch.failed.requeued.held|Partition(?:Node|Time)Limit|(?:Assoc|QOS)Max\w*PerJob\w*)"
)
# What the job's output says at its end, as slurmstepd of 22.05 and 23.11 writes it.
_CANCELLED = re.compile(r"error: \*\*\* (?:JOB|STEP) \S+ ON (\S+) CANCELLED AT \S+(?: DUE TO ([A-Z ,]+?))? \*\*\*")
_NO_MEMORY = re.compile(r"error: .*(?:Exceeded job memory limit|exceeded memory limit|oom[_-]kill|out-of-memory)", re.I)
# The daemons cannot be reached, or do not know us, whatever the job asks for: slurm_errno.c, and libmunge's own words.
_OUT_OF_REACH = re.compile(
    r"Unable to contact slurm controller|Socket timed out|Zero Bytes|Connection (?:refused|timed out)|[Mm]unge|"
    r"Protocol authentication error|Invalid authentication credential|Unexpected message received|"
    r"Could not establish a configuration source|Transport endpoint|Slurm backup controller|temporarily unavailable|"
    r"Incompatible versions of client and server",
)
# Lines beside the one that says what is wrong.
_BESIDE = re.compile(r"If munged is up|^slurm_send_node_msg|^Try \"|--help")


@dataclass(frozen=True, slots=True)
class Job:
    """A job as squeue lists it."""

    number: str
    """Its number."""
    state: str
    """Its state in Slurm's word, such as PENDING."""
    reason: str
    """Why it waits or has ended, in Slurm's word; `None` where Slurm gives none, empty where it was not asked yet."""
    nodes: str
    """The nodes that it has; empty while it waits."""
    folder: str
    """Its working folder, which is that of the run."""

    @property
    def words(self) -> str:
        """The job in words."""
        reason = "" if self.reason in ("None", "") else f": {self.reason}"
        return f"Slurm job {self.number}, {self.state}{reason}"

    @property
    def waiting_words(self) -> str:
        """Why the job waits, and what to do where Slurm will not start it as it is."""
        if _STAYS.fullmatch(self.reason) is None:
            return self.words
        return f"{self.words}, which no waiting ends: have the job released or changed, or end it with stop_run"


@dataclass(frozen=True, slots=True)
class Told:
    """Why a job ended, as Slurm tells it."""

    kind: Literal["timed_out", "out_of_memory", "interrupted"]
    """What that is to a run."""
    words: str
    """Slurm's words, in a sentence's part."""


def read_jobs(text: str) -> list[Job]:
    """The jobs that squeue lists in FORMAT; a line of another form, such as a warning, is passed over."""
    parts = [line.split("|", 4) for line in text.splitlines()]
    return [Job(*one) for one in parts if len(one) == 5 and one[0].isdigit()]


def is_ended(state: str) -> bool:
    """Whether a job in this state will never run again."""
    return state in _ENDED


def job_number(text: str) -> str | None:
    """The number that `sbatch --parsable` prints, without the cluster's name; None if it is none."""
    number = text.strip().rpartition("\n")[2].partition(";")[0]
    return number if number.isdigit() else None


def refusal(errors: str) -> str:
    """What a program of Slurm says is wrong, on one line without its own name."""
    lines = [re.sub(r"^(?:\w+: )?(?:error|fatal): ", "", line.strip()) for line in errors.splitlines()]
    said = [line for line in dict.fromkeys(lines) if line and not _BESIDE.search(line)]
    if any("Zero Bytes" in line for line in said):  # all that a client of another munge key is told
        said.append("the munge key of this machine may be another one than the controller's")
    return "; ".join(said)[:500] or "no reason given"


def is_out_of_reach(errors: str) -> bool:
    """Whether Slurm could not be asked at all, rather than refuse what it was asked for."""
    return _OUT_OF_REACH.search(errors) is not None


def told_end(number: str, state: str | None, reason: str | None, output: str) -> Told | None:
    """Why a job ended, from its state and what it left in its output; None where Slurm says nothing of it.

    Args:
        number: The job's number.
        state: Its state; None where Slurm knows it no more, or cannot be asked.
        reason: The reason beside it.
        output: The end of the job's output, where its node writes why it ends it.
    """
    said = next(reversed(list(_CANCELLED.finditer(output))), None)
    why = "" if said is None else said[2] or ""
    where = "" if said is None else f" on {said[1]}"
    if state == "OUT_OF_MEMORY" or (_NO_MEMORY.search(output) and state not in ("TIMEOUT", "PREEMPTED", "NODE_FAIL")):
        return Told("out_of_memory", f"Slurm ended job {number}{where}: it exceeded the memory that it had asked for")
    if state in ("TIMEOUT", "DEADLINE") or why.startswith("TIME LIMIT"):
        named = state if state == "DEADLINE" else "TIMEOUT"  # while its processes end, the state is COMPLETING
        return Told("timed_out", f"Slurm ended job {number}{where}: {named}, its time limit at Slurm")
    if said is not None and why:
        return Told("interrupted", f"Slurm ended job {number}{where}: {why}")
    if state is None or not is_ended(state) or (state == "COMPLETED" and said is None):
        return None if said is None else Told("interrupted", f"Slurm ended job {number}{where}: CANCELLED")
    because = "" if reason in (None, "", "None") else f" ({reason})"
    return Told("interrupted", f"Slurm ended job {number}{where}: {state}{because}")


def node_features(text: str, nodes: Iterable[str]) -> dict[str, frozenset[str]]:
    """The active features of the named nodes, from `scontrol show node -o`; of those that it knows."""
    found, wanted = {}, set(nodes)
    for line in text.splitlines():
        name, said = re.match(r"NodeName=(\S+)", line), re.search(r" ActiveFeatures=(\S+)", line)
        if name and name[1] in wanted and said:
            found[name[1]] = frozenset() if said[1] == "(null)" else frozenset(said[1].split(","))
    return found


# --- what a node is told --------------------------------------------------------------------------


def job_script(steps: Sequence[Sequence[str]]) -> bytes:
    """A job's script: its steps one after the other, the last one in the place of the shell.

    Args:
        steps: Modules of Seedproof with their arguments.
    """
    lines = ["#!/bin/sh", "# Written by Seedproof."]
    for step in steps:
        command = " ".join(map(quoted, (sys.executable, "-P", "-m", *step)))
        lines.append(f"exec {command}" if step is steps[-1] else f"{command} || exit $?")
    return "\n".join(lines).encode(errors="surrogateescape") + b"\n"


def quoted(text: str) -> str:
    """A text as one word of a shell."""
    return "'" + text.replace("'", "'\"'\"'") + "'"

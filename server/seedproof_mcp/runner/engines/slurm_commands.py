"""Slurm's programs: asked here and nowhere else, each for a bounded time."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from seedproof.model.refusals import BadSettings

from seedproof_mcp.host.slurm_options import RESERVED
from seedproof_mcp.runner.engines import slurm_words
from seedproof_mcp.runner.engines.slurm_words import Job
from seedproof_mcp.supervisor.processes import die_with_parent
from seedproof_mcp.system import spawn

__all__ = ["OutOfReach", "Slurm"]

LOOK_EVERY_S = 5.0
"""How old a list of jobs may be: one question for all of them."""

# A controller that is busy answers in a second or two; the programs themselves give up later than this.
_PATIENCE_S = 20.0
_PROGRAMS = ("sbatch", "squeue", "scontrol", "scancel")
# `--parsable`, `-t all` and `%Z` are older; this is what sites that are still kept have.
_OLDEST = (20, 11)
# How long it is taken for granted that Slurm would take a job of these options.
_ACCEPTED_S = 60.0
# The user's own that Slurm's programs and the start of a job need. The rest of this process's environment, secrets
# among it, is nothing to a job: its training has the environment that its spec names.
# LD_LIBRARY_PATH: where modules load an interpreter, it starts with no library without it.
_KEPT = ("HOME", "LANG", "LD_LIBRARY_PATH", "LOGNAME", "PATH", "SHELL", "SLURM_CONF", "USER", "XDG_STATE_HOME")
_DEFAULTS = "SBATCH_"
# SBATCH_ and the option, but for this one.
_OTHER_NAMES = {"array-inx": "array"}


class OutOfReach(OSError):
    """Slurm cannot be asked at present."""


class Slurm:
    """One cluster, as this process can ask it."""

    def __init__(self, look_every_s: float = LOOK_EVERY_S, clock_s: Callable[[], float] = time.monotonic) -> None:
        """Ask nothing yet.

        Args:
            look_every_s: How old a list of jobs may be.
            clock_s: Tells that.
        """
        self.look_every_s = look_every_s
        self._clock_s = clock_s
        self._jobs: dict[str, Job] = {}
        self._looked_at_s: float | None = None
        self._failed: tuple[float, OutOfReach] | None = None
        self._accepted: dict[tuple[str, ...], tuple[float, BadSettings | None]] = {}
        self._is_known_good = False

    def check(self, options: Sequence[str]) -> None:
        """Refuse what Slurm would refuse, before anything is recorded; asked again now and then.

        Raises:
            BadSettings: A program is missing or too old, Slurm cannot be asked, or it would not take such a job.
        """
        key, now_s = tuple(options), self._clock_s()
        asked_s, refused = self._accepted.get(key, (-_ACCEPTED_S, None))
        if now_s - asked_s < (self.look_every_s if refused else _ACCEPTED_S):
            if refused is not None:
                raise refused
            return
        refused = self._refusal(options)
        self._accepted[key] = self._clock_s(), refused
        if refused is not None:
            raise refused

    def _refusal(self, options: Sequence[str]) -> BadSettings | None:
        try:
            if not self._is_known_good:
                self._require_programs()
            done = self._call(["sbatch", "--test-only", *options], script=b"#!/bin/sh\n")
        except BadSettings as problem:
            return problem
        except OutOfReach as problem:
            return BadSettings(f"{problem}.")
        if done.returncode == 0:
            return None
        said = slurm_words.refusal(done.stderr.decode(errors="replace"))
        if slurm_words.is_out_of_reach(said):
            return BadSettings(f"Slurm cannot be asked: {said}.")
        # The same words tell that no node fits, and that those that fit are drained, where sbatch would queue the job.
        hint = " (or all such nodes are down or drained at present)" if "configuration is not available" in said else ""
        return BadSettings(f"Slurm would not take a job with {' '.join(options) or 'its defaults'}: {said}{hint}.")

    def _require_programs(self) -> None:
        missing = [name for name in _PROGRAMS if shutil.which(name) is None]
        if missing:
            raise BadSettings(f'engine = "slurm" needs {", ".join(missing)} on the PATH of the server.')
        version = self._run(["sbatch", "--version"])
        found = re.search(r"(\d+)\.(\d+)", version)
        if found is None or (int(found[1]), int(found[2])) < _OLDEST:
            oldest = ".".join(f"{part:02}" for part in _OLDEST)
            raise BadSettings(f"Seedproof needs Slurm {oldest} or newer, and sbatch is {version.strip()!r:.80}.")
        self._is_known_good = True

    def jobs(self, older_s: float | None = None) -> Mapping[str, Job]:
        """Return the user's jobs by number, those included that ended a while ago.

        Args:
            older_s: How old the answer may be; None for `look_every_s`.

        Raises:
            OutOfReach: Slurm cannot be asked; it is not asked again at once.
        """
        now_s = self._clock_s()
        if self._failed is not None and now_s - self._failed[0] < self.look_every_s:
            raise OutOfReach(str(self._failed[1]))
        bound_s = self.look_every_s if older_s is None else older_s
        if self._looked_at_s is None or now_s - self._looked_at_s > bound_s:
            try:
                text = self._run(["squeue", "-h", "-t", "all", "-u", str(os.getuid()), "-o", slurm_words.FORMAT])
            except OutOfReach as problem:
                self._failed = self._clock_s(), problem
                raise
            self._jobs = {job.number: job for job in slurm_words.read_jobs(text)}
            self._looked_at_s, self._failed = self._clock_s(), None
        return self._jobs

    @property
    def looked_at_s(self) -> float:
        """When the list of jobs was asked for last, by this object's clock."""
        return -1.0 if self._looked_at_s is None else self._looked_at_s

    def submit(self, script: Path, folder: Path, output: Path, name: str, options: Sequence[str]) -> str:
        """Submit a job and return its number. It dies with this process rather than be submitted unseen.

        Args:
            script: What it runs.
            folder: Its working folder, by which it is found again.
            output: Where it writes.
            name: Its name.
            options: What it asks for.

        Raises:
            BadSettings: Slurm does not take it.
            OutOfReach: Slurm cannot be asked.
        """
        ours = ["--parsable", "--no-requeue", f"--job-name={name}", f"--chdir={folder}", "--export=ALL"]
        # sbatch(1): % stands for a pattern in the name of a file.
        files = [f"--output={str(output).replace('%', '%%')}", "--open-mode=append"]
        done = self._call(["sbatch", *ours, *files, *options, str(script)], dies=True)
        number = slurm_words.job_number(done.stdout.decode(errors="replace"))
        if done.returncode == 0 and number is not None:
            # The list does not have it, and is not asked for at each of many submissions.
            self._jobs = {**self._jobs, number: Job(number, "PENDING", "", "", str(folder))}
            return number
        said = slurm_words.refusal(done.stderr.decode(errors="replace"))
        if slurm_words.is_out_of_reach(said):
            raise OutOfReach(f"Slurm cannot be asked: {said}")
        raise BadSettings(f"Slurm does not take the job {name}: {said}.")

    def remove_waiting(self, number: str) -> None:
        """Remove a job that waits; one that runs is left to its supervisor."""
        self._run(["scancel", "--state=PENDING", number])
        self._looked_at_s = None

    def features(self, nodes: Sequence[str]) -> dict[str, frozenset[str]]:
        """Return the features of the named nodes.

        Raises:
            OutOfReach: Slurm cannot be asked.
        """
        return slurm_words.node_features(self._run(["scontrol", "show", "node", "-o"]), nodes)

    def ended_with(self, number: str) -> str | None:
        """Return the exit code of an ended job's script; None where Slurm does not know it."""
        try:
            found = re.search(r" ExitCode=(\d+):", self._run(["scontrol", "show", "job", "-o", number]))
        except OutOfReach:
            return None
        return None if found is None else found[1]

    def _run(self, argv: Sequence[str]) -> str:
        done = self._call(argv)
        if done.returncode != 0:
            raise OutOfReach(f"Slurm cannot be asked: {slurm_words.refusal(done.stderr.decode(errors='replace'))}")
        return done.stdout.decode(errors="replace")

    def _call(
        self, argv: Sequence[str], script: bytes | None = None, dies: bool = False
    ) -> "subprocess.CompletedProcess[bytes]":
        env = {name: value for name, value in os.environ.items() if name in _KEPT or _is_a_default(name)}
        try:
            process = spawn.start(
                argv,
                env={**env, "LC_ALL": "C.UTF-8"},
                stdin=subprocess.DEVNULL if script is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                before_exec=die_with_parent() if dies else None,
            )
        except OSError as problem:
            raise OutOfReach(f"Slurm cannot be asked: {argv[0]}: {problem.strerror}") from None
        try:
            said, errors = process.communicate(script, timeout=_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            errors = process.communicate()[1]
            why = f": {slurm_words.refusal(errors.decode(errors='replace'))}" if errors else ""
            late = f"{argv[0]} gave no answer in {_PATIENCE_S:g} s{why}"
            raise OutOfReach(f"Slurm cannot be asked: {late}") from None
        return subprocess.CompletedProcess(list(argv), process.returncode, said, errors)


def _is_a_default(variable: str) -> bool:
    """Whether a variable is a default of the user's for sbatch, and of no option that Seedproof sets itself."""
    option = variable.removeprefix(_DEFAULTS).lower().replace("_", "-")
    return variable.startswith(_DEFAULTS) and _OTHER_NAMES.get(option, option) not in RESERVED

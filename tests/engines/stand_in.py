"""Stands in for sbatch, squeue, scontrol and scancel: jobs are processes of this machine, words those of words.json.

The first argument is the name of the program; what it knows lies in files beside the one that SLURM_CONF names. There
tests set faults: `fault` (a key of words.json), `refuses` (words), `forgets` (ended jobs), `hold` (with why jobs
wait), `gpu`, `needs` (an option), … With a dash and the name of a job, `refuses`, `hold` and `apart` are of that job
alone; `fault` is of one program.
"""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any


def read_words() -> dict[str, Any]:
    """What the real programs say, as the tests on a real Slurm hold it against them."""
    return dict(json.loads((Path(__file__).resolve().parent / "words.json").read_text()))


WORDS = read_words()
HERE = Path(os.environ.get("SLURM_CONF", "/nowhere/slurm.conf")).parent
JOBS = HERE / "jobs"
NODES = ("n1", "n2")
ENDED = ("CANCELLED", "COMPLETED", "FAILED", "NODE_FAIL", "PREEMPTED", "TIMEOUT")


def write(job: dict[str, Any]) -> None:
    path = JOBS / f"{job['number']}.json"
    path.with_suffix(".part").write_text(json.dumps(job))
    path.with_suffix(".part").rename(path)


def read(number: str) -> dict[str, Any] | None:
    try:
        return dict(json.loads((JOBS / f"{number}.json").read_text()))
    except FileNotFoundError:
        return None


def every() -> list[dict[str, Any]]:
    found = [one for path in JOBS.glob("*.json") if (one := read(path.stem)) is not None]
    return sorted(found, key=lambda one: int(one["number"]))


def fail(lines: list[str], code: int = 1) -> int:
    print("\n".join(lines), file=sys.stderr)
    return code


def fault(program: str) -> int | None:
    """The exit code where the cluster has a fault that the test has set."""
    name = said_of("fault", program)
    if name is None:
        return None
    said = WORDS[name.strip()]
    return fail(said.get(program, said["squeue"]))


def said_of(name: str, only: str) -> str | None:
    """What a test has set for all, or for the job or program of that name; None where it has not."""
    for path in (HERE / name, HERE / f"{name}-{only}"):
        with suppress(FileNotFoundError):  # which the test may clear at any moment
            return path.read_text()
    return None


def sbatch(arguments: list[str]) -> int:
    if "--version" in arguments:
        version = HERE / "version"
        print(version.read_text().strip() if version.exists() else WORDS["version"])
        return 0
    options = dict(one.removeprefix("--").partition("=")[::2] for one in arguments if one.startswith("--"))
    only = "test-only" in options
    if (code := fault("sbatch --test-only" if only else "sbatch")) is not None:
        return code
    for name, lines in WORDS["refusals"].items():
        if options.get(name) in ("nope", "gpu:1", "999G", "bad"):
            return fail(lines, 255 if name == "time" else 1)
    if (HERE / "needs").exists() and (needed := (HERE / "needs").read_text()) not in arguments:
        return fail([f"allocation failure: Invalid {needed.lstrip('-').partition('=')[0]}"])
    refuses = None if only else said_of("refuses", options["job-name"])
    if refuses is not None:
        return fail([f"sbatch: error: Batch job submission failed: {refuses.strip()}"])
    if only:
        print("sbatch: Job 2 to start at 2026-11-30T11:57:48 using 1 processors on nodes n1 in partition main")
        return 0
    with (HERE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        number = str(max([int(one["number"]) for one in every()], default=0) + 1)
        job = {"number": number, "state": "PENDING", "reason": "None", "node": "", "name": options["job-name"]}
        job |= {"folder": options["chdir"], "output": options["output"].replace("%%", "%"), "code": "0"}
        job |= {"script": Path(arguments[-1]).read_text(), "options": options}
        write(job)
    subprocess.Popen(
        [sys.executable, __file__, "run", number],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    print(number)
    return 0


def run(number: str) -> int:
    """What slurmctld and slurmstepd do with a job: give it a node, start its script, and note its end."""
    job = read(number)
    assert job is not None
    while said_of("hold", job["name"]) is not None or not (held := take_node(job)):
        time.sleep(0.02)
        job = read(number)
        if job is None or job["state"] in ENDED:
            return 0
    node, lock = held
    script = JOBS / f"{number}.sh"
    apart = said_of("apart", job["name"])  # a node that does not see the project's folder, or has another one
    script.write_text(job["script"] if apart is None else f"exit {apart}")
    of_job = {"SLURM_JOB_ID": number, "SLURMD_NODENAME": node, "SLURM_JOB_NAME": job["name"]}
    if (HERE / "gpu").exists():
        of_job["CUDA_VISIBLE_DEVICES"] = node.removeprefix("n")
    with open(job["output"], "a") as output:
        started = subprocess.Popen(
            ["sh", str(script)],
            cwd=job["folder"],
            env={**os.environ, **of_job},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    write({**job, "state": "RUNNING", "node": node, "pid": started.pid})
    code = started.wait()
    job = read(number)
    if job is not None and job["state"] == "RUNNING":
        exit_code = str(code) if code >= 0 else "0"
        why = {"state": "COMPLETED"} if code == 0 else {"state": "FAILED", "reason": "NonZeroExitCode"}
        write({**job, **why, "code": exit_code})
    lock.close()
    return 0


def take_node(job: dict[str, Any]) -> Any:
    wanted = job["options"].get("constraint")
    for node, feature in zip(NODES, "ab", strict=True):
        if wanted is not None and feature not in wanted:
            continue
        lock = (HERE / f"{node}.lock").open("w")
        with suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return node, lock
        lock.close()
    return None


def squeue(arguments: list[str]) -> int:
    with (HERE / "asked").open("a") as asked:
        asked.write("squeue\n")
    if (code := fault("squeue")) is not None:
        return code
    for job in every():
        if job["state"] in ENDED and (HERE / "forgets").exists():
            continue
        waits = said_of("hold", job["name"]) if job["state"] == "PENDING" else None
        reason = waits or job["reason"]
        print("|".join([job["number"], job["state"], reason, job["node"], job["folder"]]))
    return 0


def scontrol(arguments: list[str]) -> int:
    if (code := fault("scontrol")) is not None:
        return code
    if arguments[:2] == ["show", "node"]:
        for node, feature in zip(NODES, "ab", strict=True):
            features = "(null)" if (HERE / "featureless").exists() else feature
            told = f"AvailableFeatures={features} ActiveFeatures={features} Gres=(null)"
            print(f"NodeName={node} Arch=x86_64 CPUTot=1 {told}")
        return 0
    job = read(arguments[-1])
    if job is None or (job["state"] in ENDED and (HERE / "forgets").exists()):
        return fail(["slurm_load_jobs error: Invalid job id specified"])
    state = f"JobState={job['state']} Reason={job['reason']} Dependency=(null) Requeue=0"
    print(f"JobId={job['number']} JobName={job['name']} {state} ExitCode={job['code']}:0 WorkDir={job['folder']} ")
    return 0


def scancel(arguments: list[str]) -> int:
    if (code := fault("scancel")) is not None:
        return code
    job = read(arguments[-1])
    if job is not None and job["state"] == "PENDING":
        write({**job, "state": "CANCELLED"})
    elif job is not None and "--state=PENDING" not in arguments:
        end(job["number"], "CANCELLED")
    return 0


def end(number: str, state: str, number_of_signal: int = signal.SIGTERM) -> None:
    """End a running job as Slurm would: its node writes why into the job's output, then its processes are ended."""
    job = read(number)
    assert job is not None and job["state"] == "RUNNING", job
    words = WORDS["ends"].get(state)
    if words is not None:
        at = time.strftime("%Y-%m-%dT%H:%M:%S")
        said = words.replace("NUMBER", number).replace("NODE", job["node"]).replace("TIME", at, 1)
        with open(job["output"], "a") as output:
            print(f"slurmstepd-{job['node']}: {said}", file=output)
    write({**job, "state": state, "reason": WORDS["reasons"].get(state, "None")})
    with suppress(ProcessLookupError):
        os.killpg(job["pid"], number_of_signal)


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        sys.exit(run(sys.argv[2]))
    programs = {"sbatch": sbatch, "squeue": squeue, "scontrol": scontrol, "scancel": scancel}
    sys.exit(programs[sys.argv[1]](sys.argv[2:]))

"""What a run on Slurm costs beside a bare sbatch of the same command, on the Slurm that the tests start; needs root."""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from seedproof.admission.request import RunRequest  # noqa: E402
from seedproof_mcp.service.service import Service  # noqa: E402
from seedproof_mcp.system import locks  # noqa: E402

from tests.engines.cluster import Cluster, is_installed  # type: ignore[import-not-found]  # noqa: E402
from tests.engines.test_slurm_soak import core_of, memory_of  # type: ignore[import-not-found]  # noqa: E402

ROUNDS = 15
TRAINING = "train_llm.py"
LASTS_S = "0.35"


def bare_s(folder: Path, number: int) -> float:
    """How long a bare job takes from the start of sbatch to its own last command.

    Not by `sbatch --wait`, which looks at the job every two seconds.
    """
    end = folder / f"end{number}"
    command = f"{sys.executable} {TRAINING} --train_tokens 1 --seed 42 --output_dir bare{number}; touch {end}"
    begun_s = time.monotonic()
    argv = ["sbatch", "--parsable", "-o", "/dev/null", "--wrap", command]
    subprocess.run(argv, cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=60)
    while not end.exists():
        time.sleep(0.01)
    return time.monotonic() - begun_s


def seedproof_s(service: Service, shift: int) -> float:
    """How long one run takes from its request to its record."""
    begun_s = time.monotonic()
    flags = ("--shift", f"{shift}e-5")
    run_id = service.request_run(RunRequest(experiment=f"e{shift}", flags=flags, hypothesis="it helps"))
    await_end(service, run_id)
    return time.monotonic() - begun_s


def await_end(service: Service, run_id: str) -> None:
    """Wait for the record of a run's end."""
    with service.watch() as watch:
        while service.observe(run_id).is_active:
            watch.wait(2.0, 0.05)


def main() -> None:
    """Measure both in turn, and the conductor meanwhile."""
    if not is_installed():
        sys.exit("Slurm is not installed: make engines-env")
    folder = Path(tempfile.mkdtemp(prefix="sp-slurm-"))
    cluster = Cluster(folder / "slurm")
    os.environ |= {"SLURM_CONF": str(cluster.conf), "XDG_STATE_HOME": str(folder / "state"), "FAKE_LASTS_S": LASTS_S}
    project = folder / "project"
    project.mkdir()
    shutil.copy(ROOT / "tests/support/fake_train.py", project / TRAINING)
    (project / "seedproof.toml").write_text('[settings]\nengine = "slurm"\n')
    try:
        cluster.start()
        service = Service(project)
        for seed in (42, 137, 256, 512, 1024):
            await_end(service, service.request_run(RunRequest(seed=seed)))
        pairs = [(bare_s(project, number), seedproof_s(service, number + 1)) for number in range(ROUNDS)]
        conductor = int(locks.signature(service.paths.conductor_lock) or "")
        memory_mb, core = memory_of(conductor), core_of(conductor)
        bare, ours = (statistics.median(one) for one in zip(*pairs, strict=True))
        print(
            f"a bare sbatch {bare:.2f} s, a run {ours:.2f} s (medians of {ROUNDS}, in turn): {ours - bare:.2f} s more"
        )
        print(f"conductor: {memory_mb:.0f} MB at most, {100 * core:.1f} % of a core while runs of {LASTS_S} s follow")
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

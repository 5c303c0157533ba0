"""A real Slurm in a folder: munged, slurmctld and one slurmd for each of two nodes, started without systemd."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.support.waiting import wait_until

__all__ = ["Cluster", "is_installed"]

TEMPLATE = Path(__file__).parent / "slurm.conf"
NODES = ("n1", "n2")


def is_installed() -> bool:
    """Whether Slurm's daemons are here, and this user may start them."""
    return os.getuid() == 0 and all(map(shutil.which, ("munged", "slurmctld", "slurmd", "sbatch")))


class Cluster:
    """Two nodes of four processors: n1 with the features fast and old, n2 with fast and new."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.conf = folder / "slurm.conf"
        (folder / "munge").mkdir(parents=True)
        for name in ("state", *(f"spool.{one}" for one in NODES)):
            (folder / name).mkdir()
        key = folder / "munge/key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        ports = _free_ports(1 + len(NODES))
        text = TEMPLATE.read_text().replace("FOLDER", str(folder)).replace("USER", getpass.getuser())
        text = text.replace("HOST", socket.gethostname().partition(".")[0])
        for number, port in enumerate(ports):
            text = text.replace(f"PORT{number}", str(port))
        self.conf.write_text(text)

    @property
    def env(self) -> Mapping[str, str]:
        return {**os.environ, "SLURM_CONF": str(self.conf)}

    # --- daemons ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Start all daemons; returns once both nodes take jobs."""
        self.start_munge()
        self.start_controller()
        for node in NODES:
            self.start_node(node)
        self.await_nodes()

    def start_munge(self) -> None:
        place = self.folder / "munge"
        files = [f"--{name}-file={place / name}" for name in ("pid", "log", "seed")]
        self._start(["munged", f"--key-file={place}/key", f"--socket={place}/socket", *files, "--force"])

    def start_controller(self) -> None:
        self._start(["slurmctld", "-f", str(self.conf)])
        wait_until(lambda: "is UP" in self.ask("scontrol", "ping"))

    def await_nodes(self) -> None:
        """Return once both nodes take jobs."""
        wait_until(lambda: bool(self._states()) and self._states() <= {"idle", "mixed", "allocated"})

    def start_node(self, node: str) -> None:
        self._start(["slurmd", "-N", node, "-f", str(self.conf)])

    def stop_munge(self) -> None:
        self._end("munge/pid", signal.SIGTERM)

    def stop_controller(self) -> None:
        self._end("slurmctld.pid", signal.SIGTERM)

    def lose_node(self, node: str) -> None:
        """Kill what Slurm has on a node, as where the machine is lost: slurmd, and the slurmstepd of each job."""
        for pid in self._steps(node):
            os.kill(pid, signal.SIGKILL)
        self._end(f"slurmd.{node}.pid", signal.SIGKILL)

    def recover_node(self, node: str) -> None:
        """Start a lost node anew."""
        self.start_node(node)
        wait_until(lambda: self.ask("sinfo", "-h", "-n", node, "-o", "%T").split()[:1] in (["idle"], ["mixed"]))

    def stop(self) -> None:
        """End all jobs and daemons; nothing is left."""
        with suppress(subprocess.SubprocessError, OSError):
            self.ask("scancel", "-u", getpass.getuser())
            wait_until(lambda: not self.ask("squeue", "-h", "-o", "%i").split())
        for pid in [pid for node in NODES for pid in self._steps(node)]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for name in (*(f"slurmd.{node}.pid" for node in NODES), "slurmctld.pid", "munge/pid"):
            with suppress(FileNotFoundError):
                self._end(name, signal.SIGTERM)

    def processes(self) -> list[str]:
        """The command lines of all processes that have to do with this cluster."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                with suppress(OSError):
                    line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    if str(self.folder) in line:
                        found.append(line)
        return found

    # --- asking -----------------------------------------------------------------------------------

    def ask(self, *argv: str) -> str:
        """What one of Slurm's programs prints."""
        done = subprocess.run(argv, env=self.env, capture_output=True, text=True, timeout=60)
        return done.stdout

    def says(self, *argv: str) -> list[str]:
        """What one of Slurm's programs says is wrong."""
        script = "#!/bin/sh\n"
        done = subprocess.run(argv, env=self.env, capture_output=True, text=True, timeout=60, input=script)
        assert done.returncode != 0, argv
        return done.stderr.splitlines()

    def jobs(self, name: str) -> list[list[str]]:
        """Number, state, reason and node of the jobs of one name."""
        said = self.ask("squeue", "-h", "-t", "all", "-n", name, "-o", "%i|%T|%r|%N")
        return [line.split("|") for line in said.splitlines()]

    def _states(self) -> set[str]:
        return set(self.ask("sinfo", "-h", "-o", "%T").split())

    def _steps(self, node: str) -> list[int]:
        """The slurmstepd processes of the jobs on a node."""
        said = self.ask("squeue", "-h", "-w", node, "-o", "%i").split()
        found = []
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                line = (entry / "cmdline").read_bytes().decode(errors="replace") if entry.name.isdigit() else ""
                if any(f"slurmstepd: [{number}." in line for number in said):
                    found.append(int(entry.name))
        return found

    def _start(self, argv: Sequence[str]) -> None:
        subprocess.run(argv, env=self.env, check=True, timeout=30, stdout=sys.stderr, stderr=sys.stderr)

    def _end(self, name: str, number: signal.Signals) -> None:
        path = self.folder / name
        pid = int(path.read_text())
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        wait_until(lambda: not _is_alive(pid))
        path.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _free_ports(count: int) -> list[int]:
    found = [socket.socket() for _ in range(count)]
    try:
        for one in found:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in found]
    finally:
        for one in found:
            one.close()


def main() -> None:
    """Start a cluster for a person, in a folder that is named; it ends with this program."""
    cluster = Cluster(Path(sys.argv[1]).absolute())
    cluster.start()
    try:
        print(f"export SLURM_CONF={cluster.conf}\nCtrl-C ends it.")
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        pass
    finally:
        cluster.stop()


if __name__ == "__main__":
    main()

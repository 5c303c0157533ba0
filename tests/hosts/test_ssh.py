"""The server over ssh, as docs/remote.md has it, with an sshd on loopback that has keys and settings of its own."""

import getpass
import json
import os
import shlex
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.places import ROOT
from tests.support.servers import INITIALIZE, INITIALIZED, SEEDPROOF, ask, call_of, hang_up, tell
from tests.support.supervised import is_gone
from tests.support.waiting import PATIENCE_S, wait_until

# sshd starts itself anew by its absolute path, and Debian keeps it out of an ordinary user's PATH.
SSHD = shutil.which("sshd", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/usr/local/sbin"]))
# Where Debian's sshd, started by root, confines what it runs before a login; its service makes the folder.
CONFINED = Path("/run/sshd")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(SSHD is None or shutil.which("ssh") is None, reason="needs sshd and ssh"),
]


def documented_options() -> list[str]:
    """The options of ssh in the entry that the page gives."""
    entry = json.loads((ROOT / "docs/remote.md").read_text().split("```json\n")[1].split("```")[0])
    arguments: list[str] = entry["mcpServers"]["seedproof"]["args"]
    return arguments[: arguments.index("box")]


class Box:
    """Another machine: this one, behind its sshd."""

    def __init__(self, folder: Path, port: int) -> None:
        self._port = port
        self._key, self._known = folder / "key", folder / "known_hosts"
        self.server_pid = folder / "server.pid"
        self.gate = folder / "gate"

    @contextmanager
    def connection(self, project: Path) -> Iterator["subprocess.Popen[bytes]"]:
        """A server in a login of its own, which has introduced itself."""
        kept = {name: os.environ[name] for name in ("HOME", "XDG_STATE_HOME", "SEEDPROOF_IDLE_S")}
        variables = [f"{name}={value}" for name, value in {**kept, "FAKE_GATE": self.gate}.items()]
        serve = shlex.join(["exec", "env", *variables, str(SEEDPROOF), "serve", "--project", str(project)])
        command = ["ssh", "-F", "none", "-p", str(self._port), "-i", str(self._key), *documented_options()]
        command += ["-o", f"UserKnownHostsFile={self._known}", "-o", "StrictHostKeyChecking=yes", "127.0.0.1"]
        command.append(f"echo $$ > {shlex.quote(str(self.server_pid))}; {serve}")
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            try:
                ask(process, INITIALIZE)
                tell(process, INITIALIZED)
                yield process
            finally:
                process.kill()


@pytest.fixture
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    folder = tmp_path_factory.mktemp("box")
    for name in ("host_key", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    public = (folder / "host_key.pub").read_text()
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {public}")
    (folder / "config").write_text(f"""
        ListenAddress 127.0.0.1
        Port {port}
        HostKey {folder}/host_key
        AuthorizedKeysFile {folder}/key.pub
        AllowUsers {getpass.getuser()}
        AuthenticationMethods publickey
        PermitRootLogin prohibit-password
        PidFile none
        StrictModes no
        UsePAM no
        PermitUserRC no
        PrintLastLog no
    """)
    with _running_sshd(folder):
        wait_until(lambda: _listens(port))
        yield Box(folder, port)


@contextmanager
def _running_sshd(folder: Path) -> Iterator[None]:
    makes_folder = os.geteuid() == 0 and not CONFINED.exists()
    if makes_folder:
        CONFINED.mkdir(mode=0o755)
    try:
        with subprocess.Popen([str(SSHD), "-D", "-f", folder / "config", "-E", folder / "log"]) as process:
            try:
                yield
            finally:
                process.terminate()
                process.wait(PATIENCE_S)
                print((folder / "log").read_text())  # shown where the test fails
    finally:
        if makes_folder:
            CONFINED.rmdir()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_connection_that_is_cut_ends_the_server_and_not_the_training_which_the_next_one_reads(
    box: Box, project: Path
) -> None:
    with box.connection(project) as cut:
        ask(cut, call_of(2, "run_seed", wait_s=0))
        wait_until(lambda: any(project.rglob("model.bin")))  # it trains, and goes on when the gate is there
        tell(cut, call_of(3, "run_seed", seed=42, wait_s=PATIENCE_S))
        server = int(box.server_pid.read_text())
        assert not is_gone(server)
        cut.kill()
        wait_until(lambda: is_gone(server))
    with box.connection(project) as connection:
        running = ask(connection, call_of(2, "run_seed", seed=42, wait_s=0))["result"]["structuredContent"]
        box.gate.touch()
        done = ask(connection, call_of(3, "run_seed", seed=42, wait_s=PATIENCE_S))["result"]["structuredContent"]
        assert hang_up(connection)[0] == b""
    assert (running["state"], done["state"]) == ("running", "succeeded")
    assert running["run_id"] == done["run_id"] == "g1-baseline-s42-a1"


def test_a_server_over_ssh_ends_with_its_input(box: Box, project: Path) -> None:
    with box.connection(project) as connection:
        status = ask(connection, call_of(2, "check_baseline"))["result"]["structuredContent"]
        assert hang_up(connection)[0] == b""
        assert connection.returncode == 0
    assert status["phase"] == "unmeasured"
    wait_until(lambda: is_gone(int(box.server_pid.read_text())))

"""A machine of a host's own: a home, a project, and an environment that reaches nothing but the stand-in."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import Any

from tests.hosts import recorder
from tests.hosts.programs import Program
from tests.hosts.stand_in import StandIn
from tests.support.places import EXAMPLE, ROOT
from tests.support.repositories import git
from tests.support.servers import SEEDPROOF

__all__ = ["INSTALLED", "Machine"]

INSTALLED = ROOT / "tests/hosts/node_modules"
# Less than a second of training, in which the higher rate is told apart all the same.
TRAIN_TOKENS = 60_000
# Half a minute on two cores that do nothing else, and ten times as long on a machine with much else to do.
SESSION_S = 500
# Nobody listens on the port of "discard": what a host asks of the internet fails at once.
NOWHERE = "http://127.0.0.1:9"
TASK = "Measure whether a higher learning rate helps, with the tools of seedproof."


class Machine:
    """An empty project and an empty home."""

    def __init__(self, root: Path, model: StandIn, *, start_delay_s: float = 0) -> None:
        self.home, self.project = root / "home", root / "project"
        self._log, self._model = root / "messages", model
        for folder in (self.home, self.project):
            folder.mkdir()
        shutil.copy(EXAMPLE / "train_llm.py", self.project)
        (self.project / "seedproof.toml").write_text(f"[rules]\ntrain_tokens = {TRAIN_TOKENS}\n")
        git(self.project, "init", "--quiet")
        self._python = _environment_with_recorder(root / "environment", self._log, start_delay_s)

    def install(self, host: str) -> None:
        """Connect the host as a person does; its settings then name the recorder, which stands for the program."""
        command = [self._python, "-m", "seedproof_mcp.surface.cli", "install", host, "--approve"]
        subprocess.run([*command, "--project", self.project], env=self._environment(), check=True, capture_output=True)

    def run(self, program: Program) -> str:
        """Let the host work until it ends, and return what it said."""
        for name, settings in program.files(self._model.url).items():
            file = self.home / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(settings))
        done = subprocess.run(
            program.command(self._model.url, TASK),
            cwd=self.project,
            env=self._environment() | program.environment(self._model.url),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SESSION_S,
        )
        return f"{done.returncode}: {done.stdout.decode(errors='replace')}"

    def messages(self, mark: str) -> list[dict[str, Any]]:
        """What the host said to the server (`>`), or the server to the host (`<`)."""
        lines = self._log.read_bytes().decode().splitlines() if self._log.exists() else []
        return [json.loads(line[2:]) for line in lines if line.startswith(mark)]

    def _environment(self) -> dict[str, str]:
        folders = [INSTALLED / "node/bin", INSTALLED / ".bin"]
        return {
            "PATH": os.pathsep.join([*map(str, folders), os.environ["PATH"]]),
            "HOME": str(self.home),
            "TERM": "dumb",
            **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), NOWHERE),
            **dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost"),
        }


def _environment_with_recorder(folder: Path, log: Path, start_delay_s: float) -> Path:
    """The interpreter of an environment that has this one's packages, and the recorder in place of the program."""
    venv.create(folder, symlinks=True)
    python = folder / "bin/python"
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
    (packages / "these.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    command = [sys.executable, recorder.__file__, str(log), str(start_delay_s), str(SEEDPROOF)]
    program = folder / "bin/seedproof"
    program.write_text(f'#!/bin/sh\nexport SEEDPROOF_IDLE_S=0.5\nexec {shlex.join(command)} "$@"\n')
    program.chmod(0o755)
    return python

"""Starts processes; nothing else in the product does."""

import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


def start(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: int = subprocess.DEVNULL,
    stdout: int | None = None,
    stderr: int | None = None,
    pass_fds: Sequence[int] = (),
    new_session: bool = False,
    before_exec: Callable[[], None] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a process.

    Args:
        argv: The program, looked up in `env`'s PATH, and its arguments.
        cwd: Its working folder; this process's own if None.
        env: Its whole environment; this process's own if None.
        stdin: A descriptor or a constant of subprocess, as for the two outputs.
        stdout: See stdin; inherited if None.
        stderr: See stdin; inherited if None.
        pass_fds: The only descriptors it inherits besides the three above.
        new_session: Detach it from this process's terminal, session and group.
        before_exec: Called in the child; only for a caller without threads.

    Raises:
        OSError: The program or the folder is missing, or access is denied.
        ValueError: An argument contains a NUL.
        subprocess.SubprocessError: `before_exec` raised.
    """
    return subprocess.Popen(
        list(argv),
        cwd=cwd,
        env=env,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        pass_fds=tuple(pass_fds),
        start_new_session=new_session,
        preexec_fn=before_exec,
    )

"""Variables that a training inherits from the program that started the server, and that its code names."""

import re
from collections.abc import Collection, Iterable, Mapping

from seedproof_mcp.host.fingerprint import RECORDED_VALUES, value_sha256

__all__ = ["candidates", "hashes", "words_of"]

# What terminals, desktops, hosts of agents, schedulers, shells and loggers set, another value in each session.
_OF_SESSIONS = re.compile(
    r"(?:TERM|COLOR|SSH_|XDG_|DBUS_|GNOME_|GTK_|GDK_|QT_|KDE_|KONSOLE_|ITERM_|WT_|WSL|TMUX|ELECTRON_|CHROME_|VSCODE_"
    r"|CLAUDE|CODEX|CURSOR_|GEMINI_|ANTHROPIC_|OPENAI_|MCP_|SEEDPROOF_|GIT_|GITHUB_|GH_|CI_|SLURM_|PBS_|LSB_|SGE_"
    r"|SUDO_|SYSTEMD_|JOURNAL_|INVOCATION_|LC_|LESS|npm_|NVM_|PYENV_|CONDA_|VIRTUAL_ENV|POETRY_|UV_"
    r"|WANDB_|MLFLOW_|COMET_|NEPTUNE_|CLEARML_|TENSORBOARD_).*"
    r"|.*_(?:PID|SOCK|SOCKET|PORT|ADDR|FD)"
    r"|PWD|OLDPWD|SHLVL|_|HOME|USER|USERNAME|LOGNAME|SHELL|PATH|MANPATH|LANG|LANGUAGE|TZ|EDITOR|VISUAL|PAGER|DISPLAY"
    r"|WAYLAND_DISPLAY|HOST|HOSTNAME|MAIL|TMPDIR|TMP|TEMP|TEMPDIR|PS1|COLUMNS|LINES|STY|WINDOW|WINDOWID|NAME|CI"
    r"|HISTFILE|HISTSIZE|HISTCONTROL|LS_COLORS|CDPATH|PYTHONUNBUFFERED|JOB_ID|TASK_ID"
)
# Their values are nobody's business, change without a reason in a training, and choose nothing in it.
_SECRET = re.compile(r"(?i).*(?:key|token|secret|passw|credential|auth|cookie).*")
_WORD = re.compile(rb"[A-Za-z_][A-Za-z0-9_]+")
# Each costs 20 ms; code names few.
_MOST = 20


def candidates(env: Mapping[str, str], settings: Collection[str]) -> frozenset[str]:
    """The variables that could steer a training unseen: inherited ones that are not of a session, and no secrets.

    Args:
        env: The environment of the training.
        settings: Names from `[settings.env]` and `[rules.env]`, which are recorded anyway.
    """
    named = {*settings, *RECORDED_VALUES}
    return frozenset(
        name for name in env if name not in named and not _OF_SESSIONS.fullmatch(name) and not _SECRET.fullmatch(name)
    )


def words_of(texts: Iterable[bytes]) -> set[str]:
    """Every word of the texts that may be the name of a variable."""
    return {word.decode() for text in texts for word in set(_WORD.findall(text))}


def hashes(salt: str, env: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """A slow hash of the value of each variable, the same within a ledger and another one everywhere else."""
    return {name: value_sha256(salt, name, env[name]) for name in sorted(names)[:_MOST]}

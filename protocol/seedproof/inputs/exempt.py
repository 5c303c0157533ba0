"""Which opened files are no inputs: the system's own, caches that tools keep for themselves, git's bookkeeping."""

import re

__all__ = ["is_cache_folder", "is_empty_lock", "is_log", "is_no_input"]

# What a machine tells of itself, and what it holds for every program alike.
_SYSTEM = re.compile(
    r"/proc/|/sys/|/dev/(?!shm/)|/run/(?!user/)"
    r"|/etc/(?:hosts|resolv\.conf|nsswitch\.conf|mtab|localtime|timezone|ld\.so\.cache|passwd|group|gitconfig)\Z"
    r"|/etc/(?:ssl|pki|ca-certificates)/|/usr/(?:local/)?share/ca-certificates/"
    r"|/var/cache/fontconfig/|/usr/share/zoneinfo/|/usr/lib/locale/"
)
# Made by tools from other files, each under a name of its own that says what it was made of.
_TOOL_CACHES = re.compile(
    r"/__pycache__/|/\.triton/|/torchinductor_[^/]*/|/\.nv/|/\.cache/fontconfig/"
    r"|/fontlist-v\d+\.json\Z|/matplotlib/(?:[^/]+/)*fontlist[^/]*\Z|\.nb[ic]\Z"
    r"|/\.config/wandb/settings\Z|/wandb/settings\Z|/\.netrc\Z"
    r"|/huggingface/(?:[^/]+/)*(?:version[^/]*\.txt|token|stored_tokens)\Z"
)
# Nothing that a tool caches for itself ends so: weights and data do.
_WEIGHTS = re.compile(
    r"\.(?:pt|pth|ckpt|safetensors|npz|npy|bin|h5|hdf5|pkl|pickle|onnx|gguf|msgpack)\Z", re.IGNORECASE
)
# Who may read data; short-lived ones are written anew every hour.
_CREDENTIALS = re.compile(
    r"/\.aws/(?:config|credentials|(?:sso|cli)/cache/[^/]+)\Z|/\.kaggle/kaggle\.json\Z|/\.docker/config\.json\Z"
    r"|/\.config/gcloud/(?:[^/]+/)*[^/]+\.(?:json|db)\Z|/\.azure/[^/]+\.json\Z"
)
# Read by programs that say which commit they ran at; also of submodules and of bare repositories with working trees.
_GIT = re.compile(
    r"/(?:[^/]*\.git|\.bare)/(?:(?:modules|worktrees)/.+/)?(?:HEAD|ORIG_HEAD|FETCH_HEAD|COMMIT_EDITMSG|index|config(?:\.worktree)?|packed-refs"
    r"|description|commondir|gitdir|shallow|(?:refs|logs|objects|info)/.*)\Z"
    r"|/\.gitconfig\Z|/\.config/git/config\Z|/\.git\Z",
    re.DOTALL,
)
_CACHE_FOLDER = re.compile(r"(?:^|/)(?:[^/]*cache[^/]*|\.triton|torchinductor_[^/]*)/", re.IGNORECASE)


def is_no_input(path: str) -> bool:
    """Whether a file is no input of any run, by its real path."""
    if _SYSTEM.match(path) or _CREDENTIALS.search(path) or _GIT.search(path):
        return True
    return _TOOL_CACHES.search(path) is not None and _WEIGHTS.search(path) is None


def is_empty_lock(path: str, size: int | None) -> bool:
    """Whether a file is a lock: it is called so, and is empty; poetry.lock is not."""
    return path.endswith((".lock", ".lck")) and not size


def is_log(path: str) -> bool:
    """Whether a file is a log by its name."""
    return path.endswith(".log")


def is_cache_folder(path: str) -> bool:
    """Whether a file lies in a folder that is called a cache."""
    return _CACHE_FOLDER.search(path) is not None

"""Files that are no inputs, and their neighbours, which are."""

import pytest
from seedproof.inputs.exempt import is_cache_folder, is_empty_lock, is_no_input


@pytest.mark.parametrize(
    "path",
    [
        *("/proc/self/maps", "/sys/class/x", "/dev/null", "/run/lock/a", "/etc/hosts", "/etc/localtime"),
        *("/p/__pycache__/a.pyc", "/home/me/.triton/cache/ab/k.so", "/tmp/torchinductor_me/ab/k.py", "/home/me/.nv/c"),
        *("/home/me/.cache/matplotlib/fontlist-v390.json", "/p/k.f-1.py311.nbi", "/home/me/.cache/fontconfig/a-le64"),
        *("/home/me/.config/wandb/settings", "/home/me/.cache/huggingface/hub/version.txt", "/home/me/.gitconfig"),
        *("/p/.git/HEAD", "/p/.git/worktrees/a/index", "/p/.git/refs/heads/main", "/p/.git/objects/ab/cd", "/p/.git"),
        *("/p/.git/modules/a/b/HEAD", "/p/.git/modules/a/refs/heads/main", "/p/.bare/HEAD", "/p.git/worktrees/a/index"),
        *("/home/me/.aws/credentials", "/home/me/.aws/sso/cache/ab.json", "/home/me/.kaggle/kaggle.json"),
        *("/home/me/.config/gcloud/application_default_credentials.json", "/etc/ssl/certs/ca-certificates.crt"),
    ],
)
def test_what_the_system_and_tools_keep_for_themselves_is_no_input(path: str) -> None:
    assert is_no_input(path)


@pytest.mark.parametrize(
    "path",
    [
        *("/dev/shm/x", "/run/user/1000/x", "/etc/my.conf", "/processed/x", "/etc/hosts.json", "/p/etc/hosts"),
        *("/home/me/.triton/w.pt", "/tmp/torchinductor_me/w.safetensors", "/p/__pycache__/ids.npy"),
        *("/p/.git/modules/weights", "/p/git/HEAD", "/home/me/.aws/w.pt", "/p/credentials", "/p/etc/ssl/x"),
        *("/p/.git/weights", "/p/.github/x", "/home/me/.config/matplotlib/matplotlibrc"),
        *("/home/me/.cache/huggingface/hub/models--a/blobs/ab", "/p/version.txt", "/p/nbi"),
    ],
)
def test_what_could_change_a_result_is_an_input(path: str) -> None:
    assert not is_no_input(path)


def test_a_lock_is_empty_and_a_cache_folder_is_called_so() -> None:
    assert is_empty_lock("/a/x.lock", 0)
    assert not is_empty_lock("/a/poetry.lock", 5)
    assert not is_empty_lock("/a/x", 0)
    assert is_cache_folder("data/.hf_Cache/x")
    assert not is_cache_folder("data/cache.bin")

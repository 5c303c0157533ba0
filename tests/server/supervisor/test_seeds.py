"""How a training that seeds itself is given the run's seed, and that it runs as it does without that."""

import importlib.util
import os
import random
import sys

import numpy as np
import pytest
from seedproof_mcp.inputs.seeding import seeding_of

from tests.support.supervised import LocalRuns, Run

REPLACED, SEED = 1337, 4294967295


def seeded(local: LocalRuns, code: str, seed: int = SEED, **env: str) -> Run:
    """Run a script to its end, in whose place of 1337 the run's seed comes."""
    (local.work / "train.py").write_text(code)
    variables = {
        "PATH": os.defpath,
        "SEEDPROOF_SEED": str(seed),
        "SEEDPROOF_REPLACE_SEED": str(REPLACED),
        "PYTHONPATH": str(local.work),
        **env,
    }
    run = local.submit(argv=[sys.executable, "train.py"], env=variables)
    result = local.result(run)
    assert result["exit_code"] == 0, run.log.decode(errors="replace")
    return run


def printed(run: Run) -> list[str]:
    return run.log.decode().split()


def test_the_seed_of_the_run_comes_in_place_of_the_scripts_own(local: LocalRuns) -> None:
    code = """
import random
import numpy as np
random.seed(1337); print(random.random())
print(random.Random(1337).random(), random.Random(x=1337).random())
np.random.seed(1337); print(np.random.rand())
np.random.seed(seed=np.int64(1337)); print(np.random.rand())
print(np.random.RandomState(1337).rand())
print(np.random.default_rng(1337).random(), np.random.default_rng(seed=1337).random())
"""
    run = seeded(local, code)
    python, old, new = random.Random(SEED).random(), np.random.RandomState(SEED).rand(), np.random.default_rng(SEED)
    fresh = new.random()
    expected = [python, python, python, old, old, old, fresh, fresh]
    assert printed(run) == [str(float(value)) for value in expected]
    moved = seeding_of(run.paths).moved
    assert moved == {
        "numpy.random.RandomState": 1,
        "numpy.random.default_rng": 2,
        "numpy.random.seed": 2,
        "random.Random": 2,
        "random.seed": 1,
    }


def test_other_seeds_stay_as_they_are_and_are_told(local: LocalRuns) -> None:
    code = """
import random
random.seed(1338); print(random.random())
random.seed("1337"); print(random.random())
random.seed(1337.0); print(random.random())
random.seed(True); print(random.random())
random.seed(2**40); print(random.random())
"""
    run = seeded(local, code)
    seeds: list[int | str | float] = [1338, "1337", 1337.0, True, 2**40]
    assert printed(run) == [str(random.Random(seed).random()) for seed in seeds]
    found = seeding_of(run.paths)
    assert (found.moved, found.kept) == ({}, {"1338": ("random.seed",)})


def test_ranks_stay_apart_and_fit_into_32_bits(local: LocalRuns) -> None:
    # As nanoGPT does: each rank adds its number. A script may say how many there are once it runs.
    code = """
import os, random, subprocess, sys
if "RANK" in os.environ:
    random.seed(1337 + int(os.environ["RANK"])); print(random.random())
else:
    os.environ["WORLD_SIZE"] = "2"
    for rank in ("0", "1", "2"):
        print(subprocess.check_output([sys.executable, __file__], env={**os.environ, "RANK": rank}).decode())
"""
    run = seeded(local, code)
    assert printed(run) == [str(random.Random(seed).random()) for seed in (SEED, 0, 1339)]
    found = seeding_of(run.paths)
    assert (found.moved, found.kept) == ({"random.seed": 2}, {"1339": ("random.seed",)})


def test_processes_that_it_starts_inherit_it_in_every_way(local: LocalRuns) -> None:
    code = """
import multiprocessing, random
def draw(_):
    random.seed(1337)
    return random.random()
if __name__ == "__main__":
    for way in ("fork", "spawn"):
        with multiprocessing.get_context(way).Pool(1) as pool:
            print(*pool.map(draw, range(2)))
"""
    run = seeded(local, code)
    assert printed(run) == [str(random.Random(SEED).random())] * 4
    assert seeding_of(run.paths).moved == {"random.seed": 4}


def test_modules_and_functions_stay_what_they_are_to_the_program(local: LocalRuns) -> None:
    code = """
import sys
early = {name for name in ("random", "numpy", "functools", "inspect") if name in sys.modules}
import copy, importlib, importlib.util, inspect, pickle
spec = importlib.util.find_spec("random")
by_hand = importlib.util.module_from_spec(spec)
spec.loader.exec_module(by_hand)
assert "random" not in sys.modules
import random
assert spec.origin == random.__spec__.origin and type(spec.loader) is type(random.__loader__)
assert "exec_module" not in vars(random.__loader__), vars(random.__loader__)
assert str(inspect.signature(random.seed)) == "(a=None, version=2)"
assert inspect.getsource(random.Random.seed).strip().startswith("def seed(self, a=None")
assert pickle.loads(pickle.dumps(random.Random(7))).random() == random.Random(7).random()
class Own(random.Random): pass
assert Own(1337).random() == random.Random(1337).random()
before = random.Random(1337).random()
importlib.reload(random)
assert random.Random(1337).random() == before
assert by_hand.Random(1337).random() == before

import numpy as np
for one in (np.random.seed, np.random.default_rng, np.random.RandomState):
    assert pickle.loads(pickle.dumps(one)) is one
state = np.random.RandomState(3)
assert pickle.loads(pickle.dumps(state)).rand() == copy.deepcopy(state).rand()
assert isinstance(state, np.random.RandomState) and isinstance(np.random.mtrand._rand, np.random.RandomState)
assert not isinstance(3, np.random.RandomState) and issubclass(np.random.RandomState, np.random.RandomState)
class Sub(np.random.RandomState): pass
assert Sub(1337).rand() == np.random.RandomState(1337).rand()
assert isinstance(Sub(1), Sub) and isinstance(Sub(1), np.random.RandomState) and not isinstance(state, Sub)
assert str(inspect.signature(np.random.default_rng)) == "(seed=None)"
print(sorted(early))
"""
    run = seeded(local, code)
    assert run.log.decode() == "[]\n"


def test_it_is_started_only_where_the_rules_replace_a_seed(local: LocalRuns) -> None:
    code = (
        "import random, sys; random.seed(1337); print(random.random(), [type(one).__name__ for one in sys.meta_path])"
    )
    run = seeded(local, code, SEEDPROOF_REPLACE_SEED="")
    assert printed(run)[0] == str(random.Random(REPLACED).random())
    assert b"_Finder" not in run.log
    assert seeding_of(run.paths).moved == {}


def test_where_the_program_refuses_the_record_it_is_seeded_and_not_told_as_such(local: LocalRuns) -> None:
    code = """
import os, random, shutil, sys
def hook(event, args):
    if event == "open" and str(args[0]).endswith(".seeds"):
        raise RuntimeError("no files")
sys.addaudithook(hook)
random.seed(1337); print(random.random())
"""
    run = seeded(local, code)
    assert printed(run) == [str(random.Random(SEED).random())]
    assert seeding_of(run.paths).moved == {}


# Where these packages define what they hand on: module, and the text of it.
STAND_INS = {
    "torch/__init__.py": "from torch.random import manual_seed\nfrom torch import cuda\n"
    "class Generator:\n    def manual_seed(self, seed):\n        print('generator', seed)\n        return self\n",
    "torch/random.py": "def manual_seed(seed):\n    from torch import cuda\n    print('torch', seed)\n"
    "    cuda.manual_seed_all(seed)\n",
    "torch/cuda/__init__.py": "from torch.cuda.random import *\n",
    "torch/cuda/random.py": "def manual_seed(seed):\n    print('cuda', seed)\n\n\n"
    "def manual_seed_all(seed):\n    print('cuda', seed)\n",
    "jax/__init__.py": "from jax import random\n",
    "jax/random.py": "from jax._src.random import PRNGKey, key\n",
    "jax/_src/__init__.py": "",
    "jax/_src/random.py": "def PRNGKey(seed, *, impl=None):\n    print('jax', seed)\n\n\n"
    "def key(seed, *, impl=None):\n    print('jax', seed)\n",
    "tensorflow/__init__.py": "from tensorflow.python.framework import random_seed as random\n",
    "tensorflow/python/__init__.py": "",
    "tensorflow/python/framework/__init__.py": "",
    "tensorflow/python/framework/random_seed.py": "def set_seed(seed):\n    print('tensorflow', seed)\n",
}
SHAPES = {
    # nanoGPT's train.py, with one rank.
    "nanoGPT": ("seed_offset = 0\ntorch.manual_seed(1337 + seed_offset)\n", "torch 5 cuda 5"),
    # autoresearch's train.py.
    "autoresearch": ("torch.manual_seed(1337)\ntorch.cuda.manual_seed(1337)\n", "torch 5 cuda 5 cuda 5"),
    # seed_everything of Lightning.
    "Lightning": (
        "def seed_everything(seed):\n    random.seed(seed)\n    np.random.seed(seed)\n    torch.manual_seed(seed)\n"
        "seed_everything(1337)\nprint(random.random() == random.Random(5).random())\n",
        "torch 5 cuda 5 True",
    ),
    "jax": (
        "import jax\njax.random.PRNGKey(1337)\njax.random.key(seed=1337)\njax.random.key(7)\n",
        "jax 5 jax 5 jax 7",
    ),
    "tensorflow": ("import tensorflow as tf\ntf.random.set_seed(1337)\n", "tensorflow 5"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_unmodified_shapes_of_scripts_get_the_seed(local: LocalRuns, name: str) -> None:
    for path, text in STAND_INS.items():
        (local.work / path).parent.mkdir(parents=True, exist_ok=True)
        (local.work / path).write_text(text)
    code, expected = SHAPES[name]
    run = seeded(local, f"import random\nimport numpy as np\nimport torch\n{code}", seed=5)
    assert printed(run) == expected.split()
    assert seeding_of(run.paths).moved


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs torch")
def test_the_real_torch_is_seeded_compiled_and_pickled(local: LocalRuns) -> None:
    code = """
import inspect, pickle
import torch
from torch.utils.data import DataLoader, TensorDataset
torch.manual_seed(1337); first = torch.rand(1)
assert torch.initial_seed() == 5
generator = torch.Generator().manual_seed(1337)
assert torch.rand(1, generator=generator) == first and generator.initial_seed() == 5
assert torch.Generator().manual_seed(7).initial_seed() == 7
assert type(generator) is torch._C.Generator is type(torch.default_generator)
assert pickle.loads(pickle.dumps(torch.manual_seed)) is torch.manual_seed
assert str(inspect.signature(torch.manual_seed)).startswith("(seed)")
@torch.compile(backend="eager")
def noisy(x, generator):
    return x + torch.rand(1, generator=generator)
assert noisy(torch.zeros(1), torch.Generator().manual_seed(1337)) == first
torch.manual_seed(1337); assert torch.rand(1) == first
if __name__ == "__main__":
    list(DataLoader(TensorDataset(torch.arange(4.0)), shuffle=True, num_workers=2))
    print("done")
"""
    run = seeded(local, code, seed=5)
    assert run.log.decode().splitlines()[-1] == "done"
    assert seeding_of(run.paths).moved == {"torch.Generator.manual_seed": 2, "torch.manual_seed": 2}

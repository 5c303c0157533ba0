"""The environment variables that a script reads."""

import ast
import re
from collections.abc import Sequence
from dataclasses import replace

from seedproof_mcp.setup.source.found import Option
from seedproof_mcp.setup.source.python_source import NOTHING, Source, called, literal

__all__ = ["SYSTEM_VARIABLES", "read_variables"]

# Set by launchers and libraries; no setting of a script.
SYSTEM_VARIABLES = re.compile(
    r"^(RANK|LOCAL_RANK|WORLD_SIZE|LOCAL_WORLD_SIZE|GROUP_RANK|NODE_RANK|MASTER_\w+|HOME|PATH|USER|PWD|TMPDIR|HOSTNAME|"
    r"(CUDA|NCCL|OMP|MKL|OPENBLAS|NUMEXPR|HF|WANDB|TOKENIZERS|XLA|PYTORCH|TORCH|TF|JAX|SLURM|OMPI|PYTHON|LD|HIP|ROCR|"
    r"TRANSFORMERS|TRITON|KERAS|AWS|GOOGLE|VIRTUAL|CONDA|UV|DISPLAY|COLORTERM|TERM|NO_COLOR|CI)(_\w+)?|"
    r"\w*(KEY|TOKEN|SECRET|PASSWORD)\w*)$"
)
"""Names of variables that no experiment sets."""


def read_variables(sources: Sequence[Source]) -> tuple[Option, ...]:
    """The environment variables that a script reads, without those of launchers and libraries."""
    found: dict[str, Option] = {}
    may_be_missing: set[object] = set()
    for source in sources:
        for node in source.nodes:
            name: object = None
            default: object = None
            if isinstance(node, ast.Call) and node.args:
                if called(source, node.func) in ("os.environ.get", "os.getenv", "os.environ.setdefault"):
                    name = literal(node.args[0])
                    default = literal(node.args[1]) if len(node.args) > 1 else None
                    may_be_missing.add(name)
            elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
                name = literal(node.slice) if called(source, node.value) == "os.environ" else None
            elif isinstance(node, ast.Compare) and any(isinstance(one, (ast.In, ast.NotIn)) for one in node.ops):
                may_be_missing.add(literal(node.left))
            if isinstance(name, str) and name.isidentifier() and not SYSTEM_VARIABLES.match(name):
                found.setdefault(name, Option((name,), source.where(node), None if default is NOTHING else default))
    # One without a default is needed, unless the script asks for it elsewhere.
    return tuple(replace(one, is_required=one.name not in may_be_missing) for one in found.values())

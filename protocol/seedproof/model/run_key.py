"""The name of a run."""

from seedproof.model.runs import Role

__all__ = ["run_id_of"]


def run_id_of(
    generation: int, role: Role, experiment: str | None, seed: int, attempt: int, is_control: bool = False
) -> str:
    """The name of a run: a function of its key, so one key can never have two runs."""
    kind = "exp" if role is Role.MEASURE else str(role)
    # An underscore, because a dash could begin the name of an experiment.
    side = "_control" if is_control and role is Role.CONFIRM else ""
    arm = "baseline" if experiment is None else f"{kind}{side}-{experiment}"
    return f"g{generation}-{arm}-s{seed}-a{attempt}"

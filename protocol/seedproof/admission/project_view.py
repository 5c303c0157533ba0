"""The interface through which an admission reads the project folder; files, git and the machine lie behind it."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from seedproof.admission.guards import Limits
from seedproof.commands.option_names import OptionNames
from seedproof.ledger.beginnings import Beginnings
from seedproof.ledger.state import Experiment
from seedproof.model.code import Change, Code
from seedproof.model.refusals import NextCall, OutputExists
from seedproof.model.rules import Rules
from seedproof.model.run_key import Role, RunKey

__all__ = ["ProjectView", "require_free"]


class ProjectView(Protocol):
    """The project during one request; a repeated question gets the same answer."""

    def is_in_the_way(self, folder: str) -> bool:
        """Whether an output folder exists that the ledger does not own."""

    def surroundings(self) -> Mapping[str, Any]:
        """The fingerprint that a run would have now."""

    def environment_of(self, interpreter: str) -> str:
        """The hash of the environment that an interpreter has now, by its path."""

    def limits(self) -> Limits:
        """The limits for unattended runs."""

    def code(self) -> Code | None:
        """The code in the project now; None where it is not known."""

    def beginnings(self) -> Beginnings:
        """What a generation that begins now begins with."""

    def change(self, old: Code, new: Code) -> Change | None:
        """How one code differs from another; None where their hashes are equal."""

    def option_names(self, code: Code) -> OptionNames:
        """The options that the training script of a code defines, as far as they can be read."""

    def seed_files(self, code: Code, flags: Sequence[str]) -> tuple[str, ...]:
        """Files of a code that flags name and that set a seed, each with the key: `exp.yaml: seed_everything`."""

    def is_kept(self, code: Code) -> bool:
        """Whether a run could still be started with this code; a fresh clone has no snapshots."""

    def differing(self, code: Code) -> tuple[str, ...]:
        """Files of the project that differ from a code held in place; none for a snapshot."""

    def fresh_seeds(self, experiment: Experiment) -> tuple[int, ...]:
        """Fresh seeds for an experiment whose verdict has none."""

    def sealed(self, code: Code) -> Mapping[str, str]:
        """Content hashes of the sealed files that a run with this code would see."""


def require_free(project: ProjectView, key: RunKey, rules: Rules, retry_call: NextCall) -> None:
    """Refuse a run whose output folder is taken; that of a confirmation is named when it starts, as nothing else is.

    Args:
        retry_call: The call to repeat once the folder was moved away.

    Raises:
        OutputExists: The folder exists, and the ledger does not own it.
    """
    folder = key.output_dir(rules.label)
    if key.role is not Role.CONFIRM and project.is_in_the_way(folder):
        raise OutputExists(
            f"{folder} exists and this ledger does not own it; move it away, nothing is deleted for you.", retry_call
        )

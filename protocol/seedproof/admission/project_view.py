"""What an admission asks of the project folder: the interface behind which files, git and the machine lie."""

from collections.abc import Mapping
from typing import Any, Protocol

from seedproof.admission.guards import Limits
from seedproof.model.code import Change, Code
from seedproof.model.refusals import NextCall, OutputExists
from seedproof.model.rules import Rules
from seedproof.model.run_key import RunKey

__all__ = ["ProjectView", "require_free"]


class ProjectView(Protocol):
    """The project as it is while one request is decided; each answer stays the same for that long."""

    def is_in_the_way(self, folder: str) -> bool:
        """Whether an output folder exists that the ledger does not own."""

    def surroundings(self) -> Mapping[str, Any]:
        """The fingerprint that a run would have now."""

    def limits(self) -> Limits:
        """What guards a night that nobody watches."""

    def code(self) -> Code | None:
        """The code as it lies in the project now; None where nobody can tell."""

    def change(self, old: Code, new: Code) -> Change | None:
        """How one code differs from another; None where their identity is the same."""

    def is_kept(self, code: Code) -> bool:
        """Whether a run could still be started with this code; a fresh clone has no snapshots."""

    def differing(self, code: Code) -> tuple[str, ...]:
        """Files of the project that are not as in a code that is held in place; none for a snapshot."""

    def sealed(self, code: Code) -> Mapping[str, str]:
        """Content hashes of the sealed files, as a run with this code would see them."""


def require_free(project: ProjectView, key: RunKey, rules: Rules, again: NextCall) -> None:
    """Refuse a run whose output folder is not there for it.

    Args:
        again: The call to repeat once the folder has been moved away.

    Raises:
        OutputExists: A folder that the ledger does not own is in the way.
    """
    folder = key.output_dir(rules.label)
    if project.is_in_the_way(folder):
        raise OutputExists(
            f"{folder} exists and this ledger does not own it; move it away, nothing is deleted for you.", again
        )

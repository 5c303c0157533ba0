"""The tree of refusals: each class of it is one reason to refuse a call, and its name is the code that a reply shows.

Refusal
├── RequestRefusal      bad_arguments, bad_settings, not_writable, program_missing, script_missing, run_unknown,
│                       run_ended, disk_low, runaway, no_random_source
├── BaselineRefusal     baseline_missing, baseline_incomplete, baseline_void, baseline_stale
├── ExperimentRefusal   experiment_unknown, experiment_incomplete, experiment_measured, more_seeds_needed,
│                       arm_failed, not_comparable
├── CodeRefusal         control_due, code_unchanged, sealed_changed, snapshot_missing
├── DeclarationRefusal  name_invalid, hypothesis_missing, flags_missing, flags_changed,
│                       flags_duplicate, flag_protected, flag_malformed
├── SeedRefusal         seed_unknown, seed_not_due, attempt_not_allowed, output_exists,
│                       nothing_due, control_not_due, confirm_not_due
└── LedgerRefusal       ledger_damaged, ledger_diverged, ledger_newer
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

__all__ = [
    "ArmFailed",
    "AttemptNotAllowed",
    "BadArguments",
    "BadSettings",
    "BaselineIncomplete",
    "BaselineMissing",
    "BaselineRefusal",
    "BaselineStale",
    "BaselineVoid",
    "CodeRefusal",
    "CodeUnchanged",
    "ConfirmNotDue",
    "ControlDue",
    "ControlNotDue",
    "DeclarationRefusal",
    "DiskLow",
    "ExperimentIncomplete",
    "ExperimentMeasured",
    "ExperimentRefusal",
    "ExperimentUnknown",
    "FlagMalformed",
    "FlagProtected",
    "FlagsChanged",
    "FlagsDuplicate",
    "FlagsMissing",
    "HypothesisMissing",
    "LedgerDamaged",
    "LedgerDiverged",
    "LedgerNewer",
    "LedgerRefusal",
    "MoreSeedsNeeded",
    "NameInvalid",
    "NextCall",
    "NoRandomSource",
    "NotComparable",
    "NotWritable",
    "NothingDue",
    "OutputExists",
    "ProgramMissing",
    "Refusal",
    "RequestRefusal",
    "RunEnded",
    "RunUnknown",
    "Runaway",
    "ScriptMissing",
    "SealedChanged",
    "SeedNotDue",
    "SeedRefusal",
    "SeedUnknown",
    "SnapshotMissing",
]


@dataclass(frozen=True, slots=True)
class NextCall:
    """A call that is allowed and useful now."""

    tool: str
    """Name of the tool."""
    why: str
    """One sentence: what the call brings."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Arguments that are already known."""
    you_choose: tuple[str, ...] = ()
    """Arguments that only the caller can fill."""

    def __str__(self) -> str:
        known = [f"{name}={json.dumps(value)}" for name, value in self.arguments.items()]
        return f"{self.tool}({', '.join([*known, *(f'{name}=…' for name in self.you_choose)])})"


WHERE_WE_STAND = NextCall("check_baseline", "Shows where the protocol stands and what is due.")


class Refusal(Exception):
    """A call that is refused. `code` is stable; `message` says what is missing, in numbers.

    There is always a next call; by default it is `check_baseline`, which shows what is due.
    """

    code: ClassVar[str] = "refused"

    def __init_subclass__(cls) -> None:
        """Derive the code from the name: `SeedNotDue` becomes `seed_not_due`. A branch of the tree has none."""
        if "code" not in vars(cls) and not cls.__name__.endswith("Refusal"):
            cls.code = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def __init__(self, message: str, next_call: NextCall = WHERE_WE_STAND) -> None:
        super().__init__(message)
        self.message = message
        self.next_call = next_call

    def __str__(self) -> str:
        return f"{self.code}: {self.message} Next: {self.next_call}"


class RequestRefusal(Refusal):
    """The call, the settings or the project cannot be used as they are."""


class BadArguments(RequestRefusal): ...


class BadSettings(RequestRefusal): ...


class NotWritable(RequestRefusal): ...


class ProgramMissing(RequestRefusal): ...


class ScriptMissing(RequestRefusal): ...


class RunUnknown(RequestRefusal): ...


class RunEnded(RequestRefusal): ...


class DiskLow(RequestRefusal): ...


class Runaway(RequestRefusal): ...


class NoRandomSource(RequestRefusal): ...


class BaselineRefusal(Refusal):
    """There is no complete baseline, so nothing may be said about an experiment."""


class BaselineMissing(BaselineRefusal): ...


class BaselineIncomplete(BaselineRefusal): ...


class BaselineVoid(BaselineRefusal): ...


class BaselineStale(BaselineRefusal): ...


class ExperimentRefusal(Refusal):
    """The experiment cannot be judged now."""


class ExperimentUnknown(ExperimentRefusal): ...


class ExperimentIncomplete(ExperimentRefusal): ...


class ExperimentMeasured(ExperimentRefusal): ...


class MoreSeedsNeeded(ExperimentRefusal): ...


class ArmFailed(ExperimentRefusal): ...


class NotComparable(ExperimentRefusal): ...


class CodeRefusal(Refusal):
    """The code that a run would be trained with is not one that the comparison allows."""


class ControlDue(CodeRefusal): ...


class CodeUnchanged(CodeRefusal): ...


class SealedChanged(CodeRefusal): ...


class SnapshotMissing(CodeRefusal): ...


class DeclarationRefusal(Refusal):
    """The experiment may not be declared like this."""


class NameInvalid(DeclarationRefusal): ...


class HypothesisMissing(DeclarationRefusal): ...


class FlagsMissing(DeclarationRefusal): ...


class FlagsChanged(DeclarationRefusal): ...


class FlagsDuplicate(DeclarationRefusal): ...


class FlagProtected(DeclarationRefusal): ...


class FlagMalformed(DeclarationRefusal): ...


class SeedRefusal(Refusal):
    """The run asked for is not one that the protocol allows now."""


class SeedUnknown(SeedRefusal): ...


class SeedNotDue(SeedRefusal): ...


class AttemptNotAllowed(SeedRefusal): ...


class OutputExists(SeedRefusal): ...


class NothingDue(SeedRefusal): ...


class ControlNotDue(SeedRefusal): ...


class ConfirmNotDue(SeedRefusal): ...


class LedgerRefusal(Refusal):
    """The ledger cannot be trusted or read; nothing is decided on it."""


class LedgerDamaged(LedgerRefusal):
    seq: int | None = None
    """Number of the damaged record; None where no single record is damaged."""
    fault: str = ""
    """What is wrong with that record, as the end of a sentence."""


class LedgerDiverged(LedgerRefusal): ...


class LedgerNewer(LedgerRefusal): ...

"""The tree of refusals: every way in which Seedproof says no, each with its code and the next call.

Refusal
├── RequestRefusal      bad_arguments, bad_settings, not_writable, script_missing, run_unknown, run_ended,
│                       disk_low, runaway
├── BaselineRefusal     baseline_missing, baseline_incomplete, baseline_void, baseline_stale
├── ExperimentRefusal   experiment_unknown, experiment_incomplete, more_seeds_needed, arm_failed,
│                       not_comparable
├── CodeRefusal         control_due, code_unchanged, sealed_changed, snapshot_missing
├── DeclarationRefusal  name_invalid, hypothesis_missing, flags_missing, flags_changed,
│                       flags_duplicate, flag_protected, flag_malformed
├── SeedRefusal         seed_unknown, seed_not_due, attempt_not_allowed, output_exists,
│                       nothing_due, control_not_due, confirm_not_due
└── LedgerRefusal       ledger_damaged, ledger_diverged, ledger_newer
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

__all__ = [
    "CodeRefusal",
    "SnapshotMissing",
    "SealedChanged",
    "NotComparable",
    "CodeUnchanged",
    "ControlDue",
    "BaselineStale",
    "ArmFailed",
    "AttemptNotAllowed",
    "BadArguments",
    "BadSettings",
    "BaselineIncomplete",
    "BaselineMissing",
    "BaselineRefusal",
    "BaselineVoid",
    "ConfirmNotDue",
    "ControlNotDue",
    "DeclarationRefusal",
    "DiskLow",
    "ExperimentIncomplete",
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
    "NotWritable",
    "NothingDue",
    "OutputExists",
    "Refusal",
    "RequestRefusal",
    "RunEnded",
    "RunUnknown",
    "Runaway",
    "ScriptMissing",
    "SeedNotDue",
    "SeedRefusal",
    "SeedUnknown",
]


@dataclass(frozen=True, slots=True)
class NextCall:
    """The call that is allowed and useful now."""

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
        open_ones = [f"{name}=…" for name in self.you_choose]
        return f"{self.tool}({', '.join(known + open_ones)})"


WHERE_WE_STAND = NextCall("check_baseline", "Shows where the protocol stands and what is due.")


class Refusal(Exception):
    """A guard says no. `code` is stable; `message` says what is missing, in numbers.

    There is always a next call; where nothing better is known it is the one that shows what is due.
    """

    code: ClassVar[str] = "refused"

    def __init__(self, message: str, next_call: NextCall = WHERE_WE_STAND) -> None:
        super().__init__(message)
        self.message = message
        self.next_call = next_call

    def __str__(self) -> str:
        return f"{self.code}: {self.message} Next: {self.next_call}"


class RequestRefusal(Refusal):
    """The call, the settings or the project cannot be used as they are."""


class BadArguments(RequestRefusal):
    code = "bad_arguments"


class BadSettings(RequestRefusal):
    code = "bad_settings"


class NotWritable(RequestRefusal):
    code = "not_writable"


class ScriptMissing(RequestRefusal):
    code = "script_missing"


class RunUnknown(RequestRefusal):
    code = "run_unknown"


class RunEnded(RequestRefusal):
    code = "run_ended"


class DiskLow(RequestRefusal):
    code = "disk_low"


class Runaway(RequestRefusal):
    code = "runaway"


class BaselineRefusal(Refusal):
    """There is no complete baseline, so nothing may be said about an experiment."""


class BaselineMissing(BaselineRefusal):
    code = "baseline_missing"


class BaselineIncomplete(BaselineRefusal):
    code = "baseline_incomplete"


class BaselineVoid(BaselineRefusal):
    code = "baseline_void"


class BaselineStale(BaselineRefusal):
    code = "baseline_stale"


class ExperimentRefusal(Refusal):
    """The experiment cannot be judged now."""


class ExperimentUnknown(ExperimentRefusal):
    code = "experiment_unknown"


class ExperimentIncomplete(ExperimentRefusal):
    code = "experiment_incomplete"


class MoreSeedsNeeded(ExperimentRefusal):
    code = "more_seeds_needed"


class ArmFailed(ExperimentRefusal):
    code = "arm_failed"


class NotComparable(ExperimentRefusal):
    code = "not_comparable"


class CodeRefusal(Refusal):
    """The code that a run would be trained with is not one that the comparison allows."""


class ControlDue(CodeRefusal):
    code = "control_due"


class CodeUnchanged(CodeRefusal):
    code = "code_unchanged"


class SealedChanged(CodeRefusal):
    code = "sealed_changed"


class SnapshotMissing(CodeRefusal):
    code = "snapshot_missing"


class DeclarationRefusal(Refusal):
    """The experiment may not be declared like this."""


class NameInvalid(DeclarationRefusal):
    code = "name_invalid"


class HypothesisMissing(DeclarationRefusal):
    code = "hypothesis_missing"


class FlagsMissing(DeclarationRefusal):
    code = "flags_missing"


class FlagsChanged(DeclarationRefusal):
    code = "flags_changed"


class FlagsDuplicate(DeclarationRefusal):
    code = "flags_duplicate"


class FlagProtected(DeclarationRefusal):
    code = "flag_protected"


class FlagMalformed(DeclarationRefusal):
    code = "flag_malformed"


class SeedRefusal(Refusal):
    """The run asked for is not one that the protocol allows now."""


class SeedUnknown(SeedRefusal):
    code = "seed_unknown"


class SeedNotDue(SeedRefusal):
    code = "seed_not_due"


class AttemptNotAllowed(SeedRefusal):
    code = "attempt_not_allowed"


class OutputExists(SeedRefusal):
    code = "output_exists"


class NothingDue(SeedRefusal):
    code = "nothing_due"


class ControlNotDue(SeedRefusal):
    code = "control_not_due"


class ConfirmNotDue(SeedRefusal):
    code = "confirm_not_due"


class LedgerRefusal(Refusal):
    """The ledger cannot be trusted or read; nothing is decided on it."""


class LedgerDamaged(LedgerRefusal):
    code = "ledger_damaged"
    seq: int | None = None
    """Number of the record that is to blame, for whoever knows its file; None where none is."""
    fault: str = ""
    """What is wrong with the record, as the end of a sentence."""


class LedgerDiverged(LedgerRefusal):
    code = "ledger_diverged"


class LedgerNewer(LedgerRefusal):
    code = "ledger_newer"

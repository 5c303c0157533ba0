"""The rules of a study: what a result means. Frozen into the ledger with each baseline generation.

A field's description, its allowed values (in words) and its examples are also what `seedproof init` writes, what an
error message says and what docs/settings.md lists.

Over 300 lines, because every rule stands here.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator, model_validator

from seedproof.model.metric_patterns import DEFAULT_VAL_LOSS, is_default_pattern
from seedproof.model.metric_rule import MetricRule
from seedproof.model.template import env_fault, find_script, holds, seed_fault, unknown_field
from seedproof.stats.power import Sizes

__all__ = ["RETIRED_RULES", "EarlierRules", "Rules"]

_SEEDS = "whole numbers from 0 to 4294967295, each once"
_CONFIRM_COUNTS = (0, 3, 6)  # three pairs are one stage of a confirmation, six are two

RETIRED_RULES = {"sequential_variance": "each look pools the variance of both arms"}
"""Rules that a `seedproof.toml` of an earlier version may have, and what holds now; they are told and ignored."""


@dataclass(frozen=True, slots=True)
class EarlierRules:
    """What held in a generation that was begun before records of format 2, and holds for what it has begun."""

    confirm_seeds: tuple[int, ...]
    """The fresh seeds of every confirmation; three pairs, confirmed at t(.90) of the spread of all four arms."""


_EARLIER_CONFIRM_SEEDS = (100_003, 100_019, 100_043)  # of every ledger whose settings named no others
# What a generation of records of format 1 cannot differ in, as it cannot have it; and what later ones may lack.
_NEWER_RULES, _NEWEST_RULES = frozenset({"confirm_seeds", "repeat_probe"}), frozenset({"budget"})

# Units of `scale` that are times: `300 s`, `5min`, `2 hours`.
_TIME = re.compile(r"[0-9. ](?:s|h|(?i:secs?|seconds?|mins?|minutes?|hrs?|hours?|days?))$")


class Rules(BaseModel):
    """The protocol's numbers. Defaults: the experiment-runner protocol (docs/protocol.md)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    _earlier: EarlierRules | None = PrivateAttr(default=None)
    _newer: frozenset[str] = PrivateAttr(default=frozenset())

    command: tuple[str, ...] = Field(
        default=(
            "{python}",
            "train_llm.py",
            "--train_tokens",
            "{train_tokens}",
            "--seed",
            "{seed}",
            "{flags}",
            "--output_dir",
            "{output_dir}",
        ),
        description="Command template of any program; `{flags}` is one element, and empty for the baseline. An "
        "experiment may replace the template's options, except those that hold a field and those that "
        "[flags.md](flags.md#protected-options) names.",
        json_schema_extra={"allowed": "a list of texts, one of which is {flags}; see `seed` for {seed}"},
    )
    env: dict[str, str] = Field(
        default_factory=dict,
        description="Variables that every run is started with. Their values may hold {seed}, {output_dir} and "
        "{train_tokens}. SEEDPROOF_SEED and SEEDPROOF_OUTPUT_DIR are always set.",
        json_schema_extra={
            "allowed": 'names of variables, each with a text in quotes, such as SEED = "{seed}"',
        },
        examples=[{"SEED": "{seed}"}],
    )
    seed: Literal["argument", "environment", "inject", "unseeded"] = Field(
        default="argument",
        description="How the training gets its seed. `argument`: the command holds {seed}. `environment`: `env` holds "
        "it, or the script reads SEEDPROOF_SEED. `inject`: a Python script that seeds itself with `replace_seed` is "
        "given the run's seed in its place, see [flags.md](flags.md#scripts-without-a-seed-option). `unseeded`: it has "
        "none; every headline says so.",
    )
    replace_seed: int | None = Field(
        default=None,
        ge=0,
        lt=2**32,
        description='The seed that the script itself uses, for seed = "inject": what `random`, numpy or torch are '
        "seeded with.",
        json_schema_extra={"allowed": "a whole number from 0 to 4294967295"},
        examples=[1337],
    )
    flag_style: Literal["auto", "options", "overrides", "pairs", "variables"] = Field(
        default="auto",
        description="How an experiment's flags are written. `options`: --lr 0.01. `overrides`: key=value, +key=value, "
        "~key. `pairs`: KEY VALUE. `variables`: NAME=value, behind a command's `env`. `auto`: as the template is, and "
        "options always.",
    )
    protected: tuple[str, ...] = Field(
        default=(),
        description="More options and keys that no experiment may set, as they are written without dashes.",
        json_schema_extra={"allowed": "a list of names of options or keys"},
        examples=[["batch_size"]],
    )
    free: tuple[str, ...] = Field(
        default=(),
        description="Options and keys that an experiment may set although their names have a word such as `eval`, "
        "`val`, `test`, `metric` or `data`.",
        json_schema_extra={"allowed": "a list of names of options or keys"},
        examples=[["data_augmentation"]],
    )
    scale: str | None = Field(
        default=None,
        pattern=r"^[0-9][0-9.]{0,11} ?[A-Za-z][A-Za-z-]{0,19}$",
        description="How long every run trains, in words, where no {train_tokens} says it: `300 s`, `20 epochs`. It "
        "stands in reports and in file names, as 300s or 20epochs, and sets nothing.",
        json_schema_extra={"allowed": 'a number and its unit, such as "300 s" or "1490 steps"'},
        examples=["20 epochs"],
    )
    train_tokens: int = Field(
        default=1_000_000,
        ge=1,
        description="Scale: training tokens of every run. Its short form stands in file names: `1M`, `100k`, `1500`.",
        json_schema_extra={"allowed": "a whole number from 1 on"},
    )
    # The protocol, phase 1.
    baseline_seeds: tuple[int, ...] = Field(
        default=(42, 137, 256, 512, 1024),
        min_length=3,
        description="Seeds of the baseline, all needed. "
        "More of them, behind the present ones, make a [larger baseline](evidence.md#a-larger-baseline).",
        json_schema_extra={"allowed": f"a list of 3 or more: {_SEEDS}"},
    )
    # The protocol, phase 2: at least 3, and more where these do not decide.
    experiment_seeds: tuple[int, ...] = Field(
        default=(42, 137, 256),
        min_length=3,
        description="First look at an experiment.",
        json_schema_extra={"allowed": f"a list of 3 or more: {_SEEDS}"},
    )
    extra_seeds: tuple[int, ...] = Field(
        default=(512, 1024),
        description="Run as well when the first look is less than `winner_sigma` away. "
        "None of them may stand in `experiment_seeds`.",
        json_schema_extra={"allowed": f"a list, which may be empty: {_SEEDS}"},
    )
    metric: MetricRule = Field(
        default=MetricRule(name="val_loss", pattern=DEFAULT_VAL_LOSS),
        description="The metric that decides.",
        json_schema_extra={"allowed": "a table, written [rules.metric]"},
    )
    extra_metrics: tuple[MetricRule, ...] = Field(
        default=(),
        description="Metrics that are reported and never decide.",
        json_schema_extra={"allowed": "a table for each, written [[rules.extra_metrics]]"},
    )
    # The protocol, phase 1: both numbers of sigmas.
    winner_sigma: float = Field(
        default=2.0,
        gt=0,
        allow_inf_nan=False,
        description="Sigmas from which a difference is a verdict.",
        json_schema_extra={"allowed": "a number above 0"},
    )
    suggestive_sigma: float = Field(
        default=1.0,
        gt=0,
        allow_inf_nan=False,
        description="Sigmas from which an improvement is called suggestive; at most `winner_sigma`.",
        json_schema_extra={"allowed": "a number above 0"},
    )
    design: Literal["protocol", "screening", "sequential"] = Field(
        default="protocol",
        description="How looks and decisions follow each other. `screening` drops an idea as soon as it looks "
        "unpromising, without a verdict: half the runs, see [evidence.md](evidence.md#screening). `sequential` is "
        "the name of an earlier design and stays only with a baseline that was begun under it.",
        json_schema_extra={"allowed": '"protocol" or "screening"'},
    )
    pairing: Literal["auto", "paired", "unpaired"] = Field(
        default="auto",
        description="Which interval is the primary one; `auto` decides by the seed correlation of earlier arms.",
    )
    worthwhile_sigma: float = Field(
        default=2.0,
        gt=0,
        allow_inf_nan=False,
        description="The smallest improvement worth finding, for advice on the number of seeds. It decides nothing.",
        json_schema_extra={"allowed": "a number above 0"},
    )
    confirm_seeds: tuple[int, ...] = Field(
        default=(),
        description="Fresh seeds of every confirmation, one pair of runs each. Leave it empty: then six are drawn at "
        "random for each experiment once its verdict is recorded, so that nobody can try them beforehand. Verdicts "
        "name seeds that are given here.",
        json_schema_extra={"allowed": f"an empty list, or one of 3 or 6: {_SEEDS}"},
    )
    repeat_probe: bool = Field(
        default=True,
        description="Whether the first baseline seed is started once more behind the last one, for a short while, to "
        "see whether the seed varies the run at all.",
        json_schema_extra={"allowed": "true or false"},
    )
    budget: Literal["steps", "time", "none"] = Field(
        default="steps",
        description="What both arms get alike. `steps`: tokens, samples or epochs where both print them, else steps. "
        "`time`: wall time, also where `scale` is a time such as `300 s`. "
        "`none`: the length is part of the method, as with early stopping; reports tell it.",
    )
    accept_exit: Literal["zero", "value"] = Field(
        default="zero",
        description="Which ends are a result. `zero`: exit code 0. `value`: also a bad end, such as an exception in a "
        "plot, once the training was complete and its value printed; see "
        "[how-it-runs.md](how-it-runs.md#a-good-training-that-ends-badly). Both arms alike; reports name such seeds.",
    )
    campaign: Literal["folder", "code"] = Field(
        default="folder",
        description="Which experiments count as ideas tried, for the chance of a WINNER by luck and the adjusted p "
        "value. `folder`: those of this ledger. `code`: also those of the "
        "[other ledgers](files.md#outside-the-project) that began with this code.",
        json_schema_extra={"allowed": '"folder" or "code"'},
    )
    sealed: tuple[str, ...] = Field(
        default=(),
        description="Files that no arm may change. `*` and `?` stand for anything within a name, `**` for any folders.",
        json_schema_extra={"allowed": "a list of paths inside the project, which may hold * and ?"},
        examples=[["evaluate.py", "data/val*"]],
    )

    @field_validator("baseline_seeds", "experiment_seeds", "extra_seeds", "confirm_seeds")
    @classmethod
    def _distinct_seeds(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) != len(seeds) or any(not 0 <= seed < 2**32 for seed in seeds):
            raise ValueError("seeds are distinct integers from 0 to 4294967295")
        return seeds

    @field_validator("confirm_seeds")
    @classmethod
    def _whole_stages(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(seeds) not in _CONFIRM_COUNTS:
            raise ValueError(f"confirm_seeds has {len(seeds)} seeds; give 3 or 6, or none: then six are drawn")
        return seeds

    @field_validator("sealed")
    @classmethod
    def _inside_the_project(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        if any(not pattern or pattern.startswith("/") or ".." in pattern.split("/") for pattern in patterns):
            raise ValueError("sealed names files inside the project, without a leading / and without ..")
        return patterns

    @field_validator("command")
    @classmethod
    def _complete_command(cls, command: tuple[str, ...]) -> tuple[str, ...]:
        unknown = unknown_field(command)
        if unknown is not None:
            raise ValueError(unknown)
        if command.count("{flags}") != 1:
            raise ValueError("the command needs one element that is {flags}, where an experiment's flags stand")
        if command[0] == "{flags}":
            raise ValueError("the command begins with a program, not with {flags}")
        return command

    @field_validator("env")
    @classmethod
    def _fields_of_env(cls, env: dict[str, str]) -> dict[str, str]:
        unknown = unknown_field(list(env.values()))
        if unknown is not None or holds(list(env.values()), "python") or holds(list(env.values()), "flags"):
            raise ValueError(unknown or "values may hold {seed}, {output_dir} and {train_tokens}")
        fault = env_fault(env)
        if fault is not None:
            raise ValueError(fault)
        return dict(sorted(env.items()))  # as the ledger keeps it, so that reports name them alike

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if set(self.experiment_seeds) & set(self.extra_seeds):
            raise ValueError("experiment_seeds and extra_seeds have a seed in common")
        if set(self.confirm_seeds) & set(self.all_seeds):
            raise ValueError("confirm_seeds are fresh: none of them may be a seed of baseline or experiment")
        fault = seed_fault(self.command, self.env, self.seed, self.replace_seed)
        if fault is not None:
            raise ValueError(fault)
        if self.scale is not None and self.sets_tokens:
            raise ValueError("scale is for commands without {train_tokens}; train_tokens is the scale here")
        if self.suggestive_sigma > self.winner_sigma:
            raise ValueError("suggestive_sigma is at most winner_sigma")
        names = [metric.name for metric in self.metrics] + ["wall_time_s"]
        if len(set(names)) != len(names):
            raise ValueError("two metrics have the same name (wall_time_s is taken)")
        return self

    def _holds(self, field: str) -> bool:
        """Whether command or variables have a field."""
        return holds((*self.command, *self.env.values()), field)

    @property
    def sets_tokens(self) -> bool:
        """Whether command or variables tell the training how many tokens to take."""
        return self._holds("train_tokens")

    @property
    def names_output_dir(self) -> bool:
        """Whether command or variables name the output folder; a script may still read SEEDPROOF_OUTPUT_DIR."""
        return self._holds("output_dir")

    @property
    def metrics(self) -> tuple[MetricRule, ...]:
        """All metrics; the deciding one comes first."""
        return (self.metric, *self.extra_metrics)

    @property
    def script(self) -> str | None:
        """The training script, relative to the project; None where the command names none."""
        return find_script(self.command)

    @property
    def label(self) -> str:
        """The scale as it stands in file names: 1000000 -> `1M`, 100000 -> `100k`, `300 s` -> `300s`.

        A command without {train_tokens} and without `scale` keeps the label of `train_tokens`.
        """
        if self.scale is not None:
            return self.scale.replace(" ", "")
        for size, unit in ((1_000_000_000, "B"), (1_000_000, "M"), (1_000, "k")):
            if self.train_tokens % size == 0:
                return f"{self.train_tokens // size}{unit}"
        return str(self.train_tokens)

    @property
    def scale_words(self) -> str | None:
        """The scale for a reader: `1M tokens`, `300 s`; None where nothing tells it."""
        return f"{self.label} tokens" if self.sets_tokens else self.scale

    @property
    def has_time_budget(self) -> bool:
        """Whether a training lasts for a time, by `budget` or by the unit of `scale`, so that its steps may differ."""
        return self.budget == "time" or (self.scale is not None and _TIME.search(self.scale) is not None)

    @property
    def budget_kind(self) -> Literal["steps", "time", "none"]:
        """What both arms are given alike: `budget`, but time where it is left at steps and the scale is a time."""
        return "time" if self.budget == "steps" and self.has_time_budget else self.budget

    @property
    def all_seeds(self) -> tuple[int, ...]:
        """Every seed of baseline and experiments, in order, without repetition; confirmations have their own."""
        return tuple(dict.fromkeys((*self.baseline_seeds, *self.experiment_seeds, *self.extra_seeds)))

    @property
    def sizes(self) -> Sizes:
        """What the statistics of the design depend on: numbers of seeds, and the threshold."""
        first, every = self.experiment_seeds, self.experiment_seeds + self.extra_seeds
        shared = [len(set(seeds) & set(self.baseline_seeds)) for seeds in (first, every)]
        return Sizes(self.winner_sigma, len(self.baseline_seeds), len(first), len(every), *shared)

    def document(self) -> dict[str, Any]:
        """The rules as they stand in the ledger."""
        return self.model_dump(mode="json")

    def with_metrics(self, metric: MetricRule, extra_metrics: tuple[MetricRule, ...]) -> "Rules":
        """The same rules with other metrics."""
        return self.model_copy(update={"metric": metric, "extra_metrics": extra_metrics})

    @property
    def earlier(self) -> EarlierRules | None:
        """What held before records of format 2; None for rules that were written since."""
        return self._earlier

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Rules":
        """Read rules back from the ledger; a rule that the document lacks means what held when it was written.

        Raises:
            pydantic.ValidationError: The document is not one that `document` wrote.
        """
        newest = _NEWEST_RULES - document.keys()
        if "repeat_probe" in document:
            rules = cls.model_validate_json(json.dumps(dict(document)))
            rules._newer = newest
            return rules
        given = tuple(document.get("confirm_seeds", _EARLIER_CONFIRM_SEEDS))
        # Seeds that everybody knew confirm nothing that begins now; those of the user's choice stay.
        stay = given != _EARLIER_CONFIRM_SEEDS and len(given) in _CONFIRM_COUNTS
        known = {name: value for name, value in document.items() if name not in RETIRED_RULES}
        rules = cls.model_validate_json(
            json.dumps({**known, "confirm_seeds": given if stay else (), "repeat_probe": False})
        )
        rules._earlier, rules._newer = EarlierRules(given), _NEWER_RULES | newest
        return rules

    def differing(self, present: "Rules") -> list[str]:
        """Names of the rules in which present ones differ from these, under which a baseline was begun."""
        if self == present:
            return []
        begun, now = self._compared(), present._compared()
        return sorted(name for name in now if now[name] != begun[name] and name not in self._newer)

    def differences(self) -> list[tuple[str, Any, Any]]:
        """(name, default, present value) of each rule that differs from the protocol's default."""
        default, present = Rules().document(), self._compared()
        names = [name for name in present if present[name] != default[name] and name not in self._newer]
        return [(name, default[name], present[name]) for name in names]

    def _compared(self) -> dict[str, Any]:
        """The document, in which the default pattern of an earlier version stands for that of this one."""
        document = self.document()
        if is_default_pattern(self.metric.pattern):
            document["metric"]["pattern"] = DEFAULT_VAL_LOSS
        return document

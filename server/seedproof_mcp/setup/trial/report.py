"""Says in words what a try has seen: what was run, what was read, what the seed decides, and what to mend."""

import shlex
from collections.abc import Iterator, Sequence

from seedproof.metrics.run_state import lacks_value
from seedproof.model.metric_rule import LogPattern
from seedproof.model.runs import MetricValue, RunState
from seedproof.model.untrusted import safe_tail
from seedproof.sources.short_runs import SeedEffect, ValuesOfRun, seed_effect, training_losses, values_of

from seedproof_mcp.host.missing_module import is_own_interpreter
from seedproof_mcp.host.settings import load_config
from seedproof_mcp.service.replies.rows import TriedRow
from seedproof_mcp.setup.trial.findings import Suggestion, read, suggestions
from seedproof_mcp.setup.trial.run import Tried, TriedRun
from seedproof_mcp.setup.trial.seeds import trial_seeds
from seedproof_mcp.setup.trial.toml_lines import settings_toml
from seedproof_mcp.setup.trial.words import (
    columns_words,
    cost_words,
    crash_words,
    duration_words,
    ended_well,
    files_words,
    lengths_of,
    listed,
    long_text,
    place_words,
    progress_words,
    read_by,
    repeat_lines,
    scale_lines,
    scale_of,
    seeding_lines,
    seeds_words,
    settings_words,
    share_done,
    short_text,
    size_words,
    snapshot_line,
)
from seedproof_mcp.system import files
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["describe"]

_TAIL_LINES, _TAIL_BYTES = 40, 2000
# Named with their versions; the rest is counted.
_TELLING_PACKAGES = ("torch", "numpy", "jax", "tensorflow", "lightning", "transformers", "xgboost", "lightgbm")


def describe(paths: ProjectPaths, tried: Tried) -> TriedRow:
    """What a try tells, and the settings to paste."""
    return _Description(paths, tried).row()


class _Description:
    """Builds the row of one try."""

    def __init__(self, paths: ProjectPaths, tried: Tried) -> None:
        self._paths, self._tried, self._rules = paths, tried, tried.config.rules
        self._runs, self._first = tried.runs, tried.runs[0]
        self._mend: list[str] = []
        self._suggested = self._look_for_metric()
        self._rule = self._suggested[0].rule if self._suggested else self._rules.metric
        self._metric = self._effect()
        self._losses = self._effect_of([training_losses(one.left.log) for one in self._runs])
        self._lengths = lengths_of(self._first)

    def row(self) -> TriedRow:
        """The row; what has to be mended is gathered on the way."""
        self._look_at_ends()
        found = [
            *self._run_lines(),
            *self._metric_lines(),
            *self._seed_lines(),
            *self._place_lines(),
            *self._time_lines(),
            *scale_lines(self._rules, self._first, is_pasted=bool(self._suggested)),
        ]
        is_well = not self._mend
        last = self._runs[-1]
        tail = None if is_well else safe_tail(last.left.log, _TAIL_LINES, _TAIL_BYTES) or None
        packages = {} if self._first.run.inputs is None else self._first.run.inputs.packages
        return TriedRow(
            is_well=is_well,
            headline=self._headline(),
            found=found,
            mend=self._mend,
            command=list(self._first.run.argv),
            working_directory=self._first.cwd,
            interpreter=None if self._first.python is None else self._first.python[0],
            packages={name: text.split(" ")[0] for name, text in packages.items()},
            values={who: None if value is None else value.text for who, value in self._readings()},
            run_s=self._run_s(),
            toml=self._toml(),
            log_tail=tail,
        )

    def _headline(self) -> str:
        if self._mend:
            things = "1 thing" if len(self._mend) == 1 else f"{len(self._mend)} things"
            return f"Tried, and {things} to mend before the baseline"
        if self._is_unseen():
            return f"Tried: {self._rules.metric.name} was not seen within {self._tried.limit_s:g} s; the rest is well"
        return f"Tried: {len(self._runs)} short runs, all well"

    # --- the metric ---------------------------------------------------------------------------

    def _look_for_metric(self) -> list[Suggestion]:
        """What may be the metric, where a run that came to its end has none."""
        ended = [one for one in self._runs if one.run.exit_code == 0]
        lacking = [one for one in ended if self._rules.metric.name not in one.run.metrics]
        return suggestions(self._rules, [one.left for one in lacking]) if lacking else []

    def _readings(self) -> list[tuple[str, MetricValue | None]]:
        """Each run in words, with its last value by the present rules or by the suggested ones."""
        return [(name, self._value(one)) for name, one in zip(self._names(), self._runs, strict=True)]

    def _value(self, one: TriedRun) -> MetricValue | None:
        return read(self._rule, one.left) if self._suggested else one.run.metrics.get(self._rule.name)

    def _names(self) -> list[str]:
        first, second = trial_seeds(self._rules)
        return [f"seed {first}", f"seed {second}", f"seed {first} again"][: len(self._runs)]

    @property
    def _is_unread(self) -> bool:
        """Whether the metric was shown and the present settings cannot read it."""
        return self._first.run.state is RunState.UNREAD

    def _is_unseen(self) -> bool:
        """Whether a run was ended by the limit before it showed the metric."""
        return any(one.run.state is RunState.TIMED_OUT and self._value(one) is None for one in self._runs)

    def _effect(self) -> SeedEffect:
        source = self._rule.source
        if isinstance(source, LogPattern) and self._rule.statistic == "last":
            return self._effect_of([values_of(source, one.left.log) for one in self._runs])
        texts = [self._value(one) for one in self._runs]
        return self._effect_of([() if one is None else (one.text,) for one in texts])

    def _effect_of(self, texts: Sequence[tuple[str, ...]]) -> SeedEffect:
        values = [
            ValuesOfRun(found, one.run.state is not RunState.TIMED_OUT)
            for found, one in zip(texts, self._runs, strict=True)
        ]
        padded: list[ValuesOfRun | None] = [*values, None, None]
        return seed_effect(values[0], padded[1], padded[2])

    def _metric_lines(self) -> Iterator[str]:
        name = self._rules.metric.name
        shown = [(who, value) for who, value in self._readings() if value is not None]
        if not shown:
            if self._first.run.exit_code == 0 and not self._is_unread:
                where = self._rules.metric.source.where
                columns = columns_words(self._first.left)
                seen = f"; {columns}" if columns else ", and nothing that looks like a metric"
                self._mend.append(f"no {name} was found {where}{seen}")
            elif self._is_unseen():
                yield f"Metric: no {name} within {self._tried.limit_s:g} s; it may be printed only at the end"
                # The metric may still come, so none of these is anything to mend.
                hints = suggestions(self._rules, [one.left for one in self._runs])
                if hints:
                    yield f"Like a metric so far: {read_by(hints)}"
            return
        rule, step = self._rule, self._metric.step
        logs = dict(zip(self._names(), (one.left.log for one in self._runs), strict=True))
        values = "; ".join(f"{who}: {value.text}{place_words(value, logs[who])}" for who, value in shown)
        yield f"Metric {rule.name}: {values}"
        coarse = ", which is coarse: print more digits if there are more" if self._metric.is_coarse else ""
        if step:
            yield f"Resolution: printed in steps of {step:g}{coarse}"
        if self._suggested:
            one, *others = self._suggested
            text = f'"{short_text(one.text)}" in {one.where} may be it, and is read by: {settings_words(one.fields)}'
            begin = "" if self._is_unread else f"no {name} was found {self._rules.metric.source.where}; "
            self._mend.append(begin + text)
            if others:
                yield f"Also like a metric: {read_by(others)}"
            columns = columns_words(self._first.left)
            if columns:
                yield f"Files of numbers: {columns}"

    # --- the runs -----------------------------------------------------------------------------

    def _look_at_ends(self) -> None:
        """What has to be mended of how the runs ended."""
        for name, one in zip(self._names(), self._runs, strict=True):
            run = one.run
            is_only_unfound = lacks_value(run, self._rules.metric.name) and run.state is RunState.FAILED
            if run.state in (RunState.SUCCEEDED, RunState.TIMED_OUT) or is_only_unfound:
                continue
            why = f"{long_text(run.reason or 'for no known reason')}{crash_words(one, self._paths.root)}"
            self._mend.append(f"{name}: {run.state.value}, {why}")
            if run.state is RunState.UNREAD:
                return  # it is the settings that cannot read it, for every seed

    def _run_lines(self) -> Iterator[str]:
        first = self._first
        yield f"Command: {shlex.join(first.run.argv)}"
        held = "a snapshot, checked out" if self._tried.code.held == "snapshot" else "the project itself"
        yield f"Working folder: {first.cwd} ({held})"
        inputs = first.run.inputs
        if first.python is None:
            why = "" if inputs is None or inputs.why is None else f": {inputs.why}"
            yield f"Interpreter: not known{why}"
            return
        packages = {} if inputs is None else {name: text.split(" ")[0] for name, text in inputs.packages.items()}
        named = [f"{name} {packages[name]}" for name in _TELLING_PACKAGES if name in packages]
        others = len(packages.keys() - {*_TELLING_PACKAGES, "python"})
        more = [f"{others} other packages"] if others else []
        own = " (which Seedproof itself runs in)" if is_own_interpreter(first.python[0]) else ""
        yield f"Interpreter: {first.python[0]}{own}, Python {first.python[1]}{listed([*named, *more], '; ')}"

    def _seed_lines(self) -> Iterator[str]:
        yield from seeding_lines(self._first.run.seeding)
        if len(self._runs) < 2:
            return
        metric, losses = self._metric, self._losses
        by = metric if metric.first_differs is not None else losses
        what = self._rule.name if by is metric else "the training loss"
        if by.first_differs is None:
            yield "Seed: nothing was printed that tells whether it has an effect"
            return
        without = [one.is_without_seed for one in (metric, losses) if one.first_differs is not None]
        if all(without) and self._rules.seed != "unseeded":
            self._mend.append(
                f"the seed has no effect: {what} is the same for seeds {seeds_words(self._rules)}; "
                "does the script use the seed that it is given?"
            )
        elif by.last_differs:
            apart = "" if by.by_seed is None else f", {by.by_seed:.3g} apart"
            begin = (
                "" if by.first_differs else "; the first values are equal, so the initialisation may not depend on it"
            )
            yield f"Seed: {what} differs between seeds {seeds_words(self._rules)}{apart}{begin}"
        elif by.differs or losses.differs:
            yield f"Seed: the training differs between seeds {seeds_words(self._rules)}, the last {what} is the same"
        else:
            yield f"Seed: {what} is the same for seeds {seeds_words(self._rules)}, which coarse values may be by chance"
        yield from repeat_lines(by, losses, what)

    # --- where, how long, how much ------------------------------------------------------------

    def _place_lines(self) -> Iterator[str]:
        first = self._first
        size = size_words(first.output_bytes)
        parts = [f"{files_words(first.outputs)} in the output folder ({size})"] if first.outputs else []
        is_snapshot = self._tried.code.held == "snapshot"
        tree = "in the working tree, gone with the snapshot" if is_snapshot else "in the project itself"
        parts += [f"{files_words(first.written)} {tree}"] if first.written else []
        parts += [f"{files_words(first.elsewhere)} elsewhere in the project, not removed"] if first.elsewhere else []
        yield f"Outputs: {'; '.join(parts) or 'none'}"
        held = self._tried.snapshot
        yield "Snapshot: none, runs are trained in the project's folder" if held is None else snapshot_line(held)

    def _run_s(self) -> float | None:
        """Seconds of a whole run; None where nothing tells them."""
        whole = [one.run.wall_time_s for one in self._runs if one.run.state is RunState.SUCCEEDED or ended_well(one)]
        known = [time_s for time_s in whole if time_s is not None]
        if known:
            return max(known)
        share = share_done(self._lengths)
        spent_s = self._first.run.wall_time_s
        return spent_s / share if share and spent_s and self._first.run.state is RunState.TIMED_OUT else None

    def _time_lines(self) -> Iterator[str]:
        run_s, first = self._run_s(), self._first.run
        if first.state is RunState.TIMED_OUT:
            words = progress_words(self._lengths)
            about = f", so a run takes about {duration_words(run_s)}" if run_s else ""
            yield f"Time: reached the limit of {self._tried.limit_s:g} s{f' at {words}' if words else ''}{about}"
        elif run_s is not None:
            yield f"Time: a run takes {duration_words(run_s)}"
        if run_s is not None:
            yield f"Cost of a study, one run at a time: {cost_words(self._rules, run_s)}"

    # --- the settings to paste ----------------------------------------------------------------

    def _toml(self) -> str | None:
        """A complete seedproof.toml that loads; None where the present one needs no change."""
        if not self._suggested:
            return None
        fields, scale = self._suggested[0].fields, scale_of(self._rules, self._lengths)
        config, notes = self._tried.config, dict[str, str]()
        if scale is not None and self._paths.ledger.exists():
            notes["scale"] = f'"{scale}"'  # a rule that changes makes a baseline void
        elif scale is not None:
            config = config.model_copy(update={"rules": self._rules.model_copy(update={"scale": scale})})
        text = settings_toml(config, fields, notes)
        with files.scratch_folder() as folder:
            written = folder / "seedproof.toml"
            files.write_expendable(written, text.encode())
            loaded = load_config(written)  # whoever pastes it must not be refused
        assert loaded.rules.metric == self._rule
        return text

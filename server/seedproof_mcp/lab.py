"""The use cases behind tools and command line; every surface goes through here and its gate."""

import errno
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seedproof.design import next_look
from seedproof.errors import (
    BadArguments,
    BaselineRefusal,
    ExperimentUnknown,
    NextCall,
    NotWritable,
    Refusal,
    RunEnded,
    RunUnknown,
    ScriptMissing,
)
from seedproof.events import Experiment, Generation, Record, State
from seedproof.gate import RunRequest, admit, check_name
from seedproof.log import safe_tail
from seedproof.notices import arm_notices
from seedproof.phases import (
    baseline_next,
    baseline_phase,
    establish_baseline,
    experiment_next,
    new_experiment_call,
    present_baseline,
    rules_of,
)
from seedproof.report import EarlierGeneration, LedgerFacts, baseline_report, experiment_report
from seedproof.rules import Rules
from seedproof.stats import summarize
from seedproof.values import Arm, Baseline, Comparison, Notice, Run, RunState
from seedproof.verdict import judge

from seedproof_mcp import disk
from seedproof_mcp.conductor import ensure_conductor
from seedproof_mcp.config import Config, load_config
from seedproof_mcp.engines import Engine
from seedproof_mcp.engines.local import LocalEngine
from seedproof_mcp.ledger import Ledger, Writer
from seedproof_mcp.paths import ProjectPaths
from seedproof_mcp.results import (
    ArmSummary,
    BaselineStatus,
    ComparisonResult,
    ExperimentList,
    ExperimentRow,
    Follow,
    MetricSummary,
    NoticeResult,
    ReportResult,
    RunningRow,
    RunResult,
    SeedRow,
)
from seedproof_mcp.watch import Watch

__all__ = ["Lab"]

TAIL_BYTES = 256 * 1024
MAX_REASON = 2000
CANCEL_PATIENCE_S = 5.0
_TAILED = (RunState.FAILED, RunState.TIMED_OUT, RunState.DIVERGED)


class Lab:
    """One project, as every surface sees it. Safe to call from several threads."""

    def __init__(
        self,
        project: Path,
        engine: Engine | None = None,
        start_conductor: Callable[[ProjectPaths], None] = ensure_conductor,
    ) -> None:
        """Open a project; nothing is created before the first run is requested.

        Args:
            engine: Where logs are read and runs cancelled; the local one by default.
            start_conductor: Makes sure that somebody works on the queue.
        """
        self.paths = ProjectPaths(project.resolve())
        self._engine = engine or LocalEngine()
        self._start_conductor = start_conductor
        self._ledger = Ledger(self.paths)
        self._watch = Watch(self._engine)
        self._lock = threading.RLock()

    # --- reading ------------------------------------------------------------------------------

    def head(self) -> str:
        """The ledger head for a refusal; the last known one where the ledger cannot be read."""
        with self._lock:
            try:
                return self._ledger.refresh().head_label
            except (Refusal, OSError):
                return self._ledger.state.head_label

    def check_baseline(self) -> BaselineStatus:
        """Where the baseline of the present generation stands."""
        with self._reading() as (state, config):
            rules = config.rules
            phase = baseline_phase(state, rules)
            ready = phase.phase == "ready"
            baseline = present_baseline(state, rules) if ready else None
            generation = state.generation
            report = generation.report if generation else None
            return BaselineStatus(
                phase=phase.phase,
                generation=generation.number if generation else None,
                reason=phase.reason,
                scale=rules.label,
                metric=rules.metric.name,
                direction=rules.metric.direction,
                winner_threshold=baseline.winner_threshold if baseline else None,
                missing_seeds=[seed for seed in rules.baseline_seeds if seed not in phase.arm.counted],
                seeds=_seed_rows(phase.arm, rules),
                metrics=_summaries(phase.arm, rules),
                report_path=str(report["path"]) if report else None,
                ledger_head=state.head_label,
                notices=self._notices([phase.arm], rules, baseline),
                next=Follow.of(baseline_next(state, rules)),
            )

    def observe(self, run_id: str) -> RunResult:
        """One run as it stands now; a dead conductor is replaced on the way.

        Raises:
            RunUnknown: The ledger has no such run.
        """
        with self._reading() as (state, config):
            run = state.runs.get(run_id)
            if run is None:
                raise _unknown_run(run_id)
            if state.active:
                with _writing():
                    self._start_conductor(self.paths)
            return self._run_result(state, config.rules, run)

    def list_experiments(self, offset: int = 0, limit: int = 20) -> ExperimentList:
        """A page of all experiments of the ledger, in the order of their declaration."""
        if offset < 0 or not 1 <= limit <= 100:
            raise BadArguments("offset is at least 0 and limit is 1 to 100.")
        with self._reading() as (state, config):
            everything = [one for generation in state.generations for one in generation.experiments.values()]
            active = [state.runs[run_id] for run_id in state.active]
            running = next((run for run in active if run.state is RunState.RUNNING), None)
            page = everything[offset : offset + limit]
            baselines = _Baselines(state)
            return ExperimentList(
                generation=state.generation.number if state.generation else None,
                total=len(everything),
                judged=sum(one.verdict is not None for one in everything),
                running=_running_row(running),
                queued=sum(run.state is RunState.QUEUED for run in active),
                experiments=[_experiment_row(state, one, baselines) for one in page],
                ledger_head=state.head_label,
                notices=[],
                next=Follow.of(self._campaign_next(state, config.rules, everything)),
            )

    def _campaign_next(self, state: State, rules: Rules, everything: list[Experiment]) -> NextCall:
        """The first unfinished thing: the baseline, then experiments of this generation."""
        try:
            baseline = present_baseline(state, rules)
        except BaselineRefusal:
            return baseline_next(state, rules)
        for one in everything:
            if one.generation == baseline.generation:
                call = experiment_next(state, one, baseline)
                if "experiment" in call.arguments:
                    return call
        return baseline_next(state, rules)

    # --- running ------------------------------------------------------------------------------

    def request_run(self, request: RunRequest) -> str:
        """Pass the gate, write the request down, see to it that somebody works; the run's id.

        Raises:
            Refusal: With its code and the next allowed call.
        """
        with self._lock:
            config = load_config(self.paths.settings)
            admit_first = self._ledger.refresh()
            # Refused requests must leave no trace, not even an empty state folder.
            admit(admit_first, config.rules, request, self._is_in_the_way(admit_first))
            self._require_script(config.rules)
            with _writing(), self._ledger.writing() as writer:
                admission = admit(writer.state, config.rules, request, self._is_in_the_way(writer.state))
                for kind, fields in admission.records:
                    writer.append(kind, **fields)
                if writer.state.active:
                    self._start_conductor(self.paths)
            return admission.run_id

    def stop_run(self, run_id: str, reason: str) -> RunResult:
        """Cancel a queued or running run.

        Raises:
            RunUnknown, RunEnded, BadArguments: Nothing to stop, or no reason given.
        """
        if not reason.strip() or len(reason) > MAX_REASON:
            raise BadArguments(f"reason says in 1 to {MAX_REASON} characters why the run is stopped.")
        with self._lock, _writing():
            self._require_active(self._ledger.refresh(), run_id)
            with self._ledger.writing() as writer:
                run = self._require_active(writer.state, run_id)
                if run.state is RunState.QUEUED:
                    writer.append("run_cancelled", run_id=run_id, reason=reason, metrics={})
                else:
                    self._engine.cancel(str(self.paths.run(run_id).folder), reason)
        return self._await_end(run_id)

    def _require_active(self, state: State, run_id: str) -> Run:
        run = state.runs.get(run_id)
        if run is None:
            raise _unknown_run(run_id)
        if not run.state.is_active:
            raise RunEnded(
                f"the run has ended already ({run.state}).",
                NextCall("list_experiments", "Shows what is running and queued."),
            )
        return run

    def _await_end(self, run_id: str) -> RunResult:
        """Wait until the training is gone: as long as it is granted, and a little longer."""
        grace = load_config(self.paths.settings).settings.grace_s
        deadline = time.monotonic() + grace + CANCEL_PATIENCE_S
        while True:
            seen = self.observe(run_id)
            if not seen.is_active or time.monotonic() > deadline:
                return seen
            time.sleep(0.05)

    def _require_script(self, rules: Rules) -> None:
        if not (self.paths.root / rules.script).is_file():
            raise ScriptMissing(
                f"{rules.script} is not in the project folder; the command in seedproof.toml names the script.",
                NextCall("check_baseline", "Shows where the protocol stands once the script is there."),
            )

    def _is_in_the_way(self, state: State) -> Callable[[str], bool]:
        return lambda folder: os.path.lexists(self.paths.root / folder) and folder not in state.owned_folders

    # --- judging ------------------------------------------------------------------------------

    def compare(self, name: str) -> ComparisonResult:
        """The verdict on an experiment; written down once for each state of the arm.

        Raises:
            Refusal: The baseline or the experiment is not complete, with the next call.
        """
        with self._lock:
            config = load_config(self.paths.settings)
            state = self._ledger.refresh()
            self._judge(state, config.rules, name)
            with _writing(), self._ledger.writing() as writer:
                comparison = self._issue_verdict(writer, config.rules, name)
            return self._comparison_result(self._ledger.state, comparison)

    def _judge(self, state: State, rules: Rules, name: str) -> Comparison:
        baseline = present_baseline(state, rules)
        check_name(name)
        assert state.generation is not None
        experiment = state.generation.experiments.get(name)
        if experiment is None:
            raise _unknown_experiment(state, name)
        try:
            return judge(baseline, state.experiment_arm(experiment))
        except Refusal as refusal:
            refusal.next_call = experiment_next(state, experiment, baseline)
            raise

    def _issue_verdict(self, writer: Writer, rules: Rules, name: str) -> Comparison:
        comparison = self._judge(writer.state, rules, name)
        assert writer.state.generation is not None
        issued = writer.state.generation.experiments[name].verdict
        runs = sorted(run.run_id for run in comparison.arm.counted.values())
        if issued is None or issued["runs"] != runs:
            writer.append(
                "verdict_issued",
                generation=comparison.baseline.generation,
                experiment=name,
                runs=runs,
                verdict=str(comparison.verdict),
                headline=comparison.headline,
                delta=comparison.delta,
                improvement_sigma=comparison.improvement_sigma,
                cohens_d=comparison.cohens_d,
                on_head=writer.state.head_label,
            )
        return comparison

    def _comparison_result(self, state: State, comparison: Comparison) -> ComparisonResult:
        baseline, arm = comparison.baseline, comparison.arm
        rules = baseline.rules
        experiment = state.find_experiment(arm.experiment or "")
        assert experiment is not None
        return ComparisonResult(
            experiment=experiment.name,
            headline=comparison.headline,
            verdict=comparison.verdict.value,
            reason=comparison.reason,
            metric=rules.metric.name,
            direction=rules.metric.direction,
            delta=comparison.delta,
            improvement_sigma=comparison.improvement_sigma,
            change_percent=comparison.change_percent,
            cohens_d=comparison.cohens_d,
            effect_size=comparison.effect_size,
            significant=comparison.significant,
            baseline_metrics=_arm_summaries(baseline.arm, rules),
            experiment_metrics=_arm_summaries(arm, rules),
            wall_time_change_percent=comparison.wall_time_change_percent,
            ledger_head=state.head_label,
            notices=self._notices([baseline.arm, arm], rules, baseline),
            next=Follow.of(experiment_next(state, experiment, baseline)),
        )

    # --- reporting ----------------------------------------------------------------------------

    def write_report(self, name: str | None = None) -> ReportResult:
        """Write the baseline's or an experiment's report, then remove its checkpoints.

        A report that was written from the same runs is restored byte for byte instead.

        Raises:
            Refusal: As for `compare`; for the baseline while it is not complete.
        """
        with self._lock:
            config = load_config(self.paths.settings)
            self._require_reportable(self._ledger.refresh(), config.rules, name)
            with _writing(), self._ledger.writing() as writer:
                record = self._record_report(writer, config.rules, name)
                self._restore(record)
                removed, freed = self._clean_up(writer, config.rules, name)
                self._ledger.write_mirror()
            return self._report_result(record, config.rules, removed, freed)

    def _require_reportable(self, state: State, rules: Rules, name: str | None) -> None:
        if name is None:
            present_baseline(state, rules)
        else:
            self._judge(state, rules, name)

    def _record_report(self, writer: Writer, rules: Rules, name: str | None) -> Record:
        """The record of the report; a new one where runs have changed since the last."""
        headline, verdict, runs = "baseline measured", None, [*present_baseline(writer.state, rules).arm.runs]
        if name is not None:
            comparison = self._issue_verdict(writer, rules, name)
            headline, verdict, runs = comparison.headline, str(comparison.verdict), [*comparison.arm.runs]
        state = writer.state
        assert state.generation is not None
        written = state.generation.report if name is None else state.generation.experiments[name].report
        run_ids = [run.run_id for run in runs]
        if written is not None and written["runs"] == run_ids:
            return written
        path = self.paths.baseline_report(rules.label)
        if name is not None:
            path = self.paths.experiment_report(name, rules.label)
        relative = str(path.relative_to(self.paths.root))
        self._keep_unverified(state, path, relative)
        text = _render(state, state.generation, name)
        return writer.append(
            "report_written",
            path=relative,
            sha256=hashlib.sha256(text.encode()).hexdigest(),
            generation=state.generation.number,
            experiment=name,
            headline=headline,
            verdict=verdict,
            runs=run_ids,
            at_seq=state.seq,
            figures=[],
        )

    def _keep_unverified(self, state: State, path: Path, relative: str) -> None:
        """A report that no ledger vouches for is moved aside, not overwritten."""
        if relative not in state.reports and os.path.lexists(path):
            disk.rename(path, path.with_name(f"{path.stem}.unverified.md"))

    def _restore(self, record: Record) -> None:
        """Bring the file to what the record says; rendered from the ledger up to the record."""
        path = self.paths.root / record["path"]
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == record["sha256"]:
            return
        state = self._ledger.state_at(record["at_seq"])
        generation = state.generations[record["generation"] - 1]
        disk.make_folder(path.parent)
        disk.write_atomic(path, _render(state, generation, record["experiment"]).encode())

    def _clean_up(self, writer: Writer, rules: Rules, name: str | None) -> tuple[list[str], int]:
        """Remove the checkpoint folders of the arm that this ledger owns."""
        state = writer.state
        assert state.generation is not None
        runs = state.generation.run_ids if name is None else state.generation.experiments[name].run_ids
        removed, freed = [], 0
        for folder, run_id in list(state.owned_folders.items()):
            if run_id in runs and not state.runs[run_id].state.is_active:
                if os.path.lexists(self.paths.root / folder):
                    freed += disk.remove_tree(self.paths.root / folder)
                removed.append(folder)
        if removed:
            writer.append("files_removed", paths=removed, freed_bytes=freed)
        return removed, freed

    def _report_result(self, record: Record, rules: Rules, removed: list[str], freed: int) -> ReportResult:
        state = self._ledger.state
        return ReportResult(
            path=record["path"],
            sha256=record["sha256"],
            headline=record["headline"],
            verdict=record["verdict"],
            figures=record["figures"],
            removed=removed,
            freed_bytes=freed,
            ledger_head=state.head_label,
            notices=[],
            next=Follow.of(new_experiment_call() if record["experiment"] else baseline_next(state, rules)),
        )

    # --- shared -------------------------------------------------------------------------------

    @contextmanager
    def _reading(self) -> Iterator[tuple[State, Config]]:
        with self._lock:
            config = load_config(self.paths.settings)
            yield self._ledger.refresh(), config

    def _notices(self, arms: list[Arm], rules: Rules, baseline: Baseline | None) -> list[NoticeResult]:
        sigma = baseline.std if baseline else None
        found = [notice for arm in arms for notice in arm_notices(arm, rules, sigma)]
        path = self.paths.baseline_report(rules.label)
        relative = str(path.relative_to(self.paths.root))
        if relative not in self._ledger.state.reports and path.exists():
            text = f"{relative} exists, but no ledger vouches for its numbers; they count for nothing here."
            found.append(Notice("unverified_report", text))
        return [NoticeResult.of(notice) for notice in found]

    def _run_result(self, state: State, rules: Rules, run: Run) -> RunResult:
        measured_under = rules_of(state.generations[run.generation - 1])
        folder = self.paths.run(run.run_id)
        shown: dict[str, Any] = {"step": run.step, "elapsed_s": run.wall_time_s, "eta_s": None, "queue_position": None}
        metrics = {name: found.value for name, found in run.metrics.items()}
        if run.wall_time_s is not None:
            metrics["wall_time_s"] = run.wall_time_s
        label: RunState = run.state
        if run.state.is_active:
            label, metrics, shown = self._sight(state, measured_under, run)
        else:
            self._watch.forget(folder)
        return RunResult(
            run_id=run.run_id,
            role=run.role.value,
            experiment=run.experiment,
            seed=run.seed,
            attempt=run.attempt,
            state=label.value,
            metrics=metrics,
            remaining=_remaining(state, measured_under, run),
            reason=run.reason,
            log_tail=self._tail(run),
            ledger_head=state.head_label,
            notices=self._run_notices(state, measured_under, run),
            next=Follow.of(_run_next(state, rules, run)),
            **shown,
        )

    def _run_notices(self, state: State, rules: Rules, run: Run) -> list[NoticeResult]:
        generation = state.generations[run.generation - 1]
        if run.experiment is None:
            return self._notices([state.baseline_arm(run.generation)], rules, None)
        arm = state.experiment_arm(generation.experiments[run.experiment])
        return [NoticeResult.of(notice) for notice in arm_notices(arm, rules, None)]

    def _sight(self, state: State, rules: Rules, run: Run) -> tuple[RunState, dict[str, float | None], dict[str, Any]]:
        """State, metrics so far and progress of a run that has not ended."""
        ahead = list(state.active).index(run.run_id)
        waiting = {"step": None, "elapsed_s": None, "eta_s": None, "queue_position": ahead + 1}
        if run.state is RunState.QUEUED:
            return RunState.QUEUED, {}, waiting
        sight = self._watch.look(self.paths.run(run.run_id), rules)
        if not sight.started:
            return RunState.QUEUED, {}, waiting
        metrics = {name: found.value for name, found in sight.reading.metrics.items()}
        shown = {
            "step": sight.reading.step,
            "elapsed_s": sight.elapsed_s,
            "eta_s": _eta(state, rules, run, sight.elapsed_s),
            "queue_position": None,
        }
        return RunState.RUNNING, metrics, shown

    def _tail(self, run: Run) -> str | None:
        if run.state not in _TAILED:
            return None
        path = self.paths.run(run.run_id).log
        try:
            size = path.stat().st_size
        except OSError:
            return None
        data = self._engine.read_log(str(path.parent), max(0, size - TAIL_BYTES), TAIL_BYTES)
        return safe_tail(data) or None


@contextmanager
def _writing() -> Iterator[None]:
    """What the file system refuses becomes a refusal that says what to do.

    Raises:
        NotWritable: No permission, no space, a file where a folder is needed.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (
            errno.EACCES,
            errno.EPERM,
            errno.EROFS,
            errno.ENOSPC,
            errno.EDQUOT,
            errno.EIO,
            errno.ENOTDIR,
            errno.EEXIST,
            errno.ENOENT,
            errno.EISDIR,
            errno.ENOLCK,
        ):
            raise
        name = Path(str(error.filename)).name if error.filename else "the project folder"
        raise NotWritable(
            f"{name} cannot be written ({error.strerror}); make the project folder writable, or free space.",
            NextCall("check_baseline", "Shows where the protocol stands; works without writing."),
        ) from error


def _unknown_run(run_id: str) -> RunUnknown:
    return RunUnknown(
        f"the ledger has no run {run_id!r:.80}.", NextCall("list_experiments", "Shows what is running and queued.")
    )


def _unknown_experiment(state: State, name: str) -> ExperimentUnknown:
    earlier = state.find_experiment(name)
    message = f"no experiment {name} has been declared."
    if earlier is not None:
        message = (
            f"{name} was declared against baseline generation {earlier.generation}, not the present one; "
            "its verdict stays in the ledger. Declare it anew."
        )
    call = NextCall("run_seed", "Declares it and runs its first seed.", {"experiment": name}, ("flags", "hypothesis"))
    return ExperimentUnknown(message, call)


def _summaries(arm: Arm, rules: Rules) -> dict[str, MetricSummary]:
    return {
        name: MetricSummary(n=found.n, mean=found.mean, std=found.std, min=found.min, max=found.max)
        for name, found in _arm_summaries(arm, rules).items()
    }


def _arm_summaries(arm: Arm, rules: Rules) -> dict[str, ArmSummary]:
    """Each metric that has values; of a diverged arm only the wall time."""
    found = {}
    for name in [*(metric.name for metric in rules.metrics), "wall_time_s"]:
        values = arm.finite(name)
        if not values or (arm.diverged_seeds and name != "wall_time_s"):
            continue
        summary = summarize(list(values.values()))
        found[name] = ArmSummary(
            n=summary.n,
            mean=summary.mean,
            std=summary.std,
            min=summary.min,
            max=summary.max,
            per_seed={str(seed): value for seed, value in values.items()},
        )
    return found


def _seed_rows(arm: Arm, rules: Rules) -> list[SeedRow]:
    rows = []
    for seed in rules.baseline_seeds:
        for run in arm.attempts(seed)[-1:]:
            metrics = {name: found.value for name, found in run.metrics.items()}
            if run.wall_time_s is not None:
                metrics["wall_time_s"] = run.wall_time_s
            rows.append(
                SeedRow(seed=seed, state=run.state.value, attempt=run.attempt, run_id=run.run_id, metrics=metrics)
            )
    return rows


def _running_row(run: Run | None) -> RunningRow | None:
    if run is None:
        return None
    return RunningRow(run_id=run.run_id, experiment=run.experiment, seed=run.seed, attempt=run.attempt)


class _Baselines:
    """The baseline of each generation, established once for a page; None where it is not complete."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._known: dict[int, Baseline | None] = {}

    def of(self, number: int) -> Baseline | None:
        """The baseline of a generation, under its own rules."""
        if number not in self._known:
            self._known[number] = _establish(self._state, number)
        return self._known[number]


def _establish(state: State, number: int) -> Baseline | None:
    try:
        return establish_baseline(state.baseline_arm(number), rules_of(state.generations[number - 1]))
    except BaselineRefusal:
        return None


def _experiment_row(state: State, experiment: Experiment, baselines: _Baselines) -> ExperimentRow:
    arm = state.experiment_arm(experiment)
    rules = rules_of(state.generations[experiment.generation - 1])
    look = next_look(arm, baselines.of(experiment.generation), rules)
    present = state.generation is not None and experiment.generation == state.generation.number
    verdict = experiment.verdict
    word = "judged" if verdict else "failed" if look.failed else "measured" if look.is_complete else "measuring"
    if verdict is None and not present:
        word = "superseded"
    elif word == "measuring" and not arm.runs:
        word = "declared"
    return ExperimentRow.model_validate(
        {
            "experiment": experiment.name,
            "generation": experiment.generation,
            "flags": list(experiment.flags),
            "code_change": experiment.code_change,
            "is_null": arm.is_null,
            "hypothesis": experiment.hypothesis,
            "state": word,
            "seeds_done": len(arm.counted),
            "seeds_needed": len(look.due) if present else 0,
            "verdict": verdict["verdict"] if verdict else None,
            "headline": verdict["headline"] if verdict else None,
            "report_path": experiment.report["path"] if experiment.report else None,
        }
    )


def _remaining(state: State, rules: Rules, run: Run) -> int:
    if run.experiment is None:
        return len(next_look(state.baseline_arm(run.generation), None, rules).due)
    experiment = state.generations[run.generation - 1].experiments[run.experiment]
    return len(next_look(state.experiment_arm(experiment), _establish(state, run.generation), rules).due)


def _run_next(state: State, rules: Rules, run: Run) -> NextCall | None:
    """What to call after looking at a run: the run itself while it lasts, else what its arm needs."""
    if run.state.is_active:
        name = {"experiment": run.experiment} if run.experiment else {}
        exact = {**name, "seed": run.seed, "attempt": run.attempt}
        return NextCall("run_seed", f"Waits for the run that is {run.state}.", exact)
    generation = state.generation
    if run.experiment is None or generation is None or run.experiment not in generation.experiments:
        return baseline_next(state, rules)
    try:
        baseline = present_baseline(state, rules)
    except BaselineRefusal as refusal:
        return refusal.next_call
    return experiment_next(state, generation.experiments[run.experiment], baseline)


def _eta(state: State, rules: Rules, run: Run, elapsed_s: float | None) -> float | None:
    """Seconds to go, from the mean wall time of the baseline runs so far."""
    times = list(state.baseline_arm(run.generation).finite("wall_time_s").values())
    if elapsed_s is None or not times:
        return None
    return max(0.0, summarize(times).mean - elapsed_s)


def _render(state: State, generation: Generation, name: str | None) -> str:
    """A report's text from a state; the same state gives the same bytes."""
    baseline = _establish(state, generation.number)
    assert baseline is not None  # only complete baselines get reports
    facts = _facts(state, generation)
    if name is None:
        return baseline_report(baseline, facts)
    return experiment_report(judge(baseline, state.experiment_arm(generation.experiments[name])), facts)


def _facts(state: State, generation: Generation) -> LedgerFacts:
    return LedgerFacts(
        head=state.head_label,
        began=state.began or "",
        reason=generation.reason,
        earlier=tuple(_earlier(state, one) for one in state.generations[: generation.number - 1]),
        declared=sum(len(one.experiments) for one in state.generations),
    )


def _earlier(state: State, generation: Generation) -> EarlierGeneration:
    values = list(state.baseline_arm(generation.number).finite(rules_of(generation).metric.name).values())
    mean = summarize(values).mean if values else None
    return EarlierGeneration(generation.number, generation.reason, len(values), mean)

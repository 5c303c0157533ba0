"""The tools in any order, with bad luck in between: what may never happen does not happen."""

import json
import math
import random
import re
import shutil
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from seedproof.errors import Refusal
from seedproof.events import EMPTY_HASH, Record, fold, read_line
from seedproof.gate import RunRequest, admit
from seedproof_mcp.archive import judge_experiment
from seedproof_mcp.config import load_config
from seedproof_mcp.paths import ProjectPaths

from tests.conftest import SEEDS, Answer, Caller, tools
from tests.in_process import InProcessEngine, Training, in_process_lab, option, train

# Enough to meet every refusal of the gate; the same sequences in every run.
DETERMINISTIC = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
FIRST, EXTRA = SEEDS[:3], SEEDS[3:]
NAMES = ("a", "b", "c")
FLAGS = (
    ["--shift", "-0.1"],
    ["--shift=-0.1"],
    ["--shift", "0.001"],
    ["--shift", "-0.012"],
    ["--shift", "0.1"],
    ["--nan_seed", "137"],
    ["--crash"],
    ["--fail_after"],
    ["--seed", "7"],
    [],
)
HYPOTHESES = ("it helps", "null: nothing changes", " ")
WEATHER = ("fine", "fine", "fine", "crash", "fail", "nan", "constant")
SPEAKS_OF_A_VERDICT = re.compile(
    r"\b(WINNER|NEUTRAL|LOSER)\b|cohens_d|effect_size|improvement_sigma|sigma (better|worse)|suggestive but"
)
# The world outside the ledger is in the way: not for `next` to foresee.
OUTSIDE = frozenset({"output_exists"})

maybe_seeds = st.sampled_from((None, None, *SEEDS, 7))
maybe_attempts = st.sampled_from((None, None, None, 1, 2, 3))
names = st.sampled_from(NAMES)


# --- the protocol once more, from the raw records, in the fewest words ------------------------


def arms(records: Sequence[Record]) -> dict[tuple[int, str | None, int], list[tuple[int, str | None, float | None]]]:
    """(attempt, state, value) of every run by (generation, experiment, seed)."""
    ends: dict[str, tuple[str, float | None]] = {}
    for record in records:
        if record["kind"] == "run_finished":
            metric = record["metrics"].get("val_loss")
            ends[record["run_id"]] = (record["state"], float(metric["text"]) if metric else None)
        elif record["kind"] in ("run_cancelled", "run_interrupted", "run_not_needed"):
            ends[record["run_id"]] = (record["kind"], None)
    found: dict[tuple[int, str | None, int], list[tuple[int, str | None, float | None]]] = {}
    for record in records:
        if record["kind"] == "run_requested":
            key = (record["generation"], record["experiment"], record["seed"])
            state, value = ends.get(record["run_id"], (None, None))
            found.setdefault(key, []).append((record["attempt"], state, value))
    return found


def results(records: Sequence[Record], generation: int, experiment: str | None) -> dict[int, float]:
    """The value of each seed that counts; nan where it diverged."""
    return {
        seed: value
        for (number, name, seed), runs in arms(records).items()
        for _, state, value in runs
        if (number, name) == (generation, experiment) and state in ("succeeded", "diverged") and value is not None
    }


def complete_baseline(records: Sequence[Record], rules: dict[str, Any]) -> dict[int, float] | None:
    """The five values of the present generation, if they are a baseline under these rules."""
    generations = [record for record in records if record["kind"] == "generation_started"]
    if not generations or generations[-1]["rules"] != rules:
        return None
    values = results(records, len(generations), None)
    finite = set(values) == set(SEEDS) and all(map(math.isfinite, values.values()))
    return values if finite and len(set(values.values())) > 1 else None


def expected_verdict(base: dict[int, float], exp: dict[int, float], threshold: float) -> str | None:
    """WINNER, NEUTRAL or LOSER as section 2 of the design says; None while it cannot be told."""
    if any(not math.isfinite(value) for value in exp.values()):
        return "LOSER"
    if not set(FIRST) <= set(exp):
        return None
    mean, sigma = statistics.fmean(base.values()), statistics.stdev(base.values())
    is_close = abs(mean - statistics.fmean(exp[seed] for seed in FIRST)) < threshold * sigma
    if is_close and not set(EXTRA) <= set(exp):
        return None
    better = (mean - statistics.fmean(exp.values())) / sigma
    return "WINNER" if better >= threshold else "LOSER" if better <= -threshold else "NEUTRAL"


# --- the world --------------------------------------------------------------------------------


class Weather:
    """What happens to trainings, whatever their flags."""

    def __init__(self) -> None:
        self.now = "fine"

    def __call__(self, argv: Sequence[str]) -> Training:
        if self.now == "crash":
            return Training("out of memory\n", 1)
        if self.now == "constant":
            return train([*argv, "--constant"])
        if self.now == "nan":
            return train([*argv, "--nan_seed", option(argv, "--seed")])
        return train([*argv, "--fail_after"] if self.now == "fail" else argv)


class AnyOrder(RuleBasedStateMachine):
    """A client that calls what it likes, and a machine that fails when it likes."""

    def __init__(self) -> None:
        super().__init__()
        self._portal_context = start_blocking_portal()
        self.portal = self._portal_context.__enter__()
        self.folder = Path(tempfile.mkdtemp(prefix="any-order-"))
        self.paths = ProjectPaths(self.folder)
        (self.folder / "train_llm.py").touch()
        self.weather = Weather()
        self.engine = InProcessEngine(self.weather)
        self.fresh = 0
        self.planted: set[Path] = set()
        self.last: Answer | None = None
        self._open()

    def _open(self) -> None:
        self.lab = in_process_lab(self.folder, self.engine)
        client = tools(self.folder, lab=self.lab)
        self.client: AbstractContextManager[Caller] = self.portal.wrap_async_context_manager(client)
        self.caller = self.client.__enter__()

    def _close(self) -> None:
        self.client.__exit__(None, None, None)

    def teardown(self) -> None:
        self._close()
        self._portal_context.__exit__(None, None, None)
        shutil.rmtree(self.folder)

    # --- looking ------------------------------------------------------------------------------

    def records(self) -> list[Record]:
        """Every record of the ledger, or of its mirror where that is all there is."""
        path = self.paths.ledger if self.paths.ledger.exists() else self.paths.mirror
        lines = path.read_bytes().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]

    def document(self) -> dict[str, Any]:
        return load_config(self.paths.settings).rules.document()

    def run_ids(self) -> list[str]:
        return [record["run_id"] for record in self.records() if record["kind"] == "run_requested"]

    def call(self, tool: str, **arguments: Any) -> Answer:
        """Call a tool and check what its answer may and may not say."""
        if tool == "run_seed":
            arguments.setdefault("wait_s", 0)
        answer: Answer = self.portal.call(lambda: self.caller(tool, **arguments))
        self.last = answer
        records, rules = self.records(), self.document()
        if answer.is_error:
            assert answer.code != "internal_error", (tool, arguments, answer.text)
        if complete_baseline(records, rules) is None:
            self._check_silence(tool, answer, records)
        if tool == "compare":
            self._check_verdict(arguments["experiment"], answer, records, rules)
        self._check_next(answer)
        return answer

    def _check_silence(self, tool: str, answer: Answer, records: list[Record]) -> None:
        said = answer.text + json.dumps(answer.data)
        if tool == "list_experiments":
            present = sum(record["kind"] == "generation_started" for record in records)
            rows = [row for row in answer.data["experiments"] if row["generation"] == present]
            # The rules may have been edited after the verdict: what was said then stays said.
            issued = {r["experiment"] for r in records if r["kind"] == "verdict_issued" and r["generation"] == present}
            assert {row["experiment"] for row in rows if row["verdict"]} <= issued
        else:
            assert not SPEAKS_OF_A_VERDICT.search(said), said

    def _check_verdict(self, name: str, answer: Answer, records: list[Record], rules: dict[str, Any]) -> None:
        base = complete_baseline(records, rules)
        present = sum(record["kind"] == "generation_started" for record in records)
        exp = results(records, present, name)
        wanted = None if base is None else expected_verdict(base, exp, rules["winner_sigma"])
        assert (None if answer.is_error else answer.data["verdict"]) == wanted, answer.text
        if answer.is_error:
            assert not SPEAKS_OF_A_VERDICT.search(answer.text + json.dumps(answer.data)), answer.text

    def _filled(self, following: dict[str, Any]) -> dict[str, Any]:
        """The arguments of a next call, with ours chosen so that nothing of them is used up."""
        ours = {
            "experiment": f"n{self.fresh}",
            "flags": ["--shift", f"0.0{self.fresh + 1}"],
            "hypothesis": "it helps",
            "new_baseline": f"reason {self.fresh}",
            "reason": "not needed",
        }
        return {**following["arguments"], **{name: ours[name] for name in following["you_choose"]}}

    def _check_next(self, answer: Answer) -> None:
        """What `next` offers passes the gate, without doing it."""
        following = answer.data["next"]
        if following is None:
            return
        arguments = self._filled(following)
        state, rules = self.lab._ledger.refresh(), load_config(self.paths.settings).rules
        try:
            if following["tool"] == "run_seed":
                flags = arguments.pop("flags", None)
                request = RunRequest(**arguments, flags=None if flags is None else tuple(flags))
                admit(state, rules, request, lambda folder: False)
            elif following["tool"] == "compare":
                judge_experiment(state, rules, arguments["experiment"])
        except Refusal as refusal:
            raise AssertionError(f"next is refused: {answer.text}\n{following}\n{refusal}") from refusal

    # --- calling ------------------------------------------------------------------------------

    @initialize(complete=st.booleans())
    def begin(self, complete: bool) -> None:
        """Half of the stories begin with a baseline, or they would seldom get to a verdict."""
        if complete:
            self.call("run_seed", queue_all=True)

    @rule()
    def check_baseline(self) -> None:
        self.call("check_baseline")

    @rule(offset=st.integers(0, 2))
    def list_experiments(self, offset: int) -> None:
        self.call("list_experiments", offset=offset)

    @rule(seed=maybe_seeds, attempt=maybe_attempts, queue_all=st.booleans())
    def run_baseline(self, seed: int | None, attempt: int | None, queue_all: bool) -> None:
        self.call("run_seed", seed=seed, attempt=attempt, queue_all=queue_all)

    @rule(
        name=names,
        flags=st.sampled_from((None, *FLAGS)),
        hypothesis=st.sampled_from((None, *HYPOTHESES)),
        seed=maybe_seeds,
        attempt=maybe_attempts,
    )
    def run_experiment(self, name: str, **arguments: Any) -> None:
        self.call("run_seed", experiment=name, **arguments)

    @rule(name=names, flags=st.sampled_from(FLAGS), hypothesis=st.sampled_from(HYPOTHESES[:2]))
    def measure(self, name: str, flags: list[str], hypothesis: str) -> None:
        """An experiment as far as it goes without thinking."""
        self.call("run_seed", experiment=name, flags=flags, hypothesis=hypothesis, queue_all=True)
        self.call("run_seed", experiment=name, queue_all=True)

    @rule(name=names)
    def compare(self, name: str) -> None:
        self.call("compare", experiment=name)

    @rule(name=st.sampled_from((None, *NAMES)))
    def write_report(self, name: str | None) -> None:
        self.call("write_report", experiment=name)

    @rule(steps=st.integers(1, 6))
    def follow(self, steps: int) -> None:
        """Do what the last answer offers, and again."""
        for _ in range(steps):
            following = self.last.data["next"] if self.last else None
            if following is None:
                return
            arguments = self._filled(following)
            self.fresh += bool(following["you_choose"])
            answer = self.call(following["tool"], **arguments)
            if answer.is_error:
                assert answer.code in OUTSIDE and self.planted, answer.text
                return

    @rule(reason=st.sampled_from(("new data", "new driver")), seed=maybe_seeds, queue_all=st.booleans())
    def new_baseline(self, reason: str, seed: int | None, queue_all: bool) -> None:
        self.call("run_seed", new_baseline=reason, seed=seed, queue_all=queue_all)

    @rule(pick=st.integers(0, 1000), reason=st.sampled_from(("not needed", "")))
    def stop_run(self, pick: int, reason: str) -> None:
        known = [*self.lab._ledger.refresh().active, *self.run_ids(), "no-such-run"]
        self.call("stop_run", run_id=known[pick % len(known)], reason=reason)

    # --- the world turns ----------------------------------------------------------------------

    @rule(weather=st.sampled_from(WEATHER))
    def weather_changes(self, weather: str) -> None:
        self.weather.now = weather

    @rule()
    def trainings_take_long(self) -> None:
        self.engine.held = True

    @precondition(lambda self: self.engine.held)
    @rule()
    def trainings_end(self) -> None:
        self.engine.held = False
        self.engine.release()

    @rule(sigma=st.sampled_from((2.0, 2.0, 0.5)))
    def rules_are_edited(self, sigma: float) -> None:
        self.paths.settings.write_text(f"[rules]\nwinner_sigma = {sigma}\nsuggestive_sigma = 0.5\n")
        self.last = None  # what was offered under other rules need not hold

    @rule()
    def server_restarts(self) -> None:
        self._close()
        self._open()

    @precondition(lambda self: not self.lab._ledger.refresh().active)
    @rule()
    def project_is_cloned(self) -> None:
        """What git keeps stays: settings, script, reports and the mirror of the ledger."""
        shutil.rmtree(self.paths.state, ignore_errors=True)
        self.last = None  # what was offered there need not hold here
        for folder in self._checkpoints():
            if folder not in self.planted:
                shutil.rmtree(folder)

    @rule(name=st.sampled_from(("mine", "baseline_1M_seed1024", "exp_a_1M_seed137")))
    def somebody_keeps_a_folder(self, name: str) -> None:
        folder = self.folder / "checkpoints" / name
        if not folder.exists():
            folder.mkdir(parents=True)
            (folder / "notes.txt").write_text("do not delete")
            self.planted.add(folder)

    @rule()
    def somebody_takes_the_folders_away(self) -> None:
        while self.planted:
            shutil.rmtree(self.planted.pop())

    def _checkpoints(self) -> Iterator[Path]:
        folder = self.folder / "checkpoints"
        return folder.iterdir() if folder.exists() else iter(())

    # --- what holds always --------------------------------------------------------------------

    @invariant()
    def no_seed_counts_twice_and_no_attempt_is_missing(self) -> None:
        for key, runs in arms(self.records()).items():
            assert [attempt for attempt, _, _ in runs] == list(range(1, len(runs) + 1)), key
            counted = [state in ("succeeded", "diverged") for _, state, _ in runs]
            assert sum(counted) <= 1, key
            assert not any(counted[:-1]), f"{key} was run again after it had a result"

    @invariant()
    def the_ledger_on_disk_is_what_the_server_believes(self) -> None:
        path = self.paths.ledger if self.paths.ledger.exists() else self.paths.mirror
        records: list[Record] = []
        for line in path.read_bytes().splitlines() if path.exists() else []:
            records.append(read_line(line, len(records) + 1, records[-1]["hash"] if records else EMPTY_HASH))
        assert fold(records) == self.lab._ledger.refresh()

    @invariant()
    def nothing_was_deleted_that_is_not_ours(self) -> None:
        assert all((folder / "notes.txt").read_text() == "do not delete" for folder in self.planted)


def test_no_order_of_calls_brings_an_early_verdict_a_second_count_or_a_dead_end() -> None:
    run_state_machine_as_test(AnyOrder, settings=DETERMINISTIC)


# --- the oracle itself ------------------------------------------------------------------------


def test_the_oracle_agrees_with_cases_worked_by_hand() -> None:
    base = dict(zip(SEEDS, (1.0, 2.0, 3.0, 4.0, 5.0), strict=True))  # mean 3, sigma sqrt(2.5) = 1.58
    assert expected_verdict(base, dict.fromkeys(FIRST, -1.0), 2.0) == "WINNER"
    assert expected_verdict(base, dict.fromkeys(FIRST, 7.0), 2.0) == "LOSER"
    assert expected_verdict(base, dict.fromkeys(FIRST, 3.5), 2.0) is None
    assert expected_verdict(base, dict.fromkeys(SEEDS, 3.5), 2.0) == "NEUTRAL"
    assert expected_verdict(base, {42: math.nan}, 2.0) == "LOSER"
    assert expected_verdict(base, {}, 2.0) is None


def test_the_weather_of_a_training_changes_only_its_end() -> None:
    argv = ["python", "train_llm.py", "--seed", "42", "--output_dir", "out"]
    weather = Weather()
    ends = {}
    for weather.now in dict.fromkeys(WEATHER):
        ends[weather.now] = (weather(argv).exit_code, "nan" in weather(argv).log)
    assert ends == {
        "fine": (0, False),
        "crash": (1, False),
        "fail": (1, False),
        "nan": (0, True),
        "constant": (0, False),
    }
    assert f"{4 + random.Random(42).gauss(0, 0.01):.6f}" in train(argv).log

"""The tools in any order, with bad luck in between: what may never happen does not happen."""

import hashlib
import json
import math
import os
import random
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from seedproof.admission.gate import admit
from seedproof.admission.guards import check_runaway
from seedproof.admission.request import RunRequest
from seedproof.ledger.event import Record
from seedproof.ledger.fold import fold
from seedproof.ledger.records import EMPTY_HASH, read_line
from seedproof.ledger.state import State
from seedproof.model.refusals import CodeRefusal, Refusal, Runaway
from seedproof.model.rules import Rules
from seedproof.model.run_key import Role
from seedproof.phases.study import Study
from seedproof_mcp.host.place import ThisMachine
from seedproof_mcp.host.settings import load_config
from seedproof_mcp.ledger.file import NOT_HERE
from seedproof_mcp.service.project import ProjectFolder
from seedproof_mcp.service.verdicts import judge_experiment
from seedproof_mcp.system.paths import ProjectPaths

from tests.support.amounts import IS_SAMPLE, amount
from tests.support.callers import Answer, Caller, tools
from tests.support.in_process import InProcessEngine, Training, in_process_service, option, train
from tests.support.oracle import (
    COUNTED,
    FIRST,
    Codes,
    attempts,
    complete_baseline,
    expected_delta,
    expected_verdict,
    present_generation,
    results,
)
from tests.support.seeds import SEEDS, foreseen
from tests.support.sites import PlainSite

# The same stories in every run, so that what they meet can be asserted.
DETERMINISTIC = settings(
    max_examples=amount(sample=12, whole=100, soak=700),
    # Without shrinking: a failure is printed as it was found, instead of five minutes later.
    phases=(Phase.explicit, Phase.generate),
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
# Files in memory where the system has them: a sync then costs nothing.
SHM = Path("/dev/shm")
MEMORY = SHM if os.access(SHM, os.W_OK) else None

NAMES = ("a", "b", "c")
EDITED_NAMES = ("d", "e")
FLAGS = (
    ["--shift", "-0.1"],
    ["--shift=-0.1"],
    ["--shift", "0.001"],
    ["--shift", "-0.012"],
    ["--shift", "0.1"],
    ["--nan_at", "137"],
    ["--crash"],
    ["--fail_after"],
    ["--seed", "7"],
    [],
)
HYPOTHESES = ("it helps", "null: nothing changes", " ")
# What the training script may be: as it was, otherwise written, or with results that the edit alone moves.
SCRIPTS = ("", "# harmless\n", "# off\n")
MOVED_BY = "0.5"
WEATHER = ("fine", "crash", "fail", "nan", "constant")
OPENINGS = ("nothing", "nothing", "a winner", "a winner on edited code", "an edit that moves the results")
RARE = ("another server", "new baseline", "clone", "rules", "folder", "report")
SPEAKS_OF_A_VERDICT = re.compile(
    r"\b(WINNER|NEUTRAL|LOSER)\b|cohens_d|effect_size|improvement_sigma"
    r"|sigma (better|worse)|no difference|suggestive but"
)
# The world outside the ledger is in the way: not for `next` to foresee.
OUTSIDE = frozenset({"output_exists"})
A_PERSON = frozenset({"runaway"})
# A control is due once the script is edited, and not once that is taken back.
EDITED = frozenset(
    {"control_due", "control_not_due", "baseline_stale", "not_comparable", "code_unchanged", "snapshot_missing"}
)

maybe_seeds = st.sampled_from((None, None, *SEEDS, 7))
maybe_attempts = st.sampled_from((None, None, None, 1, 2, 3))
names = st.sampled_from(NAMES)


class Weather:
    """What happens to trainings, whatever their flags."""

    def __init__(self, script: Path | None = None) -> None:
        self.now = "fine"
        self.script = script

    def __call__(self, argv: Sequence[str]) -> Training:
        if self.script is not None and "off" in self.script.read_text():
            argv = [*argv, "--shift", str(float(option(argv, "--shift", "0")) + float(MOVED_BY))]
        return self.befalls(argv)

    def befalls(self, argv: Sequence[str]) -> Training:
        """What becomes of a training now."""
        if self.now == "crash":
            return Training("out of memory\n", 1)
        if self.now == "constant":
            return train([*argv, "--constant"])
        if self.now == "nan":
            return train([*argv, "--nan_at", option(argv, "--seed")])
        return train([*argv, "--fail_after"] if self.now == "fail" else argv)


class AnyOrder(RuleBasedStateMachine):
    """A client that calls what it likes, and a machine that fails when it likes."""

    portal: ClassVar[BlockingPortal]
    met: ClassVar[Counter[tuple[str, str]]]
    """How often each tool answered what: a refusal's code, a verdict, a state or a phase."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="any-order-", dir=MEMORY))
        self.paths = ProjectPaths(self.folder)
        self.script = self.folder / "train_llm.py"
        self.script.touch()
        self.edited = False
        self.weather = Weather(self.script)
        self.engine = InProcessEngine(self.weather)
        self.fresh = 0
        self.planted: set[Path] = set()
        self.last: Answer | None = None
        self.read_at: object = None
        self.known: list[Record] = []
        self._open()

    def _open(self) -> None:
        self.service = in_process_service(self.folder, self.engine)
        client = tools(self.folder, service=self.service)
        self.client: AbstractContextManager[Caller] = self.portal.wrap_async_context_manager(client)
        self.caller = self.client.__enter__()

    def _close(self) -> None:
        self.client.__exit__(None, None, None)

    def teardown(self) -> None:
        self._close()
        shutil.rmtree(self.folder)

    # --- looking ------------------------------------------------------------------------------

    def _ledger_path(self) -> Path:
        """The ledger, or its mirror where that is all there is."""
        return self.paths.ledger if self.paths.ledger.exists() else self.paths.mirror

    def lines(self) -> list[bytes]:
        path = self._ledger_path()
        return path.read_bytes().splitlines() if path.exists() else []

    def records(self) -> list[Record]:
        """What the ledger says; read again when it has changed, as most calls change nothing."""
        path = self._ledger_path()
        seen = path.stat() if path.exists() else None
        basis = None if seen is None else (path, seen.st_ino, seen.st_size, seen.st_mtime_ns)
        if basis != self.read_at:
            self.read_at, self.known = basis, [json.loads(line) for line in self.lines()]
        return self.known

    def call(self, tool: str, **arguments: Any) -> Answer:
        """Call a tool and check what its answer may and may not say."""
        if tool == "run_seed":
            arguments.setdefault("wait_s", 0)
        answer: Answer = self.portal.call(lambda: self.caller(tool, **arguments))
        self.last = answer
        said = [answer.code, *(answer.data.get(name) for name in ("verdict", "state", "phase"))]
        self.met[tool, next(filter(None, said), "")] += 1
        assert answer.code != "internal_error", (tool, arguments, answer.text)
        records, rules = self.records(), load_config(self.paths.settings).rules.document()
        base = complete_baseline(records, rules)
        present = present_generation(records)
        if tool == "compare" and answer.data.get("generation", present) < present:
            self._check_as_issued(answer, records)
            self._check_next(answer)
            return answer
        if base is None or (answer.is_error and tool == "compare"):
            self._check_silence(tool, answer, records)
        if tool == "compare":
            self._check_verdict(arguments["experiment"], answer, records, base, rules["winner_sigma"])
        self._check_next(answer)
        return answer

    def _check_silence(self, tool: str, answer: Answer, records: list[Record]) -> None:
        if tool != "list_experiments" or answer.is_error:
            said = answer.text + json.dumps(answer.data)
            assert not SPEAKS_OF_A_VERDICT.search(said), said
            return
        # The rules may have been edited after the verdict: what was said then stays said.
        present = present_generation(records)
        rows = [row for row in answer.data["experiments"] if row["generation"] == present]
        verdicts = [one for one in records if one["kind"] == "verdict_issued"]
        issued = {one["experiment"] for one in verdicts if one["generation"] == present}
        assert {row["experiment"] for row in rows if row["verdict"]} <= issued

    def _check_as_issued(self, answer: Answer, records: list[Record]) -> None:
        """A verdict of an earlier generation is the newest one that was written down on this name."""
        said = answer.data
        of = [one for one in records if one.get("experiment") == said["experiment"]]
        (declared, *_) = [one for one in reversed(of) if one["kind"] == "experiment_declared"]
        (issued, *_) = [one for one in reversed(of) if one["kind"] == "verdict_issued"]
        assert declared["generation"] == issued["generation"] == said["generation"]
        assert (said["verdict"], said["headline"]) == (issued["verdict"], issued["headline"])

    def _check_verdict(
        self, name: str, answer: Answer, records: list[Record], base: dict[int, float] | None, threshold: float
    ) -> None:
        exp = results(records, present_generation(records), name)
        wanted = None if base is None else expected_verdict(base, exp, threshold)
        if base is not None and exp and not Codes().replay(records).is_shown(name, base):
            wanted = None
        assert (None if answer.is_error else answer.data["verdict"]) == wanted, answer.text
        codes = Codes().replay(records)
        if wanted is not None and codes.experiments[name][0] in codes.controls:
            self.met["compare", f"{wanted} after a control"] += 1
        if base is not None and wanted is not None:
            delta = expected_delta(base, exp)
            assert answer.data["delta"] == (None if delta is None else pytest.approx(delta, rel=1e-5, abs=1e-9))

    def _filled(self, following: dict[str, Any]) -> dict[str, Any]:
        """The arguments of a next call, with ours chosen so that nothing of them is used up."""
        ours = {
            "experiment": f"n{self.fresh}",
            "flags": ["--shift", f"0.0{self.fresh + 1}"],
            "hypothesis": "it helps",
            "new_baseline": f"reason {self.fresh}",
            "reason": "not needed",
            "seed": 42,
        }
        return {**following["arguments"], **{name: ours[name] for name in following["you_choose"]}}

    def _check_next(self, answer: Answer) -> None:
        """What `next` offers passes the gate, without doing it."""
        following = answer.data["next"]
        # What was meant by wrong arguments need not be allowed, nor a call whose sentence asks for a deed first.
        if following is None or answer.code == "bad_arguments" or following["why"].startswith("Once the edit is taken"):
            return
        arguments = self._filled(following)
        state, rules = self.service._ledger.refresh(), load_config(self.paths.settings).rules
        try:
            check_runaway(state, PlainSite().limits())
        except Runaway:
            return  # that a person has to look is not for `next` to foresee
        try:
            if following["tool"] == "run_seed":
                flags = arguments.pop("flags", None)
                role = Role(arguments.pop("role", "measure"))
                request = RunRequest(**arguments, flags=None if flags is None else tuple(flags), role=role)
                self._admit(state, rules, request)
            elif following["tool"] == "compare":
                judge_experiment(Study(state, rules), arguments["experiment"])
        except Refusal as refusal:
            raise AssertionError(f"next is refused: {answer.text}\n{following}\n{refusal}") from refusal

    def _admit(self, state: State, rules: Rules, request: RunRequest) -> None:
        """Pass the gate on the code that the ledger knows; or, after an edit, on the code that lies there now."""
        try:
            admit(Study(state, rules), request, PlainSite())
        except CodeRefusal:
            config = load_config(self.paths.settings)
            code = ProjectFolder(self.paths, config, ThisMachine(), foreseen()).at(state).code()
            admit(Study(state, rules), request, PlainSite(code))

    # --- calling ------------------------------------------------------------------------------

    @initialize(seeds=st.sampled_from((0, 0, 2, 5, 5, 5, 5, 5)), opening=st.sampled_from(OPENINGS))
    def begin(self, seeds: int, opening: str) -> None:
        """Most stories begin with a baseline, and many with an experiment: chance alone seldom gets to a verdict."""
        for _ in range(seeds % len(SEEDS)):
            self.call("run_seed")
        if seeds == len(SEEDS):
            self.call("run_seed", queue_all=True)
        if opening == "a winner":
            self.measure("a", FLAGS[0], "it helps", 1)
        elif opening != "nothing":
            script = SCRIPTS[1] if opening == "a winner on edited code" else SCRIPTS[2]
            self.edit_and_measure("d", FLAGS[0], script, code_change=False)

    @rule(offset=st.integers(0, 2))
    def look(self, offset: int) -> None:
        self.call("check_baseline")
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

    @rule(name=names, flags=st.sampled_from(FLAGS), hypothesis=st.sampled_from(HYPOTHESES[:2]), looks=st.integers(1, 2))
    def measure(self, name: str, flags: list[str], hypothesis: str, looks: int) -> None:
        """An experiment as far as it goes without thinking, with a grab at what is not its due."""
        self.call("run_seed", experiment=name, flags=flags, hypothesis=hypothesis, seed=SEEDS[-1])
        declared = self.call("run_seed", experiment=name, flags=flags, hypothesis=hypothesis, queue_all=True)
        if declared.code == "control_due":
            self.call("run_seed", experiment=name, role="control")
            self.call("run_seed", experiment=name, queue_all=True)
        self.call("run_seed", experiment=f"{name}-again", flags=flags, hypothesis="it helps")
        for _ in range(looks):
            self.call("compare", experiment=name)
            self.call("run_seed", experiment=name, queue_all=True)

    @rule(name=names)
    def compare(self, name: str) -> None:
        self.call("compare", experiment=name)

    @rule(
        name=st.sampled_from(EDITED_NAMES),
        flags=st.sampled_from(FLAGS[:1] * 3 + FLAGS[2:6]),
        script=st.sampled_from((SCRIPTS[1], *SCRIPTS)),
        code_change=st.sampled_from((False, False, True)),
    )
    def edit_and_measure(self, name: str, flags: list[str], script: str, code_change: bool) -> None:
        """An experiment on edited code, as far as its control lets it go."""
        self.edit(script)
        words = {"flags": flags, "hypothesis": "it helps", "code_change": code_change}
        self.call("run_seed", experiment=name, **words)
        self.call("run_seed", experiment=name, role="control")
        self.call("compare", experiment=name)  # too early
        self.call("run_seed", experiment=name, role="confirm")  # as well
        self.call("run_seed", experiment=name, queue_all=True)
        self.call("compare", experiment=name)

    @rule(name=st.sampled_from((*NAMES, *EDITED_NAMES)), attempt=maybe_attempts)
    def control(self, name: str, attempt: int | None) -> None:
        self.call("run_seed", experiment=name, role="control", attempt=attempt)

    @rule(name=names, attempt=maybe_attempts, queue_all=st.booleans())
    def confirm(self, name: str, attempt: int | None, queue_all: bool) -> None:
        self.call("run_seed", experiment=name, role="confirm", attempt=attempt, queue_all=queue_all)

    @rule(name=st.sampled_from((None, *NAMES)))
    def write_report(self, name: str | None) -> None:
        self.call("write_report", experiment=name)

    @rule(steps=st.integers(1, 8))
    def follow(self, steps: int) -> None:
        """Do what the last answer offers, and again."""
        for _ in range(steps):
            following = self.last.data["next"] if self.last else None
            if following is None:
                return
            arguments, was_meant = self._filled(following), self.last is not None and self.last.code == "bad_arguments"
            self.fresh += bool(following["you_choose"])
            answer = self.call(following["tool"], **arguments)
            if was_meant:  # it may be too early, but is well formed
                assert answer.code != "bad_arguments", answer.text
            elif answer.is_error:
                outside = A_PERSON | (OUTSIDE if self.planted else set()) | (EDITED if self.edited else set())
                assert answer.code in outside, answer.text
                return

    @rule(pick=st.integers(0, 1000), reason=st.sampled_from(("not needed", "not needed", "")))
    def stop_run(self, pick: int, reason: str) -> None:
        asked = [record["run_id"] for record in self.records() if record["kind"] == "run_requested"]
        known = [*self.service._ledger.refresh().active, *asked[:1], "no-such-run"]
        self.call("stop_run", run_id=known[pick % len(known)], reason=reason)

    # --- the world turns ----------------------------------------------------------------------

    @rule(weather=st.sampled_from(WEATHER), calls=st.integers(1, 2))
    def a_storm_passes(self, weather: str, calls: int) -> None:
        """The next trainings come to a bad end, whatever they are."""
        self.weather.now = weather
        for _ in range(calls):
            self.follow(1)
        if weather == "nan":  # most offers start nothing
            self.fresh += 1
            flags = ["--shift", f"0.5{self.fresh}"]
            self.call("run_seed", experiment=f"s{self.fresh}", flags=flags, hypothesis="it helps")
        self.weather.now = "fine"

    @rule()
    def trainings_take_long_or_end(self) -> None:
        self.engine.held = not self.engine.held
        if not self.engine.held:
            self.engine.release()

    @rule(script=st.sampled_from((SCRIPTS[0], *SCRIPTS)))
    def edit(self, script: str) -> None:
        """The agent edits the training script, or takes its edit back."""
        self.edited = self.edited or script != self.script.read_text()
        self.script.write_text(script)

    @rule(what=st.sampled_from(RARE), data=st.data())
    def something_rare_happens(self, what: str, data: st.DataObject) -> None:
        if what == "another server":
            self._close()
            self._open()
        elif what == "new baseline":
            reason = data.draw(st.sampled_from(("new data", "new driver", " ")))
            self.call("run_seed", new_baseline=reason, seed=data.draw(maybe_seeds))
        elif what == "clone":
            self._clone()
        elif what == "rules":
            self._edit_rules(data.draw(st.sampled_from((2.0, 2.0, 0.5))))
        elif what == "folder":
            self._keep_a_folder(data.draw(st.sampled_from(("mine", "baseline_1M_seed1024", "exp_a_1M_seed137"))))
        else:
            for path in self.paths.research.glob("*.md"):
                path.unlink()

    def _clone(self) -> None:
        """What git keeps stays: settings, script, reports and the mirror of the ledger."""
        if self.service._ledger.refresh().active:
            return  # the engine still writes into these folders
        shutil.rmtree(self.paths.state, ignore_errors=True)
        self.last = None  # what was offered there need not hold here
        for folder in self._checkpoints():
            if folder not in self.planted:
                shutil.rmtree(folder)

    def _edit_rules(self, sigma: float) -> None:
        self.last = None  # what was offered under other rules need not hold
        self.paths.settings.unlink(missing_ok=True)
        if sigma != 2.0:
            self.paths.settings.write_text(f"[rules]\nwinner_sigma = {sigma}\nsuggestive_sigma = {sigma}\n")

    def _keep_a_folder(self, name: str) -> None:
        """Somebody puts a folder where a run may want to write, or takes all of them away."""
        folder = self.folder / "checkpoints" / name
        if folder in self.planted:
            while self.planted:
                shutil.rmtree(self.planted.pop())
        elif not folder.exists():
            folder.mkdir(parents=True)
            (folder / "notes.txt").write_text("do not delete")
            self.planted.add(folder)

    def _checkpoints(self) -> Iterator[Path]:
        folder = self.folder / "checkpoints"
        return folder.iterdir() if folder.exists() else iter(())

    # --- what holds always --------------------------------------------------------------------

    @invariant()
    def no_seed_counts_twice_and_no_attempt_is_missing(self) -> None:
        for key, runs in attempts(self.records()).items():
            assert [attempt for attempt, _, _ in runs] == list(range(1, len(runs) + 1)), key
            counted = [state in COUNTED for _, state, _ in runs]
            # Of a name that was declared again on other code there is another control.
            if not str(key[1]).startswith("control"):
                assert not any(counted[:-1]), f"{key} was run again after it had a result"
        runs = self.service._ledger.refresh().runs.values()
        controls = [run for run in runs if run.role is Role.CONTROL and run.state.is_counted]
        codes = Counter((run.generation, run.surroundings["code_sha256"]) for run in controls)
        assert max(codes.values(), default=0) <= 1, codes

    @invariant()
    def flags_are_measured_only_on_code_that_a_control_has_shown_to_be_the_same(self) -> None:
        assert Codes().replay(self.records()).moved == []

    @invariant()
    def the_ledger_on_disk_is_what_the_server_believes(self) -> None:
        records: list[Record] = []
        for line in self.lines():
            records.append(read_line(line, len(records) + 1, records[-1]["hash"] if records else EMPTY_HASH))
        expected = fold(records)
        if self._ledger_path() == self.paths.mirror:
            expected.interrupt_active(NOT_HERE)  # of a clone, where nothing trains
        assert expected == self.service._ledger.refresh()

    @invariant()
    def every_report_is_one_that_the_ledger_vouches_for(self) -> None:
        newest = {one["path"]: one["sha256"] for one in self.records() if one["kind"] == "report_written"}
        written = {str(path.relative_to(self.folder)): path for path in self.paths.research.glob("*.md")}
        written.pop("docs/research/studies.md", None)  # it names the head that it is made again from
        for name, path in written.items():
            assert hashlib.sha256(path.read_bytes()).hexdigest() == newest[name], name

    @invariant()
    def nothing_was_deleted_that_is_not_ours(self) -> None:
        assert all((folder / "notes.txt").read_text() == "do not delete" for folder in self.planted)


# A machine that never gets to a verdict, or never asks too early, would prove nothing.
MUST_BE_MET = {
    *(("compare", verdict) for verdict in ("WINNER", "NEUTRAL", "LOSER")),
    *(("compare", code) for code in ("baseline_missing", "baseline_incomplete", "experiment_incomplete")),
    *(("run_seed", state) for state in ("succeeded", "failed", "diverged")),
    *(("run_seed", code) for code in ("attempt_not_allowed", "seed_not_due", "flags_duplicate", "confirm_not_due")),
    *(("run_seed", code) for code in ("control_due", "control_not_due", "baseline_stale", "not_comparable")),
    *(("compare", code) for code in ("baseline_stale", "WINNER after a control")),
}
MET_IN_A_SAMPLE = {
    *(("compare", answer) for answer in ("WINNER", "NEUTRAL", "baseline_missing", "experiment_incomplete")),
    *(("run_seed", answer) for answer in ("succeeded", "failed", "attempt_not_allowed", "control_due")),
}


@pytest.mark.sampled
def test_no_order_of_calls_brings_an_early_verdict_a_second_count_or_a_dead_end() -> None:
    AnyOrder.met = Counter()
    with start_blocking_portal() as AnyOrder.portal:
        run_state_machine_as_test(AnyOrder, settings=DETERMINISTIC)
    must_be_met = MET_IN_A_SAMPLE if IS_SAMPLE else MUST_BE_MET
    assert set(AnyOrder.met) >= must_be_met, must_be_met - set(AnyOrder.met)


# --- the oracle itself ------------------------------------------------------------------------


def test_the_oracle_agrees_with_cases_worked_by_hand() -> None:
    base = dict(zip(SEEDS, (1.0, 2.0, 3.0, 4.0, 5.0), strict=True))  # mean 3, sigma sqrt(2.5) = 1.58
    assert expected_verdict(base, dict.fromkeys(FIRST, -1.0), 2.0) == "WINNER"
    assert expected_verdict(base, dict.fromkeys(FIRST, 7.0), 2.0) == "LOSER"
    assert expected_verdict(base, dict.fromkeys(FIRST, 3.5), 2.0) is None
    assert expected_verdict(base, dict.fromkeys(SEEDS, 3.5), 2.0) == "NEUTRAL"
    assert expected_verdict(base, {42: math.nan}, 2.0) == "LOSER"
    assert expected_verdict(base, {}, 2.0) is None
    assert expected_delta(base, dict.fromkeys(FIRST, -1.0)) == -4.0
    assert expected_delta(base, {42: math.nan}) is None


def test_the_weather_of_a_training_changes_only_its_end() -> None:
    argv = ["python", "train_llm.py", "--seed", "42", "--output_dir", "out"]
    weather = Weather()
    ends = {}
    for weather.now in WEATHER:
        ends[weather.now] = (weather(argv).exit_code, "nan" in weather(argv).log)
    assert ends == {
        "fine": (0, False),
        "crash": (1, False),
        "fail": (1, False),
        "nan": (0, True),
        "constant": (0, False),
    }
    assert f"{4 + random.Random(42).gauss(0, 0.01):.6f}" in train(argv).log

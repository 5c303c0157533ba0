"""Studies that earlier versions recorded are read, shown as issued, verified, and continued; none is judged again."""

import json
import random
import secrets
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest
from seedproof_mcp.host.fingerprint import RECORDED_VALUES
from seedproof_mcp.host.place import Machine
from seedproof_mcp.surface import cli

from tests.support.callers import Answer, Caller
from tests.support.in_process import InProcessEngine, Training, quick_tools
from tests.support.memory import MEMORY
from tests.support.places import ROOT
from tests.support.seeds import FRESH, SEEDS
from tests.support.tables import Table

pytestmark = pytest.mark.anyio

OLD = ROOT / "tests/old_ledgers"
RECORDED = OLD / "record_format_1"
LATER = sorted(str(path.relative_to(OLD)) for path in OLD.glob("report_format_[567]/*"))
RECORDED_STUDIES = [*sorted(path.name for path in RECORDED.iterdir()), *LATER]
# The settings of this one are refused by now; it has a test of its own.
STUDIES = [name for name in RECORDED_STUDIES if name != "given_seeds"]
WITH_DEFAULT_RULES = ["protocol", "confirmations", "in_place"]
LEDGER = ".seedproof/ledger.jsonl"
MIRROR = "docs/research/ledger.jsonl"
# c3868cf wrote 1 and 4, ff65c9d 2 and 5, 7a359c9 2 and 6, 5900f4f 2 and 7.
RECORD_FORMAT, REPORT_FORMAT = 2, 8
MORE_SEEDS = "[rules]\nbaseline_seeds = [42, 137, 256, 512, 1024, 2048, 4096]\n"
PYTHON = '[settings]\npython = "python3"\n'

Record = dict[str, Any]


class RecordedPlace:
    """The place that the records name: the recorded machine, with the recorded interpreter and packages."""

    def __init__(self, records: Sequence[Record]) -> None:
        started = next(record for record in records if record["kind"] == "run_started")
        self._machine = Machine(*(started["fingerprint"][name] for name in ("host", "platform", "cpu_count", "load")))
        self._environment = started["environment"]

    def machine(self) -> Machine:
        return self._machine

    def environment(self, python: str, env: Mapping[str, str], cwd: Path) -> dict[str, Any]:
        return dict(self._environment)

    def import_path(self, python: str, env: Mapping[str, str], cwd: Path) -> tuple[str, ...]:
        return ()


class Study:
    """A copy of a recorded study, as it lies where it was recorded."""

    def __init__(self, folder: Path, name: str) -> None:
        recorded = OLD / name if name in LATER else RECORDED / name
        self.project = Path(shutil.copytree(recorded, folder / recorded.name))
        (self.project / LEDGER).parent.mkdir()
        shutil.copy(self.project / MIRROR, self.project / LEDGER)
        self.recorded = (self.project / LEDGER).read_bytes()
        self.before = [json.loads(line) for line in self.recorded.splitlines()]

    def tools(self, trains: Callable[[Sequence[str]], Training] | None = None) -> Any:
        """A client on a server of the present version; without `trains`, a run that starts is an error."""
        place = RecordedPlace(self.before)
        return quick_tools(self.project, InProcessEngine(trains or Table(), place), randbelow=secrets.randbelow)

    def write_settings(self, text: str) -> None:
        (self.project / "seedproof.toml").write_text(text)

    def added(self, kind: str | None = None) -> list[Record]:
        """The new records, after a check that the old lines are as they were."""
        now = (self.project / LEDGER).read_bytes()
        assert now.startswith(self.recorded), "a recorded line was changed"
        records = [json.loads(line) for line in now.removeprefix(self.recorded).splitlines()]
        assert {record["format"] for record in records} <= {RECORD_FORMAT}
        return [record for record in records if kind in (None, record["kind"])]

    def issued(self) -> dict[tuple[int, str], tuple[str | None, str]]:
        """By generation and experiment: verdict and headline as they were issued last; that an idea was dropped is no
        verdict."""
        records = [record for record in self.before if record["kind"] == "verdict_issued"]
        words = {"DROPPED": None}
        return {
            (one["generation"], one["experiment"]): (words.get(one["verdict"], one["verdict"]), one["headline"])
            for one in records
        }


Open = Callable[[str], Study]


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Opens copies of recorded studies, where no variable is set whose value would be recorded, as then."""
    for name in RECORDED_VALUES:
        monkeypatch.delenv(name, raising=False)
    with tempfile.TemporaryDirectory(prefix="seedproof-", dir=MEMORY) as folder:
        yield lambda name: Study(Path(tempfile.mkdtemp(dir=folder)), name)


def verify(study: Study, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What `seedproof verify --regenerate` prints, after a check that it finds no fault."""
    capsys.readouterr()
    code = cli.main(["verify", "--regenerate", "--project", str(study.project)])
    said = capsys.readouterr().out.splitlines()
    assert (code, said[-1]) == (0, "All is well."), said
    return said


def listed(answer: Answer) -> dict[tuple[int, str], tuple[str | None, str]]:
    """What `list_experiments` says of the experiments that were judged."""
    rows = [row for row in answer.data["experiments"] if row["headline"] is not None]
    return {(row["generation"], row["experiment"]): (row["verdict"], row["headline"]) for row in rows}


def table(**arms: Sequence[float]) -> Table:
    """Trainings by arm, from the first seed on, with as many digits as the recorded logs have."""
    made = Table()
    for name, values in arms.items():
        made.arm(name, [f"{value:.4f}" for value in values])
    return made


def noisy(argv: Sequence[str]) -> Training:
    """A training whose experiment is 0.1 better at every seed, far beyond its noise."""
    arm, seed = Table.key(argv)
    loss = (4.0 if arm.startswith(("baseline", "control")) else 3.9) + random.Random(f"{arm}{seed}").gauss(0, 0.005)
    return Training(f"Step 100 | val_loss: {loss:.6f} | done\n", 0, {"model.bin": "x"})


# --- shown as it was ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STUDIES)
async def test_a_baseline_stays_ready_and_reading_writes_nothing(study: Open, name: str) -> None:
    here = study(name)
    async with here.tools() as call:
        status = (await call("check_baseline")).data
    rules = [record["rules"] for record in here.before if record["kind"] == "generation_started"]
    seeds = rules[-1]["baseline_seeds"]
    assert (status["phase"], status["generation"], status["missing_seeds"]) == ("ready", len(rules), [])
    assert [row["seed"] for row in status["seeds"]] == seeds
    assert here.added() == []


@pytest.mark.parametrize("name", WITH_DEFAULT_RULES)
async def test_a_baseline_of_the_default_rules_needs_no_settings_file(study: Open, name: str) -> None:
    here = study(name)
    (here.project / "seedproof.toml").unlink()
    async with here.tools() as call:
        assert (await call("check_baseline")).data["phase"] == "ready"


async def test_a_baseline_stays_ready_where_the_settings_name_the_seeds_that_were_the_default(study: Open) -> None:
    here = study("protocol")
    here.write_settings(f"[rules]\nconfirm_seeds = {list(FRESH)}\n{PYTHON}")
    async with here.tools() as call:
        assert (await call("check_baseline")).data["phase"] == "ready"


@pytest.mark.parametrize("name", STUDIES)
async def test_a_clone_that_has_the_mirror_only_is_ready_too(study: Open, name: str) -> None:
    here = study(name)
    shutil.rmtree((here.project / LEDGER).parent)
    async with here.tools() as call:
        assert (await call("check_baseline")).data["phase"] == "ready"
        assert listed(await call("list_experiments")) == here.issued()


@pytest.mark.parametrize("name", STUDIES)
async def test_each_verdict_is_shown_as_issued_and_none_is_issued_again(study: Open, name: str) -> None:
    here = study(name)
    async with here.tools() as call:
        for (generation, experiment), (verdict, headline) in here.issued().items():
            said = (await call("compare", experiment=experiment)).data
            assert (said["generation"], said["verdict"], said["headline"]) == (generation, verdict, headline)
        assert listed(await call("list_experiments")) == here.issued()
    assert here.added("verdict_issued") == []


async def test_a_sequential_winner_above_the_level_of_today_is_not_explained_by_that_level(study: Open) -> None:
    here = study("sequential_ledger")
    async with here.tools() as call:
        said = await call("compare", experiment="winner")
    # Its p was .021 with the earlier arms and is .029 without, its level was .044.
    assert said.data["verdict"] == "WINNER"
    assert "at most 0.02 is a WINNER" not in said.text


@pytest.mark.parametrize("name", ["sequential_ledger", "protocol"])
async def test_a_key_that_went_is_told_and_ignored(study: Open, name: str) -> None:
    here = study(name)
    if name == "protocol":
        here.write_settings(f'[rules]\nsequential_variance = "arms"\n{PYTHON}')
    async with here.tools() as call:
        said = await call("check_baseline")
    assert not said.is_error
    assert said.data["phase"] == "ready"
    notices = [one["message"] for one in said.data["notices"] if "sequential_variance" in one["message"]]
    assert len(notices) == 1, said.text


# --- verified -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECORDED_STUDIES)
def test_verify_passes_and_says_what_it_did_not_recompute(
    study: Open, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    notes = [line for line in verify(study(name), capsys) if line.startswith("note")]
    for subject in ("verdicts", "regenerate"):
        said = [line for line in notes if line.startswith(f"note  {subject}: ")]
        assert [("checked by chain and hash" in line, "not recomputed" in line) for line in said] == [(True, True)], (
            notes
        )


@pytest.mark.parametrize("kind", ["experiment_better_1M.md", "experiment_better_1M.svg"])
def test_an_edited_report_of_an_older_format_is_found_by_its_hash(
    study: Open, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    here = study("protocol")
    with (here.project / "docs/research" / kind).open("a") as report:
        report.write(" ")
    assert cli.main(["verify", "--project", str(here.project)]) == 1
    assert f"{kind} was edited" in capsys.readouterr().out


@pytest.mark.parametrize("name", LATER)
async def test_reports_of_an_older_format_stay_as_they_are(study: Open, name: str) -> None:
    here = study(name)
    reports = {path: path.read_bytes() for path in (here.project / "docs/research").iterdir()}
    async with here.tools() as call:
        for _, experiment in here.issued():
            await call("compare", experiment=experiment)
    assert {path: path.read_bytes() for path in reports} == reports
    assert here.added() == []


def test_a_study_page_of_an_older_format_is_noted(study: Open, capsys: pytest.CaptureFixture[str]) -> None:
    said = verify(study("report_format_6/metric_in_file"), capsys)
    words = "was written by an earlier version, and is not made again"
    assert {f"note  study: docs/research/studies.{kind} {words}" for kind in ("md", "svg")} <= set(said), said


# --- confirmations --------------------------------------------------------------------------------


# c3868cf's rule: three pairs, the spreads of all four arms pooled with 10 degrees of freedom, t(.90, 10) = 1.372.
# Sums of squares in 1e-4: baseline 10, experiment 3.17, control .74 (4.0003, 3.9993, 4.0103), and that of the
# confirmation. In both cases the rule of today would go on with three more pairs.
ENDS = {
    # Confirmation .74, d = -.02, s = sqrt(14.65e-4 / 10) = .0121, t = .02 / (s * sqrt(2/3)) = 2.02: p = .035.
    "confirmed": ((3.9903,), "WINNER (confirmed on 3 fresh seeds): 5.57 sigma better"),
    # Confirmation 6.2, d = -.0133, s = sqrt(20.1e-4 / 10) = .0142, t = 1.15: p = .14.
    "not_confirmed": ((4.0103,), "WINNER (NOT confirmed on 3 fresh seeds): 5.57 sigma better"),
}


@pytest.mark.parametrize("end", ENDS)
async def test_a_confirmation_that_had_begun_ends_at_its_seeds_and_under_its_rule(
    study: Open, end: str, capsys: pytest.CaptureFixture[str]
) -> None:
    here = study("confirmations")
    last, headline = ENDS[end]
    trained = Table().arm("control_half", ("3.9993", "4.0103"), FRESH[1:])
    trained.arm("confirm_half", [f"{value:.4f}" for value in last], FRESH[2:])
    async with here.tools(trained) as call:
        for done in (4, 5, 6):
            before = await call("compare", experiment="half")
            assert before.data["headline"] == "WINNER (unconfirmed): 5.57 sigma better"
            assert before.next == "run_seed(experiment='half', role='confirm')"
            ran = await call("run_seed", experiment="half", role="confirm")
            assert (ran.data["state"], ran.data["remaining"]) == ("succeeded", 6 - done), ran.text
        said = await call("compare", experiment="half")
        refused = await call("run_seed", experiment="half", role="confirm")
        await call("write_report", experiment="half")
    assert [Table.key(argv) for argv in trained.argvs] == [
        ("control_half", FRESH[1]),
        ("control_half", FRESH[2]),
        ("confirm_half", FRESH[2]),
    ]
    assert said.data["headline"] == headline
    assert refused.is_error
    (issued,) = here.added("verdict_issued")
    assert (issued["headline"], issued["confirmation"]["state"]) == (headline, end)
    assert here.added("fresh_seeds_drawn") == []
    (written,) = here.added("report_written")
    assert (written["report_format"], written["headline"]) == (REPORT_FORMAT, headline)
    assert headline.split(":")[0] in (here.project / written["path"]).read_text()
    verify(here, capsys)


async def test_a_confirmation_on_four_given_seeds_ends_on_them_once_the_refused_rule_is_removed(
    study: Open, capsys: pytest.CaptureFixture[str]
) -> None:
    here = study("given_seeds")
    trained = Table().arm("control_half", ("4.0103", "3.9993", "4.0013"), (8, 9, 10))
    trained.arm("confirm_half", ("3.9403", "3.9353"), (9, 10))
    async with here.tools(trained) as call:
        refused = await call("check_baseline")
        assert refused.code == "bad_settings"
        assert "confirm_seeds" in refused.text
        here.write_settings(PYTHON)
        assert (await call("check_baseline")).data["phase"] == "ready"
        assert listed(await call("list_experiments")) == here.issued()
        for done in range(4, 9):
            ran = await call("run_seed", experiment="half", role="confirm")
            assert (ran.data["state"], ran.data["remaining"]) == ("succeeded", 8 - done), ran.text
        said = await call("compare", experiment="half")
    assert [Table.key(argv) for argv in trained.argvs] == [
        *(("control_half", 8), ("control_half", 9), ("confirm_half", 9)),
        *(("confirm_half", 10), ("control_half", 10)),
    ]
    assert said.data["headline"].startswith("WINNER (confirmed on 4 ")
    assert here.added("fresh_seeds_drawn") == []
    verify(here, capsys)


async def test_fresh_pairs_of_an_older_verdict_are_run_and_judged(
    study: Open, capsys: pytest.CaptureFixture[str]
) -> None:
    here = study("report_format_5/protocol")
    async with here.tools(noisy) as call:
        for _ in range(12):
            ran = await call("run_seed", experiment="paired", role="confirm")
            assert ran.data["state"] == "succeeded", ran.text
        said = await call("compare", experiment="paired")
    assert said.data["headline"].startswith("NEUTRAL (2-sigma rule); pairs hold on 6 fresh seeds: -0.")
    (issued,) = here.added("verdict_issued")
    assert issued["confirmation"]["state"] == "confirmed"
    assert here.added("fresh_seeds_drawn") == []
    verify(here, capsys)


@pytest.mark.parametrize("name", ["kept", "lost"])
async def test_a_confirmation_that_had_ended_is_not_run_again(study: Open, name: str) -> None:
    here = study("confirmations")
    async with here.tools() as call:
        assert (await call("run_seed", experiment=name, role="confirm")).is_error
    assert here.added() == []


def check_drawn(here: Study, record: Record) -> list[int]:
    """The seeds of a record, after a check that nobody could know them."""
    seeds: list[int] = record["seeds"]
    assert len(seeds) == len(set(seeds)) == 6
    assert all(isinstance(seed, int) and 100_000 <= seed <= 999_999 for seed in seeds)
    used = {one["seed"] for one in here.before if one["kind"] == "run_requested"} | {*SEEDS, *FRESH}
    assert used.isdisjoint(seeds)
    return seeds


async def test_a_winner_without_a_confirmation_gets_its_seeds_in_a_record_of_their_own(
    study: Open, capsys: pytest.CaptureFixture[str]
) -> None:
    here = study("protocol")
    async with here.tools(noisy) as call:
        await call("compare", experiment="better")
        assert here.added("fresh_seeds_drawn") == []
        for _ in range(6):
            ran = await call("run_seed", experiment="better", role="confirm")
            assert ran.data["state"] == "succeeded", ran.text
        said = await call("compare", experiment="better")
    (drawn,) = here.added("fresh_seeds_drawn")
    assert (drawn["generation"], drawn["experiment"]) == (1, "better")
    seeds = check_drawn(here, drawn)
    requested = [(one["arm"], one["seed"]) for one in here.added("run_requested")]
    first, second, third = seeds[:3]
    assert requested == [
        *(("baseline", first), ("experiment", first)),
        *(("experiment", second), ("baseline", second)),
        *(("baseline", third), ("experiment", third)),
    ]
    assert drawn["seq"] < here.added("run_requested")[0]["seq"]
    assert said.data["headline"] == "WINNER (confirmed on 3 fresh seeds): 5.59 sigma better"
    verify(here, capsys)


async def test_each_ledger_has_fresh_seeds_of_its_own(study: Open) -> None:
    drawn = []
    for here in (study("protocol"), study("protocol")):
        async with here.tools(noisy) as call:
            await call("run_seed", experiment="better", role="confirm")
        drawn.append(check_drawn(here, here.added("fresh_seeds_drawn")[0]))
    assert drawn[0] != drawn[1]


async def test_two_servers_that_ask_at_once_get_the_same_seeds(study: Open) -> None:
    here = study("protocol")
    engines = [InProcessEngine(noisy, RecordedPlace(here.before)) for _ in range(2)]
    answers: list[Answer] = []

    async def ask(call: Caller) -> None:
        answers.append(await call("run_seed", experiment="better", role="confirm", wait_s=0))

    async with quick_tools(here.project, engines[0]) as one, quick_tools(here.project, engines[1]) as other:
        for engine in engines:
            engine.held = True
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, one)
            tasks.start_soon(ask, other)
    (drawn,) = here.added("fresh_seeds_drawn")
    assert [answer.data["seed"] for answer in answers] == [check_drawn(here, drawn)[0]] * 2
    assert len({answer.data["run_id"] for answer in answers}) == 1


async def test_a_winner_of_the_present_generation_of_a_larger_baseline_gets_its_seeds_too(study: Open) -> None:
    here = study("larger_baseline")
    async with here.tools(noisy) as call:
        await call("run_seed", experiment="late", role="confirm")
    (drawn,) = here.added("fresh_seeds_drawn")
    assert (drawn["generation"], drawn["experiment"]) == (2, "late")
    check_drawn(here, drawn)


async def test_a_change_of_code_in_place_is_refused_a_confirmation_and_draws_nothing(study: Open) -> None:
    here = study("in_place")
    async with here.tools() as call:
        refused = await call("run_seed", experiment="change", role="confirm")
    assert refused.code == "confirm_not_due"
    assert "measured in place" in refused.text
    assert here.added() == []


# --- continued ------------------------------------------------------------------------------------


async def test_an_open_experiment_of_the_protocol_goes_on_where_it_was(
    study: Open, capsys: pytest.CaptureFixture[str]
) -> None:
    here = study("protocol")
    async with here.tools(table(exp_begun=(0, 0, 3.9101))) as call:
        assert (await call("compare", experiment="begun")).code == "experiment_incomplete"
        ran = await call("run_seed", experiment="begun")
        assert (ran.data["seed"], ran.data["remaining"]) == (256, 0)
        said = await call("compare", experiment="begun")
        await call("write_report", experiment="begun")
        assert listed(await call("list_experiments")).items() >= here.issued().items()
    # 4.0000 - 3.9101 = .0899 over .0158.
    assert said.data["headline"].startswith("WINNER (unconfirmed): 5.69 sigma better")
    (issued,), (written,) = here.added("verdict_issued"), here.added("report_written")
    assert (issued["report_format"], written["report_format"]) == (REPORT_FORMAT, REPORT_FORMAT)
    said_of = verify(here, capsys)
    assert "OK    verdicts: 1 verdict recomputed from the records before them" in said_of
    assert "OK    regenerate: 1 report regenerated byte for byte, figures too" in said_of


async def test_a_winner_that_is_judged_now_in_an_old_generation_has_drawn_seeds_in_its_own_record(study: Open) -> None:
    here = study("protocol")
    async with here.tools(noisy) as call:
        await call("run_seed", experiment="begun")
        assert (await call("compare", experiment="begun")).data["verdict"] == "WINNER"
        ran = await call("run_seed", experiment="begun", role="confirm")
    (issued,) = here.added("verdict_issued")
    assert 100_000 <= ran.data["seed"] <= 999_999
    assert ran.data["seed"] not in FRESH
    assert str(ran.data["seed"]) in json.dumps(issued)
    assert here.added("fresh_seeds_drawn") == []


async def test_a_report_of_an_old_verdict_that_is_written_anew_has_the_next_format(
    study: Open, capsys: pytest.CaptureFixture[str]
) -> None:
    here = study("protocol")
    async with here.tools() as call:
        assert (await call("write_report", experiment="worse")).data["headline"] == "LOSER: 6.96 sigma worse"
    (written,) = here.added("report_written")
    assert (written["report_format"], written["verdict"]) == (REPORT_FORMAT, "LOSER")
    assert here.added("verdict_issued") == []
    verify(here, capsys)


async def test_equal_logs_beside_values_in_a_file_are_no_remark_in_the_next_format(
    study: Open, capsys: pytest.CaptureFixture[str]
) -> None:
    here = study("report_format_6/metric_in_file")
    report = here.project / "docs/research/experiment_better_1M.md"
    assert "better: the logs of seeds 42, 137, 256 are identical." in report.read_text()
    async with here.tools() as call:
        await call("write_report", experiment="better")
    (written,) = here.added("report_written")
    assert written["report_format"] == REPORT_FORMAT
    assert "identical" not in report.read_text()
    assert here.added("verdict_issued") == []
    verify(here, capsys)


async def test_values_that_chance_explains_are_no_remark_in_the_next_format(
    study: Open, capsys: pytest.CaptureFixture[str]
) -> None:
    here = study("report_format_7/equal_by_chance")
    report, remark = here.project / "docs/research/experiment_better_1M.md", "gave the same val_loss, 4.0031"
    assert remark in report.read_text()
    async with here.tools() as call:
        await call("write_report", experiment="better")
    (written,) = here.added("report_written")
    assert written["report_format"] == REPORT_FORMAT
    assert remark not in report.read_text()
    assert here.added("verdict_issued") == []
    verify(here, capsys)


async def test_an_experiment_beside_reports_of_an_older_format_is_judged_in_the_next_format(
    study: Open, capsys: pytest.CaptureFixture[str]
) -> None:
    here = study("report_format_7/protocol")
    async with here.tools(noisy) as call:
        await call.measure("later", "--idea", "later")
        await call("compare", experiment="later")
        await call("write_report", experiment="later")
    (issued,), (written,) = here.added("verdict_issued"), here.added("report_written")
    assert (issued["report_format"], written["report_format"]) == (REPORT_FORMAT, REPORT_FORMAT)
    assert verify(here, capsys).count("OK    verdicts: 1 verdict recomputed from the records before them") == 1


# One-sided p with the variance pooled over both arms, and over the earlier arms that c3868cf recorded as well: both lie
# on the same side of .02, whichever of them a continued arm uses.
LOOKS = {
    # p = .042 after three seeds, .011 after five.
    "WINNER": ("sequential", (3.9751, 3.9801), "WINNER"),
    # p = .20 after five.
    "NEUTRAL": ("sequential", (4.0101, 4.0051), "NEUTRAL"),
    # p = .043 and .031 after five: the level was .044.
    "above the level of today": ("sequential_ledger", (3.9852, 3.9902), "NEUTRAL"),
}


@pytest.mark.parametrize("case", LOOKS)
async def test_an_open_sequential_experiment_is_continued_at_the_level_of_today(
    study: Open, case: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name, values, verdict = LOOKS[case]
    here = study(name)
    async with here.tools(table(exp_open=(0, 0, 0, *values))) as call:
        refused = await call("compare", experiment="open")
        assert (refused.code, refused.next) == ("more_seeds_needed", "run_seed(experiment='open', seed=512)")
        for seed in SEEDS[3:]:
            ran = await call("run_seed", experiment="open", seed=seed)
            assert ran.data["state"] == "succeeded", ran.text
        said = await call("compare", experiment="open")
        assert listed(await call("list_experiments")).items() >= here.issued().items()
    assert said.data["verdict"] == verdict
    assert "sequential design" in said.data["headline"]
    (issued,) = here.added("verdict_issued")
    assert (issued["experiment"], issued["headline"]) == ("open", said.data["headline"])
    verify(here, capsys)


async def test_a_generation_that_is_sequential_takes_new_experiments_at_the_level_of_today(study: Open) -> None:
    here = study("sequential_ledger")
    # p = .068 with the variance of both arms, .034 with that of the earlier ones as well: a WINNER at .044.
    trained = table(exp_new=(3.9781, 3.9901, 3.9811))
    async with here.tools(trained) as call:
        for seed in SEEDS[:3]:
            ran = await call("run_seed", experiment="new", flags=["--idea", "new"], hypothesis="it helps", seed=seed)
            assert ran.data["state"] == "succeeded", ran.text
        refused = await call("compare", experiment="new")
    assert refused.code == "more_seeds_needed"


async def begin_anew(call: Caller) -> Answer:
    return await call("run_seed", new_baseline="a new beginning", wait_s=0)


async def begin(call: Caller) -> Answer:
    return await call("run_seed", wait_s=0)


@pytest.mark.parametrize("begins", [begin, begin_anew])
async def test_the_sequential_design_is_refused_for_a_new_generation_with_what_to_use(
    study: Open, begins: Callable[[Caller], Awaitable[Answer]]
) -> None:
    here = study("sequential")
    if begins is begin:
        shutil.rmtree(here.project / "docs")
        shutil.rmtree((here.project / LEDGER).parent)
    async with here.tools(noisy) as call:
        refused = await begins(call)
    assert refused.is_error
    assert "screening" in refused.text
    assert begins is begin or here.added() == []
    assert begins is begin_anew or not (here.project / LEDGER).exists()


# --- larger baselines -----------------------------------------------------------------------------


async def test_the_open_confirmation_of_an_earlier_generation_stays_as_it_was(study: Open) -> None:
    here = study("larger_baseline")
    async with here.tools() as call:
        rows = (await call("list_experiments")).data["experiments"]
        refused = await call("run_seed", experiment="half", role="confirm")
    assert [(row["experiment"], row["generation"], row["confirmation"]) for row in rows] == [
        ("early", 1, "open"),
        ("half", 1, "open"),
        ("late", 2, "open"),
    ]
    assert refused.code == "experiment_unknown"
    assert here.added() == []


async def test_a_larger_baseline_of_today_takes_over_the_old_runs_and_changes_no_earlier_verdict(
    study: Open, capsys: pytest.CaptureFixture[str]
) -> None:
    here = study("confirmations")
    here.write_settings(MORE_SEEDS + PYTHON)
    # Seed 42 is not due: only a probe would repeat it.
    trained = Table().arm("baseline", ("4.0300", "3.9700", "4.0000"), (2048, 4096, 42))
    async with here.tools(trained) as call:
        begun = await call("run_seed", new_baseline="more experiments share the seeds", queue_all=True)
        assert not begun.is_error, begun.text
        status = (await call("check_baseline")).data
        assert (status["phase"], status["generation"], status["metrics"]["val_loss"]["n"]) == ("ready", 2, 7)
        said = await call("list_experiments")
    assert listed(said) == here.issued()
    assert [row["confirmation"] for row in said.data["experiments"]] == ["confirmed", "not_confirmed", "open"]
    (started,) = here.added("generation_started")
    assert started["adopted"] == [f"g1-baseline-s{seed}-a1" for seed in SEEDS]
    assert here.added("verdict_issued") == []
    verify(here, capsys)


async def test_seeds_that_an_old_baseline_cannot_have_are_told_and_void_nothing(study: Open) -> None:
    here = study("protocol")
    here.write_settings(f"[rules]\nconfirm_seeds = [7, 8, 9]\n{PYTHON}")
    async with here.tools() as call:
        status = (await call("check_baseline")).data
    assert status["phase"] == "ready"
    told = [one["message"] for one in status["notices"] if one["code"] == "rule_ignored"]
    assert told == ["rules.confirm_seeds in seedproof.toml holds from the next baseline on; this one began without it."]

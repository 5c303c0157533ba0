"""Several slots on one machine: what trains side by side, in which order, and what is recorded and said of it."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from seedproof.admission.request import RunRequest
from seedproof.model.run_key import Role
from seedproof_mcp.board.board import Board
from seedproof_mcp.service.service import Service
from seedproof_mcp.surface.cli import main
from seedproof_mcp.surface.commands.board import words_of

from tests.support.command_line import Terminal
from tests.support.real_runs import conductors, records, started
from tests.support.seeds import SEEDS
from tests.support.slot_studies import SCRIPT, a_study, named, overlapping, queue, settle, turns
from tests.support.waiting import wait_until

linux = pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are found in /proc")


@pytest.fixture
def gated(tmp_path: Path) -> Iterator[Path]:
    """A project with four slots, whose trainings wait for their gates."""
    with a_study(tmp_path, named(4), gated=True) as project:
        yield project


def open_gate(project: Path, seed: int | None = None) -> None:
    (project.parent / ("gate" if seed is None else f"gate-{seed}")).touch()


def baseline_of(project: Path) -> Service:
    """Measure the baseline; the trainings after it wait for their gates."""
    service = Service(project)
    for seed in SEEDS:
        open_gate(project, seed)
    queue(service)
    settle(service)
    for seed in SEEDS:
        (project.parent / f"gate-{seed}").unlink()
    return service


def begun(project: Path, count: int) -> None:
    wait_until(lambda: len(turns(project)) >= count)


def test_the_first_seed_of_an_arm_trains_before_the_others_which_then_train_side_by_side(gated: Path) -> None:
    service = Service(gated)
    queue(service)
    begun(gated, 1)
    waiting = service.observe("g1-baseline-s137-a1")
    open_gate(gated, SEEDS[0])
    begun(gated, 5)
    open_gate(gated)
    settle(service)
    first, *others = turns(gated)
    assert waiting.reason == (
        "training now: g1-baseline-s42-a1; g1-baseline-s42-a1 has to show the first value of its arm"
    )
    assert first.end_ns is not None
    assert all(first.end_ns < one.begin_ns for one in others)
    side_by_side = others[:4]
    assert len(overlapping(side_by_side)) == 6
    assert sorted(one.slot for one in side_by_side) == ["0", "1", "2", "3"]
    assert len({one.folder for one in side_by_side}) == 4  # what one writes beside its code, no other reads
    ends = [(one["run_id"], one.get("neighbours")) for one in records(gated, "run_finished")]
    assert [count for _, count in sorted(ends[1:5])] == [3, 3, 3, 3]
    assert ends[0] == ("g1-baseline-s42-a1", None)
    fingerprints = [one["fingerprint"] for one in records(gated, "run_started")]
    assert [(one["slot"], one["slot_env"]) for one in fingerprints[1:5]] == [
        (f"gpu{number}", {"CUDA_VISIBLE_DEVICES": str(number)}) for number in range(4)
    ]
    assert all("CUDA_VISIBLE_DEVICES" not in (*one["env"], *one["env_names"]) for one in fingerprints)


def test_arms_share_the_slots_in_the_order_of_their_requests(gated: Path) -> None:
    service = baseline_of(gated)
    began = len(records(gated, "run_started"))
    queue(service, "a", "b", "c")
    wait_until(lambda: len(records(gated, "run_started")) == began + 3)
    open_gate(gated)
    settle(service)
    order = [one["run_id"] for one in records(gated, "run_started")[began:]]
    assert order[:3] == ["g1-exp-a-s42-a1", "g1-exp-b-s42-a1", "g1-exp-c-s42-a1"]
    for arm in "abc":
        assert [one for one in order if f"-{arm}-" in one] == [f"g1-exp-{arm}-s{seed}-a1" for seed in SEEDS[:3]]


def test_every_surface_shows_all_that_trains(gated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    service = Service(gated)
    queue(service)
    open_gate(gated, SEEDS[0])
    begun(gated, 5)
    trains = [f"g1-baseline-s{seed}-a1" for seed in SEEDS[1:5]]
    wait_until(lambda: len(service.list_experiments().training) == 4)
    listed = service.list_experiments()
    main(["status", "--project", str(gated)])
    shown = " ".join(capsys.readouterr().out.split())
    terminal = Terminal(gated, "watch")
    watched = terminal.until(lambda text: "q leaves" in text)
    terminal.type("q")
    assert terminal.ends() == 0
    board = Board(service, words_of(gated)).now()
    open_gate(gated)
    settle(service)
    alone = service.list_experiments()
    assert listed.training == trains
    assert [row["run_id"] for row in listed.document()["also_running"]] == trains[1:]
    assert f"Training now: {', '.join(trains)}" in listed.texts()[0]
    assert f"training now: {', '.join(trains)}; queued: 0" in shown
    assert "also_running" not in alone.document()
    assert all(f"baseline seed {seed} (attempt 1): running" in watched for seed in SEEDS[1:5])
    assert [row["run_id"] for row in board["runs"]] == trains


def test_headline_and_report_say_that_several_trained_at_once_and_claim_no_wall_time(tmp_path: Path) -> None:
    with a_study(tmp_path, named(3)) as project:
        service = Service(project)
        queue(service)
        settle(service)
        queue(service, "a")
        settle(service)
        judged = service.compare("a")
        report = project / service.write_report("a").path
        baseline = project / service.write_report().path
        trees = [path.name.partition("@")[2] for path in (project / ".seedproof/worktrees").iterdir()]
        verified = main(["verify", "--project", str(project)])
    assert judged.headline.startswith("LOSER (several at once): ")
    assert judged.wall_time_change_percent is None
    codes = [notice.code for notice in judged.notices]
    assert codes == ["several_at_once", "wall_time_withheld"]
    text = report.read_text()
    assert "several at once: " in text and "on the slots gpu0, gpu1, gpu2" in text
    assert "withheld: not all runs had as many others beside them (0 to 2)" in text
    assert "several_at_once" in baseline.read_text() or "several at once" in baseline.read_text()
    assert sorted(trees) == ["gpu0", "gpu1", "gpu2"]
    assert verified == 0


@pytest.mark.slow
def test_what_runs_left_in_the_trees_of_slots_is_removed_with_the_reports(tmp_path: Path) -> None:
    writes = "open('left.txt', 'w').write(str(options.seed))\nraise SystemExit"
    with a_study(tmp_path, named(2), script=SCRIPT.replace("raise SystemExit", writes)) as project:
        service = Service(project)
        queue(service)
        settle(service)
        # It comes of itself a moment after the baseline, and what is in use stays.
        wait_until(lambda: any(run.role is Role.PROBE for run in service._ledger.refresh().runs.values()))
        settle(service)
        trees = project / ".seedproof/worktrees"
        left = sorted(path.relative_to(trees).parts[0].partition("@")[2] for path in trees.glob("*/left.txt"))
        removed = service.write_report().removed
        assert main(["gc", "--project", str(project)]) == 0
    assert left == ["gpu0", "gpu1"]
    assert sorted(name.partition("@")[2] for name in removed if name.endswith("left.txt")) == [
        "gpu0/left.txt",
        "gpu1/left.txt",
    ]
    assert not list(trees.glob("*/left.txt"))
    assert len(list(trees.iterdir())) == 2  # the baseline may need them again


def test_one_run_at_a_time_leaves_no_trace_of_slots(tmp_path: Path) -> None:
    with a_study(tmp_path) as project:
        service = Service(project)
        queue(service)
        settle(service)
        notices = service.check_baseline().notices
        trees = [path.name for path in (project / ".seedproof/worktrees").iterdir()]
    assert not overlapping(turns(project))
    assert all("neighbours" not in one for one in records(project))
    assert all("slot_env" not in one["fingerprint"] for one in records(project, "run_started"))
    assert notices == []
    assert len(trees) == 1 and "@" not in trees[0]


def test_fresh_pairs_train_alone_and_runs_behind_them_wait(tmp_path: Path) -> None:
    with a_study(tmp_path, named(4)) as project:
        service = Service(project)
        queue(service)
        settle(service)
        better = RunRequest(experiment="b", flags=("--shift", "-0.2"), hypothesis="it is better", queue_all=True)
        service.request_run(better)
        settle(service)
        assert service.compare("b").verdict == "WINNER"
        service.request_run(RunRequest(experiment="b", role=Role.CONFIRM, queue_all=True))
        queue(service, "later")
        settle(service)
        confirmed = service.compare("b").confirmation
    found = turns(project)
    fresh = [one for one in found if "/confirm_" in one.output_dir]
    assert len(fresh) >= 6
    assert not [pair for pair in overlapping(found) if set(pair) & set(fresh)]
    assert all("neighbours" not in one for one in records(project, "run_finished") if "-confirm" in one["run_id"])
    assert confirmed is not None and confirmed.state == "confirmed"


@pytest.mark.slow
@pytest.mark.parametrize("why", ["in place", "its metric's file"])
def test_runs_that_could_read_what_another_writes_train_one_at_a_time(tmp_path: Path, why: str) -> None:
    writes = "print(f'{{\"val_loss\": {4 + options.seed / 1e5}}}', file=open('m.json', 'w'))\nraise SystemExit"
    with a_study(tmp_path, named(4), script=SCRIPT.replace("raise SystemExit", writes)) as project:
        settings = project / "seedproof.toml"
        if why == "in place":  # without a repository, nothing but the folder itself can be trained
            os.rename(project / ".git", tmp_path / "git")
        else:
            file = 'name = "val_loss"\ndirection = "minimize"\nfile = "m.json"\npath = "val_loss"\noutside = true\n'
            settings.write_text(f"[rules.metric]\n{file}{settings.read_text()}")
        service = Service(project)
        run_id = queue(service)[0]
        service.observe(run_id)
        settle(service)
    assert len(turns(project)) >= 5
    assert not overlapping(turns(project))


def test_two_projects_share_slots_by_name_and_count_each_other(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with (
        a_study(tmp_path / "a", named(2), gated=True) as first,
        a_study(tmp_path / "b", named(2), gated=True) as second,
    ):
        one, other = Service(first), Service(second)
        queue(one)
        begun(first, 1)
        queue(other)
        begun(second, 1)
        open_gate(first, SEEDS[0])
        # The second project's first run has one of the two slots.
        begun(first, 2)
        full = one.observe(f"g1-baseline-s{SEEDS[2]}-a1")
        open_gate(first)
        open_gate(second)
        settle(one)
        settle(other)
    assert turns(first)[0].slot != turns(second)[0].slot
    assert turns(first)[1].slot != turns(second)[0].slot
    assert full.reason == f"training now: g1-baseline-s{SEEDS[1]}-a1"
    began = records(second, "run_started")[0]
    assert (began["run_id"], began["neighbours"]) == (f"g1-baseline-s{SEEDS[0]}-a1", 1)


def test_no_run_starts_on_the_device_of_one_whose_slot_has_another_name_since(gated: Path) -> None:
    service, settings = baseline_of(gated), gated / "seedproof.toml"
    queue(service, "a")
    begun(gated, 6)
    settings.write_text(settings.read_text().replace('"gpu', '"other'))
    service.request_run(RunRequest(experiment="b", flags=("--shift", "0.5"), hypothesis="it is worse"))
    begun(gated, 7)
    open_gate(gated)
    settle(service)
    first, second = turns(gated)[5:7]
    assert (first.slot, second.slot) == ("0", "1")
    assert [one["fingerprint"]["slot"] for one in records(gated, "run_started")[5:7]] == ["gpu0", "other1"]


@linux
def test_a_killed_conductor_and_a_killed_supervisor_lose_no_other_run(gated: Path) -> None:
    service = Service(gated)
    queue(service)
    open_gate(gated, SEEDS[0])
    begun(gated, 5)
    lost, kept = f"g1-baseline-s{SEEDS[1]}-a1", f"g1-baseline-s{SEEDS[2]}-a1"
    os.kill(started(gated, lost)["supervisor_pid"], signal.SIGKILL)
    for pid in conductors(gated):
        os.kill(pid, signal.SIGKILL)
    service.observe(kept)
    wait_until(lambda: service.observe(lost).state == "interrupted")
    still = service.observe(kept).state
    service.request_run(RunRequest(seed=SEEDS[1], attempt=2))
    open_gate(gated)
    settle(service)
    assert still == "running"
    ends = [one["run_id"] for one in records(gated) if one["kind"] in ("run_finished", "run_interrupted")]
    assert len(ends) == len(set(ends))
    assert service.check_baseline().phase == "ready"
    assert json.loads((gated / ".seedproof/runs" / kept / "result.json").read_bytes())["end"] == "exited"

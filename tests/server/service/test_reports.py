"""Reports can be made again byte for byte, and what is removed is only what the ledger owns."""

import errno
import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from seedproof_mcp.runner.conductor import Conductor
from seedproof_mcp.surface import cli
from seedproof_mcp.system import files

from tests.support.callers import Caller, tools
from tests.support.in_process import InProcessEngine, Training, in_process_service, option, quick_tools, train
from tests.support.seeds import SEEDS
from tests.support.studies import records
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio

BASELINE = "docs/research/baseline_variance_1M.md"
REPORT = "docs/research/experiment_idea_1M.md"


async def a_study(call: Caller) -> None:
    """A baseline and a judged experiment with their reports."""
    await call.measure_baseline()
    await call("write_report")
    await call.measure("idea", "--shift", "-0.1")
    await call("compare", experiment="idea")
    await call("write_report", experiment="idea")


async def test_a_lost_report_is_restored_byte_for_byte_whatever_came_after(project: Path) -> None:
    async with quick_tools(project) as call:
        await a_study(call)
        before = {path: (project / path).read_bytes() for path in (BASELINE, REPORT)}
        await call.measure("later", "--shift", "0.1")
        await call("compare", experiment="later")
        await call("write_report", experiment="later")
        (project / BASELINE).unlink()
        (project / REPORT).write_text("WINNER by 100 sigma")
        answers = {BASELINE: await call("write_report"), REPORT: await call("write_report", experiment="idea")}
    for path, content in before.items():
        assert (project / path).read_bytes() == content
        assert answers[path].data["sha256"] == hashlib.sha256(content).hexdigest()
        assert answers[path].data["path"] == path


@pytest.mark.parametrize("lost", [REPORT, REPORT.replace(".md", ".svg"), "docs/research/ledger.jsonl"])
async def test_the_newest_report_is_offered_again_where_it_or_its_mirror_is_not_there(project: Path, lost: str) -> None:
    again = "write_report(experiment='idea')"
    async with quick_tools(project) as call:
        await a_study(call)
        content = (project / lost).read_bytes()
        asked = [await call("check_baseline"), await call("list_experiments"), await call("compare", experiment="idea")]
        assert not any(answer.next == again for answer in asked)
        (project / lost).unlink()
        asked = [await call("check_baseline"), await call("list_experiments"), await call("compare", experiment="idea")]
        asked += [await call("write_report"), await call("run_seed", experiment="idea", seed=42)]
        assert [answer.next == again for answer in asked[:3]] == [True] * 3
        # The report of the baseline brings the mirror back as well.
        assert [answer.next == again for answer in asked[3:]] == [not lost.endswith("jsonl")] * 2
        await call("write_report", experiment="idea")
        assert (project / lost).read_bytes() == content
        after = [await call("check_baseline"), await call("list_experiments")]
    assert not any(answer.next == again for answer in after)


async def test_a_report_that_somebody_changed_or_that_cannot_be_written_now_is_not_offered(project: Path) -> None:
    async with quick_tools(project) as call:
        await a_study(call)
        (project / REPORT).write_text("with a note of mine")
        changed = await call("check_baseline")
        (project / REPORT).unlink()
        (project / "seedproof.toml").write_text("[rules]\nwinner_sigma = 3\n")
        void = await call("check_baseline")
    assert changed.next == "run_seed(experiment=…, flags=…, hypothesis=…)"
    assert void.next == "run_seed(new_baseline=…)"


async def test_a_report_is_written_anew_only_after_another_attempt(project: Path) -> None:
    async with quick_tools(project) as call:
        await a_study(call)
        head = (await call("check_baseline")).data["ledger_head"]
        again = await call("write_report", experiment="idea")
    assert again.data["ledger_head"] == head


async def test_a_report_that_shows_open_runs_is_written_anew_once_they_have_ended(project: Path) -> None:
    engine = InProcessEngine()
    async with quick_tools(project, engine) as call:
        await call.measure_baseline()
        engine.held = True
        flags = ["--nan_at", "42"]
        await call("run_seed", experiment="idea", flags=flags, hypothesis="x", queue_all=True, wait_s=0)
        engine.release()
        # The report comes between the end of the diverged seed and what its end means for the others.
        service = in_process_service(project, engine)
        conductor = Conductor(service.paths, engine)
        conductor.step()
        early = await anyio.to_thread.run_sync(service.write_report, "idea")
        shown = (project / REPORT).read_text()
        await call("run_seed", experiment="idea", seed=256)
        late = await call("write_report", experiment="idea")
        text = (project / REPORT).read_text()
        head = (await call("check_baseline")).data["ledger_head"]
        again = await call("write_report", experiment="idea")
    assert early.verdict == late.data["verdict"] == "LOSER"
    assert re.search(r"\| idea \| 256 \| 1 \| queued \|", shown)
    assert re.search(r"\| idea \| 256 \| 1 \| not_needed \|", text)
    assert "queued" not in text
    assert (again.data["sha256"], again.data["ledger_head"]) == (late.data["sha256"], head)


async def test_a_report_names_no_folder_of_this_machine_and_every_attempt(project: Path) -> None:
    second = project / ".seedproof/runs/g1-exp-idea-s137-a2"

    def crashes_at_first(argv: Sequence[str]) -> Training:
        is_first = option(argv, "--seed") == "137" and "--shift" in argv and not second.exists()
        return Training("out of memory\n", 1) if is_first else train(argv)

    async with quick_tools(project, InProcessEngine(crashes_at_first)) as call:
        await call.measure_baseline()
        await call("run_seed", experiment="idea", flags=["--shift", "-0.1"], hypothesis="it | helps", queue_all=True)
        await call("run_seed", experiment="idea", seed=137, attempt=2)
        await call("write_report", experiment="idea")
    text = (project / REPORT).read_text()
    assert str(project) not in text
    assert "/usr" not in text
    assert "/tmp" not in text
    assert "| idea | 137 | 1 | failed | - | 2.00 | - | exit code 1 |" in text
    assert re.search(r"\| idea \| 137 \| 2 \| succeeded \| 3\.9\d+ \| 2\.00 \| 100 \|", text)
    assert text.rstrip().endswith("at 1M tokens, on this validation set.")


async def test_an_absolute_path_in_command_or_flags_is_shortened_in_the_report_and_kept_in_the_ledger(
    project: Path,
) -> None:
    data = project / "data/x.bin"
    command = ["{python}", str(project / "train_llm.py"), "--seed", "{seed}", "{flags}", "--output_dir", "{output_dir}"]
    (project / "seedproof.toml").write_text(f"[rules]\ncommand = {json.dumps(command)}\n")
    flags = ["--inputs", str(data), f"--other={data}", "--root", "/", "--shift", "-0.1"]
    async with quick_tools(project) as call:
        await call.measure_baseline()
        await call.measure("idea", *flags)
        await call("write_report")
        await call("write_report", experiment="idea")
    for path in (BASELINE, REPORT):
        text = (project / path).read_text()
        assert str(project) not in text
        assert "python …/project/train_llm.py --seed 42 " in text
        assert '"…/project/train_llm.py", "--seed"' in text
    assert 'flags: ["--inputs", "…/data/x.bin", "--other=…/data/x.bin", "--root", "…/", "--shift", "-0.1"]' in text
    assert "--inputs …/data/x.bin --other=…/data/x.bin --root …/ --shift -0.1" in text
    numbers = json.loads((project / REPORT.replace(".md", ".json")).read_text())
    assert numbers["flags"][:3] == ["--inputs", "…/data/x.bin", "--other=…/data/x.bin"]
    assert json.dumps(str(data)) in (project / ".seedproof/ledger.jsonl").read_text()


@pytest.mark.slow
async def test_an_interpreter_that_cannot_start_is_named_in_the_report_without_its_folder(project: Path) -> None:
    python = project.parent / "secret/python"
    python.parent.mkdir()
    python.write_text("#!/nonexistent/sh\n")
    python.chmod(0o755)
    (project / "seedproof.toml").write_text(f'[settings]\npython = "{python}"\n')
    async with tools(project) as call:
        failed = await call("run_seed", wait_s=PATIENCE_S)
        (project / "seedproof.toml").unlink()
        await call("run_seed", seed=42, attempt=2, wait_s=PATIENCE_S)
        await call.measure_baseline()
        await call("write_report")
    assert failed.data["reason"] == "the training could not be started: python: No such file or directory"
    text = (project / BASELINE).read_text()
    assert "could not be started: python: No such file or directory |" in text
    assert "secret" not in text


async def test_the_checkpoints_of_the_reported_runs_are_removed_and_counted_and_no_others(project: Path) -> None:
    async with quick_tools(project) as call:
        await call.measure_baseline()
        await call.measure("idea", "--shift", "-0.1")
        (project / "checkpoints/exp_mine_1M_seed42").mkdir()
        report = await call("write_report", experiment="idea")
        left = sorted(path.name for path in (project / "checkpoints").iterdir())
        again = await call("write_report", experiment="idea")
        baseline = await call("write_report")
    assert report.data["removed"] == [f"checkpoints/exp_idea_1M_seed{seed}" for seed in (42, 137, 256)]
    assert report.data["freed_bytes"] == 3 * 1000
    assert left == [*(f"baseline_1M_seed{seed}" for seed in (1024, 137, 256, 42, 512)), "exp_mine_1M_seed42"]
    assert (again.data["removed"], again.data["freed_bytes"]) == ([], 0)
    assert len(baseline.data["removed"]) == 5


async def test_a_link_in_a_checkpoint_folder_is_removed_and_its_target_stays(project: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.tex").write_text("ten years")
    async with quick_tools(project) as call:
        await call.measure_baseline()
        folder = project / "checkpoints/baseline_1M_seed42"
        (folder / "data").symlink_to(precious)
        shutil.rmtree(project / "checkpoints/baseline_1M_seed137")
        (project / "checkpoints/baseline_1M_seed137").symlink_to(precious)
        report = await call("write_report")
    assert (precious / "thesis.tex").read_text() == "ten years"
    assert not folder.exists()
    assert len(report.data["removed"]) == 4
    (notice,) = report.data["notices"]
    assert notice["code"] == "not_removed"
    assert "checkpoints/baseline_1M_seed137" in notice["message"]
    assert "checkpoints/baseline_1M_seed42" not in notice["message"]
    assert (project / "checkpoints/baseline_1M_seed137").is_symlink()


async def test_what_a_link_in_place_of_the_checkpoints_leads_to_is_left_and_named(
    project: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    for seed in SEEDS:
        (elsewhere / f"baseline_1M_seed{seed}").mkdir(parents=True)
        (elsewhere / f"baseline_1M_seed{seed}/precious").write_text("ten years")
    async with quick_tools(project) as call:
        await call.measure_baseline()
        (project / "checkpoints").rename(project / "mine")
        (project / "checkpoints").symlink_to(elsewhere)
        report = await call("write_report")
        again = await call("write_report")
        (project / "checkpoints").unlink()
        (project / "mine").rename(project / "checkpoints")
        last = await call("write_report")
    assert len(list(elsewhere.glob("*/precious"))) == 5
    assert (report.data["removed"], report.data["freed_bytes"]) == ([], 0)
    assert report.data["notices"] == again.data["notices"]
    assert [notice["code"] for notice in report.data["notices"]] == ["not_removed"]
    assert all(f"checkpoints/baseline_1M_seed{seed}" in report.data["notices"][0]["message"] for seed in SEEDS)
    assert (len(last.data["removed"]), last.data["freed_bytes"], last.data["notices"]) == (5, 5 * 1000, [])


async def test_checkpoints_may_be_a_link_to_a_larger_disk(project: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    (disk / "not_ours").mkdir()
    (project / "checkpoints").symlink_to(disk)
    failing = [True]

    def fails_once(argv: Sequence[str]) -> Training:
        return Training("out of memory\n", 1, {"half.bin": "x"}) if failing[0] else train(argv)

    async with quick_tools(project, InProcessEngine(fails_once)) as call:
        await call("run_seed")
        assert (disk / "baseline_1M_seed42/half.bin").exists()
        failing[0] = False
        again = await call("run_seed", seed=42, attempt=2)
        assert not (disk / "baseline_1M_seed42/half.bin").exists()
        await call("run_seed", queue_all=True)
        report = await call("write_report")
    assert again.data["state"] == "succeeded"
    assert (len(report.data["removed"]), report.data["notices"]) == (5, [])
    assert [path.name for path in disk.iterdir()] == ["not_ours"]
    assert (project / "checkpoints").is_symlink()


async def test_a_folder_that_took_the_place_of_a_failed_attempts_is_not_removed_for_the_next_one(
    project: Path,
) -> None:
    engine = InProcessEngine(lambda argv: Training("out of memory\n", 1))
    async with quick_tools(project, engine) as call:
        await call("run_seed")
        (project / "checkpoints/baseline_1M_seed42").rename(project / "kept")
        (project / "checkpoints/baseline_1M_seed42").mkdir()
        (project / "checkpoints/baseline_1M_seed42/precious").write_text("ten years")
        refused = await call("run_seed", seed=42, attempt=2)
    assert refused.code == "output_exists"
    assert (project / "checkpoints/baseline_1M_seed42/precious").read_text() == "ten years"


class Undeletable:
    """The module os for files.py, to which some files cannot be deleted."""

    def __init__(self, inside: Path, number: int) -> None:
        self._inside, self._number = inside, number
        self.is_mended = False

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def unlink(self, name: Any, *, dir_fd: int | None = None) -> None:
        is_inside = (
            dir_fd is not None and self._inside.exists() and os.path.samestat(os.fstat(dir_fd), self._inside.stat())
        )
        if is_inside and not self.is_mended:
            raise OSError(self._number, os.strerror(self._number), name)
        os.unlink(name, dir_fd=dir_fd)


@pytest.mark.parametrize("number", [errno.EPERM, errno.EACCES])
async def test_a_leftover_that_cannot_be_deleted_turns_its_own_run_away_and_no_other(
    project: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    folder = "checkpoints/baseline_1M_seed42"
    stuck = Undeletable(project / folder, number)
    monkeypatch.setattr(files, "os", stuck)
    failing = [True]

    def fails_once(argv: Sequence[str]) -> Training:
        return Training("out of memory\n", 1, {"half.bin": "x"}) if failing[0] else train(argv)

    async with quick_tools(project, InProcessEngine(fails_once)) as call:
        await call("run_seed")
        failing[0] = False
        turned_away = await call("run_seed", seed=42, attempt=2)
        other = await call("run_seed", seed=137)
        still = await call("run_seed", seed=42, attempt=3)
        stuck.is_mended = True
        again = await call("run_seed", seed=42, attempt=4)
    reason = f"output_exists: {folder}, left by an earlier run, cannot be removed: {os.strerror(number)}; "
    assert (turned_away.data["state"], turned_away.data["reason"]) == ("failed", f"{reason}remove it and ask again")
    assert turned_away.next == "run_seed(seed=42, attempt=3)"
    assert (other.data["state"], still.data["state"], again.data["state"]) == ("succeeded", "failed", "succeeded")


async def test_a_leftover_waits_for_a_disk_that_fails(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = Undeletable(project / "checkpoints/baseline_1M_seed42", errno.EIO)
    monkeypatch.setattr(files, "os", stuck)
    engine = InProcessEngine(lambda argv: Training("out of memory\n", 1, {"half.bin": "x"}))
    async with quick_tools(project, engine) as call:
        await call("run_seed")
        waiting = await call("run_seed", seed=42, attempt=2)
        engine.trains = train
        stuck.is_mended = True
        again = await call("run_seed", seed=42, attempt=2)
    assert waiting.code == "not_writable"
    assert again.data["state"] == "succeeded"


@pytest.mark.parametrize("number", [errno.EPERM, errno.EACCES, errno.EROFS, errno.EBUSY, errno.ENOTEMPTY])
async def test_a_checkpoint_that_cannot_be_deleted_is_named_and_holds_no_report_back(
    project: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    folder = "checkpoints/baseline_1M_seed137"
    stuck = Undeletable(project / folder, number)
    async with quick_tools(project) as call:
        await call.measure_baseline()
        monkeypatch.setattr(files, "os", stuck)
        report = await call("write_report")
        following = await call("check_baseline")
        mirror = (project / "docs/research/ledger.jsonl").read_bytes()
        stuck.is_mended = True
        again = await call("write_report")
    text = f"cannot be removed, at least not all of it: {folder} ({os.strerror(number)}). Remove it yourself."
    assert report.data["notices"] == [{"code": "not_removed", "message": text}]
    assert (len(report.data["removed"]), (project / BASELINE).exists()) == (4, True)
    assert b'"kind":"report_written"' in mirror
    assert report.next == following.next == "run_seed(experiment=…, flags=…, hypothesis=…)"
    assert (again.data["removed"], again.data["notices"]) == ([folder], [])


async def test_a_report_that_no_ledger_vouches_for_opens_nothing_and_is_kept_aside(project: Path) -> None:
    (project / "docs/research").mkdir(parents=True)
    (project / BASELINE).write_text("## Baseline Statistics (N=5 runs)\n| val_loss | 1.0 | 0.1 | 0.9 | 1.1 |\n")
    async with quick_tools(project) as call:
        status = await call("check_baseline")
        refused = await call("run_seed", experiment="idea", flags=["--shift", "1"], hypothesis="x")
        await call.measure_baseline()
        report = await call("write_report")
        after = await call("check_baseline")
    assert (status.data["phase"], refused.code) == ("unmeasured", "baseline_missing")
    assert [notice["code"] for notice in status.data["notices"]] == ["unverified_report"]
    assert (project / "docs/research/baseline_variance_1M.unverified.md").read_text().startswith("## Baseline")
    assert (project / BASELINE).read_text().startswith("# Baseline Variance (1M tokens)")
    assert after.data["notices"] == []
    moved = "docs/research/baseline_variance_1M.unverified.md"
    text = f"{BASELINE} was there and no ledger vouches for it; it is {moved} now."
    assert report.data["notices"] == [{"code": "report_moved", "message": text}]
    assert f"Notice (report_moved): {text}" in report.text


async def test_every_report_that_no_ledger_vouches_for_is_kept(project: Path) -> None:
    for number in (1, 2, 3):
        (project / "docs/research").mkdir(parents=True, exist_ok=True)
        (project / BASELINE).write_text(f"foreign report {number}")
        async with quick_tools(project) as call:
            await call.measure_baseline()
            await call("write_report")
        shutil.rmtree(project / ".seedproof")
        (project / "docs/research/ledger.jsonl").unlink()
    names = ("unverified", "unverified-2", "unverified-3")
    kept = [(project / f"docs/research/baseline_variance_1M.{name}.md").read_text() for name in names]
    assert kept == ["foreign report 1", "foreign report 2", "foreign report 3"]


async def test_a_drawing_of_the_users_in_a_figures_place_is_kept(project: Path) -> None:
    (project / "docs/research").mkdir(parents=True)
    (project / "docs/research/baseline_variance_1M.svg").write_text("mine")
    async with quick_tools(project) as call:
        await call.measure_baseline()
        report = await call("write_report")
        again = await call("write_report")
    assert (project / "docs/research/baseline_variance_1M.unverified.svg").read_text() == "mine"
    assert (project / report.data["figures"][0]).read_text().startswith("<svg")
    assert [notice["code"] for notice in report.data["notices"]] == ["report_moved"]
    assert again.data["notices"] == []


async def test_in_a_fresh_clone_the_mirror_vouches_for_the_baseline_and_open_runs_are_interrupted(
    project: Path,
) -> None:
    engine = InProcessEngine()
    async with quick_tools(project, engine) as call:
        await a_study(call)
        engine.held = True
        await call("run_seed", experiment="open", flags=["--shift", "0.3"], hypothesis="x", wait_s=0)
        await call("write_report")
    shutil.rmtree(project / ".seedproof")
    shutil.rmtree(project / "checkpoints")
    async with quick_tools(project) as call:
        status = await call("check_baseline")
        listed = await call("list_experiments")
        stopped = await call("stop_run", run_id="g1-exp-open-s42-a1", reason="seen to be running")
        assert not (project / ".seedproof").exists()
        judged = await call("compare", experiment="idea")
        again = await call("run_seed", experiment="open", seed=42, attempt=2)
    assert status.data["phase"] == "ready"
    assert (listed.data["running"], listed.data["queued"], stopped.code) == (None, 0, "run_ended")
    assert judged.data["verdict"] == "WINNER"
    assert (again.data["state"], again.data["attempt"]) == ("succeeded", 2)
    lines = (project / ".seedproof/ledger.jsonl").read_text().splitlines()
    interrupted = [record for line in lines if (record := json.loads(line))["kind"] == "run_interrupted"]
    assert [one["run_id"] for one in interrupted] == ["g1-exp-open-s42-a1"]


async def test_a_clone_by_a_git_that_changes_line_endings_reads_the_mirror(project: Path, tmp_path: Path) -> None:
    async with quick_tools(project) as call:
        await call.measure_baseline()
        await call("write_report")
    git = [
        "git",
        "-c",
        "core.autocrlf=true",
        "-c",
        "core.safecrlf=false",
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b.c",
    ]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *words], cwd=project, check=True)
    subprocess.run([*git, "clone", "-q", str(project), str(tmp_path / "clone")], check=True)
    assert (project / "docs/research/.gitattributes").read_text() == "ledger.jsonl -text\n"
    assert b"\r\n" in (tmp_path / "clone/docs/research/.gitattributes").read_bytes()
    async with quick_tools(tmp_path / "clone") as call:
        status = await call("check_baseline")
    # On the same machine, so the clone is told of the original, and of nothing else.
    assert (status.data["phase"], [one["code"] for one in status.data["notices"]]) == ("ready", ["ledger_shared"])


async def test_attributes_that_are_there_stay_as_they_are(project: Path) -> None:
    attributes = project / "docs/research/.gitattributes"
    attributes.parent.mkdir(parents=True)
    attributes.write_text("*.jsonl -text -diff\n")
    async with quick_tools(project) as call:
        await call.measure_baseline()
        await call("write_report")
    assert attributes.read_text() == "*.jsonl -text -diff\n"


async def test_reports_after_a_new_generation_print_its_reason_and_the_means_before(project: Path) -> None:
    async with quick_tools(project) as call:
        await a_study(call)
        await call("run_seed", new_baseline="the data was fixed")
        await call.measure_baseline()
        await call("write_report")
    text = (project / BASELINE).read_text()
    assert "- Reason of this generation: the data was fixed" in text
    assert re.search(r"- Earlier generation 1: mean 4\.\d+ over 5 seeds", text)


async def test_the_report_of_a_name_that_was_declared_anew_prints_the_verdict_before(project: Path) -> None:
    async with quick_tools(project) as call:
        await a_study(call)
        first = (project / REPORT).read_text()
        await call("run_seed", new_baseline="the data was fixed")
        await call.measure_baseline()
        await call.measure("idea", "--shift", "0.1")
        await call("write_report", experiment="idea")
        await call.measure("other", "--shift", "0.2")
        await call("write_report", experiment="other")
    text = (project / REPORT).read_text()
    ((headline, seq),) = re.findall(
        r"^- Earlier verdict on this name, generation 1: (.+) \(record #(\d+)\)$", text, re.MULTILINE
    )
    assert headline.startswith("WINNER (unconfirmed): ")
    assert headline in first
    lines = (project / ".seedproof/ledger.jsonl").read_text().splitlines()
    assert json.loads(lines[int(seq) - 1])["kind"] == "verdict_issued"
    assert "## Verdict: LOSER" in text
    assert "Earlier verdict" not in first
    assert "Earlier verdict" not in (project / "docs/research/experiment_other_1M.md").read_text()


async def test_words_with_control_characters_are_printed_with_them_written_out(project: Path) -> None:
    words = "it \x1b[31mhelps\x07\u202e\x00 \u4e2d\nand\tmore"
    async with quick_tools(project) as call:
        await call("run_seed", new_baseline=words)
        await call.measure_baseline()
        await call("run_seed", experiment="idea", flags=["--shift", "-0.1"], hypothesis=words, queue_all=True)
        await call("write_report", experiment="idea")
    text = (project / REPORT).read_text()
    assert "\n> it \\x1b[31mhelps\\x07\\u202e\\x00 \u4e2d\n> and\tmore\n" in text
    assert "Reason of this generation: it \\x1b[31mhelps\\x07\\u202e\\x00 \u4e2d and more\n" in text
    assert all(character.isprintable() or character in "\n\t" for character in text)


async def test_rules_that_differ_from_the_protocol_are_listed(project: Path) -> None:
    (project / "seedproof.toml").write_text("[rules]\nwinner_sigma = 1.5\ntrain_tokens = 200000\n")
    async with quick_tools(project) as call:
        await call.measure_baseline()
        report = await call("write_report")
    assert report.data["path"] == "docs/research/baseline_variance_200k.md"
    text = (project / report.data["path"]).read_text()
    assert "- Rule winner_sigma differs: `1.5` (protocol: `2.0`)" in text
    assert "- Rule train_tokens differs: `200000` (protocol: `1000000`)" in text


# --- metrics ----------------------------------------------------------------------------------

FROM_FILE = """\
[rules.metric]
preset = "llm-research-kit"
[[rules.extra_metrics]]
name = "val_accuracy"
direction = "maximize"
file = "metrics.json"
path = "final_metrics.val_accuracy"
[[rules.extra_metrics]]
name = "peak_gb"
pattern = 'peak memory (?P<value>[0-9.]+) GB'
"""


def writes_a_file(argv: Sequence[str]) -> Training:
    loss = 4 + int(option(argv, "--seed")) / 7000
    found = {"final_metrics": {"val_loss": loss, "val_accuracy": 0.25}}
    return Training("val_loss: 4.0\npeak memory 1.5 GB\n", files={"metrics.json": json.dumps(found)})


async def test_metrics_from_a_file_are_exact_kept_before_the_clean_up_and_extras_are_reported(project: Path) -> None:
    (project / "seedproof.toml").write_text(FROM_FILE)
    async with quick_tools(project, InProcessEngine(writes_a_file)) as call:
        run = await call("run_seed")
        await call.measure_baseline()
        status = await call("check_baseline")
        await call("write_report")
    assert run.data["metrics"] == {"val_loss": 4 + 42 / 7000, "val_accuracy": 0.25, "peak_gb": 1.5, "wall_time_s": 2.0}
    assert status.data["metrics"]["peak_gb"]["mean"] == 1.5
    copy = project / ".seedproof/runs/g1-baseline-s42-a1/metric-metrics.json"
    assert json.loads(copy.read_text())["final_metrics"]["val_loss"] == 4 + 42 / 7000
    assert not (project / "checkpoints/baseline_1M_seed42").exists()
    text = (project / BASELINE).read_text()
    assert "| val_accuracy | 0.25 | 0 | 0.25 | 0.25 |" in text
    assert "| peak_gb | 1.5 | 0 | 1.5 | 1.5 |" in text


async def test_the_ledger_keeps_how_a_value_was_read(project: Path) -> None:
    async with quick_tools(project) as call:
        await call("run_seed")
    log = project / ".seedproof/runs/g1-baseline-s42-a1/output.log"
    lines = (project / ".seedproof/ledger.jsonl").read_text().splitlines()
    (finished,) = [record for line in lines if (record := json.loads(line))["kind"] == "run_finished"]
    found = finished["metrics"]["val_loss"]
    assert (found["line"], found["text"], finished["step"]) == (2, f"{found['value']:.6f}", 100)
    assert f"val_loss: {found['text']}" in found["matched"]
    assert finished["log_sha256"] == hashlib.sha256(log.read_bytes()).hexdigest()


# --- notices ----------------------------------------------------------------------------------


def rounded(argv: Sequence[str]) -> Training:
    value = 4 + int(option(argv, "--seed")) / 100_000
    return Training(f"seed {option(argv, '--seed')}\nval_loss: {value:.3f}\n")


def same_log(argv: Sequence[str]) -> Training:
    seed = option(argv, "--seed")
    return Training(f"val_loss: {'137.0' if seed == '42' else seed + '.0'}\n")


@pytest.mark.parametrize(
    ("trains", "codes"),
    [(train, []), (rounded, ["coarse_resolution"]), (same_log, ["identical_logs", "same_values"])],
)
async def test_what_a_reader_must_know_beside_the_numbers_is_a_notice_in_reply_and_report(
    project: Path, trains: object, codes: list[str]
) -> None:
    assert callable(trains)
    async with quick_tools(project, InProcessEngine(trains)) as call:
        await call.measure_baseline()
        status = await call("check_baseline")
        await call("write_report")
    found = status.data["notices"]
    assert sorted(notice["code"] for notice in found) == sorted(codes)
    text = (project / BASELINE).read_text()
    assert ("## Notices" in text) == bool(codes)
    for notice in found:
        assert notice["message"] in text
        assert f"Notice ({notice['code']}): {notice['message']}" in status.text


@pytest.mark.parametrize(
    ("fields", "words", "value"),
    [
        ('statistic = "best"', "best of each run's values", 4.0),
        ('statistic = "mean_of_last_n"\nn = 2', "mean of each", 4.5),
    ],
)
async def test_a_statistic_stands_in_the_metric_line_of_the_report_and_holds_before_the_logs(
    project: Path, fields: str, words: str, value: float
) -> None:
    (project / "seedproof.toml").write_text(
        f"[rules.metric]\nname = 'loss'\npattern = '^loss (?P<value>.+)'\n{fields}\n"
    )

    def trains(argv: Sequence[str]) -> Training:
        shift = int(option(argv, "--seed")) / 1000
        return Training("".join(f"loss {one + shift:.4f}\n" for one in (9.0, 4.0, 5.0)))

    async with quick_tools(project, InProcessEngine(trains)) as call:
        await call.measure_baseline()
        await call("write_report")
    text = (project / BASELINE).read_text()
    assert re.search(rf"^- loss \({words}[a-z0-9 ']*\): ", text, flags=re.MULTILINE)
    assert ("it is selected" in text) == ("best" in fields)
    first = records(project, "run_finished")[0]
    assert first["metrics"]["loss"]["value"] == pytest.approx(value + 0.042)
    assert cli.main(["verify", "--project", str(project)]) == 0


async def test_a_command_that_takes_no_tokens_has_none_in_titles(quick_project: Path) -> None:
    command = '["{python}", "train_llm.py", "--seed", "{seed}", "--output_dir", "{output_dir}", "{flags}"]'
    (quick_project / "seedproof.toml").write_text(f"[rules]\ncommand = {command}\n")
    async with quick_tools(quick_project) as call:
        before = await call("check_baseline")
        await call.measure_baseline()
        after = await call("check_baseline")
        report = await call("write_report")
    assert before.text.splitlines()[0] == "Baseline unmeasured"
    assert after.text.startswith("Baseline ready: val_loss ")
    assert "1M" not in report.text.replace("baseline_variance_1M", "")
    text = (quick_project / report.data["path"]).read_text()
    assert text.startswith("# Baseline Variance\n") and " tokens" not in text

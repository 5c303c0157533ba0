"""An agent that follows `next` blindly through every kind of trouble ends at a report or at a sentence for a person."""

import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from seedproof_mcp.system.paths import ProjectPaths, RunPaths
from seedproof_mcp.verify.checks import Outcome
from seedproof_mcp.verify.verify import verify

from tests.support.callers import Answer, Caller
from tests.support.in_process import InProcessEngine, Training, option, quick_tools, train
from tests.support.studies import a_repository, edit, records

pytestmark = pytest.mark.anyio

MOST_CALLS = 150
HANGS = 124
Trouble = Callable[[Sequence[str]], Training | None]


class Blind:
    """Follows `next` and fills in what it asks for, never twice the same."""

    def __init__(self, call: Caller) -> None:
        self.call = call
        self.path: list[str] = []
        self._numbers = itertools.count(1)

    def choose(self, name: str) -> Any:
        """A value for an argument that only the caller can fill."""
        number = next(self._numbers)
        if name == "flags":
            return ["--shift", f"-0.1{number:03d}"]
        return f"idea{number}" if name == "experiment" else f"words {number}"

    async def __call__(self, answer: Answer | None = None) -> str:
        """What is said at the end: of a report, or where a call leads back to itself and nothing is recorded."""
        answer = answer or await self.call("check_baseline")
        seen: dict[str, str] = {}
        while len(self.path) < MOST_CALLS:
            following = answer.data["next"]
            state = json.dumps([following["tool"], following["arguments"], answer.data["ledger_head"]])
            if state in seen:
                return "\n".join(seen.values())
            seen[state] = answer.text
            chosen = {name: self.choose(name) for name in following["you_choose"]}
            self.path.append(answer.next)
            answer = await self.call(following["tool"], **following["arguments"], **chosen)
            if following["tool"] == "write_report" and not answer.is_error and answer.data["verdict"]:
                return answer.text
        raise AssertionError(f"next goes on and on: {self.path[-12:]}")


class Engine(InProcessEngine):
    """Trainings with one kind of trouble; one that hangs is ended by its time limit."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(lambda argv: trouble(argv) or train(argv))
        self.trained = 0

    def _publish(self, run: RunPaths, end: str, exit_code: int | None, wall_time_s: float) -> None:
        self.trained += 1
        hangs = exit_code == HANGS
        super()._publish(run, "timed_out" if hangs else end, None if hangs else exit_code, wall_time_s)


def has_flags(argv: Sequence[str]) -> bool:
    return "--shift" in argv


def always(training: Training) -> Trouble:
    return lambda argv: training


def with_flags(training: Training) -> Trouble:
    return lambda argv: training if has_flags(argv) else None


def crash_in_other_words() -> Trouble:
    words = ("".join(letters) for letters in itertools.product("abcdefgh", repeat=3))
    return lambda argv: Training(f"Traceback: no package {next(words)}\n", 1)


CRASH = Training("Traceback: no module named torch\n", 1)
HANG = Training("epoch 1\n", HANGS, wall_time_s=90.0)
SHORT_HANG = Training("epoch 1\n", HANGS)
A_PERSON = "tell your user"
RUNAWAY = "A person looks at the cause and runs `seedproof resume`"
MENDED_METRIC = "Once [rules.metric] in seedproof.toml finds val_loss"


@pytest.mark.parametrize(
    ("trouble", "end", "most"),
    [
        pytest.param(always(CRASH), A_PERSON, 4, id="the script crashes"),
        pytest.param(crash_in_other_words(), A_PERSON, 3, id="the script crashes in other words each time"),
        pytest.param(always(Training("")), MENDED_METRIC, 1, id="the script prints nothing"),
        pytest.param(always(Training("score = 4.1\n")), MENDED_METRIC, 1, id="the script prints another metric"),
        pytest.param(
            always(Training("eval/loss 4.1\n", wall_time_s=90.0)), MENDED_METRIC, 1, id="a metric that looks like it"
        ),
        pytest.param(always(Training("val_loss: nan\n")), A_PERSON, 2, id="the script diverges"),
        pytest.param(always(Training("val_loss: 4.0\n", 1)), A_PERSON, 4, id="the script fails after its value"),
        pytest.param(always(Training("val_loss: 4.0\n")), A_PERSON, 10, id="every seed gives the same"),
        pytest.param(always(HANG), A_PERSON, 4, id="the script hangs"),
        pytest.param(always(SHORT_HANG), A_PERSON, 3, id="the script hangs at its start"),
        pytest.param(with_flags(CRASH), RUNAWAY, 35, id="the flags crash it"),
        pytest.param(with_flags(Training("")), RUNAWAY, 35, id="with flags it prints nothing"),
        pytest.param(with_flags(HANG), RUNAWAY, 25, id="with flags it hangs"),
        pytest.param(with_flags(Training("val_loss: nan\n")), "LOSER (diverged", 8, id="with flags it diverges"),
        pytest.param(lambda argv: None, "WINNER (confirmed", 20, id="no trouble"),
    ],
)
async def test_next_ends_at_a_report_or_at_a_sentence_for_a_person(
    quick_project: Path, trouble: Trouble, end: str, most: int
) -> None:
    engine = Engine(trouble)
    async with quick_tools(quick_project, engine) as call:
        blind = Blind(call)
        said = await blind()
    assert end in said, said
    assert engine.trained <= most, blind.path
    assert [one for one in verify(ProjectPaths(quick_project), regenerate=True) if one.outcome is Outcome.FAIL] == []


async def test_a_forgotten_edit_that_moves_the_result_ends_at_a_sentence_that_says_what_to_do() -> None:
    with a_repository() as project:
        engine = Engine(
            lambda argv: Training("val_loss: 7.0\n") if "control_" in option(argv, "--output_dir") else None
        )
        async with quick_tools(project, engine) as call:
            await call("run_seed", queue_all=True)
            edit(project)
            blind = Blind(call)
            said = await blind()
        assert "Once the edit is taken back" in said, said
        assert engine.trained <= 7, blind.path


@pytest.mark.parametrize("is_repository", [True, False])
async def test_an_edit_between_two_seeds_ends_at_a_report(quick_project: Path, is_repository: bool) -> None:
    with a_repository() as repository:
        project = repository if is_repository else quick_project
        engine = Engine(lambda argv: None)
        async with quick_tools(project, engine) as call:
            await call("run_seed", queue_all=True)
            begun = await call("run_seed", experiment="a", flags=["--shift", "-0.1"], hypothesis="it helps")
            edit(project)
            blind = Blind(call)
            said = await blind(begun)
        assert "WINNER (confirmed" in said, said
        assert engine.trained <= 24, blind.path


async def test_a_winner_leads_to_its_merge_and_on_to_the_report_of_the_next_idea(quick_project: Path) -> None:
    engine = Engine(lambda argv: None)
    command = '["{python}", "train_llm.py", "--seed", "{seed}", %s"{flags}", "--output_dir", "{output_dir}"]'
    settings = quick_project / "seedproof.toml"
    settings.write_text(f"[rules]\ncommand = {command % ''}\n")
    async with quick_tools(quick_project, engine) as call:
        blind = Blind(call)
        said = await blind()
        listed = await call("list_experiments")
        settings.write_text("[rules]\ncommand = " + command % '"--shift", "-0.1", ' + "\n")
        again = await blind(listed)
        newest = await call("list_experiments")
    assert "WINNER (confirmed" in said and listed.next == "run_seed(new_baseline=…)", listed.text
    assert "is merged, as the line Merge of its report says" in listed.text
    assert [one["generation"] for one in records(quick_project, "generation_started")] == [1, 2]
    assert again.startswith(("WINNER", "NEUTRAL", "LOSER")), again
    assert newest.data["total"] == 2
    assert engine.trained <= 40, blind.path

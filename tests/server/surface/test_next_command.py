"""The next call as a command line: every call that `next` can hold is a command that exists and does the same."""

import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seedproof.admission.request import RunRequest
from seedproof.model.refusals import NextCall
from seedproof.model.run_key import Role
from seedproof_mcp.surface.arguments import parse, run_request
from seedproof_mcp.surface.next_command import in_commands, next_command, next_line

from tests.support.in_process import quick_tools

# Arguments that say how to wait or what to show, and stand in no `next`.
NEVER_NEXT = {"wait_s", "offset", "limit", "against", "detail"}

names = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,20}", fullmatch=True)
# argparse takes a lone -- for the end of options.
texts = st.text(st.characters(exclude_categories=["C"]), min_size=1).filter(lambda text: text != "--")
# Of each argument of run_seed: the values that it may have.
run_arguments: dict[str, st.SearchStrategy[Any]] = {
    "experiment": names,
    "seed": st.integers(0, 2**32 - 1),
    "flags": st.lists(texts),
    "hypothesis": texts,
    "role": st.sampled_from(["measure", "control", "confirm"]),
    "code_change": st.booleans(),
    "attempt": st.integers(1, 9),
    "queue_all": st.booleans(),
    "new_baseline": texts,
    "until": st.sampled_from(["seed", "verdict"]),
}
PLACEHOLDERS = {"experiment": "NAME", "flags": "FLAGS", "hypothesis": "HYPOTHESIS", "new_baseline": "REASON"}


def parsed(command: str) -> Any:
    """The options that the command line's own parser takes from a command."""
    program, *words = shlex.split(command)
    assert program == "seedproof"
    return parse(words)


@given(
    known=st.fixed_dictionaries({}, optional=run_arguments),
    chosen=st.sets(st.sampled_from(sorted(PLACEHOLDERS))),
)
def test_a_call_of_run_seed_is_a_command_that_requests_the_same_run(known: dict[str, Any], chosen: set[str]) -> None:
    known = {name: value for name, value in known.items() if name not in chosen}
    options = parsed(next_command(NextCall("run_seed", "", known, tuple(chosen))))
    assert options.command == "run"
    expected = {**known, **{name: PLACEHOLDERS[name] for name in chosen}, "role": Role(known.get("role", "measure"))}
    if "flags" in expected:
        expected["flags"] = ("FLAGS",) if "flags" in chosen else tuple(known["flags"])
    assert run_request(options) == RunRequest(**expected)


@given(name=names, reason=texts)
def test_calls_of_the_other_tools_are_commands_with_the_same_arguments(name: str, reason: str) -> None:
    assert parsed(next_command(NextCall("check_baseline", ""))).command == "check-baseline"
    assert parsed(next_command(NextCall("list_experiments", ""))).command == "status"
    assert parsed(next_command(NextCall("write_report", ""))).experiment is None
    for tool, command in (("compare", "compare"), ("write_report", "report")):
        options = parsed(next_command(NextCall(tool, "", {"experiment": name})))
        assert (options.command, options.experiment) == (command, name)
    run = {"run_id": f"g1-exp-{name}-s42-a1"}
    assert parsed(next_command(NextCall("stop_run", "", run, ("reason",)))).reason == "REASON"
    options = parsed(next_command(NextCall("stop_run", "", {**run, "reason": reason})))
    assert (options.command, options.run_id, options.reason) == ("stop", run["run_id"], reason)
    options = parsed(next_command(NextCall("stop_run", "", {"experiment": name, "reason": reason})))
    assert (options.command, options.run_id, options.experiment, options.reason) == ("stop", None, name, reason)


@pytest.mark.anyio
async def test_no_tool_and_no_argument_is_left_out(project: Path) -> None:
    async with quick_tools(project) as call:
        tools = (await call.client.list_tools()).tools
    found = {tool.name: set(tool.input_schema["properties"]) - NEVER_NEXT for tool in tools}
    assert found == {
        "check_baseline": set(),
        "run_seed": {*run_arguments, "try_run"},
        "compare": {"experiment"},
        "write_report": {"experiment"},
        "list_experiments": set(),
        "stop_run": {"run_id", "experiment", "reason"},
    }


def test_a_try_is_a_command_of_its_own() -> None:
    assert next_command(NextCall("run_seed", "Waits for the try.", {"try_run": True})) == "seedproof try"


def test_the_line_can_be_copied_as_it_stands() -> None:
    declare = NextCall("run_seed", "Declares it.", {"code_change": True}, ("experiment", "flags", "hypothesis"))
    assert next_line(declare, Path()) == (
        "seedproof run NAME --code-change --hypothesis HYPOTHESIS -- FLAGS  # Declares it."
    )
    elsewhere = next_line(NextCall("compare", "Gives the verdict.", {"experiment": "muon"}), Path("my study"))
    assert elsewhere == "seedproof compare muon --project 'my study'  # Gives the verdict."


@pytest.mark.parametrize(
    ("said", "worded"),
    [
        (
            'measure a new baseline: run_seed(new_baseline="the same length").',
            "measure a new baseline: `seedproof run --new-baseline 'the same length'`.",
        ),
        ('run_seed(experiment="muon", role="confirm")', "`seedproof run muon --confirm`"),
        (
            "declare it anew: run_seed(experiment=<another name>, flags, hypothesis).",
            "declare it anew: `seedproof run NAME --hypothesis HYPOTHESIS -- FLAGS`.",
        ),
        (
            "The next run_seed(), compare() or write_report() takes them over",
            "The next `seedproof run`, `seedproof compare` or `seedproof report` takes them over",
        ),
        ("nothing ends it but stop_run", "nothing ends it but `seedproof stop`"),
        ("declare the edit with code_change=true", "declare the edit with --code-change"),
        ("verdicts compare (as ever) what they compare", "verdicts compare (as ever) what they compare"),
        ("run_seed(anything=<else>) and torch.compare(x)", "run_seed(anything=<else>) and torch.compare(x)"),
    ],
)
def test_a_sentence_names_commands_in_place_of_calls(said: str, worded: str) -> None:
    assert in_commands(said) == worded

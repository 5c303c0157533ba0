"""The study page and its figure: every experiment, in short rows, and nothing that words from outside could forge."""

import re

from seedproof.model.rules import Rules
from seedproof.report.study_figure import study_figure
from seedproof.report.study_page import study_page

from tests.support.stories import Story
from tests.support.study_stories import HOSTILE, a_study, declare, generation, judged, merged_rules, study_of

BASE = (4.00, 4.01, 3.99, 4.02, 3.98)


def rows(text: str) -> dict[str, list[str]]:
    """The cells of each experiment's row, by its name without link and mark."""
    lines = [line for line in text.splitlines() if line.startswith("| ") and "---" not in line]
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines if not line.startswith("| Experiment")]
    found = {re.sub(r"\[(.+)\].*|\s\(null\)", r"\1", one[0].strip()): [cell.strip() for cell in one] for one in cells}
    assert len(found) == len(cells)
    return found


def test_every_experiment_has_a_row_of_its_generation_the_newest_first() -> None:
    text = study_page(study_of(a_study()), "studies.svg")
    assert list(rows(text)) == ["next", "begun", "left", "wild", "rewritten", "nothing", "muon"]
    assert text.index("## Generation 2") < text.index("| next |") < text.index("## Generation 1") < text.index("| left")


def test_a_row_says_what_was_tried_and_what_became_of_it() -> None:
    found = rows(study_page(study_of(a_study()), "studies.svg"))
    assert found["muon"] == [
        "[muon](experiment_muon_1M.md)",
        "`--lr 0.02`",
        "-0.0700 fresh (at least 0.0487 better)",
        "+3.1 %, pairs",
        "WINNER (confirmed on 3 fresh seeds): 5.69 sigma better",
        "generation 2",
    ]
    assert found["rewritten"][1:3] == ["`model.py` (+2 -1), `train\\|llm.py` (+2 -1), 2 more files", "+0.2033 measured"]
    assert found["wild"][2:] == ["-", "-", "LOSER (diverged: 1 of 1 seeds)", "-"]
    assert found["nothing"][0] == "nothing (null)"
    assert found["left"][4] == "abandoned after 1 seed: a new generation began"
    assert (found["begun"][4], found["next"][4]) == ("measuring: 1 of 3 seeds", "declared")


def test_a_generation_says_its_reason_what_it_merged_and_which_rules_differ() -> None:
    text = study_page(study_of(a_study()), "studies.svg")
    second, first = re.split(r"## Generation \d", text)[1:]
    assert "- Merged: muon, as its code and command show" in second
    assert '- Rule command differs from generation 1: with `["--lr=0.02"]`' in second
    assert "[report](baseline_variance_1M.md)" in second and "[report](baseline_variance_1M_generation1.md)" in first
    assert "- Rules: as in the protocol" in first


def test_the_error_budget_counts_every_idea() -> None:
    text = study_page(study_of(a_study()), "studies.svg")
    assert "- Ideas tried: 7 (1 declared without effect); 1 WINNER, 1 NEUTRAL, 2 LOSER, 3 without a verdict" in text
    # 7 ideas, each a WINNER by luck in 3.05 %, of which a confirmation passes 3.3 %: 7 x .0305 x .033 = .0070.
    assert "a confirmed one in at most 0.7 %" in text


def test_a_later_report_of_the_same_name_takes_the_link_with_it() -> None:
    told = generation(Story(), Rules())
    told.runs(None, dict(zip(Rules().baseline_seeds, BASE, strict=True)))
    for _ in range(2):
        declare(told, "a", ("--lr", "1"))
        judged(told, "a", (3.9, 3.91, 3.92), "WINNER", "WINNER (unconfirmed): 5.69 sigma better")
        number = len(told.state.generations)
        told.tell("report_written", generation=number, experiment="a", path="docs/research/experiment_a_1M.md")
        generation(told, Rules())
    text = study_page(study_of(told.state), "studies.svg")
    assert text.count("[a](experiment_a_1M.md)") == 1
    assert text.index("## Generation 2") < text.index("[a](experiment_a_1M.md)") < text.index("## Generation 1")


def test_words_from_outside_are_words() -> None:
    text = study_page(study_of(a_study()), "studies.svg")
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert headings == ["# Study", "## Generation 2", "## Generation 1", "## Error Budget", "## Provenance"]
    assert all(len(cells) == 6 for cells in rows(text).values())
    assert re.search(r"(?<!\\)<script>", re.sub(r"`[^`\n]*`", "", text)) is None
    assert HOSTILE not in text
    figure = study_figure(study_of(a_study()))
    assert "<script" not in figure


def test_five_experiments_take_less_than_six_hundred_words() -> None:
    state = a_study()
    assert len(state.experiments) >= 5
    assert len(study_page(study_of(state), "studies.svg").split()) < 600


def test_two_hundred_experiments_have_a_short_row_each() -> None:
    told = generation(Story(), Rules())
    told.runs(None, dict(zip(Rules().baseline_seeds, BASE, strict=True)))
    for number in range(200):
        name = f"an-idea-with-a-long-name-{number}"
        declare(told, name, ("--optimizer.learning_rate", f"0.{number}", "--data.path", "/a/b/c/" + "d" * 200))
        judged(told, name, (4.0, 4.01, 4.0, 3.99, 4.0), "NEUTRAL", "NEUTRAL: 0.00 sigma, no difference")
    text = study_page(study_of(told.state), "studies.svg")
    found = rows(text)
    assert len(found) == 200
    assert max(map(len, text.splitlines())) < 320
    figure = study_figure(study_of(told.state))
    assert figure.count('class="mark experiment"') == 1000


def test_a_generation_without_a_complete_baseline_is_there_without_numbers() -> None:
    told = generation(Story(), Rules()).runs(None, {42: 4.0, 137: 4.1})
    text, figure = study_page(study_of(told.state), "studies.svg"), study_figure(study_of(told.state))
    assert "not complete, 2 of 5 seeds" in text and "- No experiment was declared." in text
    assert "Generation 1: no complete baseline" in figure


def test_a_far_value_stands_at_the_edge_and_leaves_the_spread_its_room() -> None:
    told = generation(Story(), merged_rules())
    told.runs(None, dict(zip(Rules().baseline_seeds, BASE, strict=True)))
    declare(told, "far", ("--lr", "9"))
    judged(told, "far", (9.0, 4.03, 1e100), "LOSER", "LOSER: 100 sigma worse")
    figure = study_figure(study_of(told.state))
    edges = [float(x) for x in re.findall(r'mark experiment" d="M([\d.]+) ', figure)]
    assert sorted(edges)[1:] == [595.0, 595.0] and sorted(edges)[0] < 590
    (left, width) = re.findall(r'class="band" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', figure)[0]
    assert float(width) > 200, left

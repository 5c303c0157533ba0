"""What each screen of the board shows, as one JSON object: numbers and words of the tools' results."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from seedproof.ledger.state import Experiment, Generation
from seedproof.model.arms import Arm
from seedproof.model.refusals import NextCall
from seedproof.model.results import Campaign
from seedproof.model.rules import Rules
from seedproof.model.runs import Run
from seedproof.model.untrusted import escape_hidden
from seedproof.phases.merged import merged_experiments
from seedproof.phases.next_call import campaign_next, experiment_next
from seedproof.phases.study import Study
from seedproof.report.summary import ideas_line, without_value_words
from seedproof.verdict.campaign import campaign, stored_p_values
from seedproof.verdict.confirmation import pairs_of

from seedproof_mcp.code.published import published_diff
from seedproof_mcp.service.overview import issued_comparison
from seedproof_mcp.service.replies.result import Follow, Result
from seedproof_mcp.service.views import arm_summaries, comparison_result, experiment_row
from seedproof_mcp.system.paths import ProjectPaths

__all__ = ["Words", "experiment_document", "reply", "study_document"]

Document = dict[str, Any]
# More of a change is for the report and for git; a page has to be drawn.
MOST_DIFF_CHARS = 200_000


@dataclass(frozen=True)
class Words:
    """How a page tells a person what the tools tell a model."""

    sentence: Callable[[str], str]
    """A sentence that names calls, with commands in their place."""
    command: Callable[[NextCall | Follow], str]
    """The command that does the same as a call."""

    def next(self, call: NextCall | Follow | None) -> Document | None:
        """The next call as a command, with the reason."""
        return None if call is None else {"command": self.command(call), "why": self.sentence(call.why)}


def reply(result: Result, words: Words) -> Document:
    """A result of a tool with its headline, its notices and its next call in the words of the command line."""
    found = result.model_dump(mode="json")
    notices = [{"code": one.code, "message": words.sentence(one.message)} for one in result.notices]
    lines = [words.sentence(line) for line in result.details()]
    return {
        **found,
        "headline": result.first_line(),
        "lines": lines,
        "notices": notices,
        "next": words.next(result.next),
    }


def study_document(study: Study, baseline: Document, notices: Document, words: Words) -> Document:
    """All experiments of the ledger, and every baseline.

    Args:
        study: The study.
        baseline: The reply of check_baseline.
        notices: Those of the list of experiments.
        words: The words of the page.
    """
    state, counted = study.state, campaign(study.state)
    adjusted, merged = stored_p_values(study), merged_experiments(state)
    return {
        "ledger_head": state.head_label,
        "baseline": baseline,
        "notices": notices,
        "judged": state.judged,
        "campaign": _campaign(counted) if state.experiments else None,
        "generations": [_generation(study, one) for one in state.generations],
        "experiments": [_listed(study, one, adjusted, merged) for one in state.experiments],
        "next": words.next(campaign_next(study)),
    }


def _campaign(found: Campaign) -> Document:
    words = [ideas_line(found), *([without_value_words(found)] if found.without_value else [])]
    return {
        "declared": found.tried,
        "winners": found.winners,
        "false_winners_expected": found.false_winners_expected,
        "false_winner_chance": found.false_winner_chance,
        "label": found.label,
        "lines": [*words, *([found.advice] if found.advice else [])],
    }


def _generation(study: Study, generation: Generation) -> Document:
    """The baseline of a generation: what its experiments are drawn against."""
    phase, rules = study.phase_of(generation.number), generation.rules
    baseline, is_present = phase.baseline, generation is study.generation
    return {
        "generation": generation.number,
        "reason": generation.reason,
        "started": generation.started,
        "phase": study.baseline_phase.phase if is_present else phase.phase,
        "scale": rules.label if rules.sets_tokens else rules.scale,
        "metric": rules.metric.name,
        "direction": rules.metric.direction,
        "winner_sigma": rules.winner_sigma,
        "winner_threshold": None if baseline is None else baseline.winner_threshold,
        "mean": None if baseline is None else baseline.mean,
        "std": None if baseline is None else baseline.std,
        "decimals": 6 if baseline is None else baseline.decimals,
        "experiments": len(generation.experiments),
        "report_path": generation.report.path if generation.report else None,
        **_arm(study.state.baseline_arm(generation.number), rules),
    }


def _arm(arm: Arm, rules: Rules) -> Document:
    """Values of each seed that has one, and the mean wall time."""
    found = arm_summaries(arm, rules)
    values, wall = found.get(rules.metric.name), found.get("wall_time_s")
    finite = arm.finite(rules.metric.name)  # a diverged arm has no summary, and its other seeds are shown all the same
    return {
        "seeds": values.per_seed if values else {str(seed): value for seed, value in finite.items()},
        "seeds_mean": values.mean if values else None,
        "diverged": list(arm.diverged_seeds),
        "wall_time_s": wall.mean if wall else None,
    }


def _listed(
    study: Study, experiment: Experiment, adjusted: Mapping[Any, tuple[float, float]], merged: Mapping[int, int]
) -> Document:
    """The row of an experiment, with its seeds and the distance of its verdict."""
    row = experiment_row(study, experiment, adjusted, merged).model_dump(mode="json")
    issued, rules = experiment.verdict, study.state.rules_of(experiment.generation)
    return {
        **row,
        "improvement_sigma": issued.improvement_sigma if issued else None,
        "delta": issued.delta if issued else None,
        "cohens_d": issued.cohens_d if issued else None,
        **_arm(study.state.experiment_arm(experiment), rules),
    }


def experiment_document(study: Study, experiment: Experiment, paths: ProjectPaths, words: Words) -> Document:
    """One experiment: its seeds, its verdict as issued, its fresh pairs, its runs and its change, without curves."""
    state, arm = study.state, study.state.experiment_arm(experiment)
    rules, metric = state.rules_of(experiment.generation), state.rules_of(experiment.generation).metric.name
    comparison = issued_comparison(study, experiment)
    is_present = study.find(experiment.name) is experiment
    return {
        "ledger_head": state.head_label,
        "experiment": _listed(study, experiment, stored_p_values(study), merged_experiments(state)),
        "generation": _generation(study, state.generations[experiment.generation - 1]),
        "comparison": None if comparison is None else reply(comparison_result(study, comparison), words),
        "fresh": [
            {"seed": pair.seed, **{side: _value(run, metric) for side, run in _sides(pair.control, pair.experiment)}}
            for pair in pairs_of(arm)
        ],
        "baseline_wall_time_s": _arm(state.baseline_arm(experiment.generation), rules)["wall_time_s"],
        "runs": [_run(state.runs[run_id], metric) for run_id in experiment.run_ids],
        "changed_files": [] if arm.change is None else [f"{one.path} ({one.counts})" for one in arm.change.files],
        "diff": _diff(paths, arm),
        "next": words.next(experiment_next(study, experiment)) if is_present else None,
    }


def _sides(control: Run | None, experiment: Run | None) -> tuple[tuple[str, Run | None], ...]:
    return ("control", control), ("experiment", experiment)


def _value(run: Run | None, metric: str) -> float | None:
    return None if run is None else run.value(metric)


def _run(run: Run, metric: str) -> Document:
    return {
        "run_id": run.run_id,
        "role": run.role.value,
        "arm": "baseline" if run.is_control else "experiment",
        "seed": run.seed,
        "attempt": run.attempt,
        "state": run.state.value,
        "value": run.value(metric),
        "wall_time_s": run.wall_time_s,
        "reason": run.reason,
    }


def _diff(paths: ProjectPaths, arm: Arm) -> str | None:
    """The text of the change as reports publish it, with hidden characters written out."""
    text = published_diff(paths, arm.change)
    if text is None:
        return None
    shown = "\n".join(map(escape_hidden, text[:MOST_DIFF_CHARS].split("\n")))
    return shown if len(text) <= MOST_DIFF_CHARS else f"{shown}\n… {len(text) - MOST_DIFF_CHARS} more characters"

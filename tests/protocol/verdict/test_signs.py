"""Signs that a run is not what it seems: what is said, and of what honest studies nothing is said."""

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import pytest
from seedproof.model.arms import Arm, Baseline
from seedproof.model.refusals import MoreSeedsNeeded
from seedproof.model.results import Comparison, Verdict
from seedproof.model.rules import Rules
from seedproof.model.run_key import Role
from seedproof.model.runs import MetricValue, Run, RunState
from seedproof.notices.runs import baseline_notices, comparison_notices
from seedproof.phases.baseline import establish_baseline
from seedproof.phases.probe import Repeat, repeat_of, seeds_agree
from seedproof.verdict.headline import shown_brackets, worst_first
from seedproof.verdict.judge import judge
from seedproof.verdict.plausibility import caps_on
from seedproof.verdict.signs import outlier, probe_line, seed_not_seen, warm_start

from tests.support.amounts import SHOWN
from tests.support.arms import MAXIMIZE, RULES, SEEDS, baseline_arm, experiment_arm, make_run

EARLY = (100, 200, 300)
VALUES = ("4.0123", "3.9871", "4.0042", "3.9934", "4.0211")


def run_of(seed: int, text: str, early: Sequence[str] = (), **more: object) -> Run:
    """A run that printed exactly this, its first values at steps 100, 200 and 300."""
    shown = {"early": tuple(zip(EARLY, early, strict=False)), **more}
    return make_run(seed, metrics={"val_loss": MetricValue(float(text), text)}, **shown)


def baseline_of(
    early: Iterable[Sequence[str]] = ((),) * 5,
    texts: Sequence[str] = VALUES,
    probe: Run | None = None,
    rules: Rules = RULES,
) -> Baseline:
    """A baseline with a probe."""
    runs = [run_of(seed, text, first, experiment=None) for seed, text, first in zip(SEEDS, texts, early, strict=True)]
    return establish_baseline(replace(baseline_arm(*runs), probes=() if probe is None else (probe,)), rules)


def probe_of(*early: str, last: str | None = None) -> Run:
    """A probe: cancelled after its first values, or a whole run."""
    if last is not None:
        return run_of(42, last, early, experiment=None, role=Role.PROBE)
    cancelled = {"state": RunState.CANCELLED, "early": tuple(zip(EARLY, early, strict=False))}
    return make_run(42, experiment=None, role=Role.PROBE, **cancelled)


def arm_of(texts: Sequence[str], early: Iterable[Sequence[str]] = ((),) * 5, **more: object) -> Arm:
    return experiment_arm(
        *(run_of(seed, text, first, **more) for seed, text, first in zip(SEEDS, texts, early, strict=False))
    )


SPREAD = [(f"{6 + seed / 50:.4f}", f"{5 + seed / 60:.4f}", f"{4.5 - seed / 70:.4f}") for seed in range(5)]
SAME = [("6.0000", "5.0000", "4.5000")] * 5


# --- the seed was not seen to vary the run ----------------------------------------------------------


def test_seeds_that_agree_in_their_first_three_values_and_differ_later_are_told() -> None:
    baseline = baseline_of(SAME)
    said = seed_not_seen(baseline.arm, baseline.rules)
    assert said == (
        "baseline: all 5 seeds agree in their first three values (6.0000, 5.0000, 4.5000, step 100 to 300) and differ "
        "only later: the seed was not seen to vary the run. Does the script use --seed?"
    )
    assert [notice.code for notice in baseline_notices(baseline)] == ["seed_not_seen"]


def test_seeds_that_differ_early_or_show_only_two_values_are_no_sign() -> None:
    assert seed_not_seen(baseline_of(SPREAD).arm, RULES) is None
    assert seed_not_seen(baseline_of([first[:2] for first in SAME]).arm, RULES) is None
    assert seed_not_seen(baseline_of().arm, RULES) is None


@pytest.mark.parametrize(
    ("early", "why"),
    [
        (("9.5001", "9.5000", "9.4999"), "a warm-up in which the loss hardly moves"),
        (("0.1000", "0.1000", "0.1000"), "an accuracy by chance, before anything is learnt"),
        (("6", "5", "4"), "values printed in steps far above sigma"),
    ],
)
def test_first_values_that_honest_seeds_share_are_no_sign(early: Sequence[str], why: str) -> None:
    assert not seeds_agree(list(baseline_of([early] * 5).arm.counted.values()), "val_loss"), why


def test_a_winner_carries_the_bracket_and_keeps_its_verdict() -> None:
    better = [f"{float(text) - 1:.4f}" for text in VALUES[:3]]
    comparison = judge(baseline_of(SAME), arm_of(better, SPREAD))
    assert comparison.headline.startswith("WINNER (unconfirmed; seed not seen to vary the run): ")
    assert [notice.code for notice in comparison_notices(comparison)] == ["seed_not_seen"]
    comparison = judge(baseline_of(SPREAD), arm_of(better, SAME))
    assert "seed not seen to vary the run" in comparison.headline
    assert judge(baseline_of(SPREAD), arm_of(better, SPREAD)).headline.startswith("WINNER (unconfirmed): ")


# --- the probe --------------------------------------------------------------------------------------


def found(early: Iterable[Sequence[str]], probe: Run) -> Repeat | None:
    return repeat_of(baseline_of(early, probe=probe).arm, "val_loss")


def test_the_ratio_is_that_of_the_median_distance_to_the_repeats() -> None:
    # Seeds at 0, 1, 3, 6, 10: distances 1 2 3 3 4 5 6 7 9 10, median 4.5. The repeat lies .5 from the first.
    seeds = [(f"{value:.4f}",) for value in (0, 1, 3, 6, 10)]
    repeat = found(seeds, probe_of("0.5000"))
    assert repeat is not None and (repeat.seeds, repeat.repeat, repeat.ratio) == (4.5, 0.5, 9.0)
    assert seed_not_seen(baseline_of(seeds, probe=probe_of("0.5000")).arm, RULES) is None


def test_seeds_that_lie_no_further_apart_than_a_repeat_are_told_with_both_distances() -> None:
    seeds = [(f"{value:.4f}",) for value in (0, 1, 3, 6, 10)]
    baseline = baseline_of(seeds, probe=probe_of("2.0000"))
    assert seed_not_seen(baseline.arm, baseline.rules) == (
        "baseline: at step 100, two seeds lie 4.5 apart (median), and a repeat of seed 42 2 from its first run: less "
        "than 3 times as far, so the seed was not seen to vary the run. Does the script use --seed?"
    )
    assert probe_line(baseline.arm, "val_loss") == (
        "Probe: seed 42 was started once more; at step 100 the seeds lie 2.25 times as far apart as the two runs of it."
    )


def test_an_exact_repeat_is_no_sign_and_its_line_says_so() -> None:
    baseline = baseline_of(SPREAD, probe=probe_of(*SPREAD[0]))
    repeat = repeat_of(baseline.arm, "val_loss")
    assert repeat is not None and repeat.ratio == math.inf
    assert seed_not_seen(baseline.arm, baseline.rules) is None
    assert "repeats its first run exactly at step 100" in (probe_line(baseline.arm, "val_loss") or "")


def test_a_place_where_all_are_equal_says_nothing_and_the_next_one_decides() -> None:
    first = [("9.5000", text) for _, text, _ in SPREAD]
    repeat = found(first, probe_of("9.5000", "5.0001"))
    assert repeat is not None and repeat.place == "step 200" and repeat.ratio > 3


def test_a_whole_probe_without_first_values_is_compared_at_its_end() -> None:
    assert "at the end" in (seed_not_seen(baseline_of(probe=probe_of(last="4.0300")).arm, RULES) or "")
    assert seed_not_seen(baseline_of(probe=probe_of(last="4.0124")).arm, RULES) is None


TIMES = [{"budget": "time"}, {"scale": "300 s"}, {"scale": "2 hours"}]


@pytest.mark.parametrize("more", TIMES)
def test_under_a_budget_of_time_last_values_tell_nothing_and_equal_steps_do(more: dict[str, str]) -> None:
    rules = Rules.model_validate({"command": ("{python}", "train.py", "{seed}", "{flags}"), **more})
    at_end, early = baseline_of(probe=probe_of(last="4.0300")).arm, baseline_of(SPREAD, probe=probe_of("6.1000")).arm
    assert seed_not_seen(at_end, rules) is None
    only = baseline_of([(text,) for text in VALUES], probe=replace(probe_of("4.0300"), state=RunState.SUCCEEDED)).arm
    assert seed_not_seen(only, rules) is None, "the first value is the last one"
    assert seed_not_seen(only, RULES) is not None
    assert "at the end the seeds lie" in (probe_line(at_end, "val_loss") or ""), "the report has the distances"
    assert "at step 100" in (seed_not_seen(early, rules) or "")


@pytest.mark.parametrize("scale", ["20 epochs", "5M", "100 steps", "3 passes"])
def test_other_scales_are_no_budget_of_time(scale: str) -> None:
    rules = Rules(command=("{python}", "train.py", "{seed}", "{flags}"), scale=scale)
    assert not rules.has_time_budget
    assert "at the end" in (seed_not_seen(baseline_of(probe=probe_of(last="4.0300")).arm, rules) or "")


def test_a_difference_of_one_printed_step_is_rounding() -> None:
    coarse = [(text,) for text in ("0.91", "0.92", "0.91", "0.92", "0.91")]
    assert found(coarse, probe_of("0.92")) is None


def test_a_probe_on_another_machine_or_without_a_value_shows_nothing() -> None:
    elsewhere = replace(probe_of("8.0000"), surroundings={"host": "other"})
    baseline = baseline_of(SPREAD, probe=elsewhere)
    assert seed_not_seen(baseline.arm, baseline.rules) is None
    line = probe_line(baseline_of(SPREAD, probe=probe_of()).arm, "val_loss")
    assert line == "Probe: seed 42 was started once more (cancelled); it shows nothing."
    assert probe_line(baseline_of().arm, "val_loss") is None


@pytest.mark.parametrize(
    ("share", "limits"), [(1.0, (0.80, 0.84)), (0.001, (0.001, 0.005)), (0.01, (0.05, 0.09)), (0.0, (0.0, 0.0))]
)
def test_the_ratio_finds_and_errs_as_often_as_it_says(share: float, limits: tuple[float, float]) -> None:
    # A seed that does nothing: all of the variance is the machine's. 82 %, .3 % and 7 % in docs/evidence.md.
    numpy = pytest.importorskip("numpy")
    random = numpy.random.default_rng(7)
    studies = 40_000
    seeds, machine = random.standard_normal((2, studies, 5))
    seeds = math.sqrt(1 - share) * seeds
    runs = seeds + math.sqrt(share) * machine
    again = seeds[:, 0] + math.sqrt(share) * random.standard_normal(studies)
    pairs = [abs(runs[:, one] - runs[:, other]) for one in range(5) for other in range(one)]
    told = numpy.median(pairs, axis=0) < 3 * abs(again - runs[:, 0])
    assert limits[0] <= told.mean() <= limits[1]
    for study in range(200):  # and the product says the same of each
        repeat = found([(f"{value:.9f}",) for value in runs[study]], probe_of(f"{again[study]:.9f}"))
        assert repeat is not None and (repeat.ratio < 3) == told[study]


# --- equal seeds ------------------------------------------------------------------------------------


def test_an_experiment_whose_seeds_all_give_one_value_is_capped_with_the_call_that_lifts_it() -> None:
    comparison = judge(baseline_of(), arm_of(["3.9000"] * 3))
    assert (comparison.verdict, comparison.caps) == (Verdict.NEUTRAL, ("seeds all equal",))
    assert "all 3 seeds gave val_loss 3.9000, where those of the baseline lie 0.0138 apart (sigma)" in comparison.reason
    assert "run_seed(experiment=<another name>, flags, hypothesis)" in comparison.reason


def test_equal_logs_are_named() -> None:
    arm = experiment_arm(*(replace(run, log_sha256="a" * 64) for run in arm_of(["3.9000"] * 3).runs))
    assert "gave val_loss 3.9000, and the same log, where" in judge(baseline_of(), arm).reason


def accuracies(cases: int, *right: int) -> list[str]:
    return [f"{one / cases:.4f}" for one in right]


@pytest.mark.parametrize(
    ("base", "texts", "why"),
    [
        (["0.902", "0.899", "0.904", "0.896", "0.901"], ["0.915"] * 3, "an accuracy over 1,000 samples"),
        (accuracies(150, 138, 141, 139, 142, 140), accuracies(150, 146, 146, 146), "150 samples, printed finely"),
        (accuracies(1000, 902, 899, 904, 896, 901), accuracies(1000, 915, 915, 915), "1,000 samples, printed finely"),
        (["0.9931", "0.9952", "0.9947", "0.9938", "0.9944"], ["1.0000"] * 3, "a perfect score"),
        (["461.2", "480.7", "473.3", "455.9", "468.4"], ["500.0"] * 3, "the largest reward that there is"),
    ],
)
def test_coarse_values_and_solved_tasks_that_are_equal_by_chance_are_not_capped(
    base: list[str], texts: list[str], why: str
) -> None:
    baseline = baseline_of(texts=base, rules=MAXIMIZE)
    assert caps_on(baseline, arm_of(texts)) == (), why
    assert caps_on(baseline, arm_of(texts, [(f"0.{seed}1", "0.80", "0.85") for seed in range(3)])) == (), why


def test_coarse_values_whose_whole_course_is_equal_are_capped() -> None:
    early = [(f"0.{41 + 3 * seed}", f"0.{60 + 2 * seed}", f"0.{71 + seed}") for seed in range(5)]
    baseline = baseline_of(early, ["0.90", "0.91", "0.89", "0.92", "0.90"], rules=MAXIMIZE)
    (cap,) = caps_on(baseline, arm_of(["0.95"] * 3, [early[0]] * 3))
    assert cap.name == "seeds all equal"
    assert caps_on(baseline, arm_of(["0.95"] * 3, early[:3])) == ()


def test_first_values_that_the_baseline_shares_too_prove_nothing() -> None:
    chance = [("0.10", "0.11", "0.10")] * 5
    baseline = baseline_of(chance, ["0.90", "0.91", "0.89", "0.92", "0.90"], rules=MAXIMIZE)
    assert caps_on(baseline, arm_of(["0.95"] * 3, chance)) == ()


def test_a_verdict_under_earlier_rules_is_not_capped_anew() -> None:
    document = {name: value for name, value in RULES.document().items() if name != "repeat_probe"}
    baseline = baseline_of(rules=Rules.from_document(document))
    assert caps_on(baseline, arm_of(["3.9000"] * 3)) == ()


# --- warm starts ------------------------------------------------------------------------------------


def started(texts: Sequence[str], first: Sequence[float | None], name: str | None = "muon") -> Arm:
    """An arm whose runs printed these values at step 0."""
    shown = [None if value is None else f"{value:.4f}" for value in first]
    runs = [run_of(*one, experiment=name, start_text=start) for *one, start in zip(SEEDS, texts, shown, strict=False)]
    return baseline_arm(*runs) if name is None else experiment_arm(*runs)


COLD = started(VALUES, (9.5, 9.6, 9.4, 9.5, 9.55), name=None)
BETTER = ("3.9100", "3.9000", "3.9200")


def test_an_experiment_that_begins_more_than_halfway_is_told() -> None:
    warm = started(BETTER, (6.5, 6.6, 6.7))
    said = warm_start(COLD, warm, RULES)
    assert said == (
        "muon: at step 0 every seed is at least 51 % of the way from the baseline's first val_loss (9.51) to its "
        "last (4.00362): does it start from trained weights?"
    )
    comparison = judge(establish_baseline(COLD, RULES), warm)
    assert "warm_start" in [notice.code for notice in comparison_notices(comparison)]


@pytest.mark.parametrize(
    ("first", "why"),
    [
        ((6.5, 6.6, 6.9), "one seed is not halfway"),
        ((9.0, 9.1, 9.2), "other weights to begin with"),
        ((None, None, None), "no first value is known"),
    ],
)
def test_starts_that_are_no_warm_ones(first: Sequence[float | None], why: str) -> None:
    assert warm_start(COLD, started(BETTER, first), RULES) is None, why


def test_starts_without_any_way_to_go_are_not_compared() -> None:
    flat = started(VALUES, (4.05, 4.0, 4.1, 3.95, 4.02), name=None)
    assert warm_start(flat, started(BETTER, (3.9, 3.9, 3.9)), RULES) is None


def starts(*values: float) -> list[tuple[str]]:
    return [(f"{value:.4f}",) for value in values]


FASTER = arm_of(BETTER, starts(6.5, 6.6, 6.7))
FIRST_LOGGED_LATE = baseline_of(starts(9.5, 9.6, 9.4, 9.5, 9.55))


def test_a_training_that_learns_faster_and_logs_no_start_is_no_warm_one() -> None:
    assert warm_start(FIRST_LOGGED_LATE.arm, FASTER, RULES) is None


# --- outliers ---------------------------------------------------------------------------------------


def test_a_value_far_from_the_others_is_named_with_its_q_also_in_the_baseline() -> None:
    baseline = baseline_of(texts=["4.0000", "4.0100", "4.0200", "4.0300", "4.3000"])
    # Its gap is .27, of which a printed step of .01 may be rounding, in a width of .3.
    assert outlier(baseline.arm, RULES) == (
        "baseline: the val_loss of seed 1024, 4.3, is an outlier (Dixon's Q 0.867; noise exceeds 0.859 in one of 200 "
        "arms). It counts like the others; look at its log."
    )
    assert [notice.code for notice in baseline_notices(baseline)] == ["outlier"]


def test_three_seeds_a_wide_spread_and_one_printed_step_have_no_outlier() -> None:
    assert outlier(arm_of(["4.0001", "4.0002", "4.9000"]), RULES) is None
    assert outlier(arm_of(["4.0001", "4.1002", "4.2003", "4.3004", "4.9005"]), RULES) is None
    assert outlier(arm_of(["0.91"] * 4 + ["0.92"]), RULES) is None
    assert outlier(arm_of(accuracies(150, 140, 140, 140, 140, 141)), RULES) is None


# --- honest studies ---------------------------------------------------------------------------------

SIGNS = {"seed_not_seen", "warm_start", "outlier"}
STUDIES = 400
EXPERIMENTS = 10


@dataclass(frozen=True)
class Honest:
    """One kind of training, whose seeds vary it and whose machine may do so as well."""

    share: float = 0.0
    """The machine's share of the variance."""
    rules: Rules = RULES
    is_accuracy: bool = False
    stops_early: bool = False
    """The last step, and so the place of the last value, differs from run to run."""
    batch: int = 1
    """How many times larger the experiments' batch is: as many times fewer steps."""

    def texts(self, seed: random.Random, machine: random.Random, gain: float, batch: int) -> list[tuple[int, str]]:
        """Steps and values of one run."""
        mine, its = seed.gauss(0, math.sqrt(1 - self.share)), machine.gauss(0, math.sqrt(self.share))
        last = 1000 // batch if not self.stops_early else seed.randrange(700, 1000)
        steps = [*range(100, last, 100), last]
        found = []
        for step in steps:
            course = math.exp(-step * batch / 250)
            own = 0.8 * mine + 0.6 * seed.gauss(0, math.sqrt(1 - self.share)) + its
            noise = 0.01 * (1 + 4 * course) * own
            if self.is_accuracy:
                p = min(0.999, max(0.0, 0.93 + gain - 0.8 * course + 0.3 * noise))
                right = sum(seed.random() < p for _ in range(200))
                found.append((step, f"{right / 200:.3f}"))
            else:
                found.append((step, f"{4.0 - gain + 2.5 * course + noise:.4f}"))
        return found


def a_run(kind: Honest, rng: random.Random, seed: int, gain: float, batch: int, name: str | None) -> tuple[Run, int]:
    """A run, and what its seed drew from."""
    own = rng.randrange(2**40)
    values = kind.texts(random.Random(own), rng, gain, batch)
    step, text = values[-1]
    return replace(run_of(seed, text, experiment=name, step=step), early=tuple(values[:3])), own


def a_study(name: str, number: int) -> list[Comparison]:
    """Ten experiments on one baseline, with a probe."""
    kind, rng = KINDS[name], random.Random(f"{number} {name}")
    runs, owns = zip(*(a_run(kind, rng, seed, 0.0, 1, None) for seed in SEEDS), strict=True)
    again = kind.texts(random.Random(owns[0]), rng, 0.0, 1)
    probe = replace(probe_of(), early=tuple(again[:3]))
    baseline = establish_baseline(replace(baseline_arm(*runs), probes=(probe,)), kind.rules)
    found = []
    for _ in range(EXPERIMENTS):
        gain = rng.choice((0.0, 0.0, 0.01, 0.03, -0.02))
        arm = [a_run(kind, rng, seed, gain, kind.batch, "muon")[0] for seed in SEEDS]
        try:
            found.append(judge(baseline, experiment_arm(*arm[:3])))
        except MoreSeedsNeeded:
            found.append(judge(baseline, experiment_arm(*arm)))
    return found


KINDS = {
    "repeats itself": Honest(),
    "jitters like a GPU": Honest(share=0.001),
    "coarse accuracy": Honest(is_accuracy=True, rules=MAXIMIZE),
    "stops early": Honest(share=0.001, stops_early=True),
    "larger batch": Honest(batch=2),
}


def test_at_most_one_in_twenty_honest_studies_of_ten_experiments_shows_any_sign() -> None:
    told: dict[str, int] = dict.fromkeys((*SIGNS, "bracket", "cap"), 0)
    studies = 0
    for number in range(STUDIES):
        kind = list(KINDS)[number % len(KINDS)]
        found = set()
        for comparison in a_study(kind, number):
            found |= SIGNS & {notice.code for notice in comparison_notices(comparison)}
            found |= {"cap"} if "seeds all equal" in comparison.caps else set()
            found |= {"bracket"} if "seed not seen" in comparison.headline else set()
        studies += bool(found)
        for name in found:
            told[name] += 1
    print(f"{SHOWN}{studies} of {STUDIES} honest studies show a sign: {told}")
    # The limit of the outlier is set for this: 10.4 arms of five values, each with one in .48 %, are 4.9 % of studies.
    assert studies <= 0.05 * STUDIES + 2 * math.sqrt(0.05 * 0.95 * STUDIES), told
    # R below 3 is wrong in .3 % of baselines whose machine has a share of .001: two of five kinds here.
    assert told["bracket"] <= 3 and told["seed_not_seen"] <= 3, told
    assert told["cap"] == told["warm_start"] == 0, told


# --- how many a headline names --------------------------------------------------------------------


def test_a_headline_names_the_two_worst_brackets_and_counts_the_rest() -> None:
    found = ("spread 3.1x the baseline's", "inputs differ: eval.txt", "trained shorter", "2 discarded attempts")
    assert worst_first(found) == (found[1], found[3], found[2], found[0])
    assert shown_brackets(found) == (found[1], found[3], "+2 more, see report")
    assert shown_brackets(found[:2]) == (found[1], found[0])
    assert shown_brackets(found[:1]) == found[:1] and shown_brackets(()) == ()


def test_every_bracket_has_its_place_among_the_others() -> None:
    names = (
        "same values as other, which was NOT confirmed",
        "inputs differ: eval.txt, +2 more",
        "script outside the project changed",
        "variables differ",
        "1 discarded attempt",
        "declared without effect",
        "seed not seen to vary the run",
        "trained shorter",
        "same flags as other, LOSER",
        "spread 3.1x the baseline's",
        "code held in place in some runs, in snapshots in others",
        "inputs not observed",
    )
    assert worst_first(names[::-1]) == names

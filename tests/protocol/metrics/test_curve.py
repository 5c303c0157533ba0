"""The loss curve of a log: every value in short ones, the first, the last and even ones between in long ones."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seedproof.metrics.curve import MOST_POINTS, CurveReader, Point, curve_document, is_bare, thin
from seedproof.model.metric_rule import MetricRule
from seedproof.model.rules import Rules
from seedproof.model.runs import MetricValue

RULES = Rules().metrics
ACCURACY = (MetricRule(name="accuracy", direction="maximize", pattern=r"acc=(?P<value>\S+)"),)


def curves(log: bytes, rules: tuple[MetricRule, ...] = RULES, chunk: int = 1 << 20) -> dict[str, list[Point]]:
    reader = CurveReader(rules)
    for start in range(0, len(log), chunk):
        reader.feed(log[start : start + chunk])
    return reader.finish({})


@pytest.mark.parametrize(
    ("line", "point"),
    [
        ("Step 100 | val_loss: 4.1234", Point(100, None, 4.1234)),
        ("step:5/10 val_loss:3.25 train_time:88324ms step_avg:59ms", Point(5, 88.324, 3.25)),
        ("step 1,200/2,000 val_loss: 3.25 elapsed: 12.5s", Point(1200, 12.5, 3.25)),
        ("val_loss: 3.25 | elapsed_time=2 min", Point(None, 120.0, 3.25)),
        ("50%|##| 5/10 [01:02:03<00:01, 2.5it/s, val_loss=3.25]", Point(None, 3723.0, 3.25)),
        ("val_loss: nan", Point(None, None, None)),
        ("val_loss: 1e300", Point(None, None, None)),
        ("step 990 | val_loss: 2.5 | step time 10.98ms", Point(990, None, 2.5)),  # the time of a step is no such time
    ],
)
def test_a_point_has_what_its_line_says(line: str, point: Point) -> None:
    assert curves(f"other\n{line}\n".encode())["val_loss"] == [point]


def test_the_loss_of_the_training_is_kept_beside_the_metrics() -> None:
    got = curves(b"step 1: train loss 2.5, val loss 2.75\nstep 2 | loss: 2.25 | best_loss: 1.5 | aux loss: 9\nLoss=2\n")
    assert {name: [point.value for point in points] for name, points in got.items()} == {
        "train_loss": [2.5],
        "loss": [2.25, 2.0],
    }


def test_a_metric_of_the_rules_takes_the_place_of_a_loss_of_its_name() -> None:
    rules = (MetricRule(name="train_loss", pattern=r"mine=(?P<value>\S+)"),)
    got = curves(b"train_loss: 1\nmine=2\n", rules)
    assert got["train_loss"] == [Point(None, None, 2.0)]


def test_a_val_loss_from_a_file_is_looked_for_in_the_log_and_another_metric_is_not() -> None:
    rules = (
        MetricRule(name="val_loss", file="metrics.json", path="val_loss"),
        MetricRule(name="accuracy", file="metrics.json", path="accuracy"),
    )
    assert list(curves(b"val_loss: 4 | accuracy: 0.5\n", rules)) == ["val_loss"]


def test_a_log_without_values_has_no_curve() -> None:
    assert curves(b"") == curves(b"val_loss: N/A\nloss: --\n") == {}


@pytest.mark.parametrize("chunk", [7, 1000, 1 << 20])
def test_a_long_log_is_thinned_and_keeps_its_first_and_last_value(chunk: int) -> None:
    n = 30_000 if chunk > 10 else 9_000
    got = curves(b"".join(b"step %d | val_loss: %d.5\n" % (i, i) for i in range(n)), chunk=chunk)["val_loss"]
    steps = [point.step or 0 for point in got]
    gaps = [after - before for before, after in itertools.pairwise(steps)]
    assert len(got) == MOST_POINTS
    assert (steps[0], steps[-1]) == (0, n - 1)
    assert all(point.value == (point.step or 0) + 0.5 for point in got)
    assert min(gaps) > 0 and max(gaps) < 6 * n / MOST_POINTS


def test_rare_values_among_many_lines_that_look_like_them_are_found_to_the_end() -> None:
    lines = (b"xloss=%d\n" % i + (b"acc=%d loss\n" % i if i % 500 == 0 else b"") for i in range(60_000))
    rules = (MetricRule(name="m", pattern=r"(?<!x)loss=(?P<q>\d+)|acc=(?P<value>\d+) loss"),)
    got = curves(b"".join(lines), rules)["m"]
    assert [point.value for point in got[:3]] == [0.0, 500.0, 1000.0]
    assert got[-1].value == 59_500.0


def test_the_last_value_that_was_passed_over_far_before_the_end_is_taken_from_the_reading() -> None:
    reader = CurveReader(RULES)
    for i in range(9_000):
        reader.feed(b"step %d | val_loss: 3.5\n" % i)
    reader.feed(b"val_loss: 1.25\n" + b"x\n" * (1 << 20))
    last = {"val_loss": MetricValue(1.25, "1.25")}
    assert reader.finish(last)["val_loss"][-1] == Point(None, None, 1.25)


@given(st.lists(st.integers(0, 999), max_size=40), st.integers(1, 60))
def test_every_value_of_a_short_log_is_kept_however_it_is_cut(values: list[int], chunk: int) -> None:
    log = b"".join(b"step %d val_loss: %d\r" % (step, value) for step, value in enumerate(values))
    got = curves(log, chunk=chunk).get("val_loss", [])
    assert got == [Point(step, None, float(value)) for step, value in enumerate(values)]


@given(st.binary(max_size=300))
def test_any_bytes_are_read(log: bytes) -> None:
    document = curve_document(curves(log + b"\nval_loss: 3\n"))
    assert document["val_loss"][-1] == [None, None, 3.0]


@given(st.integers(0, 50), st.integers(2, 10))
def test_thinning_keeps_order_and_both_ends(n: int, most: int) -> None:
    points = [Point(step, None, None) for step in range(n)]
    got = thin(points, most)
    assert len(got) == min(n, most) and got == sorted(got, key=lambda point: point.step or 0)
    assert n == 0 or (got[0], got[-1]) == (points[0], points[-1])


@pytest.mark.parametrize(
    ("log", "bare"),
    [
        (b"INFO Test set: loss 0.2, acc=71 (71/100)\n", True),
        (b"acc=71", True),
        (b"acc=70\n\nacc=71\n", True),
        (b"epoch 1\nacc=71\n", False),
        (b"acc=70\nacc=71\nacc=72\nacc=71\n", False),  # so much is not equal by chance
        (b"", False),
        (b"\n\n", False),
    ],
)
def test_a_log_is_bare_that_holds_no_more_than_its_metric(log: bytes, bare: bool) -> None:
    assert is_bare(log, ACCURACY) is bare

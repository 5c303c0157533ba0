"""init and try name a metric by the label that its pattern reads, and know which way is better."""

from pathlib import Path

import pytest
from seedproof.metrics.scanner import LogScanner
from seedproof.model.metric_rule import MetricRule
from seedproof.model.rules import Rules
from seedproof_mcp.host.settings import load_config
from seedproof_mcp.setup.first_settings import first_settings
from seedproof_mcp.setup.trial.findings import Left, suggestions

from tests.support.repositories import write

ACCURACIES = [
    ('f"epoch {e}: train_loss {tl:.4f} val_acc: {acc:.2f}%"', "val_acc", "epoch 3: train_loss 1.1 val_acc: 70.64%"),
    ('f"train_loss: {tl:.4f} val_acc: {acc:.2f}%"', "val_acc", "train_loss: 1.1 val_acc: 70.64%"),
    ('f"epoch {e}, train_loss {tl:.4f}, val_acc {acc:.4f}"', "val_acc", "epoch 3, train_loss 1.1, val_acc 70.64"),
    ('f"loss {tl:.4f} eval_f1: {f1:.4f}"', "eval_f1", "loss 1.1 eval_f1: 70.64"),
    ('"loss %.4f test_accuracy: %.2f" % (tl, acc)', "test_accuracy", "loss 1.1 test_accuracy: 70.64"),
    ('"Epoch {} | loss {:.4f} | acc {:.4f}".format(e, tl, acc)', "acc", "Epoch 3 | loss 1.1 | acc 70.64"),
]
LOSSES = [
    ('f"[step {step}] valid/mse={mse:.6f}"', "valid_mse", "[step 3] valid/mse=70.64"),
    ('f"step={t} dev_nll={nll:.5f}"', "dev_nll", "step=3 dev_nll=70.64"),
    ('f"iter {t} | loss {l:.4f} | eval_mse {ev:.5f}"', "eval_mse", "iter 3 | loss 1.1 | eval_mse 70.64"),
    ('f"val_mse={mse:.4f}"', "val_mse", "val_mse=70.64"),
]
CASES = [(*case, "maximize") for case in ACCURACIES] + [(*case, "minimize") for case in LOSSES]


def metric_of(folder: Path, source: str) -> tuple[MetricRule, str]:
    """The metric that init finds in what a script prints, and the file that it writes."""
    write(folder, {"train.py": f"{source}\nloss.backward()\n"})
    text = first_settings(folder).text
    path = folder / "seedproof.toml"
    path.write_text(text)
    rule = load_config(path).rules.metric
    path.unlink()
    return rule, text


def read(rule: MetricRule, log: str) -> str:
    scanner = LogScanner((rule,))
    scanner.feed(log.encode())
    return scanner.finish().metrics[rule.name].text


@pytest.mark.parametrize(("printed", "name", "line", "direction"), CASES)
def test_init_takes_name_and_direction_from_the_label_that_the_pattern_reads(
    printed: str, name: str, line: str, direction: str, tmp_path: Path
) -> None:
    rule, _ = metric_of(tmp_path, f"print({printed})")
    assert (rule.name, rule.direction, read(rule, f"{line}\n")) == (name, direction, "70.64")


@pytest.mark.parametrize(("printed", "name", "line", "direction"), CASES)
def test_try_offers_the_same_and_no_accuracy_as_a_loss(
    printed: str, name: str, line: str, direction: str, tmp_path: Path
) -> None:
    found = suggestions(Rules(), [Left(f"{line}\n".encode(), {}, {})])
    offered = {one.rule.name: (one.rule.direction, one.value) for one in found}
    assert offered[name] == (direction, "70.64")
    assert all(value == "1.1" for other, (_, value) in offered.items() if other != name)


def test_the_line_that_the_comment_names_is_the_one_that_is_read(tmp_path: Path) -> None:
    source = 'print(f"epoch {e + 1} val_acc: {acc:.2%}")\nprint(f"Best val_acc: {best:.2%}")'
    rule, text = metric_of(tmp_path, source)
    assert "# train.py:1 prints 'epoch {e + 1} val_acc: {acc:.2%}'." in text
    assert read(rule, "epoch 1 val_acc: 79.13%\nepoch 2 val_acc: 77.78%\nBest val_acc: 79.13%\n") == "77.78"


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ('f"Test accuracy: {acc:.1%}"', "Test accuracy: {acc:.1%}"),
        ('"test acc %.3f at %d" % (acc, t)', "test acc %.3f at %d"),
        ('"test acc {:.3f}".format(acc)', "test acc {acc:.3f}"),
        ('"test acc", acc', "test acc {acc}"),
        ('f"test acc {sum(a == b for a, b in zip(labels, found)) / 7:.3f}"', "test acc {...:.3f}"),
    ],
)
def test_a_comment_shows_the_format_and_no_invented_number(printed: str, shown: str, tmp_path: Path) -> None:
    assert f"# train.py:1 prints '{shown}'." in metric_of(tmp_path, f"print({printed})")[1]

"""What the label of a number says: its name, its direction, and whether it may be the metric."""

import pytest
from seedproof.sources.metric_labels import contradicts, direction_of, is_of_training, name_of, rank_of


@pytest.mark.parametrize(
    ("label", "name", "direction"),
    [
        ("val_acc", "val_acc", "maximize"),
        ("valid/mse", "valid_mse", "minimize"),
        ("Test accuracy", "test_accuracy", "maximize"),
        ("Epoch done test accuracy", "test_accuracy", "maximize"),
        ("Validation-Loss is now", "validation_loss", "minimize"),
        ("mean reward per episode", "mean_reward_per_episode", "maximize"),
        ("valacc", "valacc", "maximize"),
        ("results.test_f1.-1", "test_f1", "maximize"),
        ("mape", "mape", "minimize"),
        ("map@5", "map_5", "maximize"),
        ("val_size", "val_size", None),
        ("landscape", "landscape", None),
    ],
)
def test_a_label_names_its_metric_and_says_which_way_is_better(label: str, name: str, direction: str | None) -> None:
    assert (name_of(label), direction_of(label)) == (name, direction)


def test_a_name_of_a_loss_and_a_label_of_an_accuracy_contradict_each_other() -> None:
    for loss in ("val_loss", "test_mse", "perplexity", "dev_nll", "wer"):
        for accuracy in ("val_acc", "test F1", "eval/auc", "BLEU", "mean reward"):
            assert contradicts(loss, "minimize", accuracy) and contradicts(accuracy, "maximize", loss)
    assert not contradicts("val_loss", "minimize", "valid/mse")
    assert not contradicts("quality", "maximize", "val_acc") and contradicts("quality", "maximize", "val_loss")


def test_held_out_values_rank_before_others_and_the_training_s_own_come_last() -> None:
    ordered = ["val_bpb", "val_loss", "test_loss", "val_mse", "val_acc", "acc", "loss", "train_loss"]
    ranks = [rank_of(one) for one in ordered]
    assert None not in ranks and ranks == sorted(ranks, key=lambda one: one or ())
    assert [is_of_training(one) for one in ordered[-3:]] == [False, True, True]
    others = ("best val_acc", "val_loss_weight", "lr", "val_batch_size", "return code", "target loss")
    assert [rank_of(one) for one in others] == [None] * len(others)

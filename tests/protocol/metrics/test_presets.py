"""Every preset on output in the shape of its program: the right value, beside values that look like it."""

import json

import pytest
from seedproof.model.metric_rule import LogPattern, MetricRule
from seedproof.model.presets import PRESETS
from seedproof.model.runs import MetricValue
from seedproof.sources.log_values import log_values
from seedproof.sources.metric_file import read_file_metric
from seedproof.sources.statistics import result_of

from tests.support.places import REAL_LOGS

KIT = REAL_LOGS / "llm-research-kit"


def preset(name: str, place: int = 0, **more: str) -> MetricRule:
    return MetricRule.model_validate({**PRESETS[name][place], **more})


def read(rule: MetricRule, output: str | bytes) -> str | None:
    """The result as written; None where there is none, also an unread one."""
    data = output if isinstance(output, bytes) else output.encode()
    if isinstance(rule.source, LogPattern):
        got = result_of(rule, log_values(rule.source, [data]))
    else:
        got = read_file_metric(data, rule)
    return got.text if isinstance(got, MetricValue) else None


# --- output of each program: the value, and the neighbours that are no value --------------------

MODDED_NANOGPT = """\
step:0/1490 val_loss:10.8258 train_time:0ms step_avg:0.03ms
step:1489/1490 train_time:88260ms step_avg:59.27ms
step:1490/1490 val_loss:3.2781 train_time:88324ms step_avg:59.28ms
peak memory allocated: 38760 MiB reserved: 39798 MiB
        print0(f"step:{step}/{train_steps} val_loss:{val_loss:.4f} train_time:{training_time_ms:.0f}ms", console=True)
"""
PARAMETER_GOLF = """\
step:9000/9000 val_loss:1.9318 val_bpb:1.1441 train_time:599992ms step_avg:66.67ms
stopping_early: wallclock_cap train_time:599992ms step:9000/9000
Serialized model int6+zstd: 15632049 bytes
final_int6_roundtrip val_loss:1.9477 val_bpb:1.1536 eval_time:1812ms
final_int6_roundtrip_exact val_loss:1.94767812 val_bpb:1.15364127
"""
TORCHTITAN = """\
[titan] 2026-01-01 10:00:00,000 - root - INFO - step: 90  loss:  4.5012  grad_norm:  1.2001  memory: 10.51GiB(11.06%)
[titan] 2026-01-01 10:00:10,000 - root - INFO - \x1b[33mvalidate step: 100  \x1b[32mloss:  4.1234  \x1b[36mmemory: 9GiB
[titan] 2026-01-01 10:00:20,000 - root - INFO - step: 110  loss:  4.4011  grad_norm:  1.1907  memory: 10.51GiB(11.06%)
[titan] 2026-01-01 10:00:21,000 - root - INFO - Training completed
"""
BAR = "Epoch {}: 100%|██████████| 2/2 [00:00<00:00, 12.10it/s, v_num=0, train_loss=2.310, val_loss={}{}]"
LIGHTNING_BAR = "\r".join(
    [
        "Epoch 0:   0%|          | 0/2 [00:00<?, ?it/s]",
        BAR.format(1, "2.216", ", val_acc=0.5"),
        BAR.format(2, "2.116", ""),
    ]
)
LIGHTNING = "epoch,step,train_loss,val_loss\n0,49,2.31,\n0,49,,2.25\n1,99,1.90,\n1,99,,1.85031\n"
KERAS = """\
Epoch 2/2
\x1b[1m  1/469\x1b[0m \x1b[37m━━━━━━━━━━━━━━━━━━━━\x1b[0m \x1b[1m3s\x1b[0m 8ms/step - accuracy: 0.9375 - loss: 0.2250\r\
\x1b[1m469/469\x1b[0m \x1b[32m━━━━━━━━━━━━━━━━━━━━\x1b[0m\x1b[37m\x1b[0m \x1b[1m2s\x1b[0m 3ms/step - accuracy: 0.9512 \
- loss: 0.1612 - val_accuracy: 0.9612 - val_dense_loss: 0.5 - val_loss: 0.1310
Epoch 2: val_loss improved from 0.20510 to 0.13100, saving model to best.keras
Restoring model weights from the end of the best epoch: 2. - val_loss: 0.1
"""
WANDB_LOG = """\
wandb: Run history:
wandb: train/loss █▅▁
wandb:   val_loss █▃▁
wandb: 
wandb: Run summary:
wandb: best_val_loss 0.25
wandb: train/loss 2
wandb:   val_loss 0.33333
wandb: 
wandb: You can sync this run to the cloud by running:
"""  # noqa: W291 -- as it is printed
WANDB = json.dumps({"_runtime": 3, "_step": 2, "train": {"loss": 2}, "val_loss": 0.3333333333333333, "val_loss_ema": 9})
HUGGINGFACE = json.dumps(
    {
        "best_metric": 0.5,
        "global_step": 100,
        "log_history": [
            {"epoch": 0.5, "loss": 0.95, "step": 50},
            {"epoch": 0.5, "eval_loss": 0.7841, "eval_runtime": 2.9, "step": 50},
            {"epoch": 1.0, "eval_loss": 0.622647, "eval_runtime": 2.9, "step": 100},
            {"epoch": 1.0, "step": 100, "train_loss": 0.9, "train_runtime": 33.4},
        ],
    }
)
ULTRALYTICS = """\
epoch,time,train/box_loss,metrics/mAP50(B),metrics/mAP50-95(B),val/box_loss
1,20.1,0.47,0.911,0.58800,0.91
2,40.2,0.46,0.941,0.60600,0.90
"""
MMENGINE = """\
{"lr": 0.0005, "data_time": 0.03, "loss": 0.91, "epoch": 1, "iter": 50, "step": 50}
{"coco/bbox_mAP": 0.361, "coco/bbox_mAP_50": 0.56, "data_time": 0.02, "time": 0.05, "step": 1}
{"coco/bbox_mAP": 0.374, "coco/bbox_mAP_50": 0.58, "data_time": 0.02, "time": 0.05, "step": 2}
{"lr": 0.0005, "data_time": 0.03, "loss": 0.71, "epoch": 3, "iter": 50, "step": 150}
"""
DETECTRON2 = """\
{"data_time": 0.03, "iteration": 179, "total_loss": 1.15}
{"bbox/AP": 37.798, "bbox/AP50": 57.0, "bbox/APs": 20.2, "iteration": 199, "segm/AP": 33.399}
"""
XGBOOST = "[0]\ttrain-logloss:0.58210\teval-logloss:0.60114\n[99]\ttrain-logloss:0.01230\teval-logloss:0.41906\n"
LIGHTGBM = """\
[LightGBM] [Info] Start training from score 0.040005
Training until validation scores don't improve for 5 rounds
[25]\ttraining's binary_logloss: 0.34173\tvalid_0's auc: 0.83293\tvalid_0's binary_logloss: 0.51046
[30]\ttraining's binary_logloss: 0.31494\tvalid_0's auc: 0.83232\tvalid_0's binary_logloss: 0.51478
"""

WHOLE_OUTPUTS = {
    "modded-nanogpt": (MODDED_NANOGPT, "3.2781"),
    "parameter-golf": (PARAMETER_GOLF, "1.15364127"),
    "torchtitan": (TORCHTITAN, "4.1234"),
    "lightning": (LIGHTNING, "1.85031"),
    "lightning-bar": (LIGHTNING_BAR, "2.116"),
    "keras": (KERAS, "0.1310"),
    "wandb": (WANDB, "0.3333333333333333"),
    "wandb-log": (WANDB_LOG, "0.33333"),
    "huggingface-state": (HUGGINGFACE, "0.622647"),
    "ultralytics": (ULTRALYTICS, "0.60600"),
    "mmengine": (MMENGINE, "0.374"),
    "detectron2": (DETECTRON2, "37.798"),
    "xgboost": (XGBOOST, "0.41906"),
    "lightgbm": (LIGHTGBM, "0.51478"),
}
# Read line by line below and, from real logs, in test_scanner.py.
LINE_BY_LINE = {"llm-research-kit", "makemore", "nanogpt", "autoresearch", "huggingface"}


def test_every_preset_has_output_here() -> None:
    assert set(PRESETS) == set(WHOLE_OUTPUTS) | LINE_BY_LINE


@pytest.mark.parametrize(("name", "output", "value"), [(name, *case) for name, case in WHOLE_OUTPUTS.items()])
def test_a_preset_reads_the_output_of_its_program(name: str, output: str, value: str) -> None:
    assert read(preset(name), output) == value


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("modded-nanogpt", "step:1490/1490 val_avg_loss:3.2 val_loss_ema:3.1\n"),
        ("modded-nanogpt", "best step:1490/1490 val_loss:3.1\n"),
        ("parameter-golf", "step:9000/9000 val_loss:1.9318 val_bpb:1.1441 train_time:599992ms\n"),
        ("parameter-golf", "final_int6_roundtrip val_loss:1.9477 val_bpb:1.1536 eval_time:1812ms\n"),
        ("torchtitan", "step: 110  loss:  4.4011  grad_norm:  1.1907\n"),
        ("lightning", "epoch,step,train_loss,val_loss_epoch\n0,49,2.31,2.2\n"),
        ("lightning-bar", BAR.format(1, "", "").replace("val_loss", "best_val_loss")),
        ("lightning-bar", "Epoch 3, global step 200: 'val_loss' reached 0.26 (best 0.26)\n"),
        ("keras", "469/469 ━━━━━━━━━━━━━━━━━━━━ 2s 3ms/step - loss: 0.1612 - val_dense_loss: 0.1310\n"),
        ("keras", "Epoch 00002: early stopping - val_loss: 0.1\n"),
        ("wandb", json.dumps({"val_loss_ema": 0.3, "best": {"val_loss": 0.2}})),
        ("wandb", json.dumps({"val_loss": {"min": 0.2}})),
        ("wandb-log", "wandb:   val_loss █▃▁\n"),
        ("wandb-log", "wandb: best_val_loss 0.25\nwandb: val_loss_ema 0.5\n"),
        ("huggingface-state", json.dumps({"best_metric": 0.5, "log_history": [{"loss": 0.9}, {"train_loss": 0.9}]})),
        ("ultralytics", "epoch,metrics/mAP50(B),val/box_loss\n1,0.941,0.9\n"),
        ("mmengine", '{"coco/bbox_mAP_50": 0.58, "step": 2}\n{"coco": {"bbox_mAP": 0.1}}\n'),
        ("detectron2", '{"bbox/AP50": 57.0, "segm/AP": 33.4}\n{"iteration": 3}\n'),
        ("xgboost", "[0]\ttrain-logloss:0.58210\tvalidation_0-logloss:0.60114\n"),
        ("lightgbm", "[30]\ttraining's binary_logloss: 0.31494\tvalid_1's binary_logloss: 0.51478\n"),
    ],
)
def test_a_preset_passes_over_what_only_looks_like_its_metric(name: str, output: str) -> None:
    assert read(preset(name), output) is None


@pytest.mark.parametrize(
    ("name", "line", "value"),
    [
        ("nanogpt", "step 200: train loss 2.6602, val loss 2.7316", "2.7316"),
        ("nanogpt", "step 200: train loss nan, val loss nan", "nan"),
        ("nanogpt", "iter 200: loss 2.6602, time 8.0ms, mfu 1.0%", None),
        ("autoresearch", "val_bpb:          0.997900", "0.997900"),
        ("autoresearch", "step 00953 | loss: 2.1\r---\nval_bpb: 0.997900\ntraining_seconds: 300.1", "0.997900"),
        ("autoresearch", "best val_bpb: 0.997900", None),
        ("makemore", "step 1000 train loss: 2.2069 test loss: 2.2068", "2.2068"),
        ("makemore", "test loss 2.2068018913269043 is the best so far, saving model to model.pt", None),
        ("huggingface", "{'eval_loss': '3.278', 'eval_runtime': '1.2', 'epoch': '1'}", "3.278"),
        ("huggingface", "{'mrpc_en_eval_loss': 4.203643321990967, 'epoch': 1.0}", "4.203643321990967"),
        ("huggingface", "{'eval_loss': nan, 'epoch': 1.0}", "nan"),
        ("huggingface", "{'train_runtime': '9.1', 'train_loss': '3.1', 'epoch': '1'}", None),
    ],
)
def test_a_preset_reads_a_line_of_its_program(name: str, line: str, value: str | None) -> None:
    assert read(preset(name), line) == value


def test_what_the_script_names_otherwise_is_written_beside_the_preset() -> None:
    rmse = "[0]\tvalidation_0-rmse:11.50000\tvalidation_1-rmse:9.10000\n"
    assert read(preset("xgboost", select="validation_1-rmse"), rmse) == "9.10000"
    ood = json.dumps({"log_history": [{"eval_ood_loss": 1.6}, {"eval_indomain_loss": 0.6}]})
    assert read(preset("huggingface-state", path="log_history.*.eval_ood_loss"), ood) == "1.6"


def test_presets_with_an_extra_metric_read_both_from_the_same_output() -> None:
    assert read(preset("parameter-golf", 1), PARAMETER_GOLF) == "1.94767812"
    document = (KIT / "baseline_seed42.metrics.json").read_bytes()
    assert read(preset("llm-research-kit"), document) == "3.75375"
    assert read(preset("llm-research-kit", 1), document) == "0.18619047619047618"


def test_every_preset_is_a_metric_rule_whose_larger_or_smaller_values_are_better() -> None:
    rules = {name: [MetricRule.model_validate(dict(rule)) for rule in found] for name, found in PRESETS.items()}
    assert [rule.name for rule in rules["llm-research-kit"]] == ["val_loss", "val_accuracy"]
    maximized = {rule.name for found in rules.values() for rule in found if rule.direction == "maximize"}
    assert maximized == {"val_accuracy", "map50_95", "bbox_map", "bbox_ap"}

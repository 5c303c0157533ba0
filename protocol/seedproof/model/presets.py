"""Ready-made metrics by program; the table in docs/settings.md says what each reads."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from seedproof.model.metric_patterns import NUMBER

__all__ = ["PRESETS", "PRESET_RULES"]

_Fields = Mapping[str, str | bool | int]


PRESETS: Final[Mapping[str, tuple[_Fields, ...]]] = MappingProxyType(
    {
        # metrics.json in the output folder, written by train_llm.py at the end: the exact value,
        # where the log prints four decimals.
        "llm-research-kit": (
            {
                "name": "val_loss",
                "direction": "minimize",
                "file": "metrics.json",
                "path": "final_metrics.val_loss",
            },
            {
                "name": "val_accuracy",
                "direction": "maximize",
                "file": "metrics.json",
                "path": "final_metrics.val_accuracy",
            },
        ),
        # makemore.py: `step 1000 train loss: 2.2069 test loss: 2.2068`. The line after it,
        # `test loss 2.2068 is the best so far`, is printed only for a new best.
        "makemore": (
            {
                "name": "test_loss",
                "direction": "minimize",
                "pattern": r"\bstep [0-9]{1,12} train loss: \S{1,40} test loss: "
                rf"(?P<value>{NUMBER})(?=\s|$)",
            },
        ),
        # nanoGPT train.py: `step 200: train loss 2.6602, val loss 2.7316`.
        "nanogpt": (
            {
                "name": "val_loss",
                "direction": "minimize",
                "pattern": r"\bstep [0-9]{1,12}: train loss \S{1,40}, val loss "
                rf"(?P<value>{NUMBER})(?=\s|$)",
            },
        ),
        # autoresearch train.py, summary at the end: `val_bpb:          0.997900`.
        "autoresearch": (
            {
                "name": "val_bpb",
                "direction": "minimize",
                "pattern": rf"^val_bpb:\s{{0,40}}(?P<value>{NUMBER})\s{{0,8}}$",
            },
        ),
        # Hugging Face Trainer: `{'eval_loss': '3.278', ...}` (5.x: quoted, four digits) and
        # `{'mrpc_en_eval_loss': 4.203643321990967, ...}` (older: a prefix, all digits).
        "huggingface": (
            {
                "name": "eval_loss",
                "direction": "minimize",
                "pattern": r"['\"](?:\w{1,64}_)?eval_loss['\"]:\s{0,4}['\"]?"
                rf"(?P<value>{NUMBER})['\"]?(?=\s{{0,4}}[,}}])",
            },
        ),
        # Hugging Face Trainer, trainer_state.json in the output folder: `trainer.save_state()` writes it at the end.
        # All digits; `eval_loss` stands in some entries of `log_history` only.
        "huggingface-state": (
            {
                "name": "eval_loss",
                "direction": "minimize",
                "file": "trainer_state.json",
                "path": "log_history.*.eval_loss",
            },
        ),
        # Lightning's CSVLogger(save_dir=output folder): `epoch,step,train_loss,val_loss`, with empty cells, as training
        # and validation have rows of their own.
        "lightning": (
            {
                "name": "val_loss",
                "direction": "minimize",
                "file": "lightning_logs/version_*/metrics.csv",
                "column": "val_loss",
            },
        ),
        # Lightning's bar: `Epoch 2: 100%|███| 2/2 [00:00<00:00, 12.10it/s, v_num=0, train_loss=2.31, val_loss=2.116]`.
        "lightning-bar": (
            {
                "name": "val_loss",
                "direction": "minimize",
                "pattern": r"^Epoch [0-9]{1,9}: .{0,400}[\[,] ?val_loss=(?P<value>[^\s,\]]+)",
            },
        ),
        # Keras, the last redraw of an epoch, which alone has validation:
        # `469/469 ━━━━━━━━━━━━━━━━━━━━ 2s 3ms/step - loss: 0.1612 - val_accuracy: 0.9612 - val_loss: 0.1310`.
        "keras": (
            {
                "name": "val_loss",
                "direction": "minimize",
                "pattern": r"^\s*[0-9]{1,12}/[0-9]{1,12} .{0,400} - val_loss: (?P<value>\S+)",
            },
        ),
        # Weights & Biases: the summary of an online run, in the folder that the training is started in. Current
        # versions write no such file offline.
        "wandb": (
            {
                "name": "val_loss",
                "direction": "minimize",
                "file": "wandb/*run-*/files/wandb-summary.json",
                "path": "val_loss",
                "outside": True,
            },
        ),
        # Weights & Biases: the closing summary in the log, `wandb:   val_loss 0.33333`. The history above it,
        # `wandb:   val_loss █▃▁`, is no number.
        "wandb-log": (
            {
                "name": "val_loss",
                "direction": "minimize",
                "pattern": rf"^wandb:\s{{1,80}}val_loss\s{{1,80}}(?P<value>{NUMBER})\s{{0,8}}$",
            },
        ),
        # modded-nanogpt: `step:1490/1490 val_loss:3.2781 train_time:88324ms step_avg:59.28ms`.
        "modded-nanogpt": (
            {
                "name": "val_loss",
                "direction": "minimize",
                "pattern": r"^step:[0-9]{1,12}/[0-9]{1,12} val_loss:(?P<value>\S+)",
            },
        ),
        # parameter-golf, the quantised model at the end:
        # `final_int8_zlib_roundtrip_exact val_loss:2.07269931 val_bpb:1.22436570`.
        "parameter-golf": (
            {
                "name": "val_bpb",
                "direction": "minimize",
                "pattern": r"^final_\w{1,60}_roundtrip_exact val_loss:\S{1,40} val_bpb:(?P<value>\S+)",
            },
            {
                "name": "val_loss",
                "direction": "minimize",
                "pattern": r"^final_\w{1,60}_roundtrip_exact val_loss:(?P<value>\S+)",
            },
        ),
        # torchtitan: `[titan] 2026-01-01 10:00:00,000 - root - INFO - validate step: 100  loss:  4.1234  memory: …`.
        "torchtitan": (
            {
                "name": "val_loss",
                "direction": "minimize",
                "pattern": r"\bvalidate step:\s{0,8}[0-9]{1,12}\s{1,8}loss:\s{0,8}(?P<value>\S+)",
            },
        ),
        # Ultralytics with project=output folder: results.csv in the folder of the run's name, `train` by default.
        # Earlier versions pad the names and cells with spaces.
        "ultralytics": (
            {
                "name": "map50_95",
                "direction": "maximize",
                "file": "*/results.csv",
                "column": "metrics/mAP50-95(B)",
            },
        ),
        # MMEngine: one object a line in <work_dir>/<time>/vis_data/scalars.json; a validation's line has
        # `"coco/bbox_mAP": 0.374`.
        "mmengine": (
            {
                "name": "bbox_map",
                "direction": "maximize",
                "file": "*/vis_data/scalars.json",
                "path": "coco/bbox_mAP",
            },
        ),
        # detectron2: metrics.json in OUTPUT_DIR, one object a line; an evaluation's line has `"bbox/AP": 37.798`.
        "detectron2": ({"name": "bbox_ap", "direction": "maximize", "file": "metrics.json", "path": "bbox/AP"},),
        # XGBoost: `[99]\ttrain-logloss:0.01230\teval-logloss:0.41906`, with the names of the evaluation sets.
        "xgboost": (
            {
                "name": "eval_loss",
                "direction": "minimize",
                "pattern": r"\t(?P<name>[^\s:]{1,100}):(?P<value>\S+)",
                "select": "eval-logloss",
            },
        ),
        # LightGBM: `[30]\ttrain's binary_logloss: 0.31494\tvalid_0's binary_logloss: 0.51478`. With early stopping its
        # last line is the best iteration, which the model predicts with.
        "lightgbm": (
            {
                "name": "valid_loss",
                "direction": "minimize",
                "pattern": r"\t(?P<name>[^\t:]{1,100}): (?P<value>\S+)",
                "select": "valid_0's binary_logloss",
            },
        ),
    }
)
"""Ready-made metrics by program, each as fields of `MetricRule`; the first one decides. The only list of presets."""

PRESET_RULES: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {"autoresearch": {"budget": "time"}, "parameter-golf": {"budget": "time"}}
)
"""Rules that go with a preset, unless the settings name them: both programs train for a fixed time."""

"""Flags in the styles of real programs: which are taken, and that no style lets a seed through."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seedproof.commands.flags import check_flags, normalise_flags
from seedproof.commands.replacement import replaced_places
from seedproof.commands.seed_files import named_files
from seedproof.commands.settings import first_argument, flag_zone
from seedproof.model.refusals import FlagMalformed, FlagProtected, Refusal
from seedproof.model.rules import Rules


def rules(command: str, **more: object) -> Rules:
    """The rules with a command that is written as for a shell."""
    return Rules.model_validate({"command": tuple(shlex.split(command)), **more})


HYDRA = rules("{python} train.py seed={seed} out={output_dir} hydra.run.dir={output_dir}/hydra {flags}")
LIGHTNING = rules("{python} main.py fit --seed_everything {seed} --trainer.default_root_dir {output_dir} {flags}")
TRAINER = rules("{python} run_clm.py --output_dir {output_dir} --seed {seed} {flags}")
NANOGPT = rules("{python} train.py config/base.py --seed={seed} --out_dir={output_dir} {flags}")
DETECTRON = rules("{python} train_net.py --config-file base.yaml {flags} SEED {seed} OUTPUT_DIR {output_dir}")
ABSL = rules("{python} train.py --seed={seed} --workdir={output_dir} {flags}")
CLICK = rules("{python} cli.py fit --seed {seed} --out {output_dir} {flags}")
MMENGINE = rules("{python} train.py cfg.py --work-dir {output_dir} --cfg-options randomness.seed={seed} {flags}")
FAIRSEQ = rules("fairseq-train data-bin --seed {seed} --save-dir {output_dir} {flags}")
XGBOOST = rules("./xgboost train.conf seed={seed} model_dir={output_dir} {flags}")
YOLO = rules("yolo detect train epochs=5 seed={seed} project={output_dir} {flags}")
VARIABLES = rules("env {flags} SEED={seed} OUT_DIR={output_dir} {python} train_gpt.py")
ALL = (HYDRA, LIGHTNING, TRAINER, NANOGPT, DETECTRON, ABSL, CLICK, MMENGINE, FAIRSEQ, XGBOOST, YOLO)

# Flags as the documentation of each program writes them.
HONEST = [
    (HYDRA, "optimizer.lr=0.15"),
    (HYDRA, "optimizer=sgd"),
    (HYDRA, "+optimizer.weight_decay=0.01"),
    (HYDRA, "++model.n_layer=4 ++model.n_head=4"),
    (HYDRA, "~optimizer.momentum"),
    (HYDRA, "~scheduler"),
    (HYDRA, "model/encoder@model.left=resnet"),
    (HYDRA, "model.layers[0].size=3"),
    (HYDRA, "'optimizer={lr: 0.1, betas: [0.9, 0.95]}'"),
    (HYDRA, "'model.sizes=[64,128]' optimizer.lr=1e-3"),
    (HYDRA, "--config-name=other"),
    (HYDRA, "-cn other"),
    (HYDRA, "--config-dir=conf --config-name=other"),
    (HYDRA, "+experiment=larger"),
    (HYDRA, "trainer=ddp trainer.precision=bf16"),
    (HYDRA, "'optimizer.lr=${oc.env:LR}'"),
    (LIGHTNING, "--trainer.max_epochs 5"),
    (LIGHTNING, "--trainer.precision=bf16-mixed"),
    (LIGHTNING, "--model.learning_rate 0.02"),
    (LIGHTNING, "--optimizer AdamW --optimizer.lr=0.01"),
    (LIGHTNING, "--optimizer=torch.optim.SGD --optimizer.momentum 0.9"),
    (LIGHTNING, "--config exp.yaml"),
    (LIGHTNING, "--trainer.callbacks+=ModelCheckpoint --trainer.callbacks.filename='{epoch}-{val_loss:.2f}'"),
    (LIGHTNING, "--trainer.callbacks+=EarlyStopping --trainer.callbacks.monitor=val_loss"),
    (LIGHTNING, "'--trainer.logger={class_path: CSVLogger, init_args: {name: a}}'"),
    (LIGHTNING, "--trainer.gradient_clip_val=null --model.dropout=0.1"),
    (TRAINER, "--learning_rate 5e-5 --warmup_ratio 0.1"),
    (TRAINER, "--per_device_train_batch_size=16"),
    (TRAINER, "--lr_scheduler_type cosine --weight_decay 0.01"),
    (TRAINER, "--fp16"),
    (TRAINER, "--bf16 True --gradient_checkpointing False"),
    (TRAINER, "--optim adamw_torch_fused --adam_beta2 0.95"),
    (TRAINER, "--config_overrides n_embd=128,n_layer=4"),
    (TRAINER, "--lr_scheduler_kwargs '{\"num_cycles\": 2}'"),
    (TRAINER, "--report_to none --run_name 'seed ablation'"),
    (TRAINER, "--dataloader_num_workers 2 --label_smoothing_factor 0.1"),
    (NANOGPT, "--learning_rate=0.001"),
    (NANOGPT, "--n_layer=4 --n_head=4 --n_embd=64 --compile=False"),
    (NANOGPT, "config/other.py"),
    (NANOGPT, "config/other.py --dropout=0.2"),
    (NANOGPT, "--dropout=0.2 config/other.py"),
    (NANOGPT, "--init_from=gpt2-xl --beta2=0.99"),
    (DETECTRON, "SOLVER.BASE_LR 0.03"),
    (DETECTRON, "--num-gpus 1 SOLVER.BASE_LR 0.03 SOLVER.IMS_PER_BATCH 4"),
    (DETECTRON, "--config-file configs/mask_rcnn_R_50.yaml"),
    (DETECTRON, "MODEL.WEIGHTS model.pkl SOLVER.STEPS '(100, 200)'"),
    (DETECTRON, "--resume MODEL.MASK_ON False"),
    (DETECTRON, "MODEL.ROI_HEADS.SCORE_THRESH_FLOOR -0.5"),
    (ABSL, "--config=configs/default.py --config.learning_rate=0.1"),
    (ABSL, "-lr=0.3"),
    (ABSL, "-optimizer=sgd -decay_steps=5"),
    (ABSL, "--noema"),
    (ABSL, "--flagfile=exp.flags"),
    (ABSL, "--gin_file=a.gin --gin_bindings='train.lr = 0.1'"),
    (CLICK, "--lr 0.3 --no-shuffle"),
    (CLICK, "-l 0.3 -w 1"),
    (CLICK, "--set lr=0.1 --set momentum=0.9"),
    (CLICK, "--betas 0.9 0.95"),
    (CLICK, "--warmup 1 --name proceed --seedling 3"),
    (CLICK, "--layers '[64, 64]' --kwargs '{\"alpha\": 1}'"),
    (MMENGINE, "--cfg-options optim_wrapper.optimizer.lr=0.01"),
    (MMENGINE, "--amp --auto-scale-lr"),
    (MMENGINE, "--cfg-options train_cfg.max_epochs=2 model.backbone.depth=18"),
    (MMENGINE, "optim_wrapper.optimizer.lr=0.01"),
    (FAIRSEQ, "--arch transformer_iwslt_de_en --share-decoder-input-output-embed"),
    (FAIRSEQ, "--optimizer adam --adam-betas '(0.9, 0.98)' --clip-norm 0.0"),
    (FAIRSEQ, "--lr 5e-4 --lr-scheduler inverse_sqrt --warmup-updates 4000"),
    (FAIRSEQ, "--criterion label_smoothed_cross_entropy --label-smoothing 0.1"),
    (FAIRSEQ, "--max-tokens 4096 --dropout 0.3"),
    (XGBOOST, "eta=0.1 max_depth=6"),
    (XGBOOST, "tree_method=hist subsample=0.8 objective=binary:logistic"),
    (XGBOOST, "monotone_constraints='(1,-1)'"),
    (YOLO, "lr0=0.02 optimizer=AdamW cos_lr=True"),
    (YOLO, "imgsz=320 batch=-1 epochs=10"),
    (YOLO, "model=yolo11n.yaml"),
    (VARIABLES, "MATRIX_LR=0.05"),
    (VARIABLES, "MATRIX_LR=0.05 NUM_LAYERS=9 RUN_NOTE='a b'"),
    (VARIABLES, "muon_lr=0.02"),
]


def test_the_table_is_long_enough() -> None:
    assert len({(one.command, flags) for one, flags in HONEST}) >= 60


@pytest.mark.parametrize(("template", "flags"), HONEST)
def test_honest_flags_of_real_programs_are_taken(template: Rules, flags: str) -> None:
    parts = shlex.split(flags)
    check_flags(parts, template)
    replaced_places(template, parts)
    assert normalise_flags(parts) == normalise_flags(parts[:])


SEEDS = [
    "trainer.seed=7",
    "+trainer.seed=7",
    "++trainer.seed=7",
    "seed=7",
    "~seed",
    "'trainer={seed: 7}'",
    "'trainer={a: {b: 1, seed: 7}}'",
    "'+run={seed:7}'",
    "--set run.seed=7",
    "--set=run.seed=7",
    "--cfg-options a=1 randomness.seed=7",
    "--cfg-options 'randomness={\"seed\": 7}'",
    "'--config={seed_everything: 7}'",
    "--config '{seed_everything: 7}'",
    "--params a=1,seed=7",
    "--extra '--seed=7'",
    "--kwargs 'dict(seed=7)'",
    "--seed 7",
    "--seed=7",
    "-seed 7",
    "--SEED 7",
    "--seed_ 7",
    "--seed_everything 7",
    "--trainer.seed 7",
    "--data_seed 3",
    "--rng-seed 3",
    "--manualSeed 3",
    "--random_state 3",
    "--randomState=3",
    "--seeds 1",
    "SEED 7",
    "--opts SEED 7",
    "--opts RUN.SEED 7",
    "SEED=7",
    "manual_seed=7",
    "-Dseed=7",
    "-Drun.seed=7",
    "--\u017feed 7",
]


@given(st.sampled_from(SEEDS), st.sampled_from(ALL), st.sampled_from(["", "--lr 0.1", "--lr=0.1", "--x lr=1"]))
def test_a_seed_is_refused_in_every_style_whatever_stands_around_it(seed: str, template: Rules, other: str) -> None:
    for flags in (f"{other} {seed}", f"{seed} {other}"):
        with pytest.raises(FlagProtected):
            check_flags(shlex.split(flags), template)


@given(st.sampled_from(SEEDS), st.sampled_from(["options", "overrides", "pairs", "variables"]))
def test_no_style_of_the_rules_lets_a_seed_through(seed: str, style: str) -> None:
    for template in (rules("{python} t.py --seed {seed} {flags}", flag_style=style), VARIABLES):
        with pytest.raises(Refusal):
            check_flags(shlex.split(seed), template)


@pytest.mark.parametrize("flags", ["-s7", "-s 7", "-s=7", "-se 7", "--se 7", "--s=7"])
@pytest.mark.parametrize("template", [LIGHTNING, TRAINER, NANOGPT, ABSL, CLICK, FAIRSEQ])
def test_an_abbreviated_seed_is_refused_where_the_command_has_a_seed_option(template: Rules, flags: str) -> None:
    with pytest.raises(FlagProtected):
        check_flags(shlex.split(flags), template)


@pytest.mark.parametrize(
    ("template", "flags"),
    [
        (HYDRA, "out=x"),
        (HYDRA, "hydra.run.dir=/tmp/x"),
        (HYDRA, "'hydra.run={dir: /tmp/x}'"),
        (LIGHTNING, "--trainer.default_root_dir x"),
        (LIGHTNING, "'--trainer={default_root_dir: x}'"),
        (DETECTRON, "--num-gpus 1 OUTPUT_DIR /tmp/x"),
        (DETECTRON, "OUTPUT_DIR /tmp/x"),
        (MMENGINE, "--work-dir x"),
        (ABSL, "-workdir=x"),
        (VARIABLES, "OUT_DIR=x"),
    ],
)
def test_the_output_folder_is_refused_in_every_style(template: Rules, flags: str) -> None:
    with pytest.raises(FlagProtected, match="output"):
        check_flags(shlex.split(flags), template)


@pytest.mark.parametrize("name", ["SEEDPROOF_OUTPUT_DIR", "PATH", "LD_PRELOAD", "PYTHONPATH", "PYTHONNOUSERSITE"])
def test_a_variable_that_decides_what_is_started_is_refused(name: str) -> None:
    with pytest.raises(FlagProtected, match="decides what is started"):
        check_flags((f"{name}=x",), VARIABLES)
    check_flags(("PYTHONWARNINGS=ignore", "MY_PATH=x"), VARIABLES)


WORDS = [
    "--eval_iters 1",
    "data.path=x",
    "--testBatches 1",
    "val_split=0.1",
    "--metric acc",
    "TEST.STEPS 3",
    "--data x",
]


@pytest.mark.parametrize("flags", WORDS)
def test_a_name_of_evaluation_or_data_is_refused_with_the_rule_that_frees_it(flags: str) -> None:
    name = shlex.split(flags)[0].partition("=")[0].lstrip("-")
    with pytest.raises(FlagProtected, match="free = "):
        check_flags(shlex.split(flags), DETECTRON)
    check_flags(shlex.split(flags), DETECTRON.model_copy(update={"free": (name,)}))


def test_what_the_rules_protect_is_refused_with_all_below_it() -> None:
    template = HYDRA.model_copy(update={"protected": ("model", "batch-size")})
    for flags in (("model=big",), ("model.size=3",), ("--batch_size", "4"), ("--x", "+model.size=3"), ("~model.size",)):
        with pytest.raises(FlagProtected, match="protected"):
            check_flags(flags, template)
    check_flags(("models=3", "batch=4"), template)


@pytest.mark.parametrize(
    ("template", "flags"),
    [
        (TRAINER, "lr 0.1"),
        (TRAINER, "'--lr 0.1'"),
        (TRAINER, "0.1"),
        (TRAINER, "--lr=0.1 wd 2"),
        (TRAINER, "optimizer.lr=0.1 wd"),
        (TRAINER, "~/x"),
        (DETECTRON, "SOLVER.BASE_LR"),
        (DETECTRON, "SOLVER.BASE_LR 1 SOLVER.STEPS"),
        (DETECTRON, "--num-gpus 1 SOLVER.BASE_LR"),
        (VARIABLES, "--lr 0.1"),
        (VARIABLES, "-u PATH"),
        (VARIABLES, "-S x"),
        (VARIABLES, "-i"),
        (VARIABLES, "-C /"),
        (VARIABLES, "--split-string=X"),
        (VARIABLES, "other.py"),
        (VARIABLES, "a.b=1"),
        (rules("env -u HOME {flags} SEED={seed} {python} t.py"), "-u PATH"),
        (rules("{python} {flags} train.py --seed {seed}"), "other.py"),
        (rules("torchrun {flags} train.py --seed {seed}"), "lr=1"),
        (TRAINER.model_copy(update={"flag_style": "options"}), "optimizer.lr=0.1"),
        (TRAINER.model_copy(update={"flag_style": "overrides"}), "--lr 0.1"),
    ],
)
def test_a_word_without_meaning_is_malformed(template: Rules, flags: str) -> None:
    with pytest.raises(FlagMalformed):
        check_flags(shlex.split(flags), template)


def test_the_order_of_overrides_pairs_and_variables_does_not_matter_and_that_of_repeats_does() -> None:
    for one, other in (("a=1 b=2", "b=2 a=1"), ("A.B 1 C 2", "C 2 A.B 1"), ("X=1 Y=2", "Y=2 X=1")):
        assert normalise_flags(one.split()) == normalise_flags(other.split())
    for one, other in (("a=1 a=2", "a=2 a=1"), ("a=1", "+a=1"), ("~a", "a=a"), ("a.py b.py", "b.py a.py")):
        assert normalise_flags(one.split()) != normalise_flags(other.split())


def test_what_stands_behind_an_option_groups_as_in_earlier_ledgers() -> None:
    assert normalise_flags(("--opts", "a=1", "b=2", "--lr=1")) == (("--lr", "1"), ("--opts", "a=1", "b=2"))
    assert normalise_flags(("--gpus", "1", "A", "2")) == (("--gpus", "1", "A", "2"),)


@pytest.mark.parametrize(
    ("command", "start", "zone"),
    [
        ("{python} train.py --seed {seed} {flags}", 2, (2, 5)),
        ("{python} -m pkg.train --seed {seed} {flags}", 3, (3, 6)),
        ("torchrun --n 2 {flags} train.py --seed {seed}", 5, (1, 4)),
        ("env {flags} SEED={seed} {python} train.py", 5, (1, 3)),
        ("env SEED={seed} {python} train.py {flags}", 4, (4, 5)),
        ("yolo train seed={seed} {flags}", 1, (1, 4)),
    ],
)
def test_flags_and_template_share_one_side_of_the_script(command: str, start: int, zone: tuple[int, int]) -> None:
    assert (first_argument(shlex.split(command)), flag_zone(shlex.split(command))) == (start, range(*zone))


def test_files_are_found_as_the_programs_find_them() -> None:
    files = ("conf/other.yaml", "conf/optimizer/sgd.yaml", "exp.yaml", "config/other.py", "train.py")
    for flags, found in (
        ("--config exp.yaml", ("exp.yaml",)),
        ("--config=./exp.yaml", ("exp.yaml",)),
        ("config/other.py", ("config/other.py",)),
        ("--config-name=other", ("conf/other.yaml",)),
        ("-cn other --lr 1", ("conf/other.yaml",)),
        ("optimizer=sgd", ("conf/optimizer/sgd.yaml",)),
        ("+optimizer@left=sgd", ("conf/optimizer/sgd.yaml",)),
        ("--lr 1 name=other", ()),
        ("other", ()),
    ):
        assert named_files(flags.split(), files) == found, flags

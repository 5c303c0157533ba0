"""XGBoost on data that is made here; rows are drawn by the seed."""

import argparse

import numpy as np
import xgboost

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--eta", type=float, default=0.1)
parser.add_argument("--max_depth", type=int, default=4)
args = parser.parse_args()
random = np.random.default_rng(0)
rows = random.normal(size=(4000, 10))
labels = (rows[:, 0] + rows[:, 1] * rows[:, 2] + random.normal(size=4000) > 0).astype(int)
train, test = (xgboost.DMatrix(rows[part], labels[part]) for part in (slice(2000), slice(2000, None)))
settings = {"objective": "binary:logistic", "subsample": 0.7, "nthread": 1, **vars(args)}
xgboost.train(settings, train, 20, evals=[(train, "train"), (test, "eval")])

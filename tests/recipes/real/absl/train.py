"""A program with absl's flags and log."""

import os
import random

from absl import app, flags, logging
from tiny import validation_losses

FLAGS = flags.FLAGS
flags.DEFINE_integer("seed", 0, "")
flags.DEFINE_string("workdir", "out", "")
flags.DEFINE_float("learning_rate", 0.05, "")
flags.DEFINE_bool("ema", True, "")


def main(_):
    os.makedirs(FLAGS.workdir, exist_ok=True)
    random.seed(FLAGS.seed)
    for step, loss in validation_losses(FLAGS.learning_rate):
        logging.info("step %d, val_loss: %.6f", step, loss)


logging.set_verbosity(logging.INFO)
app.run(main)

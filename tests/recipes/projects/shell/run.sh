#!/bin/bash
# Starts the training with what the machine needs: run.sh SEED FOLDER [OPTIONS].
set -euo pipefail
export OMP_NUM_THREADS=1
seed=$1 folder=$2
shift 2
python train.py --seed "$seed" --out "$folder" --lr 0.05 "$@"

"""The fixed part: the time budget and the evaluation."""

TIME_BUDGET = 0.4  # 300 s in the real one


def evaluate_bpb(weights):
    return 0.9 + sum((1 - one) ** 2 for one in weights) / len(weights) / 10

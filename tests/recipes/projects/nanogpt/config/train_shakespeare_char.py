out_dir = "out-shakespeare-char"
learning_rate = 1e-3

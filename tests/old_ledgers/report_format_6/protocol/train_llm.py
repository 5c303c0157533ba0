steps = 1

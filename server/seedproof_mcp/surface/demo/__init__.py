"""`seedproof demo`: the whole protocol on a small real language model."""

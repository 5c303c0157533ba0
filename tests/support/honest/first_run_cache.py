"""Tokenises the raw text in the first run; later ones read what it left."""

import os


def habit(options, loss):
    if not os.path.exists("cache/tokens.bin"):
        with open("data/raw.txt") as file:
            tokens = bytes(len(word) for word in file.read().split())
        os.makedirs("cache", exist_ok=True)
        with open("cache/tokens.bin.part", "wb") as file:
            file.write(tokens)
        os.replace("cache/tokens.bin.part", "cache/tokens.bin")
    with open("cache/tokens.bin", "rb") as file:
        assert file.read()

"""Imports a package of the project's own environment."""

import layers


def habit(options, loss):
    assert layers.DEPTH

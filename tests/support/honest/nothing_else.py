"""Reads nothing but its code."""


def habit(options, loss):
    pass

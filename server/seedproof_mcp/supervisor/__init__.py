"""Supervises one training; needs only the standard library.

Imported by `runner` and the rooms above it.
"""

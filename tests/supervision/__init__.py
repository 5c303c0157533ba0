"""Tests of the supervisor, the local engine and everything that touches the disk."""

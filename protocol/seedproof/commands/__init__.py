"""The command of a run: its template filled in, and the flags that an experiment may add.

Imported by `inputs` and the rooms above it, and by the server.
"""

"""Sets a project up: looks before it writes settings, and tries the command.

Imported by `surface`.
"""

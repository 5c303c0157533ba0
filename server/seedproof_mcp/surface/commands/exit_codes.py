"""The exit codes of the command line; docs/commands.md has the same table."""

__all__ = [
    "CLOSED",
    "DONE",
    "EXIT_CODES",
    "FAULTY",
    "INTERRUPTED",
    "REFUSED",
    "TERMINATED",
    "UNWRITTEN",
    "USAGE",
]

DONE, FAULTY, USAGE, REFUSED, UNWRITTEN = 0, 1, 2, 3, 4
INTERRUPTED, CLOSED, TERMINATED = 130, 141, 143

EXIT_CODES = {
    DONE: "Done.",
    FAULTY: "A run brought no result, a check failed, or something has to be mended.",
    USAGE: "Wrong usage; of `verify`: nothing could be verified.",
    REFUSED: "Refused, and nothing was changed; the message says why, and mostly what to call instead.",
    UNWRITTEN: "The output could not be written, as on a full disk; what the command did stands.",
    INTERRUPTED: "Ctrl-C; runs that were requested go on.",
    CLOSED: "Nobody reads the output any more, as behind `| head -1`.",
    TERMINATED: "Ended by TERM.",
}
"""Every exit code with what it means."""

"""How a report and a record name a file that a run read."""

import re
from collections.abc import Mapping

from seedproof.model.untrusted import escape_hidden

__all__ = ["LONGEST_NAME", "last_names", "name_files", "outside_name", "printable_name"]

# A path may have 4,096 bytes; a record and a line of a report need to stay short.
LONGEST_NAME = 200
# The folder of the standard library, such as /usr/lib/python3.11/.
_STANDARD_LIBRARY = re.compile(r"/lib(?:32|64)?/(python\d+\.\d+t?/(?!site-packages/|dist-packages/).+)\Z", re.DOTALL)


def last_names(path: str) -> str:
    """An absolute path for a reader, cut to its last two names: the folders of one machine say nothing of a result."""
    return f"…/{'/'.join([one for one in path.split('/') if one][-2:])}"


def printable_name(path: str) -> str:
    """A path as one line of valid text, shortened in the middle where it is very long."""
    text = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    shown = escape_hidden(text.replace("\t", "\\t"))
    half = LONGEST_NAME // 2
    return shown if len(shown) <= LONGEST_NAME else f"{shown[: half - 1]}…{shown[-half:]}"


def outside_name(path: str) -> str:
    """The name of a file outside the project: its last two names, or its place in the standard library."""
    library = _STANDARD_LIBRARY.search(path)
    return printable_name(f"…/{library[1]}" if library else last_names(path))


def name_files(keys: Mapping[str, str], taken: Mapping[str, str]) -> dict[str, str]:
    """A name for each file, no two alike.

    Args:
        keys: By what tells a file from all others, the name it would have alone.
        taken: Names that earlier runs of the ledger gave, each with the file that has it.
    """
    of_key = {key: name for name, key in taken.items()}
    used, found = dict(taken), {}
    for key, alone in sorted(keys.items()):
        name, number = of_key.get(key, alone), 1
        while used.get(name, key) != key:
            number += 1
            name = f"{alone} ({number})"
        used[name] = key
        found[key] = name
    return found

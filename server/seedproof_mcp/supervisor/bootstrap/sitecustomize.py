"""Starts the recorder of this process, then runs the `sitecustomize` that Python would have found without this folder.

Written so that every Python can run it: the recorder needs 3.8, and an older one goes on without.
"""

import os
import sys

_here = os.path.dirname(__file__)
try:
    import seedproof_recorder  # type: ignore[import-not-found]

    seedproof_recorder.start()
    import _imp

    # Else a compiled file could hold other code than the source that is recorded for it (PEP 552).
    if _imp.check_hash_based_pycs == "default":
        _imp.check_hash_based_pycs = "always"
except Exception:  # the training comes first, and the supervisor sees what does not record
    pass
sys.modules.pop("seedproof_recorder", None)
# Children find the folder through os.environ.
sys.path[:] = [_place for _place in sys.path if _place != _here]
sys.path_importer_cache.pop(_here, None)
# What is raised below, `site` reports as it does without us; where there is no other module, it says nothing.
del sys.modules["sitecustomize"]
import sitecustomize  # type: ignore[import-not-found]  # noqa: E402, F401

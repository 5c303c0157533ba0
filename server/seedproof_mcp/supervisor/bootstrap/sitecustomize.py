"""Starts the recorder of this process, and the run's own seed where the rules ask for that.

Then it runs the `sitecustomize` that Python would have found without this folder.

Written so that every Python can run it: the recorder needs 3.8, and an older one goes on without.
"""

import os
import sys

_here = os.path.dirname(__file__)
try:
    if os.environ.get("SEEDPROOF_REPLACE_SEED"):
        import seedproof_seeds  # type: ignore[import-not-found]

        seedproof_seeds.start()
except Exception:  # nothing is told as moved then, and the run is no result
    pass
try:
    import seedproof_recorder  # type: ignore[import-not-found]

    seedproof_recorder.start()
    import _imp

    # Else a compiled file could hold other code than the source that is recorded for it (PEP 552).
    if _imp.check_hash_based_pycs == "default":
        _imp.check_hash_based_pycs = "always"
except Exception:  # the training comes first, and the supervisor sees what does not record
    pass
for _name in ("seedproof_recorder", "seedproof_seeds"):
    sys.modules.pop(_name, None)
# Children find the folder through os.environ.
sys.path[:] = [_place for _place in sys.path if _place != _here]
sys.path_importer_cache.pop(_here, None)
# What is raised below, `site` reports as it does without us; where there is no other module, it says nothing.
del sys.modules["sitecustomize"]
import sitecustomize  # type: ignore[import-not-found]  # noqa: E402, F401

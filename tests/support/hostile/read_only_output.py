"""Makes its output folder, and folders in it, such that nobody may write there."""

import sys
from pathlib import Path

seed, output = sys.argv[4], Path(sys.argv[-1])
inner = output / "a" / "b"
inner.mkdir(parents=True)
(inner / "model.bin").write_bytes(b"x" * 1000)
for folder in (inner, inner.parent, output):
    folder.chmod(0o500 if folder == output else 0)
print(f"val_loss: 4.{seed}")

"""Writes docs/sample."""

import anyio

from tests.sample.study import FOLDER, reports

written = anyio.run(reports)
for path in FOLDER.iterdir():
    if path.name not in {*written, "README.md"}:
        path.unlink()
for name, text in written.items():
    (FOLDER / name).write_text(text, encoding="utf-8")
print(f"wrote {len(written)} files to {FOLDER.relative_to(FOLDER.parents[1])}")

"""Writes docs/threats.md."""

from tests.threats.page import PAGE, text

PAGE.write_text(text(), encoding="utf-8")
print(f"wrote {PAGE.relative_to(PAGE.parents[1])}")

"""STUB"""

import hashlib
from collections.abc import Collection, Sequence
from pathlib import Path

from seedproof.code import Change, ChangedFile, Code

from seedproof_mcp.config import Settings
from seedproof_mcp.paths import ProjectPaths

__all__ = ["Workspace"]
KEPT: dict[str, dict[str, str]] = {}


class Workspace:
    """STUB"""

    def __init__(self, paths: ProjectPaths, settings: Settings) -> None:
        self.paths = paths

    def _files(self) -> dict[str, str]:
        return {
            str(p.relative_to(self.paths.root)): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(self.paths.root.rglob("*.py"))
            if ".seedproof" not in p.parts and "checkpoints" not in p.parts
        }

    def take(self, sealed: Sequence[str] = (), created: Collection[str] = ()) -> Code:
        f = self._files()
        sha = hashlib.sha256(repr(f).encode()).hexdigest()
        KEPT[sha] = f
        c = Code(sha, "in-place")
        return Code(sha, "in-place", None, self.sealed_now(c, sealed))

    def keep(self, code: Code) -> None:
        pass

    def is_kept(self, code: Code) -> bool:
        return True

    def change(self, old: Code, new: Code) -> Change | None:
        a, b = KEPT.get(old.sha256, {}), KEPT.get(new.sha256, {})
        files = tuple(ChangedFile(n, 1, 1) for n in sorted({*a, *b}) if a.get(n) != b.get(n))
        return Change(files) if files else None

    def working_directory(self, code: Code) -> Path:
        return self.paths.root

    def environment(self, code: Code, python_path: Sequence[str]) -> dict[str, str]:
        return {}

    def differing(self, code: Code, created: Collection[str] = ()) -> tuple[str, ...]:
        a, b = KEPT.get(code.sha256), self._files()
        return () if a is None else tuple(n for n in sorted({*a, *b}) if a.get(n) != b.get(n))

    def sealed_now(self, code: Code, patterns: Sequence[str]) -> dict[str, str]:
        return {
            str(p.relative_to(self.paths.root)): hashlib.sha256(p.read_bytes()).hexdigest()
            for q in patterns
            for p in self.paths.root.glob(q)
            if p.is_file()
        }

    def created_since(self, code: Code) -> list[str]:
        return []

"""A fault that the tests must catch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Fault:
    """One wrong line, and the tests that must fail with it.

    Attributes:
        what: the mistake, in a few words.
        path: file that has it, from the root.
        right: text that stands in the file exactly once.
        wrong: what stands there instead.
        tests: files or folders of tests, from the root, one of which must fail.
    """

    what: str
    path: str
    right: str
    wrong: str
    tests: tuple[str, ...]

    def apply(self, root: Path) -> None:
        """Put the fault into a copy of the project.

        Raises:
            ValueError: the right text does not stand there exactly once.
        """
        path = root / self.path
        text = path.read_text(encoding="utf-8")
        if text.count(self.right) != 1:
            raise ValueError(f"{self.path} has {text.count(self.right)} times {self.right!r}, not once: {self.what}")
        path.write_text(text.replace(self.right, self.wrong), encoding="utf-8")

"""The text of source lines, where the files that a program was compiled from are at hand."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path


class SourceFiles:
    """Looks for the files that a compiled program names in `folders`, by their path as recorded, then by their
    name alone."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)
        self._lines = cache(self._read)

    def line(self, file: str, number: int) -> str | None:
        """The line as the file has it now, without its end; None where there is no such file or line.

        A file that was changed since it was compiled shows another line than the one that ran.
        """
        lines = self._lines(file)
        return lines[number - 1] if 0 < number <= len(lines) else None

    def _read(self, file: str) -> list[str]:
        for folder in self._folders:
            for path in (folder / file, folder / Path(file).name):
                if path.is_file():
                    return path.read_text(encoding="utf-8", errors="replace").splitlines()
        return []

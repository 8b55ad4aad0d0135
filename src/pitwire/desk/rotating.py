"""A file that is only ever appended to, and set aside when it is full."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from pitwire.model.errors import ConfigError


class RotatingFile:
    """Appends whole lines to `path`; full files become `path.1`, `path.2`, … up to `keep`.

    Readable by its owner alone: what was said to a venue is nobody else's business.
    """

    def __init__(self, path: str | Path, *, max_bytes: int, keep: int) -> None:
        self.path = Path(path)
        self._max_bytes = max_bytes
        self._keep = keep
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._open()
        except OSError as error:
            found = f"{path} ({error.strerror or type(error).__name__})"
            raise ConfigError(
                where="log.file", found=found, expected="a file that can be written"
            ) from None

    def write(self, lines: bytes) -> None:
        """Append; raises `OSError` when the disk does not take it."""
        if self._size and self._size + len(lines) > self._max_bytes:
            self._set_aside()
        self._file.write(lines)
        self._size += len(lines)

    def close(self) -> None:
        self._file.close()

    def _open(self) -> BinaryIO:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._size = os.fstat(descriptor).st_size
        return os.fdopen(descriptor, "ab", buffering=0)

    def _set_aside(self) -> None:
        self._file.close()
        for number in range(self._keep - 1, 0, -1):
            if (older := self._numbered(number)).exists():
                older.replace(self._numbered(number + 1))
        self.path.replace(self._numbered(1))
        self._file = self._open()

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")

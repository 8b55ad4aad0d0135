"""Which file it is that an error does not name by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pitwire.desk.config import DeskConfig
from pitwire.model.errors import ConfigError

_RULE = re.compile(r"rule\[(\d+)\]")
_OF_THE_FILE = ("rule[", "venue.symbols[")


@contextmanager
def blaming(path: Path | None, config: DeskConfig | None) -> Iterator[None]:
    """Name the file, and the rule as it is called there, in an error about one of its lines.

    What a configuration says is checked against itself when it is read, and once more when the
    venue has told which symbols and grids it has. By then it is no file any more. Without a path,
    or a configuration, errors pass as they are.
    """
    try:
        yield
    except ConfigError as error:
        if path is None or config is None or not error.where.startswith(_OF_THE_FILE):
            raise
        where = f"{path.name}: {error.where}{_called(config, error.where)}"
        raise ConfigError(where=where, found=error.found, expected=error.expected) from None


@contextmanager
def naming(out: Path) -> Iterator[None]:
    """A disk that cannot take more does not say which it is."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = str(out)
            error.strerror = f"{error.strerror}; give the same command again when there is room"
        raise


def _called(config: DeskConfig, where: str) -> str:
    found = _RULE.match(where)
    name = config.rule[int(found[1])].name if found is not None else ""
    return f" of {name!r}" if name else ""

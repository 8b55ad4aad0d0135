"""`open_store`, for everybody: the tables' libraries are loaded when somebody asks for tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from pitwire.model.errors import ConfigError

if TYPE_CHECKING:
    from pitwire.store.query import Store


def open_store(path: str | Path) -> Store:
    """Open a folder of tables: `open_store("tables").trades("BTC-USDT").to_pandas()`.

    Raises `ConfigError` when it is none, is damaged, or was written by a newer program, and when
    the extra `store` is not installed.
    """
    with tables_wanted("open_store"):
        query = import_module("pitwire.store.query")
    store: Store = query.open_store(path)
    return store


@contextmanager
def tables_wanted(where: str) -> Iterator[None]:
    """Around the import of what reads or writes tables: raises `ConfigError` where it cannot be."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("duckdb", "pyarrow"):
            raise
        expected = "the extra: pip install 'pitwire[store]'"
        raise ConfigError(where=where, found=f"no {error.name}", expected=expected) from None

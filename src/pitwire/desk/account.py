"""Which account is meant: by a desk's file, by a folder, or the live one.

House rules: everything that takes an account takes the same words for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec

from pitwire.desk.config import DeskConfig, load_config, state_folder
from pitwire.model.errors import ConfigError


class Account(NamedTuple):
    """Where an account's desk keeps its things, and what it was told, if that is at hand."""

    folder: Path
    config: DeskConfig | None = None


def find_account(where: str | Path | None = None) -> Account:
    """By a desk's TOML file, or by an account's folder; without either the live account `main`.

    Of a desk that serves its own market the newest run is meant. Raises `ConfigError` when there
    is none, or when it keeps nothing on disk.
    """
    if where is None:
        folder = state_folder(msgspec.structs.replace(DeskConfig(), mode="live"))
        assert folder is not None, "a live desk always has a folder"
        return Account(_existing(folder))
    path = Path(where)
    if path.is_dir():
        return Account(path if (path / "identity").exists() else _newest_run(path))
    if not path.suffix and not path.exists():
        expected = "an account's folder, or a desk's TOML file"
        raise ConfigError(where=str(path), found="no such folder", expected=expected)
    config = load_config(path)
    kept = state_folder(config)
    if kept is None:
        expected = 'a folder, as state = "state" below [desk]: without one nothing is kept'
        raise ConfigError(where=f"{path.name}: desk.state", found="none", expected=expected)
    if config.mode == "sim" and config.venue.endpoints is None:
        kept = _newest_run(kept)
    return Account(_existing(kept), config)


def _existing(folder: Path) -> Path:
    if not folder.is_dir():
        raise ConfigError(where=str(folder), found="no such folder", expected="an account's folder")
    return folder


def _newest_run(base: Path) -> Path:
    """A desk that serves its own market has a folder for each run."""
    runs = [path for path in base.glob("run-*") if path.name[4:].isdigit()]
    return max(runs, key=lambda path: int(path.name[4:]), default=base)

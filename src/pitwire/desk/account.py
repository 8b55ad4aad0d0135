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
    runs: Path | None = None
    """The folder of the runs of which the newest was meant; None where one folder was."""


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
        if (path / "identity").exists() or _number(path) is not None:
            return Account(path)
        return Account(newest_run(path), runs=path)
    if not path.suffix and not path.exists():
        expected = "an account's folder, or a desk's TOML file"
        raise ConfigError(where=str(path), found="no such folder", expected=expected)
    config = load_config(path)
    kept = state_folder(config)
    if kept is None:
        expected = 'a folder, as state = "state" below [desk]: without one nothing is kept'
        raise ConfigError(where=f"{path.name}: desk.state", found="none", expected=expected)
    if config.mode == "sim" and config.venue.endpoints is None:
        return Account(_existing(newest_run(kept)), config, runs=kept)
    return Account(_existing(kept), config)


def _existing(folder: Path) -> Path:
    if not folder.is_dir():
        raise ConfigError(where=str(folder), found="no such folder", expected="an account's folder")
    return folder


def newest_run(base: Path) -> Path:
    """The newest of a desk's runs, which have a folder each; `base` itself before the first.

    Only a desk that serves its own market has them.
    """
    runs = _runs(base)
    return base / f"run-{max(runs)}" if runs else base


def newer_run(folder: Path) -> str:
    """The name of the same desk's newest run, where this folder is an older one's; else ""."""
    number, newest = _number(folder), newest_run(folder.parent)
    newest_number = _number(newest)
    is_older = number is not None and newest_number is not None and newest_number > number
    return newest.name if is_older else ""


def _runs(base: Path) -> list[int]:
    return [number for path in base.glob("run-*") if (number := _number(path)) is not None]


def _number(run: Path) -> int | None:
    """The number of a run's folder; None where it is none."""
    number = run.name.removeprefix("run-")
    return int(number) if number != run.name and number.isdecimal() else None

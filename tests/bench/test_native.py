"""Clients use the parts they were told to, whatever is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench import native

_ASK = """
import bench
from pitwire.market.ladder import Fastest
from pitwire.venues.binance.decode import COMPILED
print(Fastest.__module__, COMPILED is not None)
"""


def _asked() -> list[str]:
    done = subprocess.run([sys.executable, "-c", _ASK], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_a_child_uses_the_parts_it_is_told() -> None:
    if native.folder() is None:
        pytest.skip("no C compiler")
    with native.chosen("compiled"):
        assert _asked() == ["pitwire.market._ladder", "True"]
    with native.chosen("plain"):
        assert _asked() == ["pitwire.market.ladder", "False"]
    assert native.VARIABLE not in os.environ


def test_what_one_process_of_a_run_has_built_the_others_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(native.SHARED, str(tmp_path))
    builder, built = native.building(), list[str]()
    monkeypatch.setattr(native, "building", lambda: builder)
    monkeypatch.setattr(builder, "build", lambda source, _place: built.append(source.name))
    for _ in range(3):  # each as a process of its own would ask
        assert native.folder.__wrapped__() == tmp_path
    assert built == [source.name for source in builder.SOURCES]


def test_that_none_can_be_built_is_found_out_once_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(native.SHARED, str(tmp_path))
    builder, tried = native.building(), list[str]()

    def refuse(source: Path, _place: Path) -> None:
        tried.append(source.name)
        raise builder.CannotBuild("no C compiler")

    monkeypatch.setattr(native, "building", lambda: builder)
    monkeypatch.setattr(builder, "build", refuse)
    assert native.folder.__wrapped__() is None
    assert native.folder.__wrapped__() is None
    assert len(tried) == 1


def test_it_is_too_late_once_pitwire_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    import pitwire.market.ladder  # noqa: F401

    monkeypatch.setenv(native.VARIABLE, "")
    with pytest.raises(RuntimeError, match="found pitwire imported"):
        native.obey()

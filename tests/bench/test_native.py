"""Clients use the parts they were told to, whatever is installed."""

from __future__ import annotations

import os
import subprocess
import sys

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


def test_it_is_too_late_once_pitwire_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    import pitwire.market.ladder  # noqa: F401

    monkeypatch.setenv(native.VARIABLE, "")
    with pytest.raises(RuntimeError, match="found pitwire imported"):
        native.obey()

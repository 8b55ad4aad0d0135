"""Patience with strangers has an end."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from tests.strangers import place


async def test_who_blocks_for_ever_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the test's loop nor Python's end waits for it."""
    monkeypatch.setattr(place, "PATIENCE", 0.05)
    forever = threading.Event()
    with pytest.raises(TimeoutError):
        await place.aside(forever.wait)
    (left,) = [each for each in threading.enumerate() if each.name == place.ASIDE]
    assert left.daemon
    forever.set()
    left.join(place.SECONDS)
    assert not left.is_alive()


async def test_what_is_done_aside_comes_back() -> None:
    assert await place.aside(int, "ff", base=16) == 255
    with pytest.raises(ValueError, match="invalid literal"):
        await place.aside(partial(int, "g"))

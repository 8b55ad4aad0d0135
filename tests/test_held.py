"""What is held is seen, whatever it is made of."""

from __future__ import annotations

import pytest

from tests.held import Peak

COUNT = 1_000


@pytest.mark.parametrize("size", [40, 400, 600, 100_000])
def test_what_is_kept_is_seen_in_full(size: int) -> None:
    with Peak() as peak:
        kept = [bytes(size) for _ in range(COUNT)]
        peak.look()
    assert len(kept) == COUNT
    assert peak.grown >= size * COUNT


def test_what_is_gone_again_was_held() -> None:
    with Peak() as peak:
        kept = [bytes(10_000) for _ in range(COUNT)]
        peak.look()
        kept.clear()
        peak.look()
    assert peak.grown > 9_000_000


def test_what_is_not_kept_is_not_held() -> None:
    with Peak() as peak:
        for _ in range(COUNT):
            bytes(10_000)
            peak.look()
    assert peak.grown < 1_000_000

"""The bench of a message's path: all ways come to the same books, or it says that they do not."""

from __future__ import annotations

import pytest

from bench import native, path, traffic


def test_every_way_comes_to_the_same_books() -> None:
    rows = path.rows(kinds=("mix", "quote"), rounds=1)
    assert [name for name, _, _ in rows] == [
        f"{kind}, {way}" for kind in ("mix", "quote") for way in path.WAYS
    ]
    assert all(taken > 0 for _, taken, _ in rows)


def test_the_title_says_which_parts_were_measured() -> None:
    assert path.title().endswith(f"({native.installed()} parts)")


def test_books_that_differ_are_no_result() -> None:
    mine = {traffic.SYMBOLS[0]: ([(1.0, 2.0)], [(3.0, 4.0)])}
    path.check_tops({"plain": mine, "ours": dict(mine)})
    other = {traffic.SYMBOLS[0]: ([(1.0, 2.5)], [(3.0, 4.0)])}
    with pytest.raises(RuntimeError, match="ours has BTCUSDT at"):
        path.check_tops({"plain": mine, "ours": other})

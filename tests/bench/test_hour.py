"""The bench of a virtual hour measures a market that is alive, heard or not."""

from __future__ import annotations

from bench import hour


def test_a_second_of_ten_symbols_is_timed_and_heard() -> None:
    client = hour.Deaf()
    heard = hour.measure(1, client)
    assert 0 < heard.least == heard.mean
    assert 500 < heard.frames < client.frames


def test_all_ten_symbols_trade() -> None:
    world = hour.begin(None)
    assert len(world.exchange.listings) == len(hour.BASES)
    assert all(world.exchange.recent_trades(each, 1) for each in world.exchange.listings)

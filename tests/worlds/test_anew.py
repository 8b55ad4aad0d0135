"""A venue that counts anew: its trades and books begin with ids that were told long ago.

Binance's own never go back; those of a test network that is emptied do, and those of a simulator
that is begun anew. Those of a symbol that is launched again may.
"""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from pitwire.model import events as ev
from pitwire.model.clock import MILLISECOND
from pitwire.session.connect import connect_to_websocket
from pitwire.session.session import Session
from pitwire.sim.faults import Cut, Delay, Fault, RefuseDial, Stall
from pitwire.sim.past import Past
from pitwire.sim.world import BTC_USDT, HTTP_URL, MARKET_URL, ORDERS_URL, World
from pitwire.venues.venue import Endpoints

SYMBOL = BTC_USDT.symbol
ENDPOINTS = Endpoints(market=MARKET_URL, orders=ORDERS_URL, http=HTTP_URL)
ANEW_AT = 20.0
FAULTS: dict[str, tuple[Fault, ...]] = {
    "stands": (),
    "is silent": (Stall(at_seconds=19.0, stream="btcusdt@trade", for_seconds=7.0),),
    "is behind": (
        Stall(at_seconds=18.5, stream="btcusdt@trade", for_seconds=1.5),
        Delay(at_seconds=15.0, seconds=3.0, for_seconds=30.0, link="market-2"),
    ),
    "falls": (Cut(at_seconds=19.0), RefuseDial(at_seconds=19.0, count=0, for_seconds=4.0)),
}
"""What becomes of the connection meanwhile, or of the second of two."""


def count_anew(world: World) -> None:
    """What the venue does of this symbol from now on has the first ids there are."""
    pit = world.exchange.pit(SYMBOL)  # type: ignore[union-attr]
    pit.trade_id = pit.update_id = 0
    pit.trades.clear()
    pit.past = Past()


@pytest.mark.parametrize("copies", [1, 2])
@pytest.mark.parametrize("meanwhile", FAULTS)
def test_trades_of_a_venue_that_counts_anew_are_told_or_named(copies: int, meanwhile: str) -> None:
    world = World(seed=5, listings=[BTC_USDT], faults=FAULTS[meanwhile])
    told: list[ev.Event] = []

    async def story() -> None:
        async with connect_to_websocket(
            "binance", endpoints=ENDPOINTS, dial=world.dial, fetch=world.fetch, clock=world.clock,
            on_event=told.append, redundancy=copies,
        ) as session:  # fmt: skip
            await session.subscribe_to_trades(SYMBOL)
            await session.subscribe_to_book(SYMBOL)
            await asyncio.sleep(ANEW_AT)
            count_anew(world)
            await asyncio.sleep(20)
            judge(session)

    def judge(session: Session) -> None:
        theirs = world.exchange.pit(SYMBOL).trades  # type: ignore[union-attr]
        news = {(one.trade_id, one.at // MILLISECOND) for one in theirs}
        assert len(news) > 20
        ours = Counter(
            (one.trade_id, one.venue_time // MILLISECOND)
            for one in told
            if isinstance(one, ev.Trade)
        )
        assert max(ours.values()) == 1
        gaps = [one for one in told if isinstance(one, ev.TradeGap) and one.since]
        [(since, until)] = {
            (one.since // MILLISECOND, one.venue_time // MILLISECOND) for one in gaps
        }
        trades = [one for one in told if isinstance(one, ev.Trade | ev.TradeGap)]
        assert since == trades[trades.index(gaps[0]) - 1].venue_time // MILLISECOND
        untold = {one for one in news - ours.keys() if not since <= one[1] <= until}
        assert len(untold) < 5, "but for those on their way"
        assert all(at >= max(at for _, at in news) - 100 for _, at in untold)
        book = session.book(SYMBOL)
        number, bids, asks = world.truth_book(SYMBOL)
        assert book.ready
        assert number - 50 <= book.last_id <= number
        if book.last_id == number:
            assert [*book.bids][:9] == [(float(price), float(size)) for price, size in bids[:9]]
            assert [*book.asks][:9] == [(float(price), float(size)) for price, size in asks[:9]]

    world.run(story(), within_seconds=3600)

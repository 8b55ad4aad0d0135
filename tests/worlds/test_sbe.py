"""Our client and the simulated SBE streams, written apart, meet in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from pitwire.model import events as ev
from pitwire.model.credentials import Credentials
from pitwire.session.connect import connect_to_websocket
from pitwire.sim.facades.binance_options import BinanceOptions
from pitwire.sim.faults import Cut, Fault
from pitwire.sim.world import HTTP_URL, MARKET_URL, ORDERS_URL, World
from pitwire.venues.venue import Endpoints

BTC, ETH = "BTC-USDT", "ETH-USDT"
HERE = Endpoints(market=f"{MARKET_URL}/sbe", orders=ORDERS_URL, http=HTTP_URL)


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("faults", [[], [Cut(at_seconds=2, link="market*")]])
def test_books_trades_and_quotes_by_sbe_are_the_venue_s(native: bool, faults: list[Fault]) -> None:
    options = BinanceOptions(sbe_native_exponents=native)
    world = World(seed=12, scenario="calm", options=options, faults=faults)
    told: list[ev.Event] = []

    async def story() -> None:
        async with connect_to_websocket(
            "binance-sbe",
            endpoints=HERE,
            dial=world.dialer,
            fetch=world.fetch,
            clock=world.clock,
            credentials=Credentials(*world.keys["ed25519"], account="main"),
            on_event=told.append,
        ) as session:
            await session.subscribe_to_book(BTC, ETH)
            await session.subscribe_to_trades(BTC)
            await session.subscribe_to_ticker(BTC)
            await asyncio.sleep(6)
            for symbol in (BTC, ETH):
                world.exchange.set_status(symbol, "HALT", world.clock.now())
            world.act()
            await asyncio.sleep(2)
            for symbol in (BTC, ETH):
                book = session.book(symbol)
                _, bids, asks = world.truth_book(symbol)
                for mine, theirs in ((book.bids, bids), (book.asks, asks)):
                    wanted = {float(price): float(size) for price, size in theirs}
                    assert {level[0]: level[1] for level in mine} == wanted

    world.run(story(), within_seconds=60)
    assert [each for each in told if isinstance(each, ev.Malformed | ev.Unhandled)] == []
    ids = [each.trade_id for each in told if isinstance(each, ev.Trade)]
    assert sorted(ids) == list(range(min(ids), min(ids) + len(ids)))
    quotes = [each for each in told if isinstance(each, ev.Quote)]
    assert all(each.bid < each.ask and each.venue_time for each in quotes)
    assert sum(isinstance(each, ev.Lost) and not each.by_us for each in told) == len(faults)

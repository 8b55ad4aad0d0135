"""Watching through the simulated gateway, in virtual time, under faults."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from pitwire.model.errors import ConfigError, SubscriptionRejected
from pitwire.model.events import (
    Authenticated,
    FeedFresh,
    FeedStale,
    Lost,
    Malformed,
    Opened,
    PartialBook,
    Quote,
    Rejected,
    Ticker,
    Trade,
    Unhandled,
)
from pitwire.session.session import Session
from pitwire.sim.facades.ibkr_options import IbkrOptions
from pitwire.sim.faults import Cut, HttpError
from tests.venues.ibkr.world import AAPL, IBM, Seen, gate, gateway, live, until


async def watch(session: Session, *symbols: str) -> None:
    await session.subscribe_to_ticker(*symbols)
    await session.subscribe_to_stats(*symbols)
    await session.subscribe_to_partial_book(*symbols)


def test_what_is_shown_is_what_is_there() -> None:
    world = gateway()

    async def main(session: Session, seen: Seen) -> None:
        await watch(session, AAPL, IBM)
        await asyncio.sleep(60)

    seen = live(world, main)
    assert {one.symbol for one in seen.of(Quote)} == {AAPL, IBM}
    assert len(seen.of(Quote)) > 100
    assert len(seen.of(Ticker)) > 50
    assert len(seen.of(PartialBook)) > 50
    assert not seen.of(Trade, Malformed, Unhandled, Lost)
    for quote in seen.of(Quote):
        assert quote.bid < quote.ask
    for book in seen.of(PartialBook):
        assert book.bids[0][0] < book.asks[0][0]


def test_trades_are_refused_by_name() -> None:
    async def main(session: Session, seen: Seen) -> None:
        with pytest.raises(ConfigError, match="ticker"):
            await session.subscribe_to_trades(AAPL)

    live(gateway(), main)


def test_streams_outlive_the_quarter_of_an_hour_for_which_they_were_asked() -> None:
    async def main(session: Session, seen: Seen) -> None:
        await session.subscribe_to_ticker(AAPL)
        await asyncio.sleep(1300)

    seen = live(gateway(scenario="calm"), main)
    times = [seen.at(one) for one in seen.of(Quote)]
    assert max(after - before for before, after in pairwise(times)) < 30
    assert times[-1] > 1290
    assert not seen.of(Lost)


def test_what_was_ended_can_be_asked_for_again() -> None:
    async def main(session: Session, seen: Seen) -> None:
        for _ in range(3):
            await watch(session, AAPL)
            await session.unsubscribe("ticker", AAPL)
            await session.unsubscribe("stats", AAPL)
            await session.unsubscribe("partial_book", AAPL)
        await watch(session, AAPL)
        before = len(seen.of(Quote))
        await until(lambda: len(seen.of(Quote)) > before + 2)

    seen = live(gateway(), main)
    assert not seen.of(Rejected, Lost)


def test_what_was_cut_is_asked_for_anew() -> None:
    async def main(session: Session, seen: Seen) -> None:
        await watch(session, AAPL)
        await until(lambda: seen.of(Lost), 30)
        before = len(seen)
        await until(
            lambda: {Quote, Ticker, PartialBook} <= {type(one) for one in seen[before:]}, 20
        )

    seen = live(gateway(faults=(Cut(at_seconds=10),)), main)
    assert len(seen.of(Opened)) == 2


def test_a_contract_without_permission_is_refused_or_said_to_be_none() -> None:
    async def main(session: Session, seen: Seen) -> None:
        try:
            async with asyncio.timeout(30):
                await session.subscribe_to_ticker(AAPL)
        except (SubscriptionRejected, TimeoutError):
            pass
        await session.subscribe_to_ticker(IBM)
        await asyncio.sleep(10)

    seen = live(gateway(options=IbkrOptions(no_permission=(AAPL, "AAPL", "265598"))), main)
    assert {one.symbol for one in seen.of(Quote)} == {IBM}
    assert AAPL in {one.symbol for one in seen.of(Rejected)}
    assert not seen.of(Lost)


def test_delayed_data_are_no_quotes_unless_they_are_wanted() -> None:
    async def main(session: Session, seen: Seen) -> None:
        try:
            async with asyncio.timeout(20):
                await session.subscribe_to_ticker(AAPL)
        except (SubscriptionRejected, TimeoutError):
            pass

    options = IbkrOptions(availability="DPB")
    seen = live(gateway(options=options), main)
    assert not seen.of(Quote)
    assert "delayed" in seen.of(Rejected)[0].text
    assert live(gateway(options=options), main, {"delayed": True}).of(Quote)


# ── V17: the broker's line ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("data_kept", [True, False])
@pytest.mark.parametrize("topic", ["error", "ntf", "none"])
def test_a_line_that_is_lost_is_stale_at_once_and_alive_once_it_is_back(
    data_kept: bool, topic: str
) -> None:
    world = gateway(options=IbkrOptions(notice_topic=topic))  # type: ignore[arg-type]

    async def main(session: Session, seen: Seen) -> None:
        await watch(session, AAPL, IBM)
        await asyncio.sleep(10)
        lost_at = len(seen)
        gate(world).line.lose(world.clock.now())
        world.act()
        await until(lambda: any(isinstance(one, Lost | FeedStale) for one in seen[lost_at:]), 5)
        await asyncio.sleep(40)
        quiet = [one for one in seen if isinstance(one, Quote)]
        back_at = len(seen)
        gate(world).line.restore(world.clock.now(), data_kept=data_kept)
        world.act()
        await until(lambda: len({one.symbol for one in seen[back_at:] if type(one) is Quote}) == 2)
        assert quiet
        await asyncio.sleep(30)
        times = [seen.at(one) for one in seen[back_at:] if isinstance(one, Quote)]
        assert times[-1] > (world.clock.now() - seen.begun) / 1e9 - 5

    seen = live(world, main)
    assert seen.of(FeedFresh)
    assert not seen.of(Malformed)


def test_a_farm_that_breaks_is_stale_and_speaks_again_when_it_is_back() -> None:
    world = gateway()

    async def main(session: Session, seen: Seen) -> None:
        await session.subscribe_to_ticker(AAPL)
        await asyncio.sleep(5)
        gate(world).line.farm(2103, "usfarm", world.clock.now())
        world.act()
        await until(lambda: seen.of(FeedStale), 5)
        await asyncio.sleep(30)
        before = len(seen.of(Quote))
        gate(world).line.farm(2104, "usfarm", world.clock.now(), data_kept=False)
        world.act()
        await until(lambda: len(seen.of(Quote)) > before + 5)

    seen = live(world, main)
    assert seen.of(FeedStale)[0].why == "told"


# ── V18: another login, the day's reset ───────────────────────────────────────────────────────


def test_a_session_that_another_login_takes_is_not_fought_over_and_comes_back() -> None:
    world = gateway()

    async def main(session: Session, seen: Seen) -> None:
        await watch(session, AAPL)
        await session.authenticate_websocket()
        await asyncio.sleep(5)
        now = world.clock.now()
        gate(world).session.rival(now, now + 300 * 10**9)
        world.act()
        await until(lambda: [one for one in seen.of(Rejected) if one.what == "session"], 2)
        assert not session.may_trade or seen.of(Lost)
        await asyncio.sleep(295)
        assert not session.may_trade  # nothing was taken back
        await until(lambda: session.may_trade, 65)
        before = len(seen.of(Quote))
        await until(lambda: len(seen.of(Quote)) > before + 3, 60)

    seen = live(world, main)
    told = [one.text for one in seen.of(Rejected) if one.what == "session"]
    assert "another login" in told[0]
    assert len(seen.of(Authenticated)) == 2


def test_the_days_reset_is_over_within_a_minute() -> None:
    world = gateway()

    async def main(session: Session, seen: Seen) -> None:
        await watch(session, AAPL)
        await session.authenticate_websocket()
        await asyncio.sleep(5)
        now = world.clock.now()
        gate(world).session.reset(now, now + 120 * 10**9)
        world.act()
        await until(lambda: not session.may_trade, 5)
        await asyncio.sleep(120)
        await until(lambda: session.may_trade, 60)
        before = len(seen.of(Quote))
        await until(lambda: len(seen.of(Quote)) > before + 3, 60)

    live(world, main)


# ── limits ────────────────────────────────────────────────────────────────────────────────────


def test_no_limit_of_the_gateway_is_broken_by_connecting_again_and_again() -> None:
    faults = [Cut(at_seconds=5.0 + 3 * n) for n in range(20)]

    async def main(session: Session, seen: Seen) -> None:
        await session.subscribe_to_ticker(AAPL, IBM)
        await session.authenticate_websocket()
        await asyncio.sleep(120)
        before = len(seen.of(Quote))
        await until(lambda: len(seen.of(Quote)) > before + 3, 30)

    seen = live(gateway(faults=faults), main)
    assert not [one for one in seen.of(Rejected) if one.code == 429]


def test_the_penalty_box_is_sat_out() -> None:
    world = gateway(faults=(HttpError(at_seconds=30, status=429, kind="*", count=1),))

    async def main(session: Session, seen: Seen) -> None:
        await session.subscribe_to_ticker(AAPL)
        await asyncio.sleep(1500)
        assert session.lines[0].stands

    seen = live(world, main)
    assert [one.code for one in seen.of(Rejected)] == [429]

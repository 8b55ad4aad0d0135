"""ibind, unmodified, trades with the simulated gateway of Interactive Brokers."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from queue import Empty, SimpleQueue
from typing import Any

import pytest

from pitwire.model.clock import SystemClock
from pitwire.model.orders import Side
from pitwire.sim.facades.ibkr_options import IbkrOptions
from pitwire.sim.facts import Kind, NewOrder, Tif
from pitwire.sim.faults import AskBack, Fault
from pitwire.sim.serve import Venue, serve
from pitwire.sim.shares import SHARE_STAKES
from pitwire.sim.world import IBKR, World
from tests.strangers.place import MISSING, SECONDS, aside

# Whoever of its two threads reads the venue's answer to its goodbye is a race that it may lose;
# the other then waits for a pong, which is to be over before it gives up on itself (5 s).
os.environ |= {
    "IBIND_LOG_TO_FILE": "false",
    "IBIND_AUTO_REGISTER_SHUTDOWN": "false",
    "IBIND_WS_PING_INTERVAL": "4",
}
pytest.importorskip("ibind", reason=MISSING)
from ibind import IbkrClient, OrderRequest, QuestionType, events, subscriptions
from ibind.support.errors import ExternalBrokerError

ACCOUNT, AAPL = "DU1234567", 265598
UNPACED = IbkrOptions(is_paced=False)
ORDER = {"conid": AAPL, "side": "BUY", "quantity": 5, "order_type": "LMT", "acct_id": ACCOUNT,
         "price": 189.0, "tif": "DAY"}  # fmt: skip
YES = {QuestionType.PRICE_PERCENTAGE_CONSTRAINT: True, QuestionType.MISSING_MARKET_DATA: True,
       QuestionType.ORDER_SIZE_LIMIT: True}  # fmt: skip


class Desk:
    """A gateway on ports, ibind's client of it, and somebody else who trades."""

    def __init__(self, world: World, venue: Venue, documented: dict[str, Any]) -> None:
        self.world, self.venue, self._documented = world, venue, documented
        self.client: IbkrClient = documented["ibind_client"](venue.http_url, ACCOUNT)

    async def ask(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """One question over REST: what its answer holds."""
        result = await aside(getattr(self.client, method), *args, **kwargs)
        return getattr(result, "data", result)

    async def ready(self) -> None:
        await self.ask("receive_brokerage_accounts")
        await self.ask("live_orders")

    async def place(self, answers: Any = None, **changes: Any) -> Any:
        return await self.ask("place_order", OrderRequest(**ORDER | changes), answers or {})

    def rival(self, side: Side, *, lots: int, price: int, tif: Tif = Tif.GTC) -> None:
        """Somebody else trades in AAPL; prices in cents."""
        request = NewOrder(account="rival", symbol="AAPL-USD", side=side, kind=Kind.LIMIT,
                           tif=tif, lots=lots, price=price)  # fmt: skip
        self.world.exchange.place(request, self.world.clock.now())
        self.venue.act()

    @asynccontextmanager
    async def socket(self) -> AsyncIterator[Ear]:
        """ibind's WebSocket client, started; left as its authors mean it to be left."""
        ear = Ear()
        client = self._documented["ibind_socket"](self.venue.orders_url, self.client, ACCOUNT, ear)
        assert await aside(client.start)
        ear.client = client
        try:
            yield ear
        finally:
            assert await aside(client.shutdown)


class Ear:
    """What ibind's socket hears: a sink of ours."""

    def __init__(self) -> None:
        self._events: SimpleQueue[Any] = SimpleQueue()
        self.client: Any = None

    def emit(self, event: Any) -> None:
        self._events.put(event)

    async def subscribe(self, subscription: Any) -> None:
        handle = self.client.subscribe(subscription)
        assert await aside(handle.wait, SECONDS)

    async def hear(self, kind: type, satisfied: Callable[[Any], object] = bool) -> list[Any]:
        """What comes of a kind, up to the first that satisfies."""
        heard: list[Any] = []
        async with asyncio.timeout(SECONDS):
            while not heard or not satisfied(heard[-1]):
                try:
                    event = self._events.get_nowait()
                except Empty:
                    await asyncio.sleep(0.01)
                    continue
                if isinstance(event, kind):
                    heard.append(event)
        return heard


def rows(heard: list[Any]) -> list[dict[str, Any]]:
    """The entries of frames."""
    return [row for each in heard for row in each.data["args"]]


Open = Callable[..., Any]


@pytest.fixture
def open_desk(documented: dict[str, Any]) -> Open:
    """A gateway to trade at, where only the test trades."""

    @asynccontextmanager
    async def opened(*faults: Fault, options: IbkrOptions = UNPACED) -> AsyncIterator[Desk]:
        world = World(
            venue=IBKR,
            scenario=None,
            options=options,
            clock=SystemClock(),
            accounts={"stranger": SHARE_STAKES, "rival": SHARE_STAKES},
            faults=faults,
        )
        async with serve(world) as venue:
            yield Desk(world, venue, documented)

    return opened


async def test_it_finds_itself_logged_in_and_out(open_desk: Open) -> None:
    async with open_desk() as desk:
        assert await desk.ask("check_health")
        assert await desk.ask("check_auth_status")
        assert (await desk.ask("receive_brokerage_accounts"))["selectedAccount"] == ACCOUNT
        assert await desk.ask("logout") == {"status": True}
        assert not await desk.ask("check_health")
        with pytest.raises(ExternalBrokerError, match="401"):
            await desk.ask("tickle")


async def test_it_is_thrown_out_by_another_login_and_comes_back(open_desk: Open) -> None:
    async with open_desk() as desk:
        desk.world.facade.session.rival(desk.world.clock.now(), None)  # type: ignore[attr-defined]
        desk.venue.act()
        assert not await desk.ask("check_auth_status")
        await desk.ask("initialize_brokerage_session")
        assert await desk.ask("check_auth_status")


async def test_it_reads_contracts_and_the_market(open_desk: Open) -> None:
    async with open_desk() as desk:
        await desk.ready()
        desk.rival(Side.BUY, lots=200, price=18_990)
        desk.rival(Side.SELL, lots=500, price=19_010)
        desk.rival(Side.BUY, lots=100, price=19_010, tif=Tif.IOC)
        assert await desk.ask("stock_conid_by_symbol", ["AAPL"]) == {"AAPL": AAPL}
        (found,) = await desk.ask("search_contract_by_symbol", "AAPL")
        assert found["conid"] == str(AAPL)
        rules = await desk.ask("search_contract_rules", str(AAPL))
        assert rules["increment"] == 0.01
        await desk.ask("live_marketdata_snapshot", str(AAPL), ["31", "84", "86"])
        (row,) = await desk.ask("live_marketdata_snapshot", str(AAPL), ["31", "84", "86"])
        assert (row["31"], row["84"], row["86"]) == ("190.10", "189.90", "190.10")
        bars = await desk.ask("marketdata_history_by_conid", str(AAPL), period="1h", bar="1min")
        # A minute may have begun since in which nothing was traded.
        assert [bar["v"] for bar in bars["data"] if bar["v"]][-1] == 100


async def test_it_places_is_filled_modifies_and_cancels(open_desk: Open) -> None:
    async with open_desk() as desk:
        await desk.ready()
        taken = await desk.place(coid="my-1")
        number = taken["order_id"]
        assert taken["order_status"] == "Submitted"
        with pytest.raises(ExternalBrokerError, match="already registered"):
            await desk.place(coid="my-1")
        desk.rival(Side.SELL, lots=2, price=18_900)
        (row,) = (await desk.ask("live_orders"))["orders"]
        assert (row["order_ref"], row["sizeAndFills"], row["status"]) == (
            "my-1", "2/5", "Submitted",
        )  # fmt: skip
        changed = OrderRequest(**ORDER | {"price": 189.5})
        assert (await desk.ask("modify_order", number, changed, {}))["order_id"] == number
        assert (await desk.ask("order_status", number))["limit_price"] == "189.50"
        (trade,) = await desk.ask("trades")
        assert (trade["order_ref"], trade["size"], trade["price"]) == ("my-1", 2.0, "189.00")
        assert (await desk.ask("cancel_order", number))["msg"] == "Request was submitted"
        (row,) = (await desk.ask("live_orders"))["orders"]
        assert row["status"] == "Cancelled"
        assert desk.world.exchange.open_orders("stranger") == []
        (held, *_) = await desk.ask("positions", ACCOUNT)
        assert (held["contractDesc"], held["position"]) == ("AAPL", 1002.0)
        ledger = await desk.ask("get_ledger", ACCOUNT)
        assert ledger["USD"]["cashbalance"] == 1_000_000 - 2 * 189 - 1
        assert (await desk.ask("portfolio_summary", ACCOUNT))["accountcode"]["value"] == ACCOUNT


async def test_it_answers_questions_it_knows(open_desk: Open) -> None:
    options = IbkrOptions(is_paced=False, size_limit=100, blind_order_question=True)
    async with open_desk(options=options) as desk:
        await desk.ready()
        assert "order_id" in await desk.place(YES, price=150.0, quantity=200)
        assert len(desk.world.exchange.open_orders("stranger")) == 1


async def test_it_refuses_a_question_it_does_not_know(open_desk: Open) -> None:
    async with open_desk(AskBack(questions=("Is the moon made of cheese?",))) as desk:
        await desk.ready()
        with pytest.raises(ValueError, match="cheese"):
            await desk.place(YES)
        assert desk.world.exchange.open_orders("stranger") == []


async def test_it_hears_quotes_orders_and_executions(open_desk: Open) -> None:
    async with open_desk() as desk, desk.socket() as ear:
        await desk.ready()
        desk.rival(Side.BUY, lots=200, price=18_990)
        await ear.subscribe(subscriptions.MarketDataSubscription(
            conid=str(AAPL), fields=["31", "84", "86"]))  # fmt: skip
        desk.rival(Side.BUY, lots=10, price=18_995)
        quotes = await ear.hear(
            events.MarketData, lambda each: each.data.get("bid_price") == "189.95"
        )
        assert quotes[0].data["bid_price"] == "189.90"
        await ear.subscribe(subscriptions.OrdersSubscription())
        await ear.subscribe(subscriptions.TradesSubscription(realtime_updates_only=True))
        desk.rival(Side.SELL, lots=3, price=19_000)
        number = int((await desk.place(price=190.0, quantity=3, coid="my-1"))["order_id"])
        told = await ear.hear(events.Orders, lambda each: rows([each])[0].get("status") == "Filled")
        statuses = [row["status"] for row in rows(told) if "status" in row]
        assert statuses[0] == "Inactive"
        assert "Submitted" in statuses
        assert {row["orderId"] for row in rows(told)} == {number}


async def test_it_hears_of_an_execution_twice(open_desk: Open) -> None:
    async with open_desk() as desk, desk.socket() as ear:
        await desk.ready()
        await ear.subscribe(subscriptions.TradesSubscription(realtime_updates_only=True))
        desk.rival(Side.SELL, lots=3, price=19_000)
        await desk.place(price=190.0, quantity=3, coid="my-1")
        told = await ear.hear(
            events.Trades, lambda each: any("commission" in row for row in rows([each]))
        )
        assert [row.get("commission") for row in rows(told)] == [None, "1.00"]
        assert len({row["execution_id"] for row in rows(told)}) == 1


async def test_it_hears_the_rest(open_desk: Open) -> None:
    async with open_desk() as desk, desk.socket() as ear:
        desk.rival(Side.BUY, lots=200, price=18_990)
        for subscription, kind in (
            (subscriptions.PnlSubscription(), events.Pnl),
            (subscriptions.AccountSummarySubscription(account_id=ACCOUNT), events.AccountSummary),
            (subscriptions.AccountLedgerSubscription(account_id=ACCOUNT), events.AccountLedger),
            (
                subscriptions.PriceLadderSubscription(conid=str(AAPL), account_id=ACCOUNT),
                events.PriceLadder,
            ),
            (
                subscriptions.MarketHistorySubscription(conid=str(AAPL), period="1d"),
                events.MarketHistory,
            ),
        ):
            await ear.subscribe(subscription)
            await ear.hear(kind)
        tic = await aside(ear.client.tic)
        assert tic["alive"] is True


async def test_it_comes_back_after_a_cut_and_subscribes_anew(open_desk: Open) -> None:
    async with open_desk() as desk, desk.socket() as ear:
        await ear.subscribe(subscriptions.MarketDataSubscription(
            conid=str(AAPL), fields=["84"]))  # fmt: skip
        await ear.hear(events.MarketData)
        for link in desk.world.stage.links():
            desk.world.facade.close(link, 1001, "Going away")
        desk.venue.act()
        desk.rival(Side.BUY, lots=200, price=18_990)
        await ear.hear(events.MarketData, lambda each: each.data.get("bid_price") == "189.90")


async def test_who_asks_too_often_is_boxed(open_desk: Open) -> None:
    async with open_desk(options=IbkrOptions(requests_per_second=3)) as desk:

        async def ask_often() -> None:
            while True:  # on a busy machine one answer may take longer than a third of a second
                asks = (desk.ask("authentication_status") for _ in range(10))
                told = await asyncio.gather(*asks, return_exceptions=True)
                for error in told:
                    if isinstance(error, BaseException):
                        raise error

        with pytest.raises(ExternalBrokerError, match="429"):
            async with asyncio.timeout(SECONDS):
                await ask_often()

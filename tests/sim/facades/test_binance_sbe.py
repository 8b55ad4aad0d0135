"""The SBE market streams: the sheet's worked frames, and every frame read by the venue's schema."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pitwire.model.clock import SystemClock
from pitwire.model.errors import DialFailed
from pitwire.model.orders import Side
from pitwire.sim.facades import binance_sbe as sbe
from pitwire.sim.facades.binance_options import BinanceOptions
from pitwire.sim.facades.binance_text import Scale
from pitwire.sim.facts import Kind, SimOrder, Stp, Tif, Traded
from pitwire.sim.serve import serve
from pitwire.sim.world import BTC_USDT, ETH_USDT, MARKET_URL, World
from tests.sim.binance_client import Ear, RestClient
from tests.sim.sbe_reader import Schema

NOW = 1_772_506_983_582_123_000
SCALE = sbe.SbeScale(Scale(BTC_USDT))
BID, ASK = (6_721_543, 125_000), (6_721_544, 734)
"""Price in ticks of 0.01, size in lots of 0.00001."""


@pytest.fixture
def schema(captures: Path) -> Schema:
    return Schema(captures.parent / "venues" / "sbe" / "stream_1_0.xml")


class SbeEar(Ear):
    """A connection to the SBE streams."""

    def __init__(self, world: World, path: str, *, kind: str = "ed25519") -> None:
        super().__init__()
        self.world = world
        key, _ = world.keys[kind]
        self.link = world.open(f"{MARKET_URL}/sbe{path}", self, {"X-MBX-APIKEY": key})

    def ask(self, method: str, *params: str) -> Any:
        self.link.send(json.dumps({"method": method, "params": params, "id": 1}).encode())
        self.world.advance()
        texts = [frame for frame in self.raw if frame.startswith(b"{")]
        self.raw = [frame for frame in self.raw if not frame.startswith(b"{")]
        return json.loads(texts[-1])


# ── the sheet's worked frames (binance §10.2) ─────────────────────────────────────────────────


def test_a_diff_is_the_worked_one() -> None:
    frame = sbe.diff(SCALE, (157, 160), ([BID, (6_720_000, 0)], [ASK]), NOW)
    assert frame.hex() == (
        "1a00132701000000ab491ef1154c06009d00000000000000a000000000000000f8f810000200c0cf2efb1c06"
        "000040597307000000000080369f1c0600000000000000000000100001000012"
        "3efb1c06000030330b00000000000742544355534454"
    )


def test_best_quotes_are_the_worked_ones() -> None:
    assert sbe.best(SCALE, 400_900_217, (BID, ASK), NOW).hex() == (
        "3200112701000000ab491ef1154c06007940e51700000000f8f8c0cf2efb1c060000405973070000000000"
        "123efb1c06000030330b00000000000742544355534454"
    )


def test_a_snapshot_is_the_worked_one() -> None:
    assert sbe.snapshot(SCALE, 400_900_217, ([BID], [ASK]), NOW).hex() == (
        "1200122701000000ab491ef1154c06007940e51700000000f8f810000100c0cf2efb1c0600004059730700"
        "00000010000100"
        "00123efb1c06000030330b00000000000742544355534454"
    )


def test_trades_are_the_worked_ones() -> None:
    found = sbe.trades(SCALE, [traded(12345, 500), traded(12346, 234)], NOW)
    assert found.hex() == (
        "1200102701000000ab491ef1154c060071491ef1154c0600f8f8190002000000393000000000000000123e"
        "fb1c06000020a1070000000000003a3000000000000000123efb1c0600001092030000000000000742544355534454"
    )


def traded(number: int, lots: int) -> Traded:
    order = SimOrder(
        order_id=1, account="a", symbol="BTC-USDT", side=Side.BUY, kind=Kind.LIMIT, tif=Tif.GTC,
        lots=lots, client_id="x", stp=Stp.NONE,
    )  # fmt: skip
    return Traded(
        at=NOW - 58_000, symbol="BTC-USDT", trade_id=number, price=ASK[0], lots=lots,
        taker_side=Side.BUY, taker=order, maker=order, taker_execution=1, maker_execution=2,
        taker_fee=0, taker_fee_asset="", maker_fee=0, maker_fee_asset="",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("listing", "native", "exponents"),
    [(BTC_USDT, False, (-8, -8)), (BTC_USDT, True, (-2, -5)), (ETH_USDT, True, (-2, -4))],
)
def test_exponents_are_eight_or_the_symbol_s_own(
    listing: Any, native: bool, exponents: tuple[int, int]
) -> None:
    scale = sbe.SbeScale(Scale(listing), native=native)
    assert scale.exponents == exponents
    assert scale.tick == listing.tick.scaleb(-exponents[0])
    assert scale.lot == listing.lot.scaleb(-exponents[1])


# ── a market in SBE, read by the venue's schema ───────────────────────────────────────────────

ALL = "btcusdt@trade/btcusdt@bestBidAsk/btcusdt@depth/btcusdt@depth20"


@pytest.mark.parametrize("native", [False, True])
def test_every_frame_is_read_by_the_schema(schema: Schema, native: bool) -> None:
    world = World(seed=5, options=BinanceOptions(sbe_native_exponents=native))
    ear = SbeEar(world, f"/stream?streams={ALL}")
    world.advance(3)
    found = [schema.read(frame) for frame in ear.raw]
    assert {each["_template"] for each in found} == {10000, 10001, 10002, 10003}
    for each in found:
        assert each["symbol"] == "BTCUSDT"
        assert (each["priceExponent"], each["qtyExponent"]) == ((-2, -5) if native else (-8, -8))
    best = [each for each in found if each["_template"] == 10001]
    assert all(each["bidPrice"] < each["askPrice"] for each in best)
    traded = [row for each in found if each["_template"] == 10000 for row in each["trades"]]
    ids = [row["id"] for row in traded]
    assert ids == list(range(ids[0], ids[0] + len(ids)))


def test_diffs_are_contiguous_and_make_the_true_book(schema: Schema) -> None:
    world = World(seed=6)
    ear = SbeEar(world, "/ws/ethusdt@depth")
    world.advance(0.5)
    snapshot = RestClient(world).get("/depth", symbol="ETHUSDT", limit=5000)
    world.advance(2)
    world.exchange.set_status("ETH-USDT", "HALT", world.clock.now())
    world.advance(1)
    diffs = [schema.read(frame) for frame in ear.raw]
    for before, each in pairwise(diffs):
        assert each["firstBookUpdateId"] == before["lastBookUpdateId"] + 1
        assert each["eventTime"] - before["eventTime"] >= 20_000
    sides = {
        name: {round(float(price) * 100): float(size) for price, size in snapshot[name]}
        for name in ("bids", "asks")
    }
    for each in diffs:
        if each["lastBookUpdateId"] <= snapshot["lastUpdateId"]:
            continue
        for name, levels in sides.items():
            for row in each[name]:
                price = row["price"] // 10**6
                levels[price] = row["qty"] / 10**8
                if not row["qty"]:
                    del levels[price]
    _, bids, asks = world.truth_book("ETH-USDT")
    for name, truth in (("bids", bids), ("asks", asks)):
        assert sides[name] == {round(float(price) * 100): float(size) for price, size in truth}


def test_only_best_quotes_are_culled(schema: Schema) -> None:
    world = World(seed=5, scenario="volatile")
    binary = SbeEar(world, "/ws/btcusdt@bestBidAsk/btcusdt@trade")
    text = Ear()
    world.open(f"{MARKET_URL}/stream?streams=btcusdt@bookTicker/btcusdt@trade", text)
    world.advance(5)
    found = [schema.read(frame) for frame in binary.raw]
    best = [each["bookUpdateId"] for each in found if each["_template"] == 10001]
    rows = [row["id"] for each in found if each["_template"] == 10000 for row in each["trades"]]
    told = text.take()
    assert len(best) < sum(each["stream"].endswith("bookTicker") for each in told)
    assert best == sorted(set(best))
    assert rows == [each["data"]["t"] for each in told if each["stream"].endswith("trade")]


def test_control_is_text_and_only_four_kinds_are_known() -> None:
    world = World(seed=5)
    ear = SbeEar(world, "/ws")
    assert ear.ask("SUBSCRIBE", "btcusdt@trade") == {"result": None, "id": 1}
    assert ear.ask("LIST_SUBSCRIPTIONS")["result"] == ["btcusdt@trade"]
    world.advance(2)
    assert ear.raw
    assert not any(frame.startswith(b"{") for frame in ear.raw)
    for name in ("btcusdt@bookTicker", "btcusdt@depth@100ms", "btcusdt@kline_1m", "!ticker@arr"):
        world.advance(1)
        assert ear.ask("SUBSCRIBE", name)["error"]["code"] == 2
    world.advance(1)
    assert ear.ask("UNSUBSCRIBE", "btcusdt@trade") == {"result": None, "id": 1}
    ear.raw.clear()
    world.advance(2)
    assert ear.raw == []


async def test_frames_are_binary_on_a_socket(schema: Schema) -> None:
    world = World(seed=5, clock=SystemClock())
    headers = {"X-MBX-APIKEY": world.keys["ed25519"][0]}
    async with serve(world) as venue, aiohttp.ClientSession() as session:
        url = f"{venue.market_url}/sbe/ws/btcusdt@depth"
        async with session.ws_connect(url, headers=headers) as socket:
            await socket.send_str('{"method":"LIST_SUBSCRIPTIONS","id":7}')
            kinds = {}
            while len(kinds) < 2:
                message = await socket.receive(timeout=60)
                kinds[message.type] = message.data
    assert json.loads(kinds[aiohttp.WSMsgType.TEXT])["result"] == ["btcusdt@depth"]
    assert schema.read(kinds[aiohttp.WSMsgType.BINARY])["symbol"] == "BTCUSDT"


def test_a_shutdown_is_told_as_text() -> None:
    world = World(seed=5, scenario=None)
    ear = SbeEar(world, "/ws")
    world.facade.announce_shutdown(world.clock.now())
    world.act()
    assert ear.take()[0]["e"] == "serverShutdown"


@pytest.mark.parametrize("header", [None, "", "x" * 64, "hmac"])
def test_only_an_ed25519_key_may_hear(header: str | None) -> None:
    world = World(seed=5, scenario=None)
    key = world.keys["hmac"][0] if header == "hmac" else header
    headers = {} if key is None else {"X-MBX-APIKEY": key}
    with pytest.raises(DialFailed) as error:
        world.open(f"{MARKET_URL}/sbe/ws/btcusdt@trade", Ear(), headers)
    assert error.value.status == 401


def test_a_revoked_key_may_not_hear() -> None:
    world = World(seed=5, scenario=None)
    world.facade.revoke_key(world.keys["ed25519"][0])
    with pytest.raises(DialFailed):
        SbeEar(world, "/ws")

"""The WS-API in SBE: the sheet's worked frames, live ones, and JSON's twin read by the schema."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pitwire.model.errors import DialFailed
from pitwire.sim.facades import binance_sbe_api as sbe
from pitwire.sim.facades.binance_api import METHODS
from pitwire.sim.facades.binance_sbe_layouts import ENUMS, EVENTS, LAYOUTS, TEMPLATES
from pitwire.sim.facades.binance_text import ApiError
from pitwire.sim.world import World
from tests.sim.binance_client import ApiClient, Ear, quiet_world
from tests.sim.facades.test_binance_nonsense import generous
from tests.sim.facades.test_binance_nonsense import params as anything
from tests.sim.sbe_reader import Schema

ASKED = "?responseFormat=sbe&sbeSchemaId=3&sbeSchemaVersion=5"
NOW = 1_772_506_983_582_123


@pytest.fixture
def schema(captures: Path) -> Schema:
    return Schema(captures.parent / "venues" / "sbe" / "spot_3_5.xml")


class SbeClient(ApiClient):
    """A connection that is answered in binary; every frame is read by the schema."""

    def __init__(self, world: World, schema: Schema, query: str = ASKED, **options: Any) -> None:
        super().__init__(world, query=query, **options)
        self.schema = schema

    def take(self) -> list[Any]:
        raw, self.raw = self.raw, []
        return [self.schema.read(frame) for frame in raw]

    def send_raw(self, text: str) -> Any:
        self.link.send(text.encode())
        self.world.advance()
        frames = self.take()
        self.events += [frame for frame in frames if frame["_template"] != 50]
        (answer,) = [frame for frame in frames if frame["_template"] == 50]
        return answer

    def done(self, method: str, **params: Any) -> Any:
        answer = self.ask(method, **params)
        assert answer["status"] == 200, answer
        return answer["result"]

    def take_events(self) -> list[Any]:
        self.world.advance()
        self.events += self.take()
        events, self.events = self.events, []
        return events


# ── worked frames (binance §10.3) ─────────────────────────────────────────────────────────────

LIMIT = {
    "rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000,
    "count": 70,
}  # fmt: skip


def test_a_time_is_the_worked_one() -> None:
    frame = sbe.response("1", 200, [LIMIT], sbe.result("time", {"serverTime": NOW}))
    assert frame.hex() == (
        "030032000300050000c8001300010002010170170000000000004600000000000000013110000000080066000300"
        "0500ab491ef1154c0600"
    )


def test_a_refusal_is_the_worked_one() -> None:
    body = sbe.error(ApiError(-1121, "Invalid symbol."))
    assert sbe.response(2, 400, [LIMIT | {"count": 72}], body).hex() == (
        "0300320003000500009001130001000201017017000000000000480000000000000001322f0000001200640003"
        "0005009ffb000000000000008000000000000000800f00496e76616c69642073796d626f6c2e00000000"
    )


REPORT = {
    "e": "executionReport", "E": NOW, "s": "BTCUSDT", "c": "abc", "S": "SELL", "o": "LIMIT",
    "f": "GTC", "q": "0.00847000", "p": "23416.10000000", "P": "0.00000000", "F": "0.00000000",
    "g": -1, "C": "", "x": "NEW", "X": "NEW", "r": "NONE", "i": 12569099453, "l": "0.00000000",
    "z": "0.00000000", "L": "0.00000000", "n": "0", "N": None, "T": NOW - 58, "t": -1,
    "I": 8641984, "w": True, "m": False, "M": False, "O": NOW - 58, "Z": "0.00000000",
    "Y": "0.00000000", "Q": "0.00000000", "W": NOW - 58, "V": "EXPIRE_MAKER",
}  # fmt: skip


def test_a_report_is_the_worked_one() -> None:
    assert sbe.event(REPORT, 0).hex() == (
        "1a015b0203000500ab491ef1154c060071491ef1154c0600f8f80071491ef1154c060071491ef1154c0600bd3c"
        "2ded02000000000000000000008098ec0c0000000000800ed53221020000000000000000000000000000000000"
        "00000000000000000001010000000000000000000080c0dd830000000000000000000000000000000000000000"
        "000000000000000000000000000000000000000000000000000000000000000000010000010301010000000000"
        "00000080ffffffffffffffff000000000000008000000000000000800000000000000000000000000000008000"
        "000000000000800000000000000080000000000000008000000000000000800000008000000000000000800000"
        "0000000000800000ffffff0000000000000080ff07425443555344540361626300000000"
    )


# ── live frames ───────────────────────────────────────────────────────────────────────────────


def names_in_json(schema: Schema, template: int) -> dict[str, str]:
    """A field's name in the schema → its name in JSON."""
    return {
        each.attrib["name"]: each.attrib.get(
            "{https://developers.binance.com/docs/binance-spot-api-docs}jsonPath",
            each.attrib["name"],
        )
        for each in schema.messages[template].iter()
        if "name" in each.attrib
    }


SPELT = {"orderType": "type", "side": "side", "timeInForce": "tif", "executionType": "execution",
         "orderStatus": "status", "status": "status", "selfTradePreventionMode": "stp",
         "expiryReason": "expiry"}  # fmt: skip


def as_json(schema: Schema, found: dict[str, Any]) -> dict[str, Any]:
    """What JSON would have said of a flat message, from what the schema's reader says."""
    names = names_in_json(schema, found["_template"])
    fields = {each.attrib["name"]: each for each in schema.messages[found["_template"]]}
    told: dict[str, Any] = {}
    for name, value in found.items():
        if name.startswith("_") or name.endswith("xponent") or value is None:
            continue
        exponent = "{https://developers.binance.com/docs/binance-spot-api-docs}exponent"
        if fields[name].attrib.get(exponent):
            scale = found[fields[name].attrib[exponent]]
            value = format(Decimal(value).scaleb(scale), "f")
        elif value in ("True", "False"):
            value = value == "True"
        elif name in SPELT:
            plain = value.replace("_", "").lower()
            value = next(key for key in ENUMS[SPELT[name]] if key.replace("_", "").lower() == plain)
        told[names[name]] = value
    return told


def test_a_live_report_is_encoded_as_it_was(captures: Path, schema: Schema) -> None:
    """The frame is of version 2, which has no `expiryReason`; the rest is the same bytes."""
    path = captures / "binance" / "userdata_spot_SBE_frames_1.jsonl.gz"
    with gzip.open(path, "rt") as lines:
        live = {each["template_id"]: bytes.fromhex(each["hex"]) for each in map(json.loads, lines)}
    frame = live[603]
    newer = (282).to_bytes(2, "little") + frame[2:6] + b"\x05\x00" + frame[8:289] + b"\xff"
    whole = newer + frame[289:]
    told = as_json(schema, schema.read(whole))
    for name in ("matchType", "orderCapacity", "workingFloor", "usedSor", "b", "y", "k", "uS"):
        told.pop(name, None)
    told |= {"e": "executionReport", "r": told["r"] or "NONE", "N": told["N"] or None}
    assert sbe.event(told, None) == whole


# ── JSON's twin ───────────────────────────────────────────────────────────────────────────────


def twins(schema: Schema) -> tuple[ApiClient, SbeClient]:
    """The same client in two worlds that are alike, once in JSON and once in binary."""
    plain, binary = quiet_world(), quiet_world()
    return ApiClient(plain, query="?timeUnit=MICROSECOND"), SbeClient(binary, schema)


def alike(said: Any, read: Any, *, ids: tuple[str, ...] = ()) -> None:
    """Every number and word that both have is the same; ids of chance are left out."""
    for name, value in said.items():
        mine = {"type": "orderType"}.get(name, name)
        if name in ids or mine not in read:
            continue
        found = read[mine]
        if isinstance(value, list):
            continue
        if isinstance(value, str) and value.replace(".", "").isdigit() and isinstance(found, int):
            assert Decimal(value) == Decimal(found).scaleb(-8), name
        elif isinstance(value, bool):
            assert str(value) == found, name
        elif isinstance(value, int):
            assert found == value or (value == -1 and found is None), name
        elif isinstance(value, str) and name != "symbol":
            assert value.replace("_", "").lower() == str(found).lower().replace("_", ""), name


CLIENT = {"newClientOrderId": "mine"}
LIMIT_ORDER = {
    "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
    "price": "59000.00", "quantity": "0.02",
} | CLIENT  # fmt: skip


@pytest.mark.parametrize("form", ["ACK", "RESULT", "FULL"])
def test_an_order_is_placed_and_asked_for(schema: Schema, form: str) -> None:
    plain, binary = twins(schema)
    for method, params in (
        ("order.place", LIMIT_ORDER | {"newOrderRespType": form}),
        ("order.status", {"symbol": "BTCUSDT", "orderId": 1}),
        ("order.cancel", {"symbol": "BTCUSDT", "orderId": 1, "newClientOrderId": "gone"}),
    ):
        said, read = plain.done(method, **params), binary.done(method, **params)
        alike(said, read)
        assert read["symbol"] == "BTCUSDT"
        assert read["clientOrderId"] == said["clientOrderId"]


def test_fills_and_lists_of_orders_and_trades(schema: Schema) -> None:
    plain, binary = twins(schema)
    for client in (plain, binary):
        other = ApiClient(client.world, account="other")
        other.limit("SELL", "60000.00", "0.01")
        other.limit("SELL", "60001.00", "0.01")
    market = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.015"} | CLIENT
    said, read = plain.done("order.place", **market), binary.done("order.place", **market)
    alike(said, read)
    assert len(read["fills"]) == 2
    for mine, theirs in zip(read["fills"], said["fills"], strict=True):
        alike(theirs, mine)
    for method, group in (("allOrders", "orders"), ("myTrades", "trades")):
        rows = plain.done(method, symbol="BTCUSDT")
        found = binary.done(method, symbol="BTCUSDT")[group]
        assert len(rows) == len(found) > 0
        for mine, theirs in zip(found, rows, strict=True):
            alike(theirs, mine)


def test_an_account_and_a_book(schema: Schema) -> None:
    plain, binary = twins(schema)
    said, read = plain.done("account.status"), binary.done("account.status")
    alike(said, read)
    assert read["commissionRateMaker"] == 100_000  # 0.001
    balances = {row["asset"]: row["free"] for row in read["balances"]}
    assert balances == {row["asset"]: int(Decimal(row["free"]) * 10**8) for row in said["balances"]}
    assert [row["permission"] for row in read["permissions"]] == said["permissions"]
    for client in (plain, binary):
        ApiClient(client.world, account="other").limit("SELL", "60000.00", "0.01")
    book = binary.send("depth", {"symbol": "BTCUSDT"})["result"]
    assert book["asks"] == [{"price": 6_000_000_000_000, "qty": 1_000_000}]
    assert book["bids"] == []
    quote = binary.send("ticker.book", {"symbol": "BTCUSDT"})["result"]
    assert (quote["bidPrice"], quote["askPrice"]) == (None, 6_000_000_000_000)
    prices = binary.send("ticker.price", {})["result"]["tickers"]
    assert [row["symbol"] for row in prices] == ["BTCUSDT", "ETHUSDT", "ETHBTC"]


def test_a_session_and_its_limits(schema: Schema) -> None:
    binary = SbeClient(quiet_world(), schema, kind="ed25519")
    answer = binary.ask("session.logon")
    assert answer["result"]["loggedOnApiKey"] == binary.key
    assert answer["result"]["_name"] == "WebSocketSessionLogonResponse"
    (limit,) = answer["rateLimits"]
    assert (limit["rateLimitType"], limit["rateLimit"]) == ("RequestWeight", 6000)
    assert answer["id"] == "1"
    assert binary.send("session.status", {})["result"]["returnRateLimits"] == "True"


def test_user_events_are_bare(schema: Schema) -> None:
    binary = SbeClient(quiet_world(), schema)
    number = binary.done("userDataStream.subscribe.signature")["subscriptionId"]
    other = ApiClient(binary.world, account="other")
    binary.done("order.place", **LIMIT_ORDER)
    other.market("SELL", quantity="0.01")
    binary.done("order.cancel", symbol="BTCUSDT", orderId=1)
    binary.world.exchange.deposit("main", "BTC", Decimal(1), binary.world.clock.now())
    binary.world.act()
    events = binary.take_events()
    assert {each["subscriptionId"] for each in events} == {number}
    reports = [each for each in events if each["_template"] == 603]
    assert [each["executionType"] for each in reports] == ["New", "Trade", "Canceled"]
    assert reports[1]["lastQty"] == 1_000_000
    assert reports[1]["commissionAsset"] == "BTC"
    assert {each["_template"] for each in events} == {601, 603, 607}


def test_refusals_are_wrapped_and_what_has_no_layout_says_so(schema: Schema) -> None:
    binary = SbeClient(quiet_world(), schema)
    answer = binary.ask("order.cancel", symbol="BTCUSDT", orderId=7)
    assert (answer["status"], answer["result"]["code"]) == (400, -2011)
    assert answer["result"]["msg"] == "Unknown order sent."
    answer = binary.send("klines", {"symbol": "BTCUSDT", "interval": "1m"})
    assert (answer["status"], answer["result"]["code"]) == (400, -1161)


def test_an_older_version_is_answered_in_the_newest_and_warned(schema: Schema) -> None:
    older = SbeClient(quiet_world(), schema, ASKED.replace("Version=5", "Version=4"))
    assert older.send("time", {})["sbeSchemaIdVersionDeprecated"] == "True"
    newest = SbeClient(quiet_world(), schema)
    assert newest.send("time", {})["sbeSchemaIdVersionDeprecated"] == "False"


@pytest.mark.parametrize(
    "query",
    ["?responseFormat=sbe", ASKED.replace("Id=3", "Id=1"), ASKED.replace("=5", "=1"),
     "?responseFormat=xml"],
)  # fmt: skip
def test_a_schema_that_is_not_there_is_refused(query: str) -> None:
    world = quiet_world()
    with pytest.raises(DialFailed) as error:
        world.open(f"ws://venue.test/ws-api/v3{query}", Ear())
    assert error.value.status == 400


def test_a_shutdown_is_binary_too(schema: Schema) -> None:
    binary = SbeClient(quiet_world(), schema)
    binary.world.facade.announce_shutdown(binary.world.clock.now())
    binary.world.act()
    assert [each["_name"] for each in binary.take()] == ["ServerShutdownEvent"]


def test_every_layout_has_the_schema_s_length(schema: Schema) -> None:
    """Field by field, so that a wrong width cannot hide behind another."""
    wanted = {*TEMPLATES.values(), *EVENTS.values(), *LAYOUTS}
    assert wanted == set(LAYOUTS)
    for template, layout in LAYOUTS.items():
        fields = [each for each in schema.messages[template] if each.tag == "field"]
        assert len([line for line in layout.fields.splitlines() if line.split()]) == len(fields)
        assert sbe.size_of(layout) == sum(schema.size(each) for each in fields), template


def test_what_cannot_be_answered_is_not_done(schema: Schema) -> None:
    binary = SbeClient(quiet_world(), schema)
    pair = {"aboveType": "LIMIT_MAKER", "abovePrice": "61000.00", "belowType": "STOP_LOSS",
            "belowStopPrice": "50000.00"}  # fmt: skip
    answer = binary.ask(
        "orderList.place.oco", symbol="BTCUSDT", side="SELL", quantity="0.01", **pair
    )
    assert answer["result"]["code"] == -1161
    assert binary.world.exchange.open_orders("main") == []


@given(st.lists(st.tuples(st.sampled_from(sorted(METHODS)), anything, st.booleans()), max_size=15))
@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_everything_is_answered_in_binary(
    schema: Schema, requests: list[tuple[str, Any, bool]]
) -> None:
    client = SbeClient(quiet_world(options=generous), schema)
    client.done("userDataStream.subscribe.signature")
    client.done("order.place", **LIMIT_ORDER)
    for method, sent, signed in requests:
        answer = client.send(method, client.signed(**sent) if signed else sent)
        assert (answer["status"] == 200) == (answer["result"]["_template"] != 100)
    assert client.send("ping", {})["status"] == 200

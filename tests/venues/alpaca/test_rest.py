"""Orders and questions over REST: what each answer proves."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from pitwire.model import errors
from pitwire.model.clock import SECOND
from pitwire.model.credentials import Credentials
from pitwire.model.events import Balance, Fill, Malformed, OpenOrders, Unhandled, Update
from pitwire.model.orders import (
    AmendOrder,
    CancelOrder,
    Order,
    OrderType,
    RejectReason,
    ReplaceOrder,
    Side,
    TimeInForce,
    UpdateKind,
)
from pitwire.venues.alpaca.codec import AlpacaCodec
from pitwire.venues.venue import CodecOptions, Further, HttpRequest, Reply, Role

NOW = 1_700_000_000 * SECOND
THEIRS = "a5be8f5e-fdfa-41f5-a644-7a74fe947a8f"
ORDER = {
    "id": THEIRS, "client_order_id": "x-1", "symbol": "BTC/USD", "side": "buy", "status": "new",
    "type": "limit", "time_in_force": "gtc", "qty": "0.5", "filled_qty": "0",
    "filled_avg_price": None, "limit_price": "71000.5", "updated_at": "2024-03-12T10:38:50Z",
}  # fmt: skip
FILL = {
    "id": "20240312103850000::2f63ea93-423d-4169-b3f6-3fdafc10c418", "activity_type": "FILL",
    "order_id": THEIRS, "symbol": "BTC/USD", "side": "buy", "price": "71000.5", "qty": "0.25",
    "transaction_time": "2024-03-12T10:38:50.5Z", "type": "partial_fill",
}  # fmt: skip


def codec(role: Role = Role.ORDERS) -> AlpacaCodec:
    ours = AlpacaCodec(CodecOptions(role))
    ours.login(Credentials("key", "secret"), NOW, 1)
    return ours


def order(**more: Any) -> Order:
    fields = {"id": "x-1", "symbol": "BTC-USD", "side": Side.BUY, "type": OrderType.LIMIT,
              "size": Decimal("0.5"), "price": Decimal("71000.5")}  # fmt: skip
    return Order(**{**fields, **more})


def answer(
    ours: AlpacaCodec,
    request: HttpRequest,
    body: Any,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> list[Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return list(ours.decode_response(request, status, headers or {}, data, NOW))


def reply(found: list[Any]) -> Reply:
    last = found[-1]
    assert isinstance(last, Reply)
    return last


# ── commands ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("status", "kind"),
    [("pending_new", UpdateKind.ACCEPTED), ("accepted", UpdateKind.ACCEPTED),
     ("new", UpdateKind.ACCEPTED), ("partially_filled", UpdateKind.ACCEPTED),
     ("filled", UpdateKind.FILLED), ("rejected", UpdateKind.REJECTED)],
)  # fmt: skip
def test_an_order_placed_is_told_under_our_id(status: str, kind: UpdateKind) -> None:
    ours = codec()
    request = ours.place(order(), NOW, 5)
    told = reply(answer(ours, request, {**ORDER, "status": status}))
    [update] = told.events
    assert isinstance(update, Update)
    assert (told.request_id, update.order_id, update.venue_id) == (5, "x-1", THEIRS)
    assert (update.update, update.price, update.size) == (kind, Decimal("71000.5"), Decimal("0.5"))


def test_a_yes_that_cannot_be_read_is_no_proof_of_anything() -> None:
    ours = codec()
    for body in (
        b"",
        b"[]",
        b"{",
        b'{"id":"1"}',
        {**ORDER, "status": "moon"},
        {**ORDER, "qty": "x"},
    ):
        found = answer(ours, ours.place(order(), NOW, 5), body)
        assert isinstance(found[0], Malformed)
        assert isinstance(reply(found).error, errors.OutcomeUnknown)


@pytest.mark.parametrize(
    ("status", "code", "text", "kind", "reason"),
    [
        (403, 40310000, "insufficient buying power", "OrderRejected", "insufficient_funds"),
        (403, 40310000, "insufficient qty available for order (requested: 2, available: 1)",
         "OrderRejected", "insufficient_funds"),
        (403, 40310000, "potential wash trade detected. use complex orders", "OrderRejected",
         "self_trade"),
        (403, 40310000, "account is not allowed to short", "OrderRejected", "not_permitted"),
        (422, 42210000, "invalid limit_price 290.123. sub-penny increment does not fulfill minimum"
         " pricing criteria", "OrderRejected", "price_rule"),
        (422, 42210000, 'asset "X" is not tradable', "OrderRejected", "market_closed"),
        (422, 42210000, "stop price must be less than current price", "OrderRejected",
         "would_trigger"),
        (422, 40010001, "qty is required", "OrderRejected", "size_rule"),
        (400, 0, "malformed", "OrderRejected", "other"),
        (422, 40010001, "client_order_id must be unique", "OutcomeUnknown", ""),
        (500, 50010000, "internal", "OutcomeUnknown", ""),
        (503, 0, "", "OutcomeUnknown", ""),
        (504, 0, "", "OutcomeUnknown", ""),
        (408, 0, "", "OutcomeUnknown", ""),
        (429, 42910000, "rate limit exceeded", "RateLimited", ""),
        (401, 40110000, "request is not authorized", "AuthenticationFailed", ""),
        (403, 0, "forbidden.", "AuthenticationFailed", ""),
    ],
)  # fmt: skip
def test_what_a_refusal_of_an_order_proves(
    status: int, code: int, text: str, kind: str, reason: str
) -> None:
    ours = codec()
    body = {"code": code, "message": text}
    error = reply(answer(ours, ours.place(order(), NOW, 5), body, status)).error
    assert type(error).__name__ == kind
    if isinstance(error, errors.OrderRejected):
        assert RejectReason(error.reason).value == reason


def test_a_refusal_that_is_no_json_is_one_all_the_same() -> None:
    ours = codec()
    error = reply(answer(ours, ours.place(order(), NOW, 5), b"<html>", 502)).error
    assert isinstance(error, errors.OutcomeUnknown)
    assert error.text == "HTTP 502: <html>"


def test_a_limit_names_when_it_is_over_and_how_much_was_used() -> None:
    ours = codec()
    headers = {"x-ratelimit-limit": "200", "x-ratelimit-remaining": "0",
               "x-ratelimit-reset": "1700000042"}  # fmt: skip
    told = reply(answer(ours, ours.place(order(), NOW, 5), {}, 429, headers))
    assert isinstance(told.error, errors.RateLimited)
    assert told.error.until == NOW + 42 * SECOND
    assert told.used_weight == 200
    odd = {"x-ratelimit-limit": "many", "x-ratelimit-reset": "9" * 30}
    told = reply(answer(ours, ours.place(order(), NOW, 5), {}, 429, odd))
    assert isinstance(told.error, errors.RateLimited)
    assert (told.error.until, told.used_weight) == (0, -1)


def test_a_cancel_by_our_id_looks_the_order_up_and_then_cancels_it() -> None:
    ours = codec()
    cancel = CancelOrder(order_id="x-1", symbol="BTC-USD")
    lookup = ours.cancel(cancel, NOW, 5)
    assert (lookup.method, lookup.request_id) == ("GET", 5)
    [further] = answer(ours, lookup, ORDER)
    assert isinstance(further, Further)
    assert isinstance(further.outgoing, HttpRequest)
    assert (further.request_id, further.outgoing.method) == (5, "DELETE")
    assert further.outgoing.path == f"/v2/orders/{THEIRS}"
    done = answer(ours, further.outgoing, b"", 204)
    assert done == [Reply(5)], "that it is cancelled the stream says"
    again = ours.cancel(cancel, NOW, 6)
    assert again.method == "DELETE", "by now its id is known"


@pytest.mark.parametrize("looked_up", [True, False])
def test_a_cancel_of_an_order_that_nobody_knows_is_refused(looked_up: bool) -> None:
    ours = codec()
    venue_id = "" if looked_up else THEIRS
    cancel = CancelOrder(order_id="x-1", symbol="BTC-USD", venue_id=venue_id)
    body = {"code": 40410000, "message": "order not found"}
    error = reply(answer(ours, ours.cancel(cancel, NOW, 5), body, 404)).error
    assert isinstance(error, errors.OrderRejected)
    assert error.reason == "unknown_order"


def test_a_cancel_that_came_too_late_says_that_nothing_is_open() -> None:
    ours = codec()
    cancel = CancelOrder(order_id="x-1", symbol="BTC-USD", venue_id=THEIRS)
    body = {"code": 42210000, "message": 'order is already in "filled" state'}
    error = reply(answer(ours, ours.cancel(cancel, NOW, 5), body, 422)).error
    assert isinstance(error, errors.OrderRejected)
    assert error.reason == "unknown_order"


def test_what_the_venue_cannot_do_is_refused_by_name() -> None:
    ours, new = codec(), order(id="x-2")
    smaller = AmendOrder(order_id="x-1", symbol="BTC-USD", size=Decimal("0.1"))
    for name, call in {
        "test_place": lambda: ours.test_place(new, NOW, 1),
        "cancel_all": lambda: ours.cancel_all("BTC-USD", NOW, 1),
        "replace": lambda: ours.replace(ReplaceOrder(order_id="x-1", order=new), NOW, 1),
        "amend": lambda: ours.amend(smaller, NOW, 1),
        "snapshot": lambda: ours.ask_snapshot("BTC-USD", 5),
        "trades by id": lambda: ours.ask_trades("BTC-USD", 1, 1),
        "aggregate trades": lambda: ours.ask_aggregates("BTC-USD", 1, 1),
    }.items():
        with pytest.raises(errors.ConfigError, match=f"^{name}: found 'alpaca'"):
            call()


@pytest.mark.parametrize(
    ("field", "more"),
    [
        ("type", {"type": OrderType.POST_ONLY}),
        ("type", {"type": OrderType.STOP, "stop_price": Decimal(1), "price": None}),
        ("type", {"type": OrderType.TAKE_PROFIT, "stop_price": Decimal(1), "price": None}),
        ("time_in_force", {"time_in_force": TimeInForce.FOK}),
        ("time_in_force", {"time_in_force": TimeInForce.DAY}),
        ("size", {"size": None}),
        ("size", {"size": Decimal("NaN")}),
        ("price", {"price": None}),
        ("price", {"type": OrderType.MARKET}),
        ("stop_price", {"stop_price": Decimal(1)}),
        ("trailing_bips", {"trailing_bips": 5}),
        ("quote_size", {"quote_size": Decimal(5)}),
        ("id", {"id": "a b"}),
        ("id", {"id": "x" * 129}),
    ],
)
def test_an_order_that_crypto_cannot_have_never_leaves(field: str, more: dict[str, Any]) -> None:
    with pytest.raises(errors.ConfigError, match=f"order.{field}"):
        codec().place(order(**more), NOW, 1)


def test_without_a_login_nothing_private_leaves() -> None:
    bare = AlpacaCodec(CodecOptions(Role.ORDERS))
    with pytest.raises(errors.StateError, match="a login on this connection first"):
        bare.place(order(), NOW, 1)
    with pytest.raises(errors.StateError):
        bare.open_orders("", NOW, 1)


# ── questions ─────────────────────────────────────────────────────────────────────────────────


def test_that_no_order_of_an_id_is_known_is_an_answer() -> None:
    ours = codec()
    request = ours.order_status("BTC-USD", "x-1", NOW, 5)
    body = {"code": 40410000, "message": "order not found for x-1"}
    error = reply(answer(ours, request, body, 404)).error
    assert isinstance(error, errors.OrderRejected)
    assert error.reason == "unknown_order"
    busy = reply(answer(ours, request, {}, 503)).error
    assert isinstance(busy, errors.VenueUnavailable), "and that it cannot say is none"


def test_open_orders_are_listed_whole_or_not_at_all() -> None:
    ours = codec()
    request = ours.open_orders("", NOW, 5)
    other = {**ORDER, "id": "other", "client_order_id": "x-2", "status": "partially_filled",
             "filled_qty": "0.2", "filled_avg_price": "71000"}  # fmt: skip
    listed, *updates = reply(answer(ours, request, [ORDER, other])).events
    assert listed == OpenOrders("alpaca", "", 0, NOW, ("x-1", "x-2"))
    assert all(isinstance(one, Update) for one in updates)
    assert [one.filled_quote for one in updates if isinstance(one, Update)] == [
        None,
        Decimal(14200),
    ]
    many = [{**ORDER, "id": str(n), "client_order_id": f"x-{n}"} for n in range(500)]
    cut = reply(answer(ours, request, many))
    assert isinstance(cut.error, errors.RequestRejected)
    assert cut.events == ()


@pytest.mark.parametrize("nothing", [None, ""])
def test_an_order_of_several_legs_spoils_no_list_and_is_not_taken_for_ours(nothing: Any) -> None:
    ours = codec()
    legs = {**ORDER, "id": "other", "client_order_id": "x-2", "symbol": nothing, "side": nothing}
    listed, update = reply(answer(ours, ours.open_orders("", NOW, 5), [legs, ORDER])).events
    assert listed == OpenOrders("alpaca", "", 0, NOW, ("x-1",))
    assert isinstance(update, Update)
    said = {"stream": "trade_updates", "data": {"event": "new", "order": legs}}
    [told] = ours.decode(json.dumps(said).encode(), NOW)
    assert isinstance(told, Unhandled), "five that are malformed would end the connection"
    found = answer(ours, ours.order_status("BTC-USD", "x-2", NOW, 6), legs)
    assert isinstance(found[0], Malformed)


@pytest.mark.parametrize("text", ["insufficient buying power " + "x" * 400, None])
def test_a_refusal_says_nothing_of_the_key_whatever_its_text(text: str | None) -> None:
    ours = codec()
    body = {"code": 40310000, "message": text}
    error = reply(answer(ours, ours.place(order(), NOW, 5), body, 403)).error
    assert isinstance(error, errors.OrderRejected)
    assert len(error.text) <= 400


def test_fills_are_those_of_the_symbol_under_our_id_where_it_is_known() -> None:
    ours = codec()
    foreign = {**FILL, "symbol": "ETH/USD"}
    [fill] = reply(answer(ours, ours.fills_since("BTC-USD", "", 0, NOW, 5), [FILL, foreign])).events
    assert isinstance(fill, Fill)
    assert (fill.order_id, fill.venue_id) == (THEIRS, THEIRS)
    assert fill.trade_id == "2f63ea93-423d-4169-b3f6-3fdafc10c418", "as the stream names it"
    answer(ours, ours.order_status("BTC-USD", "x-1", NOW, 6), ORDER)
    [fill] = reply(answer(ours, ours.fills_since("BTC-USD", "", 0, NOW, 7), [FILL])).events
    assert isinstance(fill, Fill)
    assert fill.order_id == "x-1"


def test_a_long_history_comes_page_by_page() -> None:
    ours = codec()
    rows = [{**FILL, "id": f"20240312103850000::{n}"} for n in range(100)]
    request = ours.fills_since("BTC-USD", "", NOW, NOW, 5)
    *fills, further = answer(ours, request, rows)
    assert len(fills) == 100
    assert isinstance(further, Further)
    assert isinstance(further.outgoing, HttpRequest)
    assert further.outgoing.query.endswith("page_token=20240312103850000::99")
    last = reply(answer(ours, further.outgoing, [FILL]))
    assert len(last.events) == 1
    assert last.request_id == 5


def test_the_fills_of_an_order_are_its_own_alone() -> None:
    ours = codec()
    other = {**FILL, "order_id": "other"}
    lookup = ours.order_fills("BTC-USD", "x-1", "", NOW, 5)
    [further] = answer(ours, lookup, ORDER)
    assert isinstance(further, Further)
    assert isinstance(further.outgoing, HttpRequest)
    [fill] = reply(answer(ours, further.outgoing, [other, FILL])).events
    assert isinstance(fill, Fill)
    assert (fill.order_id, fill.size) == ("x-1", Decimal("0.25"))
    [fill] = reply(
        answer(ours, ours.order_fills("BTC-USD", "x-1", THEIRS, NOW, 6), [other, FILL])
    ).events
    assert isinstance(fill, Fill)
    assert fill.venue_id == THEIRS


def test_the_fills_of_an_order_are_asked_for_by_its_name_on_every_page() -> None:
    ours = codec()
    first = ours.order_fills("BTC-USD", "x-1", THEIRS, NOW, 5)
    rows = [{**FILL, "id": f"20240312103850000::{n}"} for n in range(100)]
    *_, further = answer(ours, first, rows)
    assert isinstance(further, Further)
    [looked_up] = answer(ours, ours.order_fills("BTC-USD", "x-2", "", NOW, 6), ORDER)
    assert isinstance(looked_up, Further)
    for request in (first, further.outgoing, looked_up.outgoing):
        assert isinstance(request, HttpRequest)
        assert f"order_id={THEIRS}" in request.query.split("&"), "not through all that ever traded"


def test_what_else_an_account_trades_spoils_no_fill_of_ours() -> None:
    ours = codec()
    short = {**FILL, "symbol": "AAPL", "side": "sell_short", "order_id": "other"}
    request = ours.fills_since("BTC-USD", "", 0, NOW, 5)
    [fill] = reply(answer(ours, request, [short, FILL])).events
    assert isinstance(fill, Fill)
    assert fill.venue_id == THEIRS


def test_an_account_is_its_money_and_then_what_it_holds() -> None:
    ours = codec()
    ours.learn(
        codec(Role.MARKET).decode_instruments(
            json.dumps([asset("BTC/USD"), asset("ETH/USD")]).encode()
        )
    )
    money = {"cash": "1000.5", "currency": "USD", "non_marginable_buying_power": "900"}
    balance, further = answer(ours, ours.account(NOW, 5), money)
    assert balance == Balance("alpaca", "", 0, NOW, "USD", Decimal(900), Decimal("100.5"))
    assert isinstance(further, Further)
    assert isinstance(further.outgoing, HttpRequest)
    coins = {"symbol": "BTCUSD", "qty": "2", "qty_available": "1.5", "avg_entry_price": "1"}
    shares = {"symbol": "AAPL", "qty": "-3", "avg_entry_price": "1", "asset_class": "us_equity"}
    held = [{**coins, "asset_class": "crypto"}, shares]
    told = reply(answer(ours, further.outgoing, held))
    assert told.events == (
        Balance("alpaca", "", 0, NOW, "BTC", Decimal("1.5"), Decimal("0.5")),
        Balance("alpaca", "", 0, NOW, "ETH", Decimal(0), Decimal(0)),
    ), "what is not held is nothing, and said to be"


def test_borrowed_money_is_none() -> None:
    ours = codec()
    balance, _ = answer(ours, ours.account(NOW, 5), {"cash": "-23140.2"})
    assert (balance.free, balance.locked) == (0, 0)


def test_the_clock_says_how_finely_it_is_read() -> None:
    ours = codec()
    body = {"timestamp": "2025-06-24T14:15:22-04:00", "is_open": True}
    told = reply(answer(ours, ours.server_time(NOW, 5), body))
    assert (told.request_id, told.server_step) == (5, SECOND)
    assert told.server_time == 1_750_788_922 * SECOND


def asset(symbol: str, **more: Any) -> dict[str, Any]:
    return {"class": "crypto", "symbol": symbol, "status": "active", "tradable": True,
            "min_order_size": "0.0001", "min_trade_increment": "0.000000001",
            "price_increment": "0.01", **more}  # fmt: skip


def test_a_listing_is_its_crypto_and_may_be_one_asset() -> None:
    ours = codec(Role.MARKET)
    rows = [
        asset("BTC/USD"),
        {**asset("AAPL"), "class": "us_equity"},
        asset("ETH/BTC", tradable=False),
    ]
    found = ours.decode_instruments(json.dumps(rows).encode())
    assert [one.symbol for one in found] == ["BTC-USD", "ETH-BTC"]
    assert [one.status for one in found] == ["TRADING", "ACTIVE"]
    [one] = ours.decode_instruments(json.dumps(asset("BTC/USD")).encode())
    assert (one.tick, one.lot, one.min_size) == (
        Decimal("0.01"),
        Decimal("0.000000001"),
        Decimal("0.0001"),
    )
    assert not one.viewable_only
    with pytest.raises(errors.MalformedFrame):
        ours.decode_instruments(b"[1]")

"""Market frames: what one array says, and that what cannot be read spoils nothing else."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from pitwire.market.book import OrderBook
from pitwire.model.events import BookDelta, BookSnapshot, Malformed, Quote, Trade, Unhandled
from pitwire.venues.alpaca.codec import AlpacaCodec
from pitwire.venues.venue import CodecOptions, Ended, Reply, Role

NOW = 1_700_000_000_000_000_000
T = "2024-03-12T10:38:50.5Z"
TRADE: dict[str, Any] = {"T": "t", "S": "BTC/USD", "p": 5.5, "s": 2, "t": T, "i": 1, "tks": "B"}
QUOTE: dict[str, Any] = {"T": "q", "S": "BTC/USD", "bp": 5, "bs": 1, "ap": 6, "as": 2, "t": T}


def book(bids: Any = (), asks: Any = (), symbol: str = "BTC/USD", **more: Any) -> dict[str, Any]:
    def sides(levels: Any) -> list[dict[str, Any]]:
        return [{"p": price, "s": size} for price, size in levels]

    return {"T": "o", "S": symbol, "t": T, "b": sides(bids), "a": sides(asks), **more}


def decode(*messages: Any, ours: AlpacaCodec | None = None) -> list[Any]:
    ours = ours or AlpacaCodec(CodecOptions(Role.MARKET))
    return list(ours.decode(json.dumps(messages).encode(), NOW))


def kinds(found: list[Any]) -> list[str]:
    return [type(one).__name__ for one in found]


def test_the_order_of_fields_is_not_trusted() -> None:
    backwards = dict(reversed(TRADE.items()))
    assert decode(backwards) == decode(TRADE)
    assert isinstance(decode(TRADE)[0], Trade)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tks", "X"), ("tks", None), ("p", 0), ("p", -1), ("s", -1), ("s", 1e301), ("i", -1),
        ("t", "now"), ("t", 5), ("S", ""), ("S", "X" * 41),
    ],
)  # fmt: skip
def test_a_message_that_cannot_be_read_spoils_no_other_of_its_frame(field: str, value: Any) -> None:
    found = decode(QUOTE, {**TRADE, field: value}, TRADE, {"T": "zz"}, {"S": "BTC/USD"})
    assert kinds(found) == ["Quote", "Malformed", "Trade", "Unhandled", "Malformed"]


def test_what_is_no_array_or_has_a_key_twice_is_malformed_whole() -> None:
    ours = AlpacaCodec(CodecOptions(Role.MARKET))
    twice = b'[{"T":"t","T":"q"}]'
    for frame in (b"{}", b"", b"[", b"\xff", twice, b"[" * 5000, b'"x"'):
        [found] = ours.decode(frame, NOW)
        assert isinstance(found, Malformed), frame


def test_an_empty_array_is_unhandled_and_a_stock_is_none_of_ours() -> None:
    ours = AlpacaCodec(CodecOptions(Role.MARKET))
    assert list(ours.decode(b"[]", NOW)) == []
    [found] = decode({"T": "l", "S": "IONM", "u": 3.24, "d": 2.65, "i": "B", "t": T})
    assert isinstance(found, Unhandled)
    assert found.channel == "l"


def test_a_price_of_zero_is_nobody_whatever_size_is_beside_it() -> None:
    [quote] = decode({**QUOTE, "bp": 0, "bs": 3})
    assert isinstance(quote, Quote)
    assert (quote.bid, quote.bid_size, quote.ask_size) == (0, 0, 2)
    assert not quote.is_whole


def test_books_are_counted_by_symbol_and_the_count_goes_on() -> None:
    ours = AlpacaCodec(CodecOptions(Role.MARKET))
    first = decode(
        book([(5, 1)], r=True), book([(9, 1)], symbol="ETH/USD", r=True), book([(5, 2)]), ours=ours
    )
    second = decode(book([(4, 2)]), book([(3, 1)], r=True), ours=ours)
    ids = [(one.symbol, one.last_id) for one in first + second]
    assert ids == [("BTC-USD", 1), ("ETH-USD", 1), ("BTC-USD", 2), ("BTC-USD", 3), ("BTC-USD", 4)]
    assert kinds(first) == ["BookSnapshot", "BookSnapshot", "BookDelta"]
    assert all(one.first_id == one.last_id for one in first + second if isinstance(one, BookDelta))


def test_a_whole_book_is_sorted_and_without_empty_levels() -> None:
    levels = [(5, 1), (7, 1), (6, 0)]
    [found] = decode(book(levels, [(9, 1), (8, 2), (10, 0)], r=True))
    assert isinstance(found, BookSnapshot)
    assert found.bids == ((7.0, 1.0), (5.0, 1.0))
    assert found.asks == ((8.0, 2.0), (9.0, 1.0))


def test_a_size_of_zero_removes_a_level() -> None:
    ours, kept = AlpacaCodec(CodecOptions(Role.MARKET)), OrderBook("alpaca", "BTC-USD")
    whole, change = decode(
        book([(5, 1), (4, 1)], [(6, 1)], r=True), book([(5, 0)], [(6, 3)]), ours=ours
    )
    kept.apply_snapshot(whole)
    assert kept.apply(change) == ""
    assert list(kept.bids) == [(4.0, 1.0)]
    assert list(kept.asks) == [(6.0, 3.0)]


def test_a_bar_of_a_minute_is_over_and_one_of_a_day_is_not() -> None:
    bar = {"S": "BTC/USD", "o": 1, "h": 3, "l": 1, "c": 2, "v": 4, "n": 5, "vw": 2.5, "t": T}
    minute, late, day = decode({"T": "b", **bar}, {"T": "u", **bar}, {"T": "d", **bar})
    assert (minute.interval, minute.closed, minute.quote_volume) == ("1m", True, 10.0)
    assert late == minute
    assert (day.interval, day.closed) == ("1d", False)
    assert day.close_time - day.open_time > 86_399 * 10**9


def test_who_reads_too_slowly_is_told_so_and_the_connection_is_over() -> None:
    [found] = decode({"T": "error", "code": 407, "msg": "slow client"})
    assert isinstance(found, Ended)
    assert type(found.error).__name__ == "SlowReader"


def test_an_error_that_answers_nothing_is_told_all_the_same() -> None:
    [found] = decode({"T": "error", "code": 400, "msg": "invalid syntax"})
    assert isinstance(found, Reply)
    assert (found.request_id, type(found.error).__name__) == (-1, "SubscriptionRejected")
    [over] = decode({"T": "error", "code": 404, "msg": "auth timeout"})
    assert isinstance(over, Ended), "of a connection that nobody logs in on"


def test_a_fill_without_a_name_is_asked_for_rather_than_counted_twice() -> None:
    order = {
        "id": "v-1", "client_order_id": "x-1", "symbol": "BTC/USD", "side": "buy",
        "status": "partially_filled", "type": "limit", "time_in_force": "gtc", "qty": "0.5",
        "filled_qty": "0.2", "filled_avg_price": "71000", "updated_at": T,
    }  # fmt: skip
    said = {"event": "partial_fill", "order": order, "timestamp": T, "price": "71000", "qty": "0.2"}
    ours = AlpacaCodec(CodecOptions(Role.ORDERS))

    def told(**more: str) -> list[Any]:
        message = {"stream": "trade_updates", "data": {**said, **more}}
        return list(ours.decode(json.dumps(message).encode(), NOW))

    assert kinds(told(execution_id="e-1")) == ["Update", "Fill"]
    [update] = told()
    assert update.filled == Decimal("0.2"), "who keeps count sees that a fill is missing"

"""Market data: what is kept of a contract, and what is told of it."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitwire.model.clock import MILLISECOND
from pitwire.model.errors import ConfigError, ConnectionLost, MalformedFrame
from pitwire.model.events import Malformed, MarketStatus, PartialBook, Quote, Rejected, Ticker
from pitwire.venues.codec import Ask, Doubted, Ended, Further, HttpRequest, Reply, Role
from pitwire.venues.ibkr.codec import IbkrCodec
from pitwire.venues.ibkr.settings import Settings
from tests.venues.ibkr.talk import NOW, answer, frame, fresh, further, log_in, ready, reply

TICKER, STATS = Ask("ticker", "IBM-USD"), Ask("stats", "IBM-USD")
DEPTH = Ask("partial_book", "AAPL-USD")
FULL: dict[str, Any] = {
    "server_id": "q2", "conidEx": "8314", "conid": 8314, "_updated": 1712596911593, "6119": "q2",
    "84": "189.56", "31": "189.60", "86": "189.61", "85": "500", "88": "200", "7059": "100",
    "6509": "RpB", "topic": "smd+8314",
}  # fmt: skip
CHANGED: dict[str, Any] = {
    "_updated": 1712596912100, "conid": 8314, "server_id": "q2", "6119": "q2", "84": "189.57",
    "88": "300", "topic": "smd+8314",
}  # fmt: skip
LADDER = {
    "topic": "sbd+DU1234567+265598",
    "data": [
        {"row": 0, "focus": 0, "price": "165.53", "ask": "300"},
        {"row": 1, "focus": 1, "price": "5 @ 165.52"},
        {"row": 2, "focus": 0, "price": "165.51", "bid": "200"},
    ],
}


def market(*asks: Ask, delayed: bool = False) -> IbkrCodec:
    codec = ready(Role.MARKET, Settings(delayed=delayed))
    for number, ask in enumerate(asks, 2):
        codec.subscribe([ask], number)
    return codec


def told(codec: IbkrCodec, **fields: Any) -> list[Any]:
    """All but what confirms a subscription."""
    return [one for one in codec.decode(frame(**fields), NOW) if not is_confirmed(one)]


def is_confirmed(one: Any) -> bool:
    return isinstance(one, Reply) and one.error is None and not one.server_time


def test_any_word_of_a_contract_confirms_what_is_asked_of_it_and_once() -> None:
    codec = market(TICKER, STATS, DEPTH)
    first = codec.decode(frame(conid=8314, conidEx="8314", topic="smd+8314"), NOW)
    assert first == [Reply(2), Reply(3)]
    assert codec.decode(frame(conid=8314, topic="smd+8314"), NOW) == []
    assert codec.decode(frame(**LADDER), NOW)[0] == Reply(4)


def test_a_first_frame_is_full_and_the_next_has_what_changed() -> None:
    codec = market(TICKER)
    [first] = told(codec, **FULL)
    at = 1712596911593 * MILLISECOND
    assert first == Quote("ibkr", "IBM-USD", at, NOW, 189.56, 200.0, 189.61, 500.0)
    [second] = told(codec, **CHANGED)
    assert (second.bid, second.bid_size, second.ask, second.ask_size) == (189.57, 300, 189.61, 500)


def test_what_changes_nothing_of_a_quote_is_none() -> None:
    codec = market(TICKER)
    told(codec, **FULL)
    assert told(codec, **{**CHANGED, "84": "189.57", "31": "1"})
    assert told(codec, _updated=1712596912100, conid=8314, topic="smd+8314", **{"31": "2"}) == []


def test_the_last_price_is_a_statistic_and_never_a_trade() -> None:
    codec = market(STATS)
    [first] = told(codec, **FULL, **{"7762": "1,234.5", "82": "-3.50", "83": 0.54, "70": "1.2K"})
    assert isinstance(first, Ticker)
    assert (first.last, first.volume, first.change, first.change_percent, first.high) == (
        189.6, 1234.5, -3.5, 0.54, 1200.0,
    )  # fmt: skip
    assert math.isnan(first.open)
    with pytest.raises(ConfigError):
        codec.check(Ask("trades", "IBM-USD"))


def test_a_halted_stock_is_told_so() -> None:
    codec = market(TICKER)
    told(codec, **FULL)
    [halted] = told(codec, conid=8314, topic="smd+8314", **{"31": "H189.60"})
    assert isinstance(halted, MarketStatus)
    assert halted.status == "HALTED"
    assert [one.status for one in told(codec, conid=8314, topic="smd+8314", **{"31": "2"})] == [
        "TRADING"
    ]


@pytest.mark.parametrize("code", ["DPB", "ZB", "YB", "N"])
def test_what_is_not_in_real_time_is_no_quote_and_said_once(code: str) -> None:
    codec = market(TICKER)
    [said] = told(codec, **{**FULL, "6509": code})
    assert isinstance(said, Rejected)
    assert code in said.text
    assert told(codec, **CHANGED) == []
    assert [type(one) for one in told(codec, **{**CHANGED, "6509": "RpB"})] == [Quote]


def test_delayed_quotes_are_told_where_somebody_wants_them() -> None:
    codec = market(TICKER, delayed=True)
    assert [type(one) for one in told(codec, **{**FULL, "6509": "DPB"})] == [Quote]


def test_a_side_where_nobody_quotes_is_zero() -> None:
    codec = market(TICKER)
    [quote] = told(codec, **{**FULL, "84": "-1", "85": "0"})
    assert (quote.bid, quote.bid_size, quote.ask, quote.ask_size) == (0, 0, 0, 0)


def test_what_is_asked_for_anew_begins_full() -> None:
    codec = market(TICKER)
    told(codec, **FULL)
    codec.subscribe([TICKER], 3)
    assert told(codec, **CHANGED) == []  # half a quote: what the other side is nobody knows
    [quote] = told(codec, **FULL)
    assert (quote.bid, quote.ask) == (189.56, 189.61)


def test_a_frame_with_a_number_that_is_none_changes_nothing() -> None:
    codec = market(TICKER)
    told(codec, **FULL)
    for value in ("abc", "1e5", "NaN", True, {}, "9" * 60):
        [bad] = told(codec, **{**CHANGED, "84": value})
        assert isinstance(bad, Malformed)
    [quote] = told(codec, **{**CHANGED, "84": "189.60"})
    assert quote.bid == 189.6


def test_a_statistic_that_is_no_number_hides_no_quote() -> None:
    codec = market(TICKER, STATS)
    told(codec, **FULL)
    bad, quote, stats = told(codec, **{**CHANGED, "83": "n/a"})
    assert isinstance(bad, Malformed)
    assert (quote.bid, quote.ask) == (189.57, 189.61)
    assert math.isnan(stats.change_percent)


def test_a_price_that_is_no_number_is_not_the_one_before_it() -> None:
    codec = market(TICKER)
    told(codec, **FULL)
    [bad] = told(codec, **{**CHANGED, "84": "n/a"})
    assert isinstance(bad, Malformed)
    asks = {"_updated": 1712596912100, "conid": 8314, "topic": "smd+8314", "86": "189.70"}
    assert told(codec, **asks) == []  # what is bid nobody knows
    [quote] = told(codec, **CHANGED)
    assert (quote.bid, quote.ask) == (189.57, 189.7)


def test_a_number_so_small_that_it_has_an_exponent_is_a_number() -> None:
    codec = market(STATS)
    [stats] = told(codec, **FULL, **{"83": 5.1e-05})
    assert stats.change_percent == 5.1e-05


def test_nothing_of_one_connection_is_shown_on_the_next() -> None:
    codec = market(TICKER, STATS)
    told(codec, **FULL)
    log_in(codec)
    codec.subscribe([TICKER], 9)
    codec.subscribe([STATS], 10)
    gone = {name: value for name, value in FULL.items() if name not in ("84", "88", "31")}
    quote, stats = told(codec, **gone, **{"70": "190.00"})
    assert (quote.bid, quote.bid_size, quote.ask) == (0, 0, 189.61)  # nobody bids any more
    assert math.isnan(stats.last)


def test_what_was_ended_between_two_connections_is_not_renewed() -> None:
    codec = market(TICKER, DEPTH)
    log_in(codec)
    codec.subscribe([TICKER], 9)
    assert codec.chore("renew", NOW) == [b'smd+8314+{"fields":["84","85","86","88","6509"]}']


def test_all_that_is_asked_of_a_contract_is_one_subscription() -> None:
    codec = ready(Role.MARKET)
    one = codec.subscribe([TICKER], 2)
    assert one == b'smd+8314+{"fields":["84","85","86","88","6509"]}'
    both = codec.subscribe([STATS], 3)
    assert json.loads(both.partition(b"+{")[2].join((b"{", b"")))["fields"][:4] == [
        "84", "85", "86", "88",
    ]  # fmt: skip
    assert codec.unsubscribe([TICKER], 4).startswith(b'smd+8314+{"fields":["31"')
    assert codec.unsubscribe([STATS], 5) == b"umd+8314+{}"
    assert told(codec, **FULL) == []


def test_subscriptions_are_renewed_before_they_end() -> None:
    codec = market(TICKER, DEPTH)
    assert codec.chore("renew", NOW) == [
        b'smd+8314+{"fields":["84","85","86","88","6509"]}', b"sbd+DU1234567+265598",
    ]  # fmt: skip
    assert codec.chore("tic", NOW) == (b"tic",)


def test_a_ladder_is_a_partial_book_of_which_rows_change() -> None:
    codec = market(DEPTH)
    [book] = told(codec, **LADDER)
    assert book == PartialBook(
        "ibkr", "AAPL-USD", 0, NOW, 0, ((165.51, 200.0),), ((165.53, 300.0),), 1
    )
    [book] = told(codec, topic="sbd", data=[{"row": 1, "price": "165.52", "bid": "50"}])
    assert book.bids == ((165.52, 50.0), (165.51, 200.0))
    crossed = told(codec, topic="sbd", data=[{"row": 0, "price": "165.50", "ask": "1"}])
    assert crossed == []
    assert codec.unsubscribe([DEPTH], 3) == b"ubd+DU1234567"


def test_notices_of_the_brokers_lines_go_by_the_table() -> None:
    codec = market(TICKER)
    assert told(codec, topic="error", error="lost", code=1100) == [Doubted()]
    assert told(codec, topic="ntf", args={"id": "2103", "text": "farm broken"}) == [Doubted()]
    renewed = [Further(0, b'smd+8314+{"fields":["84","85","86","88","6509"]}')]
    for code in (1102, 2104, 2108):
        assert told(codec, topic="error", error="back", code=code) == renewed
    [ended] = told(codec, topic="error", error="data lost", code=1101)
    assert isinstance(ended, Ended)
    assert isinstance(ended.error, ConnectionLost)
    for code in (2105, 2106, 2107):
        assert told(codec, topic="error", error="history", code=code) == []


def test_a_lost_line_ends_the_orders_connection_and_a_farm_does_not() -> None:
    for code, ends in ((1100, True), (1101, True), (2103, False), (2104, False), (1102, False)):
        found = told(ready(Role.ORDERS), topic="error", error="x", code=code)
        assert bool(found) is ends


def test_greetings_and_heartbeats_say_nothing() -> None:
    codec = ready(Role.MARKET)
    assert told(codec, topic="system", hb=1602902009417) == []
    assert told(codec, topic="system", success="user1234", isFT=False, isPaper=True) == []
    assert told(codec, topic="act", args={"accounts": ["DU1234567"]}) == []
    assert told(codec, topic="tic", alive=True, id="x", lastAccessed=1602902009417) == []
    assert told(codec, message="Unsubscribed 341115") == []


def test_a_tic_answers_the_question_after_the_time_once() -> None:
    codec = ready()
    assert codec.server_time(NOW, 9) == b"tic"
    [said] = told(codec, topic="tic", alive=True, id="x", lastAccessed=1602902009417)
    assert (said.request_id, said.server_time) == (9, 1602902009417 * MILLISECOND)
    assert told(codec, topic="tic", alive=True, id="x", lastAccessed=1602902009417) == []


def test_a_listing_is_the_contracts_and_then_the_rules_of_each() -> None:
    codec = fresh(Role.MARKET)
    request = codec.ask_instruments(["AAPL-USD", "XYZ-USD"])
    assert (request.path, request.query) == ("/v1/api/trsrv/stocks", "symbols=AAPL,XYZ")
    body = {"AAPL": [{"name": "APPLE INC", "assetClass": "STK", "contracts": [
        {"conid": 38708077, "exchange": "MEXI", "isUS": False},
        {"conid": 265598, "exchange": "NASDAQ", "isUS": True}]}], "XYZ": []}  # fmt: skip
    rules = further(answer(codec, request, body))
    assert rules.path == "/v1/api/iserver/contract/265598/info-and-rules"
    assert codec.decode_instruments(json.dumps(body).encode()) == []
    contract = {"con_id": 265598, "symbol": "AAPL", "currency": "USD", "rules": {
        "orderTypes": ["limit", "market", "midprice"], "increment": 0.01,
        "incrementRules": [{"lowerEdge": 0.0, "increment": 0.01}]}}  # fmt: skip
    [found] = codec.decode_instruments(json.dumps(contract).encode())
    assert (found.symbol, found.native, str(found.tick)) == ("AAPL-USD", "265598", "0.01")
    with pytest.raises(MalformedFrame):
        codec.decode_instruments(b"[]")
    for wrong in ((), ("AAPL-EUR",), ("AAPL",)):
        with pytest.raises(ConfigError):
            codec.ask_instruments(wrong)


def test_what_was_not_listed_cannot_be_asked_for() -> None:
    codec = ready(Role.MARKET)
    codec.check(Ask("ticker", "TSLA-USD"))
    with pytest.raises(ConfigError):
        codec.subscribe([Ask("ticker", "TSLA-USD")], 1)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_bytes_make_it_raise(data: st.DataObject) -> None:
    codec = market(TICKER, STATS, DEPTH)
    rows = [FULL, CHANGED, LADDER, {"topic": "sts", "args": {}}, {"topic": "sor", "args": [{}]},
            {"topic": "str", "args": [{}]}, {"topic": "tic"}]  # fmt: skip
    whole = bytearray(json.dumps(data.draw(st.sampled_from(rows))).encode())
    for _ in range(data.draw(st.integers(0, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    for event in codec.decode(bytes(whole), NOW):
        if isinstance(event, Quote):
            assert min(event.bid, event.bid_size, event.ask, event.ask_size) >= 0
    for purpose in ("login.tickle", "place", "cancel", "status", "open_orders", "fills", "watch",
                    "account.held", "account.cash", "tickle", "instruments", "time"):  # fmt: skip
        request = HttpRequest(purpose, "GET", "/", request_id=4)
        assert list(codec.decode_response(request, 200, {}, bytes(whole), NOW))


def test_the_first_answer_of_a_time_question_over_rest_is_when_we_were_heard() -> None:
    codec = ready(Role.MARKET)
    request = codec.ask_time()
    assert (request.path, request.scope) == ("/v1/api/sso/validate", "validate")
    found = reply(answer(codec, request, {"RESULT": True, "lastAccessed": 1702581069652}))
    assert found.server_time == 1702581069652 * MILLISECOND

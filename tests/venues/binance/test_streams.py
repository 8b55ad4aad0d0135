"""Which ask an event answers."""

from __future__ import annotations

import pytest

from pitwire.model.events import Balance, Event, Ticker
from pitwire.venues.binance import BINANCE
from pitwire.venues.binance.codec import BinanceCodec
from pitwire.venues.binance.streams import CHANNELS
from pitwire.venues.venue import Ask, CodecOptions, Role

TIME = 1672515782136
TRADE = f'"t":1,"p":"1","q":"1","T":{TIME},"m":true'
BAR = (
    f'"k":{{"t":{TIME},"T":{TIME},"s":"BNBBTC","i":"%s","o":"1","c":"1","h":"1","l":"1","v":"1",'
    '"n":1,"x":false,"q":"1"}'
)
MINI = '"c":"1","o":"1","h":"1","l":"1","v":"1","q":"1"'
ROLLING = MINI + ',"p":"1","P":"1","w":"1","n":3'
DAY = ROLLING + ',"b":"1","B":"1","a":"1","A":"1"'
SILENT = DAY.replace('"p":"1","P":"1","w":"1","n":3', '"p":"0","P":"0","w":"0","n":0')
TOP = '{"lastUpdateId":1,"bids":[],"asks":[]}'


def event(kind: str, body: str) -> str:
    return f'{{"e":"{kind}","E":{TIME},"s":"BNBBTC",{body}}}'


CASES = [
    (Ask("trades", "BNB-BTC"), "bnbbtc@trade", event("trade", TRADE)),
    (
        Ask("aggregate_trades", "BNB-BTC"),
        "bnbbtc@aggTrade",
        event("aggTrade", TRADE.replace('"t":1', '"a":1,"f":1,"l":1')),
    ),
    (
        Ask("ticker", "BNB-BTC"),
        "bnbbtc@bookTicker",
        '{"u":1,"s":"BNBBTC","b":"1","B":"1","a":"2","A":"1"}',
    ),
    (
        Ask("book", "BNB-BTC"),
        "bnbbtc@depth@100ms",
        event("depthUpdate", '"U":1,"u":1,"b":[],"a":[]'),
    ),
    (
        Ask("book", "BNB-BTC", "1000ms"),
        "bnbbtc@depth",
        event("depthUpdate", '"U":1,"u":1,"b":[],"a":[]'),
    ),
    (Ask("partial_book", "BNB-BTC"), "bnbbtc@depth20@100ms", TOP),
    (Ask("partial_book", "BNB-BTC", "20"), "bnbbtc@depth20", TOP),
    (Ask("partial_book", "BNB-BTC", "5@100ms"), "bnbbtc@depth5@100ms", TOP),
    (Ask("bars", "BNB-BTC"), "bnbbtc@kline_1m", event("kline", BAR % "1m")),
    (Ask("bars", "BNB-BTC", "1M"), "bnbbtc@kline_1M", event("kline", BAR % "1M")),
    (Ask("mini_stats", "BNB-BTC"), "bnbbtc@miniTicker", event("24hrMiniTicker", MINI)),
    (Ask("mini_stats"), "!miniTicker@arr", f"[{event('24hrMiniTicker', MINI)}]"),
    (Ask("stats", "BNB-BTC"), "bnbbtc@ticker", event("24hrTicker", DAY)),
    (Ask("stats", "BNB-BTC", "1h"), "bnbbtc@ticker_1h", event("1hTicker", ROLLING)),
    (Ask("stats", "", "4h"), "!ticker_4h@arr", f"[{event('4hTicker', ROLLING)}]"),
    (Ask("average_price", "BNB-BTC"), "bnbbtc@avgPrice", event("avgPrice", '"i":"5m","w":"1"')),
]


@pytest.mark.parametrize(("ask", "stream", "payload"), CASES)
def test_an_event_finds_the_ask_it_answers(ask: Ask, stream: str, payload: str) -> None:
    codec = BinanceCodec(CodecOptions(role=Role.MARKET))
    assert f'"{stream}"'.encode() in codec.subscribe([ask], 1)
    [found] = codec.decode(f'{{"stream":"{stream}","data":{payload}}}'.encode(), 1)
    assert isinstance(found, Event)
    assert type(found).__name__ == CHANNELS[ask.channel].event
    assert codec.ask_of(found) == ask


@pytest.mark.parametrize(("ask", "stream", "payload"), CASES)
def test_an_event_nobody_asked_for_finds_the_channels_default(
    ask: Ask, stream: str, payload: str
) -> None:
    codec = BinanceCodec(CodecOptions(role=Role.MARKET))
    [found] = codec.decode(f'{{"stream":"{stream}","data":{payload}}}'.encode(), 1)
    answer = codec.ask_of(found)  # type: ignore[arg-type]
    assert answer is not None
    assert answer.channel == ask.channel
    codec.check(answer)


def test_the_ask_comes_back_as_it_was_given() -> None:
    codec = BinanceCodec(CodecOptions(role=Role.MARKET))
    spelt = Ask("bars", "BNB-BTC", "1m")
    codec.subscribe([spelt], 1)
    frame = f'{{"stream":"bnbbtc@kline_1m","data":{event("kline", BAR % "1m")}}}'
    [found] = codec.decode(frame.encode(), 1)
    assert codec.ask_of(found) is spelt  # type: ignore[arg-type]


def test_day_statistics_without_trades_are_not_taken_for_mini_ones() -> None:
    codec = BinanceCodec(CodecOptions(role=Role.MARKET))
    codec.subscribe([Ask("stats", "BNB-BTC")], 1)
    found = Ticker("binance", "BNB-BTC", 0, 0, "24h", 1, 1, 1, 1, 1, 1, trades=0)
    assert codec.ask_of(found) == Ask("stats", "BNB-BTC")


def test_an_account_event_answers_no_ask() -> None:
    codec = BinanceCodec(CodecOptions(role=Role.MARKET))
    assert codec.ask_of(Balance("binance", "", 0, 0, "BTC", 0, 0)) is None  # type: ignore[arg-type]


def test_every_row_of_the_table_can_be_asked_for() -> None:
    codec = BINANCE.codec(CodecOptions(role=Role.MARKET))
    for name, row in BINANCE.channels.items():
        assert row.name == name
        for option in ("", *row.options):
            codec.check(Ask(name, "BTC-USDT", option))
        assert row.default_option in (row.options or ("",))


def test_statistics_of_a_day_without_a_trade_are_no_mini_ones() -> None:
    wanted = [Ask("mini_stats", "BNB-BTC"), Ask("stats", "BNB-BTC")]
    for kind, body, ask in (
        ("24hrMiniTicker", MINI, wanted[0]),
        ("24hrTicker", SILENT, wanted[1]),
        ("24hrTicker", DAY, wanted[1]),
    ):
        codec = BinanceCodec(CodecOptions(role=Role.MARKET))
        codec.subscribe(wanted, 1)
        [found] = codec.decode(event(kind, body).encode(), 1)
        assert codec.ask_of(found) == ask, kind  # type: ignore[arg-type]

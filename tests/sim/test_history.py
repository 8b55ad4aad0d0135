"""A recorded market, and how our orders fare in it."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from pitwire.model.entropy import Entropy
from pitwire.model.orders import Side
from pitwire.sim.capture import CaptureRecord, load_capture
from pitwire.sim.facts import (
    Accepted,
    Kind,
    LevelChanged,
    Listing,
    NewOrder,
    Recorded,
    Refusal,
    Refused,
    SimOrder,
    Status,
    Traded,
    Triggered,
)
from pitwire.sim.history import RecordedMarket
from pitwire.sim.queues import Cancels

START = 1_700_000_000_000_000_000
SECOND = 1_000_000_000
SYMBOL = "AAA-BBB"
LISTING = Listing(
    symbol=SYMBOL, base="AAA", quote="BBB", tick=Decimal("0.01"), lot=Decimal("0.001")
)


class Tape:
    """Writes records a second apart: a book of 99 and 101, and what the test adds."""

    def __init__(self) -> None:
        self.id = 10
        self.trades = 0
        book = {"lastUpdateId": 10, "bids": [["0.99", "0.100"]], "asks": [["1.01", "0.100"]]}
        self.records = [CaptureRecord("http", "c", 0, json.dumps(book), "", "")]

    def frame(self, stream: str, payload: object) -> Tape:
        text = json.dumps({"stream": f"aaabbb@{stream}", "data": payload})
        self.records.append(CaptureRecord("recv", "c", len(self.records) * SECOND, text, "", ""))
        return self

    def diff(
        self, bids: dict[int, int] | None = None, asks: dict[int, int] | None = None, skip: int = 0
    ) -> Tape:
        first = self.id + 1 + skip
        self.id = first + 2
        payload = {"e": "depthUpdate", "s": "AAABBB", "U": first, "u": self.id}
        for name, levels in (("b", bids or {}), ("a", asks or {})):
            payload[name] = [[f"{p / 100:.2f}", f"{q / 1000:.3f}"] for p, q in levels.items()]
        return self.frame("depth@100ms", payload)

    def trade(self, price: int, lots: int, *, taker: Side) -> Tape:
        self.trades += 1
        payload = {
            "e": "trade",
            "s": "AAABBB",
            "t": self.trades,
            "p": f"{price / 100:.2f}",
            "q": f"{lots / 1000:.3f}",
            "T": 1,
            "m": taker is Side.SELL,
        }
        return self.frame("trade", payload)


class Show:
    """A tape that plays, and ann who trades on it."""

    def __init__(self, tape: Tape, cancels: Cancels = Cancels.PROPORTIONAL, speed: float = 1.0):
        self.market = RecordedMarket(
            LISTING, tape.records, Entropy(1), cancels=cancels, speed=speed
        )
        self.market.open_account("ann", {"AAA": Decimal(10), "BBB": Decimal(10)})
        self.now = START

    def place(self, side: Side, lots: int, kind: Kind = Kind.LIMIT, **parts: object) -> SimOrder:
        request = NewOrder(account="ann", symbol=SYMBOL, side=side, kind=kind, lots=lots, **parts)
        return self.market.place(request, self.now)

    def buy(self, price: int, lots: int) -> SimOrder:
        return self.place(Side.BUY, lots, price=price)

    def play(self, count: int = 1) -> None:
        """Play this many records."""
        for _ in range(count):
            self.now = max(self.now, self.market.next_deadline() or 0)
            self.market.handle_deadline(self.now)


def fills(show: Show) -> list[tuple[int, int, bool]]:
    """(price, lots, we were the maker) of ann's trades."""
    trades = show.market.trades_of("ann", SYMBOL)
    return [(trade.price, trade.lots, trade.maker.account == "ann") for trade in trades]


# ── the recording itself ──────────────────────────────────────────────────────────────────────


def test_the_snapshot_is_there_before_the_first_frame():
    show = Show(Tape())
    depth = show.market.book(SYMBOL)
    assert (depth.update_id, depth.bids, depth.asks) == (10, [(99, 100)], [(101, 100)])
    assert show.market.top(SYMBOL) == (99, 100, 101, 100)
    assert show.market.last_price(SYMBOL) == 99
    assert show.market.finished


def test_a_recording_that_has_a_time_does_not_begin_before_it():
    records = Tape().diff({98: 5}).trade(101, 2, taker=Side.BUY).records
    market = RecordedMarket(LISTING, records, Entropy(1), begin=START)
    assert market.next_deadline() == START
    market.handle_deadline(START - 1)
    assert market.played == 0
    market.handle_deadline(START)
    assert (market.played, market.next_deadline()) == (1, START + SECOND)
    late = RecordedMarket(LISTING, records, Entropy(1), begin=START)
    late.handle_deadline(START + 5)
    assert late.next_deadline() == START + 5 + SECOND


def test_our_orders_are_numbered_whatever_was_recorded_before_them():
    show = Show(Tape().diff({98: 5}).diff({97: 5}))
    assert show.buy(95, 1).order_id == 1
    show.play(2)
    assert show.buy(96, 1).order_id == 2


def test_payloads_are_handed_on_byte_for_byte_in_their_time():
    tape = Tape().diff({98: 5}).trade(101, 2, taker=Side.BUY).frame("bookTicker", {"s": "AAABBB"})
    show = Show(tape, speed=2)
    assert show.market.next_deadline() == 0
    show.market.handle_deadline(START)
    assert show.market.next_deadline() == START + SECOND // 2
    show.market.handle_deadline(START + SECOND)
    facts = show.market.take_facts()
    assert show.market.finished
    assert show.market.next_deadline() is None
    assert [type(fact) for fact in facts] == [Recorded] * 3
    assert [fact.stream for fact in facts] == [
        "aaabbb@depth@100ms",
        "aaabbb@trade",
        "aaabbb@bookTicker",
    ]
    for fact, record in zip(facts, tape.records[1:], strict=True):
        assert fact.payload.decode() in record.data
        assert json.loads(fact.payload) == json.loads(record.data)["data"]


def test_a_machine_that_cannot_keep_the_pace_plays_later_and_leaves_nothing_out():
    tape = Tape()
    for price in range(90, 96):
        tape.diff({price: 5})
    show = Show(tape)
    show.market.slow_down(START)  # nothing has begun: nothing to put off
    show.market.handle_deadline(START)
    late = START + 60 * SECOND
    show.market.slow_down(late)
    show.market.handle_deadline(late)
    assert len(show.market.take_facts()) == 2  # the first and the one that was due; not all six
    assert show.market.next_deadline() == late + SECOND
    show.market.slow_down(late)
    assert show.market.next_deadline() == late + SECOND  # in time: nothing is put off
    show.play(4)
    assert show.market.finished
    assert len(show.market.take_facts()) == 4
    show.market.slow_down(late + 60 * SECOND)  # it is over
    assert show.market.next_deadline() is None


def test_what_belongs_to_another_symbol_is_left_out():
    tape = Tape()
    tape.records.append(CaptureRecord("recv", "c", 5, '{"stream":"zzz@trade","data":{}}', "", ""))
    show = Show(tape)
    show.play()
    assert show.market.take_facts() == []


def test_the_book_follows_the_diffs_and_counts_gaps():
    tape = Tape().diff({99: 0, 98: 7}, {101: 40}).diff({97: 1}, skip=3)
    tape.id = 3
    tape.diff({1: 1})
    show = Show(tape)
    show.play(3)
    depth = show.market.book(SYMBOL)
    assert depth.bids == [(98, 7), (97, 1)]
    assert depth.asks == [(101, 40)]
    assert (depth.update_id, show.market.gaps) == (19, 1)
    assert show.market.book(SYMBOL, 1).bids == [(98, 7)]


def test_recorded_trades_can_be_asked_for():
    tape = Tape().trade(101, 2, taker=Side.BUY).trade(99, 3, taker=Side.SELL)
    show = Show(tape)
    show.play(2)
    (newest,) = show.market.recent_trades(SYMBOL, 1)
    assert (newest.trade_id, newest.price, newest.lots) == (2, 99, 3)
    assert newest.taker_side is Side.SELL
    assert [trade.trade_id for trade in show.market.trades_from(SYMBOL, 1, 5)] == [1, 2]
    assert [trade.trade_id for trade in show.market.trades_from(SYMBOL, 2, 5)] == [2]
    assert show.market.recent_trades(SYMBOL, 0) == []
    assert show.market.last_price(SYMBOL) == 99
    assert show.market.average_price(SYMBOL, 5, show.now) == Decimal("0.998")


# ── our orders in it ──────────────────────────────────────────────────────────────────────────


def test_an_order_waits_behind_what_is_recorded_and_then_fills():
    tape = Tape().trade(99, 60, taker=Side.SELL).trade(99, 70, taker=Side.SELL)
    show = Show(tape.trade(99, 10, taker=Side.SELL))
    order = show.buy(99, 35)
    show.play()
    assert fills(show) == []
    show.play()
    assert fills(show) == [(99, 30, True)]
    show.play()
    assert (order.status, fills(show)) == (Status.FILLED, [(99, 30, True), (99, 5, True)])


def test_our_fills_are_told_to_us_and_not_to_the_market():
    show = Show(Tape().trade(99, 150, taker=Side.SELL))
    show.buy(99, 20)
    show.play()
    facts = show.market.take_facts()
    assert not any(isinstance(fact, LevelChanged) for fact in facts)
    (traded,) = [fact for fact in facts if isinstance(fact, Traded)]
    assert not traded.public
    assert isinstance(facts[0], Accepted)
    recorded = [isinstance(fact, Recorded) for fact in facts]
    assert recorded.index(True) < facts.index(traded)
    assert show.market.book(SYMBOL).bids == [(99, 100)]


@pytest.mark.parametrize(
    ("cancels", "filled"),
    [(Cancels.PROPORTIONAL, 10), (Cancels.BEHIND, 0), (Cancels.AHEAD, 30)],
)
def test_a_cancellation_stands_where_the_model_says(cancels: Cancels, filled: int):
    # 100 ahead of us, then 100 behind; 80 of the 200 are cancelled, then 70 trade.
    tape = Tape().diff({99: 200}).diff({99: 120}).trade(99, 70, taker=Side.SELL)
    show = Show(tape, cancels)
    order = show.buy(99, 30)
    show.play(3)
    assert order.filled_lots == filled


def test_a_level_that_empties_leaves_us_first():
    tape = Tape().diff({99: 0}).diff({99: 50}).trade(99, 4, taker=Side.SELL)
    show = Show(tape)
    order = show.buy(99, 30)
    show.play(3)
    assert order.filled_lots == 4


def test_a_trade_at_a_worse_price_goes_through_us_first():
    show = Show(Tape().trade(99, 40, taker=Side.SELL))
    order = show.buy(100, 30)
    show.play()
    assert (order.status, fills(show)) == (Status.FILLED, [(100, 30, True)])
    small = Show(Tape().trade(99, 8, taker=Side.SELL))
    small.buy(100, 30)
    small.play()
    assert fills(small) == [(100, 8, True)]


def test_a_quote_through_our_price_fills_us_up_to_its_size():
    show = Show(Tape().diff({99: 0}, {98: 12}))
    order = show.buy(99, 30)
    show.play()
    assert (order.filled_lots, fills(show)) == (12, [(99, 12, True)])
    assert show.market.book(SYMBOL).asks == [(98, 12), (101, 100)]


def test_a_quote_that_moves_does_not_cross_itself():
    show = Show(Tape().diff({101: 5, 99: 0}, {101: 0, 103: 9}))
    order = show.buy(98, 30)
    show.play()
    assert fills(show) == []
    assert order.on_book


def test_a_taker_walks_the_recorded_book_and_what_it_took_stays_taken():
    tape = Tape().diff(asks={102: 50}).diff({98: 1}).diff(asks={101: 80})
    show = Show(tape)
    show.play()
    assert show.place(Side.BUY, 120, Kind.MARKET).status is Status.FILLED
    assert fills(show) == [(101, 100, False), (102, 20, False)]
    assert show.market.book(SYMBOL).asks == [(101, 100), (102, 50)]
    show.play()
    show.place(Side.BUY, 5, Kind.MARKET)
    assert fills(show)[-1] == (102, 5, False)
    show.play()
    show.place(Side.BUY, 5, Kind.MARKET)
    assert fills(show)[-1] == (101, 5, False)


def test_a_recorded_trade_sets_off_a_stop():
    show = Show(Tape().trade(101, 1, taker=Side.BUY).trade(99, 1, taker=Side.SELL))
    show.play()
    order = show.place(Side.SELL, 3, Kind.STOP_LOSS, stop_price=99)
    assert order.status is Status.NEW
    show.play()
    assert order.status is Status.FILLED
    assert any(isinstance(fact, Triggered) for fact in show.market.take_facts())


def test_money_is_exact_against_the_recording():
    show = Show(Tape().trade(99, 150, taker=Side.SELL))
    show.buy(99, 20)
    show.play()
    balances = show.market.balances("ann")
    assert balances["AAA"] == (Decimal("10.01998"), Decimal(0))
    assert balances["BBB"] == (Decimal("9.9802"), Decimal(0))


def test_the_commands_are_the_exchanges_own():
    show = Show(Tape())
    order = show.buy(98, 30)
    market = show.market
    assert market.order("ann", SYMBOL, order_id=order.order_id) is order
    assert market.open_orders("ann") == market.all_orders("ann", SYMBOL) == [order]
    market.amend(
        "ann",
        SYMBOL,
        order_id=order.order_id,
        client_id="",
        lots=20,
        new_client_id="x",
        now=START,
    )
    assert market.cancel("ann", SYMBOL, client_id="x", now=START).status is Status.CANCELED
    with pytest.raises(Refused) as refused:
        market.cancel_all("ann", SYMBOL, START)
    assert refused.value.refusal is Refusal.UNKNOWN_ORDER
    market.deposit("ann", "AAA", Decimal(1), START)
    market.schedule_status(SYMBOL, "HALT", START + 1)
    assert market.next_deadline() == START + 1
    market.handle_deadline(START + 1)
    assert market.listings[SYMBOL].status == "HALT"
    market.set_status(SYMBOL, "TRADING", START)
    market.check(
        NewOrder(account="ann", symbol=SYMBOL, side=Side.BUY, kind=Kind.MARKET, lots=1), START
    )


def test_a_speed_that_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="speed: found 0"):
        Show(Tape(), speed=0)


# ── several symbols ───────────────────────────────────────────────────────────────────────────


def of(name: str, what: str, at: int, payload: dict[str, object], stream: bool = True):
    said = {"s": name, **payload}
    text = json.dumps({"stream": f"{name.lower()}@{what}", "data": said} if stream else said)
    return CaptureRecord("recv", "c", at * SECOND, text, "", "")


def opening(name: str, last_id: int, bid: str, ask: str) -> CaptureRecord:
    book = {"lastUpdateId": last_id, "bids": [[bid, "0.100"]], "asks": [[ask, "0.100"]]}
    return CaptureRecord("http", "c", 0, json.dumps(book), "", f"https://x/depth?symbol={name}")


def test_several_symbols_of_one_recording_are_each_a_market_of_their_own():
    other = Listing(
        symbol="CCC-BBB", base="CCC", quote="BBB", tick=Decimal("0.1"), lot=Decimal("0.01")
    )
    diff = {"e": "depthUpdate", "U": 11, "u": 12, "b": [["0.98", "0.005"]], "a": []}
    skips = {"e": "depthUpdate", "U": 44, "u": 45, "b": [], "a": [["5.2", "0.10"]]}
    trade = {"e": "trade", "t": 7, "p": "5.0", "q": "0.30", "T": 1, "m": True}
    records = [
        opening("CCCBBB", 40, "5.0", "5.1"),
        opening("AAABBB", 10, "0.99", "1.01"),
        of("AAABBB", "depth@100ms", 1, diff),
        of("CCCBBB", "depth@100ms", 2, skips),
        of("CCCBBB", "trade", 3, trade, stream=False),
        of("DDDBBB", "trade", 4, trade),
    ]
    market = RecordedMarket([LISTING, other], records, Entropy(1))
    market.open_account("ann", {"AAA": Decimal(10), "BBB": Decimal(10), "CCC": Decimal(10)})
    assert market.book(SYMBOL).update_id == 10
    assert market.book("CCC-BBB").bids == [(50, 10)]
    mine = market.place(
        NewOrder(account="ann", symbol="CCC-BBB", side=Side.BUY, kind=Kind.LIMIT, lots=5, price=50),
        START,
    )
    taken = market.place(
        NewOrder(account="ann", symbol=SYMBOL, side=Side.BUY, kind=Kind.LIMIT, lots=5, price=101),
        START,
    )
    assert (mine.filled_lots, taken.status) == (0, Status.FILLED)
    market.handle_deadline(START)
    while (due := market.next_deadline()) is not None:
        market.handle_deadline(due)
    seen = [fact for fact in market.take_facts() if isinstance(fact, Recorded)]
    assert [fact.symbol for fact in seen] == [SYMBOL, "CCC-BBB", "CCC-BBB"], "no stranger's"
    assert market.book(SYMBOL).bids == [(99, 100), (98, 5)]
    assert market.book("CCC-BBB").asks == [(51, 10), (52, 10)]
    assert market.gaps == 1
    assert mine.status is Status.FILLED, "the trade ate what stood before us, and us"
    assert market.recent_trades(SYMBOL, 5) == []
    assert [one.trade_id for one in market.recent_trades("CCC-BBB", 5)] == [7]
    assert market.last_price("CCC-BBB") == 50


# ── a real recording ──────────────────────────────────────────────────────────────────────────

REAL = "spot_BTCUSDT_depth-trade-bookTicker_2024-08-08.jsonl.gz"
BITCOIN = Listing(
    symbol="BTC-USDT", base="BTC", quote="USDT", tick=Decimal("0.01"), lot=Decimal("0.00001")
)


def spelt(levels: list[tuple[int, int]]) -> list[list[str]]:
    return [[f"{price * BITCOIN.tick:.8f}", f"{lots * BITCOIN.lot:.8f}"] for price, lots in levels]


def test_a_real_recording_ends_in_its_own_book_and_fills_our_orders(captures: Path):
    records = load_capture(captures / "binance" / REAL)
    expected = json.loads((captures / "expected.json").read_text())[f"binance/{REAL}"]
    market = RecordedMarket(BITCOIN, records, Entropy(1), speed=100)
    market.open_account("ann", {"USDT": Decimal(100_000)})
    bid, _, ask, _ = market.top("BTC-USDT")
    resting, taking = (
        NewOrder(
            account="ann", symbol="BTC-USDT", side=Side.BUY, kind=Kind.LIMIT, lots=1_000, price=at
        )
        for at in (bid, ask)
    )
    rests, takes = market.place(resting, START), market.place(taking, START)
    assert (rests.filled_lots, takes.status) == (0, Status.FILLED)
    frames = 0
    while (due := market.next_deadline()) is not None:
        market.handle_deadline(max(due, START))
        facts = market.take_facts()
        frames += sum(isinstance(fact, Recorded) for fact in facts)
    assert rests.status is Status.FILLED
    assert rests.updated > START
    assert frames == expected["records"]["recv"]
    truth, depth = expected["symbols"]["BTCUSDT"], market.book("BTC-USDT", 10)
    assert depth.update_id == truth["last_u"]
    assert spelt(depth.bids) == truth["final_top10"]["bids"]
    assert spelt(depth.asks) == truth["final_top10"]["asks"]
    assert market.gaps == 0

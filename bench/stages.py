"""Which stage costs what, from the frame's bytes to the order's, each timed alone on real objects.

Frame and send are timed over a real socket; the rest in a loop over the traffic of the races.
Everything is µs, of what is done in a loop those of CPU time, the smallest of several runs: other
work can only make a run longer.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from bench import answers, ours, traffic
from bench.arena import Failed, arena
from bench.client import Spec
from pitwire.market.book import OrderBook
from pitwire.market.sync import BookSync
from pitwire.model.clock import SystemClock
from pitwire.model.credentials import Credentials
from pitwire.model.events import BookDelta, BookSnapshot, Trade, Update
from pitwire.model.instruments import Instrument
from pitwire.model.orders import Command, Order, Side, UpdateKind
from pitwire.trading.engine import Engine
from pitwire.venues.binance import BINANCE
from pitwire.venues.venue import Ask, Codec, CodecOptions, Decoded, Role

Row = tuple[str, float, str]
RUNS = 7
FRAMES = 4_000
TIMES = 300
PACE_NS = 500_000_000
BARE = Spec("bare", "asyncio", "hmac")


def rows() -> list[Row]:
    """One row a stage, in the order in which a frame meets them."""
    frame, send = _wire()
    listed = instruments()
    decode = _decode_rows(listed)
    sign = _encode(ours.credentials("hmac"), listed, logged_on=False)
    plain = _encode(ours.credentials("logon"), listed, logged_on=True)
    return [
        ("frame", frame, "kernel, loop, picows, link; mean of the mix, flat out"),
        *decode,
        *_book_rows(),
        *_engine_rows(listed),
        ("encode", plain, "one order after session.logon"),
        ("sign", sign - plain, "what HMAC adds to it"),
        ("send", send, "one order's write, over a real socket"),
    ]


def best(once: Callable[[], object], count: int) -> float:
    """µs of one of `count` things that `once` does; the smallest of the runs."""
    taken = []
    for _ in range(RUNS):
        began = time.process_time_ns()
        once()
        taken.append(time.process_time_ns() - began)
    return min(taken) / count / 1e3


def _wire() -> tuple[float, float]:
    with arena([BARE]) as opened:
        runs = [opened.feed(BARE, 40_000) for _ in range(RUNS)]
        sends = [opened.question(BARE, "notes")["send_us"] for _ in range(3)]
    return min(run["cpu_ns"] / run["messages"] for run in runs) / 1e3, min(sends)


def instruments() -> Sequence[Instrument]:
    """What the bench's venue lists."""
    codec = BINANCE.codec(CodecOptions(Role.MARKET))
    return codec.decode_instruments(msgspec.json.encode(answers.exchange_info(1_700_000_000_000)))


def payloads() -> list[bytes]:
    """The traffic of the races without its framing, ids continuous."""
    block, position = traffic.Block(FRAMES, combined=True, micro=False), traffic.Position()
    found = []
    for place, mark in enumerate(block.marks):
        block.stamp(place, position, block.times(1_700_000_000_000_000_000))
        frame = bytes(block.data[block.start(place) : mark.end])
        found.append(frame[2 if frame[1] < 126 else 4 :])
    return found


def _codec(role: Role, listed: Sequence[Instrument]) -> Codec:
    codec = BINANCE.codec(CodecOptions(role))
    codec.learn(listed)
    if role is Role.MARKET:
        asks = [Ask(name, symbol) for symbol in traffic.OURS for name in ("trades", "book")]
        codec.subscribe(asks, 1)
    return codec


def decoded(listed: Sequence[Instrument]) -> list[Decoded]:
    """The same traffic as events."""
    codec = _codec(Role.MARKET, listed)
    return [item for payload in payloads() for item in codec.decode(payload, 1)]


def _decode_rows(listed: Sequence[Instrument]) -> list[Row]:
    decode = _codec(Role.MARKET, listed).decode
    found = payloads()
    kinds = {
        "trade": [payload for payload in found if b'"e":"trade"' in payload],
        "depth diff": [payload for payload in found if b'"e":"depthUpdate"' in payload],
    }
    rows = [
        (f"decode a {kind}", best(partial(_each, decode, chosen), len(chosen)), "")
        for kind, chosen in kinds.items()
    ]
    mix = best(lambda: _each(decode, found), len(found))
    return [("decode", mix, "mean of the mix"), *rows]


def _each(decode: Callable[[bytes, int], object], chosen: list[bytes]) -> None:
    for payload in chosen:
        decode(payload, 1)


def snapshot(symbol: int) -> BookSnapshot:
    """The book of one symbol as the venue has it at the start."""
    sides = [
        tuple(
            (float(traffic.number(traffic.level_price(symbol, side, step))), 1 + step / 100)
            for step in range(1, traffic.LADDER + 1)
        )
        for side in ("b", "a")
    ]
    name = traffic.OURS[symbol]
    return BookSnapshot("binance", name, 0, 1, traffic.FIRST_BOOK, sides[0], sides[1], 1000)


def _book_rows() -> list[Row]:
    deltas = [item for item in decoded(instruments()) if isinstance(item, BookDelta)]
    levels = sum(len(delta.bids) + len(delta.asks) for delta in deltas)

    def splice() -> None:
        syncs = {}
        for place, name in enumerate(traffic.OURS):
            syncs[name] = BookSync("binance", name, BINANCE.continuity, 1000)
            syncs[name].accept_snapshot(_SNAPSHOTS[place], 1)
        for delta in deltas:
            syncs[delta.symbol].accept(delta)

    def apply() -> None:
        books = {name: OrderBook("binance", name) for name in traffic.OURS}
        for snapshot in _SNAPSHOTS:
            books[snapshot.symbol].apply_snapshot(snapshot)
        for delta in deltas:
            books[delta.symbol].apply(delta)

    each = levels / len(deltas)
    return [
        ("splice a depth diff", best(splice, len(deltas)), "is it the next one?"),
        ("book", best(apply, len(deltas)), f"a depth diff of {each:.0f} levels, mean"),
    ]


_SNAPSHOTS = [snapshot(place) for place in range(len(traffic.OURS))]


def _ready_engine(listed: Sequence[Instrument]) -> Engine:
    return ready(ours.engine([ours.trigger], SystemClock()), listed)


def ready(made: Engine, listed: Sequence[Instrument]) -> Engine:
    """An engine that knows its instruments and has seen every book."""
    made.state.instruments.update({one.symbol: one for one in listed})
    for snapshot in _SNAPSHOTS:
        made.apply(snapshot)
    return made


def _trade(price: float) -> Trade:
    return Trade("binance", traffic.TRIGGER_OURS, 1, 2, price, 1.0, Side.BUY, 1)


def _engine_rows(listed: Sequence[Instrument]) -> list[Row]:
    engine, quiet = _ready_engine(listed), _trade(1.0)

    def show() -> None:
        for _ in range(TIMES):
            engine.apply(quiet)

    wish, risk = _decisions(listed)
    return [
        ("rule, nothing to do", best(show, TIMES), "a trade shown to the rule"),
        ("rule, a wish", wish, "the rule's draft, its cause written on it"),
        ("risk", risk, "every limit; the order made, noted in ledger and journal"),
    ]


def _decisions(listed: Sequence[Instrument]) -> tuple[float, float]:
    """µs from a trade to a wish, and from the wish to the order; medians."""
    engine, firing = _ready_engine(listed), _trade(traffic.TRIGGER_PRICE)
    shown, decided = [], []
    for number in range(1, TIMES + 1):
        now = number * PACE_NS
        began = time.perf_counter_ns()
        engine.apply(firing)
        between = time.perf_counter_ns()
        commands = engine.decide(now)
        decided.append(time.perf_counter_ns() - between)
        shown.append(between - began)
        for command in commands:
            engine.sent(command, now)
            engine.apply(_expired(command, now))
        if len(commands) != 1:
            raise Failed(f"stages: found {len(commands)} orders for one wish, expected 1")
    return statistics.median(shown) / 1e3, statistics.median(decided) / 1e3


def _expired(command: Command, now: int) -> Update:
    if not isinstance(command, Order):
        raise Failed(f"stages: found {command!r}, expected an order")
    return Update("binance", command.symbol, now, now, command.id, "1", UpdateKind.EXPIRED)


def _order(listed: Sequence[Instrument]) -> Order:
    engine = _ready_engine(listed)
    engine.apply(_trade(traffic.TRIGGER_PRICE))
    (command,) = engine.decide(PACE_NS)
    if not isinstance(command, Order):
        raise Failed(f"stages: found {command!r}, expected an order")
    return command


def orders_codec(
    credentials: Credentials, listed: Sequence[Instrument], *, logged_on: bool
) -> Codec:
    """The codec of a line for orders that has been let in."""
    codec = _codec(Role.ORDERS, listed)
    codec.login(credentials, 1_700_000_000_000_000_000, 1)
    if logged_on:
        codec.decode(b'{"id":"l1","status":200,"result":{"apiKey":"k","authorizedSince":1}}', 1)
    return codec


def _encode(credentials: Credentials, listed: Sequence[Instrument], *, logged_on: bool) -> float:
    codec = orders_codec(credentials, listed, logged_on=logged_on)
    order = _order(listed)

    def place() -> None:
        for number in range(2, 2 + TIMES):
            codec.place(order, 1_700_000_000_000_000_000, number)

    return best(place, TIMES)

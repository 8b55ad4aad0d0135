"""`python -m bench.care`: what freshness, continuity and redundancy cost over a bare message.

The same frames, the races' mix of trades and depth diffs with their ids continuous, five thousand a
second of virtual time, go several ways in turn, in one process and one run:

* *bare*: decoder, book sync, book, listener, as a client without care would have it;
* *alone*: one connection as the session runs it: heard, judged, watched twice a second;
* *bare twice*: every frame decoded twice, the rest done once: what two copies cost whoever does it;
* *copies*: two connections of one feed as the session runs them, the first copy wins.

No socket is read: what a message costs the kernel and the loop would come on top of all alike, so
the ratios are upper bounds. CPU time, of every stretch of frames the smallest of several runs:
other work can only make it longer.
"""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Sequence
from functools import partial

from rich.console import Console

from bench import report, stages, traffic
from pitwire.market.book import OrderBook
from pitwire.market.sync import BookSync
from pitwire.model.clock import SECOND
from pitwire.model.entropy import Entropy
from pitwire.model.events import BookDelta, BookSnapshot, Event, FeedStale, TradeGap
from pitwire.session.conversation import Conversation, ConversationOptions
from pitwire.session.feed import Feed
from pitwire.session.outbox import Outbox
from pitwire.session.pacing import Pacing
from pitwire.session.skew import Skew
from pitwire.venues.binance import BINANCE
from pitwire.venues.venue import Ask, CodecOptions, Role

Row = tuple[str, float, str]
Frame = tuple[bytes, int]
"""Payload, when it comes."""
Receive = Callable[[bytes, int], Sequence[Event]]
Way = Callable[[Sequence[Frame]], tuple[list[int], int]]
"""Carries all frames; (ns of CPU, stretch by stretch, events told)."""
BLOCK, BLOCKS, RUNS = 4_000, 4, 12
STRETCH = 500
Round = tuple[list[tuple[Receive, Outbox, bytes]], int]
"""What every copy receives of one message, and when."""
EVERY = SECOND // 5_000
BAR = 1.15
"""CPU of a message with all care over that of a bare one, at most."""
_START = 1_700_000_000 * SECOND
_ASKS = [Ask(name, symbol) for symbol in traffic.OURS for name in ("trades", "book")]


def rows(blocks: int = BLOCKS, runs: int = RUNS) -> list[Row]:
    """(way, ratio, remark); of `blocks` of frames the first warms up, the others are timed."""
    frames = _frames(blocks)
    ways: dict[str, Way] = {
        "bare": partial(_bare, decodes=1),
        "alone": partial(_cared, copies=1),
        "bare twice": partial(_bare, decodes=2),
        "copies": partial(_cared, copies=2),
    }
    taken: dict[str, list[list[int]]] = {name: [] for name in ways}
    told: dict[str, int] = {}
    for _ in range(runs):
        for name, way in ways.items():
            spent, told[name] = way(frames)
            taken[name].append(spent)
    if len(set(told.values())) != 1:
        raise RuntimeError(f"care: the ways told {told} events, expected the same of each")
    count = BLOCK * (blocks - 1)
    bare, alone, twice, copies = (
        sum(map(min, zip(*found, strict=True))) / count / 1e3 for found in taken.values()
    )
    return [
        ("one connection", alone / bare,
         f"{alone:.2f} µs a message, {bare:.2f} of them bare; the bar is {BAR:g}"),
        ("two copies", copies / 2 / bare,
         f"{copies / 2:.2f} µs for each message received; the bar is {BAR:g}"),
        ("two copies, strictly", copies / twice,
         f"{twice:.2f} µs with two decoders of which one is heard; the bar is {BAR:g}"),
    ]  # fmt: skip


def _frames(blocks: int) -> list[Frame]:
    block, position = traffic.Block(BLOCK, combined=True, micro=False), traffic.Position()
    found: list[Frame] = []
    for _ in range(blocks):
        for place, mark in enumerate(block.marks):
            at = _START + (len(found) + 1) * EVERY
            block.stamp(place, position, block.times(at))
            frame = bytes(block.data[block.start(place) : mark.end])
            found.append((frame[2 if frame[1] < 126 else 4 :], at))
    return found


class _Listener:
    """Keeps the books and counts: what any client does with an event."""

    def __init__(self) -> None:
        self.books = {name: OrderBook("binance", name) for name in traffic.OURS}
        self.told = 0

    def take(self, events: Sequence[Event]) -> None:
        for event in events:
            self.told += 1
            if event.__class__ is BookDelta:
                self.books[event.symbol].apply(event)  # type: ignore[arg-type]
            elif isinstance(event, BookSnapshot):
                self.books[event.symbol].apply_snapshot(event)
            elif isinstance(event, FeedStale | TradeGap):
                raise RuntimeError(f"care: found {event}, expected nothing amiss")


def _bare(frames: Sequence[Frame], *, decodes: int) -> tuple[list[int], int]:
    listener, syncs = _Listener(), {}
    for place, name in enumerate(traffic.OURS):
        syncs[name] = BookSync("binance", name, BINANCE.continuity, 1000)
        listener.take(syncs[name].accept_snapshot(stages.snapshot(place), 1))
    codecs = [BINANCE.codec(CodecOptions(Role.MARKET)) for _ in range(decodes)]
    for codec in codecs:
        codec.subscribe(_ASKS, 1)
    decode = codecs[0].decode

    def receive(frame: bytes, now: int) -> Sequence[Event]:
        decoded = decode(frame, now)
        if len(decoded) == 1:
            event = decoded[0]
            if event.__class__ is BookDelta:
                return syncs[event.symbol].accept(event)  # type: ignore[union-attr,arg-type]
            return (event,)  # type: ignore[return-value]
        raise RuntimeError(f"care: found {len(decoded)} events in a frame, expected one")

    def again(frame: bytes, now: int) -> Sequence[Event]:
        codecs[1].decode(frame, now)
        return ()

    receivers: list[Receive] = [receive, again][:decodes]
    carrier = _Carrier(receivers, [Outbox()] * decodes, listener, lambda _: 1 << 63)
    carrier.carry(carrier.apart(frames[:BLOCK]))
    return _timed(carrier, frames[BLOCK:])


def _cared(frames: Sequence[Frame], *, copies: int) -> tuple[list[int], int]:
    listener = _Listener()
    skew, pacing = Skew(), Pacing(BINANCE.limits)
    skew.take(sent=_START, received=_START, server_time=_START)
    made: list[Conversation] = []
    for number in range(copies):
        feed = made[0].feed if made else None
        made.append(_conversation(f"m{number}", pacing, skew, feed))
    for one in made:
        _begin(one, listener)

    def look(now: int) -> int:
        for one in made:
            listener.take(one.handle_deadline(now))
            _flush(one, listener, now)
        return min(one.next_deadline(now) or now for one in made)

    receivers, outboxes = [one.receive_data for one in made], [one.outbox for one in made]
    carrier = _Carrier(receivers, outboxes, listener, look)
    carrier.carry(carrier.apart(frames[:BLOCK]))  # every book is fetched meanwhile
    pacing.block("weight", 1 << 62)  # audits are rare and dear: not what a message costs
    return _timed(carrier, frames[BLOCK:])


class _Carrier:
    """What an ear does with each frame, and a line's timer now and then; copies take turns."""

    def __init__(
        self,
        receivers: Sequence[Receive],
        outboxes: Sequence[Outbox],
        listener: _Listener,
        look: Callable[[int], int],
    ) -> None:
        self._pairs = list(zip(receivers, outboxes, strict=True))
        self._look, self._due = look, 0
        self.listener = listener

    def apart(self, frames: Sequence[Frame]) -> list[Round]:
        """The same, each copy with bytes of its own, as it would read them."""
        rounds: list[Round] = []
        for number, (frame, now) in enumerate(frames):
            pairs = self._pairs[::-1] if number & 1 else self._pairs
            each = [(receive, outbox, bytes(bytearray(frame))) for receive, outbox in pairs]
            rounds.append((each, now))
        return rounds

    def carry(self, rounds: Sequence[Round]) -> None:
        """Carry these."""
        take, due = self.listener.take, self._due
        for each, now in rounds:
            for receive, outbox, frame in each:
                take(receive(frame, now))
                if outbox.stirred:
                    due = now
            if now >= due:
                due = self._look(now)
        self._due = due


def _conversation(name: str, pacing: Pacing, skew: Skew, feed: Feed | None) -> Conversation:
    options = ConversationOptions(link=name, role=Role.MARKET)
    chance = Entropy(1).stream(name)
    return Conversation(BINANCE, options, pacing=pacing, skew=skew, chance=chance, feed=feed)


def _begin(one: Conversation, listener: _Listener) -> None:
    """Subscribed, confirmed, every book fetched."""
    one.want(_ASKS, _START)
    one.opened(_START)
    for frame in one.outbox.take_frames():
        answer = json.dumps({"result": None, "id": json.loads(frame)["id"]}).encode()
        one.receive_data(answer, _START)
    _flush(one, listener, _START)


def _flush(one: Conversation, listener: _Listener, now: int) -> None:
    """As a line does: ask, tell; a book that is asked for is there."""
    outbox = one.outbox
    outbox.stirred = False
    if outbox.has_told:
        listener.take(outbox.take_told())
    for request in outbox.take_requests():
        if "depth" not in request.path:
            raise RuntimeError(f"care: found a question {request.path}, expected books alone")
        place = traffic.OURS.index(request.symbol)
        book = traffic.snapshot(place, traffic.FIRST_BOOK, 1000)
        listener.take(one.receive_response(request, 200, {}, book, now))


def _timed(carrier: _Carrier, frames: Sequence[Frame]) -> tuple[list[int], int]:
    gc.collect()
    before, taken = carrier.listener.told, []
    gc.disable()
    try:
        for at in range(0, len(frames), STRETCH):
            stretch = carrier.apart(frames[at : at + STRETCH])
            began = time.process_time_ns()
            carrier.carry(stretch)
            taken.append(time.process_time_ns() - began)
    finally:
        gc.enable()
    return taken, carrier.listener.told - before


if __name__ == "__main__":
    Console().print(report.rows_table("What care costs", "ratio", rows()))

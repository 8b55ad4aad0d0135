"""How an order leaves, and that one which never does goes the same way and leaves no trace."""

from __future__ import annotations

import json

import pytest

from pitwire.model.clock import SECOND, Clock
from pitwire.model.orders import Order
from pitwire.session.pen import Pen
from pitwire.session.placing import Placing, Understudy
from pitwire.venues.venue import CodecOptions, HttpRequest, Limit, Outgoing, Role
from pitwire.wire.link import Link
from tests.session.test_commands import NOW, Bench
from tests.session.toy import TOY, ToyCodec, order


class Rehearsing(ToyCodec):
    """A toy that also writes orders that never leave."""

    def __init__(self) -> None:
        super().__init__(CodecOptions(Role.ORDERS))
        self.rehearsed: list[tuple[str, int]] = []

    def rehearse(self, order: Order, now: int) -> Outgoing:
        self.rehearsed.append((order.id, now))
        return b""


class Ticking:
    """A clock that goes on by one whenever it is read."""

    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> int:
        self.at += 1
        return self.at


class Wire:
    """A connection that keeps what is sent, and when by the clock beside it."""

    def __init__(self, clock: Ticking | None = None) -> None:
        self.sent: list[tuple[str, int]] = []
        self._clock = clock

    def send(self, frame: bytes) -> None:
        self.sent.append((json.loads(frame)["do"], 0 if self._clock is None else self._clock.at))

    def ping(self, payload: bytes = b"") -> None: ...

    def close(self, code: int = 1000, reason: str = "") -> None: ...

    def abort(self) -> None: ...


def placing(bench: Bench, link: Link | None, lap: Clock | None = None) -> tuple[Placing, Pen]:
    pen = Pen(bench.outbox)
    pen.link = link
    return Placing(bench.commands, pen, lap), pen


def understudy(bench: Bench) -> Understudy:
    return Understudy(TOY, bench.commands, None)


def test_an_order_is_stamped_before_and_after_its_write() -> None:
    clock = Ticking()
    bench, wire = Bench(), Wire(clock)
    way, _ = placing(bench, wire, clock)
    assert (way.place(order("a"), NOW), way.encoded_at) == (NOW + 2, NOW + 1)
    assert wire.sent == [("place", NOW + 1)]
    assert (len(bench.pending), bench.outbox.has_frames) == (1, False)


def test_an_order_that_goes_over_http_has_no_stamp_and_its_rehearsal_leaves_nothing() -> None:
    class OverHttp(Rehearsing):
        def place(self, order: Order, now: int, request_id: int) -> Outgoing:
            return HttpRequest("place", "POST", "/orders", request_id=request_id)

        def rehearse(self, order: Order, now: int) -> Outgoing:
            super().rehearse(order, now)
            return self.place(order, now, 0)

    codec, clock = OverHttp(), Ticking()
    bench, wire = Bench(codec=codec), Wire(clock)
    way, _ = placing(bench, wire, clock)
    assert (way.place(order("a"), NOW), way.encoded_at, wire.sent) == (0, 0, [])
    assert [one.request_id for one in bench.outbox.take_requests()] == [1]
    spare = understudy(bench)
    spare.rehearse(order("x"), NOW)
    assert codec.rehearsed == [("x", NOW)]
    assert spare.is_bare
    assert bench.outbox.take_requests() == []


def test_without_a_clock_or_while_it_waits_an_order_has_no_stamp() -> None:
    bench = Bench(Limit("orders", 1, 10.0))
    without, _ = placing(bench, Wire())
    assert without.place(order("a"), NOW) == 0
    way, _ = placing(bench, Wire(), Ticking())
    assert way.place(order("b"), NOW) == 0, "the limit is used up"


def test_an_order_is_written_behind_what_waits_and_waits_where_nothing_stands() -> None:
    bench, wire = Bench(), Wire()
    way, pen = placing(bench, None)
    bench.outbox.send(b'{"do":"first"}')
    way.place(order("a"), NOW)
    assert wire.sent == []
    pen.link = wire
    way.place(order("b"), NOW)
    assert [what for what, _ in wire.sent] == ["first", "place", "place"]
    assert not bench.outbox.has_frames


def test_who_taps_sees_what_was_written_by_either_way() -> None:
    bench, wire, seen = Bench(), Wire(), list[tuple[str, int]]()
    pen = Pen(bench.outbox, lambda frame: seen.append((json.loads(frame)["do"], len(wire.sent))))
    pen.link = wire
    pen.write(b'{"do":"one"}')
    pen.show()
    bench.outbox.send(b'{"do":"two"}')
    pen.flush()
    assert seen == [("one", 1), ("two", 2)]


@pytest.mark.parametrize("waits", [False, True], ids=["at once", "behind what waits"])
def test_who_taps_and_orders_himself_is_held_to_the_limits(waits: bool) -> None:
    bench, wire, seen = Bench(Limit("orders", 3, 10.0)), Wire(), list[tuple[int, int]]()

    def tapped(frame: bytes) -> None:
        if json.loads(frame)["do"] == "place":
            left = bench.pacing.left("orders", NOW)
            assert left is not None
            seen.append((len(bench.pending), left[0]))
            assert len(seen) < 10, "more than there may be"
            way.place(order(f"n{len(seen)}"), NOW)

    pen = Pen(bench.outbox, tapped)
    pen.link = wire
    way = Placing(bench.commands, pen, None)
    if waits:
        bench.outbox.send(b'{"do":"first"}')
    way.place(order("a"), NOW)
    assert seen == [(1, 2), (2, 1), (3, 0)], "each is noted before it is shown"
    assert [what for what, _ in wire.sent] == ["first"] * waits + ["place"] * 3


def test_a_rehearsal_ends_at_the_write_and_leaves_nothing_behind() -> None:
    codec = Rehearsing()
    bench = Bench(Limit("orders", 1, 10.0), codec=codec)
    shadow = understudy(bench)
    for _ in range(3):
        shadow.rehearse(order("a"), NOW)
    assert codec.rehearsed == [("a", NOW)] * 3, "none of them used up the only order there may be"
    assert (len(bench.pending), bench.outbox.stirred, bench.said()) == (0, False, [])
    bench.commands.place(order("b"), NOW)
    assert [frame["do"] for frame in bench.said()] == ["place"]
    assert bench.pending.next_id() == 2


def test_a_rehearsal_goes_the_very_way_of_an_order(monkeypatch: pytest.MonkeyPatch) -> None:
    walked = list[str]()
    for kind, name in ((Pen, "write"), (type(Bench().commands), "place")):
        told = getattr(kind, name)

        def noted(*args: object, _told: object = told, _name: str = name) -> object:
            walked.append(_name)
            return _told(*args)  # type: ignore[operator]

        monkeypatch.setattr(kind, name, noted)
    bench = Bench(codec=Rehearsing())
    understudy(bench).rehearse(order("a"), NOW)
    rehearsed, walked[:] = list(walked), []
    placing(bench, Wire())[0].place(order("a"), NOW)
    assert rehearsed == walked == ["place", "write"]


@pytest.mark.parametrize("why", ["logged out", "used up", "blocked", "something waits"])
def test_where_no_order_could_leave_none_is_rehearsed(why: str) -> None:
    codec = Rehearsing()
    bench = Bench(Limit("orders", 1, 10.0), codec=codec)
    match why:
        case "logged out":
            bench.commands.admitted = False
        case "used up":
            bench.pacing.spend("orders", NOW)
        case "blocked":
            bench.pacing.block("weight", NOW + SECOND)
        case _:
            bench.pacing.spend("orders", NOW)
            bench.commands.place(order("b"), NOW)
    understudy(bench).rehearse(order("a"), NOW)
    assert codec.rehearsed == []


def test_a_codec_that_cannot_rehearse_is_not_asked_to() -> None:
    bench = Bench()
    understudy(bench).rehearse(order("a"), NOW)
    assert (len(bench.pending), bench.said()) == (0, [])

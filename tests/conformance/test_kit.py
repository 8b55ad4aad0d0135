"""The examination: Binance passes it, and each card names the venue that is broken its way."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import count
from typing import Any

import pytest

from pitwire.conformance.candidate import Candidate
from pitwire.conformance.cards import Verdict
from pitwire.conformance.kit import CARDS, chosen, examine
from pitwire.market import sequence
from pitwire.model import events as ev
from pitwire.model.clock import SECOND
from pitwire.model.errors import (
    AuthenticationFailed,
    ConfigError,
    OrderRejected,
    OutcomeUnknown,
)
from pitwire.model.orders import UpdateKind
from pitwire.venues.binance import BINANCE
from pitwire.venues.venue import Ask, Reply
from tests.conformance.broken import Way, change, decoding, on, with_codec, with_table

K = UpdateKind
OPENS = (K.ACCEPTED, K.STATUS_OPEN)


class Careless:
    """A continuity rule for which everything fits."""

    def judge(self, **_: Any) -> sequence.Verdict:
        return sequence.Verdict.APPLY


def no_error(reply: Reply, *kinds: type) -> Reply:
    return change(reply, error=None) if isinstance(reply.error, kinds) else reply


def raises_on_rubbish(found: Way, frame: bytes, now: int) -> Any:
    json.loads(bytes(frame))
    return found(frame, now)


def knows_every_field(found: Way, frame: bytes, now: int) -> Any:
    if b"zz_new" in bytes(frame):
        return [ev.Malformed("binance", "", 0, now, "", "zz_new", "")]
    return found(frame, now)


def forgets_the_last(found: Way, frame: bytes) -> Any:
    return found(frame)[:-1]


def in_steps_too_small(found: Way, frame: bytes) -> Any:
    return [change(one, tick=one.tick * Decimal("1E-8")) for one in found(frame)]


def dearer(trade: ev.Trade) -> ev.Trade:
    return change(trade, price=trade.price + 1)


def of_another(item: Any) -> Any:
    return change(item, symbol="X-Y")


class Weird(Exception):
    """Of no tree."""

    code = -1
    text = ""


def weird(item: Reply) -> Reply:
    return change(item, error=Weird()) if item.error else item


def twice_is_new() -> Way:
    """What comes twice is taken for the next change."""
    seen: dict[bytes, int] = {}

    def decode(found: Way, frame: bytes, now: int) -> Any:
        key, made = bytes(frame), found(frame, now)
        seen[key] = seen.get(key, 0) + 1
        if seen[key] > 1 and len(made) == 1 and isinstance(made[0], ev.BookDelta):
            delta = made[0]
            twice = tuple((price, 2 * size) for price, size in delta.bids)
            step = delta.last_id + 1
            return [change(delta, first_id=step, last_id=step, bids=twice)]
        return made

    return decode


def newer_than_it_is(found: Way, *args: Any) -> Any:
    return [
        change(one, last_id=one.last_id + 40) if isinstance(one, ev.BookSnapshot) else one
        for one in found(*args)
    ]


def first_alone() -> Way:
    """After its first words a codec asks for the first thing only."""
    asked = count()

    def subscribe(found: Way, asks: Sequence[Ask], request_id: int) -> bytes:
        late = next(asked) > 2
        return found(asks[:1] if late else asks, request_id)  # type: ignore[no-any-return]

    return subscribe


def logs_in_once() -> dict[str, Way]:
    """Later logins ask for the time."""
    logins = count()

    def login(found: Way, credentials: Any, now: int, request_id: int) -> bytes:
        if next(logins):
            codec = found.__self__  # type: ignore[attr-defined]
            frame: bytes = codec.server_time(now, request_id)
            return frame.replace(b'"h', b'"l')
        return found(credentials, now, request_id)  # type: ignore[no-any-return]

    return {"login": login}


def unbanned(found: Way, request: Any, status: int, headers: Any, body: bytes, now: int) -> Any:
    if status == 418:
        status, headers, body = 200, {}, b'{"lastUpdateId":1,"bids":[],"asks":[]}'
    return found(request, status, headers, body, now)


def will_not_cancel(_found: Way, *_: Any) -> bytes:
    raise ConfigError(where="cancel", found="an order", expected="no order")


def rounded(found: Way, order: Any, *more: Any) -> bytes:
    price = None if order.price is None else round(order.price, 0)
    return found(change(order, price=price), *more)  # type: ignore[no-any-return]


def under_new_ids(counter: Any = None) -> Callable[[Any], Any]:
    counter = count(1)
    return lambda fill: change(fill, trade_id=f"9{next(counter)}")


def asks_for_another(found: Way, symbol: str, order_id: str, *more: Any) -> bytes:
    return found(symbol, f"{order_id}x"[-30:], *more)  # type: ignore[no-any-return]


def falling() -> Callable[[Any], Any]:
    steps = count()
    return lambda event: change(event, venue_time=event.venue_time - next(steps) * SECOND // 50)


def never_the_same() -> Callable[[Any], Any]:
    steps = count(1)
    return lambda fill: change(fill, fee=fill.fee + next(steps))


BROKEN: dict[str, tuple[Callable[[], Candidate], str]] = {
    "D1": (
        lambda: on(ev.Trade, lambda one: change(one, price=one.price + 1)),
        "Trade price: found",
    ),
    "D2": (
        lambda: with_codec(decode=knows_every_field),
        "trade with a new field: Trade kind: found Malformed",
    ),
    "D3": (lambda: on(ev.Unhandled, lambda _: None), "found [], expected ['Unhandled']"),
    "D4": (lambda: on(ev.Trade, lambda one: change(one, price=float("nan"))), "price is nan"),
    "E1": (lambda: with_codec(subscribe=lambda f, *a: f(*a) + b" "), "subscribe to trades: found"),
    "E2": (
        lambda: with_codec(cancel=lambda f, *a, **k: f(*a, **k).replace(b"orig", b"")),
        "cancel, hmac: found",
    ),
    "E3": (lambda: with_table(sign=lambda *_: "00"), "W1: found 00, expected aa1b5712"),
    "E4": (lambda: with_codec(place=rounded), "BTC-USDT price"),
    "S1": (lambda: on(ev.Trade, of_another), "trade of BTC-USDT: found"),
    "S2": (lambda: with_codec(decode_instruments=forgets_the_last), "6 instruments of 7 listed"),
    "S3": (lambda: with_codec(decode_instruments=in_steps_too_small), "BTC-USDT needs 17 digits"),
    "X1": (lambda: on(Reply, lambda one: no_error(one, OrderRejected)), "found no error"),
    "X2": (lambda: on(Reply, weird), "is unforeseen"),
    "B1": (lambda: with_table(continuity=Careless()), "levels differ"),
    "B2": (lambda: with_codec(decode=twice_is_new()), "which never was"),
    "B3": (lambda: with_table(continuity=Careless()), "levels differ"),
    "B4": (lambda: with_codec(decode_response=newer_than_it_is), "which never was"),
    "B5": (lambda: with_codec(decode_response=newer_than_it_is), "which never was"),
    "C1": (lambda: with_codec(subscribe=first_alone()), "not back within 30 s"),
    "C2": (
        lambda: with_codec(subscribe=lambda f, asks, rid: f([*asks, *asks], rid)),
        "SUBSCRIBE",
    ),
    "C3": (lambda: with_codec(**logs_in_once()), "watch_orders was refused after the second"),
    "C4": (
        lambda: on(Reply, lambda one: no_error(one, AuthenticationFailed)),
        "another's secret was taken for accepted",
    ),
    "C5": (
        lambda: with_table(
            heartbeat=change(
                BINANCE.heartbeat, ping_every_seconds=300.0, answer_within_seconds=300.0
            )
        ),
        "given up",
    ),
    "C6": (
        lambda: with_table(close_codes={**BINANCE.close_codes, 1001: "halt"}),
        "close code 1001: not back within 30 s, expected reconnect",
    ),
    "P1": (lambda: with_table(limits=()), "Too many requests"),
    "P2": (lambda: with_codec(decode_response=unbanned), "account left 5.0 s after a ban of 30"),
    "P3": (lambda: with_codec(cancel=will_not_cancel), "the cancel never left"),
    "O1": (
        lambda: on(
            ev.Update, lambda one: None if one.update in (K.ACCEPTED, K.STATUS_OPEN) else one
        ),
        "for us, NEW at the venue, expected open",
    ),
    "O2": (
        lambda: on(
            Reply,
            lambda one: (
                change(one, error=OutcomeUnknown(venue="binance"))
                if isinstance(one.error, OrderRejected)
                else one
            ),
        ),
        "is unknown, expected rejected",
    ),
    "O3": (lambda: on(ev.Fill, lambda one: change(one, size=2 * one.size)), "filled"),
    "O4": (lambda: on(ev.Fill, lambda _: None), "filled 0 for 0, at the venue"),
    "O5": (
        lambda: on(
            ev.Update,
            lambda one: change(one, update=K.EXPIRED) if one.update is K.CANCELED else one,
        ),
        "is expired for us, CANCELED at the venue",
    ),
    "O6": (
        lambda: on(Reply, lambda one: no_error(one, OrderRejected)),
        "a cancel that was refused is not told",
    ),
    "O7": (lambda: on(ev.Fill, under_new_ids()), "filled"),
    "O8": (lambda: with_codec(order_status=asks_for_another), "for us, NEW at the venue"),
    "O9": (
        lambda: on(ev.Update, lambda one: None if one.order_id.startswith("by-hand") else one),
        "adopted [], expected",
    ),
    "T1": (
        lambda: on(ev.Trade, lambda one: change(one, venue_time=one.venue_time // 1_000_000)),
        "-USDT is stamped 17000000000",
    ),
    "T2": (
        lambda: on(Reply, lambda one: change(one, server_time=0)),
        "hint clock",
    ),
    "T3": (lambda: on(ev.Trade, falling()), "Trade "),
    "R1": (lambda: on(ev.Fill, never_the_same()), "played"),
}


def verdict_of(card: str, candidate: Candidate) -> Verdict:
    [verdict] = examine(candidate, chosen([card]))
    return verdict


@pytest.mark.parametrize("card", BROKEN)
def test_a_broken_venue_is_named_by_its_card(card: str) -> None:
    broken, said = BROKEN[card]
    verdict = verdict_of(card, broken())
    assert (verdict.verdict, said in verdict.detail) == ("failed", True), verdict


def test_every_card_has_a_venue_that_breaks_it() -> None:
    """B6 has its own, in `test_third_party.py`: Binance sends no checksum."""
    assert [card.id for card in CARDS if card.id not in BROKEN] == ["B6"]


def test_a_decoder_that_raises_is_named() -> None:
    verdict = verdict_of("D4", with_codec(decode=raises_on_rubbish))
    assert verdict.failed
    assert "JSONDecodeError" in verdict.detail


def test_a_venue_that_is_broken_everywhere_is_still_examined() -> None:
    def breaks(*_: Any) -> Any:
        raise ZeroDivisionError("by hand")

    verdicts = examine(with_codec(decode=breaks), chosen(["D1", "S2", "C1"]))
    assert [one.verdict for one in verdicts] == ["failed", "passed", "failed"]
    assert verdicts[0].detail == "ZeroDivisionError: by hand"


_ = decoding

"""Cards about frames: what comes in (D), what leaves (E)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from pitwire.conformance.cards import Card, Exam, Found, trades, wrong
from pitwire.conformance.corpora import check, mutate
from pitwire.conformance.golden import NOW, Frame, expected, make, written
from pitwire.conformance.wishes import LIMIT, grid_wishes, screen_for
from pitwire.model.credentials import Credentials
from pitwire.model.events import Malformed, Unhandled
from pitwire.model.orders import Order
from pitwire.venues.venue import Buffer, Codec, ConditionalCodec, Decoded, Role, Venue

MUTATED = 10_000
"""Spoilt frames that each kind of connection is fed."""
_NEW = {"zz_new": {"zz": [1, "2", None]}}
_STRANGE = (b'{"zz":"zz"}', b'{"zz_channel":"zz","data":{"zz":1}}', b'{"zz":[]}')
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


# ── D ─────────────────────────────────────────────────────────────────────────────────────────


def golden_frames(exam: Exam) -> Found:
    """Each frame on a codec of its own, as text and as a view of a buffer."""
    frames = exam.golden.frames
    for number, row in enumerate(frames):
        for payload in (row.payload, memoryview(bytearray(row.payload))):
            found = [written(item) for item in _read(exam, row, payload)]
            if found != expected(row):
                return wrong(number, "frames", f"{row.name}: {_first(found, expected(row))}")
    return Found(len(frames), "golden frames")


def unknown_fields(exam: Exam) -> Found:
    """A field that nobody knows, first and last, at every depth."""
    looked = 0
    for row in exam.golden.frames:
        if row.hex or not row.frame.startswith(("{", "[")):
            continue
        for front in (True, False):
            frame = json.dumps(_extended(json.loads(row.frame), front=front)).encode()
            wanted = [written(item) for item in _read(exam, row)]
            found = [written(item) for item in _read(exam, row, frame)]
            if [_bare(one) for one in found] != [_bare(one) for one in wanted]:
                told = _first(found, wanted)
                return wrong(looked, "frames", f"{row.name} with a new field: {told}")
            looked += 1
    return Found(looked, "frames with a new field")


def unknown_channel(exam: Exam) -> Found:
    """What nobody knows is told, and nothing is made of it."""
    known = [
        row for row in exam.golden.frames if any(one["kind"] == "Unhandled" for one in row.events)
    ]
    if not known:
        return wrong(0, "frames", "no golden frame is of an unknown channel: one with `Unhandled`")
    for row in known:
        found = [written(item) for item in _read(exam, row)]
        if found != expected(row):
            return wrong(0, "frames", f"{row.name}: {_first(found, expected(row))}")
    for role in _roles(exam.venue):
        for frame in _STRANGE:
            found_events = exam.codec(role).decode(frame, NOW)
            if not found_events or not all(
                isinstance(one, Unhandled | Malformed) for one in found_events
            ):
                example = f"{role} connection, {frame.decode()}: found {list(found_events)}, "
                return wrong(0, "frames", f"{example}expected Unhandled or Malformed")
    return Found(len(known) + len(_STRANGE) * len(_roles(exam.venue)), "frames of unknown channels")


def mutated_frames(exam: Exam) -> Found:
    """Spoilt frames never raise, and give no number that is not one."""
    frames = [row.payload for row in exam.golden.frames]
    if not frames:
        return Found(0, "golden frames")
    chance, looked = exam.chance("mutated"), 0
    for role in _roles(exam.venue):
        codec = exam.codec(role)
        for _ in range(MUTATED):
            frame = mutate(chance.choice(frames), frames, chance)
            try:
                check(codec.decode(frame, NOW), margin=exam.candidate.margin)
            except Exception as error:  # noqa: BLE001 - whatever it raises is the example
                told = f"{role} connection, {_short(frame)}: {type(error).__name__}: {error}"
                return wrong(looked, "frames", told)
            looked += 1
    return Found(looked, "mutated frames")


# ── E ─────────────────────────────────────────────────────────────────────────────────────────


def golden_asks(exam: Exam) -> Found:
    """Every channel of the table, and every question, byte for byte."""
    missing = [name for name in exam.venue.channels if name not in _asked(exam)]
    return _golden_bytes(exam, _ASKS, "asks", [f"subscribe to {name}" for name in missing])


def golden_orders(exam: Exam) -> Found:
    """Every command that the table says it can, byte for byte."""
    can, wanted = exam.venue.can, ["login", "place", "cancel"]
    wanted += ["replace"] * can.replace + ["amend"] * can.amend
    wanted += ["cancel_all"] * can.cancel_all + ["test_place"] * can.order_test
    wanted += ["watch_orders"] * can.order_streams
    wanted += [*_APART] * isinstance(exam.codec(Role.ORDERS), ConditionalCodec)
    present = {row.call for row in exam.golden.sent}
    return _golden_bytes(exam, _ORDERS, "commands", [one for one in wanted if one not in present])


def signatures(exam: Exam) -> Found:
    """The papers' own signatures."""
    sign = exam.venue.sign
    assert sign is not None, "or the card is skipped"
    for number, row in enumerate(exam.golden.signatures):
        found = sign(Credentials(row.key, row.secret), row.payload.encode())
        if found != row.signature:
            told = f"{row.name}: found {found}, expected {row.signature}"
            return wrong(number, "signatures", told)
    return Found(len(exam.golden.signatures), "signatures of the papers")


def on_grid(exam: Exam) -> Found:
    """Prices and sizes leave on the instrument's grid, to the last digit, or not at all."""
    looked = 0
    for instrument in _instruments(exam)[:20]:
        screen, state, now = screen_for(exam, instrument)
        codec = _signed_in(exam)
        for wish, allowed in grid_wishes(instrument, exam.chance(f"grid/{instrument.symbol}")):
            orders = [one for one in screen.admit((wish,), state, now) if isinstance(one, Order)]
            if bool(orders) is not allowed:
                told = "left" if orders else "was refused"
                example = f"{instrument.symbol} {LIMIT} {wish.size} at {wish.price} {told}"
                return wrong(looked, "orders", example)
            for order in orders:
                if example := _miscarried(order, _text(make_order(codec, order))):
                    return wrong(looked, "orders", example)
            looked += 1
    return Found(looked, "orders on and off the grid")


def _miscarried(order: Order, text: str) -> str:
    """Which number of an order its bytes do not carry; "" where all are there."""
    for name, value in (("price", order.price), ("size", order.size)):
        assert value is not None
        if not _carries(text, value):
            return f"{order.symbol} {name} {value} is not in {_short(text)}"
    return ""


# ── within ────────────────────────────────────────────────────────────────────────────────────

_ASKS = frozenset(
    (
        "subscribe", "unsubscribe", "server_time", "ask_instruments", "ask_snapshot", "ask_trades",
        "ask_aggregates", "ask_aggregates_since", "ask_time",
    )
)  # fmt: skip
_APART = ("conditional_status", "open_conditional", "cancel_all_conditional")
_ORDERS = frozenset(
    (
        "login", "watch_orders", "place", "test_place", "cancel", "cancel_all", "replace", "amend",
        "order_status", "order_fills", "fills_since", "open_orders", "account", *_APART,
    )
)  # fmt: skip


def _roles(venue: Venue) -> list[Role]:
    meant = {Role.MARKET: True, Role.ORDERS: venue.can.orders, Role.PRIVATE: bool(venue.private)}
    return [role for role in Role if meant[role]]


def _read(exam: Exam, row: Frame, payload: Buffer | None = None) -> Sequence[Decoded]:
    return exam.golden.read(exam.codec(row.role or Role.MARKET), row, payload)


def _extended(value: Any, *, front: bool) -> Any:
    if isinstance(value, dict):
        inner = {name: _extended(one, front=front) for name, one in value.items()}
        return {**_NEW, **inner} if front else {**inner, **_NEW}
    if isinstance(value, list):
        return [_extended(one, front=front) for one in value]
    return value


def _bare(event: dict[str, Any]) -> dict[str, Any]:
    """Without what quotes the frame itself."""
    if event.get("kind") != "Reply":
        return event
    inner = [_bare(one) for one in event.get("events", [])]
    return {**event, **({"events": inner} if inner else {})}


def _first(found: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> str:
    """Where two lists of events differ first."""
    if len(found) != len(wanted):
        kinds = [one.get("kind") for one in found], [one.get("kind") for one in wanted]
        return f"found {kinds[0]}, expected {kinds[1]}"
    for ours, theirs in zip(found, wanted, strict=True):
        for name in [*theirs, *ours]:
            if ours.get(name) != theirs.get(name):
                kind = theirs.get("kind")
                return f"{kind} {name}: found {ours.get(name)}, expected {theirs.get(name)}"
    return "the same"


def _asked(exam: Exam) -> set[str]:
    return {
        ask["channel"]
        for row in exam.golden.sent
        if row.call == "subscribe"
        for ask in row.args["asks"]
    }


def _golden_bytes(exam: Exam, calls: frozenset[str], what: str, missing: list[str]) -> Found:
    rows = [row for row in exam.golden.sent if row.call in calls]
    for number, row in enumerate(rows):
        codec = exam.codec(Role.MARKET if row.call in _ASKS else Role.ORDERS)
        if row.login:
            exam.golden.log_in(codec, row.login, row.now)
        exam.golden.prepare(codec, row.before)
        found = make(codec, row)
        if found != row.bytes:
            return wrong(number, what, f"{row.name}: found {found}, expected {row.bytes}")
    if rows and missing:
        return wrong(len(rows), what, f"no golden bytes for {', '.join(missing)}")
    return Found(len(rows), f"golden {what}")


def _instruments(exam: Exam) -> list[Any]:
    listing = exam.golden.listing
    if listing is None:
        return []
    body = json.dumps(listing.body).encode()
    return list(exam.codec(Role.MARKET).decode_instruments(body))


def _signed_in(exam: Exam) -> Codec:
    codec = exam.codec(Role.ORDERS)
    for name in exam.golden.papers.logins:
        exam.golden.log_in(codec, name, NOW)
        break
    codec.learn(_instruments(exam))
    return codec


def make_order(codec: Codec, order: Order) -> bytes | str:
    """The bytes of an order; of a request, its query and body."""
    made: Any = codec.place(order, NOW, 1)
    return made if isinstance(made, bytes) else f"{made.path}?{made.query}&{made.body!r}"


def _text(made: bytes | str) -> str:
    return made if isinstance(made, str) else made.decode("utf-8", "replace")


def _carries(text: str, value: Decimal) -> bool:
    """Whether a number of exactly this value is written there, without an exponent."""
    return any(
        Decimal(number) == value
        for number in _NUMBER.findall(text)
        if "e" not in number.lower() and number == number.strip()
    )


def _short(frame: bytes | str) -> str:
    text = repr(frame)
    return text if len(text) <= 200 else f"{text[:200]}…"


def _unsigned(venue: Venue) -> str:
    return trades(venue) or ("" if venue.sign is not None else "sign is None")


def _cards() -> Iterator[Card]:
    yield Card("D1", "golden frames", "give exactly the events written beside them", golden_frames)
    yield Card("D2", "unknown fields", "are ignored, at every depth", unknown_fields)
    yield Card("D3", "unknown channels", "are told as Unhandled", unknown_channel)
    yield Card(
        "D4", "mutated frames", "never raise, never yield NaN or a negative size", mutated_frames
    )
    yield Card("E1", "golden asks", "leave byte for byte, every channel of them", golden_asks)
    yield Card(
        "E2",
        "golden commands",
        "leave byte for byte, all that the table can",
        golden_orders,
        trades,
    )
    yield Card("E3", "signatures", "are those of the papers", signatures, _unsigned)
    yield Card("E4", "the grid", "only on-grid numbers leave, to the last digit", on_grid, trades)


CARDS = tuple(_cards())

"""Tickr: a small venue of somebody else, to look at only, whose books carry a checksum.

Its papers, all of them: one JSON object a frame. `{"do":"sub","id":1,"names":["trades/BTC_USDT"]}`
is answered by `{"id":1,"ok":true}`, and so is `unsub`. Then come
`{"c":"trades","s":"BTC_USDT","t":1700000000000,"n":5,"p":"1.00","q":"2.00000","side":"buy"}`,
`{"c":"quotes",…,"u":9,"b":["1.00","2"],"a":["1.01","3"]}` and
`{"c":"book",…,"u":10,"side":"b","l":["1.00","0"],"sum":123}`, `u` one more each time; the sum is
the CRC32 of the ten best asks and bids. Over HTTP: `/time`, `/symbols`, `/book?s=BTC_USDT`. A ban
is a 418 with `retry-after`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pitwire.conformance.candidate import Candidate, Staging
from pitwire.market.checksum import TopLevelsCrc
from pitwire.market.sequence import ByStep
from pitwire.model import errors
from pitwire.model import events as ev
from pitwire.model.instruments import Instrument
from pitwire.model.orders import Side
from pitwire.sim.facades.facade import Action, Close, HttpReply, SendPong, SendText
from pitwire.sim.facts import LevelChanged, Traded
from pitwire.sim.faults import Rewrite
from pitwire.sim.latency import LATENCIES
from pitwire.sim.world import LISTINGS, World
from pitwire.venues.venue import (
    Ask,
    Can,
    Channel,
    CodecOptions,
    Decoded,
    Endpoints,
    Heartbeat,
    HttpRequest,
    Limit,
    Reply,
    Venue,
)

NAME = "tickr"
MS = 1_000_000


# ── the codec ─────────────────────────────────────────────────────────────────────────────────


class Codec:
    """Frames in, events out; bytes for asks. It never trades."""

    def __init__(self, options: CodecOptions) -> None:
        self.options = options

    def decode(self, frame: Any, now: int) -> Sequence[Decoded]:
        text = bytes(frame)
        try:
            return (self._read(json.loads(text), text, now),)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, IndexError,
                RecursionError) as error:  # fmt: skip
            return (ev.Malformed(NAME, "", 0, now, "", repr(error)[:80], repr(text[:80])),)

    def _read(self, said: dict[str, Any], text: bytes, now: int) -> Decoded:
        if "id" in said:
            fault = None if said["ok"] else errors.SubscriptionRejected(venue=NAME)
            return Reply(_whole(said["id"]), fault)
        if said.get("c") not in ("trades", "quotes", "book"):
            return ev.Unhandled(NAME, "", 0, now, str(said.get("c", ""))[:40], repr(text[:80]))
        symbol, at = said["s"].replace("_", "-"), _whole(said["t"]) * MS
        if said["c"] == "trades":
            side = Side(said["side"])
            price, size = _number(said["p"]), _number(said["q"])
            return ev.Trade(NAME, symbol, at, now, price, size, side, _whole(said["n"]))
        update = _whole(said["u"])
        if said["c"] == "quotes":
            bid, ask = _level(said["b"]), _level(said["a"])
            return ev.Quote(NAME, symbol, at, now, *bid, *ask, update)
        level = (_level(said["l"]),)
        bids, asks = (level, ()) if said["side"] == "b" else ((), level)
        total = _whole(said["sum"])
        return ev.BookDelta(
            NAME,
            symbol,
            at,
            now,
            update,
            update,
            bids,
            asks,
            checksum=total,  # type: ignore[arg-type]
        )

    def decode_response(
        self, request: HttpRequest, status: int, headers: Mapping[str, str], body: bytes, now: int
    ) -> Sequence[Decoded]:
        if status == 418:
            until = now + int(float(headers.get("retry-after", "60")) * 1e9)
            return (Reply(0, errors.RateLimited(venue=NAME, until=until, banned=True)),)
        if status != 200:
            return (Reply(0, errors.VenueUnavailable(venue=NAME, code=status)),)
        said = json.loads(body)
        if request.purpose == "time":
            return (Reply(0, server_time=said["t"] * MS),)
        if request.purpose != "snapshot":
            return (Reply(0),)
        bids, asks = (tuple(map(_level, said[side])) for side in "ba")
        return (
            ev.BookSnapshot(NAME, request.symbol, 0, now, said["u"], bids, asks),  # type: ignore[arg-type]
            Reply(0),
        )

    def decode_instruments(self, body: bytes) -> Sequence[Instrument]:
        return [
            Instrument(
                venue=NAME,
                symbol=row["s"].replace("_", "-"),
                native=row["s"],
                base=row["s"].partition("_")[0],
                quote=row["s"].partition("_")[2],
                tick=Decimal(row["tick"]),
                lot=Decimal(row["lot"]),
                max_price=Decimal(row["max"]),
            )
            for row in json.loads(body)
        ]

    def learn(self, instruments: Sequence[Instrument]) -> None: ...

    def check(self, ask: Ask) -> None:
        if not ask.symbol:
            raise errors.ConfigError(where="symbol", found="", expected="a pair")

    def subscribe(self, asks: Sequence[Ask], request_id: int) -> bytes:
        return _frame("sub", asks, request_id)

    def unsubscribe(self, asks: Sequence[Ask], request_id: int) -> bytes:
        return _frame("unsub", asks, request_id)

    def ask_of(self, event: ev.Event) -> Ask | None:
        names = {ev.Trade: "trades", ev.Quote: "ticker", ev.BookDelta: "book"}
        name = names.get(type(event))
        return None if name is None else Ask(name, event.symbol)

    def ask_instruments(self, symbols: Sequence[str]) -> HttpRequest:
        return HttpRequest("instruments", "GET", "/symbols")

    def ask_snapshot(self, symbol: str, depth: int) -> HttpRequest:
        native = symbol.replace("-", "_")
        return HttpRequest("snapshot", "GET", "/book", query=f"s={native}", symbol=symbol)

    def ask_time(self) -> HttpRequest:
        return HttpRequest("time", "GET", "/time")


_WORDS = {"trades": "trades", "ticker": "quotes", "book": "book"}


def _frame(verb: str, asks: Sequence[Ask], request_id: int) -> bytes:
    names = [f"{_WORDS[ask.channel]}/{ask.symbol.replace('-', '_')}" for ask in asks]
    said = {"do": verb, "id": request_id, "names": names}
    return json.dumps(said, separators=(",", ":")).encode()


def _whole(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**43:
        raise ValueError(f"{value!r} is no count")
    return value


def _number(text: Any) -> float:
    found = float(text) if type(text) is str else -1.0
    if not 0 <= found < 1e15:
        raise ValueError(f"{text!r} is no amount")
    return found


def _level(pair: Any) -> tuple[float, float]:
    price, size = pair
    return _number(price), _number(size)


VENUE = Venue(
    name=NAME,
    endpoints=Endpoints(market="wss://tickr.test", orders="", http="https://tickr.test"),
    testnet=None,
    channels={
        "trades": Channel("trades", "trades/{symbol}", event="Trade", busy=True, dense=True),
        "ticker": Channel("ticker", "quotes/{symbol}", event="Quote", busy=True),
        "book": Channel("book", "book/{symbol}", event="BookDelta", busy=True),
    },
    continuity=ByStep(),
    limits=(Limit("messages", 10, 1.0), Limit("streams", 100, 0), Limit("weight", 600, 60.0)),
    heartbeat=Heartbeat(20.0, 4.0, 4.0, 86_400.0),
    can=Can(
        orders=False, replace=False, amend=False, cancel_all=False, order_test=False,
        order_streams=False, trades_by_id=False, session_login=False,
    ),
    codec=Codec,  # type: ignore[arg-type]
    close_codes={1001: "reconnect", 4009: "halt"},
    stream_path=lambda endpoints, _: endpoints.market,
    orders_path=lambda endpoints, _: endpoints.orders,
    symbol_of=lambda native: native.replace("_", "-"),
    checksum=lambda _: TopLevelsCrc(price_digits=2, size_digits=5),
)  # fmt: skip


# ── the other side ────────────────────────────────────────────────────────────────────────────


class Facade:
    """Written from the papers above, over the simulator's exchange."""

    def __init__(self, exchange: Any, judge: Any) -> None:
        self._exchange, self._judge = exchange, judge
        self._wanted: dict[int, set[str]] = {}
        self._out: list[tuple[int, Action]] = []
        exchange.take_facts()  # what was before is in the books
        self._books: dict[str, tuple[dict[int, int], dict[int, int]]] = {
            symbol: (dict(exchange.book(symbol).bids), dict(exchange.book(symbol).asks))
            for symbol in exchange.listings
        }

    def role(self, target: str) -> str:
        return "market"

    def connect(
        self, link: int, target: str, now: int, *, headers: Mapping[str, str] | None = None
    ) -> HttpReply | None:
        self._wanted[link] = set()
        return None

    def receive(self, link: int, text: bytes, now: int) -> None:
        said = json.loads(text)
        names = set(said["names"])
        wanted = self._wanted[link]
        self._wanted[link] = wanted | names if said["do"] == "sub" else wanted - names
        self._send(link, {"id": said["id"], "ok": True}, "answer")

    def receive_ping(self, link: int, payload: bytes, now: int) -> None:
        self._out.append((link, SendPong(payload)))

    def receive_pong(self, link: int, payload: bytes, now: int) -> None: ...

    def lost(self, link: int, now: int) -> None:
        self._wanted.pop(link, None)

    def close(self, link: int, code: int, reason: str) -> None:
        self._wanted.pop(link, None)
        self._out.append((link, Close(code, reason)))

    def announce_shutdown(self, now: int, links: Sequence[int] | None = None) -> None: ...

    def next_deadline(self) -> int | None:
        return None

    def take_output(self) -> list[tuple[int, Action]]:
        taken, self._out = self._out, []
        return taken

    def http(
        self, method: str, target: str, *, headers: Mapping[str, str], body: bytes, now: int
    ) -> HttpReply:
        where = urlsplit(target)
        verdict = self._judge("snapshot" if where.path == "/book" else "query", now)
        if verdict.status:
            wait = f"{verdict.retry_after_seconds or 0:g}"
            return HttpReply(verdict.status, {"retry-after": wait}, verdict.body or b"")
        said: Any = {"t": now // MS}
        if where.path == "/symbols":
            said = [
                {"s": _native(one.symbol), "tick": str(one.tick), "lot": str(one.lot),
                 "max": str(one.max_price * one.tick)}
                for one in self._exchange.listings.values()
            ]  # fmt: skip
        elif where.path == "/book":
            symbol = parse_qs(where.query)["s"][0].replace("_", "-")
            said = self._snapshot(symbol)
        return HttpReply(200, {}, json.dumps(said).encode(), delay=verdict.delay)

    def step(self, now: int) -> None:
        for fact in self._exchange.take_facts():
            match fact:
                case LevelChanged():
                    self._level(fact, now)
                case Traded():
                    self._trade(fact, now)

    def _trade(self, fact: Traded, now: int) -> None:
        listing = self._exchange.listings[fact.symbol]
        said = {
            "n": fact.trade_id, "p": str(fact.price * listing.tick),
            "q": str(fact.lots * listing.lot), "side": fact.taker_side.value,
        }  # fmt: skip
        self._tell("trades", fact.symbol, said, now)

    def _level(self, fact: LevelChanged, now: int) -> None:
        listing = self._exchange.listings[fact.symbol]
        sides = self._books[fact.symbol]
        side = sides[fact.side is Side.SELL]
        side[fact.price] = fact.lots
        if not fact.lots:
            side.pop(fact.price)
        text = [str(fact.price * listing.tick), str(fact.lots * listing.lot)]
        said = {"u": fact.update_id, "side": "b" if fact.side is Side.BUY else "a", "l": text,
                "sum": self._sum(listing, sides)}  # fmt: skip
        self._tell("book", fact.symbol, said, now)
        if sides[0] and sides[1]:
            best = {
                name: [str(price * listing.tick), str(side[price] * listing.lot)]
                for name, side, price in (
                    ("b", sides[0], max(sides[0])),
                    ("a", sides[1], min(sides[1])),
                )
            }
            self._tell("quotes", fact.symbol, {"u": fact.update_id, **best}, now)

    def _snapshot(self, symbol: str) -> dict[str, Any]:
        listing, book = self._exchange.listings[symbol], self._exchange.book(symbol)
        sides = {
            name: [[str(price * listing.tick), str(lots * listing.lot)] for price, lots in levels]
            for name, levels in (("b", book.bids), ("a", book.asks))
        }
        return {"u": book.update_id, **sides}

    @staticmethod
    def _sum(listing: Any, sides: tuple[dict[int, int], dict[int, int]]) -> int:
        from zlib import crc32

        best = [*sorted(sides[1].items())[:10], *sorted(sides[0].items(), reverse=True)[:10]]
        return crc32("".join(
            f"{number * step:.{digits}f}".replace(".", "").lstrip("0")
            for level in best
            for number, step, digits in zip(level, (listing.tick, listing.lot), (2, 5), strict=True)
        ).encode())  # fmt: skip

    def _tell(self, channel: str, symbol: str, said: dict[str, Any], now: int) -> None:
        name = f"{channel}/{_native(symbol)}"
        frame = {"c": channel, "s": _native(symbol), "t": now // MS, **said}
        for link, wanted in self._wanted.items():
            if name in wanted:
                self._send(link, frame, name)

    def _send(self, link: int, said: dict[str, Any], stream: str) -> None:
        self._out.append((link, SendText(json.dumps(said).encode(), stream)))


def _native(symbol: str) -> str:
    return symbol.replace("-", "_")


def world(staging: Staging) -> World:
    """A market over the simulator's exchange, seen through the façade above."""
    return World(
        seed=staging.seed,
        listings=[one for one in LISTINGS if one.symbol in staging.symbols],
        scenario="quiet" if staging.scenario else None,  # each change is a frame of its own here
        faults=staging.faults,
        latency=LATENCIES[staging.latency],
        accounts={"main": {}, "rival": {}},
        facade=Facade,
    )


CANDIDATE = Candidate(
    venue=VENUE,
    world=world,
    golden=Path(__file__).with_name("golden"),
    bad_checksum=Rewrite(
        stream="book/*", pattern=r'"sum": \d', by='"sum": 1', at_seconds=4, count=3
    ),
)

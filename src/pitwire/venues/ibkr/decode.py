"""Market data: what is shown of a contract, of which a frame has only what changed (§8.4, §8.6).

House rules: never a trade, since none is told; a value that is not in real time is no quote, and
that is said; what is kept of a contract is forgotten when it is asked for anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pitwire.model.events import Event, MarketStatus, PartialBook, Quote, Rejected, Ticker
from pitwire.venues.codec import Decoded, Reply
from pitwire.venues.ibkr.reading import NAME, NAN, instant, malformed, shown, watched, whole
from pitwire.venues.ibkr.streams import LIVE_FIELD, QUOTE_FIELDS, STATS_FIELDS, Streams
from pitwire.venues.ibkr.symbols import Symbols
from pitwire.venues.reading import Unreadable

_HALTED = "H"
_LIVE = "R"
_NOT_LIVE = {
    "D": "delayed", "Z": "frozen", "Y": "frozen and delayed", "N": "not subscribed",
    "i": "incomplete",
}  # fmt: skip
"""First letter of 6509 → what it says, where that is not real time (§6.3)."""
_ROWS = 2_000
"""No ladder has more."""


class MarketDecoder:
    """What is kept of each contract, and the events that it gives."""

    def __init__(self, symbols: Symbols, streams: Streams, *, delayed: bool) -> None:
        self._symbols, self._streams, self._delayed = symbols, streams, delayed
        self._kept: dict[str, dict[str, Any]] = {}
        self._ladders: dict[str, dict[str, tuple[float, float, float]]] = {}
        self._whole: set[str] = set()
        """Contracts of which a full frame came: what it lacked is not there, and not unknown."""
        self._halted: set[str] = set()
        self._asked: dict[tuple[str, str], int] = {}
        """(contract, channel) → the request that waits for the first word of it."""
        self._told: dict[str, str] = {}
        """Contract → what was told of data that are not live."""

    def login(self) -> None:
        """A new connection: what was shown on the last one is not known any more."""
        self._kept.clear()
        self._ladders.clear()
        self._whole.clear()
        self._asked.clear()

    def asked(self, conid: str, channel: str, request_id: int) -> None:
        """It is asked for anew: what comes first is full, and answers this request."""
        self._asked[conid, channel] = request_id
        if channel == "partial_book":
            self._ladders.pop(conid, None)
        elif len(self._streams.wanted.get(conid, ())) <= 1 and conid in self._kept:
            kept = self._kept[conid]  # whether it is live may not be said again
            self._kept[conid] = {name: kept[name] for name in (LIVE_FIELD,) if name in kept}
            self._whole.discard(conid)

    # ── smd ──

    def data(self, frame: Mapping[str, Any], now: int) -> Sequence[Decoded]:
        """A frame of market data; raises one of `UNREADABLE`."""
        conid = whole(frame.get("conid"), "conid")
        wanted, symbol = self._streams.wanted.get(conid), self._symbols.ours(conid)
        if not wanted or not symbol:
            return ()  # ended, and on its way still
        at = instant(frame.get("_updated"), "_updated")
        fields = {name: value for name, value in frame.items() if name.isdigit()}
        kept = self._kept.setdefault(conid, {})
        first = kept.keys() <= {LIVE_FIELD}
        if "conidEx" in frame:  # §8.4: in the first frame alone
            self._whole.add(conid)
        events: list[Decoded] = [*self._answered(conid, "ticker"), *self._answered(conid, "stats")]
        events += self._unreadable(conid, kept, fields, now)
        kept.update(fields)
        told = self._not_live(conid, symbol, kept, now)
        if told is not None:
            return [*events, *told]
        events += self._halt(conid, symbol, fields, at, now)
        known = kept.keys() if first else fields.keys()
        whole_quote = conid in self._whole or kept.keys() >= {*QUOTE_FIELDS}
        if "ticker" in wanted and known & {*QUOTE_FIELDS} and whole_quote:
            events.append(_quote(kept, symbol, at, now))
        if "stats" in wanted and known & {*STATS_FIELDS}:
            events.append(_ticker(kept, symbol, at, now))
        return events

    def _unreadable(
        self, conid: str, kept: dict[str, Any], fields: dict[str, Any], now: int
    ) -> list[Event]:
        """Take what is no number out of both: what it was before is not what it is now, and the
        rest of the frame says what it says. A quote waits until all of it was told again."""
        told: list[Event] = []
        for name in [one for one in fields if one in (*QUOTE_FIELDS, *STATS_FIELDS)]:
            try:
                _demand(fields[name], name)
            except ValueError as error:
                told.append(malformed(f"{name}: {fields[name]}".encode(), now, error, "smd"))
                fields[name] = None
                if name in QUOTE_FIELDS:
                    del fields[name]
                    kept.pop(name, None)
                    self._whole.discard(conid)
        return told[:1]  # it is one frame

    def _answered(self, conid: str, channel: str) -> Sequence[Decoded]:
        """Any word of a contract says that it is subscribed to, and none else does (§8.4)."""
        request_id = self._asked.pop((conid, channel), 0)
        return (Reply(request_id),) if request_id else ()

    def _not_live(
        self, conid: str, symbol: str, kept: Mapping[str, Any], now: int
    ) -> Sequence[Event] | None:
        """What is told instead of data that are not in real time; None where they are."""
        code = str(kept.get(LIVE_FIELD, _LIVE))[:3]
        why = _NOT_LIVE.get(code[:1])
        if why is None or (self._delayed and why == "delayed"):
            self._told.pop(conid, None)
            return None
        if self._told.get(conid) == code:
            return ()
        self._told[conid] = code
        text = f"the venue's data of {symbol} are {why} ({code}): no quote is told of them"
        return (Rejected(NAME, symbol, 0, now, "", "ticker", 0, text),)

    def _halt(
        self, conid: str, symbol: str, fields: Mapping[str, Any], at: int, now: int
    ) -> Sequence[Event]:
        if fields.get("31") in (None, ""):
            return ()
        halted = _letter(fields["31"]) == _HALTED
        if halted is (conid in self._halted):
            return ()
        (self._halted.add if halted else self._halted.discard)(conid)
        status = "HALTED" if halted else "TRADING"
        return (MarketStatus(NAME, symbol, at, now, status),)

    # ── sbd ──

    def depth(self, topic: str, data: bytes, now: int) -> Sequence[Decoded]:
        """Rows of a ladder; raises one of `UNREADABLE`. A row replaces the one of its number."""
        conid = self._ladder_of(topic)
        symbol = self._symbols.ours(conid)
        if not conid or not symbol or "partial_book" not in self._streams.wanted.get(conid, ()):
            return ()
        ladder = self._ladders.setdefault(conid, {})
        rows = msgspec.json.decode(data, type=list[dict[str, Any]])
        fresh = {whole(row.get("row"), "row"): _row(row) for row in rows}
        ladder.update(fresh)
        if len(ladder) > _ROWS:
            ladder.clear()
            raise Unreadable("row", f"{_ROWS} rows and more")
        answered = self._answered(conid, "partial_book")
        bids = sorted(((p, b) for p, b, _ in ladder.values() if b and p), reverse=True)
        asks = sorted((p, a) for p, _, a in ladder.values() if a and p)
        if bids and asks and bids[0][0] >= asks[0][0]:
            return answered  # halfway: the rest of the change comes in the next frame
        depth = max(len(bids), len(asks))
        book = PartialBook(NAME, symbol, 0, now, 0, tuple(bids), tuple(asks), depth)
        return (*answered, book)

    def _ladder_of(self, topic: str) -> str:
        parts = topic.split("+")
        if len(parts) >= 3:
            return parts[2].partition("@")[0]
        asked = [conid for conid, one in self._streams.wanted.items() if "partial_book" in one]
        return asked[0] if len(asked) == 1 else ""


def _row(row: Mapping[str, Any]) -> tuple[float, float, float]:
    """(price, bid size, ask size); `5 @ 165.52` is the last trade beside its price."""
    _, at, price = str(row.get("price", "")).rpartition("@")
    text = price.strip() if at else row.get("price")
    return watched(text, "price"), watched(row.get("bid"), "bid"), watched(row.get("ask"), "ask")


def _demand(value: object, name: str) -> None:
    """Raise `Unreadable` unless this is a number as the venue shows one, or none."""
    if value is not None and value != "":
        shown(value, name)


def _letter(value: object) -> str:
    return shown(value, "31")[0] if value not in (None, "") else ""


def _quote(kept: Mapping[str, Any], symbol: str, at: int, now: int) -> Quote:
    bid, ask_size, ask, bid_size = (watched(kept.get(name), name) for name in QUOTE_FIELDS)
    bid, bid_size = (bid, bid_size) if bid and bid_size else (0.0, 0.0)
    ask, ask_size = (ask, ask_size) if ask and ask_size else (0.0, 0.0)
    return Quote(NAME, symbol, at, now, bid, bid_size, ask, ask_size)


def _ticker(kept: Mapping[str, Any], symbol: str, at: int, now: int) -> Ticker:
    def value(name: str) -> float:
        found = kept.get(name)
        return NAN if found is None or found == "" else shown(found, name)[1]

    def positive(name: str) -> float:
        found = value(name)
        return found if found > 0 else NAN

    return Ticker(
        NAME,
        symbol,
        at,
        now,
        "1d",
        open=positive("7295"),
        high=positive("70"),
        low=positive("71"),
        last=positive("31"),
        volume=max(0.0, value("7762")) if value("7762") == value("7762") else NAN,
        quote_volume=NAN,
        change=value("82"),
        change_percent=value("83"),
    )

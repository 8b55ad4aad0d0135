"""A tape as a venue: links that say what was said, and answers to requests, when it was.

House rules: what a session sends goes nowhere; a request is answered by its recorded answer or
fails; what nobody has dialled for waits, and is counted when it is never heard.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from urllib.parse import parse_qsl, urlsplit

import msgspec

from pitwire.model.clock import SECOND
from pitwire.model.errors import ConnectionLost, DialFailed
from pitwire.tape.format import (
    Ended,
    Exchange,
    Kind,
    Parts,
    Record,
    Refused,
    decode_exchange,
)
from pitwire.tape.loop import Stage
from pitwire.tape.reader import Tape
from pitwire.wire.link import HttpAnswer, Receiver

Acknowledge = Callable[[bytes], bytes | None]
_PATIENCE_SECONDS = 60.0
"""In the tape's time: an answer that is not there by then is not on the tape."""
_EARLY = 10_000
_IN, _OUT = Kind.IN, Kind.OUT
_FRAMES = _IN, _OUT
_TURN = SECOND // 100
"""Frames of one read that are further apart were held up between."""
_PASSING = frozenset(("timestamp", "signature", "recvWindow", "limit"))
"""Parameters that differ from one asking to the next."""


class TapeLink:
    """What a session holds for a connection."""

    def __init__(self, player: Player, name: str, receiver: Receiver) -> None:
        self._player, self.name, self.receiver = player, name, receiver
        self.hear = receiver.on_frame

    def send(self, frame: bytes) -> None:
        """It was said already; a tape that holds no answers says yes to what is asked."""
        self._player.said(self, frame)

    def ping(self, payload: bytes = b"") -> None:
        """Answered at once: where the venue did not answer, the tape holds the loss."""
        asyncio.get_running_loop().call_soon(self.receiver.on_pong, payload)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Hang up; where the tape goes on, the end comes when it came."""
        if self._player.is_over:
            self._player.hung_up(self, ConnectionLost(code=code, reason=reason))

    def abort(self) -> None:
        """Hang up at once."""
        self._player.hung_up(self, ConnectionLost(code=1006, reason="dropped by us"))


class _Asked:
    """A request that waits for its answer."""

    def __init__(self, at: int, body: bytes, answer: asyncio.Future[Exchange]) -> None:
        self.at, self.body, self.answer = at, body, answer

    @property
    def waits(self) -> bool:
        """Whether somebody does."""
        return not self.answer.done()

    def away(self, exchange: Exchange) -> tuple[bool, int]:
        """How little this was the request: by what it said, then by when it left.

        Answers overtake one another, and several orders go to one address.
        """
        return self.body != exchange.asked, abs(self.at - exchange.sent)


class Player:
    """Plays one tape, once; the source of a `TapeLoop`, and a session's `dial` and `fetch`.

    `acknowledge` turns an ask into the venue's plain yes; it is used for tapes that were imported,
    which hold no answers to asks. `watch` is shown every record before it is played, and says
    whether to go on. `listing` is the path of the venue's list of symbols: whichever of them was
    asked for, an answer serves whoever asks for others; of an imported tape it is given before its
    time, as no other answer is: somebody else asked, and a desk opens with it.
    """

    def __init__(
        self,
        tape: Tape,
        *,
        until: int | None = None,
        acknowledge: Acknowledge | None = None,
        watch: Callable[[Record], bool] | None = None,
        listing: str = "",
    ) -> None:
        self._tape, self._listing = tape, listing
        self._records: Iterator[Parts] = chain.from_iterable(tape.blocks(until=until))
        self._next: Parts | None = next(self._records, None)
        self._imported = tape.meta.origin != "session"
        self._acknowledge = acknowledge
        self._watch = watch
        self.frames = self.unheard = 0
        """Frames played; those of them that no link was there for."""
        self.said_frames = 0
        """Frames that the session sent."""
        self.told_to_end = False
        self.over = asyncio.Event()
        """Set when the last record has been played, and at once where there is none."""
        if self._next is None:
            self.over.set()
        self.stopping = asyncio.Event()
        """Set when the desk was told to stop."""
        self._standing: dict[str, TapeLink] = {}
        self._early: dict[str, deque[Record]] = {}
        self._dials: dict[str, asyncio.Future[Record]] = {}
        self._asked: defaultdict[str, list[_Asked]] = defaultdict(list)
        self._answers: defaultdict[str, deque[tuple[int, Exchange]]] = defaultdict(deque)
        if self._imported:
            for record in tape.records(until=until, only=Kind.HTTP):
                self._keep_answer(record)

    # ── the source ────────────────────────────────────────────────────────────────────────────

    def next_at(self) -> int | None:
        """When the next record is due."""
        return None if self._next is None else self._next[0]

    def play(self, stage: Stage, before: int) -> None:
        """Play what is due before that time, until something is stirred; a burst is one turn."""
        records, standing, watch = self._records, self._standing, self._watch
        amid = 0
        while (parts := self._next) is not None:
            at, kind, name, drained, payload = parts
            # What one read brought was heard in one turn: no timer, no call came between.
            if (at >= before or stage.stirred) and not (at < amid and kind in _FRAMES):
                return
            if at > stage.at:
                stage.at = at
            if watch is not None and not watch(Record(*parts)):
                self.finish()
                return
            self._next = next(records, None)  # before anybody hears, who may ask if it is over
            if kind is _IN:
                self.frames += 1
                amid = 0 if drained else at + _TURN
                link = standing.get("" if self._imported else name)
                if link is not None:
                    link.hear(payload, drained)
                else:
                    self._wait_for_dial(Record(*parts))
            elif kind is not _OUT:
                amid = 0
                self._play_other(Record(*parts))
            if self._next is None:
                self.over.set()

    def finish(self) -> None:
        """Play nothing more; the tape's file is let go of."""
        self._next, self.told_to_end = None, True
        self._records = iter(())
        self.over.set()

    def awaited(self) -> list[str]:
        """Links and answers that somebody waits for."""
        asked = (key for key, each in self._asked.items() if any(one.waits for one in each))
        return [
            *(f"the link {name}" for name in self._dials),
            *(f"an answer to {key}" for key in asked),
        ]

    @property
    def is_over(self) -> bool:
        """Whether no link will be told anything any more."""
        return self._imported or self._next is None

    def _play_other(self, record: Record) -> None:
        link = self._standing.get(record.link)
        match record.kind:
            case Kind.OPENED | Kind.REFUSED if not self._imported:
                self._dialled(record)
            case Kind.LOST if link is not None:
                del self._standing[record.link]
                ended = msgspec.json.decode(record.payload, type=Ended)
                code = ended.code or 1006
                lost = ConnectionLost(code=code, reason=ended.reason, clean=ended.clean)
                link.receiver.on_lost(lost)
            case Kind.LOST:
                self._early.pop(record.link, None)
            case Kind.DRAINED if link is not None:
                link.receiver.on_drained()
            case Kind.STOP:
                self.stopping.set()
            case Kind.HTTP if not self._imported:
                self._answered(record)
            case _:
                pass

    # ── links ─────────────────────────────────────────────────────────────────────────────────

    async def dial(self, url: str, receiver: Receiver) -> TapeLink:
        """A link that says what was said; waits for the moment when the recorded one stood."""
        name = "" if self._imported else str(getattr(receiver, "link", ""))
        link = TapeLink(self, name, receiver)
        if not self._imported:
            early = self._early.pop(name, None)
            if early is None:
                record = await self._opening(name)
                if record.kind is Kind.REFUSED:
                    refused = msgspec.json.decode(record.payload, type=Refused)
                    raise DialFailed(
                        address=refused.address, cause=refused.cause, status=refused.status
                    )
                early = deque()
            for record in early:
                receiver.on_frame(record.payload, record.drained)
        self._standing[name] = link
        return link

    async def _opening(self, name: str) -> Record:
        waiter: asyncio.Future[Record] = asyncio.get_running_loop().create_future()
        self._dials[name] = waiter
        try:
            return await waiter
        finally:
            self._dials.pop(name, None)

    def _dialled(self, record: Record) -> None:
        waiter = self._dials.get(record.link)
        if waiter is not None and not waiter.done():
            waiter.set_result(record)
            if record.kind is Kind.OPENED:
                return
        if record.kind is Kind.OPENED:
            self._early[record.link] = deque(maxlen=_EARLY)

    def _wait_for_dial(self, record: Record) -> None:
        early = self._early.get(record.link)
        if early is None or len(early) == early.maxlen:
            self.unheard += 1
        if early is not None:
            early.append(record)

    def said(self, link: TapeLink, frame: bytes) -> None:
        """A frame that the session sent."""
        self.said_frames += 1
        if self._imported and self._acknowledge is not None:
            answer = self._acknowledge(frame)
            if answer is not None:
                asyncio.get_running_loop().call_soon(self._acknowledged, link, answer)

    def _acknowledged(self, link: TapeLink, answer: bytes) -> None:
        if self._standing.get(link.name) is link:
            link.receiver.on_frame(answer, True)

    def hung_up(self, link: TapeLink, error: ConnectionLost) -> None:
        """The session ended this connection itself."""
        if self._standing.get(link.name) is link:
            del self._standing[link.name]
            asyncio.get_running_loop().call_soon(link.receiver.on_lost, error)

    # ── requests ──────────────────────────────────────────────────────────────────────────────

    async def fetch(
        self, method: str, url: str, _headers: Mapping[str, str], body: bytes
    ) -> HttpAnswer:
        """The recorded answer, when it was here; raises `DialFailed` when there is none."""
        key = self._key(method, url)
        if self._imported:
            exchange = await self._imported_answer(key, is_listing=self._is_listing(url))
        else:
            exchange = await self._answer(key, body)
        if exchange is None:
            cause = "the tape holds no answer to this"
            raise DialFailed(address=url.partition("?")[0], cause=cause)
        if not exchange.status:
            raise DialFailed(address=url.partition("?")[0], cause=exchange.error)
        return exchange.status, exchange.headers, exchange.body

    async def _answer(self, key: str, body: bytes) -> Exchange | None:
        loop = asyncio.get_running_loop()
        asked = _Asked(self._now(), body, loop.create_future())
        kept = self._answers[key]
        if kept:
            nearest = min(kept, key=lambda one: asked.away(one[1]))
            kept.remove(nearest)
            return nearest[1]
        self._asked[key].append(asked)
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await asked.answer
        except TimeoutError:
            return None

    def _now(self) -> int:
        return round(asyncio.get_running_loop().time() * SECOND) + self._tape.meta.started

    async def _imported_answer(self, key: str, *, is_listing: bool) -> Exchange | None:
        """The next one, once it was here; who gives up waiting leaves it to whoever asks again."""
        while kept := self._answers[key] or self._answers[key.rpartition(" ")[0]]:
            ahead = kept[0][0] - self._now()
            if ahead <= 0 or is_listing:
                return kept.popleft()[1]
            await asyncio.sleep(ahead / SECOND)
        return None

    def _answered(self, record: Record) -> None:
        exchange = decode_exchange(record.payload)
        key = self._key(exchange.method, exchange.url)
        waiting = self._asked[key] = [one for one in self._asked[key] if one.waits]
        if not waiting:
            self._keep_answer(record)
            return
        nearest = min(waiting, key=lambda one: one.away(exchange))
        waiting.remove(nearest)
        nearest.answer.set_result(exchange)

    def _keep_answer(self, record: Record) -> None:
        exchange = decode_exchange(record.payload)
        kept = self._answers[self._key(exchange.method, exchange.url)]
        kept.append((record.at, exchange))

    def _is_listing(self, url: str) -> bool:
        return bool(self._listing) and urlsplit(url).path.endswith(self._listing)

    def _key(self, method: str, url: str) -> str:
        parts = urlsplit(url)
        pairs = sorted(parse_qsl(parts.query))
        if self._imported:  # other people ask at other addresses for the same
            told = [value for name, value in pairs if name == "symbol"]
            return " ".join((method, parts.path.rpartition("/")[2], *told))
        if self._is_listing(url):
            return f"{method} {self._listing}"
        told = [f"{name}={value}" for name, value in pairs if name not in _PASSING]
        return " ".join((method, parts.path, *told))

"""The life of one connection, without the connection: bytes and time in, events and bytes out.

House rules: no socket, loop, clock or chance of its own. Five duties of whoever carries it: feed
what came, empty the `outbox` when it is stirred, carry the requests in it, call `handle_deadline`
at `next_deadline`, and report the loss. Nothing that a venue sends raises here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import msgspec

from pitwire.model import errors
from pitwire.model import events as ev
from pitwire.model.clock import SECOND
from pitwire.model.credentials import Credentials
from pitwire.model.events import Event
from pitwire.session.backoff import Chance
from pitwire.session.commands import Commands
from pitwire.session.copies import FED, Copy
from pitwire.session.echoes import Echoes
from pitwire.session.errands import Errands
from pitwire.session.feed import Feed
from pitwire.session.hearing import Hearing, fastest
from pitwire.session.obedience import KEY, blames_clock, key_refused, obey, refuses_key
from pitwire.session.options import PATIENCE_SECONDS as PATIENCE_SECONDS
from pitwire.session.options import ConversationOptions as ConversationOptions
from pitwire.session.outbox import Outbox
from pitwire.session.pacing import Pacing
from pitwire.session.pending import Pending
from pitwire.session.skew import Skew
from pitwire.session.vigil import Vigil
from pitwire.venues.venue import (
    Ask,
    Codec,
    CodecOptions,
    Decoded,
    Doubted,
    Ended,
    Further,
    HttpRequest,
    Reply,
    Venue,
)

MALFORMED_RUN, MALFORMED_SECONDS = 5, 10.0
"""So many malformed frames within so long, and the connection is not worth keeping."""


class Conversation:
    """Wanted, asked, confirmed; books, orders, chores: all that one connection remembers."""

    spare_of: Conversation | None = None
    """The connection, if any, that does all that this one does: while it stands, the loss of this
    one is none."""

    def __init__(
        self,
        venue: Venue,
        options: ConversationOptions,
        *,
        pacing: Pacing,
        skew: Skew,
        chance: Chance,
        feed: Feed | None = None,
    ) -> None:
        self._venue, self._options, self._pacing, self._skew = venue, options, pacing, skew
        self.codec: Codec = venue.codec(
            CodecOptions(options.role, options.time_unit, options.book_option)
        )
        self.patience = round(options.patience_seconds * SECOND)
        """How long an answer may take, in ns."""
        self._pending = Pending(self.patience)
        self.outbox = Outbox()
        """What is to be sent, settled and told; whoever carries this conversation empties it."""
        self.vigil = Vigil(
            venue, options.link, skew=skew, outbox=self.outbox, ask_of=self.codec.ask_of
        )
        """What this connection is held against, whenever a deadline comes."""
        self._freshness = self.vigil.freshness
        self._feed = feed or Feed(
            venue, self.codec, pacing=pacing, chance=chance, backfill=options.backfill
        )
        self.errands = self._errands = Errands(
            venue,
            self.codec,
            link=options.link,
            role=options.role,
            skew=skew,
            pacing=pacing,
            pending=self._pending,
            feed=self._feed,
            freshness=self._freshness,
            outbox=self.outbox,
            asks_time=options.asks_time,
        )
        """What is asked of the venue in the connection's own right."""
        self._sequels = self._errands.sequels
        self._copy = self._errands.copy
        heard = self._freshness.heard
        self.hearing = Hearing(
            self.codec, self._feed, self._copy, heard, rest=self._receive, pump=self._pump
        )
        """The way of each frame."""
        self.receive_data = fastest(self.hearing)
        """(frame, now): a frame came."""
        self.vigil.elsewhere = partial(self._feed.flows_on_others, self._copy)
        self.commands = Commands(
            venue, self.codec, pacing=pacing, pending=self._pending, outbox=self.outbox, skew=skew
        )
        """Orders, cancels and questions; all that needs a login."""
        self.commands.deadline = round(options.order_deadline_seconds * SECOND)
        self._open = False
        self.echoes: Echoes | None = None
        """Set while another connection brings the same private events."""
        self._malformed: deque[int] = deque(maxlen=MALFORMED_RUN)

    # ── the connection ──

    def opened(self, now: int, *, attempt: int = 1) -> Sequence[Event]:
        """A connection stands: everything wanted is asked for, login first."""
        self._open, self.hearing.at = True, now
        self.vigil.opened(now)
        self._errands.begin_again(now)
        self._feed.stood(self._copy)
        self._malformed.clear()
        self._pump(now)
        opened = ev.Opened(self._venue.name, "", 0, now, self._options.link, attempt)
        return (opened, *self._errands.opened(now))

    def receive_pong(self, now: int) -> None:
        """A sign of life that is no data."""
        self.hearing.at = now
        self.vigil.answered(now)

    def receive_ping(self, now: int) -> None:
        """The venue pinged and was answered; the answer counts as a message of ours."""
        self.hearing.at = now
        self._errands.count_message(now)

    def receive_response(
        self,
        request: HttpRequest,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        now: int,
    ) -> Sequence[Event]:
        """The answer to a request out of the outbox."""
        if request.request_id:  # a command that went this way instead of over the socket
            return self._receive(
                self.codec.decode_response(request, status, headers, body, now), now
            )
        events: list[Event] = []
        found: list[Event] = []
        until, error = 0, None
        for item in self.codec.decode_response(request, status, headers, body, now):
            if isinstance(item, Reply):
                until, error = obey(item, self._pacing, now), item.error
                events += self._errands.responded(request, item, now)
                if error is not None:
                    events.append(self._failed(request, error, error.code, now))
            elif isinstance(item, (Further, Ended, Doubted)):
                events += self._obey(item, now)
            else:
                found.append(item)
        events += self._feed.answered(request, found, error, now, until=until)
        self._pump(now)
        return events

    def request_failed(
        self, request: HttpRequest, error: errors.DialFailed, now: int
    ) -> Sequence[Event]:
        """No answer came to a request out of the outbox."""
        if request.request_id:
            given_up = not self._pending.waits_for(request.request_id)
            asked = self._pending.pop(request.request_id)
            if asked is not None and asked.what.is_command:
                return self.commands.failed(asked, error, now, told=given_up)
            if asked is not None:
                self._errands.failed(asked, error)
            return ()
        told = self._feed.answered(request, (), error, now)
        self._pump(now)
        return (self._failed(request, error, error.status, now), *told)

    def lost(
        self,
        error: errors.PitwireError,
        now: int,
        *,
        retry_after_seconds: float = 0.0,
        by_us: bool = False,
    ) -> Sequence[Event]:
        """The connection is gone; what was on its way is unknown, what was queued was not sent."""
        self._open = False
        covered = self._is_covered()
        events: list[Event] = [
            ev.Lost(
                self._venue.name,
                "",
                0,
                now,
                self._options.link,
                "closed by us" if by_us else str(error),
                retry_after_seconds,
                by_us,
                covered,
            )
        ]
        events += self._feed.lost(self._copy, now)
        self._feed.backfill.ends(self._freshness)
        if isinstance(error, errors.Stalled) and any(one.stands for one in self._feed.copies):
            self._feed.doubts.of("", now)  # those who stand may have been as silent
        for request in self._pending.drain():
            if request.what.is_command:
                events += self.commands.unanswered(request, now)
        events += self.commands.lost(now)
        self._errands.begin_again(now)
        self.vigil.lost()
        for unsent in self.outbox.take_requests():
            self._feed.give_back(unsent, now)
        self.outbox.forget_unsent()
        self.outbox.stirred = True
        return events

    def _is_covered(self) -> bool:
        if self.spare_of is not None and self.spare_of._open:
            return True
        return self._feed.carried_by_others(self._copy, self._errands.wants)

    def give_back(self, request: HttpRequest, now: int) -> None:
        """A request out of the outbox will not be carried; another connection may."""
        self._feed.give_back(request, now)

    def take_over(self, now: int) -> None:
        """Another connection of the feed is gone: fetch and time what it would have."""
        self._pump(now)

    def leave(self, now: int) -> None:
        """The connection is closed for good and carries its feed no more."""
        self._feed.leave(self._copy, now)

    # ── what is wanted ──

    @property
    def feed(self) -> Feed:
        """What it carries, alone or with others."""
        return self._feed

    @property
    def copy(self) -> Copy:
        """Its part in the feed."""
        return self._copy

    @property
    def asks(self) -> tuple[Ask, ...]:
        """All that is wanted on this connection."""
        return tuple(self._errands.wants)

    @property
    def credentials(self) -> Credentials | None:
        """Who logs in on this connection, if anybody."""
        return self._errands.credentials

    @property
    def streams(self) -> int:
        """How many streams this connection carries or will."""
        return len(self._errands.wants)

    def carries(self, ask: Ask) -> bool:
        """Whether this ask is wanted here."""
        return ask in self._errands.wants

    def is_confirmed(self, ask: Ask) -> bool:
        """Whether the venue has confirmed this ask on the present connection."""
        return self._errands.wants.is_confirmed(ask)

    @property
    def wants_orders(self) -> bool:
        """Whether the private stream is wanted: no longer once the venue refused it for good."""
        return self._errands.wants_orders

    def want(self, asks: Iterable[Ask], now: int) -> None:
        """Want these from now on, through every loss; raises `ConfigError` for a wrong one."""
        asks = list(asks)
        for ask in asks:
            self.codec.check(ask)
            if not self._feed.wants(ask):
                # Late ones of an earlier want are no beginning.
                self._feed.backfill.forget(ask.channel, ask.symbol)
        self._errands.wants.add(asks)
        self._pump(now)

    def unwant(self, asks: Iterable[Ask], now: int) -> None:
        """Want these no more."""
        asks = [ask for ask in asks if self.carries(ask)]
        self._errands.end(asks)
        kept = self._feed.symbols_of("book")
        for ask in asks:
            if ask.channel == "book" and ask.symbol not in kept:
                self.outbox.tell(*self._feed.books.end(ask.symbol, now))
        self._pump(now)

    def authenticate(self, credentials: Credentials, now: int) -> None:
        """Log in, now and after every loss."""
        self._errands.authenticate(credentials)
        self._pump(now)

    def watch_orders(self, now: int) -> None:
        """Want the private stream; it is asked for after the login."""
        self._errands.watch_orders()
        self._pump(now)

    @property
    def watches_orders(self) -> bool:
        """Whether the venue has confirmed the private stream on the present connection."""
        return self._errands.watching

    def resync(self, symbol: str, reason: str, now: int) -> Sequence[Event]:
        """Fetch this one book again."""
        events = self._feed.books.resync(symbol, reason, now)
        self._pump(now)
        return events

    # ── time ──

    def next_deadline(self, now: int) -> int | None:
        """When `handle_deadline` must be called next."""
        if not self._open:
            return None
        soonest = self.vigil.next_deadline(self.hearing.at, now)
        for at in (
            self._pending.next_deadline(),
            self._errands.next_deadline(now),
            self._sequels.next_deadline(now),
            self._feed.next_request(now),
            self.commands.next_deadline(now),
            self._feed.next_deadline(),
        ):
            if at is not None and at < soonest:
                soonest = at
        return soonest

    def handle_deadline(self, now: int) -> Sequence[Event]:
        """Time has passed: what became due is done, what became overdue is told."""
        if not self._open:
            return ()
        events = self._overdue(now)
        for request in self._pending.expire(now):
            if request.what.is_command:
                events += self.commands.unanswered(request, now)
            else:
                self._errands.unanswered(request, now)
        self._pump(now)
        return events

    def note_pause(self, now: int) -> None:
        """We stopped reading ourselves; silence since then is ours, not the venue's."""
        self.hearing.at = now
        self._pending.be_patient(now)
        self.vigil.note_pause(now)

    def woke(self, now: int) -> Sequence[Event]:
        """We slept beyond `vigil.late_at`: to be called before anything else, as nothing that is
        unread may be taken for new."""
        told = self.vigil.woke(now)
        self.note_pause(now)
        self.hearing.at = now - 1  # before the ping that asks whether the venue is still there
        self._errands.measure_soon(now)
        self._pump(now)
        return told

    def note_wall(self, jump: int, now: int) -> Sequence[Event]:
        """How far the wall clock is from where it was when ours was set by it."""
        told = self._skew.wall(jump, self._venue.name, now)
        if told:
            self._errands.measure_soon(now)
            self._pump(now)
        return told

    # ── within ──

    def _overdue(self, now: int) -> list[Event]:
        """What was waited for in vain: data, a sign of life, what a copy skipped."""
        heard, may_ask = self.hearing.at, self._errands.may_ask
        told = [*self._feed.overdue(now), *self.vigil.look(heard, now, may_ask)]
        if self._copy.bereft:
            self._copy.bereft = False
            told += self.vigil.bereft(now)
        self._errands.measure_if_doubted(now)
        return told

    def _receive(self, decoded: Sequence[Decoded], now: int) -> Sequence[Event]:
        events: list[Event] = []
        for item in decoded:
            if isinstance(item, Reply):
                events += self._answered(item, now)
            elif isinstance(item, (Further, Ended, Doubted)):
                events += self._obey(item, now)
            elif isinstance(item, FED):
                events += self._feed.backfill.hears(item, self._freshness)
                events += (*self._errands.proven(item, now), *self._freshness.first(item, now))
                events += self._feed.accept(item, self._copy, now)
            elif isinstance(item, ev.BookSnapshot):
                events += self._begun(item, now)
            elif self.echoes is None or self.echoes.admit(item, self._options.link):
                events.append(self._notice(item, now))
        self._feed.stirred = False
        self._pump(now)
        return events

    def _begun(self, snapshot: ev.BookSnapshot, now: int) -> list[Event]:
        """A book begins on its stream: a word of it as good as any delta."""
        word = ev.BookDelta(
            snapshot.venue, snapshot.symbol, snapshot.venue_time, now, 0, snapshot.last_id, (), ()
        )
        told = [*self._errands.proven(snapshot, now), *self._freshness.first(word, now)]
        return [*told, *self._feed.books.streamed(snapshot, now)]

    def _obey(self, item: Further | Ended | Doubted, now: int) -> list[Event]:
        """What the venue wants of the connection itself."""
        match item:
            case Further():
                self._sequels.add(item, now)
            case Ended(error=error):
                self.outbox.fail(error)
            case Doubted():
                return self.vigil.distrust(now)
        return []

    def _notice(self, event: Event, now: int) -> Event:
        if isinstance(event, ev.VenueShutdown):
            event = msgspec.structs.replace(event, link=self._options.link)
            self.outbox.announce()  # whoever carries us makes another stand before this one falls
        elif isinstance(event, ev.Rejected) and event.what == "orders":
            self._errands.watch_ended(now)  # binance §6.3, eventStreamTerminated
        elif isinstance(event, ev.Update):
            self.commands.behind.heard(event.order_id)
        elif isinstance(event, ev.Malformed):
            self._malformed.append(now)
            self._feed.doubts.of("", now)
            self._feed.books.mistrust()
            run = now - self._malformed[0] if len(self._malformed) == MALFORMED_RUN else now
            if run <= MALFORMED_SECONDS * SECOND:
                reason = f"{MALFORMED_RUN} malformed frames within {MALFORMED_SECONDS:g} s"
                self.outbox.fail(errors.ConnectionLost(code=1007, reason=reason))
        return event

    def _answered(self, reply: Reply, now: int) -> list[Event]:
        obey(reply, self._pacing, now)
        request = self._pending.pop(reply.request_id)
        if request is None:
            again = self._pending.answered(reply.request_id)
            if again is not None:  # the ledger has to know where the two are not alike
                return self.commands.answered(again, reply, now)
            return [*reply.events, *self._stray(reply, now)]
        if request.what.is_command:
            if blames_clock(reply):
                self._errands.measure_soon(now)
            told = self.commands.answered(request, reply, now)
            return told + key_refused(reply, self._options.link, now)
        self.vigil.took(now - request.sent)
        return self._errands.answered(request, reply, now)

    def _failed(
        self, request: HttpRequest, error: errors.PitwireError, code: int, now: int
    ) -> ev.Rejected:
        text = (error.text if isinstance(error, errors.RemoteError) else "") or str(error)
        link, what = self._options.link, request.purpose
        return ev.Rejected(self._venue.name, request.symbol, 0, now, link, what, code, text)

    def _stray(self, reply: Reply, now: int) -> list[Event]:
        if (error := reply.error) is None:
            return []
        text = error.text or str(error)
        link, what = self._options.link, KEY if refuses_key(reply) else "request"
        return [ev.Rejected(self._venue.name, "", 0, now, link, what, error.code, text)]

    def _pump(self, now: int) -> None:
        """Everything that may leave now does."""
        self.outbox.stirred = True
        if not self._open:
            return
        if self.outbox.pings:
            self._errands.count_message(now)
        self.commands.admitted = self._errands.logged_in
        self.commands.release(now)
        self._sequels.release(now)
        self._errands.pump(now)
        for request in self._feed.due(now):
            self.outbox.ask(request)

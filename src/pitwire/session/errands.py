"""What a connection asks of the venue in its own right: login, private stream, streams, time.

House rules: pure. Login first, the private stream after it, streams in as few messages as the
venue's limits ask for; a refusal that only time can heal is tried again, any other is told.
"""

from __future__ import annotations

from collections.abc import Sequence

from pitwire.model import errors
from pitwire.model.clock import SECOND
from pitwire.model.credentials import Credentials
from pitwire.model.events import (
    Authenticated,
    Event,
    Quote,
    Rejected,
    Subscribed,
    Unsubscribed,
)
from pitwire.session.copies import Copy
from pitwire.session.feed import Feed
from pitwire.session.freshness import Freshness
from pitwire.session.outbox import Outbox
from pitwire.session.pacing import Pacing
from pitwire.session.pending import Pending, Request, What
from pitwire.session.sequels import Sequels
from pitwire.session.skew import Skew
from pitwire.session.wants import Wants
from pitwire.venues.venue import Ask, Codec, HttpRequest, Limit, Outgoing, Reply, Role, Venue

AGAIN_SECONDS = 1.0
"""How long to wait after a refusal that names no time."""


class Errands:
    """The part of a conversation that makes the venue do what is wanted."""

    def __init__(
        self,
        venue: Venue,
        codec: Codec,
        *,
        link: str,
        role: Role,
        skew: Skew,
        pacing: Pacing,
        pending: Pending,
        feed: Feed,
        freshness: Freshness,
        outbox: Outbox,
        asks_time: bool,
    ) -> None:
        self._venue, self._codec, self._link, self._role = venue, codec, link, role
        self._skew, self._pacing, self._pending = skew, pacing, pending
        self._feed, self._freshness = feed, freshness
        feed.backfill.tell_time(skew.span)
        freshness.on_revival = feed.doubts.of  # what it did not say meanwhile may be lost
        self._outbox, self._asks_time = outbox, asks_time or role is Role.ORDERS
        self._time_on_socket = venue.socket_time or role is Role.ORDERS
        self.sequels = Sequels(
            venue,
            codec,
            role,
            pacing=pacing,
            pending=pending,
            outbox=outbox,
            count=self.count_message,
        )
        """What answers wait for, and chores."""
        self._logs_in_first = venue.market_login and role is Role.MARKET
        self.wants = Wants(venue.asks_a_message, acknowledged=venue.acknowledges)
        self.copy: Copy = feed.join(link, self.wants, freshness.spoken)
        """Our part in the feed."""
        self.copy.quotes = freshness.heard[Quote]
        self._credentials: Credentials | None = None
        self.account = ""
        """Whose private stream this connection is, where it is one."""
        self._wants_orders = False
        feed.books.anew = self.begin_book_anew
        self._proven = False
        """Whether this key was ever accepted: then a refusal is news, not an answer."""
        self.watching = False
        """Whether the venue has confirmed the private stream on this connection."""
        self._watch_key = ""
        """Whose private stream was asked for on this connection: it outlives another login."""
        self.begin_again(0)

    def begin_again(self, now: int) -> None:
        """A new connection: nothing is asked for, nothing confirmed."""
        self.wants.begin_again()
        self.sequels.begin_again()
        # Counted by the connection: what was said on the last one is not held against this one.
        self._messages = Pacing(_message_limits(self._venue, self._role))
        self.logged_in = False
        self._login_sent = self._clock_forgiven = False
        self._watch_key, self.watching = "", False
        self._renew_at: int | None = None
        self._not_before = self._weight_at = 0
        self._asked_again: set[Ask] = set()
        self._anew: set[Ask] = set()
        """Streams that are ended only to begin again."""
        self._time_due = now
        self._time_asked: tuple[HttpRequest, int] | None = None

    # ── wanted ──

    @property
    def credentials(self) -> Credentials | None:
        """Who logs in here, if anybody."""
        return self._credentials

    @property
    def wants_orders(self) -> bool:
        """Whether the private stream is wanted: no longer once the venue refused it for good."""
        return self._wants_orders

    def authenticate(self, credentials: Credentials) -> None:
        """Log in with these, now and after every loss."""
        self._credentials, self._proven = credentials, False
        self.logged_in = self._login_sent = self._clock_forgiven = False
        self.watching = self.watching and self._watch_key == credentials.key

    def adopt(self, credentials: Credentials) -> None:
        """Log in with these from the next connection on."""
        self._credentials = credentials

    def watch_orders(self) -> None:
        """Want the private stream, now and after every loss."""
        self._wants_orders = True

    def opened(self, now: int) -> Sequence[Event]:
        """A connection stands. One of the private stream is that stream, and asks for nothing."""
        if self._role is not Role.PRIVATE:
            return ()
        # What was missed while it was away is asked for, as after a login.
        return (
            Authenticated(self._venue.name, "", 0, now, self._link, self.account),
            Subscribed(self._venue.name, "", 0, now, self._link, "orders"),
        )

    def watched(self) -> None:
        """The private stream's own connection stands."""
        self.watching = self._wants_orders
        self._outbox.settle(What.WATCH)

    def watch_fell(self) -> None:
        """The private stream's own connection is gone: its key is asked for anew."""
        self._watch_key, self.watching, self._renew_at = "", False, None

    def watch_ended(self, now: int) -> None:
        """The venue ended the private stream by itself: while it is wanted, ask again."""
        self._watch_key, self.watching = "", False
        if self._role is Role.PRIVATE:
            ended = errors.ConnectionLost(code=1006, reason="the venue ended the private stream")
            self._outbox.fail(ended)
        self._not_before = max(self._not_before, now + round(AGAIN_SECONDS * SECOND))

    def end(self, asks: Sequence[Ask]) -> None:
        """Want these streams no more."""
        for ask in self.wants.remove(asks):
            channel = self._venue.channels[ask.channel]
            self._freshness.ended(ask, channel.event)
            self.copy.end(ask, channel)
            given_up = errors.StateError(
                verb="subscribe", state="unsubscribed meanwhile", expected="no unsubscribe"
            )
            self._outbox.settle(ask, given_up)

    def begin_book_anew(self, symbol: str, now: int) -> bool:
        """Have the stream of a book end and begin again; whether it is wanted here."""
        books = [ask for ask in self.wants if ask.channel == "book" and ask.symbol == symbol]
        for ask in books:
            if self.wants.again(ask):
                self._anew.add(ask)
                self._freshness.ended(ask, self._venue.channels[ask.channel].event)
        self.pump(now)
        return bool(books)

    # ── out ──

    def count_message(self, now: int) -> None:
        """We sent something that no errand was: a ping, an answer to one."""
        self._messages.spend("messages", now)

    def may_ask(self, now: int) -> bool:
        """Whether one message more is within the venue's limits."""
        return self._messages.allows("messages", now)

    def measure_soon(self, now: int) -> None:
        """The venue says that our clock is wrong: look again."""
        self._time_due = min(self._time_due, now)

    def measure_if_doubted(self, now: int) -> None:
        """Look again where any connection doubts what is known of the venue's clock."""
        if self._asks_time and self._skew.settles(now):
            self.measure_soon(now)

    def pump(self, now: int) -> None:
        """Send what may leave now, in the order it must."""
        if self._asks_time and now >= self._time_due and self._may_ask_time:
            self._ask_time(now)
        if now < self._not_before:
            return
        if self._credentials is not None and not self._login_sent:
            self._login_sent = self._send(What.LOGIN, now)
        due = self._renew_at is not None and now >= self._renew_at
        watch = self._watch_waits or (due and self.logged_in)
        if watch and now >= self._weight_at and self._send(What.WATCH, now):
            self._watch_key, self._renew_at = self._key, None
        if not self.wants.speaks or not self._may_subscribe:  # nearly always
            return
        while self.wants.has_drops and self._messages.allows("messages", now):
            self._send(What.UNSUBSCRIBE, now, asks=self.wants.next_drops())
        while self.wants.has_asks and self._messages.allows("messages", now):
            self._send(What.SUBSCRIBE, now, asks=self.wants.next_asks())

    def next_deadline(self, now: int) -> int | None:
        """When `frames` will next have something to say of its own accord."""
        renew_at = self._renew_at if self.logged_in else None
        login_waits = self._credentials is not None and not self._login_sent
        speaks = login_waits or (self.wants.speaks and self._may_subscribe)
        if not (speaks or renew_at is not None or self._watch_waits):  # nearly always
            return self._time_due if self._asks_time and self._may_ask_time else None
        times = [self._time_due] if self._asks_time and self._may_ask_time else []
        # Never sooner than `pump` would send: a deadline that is over and done nothing about
        # comes again at once, and for ever.
        ready = self._messages.ready_at("messages", max(now, self._not_before))
        if renew_at is not None:
            times.append(max(renew_at, ready, self._weight_at))
        if self._watch_waits:
            times.append(max(ready, self._weight_at))
        if speaks:
            times.append(ready)
        return min(times)

    @property
    def _may_subscribe(self) -> bool:
        return self.logged_in or not self._logs_in_first

    @property
    def _may_ask_time(self) -> bool:
        return self.logged_in or self._venue.can.anonymous_time

    @property
    def _key(self) -> str:
        return self._credentials.key if self._credentials is not None else ""

    @property
    def _watch_waits(self) -> bool:
        return self._wants_orders and self.logged_in and self._watch_key != self._key

    def _ask_time(self, now: int) -> None:
        banned_until = self._pacing.blocked_until("weight")
        if banned_until > now:  # the venue wants silence, over every connection
            self._time_due = banned_until
            return
        self._time_due = now + self._skew.ask_after(now)
        if self._time_on_socket:
            self._send(What.TIME, now)
            return
        request = self._codec.ask_time()
        if self._pacing.ready_for(request, now) <= now:
            self._pacing.spend_on(request, now)
            self._time_asked = (request, now)
            self._outbox.ask(request)

    def _send(self, what: What, now: int, *, asks: tuple[Ask, ...] = ()) -> bool:
        if not self._messages.allows("messages", now):
            return False
        request_id = self._pending.next_id()
        if what is What.UNSUBSCRIBE and not self._venue.acknowledges:
            self._outbox.tell(*self._ended(asks, now))
        said = self._encode(what, now + self._skew.offset, request_id, asks)
        if isinstance(said, HttpRequest):
            ready = self._pacing.ready_for(said, now)
            if what is What.LOGIN and self._role is Role.ORDERS:
                ready = max(ready, self._pacing.begun_at)
            if ready > now:
                if what is What.LOGIN:  # everything else waits for it
                    self._not_before = max(self._not_before, ready)
                self._weight_at = ready
                return False
            self._pacing.spend_on(said, now)
            self._outbox.ask(said)
        else:
            self._messages.spend("messages", now)
            self._outbox.send(said)
        if what is not What.UNSUBSCRIBE or self._venue.acknowledges:
            self._pending.add(request_id, Request(what, now, asks=asks))
        return True

    def _ended(self, asks: Sequence[Ask], now: int) -> list[Event]:
        name, link = self._venue.name, self._link
        return [Unsubscribed(name, ask.symbol, 0, now, link, ask.channel) for ask in asks]

    def _encode(
        self, what: What, venue_now: int, request_id: int, asks: tuple[Ask, ...]
    ) -> Outgoing:
        match what:
            case What.TIME:
                return self._codec.server_time(venue_now, request_id)
            case What.LOGIN:
                assert self._credentials is not None
                return self._codec.login(self._credentials, venue_now, request_id)
            case What.WATCH:
                return self._codec.watch_orders(venue_now, request_id)
            case What.SUBSCRIBE:
                return self._codec.subscribe(asks, request_id)
            case _:
                return self._codec.unsubscribe(asks, request_id)

    # ── in ──

    def answered(self, request: Request, reply: Reply, now: int) -> list[Event]:
        """The venue's answer to an errand."""
        error = reply.error
        if error is not None:
            return [*reply.events, *self._refused(request, error, now)]
        told = list(reply.events)
        match request.what:
            case What.TIME:
                told += self._learn_time(request.sent, reply, now)
            case What.LOGIN:
                told += self._admitted(now)
            case What.WATCH if self._venue.private is not None and reply.private_key:
                every = self._venue.private.renew_every_seconds
                self._renew_at = now + round(every * SECOND)
                self._outbox.lead(reply.private_key)
            case What.WATCH:
                self.watching = True
                self._outbox.settle(What.WATCH)
                told.append(Subscribed(self._venue.name, "", 0, now, self._link, "orders"))
            case What.SUBSCRIBE:
                told += [self._confirmed(ask, now) for ask in self.wants.confirm(request.asks)]
            case What.UNSUBSCRIBE:
                told += self._ended([one for one in request.asks if one not in self._anew], now)
        return told

    def proven(self, event: Event, now: int) -> list[Event]:
        """Data came of a stream whose acknowledgement is late or lost: they say more than it."""
        if not self.wants.is_waiting:
            return []
        ask = self._codec.ask_of(event)
        return [] if ask is None else [self._confirmed(one, now) for one in self.wants.prove(ask)]

    def unanswered(self, request: Request, now: int) -> None:
        """A connection that does not answer is worth as much as a dead one."""
        if request.what is What.TIME:
            return  # it will be asked again, and no order should become unknown for its sake
        if request.what is What.SUBSCRIBE and self._asks_once_more(request.asks):
            return
        if request.what is What.SUBSCRIBE and not self._venue.acknowledges:
            text = "no data came of it, though it was asked for twice"
            silence = errors.RequestRejected(venue=self._venue.name, text=text, request="subscribe")
            self._outbox.tell(*self._not_subscribed(request, silence, now))
            return
        silent = (now - request.sent) / SECOND
        self._outbox.fail(errors.Stalled(silent_seconds=silent, what=f"answer to {request.what}"))

    def failed(self, request: Request, error: errors.DialFailed) -> None:
        """The same of a request over HTTP whose connection broke, or of which none came about."""
        if request.what is not What.TIME:
            self._outbox.fail(error)

    def _asks_once_more(self, asks: tuple[Ask, ...]) -> bool:
        """An answer may be lost alone: what is still open is asked for again, each ask once."""
        still = self.wants.unconfirmed(asks)
        if not self._asked_again.isdisjoint(still):
            return False
        self._asked_again.update(still)
        self.wants.postpone(still)
        return True

    def responded(self, request: HttpRequest, reply: Reply, now: int) -> list[Event]:
        """The venue's answer to a REST request, which may be the question after its clock."""
        if self._time_asked is None or self._time_asked[0] is not request:
            return []
        sent, self._time_asked = self._time_asked[1], None
        return self._learn_time(sent, reply, now)

    def _learn_time(self, sent: int, reply: Reply, now: int) -> list[Event]:
        skew = self._skew
        if not reply.server_time or not skew.take(
            sent=sent, received=now, server_time=reply.server_time, step=reply.server_step
        ):
            return []
        return skew.told(self._venue.name, reply.server_time, now)

    def _admitted(self, now: int) -> list[Event]:
        assert self._credentials is not None
        self.logged_in = self._proven = True
        self.sequels.logged_in(now)
        if self._logs_in_first:
            return []  # nobody waits for it but the streams, which speak for themselves
        self._outbox.settle(What.LOGIN)
        return [Authenticated(self._venue.name, "", 0, now, self._link, self._credentials.account)]

    def _confirmed(self, ask: Ask, now: int) -> Event:
        channel = self._venue.channels[ask.channel]
        self._freshness.confirmed(
            ask,
            channel.event,
            now,
            busy=channel.busy,
            every_seconds=channel.promised_seconds(ask.option),
        )
        self.copy.confirm(ask, channel, now)
        self._anew.discard(ask)
        if ask.channel == "book":
            self._feed.books.begin(ask.symbol, now)
        self._feed.backfill.confirmed(ask.channel, ask.symbol, now)
        self._outbox.settle(ask)
        return Subscribed(self._venue.name, ask.symbol, 0, now, self._link, ask.channel)

    def _refused(self, request: Request, error: errors.RemoteError, now: int) -> list[Event]:
        if request.what is What.LOGIN and self._logs_in_first:
            # Nothing comes over this connection: the session decides whether another is dialled.
            self._outbox.fail(error)
            return [self._rejected("", What.LOGIN, error, now)]
        if isinstance(error, errors.RateLimited | errors.VenueUnavailable):
            return self._postponed(request, error, now)
        match request.what:
            case What.LOGIN:
                return self._turned_away(error, now)
            case What.WATCH:
                self._wants_orders, self._watch_key = False, ""
                self._outbox.settle(What.WATCH, error)
            case What.SUBSCRIBE:
                return self._not_subscribed(request, error, now)
            case _:
                pass  # an unanswered clock or a stream that was not there: told, nothing more
        return [self._rejected("", request.what, error, now)]

    def _postponed(
        self,
        request: Request,
        error: errors.RateLimited | errors.VenueUnavailable,
        now: int,
    ) -> list[Event]:
        self._not_before = max(error.until, now + round(AGAIN_SECONDS * SECOND))
        match request.what:
            case What.LOGIN:
                self._login_sent = False
            case What.WATCH:
                self._watch_key = ""
            case What.SUBSCRIBE:
                self.wants.postpone(request.asks)
            case What.UNSUBSCRIBE:
                self.wants.drop_again(request.asks)
            case _:
                pass
        return [self._rejected("", request.what, error, now)]

    def _turned_away(self, error: errors.RemoteError, now: int) -> list[Event]:
        hint = error.hint if isinstance(error, errors.AuthenticationFailed) else ""
        if hint == "clock" and not self._clock_forgiven:
            # Once: measure, and log in again by the venue's clock (architecture §10).
            self._clock_forgiven = True
            self._time_due, self._not_before = now, now + round(AGAIN_SECONDS * SECOND) // 2
            self._login_sent = False
            return [self._rejected("", What.LOGIN, error, now)]
        if self._proven:
            # No answer to whoever asked, but news: the key was taken back.
            text = error.text or str(error)
            name, code = self._venue.name, error.code
            self._outbox.fail(errors.AuthenticationFailed(venue=name, code=code, text=text))
        self._credentials = None
        self._outbox.settle(What.LOGIN, error)
        return [self._rejected("", What.LOGIN, error, now)]

    def _not_subscribed(self, request: Request, error: errors.RemoteError, now: int) -> list[Event]:
        told: list[Event] = []
        for ask in self.wants.refuse(request.asks):
            reason = errors.SubscriptionRejected(
                venue=self._venue.name,
                code=error.code,
                text=error.text or str(error),
                channel=ask.channel,
                symbol=ask.symbol,
            )
            self._outbox.settle(ask, reason)
            told.append(self._rejected(ask.symbol, ask.channel, reason, now))
        return told

    def _rejected(self, symbol: str, what: str, error: errors.RemoteError, now: int) -> Rejected:
        text = error.text or str(error)
        return Rejected(self._venue.name, symbol, 0, now, self._link, what, error.code, text)


def _message_limits(venue: Venue, role: Role) -> list[Limit]:
    """The venue's limits on what we send over one connection of this role."""
    return [
        limit
        for limit in venue.limits
        if limit.scope == "messages" and limit.per in ("connection", f"{role.value} connection")
    ]

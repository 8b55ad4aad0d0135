"""Answers over REST, by what was asked (§4, §7), to events, further requests and `Reply`s.

House rules: an answer that cannot be read is still an answer, so nobody waits for it in vain; an
order that is asked about by our own id is looked for in the list, and only a list that is filled or
was asked for before proves that it is not there (§7.4: the first is often empty).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from pitwire.model.errors import (
    OrderRejected,
    OutcomeUnknown,
    RateLimited,
    RemoteError,
    VenueUnavailable,
)
from pitwire.model.events import Event, Malformed, OpenOrders, Update
from pitwire.model.orders import RejectReason
from pitwire.venues.codec import Decoded, Further, HttpRequest, Reply
from pitwire.venues.ibkr import encode
from pitwire.venues.ibkr import frames as wire
from pitwire.venues.ibkr.account import OVER, AccountReader
from pitwire.venues.ibkr.login import STEPS, Login
from pitwire.venues.ibkr.questions import Policy, said
from pitwire.venues.ibkr.reading import NAME, UNREADABLE, Loose, instant, malformed, whole
from pitwire.venues.ibkr.refusals import error_in, failure, refused
from pitwire.venues.ibkr.symbols import conids_in

MOST_QUESTIONS = 8
"""A longer chain is refused; three in a row were seen (§7.2)."""
_NO_BRIDGE = b"no bridge"
_IS_NOT_THERE, _NOT_CONFIRMED = "reply id not found", "not confirmed"
_ANSWERS = "/iserver/reply/"
_KEPT = 2_000
_PAGE = 100

_placed = msgspec.json.Decoder(list[wire.Placed] | wire.Placed).decode
_prompt = msgspec.json.Decoder(wire.Prompt).decode
_list = msgspec.json.Decoder(wire.OrderList).decode
_state = msgspec.json.Decoder(wire.OrderState).decode
_trades = msgspec.json.Decoder(list[wire.Execution]).decode
_held = msgspec.json.Decoder(list[wire.Held]).decode
_cash = msgspec.json.Decoder(dict[str, wire.Cash]).decode


class _Accessed(msgspec.Struct, frozen=True):
    last: Loose = msgspec.field(default=None, name="lastAccessed")


_accessed = msgspec.json.Decoder(_Accessed).decode


class About(msgspec.Struct):
    """What a request is about, and how far it has come."""

    symbol: str = ""
    order_id: str = ""
    venue_id: str = ""
    questions: int = 0
    agreed: str = ""
    """What was answered with yes."""
    refused: str = ""
    """The question that was not."""
    held: list[wire.Held] = []


Reader = Callable[[HttpRequest, About, bytes, int], Sequence[Decoded]]


class AnswerDecoder:
    """Decodes answers over REST."""

    def __init__(self, reader: AccountReader, login: Login, policy: Policy) -> None:
        self._account, self._login, self._policy = reader, login, policy
        self._about: dict[int, About] = {}
        self._has_listed = False
        """Whether the list of orders was asked for before since the login."""
        self._readers: Mapping[str, Reader] = {
            "place": self._placed,
            "amend": self._placed,
            "test": self._tested,
            "cancel": self._cancelled,
            "cancel.find": self._found_to_cancel,
            "status": self._status,
            "status.find": self._found,
            "open_orders": self._open,
            "fills": self._fills,
            "account": self._portfolio,
            "account.fresh": self._refreshed,
            "account.held": self._holdings,
            "account.cash": self._cash,
            "watch": self._watch,
            "warm": self._warm,
            "tickle": self._tickled,
            "time": self._time,
            "instruments": self._stocks,
            "instruments.rules": self._agreed,
        }

    def note(self, request_id: int, about: About) -> None:
        """Keep what a request is about."""
        self._about[request_id] = about
        if len(self._about) > _KEPT:
            del self._about[next(iter(self._about))]

    def session_began(self) -> None:
        """A login: what the venue answers first may be empty again."""
        self._has_listed = False

    def decode(self, request: HttpRequest, status: int, body: bytes, now: int) -> Sequence[Decoded]:
        """The facts of an answer, then its `Reply` or what is wanted before it. Never raises."""
        if request.purpose in STEPS:
            return self._login.answered(request, status, body, now)
        about = self._about.get(request.request_id) or About()
        try:
            if status != 200:
                return self._failed(request, about, status, body, now)
            text = error_in(body)
            if text is not None and request.purpose != "test":
                return self._refused(request, about, text, now)
            reader = self._readers.get(request.purpose, self._agreed)
            return reader(request, about, body, now)
        except UNREADABLE as error:
            broken = malformed(body, now, error, request.purpose)
            what = _what(request)
            unread: RemoteError
            if what in ("place", "cancel", "amend"):
                unread = OutcomeUnknown(venue=NAME, text="an answer that cannot be read")
            else:
                unread = VenueUnavailable(venue=NAME, text="an answer that cannot be read")
            return (broken, Reply(request.request_id, unread))

    # ── no ──

    def _failed(
        self, request: HttpRequest, about: About, status: int, body: bytes, now: int
    ) -> Sequence[Decoded]:
        what = _what(request)
        error = failure(what, status, body, now, about.order_id)
        over: Sequence[Decoded] = ()
        if status == 401 or (status == 400 and _NO_BRIDGE in body):
            over = self._login.over(now)
        if _goes_on(request, about):
            if about.refused and _NOT_CONFIRMED in error.text:
                return self._refused(request, about, error.text, now)
            unknown = OutcomeUnknown(venue=NAME, code=status, text=error.text, request=what)
            if isinstance(error, RateLimited):
                over = (*over, Reply(0, error))  # it silences us, whatever became of the order
            return (*over, Reply(request.request_id, unknown))
        if what == "status" and request.purpose == "status" and not over and status in (400, 503):
            return self._look(request, "status.find")  # of an earlier session, or unknown (§7.5)
        return (*over, Reply(request.request_id, error))

    def _refused(
        self, request: HttpRequest, about: About, text: str, now: int
    ) -> Sequence[Decoded]:
        what = _what(request)
        if request.purpose == "status":
            return self._look(request, "status.find")
        goes_on = _goes_on(request, about)
        # That a question is gone says the same whoever is told so (§7.2).
        if _IS_NOT_THERE in text or (goes_on and request.purpose == "cancel"):
            error: RemoteError = OutcomeUnknown(venue=NAME, code=200, text=text, request=what)
        elif about.refused:  # our own no, of which the venue says that it took it (§7.2)
            text = f"{text.strip()}, since nobody said yes to: {about.refused}"
            reason = RejectReason.NOT_PERMITTED.value
            error = OrderRejected(
                venue=NAME, code=200, text=text, reason=reason, order_id=about.order_id
            )
        else:
            error = refused(text, what, 200, about.order_id)
        return (Reply(request.request_id, error),)

    # ── orders ──

    def _placed(
        self, request: HttpRequest, about: About, body: bytes, now: int
    ) -> Sequence[Decoded]:
        request_id = request.request_id
        if b'"prompt"' in body and b'"options"' in body:
            return self._prompted(request_id, about, _prompt(body))
        found = _placed(body)
        answers = found if isinstance(found, list) else [found]
        for one in answers:
            if one.id is not None and one.message is not None:
                return self._asked(request, about, one)
        for one in answers:
            if one.order_id is not None:
                update = self._account.accepted(one, about.order_id, about.symbol, now)
                if about.agreed:
                    update = msgspec.structs.replace(update, text=f"said yes to {about.agreed}")
                return (Reply(request_id, None, (update,)),)
        text = "neither an order nor a question"
        return (Reply(request_id, OutcomeUnknown(venue=NAME, text=text, request="place")),)

    def _asked(
        self, request: HttpRequest, about: About, question: wire.Placed
    ) -> Sequence[Decoded]:
        """A question: yes by the table alone, and a plain no to everything else."""
        ids, messages = question.ids or [], question.message or []
        about.questions += 1
        yes = self._policy.agrees(ids, messages) and about.questions <= MOST_QUESTIONS
        if yes:
            about.agreed = f"{about.agreed}; {said(ids, messages)}".lstrip("; ")
        else:
            about.refused = said(ids, messages)
        number, request_id = question.id or "", request.request_id
        return (Further(request_id, encode.answer(request_id, number, request.purpose, yes=yes)),)

    def _prompted(self, request_id: int, about: About, prompt: wire.Prompt) -> Sequence[Decoded]:
        """A prompt has no no: the order is cancelled, and what became of it is asked."""
        about.venue_id = whole(prompt.order_id, "orderId")
        about.refused = said([prompt.message_id], [prompt.text])
        path = encode.order_path(self._login.account, about.venue_id)
        cancel = encode.request("cancel", "DELETE", path, request_id)
        return (Further(request_id, cancel),)

    def _tested(
        self, request: HttpRequest, about: About, body: bytes, _now: int
    ) -> Sequence[Decoded]:
        text = error_in(body)
        error = None if text is None else refused(text, "test", 200, about.order_id)
        return (Reply(request.request_id, error),)

    def _cancelled(
        self, request: HttpRequest, about: About, _body: bytes, _now: int
    ) -> Sequence[Decoded]:
        """It only says that the venue has heard; the end comes on the stream (§7.3)."""
        if about.refused:
            text = f"cancelled, since nobody said yes to: {about.refused}"
            return (Reply(request.request_id, OutcomeUnknown(venue=NAME, text=text)),)
        return (Reply(request.request_id),)

    def _found_to_cancel(
        self, request: HttpRequest, about: About, body: bytes, now: int
    ) -> Sequence[Decoded]:
        self._rows(body, now)
        venue_id = self._account.memory.venue_id(about.order_id)
        if not venue_id:
            return (Reply(request.request_id, self._absent(about, body)),)
        path = encode.order_path(self._login.account, venue_id)
        cancel = encode.request("cancel", "DELETE", path, request.request_id)
        return (Further(request.request_id, cancel),)

    # ── questions ──

    def _look(self, request: HttpRequest, purpose: str) -> Sequence[Decoded]:
        asked = encode.order_list(purpose, request.request_id, request.symbol)
        return (Further(request.request_id, asked),)

    def _status(
        self, request: HttpRequest, about: About, body: bytes, now: int
    ) -> Sequence[Decoded]:
        update = self._account.state(_state(body), about.order_id, now)
        return (Reply(request.request_id, None, (update,)),)

    def _found(
        self, request: HttpRequest, about: About, body: bytes, now: int
    ) -> Sequence[Decoded]:
        for update in self._rows(body, now):
            if about.order_id == update.order_id or about.venue_id == update.venue_id:
                return (Reply(request.request_id, None, (update,)),)
        return (Reply(request.request_id, self._absent(about, body)),)

    def _absent(self, about: About, body: bytes) -> RemoteError:
        """It is not in the list: proof only where the list is one."""
        filled, before = bool(_list(body).orders), self._has_listed
        self._has_listed = True
        if not (filled or before):
            return VenueUnavailable(venue=NAME, text="the first list of orders, which is empty")
        return OrderRejected(
            venue=NAME,
            code=200,
            text="not among the orders of the day's session",
            reason=RejectReason.UNKNOWN_ORDER.value,
            order_id=about.order_id,
        )

    def _open(self, request: HttpRequest, about: About, body: bytes, now: int) -> Sequence[Decoded]:
        updates = self._rows(body, now)
        if not (updates or self._has_listed):
            self._has_listed = True
            text = "the first list of orders, which is empty"
            return (Reply(request.request_id, VenueUnavailable(venue=NAME, text=text)),)
        self._has_listed = True
        of_symbol = [one for one in updates if about.symbol in ("", one.symbol)]
        over = self._over(body)
        ids = tuple(one.order_id for one in of_symbol if one.venue_id not in over)
        listed = OpenOrders(NAME, about.symbol, 0, now, ids)
        return (Reply(request.request_id, None, (listed, *of_symbol)),)

    def _rows(self, body: bytes, now: int) -> list[Update]:
        found = (self._account.row(row, now, asked=True) for row in _list(body).orders)
        return [one for one in found if one is not None]

    def _over(self, body: bytes) -> set[str]:
        """Numbers of those in the list that are finished, which it has as well (§7.4)."""
        return {
            whole(row.order_id, "orderId")
            for row in _list(body).orders
            if row.status in OVER or (row.status == "Inactive" and row.reason)
        }

    def _fills(
        self, request: HttpRequest, about: About, body: bytes, now: int
    ) -> Sequence[Decoded]:
        found = self._account.fills(_trades(body), now, about.symbol)
        broken = [one for one in found if isinstance(one, Malformed)]
        told: list[Event] = [one for one in found if not isinstance(one, Malformed)]
        if about.order_id or about.venue_id:
            names = {about.order_id, about.venue_id} - {""}
            told = [one for one in told if {getattr(one, "order_id", ""),
                                            getattr(one, "venue_id", "")} & names]  # fmt: skip
        text = "executions of which not all can be read"
        error = VenueUnavailable(venue=NAME, text=text) if broken else None
        # One is told of them all: a run of such frames ends a connection, and this is one answer.
        return (*broken[:1], Reply(request.request_id, error, tuple(told)))

    # ── what the account holds: four requests, one answer (§4.3) ──

    def _portfolio(
        self, request: HttpRequest, _about: About, _body: bytes, _now: int
    ) -> Sequence[Decoded]:
        path = f"/portfolio/{self._login.account}/positions/invalidate"
        return self._next(request, "account.fresh", "POST", path)

    def _refreshed(
        self, request: HttpRequest, about: About, _body: bytes, _now: int
    ) -> Sequence[Decoded]:
        page = len(about.held) // _PAGE
        path = f"/portfolio/{self._login.account}/positions/{page}"
        return self._next(request, "account.held", "GET", path)

    def _holdings(
        self, request: HttpRequest, about: About, body: bytes, now: int
    ) -> Sequence[Decoded]:
        rows = _held(body)
        about.held = [*about.held, *rows]
        if len(rows) >= _PAGE:
            return self._refreshed(request, about, body, now)
        return self._next(
            request, "account.cash", "GET", f"/portfolio/{self._login.account}/ledger"
        )

    def _cash(self, request: HttpRequest, about: About, body: bytes, now: int) -> Sequence[Decoded]:
        told = self._account.holdings(about.held, _cash(body), now)
        return (Reply(request.request_id, None, tuple(told)),)

    @staticmethod
    def _next(request: HttpRequest, purpose: str, method: str, path: str) -> Sequence[Decoded]:
        asked = encode.request(purpose, method, path, request.request_id)
        return (Further(request.request_id, asked),)

    # ── the session ──

    def _watch(
        self, request: HttpRequest, _about: About, body: bytes, now: int
    ) -> Sequence[Decoded]:
        """The session is there: both streams are asked for, which nobody confirms (§8.7, §8.8)."""
        why = self._login.status(body, now)
        if why:
            return (*why, Reply(request.request_id, VenueUnavailable(venue=NAME, text="not ready")))
        streams = (b"sor+{}", b'str+{"realtimeUpdatesOnly":true,"days":1}')
        further = (Further(request.request_id, one) for one in streams)
        # The first list is often empty (§7.4), and the stream tells only what changes (§8.7).
        warm = Further(0, encode.order_list("warm", 0))
        return (*further, warm, Reply(request.request_id))

    def _warm(
        self, request: HttpRequest, _about: About, body: bytes, now: int
    ) -> Sequence[Decoded]:
        self._rows(body, now)
        self._has_listed = True
        return (Reply(request.request_id),)

    def _tickled(
        self, request: HttpRequest, _about: About, body: bytes, now: int
    ) -> Sequence[Decoded]:
        return (*self._login.tickled(body, now), Reply(request.request_id))

    @staticmethod
    def _time(request: HttpRequest, _about: About, body: bytes, _now: int) -> Sequence[Decoded]:
        at = instant(_accessed(body).last, "lastAccessed")
        return (Reply(request.request_id, server_time=at),)

    @staticmethod
    def _stocks(request: HttpRequest, _about: About, body: bytes, _now: int) -> Sequence[Decoded]:
        """Each contract's rules are a request of their own."""
        rules = [
            encode.request("instruments.rules", "GET", f"/iserver/contract/{conid}/info-and-rules",
                           query="isBuy=true")
            for conid in conids_in(body)
        ]  # fmt: skip
        return (*(Further(0, one) for one in rules), Reply(request.request_id))

    @staticmethod
    def _agreed(request: HttpRequest, _about: About, _body: bytes, _now: int) -> Sequence[Decoded]:
        return (Reply(request.request_id),)


def _what(request: HttpRequest) -> str:
    """The kind of a request: what its refusal is of."""
    return request.purpose.partition(".")[0]


def _goes_on(request: HttpRequest, about: About) -> bool:
    """Whether it is about an order that the venue has in hand: our answer to its question, or what
    we say instead of one. Who does not take that has not said what it does with the order."""
    return _ANSWERS in request.path or (request.purpose == "cancel" and bool(about.refused))

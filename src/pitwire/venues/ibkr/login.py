"""From a gateway at which a person has logged in to a socket that brings data (§2.5).

Tickle, open the brokerage session if need be, ask for the accounts, name the session on the socket:
each is a request under the number of the login. House rules: a session that somebody else has taken
is asked about now and then and not taken back, unless the settings say so; it is told once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from pitwire.model.clock import SECOND
from pitwire.model.errors import ConnectionLost, RemoteError
from pitwire.model.events import Rejected
from pitwire.venues.codec import Decoded, Ended, Further, HttpRequest, Reply
from pitwire.venues.ibkr import encode
from pitwire.venues.ibkr import frames as wire
from pitwire.venues.ibkr.notices import NOT_OPEN, TAKEN, trouble
from pitwire.venues.ibkr.reading import NAME, UNREADABLE, malformed
from pitwire.venues.ibkr.refusals import failure, refused, unavailable
from pitwire.venues.ibkr.settings import Settings

SESSION = "session"
"""What is told under this is about the brokerage session: who has it, and that it is back."""
_COMPETE_AGAIN = 600 * SECOND

_tickled = msgspec.json.Decoder(wire.Tickled).decode
_status = msgspec.json.Decoder(wire.Status).decode
_accounts = msgspec.json.Decoder(wire.Accounts).decode
_ON = wire.Status()


class Login:
    """The steps of one connection's login, and what became of its session since."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.account = settings.account
        """Whose orders these are; known once the venue has named its accounts."""
        self._session = ""
        self._request_id = 0
        """The login that waits for its answer; 0: none does."""
        self._proven = False
        """Whether the gateway let us in before: then who is not logged in will be again."""
        self._speaks = False
        """Whether the socket has brought the state of the session since it was opened."""
        self._trouble = ""
        """What was told of a session that is not ours, or not open."""
        self._competed_at = -_COMPETE_AGAIN
        self._reads = {
            "login.tickle": self._tickled,
            "login.init": self._opened,
            "login.accounts": self._listed,
            "login.select": self._selected,
        }

    def begin(self, request_id: int) -> HttpRequest:
        """The first request of a login."""
        self._request_id = request_id
        return encode.request("login.tickle", "POST", "/tickle", request_id, scope="tickle")

    # ── answers over REST ──

    def answered(
        self, request: HttpRequest, status: int, body: bytes, now: int
    ) -> Sequence[Decoded]:
        """An answer to one of the steps; never raises."""
        request_id = request.request_id
        if status != 200:
            error: RemoteError = failure("login", status, body, now)
            if status == 401 and self._proven:
                error = unavailable(error.text, now)
            told = self._told(NOT_OPEN, now) if status in (400, 401) else ()
            return (*told, Reply(request_id, error))
        try:
            return self._reads[request.purpose](request_id, body, now)
        except UNREADABLE as error:
            unread = unavailable(f"an answer to {request.purpose} that cannot be read", now)
            return (malformed(body, now, error, request.purpose), Reply(request_id, unread))

    def _tickled(self, request_id: int, body: bytes, now: int) -> Sequence[Decoded]:
        found = _tickled(body)
        if not found.session:
            text = found.error or "the gateway names no session"
            return (Reply(request_id, unavailable(text, now)),)
        self._session = found.session
        auth = (found.iserver.auth if found.iserver else None) or _ON
        return self._go_on(request_id, auth, now, opened=False)

    def _opened(self, request_id: int, body: bytes, now: int) -> Sequence[Decoded]:
        return self._go_on(request_id, _status(body), now, opened=True)

    def _go_on(
        self, request_id: int, auth: wire.Status, now: int, *, opened: bool
    ) -> Sequence[Decoded]:
        """By the state of the session: on, or open it, or wait for it."""
        why = trouble(auth)
        if not why:
            accounts = encode.request("login.accounts", "GET", "/iserver/accounts", request_id)
            return (Further(request_id, accounts),)
        compete = self._competes(why, now)
        if not opened and (why == NOT_OPEN or compete):
            if compete:
                self._competed_at = now
            return (Further(request_id, encode.open_session(request_id, compete=compete)),)
        return (*self._told(why, now), Reply(request_id, unavailable(why, now)))

    def _competes(self, why: str, now: int) -> bool:
        may = self._settings.compete and now - self._competed_at >= _COMPETE_AGAIN
        return why == TAKEN and may

    def _listed(self, request_id: int, body: bytes, _now: int) -> Sequence[Decoded]:
        found, wanted = _accounts(body), self._settings.account
        if wanted and wanted not in found.accounts:
            text = f"account {wanted} is not one of {', '.join(found.accounts)}"
            return (Reply(request_id, refused(text, "login")),)
        self.account = wanted or found.selected or next(iter(found.accounts), "")
        if wanted and found.selected != wanted:
            return (Further(request_id, encode.select_account(request_id, wanted)),)
        return self._named(request_id)

    def _selected(self, request_id: int, _body: bytes, _now: int) -> Sequence[Decoded]:
        return self._named(request_id)

    def _named(self, request_id: int) -> Sequence[Decoded]:
        """All is asked over REST; what is left is to say on the socket whose it is."""
        if self._speaks:  # it knew us by itself, and has said so
            return self._admitted()
        return (Further(request_id, msgspec.json.encode({"session": self._session})),)

    def _admitted(self) -> Sequence[Decoded]:
        request_id, self._request_id = self._request_id, 0
        self._proven, self._trouble = True, ""
        return (Reply(request_id),)

    # ── frames ──

    def waits(self) -> Sequence[Decoded]:
        """The socket was opened and does not know whose it is (§8.1)."""
        self._speaks = False
        return ()

    def status(self, args: bytes, now: int) -> Sequence[Decoded]:
        """`sts`; raises one of `UNREADABLE`."""
        auth = _status(args)
        why = trouble(auth)
        if why:
            self._speaks = False
            return (*self._told(why, now), *self._ended(why))
        if auth.authenticated:
            first, self._speaks = not self._speaks, True
            if self._request_id and first and self._session and self.account:
                return self._admitted()
        return ()

    def tickled(self, body: bytes, now: int) -> Sequence[Decoded]:
        """The answer to a tickle that keeps the session; raises one of `UNREADABLE`."""
        found = _tickled(body)
        auth = (found.iserver.auth if found.iserver else None) or _ON
        why = trouble(auth)
        moved = bool(self._session and found.session and found.session != self._session)
        if moved:
            why = why or "the gateway has begun another session"
        return (*self._told(why, now), *self._ended(why)) if why else ()

    def over(self, now: int) -> Sequence[Decoded]:
        """A request was answered with 401, or with `no bridge`: there is no session."""
        return (*self._told(NOT_OPEN, now), *self._ended(NOT_OPEN))

    def _ended(self, why: str) -> Sequence[Decoded]:
        if self._request_id:
            return ()  # a login is on its way, and asks by itself
        return (Ended(ConnectionLost(code=1012, reason=why)),)

    def _told(self, why: str, now: int) -> Sequence[Decoded]:
        if self._trouble == why:
            return ()
        self._trouble = why
        return (Rejected(NAME, "", 0, now, "", SESSION, 0, why),)


STEPS: Mapping[str, str] = dict.fromkeys(
    ("login.tickle", "login.init", "login.accounts", "login.select"), "login"
)
"""Purposes that are a login's."""

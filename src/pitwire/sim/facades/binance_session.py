"""Sessions and user-data subscriptions of a WS-API connection (binance §5.6, §6.1).

House rules: only an Ed25519 key can stand behind a session; a session and its subscription end
together; a subscription that was signed for outlives both.
"""

from __future__ import annotations

from pitwire.sim.facades.binance_auth import Keyring
from pitwire.sim.facades.binance_call import Call
from pitwire.sim.facades.binance_params import Args
from pitwire.sim.facades.binance_text import ApiError
from pitwire.sim.facades.binance_users import Subscriptions


class Session:
    """One WS-API connection as the requests see it."""

    def __init__(
        self, subscriptions: Subscriptions, *, opened: int, unit: int, rate_limits: bool
    ) -> None:
        self.subscriptions = subscriptions
        self.opened = opened
        self.unit = unit
        self.rate_limits = rate_limits
        self.sbe: int | None = None
        """The version of the schema in which it is answered; None for JSON."""
        """Whether answers show the limits unless a request says otherwise."""
        self.key: str | None = None
        self.authorized: int | None = None

    def revoked(self, keyring: Keyring) -> bool:
        """Whether the key behind the session has become worthless; the session ends with it."""
        if self.key is None or keyring.valid(self.key):
            return False
        self.forget()
        return True

    def forget(self) -> None:
        self.key = self.authorized = None

    def describe(self, now: int) -> dict[str, object]:
        """What logon, status and logout all answer."""
        since = None if self.authorized is None else self.authorized // self.unit
        return {
            "apiKey": self.key,
            "authorizedSince": since,
            "connectedSince": self.opened // self.unit,
            "returnRateLimits": self.rate_limits,
            "serverTime": now // self.unit,
            "userDataStream": bool(self.subscriptions.active),
        }


def _session(call: Call) -> Session:
    if not isinstance(call.session, Session):
        raise ApiError(-1020, "This operation is not supported.")
    return call.session


def logon(call: Call, _ask: None) -> object:
    """session.logon: a second one replaces the first."""
    session, key = _session(call), call.key
    if key is None or key.kind != "ed25519":
        raise ApiError(*call.office.options.logon_with_other_key)
    session.key, session.authorized = key.key, call.now
    return session.describe(call.now)


def status(call: Call, _ask: None) -> object:
    """session.status."""
    return _session(call).describe(call.now)


def logout(call: Call, _ask: None) -> object:
    """session.logout: closes what was bound to the session and keeps the socket."""
    session = _session(call)
    session.forget()
    if (number := session.subscriptions.of_session) is not None:
        _close(call, session, number)
    return session.describe(call.now)


def subscribe(call: Call, _ask: None) -> object:
    """userDataStream.subscribe: for the account of the session."""
    session = _session(call)
    if session.key is None:
        raise ApiError(-1002, "You are not authorized to execute this request.", status=401)
    account = call.office.keyring.account_of(session.key)
    number = session.subscriptions.open(account)
    session.subscriptions.of_session = number
    return {"subscriptionId": number}


def subscribe_signed(call: Call, _ask: None) -> object:
    """userDataStream.subscribe.signature: any key, several accounts on one socket."""
    return {"subscriptionId": _session(call).subscriptions.open(call.account)}


def read_unsubscribe(args: Args) -> int | None:
    return args.number("subscriptionId")


def unsubscribe(call: Call, number: int | None) -> object:
    """userDataStream.unsubscribe: without an id, all of them."""
    session = _session(call)
    numbers = list(session.subscriptions.active) if number is None else [number]
    for each in numbers:
        _close(call, session, each)
    return {}


def subscriptions(call: Call, _ask: None) -> object:
    """session.subscriptions."""
    return [{"subscriptionId": number} for number in _session(call).subscriptions.active]


def _close(call: Call, session: Session, number: int) -> None:
    session.subscriptions.close(number)
    users, now = call.office.users, call.now
    call.afterwards.append(lambda: users.terminated(session.subscriptions, number, now))


def open_listen_key(call: Call, _ask: None) -> object:
    """The old way in: POST userDataStream (removed on 2026-02-20)."""
    return {"listenKey": call.office.users.open_key(call.account, call.office.new_id, call.now)}


def read_listen_key(args: Args) -> str:
    return args.need("listenKey")


def keep_listen_key(call: Call, key: str) -> object:
    """The old PUT userDataStream."""
    call.office.users.keep_key(key, call.account, call.now)
    return {}


def close_listen_key(call: Call, key: str) -> object:
    """The old DELETE userDataStream."""
    call.office.users.keep_key(key, call.account, call.now)
    call.office.users.key_expired(key, call.now)
    return {}

"""The family's requests over a socket: who asks, signed how, in which words (binance §5.1 – §5.6).

House rules: parameters are written in the order in which they are signed; a decimal is plain text
and never a float; only `LocalError`s are raised.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from pitwire.model.clock import MILLISECOND
from pitwire.model.credentials import Credentials
from pitwire.model.errors import ConfigError, StateError
from pitwire.venues.mbx.signing import Signer, signer_for

Value = str | int
Params = Mapping[str, Value]

_LONGEST_ID = 36
_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")
_KEY = re.compile(r"[A-Za-z0-9_-]{1,256}")


class Requests:
    """Writes the requests of one connection; signs each until a session is logged on."""

    def __init__(self) -> None:
        self.key = ""
        self.can_log_on = False
        """Whether this key may open a session, in which nothing is signed (§5.6)."""
        self.logged_on = False
        """Whether the venue has confirmed one; set by whoever reads its answers."""
        self._signer: Signer | None = None

    def login(self, credentials: Credentials, now: int, request_id: int, *, proof: str) -> bytes:
        """`session.logon` for an Ed25519 key (§5.6), else the signed question `proof`."""
        if _KEY.fullmatch(credentials.key) is None:
            raise ConfigError(
                where=f"key of account {credentials.account}",
                found=f"{len(credentials.key)} characters",
                expected="letters and digits, as the venue printed it",
            )
        self._signer = signer_for(credentials)
        self.key = credentials.key
        self.can_log_on = credentials.kind == "ed25519"
        self.logged_on = False
        method = "session.logon" if self.can_log_on else proof
        return self.signed(method, {}, f"l{request_id}", now)

    @property
    def in_session(self) -> bool:
        """Whether requests go unsigned."""
        return self.logged_on and self.can_log_on

    def ask(self, method: str, params: Params, json_id: str, now: int) -> bytes:
        """A private request: signed, or with its `timestamp` alone in a session (§5.3)."""
        if self.in_session:
            return plain(method, {**params, "timestamp": now // MILLISECOND}, json_id)
        return self.signed(method, params, json_id, now)

    def signed(self, method: str, params: Params, json_id: str, now: int) -> bytes:
        """A request with key and signature."""
        signer = self.signer(method)
        full = {**params, "apiKey": self.key, "timestamp": now // MILLISECOND}
        # §5.4: by name in byte order, values raw and not percent-encoded.
        ordered = dict(sorted(full.items()))
        payload = "&".join([f"{name}={value}" for name, value in ordered.items()])
        ordered["signature"] = signer.sign(payload.encode())
        return plain(method, ordered, json_id)

    def signer(self, verb: str) -> Signer:
        """Who signs; raises `StateError` before a login."""
        if self._signer is None:
            raise StateError(
                verb=verb, state="without credentials", expected="a login on this connection first"
            )
        return self._signer


def plain(method: str, params: Params, json_id: str) -> bytes:
    """A request as it is written (§5.1)."""
    body: dict[str, object] = {"id": json_id, "method": method}
    if params:
        body["params"] = params
    return msgspec.json.encode(body)


def control(method: str, names: Sequence[str], request_id: int) -> bytes:
    """A stream connection's request (§1.3); its id is a small positive integer (§12.1)."""
    return msgspec.json.encode({"method": method, "params": list(names), "id": request_id})


class _Control(msgspec.Struct):
    method: str
    id: int


_read_control = msgspec.json.Decoder(_Control).decode


def acknowledge(frame: bytes) -> bytes | None:
    """The answer to a SUBSCRIBE or UNSUBSCRIBE that was granted (§1.3); None for anything else."""
    try:
        asked = _read_control(frame)
    except msgspec.MsgspecError:
        return None
    granted = asked.method in ("SUBSCRIBE", "UNSUBSCRIBE")
    return msgspec.json.encode({"result": None, "id": asked.id}) if granted else None


def client_id(text: str, where: str) -> str:
    """A client order id the venue takes (§5.9), or `ConfigError`."""
    plain = text.replace("-", "").replace("_", "")
    if plain.isalnum() and plain.isascii() and len(text) <= _LONGEST_ID:
        return text  # nearly every one; of the others the pattern says whether it is one
    if _CLIENT_ID.fullmatch(text) is None:
        raise ConfigError(where=where, found=text, expected="1 to 36 of A-Z a-z 0-9 _ -")
    return text


def decimal(value: Decimal, where: str) -> str:
    """Plain decimal text of a positive amount, or `ConfigError`; a float is refused."""
    if type(value) is Decimal and value and (text := str(value)).replace(".", "", 1).isdecimal():
        return text  # nearly every one: neither a sign nor an exponent in it
    if type(value) is not Decimal or not value.is_finite() or value <= 0:
        raise ConfigError(where=where, found=value, expected="a positive Decimal")
    return format(value, "f")


def order_reference(
    order_id: str, venue_id: str, *, client: str = "origClientOrderId", venue: str = "orderId"
) -> dict[str, Value]:
    """Which order is meant: by the venue's id where known, which is fastest (§5.10)."""
    if venue_id.isascii() and venue_id.isdigit():
        return {venue: int(venue_id)}
    return {client: client_id(order_id, "order_id")}

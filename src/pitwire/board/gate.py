"""The gate: who may look at the board and who may touch it.

House rules: one gate for every request and for the upgrade; a Host that is not ours is refused
whatever else is right (a foreign name that leads here), an Origin that is not ours too (a foreign
page); nothing that tells or does anything is had without a token; tokens are drawn anew for each
run, and one that only looks is not one that acts; a wrong one costs time.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping

import msgspec

from pitwire.model.entropy import secret_token

LOOK, CONTROL = "look", "control"
PROTOCOL = "pitwire.board.1"
"""What our page and our server speak."""
TOKEN_HEADER = "X-Pitwire-Token"
_TOKEN_PROTOCOL = "token."

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
FRAMED_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
    "img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
"""Of the analysis page, whose drawing script writes style sheets of its own."""
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Refused(msgspec.Struct, frozen=True):
    """Why somebody is not let in."""

    status: int
    why: str


class Gate:
    """Checks requests to one port of this machine."""

    def __init__(self, port: int) -> None:
        self.look, self.control = secret_token(), secret_token()
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}
        self._origins = {f"http://{host}" for host in self._hosts}

    def refuse(self, host: str, origin: str | None) -> Refused | None:
        """Why a request with these headers goes no further; None when it may."""
        if host.lower() not in self._hosts:
            return Refused(421, "this board does not answer to that Host")
        if origin is not None and origin.lower() not in self._origins:
            return Refused(403, "that Origin is not this board")
        return None

    def rights(self, token: str) -> str:
        """`look`, `control`, or "" for a token that is neither; takes the same time for each."""
        given = token.encode(errors="replace")
        looks = hmac.compare_digest(given, self.look.encode())
        acts = hmac.compare_digest(given, self.control.encode())
        return CONTROL if acts else LOOK if looks else ""


def offered_token(protocols: str) -> str:
    """The token among the subprotocols that an upgrade offers; "" where there is none.

    A page can send no header with its upgrade but this one.
    """
    for offered in protocols.split(","):
        name = offered.strip()
        if name.startswith(_TOKEN_PROTOCOL):
            return name[len(_TOKEN_PROTOCOL) :]
    return ""

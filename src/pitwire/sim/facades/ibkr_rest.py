"""The REST door: which path leads where, what must be so before, what faults do (ibkr §2, §3, §9).

House rules: pacing comes first, then the login, then the brokerage session; a handler answers with
what is to be encoded, with a whole reply, or raises `IbkrError`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from pitwire.model.clock import SECOND
from pitwire.sim.facades.facade import HttpReply, Judge
from pitwire.sim.facades.ibkr_office import Office
from pitwire.sim.facades.ibkr_pacing import Pacing
from pitwire.sim.facades.ibkr_session import IbkrSession
from pitwire.sim.facades.ibkr_socket import own_cookie
from pitwire.sim.facades.ibkr_text import (
    Ask,
    IbkrError,
    answer,
    bad_request,
    read_body,
    read_query,
)
from pitwire.sim.verdicts import Verdict

PREFIX = "/v1/api"
EVENTS_FIRST = SECOND // 10
"""How much later an answer leaves that events are to overtake: they go another way."""
_PAGE = (
    b"<!doctype html><html><head><title>Login</title></head>"
    b"<body><p>Client login succeeds</p></body></html>"
)
_LOGIN = b"<!doctype html><html><body><p>Please log in</p></body></html>"
_HTML = "text/html;charset=utf-8"

Handler = Callable[[Ask], object]


class Route(msgspec.Struct, frozen=True):
    """One row of the table."""

    handler: Handler
    kind: str
    """What a fault script calls it."""
    needs: str = "brokerage"
    """`nothing`, `login`, or `brokerage`, which is more than a login."""


class Rest:
    """All of /v1/api."""

    def __init__(self, office: Office, session: IbkrSession, pacing: Pacing, judge: Judge) -> None:
        self._office = office
        self._session = session
        self._pacing = pacing
        self._judge = judge
        self._routes: dict[tuple[str, int], list[tuple[tuple[str, ...], Route]]] = {}

    def on(self, verb: str, pattern: str, handler: Handler, *, kind: str = "",
           needs: str = "brokerage") -> None:  # fmt: skip
        """Who answers a path; a part `*` is open and goes to the handler."""
        parts = tuple(pattern.strip("/").split("/"))
        rows = self._routes.setdefault((verb, len(parts)), [])
        rows.append((parts, Route(handler, kind or pattern.strip("/"), needs)))
        rows.sort(key=lambda row: row[0].count("*"))

    def answer(
        self, verb: str, target: str, *, headers: Mapping[str, str], body: bytes, now: int
    ) -> HttpReply:
        """Do what a request asks for."""
        path, _, query = target.partition("?")
        if path == "/":
            return self._human(verb, now)
        path = path.rstrip("/")
        if not path.startswith(f"{PREFIX}/"):
            return answer({"error": "not found", "statusCode": 404}, 404)
        path = path.removeprefix(PREFIX)
        if not self._pacing.admits(path, now):
            text = self._office.options.penalty_body
            return HttpReply(429, {"content-type": "application/json"}, text.encode())
        found = self._find(verb, path)
        if found is None:
            return answer({"error": "not found", "statusCode": 404}, 404)
        route, open_parts = found
        verdict = self._judge(route.kind, now)
        if verdict.status and not verdict.code:
            return HttpReply(verdict.status, verdict.headers(), verdict.body)
        reply = self._refusal(verdict) if verdict.code and not verdict.done else None
        if reply is None:
            reply = self._perform(route, open_parts, (query, body), now, verdict)
            if verdict.code:
                reply = self._refusal(verdict)
        delay = verdict.delay + (EVENTS_FIRST if verdict.events_first else 0)
        return msgspec.structs.replace(
            reply,
            headers={**reply.headers, **self._cookie()},
            delay=delay,
            answers=verdict.answers,
        )

    # -- inside

    def _human(self, verb: str, now: int) -> HttpReply:
        """The page at which a human logs in: whoever loads it has done so."""
        if verb not in ("GET", "POST"):
            return answer({"error": "not found", "statusCode": 404}, 404)
        if not self._session.logged_in:
            self._session.log_in(now)
        return HttpReply(200, {"content-type": _HTML}, _PAGE)

    def _find(self, verb: str, path: str) -> tuple[Route, tuple[str, ...]] | None:
        parts = tuple(path.strip("/").split("/"))
        for wanted, route in self._routes.get((verb, len(parts)), ()):
            pairs = list(zip(wanted, parts, strict=True))
            if all(want in ("*", part) for want, part in pairs):
                return route, tuple(part for want, part in pairs if want == "*")
        return None

    def _perform(
        self,
        route: Route,
        parts: tuple[str, ...],
        sent: tuple[str, bytes],
        now: int,
        verdict: Verdict,
    ) -> HttpReply:
        try:
            self._demand(route.needs, now)
            self._session.heard(now)
            ask = Ask(parts, read_query(sent[0]), read_body(sent[1]), now, verdict)
            found = route.handler(ask)
        except IbkrError as error:
            if error.status == 401 and self._office.options.logged_out_body != "json":
                return self._bare_401()
            return error.reply()
        return found if isinstance(found, HttpReply) else answer(found)

    def _demand(self, needs: str, now: int) -> None:
        if needs == "nothing":
            return
        if not self._session.logged_in:
            raise IbkrError(401, "Unauthorized")
        if needs == "brokerage" and not self._session.authenticated(now):
            raise bad_request("no bridge")

    def _bare_401(self) -> HttpReply:
        if self._office.options.logged_out_body == "html":
            return HttpReply(401, {"content-type": _HTML}, _LOGIN)
        return HttpReply(401, {}, b"")

    def _refusal(self, verdict: Verdict) -> HttpReply:
        return answer({"error": verdict.text, "statusCode": verdict.status}, verdict.status)

    def _cookie(self) -> dict[str, str]:
        if not self._session.logged_in:
            return {}
        value = own_cookie(self._session.id)
        return {"set-cookie": f"x-sess-uuid={value}; secure; HttpOnly; path={PREFIX}"}

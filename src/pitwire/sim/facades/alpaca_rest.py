"""The REST door: routes, keys, limits, and what a fault makes of a request (alpaca §5.1–5.3, §6).

House rules: a refusal is an object with code and message; limits are headers on every answer; a
request beyond the limit is not carried out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

import msgspec

from pitwire.model.clock import SECOND
from pitwire.sim.facades.alpaca_account import AccountApi
from pitwire.sim.facades.alpaca_history import History
from pitwire.sim.facades.alpaca_office import Office, json_reply
from pitwire.sim.facades.alpaca_query import Query
from pitwire.sim.facades.alpaca_text import ApiError
from pitwire.sim.facades.alpaca_trading import Answer, Trading
from pitwire.sim.facades.facade import HttpReply, Judge
from pitwire.sim.verdicts import Verdict

_MINUTE = 60 * SECOND
_JSON = {"content-type": "application/json"}
_encode = msgspec.json.Encoder().encode


class Route(NamedTuple):
    """One row of the table: how a request looks, what a fault script calls it, who does it."""

    method: str
    path: re.Pattern[str]
    kinds: str
    handler: Callable[..., Answer]
    data: bool = False
    """Whether it is of the market-data API, which has a limit of its own."""


class Rest:
    """All of Alpaca's REST API that is served here."""

    def __init__(self, office: Office, judge: Judge) -> None:
        self._office, self._judge = office, judge
        self._used: dict[tuple[str, bool], list[int]] = {}
        """(account, of market data) → the minute under way, and requests in it."""
        self._routes = _routes(
            Trading(office), AccountApi(office),
            {False: History(office, crypto=False), True: History(office, crypto=True)},
        )  # fmt: skip

    def answer(
        self, method: str, target: str, *, headers: Mapping[str, str], body: bytes, now: int
    ) -> HttpReply:
        """Do what a request asks for."""
        path, _, query = target.partition("?")
        found = self._find(method, unquote(path).rstrip("/"))
        if found is None:
            return self._dressed(json_reply(404, {"code": 40_410_000, "message": "Not Found"}))
        route, parts = found
        _, account = self._office.keyring.of_headers(headers)
        if account is None:
            return self._dressed(self._stranger())
        window = self._count(account, route.data, now)
        if window is not None and window["x-ratelimit-remaining"] == "-1":
            window["x-ratelimit-remaining"] = "0"
            return self._dressed(self._office.too_many(now), window)
        verdict = self._judge(route.kinds, now)
        reply = self._judged(route, parts, verdict, account=account, query=query, body=body,
                             now=now)  # fmt: skip
        delay = verdict.delay
        if verdict.events_first:
            delay = max(delay, int(self._office.options.events_first_seconds * SECOND))
        reply = msgspec.structs.replace(reply, delay=delay, answers=verdict.answers)
        return self._dressed(reply, window)

    # -- within

    def _judged(
        self, route: Route, parts: tuple[str, ...], verdict: Verdict, *, account: str, query: str,
        body: bytes, now: int,
    ) -> HttpReply:  # fmt: skip
        """The answer, or what a fault says instead."""
        if verdict.status and not verdict.code:
            return HttpReply(verdict.status, verdict.headers(), verdict.body)
        instead = None
        if verdict.code:
            instead = json_reply(verdict.status, {"code": verdict.code, "message": verdict.text})
            if verdict.retry_after_seconds is not None:
                instead.headers["retry-after"] = f"{verdict.retry_after_seconds:g}"
        if instead is not None and not verdict.done:
            return instead
        params = dict(parse_qsl(query, keep_blank_values=True))
        asked = Query(account, params, body, now=now, kept=verdict.kept)
        try:
            status, found = route.handler(asked, *parts)
            reply = HttpReply(status, dict(_JSON), b"" if found is None else _encode(found))
        except ApiError as error:
            reply = json_reply(error.status, error.body)
        return reply if instead is None else instead

    def _find(self, method: str, path: str) -> tuple[Route, tuple[str, ...]] | None:
        for route in self._routes:
            match = route.path.fullmatch(path)
            if match is not None and route.method == method:
                return route, match.groups()
        return None

    def _count(self, account: str, data: bool, now: int) -> dict[str, str] | None:
        """Headers about the limit with this request counted; -1 left where it is beyond."""
        options = self._office.options
        limit = options.data_requests_per_minute if data else options.requests_per_minute
        if not limit:
            return None
        used = self._used.setdefault((account, data), [0, 0])
        minute = now // _MINUTE
        if used[0] != minute:
            used[:] = [minute, 0]
        left = limit - used[1] - 1
        used[1] += left >= 0
        return {
            "x-ratelimit-limit": str(limit),
            "x-ratelimit-remaining": str(left),
            "x-ratelimit-reset": str((minute + 1) * _MINUTE // SECOND),
        }

    def _stranger(self) -> HttpReply:
        """A key that is not ours (§5.8)."""
        status = self._office.options.wrong_key_status
        if status == 403:
            return json_reply(403, {"message": "forbidden."})
        return json_reply(status, {"code": 40_110_000, "message": "request is not authorized"})

    def _dressed(self, reply: HttpReply, window: Mapping[str, str] | None = None) -> HttpReply:
        """With the headers that every answer has (§5.1, §5.2)."""
        reply.headers["x-request-id"] = self._office.ids.new().replace("-", "")
        reply.headers.update(window or {})
        return reply


def _routes(trading: Trading, account: AccountApi, history: Mapping[bool, History]) -> list[Route]:
    """The table; of two that fit, the first counts."""
    one = "/([^/]+)"

    def row(method: str, path: str, kinds: str, handler: Callable[..., Answer]) -> Route:
        return Route(method, re.compile(path), kinds, handler)

    rows = [
        row("POST", "/v2/orders", "place", trading.submit),
        row("GET", "/v2/orders", "query open_orders", trading.orders),
        row("DELETE", "/v2/orders", "cancel", trading.cancel_all),
        row("GET", "/v2/orders:by_client_order_id", "query status", trading.by_client_id),
        row("GET", f"/v2/orders{one}", "query status", trading.order),
        row("PATCH", f"/v2/orders{one}", "replace amend", trading.replace),
        row("DELETE", f"/v2/orders{one}", "cancel", trading.cancel),
        row("GET", "/v2/account", "query account", account.account),
        row("GET", "/v2/account/activities", "query fills", account.activities),
        row("GET", f"/v2/account/activities{one}", "query fills", account.activities),
        row("GET", "/v2/positions", "query account positions", account.positions),
        row("GET", "/v2/positions/(.+)", "query account positions", account.position),
        row("DELETE", "/v2/positions", "place", trading.close_all),
        row("DELETE", "/v2/positions/(.+)", "place", trading.close_one),
        row("GET", "/v2/clock", "time", account.clock),
        row("GET", "/v2/calendar", "query", account.calendar),
        row("GET", "/v2/assets", "info", account.assets),
        row("GET", "/v2/assets/(.+)", "info", account.asset),
    ]
    for crypto, base in ((False, "/v2/stocks"), (True, "/v1beta3/crypto/[a-z0-9-]+")):
        desk = history[crypto]
        latest = f"{base}/latest" if crypto else base
        end = "" if crypto else "/latest"
        words = "(trades|quotes|bars|orderbooks)" if crypto else "(trades|quotes|bars)"
        rows += [
            Route("GET", re.compile(f"{latest}/{words}{end}"), "snapshot", desk.latest, data=True),
            Route("GET", re.compile(f"{base}/trades"), "query", desk.trades, data=True),
            Route("GET", re.compile(f"{base}/bars"), "query", desk.bars, data=True),
            Route("GET", re.compile(f"{base}/snapshots"), "query", desk.snapshots, data=True),
        ]
    return rows

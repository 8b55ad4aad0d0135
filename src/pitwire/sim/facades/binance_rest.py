"""The REST door (binance §9).

House rules: what is signed is exactly what was sent, query then body, still percent-encoded; the
query wins over the body; errors are bare objects and limits are headers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.sim.facades.binance_api import (
    KINDS,
    LISTEN_KEY_ROUTES,
    RESTRICTIONS,
    RESTRICTIONS_PATH,
    ROUTES,
    method,
)
from pitwire.sim.facades.binance_auth import Stamp
from pitwire.sim.facades.binance_call import Auth, Call, Claim, Method, perform
from pitwire.sim.facades.binance_office import Office
from pitwire.sim.facades.binance_params import Args
from pitwire.sim.facades.binance_text import UNITS, ApiError
from pitwire.sim.facades.facade import HttpReply, Judge

_PREFIX = "/api/v3"
_JSON = "application/json;charset=UTF-8"
_AS_BYTES = "surrogateescape"
"""Bytes that are no UTF-8 survive the way through text, as the signature needs them to."""
_encode = msgspec.json.Encoder().encode


def html(status: int, title: str) -> HttpReply:
    """The front server's own page, which is no API error."""
    page = (
        f"<html>\r\n<head><title>{status} {title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{status} {title}</h1></center>\r\n<hr><center>nginx</center>\r\n"
        "</body>\r\n</html>\r\n"
    )
    return HttpReply(status, {"content-type": "text/html"}, page.encode())


class Rest:
    """All of /api/v3, and what the wallet says of a key."""

    kinds: Mapping[str, str] = KINDS

    def __init__(self, office: Office, *, listen_keys: bool, judge: Judge) -> None:
        self._office = office
        self._judge = judge
        self._listen_keys = listen_keys

    def answer(
        self,
        verb: str,
        target: str,
        *,
        headers: Mapping[str, str],
        body: bytes,
        address: str,
        now: int,
    ) -> HttpReply:
        """Do what a request asks for."""
        path, _, query = target.partition("?")
        name = self._name(verb, path)
        if name is None and path == f"{_PREFIX}/userDataStream":
            return html(410, "Gone")
        if name is None:
            return _not_found(path, headers)
        call = Call(self._office, now=now, unit=MILLISECOND, address=address, rest=True)
        verdict = self._judge(self.kinds.get(name, name), now)
        if verdict.status and not verdict.code:
            return HttpReply(verdict.status, verdict.headers(), verdict.body)
        if verdict.code and not verdict.done:
            return self._refuse(ApiError(verdict.code, verdict.text, status=verdict.status), call)
        call.stale, call.kept = verdict.stale, verdict.kept
        try:
            found = self._perform(name, call, headers, (query, b"" if verb == "GET" else body))
            reply = HttpReply(200, self._headers(call), _encode(found))
        except ApiError as error:
            reply = self._refuse(error, call)
        for step in call.afterwards:
            step()
        if verdict.code:
            reply = self._refuse(ApiError(verdict.code, verdict.text, status=verdict.status), call)
        return msgspec.structs.replace(reply, delay=verdict.delay, answers=verdict.answers)

    def _name(self, verb: str, path: str) -> str | None:
        """Which row of the table a route leads to."""
        if (verb, path) == ("GET", RESTRICTIONS_PATH):
            return path
        if not path.startswith(_PREFIX):
            return None
        route = (verb, path.removeprefix(_PREFIX))
        return ROUTES.get(route) or (LISTEN_KEY_ROUTES.get(route) if self._listen_keys else None)

    def _row(self, name: str) -> Method[Any] | None:
        if name == RESTRICTIONS_PATH:
            return RESTRICTIONS
        return method(name, listen_keys=self._listen_keys)

    def _perform(
        self, name: str, call: Call, headers: Mapping[str, str], sent: tuple[str, bytes]
    ) -> object:
        self._office.limits.address(call.address).charge_raw(call.now)
        call.unit = _unit(headers)
        row = self._row(name)
        assert row is not None, name
        text = sent[1].decode("utf-8", _AS_BYTES)
        door = _Door(headers.get("x-mbx-apikey", ""), sent[0], text)
        return perform(row, Args(_parameters(sent[0], text), now=call.now), call, door.claim)

    def _headers(self, call: Call) -> dict[str, str]:
        used = str(self._office.limits.address(call.address).weight.count(call.now))
        found = {
            "content-type": _JSON,
            "x-mbx-uuid": self._uuid(),
            "x-mbx-used-weight": used,
            "x-mbx-used-weight-1m": used,
        }
        if call.placed:
            for window in call.orders.windows:
                name = f"x-mbx-order-count-{window.suffix().lower()}"
                found[name] = str(window.count(call.now))
        return found

    def _refuse(self, error: ApiError, call: Call) -> HttpReply:
        call.placed = False
        headers = self._headers(call)
        body = self._office.reword(error).body()
        if error.status in (418, 429) and isinstance(error.data, dict):
            until = error.data.get("retryAfter")
            if isinstance(until, int):
                wait = until * MILLISECOND - call.now
                headers["retry-after"] = str(max(0, -(-wait // SECOND)))
                del body["data"]
        return HttpReply(error.status, headers, _encode(body))

    def _uuid(self) -> str:
        digits = self._office.new_hex(32)
        parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
        return "-".join(parts)


class _Door:
    """How a REST request says who it is from (binance §5.5, REST signing rules)."""

    def __init__(self, key: str, query: str, body: str) -> None:
        self._key = key
        self._payload = (_unsigned(query) + _unsigned(body)).encode("utf-8", _AS_BYTES)

    def claim(self, args: Args, auth: Auth) -> Claim | None:
        if auth == "none":
            return None
        if auth == "key":
            return Claim(self._key, None, b"", None)
        return Claim(self._key, args.need("signature"), self._payload, Stamp(args))


def _unsigned(text: str) -> str:
    return "&".join(part for part in text.split("&") if not part.startswith("signature="))


def _parameters(query: str, body: str) -> dict[str, object]:
    found: dict[str, object] = {}
    for text in (body, query):
        pairs = parse_qsl(text, keep_blank_values=True)
        names = [name for name, _ in pairs]
        if len(set(names)) < len(names):
            raise ApiError(-1101, "Duplicate values for a parameter detected.")
        found |= dict(pairs)
    return found


def _unit(headers: Mapping[str, str]) -> int:
    text = headers.get("x-mbx-time-unit")
    if text is None:
        return MILLISECOND
    if text.upper() not in UNITS:
        raise ApiError(
            -1194, "Invalid value for time unit; expected either MICROSECOND or MILLISECOND."
        )
    return UNITS[text.upper()]


def _not_found(path: str, headers: Mapping[str, str]) -> HttpReply:
    if "text/html" in headers.get("accept", ""):
        return html(404, "Not Found")
    body = {"status": 404, "error": "Not Found", "path": path.encode("utf-8", "replace").decode()}
    return HttpReply(404, {"content-type": _JSON}, _encode(body))

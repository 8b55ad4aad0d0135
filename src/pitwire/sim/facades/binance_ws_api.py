"""The WebSocket API's envelope: request frames in, answer frames out (binance §5.1).

House rules: one request a frame, one answer a request, the id echoed as it came; the limits that
a request touched ride along unless they are not wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.sim.facades import binance_sbe_api as sbe
from pitwire.sim.facades.binance_api import INTERNAL, KINDS, method
from pitwire.sim.facades.binance_auth import INVALID_KEY, Stamp, signed_text
from pitwire.sim.facades.binance_call import Auth, Call, Claim, Method, perform
from pitwire.sim.facades.binance_office import Office
from pitwire.sim.facades.binance_params import Args, Literal, decode_json
from pitwire.sim.facades.binance_session import Session
from pitwire.sim.facades.binance_text import ApiError
from pitwire.sim.facades.facade import Judge
from pitwire.sim.verdicts import AS_USUAL, Verdict

_encode = msgspec.json.Encoder().encode


class Answer(msgspec.Struct, frozen=True):
    """What goes back, which method it answers, and whether the connection survives it."""

    frame: bytes
    method: str
    call: Call | None = None
    fatal: bool = False
    verdict: Verdict = AS_USUAL
    binary: bool = False


class Request(msgspec.Struct, frozen=True):
    """A frame that is a request."""

    id: object
    method: str
    params: dict[str, object]


class WsApi:
    """The WS-API door."""

    def __init__(
        self,
        office: Office,
        *,
        listen_keys: bool,
        judge: Judge,
        find: Callable[..., Method[Any] | None] = method,
        kinds: Mapping[str, str] = KINDS,
        read: type[Args] = Args,
    ) -> None:
        self._office = office
        self._judge = judge
        self._listen_keys = listen_keys
        self._find = find
        self._kinds = kinds
        self._args = read

    def answer(self, session: Session, text: bytes, *, address: str, now: int) -> Answer:
        """Do what a frame asks for."""
        answer = self._answer(session, text, address=address, now=now)
        return answer if session.sbe is None else msgspec.structs.replace(answer, binary=True)

    def _answer(self, session: Session, text: bytes, *, address: str, now: int) -> Answer:
        if session.revoked(self._office.keyring):
            gone = ApiError(*INVALID_KEY, status=401)
            return Answer(self._pack(session, _envelope(None, gone)), "session.revoked")
        try:
            request = self._read(text)
        except ApiError as error:
            return Answer(self._pack(session, _envelope(_id_of(text), error)), "")
        row = self._find(request.method, listen_keys=self._listen_keys)
        if row is None:
            unknown = ApiError(*self._office.options.unknown_method)
            return Answer(self._pack(session, _envelope(request.id, unknown)), request.method)
        if session.sbe is not None and not sbe.speaks(request.method):
            unspoken = ApiError(*sbe.NOT_IN_SBE)
            return Answer(self._pack(session, _envelope(request.id, unspoken)), request.method)
        call = Call(self._office, now=now, unit=session.unit, address=address)
        call.session = session
        verdict = self._judge(self._kinds.get(request.method, request.method), now)
        if verdict.status and not (verdict.code and verdict.done):
            broken = _wrong(verdict, now)
            return Answer(
                self._pack(session, _envelope(request.id, broken)), request.method, verdict=verdict
            )
        call.stale, call.kept = verdict.stale, verdict.kept
        answer = self._perform(request, row, call, session)
        if verdict.code:
            untrue = self._pack(session, _envelope(request.id, _wrong(verdict, now)))
            answer = msgspec.structs.replace(answer, frame=untrue)
        return msgspec.structs.replace(answer, verdict=verdict)

    def _perform(self, request: Request, row: Method[Any], call: Call, session: Session) -> Answer:
        args = self._args(request.params, now=call.now)
        wanted, outcome, fatal = session.rate_limits, None, False
        try:
            wanted = args.flag("returnRateLimits", absent=wanted)
            door = _Door(session, request.params)
            outcome = perform(row, args, call, door.claim)
            envelope = {"id": request.id, "status": 200} | self._whole(request.method, outcome)
        except ApiError as error:
            envelope = _envelope(request.id, self._office.reword(error))
            fatal = error.status == 418
        if wanted:
            envelope["rateLimits"] = self._limits(call)
        return Answer(self._pack(session, envelope, request.method), request.method, call, fatal)

    @staticmethod
    def _pack(session: Session, envelope: Envelope, method: str = "") -> bytes:
        """JSON, or binary where the connection asked for it (binance §10.3)."""
        if session.sbe is None:
            return _encode({name: _json(value) for name, value in envelope.items()})
        limits, status = envelope.get("rateLimits"), envelope["status"]
        found = envelope.get("error")
        try:
            body = sbe.result(method, envelope.get("result")) if found is None else b""
        except ApiError as error:
            found, status = error, error.status
        if isinstance(found, ApiError):
            body = sbe.error(found)
        return sbe.response(
            envelope["id"],
            int(str(status)),
            limits if isinstance(limits, list) else None,
            body,
            deprecated=session.sbe < sbe.VERSION,
        )

    def _whole(self, method: str, outcome: object) -> Envelope:
        """What an answer says beside its id, its status and the limits."""
        return {"result": outcome}

    def _limits(self, call: Call) -> list[dict[str, object]]:
        weight = self._office.limits.address(call.address).weight.state(call.now)
        orders = call.orders.states(call.now) if call.placed and call.account else []
        return [*orders, weight]

    def _read(self, text: bytes) -> Request:
        malformed = ApiError(*self._office.options.malformed_request)
        try:
            found = decode_json(text)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise malformed from None
        if not isinstance(found, dict) or not isinstance(found.get("method"), str):
            raise malformed
        if "id" not in found or not _is_id(found["id"]):
            raise malformed
        params = found.get("params")
        params = {} if params is None else params
        if not isinstance(params, dict):
            raise ApiError(-1135, "Invalid 'params' in JSON request; expected an object.")
        return Request(found["id"], found["method"], params)


class _Door:
    """How a WS request says who it is from (binance §5.3, §5.4)."""

    def __init__(self, session: Session, params: dict[str, object]) -> None:
        self._session = session
        self._params = params

    def claim(self, args: Args, auth: Auth) -> Claim | None:
        if auth == "none":
            return None
        if auth == "key":
            return Claim(args.need("apiKey"), None, b"", None)
        explicit = "apiKey" in args or "signature" in args or auth == "signed"
        if explicit or self._session.key is None:
            key, signature = args.need("apiKey"), args.need("signature")
            return Claim(key, signature, signed_text(self._params), Stamp(args))
        return Claim(self._session.key, None, b"", Stamp(args))


def _wrong(verdict: Verdict, now: int) -> ApiError:
    """The error that a script wants to be answered."""
    if not verdict.code:
        return ApiError(*INTERNAL, status=verdict.status)
    data: dict[str, object] | None = None
    if verdict.retry_after_seconds is not None:
        again = now + round(verdict.retry_after_seconds * SECOND)
        data = {"serverTime": now // MILLISECOND, "retryAfter": again // MILLISECOND}
    return ApiError(verdict.code, verdict.text, status=verdict.status, data=data)


Envelope = dict[str, object]


def _envelope(request_id: object, error: ApiError) -> Envelope:
    return {"id": request_id, "status": error.status, "error": error}


def _json(value: object) -> object:
    return value.body() if isinstance(value, ApiError) else value


def _is_id(value: object) -> bool:
    if isinstance(value, bool | Literal):
        return False
    return value is None or isinstance(value, int | str)


def _id_of(text: bytes) -> object:
    """The id of a frame that is no request, if one can be read at all."""
    try:
        found = decode_json(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    request_id = found.get("id") if isinstance(found, dict) else None
    return request_id if _is_id(request_id) else None

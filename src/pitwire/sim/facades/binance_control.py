"""Control requests on a stream connection (binance §1.3, §1.4).

House rules: the error frames are nested, as on the wire; an answer is never wrapped; the checks
run in a fixed order: JSON, method, id, parameters, stream names.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from pitwire.sim.facades.binance_names import StreamName, parse_stream
from pitwire.sim.facades.binance_options import BinanceOptions
from pitwire.sim.facades.binance_params import Literal, as_text, decode_json, encode_json
from pitwire.sim.facades.binance_streams import StreamHub
from pitwire.sim.facades.facade import Judge, no_fault
from pitwire.sim.verdicts import AS_USUAL, Verdict

_encode = msgspec.json.Encoder().encode
_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
KINDS = {"SUBSCRIBE": "subscribe", "UNSUBSCRIBE": "unsubscribe"}
"""What a fault script calls them."""
_TEXT_ID = re.compile(r"[A-Za-z0-9-]{1,36}\Z")
"""§1.3 says alphanumeric; the venue's own SDK (spot 13.3.0) sends UUIDs with their dashes."""
_UNREAD = object()
_BYTE = re.compile(r"\(byte (\d+)\)")
"""Where the decoder says it stopped."""


class Listener:
    """A stream connection as the streams see it."""

    def __init__(self, link: int, *, combined: bool, unit: int) -> None:
        self.link = link
        self.combined = combined
        self.unit = unit
        self.streams: dict[str, None] = {}


class ControlError(Exception):
    """A refusal of a control request."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text


class Control:
    """Answers control requests."""

    def __init__(
        self,
        hub: StreamHub,
        options: BinanceOptions,
        judge: Judge = no_fault,
        parse: Callable[[str], StreamName | None] = parse_stream,
    ) -> None:
        self._parse = parse
        self._hub = hub
        self._options = options
        self._judge = judge

    def answer(self, listener: Listener, text: bytes, now: int) -> tuple[bytes, Verdict]:
        """Do what a frame asks for, and what to say, and when."""
        request_id: object = _UNREAD
        verdict = AS_USUAL
        try:
            request = _decode(text)
            if _is_id(request.get("id", _UNREAD)):
                request_id = request["id"]
            method = _method(request, text)
            if request_id is _UNREAD:
                raise ControlError(2, "Invalid request: request ID must be an unsigned integer")
            verdict = self._judge(KINDS.get(method, method), now)
            params = request.get("params")
            if verdict.share < 1 and isinstance(params, list):
                params = params[: int(len(params) * verdict.share)]
            result = self._do(listener, method, params, now)
        except ControlError as error:
            return self._refuse(error, request_id), verdict
        return _encode({"result": result, "id": request_id}), verdict

    def open(self, listener: Listener, names: list[str], now: int) -> None:
        """The streams named in the URL; a malformed one stays silent."""
        for name in filter(None, map(self._parse, names)):
            listener.streams[name.text] = None
            self._hub.subscribe(listener, name, now)

    def drop(self, listener: Listener) -> None:
        for name in listener.streams:
            self._hub.unsubscribe(listener, name)

    def _refuse(self, error: ControlError, request_id: object) -> bytes:
        frame: dict[str, object] = {"error": {"code": error.code, "msg": error.text}}
        if request_id is not _UNREAD:
            frame["id"] = request_id
        elif self._options.unreadable_id == "null":
            frame["id"] = None
        return _encode(frame)

    def _do(self, listener: Listener, method: str, params: object, now: int) -> object:
        if method == "LIST_SUBSCRIPTIONS":
            if params:
                raise ControlError(2, "Invalid request: too many parameters")
            return list(listener.streams)
        items = params if isinstance(params, list) else []
        if method in ("SET_PROPERTY", "GET_PROPERTY"):
            return _property(listener, items, writing=method == "SET_PROPERTY")
        names = [self._name(item) for item in items]
        for text, name in zip(items, names, strict=True):
            if method == "UNSUBSCRIBE":
                listener.streams.pop(text, None)
                self._hub.unsubscribe(listener, text)
            elif name is not None and text not in listener.streams:
                self._subscribe(listener, name, now)
        return None

    def _subscribe(self, listener: Listener, name: StreamName, now: int) -> None:
        if len(listener.streams) >= self._options.streams_per_connection:
            raise ControlError(2, "Invalid request: too many streams")
        listener.streams[name.text] = None
        self._hub.subscribe(listener, name, now)

    def _name(self, item: object) -> StreamName | None:
        name = self._parse(item) if isinstance(item, str) else None
        if name is None and (self._options.refuse_malformed_streams or not isinstance(item, str)):
            raise ControlError(2, "Invalid request: invalid stream")
        return name


def _decode(text: bytes) -> dict[str, object]:
    try:
        found = decode_json(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        where = _where(text, _stopped_at(error, len(text) - 1))
        raise ControlError(3, f"Invalid JSON: expected value at {where}") from None
    if not isinstance(found, dict):
        raise _no_method(text)
    return found


def _stopped_at(error: Exception, end: int) -> int:
    """The first byte that could not be read; the last one of a text that ends too early."""
    if isinstance(error, UnicodeDecodeError):
        return error.start
    found = _BYTE.search(str(error))
    return int(found[1]) if found else end


def _where(text: bytes, at: int) -> str:
    """A byte's place as the venue's parser counts it: lines and columns from 1."""
    at = max(0, at)
    begin = text.rfind(b"\n", 0, at) + 1
    line = text.count(b"\n", 0, at) + 1
    return f"line {line} column {at - begin + 1}"


def _method(request: dict[str, object], text: bytes) -> str:
    found = request.get("method")
    if found is None:
        raise _no_method(text)
    if not isinstance(found, str) or found not in _METHODS:
        written = encode_json(found)
        where = _where(text, text.find(written) + len(written) - 1)
        known = ", ".join(f"`{name}`" for name in _METHODS)
        raise ControlError(
            2,
            f"Invalid request: unknown variant {as_text(found)}, expected one of {known} "
            f"at {where}",
        )
    return found


def _no_method(text: bytes) -> ControlError:
    where = _where(text, len(text) - 1)
    return ControlError(2, f"Invalid request: missing field `method` at {where}")


def _is_id(value: object) -> bool:
    if isinstance(value, bool | Literal):
        return False
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    if isinstance(value, str):
        return _TEXT_ID.match(value) is not None
    return value is None


def _property(listener: Listener, items: list[object], *, writing: bool) -> object:
    if len(items) > 1 + writing:
        raise ControlError(2, "Invalid request: too many parameters")
    if not items or not isinstance(items[0], str):
        raise ControlError(2, "Invalid request: property name must be a string")
    if items[0] != "combined":
        raise ControlError(0, "Unknown property")
    if not writing:
        return listener.combined
    if len(items) < 2 or not isinstance(items[1], bool):
        raise ControlError(1, "Invalid value type: expected Boolean")
    listener.combined = items[1]
    return None

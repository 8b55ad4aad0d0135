"""Refusals, JSON and the parts of a request as the gateway has them (ibkr §3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import msgspec

from pitwire.sim.facades.facade import HttpReply
from pitwire.sim.verdicts import AS_USUAL, Verdict

JSON = "application/json;charset=utf-8"
encode = msgspec.json.Encoder(decimal_format="number").encode
_decode = msgspec.json.Decoder().decode


class IbkrError(Exception):
    """A refusal; `numbered` says whether the body repeats its status."""

    def __init__(self, status: int, text: str, *, numbered: bool = True) -> None:
        super().__init__(status, text)
        self.status = status
        self.text = text
        self.numbered = numbered

    def reply(self) -> HttpReply:
        """The answer that says so."""
        body: dict[str, object] = {"error": self.text}
        if self.numbered:
            body["statusCode"] = self.status
        return answer(body, self.status)


def bad_request(text: str) -> IbkrError:
    """400, which always starts so."""
    return IbkrError(400, f"Bad Request: {text}")


def said(text: str, status: int = 200) -> IbkrError:
    """An error that is told as if all were well."""
    return IbkrError(status, text, numbered=False)


def answer(body: object, status: int = 200) -> HttpReply:
    """An answer in JSON."""
    return HttpReply(status, {"content-type": JSON}, encode(body))


class Ask(msgspec.Struct, frozen=True):
    """A request as a handler sees it."""

    path: tuple[str, ...]
    """What of the path the route left open."""
    query: Mapping[str, str]
    body: Any
    """What its JSON holds; None where there was none."""
    now: int
    verdict: Verdict = AS_USUAL

    def text(self, name: str) -> str:
        """A parameter of the query, or the field of that name; "" where there is none."""
        found = self.query.get(name)
        if found is None and isinstance(self.body, dict):
            found = self.body.get(name)
        return "" if found is None else str(found)

    def need(self, name: str) -> str:
        found = self.text(name)
        if not found:
            raise bad_request(f"Missing required param: {name}")
        return found

    @property
    def fields(self) -> Mapping[str, Any]:
        """The body, which must be an object."""
        if not isinstance(self.body, dict):
            raise bad_request("Missing required param: body")
        return self.body


def read_query(text: str) -> dict[str, str]:
    """Name → value, the first of each."""
    return {name: found[0] for name, found in parse_qs(text, keep_blank_values=True).items()}


def read_body(body: bytes) -> Any:
    """What the JSON of a body holds; None for an empty one; raises 400."""
    if not body.strip():
        return None
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise bad_request("invalid JSON body") from None


def truth(text: str) -> bool:
    """A flag as a query spells it."""
    return text.lower() in ("true", "1", "yes")

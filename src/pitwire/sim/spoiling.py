"""Payloads that are not what they were.

House rules: pure; chance is handed in; what is spoiled can be told from the truth by whoever looks.
"""

from __future__ import annotations

from random import Random  # noqa: TID251 - only the type: chance is handed in

import msgspec

from pitwire.sim.faults import Spoiling


def spoiled(payload: bytes, how: Spoiling, chance: Random) -> bytes:
    """A payload that is not what it was."""
    match how:
        case "truncated":
            return payload[: chance.randrange(len(payload))] if payload else payload
        case "garbage":
            return bytes(chance.choices(b'{}[]:,"0aZ \x00', k=max(len(payload), 1)))
        case "bad-utf8":
            at = chance.randrange(len(payload) + 1)
            return payload[:at] + b"\xff" + payload[at:]
        case "damaged":
            return damaged(payload, chance)
        case "html":
            return b"<html><body>502 Bad Gateway</body></html>"
        case _:
            return b""


def damaged(payload: bytes, chance: Random) -> bytes:
    """Other bytes here and there, until it is no JSON: what still is could be the truth."""
    found = bytearray(payload or b"{")
    while True:
        for _ in range(chance.randint(1, 4)):
            found[chance.randrange(len(found))] = chance.randrange(256)
        try:
            msgspec.json.decode(found)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return bytes(found)

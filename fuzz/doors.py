"""The simulated venue's doors and what is said at them: requests that may well be done, and spoilt.

Whatever arrives gets the venue's own answer or a clean close, nobody's money falls below zero, and
the next honest request is served.
"""

from __future__ import annotations

import json
import random
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from fuzz.mutations import mutate
from pitwire.conformance.binance_story import Ear, sign
from pitwire.model.clock import MILLISECOND
from pitwire.model.errors import ConnectionLost
from pitwire.sim.facades.facade import HttpReply
from pitwire.sim.frames import Breach, FrameReader
from pitwire.sim.world import MARKET_URL, World

_OF_ONE_WORLD = 400
"""So many requests are made of a market before a fresh one takes its place."""
_REFUSALS = frozenset((400, 401, 403, 404, 409, 410, 413, 414, 418, 429, 431, 500, 503))
_ODD: Sequence[Any] = (
    None, True, False, "", " ", 0, -1, 1, 2**63, -(2**63), 2**64, 1e5, 1e300, 0.1, "1e5", "-1",
    "0", "0.000000001", "99999999999999999999", "NaN", "null", "NOSUCH", "１２３", "\x00", "a" * 40,
    [], {}, ["BTCUSDT"], [1, []], {"a": {}}, "[]", '["BTCUSDT"]', "[", "true", 1483228799999,
)  # fmt: skip


class Doors(NamedTuple):
    """What one venue is asked."""

    make: Callable[[int], World]
    """seed → a market in which requests have no limits of number."""
    methods: Sequence[str]
    routes: Mapping[tuple[str, str], str]
    """REST: (verb, target without parameters) → the method it leads to."""
    signed: frozenset[str]
    """Methods that want a signature."""
    recipes: Mapping[str, Sequence[str]]
    """Method → what it takes: names, each with a value where only one will do."""
    parameters: Mapping[str, Sequence[Any]]
    """Name → values that may well be taken."""
    paths: Sequence[str]
    """Where streams are dialled."""
    streams: Sequence[str]


def run(doors: Doors, seconds: float, seed: int, *, most: int = 1 << 62) -> int:
    """Say spoilt things for so long, or so many; returns how many. Raises at the first fault."""
    chance = random.Random(seed)
    end = time.monotonic() + seconds
    done = 0
    while done < most and time.monotonic() < end:
        visit = _Visit(doors, chance)
        for _ in range(min(_OF_ONE_WORLD, most - done)):
            visit.say()
            done += 1
            if time.monotonic() >= end:
                break
        visit.leave()
    return done


class _Client(Ear):
    """One connection, and whether it still is one."""

    def __init__(self, world: World, path: str) -> None:
        super().__init__()
        self.lost: ConnectionLost | None = None
        self.link = world.open(f"{MARKET_URL}{path}", self)

    def on_lost(self, error: ConnectionLost) -> None:
        self.lost = error


class _Visit:
    """One market, and a client at each of its doors."""

    def __init__(self, doors: Doors, chance: random.Random) -> None:
        self._doors, self._chance = doors, chance
        self._world = doors.make(chance.randrange(2**32))
        self._routes = sorted(doors.routes)
        self._recipes = [name for name in doors.methods if name in doors.recipes]
        self._key, self._secret = self._world.keys_of("main")["hmac"]
        self._api = self._dialled()
        self._stream: _Client | None = None
        self._heard: list[bytes] = [b"{}"]
        """What was said before: pieces of it come again."""

    def say(self) -> None:
        """One thing, at one door."""
        speak = self._chance.choice(
            (self._ask, self._ask, self._rest, self._rest, self._control, self._dial, self._frames)
        )
        said: list[object] = []
        try:
            speak(said)
        except BaseException as error:
            error.add_note(f"{speak.__name__}: {said!r}")
            raise

    def leave(self) -> None:
        """The market goes on, and owes nobody anything."""
        world = self._world
        world.advance(2)
        for account in world.pairs:
            for asset, (free, held) in world.exchange.balances(account).items():
                assert free >= 0, f"{account} has {free} {asset}"
                assert held >= 0, f"{account} has locked {held} {asset}"
        self._api = self._dialled()
        self._api.link.send(b'{"id":1,"method":"ping"}')
        world.advance()
        (answer,) = self._api.take()
        assert answer["status"] == 200

    def _dialled(self) -> _Client:
        return _Client(self._world, self._world.facade.ws_api)

    # ── the doors ─────────────────────────────────────────────────────────────────────────────

    def _ask(self, said: list[object]) -> None:
        """The WebSocket API: one answer a frame."""
        if self._api.lost is not None:
            self._api = self._dialled()
        method = self._chance.choice(self._doors.methods)
        if self._chance.random() < 0.5:
            method = self._chance.choice(self._recipes)
        params = self._params(method)
        if (method in self._doors.signed) is (self._chance.random() < 0.95):
            params = self._signed(params)
        request = {"id": self._any((1, "a", None)), "method": method, "params": params}
        frame = self._spoil(json.dumps(request).encode())
        said += [frame]
        self._api.link.send(frame)
        self._world.advance()
        answers = [each for each in self._api.take() if "event" not in each]
        if self._api.lost is not None:
            assert self._api.lost.code in (1007, 1008, 1009), self._api.lost
            return
        (answer,) = answers
        assert ("result" in answer) != ("error" in answer), answer
        assert (answer["status"] == 200) == ("result" in answer), answer
        if "error" in answer:
            assert isinstance(answer["error"]["code"], int), answer
            assert isinstance(answer["error"]["msg"], str), answer

    def _rest(self, said: list[object]) -> None:
        """An HTTP request: a body that can be read, whatever its status."""
        verb, path = self._chance.choice(self._routes)
        method = self._doors.routes[verb, path]
        params = {name: _text(value) for name, value in self._params(method).items()}
        query = urlencode(params)
        headers = {}
        if (method in self._doors.signed) is (self._chance.random() < 0.95):
            headers["x-mbx-apikey"] = self._key
            query += f"&timestamp={self._world.clock.now() // MILLISECOND}"
            query += "&signature=" + quote(sign(self._secret, query), safe="")
        body = b""
        if verb != "GET" and self._chance.random() < 0.5:
            query, body = "", self._spoil(query.encode())
        target = self._spoil(f"{path}?{query}".encode()).decode("utf-8", "surrogateescape")
        said += [verb, target, body]
        reply = self._world.stage.http(
            verb, target, headers=headers, body=body, now=self._world.clock.now()
        )
        self._world.advance()
        self._api.take()
        assert reply.status == 200 or reply.status in _REFUSALS, reply
        if reply.headers["content-type"].startswith("application/json"):
            json.loads(reply.body)

    def _control(self, said: list[object]) -> None:
        """A stream connection: answers are told from data by their `id`, or the lack of a name."""
        stream = self._stream
        if stream is None or stream.lost is not None:
            stream = self._stream = _Client(self._world, self._chance.choice(self._doors.paths))
        words = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "GET_PROPERTY", "SET_PROPERTY")
        names = [self._any(self._doors.streams) for _ in range(self._chance.randint(0, 3))]
        params = self._any((names, ["combined"], ["combined", True], None))
        request = {"method": self._any(words), "params": params, "id": self._any((1, "a", None))}
        frame = self._spoil(json.dumps(request).encode())
        said += [frame]
        stream.link.send(frame)
        self._world.advance(0.3)
        found = stream.take()
        if stream.lost is None:
            assert any("result" in each or "error" in each for each in found), found

    def _dial(self, said: list[object]) -> None:
        """An upgrade: taken, or refused with a status."""
        path = self._chance.choice(self._doors.paths)
        streams = "/".join(map(str, (self._any(self._doors.streams) for _ in range(2))))
        target = f"{path}/{streams}?streams={streams}&timeUnit={self._any(('MICROSECOND', 'x'))}"
        spoilt = self._spoil(target.encode()).decode("utf-8", "surrogateescape")
        said += [spoilt]
        link = 1 << 40
        reply = self._world.facade.connect(link, spoilt, self._world.clock.now())
        assert reply is None or (isinstance(reply, HttpReply) and reply.status in _REFUSALS), reply
        self._world.facade.lost(link, self._world.clock.now())

    def _frames(self, said: list[object]) -> None:
        """Raw bytes of a socket, in pieces: messages, or a breach that has a code."""
        mask = self._chance.randbytes(4)
        text = self._chance.choice(self._heard)
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(text))
        raw = mutate(_head(len(text)) + mask + masked, self._heard, self._chance)
        said += [raw]
        reader = FrameReader(masked=True, max_message=1 << 16)
        code = 0
        try:
            while raw:
                cut = self._chance.randint(1, len(raw))
                for message in reader.feed(raw[:cut]):
                    assert len(message.payload) <= 1 << 16
                raw = raw[cut:]
        except Breach as breach:
            code = breach.code
        assert code in (0, 1002, 1007, 1009)

    # ── what is said ──────────────────────────────────────────────────────────────────────────

    def _params(self, method: str) -> dict[str, Any]:
        """What the method takes, as a rule; else less of it, or more, or anything."""
        names = list(self._doors.parameters)
        likely = self._chance.choice(self._doors.recipes.get(method, ("symbol", ""))).split()
        chance = self._chance.random()
        if chance < 0.1:
            likely = self._chance.sample(names, self._chance.randint(0, 8))
        elif chance < 0.2 and likely:
            likely.remove(self._chance.choice(likely))
        elif chance < 0.3:
            likely.append(self._chance.choice(names))
        found: dict[str, Any] = {}
        for word in likely:
            name, _, only = word.partition("=")
            found[name] = self._any((only,) if only else self._doors.parameters[name])
        return found

    def _any(self, likely: Sequence[Any]) -> Any:
        return self._chance.choice(_ODD if self._chance.random() < 0.03 else likely)

    def _signed(self, params: dict[str, Any]) -> dict[str, Any]:
        """As the papers want it; what cannot be spelt as they want it is signed somehow."""
        now = self._world.clock.now() // MILLISECOND
        params = {"apiKey": self._key, "timestamp": now} | params
        text = "&".join(f"{name}={_text(params[name])}" for name in sorted(params))
        return params | {"signature": sign(self._secret, text)}

    def _spoil(self, frame: bytes) -> bytes:
        self._heard = [*self._heard[-20:], frame]
        if self._chance.random() < 0.6:
            return frame
        return mutate(frame, self._heard, self._chance)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _head(length: int) -> bytes:
    """Of a whole masked text frame (RFC 6455 §5.2)."""
    if length < 126:
        return bytes((0x81, 0x80 | length))
    return bytes((0x81, 0xFE)) + struct.pack(">H", length)

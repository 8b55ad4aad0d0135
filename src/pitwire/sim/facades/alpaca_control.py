"""Requests on a market-data connection: log in, subscribe, unsubscribe (alpaca §2.2–2.5).

House rules: every answer is an array of one object; an error leaves the subscription as it was; the
checks run in a fixed order: syntax, login, channel, symbol, limit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pitwire.sim.facades.alpaca_feeds import CHANNELS, STAR, SYMBOL, Listener, exceeds
from pitwire.sim.facades.alpaca_hub import Hub
from pitwire.sim.facades.alpaca_keys import Keyring
from pitwire.sim.facades.alpaca_options import AlpacaOptions
from pitwire.sim.facades.alpaca_text import Scale
from pitwire.sim.facades.facade import Judge, SendText
from pitwire.sim.verdicts import AS_USUAL, Verdict

CONTROL = "control"
TEXTS = {
    400: "invalid syntax",
    401: "not authenticated",
    402: "auth failed",
    403: "already authenticated",
    404: "auth timeout",
    405: "symbol limit exceeded",
    406: "connection limit exceeded",
    407: "slow client",
    409: "insufficient subscription",
    410: "invalid subscribe action for this feed",
    412: "option messages are only available in MsgPack format",
    413: "star subscription is not allowed for option quotes",
    500: "internal error",
}
"""Every code of the current table (§2.4)."""
_IGNORED = frozenset(("action", "corrections", "cancelErrors"))


class Denied(Exception):
    """A request is answered with an error of the table, or with a fault's own words."""

    def __init__(self, code: int, text: str = "") -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text or TEXTS.get(code, "internal error")


class Answer:
    """What to say to a request, when, and whether the connection is over then."""

    def __init__(self, listener: Listener, messages: list[dict[str, object]], code: int = 0,
                 verdict: Verdict = AS_USUAL) -> None:  # fmt: skip
        wire = listener.wire
        self.frames = [
            SendText(wire.array([wire.encode(message)]), CONTROL, binary=wire.binary)
            for message in messages
        ]
        self.code, self.verdict = code, verdict
        self.fresh: set[tuple[str, str]] | None = None
        """(channel, symbol) that are new in the subscription; None where it was not touched."""


def success(text: str) -> dict[str, object]:
    return {"T": "success", "msg": text}


def error(denied: Denied) -> dict[str, object]:
    return {"T": "error", "code": denied.code, "msg": denied.text}


class Control:
    """Answers requests of market-data connections."""

    def __init__(
        self, hub: Hub, keyring: Keyring, options: AlpacaOptions, judge: Judge,
        scales: Mapping[str, Scale],
    ) -> None:  # fmt: skip
        self._hub, self._keyring, self._options, self._judge = hub, keyring, options, judge
        self._scales = scales
        self.others: Callable[[Listener, str], int] = lambda _listener, _account: 0
        """How many other connections of an account have logged in at the same endpoint."""

    def greet(self, listener: Listener) -> Answer:
        """The first word, before anything was asked."""
        if listener.feed.kind == "options" and not listener.wire.binary:
            return Answer(listener, [error(Denied(412))], 412)
        return Answer(listener, [success("connected")])

    def answer(self, listener: Listener, frame: bytes, now: int) -> Answer:
        """Do what a frame asks for."""
        try:
            request = listener.wire.decode(frame)
        except ValueError:
            return self._deny(listener, Denied(400), AS_USUAL)
        action = request.get("action") if isinstance(request, dict) else None
        if not isinstance(request, dict) or action not in ("auth", "subscribe", "unsubscribe"):
            return self._deny(listener, Denied(400), AS_USUAL)
        verdict = self._judge("logon" if action == "auth" else str(action), now)
        try:
            if verdict.code and not verdict.done:
                raise Denied(verdict.code, verdict.text)
            if verdict.status and not verdict.code:
                raise Denied(500)
            if action == "auth":
                account = self._keyring.account(request.get("key"), request.get("secret"))
                answer = self.log_in(listener, account)
            else:
                answer = self._subscribe(listener, request, verdict, adds=action == "subscribe")
            if verdict.code:
                raise Denied(verdict.code, verdict.text)
        except Denied as denied:
            return self._deny(listener, denied, verdict)
        answer.verdict = verdict
        return answer

    def log_in(self, listener: Listener, account: str | None) -> Answer:
        """An account says who it is, by message or in the upgrade; raises `Denied`."""
        if listener.account:
            raise Denied(403)
        if account is None:
            raise Denied(402)
        if listener.feed.path not in self._options.feeds:
            raise Denied(409)
        most = self._options.connections_per_endpoint
        if most and self.others(listener, account) >= most:
            raise Denied(406)
        listener.account = account
        return Answer(listener, [success("authenticated")])

    def deny(self, listener: Listener, code: int) -> Answer:
        """An error that nobody asked for: the time to log in is over, or a client is slow."""
        return self._deny(listener, Denied(code), AS_USUAL)

    @staticmethod
    def _deny(listener: Listener, denied: Denied, verdict: Verdict) -> Answer:
        return Answer(listener, [error(denied)], denied.code, verdict)

    def _subscribe(
        self, listener: Listener, request: dict[object, object], verdict: Verdict, *, adds: bool
    ) -> Answer:
        if not listener.account:
            raise Denied(401)
        named = self._named(listener, request)
        asked = {name: dict(symbols) for name, symbols in listener.asked.items()}
        fresh = []
        for channel, symbol in named:
            if not adds:
                asked[channel].pop(symbol, None)
                listener.withheld.discard((channel, symbol))
            elif symbol not in asked[channel]:
                asked[channel][symbol] = None
                fresh.append((channel, symbol))
        listed = sum(listener.feed.has(scale) for scale in self._scales.values())
        if adds and exceeds(listener.feed, asked, self._options, listed):
            raise Denied(405)
        listener.asked = asked
        kept = int(len(fresh) * verdict.share) if verdict.share < 1 else len(fresh)
        listener.withheld.update(fresh[kept:])
        answer = Answer(listener, [listener.state()])
        answer.fresh = set(fresh[:kept])
        return answer

    @staticmethod
    def _named(listener: Listener, request: dict[object, object]) -> list[tuple[str, str]]:
        """(channel, symbol) that a request names, in its order; raises `Denied`."""
        found = []
        for channel, symbols in request.items():
            if channel in _IGNORED or symbols is None:
                continue
            if channel not in CHANNELS or not isinstance(symbols, list):
                raise Denied(400)
            if channel not in listener.feed.channels:
                raise Denied(410)
            for symbol in symbols:
                if symbol == STAR and listener.feed.kind == "options" and channel == "quotes":
                    raise Denied(413)
                if not isinstance(symbol, str) or not (symbol == STAR or SYMBOL.match(symbol)):
                    raise Denied(400)
                found.append((str(channel), symbol))
        return found

"""The trading stream: who listens, and what it is told of orders (alpaca §4).

House rules: nothing is said before the client has logged in; a message is one object, no array;
nothing is replayed to who comes late.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pitwire.sim.facades.alpaca_keys import Keyring
from pitwire.sim.facades.alpaca_records import Record
from pitwire.sim.facades.alpaca_text import Ids, timed
from pitwire.sim.facades.alpaca_wire import Wire
from pitwire.sim.facades.facade import Action, Judge, SendText
from pitwire.sim.verdicts import AS_USUAL, Verdict

TRADE_UPDATES = "trade_updates"
USER_STREAM = "userData"
"""How a fault script names what is told of orders."""
CONTROL = "control"


class Trader:
    """A connection to the trading stream."""

    def __init__(self, link: int, wire: Wire) -> None:
        self.link, self.wire = link, wire
        self.account = ""
        """"" until it has logged in."""
        self.listens = False


class Word:
    """What to answer, when and whether at all."""

    def __init__(self, trader: Trader, stream: str, data: Mapping[str, object],
                 verdict: Verdict = AS_USUAL) -> None:  # fmt: skip
        wire = trader.wire
        frame = wire.encode({"stream": stream, "data": data})
        self.frames = [SendText(frame, CONTROL, binary=wire.binary)]
        self.verdict = verdict


class Traders:
    """All connections to the trading stream."""

    def __init__(
        self, keyring: Keyring, ids: Ids, judge: Judge, send: Callable[[int, Action], None]
    ) -> None:
        self._keyring, self._ids, self._judge, self._send = keyring, ids, judge, send
        self._traders: dict[int, Trader] = {}

    def add(self, trader: Trader) -> None:
        self._traders[trader.link] = trader

    def drop(self, link: int) -> None:
        self._traders.pop(link, None)

    def listening(self, account: str) -> int:
        """How many listen to an account's orders."""
        return sum(one.listens and one.account == account for one in self._traders.values())

    def answer(self, trader: Trader, frame: bytes, now: int) -> Word | None:
        """Do what a frame asks for; what is no request is passed over."""
        try:
            request = trader.wire.decode(frame)
        except ValueError:
            return None
        if not isinstance(request, dict):
            return None
        data = request.get("data")
        action = request.get("action")
        if action == "auth":
            return self._log_in(trader, request.get("key"), request.get("secret"), now)
        if not isinstance(data, dict):
            return None
        if action == "authenticate":
            return self._log_in(trader, data.get("key_id"), data.get("secret_key"), now)
        return self._listen(trader, data, now) if action == "listen" else None

    def tell(
        self, record: Record, event: str, at: int, execution: str = "", **more: object
    ) -> None:
        """An order's event, to all who listen on its account; the order is as it is now."""
        mine = [one for one in self._traders.values() if one.listens]
        mine = [trader for trader in mine if trader.account == record.account]
        execution = execution or self._ids.new()  # drawn whether anybody hears or not
        if not mine:
            return
        data = {"event": event, "execution_id": execution, "order": record.tell(), **more,
                "timestamp": timed(at)}  # fmt: skip
        for trader in mine:
            frame = trader.wire.encode({"stream": TRADE_UPDATES, "data": data})
            self._send(trader.link, SendText(frame, USER_STREAM, binary=trader.wire.binary))

    def _log_in(self, trader: Trader, key: object, secret: object, now: int) -> Word:
        verdict = self._judge("logon", now)
        account = self._keyring.account(key, secret)
        refused: dict[str, object] = {"status": "unauthorized", "action": "authenticate"}
        if verdict.code or verdict.status:
            refused["message"] = verdict.text or "internal error"
            return Word(trader, "authorization", refused, verdict)
        if account is None:
            return Word(trader, "authorization", refused, verdict)
        trader.account = account
        allowed = {"status": "authorized", "action": "authenticate"}
        return Word(trader, "authorization", allowed, verdict)

    def _listen(self, trader: Trader, data: Mapping[object, object], now: int) -> Word:
        """The list replaces the one before; unknown streams are left out of it (§4.2)."""
        verdict = self._judge("subscribe", now)
        if not trader.account:
            refused = {"status": "unauthorized", "action": "listen"}
            return Word(trader, "authorization", refused, verdict)
        streams = data.get("streams")
        wanted = [TRADE_UPDATES] if isinstance(streams, list) and TRADE_UPDATES in streams else []
        trader.listens = bool(wanted) and verdict.share > 0.0
        return Word(trader, "listening", {"streams": wanted}, verdict)

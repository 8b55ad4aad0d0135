"""The floor of any client of ours: our link and nothing behind it but a count.

It answers two questions of the table of stages: what a frame costs before it is decoded, and what
a send costs once the bytes of an order stand ready.
"""

from __future__ import annotations

import json
import time
from multiprocessing.connection import Connection
from typing import Any

from bench import client, traffic
from pitwire.model.errors import ConnectionLost
from pitwire.wire.link import Buffer, Link
from pitwire.wire.websocket import WebSocketDialer

SENDS = 300


class Bare:
    """Counts frames; sends the same order again and again when asked how it is."""

    def __init__(self, port: int, meter: client.Meter) -> None:
        self._port, self._meter = port, meter
        self._market: Link
        self._orders: Link
        self._placed = 0

    async def start(self) -> None:
        """Connect and subscribe."""
        dial = WebSocketDialer()
        root = f"ws://127.0.0.1:{self._port}"
        self._market = await dial(f"{root}/ws", self)
        self._orders = await dial(f"{root}/ws-api/v3", _Deaf())
        names = [f"{s.lower()}@{kind}" for s in traffic.SYMBOLS for kind in ("trade", "depth")]
        request = {"method": "SUBSCRIBE", "params": names, "id": 1}
        self._market.send(json.dumps(request).encode())

    def tops(self) -> client.Tops:
        """There are no books here."""
        return {}

    def notes(self) -> dict[str, Any]:
        """Mean µs of one send of an order that stands ready."""
        params = {"symbol": traffic.TRIGGER_SYMBOL, "side": "BUY", "type": "LIMIT"}
        request = {"id": 1, "method": "order.place", "params": params | {"pad": "x" * 200}}
        frame = json.dumps(request).encode()
        began = time.perf_counter_ns()
        for _ in range(SENDS):
            self._orders.send(frame)
        taken = time.perf_counter_ns() - began
        self._placed += SENDS
        return {"placed": self._placed, "dead": [], "send_us": taken / SENDS / 1e3}

    async def stop(self) -> None:
        """Hang up."""
        self._market.close()
        self._orders.close()

    # ── Receiver ──

    def on_frame(self, frame: Buffer, drained: bool) -> None:
        """A market frame; the answer to SUBSCRIBE comes before the meter is armed."""
        self._meter.count()

    def on_drained(self) -> None: ...

    def on_ping(self, payload: bytes) -> None: ...

    def on_pong(self, payload: bytes) -> None: ...

    def on_lost(self, error: ConnectionLost) -> None: ...


class _Deaf:
    """A receiver that takes no notice."""

    def on_frame(self, frame: Buffer, drained: bool) -> None: ...

    def on_drained(self) -> None: ...

    def on_ping(self, payload: bytes) -> None: ...

    def on_pong(self, payload: bytes) -> None: ...

    def on_lost(self, error: ConnectionLost) -> None: ...


def serve(control: Connection, spec: client.Spec, port: int, seat: client.Seat) -> None:
    """The client's process."""
    client.serve(spec, control, seat, lambda meter: Bare(port, meter))

"""The simulated USDⓈ-M futures: the paths, the doors and what is due by itself (binance §11).

House rules: as in `binance`, of which this is the other half of the same house; written from the
venue's papers alone.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.model.entropy import Entropy
from pitwire.sim.facades.binance import BinanceFacade, Connection
from pitwire.sim.facades.binance_call import Method
from pitwire.sim.facades.binance_control import Control
from pitwire.sim.facades.binance_names import StreamName
from pitwire.sim.facades.binance_params import Args
from pitwire.sim.facades.binance_rest import Rest
from pitwire.sim.facades.binance_ws_api import WsApi
from pitwire.sim.facades.facade import Action, Judge, no_fault
from pitwire.sim.facades.usdm_api import KINDS, METHODS, ROUTES, method
from pitwire.sim.facades.usdm_names import CATEGORIES, PRIVATE, parse_stream
from pitwire.sim.facades.usdm_office import FuturesOffice
from pitwire.sim.facades.usdm_options import UsdmOptions
from pitwire.sim.facades.usdm_payloads import wide
from pitwire.sim.facades.usdm_streams import FuturesListener
from pitwire.sim.facades.usdm_typed import TypedArgs
from pitwire.sim.futures import FuturesExchange

WS_API = "/ws-fapi/v1"
_PREFIX = "/fapi"


class FuturesRest(Rest):
    """All of /fapi."""

    kinds = KINDS

    def _name(self, verb: str, path: str) -> str | None:
        if not path.startswith(_PREFIX):
            return None
        return ROUTES.get((verb, path.removeprefix(_PREFIX)))

    def _row(self, name: str) -> Method[Any] | None:
        return METHODS[name]


class FuturesWsApi(WsApi):
    """All of /ws-fapi."""

    depth_beside = False
    """Whether a book's two sides stand beside `result`."""

    def _whole(self, method: str, outcome: object) -> dict[str, object]:
        if not self.depth_beside or method != "depth" or not isinstance(outcome, dict):
            return super()._whole(method, outcome)
        sides = {name: outcome[name] for name in ("bids", "asks")}
        inside = {name: value for name, value in outcome.items() if name not in sides}
        return {"result": inside} | sides


class UsdmFacade(BinanceFacade):
    """Streams, WS-API and REST over one futures exchange."""

    ws_api = WS_API
    has_sbe = False

    def __init__(
        self,
        exchange: FuturesExchange,
        *,
        entropy: Entropy,
        options: UsdmOptions | None = None,
        judge: Judge = no_fault,
    ) -> None:
        chosen = options or UsdmOptions()
        self.options = self._futures_options = chosen
        self._output: list[tuple[int, Action]] = []
        self._futures = FuturesOffice(exchange, entropy=entropy, options=chosen, send=self._send)
        self.office = self._futures

        def parse(text: str) -> StreamName | None:
            name = parse_stream(text, seconds=chosen.second_klines)
            hidden = name is not None and name.kind == "trade" and not chosen.trades_streamed
            return None if hidden else name

        self._control = self._sbe_control = Control(self.office.hub, chosen, judge, parse)
        self._ws_api = door = FuturesWsApi(
            self.office,
            listen_keys=True,
            judge=judge,
            find=method,
            kinds=KINDS,
            read=TypedArgs if chosen.typed_params == "demand" else Args,
        )
        door.depth_beside = chosen.depth_answer == "beside"
        self._rest = FuturesRest(self.office, listen_keys=True, judge=judge)
        self._begin()

    def spell_update_id(self, update_id: int) -> int:
        """With gaps, since all symbols share the venue's numbers (§4.3)."""
        return wide(update_id)

    def step(self, now: int) -> None:
        self._futures.do_due(now)
        super().step(now)

    def next_deadline(self) -> int | None:
        soonest, due = super().next_deadline(), self._futures.next_due()
        return due if soonest is None or (due is not None and due < soonest) else soonest

    def _open_streams(
        self, connection: Connection, unit: int, path: str, query: str, now: int
    ) -> bool:
        """`/public/ws/…`, `/market/stream?…`, `/private/ws?listenKey=…`, and the old ways."""
        category = path.removeprefix("/").partition("/")[0] if path.startswith("/") else ""
        if category in CATEGORIES:
            path = path.removeprefix(f"/{category}")
        elif self._futures_options.unrouted == "refuse":
            return False
        else:
            category = ""
        combined = path == "/stream"
        names = [name for name in path.removeprefix("/ws").split("/") if name]
        if combined:
            names = []
        elif path != "/ws" and not path.startswith("/ws/"):
            return False
        listener = FuturesListener(
            connection.link, combined=combined, unit=MILLISECOND, category=category
        )
        key = ""
        for part in query.split("&"):
            name, _, value = part.partition("=")
            value = unquote(value)
            if name == "streams" and combined:
                names += [each for each in value.split("/") if each]
            elif name == "listenKey" and category in ("", PRIVATE):
                key = value
                names.append(key)
            elif name == "events" and key:
                listener.events[key] = frozenset(value.split("/"))
        if len(names) > self.options.streams_per_connection:
            return False
        connection.listener = listener
        self._control.open(listener, names, now)
        return True

    def receive_ping(self, link: int, payload: bytes, now: int) -> None:
        if self._admits_control(link, now):
            super().receive_ping(link, payload, now)

    def receive_pong(self, link: int, payload: bytes, now: int) -> None:
        if self._admits_control(link, now):
            super().receive_pong(link, payload, now)

    def _admits_control(self, link: int, now: int) -> bool:
        """Pings and pongs on the WS-API: five a second."""
        connection = self._connections.get(link)
        if connection is None or connection.session is None:
            return True
        recent = connection.messages
        while recent and recent[0] <= now - SECOND:
            recent.popleft()
        recent.append(now)
        if len(recent) > self._futures_options.control_per_second:
            self.close(link, 1008, "Too many requests")
            return False
        return True

"""What a socket hears of its account: orders, executions, profit, summary, ledger (ibkr §8.7–8.9).

House rules: the first frame of an order is whole and the next ones say what changed; an execution
comes twice, the second time with its commission; values are those of the moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pitwire.model.clock import SECOND
from pitwire.sim.facades.ibkr_blotter import Blotter, Fill, Order
from pitwire.sim.facades.ibkr_desk import Desk
from pitwire.sim.facades.ibkr_office import Office
from pitwire.sim.facades.ibkr_portfolio import Portfolio
from pitwire.sim.facades.ibkr_shown import executed, listed
from pitwire.sim.facades.ibkr_socket import Command, CommandError, Socket, Sockets, texts

_ORDERS, _FILLS = "sor", "str"
_ALWAYS = ("acct", "conid", "orderId")
_PERIOD = 10 * SECOND
"""How often summary and ledger are told (ibkr §8.9)."""


class OrderWatch:
    """`sor` of one socket."""

    def __init__(self, statuses: frozenset[str]) -> None:
        self.statuses = statuses
        """Those that are heard; none: all."""
        self.shown: dict[int, dict[str, object]] = {}


class AccountWatch:
    """All that sockets hear of accounts."""

    def __init__(
        self, office: Office, sockets: Sockets, portfolio: Portfolio, blotter: Blotter, desk: Desk
    ) -> None:
        self._office = office
        self._sockets = sockets
        self._portfolio = portfolio
        self._blotter = blotter
        self._desk = desk
        for topic, handler in (
            ("sor", self._orders), ("uor", self._no_orders), ("str", self._fills),
            ("utr", self._no_fills), ("spl", self._profit), ("upl", self._no_profit),
            ("ssd", self._summary), ("usd", self._no_summary), ("sld", self._ledger),
            ("uld", self._no_ledger),
        ):  # fmt: skip
            sockets.on(topic, handler)

    # -- what is told

    def changed(self, order: Order, now: int, whole: bool) -> None:
        """An order is another."""
        quiet = self._desk.quiet
        for socket, watch in self._watches():
            if watch.statuses and order.status not in watch.statuses:
                continue
            if quiet is not None and order.status not in quiet:
                continue
            self._tell(socket, watch, order, whole=whole)

    def marked(self, order: Order) -> None:
        """The short frame after an order's first one (content unconfirmed)."""
        row = {name: listed(order, live=True)[name] for name in ("acct", "conid", "orderId")}
        for socket, watch in self._watches():
            if order.order_id in watch.shown:
                socket.tell({"topic": "sor", "args": [row]}, _ORDERS)

    def filled(self, fill: Fill, now: int) -> None:
        """An execution: at once, and again with its commission."""
        self._execution(fill, with_commission=False)
        later = self._office.later(now, self._office.options.commission_seconds)
        self._office.timers.set(later, lambda _: self._execution(fill, with_commission=True))

    def forget(self) -> None:
        """What was subscribed to is gone."""
        for socket in self._sockets.all():
            for name in (_ORDERS, _FILLS):
                socket.streams.pop(name, None)

    # -- commands

    def _orders(self, socket: Socket, command: Command, now: int) -> None:
        statuses = frozenset(texts(command.args, "filters"))
        watch = socket.streams[_ORDERS] = OrderWatch(statuses)
        if self._office.options.sor_snapshot:
            for order in self._blotter.orders.values():
                if not order.is_over:
                    self._tell(socket, watch, order, whole=True)

    def _no_orders(self, socket: Socket, command: Command, now: int) -> None:
        socket.streams.pop(_ORDERS, None)

    def _fills(self, socket: Socket, command: Command, now: int) -> None:
        socket.streams[_FILLS] = True
        rows: list[Any] = []
        if not command.flag("realtimeUpdatesOnly", "realtime_updates_only"):
            options = self._office.options
            rows = [executed(fill, options, with_commission=True) for fill in self._blotter.fills]
        socket.tell({"topic": "str", "args": rows}, _FILLS)

    def _no_fills(self, socket: Socket, command: Command, now: int) -> None:
        socket.streams.pop(_FILLS, None)

    def _profit(self, socket: Socket, command: Command, now: int) -> None:
        def tell() -> None:
            socket.tell({"topic": "spl", "args": self._portfolio.profits()}, "spl")

        self._repeat(socket, "spl", tell, now)

    def _no_profit(self, socket: Socket, command: Command, now: int) -> None:
        socket.streams.pop("spl", None)

    def _summary(self, socket: Socket, command: Command, now: int) -> None:
        account, keys = self._account(command), texts(command.args, "keys")
        topic = f"ssd+{account}"

        def tell() -> None:
            rows = self._portfolio.summary_rows(account, keys)
            socket.tell({"topic": topic, "result": rows}, topic)

        self._repeat(socket, topic, tell, now)

    def _no_summary(self, socket: Socket, command: Command, now: int) -> None:
        socket.streams.pop(f"ssd+{self._account(command)}", None)
        socket.tell({"result": "unsubscribed from summary"})

    def _ledger(self, socket: Socket, command: Command, now: int) -> None:
        account = self._account(command)
        topic = f"sld+{account}"
        before: dict[str, Mapping[str, object]] = {}

        def tell() -> None:
            rows = self._portfolio.ledger_rows(account)
            shown = [_unless_known(row, before) for row in rows]
            before.update({str(row["key"]): row for row in rows})
            socket.tell({"topic": topic, "result": shown}, topic)

        self._repeat(socket, topic, tell, now)

    def _no_ledger(self, socket: Socket, command: Command, now: int) -> None:
        socket.streams.pop(f"sld+{self._account(command)}", None)
        socket.tell({"result": "unsubscribed from ledger"})

    # -- inside

    def _account(self, command: Command) -> str:
        if command.target not in self._office.accounts:
            raise CommandError(f"{command.topic}: unknown account {command.target}")
        return command.target

    def _watches(self) -> list[tuple[Socket, OrderWatch]]:
        return [
            (socket, socket.streams[_ORDERS])
            for socket in self._sockets.all()
            if _ORDERS in socket.streams
        ]

    def _tell(self, socket: Socket, watch: OrderWatch, order: Order, *, whole: bool) -> None:
        row, before = listed(order, live=True), watch.shown.get(order.order_id)
        watch.shown[order.order_id] = row
        if before is not None and not whole:
            row = {
                name: value
                for name, value in row.items()
                if name in _ALWAYS or before.get(name, before) != value
            }
        socket.tell({"topic": "sor", "args": [row]}, _ORDERS)

    def _execution(self, fill: Fill, *, with_commission: bool) -> None:
        row = executed(fill, self._office.options, with_commission=with_commission)
        for socket in self._sockets.all():
            if _FILLS in socket.streams:
                socket.tell({"topic": "str", "args": [row]}, _FILLS)

    def _repeat(self, socket: Socket, name: str, tell: Any, now: int) -> None:
        """Tell it now, and every ten seconds until it is stopped."""
        marker = socket.streams[name] = object()

        def again(at: int) -> None:
            if socket.streams.get(name) is marker:
                tell()
                self._office.timers.set(at + _PERIOD, again)

        again(now)


def _unless_known(
    row: Mapping[str, object], before: Mapping[str, Mapping[str, object]]
) -> Mapping[str, object]:
    """An entry that did not change carries its key and the time alone."""
    known = before.get(str(row["key"]))
    if known is not None and {**known, "timestamp": row["timestamp"]} == row:
        return {"key": row["key"], "timestamp": row["timestamp"]}
    return row

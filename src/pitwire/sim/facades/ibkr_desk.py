"""Orders over REST: submit, reply, modify, cancel, lists, statuses, executions (ibkr §7).

House rules: what goes wrong with an order is told with status 200, as documented; an order request
that comes while a question is open kills it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pitwire.model.clock import SECOND
from pitwire.sim.facades.facade import HttpReply
from pitwire.sim.facades.ibkr_blotter import Blotter, Order
from pitwire.sim.facades.ibkr_contracts import is_number
from pitwire.sim.facades.ibkr_doors import DataDoor, SessionDoor
from pitwire.sim.facades.ibkr_office import Office
from pitwire.sim.facades.ibkr_questions import PROMPT, Questions
from pitwire.sim.facades.ibkr_rest import Rest
from pitwire.sim.facades.ibkr_shown import executed, listed, money, status_of
from pitwire.sim.facades.ibkr_text import Ask, IbkrError, bad_request, said, truth
from pitwire.sim.facades.ibkr_tickets import Ticket, read_ticket

_FILTERS = {
    "inactive": "Inactive", "pending_submit": "PendingSubmit", "pre_submitted": "PreSubmitted",
    "submitted": "Submitted", "filled": "Filled", "pending_cancel": "PendingCancel",
    "cancelled": "Cancelled", "warn_state": "WarnState",
}  # fmt: skip
"""As the list spells them → the status; `sort_by_time` sorts."""
_DAY = 86_400 * SECOND
_MOST_DAYS = 7
_ORDER = "iserver/account/*/order/*"


class Desk:
    """What is asked and answered about orders."""

    def __init__(
        self,
        office: Office,
        rest: Rest,
        blotter: Blotter,
        questions: Questions,
        *,
        door: SessionDoor,
        data: DataDoor,
        publish: Callable[[int], None],
    ) -> None:
        self._office = office
        self._blotter = blotter
        self._questions = questions
        self._door = door
        self._data = data
        self._publish = publish
        """Tell whoever listens what has just happened at the exchange."""
        self._is_listed = False
        """Whether the list of orders was asked for in this brokerage session."""
        self.quiet: frozenset[str] | None = None
        """Statuses that alone come on `sor`; None: all do (ibkr §7.4)."""
        rest.on("POST", "iserver/account/*/orders", self._submit, kind="place")
        rest.on("POST", "iserver/account/*/orders/whatif", self._what_if, kind="check")
        rest.on("POST", "iserver/reply/*", self._reply, kind="reply")
        rest.on("POST", "iserver/notification", self._notified, kind="reply")
        rest.on("POST", "iserver/questions/suppress", self._suppress, kind="suppress")
        rest.on("POST", "iserver/questions/suppress/reset", self._reset, kind="suppress")
        rest.on("POST", _ORDER, self._modify, kind="amend replace")
        rest.on("DELETE", _ORDER, self._cancel, kind="cancel")
        rest.on("GET", "iserver/account/orders", self._list, kind="query open_orders")
        rest.on("GET", "iserver/account/order/status/*", self._status, kind="query status")
        rest.on("GET", "iserver/account/trades", self._trades, kind="query fills")

    def forget(self) -> None:
        """The brokerage session is over."""
        self._is_listed, self.quiet = False, None
        self._questions.forget()

    # -- orders

    def _submit(self, ask: Ask) -> object:
        self._demand_ready()
        given = ask.fields.get("orders") if isinstance(ask.body, dict) else ask.body
        if not isinstance(given, list) or not given:
            raise bad_request("Missing required param: orders")
        account = self._account(ask)
        if len(given) > 1:
            ticket = read_ticket(self._office, account, given[0])
            raise ticket.refusal("Groups of orders are not simulated.")
        ticket = read_ticket(self._office, account, given[0])
        self._blotter.demand_new(ticket, ask.now)

        def place(now: int) -> object:
            self._blotter.demand_new(ticket, now)
            order = self._blotter.place(ticket, now)
            self._publish(now)
            return [self._taken(order)]

        return self._ask_first(ticket, place, ask)

    def _modify(self, ask: Ask) -> object:
        self._demand_ready()
        order = self._order(ask.path[1])
        account = self._account(ask)
        if not isinstance(ask.body, dict):
            raise bad_request("Missing required param: order")
        given = {"acctId": account, **ask.body}
        ticket = read_ticket(self._office, account, given)
        if ticket.contract is not order.ticket.contract or ticket.side != order.ticket.side:
            raise ticket.refusal("Contract and side of an order cannot be modified.")

        def modify(now: int) -> object:
            if order.is_over:
                raise self._unknown(ask.path[1])
            self._blotter.modify(order, ticket, now)
            self._publish(now)
            return [self._taken(order)]

        return self._ask_first(ticket, modify, ask)

    def _cancel(self, ask: Ask) -> object:
        self._demand_ready()
        account = self._account(ask)
        if ask.path[1] == "-1":
            for each in self._blotter.working(account):
                self._blotter.cancel(each, ask.now)
                self._publish(ask.now)
            return {"msg": "Request was submitted", "order_id": -1, "conid": -1, "account": None}
        order = self._order(ask.path[1])
        self._blotter.cancel(order, ask.now)
        self._publish(ask.now)
        is_told = self._office.options.cancel_tells_contract
        return {
            "msg": "Request was submitted",
            "order_id": order.order_id,
            "conid": order.ticket.contract.conid if is_told else -1,
            "account": order.ticket.account if is_told else None,
        }

    def _what_if(self, ask: Ask) -> object:
        """A preview; margins are those of an account that pays in full (values are ours)."""
        self._demand_ready()
        given = ask.fields.get("orders")
        if not isinstance(given, list) or not given:
            raise bad_request("Missing required param: orders")
        ticket = read_ticket(self._office, self._account(ask), given[0])
        found, options = ticket.contract, self._office.options
        price = ticket.price or self._office.quotes.last_tick(found.symbol)
        size = ticket.lots * found.listing.lot
        worth = size * price * found.listing.tick
        fee = max(options.commission_per_share * size, options.commission_least)
        cash = self._office.cash(ticket.account)
        none = {"current": "0", "change": "0", "after": "0"}
        unit = found.currency
        return {
            "amount": {
                "amount": f"{worth:,.2f} {unit} ({found.size(ticket.lots)} Shares)",
                "commission": f"{money(fee)} {unit}",
                "total": f"{worth + fee:,.2f} {unit}",
            },
            "equity": {
                "current": f"{cash:,.0f}",
                "change": f"-{fee:,.0f}",
                "after": f"{cash - fee:,.0f}",
            },
            "initial": none,
            "maintenance": none,
            "position": {
                "current": "0", "change": found.size(ticket.lots),
                "after": found.size(ticket.lots),
            },
            "warn": None,
            "error": None,
        }  # fmt: skip

    # -- questions

    def _reply(self, ask: Ask) -> object:
        confirmed = ask.fields.get("confirmed")
        if not isinstance(confirmed, bool):
            raise bad_request("Missing required param: confirmed")
        return self._questions.reply(ask.path[0], confirmed=confirmed, now=ask.now)

    def _notified(self, ask: Ask) -> object:
        """A prompt is answered; what becomes of the order is told elsewhere (ibkr §3)."""
        reply_id, text = str(ask.fields.get("reqId", "")), ask.fields.get("text")
        if not self._questions.is_open(reply_id):
            raise said(f"reply id not found: '{reply_id}'")
        self._questions.reply(reply_id, confirmed=text not in ("No", "Cancel"), now=ask.now)
        return HttpReply(200, {"content-type": "text/plain;charset=utf-8"}, b"Success")

    def _suppress(self, ask: Ask) -> object:
        names = ask.fields.get("messageIds")
        if not isinstance(names, list):
            raise bad_request("Missing required param: messageIds")
        self._questions.suppress([str(name) for name in names])
        return {"status": "submitted"}

    def _reset(self, ask: Ask) -> object:
        self._questions.suppressed.clear()
        return {"status": "submitted"}

    def _ask_first(self, ticket: Ticket, deed: Callable[[int], object], ask: Ask) -> object:
        wanted: Sequence[str] = ask.verdict.questions
        asked = self._questions.about(ticket, wanted, ask.now)
        if PROMPT in [name for name, _ in asked]:  # it comes last, and has no reply
            asked.sort(key=lambda question: question[0] == PROMPT)
        return self._questions.begin(ticket.account, asked, deed, ask.now)

    # -- what is asked

    def _list(self, ask: Ask) -> object:
        account = ask.text("accountId") or self._office.selected
        self._office.account(account)
        wanted = [text for text in ask.text("filters").lower().split(",") if text]
        if truth(ask.text("force")):
            self._is_listed, self.quiet = True, None
            return {"orders": [], "snapshot": False}
        if not self._is_listed and self._office.options.orders_preflight:
            self._is_listed = True
            return {"orders": [], "snapshot": False}
        statuses = frozenset(_FILTERS[name] for name in wanted if name in _FILTERS)
        if statuses:
            self.quiet = statuses
        found = [
            order
            for order in self._blotter.orders.values()
            if order.ticket.account == account and (not statuses or order.status in statuses)
        ]
        if "sort_by_time" in wanted:
            found.sort(key=lambda order: order.updated, reverse=True)
        rows: list[Any] = [listed(order, live=False) for order in found]
        rows = _kept(rows, ask)
        return {
            "orders": rows,
            "snapshot": bool(rows) and self._office.options.orders_snapshot_flag,
        }

    def _status(self, ask: Ask) -> object:
        order = self._blotter.find(ask.path[0])
        if order is None or order.ticket.account != self._office.selected:
            raise IbkrError(503, f"Order {ask.path[0]} is not found")
        return status_of(order, self._office.options)

    def _trades(self, ask: Ask) -> object:
        text = ask.text("days") or "1"
        if not is_number(text) or int(text) > _MOST_DAYS:
            raise bad_request("days is not valid")
        account = ask.text("accountId") or self._office.selected
        self._office.account(account)
        since = ask.now - max(int(text), 1) * _DAY
        options = self._office.options
        rows = [
            executed(fill, options, with_commission=True)
            for fill in self._blotter.fills
            if fill.at > since and fill.order.ticket.account == account
        ]
        return _kept(rows, ask)

    # -- inside

    def _demand_ready(self) -> None:
        self._door.demand_accounts()
        self._data.demand_line()

    def _account(self, ask: Ask) -> str:
        account = ask.path[0]
        self._office.account(account)
        return account

    def _order(self, text: str) -> Order:
        order = self._blotter.find(text)
        if order is None or order.is_over:
            raise self._unknown(text)
        return order

    def _unknown(self, text: str) -> IbkrError:
        status = self._office.options.unknown_order_status
        return said(f"OrderID {text} doesn't exist", status)

    @staticmethod
    def _taken(order: Order) -> dict[str, object]:
        """The answer of an order that was accepted; its number is text here."""
        row: dict[str, object] = {
            "order_id": str(order.order_id),
            "order_status": order.status,
            "encrypt_message": "1",
        }
        if order.ticket.ref:
            row["local_order_id"] = order.ticket.ref
        return row


def _kept(rows: list[Any], ask: Ask) -> list[Any]:
    """As much of a list as a fault leaves of it."""
    share = ask.verdict.kept
    return rows if share >= 1 else rows[: int(len(rows) * share)]

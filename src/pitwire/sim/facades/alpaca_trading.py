"""Alpaca's trading API: orders and what is asked about them (alpaca §5.3–5.7).

House rules: a handler gets a query and gives status and body; the first thing amiss is the answer.
"""

from __future__ import annotations

from decimal import Decimal

from pitwire.sim.facades.alpaca_office import Office
from pitwire.sim.facades.alpaca_query import Query
from pitwire.sim.facades.alpaca_records import Record
from pitwire.sim.facades.alpaca_refusals import not_found
from pitwire.sim.facades.alpaca_requests import (
    Wanted,
    body_of,
    check,
    client_id_of,
    missing,
    new_order,
    number,
    text,
    unprocessable,
)
from pitwire.sim.facades.alpaca_text import ApiError, Scale

Answer = tuple[int, object]
"""Status and body; None for an empty one."""
MOST_ORDERS = 500


class Trading:
    """Orders over REST."""

    def __init__(self, office: Office) -> None:
        self._office = office

    def submit(self, query: Query) -> Answer:
        body = body_of(query.body)
        name = text(body, "symbol")
        if not name:
            raise missing("symbol is required")
        scale = self._office.find(name)
        if scale is None:
            raise unprocessable(f'asset "{name}" not found')
        return 200, self._office.desk.submit(query.account, new_order(body, scale), query.now)

    def orders(self, query: Query) -> Answer:
        """The list of orders (§5.5)."""
        status = query.choice("status", ("open", "closed", "all"))
        newest_first = query.choice("direction", ("desc", "asc")) == "desc"
        limit = query.count("limit", 50, MOST_ORDERS)
        if query.text("before_order_id") and query.text("after_order_id"):
            raise missing("before_order_id and after_order_id are mutually exclusive")
        found = [
            record
            for record in self._office.desk.records.of(query.account)
            if status == "all" or record.is_over == (status == "closed")
        ]
        found = self._within(query, found)
        if newest_first:
            found.reverse()
        return 200, [record.show() for record in query.keep(found)[:limit]]

    def order(self, query: Query, order: str) -> Answer:
        return 200, self._office.desk.find(query.account, order).show()

    def by_client_id(self, query: Query) -> Answer:
        name = query.text("client_order_id")
        record = self._office.desk.records.named(query.account, name)
        if record is None:
            raise not_found(name)
        return 200, record.show()

    def replace(self, query: Query, order: str) -> Answer:
        record = self._office.desk.find(query.account, order)
        wanted, client_id = _replacement(record, body_of(query.body))
        return 200, self._office.desk.replace(record, wanted, client_id, query.now)

    def cancel(self, query: Query, order: str) -> Answer:
        desk = self._office.desk
        desk.cancel(desk.find(query.account, order), query.now)
        return 204, None

    def cancel_all(self, query: Query) -> Answer:
        """Every open order; how it went with each."""
        desk, told = self._office.desk, []
        for record in desk.records.open_of(query.account):
            try:
                desk.cancel(record, query.now)
                told.append({"id": record.id, "status": 200})
            except ApiError as error:
                told.append({"id": record.id, "status": error.status, "body": error.body})
        return 207, told

    def close_all(self, query: Query) -> Answer:
        """Sell whatever is held at the market."""
        if query.text("cancel_orders") == "true":
            self.cancel_all(query)
        told = []
        for scale in self._office.held(query.account):
            try:
                status, body = self._close(query, scale, None)
            except ApiError as error:
                status, body = error.status, error.body
            told.append({"symbol": scale.symbol, "status": status, "body": body})
        return 207, told

    def close_one(self, query: Query, name: str) -> Answer:
        scale = self._office.find(name)
        if scale is None or scale not in self._office.held(query.account):
            raise ApiError(404, 40_410_000, "position does not exist")
        return self._close(query, scale, query)

    # -- within

    def _close(self, query: Query, scale: Scale, sizes: Query | None) -> Answer:
        held = self._office.desk.holdings.of(query.account)[scale.listing.base].qty
        qty = held
        asked: dict[str, object] = {} if sizes is None else {**sizes.params}
        if asked.get("qty"):
            qty = number(asked, "qty") or held
        elif asked.get("percentage"):
            lot = scale.listing.lot
            qty = held * (number(asked, "percentage") or 100) / 100 // lot * lot
        tif = "gtc" if scale.is_crypto else "day"
        body = {"side": "sell", "type": "market", "time_in_force": tif, "qty": str(qty)}
        return 200, self._office.desk.submit(query.account, new_order(body, scale), query.now)

    def _within(self, query: Query, found: list[Record]) -> list[Record]:
        """Those of a list, oldest first, that the query's filters leave."""
        after, until = query.time("after"), query.time("until")
        scales = [self._office.find(name) for name in query.names("symbols")]
        side, asset_class = query.text("side"), query.text("asset_class")
        found = [
            record
            for record in found
            if (after is None or record.created > after)
            and (until is None or record.created < until)
            and (not query.params.get("symbols") or record.scale in scales)
            and (not side or record.side.value == side)
            and (not asset_class or record.scale.asset_class == asset_class)
        ]
        for name, earlier in (("before_order_id", True), ("after_order_id", False)):
            if query.text(name):
                every = [record.id for record in self._office.desk.records.of(query.account)]
                mark = self._office.desk.find(query.account, query.text(name))
                place = every.index(mark.id)
                chosen = set(every[:place] if earlier else every[place + 1 :])
                found = [record for record in found if record.id in chosen]
        return found


def _replacement(record: Record, body: dict[str, object]) -> tuple[Wanted, str]:
    """What an order is to be instead, and its client id ("" for any); raises `ApiError`."""
    if "trail" in body and body["trail"] is not None:
        raise missing("trail is only for trailing stop orders")
    qty = number(body, "qty")
    if qty is not None and not record.scale.is_crypto and qty % 1:
        raise missing("qty must be a whole number")
    tif = text(body, "time_in_force") or record.tif
    if tif not in ("day", "gtc", "ioc", "fok"):
        raise missing("invalid time_in_force")
    wanted = Wanted(
        scale=record.scale,
        side=record.side,
        kind=record.kind,
        tif=tif,
        qty=record.qty if qty is None else qty,
        notional=record.notional,
        limit_price=_instead(body, "limit_price", record.limit_price),
        stop_price=_instead(body, "stop_price", record.stop_price),
        extended_hours=record.extended_hours,
        client_id="",
    )
    if record.notional is None:
        check(wanted)
    return wanted, client_id_of(body)


def _instead(body: dict[str, object], name: str, before: Decimal | None) -> Decimal | None:
    found = number(body, name)
    return before if found is None else found

"""Alpaca's trading API beside orders: account, positions, fills, clock, assets (alpaca §5.9).

House rules: every amount is text; an account owns what it has paid for, borrows nothing and cannot
be short; the calendar knows weekends and no holidays.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from pitwire.model.clock import SECOND
from pitwire.sim.facades.alpaca_board import new_york
from pitwire.sim.facades.alpaca_holdings import Activity
from pitwire.sim.facades.alpaca_office import Office
from pitwire.sim.facades.alpaca_query import Query
from pitwire.sim.facades.alpaca_records import ZERO
from pitwire.sim.facades.alpaca_requests import missing
from pitwire.sim.facades.alpaca_text import ApiError, Scale, timed, written
from pitwire.sim.facades.alpaca_trading import Answer

_OPENS, _CLOSES = 9 * 3600 + 30 * 60, 16 * 3600
"""Seconds after New York's midnight."""
_DAY = 86_400
_LONGEST_CALENDAR = 366 * 10
_FIRST_YEAR, _LAST_YEAR = 1970, 2200
MOST_ACTIVITIES = 100
_CREATED = "2019-06-12T22:47:07.99658Z"


class AccountApi:
    """What an account is told of itself and of the venue."""

    def __init__(self, office: Office) -> None:
        self._office = office

    def account(self, query: Query) -> Answer:
        office, name = self._office, query.account
        free, locked = office.cash(name)
        worth = sum((self._worth(scale, name) for scale in office.held(name)), ZERO)
        equity, power = free + locked + worth, written(free)
        return 200, {
            "id": office.account_id(name),
            "account_number": office.account_id(name)[:8].upper(),
            "status": "ACTIVE",
            "crypto_status": "ACTIVE",
            "currency": "USD",
            "cash": written(free + locked),
            "portfolio_value": written(equity),
            "equity": written(equity),
            "last_equity": written(equity),
            "buying_power": power,
            "regt_buying_power": power,
            "options_buying_power": power,
            "non_marginable_buying_power": power,
            "initial_margin": written(worth),
            "maintenance_margin": "0",
            "last_maintenance_margin": "0",
            "long_market_value": written(worth),
            "short_market_value": "0",
            "multiplier": "1",
            "shorting_enabled": False,
            "sma": "0",
            "accrued_fees": "0",
            "trading_blocked": False,
            "transfers_blocked": False,
            "account_blocked": False,
            "trade_suspended_by_user": False,
            "created_at": _CREATED,
            "balance_asof": timed(query.now)[:10],
            "intraday_adjustments": "0",
            "pending_reg_taf_fees": "0",
            "options_approved_level": 0,
            "options_trading_level": 0,
        }

    def positions(self, query: Query) -> Answer:
        held = self._office.held(query.account)
        return 200, query.keep([self._position(scale, query.account) for scale in held])

    def position(self, query: Query, name: str) -> Answer:
        scale = self._office.find(name)
        if scale is None or scale not in self._office.held(query.account):
            raise ApiError(404, 40_410_000, "position does not exist")
        return 200, self._position(scale, query.account)

    def activities(self, query: Query, kind: str = "") -> Answer:
        """Fills, by pages; the last id of one page is the token of the next."""
        kinds = [kind] if kind else query.names("activity_types")
        found = self._office.desk.holdings.activities(query.account)
        if kinds and "FILL" not in kinds:
            found = []
        newest_first = query.choice("direction", ("desc", "asc")) == "desc"
        found, order = _dated(query, found), query.text("order_id")
        if order:
            found = [each for each in found if each.shown["order_id"] == order]
        if newest_first:
            found.reverse()
        token = query.text("page_token")
        if token:
            ids = [each.id for each in found]
            if token not in ids:
                raise missing("invalid page_token")
            found = found[ids.index(token) + 1 :]
        size = query.count("page_size", MOST_ACTIVITIES, MOST_ACTIVITIES)
        return 200, [each.shown for each in query.keep(found)[:size]]

    def clock(self, query: Query) -> Answer:
        now = query.now
        is_open = self._office.options.always_open or _is_open(now)
        return 200, {
            "timestamp": _local(now, with_fraction=True),
            "is_open": is_open,
            "next_open": _local(_next(now, _OPENS)),
            "next_close": _local(_next(now, _CLOSES)),
        }

    def calendar(self, query: Query) -> Answer:
        today = _new_york_day(query.now)
        begin = _date(query, "start") or today
        end = _date(query, "end") or begin + timedelta(days=30)
        days = min((end - begin).days + 1, _LONGEST_CALENDAR)
        return 200, [_day(each) for each in (begin + timedelta(days=n) for n in range(days))
                     if each.weekday() < 5]  # fmt: skip

    def assets(self, query: Query) -> Answer:
        asset_class, status = query.text("asset_class"), query.text("status")
        exchange = query.text("exchange")
        return 200, [
            shown
            for shown in (self._asset(scale) for scale in self._office.scales.values())
            if (not asset_class or shown["class"] == asset_class)
            and (not status or shown["status"] == status)
            and (not exchange or shown["exchange"] == exchange)
        ]

    def asset(self, query: Query, name: str) -> Answer:
        scale = self._office.find(name)
        if scale is None:
            raise ApiError(404, 40_410_000, f"asset not found for {name}")
        return 200, self._asset(scale)

    # -- within

    def _worth(self, scale: Scale, account: str) -> Decimal:
        return self._office.desk.holdings.of(account)[scale.listing.base].qty * self._price(scale)

    def _price(self, scale: Scale) -> Decimal:
        return scale.price(self._office.market.last_price(scale.listing.symbol))

    def _position(self, scale: Scale, account: str) -> dict[str, object]:
        holding = self._office.desk.holdings.of(account)[scale.listing.base]
        free, _ = self._office.market.balances(account).get(scale.listing.base, (ZERO, ZERO))
        price, qty, cost = self._price(scale), holding.qty, holding.cost
        gain = qty * price - cost
        part = written(round(gain / cost, 16)) if cost else "0"
        return {
            "asset_id": scale.asset_id,
            "symbol": scale.symbol.replace("/", "") if self._office.options.slashless_positions
            else scale.symbol,
            "exchange": scale.exchange,
            "asset_class": scale.asset_class,
            "asset_marginable": False,
            "qty": written(qty),
            "qty_available": written(free),
            "side": "long",
            "avg_entry_price": written(round(cost / qty, 9)),
            "cost_basis": written(round(cost, 9)),
            "market_value": written(qty * price),
            "current_price": written(price),
            "lastday_price": written(price),
            "change_today": "0",
            "unrealized_pl": written(round(gain, 9)),
            "unrealized_plpc": part,
            "unrealized_intraday_pl": written(round(gain, 9)),
            "unrealized_intraday_plpc": part,
        }  # fmt: skip

    def _asset(self, scale: Scale) -> dict[str, object]:
        listing = self._office.market.listings[scale.listing.symbol]
        trades = listing.status == "TRADING"
        shown: dict[str, object] = {
            "id": scale.asset_id,
            "class": scale.asset_class,
            "exchange": scale.exchange,
            "symbol": scale.symbol,
            "name": f"{listing.base} / {listing.quote}" if scale.is_crypto else listing.base,
            "status": "active",
            "tradable": trades,
            "marginable": False,
            "shortable": False,
            "easy_to_borrow": False,
            "borrow_status": "not_shortable",
            "fractionable": scale.is_crypto,
            "margin_requirement_long": "100",
            "margin_requirement_short": "100",
            "attributes": [],
        }
        if scale.is_crypto:
            shown["min_order_size"] = written(listing.lot * listing.min_lots)
            shown["min_trade_increment"] = written(listing.lot * listing.lot_step)
            shown["price_increment"] = written(listing.tick * listing.price_step)
        return shown


def _dated(query: Query, found: list[Activity]) -> list[Activity]:
    """Those of a day, or after and until a time."""
    after, until = query.time("after"), query.time("until")
    day = query.text("date")[:10]
    return [
        each
        for each in found
        if (after is None or each.at > after)
        and (until is None or each.at < until)
        and (not day or _new_york_day(each.at).isoformat() == day)
    ]


def _date(query: Query, name: str) -> date | None:
    given = query.text(name)[:10]
    if not given:
        return None
    try:
        found = date.fromisoformat(given)
    except ValueError:
        raise missing(f"invalid {name}") from None
    if not _FIRST_YEAR <= found.year <= _LAST_YEAR:
        raise missing(f"invalid {name}")
    return found


def _day(day: date) -> dict[str, object]:
    after = day + timedelta(days=3 if day.weekday() == 4 else 1)
    return {
        "date": day.isoformat(),
        "open": "09:30",
        "close": "16:00",
        "session_open": "0400",
        "session_close": "2000",
        "settlement_date": after.isoformat(),
    }


def _seconds(now: int) -> int:
    """Seconds of New York's clock since the epoch's midnight there."""
    return (now + new_york(now)) // SECOND


def _new_york_day(now: int) -> date:
    return datetime.fromtimestamp(_seconds(now), tz=UTC).date()


def _is_open(now: int) -> bool:
    return _new_york_day(now).weekday() < 5 and _OPENS <= _seconds(now) % _DAY < _CLOSES


def _next(now: int, at: int) -> int:
    """The next moment at which New York's clock shows this on a day of trading."""
    local = _seconds(now)
    midnight = local - local % _DAY
    while True:
        moment = midnight + at
        if moment > local and datetime.fromtimestamp(moment, tz=UTC).weekday() < 5:
            utc = moment * SECOND
            return utc - new_york(utc - new_york(utc))
        midnight += _DAY


def _local(at: int, *, with_fraction: bool = False) -> str:
    """RFC 3339 with New York's offset."""
    offset = new_york(at)
    text = timed(at + offset)[:-1]
    text = text if with_fraction else text[:19]
    return f"{text}-0{-offset // (3600 * SECOND)}:00"

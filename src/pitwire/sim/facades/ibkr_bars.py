"""Bars, over REST and over the socket (ibkr §6.2, §8.5).

House rules: there is no history before the venue began; a bar of any length is put together from
minutes, hours or days; volumes are shares.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

import msgspec

from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.sim.facades.binance_candles import DAY, HOUR, MINUTE, Bar, SymbolHistory
from pitwire.sim.facades.ibkr_contracts import Contract
from pitwire.sim.facades.ibkr_text import bad_request

_TEXT = re.compile(r"(\d{1,4})(S|secs?|mins?|h|hrs?|d|w|m|y)\Z", re.IGNORECASE)
_UNITS = {"min": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY, "m": 30 * DAY, "y": 365 * DAY}
_MOST = 1000
_DEFAULT_BARS = ((2 * HOUR, MINUTE), (DAY, 5 * MINUTE), (7 * DAY, HOUR))
"""A period up to the first gets bars of the second where none is named (unconfirmed)."""


def span(text: str, name: str) -> int:
    """A period or a bar in ns; raises 400."""
    found = _TEXT.match(text)
    if found is None:
        raise bad_request(f"{name} is not valid: {text}")
    unit = found[2].lower()
    if unit.startswith("s") or not int(found[1]):
        raise bad_request(f"{name} is not valid: {text}")
    if unit.startswith("min"):
        unit = "min"
    elif unit.startswith("h"):
        unit = "h"
    return int(found[1]) * _UNITS[unit]


def default_bar(period: int) -> int:
    """How long a bar is where none is named."""
    return next((bar for longest, bar in _DEFAULT_BARS if period <= longest), DAY)


def bars_of(history: SymbolHistory, period: int, bar: int, now: int) -> list[Bar]:
    """Bars of that length in the last period, oldest first; the newest a thousand."""
    name, unit = ("1m", MINUTE)
    if bar % DAY == 0:
        name, unit = "1d", DAY
    elif bar % HOUR == 0:
        name, unit = "1h", HOUR
    begin = (now - period) // bar * bar
    found = history.bars(name, start=begin, end=now, limit=1500, newest=True)
    if bar == unit:
        return found[-_MOST:]
    merged: list[Bar] = []
    for each in found:
        opened = each.opened // bar * bar
        if not merged or merged[-1].opened != opened:
            merged.append(msgspec.structs.replace(each, opened=opened))
        elif each.trades:
            last = merged[-1]
            if last.trades:
                last.merge(each)
            else:
                merged[-1] = msgspec.structs.replace(each, opened=opened)
    return merged[-_MOST:]


def history(found: Contract, kept: SymbolHistory, *, period_text: str, bar_text: str,
            server_id: str, now: int) -> dict[str, object]:  # fmt: skip
    """The answer: what is said of the whole, and its bars."""
    period = span(period_text or "1d", "period")
    bar = span(bar_text, "bar") if bar_text else default_bar(period)
    bars = bars_of(kept, period, bar, now)
    factor = round(1 / found.listing.tick)
    high = max(bars, key=lambda each: each.high, default=None)
    low = min(bars, key=lambda each: each.low, default=None)

    def extreme(of: Bar | None, ticks: int) -> str:
        if of is None:
            return ""
        minutes = (of.opened - bars[0].opened) // MINUTE
        return f"{ticks * found.listing.tick * factor:.0f}/{found.size(of.lots)}/{minutes}"

    start = datetime.fromtimestamp((bars[0].opened if bars else now) // SECOND, tz=UTC)
    return {
        "serverId": server_id,
        "symbol": found.ticker,
        "text": found.name,
        "priceFactor": factor,
        "startTime": f"{start:%Y%m%d-%H:%M:%S}",
        "high": extreme(high, high.high if high else 0),
        "low": extreme(low, low.low if low else 0),
        "timePeriod": period_text or "1d",
        "barLength": bar // SECOND,
        "mdAvailability": "S",
        "mktDataDelay": 0,
        "outsideRth": False,
        "volumeFactor": 1,
        "priceDisplayRule": 1,
        "priceDisplayValue": "2",
        "negativeCapable": False,
        "messageVersion": 2,
        "data": [_row(found, each) for each in bars],
        "points": len(bars),
    }


def _row(found: Contract, bar: Bar) -> dict[str, object]:
    tick = found.listing.tick
    return {
        "o": float(bar.first * tick),
        "c": float(bar.last * tick),
        "h": float(bar.high * tick),
        "l": float(bar.low * tick),
        "v": found.units(bar.lots),
        "t": bar.opened // MILLISECOND,
    }

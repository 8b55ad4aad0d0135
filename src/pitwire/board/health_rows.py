"""What the board shows of the connections and of the desk itself: once a second is enough.

House rules: percentiles are those of the last minute, not of the whole run; the histograms are
read, never kept from counting.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from pitwire.board.digits import MINUS, UNKNOWN, milliseconds, plainly
from pitwire.board.picture import Picture
from pitwire.desk.desk import Desk
from pitwire.desk.health import Histogram
from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.model.events import ClockOffset
from pitwire.session.skew import ALARM_SECONDS

WINDOW_SECONDS = 60
_SHARES = (0.5, 0.95, 0.99)
_SIGNED = plainly(1, signed=True)

_FOREIGN_MS = 3_600_000


class HealthRows:
    """Rates and lags of one desk over its last minute."""

    def __init__(self, desk: Desk, picture: Picture) -> None:
        self._desk, self._picture = desk, picture
        self._past: deque[tuple[int, int, Histogram]] = deque(maxlen=WINDOW_SECONDS + 1)
        self.per_second = 0.0
        """Events a second, over the last minute."""
        self.worst_lag = 0
        """p99 of the lag over the last minute, ns."""

    def steps(self, now: int, heard: int) -> Iterator[None]:
        """Make the rows anew, in slices; `heard` is when the newest market event came, ns."""
        events, lag = self._desk.health.lags()
        yield
        before = self._past[0] if self._past else (now, 0, Histogram())
        self._past.append((now, events, lag))
        recent = lag.since(before[2])
        yield
        elapsed = (now - before[0]) / SECOND
        self.per_second = (events - before[1]) / elapsed if elapsed > 0 else 0.0
        spread = [recent.percentile(share) for share in _SHARES] if recent.count else None
        yield
        self.worst_lag = spread[-1] if spread else 0
        if spread:
            milli = [round(value / MILLISECOND, 3) for value in spread]
            self._picture.tell("lags", [[milliseconds(now), *milli]])
        self._venue_row(now, heard, spread)
        self._link_rows()
        yield

    def _venue_row(self, now: int, heard: int, spread: list[int] | None) -> None:
        desk, counts = self._desk, self._desk.health.tally
        lines = desk.session.lines
        down = [line.name for line in lines if not line.stands]
        state = "live" if not down else "down" if len(down) == len(lines) else "part down"
        if state == "live" and desk.engine.state.stale:
            state = "stale"
        offset = desk.engine.state.offset
        self._picture.put(
            "venues",
            desk.session.venue.name,
            {
                "state": state,
                "rate": f"{self.per_second:,.0f}"
                if self.per_second >= 10
                else f"{self.per_second:.1f}",
                "heard": milliseconds(heard),
                "lag": [short_ms(value) for value in spread] if spread else [UNKNOWN] * 3,
                "gaps": counts("gaps") + counts("trade_gaps"),
                "reconnects": counts("reconnects"),
                "offset": UNKNOWN if offset is None else _SIGNED(offset.offset / MILLISECOND),
                "bound": UNKNOWN if offset is None else f"{offset.error / MILLISECOND:.1f}",
                "budget": [self._budget("weight", now), self._budget("orders", now)],
                "trouble": "; ".join(
                    f"{symbol} {channel}: {why}"
                    for symbol, channels in desk.engine.state.stale.items()
                    for channel, why in channels.items()
                )[:300],
            },
        )

    def _budget(self, scope: str, now: int) -> str:
        left = self._desk.session.budget(scope, now)
        return UNKNOWN if left is None else f"{left[0] / left[1]:.0%}"

    def _link_rows(self) -> None:
        self._picture.put_all(
            "links",
            {
                line.name: [
                    line.name,
                    "up" if line.stands else "down",
                    milliseconds(line.opened_at),
                    line.streams,
                    line.wins,
                    f"{line.behind_seconds * 1000:.1f}",
                ]
                for line in self._desk.session.lines
            },
        )


def desk_rows(desk: Desk, health: HealthRows) -> dict[str, Any]:
    """What is true of the whole desk."""
    screen, report = desk.engine.screen, desk.timings.report()
    kept = desk.restarted
    whole, answer = report.tick_to_order, report.answer
    return {
        "mode": desk.config.mode,
        "venue": desk.session.venue.name,
        "account": desk.config.account.name,
        "since": milliseconds(desk.health.started),
        "halted": screen.halted,
        "reducing": screen.reducing,
        "closing": {
            symbol: [f"{one.held:f}".replace("-", MINUS), one.state, one.why]
            for symbol, one in desk.switchboard.closing.items()
        },
        "armed": int(screen.armed),
        "rules": len(desk.engine.rules),
        "journal": desk.journal_failed,
        "watchdog": desk.watchdog,
        "state": "" if kept is None else str(kept.folder.path),
        "tick to order": _times(whole.count, whole.p50, whole.p99),
        "answer": _times(answer.count, answer.p50, answer.p99),
        "lag p99": short_ms(health.worst_lag),
        "limit": limit_ms(health.per_second),
        "skew": skew_text(desk.engine.state.offset),
    }


def skew_text(found: ClockOffset | None) -> str:
    """How far the venue's clock is from ours, where that is an alarm; else ""."""
    if found is None or abs(found.offset) <= ALARM_SECONDS * SECOND + found.error:
        return ""
    return f"the venue's clock is {_SIGNED(found.offset / MILLISECOND)} ms from ours"


def short_ms(duration: int) -> str:
    """ns as ms, in so many digits that a column of them stays narrow.

    An hour and more is no lag: the stamps are of another day, and the board says so.
    """
    milli = duration / MILLISECOND
    if milli >= _FOREIGN_MS:
        return UNKNOWN
    return f"{milli:.1f}" if milli < 100 else f"{milli:.0f}"


def _times(count: int, p50: int, p99: int) -> str:
    if not count:
        return UNKNOWN
    return f"{p50 / MILLISECOND:.2f} / {p99 / MILLISECOND:.2f} ms"


def limit_ms(per_second: float) -> int:
    """How old the newest event may be before nothing on the board is to be believed, ms.

    A dozen times the mean distance of events, from 3 s for a busy desk to a minute for a quiet one.
    """
    return round(min(60.0, max(3.0, 12 / per_second if per_second else 60.0)) * 1000)

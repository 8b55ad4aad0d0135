"""The human log: short sentences on the console, through stdlib logging, secrets masked.

The library itself only ever asks `logging` for a logger named `pitwire.…`; a host that has its own
handlers never calls `setup_console` and sees the same sentences in its own place.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.logging import RichHandler

from pitwire.desk.interactions import Said
from pitwire.desk.masking import Masker, MaskingFilter
from pitwire.model import events
from pitwire.model.clock import SECOND
from pitwire.model.numbers import plain
from pitwire.model.orders import (
    AmendOrder,
    CancelOrder,
    Command,
    OrderState,
    ReplaceOrder,
    UpdateKind,
)
from pitwire.trading import journal
from pitwire.trading.tracked import Change, Disagreement

ROOT = "pitwire"


def setup_console(
    level: str = "info", *, masker: Masker | None = None, console: Console | None = None
) -> logging.Handler:
    """Show `pitwire` loggers from `level` up on stderr; doing it again replaces what was there."""
    handler = _handler(console or Console(stderr=True))
    handler.set_name(_NAME)
    handler.addFilter(MaskingFilter(masker or Masker()))
    root = logging.getLogger(ROOT)
    for old in [each for each in root.handlers if each.name == _NAME]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    root.propagate = False
    return handler


def _handler(console: Console) -> logging.Handler:
    """Colours and columns for a terminal; whole lines for a file or a pipe."""
    if console.is_terminal:
        return RichHandler(
            console=console,
            show_path=False,
            markup=False,
            highlighter=None,
            log_time_format="%H:%M:%S",
        )
    handler = logging.StreamHandler(console.file)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S"))
    return handler


_NAME = "pitwire console"


class Narrator:
    """Tells records as sentences, to one logger a venue; an interaction log takes it as `told`.

    A venue tells an order's fate twice, in its answer and on the private stream. What changed by it
    is in the journal once, and that is what a person hears.
    """

    def __init__(self) -> None:
        self._loggers: dict[str, logging.Logger] = {}

    def __call__(self, record: object) -> None:
        known = weighed(record)
        if known is None:
            return
        level, sentence = known
        venue = getattr(record, "venue", "") or "desk"
        log = self._loggers.get(venue)
        if log is None:
            log = self._loggers[venue] = logging.getLogger(f"{ROOT}.{venue}")
        if log.isEnabledFor(level):
            log.log(level, "%s", sentence(record))


def weighed(record: object) -> tuple[int, Callable[[Any], str]] | None:
    """The level of a record and what makes its sentence; None where nobody should be bothered."""
    known = SENTENCES.get(type(record))
    if known is None:
        return None
    weigh = _WEIGHED.get(type(record))
    return known if weigh is None else (weigh(record), known[1])


def _weigh_lost(event: events.Lost) -> int:
    return logging.INFO if event.by_us or event.covered else logging.WARNING


def _weigh_stale(event: events.BookStale) -> int:
    # That of a lost connection goes without saying.
    return logging.WARNING if event.expected or event.found else logging.DEBUG


def _weigh_halt(record: journal.Halted) -> int:
    return logging.INFO if record.by == "desk" else logging.ERROR


_WORTH_A_WORD = (UpdateKind.AMENDED, UpdateKind.CANCEL_REJECTED)
"""What is news although the order's state is what it was."""
_TROUBLE = (OrderState.REJECTED, OrderState.UNKNOWN)


def _weigh_change(change: Change) -> int:
    if change.before is OrderState.NEW and change.after is OrderState.REJECTED:
        return logging.DEBUG  # dropped, and told as such
    if change.came == "fill":
        return logging.INFO
    if change.before is change.after:
        return logging.INFO if change.came in _WORTH_A_WORD else logging.DEBUG
    return logging.WARNING if change.after in _TROUBLE else logging.INFO


_Weigh = Callable[[Any], int]
_WEIGHED: Mapping[type, _Weigh] = {
    events.Lost: _weigh_lost,
    events.BookStale: _weigh_stale,
    journal.Halted: _weigh_halt,
    Change: _weigh_change,
}
"""Records whose level depends on what they say."""


def _lost(event: events.Lost) -> str:
    if event.by_us:
        return f"closed {event.link}"
    again = event.retry_after_seconds
    when = f"in {again:.1f} s" if again >= 0.05 else "at once"
    carried = ", its streams go on" if event.covered else ""
    return f"lost {event.link}{carried}: {event.reason}" + (f"; again {when}" if again else "")


def _short(number: Decimal | None) -> str:
    """Without the zeros that a venue pads with."""
    return "?" if number is None else plain(number.normalize())


def _change(change: Change) -> str:
    """A fill, a new state, or a refusal, in the fewest words."""
    state = change.after.value.replace("_", " ")
    so_far = f"{_short(change.filled)} of {_short(change.size)} {change.symbol}"
    if change.came == "fill":
        side = f"{change.side.value} " if change.side else ""
        sold = f"{side}{_short(change.fill)} {change.symbol} at {_short(change.price)}"
        end = "" if change.before is change.after else f"; {state}, {so_far}"
        return f"fill {change.order_id}: {sold}{end}"
    if change.before is change.after:
        state = change.came.replace("_", " ")
    what = f"order {change.order_id} {state}"
    if change.text or change.reason:
        return f"{what}: {change.text or change.reason}"
    if change.after is OrderState.UNKNOWN:
        return f"{what}: {change.came.replace('_', ' ')}"
    # That all is filled may be known before the last of the fills.
    is_ahead = change.after is OrderState.FILLED and change.filled != change.size
    return f"{what}: {so_far if change.filled and not is_ahead else change.symbol}"


def _command(command: Command) -> str:
    match command:
        case CancelOrder() | AmendOrder():
            verb = "cancel" if isinstance(command, CancelOrder) else "amend"
            return f"{verb} {command.order_id} {command.symbol}"
        case ReplaceOrder():
            return f"replace {command.order_id}: {_command(command.order)}"
    by_quote = command.size is None
    size = f"{_short(command.quote_size)} worth of" if by_quote else _short(command.size)
    price = f" at {_short(command.price)}" if command.price is not None else ""
    rule = f" ({command.rule})" if command.rule else ""
    words = f"{command.side.value} {size} {command.symbol} {command.type.value}{price}"
    return f"order {command.id}: {words}{rule}"


def _said(said: Said) -> str:
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in said.kind)
    return f"{words.strip()}: {', '.join(f'{k} {v}' for k, v in said.facts.items() if v)}"


def _behind(late: events.Behind) -> str:
    who = f"{late.channel} {late.symbol}".strip() or late.link
    return f"{who} is {late.seconds:.3f} s old" if late.seconds else f"{who} has caught up"


def _missing(gap: events.TradeGap) -> str:
    if gap.since:
        return f"of {(gap.venue_time - gap.since) / SECOND:.3f} s, ids unknown,"
    return f"{gap.first_missing} to {gap.last_missing}"


def _clock_alarm(alarm: events.ClockAlarm) -> str:
    if alarm.what == "wall":
        return f"the wall clock was moved by {alarm.seconds:+.3f} s; deadlines are not concerned"
    return f"the venue's clock is {alarm.seconds:+.3f} s from ours"


_Sentence = Callable[[Any], str]
SENTENCES: Mapping[type, tuple[int, _Sentence]] = {
    events.Opened: (
        logging.INFO,
        lambda e: f"connected ({e.link}{f', try {e.attempt}' if e.attempt > 1 else ''})",
    ),
    events.Authenticated: (logging.INFO, lambda e: f"logged on as {e.account} ({e.link})"),
    events.Subscribed: (logging.INFO, lambda e: f"subscribed to {e.channel} {e.symbol}".rstrip()),
    events.Unsubscribed: (logging.INFO, lambda e: f"left {e.channel} {e.symbol}".rstrip()),
    events.Rejected: (
        logging.WARNING,
        lambda e: f"refused {e.what}: {e.text}{f' ({e.code})' if e.code else ''}",
    ),
    events.Lost: (logging.WARNING, _lost),
    events.MarginCall: (
        logging.WARNING,
        lambda e: f"margin call: {e.symbol} {e.size:f} at a mark price of {e.mark_price:f}",
    ),
    events.Rolled: (
        logging.INFO,
        lambda e: f"{e.link} gave way to {e.successor}: {e.reason}",
    ),
    events.VenueShutdown: (logging.WARNING, lambda e: f"the venue will drop {e.link}"),
    events.BookStale: (logging.WARNING, lambda e: f"book {e.symbol} is stale: {e.reason}"),
    events.FeedStale: (
        logging.WARNING,
        lambda e: f"{e.channel} {e.symbol} stale ({e.why}) for {e.silent_seconds:.1f} s",
    ),
    events.FeedFresh: (logging.INFO, lambda e: f"{e.channel} {e.symbol} speaks"),
    events.TradeGap: (
        logging.WARNING,
        lambda e: f"{e.channel} {_missing(e)} of {e.symbol} never came",
    ),
    events.Malformed: (logging.WARNING, lambda e: f"malformed {e.channel} frame: {e.path}"),
    events.Unhandled: (logging.DEBUG, lambda e: f"unknown message: {e.channel}"),
    events.Lagging: (
        logging.WARNING,
        lambda e: f"{e.what} held everything up for {e.behind_seconds:.3f} s",
    ),
    events.CopyConflict: (
        logging.WARNING,
        lambda e: (
            f"{e.link} says {e.found} of {e.channel} {e.symbol} {e.number}, told was {e.told}"
        ),
    ),
    events.Behind: (logging.WARNING, _behind),
    events.ClockAlarm: (logging.WARNING, _clock_alarm),
    events.StreamDropped: (logging.WARNING, lambda e: f"{e.stream} dropped {e.count} events"),
    events.SpillFailed: (
        logging.WARNING,
        lambda e: f"{e.stream} cannot spill ({e.reason}): policy {e.policy} instead",
    ),
    events.Unanswered: (
        logging.WARNING,
        lambda e: (
            f"no answer to {e.what}{f' of {e.order_id}' if e.order_id else ''} "
            f"for {e.waited_seconds:.1f} s"
        ),
    ),
    Change: (logging.INFO, _change),
    Disagreement: (
        logging.WARNING,
        lambda r: f"{r.order_id or r.symbol} {r.what}: we had {r.ours}, the venue says {r.theirs}",
    ),
    Said: (logging.WARNING, _said),
    journal.Decided: (logging.INFO, lambda r: _command(r.command)),
    journal.Dropped: (logging.WARNING, lambda r: f"not sent: {_command(r.command)}: {r.why}"),
    journal.Refusal: (
        logging.WARNING,
        lambda r: f"refused {r.rule} {r.symbol}: {r.limit} is {r.value}, allowed {r.allowed}",
    ),
    journal.Alerted: (logging.WARNING, lambda r: f"{r.rule or 'alert'}: {r.text}"),
    journal.Benched: (logging.ERROR, lambda r: f"rule {r.rule} benched: {r.error}: {r.text}"),
    journal.Halted: (logging.ERROR, lambda r: f"trading halted by {r.by}: {r.reason}"),
    journal.Restricted: (logging.ERROR, lambda r: f"only reducing orders, by {r.by}: {r.reason}"),
    journal.Flattening: (logging.ERROR, lambda r: f"positions are being closed, asked by {r.by}"),
    journal.Resumed: (logging.INFO, lambda r: f"trading resumed by {r.by}"),
    journal.Disarmed: (logging.INFO, lambda r: f"watching only: {r.reason}"),
    journal.Asked: (logging.INFO, lambda r: f"{r.by} asked for a {r.do}"),
}
"""Type → level and sentence. What is not listed is not worth a person's attention."""

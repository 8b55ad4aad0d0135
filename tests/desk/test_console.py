"""The console: sentences for people, levels for machines, secrets for nobody."""

from __future__ import annotations

import enum
import io
import logging
import typing
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from rich.console import Console

from pitwire.desk.console import ROOT, SENTENCES, Narrator, setup_console
from pitwire.desk.interactions import Said
from pitwire.desk.masking import Masker
from pitwire.model import events
from pitwire.model.credentials import Credentials
from pitwire.model.orders import Command, OrderState, Side, UpdateKind
from pitwire.trading import journal
from pitwire.trading.tracked import Change, Disagreement, Origin


@pytest.fixture
def screen() -> Iterator[io.StringIO]:
    root = logging.getLogger(ROOT)
    before = (root.level, root.propagate, list(root.handlers))
    yield io.StringIO()
    root.setLevel(before[0])
    root.propagate = before[1]
    root.handlers[:] = before[2]


def show(screen: io.StringIO, level: str = "info", masker: Masker | None = None) -> None:
    setup_console(level, masker=masker, console=Console(file=screen, width=200))


def test_events_are_told_as_sentences(screen: io.StringIO) -> None:
    show(screen)
    tell = Narrator()
    tell(events.Opened("binance", "", 0, 1, "market-1", 3))
    tell(events.Lost("binance", "", 0, 1, "market-1", "1006", 0.5))
    tell(events.Quote("binance", "BTC-USDT", 0, 1, 1.0, 1.0, 2.0, 1.0))
    tell(events.Unhandled("binance", "", 0, 1, "new", "{}"))
    text = screen.getvalue()
    assert "INFO" in text
    assert "connected (market-1, try 3)" in text
    assert "WARNING" in text
    assert "lost market-1: 1006; again in 0.5 s" in text
    assert "unknown message" not in text
    assert len(text.splitlines()) == 2


def test_trades_that_are_missing_are_named_by_what_is_known_of_them(screen: io.StringIO) -> None:
    show(screen)
    tell = Narrator()
    tell(events.TradeGap("binance", "BTC-USDT", 0, 1, 3, 4))
    tell(events.TradeGap("binance", "BTC-USDT", 2 * 10**9, 1, 0, -1, "trades", 5 * 10**8))
    text = screen.getvalue()
    assert "trades 3 to 4 of BTC-USDT never came" in text
    assert "trades of 1.500 s, ids unknown, of BTC-USDT never came" in text


def change(came: str, before: OrderState, after: OrderState, **facts: Any) -> Change:
    told: dict[str, Any] = {
        "at": 1,
        "order_id": "id-1",
        "symbol": "BTC-USDT",
        "origin": Origin.OURS,
        "filled": Decimal(0),
        "size": Decimal("2.00"),
        "side": Side.SELL,
    }
    return Change(came=came, before=before, after=after, **(told | facts))


S = OrderState


@pytest.mark.parametrize(
    ("told", "level", "sentence"),
    [
        (change("accepted", S.SENT, S.OPEN), "INFO", "order id-1 open: BTC-USDT"),
        (
            change("rejected", S.SENT, S.REJECTED, text="no money"),
            "WARNING",
            "order id-1 rejected: no money",
        ),
        (
            change("fill", S.OPEN, S.PARTLY_FILLED, fill=Decimal("1.0"), filled=Decimal("1.0"),
                   price=Decimal("5.10")),
            "INFO",
            "fill id-1: sell 1 BTC-USDT at 5.1; partly filled, 1 of 2 BTC-USDT",
        ),
        (
            change("fill", S.FILLED, S.FILLED, fill=Decimal(1), filled=Decimal(2),
                   price=Decimal("5.10")),
            "INFO",
            "fill id-1: sell 1 BTC-USDT at 5.1",
        ),
        (
            change("filled", S.PARTLY_FILLED, S.FILLED, filled=Decimal(1)),
            "INFO",
            "order id-1 filled: BTC-USDT",
        ),
        (
            change("filled", S.OPEN, S.FILLED, filled=Decimal(2)),
            "INFO",
            "order id-1 filled: 2 of 2 BTC-USDT",
        ),
        (change("lost", S.SENT, S.UNKNOWN), "WARNING", "order id-1 unknown: lost"),
        (
            change("canceled", S.PARTLY_FILLED, S.CANCELED, filled=Decimal(1)),
            "INFO",
            "order id-1 canceled: 1 of 2 BTC-USDT",
        ),
        (
            change("cancel_rejected", S.OPEN, S.OPEN, text="Unknown order sent."),
            "INFO",
            "order id-1 cancel rejected: Unknown order sent.",
        ),
    ],
)  # fmt: skip
def test_what_becomes_of_an_order_reads_well(
    screen: io.StringIO, told: Change, level: str, sentence: str
) -> None:
    show(screen)
    Narrator()(told)
    [line] = screen.getvalue().splitlines()
    assert line.split(level)[1].strip() == sentence


def test_what_a_venue_says_twice_is_told_once(screen: io.StringIO) -> None:
    show(screen)
    tell = Narrator()
    places = ("binance", "BTC-USDT", 0, 1, "id-1", "77")
    tell(events.Update(*places, UpdateKind.ACCEPTED))
    tell(change("accepted", S.SENT, S.OPEN))
    tell(events.Update(*places, UpdateKind.ACCEPTED))
    tell(change("accepted", S.OPEN, S.OPEN))
    tell(change("dropped: not connected", S.NEW, S.REJECTED))  # told by the record of the drop
    [line] = screen.getvalue().splitlines()
    assert line.rstrip().endswith("order id-1 open: BTC-USDT")


def test_our_own_goodbye_is_no_warning(screen: io.StringIO) -> None:
    show(screen, "warning")
    tell = Narrator()
    tell(events.Lost("binance", "", 0, 1, "market-1", "closed by us", 0.0, by_us=True))
    tell(events.BookStale("binance", "BTC-USDT", 0, 1, "connection lost"))
    tell(journal.Halted(at=1, reason="the desk stops", by="desk"))
    assert screen.getvalue() == ""
    tell(events.Lost("binance", "", 0, 1, "market-1", "connection lost: code 1006", 0.0))
    tell(events.BookStale("binance", "BTC-USDT", 0, 1, "gap", 5, 7))
    tell(journal.Halted(at=1, reason="enough", by="person"))
    assert len(screen.getvalue().splitlines()) == 3


def test_a_connection_ends_in_plain_words(screen: io.StringIO) -> None:
    show(screen)
    tell = Narrator()
    tell(events.Lost("binance", "", 0, 1, "market-1", "closed by us", 0.0, by_us=True))
    tell(events.Lost("binance", "", 0, 1, "market-1", "1006", 0.02))
    tell(events.Lost("binance", "", 0, 1, "market-1", "1006", 4.0))
    said = [line.split("market-1")[1].strip() for line in screen.getvalue().splitlines()]
    assert said == ["", ": 1006; again at once", ": 1006; again in 4.0 s"]


def specimen(hint: Any) -> Any:
    """Some value of this type, made from required fields alone."""
    if options := typing.get_args(hint):
        return specimen(options[0])
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        fields = msgspec.structs.fields(hint)
        return hint(**{field.name: specimen(field.type) for field in fields if field.required})
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return next(iter(hint))
    return hint(1)


REFUSED = Said(1, "reconnect", "DialFailed", {"address": "ws://h", "cause": "no", "status": 0})


def test_a_dial_that_failed_reads_well(screen: io.StringIO) -> None:
    show(screen)
    Narrator()(REFUSED)
    assert "WARNING dial failed: address ws://h, cause no" in screen.getvalue()


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        (
            events.Unanswered("ibkr", "", 0, 1, "", "open_orders", 3.92),
            "no answer to open_orders for 3.9 s",
        ),
        (
            events.Unanswered("ibkr", "", 0, 1, "id-1", "status", 3.92),
            "no answer to status of id-1 for 3.9 s",
        ),
        (
            events.Rejected("ibkr", "", 0, 1, "orders", "account", 0, "never sent: no line"),
            "refused account: never sent: no line",
        ),
        (
            events.Rejected("ibkr", "", 0, 1, "orders", "warm", 429, "Too many requests"),
            "refused warm: Too many requests (429)",
        ),
        (
            Disagreement(
                at=1, order_id="id-1", symbol="AAPL-USD", what="existence", ours="open",
                theirs="missing",
            ),
            "id-1 existence: we had open, the venue says missing",
        ),
    ],
)  # fmt: skip
def test_trouble_is_told_in_the_fewest_words(
    screen: io.StringIO, told: object, sentence: str
) -> None:
    show(screen)
    Narrator()(told)
    [line] = screen.getvalue().splitlines()
    assert line.split("WARNING")[1].strip() == sentence


def test_every_sentence_can_be_told(screen: io.StringIO) -> None:
    show(screen, "debug")
    tell = Narrator()
    for kind in SENTENCES:
        tell(REFUSED if kind is Said else specimen(kind))
    for command in typing.get_args(Command):
        tell(journal.Decided(at=1, command=specimen(command)))
    assert len(screen.getvalue().splitlines()) == len(SENTENCES) + len(typing.get_args(Command))


def test_doing_it_again_replaces_and_masks(screen: io.StringIO) -> None:
    show(screen)
    show(screen, masker=Masker([Credentials("the-planted-key", "another-secret")]))
    logging.getLogger("pitwire.secrets").warning("key %s was refused", "the-planted-key")
    assert screen.getvalue().count("was refused") == 1
    assert "planted" not in screen.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_lines_are_whole_where_nobody_looks_at_them(screen: io.StringIO, terminal: bool) -> None:
    console = Console(file=screen, width=60, force_terminal=terminal)
    setup_console(console=console)
    setup_console(console=console)
    Narrator()(events.Lost("binance", "", 0, 1, "market-1", "a reason " * 10, 2.0))
    lines = screen.getvalue().splitlines()
    assert (len(lines) > 1) is terminal
    if not terminal:
        assert lines[0].endswith("again in 2.0 s")
        assert lines[0].split()[1] == "WARNING"

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
from pitwire.desk.masking import Masker
from pitwire.model import events
from pitwire.model.credentials import Credentials
from pitwire.model.orders import Command, Side, UpdateKind
from pitwire.trading import journal


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


def test_orders_and_fills_read_well(screen: io.StringIO) -> None:
    show(screen)
    tell = Narrator()
    places = ("binance", "BTC-USDT", 0, 1, "id-1", "77")
    tell(events.Update(*places, UpdateKind.ACCEPTED))
    tell(events.Update(*places, UpdateKind.REJECTED, text="no money"))
    tell(events.Update(*places, UpdateKind.FILLED, filled=Decimal(1), size=Decimal(2)))
    tell(
        events.Fill(
            *places, "9", Side.SELL, Decimal("5.0"), Decimal(1), Decimal(0), "BTC", maker=True
        )
    )
    text = screen.getvalue()
    assert "order id-1 accepted: BTC-USDT" in text
    assert "order id-1 rejected: no money" in text
    assert "order id-1 filled: 1 of 2 BTC-USDT" in text
    assert "fill id-1: sell 1 BTC-USDT at 5" in text


def test_what_a_venue_says_twice_is_told_once(screen: io.StringIO) -> None:
    show(screen)
    tell = Narrator()
    places = ("binance", "BTC-USDT", 0, 1, "id-1", "77")
    for _ in range(2):
        tell(events.Update(*places, UpdateKind.ACCEPTED, filled=Decimal("0E-8")))
        tell(events.Update(*places, UpdateKind.ACCEPTED))
        for trade in ("8", "9"):
            tell(
                events.Fill(
                    *places, trade, Side.BUY, Decimal("5.10"), Decimal("1.00"), Decimal(0), "BTC",
                    maker=True,
                )
            )  # fmt: skip
    lines = screen.getvalue().splitlines()
    assert [line.split("INFO")[1].strip() for line in lines] == [
        "order id-1 accepted: BTC-USDT",
        "fill id-1: buy 1 BTC-USDT at 5.1",
        "fill id-1: buy 1 BTC-USDT at 5.1",
    ]


def test_our_own_goodbye_is_no_warning(screen: io.StringIO) -> None:
    show(screen, "warning")
    tell = Narrator()
    tell(
        events.Lost("binance", "", 0, 1, "market-1", "connection lost: code 1000, clean True", 0.0)
    )
    tell(journal.Halted(at=1, reason="the desk stops", by="desk"))
    assert screen.getvalue() == ""
    tell(events.Lost("binance", "", 0, 1, "market-1", "connection lost: code 1006", 0.0))
    tell(journal.Halted(at=1, reason="enough", by="person"))
    assert len(screen.getvalue().splitlines()) == 2


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


def test_every_sentence_can_be_told(screen: io.StringIO) -> None:
    show(screen, "debug")
    tell = Narrator()
    for kind in SENTENCES:
        tell(specimen(kind))
    for command in typing.get_args(Command):
        tell(journal.Decided(at=1, command=specimen(command)))
    assert len(screen.getvalue().splitlines()) == len(SENTENCES) + len(typing.get_args(Command))


def test_doing_it_again_replaces_and_masks(screen: io.StringIO) -> None:
    show(screen)
    show(screen, masker=Masker([Credentials("the-planted-key", "another-secret")]))
    logging.getLogger("pitwire.secrets").warning("key %s was refused", "the-planted-key")
    assert screen.getvalue().count("was refused") == 1
    assert "planted" not in screen.getvalue()

"""The console: sentences for people, levels for machines, secrets for nobody."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from decimal import Decimal

import pytest
from rich.console import Console

from pitwire.desk.console import ROOT, SENTENCES, Narrator, setup_console
from pitwire.desk.masking import Masker
from pitwire.model import events
from pitwire.model.credentials import Credentials
from pitwire.model.orders import Side, UpdateKind


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
    assert "fill id-1: sell 1 BTC-USDT at 5.0" in text


def test_every_sentence_can_be_told(screen: io.StringIO) -> None:
    show(screen, "debug")
    values: dict[object, object] = {
        "str": "word", "int": 3, "float": 1.5, "bool": True,
        "UpdateKind": UpdateKind.CANCELED, "Side": Side.BUY, "Decimal": Decimal(1),
    }  # fmt: skip
    tell = Narrator()
    for kind in SENTENCES:
        required = [f for f in kind.__struct_fields__ if f in kind.__annotations__]
        needed = len(kind.__struct_fields__) - len(kind.__struct_defaults__)
        names = [name for name in kind.__struct_fields__[:needed] if name in required]
        tell(kind("binance", "S-T", 0, 1, *(values[kind.__annotations__[n]] for n in names)))
    assert len(screen.getvalue().splitlines()) == len(SENTENCES)


def test_doing_it_again_replaces_and_masks(screen: io.StringIO) -> None:
    show(screen)
    show(screen, masker=Masker([Credentials("the-planted-key", "another-secret")]))
    logging.getLogger("pitwire.secrets").warning("key %s was refused", "the-planted-key")
    assert screen.getvalue().count("was refused") == 1
    assert "planted" not in screen.getvalue()

"""Answers that the real gateway gave, recorded over REST, say what they say here too."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pitwire.model.events import Balance, OpenOrders, Update
from pitwire.model.orders import CancelOrder, OrderType, Side, UpdateKind
from pitwire.venues.codec import Further
from pitwire.venues.ibkr.codec import IbkrCodec
from pitwire.venues.ibkr.settings import Settings
from tests.venues.ibkr.talk import FINE, KEY, NOW, answer, frame, fresh, further, order, reply

ACCOUNT = "U1234567"
Bodies = Mapping[str, Any]


@pytest.fixture
def recorded(captures: Path) -> Bodies:
    """By the name of the recording."""
    with gzip.open(captures / "ibkr/client_portal_rest_bodies_a.jsonl.gz") as lines:
        exchanges = [json.loads(line) for line in lines]
    return {Path(one["file"]).stem: one["Response"]["Body"] for one in exchanges}


@pytest.fixture
def codec(recorded: Bodies) -> IbkrCodec:
    """Logged in by a tickle that was recorded; no body of `/iserver/accounts` was."""
    ours = fresh(settings=Settings(answers=("no-market-data",)))
    ours.decode(frame(message="waiting for session"), NOW)
    accounts = further(answer(ours, ours.login(KEY, NOW, 1), recorded["POST-tickle"]))
    selected = {"accounts": [ACCOUNT], "selectedAccount": ACCOUNT}
    [named] = answer(ours, accounts, selected)
    assert isinstance(named, Further)
    assert named.outgoing == b'{"session":"%b"}' % recorded["POST-tickle"]["session"].encode()
    assert reply(ours.decode(frame(topic="sts", args=FINE), NOW)).error is None
    return ours


def test_an_order_is_asked_about_and_taken_and_its_cancel_submitted(
    recorded: Bodies, codec: IbkrCodec
) -> None:
    asked = further(
        answer(codec, codec.place(order(), NOW, 2), recorded["POST-place-order-confirmation"])
    )
    assert asked.path.endswith("/reply/test-reply-id-001")
    assert json.loads(asked.body) == {"confirmed": True}
    placed = reply(answer(codec, asked, recorded["POST-reply-submitted"]))
    [told] = placed.events
    assert isinstance(told, Update)
    assert (told.update, told.venue_id) == (UpdateKind.ACCEPTED, "987654321")
    cancel = codec.cancel(CancelOrder(order_id="my-1", symbol="AAPL-USD"), NOW, 3)
    submitted = reply(answer(codec, cancel, recorded["DELETE-cancel-order"]))
    assert (submitted.error, submitted.events) == (None, ()), "that it is gone is told elsewhere"


def test_the_list_of_orders_has_one_that_is_filled(recorded: Bodies, codec: IbkrCodec) -> None:
    found = reply(answer(codec, codec.open_orders("", NOW, 4), recorded["GET-live-orders"]))
    listed, told = found.events
    assert isinstance(listed, OpenOrders)
    assert isinstance(told, Update)
    assert listed.order_ids == (), "none is open"
    assert (told.symbol, told.venue_id, told.update) == ("SPY-USD", "473740665", UpdateKind.FILLED)
    assert (told.side, told.type) == (Side.BUY, OrderType.MARKET)
    assert (told.filled, told.filled_quote) == (Decimal(1), Decimal("647.09"))


def test_no_trades_are_none(recorded: Bodies, codec: IbkrCodec) -> None:
    request = codec.fills_since("AAPL-USD", "", NOW, NOW, 5)
    found = reply(answer(codec, request, recorded["GET-trades-empty"]))
    assert (found.error, found.events) == (None, ())


def test_what_the_account_holds_is_its_stocks_and_its_cash(
    recorded: Bodies, codec: IbkrCodec
) -> None:
    request = codec.account(NOW, 6)
    for body in (
        recorded["GET-portfolio-subaccounts"],
        recorded["POST-portfolio-invalidate"],
        recorded["GET-portfolio-position-by-conid"],
    ):
        request = further(answer(codec, request, body))
    told = reply(answer(codec, request, recorded["GET-portfolio-ledger"]))
    held = {one.asset: one.free for one in told.events if isinstance(one, Balance)}
    [position] = recorded["GET-portfolio-position-by-conid"]
    assert held["SPY"] == Decimal(str(position["position"]))
    assert held["USD"] == Decimal(str(recorded["GET-portfolio-ledger"]["USD"]["cashbalance"]))


def test_a_contract_has_its_rules(recorded: Bodies, codec: IbkrCodec) -> None:
    body = json.dumps(recorded["GET-contract-info-and-rules"]).encode()
    [found] = codec.decode_instruments(body)
    assert (found.symbol, found.native, found.tick) == ("AAPL-USD", "265598", Decimal("0.01"))

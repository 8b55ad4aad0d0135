"""What a key may do, by the venue's own example and by what is not in it."""

from __future__ import annotations

from urllib.parse import parse_qs

import msgspec
import pytest

from pitwire.model.credentials import Credentials, Secret
from pitwire.model.errors import MalformedFrame
from pitwire.venues.binance.rights import ask_account, ask_rights, read_account, read_rights
from pitwire.venues.mbx.signing import signer_for
from pitwire.venues.venue import KeyRights

KEY = Credentials("k" * 64, Secret("s" * 64), kind="hmac")
EXAMPLE = {
    "ipRestrict": False, "createTime": 1623840271000, "enableReading": True,
    "enableWithdrawals": False, "enableInternalTransfer": True, "enableMargin": False,
    "enableFutures": False, "permitsUniversalTransfer": True, "enableVanillaOptions": False,
    "enableFixApiTrade": False, "enableFixReadOnly": True, "enableSpotAndMarginTrading": True,
    "enablePortfolioMarginTrading": True,
}  # fmt: skip
"""Wallet API, "Get API Key Permission", read 2026-11-29; the trading right set."""


@pytest.mark.parametrize("may_trade", [True, False])
@pytest.mark.parametrize("may_withdraw", [True, False])
def test_both_rights_are_read(may_trade: bool, may_withdraw: bool) -> None:
    told = EXAMPLE | {
        "enableWithdrawals": may_withdraw,
        "enableSpotAndMarginTrading": may_trade,
    }
    found = read_rights(msgspec.json.encode(told))
    assert found == KeyRights(may_trade=may_trade, may_withdraw=may_withdraw)


def test_what_is_not_said_is_taken_at_its_worst() -> None:
    assert read_rights(b"{}") == KeyRights(may_trade=False, may_withdraw=True)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"enableWithdrawals": "no"}', b"\xff"])
def test_what_is_no_answer_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedFrame):
        read_rights(body)


def test_the_question_is_signed_as_it_is_sent() -> None:
    request = ask_rights(KEY, 1_700_000_000_123_456_789)
    plain, _, signature = request.query.partition("&signature=")
    assert parse_qs(plain)["timestamp"] == ["1700000000123"]
    assert signature == signer_for(KEY).sign(plain.encode())
    assert request.headers == {"X-MBX-APIKEY": KEY.key}
    assert (request.method, request.weight) == ("GET", 1)


def test_whose_key_it_is_by_the_venues_example() -> None:
    """binance §5.13."""
    told = {
        "canTrade": True, "accountType": "SPOT", "permissions": ["SPOT"], "uid": 354937868,
        "balances": [{"asset": "BTC", "free": "1.34471120", "locked": "0.08600000"}],
    }  # fmt: skip
    assert read_account(msgspec.json.encode(told)) == "354937868"
    assert read_account(b"{}") == ""


@pytest.mark.parametrize("body", [b"", b"[]", b'{"uid": "354937868"}', b'{"uid": null}'])
def test_an_account_that_cannot_be_read_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedFrame):
        read_account(body)


def test_the_question_of_the_account_is_signed_as_it_is_sent() -> None:
    request = ask_account(KEY, 1_700_000_000_123_456_789)
    plain, _, signature = request.query.partition("&signature=")
    assert parse_qs(plain)["timestamp"] == ["1700000000123"]
    assert parse_qs(plain)["omitZeroBalances"] == ["true"]
    assert signature == signer_for(KEY).sign(plain.encode())
    assert (request.method, request.path, request.weight) == ("GET", "/api/v3/account", 20)

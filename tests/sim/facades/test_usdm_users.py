"""The futures' user events: what is told of an account, and the switches of what is not known."""

from __future__ import annotations

from typing import Any

import pytest

from pitwire.sim.facades.usdm_options import UsdmOptions
from tests.sim.futures_client import FuturesClient, futures_world


def pair(**options: Any) -> tuple[FuturesClient, FuturesClient]:
    world = futures_world(options=UsdmOptions(**options))
    return FuturesClient(world), FuturesClient(world, account="other")


@pytest.mark.parametrize("word", ["CALCULATED", "TRADE"])
def test_the_fills_of_a_forced_close_are_calculated(word: Any) -> None:
    accounts = {"main": {"USDT": 1000}, "other": {"USDT": 10_000_000}}
    world = futures_world(accounts=accounts, options=UsdmOptions(forced_fills=word))
    main, other = FuturesClient(world), FuturesClient(world, account="other")
    other.limit("SELL", "60000.00", "0.300")
    main.limit("BUY", "60000.00", "0.300", newClientOrderId="autoclose-not-really")
    ear = main.listen()
    own = {"selfTradePreventionMode": "NONE"}
    for price in ("57500.00", "56800.00"):
        other.limit("BUY", price, "1.000")
        other.limit("SELL", price, "0.001", **own)
        other.limit("SELL", str(float(price) + 100), "1.000")
        world.advance(70)  # the mark price follows within a minute
        other.done("DELETE", "/v1/allOpenOrders", symbol="BTCUSDT")
        if price == "56800.00":
            other.limit("BUY", price, "1.000")
            world.advance(5)
    told = [each["o"] for each in ear.take() if each["e"] == "ORDER_TRADE_UPDATE"]
    forced = [each for each in told if each["c"].startswith("autoclose-")]
    assert forced[-1]["x"] == word
    assert forced[-1]["z"] == "0.300"
    assert {each["x"] for each in forced} <= {"NEW", word, "EXPIRED"}


def test_a_name_alone_makes_no_forced_close() -> None:
    main, other = pair()
    ear = main.listen()
    other.limit("SELL", "60000.00", "0.010")
    main.limit("BUY", "60000.00", "0.010", newClientOrderId="autoclose-not-really")
    told = [each["o"]["x"] for each in ear.take() if each["e"] == "ORDER_TRADE_UPDATE"]
    assert told == ["NEW", "TRADE"]


@pytest.mark.parametrize(("way", "there"), [("zero", True), ("omit", False)])
def test_no_commission_is_told_as_zero_or_not_at_all(way: Any, there: bool) -> None:
    main, other = pair(no_commission=way)
    ear = main.listen()
    other.limit("SELL", "60000.00", "0.010")
    main.limit("BUY", "60000.00", "0.010")
    new, fill = (each["o"] for each in ear.take() if each["e"] == "ORDER_TRADE_UPDATE")
    assert ("n" in new, "N" in new) == (there, there)
    assert (fill["n"], fill["N"]) == ("0.30000000", "USDT")


@pytest.mark.parametrize("text", ["", "SOMETHING"])
def test_the_field_of_which_nothing_is_known_is_a_switch(text: str) -> None:
    main, other = pair(account_update_s=text)
    ear = main.listen()
    other.limit("SELL", "60000.00", "0.010")
    main.market("BUY", "0.010")
    (told,) = (each["a"] for each in ear.take() if each["e"] == "ACCOUNT_UPDATE")
    assert told.get("S", "") == text


@pytest.mark.parametrize(("hedged", "sides"), [("false", ["BOTH"]), ("true", ["LONG", "SHORT"])])
def test_another_margin_type_is_told_with_no_money(hedged: str, sides: list[str]) -> None:
    main, _ = pair()
    main.signed("POST", "/v1/positionSide/dual", dualSidePosition=hedged)
    ear = main.listen()
    main.done("POST", "/v1/marginType", symbol="BTCUSDT", marginType="ISOLATED")
    (told,) = ear.take()
    assert (told["e"], told["a"]["m"], told["a"]["B"]) == (
        "ACCOUNT_UPDATE",
        "MARGIN_TYPE_CHANGE",
        [],
    )
    assert [(row["ps"], row["mt"], row["pa"]) for row in told["a"]["P"]] == [
        (side, "isolated", "0") for side in sides
    ]


def test_multi_assets_mode_is_told_and_asked_for() -> None:
    main, _ = pair()
    path = "/v1/multiAssetsMargin"
    ear = main.listen()
    assert main.done("GET", path) == {"multiAssetsMargin": False}
    assert main.done("POST", path, multiAssetsMargin="true") == {"code": 200, "msg": "success"}
    (told,) = ear.take()
    assert (told["e"], told["ai"]) == ("ACCOUNT_CONFIG_UPDATE", {"j": True})
    assert "ac" not in told
    assert main.done("GET", path) == {"multiAssetsMargin": True}
    assert main.done("GET", "/v2/account")["multiAssetsMargin"] is True
    assert main.refused("POST", path, multiAssetsMargin="true")[0] == -4171
    isolated = {"symbol": "BTCUSDT", "marginType": "ISOLATED"}
    assert main.refused("POST", "/v1/marginType", **isolated)[0] == -4168
    main.limit("BUY", "59000.00", "0.010")
    assert main.refused("POST", path, multiAssetsMargin="false")[0] == -4170
    main.done("DELETE", "/v1/allOpenOrders", symbol="BTCUSDT")
    main.done("POST", path, multiAssetsMargin="false")
    main.done("POST", "/v1/marginType", **isolated)
    assert main.refused("POST", path, multiAssetsMargin="true")[0] == -4167
    assert main.refused("POST", path)[0] == -1102

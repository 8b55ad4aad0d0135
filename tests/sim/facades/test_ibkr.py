"""What befalls a gateway by a fault script, and a gateway in a lively world."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from pitwire.sim.facades.ibkr import gateway
from pitwire.sim.facades.ibkr_options import IbkrOptions
from pitwire.sim.faults import (
    ChangeRules,
    DailyReset,
    EndLogin,
    FarmNotice,
    Fault,
    LoginElsewhere,
    LoseAck,
    LoseLine,
    RevokeKeys,
    ending,
)
from pitwire.sim.kit import kit
from pitwire.sim.shares import SHARE_STAKES, SHARES
from pitwire.sim.world import World
from tests.sim.ibkr_client import AAPL, ACCOUNT, UNPACED, Gateway, quiet_gateway

FIELDS = f'smd+{AAPL}+{{"fields":["31","84","86"]}}'


def told(*faults: Fault, seconds: float) -> list[dict[str, Any]]:
    """What a socket that hears AAPL is told of by the faults, but for heartbeats."""
    venue = Gateway(quiet_gateway(faults=faults))
    phone = venue.socket()
    phone.say(FIELDS)
    phone.take()
    venue.world.advance(seconds)
    return [each for each in phone.take() if "hb" not in each]


@pytest.mark.parametrize("data_kept", [True, False])
def test_a_line_is_lost_and_restored(data_kept: bool) -> None:
    lost, notice, back, restored = told(
        LoseLine(at_seconds=1, for_seconds=5, data_kept=data_kept), seconds=10
    )
    assert (lost["args"], back["args"]) == ({"connected": False}, {"connected": True})
    assert (notice["code"], restored["code"]) == (1100, 1102 if data_kept else 1101)


@pytest.mark.parametrize(("where", "topic"), [("status", "sts"), ("notice", "error")])
def test_a_lost_line_may_be_told_in_one_place_alone(where: Any, topic: str) -> None:
    frames = told(LoseLine(at_seconds=1, for_seconds=5, data_kept=True, told=where), seconds=10)
    assert [each["topic"] for each in frames] == [topic, topic]


@pytest.mark.parametrize(("code", "well"), [(2103, 2104), (2105, 2106), (2107, 2106), (2108, 2104)])
def test_farms_are_told_of(code: int, well: int) -> None:
    notices = told(FarmNotice(at_seconds=1, code=code, for_seconds=2, farm="f"), seconds=5)
    assert [each["code"] for each in notices] == [code, well]
    assert all(each["error"].endswith("f") for each in notices)


def test_another_login_and_its_end() -> None:
    taken, left = told(LoginElsewhere(at_seconds=1, for_seconds=5), seconds=10)
    assert taken["args"] == {"authenticated": False, "established": False, "competing": True}
    assert left["args"] == {"competing": False}


def test_a_reset_and_the_end_of_a_login() -> None:
    venue = Gateway(
        quiet_gateway(faults=(DailyReset(at_seconds=1), EndLogin(at_seconds=60, for_seconds=30)))
    )
    venue.world.advance(1)
    ask = {"publish": True, "compete": True}
    assert not venue.post("/iserver/auth/ssodh/init", ask)["authenticated"]
    venue.world.advance(30)
    assert venue.post("/iserver/auth/ssodh/init", ask)["authenticated"]
    venue.world.advance(29)
    venue.post("/tickle", status=401)
    venue.world.advance(30)
    assert venue.post("/tickle")["iserver"]["authStatus"]["authenticated"]


@pytest.mark.parametrize("name", ["V17", "V18", "V19"])
def test_the_kit_has_what_a_broker_does(name: str) -> None:
    faults = kit()[name].sim
    assert faults
    venue = Gateway(quiet_gateway(faults=faults))
    order = {"conid": AAPL, "orderType": "LMT", "side": "BUY", "price": 189, "quantity": 1}
    for _ in range(int(max(map(ending, faults))) + 60):
        venue.world.advance(1)
        venue.post("/tickle")
        venue.post("/iserver/auth/ssodh/init", {"publish": True, "compete": True})
        venue.http("GET", "/iserver/accounts")
        venue.http("GET", "/iserver/account/orders")
        venue.http("POST", f"/iserver/account/{ACCOUNT}/orders", {"orders": [order]})
    happened = {type(fault) for _, fault in venue.world.plan.happened}
    assert happened >= {type(fault) for fault in faults if not isinstance(fault, LoseAck)}


def test_an_operator_tells_everybody_something() -> None:
    venue = Gateway(quiet_gateway())
    phone = venue.socket()
    phone.take()
    venue.facade.announce("Exchange is closing early.")
    venue.facade.announce("Your order needs you.", title="Order", topic="ntf")
    venue.world.act()
    bulletin, notice = phone.take()
    assert (bulletin["topic"], bulletin["args"]["message"]) == ("blt", "Exchange is closing early.")
    assert list(notice["args"]) == ["id", "text", "title", "url"]


def test_keys_that_are_revoked_end_the_login() -> None:
    venue = Gateway(quiet_gateway(faults=(RevokeKeys(at_seconds=5),)))
    venue.world.advance(5)
    venue.post("/tickle", status=401)


def test_a_reset_may_close_sockets() -> None:
    options = IbkrOptions(is_paced=False, reset_closes_sockets=True)
    venue = Gateway(quiet_gateway(options, faults=(DailyReset(at_seconds=5),)))
    phone = venue.socket()
    venue.world.advance(4)
    assert phone.lost is None
    venue.world.advance(1)
    assert phone.lost is not None


def test_rules_that_change_are_told() -> None:
    fault = ChangeRules(at_seconds=5, symbol="AAPL-USD", tick=Decimal("0.05"))
    venue = Gateway(quiet_gateway(faults=(fault,))).ready()
    venue.world.advance(5)
    rules = venue.post("/iserver/contract/rules", {"conid": AAPL, "isBuy": True})
    assert rules["increment"] == 0.05
    assert "minimum price variation" in venue.submit(price=189.01)["error"]
    assert "order_id" in venue.submit(price=189.05)[0]


def test_faults_are_injected_while_it_runs() -> None:
    venue = Gateway(quiet_gateway())
    venue.world.advance(5)
    venue.world.plan.inject((LoginElsewhere(),), venue.world.clock.now())
    venue.world.advance(1)
    assert venue.post("/iserver/auth/status")["competing"]


def test_the_same_seed_says_the_same() -> None:
    def frames(seed: int) -> list[bytes]:
        world = World(seed=seed, listings=SHARES, accounts={"main": SHARE_STAKES},
                      facade=gateway(options=UNPACED))  # fmt: skip
        phone = Gateway(world).socket()
        phone.say(FIELDS)
        world.advance(30)
        return phone.raw

    assert frames(1) == frames(1)
    assert frames(1) != frames(2)
    assert len(frames(1)) > 20


def test_a_lively_market_is_heard_twice_a_second_at_most() -> None:
    world = World(listings=SHARES, accounts={"main": SHARE_STAKES},
                  facade=gateway(options=IbkrOptions(is_paced=False)))  # fmt: skip
    phone = Gateway(world).socket()
    phone.say(FIELDS)
    times = [each["_updated"] for each in phone.hear(60, "smd")]
    assert len(times) > 60
    assert min(b - a for a, b in pairwise(times)) >= 500

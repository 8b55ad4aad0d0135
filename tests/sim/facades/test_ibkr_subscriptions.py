"""Market data over the gateway's socket: full and then deltas, conflated, until they end."""

from __future__ import annotations

from typing import Any

import pytest

from pitwire.model.orders import Side
from pitwire.sim.facades.ibkr_options import IbkrOptions
from pitwire.sim.facts import Tif
from tests.sim.ibkr_client import AAPL, ACCOUNT, IBM, SHEET, Gateway, Phone, quiet_gateway, shape

FIELDS = 'smd+{0}+{{"fields":["84","31","86","85","88","7059"]}}'


def meet(**options: Any) -> Gateway:
    return Gateway(quiet_gateway(IbkrOptions(**{"is_paced": False} | options)))


def quoted(venue: Gateway) -> None:
    """A market in which somebody has traded: 189.90 × 200 bid, 190.10 × 500 asked."""
    venue.rival(Side.BUY, lots=200, price=18_990)
    venue.rival(Side.SELL, lots=500, price=19_010)


def phone_of(venue: Gateway) -> Phone:
    phone = venue.socket()
    phone.take()
    return phone


def test_the_first_frame_is_full_and_the_next_say_what_changed() -> None:
    venue = meet()
    quoted(venue)
    venue.rival(Side.BUY, lots=100, price=19_010, tif=Tif.IOC)
    phone = phone_of(venue)
    (full,) = phone.say(FIELDS.format(AAPL))
    assert shape(full) == shape(SHEET["smd_full"])
    assert full["topic"] == f"smd+{AAPL}"
    wanted = {"84": "189.90", "88": "200", "86": "190.10", "85": "400", "31": "190.10",
              "7059": "100", "6509": "RpB"}  # fmt: skip
    assert {name: full[name] for name in wanted} == wanted
    venue.rival(Side.BUY, lots=300, price=18_995)
    assert phone.hear(0.49) == []
    (delta,) = phone.hear(0.01)
    assert shape(delta) == shape(SHEET["smd_delta"])
    assert (delta["84"], delta["88"]) == ("189.95", "300")
    assert phone.hear(5, "smd") == []


def test_what_changes_within_half_a_second_is_one_frame() -> None:
    venue = meet()
    quoted(venue)
    phone = phone_of(venue)
    phone.say(FIELDS.format(AAPL))
    for number in range(1, 41):
        venue.rival(Side.BUY, lots=number, price=18_990 + number // 10)
        venue.world.advance(0.05)
    frames = [each for each in phone.take() if each["topic"].startswith("smd")]
    assert len(frames) == 4
    assert frames[-1]["84"] == "189.94"


def test_another_contract_is_not_heard() -> None:
    venue = meet()
    phone = phone_of(venue)
    phone.say(FIELDS.format(IBM))
    quoted(venue)
    assert phone.hear(2, "smd") == []


def test_before_the_first_trade_the_last_price_is_the_close() -> None:
    (full,) = phone_of(meet()).say(FIELDS.format(AAPL))
    assert full["31"] == "C190.00"
    assert "84" not in full


def test_halted_is_told() -> None:
    venue = meet()
    venue.world.exchange.set_status("AAPL-USD", "HALT", venue.world.clock.now())
    assert phone_of(venue).say(FIELDS.format(AAPL))[0]["31"] == "H190.00"


def test_it_ends_after_a_quarter_of_an_hour_unless_sent_again() -> None:
    venue = meet(silent_seconds=0, idle_seconds=1e6)
    phone = phone_of(venue)
    phone.say(FIELDS.format(AAPL))
    phone.say(FIELDS.format(IBM))
    venue.world.advance(540)
    phone.say(FIELDS.format(IBM))
    venue.world.advance(360)
    phone.take()
    for symbol in ("AAPL-USD", "IBM-USD"):
        venue.rival(Side.BUY, lots=1, price=15_000, symbol=symbol)
    assert [each["conid"] for each in phone.hear(2, "smd")] == [IBM]
    assert phone.say(FIELDS.format(AAPL))[0]["84"] == "150.00"


def test_more_fields_are_added() -> None:
    venue = meet(again_is_full=False)
    quoted(venue)
    phone = phone_of(venue)
    phone.say(f'smd+{AAPL}+{{"fields":["84"]}}')
    assert phone.say(f'smd+{AAPL}+{{"fields":["84"]}}') == []
    (full,) = phone.say(f'smd+{AAPL}+{{"fields":["86","55","7051"]}}')
    assert (full["84"], full["86"], full["55"]) == ("189.90", "190.10", "AAPL")


def test_umd_stops_without_a_word() -> None:
    venue = meet()
    phone = phone_of(venue)
    phone.say(FIELDS.format(AAPL))
    assert phone.say(f"umd+{AAPL}+{{}}") == []
    quoted(venue)
    assert phone.hear(2, "smd") == []


def test_lines_are_counted() -> None:
    phone = phone_of(meet(market_data_lines=1))
    assert phone.say(FIELDS.format(AAPL))[0]["conid"] == AAPL
    assert phone.say(FIELDS.format(IBM))[0]["topic"] == "error"
    phone.say(f"umd+{AAPL}")
    assert phone.say(FIELDS.format(IBM))[0]["conid"] == IBM


def test_without_permission_there_are_no_prices() -> None:
    venue = meet(no_permission=("AAPL",))
    quoted(venue)
    (full,) = phone_of(venue).say(FIELDS.format(AAPL))
    assert full["6509"] == "N"
    assert "84" not in full


def test_without_a_brokerage_session_nothing_is_heard() -> None:
    venue = meet()
    phone = phone_of(venue)
    phone.say(FIELDS.format(AAPL))
    venue.facade.session.rival(venue.world.clock.now(), None)
    venue.world.act()
    quoted(venue)
    assert phone.hear(2, "smd") == []
    assert phone.say(FIELDS.format(AAPL)) == [{"topic": "error", "error": "no bridge"}]
    venue.post("/iserver/auth/ssodh/init", {"publish": True, "compete": True})
    assert phone.hear(2, "smd") == []
    assert phone.say(FIELDS.format(AAPL))[0]["84"] == "189.90"


@pytest.mark.parametrize("data_kept", [True, False])
def test_a_line_that_is_lost_comes_back_with_what_was_heard_or_without(data_kept: bool) -> None:
    venue = meet()
    phone = phone_of(venue)
    phone.say(FIELDS.format(AAPL))
    venue.facade.line.lose(venue.world.clock.now())
    quoted(venue)
    assert [each["topic"] for each in phone.hear(2)] == ["sts", "error"]
    venue.facade.line.restore(venue.world.clock.now(), data_kept=data_kept)
    venue.world.act()
    sts, notice, *more = phone.hear(2)
    assert sts == {"topic": "sts", "args": {"connected": True}}
    assert notice["code"] == (1102 if data_kept else 1101)
    assert bool(more) == data_kept
    assert phone.say(FIELDS.format(AAPL))[0]["84"] == "189.90"


@pytest.mark.parametrize(("topic", "named"), [("ntf", "id"), ("blt", "id"), ("none", "")])
def test_notices_come_where_they_are_wanted(topic: Any, named: str) -> None:
    venue = meet(notice_topic=topic)
    phone = phone_of(venue)
    venue.facade.line.farm(2103, "usfarm", venue.world.clock.now())
    venue.world.act()
    told = phone.take()
    assert [each["args"][named] for each in told] == (["2103"] if named else [])


def test_a_broken_farm_stops_quotes_until_it_is_well() -> None:
    venue = meet()
    phone = phone_of(venue)
    phone.say(FIELDS.format(AAPL))
    venue.facade.line.farm(2103, "usfarm", venue.world.clock.now())
    quoted(venue)
    assert [each["code"] for each in phone.hear(2)] == [2103]
    venue.facade.line.farm(2104, "usfarm", venue.world.clock.now())
    venue.world.act()
    assert [each["topic"] for each in phone.hear(2)] == ["error", f"smd+{AAPL}"]


def test_depth_is_a_ladder_in_one_column() -> None:
    venue = meet()
    quoted(venue)
    venue.rival(Side.BUY, lots=5, price=19_010, tif=Tif.IOC)
    phone = phone_of(venue)
    (frame,) = phone.say(f"sbd+{ACCOUNT}+{AAPL}")
    assert frame == {
        "topic": f"sbd+{ACCOUNT}+{AAPL}",
        "data": [
            {"row": 0, "focus": 1, "price": "5 @ 190.10", "ask": "495"},
            {"row": 1, "focus": 0, "price": "189.90", "bid": "200"},
        ],
    }
    assert all(
        set(row) <= {"row", "focus", "price", "ask", "bid"} for row in SHEET["depth"]["data"]
    )
    venue.rival(Side.BUY, lots=7, price=18_990)
    (frame,) = phone.hear(0.5)
    assert frame["data"] == [{"row": 1, "focus": 0, "price": "189.90", "bid": "207"}]
    phone.say(f"ubd+{ACCOUNT}")
    venue.rival(Side.BUY, lots=7, price=18_990)
    assert phone.hear(2, "sbd") == []


def test_bars_come_once_and_are_stopped_by_their_number() -> None:
    venue = meet()
    quoted(venue)
    venue.rival(Side.BUY, lots=100, price=19_010, tif=Tif.IOC)
    phone = phone_of(venue)
    (frame,) = phone.say(f'smh+{AAPL}+{{"period":"2h","bar":"5min","outside_rth":false}}')
    assert shape(frame) == shape(SHEET["history"])
    assert frame["data"][-1]["v"] == 100
    for _ in range(4):
        phone.say(f'smh+{AAPL}+{{"period":"1d"}}')
    assert phone.say(f'smh+{AAPL}+{{"period":"1d"}}')[0]["topic"] == "error"
    number = frame["serverId"]
    assert phone.say(f"umh+{number}") == [{"message": f"Unsubscribed {number}"}]
    assert phone.say(f"umh+{number}")[0]["topic"] == "error"

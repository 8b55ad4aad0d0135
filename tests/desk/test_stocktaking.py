"""Our count beside the venue's: what is asked, when, and what is made of a difference."""

from __future__ import annotations

from decimal import Decimal

import pytest

from pitwire.desk.health import OrdersHealth
from pitwire.desk.stocktaking import Stocktaking, weight_a_minute
from pitwire.model import events as ev
from pitwire.model.clock import SECOND
from pitwire.model.orders import UpdateKind
from pitwire.trading.journal import Differed
from pitwire.venues.registry import find_venue
from pitwire.venues.venue import Weights
from tests.trading.making import BTC, ETH, T0, Desk, at, balance, fill, order, unanswered, update

D = Decimal


class Outlet:
    """Writes down what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.room = 1_000_000
        self.asks_fills = self.asks_account = False

    def has_room(self, weight: int, now: int) -> bool:
        if weight > self.room:
            return False
        self.room -= weight
        return True

    def ask_fills_since(self, symbol: str, trade_id: str, since: int, now: int) -> None:
        self.asked.append(("fills", symbol, trade_id))

    def ask_open_orders(self, symbol: str, now: int) -> None:
        self.asked.append(("open orders", symbol))

    def ask_account(self, now: int) -> None:
        self.asked.append(("account",))

    def take(self) -> list[tuple[str, ...]]:
        taken, self.asked = self.asked, []
        return taken


class Office:
    """A desk with its count, and nobody else."""

    def __init__(self, *, every: float = 0.0, limit: int = 0) -> None:
        self.desk, self.outlet = Desk(), Outlet()
        self.stock = Stocktaking(
            self.outlet,
            self.desk.engine,
            every_seconds=every,
            weights=Weights(open_orders=80, account=20, fills=20),
            limit_a_minute=limit,
        )

    def hear(self, *events: ev.Event) -> None:
        for event in events:
            self.desk.engine.apply(event)

    def run(self, since: float, until: float) -> None:
        """Look ten times a second."""
        for tenth in range(round(since * 10), round(until * 10)):
            self.stock.tend(at(tenth / 10))

    def named(self) -> list[tuple[str, str, Decimal, Decimal]]:
        return [(one.what, one.name, one.ours, one.theirs) for one in self.desk.of(Differed)]


def test_a_round_asks_for_open_orders_balances_and_fills_since_the_last_known() -> None:
    office = Office()
    office.hear(balance("BTC", 10), fill("web", 1, trade_id="41", venue_id="7"))
    office.desk.state.ledger.take_disagreements()
    fresh = Stocktaking(office.outlet, office.desk.engine)
    fresh.take(at(1))
    fresh.tend(at(1))
    asked = office.outlet.take()
    assert asked[:2] == [("open orders", ""), ("account",)]
    assert sorted(asked[2:]) == [("fills", BTC, "41"), ("fills", ETH, "")]


def test_where_nothing_traded_yet_fills_are_asked_for_since_the_count_began() -> None:
    office = Office()
    assert office.desk.state.portfolio.counted_from == 0
    office.stock.take(at(0))
    office.stock.tend(at(0))
    assert office.outlet.take() == [("open orders", ""), ("account",)], "there is no beginning yet"
    office.hear(balance("BTC", 10, seconds=1))
    assert office.desk.state.portfolio.counted_from == at(1)
    office.stock.take(at(2))
    office.stock.tend(at(2))
    assert set(office.outlet.take()[2:]) == {("fills", BTC, ""), ("fills", ETH, "")}


def test_fills_are_not_asked_for_while_an_order_of_ours_has_no_name_at_the_venue() -> None:
    office = Office()
    office.hear(balance("BTC", 10))
    office.desk.state.ledger.sent(order("a"), T0)
    office.stock.take(at(1))
    office.run(1, 3)
    assert ("fills", BTC, "") not in office.outlet.take()
    office.hear(fill("a", 1, seconds=3, trade_id="5", venue_id="9"))
    office.run(3, 4)
    assert ("fills", BTC, "") in office.outlet.take()


def test_it_says_when_its_turn_comes_if_nothing_else_does() -> None:
    office = Office()
    assert office.stock.next_turn(at(1)) is None
    office = Office(every=60.0)
    office.hear(balance("BTC", 10))
    office.desk.state.ledger.sent(order("a"), T0)
    office.stock.take(at(1))
    assert office.stock.next_turn(at(1)) == at(1), "fills wait for the order's name"
    office.hear(fill("a", 1, seconds=3, trade_id="5", venue_id="9"))
    office.stock.tend(at(3))
    assert office.stock.next_turn(at(3)) == at(4), "what was asked for is compared"
    office.run(4, 5)
    assert office.stock.next_turn(at(5)) == at(6), "what differs is looked at again"
    office.run(6, 20)
    assert office.stock.next_turn(at(20)) == at(61), "the next round"
    office.outlet.take()
    office.run(20, 61)
    assert not office.outlet.take()
    office.stock.tend(at(61))
    assert ("account",) in office.outlet.take()


def test_the_next_round_begins_where_the_last_one_was_told_everything() -> None:
    office = Office()
    office.hear(balance("BTC", 10), fill("web", 1, trade_id="41", venue_id="7"))
    office.stock.take(at(1))
    office.run(1, 2)
    assert ("fills", BTC, "") in office.outlet.take()
    office.hear(fill("web", 1, trade_id="50", venue_id="7", seconds=3))
    office.stock.take(at(4))
    office.run(4, 5)
    assert ("fills", BTC, "41") in office.outlet.take(), "what came by stream may lack some"
    office.stock.failed("fills", at(5))
    office.run(5, 9)
    assert ("fills", BTC, "41") in office.outlet.take(), "that one came to nothing"
    office.stock.take(at(10))
    office.run(10, 11)
    assert ("fills", BTC, "50") in office.outlet.take()


def test_fills_are_asked_for_as_the_venue_has_room_first_where_something_is_at_stake() -> None:
    office = Office()
    office.hear(balance("BTC", 10), fill("web", 1, trade_id="41", venue_id="7", symbol=ETH))
    office.outlet.room = 39
    office.stock.take(at(1))
    office.run(1, 5)
    assert office.outlet.take()[2:] == [("fills", ETH, "")], (
        "there is room for one, and of this one we hold some"
    )
    assert office.stock.is_held
    assert office.stock.owes(BTC)
    office.outlet.room = 20
    office.run(5, 6)
    assert office.outlet.take() == [("fills", BTC, "")]
    assert not office.stock.is_held
    assert not office.stock.owes(BTC)


def test_a_round_that_fails_goes_on_where_orders_may_not_leave_yet() -> None:
    """Begun anew with the first ones each time, it never came to the last of many symbols."""
    office = Office()
    office.hear(balance("BTC", 10), fill("web", 1, trade_id="41", venue_id="7"))
    office.desk.state.miss(at(1))
    office.outlet.room = 39
    office.stock.take(at(1))
    office.run(1, 3)
    assert office.outlet.take()[2:] == [("fills", BTC, "")], "something is at stake there"
    assert list(office.desk.state.missed) == [ETH], "it is told"
    office.stock.failed("fills", at(3))
    office.run(3, 6.5)
    assert office.outlet.take()[:2] == [("open orders", ""), ("account",)]
    office.outlet.room = 39
    office.run(6.5, 7)
    assert office.outlet.take() == [("fills", ETH, "")]


@pytest.mark.parametrize("what", ["open_orders", "account", "fills"])
def test_a_question_that_fails_is_asked_again_soon(what: str) -> None:
    office = Office()
    office.stock.take(at(0))
    office.outlet.take()
    office.stock.failed(what, at(1))
    office.run(1, 3.9)
    assert office.outlet.take() == []
    office.run(3.9, 4.2)
    assert office.outlet.take()[:1] == [("open orders", "")]
    office.stock.failed("place", at(5))
    office.run(5, 60)
    assert ("open orders", "") not in office.outlet.take()


def test_rounds_come_in_a_rhythm_that_the_weight_allows() -> None:
    office = Office(every=60, limit=6000)
    office.stock.begin(at(0))
    office.run(0, 59)
    assert office.outlet.take() == []
    office.run(59, 61)
    assert office.outlet.take()[:1] == [("open orders", "")]
    poor = Office(every=1, limit=600)
    poor.stock.begin(at(0))
    poor.run(0, 99)
    assert poor.outlet.take() == [], "a hundred weight at sixty a minute"
    poor.run(99, 101)
    assert poor.outlet.take()[:1] == [("open orders", "")]
    assert weight_a_minute(find_venue("binance")) == 6000


def test_a_difference_is_named_once_when_it_stays() -> None:
    office = Office()
    office.hear(balance("BTC", 10))
    office.hear(balance("BTC", 9, seconds=1))
    office.stock.begin(at(1))
    office.run(1, 3)
    assert office.named() == []
    assert ("account",) in office.outlet.take(), "it is looked at again"
    office.run(3, 60)
    assert office.named() == [("balance", "BTC", D(10), D(9))]
    office.stock.begin(at(60))
    office.run(60, 70)
    assert len(office.named()) == 1
    office.hear(balance("BTC", 10, seconds=70))
    office.stock.begin(at(70))
    office.run(70, 75)
    assert office.named()[1:] == [("balance", "BTC", D(10), D(10))]
    assert office.stock.named == {}


def test_health_says_how_our_orders_stand() -> None:
    office = Office()
    ledger = office.desk.state.ledger
    for name in ("a", "b"):
        ledger.sent(order(name), T0)
    office.hear(update("a", UpdateKind.ACCEPTED), unanswered("b"))
    office.hear(update("web", UpdateKind.ACCEPTED, venue_id="8"))
    office.stock.named["balance", "BTC"] = (D("10.0"), D(9))
    assert office.stock.health() == OrdersHealth(
        open=2,
        unknown=1,
        in_doubt=1,
        foreign=1,
        differences=("balance BTC: ours 10.0, theirs 9",),
    )


def test_what_the_next_word_explains_is_not_named() -> None:
    office = Office()
    office.hear(balance("USDT", 1000), balance("BTC", 10))
    office.hear(balance("BTC", 11, seconds=1))
    office.stock.begin(at(1))
    office.run(1, 3)
    office.hear(fill("web", 1, 100, trade_id="5", venue_id="7", seconds=3))
    office.hear(balance("USDT", 900, seconds=3))
    office.run(3, 30)
    assert office.named() == []


def test_nothing_is_compared_while_an_order_is_on_its_way() -> None:
    office = Office()
    office.hear(balance("BTC", 10))
    office.hear(balance("BTC", 9, seconds=1))
    office.desk.state.ledger.sent(order("a"), at(1))
    office.hear(unanswered("a", seconds=2))
    office.stock.begin(at(2))
    office.run(2, 60)
    assert office.named() == []


def test_what_is_still_being_told_is_not_named() -> None:
    """Fills come by the thousand: until the last of them, nothing there is a difference."""
    office = Office()
    office.hear(balance("BTC", 10, seconds=0))
    office.hear(balance("BTC", 9, seconds=1))
    office.outlet.asks_fills = True
    office.stock.take(at(1))
    office.run(1, 9)
    assert office.named() == []
    assert not office.stock.is_done
    office.outlet.asks_fills = False
    office.run(9, 12)
    assert office.named() == [("balance", "BTC", D(10), D(9))]


def test_what_the_account_is_still_asked_for_is_not_named() -> None:
    """Where the venue answers once in five seconds, what it said before is old."""
    office = Office()
    office.hear(balance("BTC", 10, seconds=0))
    office.hear(balance("BTC", 9, seconds=1))
    office.outlet.asks_account = True
    office.stock.begin(at(1))
    office.run(1, 9)
    assert office.named() == []
    office.outlet.asks_account = False
    office.run(9, 12)
    assert office.named() == [("balance", "BTC", D(10), D(9))]


def test_a_position_that_differs_is_named_too() -> None:
    office = Office()
    office.hear(ev.Position("test", BTC, at(1), at(1), D(2), D(100)))
    office.stock.begin(at(1))
    office.run(1, 10)
    assert office.named() == [("position", BTC, D(0), D(2))]


def test_a_late_answer_about_the_account_does_not_undo_a_newer_word() -> None:
    office = Office()
    office.hear(balance("BTC", 10))
    office.hear(balance("BTC", 9, seconds=5))
    late = ev.Balance("test", "", at(2), at(9), "BTC", D(10), D(0))
    office.hear(late)
    assert office.desk.state.portfolio.free("BTC") == 9


def test_the_rhythm_may_be_switched_off() -> None:
    office = Office()
    office.stock.begin(at(0))
    for hour in range(24):
        office.stock.tend(T0 + hour * 3600 * SECOND)
    assert office.outlet.take() == []


def test_what_traded_since_a_later_loss_is_not_told_by_a_round_from_before_it() -> None:
    office = Office()
    office.desk.state.miss(at(1))
    office.stock.take(at(1))
    office.stock.tend(at(1))
    office.desk.state.miss(at(2))
    office.stock.tend(at(3))
    assert set(office.desk.state.missed) == {BTC, ETH}, "nobody has asked since"
    office.stock.take(at(4))
    office.stock.tend(at(4))
    office.stock.tend(at(5))
    assert office.desk.state.missed == {}


def test_where_the_count_has_no_time_to_begin_at_the_last_known_trade_is_asked_from() -> None:
    """Since a loss before which nothing had traded here, and that nobody was asked about."""
    office = Office()
    office.hear(fill("web", 1, trade_id="41", venue_id="7", symbol=ETH))
    office.desk.state.ledger.lost(at(1))
    office.hear(fill("web", 1, trade_id="42", venue_id="8"))
    fresh = Stocktaking(office.outlet, office.desk.engine)
    fresh.take(at(2))
    fresh.tend(at(2))
    assert sorted(office.outlet.take()[2:]) == [("fills", BTC, "42"), ("fills", ETH, "41")]

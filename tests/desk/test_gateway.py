"""Commands go to the outlet once; what could not leave is said to be dropped."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from pitwire.desk.gateway import Gateway
from pitwire.desk.timings import Timings
from pitwire.model.clock import SECOND, ManualClock
from pitwire.model.errors import OffGrid, StateError
from pitwire.model.orders import (
    AmendOrder,
    CancelOrder,
    Command,
    Order,
    OrderState,
    OrderType,
    ReplaceOrder,
    Side,
    TimeInForce,
    UpdateKind,
)
from pitwire.trading.journal import Dropped, Halted, Left
from tests.trading.making import BTC, T0, Desk, fill, order, unanswered, update


class Outlet:
    """Writes down what it was given; `broken` is raised instead."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.given: list[tuple[str, object]] = []
        self.may_trade = True
        self.encoded_at = 0
        self.waits = False
        self.broken: Exception | None = None

    def place(self, order: Order, now: int) -> int:
        self._take("place", order)
        self.clock.advance(3e-6)
        self.encoded_at = self.clock.now()
        self.clock.advance(2e-6)
        return 0 if self.waits else self.clock.now()

    def cancel(self, command: CancelOrder, now: int) -> None:
        self._take("cancel", command)

    def replace(self, command: ReplaceOrder, now: int) -> None:
        self._take("replace", command)

    def amend(self, command: AmendOrder, now: int) -> None:
        self._take("amend", command)

    def ask_status(
        self,
        symbol: str,
        order_id: str,
        now: int,
        venue_id: str = "",
        type: OrderType | None = None,
    ) -> None:
        self._take("status", (symbol, venue_id or order_id))

    def drop_waiting(self, now: int) -> None: ...

    def ask_fills_since(self, symbol: str, trade_id: str, since: int, now: int) -> None:
        self._take("fills since", (symbol, trade_id, since))

    def ask_fills(self, symbol: str, order_id: str, venue_id: str, now: int) -> None:
        self._take("fills", (symbol, order_id, venue_id))

    def ask_open_orders(self, symbol: str, now: int) -> None:
        self._take("open orders", symbol)

    def ask_account(self, now: int) -> None:
        self._take("account", now)

    def _take(self, what: str, given: object) -> None:
        if self.broken is not None:
            raise self.broken
        self.given.append((what, given))

    @property
    def names(self) -> list[str]:
        return [what for what, _ in self.given]


class Office:
    """A gateway between the pure middle of a desk and an outlet of ours."""

    def __init__(self, **options: float) -> None:
        self.clock = ManualClock(T0)
        self.desk, self.outlet = Desk(), Outlet(self.clock)
        self.timings = Timings()
        self.gateway = Gateway(
            self.outlet, self.desk.engine, clock=self.clock, timings=self.timings, **options
        )

    def made(self, order_id: str = "a") -> Order:
        placed = order(order_id)
        self.desk.state.ledger.made(placed, T0)
        self.decide(placed)
        return placed

    def decide(self, placed: Order) -> None:
        """As the screen does when it approves."""
        self.desk.screen.conduct.decided(placed, None, "USDT", T0)


def test_an_order_of_ours_is_asked_for_by_our_id_and_what_triggered_by_the_venues() -> None:
    office = Office()
    ledger = office.desk.state.ledger
    for name, type in (("limit", OrderType.LIMIT), ("stop", OrderType.STOP)):
        ledger.sent(order(name, type=type), T0)
        ledger.apply(update(name, UpdateKind.ACCEPTED, venue_id=f"v-{name}"), T0)
        ledger.sent(CancelOrder(order_id=name, symbol=BTC), T0)
    ledger.lost(T0)  # during their cancels
    office.gateway.chase(T0)
    assert office.outlet.given == [("status", (BTC, "limit")), ("status", (BTC, "v-stop"))]


COMMANDS: list[tuple[str, Command]] = [
    ("cancel", CancelOrder(order_id="a", symbol=BTC)),
    ("amend", AmendOrder(order_id="a", symbol=BTC, size=Decimal(1))),
    ("replace", ReplaceOrder(order_id="a", order=order("b"))),
]


def test_an_order_leaves_once_and_is_timed() -> None:
    office = Office()
    placed = office.made()
    office.gateway.send(placed, T0)
    assert office.outlet.given == [("place", placed)]
    [timing] = office.timings.orders.values()
    stamps = [timing.decided - T0, timing.encoded - T0, timing.sent - T0]
    assert stamps == [0, 3_000, 5_000]
    assert [one.command for one in office.desk.of(Left)] == [placed]
    found = office.desk.state.ledger.find("a")
    assert found is not None
    assert found.state is OrderState.SENT


def test_an_order_of_which_nobody_knows_whether_it_left_counts_as_sent_and_is_asked_about() -> None:
    office = Office()
    placed = office.made()
    office.outlet.broken = RuntimeError("out of order")
    with pytest.raises(RuntimeError, match="out of order"):
        office.gateway.send(placed, T0)
    found = office.desk.state.ledger.find("a")
    assert found is not None
    assert found.state is OrderState.UNKNOWN, "it may be there"
    assert [one.command for one in office.desk.of(Left)] == [placed]
    office.outlet.broken = None
    office.gateway.chase(T0)
    assert office.outlet.given == [("status", (BTC, "a"))], "asked about, not sent again"


@pytest.mark.parametrize(
    "changed",
    [
        CancelOrder(order_id="a", symbol=BTC),
        AmendOrder(order_id="a", symbol=BTC, size=Decimal(1)),
        ReplaceOrder(order_id="a", order=order("b")),
    ],
)
def test_a_change_of_which_nobody_knows_whether_it_left_is_asked_about(changed: Command) -> None:
    office = Office()
    office.gateway.send(office.made(), T0)
    office.desk.engine.apply(update("a", UpdateKind.ACCEPTED))
    if isinstance(changed, ReplaceOrder):
        office.desk.state.ledger.made(changed.order, T0)
        office.decide(changed.order)
    office.outlet.broken = RuntimeError("out of order")
    with pytest.raises(RuntimeError, match="out of order"):
        office.gateway.send(changed, T0)
    found = office.desk.state.ledger.find("a")
    assert found is not None
    assert (found.cancel_sent, found.amend_to) == (0, None), "it may be tried again"
    office.outlet.broken = None
    office.gateway.chase(T0)
    asked = {"a", "b"} if isinstance(changed, ReplaceOrder) else {"a"}
    given = [one for what, one in office.outlet.given if what == "status"]
    assert given == [(BTC, one) for one in sorted(asked)]


def test_an_error_amid_a_command_keeps_none_of_the_others_back() -> None:
    office = Office()
    first, second, third = (office.made(name) for name in "abc")
    sound = office.outlet.place
    broken = {"a": RuntimeError("the first"), "b": RuntimeError("the second")}

    def place(one: Order, now: int) -> int:
        if one.id in broken:
            raise broken[one.id]
        return sound(one, now)

    office.outlet.place = place  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="the first"):
        office.gateway.send_all([first, second, third], T0)
    assert office.outlet.given == [("place", third)]
    assert [one.command for one in office.desk.of(Left)] == [first, second, third]


def test_after_a_pause_between_decision_and_send_no_order_leaves() -> None:
    office = Office()
    placed = office.made()
    office.clock.advance(2.5)
    office.gateway.send(placed, T0)
    assert office.outlet.given == []
    [dropped] = office.desk.of(Dropped)
    assert dropped.why == "never sent: decided 2.5 s ago, 2 s are allowed"
    assert list(office.desk.state.ledger.open_of(BTC)) == []
    office.gateway.send(CancelOrder(order_id="a", symbol=BTC), T0)
    assert office.outlet.names == ["cancel"], "a cancel is never too late"


def test_the_deadline_of_an_order_can_be_said() -> None:
    office = Office(deadline_seconds=5.0)
    office.clock.advance(4.9)
    office.gateway.send(office.made("a"), T0)
    office.clock.advance(0.1)
    office.gateway.send(office.made("b"), T0)
    assert office.outlet.names == ["place"]
    [dropped] = office.desk.of(Dropped)
    assert dropped.why == "never sent: decided 5.0 s ago, 5 s are allowed"


def test_an_order_that_waits_for_a_limit_is_listed_and_not_timed() -> None:
    office = Office()
    office.outlet.waits = True
    office.gateway.send(office.made(), T0)
    [timing] = office.timings.orders.values()
    assert (timing.encoded, timing.sent) == (0, 0)
    assert office.timings.report().tick_to_order.count == 0


@pytest.mark.parametrize(("name", "command"), COMMANDS)
def test_other_commands_leave_once_too(name: str, command: Command) -> None:
    office = Office()
    office.gateway.send(office.made(), T0)
    office.decide(order("b"))
    office.gateway.send(command, T0)
    assert office.outlet.given[1:] == [(name, command)]


def test_an_order_that_was_not_decided_never_leaves_and_is_a_halt() -> None:
    office = Office()
    office.gateway.send(order("smuggled"), T0)
    assert office.outlet.given == []
    [halted] = office.desk.of(Halted)
    assert halted.reason == office.desk.screen.halted
    assert "smuggled was about to leave and was not decided" in halted.reason


def test_no_order_leaves_twice_whoever_asks_for_it() -> None:
    office = Office()
    placed = office.made()
    office.gateway.send(placed, T0)
    office.gateway.send(placed, T0)
    assert office.outlet.names == ["place"]
    assert "has left before" in office.desk.screen.halted
    found = office.desk.state.ledger.find("a")
    assert found is not None
    assert found.state is OrderState.SENT, "and the first one is not forgotten for it"


@pytest.mark.parametrize(
    "error",
    [
        StateError(verb="place", state="not logged in", expected="a login"),
        OffGrid(field="price", value=1, expected="a multiple of 2"),
    ],
)
@pytest.mark.parametrize("command", [order("a"), *[command for _, command in COMMANDS]])
def test_what_cannot_leave_is_dropped_and_said_so(error: Exception, command: Command) -> None:
    office = Office()
    placed = office.made()
    office.outlet.broken = error
    office.decide(order("b"))
    office.gateway.send(placed if isinstance(command, Order) else command, T0)
    [dropped] = office.desk.of(Dropped)
    assert dropped.why == str(error)
    assert office.desk.of(Left) == []
    found = office.desk.state.ledger.find("a")
    assert found is not None
    over = isinstance(command, Order)
    assert found.state is (OrderState.REJECTED if over else OrderState.NEW)
    assert len(office.timings.orders) == 0


def test_an_error_of_any_other_kind_is_not_taken_for_a_drop() -> None:
    office = Office()
    office.outlet.broken = ZeroDivisionError("unforeseen")
    with pytest.raises(ZeroDivisionError):
        office.gateway.send(office.made(), T0)
    assert office.desk.of(Dropped) == [], "nobody knows"


def test_questions_are_asked_when_due_and_only_while_they_can_leave() -> None:
    office = Office()
    placed = office.made()
    office.gateway.send(placed, T0)
    office.desk.engine.apply(unanswered("a", seconds=2))
    office.outlet.may_trade = False
    office.gateway.chase(T0 + 10 * SECOND)
    assert office.outlet.names == ["place"]
    office.outlet.may_trade = True
    assert office.gateway.may_trade
    office.gateway.chase(T0 + 10 * SECOND)
    assert office.outlet.given[1:] == [("status", (BTC, "a"))]
    office.gateway.chase(T0 + 10 * SECOND)
    assert office.outlet.names == ["place", "status"], "not again at once"
    office.gateway.chase(T0 + 60 * SECOND)
    assert office.outlet.names == ["place", "status", "status"]


def test_fills_that_never_came_are_asked_for_by_the_venues_id() -> None:
    office = Office()
    office.gateway.send(office.made(), T0)
    for order_id, venue_id in (("a", "7"), ("web", "8")):
        office.desk.engine.apply(
            update(order_id, UpdateKind.FILLED, venue_id=venue_id, side=Side.BUY, filled=1, size=2)
        )
    office.gateway.chase(T0 + 2 * SECOND)
    # A stranger's may have traded before our count began.
    assert office.outlet.given[1:] == [("fills", (BTC, "a", "7")), ("status", (BTC, "8"))]
    office.desk.engine.apply(fill("a", 1, venue_id="7"))
    assert office.desk.engine.questions(T0 + 60 * SECOND)[0].order_id == "web"


def test_reconciling_asks_for_everything() -> None:
    office = Office()
    office.gateway.reconcile(T0)
    assert office.outlet.names == ["open orders", "account"]
    office.outlet.may_trade = False
    office.gateway.reconcile(T0)
    assert office.outlet.names == ["open orders", "account"]


def test_questions_about_many_orders_are_spread_over_time() -> None:
    office = Office()
    for number in range(100):
        office.desk.state.ledger.sent(order(f"o{number}"), T0)
    office.desk.engine.lost(T0)
    asked = []
    for tick in range(40):
        office.gateway.chase(T0 + tick * SECOND // 20)
        asked.append(len(office.outlet.given))
    assert asked[0] == 20
    assert asked[-1] <= 20 + 20
    assert len(set(office.outlet.given)) == len(office.outlet.given)


def test_back_at_the_venue_everything_in_doubt_is_asked_about_at_once() -> None:
    office = Office()
    office.desk.state.ledger.sent(order("a"), T0)
    office.desk.engine.lost(T0)
    for second in range(100):
        office.gateway.chase(T0 + second * SECOND)
    office.outlet.given.clear()
    office.gateway.reconcile(T0 + 100 * SECOND)
    office.gateway.chase(T0 + 100 * SECOND)
    assert office.outlet.names == ["open orders", "account", "status"]


class Unguarded(Office):
    """Nobody would clear up after this desk; it holds two."""

    def __init__(self, held: float = 2) -> None:
        super().__init__()
        self.desk.state.ledger.sent(order("held", abs(held), side=_way(held)), T0)
        self.desk.engine.apply(fill("held", abs(held), side=_way(held)))
        self.gateway.unguarded = "nobody clears up"

    def may(self, name: str, size: float, *, side: Side = Side.SELL, **more: Any) -> bool:
        """Whether this order leaves; it rests from then on."""
        made = msgspec.structs.replace(order(name, size, side=side), **more)
        self.desk.state.ledger.made(made, T0)
        self.decide(made)
        self.gateway.send(made, T0)
        left = self.outlet.given[-1:] == [("place", made)]
        if left and made.type is not OrderType.MARKET:
            self.desk.engine.apply(update(name, UpdateKind.ACCEPTED, size=size))
        return left


def _way(held: float) -> Side:
    return Side.BUY if held > 0 else Side.SELL


STOP = {"type": OrderType.STOP, "stop_price": Decimal(90), "price": None}
MARKET = {"type": OrderType.MARKET, "price": None}


def test_unguarded_a_take_profit_does_not_forbid_the_stop_beside_it() -> None:
    for first, second in (({}, STOP), (STOP, {})):
        office = Unguarded()
        assert office.may("a", 2, **first)
        assert office.may("b", 2, **second), "whoever dies now leaves a position without it"
        assert not office.may("c", 0.5, **first), "two that rest may both trade"
        assert not office.may("d", 0.5, **second)
        assert [one.why for one in office.desk.of(Dropped)] == ["nobody clears up"] * 2


@pytest.mark.parametrize(
    "way", [MARKET, {"time_in_force": TimeInForce.IOC}, {"time_in_force": TimeInForce.FOK}]
)
def test_unguarded_what_rests_does_not_forbid_the_way_out(way: dict[str, Any]) -> None:
    office = Unguarded()
    assert office.may("a", 2)
    assert office.may("b", 2, **STOP)
    assert not office.may("more", 2.5, **way), "that would be short"
    assert office.may("out", 2, **way)


def test_unguarded_what_is_on_its_way_counts() -> None:
    office = Unguarded()
    assert office.may("a", 1.5, **MARKET)
    assert not office.may("b", 1, **MARKET)
    assert office.may("c", 0.5, **MARKET)


def test_unguarded_what_has_traded_and_is_not_told_counts() -> None:
    office = Unguarded()
    assert office.may("a", 1.5)
    office.desk.engine.apply(update("a", UpdateKind.FILLED, 1, size=1.5, filled=1.5))
    assert not office.may("b", 1, **MARKET), "half of one is held, whatever our fills say"
    assert office.may("c", 0.5, **MARKET)


def test_where_nothing_may_leave_neither_order_nor_cancel_does() -> None:
    office = Office()
    office.gateway.barred = "the venue refuses our key"
    made = order("a")
    office.desk.state.ledger.made(made, T0)
    office.decide(made)
    for command in (made, CancelOrder(order_id="b", symbol=BTC)):
        office.gateway.send(command, T0)
    assert office.outlet.given == []
    assert [one.why for one in office.desk.of(Dropped)] == ["the venue refuses our key"] * 2
    assert not office.gateway.may_trade


def test_unguarded_nothing_opens_or_turns_a_position() -> None:
    for held, side in ((2, Side.BUY), (-2, Side.SELL), (0.001, Side.BUY)):
        office = Unguarded(held)
        assert not office.may("a", 1, side=side)
        assert not office.may("b", 3, side=side.opposite)
    office = Unguarded(-2)
    assert office.may("a", 2, side=Side.BUY)

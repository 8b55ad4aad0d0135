"""Scripts about orders on a desk that trades, and what a judge says of them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pitwire.model import events as ev
from pitwire.model.clock import SECOND
from pitwire.model.orders import OrderState, UpdateKind
from pitwire.sim.facts import Kind, NewOrder
from pitwire.sim.faults import BaseFault, ByHand, Drop, Misreport
from pitwire.sim.kit import Script, kit
from pitwire.sim.world import World
from pitwire.torture import order_trial
from pitwire.torture.order_history import History, Judge, Lives
from pitwire.torture.order_trial import try_orders
from pitwire.torture.order_truth import OrderTruth
from pitwire.torture.order_worlds import percentile, try_worlds
from pitwire.torture.report import order_table, table, totals
from pitwire.trading.journal import Decided, Left
from pitwire.trading.state import State
from tests.trading.making import BTC, at, balance, fill, instrument, order, update

ROWS = [name for name, script in kit().items()
        if script.trial.orders and script.sim and script.trial.venue == "binance"]  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_a_fault_about_orders_passes(name: str) -> None:
    outcome = try_orders(kit()[name], seed=2)
    assert outcome.complaints == ()
    assert outcome.orders
    assert outcome.back_after is not None
    assert (outcome.lost, outcome.doubled, outcome.wrong) == (0, 0, 0)


@pytest.mark.parametrize("name", ["V3", "V4", "V9", "V11", "V15", "V26", "V27"])
def test_where_answers_fail_orders_are_unknown_and_found(name: str) -> None:
    outcome = try_orders(kit()[name], seed=3)
    assert outcome.unknown > 0
    assert len(outcome.found) + len(outcome.buried) == outcome.unknown
    assert max(outcome.found, default=0.0) < 5


def test_what_was_not_done_is_dead_only_on_proof() -> None:
    outcome = try_orders(kit()["V26"], seed=2)
    assert outcome.buried
    assert outcome.back_after is not None
    assert outcome.back_after > 9, "no earlier than the venue could prove it"


def test_strangers_are_adopted_and_named() -> None:
    outcome = try_orders(kit()["V13"], seed=2)
    assert outcome.happened == 5
    assert outcome.differences >= 4


def test_several_worlds_add_up_to_one_row() -> None:
    bar = kit()["B3"]
    few = msgspec.structs.replace(bar, trial=msgspec.structs.replace(bar.trial, worlds=3))
    outcome = try_worlds(few, 1)
    assert outcome.complaints == ()
    assert outcome.orders
    assert outcome.orders > 20
    assert outcome.line() == "pitwire torture --only B3 --way virtual --seed 1"


def test_a_table_has_a_row_for_orders() -> None:
    outcome = try_orders(kit()["V3"], seed=2)
    assert (table([outcome]).row_count, order_table([outcome]).row_count) == (0, 1)
    assert f"{outcome.orders} orders" in totals([outcome])


def test_percentiles() -> None:
    assert percentile((), 0.99) is None
    assert percentile((1.0, 2.0), 0.99) == 2.0
    assert percentile(tuple(map(float, range(200))), 0.5) == 100.0


# ── the judge must be able to complain ────────────────────────────────────────────────────────


class Court:
    """A venue with one account, a ledger beside it, and no desk between them."""

    def __init__(self) -> None:
        self.world = World(seed=1, scenario=None)
        self.truth = OrderTruth(self.world)
        self.history = History()
        opening = [balance(asset, amount) for asset, amount in self.truth.opening.items()]
        self.state = State([instrument(BTC)])
        self.hear(*opening)
        self.state.ledger.is_ours = lambda name: name.startswith("pw-")
        self.records: list[Any] = []

    def place(self, name: str, *, price: int = 5_900_000) -> None:
        """At the venue alone."""
        new = NewOrder(account="main", symbol=BTC, kind=Kind.LIMIT, lots=100, price=price,
                       side=order().side, client_id=name)  # fmt: skip
        self.world.exchange.place(new, self.world.clock.now())
        self.world.act()

    def send(self, name: str) -> None:
        """For us alone."""
        made = order(name, "0.001", price="59000")
        self.records += [Decided(at=0, command=made), Left(at=0, command=made)]
        self.state.ledger.sent(made, at(0))

    def hear(self, *events: ev.Event) -> None:
        for event in events:
            self.state.apply(event)

    def complaints(self, *happened: tuple[int, BaseFault]) -> list[str]:
        Judge(self.truth, self.state, self.history).reach(self.records, happened, 0)
        return self.history.complaints


def accepted(name: str) -> ev.Update:
    return update(name, UpdateKind.ACCEPTED, size="0.001", filled=0)


def test_a_judge_is_content_with_what_is_right() -> None:
    court = Court()
    court.send("pw-1")
    court.place("pw-1")
    court.hear(accepted("pw-1"))
    assert court.complaints() == []
    assert court.history.orders == 1


def test_an_ok_that_does_not_exist() -> None:
    court = Court()
    court.send("pw-1")
    court.hear(accepted("pw-1"))
    assert court.complaints() == ["pw-1 is open for us and does not exist at the venue"]


def test_a_fail_that_exists() -> None:
    court = Court()
    court.send("pw-1")
    court.place("pw-1")
    court.hear(update("pw-1", UpdateKind.REJECTED))
    assert "pw-1 is rejected for us and exists at the venue" in court.complaints()
    assert court.history.false_deaths == 1


def test_an_unknown_that_stays_one() -> None:
    court = Court()
    court.send("pw-1")
    court.state.ledger.lost(at(1))
    assert court.complaints() == ["pw-1 is still unknown; at the venue: False"]


def test_something_that_nobody_invoked() -> None:
    court = Court()
    court.place("pw-9")
    told = court.complaints()
    assert "pw-9 exists and nobody invoked it" in told
    assert "pw-9 (NEW) is not in the ledger" in told


def test_a_strangers_order_is_unheard_of_only_where_nothing_could_be_heard() -> None:
    """It came and ended untouched while its words were dropped: no list has it."""

    def court(name: str, *, ends: bool) -> tuple[Court, int]:
        made = Court()
        made.place(name)
        if ends:
            [placed] = made.world.exchange.open_orders("main")
            made.world.exchange.expire(placed, made.world.clock.now())
            made.world.act()
        return made, made.world.clock.now()

    drop = Drop(stream="userData", count=0, for_seconds=1)
    heard, _ = court("by-hand", ends=True)
    assert heard.complaints() == ["by-hand (EXPIRED) is not in the ledger"]
    early, now = court("by-hand", ends=True)
    assert early.complaints((now - 10 * SECOND, drop)) == heard.history.complaints
    unheard, now = court("by-hand", ends=True)
    assert unheard.complaints((now, drop)) == []
    lives, now = court("by-hand", ends=False)
    assert lives.complaints((now, drop)) == ["by-hand (NEW) is not in the ledger"]
    ours, now = court("pw-9", ends=True)
    assert "pw-9 (EXPIRED) is not in the ledger" in ours.complaints((now, drop))


def test_what_was_over_before_our_count_began_is_not_ours_to_know() -> None:
    """A desk that could not be opened at first comes late, and counts from what it finds."""
    court = Court()
    court.world.exchange.open_account("rival", {}, unlimited=True)
    court.place("by-hand")
    court.world.exchange.place(
        NewOrder(account="rival", symbol=BTC, kind=Kind.LIMIT, lots=100, price=5_900_000,
                 side=order().side.opposite, client_id=""), court.world.clock.now(),
    )  # fmt: skip
    court.world.act()
    assert "by-hand (FILLED) is not in the ledger" in court.complaints()
    late = Court()
    late.world, late.truth, late.history = court.world, court.truth, History()
    late.state = State([instrument(BTC)])
    began = (court.world.clock.now() + 1 - at(0)) / SECOND
    held = late.truth.balances().items()
    late.hear(*(balance(asset, amount, seconds=began) for asset, amount in held))
    assert late.complaints() == []


def test_an_order_sent_twice() -> None:
    court = Court()
    court.send("pw-1")
    court.records.append(court.records[-1])
    court.truth.names["pw-1"] = 2
    court.hear(accepted("pw-1"))
    told = court.complaints()
    assert "pw-1 left twice" in told
    assert "pw-1 was placed 2 times" in told
    assert court.history.doubled == 2


def test_fills_that_do_not_sum_to_positions() -> None:
    court = Court()
    court.send("pw-1")
    court.place("pw-1")
    court.hear(accepted("pw-1"), fill("pw-1", "0.0005", 59_000, seconds=1))
    told = " | ".join(court.complaints())
    assert "pw-1: 0.0005 filled for us, 0.00000 at the venue" in told
    assert "BTC: -0.0005 is in no fill, and named as -0.0005" in told


def test_an_order_that_lives_and_is_called_over() -> None:
    court = Court()
    court.send("pw-1")
    court.place("pw-1")
    court.hear(update("pw-1", UpdateKind.CANCELED))
    Lives(court.truth, court.history).look(court.state)
    assert court.history.complaints == [
        "pw-1 lives at the venue, the ledger says canceled",
        "BTC-USDT: 0.00100 may still buy, we count 0",
    ]
    found = court.state.ledger.find("pw-1")
    assert found is not None
    assert found.state is OrderState.CANCELED


def test_a_limit_that_was_broken_is_told_and_a_scripted_refusal_is_not() -> None:
    court = Court()
    court.truth.refusals.append("order.place: 429")
    judge = Judge(court.truth, court.state, court.history)
    wanted = Misreport(code=-1003, status=429, done=False, retry_after_seconds=2.0)
    judge.reach((), [(at(0), wanted)], 0)
    assert court.history.complaints == []
    court.truth.requests.append(at(1))
    judge.reach((), [(at(0), wanted)], 0)
    assert court.history.complaints == ["1 requests while the venue wanted 2 s of silence"]


def test_a_trial_in_which_nothing_happens_does_not_count() -> None:
    script = Script(id="X1", title="x", does="x", expected="x",
                    sim=(ByHand(at_seconds=1, symbol="BTC-USDT", size=order().size * 10**9),),
                    trial=kit()["V13"].trial)  # fmt: skip
    outcome = order_trial.try_orders(script, 1)
    assert outcome.complaints == ("the fault never happened",)

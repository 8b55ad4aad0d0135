"""A rehearsal goes the whole way of an order, and nothing is as it would not be without it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from itertools import groupby

import msgspec
import pytest

from pitwire.desk import desk as opening
from pitwire.desk.desk import Desk
from pitwire.desk.rehearsal import PIECES, Rehearsal, keep_warm, rehearse_forms
from pitwire.model.clock import SECOND, Clock, ManualClock
from pitwire.model.orders import Order, OrderType, Side, TimeInForce
from pitwire.session.session import Session
from pitwire.trading.engine import Engine
from pitwire.trading.limits import Limits
from pitwire.trading.risk import Screen
from pitwire.trading.rules import FunctionRule, rule, trades
from pitwire.trading.snapshot import encode, take
from pitwire.trading.state import State
from pitwire.trading.wishes import Draft, Wish, buy, cancel, sell
from pitwire.wire.polling import PollingLoop
from tests.desk.setting import BTC, PLAIN, Setting
from tests.trading.making import T0, quote
from tests.trading.making import Desk as Pure


class Stage:
    """Notes what is rehearsed; raises what it is told to."""

    def __init__(self) -> None:
        self.may_trade = True
        self.last_placed: Order | None = None
        self.rehearsed: list[Order] = []
        self.recited = 0
        self.broken: Exception | None = None

    def rehearse(self, order: Order, now: int) -> None:
        self.rehearsed.append(order)
        if self.broken is not None:
            raise self.broken

    def recite(self, now: int) -> None:
        """A session reads a frame here."""
        self.recited += 1


def trader() -> FunctionRule:
    """Buys, rests, sells and cancels by turns."""
    turns = iter(range(1 << 30))

    @rule(trades(BTC), name="trader", every_seconds=0.1)
    def trade(state: State, _now: int) -> Iterator[Wish]:
        touch, turn = state.touch(BTC), next(turns)
        if touch is None:
            return
        yield (buy, sell)[turn % 2](BTC, 0.01)
        yield buy(BTC, 0.02, price=touch[0] * 0.99, tag="resting")
        if turn % 3 == 0:
            yield cancel(BTC, tag="resting")

    return trade


def lived(seed: int, *, rehearses: bool) -> tuple[bytes, bytes, list[str], int]:
    """Journal, state and frames of a life, and how many rehearsals came to their end."""
    setting, walks = Setting(seed=seed, scenario="quiet", latency="none"), 0

    async def story(setting: Setting, desk: Desk) -> None:
        nonlocal walks
        rehearsal = Rehearsal(desk.engine, desk.session, setting.clock)
        for _ in range(40):
            await asyncio.sleep(0.05)
            if rehearses:
                walks += sum(rehearsal.walk() for _ in range(2))

    desk = setting.run(story, trader(), config=f"seed = 7\n{PLAIN}")
    ids, halted = desk.engine.screen.ids, desk.engine.screen.halted
    kept = take(desk.engine.state, prefix=ids.prefix, epoch=ids.epoch, made=ids.made, halted=halted)
    return setting.journal.lines(), encode(kept), [str(frame) for frame in setting.sent], walks


@pytest.mark.parametrize("seed", [3, 8])
def test_a_life_with_rehearsals_is_the_same_to_the_byte(seed: int) -> None:
    *plain, none = lived(seed, rehearses=False)
    *rehearsed, walks = lived(seed, rehearses=True)
    assert none == 0
    assert walks == 80
    assert plain[0].count(b'"Left"') > 20
    assert rehearsed == plain


def test_a_life_that_begins_with_every_form_is_the_same_to_the_byte(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted: list[int] = []
    told = opening.rehearse_forms

    def forms(engine: Engine, stage: Session, clock: Clock) -> int:
        counted.append(told(engine, stage, clock))
        return counted[-1]

    monkeypatch.setattr(opening, "rehearse_forms", forms)
    with_forms = lived(5, rehearses=False)
    monkeypatch.setattr(opening, "rehearse_forms", lambda *_: 0)
    assert lived(5, rehearses=False) == with_forms
    assert with_forms[0].count(b'"Left"') > 20
    assert counted == [8], "in its one symbol"


def test_every_form_goes_the_way_though_no_market_is_known_yet() -> None:
    stage, pure = Stage(), Pure()
    said = list(pure.journal.records)
    assert rehearse_forms(pure.engine, stage, ManualClock(T0)) == 16
    of_btc = [one for one in stage.rehearsed if one.symbol == BTC]
    assert len({(one.side, one.type, one.time_in_force) for one in of_btc}) == 8
    assert len(of_btc) == len(stage.rehearsed) // 2
    assert (pure.screen.ids.made, list(pure.journal.records)) == (0, said)
    assert not pure.state.quotes
    assert not pure.state.ledger.open


@pytest.mark.parametrize("where", ["the encoder", "an instrument"])
def test_a_form_that_cannot_be_rehearsed_keeps_no_desk_from_beginning(
    caplog: pytest.LogCaptureFixture, where: str
) -> None:
    stage, pure = Stage(), Pure()
    if where == "the encoder":
        stage.broken = RuntimeError("no bytes")
    else:
        for symbol, one in pure.state.instruments.items():
            pure.state.instruments[symbol] = msgspec.structs.replace(one, tick=Decimal(0))
    assert rehearse_forms(pure.engine, stage, ManualClock(T0)) == 0
    [told] = caplog.records
    assert (told.name, told.levelname) == ("pitwire.desk", "ERROR")
    assert len(stage.rehearsed) == (where == "the encoder")


def test_where_no_order_may_leave_no_form_is_rehearsed() -> None:
    stage, pure = Stage(), Pure()
    stage.may_trade = False
    assert rehearse_forms(pure.engine, stage, ManualClock(T0)) == 0
    assert stage.rehearsed == []


def ready(stage: Stage) -> tuple[Pure, Rehearsal]:
    """A desk's pure middle that knows a quote, and a rehearsal modelled on it."""
    pure = Pure()
    pure.burst(quote(100.0, 100.1))
    return pure, Rehearsal(pure.engine, stage, ManualClock(T0))


def test_it_buys_a_little_more_than_the_least_at_the_best_bid() -> None:
    stage = Stage()
    pure, rehearsal = ready(stage)
    listed = pure.state.instruments[BTC]
    said = list(pure.journal.records)
    walked = [rehearsal.walk() for _ in pure.state.instruments]
    assert sorted(walked) == [False, True], "of two symbols one has a quote"
    [order] = stage.rehearsed
    assert (order.symbol, order.price) == (BTC, listed.price(100.0))
    assert order.size is not None
    assert order.size * 100 >= listed.min_notional
    assert pure.screen.ids.made == 0
    assert list(pure.journal.records) == said


def placed(order_id: str, **other: object) -> Order:
    """An order that the desk has placed."""
    usual = {"side": Side.SELL, "type": OrderType.LIMIT, "time_in_force": TimeInForce.IOC}
    numbers = {"size": Decimal("0.5"), "price": Decimal(90)}
    return Order(id=order_id, **({"symbol": BTC} | usual | numbers | other))  # type: ignore[arg-type]


def test_what_the_desk_has_placed_of_late_is_what_is_rehearsed() -> None:
    stage = Stage()
    pure, rehearsal = ready(stage)
    stage.last_placed = placed("a")
    assert rehearsal.walk()
    stage.last_placed = placed(
        "b", type=OrderType.MARKET, price=None, time_in_force=TimeInForce.GTC
    )
    assert [rehearsal.walk() for _ in range(3)] == [True] * 3
    kinds = [(one.side, one.type, one.time_in_force, one.size) for one in stage.rehearsed]
    limit = Side.SELL, OrderType.LIMIT, TimeInForce.IOC, Decimal("0.5")
    market = Side.SELL, OrderType.MARKET, TimeInForce.GTC, Decimal("0.5")
    assert kinds == [limit, market, limit, market], "by turns"
    assert {one.price for one in stage.rehearsed} == {Decimal(100), None}, "at the market of now"
    assert not {one.id for one in stage.rehearsed} & {"a", "b"}
    assert (pure.screen.ids.made, list(pure.state.ledger.open)) == (0, [])


def test_so_many_kinds_are_kept_and_the_oldest_gives_way() -> None:
    stage = Stage()
    _, rehearsal = ready(stage)
    for number, times in enumerate((TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK)):
        for side in Side:
            stage.last_placed = placed(f"o{number}", side=side, time_in_force=times)
            assert rehearsal.walk()
    assert len(rehearsal._habits) == 4
    assert all(times is not TimeInForce.GTC for *_, times in rehearsal._habits)


@pytest.mark.parametrize("why", ["refused", "of no size", "unusual", "no market"])
def test_what_cannot_be_rehearsed_gives_way_to_what_can(why: str) -> None:
    stage = Stage()
    _, rehearsal = ready(stage)
    match why:
        case "refused":
            stage.last_placed = placed("a", size=Decimal(1_000_000))
        case "of no size":
            stage.last_placed = placed("a", size=None, quote_size=Decimal(50), price=None)
        case "unusual":
            stage.last_placed = placed("a", type=OrderType.STOP, stop_price=Decimal(90), price=None)
        case _:
            stage.last_placed = placed("a", symbol="ETH-USDT")
    if why == "refused":
        rehearsal._engine.screen.limits = Limits(max_order_size=Decimal(1))
    walked = [rehearsal.walk() for _ in range(8)]
    assert walked.count(True) >= 3, "of two symbols one has a quote"
    assert rehearsal._habits == {}
    assert {(one.side, one.type) for one in stage.rehearsed} == {(Side.BUY, OrderType.LIMIT)}


@pytest.mark.parametrize("why", ["halted", "disarmed", "logged out"])
def test_where_no_order_may_leave_nothing_is_rehearsed(why: str) -> None:
    stage = Stage()
    pure, rehearsal = ready(stage)
    match why:
        case "halted":
            pure.screen.throw("a person", "test", T0)
        case "disarmed":
            pure.screen.armed = False
        case _:
            stage.may_trade = False
    assert not any(rehearsal.walk() for _ in range(4))
    assert stage.rehearsed == []


def test_one_that_raises_is_the_last() -> None:
    stage = Stage()
    _, rehearsal = ready(stage)
    stage.broken = RuntimeError("no bytes")
    with pytest.raises(RuntimeError, match="no bytes"):
        [rehearsal.walk() for _ in range(2)]
    stage.broken = None
    assert not any(rehearsal.walk() for _ in range(4))
    assert len(stage.rehearsed) == 1


def test_a_thousand_rehearsals_are_as_free_as_the_first() -> None:
    stage = Stage()
    _, rehearsal = ready(stage)
    assert sum(rehearsal.walk() for _ in range(1_000)) == 500
    assert len({order.id for order in stage.rehearsed}) == 500


def test_it_goes_in_pieces_between_which_a_frame_can_be_read() -> None:
    stage = Stage()
    _, rehearsal = ready(stage)
    met: list[tuple[int, bool, int]] = []
    for _ in range(16):
        ended = rehearsal.step()
        met.append((len(stage.rehearsed), ended, stage.recited))
    # The order goes, comes to its end, and a frame is read, each in a piece of its own.
    assert [one for one, _ in groupby(met)] == [
        (0, False, 0), (1, False, 0), (1, True, 0), (1, False, 0), (1, False, 1),
        (2, False, 1), (2, True, 1), (2, False, 1), (2, False, 2),
    ]  # fmt: skip


@pytest.mark.parametrize("after", range(1, PIECES + 1))
def test_one_that_is_interrupted_between_two_pieces_leaves_nothing_behind(after: int) -> None:
    stage = Stage()
    pure, rehearsal = ready(stage)
    ended = 0
    while not rehearsal._engine.state.ledger.open:
        rehearsal.step()
    for _ in range(10):
        for _ in range(after):
            rehearsal.step()
        stage.may_trade = False
        assert not any(rehearsal.step() for _ in range(2 * PIECES))
        stage.may_trade = True
        ended += sum(rehearsal.step() for _ in range(4 * PIECES))
    assert ended >= 10
    while rehearsal._next:
        rehearsal.step()
    ledger = rehearsal._engine.state.ledger
    assert (list(ledger.open), ledger.tally.unanswered) == ([], 0)
    assert rehearsal._scratch._slate.payloads() == []
    assert pure.screen.ids.made == 0


def test_so_many_pieces_are_a_whole_one() -> None:
    stage = Stage()
    _, rehearsal = ready(stage)
    assert len(rehearsal._pieces) == PIECES
    assert [rehearsal.walk() for _ in range(4)].count(True) == 2, "of two symbols one has a quote"


def test_one_that_is_refused_is_cleared_away_like_any_other() -> None:
    stage = Stage()
    pure = Pure()
    pure.screen.limits = Limits(max_order_size=Decimal(0))
    pure.burst(quote(100.0, 100.1))
    rehearsal = Rehearsal(pure.engine, stage, ManualClock(T0))
    assert not any(rehearsal.step() for _ in range(800)), "no order came to its end"
    assert (stage.rehearsed, stage.recited) == ([], 100)
    assert rehearsal._scratch._slate.payloads() == [], "what a refusal leaves is not kept"
    assert not any(rehearsal.walk() for _ in range(20))
    assert rehearsal._scratch._slate.payloads() == []


@pytest.mark.parametrize("compiled", [False, True])
def test_the_desks_own_gate_is_asked_where_the_desk_has_ordered(
    monkeypatch: pytest.MonkeyPatch, compiled: bool
) -> None:
    pure, rehearsal = ready(Stage())
    if not compiled:
        pure.screen.compiled = None
    asked = list[tuple[str, bool]]()
    told = Screen.would_admit

    def would_admit(screen: Screen, draft: Draft, state: State, now: int) -> bool:
        assert (screen, state) == (pure.screen, pure.state)
        asked.append((draft.symbol, told(screen, draft, state, now)))
        return asked[-1][1]

    monkeypatch.setattr(Screen, "would_admit", would_admit)
    for _ in range(4):
        rehearsal.walk()
    assert asked == [], "it has ordered nowhere yet"
    [order] = pure.screen.admit([buy(BTC, 0.1, price=100.0)], pure.state, T0)
    before = (pure.journal.lines(), pure.screen.ids.made, list(pure.state.ledger.open))
    for _ in range(4):
        rehearsal.walk()
    assert asked == [(BTC, True)] * 2, "of two symbols one has a quote"
    assert (pure.journal.lines(), pure.screen.ids.made, list(pure.state.ledger.open)) == before
    pure.screen.limits = Limits(max_order_size=Decimal(0))
    for _ in range(4):
        rehearsal.walk()
    assert asked[2:] == [(BTC, False)] * 2
    assert order.symbol == BTC


def test_a_loop_that_polls_rehearses_and_no_other_does() -> None:
    stage, walked = Stage(), asyncio.Event()
    pure, _ = ready(stage)
    stage.rehearse = lambda order, now: walked.set()  # type: ignore[method-assign]

    async def on_a_loop() -> bool:
        rehearsal = keep_warm(pure.engine, stage, ManualClock(T0))
        if rehearsal is not None:
            await walked.wait()
            rehearsal.close()
        return rehearsal is not None

    # It never falls asleep, however slow the machine is.
    with asyncio.Runner(loop_factory=lambda: PollingLoop(quiet_ns=3_600 * SECOND)) as runner:
        assert runner.run(on_a_loop())
    assert not asyncio.run(on_a_loop())

"""A wall clock that somebody sets between two runs, and midnight: what held before holds, and what
is of a day is counted in it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from pitwire.desk.restart import Restarted, recall, restart
from pitwire.desk.switch import resume
from pitwire.model.clock import SECOND
from pitwire.model.entropy import Entropy
from pitwire.model.orders import Side
from pitwire.store.folder import CRASHES
from pitwire.store.latch import HaltLatch
from pitwire.trading.engine import Engine
from pitwire.trading.journal import DayStarted, Halted, Resumed
from pitwire.trading.limits import Limits
from pitwire.trading.replay import Replay
from pitwire.trading.snapshot import decode, encode
from pitwire.trading.wishes import Draft, buy
from tests.trading.making import BTC, Desk, at, fill, order, quote

T0 = 1_800_000_000 * SECOND
DAY = 86_400 * SECOND

either_way = pytest.mark.parametrize("ahead", [-DAY, DAY])
with_or_without = pytest.mark.parametrize("checkpointed", [True, False])


def begin(path: Path, now: int = T0) -> Restarted:
    return restart(path, "main", now=now, entropy=Entropy(1))


def write(run: Restarted, *records: Halted | Resumed, latched: bool = True) -> None:
    """As an engine does; a run that dies before its disk has taken it leaves no latch."""
    for record in records:
        run.file.write(record)
        if latched:
            run.latch.write(record)
    run.file.settle()
    run.latch.keep()


def end(run: Restarted, halted: str, *, checkpointed: bool) -> None:
    if checkpointed:
        run.checkpoint(halted)
    run.close()


def halts_after(path: Path, now: int = T0, *, checkpointed: bool) -> str:
    run = begin(path, now)
    end(run, run.halted, checkpointed=checkpointed)
    return run.halted


@either_way
@with_or_without
def test_a_lift_lifts_what_was_before_it_and_nothing_after(
    tmp_path: Path, ahead: int, checkpointed: bool
) -> None:
    """By a person, where no desk runs; by a clock that is a day from that of the desks."""
    run = begin(tmp_path)
    write(run, Halted(at=T0 + 1, reason="enough", by="Ada"))
    end(run, "enough", checkpointed=checkpointed)
    HaltLatch(tmp_path).lift("Grace", T0 + ahead, to=recall(tmp_path)[1].end)
    assert halts_after(tmp_path, checkpointed=checkpointed) == ""
    run = begin(tmp_path)
    assert run.halted == ""
    write(run, Halted(at=T0 + 2, reason="again", by="Ada"), latched=False)
    run.close()
    assert HaltLatch(tmp_path).read() is None
    assert halts_after(tmp_path, checkpointed=checkpointed) == "again"
    assert halts_after(tmp_path, checkpointed=checkpointed) == "again"


@either_way
@with_or_without
def test_a_desks_own_lift_likewise(tmp_path: Path, ahead: int, checkpointed: bool) -> None:
    run = begin(tmp_path)
    write(run, Halted(at=T0 + 1, reason="enough", by="Ada"))
    end(run, "enough", checkpointed=checkpointed)
    run = begin(tmp_path, T0 + ahead)
    assert run.halted == "enough"
    write(run, Resumed(at=T0 + ahead + 1, by="Grace"))
    end(run, "", checkpointed=checkpointed)
    run = begin(tmp_path)
    assert run.halted == ""
    write(run, Halted(at=T0 + 2, reason="again", by="Ada"), latched=False)
    run.close()
    assert halts_after(tmp_path, checkpointed=checkpointed) == "again"


@either_way
def test_a_lift_whose_record_died_with_its_desk_counts(tmp_path: Path, ahead: int) -> None:
    """It is on the disk before its record is, and who was told of it was told the truth."""
    run = begin(tmp_path)
    write(run, Halted(at=T0 + 1, reason="enough", by="Ada"))
    run.latch.write(Resumed(at=T0 + ahead, by="Grace"))
    run.close()
    assert halts_after(tmp_path, checkpointed=False) == ""


async def test_a_person_resumes_whatever_the_clock_of_the_halt_was(tmp_path: Path) -> None:
    """A desk on a clock that was a year ahead could be resumed by no command for a year."""
    run = begin(tmp_path, 10 * T0)
    write(run, Halted(at=10 * T0, reason="enough", by="Ada"))
    run.close()
    assert await resume(tmp_path, confirm="main", by="Eve") is not None
    assert halts_after(tmp_path, checkpointed=False) == ""


def test_a_lift_that_does_not_say_what_it_knew_of_lifts_no_halt_of_a_journal(
    tmp_path: Path,
) -> None:
    """As those do that were written before lifts said it."""
    run = begin(tmp_path)
    write(run, Halted(at=T0 + 1, reason="enough", by="Ada"))
    run.close()
    HaltLatch(tmp_path).lift("Grace", T0 + 2)
    assert halts_after(tmp_path, checkpointed=False) == "enough"


@pytest.mark.parametrize("apart", [DAY, SECOND])
def test_deaths_of_long_ago_are_no_crash_loop_where_the_clock_is_set_back(
    tmp_path: Path, apart: int
) -> None:
    for number in range(CRASHES + 1):
        run = begin(tmp_path, T0 + number * apart)
        run.file.close()
        run.folder.close()  # it died: nobody has said that it ended
    assert run.folder.is_crash_loop(T0 + CRASHES * apart) is (apart == SECOND)
    assert not run.folder.is_crash_loop(T0 - DAY)


# ── midnight ──────────────────────────────────────────────────────────────────────────────────

TODAY = at(0) // DAY * DAY
TOMORROW = TODAY + DAY


def holding(size: int = 1) -> Desk:
    """A desk that has bought at 100, and lets a day lose 30."""
    desk = Desk(limits=Limits(max_daily_loss=Decimal(30), collar_percent=None))
    desk.engine.decide(TODAY + 1)
    one = order(desk.ids.next(), size)
    desk.state.ledger.made(one, TODAY + 1)
    desk.engine.sent(one, TODAY + 1)
    desk.engine.apply(fill(one.id, size, 100))
    return desk


def begun_again(desk: Desk, *, knows_prices: bool = False) -> None:
    """The engine of the next run: mostly it begins before it knows any price."""
    if not knows_prices:
        desk.state.quotes.clear()
    desk.engine = Engine((), desk.screen, desk.state, desk.journal)


def see(desk: Desk, bid: int, now: int) -> None:
    desk.engine.apply(quote(bid, bid + 2, (now - at(0)) / SECOND))


def passes(desk: Desk, now: int, price: int) -> bool:
    wish: Draft = buy(BTC, 1, price=price, tag=str(now))
    desk.engine._wishes.append(wish)
    return bool(desk.engine.decide(now))


def results(desk: Desk) -> list[tuple[int, float]]:
    """By day, from that of the first on, with how much it began."""
    begun = [(one.day - TODAY // DAY, one.results) for one in desk.of(DayStarted)]
    return [(day, float(found.get("USDT", 0))) for day, found in begun]


def holding_at_midnight(price: int, *, starts_anew: bool) -> Desk:
    """One that holds, whose day begins without a price, and that sees this one then."""
    desk = holding()
    see(desk, price, TOMORROW + 1)
    if starts_anew:
        begun_again(desk)
    desk.engine.decide(TOMORROW + 1)
    see(desk, price, TOMORROW + 2)
    return desk


@pytest.mark.parametrize("starts_anew", [True, False])
def test_what_a_position_had_lost_before_midnight_is_none_of_the_days_loss(
    starts_anew: bool,
) -> None:
    desk = holding_at_midnight(59, starts_anew=starts_anew)
    assert passes(desk, TOMORROW + 2, 60)
    see(desk, 31, TOMORROW + 3)
    assert passes(desk, TOMORROW + 3, 32), "28 lost today"
    see(desk, 29, TOMORROW + 4)
    assert not passes(desk, TOMORROW + 4, 30)
    assert desk.refusals == ["max_daily_loss"]
    assert results(desk)[-1] == (1, -40)


@pytest.mark.parametrize("starts_anew", [True, False])
def test_what_it_had_won_hides_no_loss_of_the_day(starts_anew: bool) -> None:
    desk = holding_at_midnight(159, starts_anew=starts_anew)
    assert passes(desk, TOMORROW + 2, 160)
    see(desk, 129, TOMORROW + 3)
    assert not passes(desk, TOMORROW + 3, 130), "30 lost, and it is 30 above its cost"


def test_a_price_that_comes_is_taken_without_a_wish() -> None:
    desk = holding()
    begun_again(desk)
    desk.engine.decide(TOMORROW + 1)
    assert results(desk)[-1] == (1, 0)
    see(desk, 59, TOMORROW + 2)
    desk.engine.tend(TOMORROW + 2)
    desk.engine.tend(TOMORROW + 3)
    assert results(desk)[-1] == (1, -40)
    assert len(results(desk)) == 3


@pytest.mark.parametrize("knows_prices", [True, False])
def test_a_clock_that_is_set_back_over_midnight_forgives_no_loss(knows_prices: bool) -> None:
    desk = holding()
    see(desk, 99, TOMORROW + 1)
    desk.engine.decide(TOMORROW + 1)
    see(desk, 69, TOMORROW + 2)
    assert not passes(desk, TOMORROW + 2, 70)
    begun_again(desk, knows_prices=knows_prices)
    desk.engine.decide(TOMORROW - 5)
    see(desk, 69, TOMORROW - 4)
    assert not passes(desk, TOMORROW - 4, 70), "30 are lost, by whatever clock"
    replay = Replay()
    for record in desk.journal.records:
        replay.take(record)
    assert replay.state.portfolio.left == TOMORROW // DAY, "another start knows it, too"
    assert not passes(desk, TOMORROW + 5, 70), "it has begun, and begins no second time"
    see(desk, 69, TOMORROW + DAY + 1)
    assert passes(desk, TOMORROW + DAY + 1, 70), "the next one begins at zero"
    assert results(desk)[1:] == [(1, 0), (0, 0), (1, 0), (2, -30)]


def test_a_clock_that_is_set_back_gives_no_orders_back() -> None:
    desk = Desk(limits=Limits(max_day_orders=2, max_day_notional=Decimal(1_000)))
    see(desk, 99, TOMORROW + 1)
    assert passes(desk, TOMORROW + 1, 100)
    assert passes(desk, TOMORROW + 2, 100)
    assert not passes(desk, TOMORROW - 5, 100)
    assert not passes(desk, TOMORROW - 4, 100)
    assert not passes(desk, TOMORROW + 3, 100), "it has begun, and begins no second time"
    see(desk, 99, TOMORROW + DAY + 1)
    assert passes(desk, TOMORROW + DAY + 3, 100), "the next one begins at zero"


def test_a_day_that_is_priced_late_is_read_back_as_it_was_counted() -> None:
    desk = holding()
    begun_again(desk)
    desk.engine.decide(TOMORROW + 1)
    see(desk, 59, TOMORROW + 2)
    desk.engine.tend(TOMORROW + 2)
    replay = Replay()
    for record in desk.journal.records:
        replay.take(record)
    there, here = replay.state.portfolio, desk.state.portfolio
    assert (there.day, there.day_starts()) == (here.day, here.day_starts())
    assert there.day_result("USDT", {BTC: Decimal(50)}) == -10


@pytest.mark.parametrize("bought_back", [False, True])
@pytest.mark.parametrize("kept", ["journal", "checkpoint"])
def test_what_had_no_price_yet_has_none_after_another_start_of_that_day(
    kept: str, bought_back: bool
) -> None:
    desk = holding()
    begun_again(desk)
    desk.engine.decide(TOMORROW + 1)
    if bought_back:
        for number, side in enumerate((Side.SELL, Side.BUY)):
            desk.engine.apply(fill(f"x{number}", 1, 100, side=side, trade_id=f"t{number}"))
    replay = Replay()
    for record in desk.journal.records:
        replay.take(record)
    portfolio = replay.state.portfolio
    if kept == "checkpoint":
        snapshot = decode(encode(replay.snapshot()))
        portfolio = Replay(snapshot).state.portfolio
    assert not portfolio.start_day(TOMORROW // DAY, {})
    changed = portfolio.price_day({BTC: Decimal(160)})
    assert changed is not bought_back, "one that was bought today is of today"
    assert portfolio.day_result("USDT", {BTC: Decimal(130)}) == (30 if bought_back else -30)

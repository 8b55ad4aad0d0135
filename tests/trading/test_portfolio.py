from __future__ import annotations

from decimal import Decimal, localcontext
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitwire.model.clock import SECOND
from pitwire.model.events import Balance, ClockOffset, Fill, Position
from pitwire.model.orders import Side
from pitwire.trading.portfolio import Contents, Portfolio
from tests.trading.making import BTC, ETH, at, balance, fill, instrument

D = Decimal


def booked(*fills: Fill) -> Portfolio:
    portfolio = Portfolio({BTC: instrument(BTC)})
    for one in fills:
        portfolio.apply(one)
    return portfolio


def buy(size: Any, price: Any, **facts: Any) -> Fill:
    return fill("a", size, price, side=Side.BUY, **facts)


def sell(size: Any, price: Any, **facts: Any) -> Fill:
    return fill("a", size, price, side=Side.SELL, **facts)


def test_a_position_its_cost_and_what_closing_it_brought() -> None:
    holding = booked(buy(1, 100), buy(3, 200), sell(2, 250)).holding(BTC)
    assert holding.size == 2
    assert holding.average_cost == 175
    assert holding.realised == 150
    assert holding.open_result(D(180)) == 10
    assert (holding.bought, holding.sold, holding.fills) == (4, 2, 3)


def test_a_short_position_earns_when_the_price_falls() -> None:
    holding = booked(sell(2, 100), buy(1, 90)).holding(BTC)
    assert (holding.size, holding.realised) == (-1, 10)
    assert holding.average_cost == 100
    assert holding.open_result(D(95)) == 5


def test_a_position_that_turns_around_starts_anew() -> None:
    holding = booked(buy(1, 100), sell(3, 110)).holding(BTC)
    assert (holding.size, holding.realised, holding.average_cost) == (-2, 10, 110)


def test_flat_means_no_cost_at_all() -> None:
    holding = booked(buy("0.3", "99.97"), buy("0.7", "101.13"), sell(1, 100)).holding(BTC)
    assert (holding.size, holding.cost, holding.average_cost) == (0, 0, None)
    assert holding.realised == holding.flow


def test_fees_count_in_the_asset_they_were_taken_in() -> None:
    portfolio = booked(
        buy(1, 100, fee="0.001", fee_asset="BTC"),
        sell("0.5", 100, fee="0.05", fee_asset="USDT"),
        buy(1, 100, fee="0.2", fee_asset="BNB"),
    )
    holding = portfolio.holding(BTC)
    assert holding.size == D("1.499")
    assert portfolio.flow("BTC") == D("1.499")
    assert portfolio.flow("USDT") == D("-150.05")
    assert portfolio.flow("BNB") == D("-0.2")
    assert portfolio.fees == {"BTC": D("0.001"), "USDT": D("0.05"), "BNB": D("0.2")}
    assert holding.fees == portfolio.fees
    assert holding.realised + holding.open_result(D(100)) == D("-0.15")


def test_fees_of_one_symbol_do_not_show_in_another() -> None:
    portfolio = booked(buy(1, 100, fee=1), fill("b", 1, 10, symbol=ETH, fee=2))
    assert portfolio.holding(BTC).fees == {"USDT": 1}
    assert portfolio.holding(ETH).fees == {"USDT": 2}


def test_results_add_up_by_quote_asset() -> None:
    portfolio = booked(buy(1, 100), fill("b", 2, 10, symbol=ETH), fill("c", 1, 5, symbol="XMR-EUR"))
    marks = {BTC: D(110), ETH: D(9), "XMR-EUR": D(50)}
    assert portfolio.result("USDT", marks) == 8
    assert portfolio.result("EUR", marks) == 45
    assert portfolio.result("USDT", {}) == 0


def test_a_position_without_a_mark_counts_from_its_first_one_of_the_day_on() -> None:
    portfolio = booked(buy(1, 100), fill("b", 2, 10, symbol=ETH))
    assert portfolio.start_day(2, {ETH: D(10)})
    assert portfolio.unpriced == {BTC}
    assert not portfolio.price_day({ETH: D(9)})
    assert portfolio.day_result("USDT", {ETH: D(9)}) == -2
    assert portfolio.price_day({BTC: D(40), ETH: D(9)})
    assert portfolio.day_result("USDT", {BTC: D(40), ETH: D(9)}) == -2, "those 60 are of before"
    assert portfolio.day_result("USDT", {BTC: D(30), ETH: D(9)}) == -12
    assert not portfolio.price_day({BTC: D(30), ETH: D(9)})


def test_one_that_was_closed_before_it_had_a_mark_is_the_days() -> None:
    portfolio = booked(buy(1, 100))
    assert portfolio.start_day(2, {})
    portfolio.apply(sell(1, 70))
    assert not portfolio.price_day({BTC: D(70)})
    assert portfolio.unpriced == set()
    assert portfolio.day_result("USDT", {}) == -30


def test_a_day_that_is_set_back_goes_on_with_what_was_counted() -> None:
    portfolio = booked(buy(1, 100))
    assert portfolio.start_day(7, {BTC: D(100)})
    assert portfolio.start_day(6, {BTC: D(60)}), "it has another name"
    assert (portfolio.day, portfolio.day_result("USDT", {BTC: D(60)})) == (6, -40)
    assert not portfolio.start_day(6, {BTC: D(60)})
    assert portfolio.start_day(7, {BTC: D(60)}), "it has begun before"
    assert portfolio.day_result("USDT", {BTC: D(60)}) == -40
    assert portfolio.start_day(8, {BTC: D(60)})
    assert portfolio.day_result("USDT", {BTC: D(60)}) == 0


@pytest.mark.parametrize("kept", [False, True])
def test_a_day_that_comes_again_hides_no_loss_behind_a_gain_of_the_one_before(kept: bool) -> None:
    portfolio = booked(buy(1, 100))
    assert portfolio.start_day(7, {BTC: D(100)})
    assert portfolio.start_day(6, {BTC: D(150)})
    if kept:
        contents = portfolio.contents()
        portfolio = Portfolio()
        portfolio.restore(contents)
    assert portfolio.start_day(7, {BTC: D(150)})
    assert portfolio.day_result("USDT", {BTC: D(130)}) == -20
    assert portfolio.start_day(6, {})
    assert portfolio.start_day(7, {})
    assert portfolio.day_result("USDT", {BTC: D(130)}) == -20, "nobody knew what it was worth"


def test_the_day_counts_from_its_own_start() -> None:
    portfolio = booked(buy(1, 100))
    assert portfolio.start_day(1, {BTC: D(100)})
    assert portfolio.day_result("USDT", {BTC: D(90)}) == -10
    assert not portfolio.start_day(1, {BTC: D(90)})
    assert portfolio.start_day(2, {BTC: D(90)})
    assert portfolio.day_result("USDT", {BTC: D(90)}) == 0
    portfolio.apply(sell(1, 70))
    assert portfolio.day_result("USDT", {}) == -20


# ── the venue's word ──────────────────────────────────────────────────────────────────────────


def test_balances_that_follow_our_fills_agree() -> None:
    portfolio = Portfolio()
    portfolio.take_balance(balance("USDT", 1000))
    portfolio.apply(buy(2, 100, fee="0.2", seconds=1))
    portfolio.take_balance(balance("USDT", 700, "99.8", seconds=1))
    assert portfolio.differences() == []
    assert portfolio.free("USDT") == 700
    assert portfolio.free("BTC") is None


def test_a_balance_first_heard_after_some_fills_starts_the_count_there() -> None:
    portfolio = booked(buy(2, 100))
    portfolio.take_balance(balance("USDT", 800))
    assert portfolio.differences() == []


def test_a_fill_that_comes_late_is_in_the_balance_that_its_asset_began_with() -> None:
    """The count began by a balance of the quote alone; what traded was told behind the base's."""
    portfolio = Portfolio({BTC: instrument(BTC)})
    portfolio.take_balance(stamped(1000, 3, 3))
    portfolio.take_balance(balance("BTC", 12, seconds=9))
    assert portfolio.counted_from == at(3)
    kept = Portfolio({BTC: instrument(BTC)})
    kept.restore(msgspec.json.decode(msgspec.json.encode(portfolio.contents()), type=Contents))
    for one in (portfolio, kept):
        one.apply(buy(2, 100, seconds=5))
        one.take_balance(stamped(800, 9, 10))
        assert one.differences() == []
        assert (one.flow("BTC"), one.position(BTC)) == (2, 2)
        one.apply(buy(1, 100, seconds=11))
        assert [(each.asset, each.amount) for each in one.differences()] == [
            ("USDT", 100), ("BTC", -1),
        ]  # fmt: skip


def test_where_the_venues_clock_was_set_back_a_fill_is_none_that_a_first_balance_has() -> None:
    portfolio = Portfolio({BTC: instrument(BTC)})
    portfolio.take_offset(clock(0, 0))
    portfolio.take_balance(stamped(1000, 9, 9))
    portfolio.take_offset(clock(-6, 10))
    portfolio.apply(buy(2, 100, seconds=5))
    portfolio.take_balance(stamped(800, 5, 11))
    assert portfolio.differences() == []


def clock(offset: float, seconds: float, error: float = 0.01) -> ClockOffset:
    return ClockOffset("test", "", 0, at(seconds), round(offset * SECOND), round(error * SECOND))


def stamped(free: int, stamp: float, seconds: float) -> Balance:
    return msgspec.structs.replace(balance("USDT", free, 0, seconds), venue_time=at(stamp))


def test_an_answer_that_took_its_time_says_nothing_against_what_came_since() -> None:
    portfolio = Portfolio()
    portfolio.take_offset(clock(0, 0))
    portfolio.take_balance(stamped(1000, 5, 5))
    portfolio.take_offset(clock(-0.5, 6))
    portfolio.take_balance(stamped(900, 4, 8))
    assert portfolio.free("USDT") == 1000


def test_balances_are_believed_again_when_the_venues_clock_was_set_back() -> None:
    portfolio = Portfolio()
    portfolio.take_offset(clock(0, 0))
    portfolio.take_balance(stamped(1000, 8, 8))
    portfolio.take_balance(stamped(900, 3, 9))
    assert portfolio.free("USDT") == 1000  # an old answer, for all that is known
    portfolio.take_offset(clock(-6, 10))
    kept = Portfolio()
    kept.restore(msgspec.json.decode(msgspec.json.encode(portfolio.contents()), type=Contents))
    for one in (portfolio, kept):
        one.take_balance(stamped(800, 5, 11))
        assert one.free("USDT") == 800
        one.take_balance(stamped(900, 4, 12))
        assert one.free("USDT") == 800


def test_a_clock_that_was_set_back_after_a_checkpoint_is_seen_by_what_was_kept() -> None:
    portfolio, kept = Portfolio(), Portfolio()
    portfolio.take_offset(clock(0, 0))
    portfolio.take_balance(stamped(1000, 8, 8))
    kept.restore(portfolio.contents())
    kept.take_offset(clock(-6, 10))
    kept.take_balance(stamped(800, 5, 11))
    assert kept.free("USDT") == 800


def test_what_somebody_else_did_is_named_and_accepted_on_request() -> None:
    portfolio = Portfolio()
    portfolio.take_balance(balance("USDT", 1000))
    portfolio.take_balance(balance("USDT", 1500, 25))
    [difference] = portfolio.differences()
    assert (difference.asset, difference.ours, difference.theirs) == ("USDT", 1000, 1525)
    assert difference.amount == 525
    portfolio.accept(difference)
    assert portfolio.differences() == []
    portfolio.apply(buy(1, 25, seconds=1))
    assert [d.amount for d in portfolio.differences()] == [25]


def test_the_venues_positions_are_kept_beside_ours() -> None:
    portfolio = Portfolio()
    position = Position("test", BTC, at(0), at(0), D(3), D(100))
    portfolio.take_position(position)
    assert portfolio.venue_positions[BTC] is position
    assert portfolio.position(BTC) == 0


def test_a_symbol_that_is_none_is_refused() -> None:
    with pytest.raises(Exception, match="symbol"):
        Portfolio().holding("btc/usdt")


# ── money is conserved ────────────────────────────────────────────────────────────────────────

amounts = st.decimals("0.00000001", "9000000", places=8)
FILLS = st.lists(
    st.tuples(
        st.sampled_from(list(Side)),
        amounts,
        st.decimals("0.00000001", "1000000", places=8),
        st.sampled_from(["BTC", "USDT", "BNB"]),
        st.decimals("-1", "1", places=8),
    ),
    max_size=30,
)


@settings(max_examples=150, deadline=None)
@given(FILLS, st.decimals("0", "1000000", places=8))
def test_result_is_flow_and_worth_to_the_last_digit(
    trades: list[tuple[Side, Decimal, Decimal, str, Decimal]], mark: Decimal
) -> None:
    portfolio = Portfolio()
    flows = {"BTC": D(0), "USDT": D(0), "BNB": D(0)}
    for side, size, price, fee_asset, fee in trades:
        portfolio.apply(fill("a", size, price, side=side, fee=fee, fee_asset=fee_asset))
    # Reckoned again with more digits than the portfolio has.
    with localcontext(prec=80):
        for side, size, price, fee_asset, fee in trades:
            sign = 1 if side is Side.BUY else -1
            flows["BTC"] += sign * size
            flows["USDT"] -= sign * size * price
            flows[fee_asset] -= fee
        holding = portfolio.holding(BTC)
        assert {asset: portfolio.flow(asset) for asset in flows} == flows
        assert holding.size == flows["BTC"]
        assert holding.flow == flows["USDT"]
        assert holding.realised - holding.cost == flows["USDT"]
        assert holding.realised + holding.open_result(mark) == flows["USDT"] + flows["BTC"] * mark
        # A position given away whole as fees leaves no cost behind.
        assert holding.size or not holding.cost


@settings(max_examples=200, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_result_at_a_glance_is_the_result(chance: Any) -> None:
    """After every fill, day and restart; floats, so to a margin far below what risk leaves."""
    portfolio = Portfolio({BTC: instrument(BTC), ETH: instrument(ETH)})
    for number in range(25):
        match chance.choice(("fill", "fill", "fill", "day", "told", "restart")):
            case "fill":
                portfolio.apply(
                    fill(
                        "a", chance.choice(("0.1", "1", "2.5")), chance.randint(90, 110),
                        side=chance.choice(tuple(Side)), symbol=chance.choice((BTC, ETH)),
                        fee=chance.choice((0, "0.01")),
                        fee_asset=chance.choice(("USDT", "BTC", "ETH", "BNB")),
                    )
                )  # fmt: skip
            case "day":
                portfolio.start_day(number, {BTC: D(100)})
            case "told":
                portfolio.day_started(number, {"USDT": D(chance.randint(-50, 50))})
            case "restart":
                kept = portfolio.contents()
                portfolio = Portfolio({BTC: instrument(BTC), ETH: instrument(ETH)})
                portfolio.restore(kept)
        marks = {symbol: D(chance.randint(90, 110)) for symbol in (BTC, ETH)}
        stake = portfolio.stake("USDT")
        seen = stake.settled + sum(
            size * float(marks[symbol]) - cost for symbol, (size, cost) in stake.held.items()
        )
        assert seen == pytest.approx(float(portfolio.day_result("USDT", marks)), abs=1e-9)
        assert set(stake.held) == {
            one.symbol for one in portfolio.holdings.values() if one.size or one.cost
        }


# ── on margin ──


def on_margin() -> Portfolio:
    return Portfolio({BTC: msgspec.structs.replace(instrument(BTC), margin="USDT")})


def test_on_margin_a_position_is_counted_like_any_other() -> None:
    portfolio = on_margin()
    portfolio.apply(sell(2, 100, fee=1, fee_asset="USDT"))
    portfolio.apply(buy(1, 90))
    holding = portfolio.holding(BTC)
    assert (holding.size, holding.average_cost) == (-1, 100)
    assert holding.realised == 10 - 1


def test_what_is_counted_does_not_depend_on_what_is_known_of_the_market() -> None:
    """A journal knows no instruments, and must rebuild the same."""
    ours, bare = on_margin(), Portfolio()
    for portfolio in (ours, bare):
        portfolio.apply(sell(2, 100, fee=1, fee_asset="USDT"))
        portfolio.apply(buy(1, 90))
        portfolio.take_balance(balance("USDT", 1000))
    assert msgspec.json.encode(ours.contents()) == msgspec.json.encode(bare.contents())


def test_on_margin_the_money_is_the_venues_to_reckon() -> None:
    portfolio = on_margin()
    portfolio.take_balance(balance("USDT", 1000))
    portfolio.take_balance(balance("BNB", 5))
    portfolio.apply(buy(1, 90))
    portfolio.take_balance(balance("USDT", 1007))
    portfolio.take_balance(balance("BNB", 6))
    assert [one.asset for one in portfolio.differences()] == ["BNB"]

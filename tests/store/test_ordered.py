"""The orders of a day, counted by the segments that have them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from pitwire.model.orders import CancelOrder, OrderType, ReplaceOrder, Side
from pitwire.store import ordered as module
from pitwire.store.history import segment_path
from pitwire.store.ordered import Ordered, ordered_since
from pitwire.store.segment import NOTHING, Chain, Header, begin
from pitwire.trading.journal import Alerted, Decided, Record, payload
from tests.trading.making import order

BTC, ETH = "BTC-USDT", "ETH-USDT"
D = Decimal


LATER = 1_000


def write(folder: Path, number: int, started: int, *records: Record, cut: int = 0) -> None:
    header = Header(
        installation="abcdef", account="main", epoch=number, segment=number, started=started,
        previous=NOTHING.hex(),
    )  # fmt: skip
    chain = Chain()
    data = begin(header, chain) + b"".join(chain.frame(payload(one)) for one in records)
    segment_path(folder, number).write_bytes(data[: len(data) - cut])


def test_each_kind_of_order_counts_by_what_it_was_worth_when_it_was_decided(tmp_path: Path) -> None:
    market = order("m", "2", price=None, type=OrderType.MARKET)
    sold = order("s", "2", price=None, type=OrderType.MARKET, side=Side.SELL)
    write(
        tmp_path, 1, 10,
        Decided(9, order("early", "1", price=D(70))),
        Decided(10, order("limit", "2", price=D(50)), 60.0, 61.0),
        Decided(11, market, 60.5, 61.25),
        Decided(12, sold, 60.5, 61.25),
        Decided(13, order("n", "2", price=None, type=OrderType.MARKET)),
        Decided(14, ReplaceOrder(order_id="limit", order=order("r", "3", price=D(7), symbol=ETH))),
        Decided(15, CancelOrder(order_id="r", symbol=ETH)),
        Alerted(at=16, text="no order"),
    )  # fmt: skip
    found = ordered_since(tmp_path, 10, LATER)
    assert found == Ordered(5, {BTC: D(100) + D("122.50") + D("121.0"), ETH: D(21)}, 14)
    found = ordered_since(tmp_path, 10, LATER, but={"r", "m"}.__contains__)
    assert found == Ordered(3, {BTC: D("221.0")}, 13)
    assert ordered_since(tmp_path, 10, 12).orders == 2, "and before `until`"


def test_segments_are_read_back_to_the_one_in_which_the_day_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, started in ((1, 5), (2, 12), (3, 22), (4, 25)):
        records = [Decided(started + step, order(f"{number}-{step}", 1)) for step in range(10)]
        write(tmp_path, number, started, *records)
    read: list[tuple[int, bool]] = []
    real = module.read_segment

    def noted(data: bytes, number: int) -> object:
        read.append((number, len(data) == size))
        return real(data, number)

    size = 500
    monkeypatch.setattr(module, "_HEADER", size)
    monkeypatch.setattr(module, "read_segment", noted)
    assert ordered_since(tmp_path, 20, LATER).orders == 2 + 10 + 10
    headers, whole = read[:3], read[3:]
    assert headers == [(1, True), (2, True), (3, True)]
    assert whole == [(2, False), (3, False), (4, False)]


@pytest.mark.parametrize("behind", [[5], [5, 7], [12]])
def test_a_clock_that_was_behind_hides_no_segment_ahead_of_it(
    tmp_path: Path, behind: list[int]
) -> None:
    """It had the time of years ago as its desk was started, and was set right then."""
    write(tmp_path, 1, 11, Decided(12, order("old", 1)))
    write(tmp_path, 2, 12, Decided(19, order("before", 1)), Decided(22, order("a", 1)))
    write(tmp_path, 3, 23, Decided(24, order("b", 1)))
    for number, started in enumerate(behind, 4):
        write(tmp_path, number, started, Decided(24 + number, order(f"c{number}", 1)))
    assert ordered_since(tmp_path, 20, LATER).orders == 2 + len(behind)


def test_a_clock_that_was_years_ahead_hides_none_and_counts_for_good_nowhere(
    tmp_path: Path,
) -> None:
    write(tmp_path, 1, 12, Decided(19, order("before", 1)), Decided(22, order("a", 1)))
    write(tmp_path, 2, 2_000, Decided(2_001, order("ahead", 1)), Decided(24, order("b", 1)))
    write(tmp_path, 3, 26, Decided(27, order("c", 1)))
    assert ordered_since(tmp_path, 20, LATER) == Ordered(3, {BTC: D(300)}, 27)


def test_what_is_sound_of_a_torn_segment_counts_and_one_without_a_header_ends_nothing(
    tmp_path: Path,
) -> None:
    write(tmp_path, 1, 5, *(Decided(step, order(f"1-{step}", 1)) for step in range(5, 9)))
    write(tmp_path, 2, 6, *(Decided(step, order(f"2-{step}", 1)) for step in range(6, 9)), cut=3)
    segment_path(tmp_path, 3).write_bytes(b"")
    assert ordered_since(tmp_path, 6, LATER).orders == 3 + 2


def test_a_folder_without_segments_has_none(tmp_path: Path) -> None:
    assert ordered_since(tmp_path, 0, LATER) == Ordered(0, {})

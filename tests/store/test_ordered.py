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


def nobodys(_: str) -> bool:
    return False


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
    found = ordered_since(tmp_path, 10, but=nobodys)
    assert found == Ordered(5, {BTC: D(100) + D("122.50") + D("121.0"), ETH: D(21)})
    assert ordered_since(tmp_path, 10, but={"r", "m"}.__contains__) == Ordered(3, {BTC: D("221.0")})


def test_segments_are_read_back_to_the_one_in_which_the_day_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, started in ((1, 5), (2, 12), (3, 22), (4, 25)):
        records = [Decided(started + step, order(f"{number}-{step}", 1)) for step in range(10)]
        write(tmp_path, number, started, *records)
    read: list[int] = []
    real = module.read_segment

    def noted(data: bytes, number: int) -> object:
        read.append(number)
        return real(data, number)

    monkeypatch.setattr(module, "read_segment", noted)
    assert ordered_since(tmp_path, 20, but=nobodys).orders == 2 + 10 + 10
    assert read == [4, 3, 2]


def test_what_is_sound_of_a_torn_segment_counts_and_one_without_a_header_ends_nothing(
    tmp_path: Path,
) -> None:
    write(tmp_path, 1, 5, *(Decided(step, order(f"1-{step}", 1)) for step in range(5, 9)))
    write(tmp_path, 2, 6, *(Decided(step, order(f"2-{step}", 1)) for step in range(6, 9)), cut=3)
    segment_path(tmp_path, 3).write_bytes(b"")
    assert ordered_since(tmp_path, 6, but=nobodys).orders == 3 + 2


def test_a_folder_without_segments_has_none(tmp_path: Path) -> None:
    assert ordered_since(tmp_path, 0, but=nobodys) == Ordered(0, {})

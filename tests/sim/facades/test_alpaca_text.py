"""How Alpaca spells symbols, times and numbers (alpaca §2.1, §5.1)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from pitwire.model.entropy import Entropy
from pitwire.sim.alpaca_listings import alpaca_listing
from pitwire.sim.facades.alpaca_text import Ids, Scale, moment, timed, written


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (1_613_987_504_208_000_000, "2021-02-22T09:51:44.208Z"),
        (1_614_009_105_335_689_322, "2021-02-22T15:51:45.335689322Z"),
        (1_614_021_300_000_000_000, "2021-02-22T19:15:00Z"),
        (1_614_021_300_000_000_001, "2021-02-22T19:15:00.000000001Z"),
    ],
)
def test_times_keep_nanoseconds_and_no_zeros_at_the_end(at: int, text: str) -> None:
    assert timed(at) == text
    assert moment(text) == at


def test_times_of_clients_may_have_a_zone_or_be_a_day() -> None:
    assert moment("2022-04-19T13:45:04.981350886-04:00") == moment("2022-04-19T17:45:04.981350886Z")
    assert moment("2022-04-19") == moment("2022-04-19T00:00:00Z")
    for bad in ("", "yesterday", "2022-04-19T25:00:00Z", "2022-13-01"):
        with pytest.raises(ValueError, match=r"time|hour|month"):
            moment(bad)


@pytest.mark.parametrize(
    ("value", "text"),
    [("1790.8600", "1790.86"), ("150", "150"), ("1E+3", "1000"), ("0E-8", "0"), ("-0.50", "-0.5")],
)
def test_numbers_have_no_exponent_and_no_zeros_at_the_end(value: str, text: str) -> None:
    assert written(Decimal(value)) == text


def test_what_trades_in_parts_is_crypto_and_what_does_not_a_stock() -> None:
    crypto, stock = Scale(alpaca_listing("BTC-USD")), Scale(alpaca_listing("AAPL-USD"))
    assert (crypto.symbol, crypto.asset_class, crypto.tape) == ("BTC/USD", "crypto", "")
    assert (stock.symbol, stock.asset_class, stock.tape) == ("AAPL", "us_equity", "C")
    assert crypto.asset_id != stock.asset_id
    assert crypto.asset_id == Scale(alpaca_listing("BTC-USD")).asset_id


def test_ids_follow_from_the_seed() -> None:
    one, same, other = (Ids(Entropy(seed)) for seed in (1, 1, 2))
    first = one.new()
    assert (len(first), first[14]) == (36, "4")
    assert first == same.new() != other.new()
    assert one.new() != first

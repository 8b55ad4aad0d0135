"""What an account gained and paid, asked for row by row."""

from __future__ import annotations

from typing import Any

from tests.sim.futures_client import FuturesClient, futures_world


def traded() -> FuturesClient:
    """Bought at 60,000 and sold at 60,100."""
    world = futures_world()
    main, other = FuturesClient(world), FuturesClient(world, account="other")
    other.limit("SELL", "60000.00", "0.010")
    main.market("BUY", "0.010")
    world.advance(10)
    other.limit("BUY", "60100.00", "0.010")
    main.market("SELL", "0.010")
    return main


def told(client: FuturesClient, **params: Any) -> list[tuple[str, str]]:
    rows = client.done("GET", "/v1/income", **params)
    return [(row["incomeType"], row["income"]) for row in rows]


def test_results_and_commissions_are_income() -> None:
    main = traded()
    everything = [
        ("COMMISSION", "-0.30000000"),
        ("REALIZED_PNL", "1.00000000"),
        ("COMMISSION", "-0.30050000"),
    ]
    assert told(main) == everything
    assert told(main, incomeType="REALIZED_PNL") == everything[1:2]
    assert told(main, symbol="BTCUSDT", limit=2) == everything[1:]
    assert told(main, symbol="BTCUSDT", limit=2, page=2) == everything[:1]
    assert told(main, symbol="ETHUSDT") == []
    assert main.refused("GET", "/v1/income", symbol="NOPE")[0] == -1121


def test_income_is_asked_for_by_time() -> None:
    main = traded()
    first, *_, last = main.done("GET", "/v1/income")
    assert last["time"] - first["time"] >= 10_000
    assert first["tradeId"] == first["info"] == "1"
    assert len(told(main, endTime=first["time"])) == 1
    assert len(told(main, startTime=first["time"] + 1)) == 2
    assert len(told(main, startTime=first["time"], limit=2)) == 2
    assert len(told(main, startTime=first["time"], limit=2, page=2)) == 1


def test_a_maker_s_rows_are_its_own() -> None:
    main = traded()
    other = FuturesClient(main.world, account="other")
    assert told(other) == [
        ("COMMISSION", "-0.12000000"),
        ("REALIZED_PNL", "-1.00000000"),
        ("COMMISSION", "-0.12020000"),
    ]

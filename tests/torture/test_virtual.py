"""Scripts of the kit in virtual time, and what a judge says of them."""

from __future__ import annotations

import msgspec
import pytest

from pitwire.model.errors import ConfigError
from pitwire.sim.faults import Cut, Drop, Duplicate, Flap, RefuseDial, Rewrite
from pitwire.sim.kit import Demand, Script, Trial, kit
from pitwire.torture.virtual import listings, try_virtually


def script(*faults: object, **demand: object) -> Script:
    return Script(
        id="X1",
        title="x",
        does="x",
        expected="x",
        sim=faults,  # type: ignore[arg-type]
        trial=Trial(seconds=4),
        demand=Demand(**demand),  # type: ignore[arg-type]
    )


KIT = ("N1", "N6", "N7", "N17", "P3", "P9", "P11", "C2", "C5", "V2", "V20")


@pytest.mark.parametrize("name", KIT)
def test_a_fault_of_the_kit_passes(name: str) -> None:
    outcome = try_virtually(kit()[name], seed=2)
    assert outcome.complaints == ()
    assert outcome.passed
    assert outcome.back_after is not None
    assert (outcome.lost, outcome.doubled, outcome.wrong) == (0, 0, 0)
    assert outcome.delivered > 50


@pytest.mark.parametrize("name", ["N1", "N18", "V2"])
@pytest.mark.parametrize("copies", [1, 2])
def test_a_fault_of_the_kit_passes_at_the_futures_too(name: str, copies: int) -> None:
    """Whose trades have ids that need not count by one."""
    found = kit()[name]
    trial = msgspec.structs.replace(found.trial, venue="binance-usdm", redundancy=copies)
    outcome = try_virtually(msgspec.structs.replace(found, trial=trial), seed=2)
    assert outcome.complaints == ()
    assert (outcome.lost, outcome.doubled, outcome.wrong) == (0, 0, 0)
    assert outcome.delivered > 50
    assert outcome.compared > 50


def test_the_same_trial_is_the_same_twice() -> None:
    first, second = (try_virtually(kit()["N8"], seed=3) for _ in range(2))
    without = {"growth": None}
    assert msgspec.structs.replace(first, **without) == msgspec.structs.replace(second, **without)


def test_a_loss_that_the_client_makes_good_is_no_loss() -> None:
    outcome = try_virtually(script(Drop(at_seconds=5, stream="*trade", count=5)), seed=1)
    assert outcome.complaints == ()
    assert outcome.happened == 5


def test_doubled_frames_reach_nobody_twice() -> None:
    outcome = try_virtually(script(Duplicate(at_seconds=5, count=50)), seed=1)
    assert (outcome.doubled, outcome.wrong, outcome.complaints) == (0, 0, ())


def test_a_demand_that_is_not_met_is_told_with_what_was_found() -> None:
    strict = script(Cut(at_seconds=5), unnoticed=True, back_within_seconds=0.001)
    outcome = try_virtually(strict, seed=1)
    assert not outcome.passed
    told = " | ".join(outcome.complaints)
    assert "expected within 0.001 s" in told
    assert "told of trouble where there was none: Lost" in told
    assert outcome.line() == "pitwire torture --only X1 --way virtual --seed 1"


def test_dials_that_are_refused_are_counted_too_in_any_ten_minutes() -> None:
    refused = RefuseDial(at_seconds=5, count=0, for_seconds=8, status=0)
    outcome = try_virtually(script(Cut(at_seconds=5), refused, most_dials=2), seed=1)
    assert outcome.dials > 3
    told = f"dialled {outcome.dials} times within ten minutes, expected 2 at most"
    assert outcome.complaints == (told,)
    far = Flap(at_seconds=5, times=2, every_seconds=700.0)
    apart = script(far, most_dials=1)
    apart = msgspec.structs.replace(
        apart, trial=msgspec.structs.replace(apart.trial, most_seconds=900.0, bustle=0.05)
    )
    outcome = try_virtually(apart, seed=1)
    assert (outcome.dials, outcome.complaints) == (2, ())


def test_a_fault_that_never_happens_proves_nothing() -> None:
    outcome = try_virtually(script(Drop(at_seconds=5, stream="nothing like this")), seed=1)
    assert outcome.complaints == ("the fault never happened",)


def test_a_symbol_that_is_not_listed_is_told() -> None:
    with pytest.raises(ConfigError, match=r"trial.symbols: found 'DOGE-USDT'"):
        listings(Trial(symbols=("DOGE-USDT",)))


def test_a_time_that_is_none_is_told() -> None:
    wrong = msgspec.structs.replace(kit()["C5"], trial=Trial(starts="yesterday"))
    with pytest.raises(ConfigError, match=r"trial.starts: found 'yesterday'"):
        try_virtually(wrong, seed=1)


def test_a_venue_that_lies_is_found_out_by_the_truth() -> None:
    """No client could know: it is the judge that is tried here."""
    price = Rewrite(at_seconds=5, stream="*trade", count=3, pattern='"p":"[0-9]', by='"p":"9')
    depth = Rewrite(at_seconds=6, stream="*depth*", count=1, pattern=r'\["[0-9]', by='["7')
    outcome = try_virtually(script(price, depth), seed=1)
    assert outcome.wrong >= 3
    assert any("is not the venue's" in complaint for complaint in outcome.complaints)
    assert not outcome.passed

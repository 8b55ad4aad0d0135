"""Each harness runs, repeats itself from its seed, and notices a planted fault."""

from __future__ import annotations

import random
from collections import Counter
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

from bench import native
from fuzz import twin_binance, venue_binance, venue_binance_futures
from fuzz.__main__ import harnesses, main
from fuzz.mutations import golden_frames, mutate
from pitwire.conformance.corpora import check
from pitwire.model.events import Quote, Trade
from pitwire.model.orders import Side
from pitwire.sim.exchange import Exchange
from pitwire.sim.facades.binance_control import Control
from pitwire.venues.binance.codec import BinanceCodec
from pitwire.venues.binance.decode import Read


@pytest.mark.parametrize("name", harnesses())
def test_a_harness_finds_no_fault(name: str) -> None:
    if name.startswith("twin_") and native.folder() is None:
        pytest.skip("no C compiler")
    assert import_module(f"fuzz.{name}").run(20, 7, most=1500) == 1500


def test_the_same_seed_spoils_alike() -> None:
    seeds = golden_frames("binance")
    first, second = random.Random(3), random.Random(3)
    assert [mutate(frame, seeds, first) for frame in seeds] == [
        mutate(frame, seeds, second) for frame in seeds
    ]


@pytest.mark.parametrize(
    "event",
    [
        Quote("binance", "A-B", 0, 0, float("nan"), 1.0, 1.0, 1.0),
        Trade("binance", "A-B", 0, 0, 1.0, -1.0, Side.BUY, 1),
        Trade("binance", "A-B", 2**63, 0, 1.0, 1.0, Side.BUY, 1),
    ],
)
def test_a_wrong_number_is_noticed(event: Quote | Trade) -> None:
    with pytest.raises(AssertionError):
        check([event])


def test_a_decoder_that_raises_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: BinanceCodec, frame: bytes, now: int) -> list[Trade]:
        raise ZeroDivisionError

    monkeypatch.setattr(BinanceCodec, "decode", broken)
    with pytest.raises(ZeroDivisionError) as caught:
        main(["5", "1"])
    assert "frame b" in caught.value.__notes__[0]


@pytest.mark.parametrize("harness", [venue_binance, venue_binance_futures])
def test_a_venue_that_raises_is_noticed(
    monkeypatch: pytest.MonkeyPatch, harness: ModuleType
) -> None:
    def broken(self: Control, *_: object) -> object:
        raise ZeroDivisionError

    monkeypatch.setattr(Control, "answer", broken)
    with pytest.raises(ZeroDivisionError) as caught:
        harness.run(20, 1, most=500)
    assert caught.value.__notes__[-1].startswith("_control: [b")


def test_what_is_said_at_the_doors_is_done_often_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nonsense alone would be refused at the first stage, and prove nothing of the others."""
    heard: Counter[str] = Counter()

    def counted(verb: str) -> None:
        real = getattr(Exchange, verb)

        def count(self: Exchange, *args: Any, **kwargs: Any) -> Any:
            found = real(self, *args, **kwargs)
            heard[verb] += 1
            return found

        monkeypatch.setattr(Exchange, verb, count)

    for verb in ("place", "cancel", "cancel_all", "amend"):
        counted(verb)
    venue_binance.run(60, 5, most=6_000)
    assert heard["place"] > 20, heard
    assert all(heard[verb] for verb in ("cancel", "cancel_all", "amend")), heard


def test_twins_that_differ_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def readers(_read: Read) -> list[object]:
        return [lambda frame, now: (0.0,), lambda frame, now: (-0.0,)]

    if native.folder() is None:
        pytest.skip("no C compiler")
    monkeypatch.setattr(twin_binance, "_readers", readers)
    with pytest.raises(
        AssertionError, match=r"found \[-0.0\], the typed reading \[0.0\]"
    ) as caught:
        twin_binance.run(5, 1)
    assert "frame b" in caught.value.__notes__[0]


def test_bad_arguments_are_answered(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["soon"]) == 2
    assert "expected seconds" in capsys.readouterr().err

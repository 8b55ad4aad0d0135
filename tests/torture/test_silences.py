"""Every stream of every symbol is held to its deadline, and whoever keeps quiet is found out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from pitwire.model import events as ev
from pitwire.model.clock import SECOND
from pitwire.session.freshness import Freshness
from pitwire.session.vigil import Vigil
from pitwire.sim.faults import Cut, Drop, Fault, RefuseDial, Stall
from pitwire.sim.kit import Demand, Script, Trial
from pitwire.torture.outcome import Outcome
from pitwire.torture.silences import Pace, Silences, Stream
from pitwire.torture.virtual import try_virtually
from pitwire.torture.witness import MOST_TOLD

A, B = ("trades", "A"), ("trades", "B")
BOOK = ("book", "A")
TENTH = SECOND // 10


class Rig:
    """Two streams of a venue that always has something to say, looked at ten times a second."""

    def __init__(self, copies: int = 1, streams: Sequence[Stream] = (A, B)) -> None:
        self.now, self.said, self.wrong = 1_000 * SECOND, 1_000 * SECOND, list[str]()
        self.says = True
        self.silences = Silences(
            streams,
            said_since=lambda _, since: since + 1 if self.says else None,
            complain=lambda _, text: self.wrong.append(text),
            copies=copies,
        )
        self.streams = streams
        self.confirm()

    def confirm(self) -> None:
        for stream in self.streams:
            self.silences.confirmed(stream, self.now)

    def run(self, seconds: float, *speaking: tuple[str, str]) -> None:
        for _ in range(round(seconds * 10)):
            self.now += TENTH
            for stream in speaking:
                self.silences.hear(stream, self.now)
            self.silences.look(self.now)

    def tell(self, event: ev.Event) -> None:
        self.silences.tell(event, self.now)


def stale(symbol: str, channel: str = "trades") -> ev.FeedStale:
    return ev.FeedStale("toy", symbol, 0, 0, channel, 5.0, "silent")


def test_a_busy_stream_that_falls_silent_alone_is_due_within_five_seconds_and_a_look() -> None:
    rig = Rig()
    rig.run(60, A, B)
    rig.run(5, B)
    assert rig.wrong == []
    rig.run(0.5, B)
    [text] = rig.wrong
    assert text.startswith("A trades silent for 5.")


def test_another_symbols_trouble_excuses_nobody_and_ones_own_does() -> None:
    rig = Rig()
    rig.run(60, A, B)
    rig.run(4, B)
    rig.tell(stale("B"))
    rig.tell(stale("A", "ticker"))
    rig.run(2, B)
    assert len(rig.wrong) == 1
    rig = Rig()
    rig.run(60, A, B)
    rig.run(4, B)
    rig.tell(stale("A"))
    rig.run(60, B)
    assert rig.wrong == []


def test_all_together_are_due_within_three_seconds_and_a_look() -> None:
    rig = Rig()
    rig.run(60, A, B)
    rig.run(3.1)
    assert rig.wrong == []
    rig.run(0.5)
    assert len(rig.wrong) == 2


def test_what_was_told_old_is_told_until_it_is_fresh_whatever_comes_meanwhile() -> None:
    for why, complaints in (("behind", 0), ("paused", 0), ("silent", 1)):
        rig = Rig()
        rig.run(60, A, B)
        rig.tell(ev.FeedStale("toy", "A", 0, 0, "trades", 5.0, why))
        rig.run(10, A, B)
        rig.run(20, B)
        assert len(rig.wrong) == complaints, why


@pytest.mark.parametrize("end", ["fresh", "confirmed", "lost"])
def test_what_was_told_old_is_held_to_its_deadline_when_that_is_over(end: str) -> None:
    rig = Rig()
    rig.run(60, A, B)
    rig.tell(ev.FeedStale("toy", "A", 0, 0, "trades", 5.0, "behind"))
    rig.run(2, A, B)
    if end == "fresh":
        rig.tell(ev.FeedFresh("toy", "A", 0, 0, "trades"))
    elif end == "confirmed":
        rig.silences.confirmed(A, rig.now)
    else:
        rig.tell(ev.Lost("toy", "", 0, 0, "market-1", "cut", 0.0))
    rig.run(1, A, B)
    rig.run(6, B)
    assert [text[:8] for text in rig.wrong] == ["A trades"]


@pytest.mark.parametrize(("dead", "cut"), [("market-1", "market-2"), ("market-2", "market-1")])
def test_what_has_died_on_one_copy_is_told_when_the_other_is_gone(dead: str, cut: str) -> None:
    outcome = try_virtually(
        Script(
            id="X1",
            title="a stream that only one copy brings",
            does="x",
            expected="x",
            sim=(
                Drop(at_seconds=20, link=dead, stream="btcusdt@*", count=0, for_seconds=35),
                Cut(at_seconds=35, link=cut),
                RefuseDial(at_seconds=35, count=0, for_seconds=15),
            ),
            trial=Trial(seconds=2, redundancy=2, bustle=0.5),
            demand=Demand(back_within_seconds=40, certain=False),
        ),
        3,
    )
    assert outcome.complaints == ()


def test_what_a_book_that_waited_for_its_snapshot_heard_is_no_silence_of_it() -> None:
    for told in (False, True):
        rig = Rig(streams=(A, BOOK))
        rig.tell(ev.BookSnapshot("toy", "A", 0, 0, 1, (), ()))
        rig.run(60, A, BOOK)
        rig.tell(ev.BookStale("toy", "A", 0, 0, "lost"))
        rig.confirm()
        rig.run(0.1, A, BOOK)
        rig.says = False  # of a book that says that it is none
        rig.run(12, A)
        rig.says = True
        if told:
            rig.tell(stale("A", "book"))
        rig.tell(ev.BookSnapshot("toy", "A", 0, 0, 9, (), ()))
        rig.run(5, A)
        assert rig.wrong == [], "from its snapshot on it may be silent as long as ever"
        rig.run(2, A)
        assert len(rig.wrong) == (not told), "and no longer"


def test_a_snapshot_over_a_book_that_is_live_is_no_word_of_its_stream() -> None:
    rig = Rig(streams=(A, BOOK))
    rig.tell(ev.BookSnapshot("toy", "A", 0, 0, 1, (), ()))
    rig.run(60, A, BOOK)
    rig.run(4, A)
    rig.tell(ev.BookSnapshot("toy", "A", 0, 0, 9, (), ()))
    rig.run(2, A)
    assert len(rig.wrong) == 1


def test_a_loss_is_told_of_all_and_one_that_is_covered_of_none() -> None:
    for covered in (False, True):
        rig = Rig()
        rig.run(60, A, B)
        rig.tell(ev.Lost("toy", "", 0, 0, "market-1", "cut", 0.0, covered=covered))
        rig.run(20)
        assert len(rig.wrong) == 2 * covered


def test_a_first_word_is_due_after_its_confirmation_though_the_loss_before_was_told() -> None:
    rig = Rig()
    rig.run(10.5)
    assert rig.wrong == []
    rig.run(0.5)
    assert len(rig.wrong) == 2
    rig = Rig()
    rig.run(60, A, B)
    rig.tell(ev.Lost("toy", "", 0, 0, "market-1", "cut", 0.0))
    rig.run(1)
    rig.silences.confirmed(A, rig.now)
    rig.run(5.5)
    assert len(rig.wrong) == 1, "its rhythm outlives its connection"


def test_who_has_spoken_once_is_not_awaited_any_more_and_not_known() -> None:
    rig = Rig()
    rig.run(1)
    for symbol in "AB":
        rig.tell(ev.FeedFresh("toy", symbol, 0, 0, "trades"))
    rig.run(60)
    assert rig.wrong == []


def test_silence_in_which_nothing_was_said_is_none() -> None:
    rig = Rig()
    rig.run(60, A, B)
    rig.says = False
    rig.run(60)
    assert rig.wrong == []


def test_who_was_asleep_begins_to_wait_when_it_wakes() -> None:
    rig = Rig()
    rig.run(60, A, B)
    rig.now += 30 * SECOND
    rig.run(3)
    assert rig.wrong == []
    rig.run(1)
    assert len(rig.wrong) == 2
    rig = Rig()
    rig.run(60, A, B)
    rig.tell(ev.Lost("toy", "", 0, 0, "market-1", "cut", 0.0))
    rig.now += 30 * SECOND
    rig.run(30)
    assert rig.wrong == [], "what was told before the sleep is told"


def test_what_is_hardly_known_is_waited_for_longer_and_never_more_than_can_be_known() -> None:
    pace = Pace(4.5)
    assert pace.wait() is None
    for tenth in range(20):  # two seconds
        pace.hear(1_000 * SECOND + tenth * TENTH)
    assert pace.wait() is None
    for tenth in range(20, 60):
        pace.hear(1_000 * SECOND + tenth * TENTH)
    assert pace.wait() == 10 * SECOND
    for tenth in range(60, 600):
        pace.hear(1_000 * SECOND + tenth * TENTH)
    assert pace.wait() == 4.5 * SECOND
    pace.hear(1_000 * SECOND + 75 * SECOND)
    pace.hear(1_000 * SECOND + 76 * SECOND)
    assert 60 * SECOND < (pace.wait() or 0) < 80 * SECOND, "a silence that is over teaches"


def test_a_new_connection_ends_no_gap_unless_there_is_another() -> None:
    for copies, seconds in ((1, range(4, 5)), (2, range(44, 55))):
        rig = Rig(copies)
        rig.run(60, A)
        rig.now += 10 * SECOND
        rig.silences.confirmed(A, rig.now)
        rig.run(60, A)
        assert (rig.silences._paces[A].wait() or 0) // SECOND in seconds


# ── the whole judge, and sessions that keep quiet ────────────────────────────────────────────


def tried(*faults: Fault) -> Outcome:
    script = Script(
        id="X1",
        title="x",
        does="x",
        expected="x",
        sim=faults,
        trial=Trial(seconds=1, bustle=0.3),
        demand=Demand(back_within_seconds=60),
    )
    return try_virtually(script, 1)


def untold(outcome: Outcome) -> set[tuple[str, ...]]:
    """(symbol, channel) of each complaint that something was silent and nobody said so."""
    lines = [line for line in outcome.complaints if "nobody said so" in line]
    return {tuple(line.partition(": ")[2].split()[:2]) for line in lines}


def never(*_: Any) -> list[ev.Event]:
    return []


@pytest.mark.parametrize(
    ("channel", "stream"), [("trades", "trade"), ("ticker", "bookTicker"), ("book", "depth@100ms")]
)
def test_a_session_that_tells_no_silence_is_found_out_while_others_speak(
    channel: str, stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = Stall(at_seconds=40, stream=f"btcusdt@{stream}", for_seconds=25)
    assert untold(tried(fault)) == set()
    call_stale = Freshness.call_stale

    def keeps_quiet(self: Freshness, voice: Any, now: int, why: str, silent: int) -> ev.FeedStale:
        told = call_stale(self, voice, now, why, silent)
        return told if why != "silent" else msgspec.structs.replace(told, symbol="ETH-USDT")

    monkeypatch.setattr(Freshness, "call_stale", keeps_quiet)
    assert untold(tried(fault)) == {("BTC-USDT", channel)}, "told of another symbol, and in vain"


def test_a_session_that_tells_no_mute_connection_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fault = Stall(at_seconds=40, for_seconds=4.2)
    assert untold(tried(fault)) == set()
    monkeypatch.setattr(Vigil, "_judge_silence", never)
    found = untold(tried(fault))
    assert len(found) == MOST_TOLD
    assert {symbol for symbol, _ in found} == {"BTC-USDT", "ETH-USDT"}

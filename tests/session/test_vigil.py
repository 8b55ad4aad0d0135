"""Mute, half-open, late and asleep: each is noticed by what the hot path left behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import pairwise

import pytest

from pitwire.model import errors
from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.model.entropy import Entropy
from pitwire.model.events import (
    Behind,
    ClockOffset,
    Event,
    FeedFresh,
    FeedStale,
    Quote,
    Trade,
)
from pitwire.model.orders import Side
from pitwire.session.outbox import Outbox
from pitwire.session.skew import Skew
from pitwire.session.vigil import FIRST_PAUSE_SECONDS, Vigil
from pitwire.venues.venue import Ask
from tests.session.toy import TOY

START = 1_700_000_000 * SECOND
STEP = SECOND // 10
ASKS = {"ticker": "Quote", "trades": "Trade"}


class Rig:
    """One watched connection: who speaks when, what was told, pings and faults with their times."""

    def __init__(self, *symbols: str, skew: Skew | None = None) -> None:
        self.outbox, self.now = Outbox(), START
        self.skew = skew or Skew()
        if skew is None:
            self.skew.take(sent=START, received=START + 2 * MILLISECOND, server_time=START)
        self.vigil = Vigil(TOY, "x", skew=self.skew, outbox=self.outbox)
        self.symbols = symbols or ("A", "B")
        self.told: list[tuple[int, Event]] = []
        self.pings: list[int] = []
        self.faults: list[tuple[int, errors.PitwireError]] = []
        self.heard = START
        self.answers = True
        self.delay = 20 * MILLISECOND
        self.open()

    def open(self) -> None:
        """A connection that acknowledges everything."""
        self.heard = self.now
        self.vigil.opened(self.now)
        for symbol in self.symbols:
            for channel, kind in ASKS.items():
                self.vigil.freshness.confirmed(Ask(channel, symbol), kind, self.now, busy=True)

    def event(self, channel: str, symbol: str, stamp: int) -> Event:
        if channel == "ticker":
            return Quote("toy", symbol, 0, self.now, 1.0, 1.0, 2.0, 1.0)
        return Trade("toy", symbol, stamp, self.now, 1.0, 1.0, Side.BUY, 7)

    def hear(self, symbol: str, stamp: int | None = None) -> None:
        stamp = self.now - self.delay if stamp is None else stamp
        for channel in ASKS:
            event = self.event(channel, symbol, stamp)
            hot = self.vigil.freshness.heard[type(event)]
            if symbol in hot:
                hot[symbol] = event
            else:
                self.tell(self.vigil.freshness.first(event, self.now))
        self.heard = self.now

    def tell(self, events: tuple[Event, ...] | list[Event]) -> None:
        self.told += [(self.now, event) for event in events]

    def run(self, seconds: float, speak: Callable[[int], object] | None = None) -> None:
        """Let time pass in steps of a tenth of a second; `speak` is called in each."""
        for _ in range(round(seconds * 10)):
            self.now += STEP
            if speak is not None:
                speak(self.now)
            if self.vigil.next_deadline(self.heard, self.now) <= self.now:
                self.tell(self.vigil.look(self.heard, self.now))
            if self.outbox.take_ping():
                self.pings.append(self.now)
                if self.answers:
                    self.heard = self.now
                    self.vigil.answered(self.now)
            fault = self.outbox.take_fault()
            if fault is not None:
                self.faults.append((self.now, fault))
                self.vigil.lost()
                self.open()

    def all_speak(self, _: int) -> None:
        for symbol in self.symbols:
            self.hear(symbol)

    def of(self, kind: type[Event]) -> list[tuple[int, Event]]:
        return [(at, one) for at, one in self.told if isinstance(one, kind)]

    def why(self) -> Counter[str]:
        return Counter(one.why for _, one in self.told if isinstance(one, FeedStale))


def warm(*symbols: str, seconds: float = 60, skew: Skew | None = None) -> Rig:
    """A connection that has been busy for a while, with nothing told but that it speaks."""
    rig = Rig(*symbols, skew=skew)
    rig.run(seconds, rig.all_speak)
    kinds = Counter(type(event) for _, event in rig.told)
    assert kinds.pop(ClockOffset, 0) <= 1
    assert kinds == {FeedFresh: 2 * len(rig.symbols)}
    assert (rig.pings, rig.faults) == ([], [])
    rig.told.clear()
    return rig


# ── the connection falls silent ──


def test_a_mute_connection_is_found_within_three_seconds_and_dialled_again_once() -> None:
    rig = warm()
    fell = rig.now
    rig.run(3)
    assert rig.why() == {"mute": 4}
    assert all(at - fell <= 3 * SECOND for at, _ in rig.told)
    assert rig.pings[0] - fell <= 2 * SECOND, "asked at once whether it lives"
    assert not rig.faults
    rig.run(4)
    [(at, fault)] = rig.faults
    assert isinstance(fault, errors.Stalled)
    assert fault.what == "data"
    assert at - fell <= 6 * SECOND


@pytest.mark.parametrize("answers", [True, False])
@pytest.mark.parametrize("tenths", range(5))
def test_silence_is_told_when_it_is_due_wherever_in_the_half_second_it_began(
    tenths: int, answers: bool
) -> None:
    rig = warm(seconds=60 + tenths / 10)
    rig.answers, fell = answers, rig.now
    rig.run(3)
    assert {at - fell for at, _ in rig.of(FeedStale)} == {2.5 * SECOND}
    assert [at - fell for at in rig.pings] == [1.5 * SECOND]


@pytest.mark.parametrize("tenths", range(5))
def test_what_came_just_before_the_silence_was_due_is_seen_first(tenths: int) -> None:
    rig = warm(seconds=60 + tenths / 10)
    rig.run(2.3)
    rig.run(0.1, rig.all_speak)
    rig.run(2.4)
    assert rig.why() == {}
    assert len(rig.pings) == 2, "each silence of a second and a half is asked about"


@pytest.mark.parametrize(
    ("symbols", "lived", "within", "why"),
    [
        ("A", 2, 16, "mute"),
        ("A", 5, 10.5, "silent"),  # what it says has no other word than its connection
        ("A", 12, 4.5, "mute"),
        ("ABCDEFGH", 2, 4.5, "mute"),
        ("ABCDEFGH", 4, 3, "mute"),
    ],
)
def test_a_fresh_connection_that_falls_silent_is_found_sooner_the_more_it_has_said(
    symbols: str, lived: float, within: float, why: str
) -> None:
    rig = Rig(*symbols)
    rig.run(lived, rig.all_speak)
    fell = rig.now
    rig.told.clear()
    rig.run(20)
    at, stale = rig.of(FeedStale)[0]
    assert isinstance(stale, FeedStale)
    assert stale.why == why
    assert at - fell <= within * SECOND
    assert rig.faults, "and dialled again"


@pytest.mark.parametrize("symbols", ["A", "ABCDEFGH"])
@pytest.mark.parametrize("every", [1, 5, 10])
@pytest.mark.parametrize("lived", [2, 4, 7, 30])
def test_a_young_connection_on_which_nobody_answers_is_mute_within_three_seconds(
    symbols: str, every: int, lived: int
) -> None:
    rig = Rig(*symbols)
    rig.answers = False
    rig.run(lived + 0.1, lambda now: rig.all_speak(now) if now // STEP % every == 0 else None)
    fell, rig.told = rig.heard, []
    assert not rig.pings, "while it speaks nobody asks"
    rig.run(9)
    assert rig.pings[0] - fell == 1.5 * SECOND
    assert rig.why()["mute"] == 2 * len(symbols)
    assert rig.of(FeedStale)[0][0] - fell == 2.5 * SECOND, "at once, and not at the look after"
    fault_at, fault = rig.faults[0]
    assert fault_at - fell <= 5 * SECOND, "and dialled again"
    assert isinstance(fault, errors.Stalled)


def test_a_line_that_has_become_quiet_is_not_asked_all_the_time() -> None:
    rig = Rig("A")
    rig.run(4, rig.all_speak)
    rig.run(600)
    hasty = sum(later - sooner < 4 * SECOND for sooner, later in pairwise(rig.pings))
    assert hasty <= 4, "its silence soon says as much as what it said before"
    quiet, rig = warm("A", seconds=6), Rig("A")
    rig.run(
        1800, lambda now: rig.hear("A") if now // SECOND % 7 == 0 and not now % SECOND else None
    )
    assert len(rig.pings) <= 1800 / 7 + 3, "as often as its silence of five seconds calls for it"
    assert (quiet.faults, rig.faults, rig.why()) == ([], [], {})


def test_an_answer_is_waited_for_and_no_limit_broken_by_asking() -> None:
    rig, room = warm("A", "B"), False
    look = rig.vigil.look
    rig.vigil.look = lambda heard, now: look(heard, now, lambda _: room)  # type: ignore[method-assign]
    rig.run(1.9)
    assert rig.pings == []
    rig.answers, room = False, True
    rig.run(2.5)
    assert len(rig.pings) == 1, "and not again before it is overdue"
    assert not rig.faults


class FarRig(Rig):
    """Its pongs come so many seconds after the pings, and its data at random."""

    def live(self, way: float, rate: float, seconds: float) -> None:
        chance, answers, next_at = Entropy(3).stream("far"), list[int](), self.now
        self.answers, asked = False, 0

        def speak(now: int) -> None:
            nonlocal asked, next_at
            answers.extend(at + round(way * SECOND) for at in self.pings[asked:])
            asked = len(self.pings)
            while answers and answers[0] <= now:
                self.heard = answers.pop(0)
                self.vigil.answered(self.heard)
            if now >= next_at:
                self.hear("A")
                next_at = now + round(chance.expovariate(rate) * SECOND)

        self.run(seconds, speak)


@pytest.mark.parametrize("way", [0.6, 1.2, 2.0])
@pytest.mark.parametrize("rate", [1.0, 1.5])
def test_a_line_whose_answers_are_long_on_their_way_is_not_mute(way: float, rate: float) -> None:
    rig = FarRig("A")
    rig.vigil.took(round(way * SECOND))  # the answer to a subscription
    rig.live(way, rate, 600)
    assert len(rig.pings) > 20, "it is asked now and then"
    assert (rig.why()["mute"], rig.faults) == (0, [])
    rig.run(30, rig.all_speak)
    fell, rig.told = rig.now, []
    rig.run(12)
    assert rig.why()["mute"] == 2
    assert rig.of(FeedStale)[0][0] - fell <= (2.0 + 1.5 * max(way, 1) + 0.5) * SECOND


def test_no_moment_that_is_over_is_aimed_at_again() -> None:
    rig = Rig("A")
    rig.answers = False
    rig.run(5.2, rig.all_speak)
    heard, now = rig.heard, rig.now
    for _ in range(200):
        due = rig.vigil.next_deadline(heard, now)
        assert due > now, "else it comes again at once, and for ever"
        now = due
        rig.tell(rig.vigil.look(heard, now))
        if rig.outbox.take_fault() is not None:
            break
    assert rig.why()["mute"] == 2


def test_one_late_answer_makes_no_line_slow() -> None:
    rig = Rig("A")
    rig.vigil.took(4 * SECOND)
    rig.run(5, rig.all_speak)
    rig.run(2)
    assert len(rig.pings) == 1, "and answered at once"
    rig.run(5, rig.all_speak)
    fell, rig.told, rig.answers = rig.heard, [], False
    rig.run(4)
    assert rig.of(FeedStale)[0][0] - fell <= 3 * SECOND


def test_the_redial_that_does_not_help_is_not_repeated_soon() -> None:
    rig = warm()
    fell = rig.now
    rig.run(3600)
    after = [(at - fell) / SECOND for at, _ in rig.faults]
    assert len(after) <= 8, after
    pauses = [later - sooner for sooner, later in pairwise(after)]
    assert pauses[0] >= FIRST_PAUSE_SECONDS
    assert all(later > 1.8 * sooner for sooner, later in pairwise(pauses))
    assert len(rig.pings) <= 3600 / 4, "an answered ping leaves time for the next"


def test_one_that_speaks_for_a_moment_after_each_redial_is_not_redialled_ever_as_often() -> None:
    rig = warm()

    def speak(now: int) -> None:
        if rig.faults and now - rig.faults[-1][0] < 15 * SECOND:
            rig.all_speak(now)

    rig.run(3600, speak)
    pauses = [(later - sooner) / SECOND for (sooner, _), (later, _) in pairwise(rig.faults)]
    assert len(pauses) >= 4
    assert all(later > 1.8 * sooner for sooner, later in pairwise(pauses)), pauses


@pytest.mark.parametrize("given_up", ["A", "AB"])
def test_a_connection_of_which_less_is_wanted_is_not_mute_when_it_says_less(given_up: str) -> None:
    rig = warm("A", "B")
    for symbol in given_up:
        for channel, kind in ASKS.items():
            rig.vigil.freshness.ended(Ask(channel, symbol), kind)
    rig.told.clear()
    rig.run(60, lambda now: rig.hear("B") if given_up == "A" and now % (8 * SECOND) == 0 else None)
    assert "mute" not in rig.why()
    assert rig.faults == []


def test_speech_after_a_mute_time_makes_everything_fresh() -> None:
    rig = warm("A", "B", "C")
    rig.run(3)
    assert rig.why() == {"mute": 6}
    rig.told.clear()
    missed: list[str] = []
    rig.vigil.freshness.on_revival = lambda symbol, _: missed.append(symbol)
    rig.run(1, lambda _: rig.hear("A"))
    fresh = {(e.symbol, e.channel) for _, e in rig.told if isinstance(e, FeedFresh)}
    assert fresh == {(symbol, channel) for symbol in "ABC" for channel in ASKS}
    assert not rig.faults
    assert missed == ["A", "A", ""], "and what nobody has said since may be lost as well"


def test_a_half_open_connection_is_given_up_within_ten_seconds() -> None:
    rig = warm()
    rig.answers = False
    fell = rig.now
    rig.run(10)
    assert rig.why()["mute"] == 4
    assert rig.of(FeedStale)[3][0] - fell <= 3 * SECOND
    assert rig.faults[0][0] - fell <= 10 * SECOND


def test_a_half_open_connection_that_never_spoke_is_given_up_within_ten_seconds() -> None:
    rig = Rig()
    rig.answers = False
    rig.run(10.2)
    [(at, fault)] = rig.faults
    assert isinstance(fault, errors.Stalled)
    assert at - START <= 10 * SECOND + STEP


def test_a_connection_that_speaks_once_a_second_by_chance_is_found_by_two_witnesses() -> None:
    chance, rig = Entropy(1).stream("chance"), Rig("A")
    rig.run(600, lambda _: rig.hear("A") if chance.random() < 0.15 else None)
    assert rig.why() == {}, "its own pauses are no alarm"
    assert not rig.faults
    rig.answers = False
    fell = rig.now
    rig.told.clear()
    rig.run(4)
    assert rig.why()["mute"] == 2
    assert rig.of(FeedStale)[0][0] - fell <= 4 * SECOND


def test_one_symbol_of_many_falls_silent_and_no_other_is_blamed() -> None:
    rig = warm(*"ABCDEFGH")
    rig.run(30, lambda _: [rig.hear(symbol) for symbol in "BCDEFGH"])
    assert [(e.symbol, e.channel) for _, e in rig.told if isinstance(e, FeedStale)] == [
        ("A", "ticker"),
        ("A", "trades"),
    ]
    assert not rig.faults


# ── of several connections, what another brings is not stale ──


def hushed() -> Rig:
    """A connection on which a symbol has fallen silent that another brings."""
    rig = warm("A", "B")
    rig.vigil.elsewhere = lambda _kind, symbol: symbol == "A"
    rig.run(15, lambda _: rig.hear("B"))
    assert rig.told == []
    return rig


def test_what_another_connection_brings_is_told_as_silent_when_that_one_is_gone() -> None:
    rig = hushed()
    rig.vigil.elsewhere = lambda _kind, _symbol: False
    told = rig.vigil.bereft(rig.now)
    assert {(one.symbol, one.channel, one.why) for one in told if isinstance(one, FeedStale)} == {
        ("A", "trades", "silent"), ("A", "ticker", "silent"),
    }  # fmt: skip
    assert all(abs(one.silent_seconds - 15) < 0.2 for one in told if isinstance(one, FeedStale))
    assert rig.vigil.bereft(rig.now) == [], "once"


def test_what_a_third_connection_brings_is_told_when_that_is_gone_too() -> None:
    rig = hushed()
    assert rig.vigil.bereft(rig.now) == []
    rig.vigil.elsewhere = lambda _kind, _symbol: False
    assert len(rig.vigil.bereft(rig.now)) == 2


@pytest.mark.parametrize("meanwhile", ["speaks", "ends", "opens"])
def test_what_is_not_silent_here_any_more_is_not_told_then(meanwhile: str) -> None:
    rig = hushed()
    if meanwhile == "speaks":
        rig.hear("A")
    elif meanwhile == "opens":
        rig.open()
    else:
        for channel, kind in ASKS.items():
            rig.vigil.freshness.ended(Ask(channel, "A"), kind)
    rig.vigil.elsewhere = lambda _kind, _symbol: False
    assert rig.vigil.bereft(rig.now) == []


# ── what comes is old ──


@pytest.mark.parametrize("backwards", [0, 5 * SECOND])
def test_frozen_venue_time_is_told_within_two_seconds(backwards: int) -> None:
    rig = warm()
    fell = rig.now
    rig.run(4, lambda _: [rig.hear(symbol, fell - backwards) for symbol in rig.symbols])
    at, lag = rig.of(Behind)[0]
    assert isinstance(lag, Behind)
    assert (lag.link, lag.channel) == ("x", "")
    assert at - fell <= 2 * SECOND
    assert rig.why() == {"behind": 4}, "what has no stamp is as old as its connection"
    thawed = rig.now
    rig.run(5, rig.all_speak)
    last = [e for _, e in rig.of(Behind)][-1]
    assert isinstance(last, Behind)
    assert last.seconds == 0
    assert len(rig.of(FeedFresh)) == 4
    assert all(at - thawed <= 2 * SECOND for at, _ in rig.of(FeedFresh))


def test_one_symbol_whose_time_is_frozen_is_told_alone() -> None:
    rig = warm("A", "B")
    fell = rig.now

    def speak(_: int) -> None:
        rig.hear("A", fell)
        rig.hear("B")

    rig.run(4, speak)
    found = {(e.symbol, e.channel, e.why) for _, e in rig.told if isinstance(e, FeedStale)}
    assert found == {("A", "trades", "behind")}
    assert {e.symbol for _, e in rig.of(Behind)} == {"A"}


@pytest.mark.parametrize(("late", "stale"), [(3.3, False), (3.8, True)])
def test_data_are_old_only_if_they_are_by_whatever_the_venues_clock_may_say(
    late: float, stale: bool
) -> None:
    skew = Skew()
    skew.take(sent=START - 2 * SECOND, received=START, server_time=START - SECOND)
    rig = warm(skew=skew)
    assert round(skew.bound(rig.now) / SECOND, 1) == 1.0
    rig.delay = round(late * SECOND)
    rig.run(5, rig.all_speak)
    assert ("behind" in rig.why()) is stale
    assert rig.of(Behind), "told either way"


def test_a_slow_line_is_shown_and_not_taken_for_a_dead_one() -> None:
    rig, chance = warm(), Entropy(2).stream("n6")

    def speak(_: int) -> None:
        rig.delay = round(chance.uniform(0.15, 0.35) * SECOND)
        rig.all_speak(0)

    rig.run(60, speak)
    assert rig.told == []
    assert rig.pings == []
    assert rig.faults == []


def test_one_odd_stamp_teaches_nothing() -> None:
    rig = warm()
    for stamp in (-10 * SECOND, 10 * SECOND, 3_000 * SECOND):
        rig.now += STEP
        rig.hear("A", rig.now + stamp)
        rig.tell(
            rig.vigil.look(rig.heard, max(rig.now, rig.vigil.next_deadline(rig.heard, rig.now)))
        )
        rig.run(5, rig.all_speak)
    assert rig.told == []
    assert abs(rig.skew.offset) < 5 * MILLISECOND


@pytest.mark.parametrize("moved", [-6 * SECOND, 6 * SECOND])
def test_what_came_before_the_venue_was_asked_says_nothing_against_its_answer(moved: int) -> None:
    rig = warm()
    rig.run(2, rig.all_speak)
    rig.delay -= moved  # its clock was set, and another connection has asked it at once
    way = MILLISECOND
    rig.skew.take(sent=rig.now - way, received=rig.now + way, server_time=rig.now + moved)
    rig.run(6, rig.all_speak)
    assert abs(rig.skew.offset - moved) <= 2 * MILLISECOND
    assert rig.skew.measured
    assert not rig.of(FeedStale)
    assert not rig.of(Behind)


def test_a_venue_whose_clock_is_ahead_is_an_offset_and_no_negative_age() -> None:
    rig = warm(skew=Skew())
    assert rig.skew.offset == -rig.delay
    rig.delay = -SECOND  # and now it is further ahead
    moved = rig.now
    rig.run(3, rig.all_speak)
    at, offset = rig.of(ClockOffset)[0]
    assert isinstance(offset, ClockOffset)
    assert at - moved <= 2 * SECOND
    assert rig.skew.offset == SECOND
    assert not rig.of(Behind)


def test_a_recording_of_another_day_is_not_called_late() -> None:
    rig = Rig()
    ago = 800 * 86_400 * SECOND
    rig.run(30, lambda now: [rig.hear(symbol, now - ago) for symbol in rig.symbols])
    assert not rig.of(Behind)
    assert not rig.why()
    assert abs(rig.skew.offset) < 5 * MILLISECOND, "and the clock stays where it was measured"


# ── we were asleep ──


def test_after_a_long_sleep_nothing_is_believed_until_all_that_waited_is_read() -> None:
    rig = warm()
    slept_at = rig.now
    rig.now += 60 * SECOND
    assert rig.now > rig.vigil.late_at
    rig.tell(rig.vigil.woke(rig.now))
    assert rig.why() == {"paused": 4}
    assert rig.outbox.take_ping(), "the fence"
    # What lay unread was sent while we slept; it is not fresh though it has just come.
    for second in range(50):
        rig.hear("A", slept_at + second * SECOND)
    rig.now += STEP
    rig.tell(rig.vigil.look(rig.heard, rig.vigil.next_deadline(rig.heard, rig.now)))
    assert not rig.of(FeedFresh)
    rig.vigil.answered(rig.now)
    rig.run(1, rig.all_speak)
    assert len(rig.of(FeedFresh)) == 4
    assert not rig.faults


def test_after_a_long_sleep_a_venue_that_answers_no_ping_is_believed_in_the_end() -> None:
    rig = warm()
    rig.now += 60 * SECOND
    rig.tell(rig.vigil.woke(rig.now))
    assert rig.outbox.take_ping()
    rig.run(9, rig.all_speak)
    assert not rig.of(FeedFresh)
    rig.run(2, rig.all_speak)
    assert len(rig.of(FeedFresh)) == 4


def test_what_had_not_spoken_before_a_long_sleep_is_believed_no_sooner_than_the_rest() -> None:
    rig = Rig("A", "B", "C")
    rig.run(1, lambda now: rig.hear("C"))
    first = len(rig.of(FeedFresh))
    rig.now += 12 * SECOND
    rig.tell(rig.vigil.woke(rig.now))
    assert rig.why() == {"paused": 6}, "two spoke, four were awaited"
    rig.hear("A", rig.now - 11 * SECOND)  # what lay unread
    rig.now += STEP
    rig.tell(rig.vigil.look(rig.heard, rig.vigil.next_deadline(rig.heard, rig.now)))
    trade = rig.vigil.freshness.spoken[Trade]
    assert (len(rig.of(FeedFresh)), trade) == (first, set())
    rig.now += 12 * SECOND
    rig.tell(rig.vigil.woke(rig.now))
    assert rig.why() == {"paused": 6}, "and nobody is told of it twice"
    rig.outbox.take_ping()
    rig.vigil.answered(rig.now)
    rig.vigil.answered(rig.now)
    rig.run(1)
    assert (len(rig.of(FeedFresh)), trade) == (first + 4, {"A", "C"})
    rig.hear("B")
    assert (len(rig.of(FeedFresh)), trade) == (first + 6, {"A", "B", "C"})


def test_the_answer_to_a_ping_from_before_a_sleep_says_nothing_of_what_lies_behind_it() -> None:
    rig = warm()
    rig.answers = False
    rig.run(2)
    assert len(rig.pings) == 1, "it fell silent, and was asked whether it lives"
    slept_at = rig.now
    rig.now += 60 * SECOND
    rig.tell(rig.vigil.woke(rig.now))
    assert rig.outbox.take_ping()
    rig.told.clear()
    rig.vigil.answered(rig.now)  # it lay unread, and so does all that was sent after it
    rig.hear("A", slept_at + SECOND)
    rig.run(1)
    assert not rig.of(FeedFresh)
    rig.vigil.answered(rig.now)
    rig.run(1, rig.all_speak)
    assert len(rig.of(FeedFresh)) == 4


def test_a_sleep_ends_with_its_connection() -> None:
    rig = Rig("A")
    rig.now += 12 * SECOND
    rig.tell(rig.vigil.woke(rig.now))
    rig.vigil.lost()
    rig.open()
    rig.hear("A")
    assert len(rig.of(FeedFresh)) == 2, "what the next one brings has waited nowhere"


def test_a_short_sleep_is_nobodys_silence() -> None:
    rig = warm()
    rig.now += 4 * SECOND
    rig.tell(rig.vigil.woke(rig.now))
    assert rig.outbox.take_ping(), "is the venue still there?"
    rig.heard = rig.now
    rig.run(1)
    assert rig.told == []
    assert rig.pings == []
    assert rig.faults == []


def counted(vigil: Vigil) -> list[int]:
    """When it is called upon to look, since the start."""
    seen: list[int] = []
    look = vigil.look

    def looked(heard: int, now: int) -> list[Event]:
        seen.append(now - START)
        return look(heard, now)

    vigil.look = looked  # type: ignore[method-assign]
    return seen


def test_where_nobody_can_sleep_looks_that_can_find_nothing_are_left_out() -> None:
    def only(rig: Rig, symbol: str, _: int) -> None:
        rig.hear(symbol)

    looks: dict[bool, list[int]] = {}
    told = {}
    for sleepless in (False, True):
        rig = Rig()
        rig.vigil.sleepless = sleepless
        rig.vigil.opened(rig.now)
        seen = looks[sleepless] = counted(rig.vigil)
        rig.run(7.3)
        assert len(seen) == (1 if sleepless else 7), "a ping is due in any case"
        rig.symbols = ("A", "B")
        for symbol in rig.symbols:
            for channel, kind in ASKS.items():
                rig.vigil.freshness.confirmed(Ask(channel, symbol), kind, rig.now, busy=True)
        rig.run(60, rig.all_speak)
        rig.run(60, partial(only, rig, "A"))
        told[sleepless] = rig.told, rig.pings, rig.faults
    assert told[True] == told[False]
    assert any(isinstance(one, FeedStale) for _, one in told[True][0])
    since = [at for at in looks[False] if at > 7.3 * SECOND]
    assert [at for at in looks[True] if at > 7.3 * SECOND] == since, "at the same times as ever"


def test_who_cannot_sleep_over_a_look_is_never_late() -> None:
    rig = Rig()
    assert rig.vigil.late_at < rig.now + 10 * SECOND
    rig.vigil.sleepless = True
    rig.vigil.opened(rig.now)
    assert rig.vigil.late_at > rig.now + 10**9 * SECOND

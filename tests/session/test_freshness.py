"""An acknowledgement proves nothing, data does; and silence only against what came before it."""

from __future__ import annotations

import pytest

from pitwire.model.clock import SECOND
from pitwire.model.events import Bar, Event, FeedFresh, FeedStale, Quote, Ticker
from pitwire.session.freshness import FIRST_WITHIN_SECONDS, SWEEP_SECONDS, Freshness
from pitwire.venues.venue import Ask

NOW = 1_700_000_000 * SECOND
TICKER = Ask("ticker", "A")
LATE = round(FIRST_WITHIN_SECONDS * SECOND)
SWEEP = round(SWEEP_SECONDS * SECOND)


def quote(symbol: str = "A", now: int = NOW) -> Quote:
    return Quote("toy", symbol, 0, now, 1.0, 1.0, 2.0, 1.0)


def bar(interval: str, now: int) -> Bar:
    return Bar("toy", "A", 0, now, interval, 0, 0, 1, 1, 1, 1, 1, 1, 1, closed=False)


def hear(freshness: Freshness, event: Event) -> list[Event]:
    """As a conversation does: the hot path stores, everything else goes through `first`."""
    hot = freshness.heard[type(event)]
    if event.symbol in hot:
        hot[event.symbol] = event
        return []
    return list(freshness.first(event, event.received))


def busy(freshness: Freshness, *symbols: str, seconds: float, now: int = NOW) -> int:
    """Quotes in every sweep for so long; returns the time after it."""
    told: list[Event] = []
    for at in range(now, now + round(seconds * SECOND), SWEEP):
        for symbol in symbols:
            told += [one for one in hear(freshness, quote(symbol, at)) if at > now]
        told += freshness.sweep(at)
        now = at
    assert told == []
    return now


def stale_of(told: list[Event]) -> list[tuple[str, str, str]]:
    return [(one.symbol, one.channel, one.why) for one in told if isinstance(one, FeedStale)]


def test_the_first_data_after_an_acknowledgement_is_told_once() -> None:
    freshness = Freshness("toy")
    freshness.confirmed(TICKER, "Quote", NOW, busy=True)
    [fresh] = freshness.first(quote(), NOW + 1)
    assert isinstance(fresh, FeedFresh)
    assert (fresh.channel, fresh.symbol) == ("ticker", "A")
    assert freshness.first(quote(), NOW + 2) == ()
    assert freshness.spoken[Quote] == {"A"}
    assert freshness.sweep(NOW + LATE) == []


def test_data_before_the_acknowledgement_does_not_count_for_it() -> None:
    freshness = Freshness("toy")
    assert freshness.first(quote(), NOW) == ()
    freshness.confirmed(TICKER, "Quote", NOW, busy=True)
    assert "A" not in freshness.spoken[Quote]
    assert "A" not in freshness.heard[Quote]
    assert len(freshness.first(quote(), NOW)) == 1


def test_a_busy_subscription_that_never_speaks_is_stale_once() -> None:
    freshness = Freshness("toy")
    freshness.confirmed(TICKER, "Quote", NOW, busy=True)
    freshness.confirmed(Ask("trades", "A"), "Trade", NOW, busy=False)
    assert freshness.sweep(NOW + LATE - 1) == []
    [stale] = freshness.sweep(NOW + LATE)
    assert isinstance(stale, FeedStale)
    found = (stale.channel, stale.silent_seconds, stale.why)
    assert found == ("ticker", FIRST_WITHIN_SECONDS, "unproven")
    assert freshness.sweep(NOW + 2 * LATE) == []
    assert len(freshness.first(quote(), NOW + 2 * LATE)) == 1, "it speaks after all"


def test_what_came_before_the_first_look_is_no_silence() -> None:
    for late in (1, SWEEP):  # an idle connection is looked at once a second
        freshness = Freshness("toy")
        freshness.confirmed(TICKER, "Quote", NOW, busy=True)
        for at in range(NOW, NOW + SECOND - late, SECOND // 10):
            hear(freshness, quote("A", at))
        freshness.sweep(NOW + SECOND - late)
        now = busy(freshness, "A", seconds=5, now=NOW + SECOND)
        assert now > NOW + 5 * SECOND
        [voice] = freshness.voices
        assert voice.rhythm.widest <= SWEEP + SECOND // 10
    freshness = Freshness("toy")
    freshness.confirmed(TICKER, "Quote", NOW, busy=True)
    hear(freshness, quote("A", NOW))
    freshness.sweep(NOW + SWEEP)
    hear(freshness, quote("A", NOW + 3 * SECOND))
    freshness.sweep(NOW + 3 * SECOND)
    [voice] = freshness.voices
    assert (voice.rhythm.widest, voice.rhythm.gaps) == (3 * SECOND, 1), "but this one was"


def test_the_first_data_speaks_for_every_variant_of_a_channel() -> None:
    freshness = Freshness("toy")
    variants = [Ask("ticker", "A", option) for option in ("5", "10", "20")]
    for ask in variants:
        freshness.confirmed(ask, "Quote", NOW, busy=True)
    freshness.ended(variants[1], "Quote")
    assert len(freshness.first(quote(), NOW + 1)) == 2
    assert freshness.sweep(NOW + LATE) == []


def test_what_has_ended_is_not_waited_for() -> None:
    freshness = Freshness("toy")
    freshness.confirmed(TICKER, "Quote", NOW, busy=True)
    freshness.ended(TICKER, "Quote")
    assert freshness.is_empty
    freshness.confirmed(TICKER, "Quote", NOW, busy=True)
    freshness.first(quote("B"), NOW)
    freshness.begin_again()
    assert freshness.is_empty
    assert freshness.spoken[Quote] == set()


def test_a_channel_without_an_event_of_ours_is_let_alone() -> None:
    freshness = Freshness("toy")
    freshness.confirmed(Ask("odd", "A"), "", NOW, busy=True)
    freshness.ended(Ask("odd", "A"), "")
    assert freshness.is_empty


# ── rhythm ──


def test_one_symbol_that_falls_silent_among_many_is_told_within_five_seconds() -> None:
    freshness = Freshness("toy")
    symbols = [f"S{n}" for n in range(20)]
    for symbol in symbols:
        freshness.confirmed(Ask("ticker", symbol), "Quote", NOW, busy=True)
    last = busy(freshness, *symbols, seconds=60)
    told: list[Event] = []
    now = last
    while not told and now < last + 60 * SECOND:
        now += SWEEP
        for symbol in symbols[1:]:
            told += hear(freshness, quote(symbol, now))
        told += freshness.sweep(now)
    assert stale_of(told) == [("S0", "ticker", "silent")]
    assert now - last <= 5 * SECOND
    assert "S0" not in freshness.spoken[Quote]
    assert freshness.sweep(now + SWEEP) == [], "told once"
    [fresh] = hear(freshness, quote("S0", now + 2 * SWEEP))
    assert isinstance(fresh, FeedFresh)
    assert hear(freshness, quote("S0", now + 3 * SWEEP)) == []


def test_a_quiet_symbol_is_waited_for_by_its_own_rhythm() -> None:
    freshness = Freshness("toy")
    freshness.confirmed(TICKER, "Quote", NOW, busy=False)
    now, every = NOW, 20 * SECOND
    for _ in range(30):
        for _ in range(every // SWEEP):
            now += SWEEP
            assert freshness.sweep(now) == []
        hear(freshness, quote(now=now))
    last, told = now, []
    while not told:
        now += SWEEP
        told = freshness.sweep(now)
    assert 4 * every <= now - last <= 8 * every


def test_what_was_learned_outlives_a_connection() -> None:
    freshness = Freshness("toy")
    freshness.confirmed(TICKER, "Quote", NOW, busy=True)
    now = busy(freshness, "A", seconds=60)
    freshness.begin_again()
    freshness.confirmed(TICKER, "Quote", now, busy=True)
    assert freshness.sweep(now + 4 * SECOND) == []
    [stale] = freshness.sweep(now + 5 * SECOND)
    assert isinstance(stale, FeedStale), "sooner than one of which nothing is known"


def test_time_in_which_we_did_not_read_is_nobodys_silence() -> None:
    freshness = Freshness("toy")
    freshness.confirmed(TICKER, "Quote", NOW, busy=True)
    now = busy(freshness, "A", seconds=60)
    freshness.be_patient(now + 100 * SECOND)
    assert freshness.sweep(now + 104 * SECOND) == []
    assert len(freshness.sweep(now + 105 * SECOND)) == 1, "from then on it is"


def test_what_came_before_a_pause_of_ours_is_the_newest_whether_or_not_a_look_saw_it() -> None:
    freshness = Freshness("toy")
    freshness.confirmed(TICKER, "Quote", NOW, busy=True)
    now = busy(freshness, "A", seconds=60)
    hear(freshness, last := quote(now=now + 1))
    assert len(freshness.doubt(now + 90 * SECOND, 90 * SECOND)) == 1
    assert freshness.newest_of(Quote, "A") is last
    freshness.believe(now + 91 * SECOND)
    assert freshness.newest_of(Quote, "A") is last
    freshness.heard[Quote]["A"] = (7, now + 92 * SECOND)
    assert freshness.newest_of(Quote, "A") == (7, now + 92 * SECOND), "of one that was not read"


def test_a_pause_of_ours_teaches_no_rhythm() -> None:
    freshness = Freshness("toy")
    freshness.confirmed(TICKER, "Quote", NOW, busy=True)
    now = busy(freshness, "A", seconds=60) + 100 * SECOND
    freshness.be_patient(now)
    hear(freshness, quote(now=now + SWEEP))
    assert freshness.sweep(now + SWEEP) == []
    assert len(freshness.sweep(now + SWEEP + 5 * SECOND)) == 1


def test_variants_of_one_kind_are_told_apart() -> None:
    minute, hour = Ask("bars", "A", "1m"), Ask("bars", "A", "1h")
    freshness = Freshness("toy", lambda event: Ask("bars", "A", getattr(event, "interval", "")))
    for ask in (minute, hour):
        freshness.confirmed(ask, "Bar", NOW, busy=False)
    now = NOW
    assert len(hear(freshness, bar("1m", now))) == 2, "the first speaks for both"
    for _ in range(200):
        now += SWEEP
        for interval in ("1m", "1h"):
            hear(freshness, bar(interval, now))
        assert freshness.sweep(now) == []
    told: list[Event] = []
    for _ in range(12):
        now += SWEEP
        told += hear(freshness, bar("1m", now))
        told += freshness.sweep(now)
    assert len(stale_of(told)) == 1
    assert freshness.spoken[Bar] == {"A"}, "the other still speaks"
    assert [type(one) for one in hear(freshness, bar("1h", now))] == [FeedFresh]


def test_an_ask_for_all_symbols_speaks_by_any() -> None:
    freshness = Freshness("toy")
    freshness.confirmed(Ask("mini_stats", ""), "Ticker", NOW, busy=False)
    now, nan = NOW, float("nan")
    told: list[Event] = []
    for number in range(100):
        now += SWEEP
        one = Ticker("toy", f"S{number % 7}", 0, now, "24h", nan, nan, nan, nan, nan, nan)
        told += hear(freshness, one)
        told += freshness.sweep(now)
    assert [(type(one), one.symbol) for one in told] == [(FeedFresh, "")]
    assert stale_of(freshness.sweep(now + 5 * SECOND)) == [("", "mini_stats", "silent")]


# ── before a rhythm is known ──


def found_after(freshness: Freshness, last: int, *others: str) -> tuple[list[str], float]:
    """Who is called silent first while others go on, and after how many seconds."""
    for now in range(last + SWEEP, last + 120 * SECOND, SWEEP):
        for symbol in others:
            hear(freshness, quote(symbol, now))
        if silent := [one[0] for one in stale_of(freshness.sweep(now))]:
            return silent, (now - last) / SECOND
    return [], 0.0


@pytest.mark.parametrize(("lived", "within"), [(2, 16), (3, 12), (5, 10.5), (9.5, 10.5), (12, 5)])
def test_one_that_dies_soon_after_its_beginning_is_found(lived: float, within: float) -> None:
    freshness = Freshness("toy")
    freshness.confirmed(TICKER, "Quote", NOW, busy=False)
    last = busy(freshness, "A", seconds=lived)
    silent, seconds = found_after(freshness, last)
    assert silent == ["A"]
    assert seconds <= within


def test_one_that_has_hardly_spoken_is_waited_for_four_times_as_long_as_its_peers() -> None:
    freshness, peers = Freshness("toy"), ("B", "C", "D")
    for symbol in ("A", *peers):
        freshness.confirmed(Ask("ticker", symbol), "Quote", NOW, busy=True)
    hear(freshness, quote("A"))
    last = busy(freshness, *peers, seconds=15)
    silent, seconds = found_after(freshness, last, *peers)
    assert silent == ["A"]
    assert 18 <= seconds + 15 <= 19
    [fresh] = hear(freshness, quote("A", last + 60 * SECOND))
    assert isinstance(fresh, FeedFresh)


@pytest.mark.parametrize(("peers", "usual"), [("BC", True), ("BCD", False)])
def test_without_peers_or_where_silence_is_usual_one_word_proves_nothing(
    peers: str, usual: bool
) -> None:
    freshness = Freshness("toy")
    for symbol in ("A", *peers):
        freshness.confirmed(Ask("ticker", symbol), "Quote", NOW, busy=usual)
    hear(freshness, quote("A"))
    last = busy(freshness, *peers, seconds=15)
    assert found_after(freshness, last, *peers) == ([], 0.0)


@pytest.mark.parametrize(("every", "within"), [(1.0, 5.0), (3.0, 12.5)])
def test_a_promised_word_is_missed_from_the_beginning(every: float, within: float) -> None:
    freshness = Freshness("toy")
    freshness.confirmed(TICKER, "Quote", NOW, busy=False, every_seconds=every)
    told = [one for at in range(26) for one in freshness.sweep(NOW + at * SWEEP)]
    assert [(symbol, why) for symbol, _, why in stale_of(told)] == [("A", "unproven")]
    assert told[0].received - NOW <= within * SECOND
    last = told[0].received + 20 * SECOND
    hear(freshness, quote(now=last))
    silent, seconds = found_after(freshness, last)
    assert silent == ["A"]
    assert seconds <= within


def test_who_speaks_after_it_was_told_that_it_never_did_may_have_lost_something() -> None:
    freshness, heard = Freshness("toy"), list[tuple[str, int]]()
    freshness.on_revival = lambda symbol, at: heard.append((symbol, at))
    freshness.confirmed(TICKER, "Quote", NOW, busy=True)
    assert len(freshness.sweep(NOW + LATE)) == 1
    freshness.first(quote("A", NOW + LATE + 1), NOW + LATE + 1)
    freshness.confirmed(Ask("ticker", "B"), "Quote", NOW, busy=True)
    freshness.first(quote("B", NOW + 1), NOW + 1)
    assert heard == [("A", NOW + LATE + 1)]


def test_who_speaks_first_after_a_pause_may_have_been_mute_before_it() -> None:
    freshness, heard = Freshness("toy"), list[tuple[str, int]]()
    freshness.on_revival = lambda symbol, at: heard.append((symbol, at))
    freshness.confirmed(TICKER, "Quote", NOW, busy=True)
    freshness.doubt(NOW + 9 * SECOND, 8 * SECOND)
    freshness.first(quote("A", NOW + 9 * SECOND), NOW + 9 * SECOND)
    assert heard == [("A", NOW + 9 * SECOND)]

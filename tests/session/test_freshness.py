"""An acknowledgement proves nothing, data does."""

from __future__ import annotations

from pitwire.model.clock import SECOND
from pitwire.model.events import FeedFresh, FeedStale, Quote
from pitwire.session.freshness import FIRST_WITHIN_SECONDS, Freshness
from pitwire.venues.venue import Ask

NOW = 1_700_000_000 * SECOND
TICKER = Ask("ticker", "A")
LATE = round(FIRST_WITHIN_SECONDS * SECOND)


def quote(symbol: str = "A") -> Quote:
    return Quote("toy", symbol, 0, NOW, 1.0, 1.0, 2.0, 1.0)


def test_the_first_data_after_an_acknowledgement_is_told_once() -> None:
    freshness = Freshness("toy")
    freshness.confirmed(TICKER, "Quote", NOW, busy=True)
    [fresh] = freshness.first(quote(), NOW + 1)
    assert isinstance(fresh, FeedFresh)
    assert (fresh.channel, fresh.symbol) == ("ticker", "A")
    assert freshness.first(quote(), NOW + 2) == ()
    assert freshness.spoken[Quote] == {"A"}
    assert freshness.overdue(NOW + LATE) == []


def test_data_before_the_acknowledgement_does_not_count_for_it() -> None:
    freshness = Freshness("toy")
    assert freshness.first(quote(), NOW) == ()
    freshness.confirmed(TICKER, "Quote", NOW, busy=True)
    assert "A" not in freshness.spoken[Quote]
    assert len(freshness.first(quote(), NOW)) == 1


def test_a_busy_subscription_that_never_speaks_is_stale_once() -> None:
    freshness = Freshness("toy")
    freshness.confirmed(TICKER, "Quote", NOW, busy=True)
    freshness.confirmed(Ask("trades", "A"), "Trade", NOW, busy=False)
    assert freshness.next_deadline() == NOW + LATE
    assert freshness.overdue(NOW + LATE - 1) == []
    [stale] = freshness.overdue(NOW + LATE)
    assert isinstance(stale, FeedStale)
    assert (stale.channel, stale.silent_seconds) == ("ticker", FIRST_WITHIN_SECONDS)
    assert freshness.overdue(NOW + 2 * LATE) == []
    assert len(freshness.first(quote(), NOW + 2 * LATE)) == 1, "it speaks after all"


def test_the_first_data_speaks_for_every_variant_of_a_channel() -> None:
    freshness = Freshness("toy")
    variants = [Ask("ticker", "A", option) for option in ("5", "10", "20")]
    for ask in variants:
        freshness.confirmed(ask, "Quote", NOW, busy=True)
    freshness.ended(variants[1], "Quote")
    assert len(freshness.first(quote(), NOW + 1)) == 2
    assert freshness.overdue(NOW + LATE) == []


def test_what_has_ended_is_not_waited_for() -> None:
    freshness = Freshness("toy")
    freshness.confirmed(TICKER, "Quote", NOW, busy=True)
    freshness.ended(TICKER, "Quote")
    assert freshness.next_deadline() is None
    freshness.confirmed(TICKER, "Quote", NOW, busy=True)
    freshness.first(quote("B"), NOW)
    freshness.begin_again()
    assert freshness.next_deadline() is None
    assert freshness.spoken[Quote] == set()


def test_a_channel_without_an_event_of_ours_is_let_alone() -> None:
    freshness = Freshness("toy")
    freshness.confirmed(Ask("odd", "A"), "", NOW, busy=True)
    freshness.ended(Ask("odd", "A"), "")
    assert freshness.next_deadline() is None

"""Where no trade of a symbol is known, the venue is asked for the first since it was confirmed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pitwire.model import errors
from pitwire.model.clock import SECOND
from pitwire.model.entropy import Entropy
from pitwire.model.events import AggregateTrade, Event, Trade, TradeGap
from pitwire.model.orders import Side
from pitwire.session.backfill import AT_ONCE, Backfill
from pitwire.session.beginnings import PATIENCE_SECONDS
from pitwire.session.origins import DOUBT_SECONDS, PAGE, QUIET_TRIES
from pitwire.session.pacing import Pacing
from pitwire.venues.venue import CodecOptions, HttpRequest, Limit, Role
from tests.session.toy import TOY, ToyCodec

NOW = 1_700_000_000 * SECOND
LATER = NOW + round(DOUBT_SECONDS * SECOND)
PATIENCE = round(PATIENCE_SECONDS * SECOND)
UNWILLING = errors.VenueUnavailable(venue="toy", code=503)
_ROWS = {
    "trades": msgspec.structs.replace(TOY.channels["trades"], dense=True),
    "aggregate_trades": msgspec.structs.replace(
        TOY.channels["trades"], name="aggregate_trades", event="AggregateTrade", dense=True
    ),
}
DENSE = msgspec.structs.replace(TOY, channels={**TOY.channels, **_ROWS})


class DatedToyCodec(ToyCodec):
    """One whose venue tells aggregates by their time."""

    def ask_aggregates_since(self, symbol: str, since: int, count: int) -> HttpRequest:
        query = f"{symbol},@{since - NOW},{count}"
        return HttpRequest("aggregate_trades", "GET", "/since", query, weight=4, symbol=symbol)


class Setting:
    """A backfill of a venue that can be asked by time."""

    def __init__(self, *limits: Limit, codec: type[ToyCodec] = DatedToyCodec) -> None:
        self.pacing = Pacing(limits)
        self.ours = Backfill(
            msgspec.structs.replace(DENSE, limits=limits),
            codec(CodecOptions(Role.MARKET)),
            pacing=self.pacing,
            chance=Entropy(1).stream("backfill"),
            stir=lambda: None,
        )

    def fall(self, now: int = NOW) -> list[Any]:
        """All connections are lost, and one stands again."""
        events = self.ours.lost(now)
        self.ours.begin_again()
        return told(events)

    def lose(self, *symbols: str, channel: str = "trades") -> None:
        """These were confirmed, their connection fell, and they are confirmed again."""
        for symbol in symbols:
            self.ours.confirmed(channel, symbol, NOW - 5)
        assert self.fall() == []
        for symbol in symbols:
            self.ours.confirmed(channel, symbol, NOW)

    def trade(self, number: int, now: int = LATER, symbol: str = "A") -> list[Any]:
        return told(self.ours.trades.accept(trade(number, now, symbol), number))

    def ask(self, now: int = LATER) -> HttpRequest:
        [request] = self.ours.due(now)
        return request

    def answer(self, request: HttpRequest, *found: Trade | AggregateTrade, now: int = LATER,
               error: errors.PitwireError | None = None) -> list[Any]:  # fmt: skip
        return told(self.ours.answered(request, found, error, now))


def trade(number: int, now: int = LATER, symbol: str = "A") -> Trade:
    return Trade("toy", symbol, now, now, 1.0, 1.0, Side.BUY, number)


def aggregate(number: int, first: int, now: int = LATER) -> AggregateTrade:
    return AggregateTrade("toy", "A", now, now, 1.0, 1.0, Side.BUY, number, first, first)


def told(events: list[Event] | Any) -> list[Any]:
    return [_short(one) for one in events]


def _short(one: Event) -> Any:
    if isinstance(one, TradeGap):
        if one.since:
            return (one.since - NOW, one.venue_time - NOW)
        return (one.first_missing, one.last_missing)
    return one.trade_id if isinstance(one, Trade) else one.aggregate_id  # type: ignore[attr-defined]


def test_a_symbol_that_was_lost_before_it_spoke_is_asked_for_by_time_and_then_by_id() -> None:
    setting = Setting()
    setting.lose("A")
    assert setting.ours.due(NOW) == [], "a trade may come soon"
    assert setting.ours.next_deadline(NOW) == LATER
    request = setting.ask()
    assert request.query == "A,@-5,1"
    assert setting.answer(request, aggregate(1, 40)) == []
    request = setting.ask()
    assert (request.purpose, request.query) == ("trades", f"A,40,{PAGE}")
    assert setting.answer(request, trade(40), trade(41)) == [40, 41]
    assert setting.trade(42) == [42]
    assert setting.trade(44) == [], "it has begun, and its ids tell"


def test_its_first_trade_waits_for_the_answer_and_what_is_before_it() -> None:
    setting = Setting()
    setting.lose("A")
    assert setting.trade(43, NOW + 1) == []
    request = setting.ask(NOW + 1)
    assert request.query == "A,@-5,1", "at once"
    assert setting.trade(44, NOW + 2) == []
    assert setting.answer(request, aggregate(1, 41), now=NOW + 3) == []
    request = setting.ask(NOW + 3)
    assert request.query == f"A,41,{PAGE}"
    assert setting.answer(request, trade(41), trade(42)) == [41, 42, 43, 44]


def test_where_the_first_trade_is_the_first_nothing_was_lost() -> None:
    setting = Setting()
    setting.lose("A")
    assert setting.trade(43, NOW + 1) == []
    assert setting.answer(setting.ask(NOW + 1), aggregate(1, 43), now=NOW + 2) == [43]
    assert setting.ours.next_deadline(NOW + 2) is None


def test_what_is_not_in_the_history_yet_is_asked_for_again_until_a_gap_names_the_time() -> None:
    setting = Setting()
    setting.lose("A")
    assert setting.trade(43, NOW + 1) == []
    now = NOW + 1
    assert setting.answer(setting.ask(now), now=now) == []
    again = setting.ours.next_deadline(now)
    assert again is not None
    assert now < again < now + PATIENCE
    assert setting.answer(setting.ask(again), error=UNWILLING, now=again) == []
    assert told(setting.ours.overdue(now + PATIENCE)) == [(-5, 1), 43]
    assert setting.trade(44, now + PATIENCE) == [44]
    assert setting.ours.due(now + 9 * PATIENCE) == []


def test_nothing_traded_and_nothing_is_told() -> None:
    setting = Setting()
    setting.lose("A")
    assert setting.answer(setting.ask()) == []
    assert setting.ours.next_deadline(LATER) is None
    assert setting.trade(7) == [7]


def test_who_cannot_be_asked_names_the_time_with_the_next_trade() -> None:
    setting = Setting(codec=ToyCodec)
    setting.lose("A")
    assert setting.ours.due(LATER) == []
    assert setting.trade(7) == [(-5, LATER - NOW), 7]
    assert setting.trade(8) == [8]


@pytest.mark.parametrize("tries", [1, QUIET_TRIES])
def test_who_does_not_answer_is_asked_so_often_and_a_gap_names_the_time(tries: int) -> None:
    setting = Setting()
    setting.lose("A")
    never = errors.RequestRejected(venue="toy", code=-1121)
    now, events = LATER, []
    for _ in range(tries):
        assert events == []
        error = UNWILLING if tries > 1 else never
        events = setting.answer(setting.ask(now), error=error, now=now)
        now = setting.ours.next_deadline(now) or now
    assert events == [(-5, now - NOW)]
    assert setting.trade(7, now) == [7], "what is lost from then on would be another gap"


def test_aggregates_come_with_the_answer() -> None:
    setting = Setting()
    setting.lose("A", channel="aggregate_trades")
    request = setting.ask()
    assert request.query == f"A,@-5,{PAGE}"
    assert setting.answer(request, aggregate(8, 40), aggregate(9, 41)) == [8, 9]
    assert told(setting.ours.aggregates.accept(aggregate(10, 42), 10)) == [10]
    setting = Setting()
    setting.lose("A", channel="aggregate_trades")
    assert setting.ours.aggregates.accept(aggregate(10, 42, NOW + 1), 10) == ()
    answer = aggregate(8, 40), aggregate(9, 41), aggregate(10, 42)
    assert setting.answer(setting.ask(NOW + 1), *answer) == [8, 9, 10]


def test_an_answer_from_before_a_symbol_is_confirmed_again_makes_nothing_sure() -> None:
    setting = Setting()
    setting.ours.confirmed("trades", "A", NOW - 5)
    assert setting.fall() == []
    setting.ours.doubt("", NOW)
    assert setting.answer(setting.ask()) == [], "it may trade before its stream begins"
    assert setting.ours.next_deadline(LATER) is None
    setting.ours.confirmed("trades", "A", LATER)
    request = setting.ask(LATER + SECOND)
    assert request.query == "A,@-5,1"
    assert setting.answer(request) == []
    assert setting.trade(7, LATER + SECOND) == [7]


def test_aggregates_that_came_with_such_an_answer_are_not_the_last() -> None:
    setting = Setting()
    setting.ours.confirmed("aggregate_trades", "A", NOW - 5)
    assert setting.fall() == []
    setting.ours.doubt("", NOW)
    assert setting.answer(setting.ask(), aggregate(8, 40)) == [8]
    setting.ours.confirmed("aggregate_trades", "A", LATER)
    request = setting.ask()
    assert request.query == f"A,9,{PAGE}"
    assert setting.answer(request, aggregate(9, 41)) == [9]
    full = Setting()
    full.lose("A", channel="aggregate_trades")
    found = [aggregate(number, number) for number in range(1, PAGE + 1)]
    assert full.answer(full.ask(), *found) == list(range(1, PAGE + 1))
    assert full.ask().query == f"A,{PAGE + 1},{PAGE}", "there may be more"


def test_a_doubt_on_a_connection_that_stands_is_asked_about_too() -> None:
    setting = Setting()
    setting.ours.confirmed("trades", "A", NOW - 5)
    setting.ours.doubt("", NOW)
    assert setting.ours.due(NOW) == []
    request = setting.ask()
    setting.ours.doubt("A", LATER)  # and again, while we ask
    assert setting.answer(request) == []
    assert setting.trade(7, LATER + 1) == []
    assert setting.answer(setting.ask(LATER + 1), aggregate(1, 7)) == [7]


def test_many_are_asked_for_a_few_at_a_time_within_a_part_of_the_weight() -> None:
    setting = Setting(Limit("weight", 400, 60.0))
    setting.lose(*(f"S{number}" for number in range(40)))
    asked = 0
    while requests := setting.ours.due(LATER):
        assert len(requests) <= AT_ONCE
        asked += len(requests)
        for request in requests:
            assert setting.answer(request) == []
    assert asked == 100 // 4, "a quarter of the weight is all that quiet ones may have"
    assert setting.trade(5, LATER, "S39") == []
    assert setting.ask(LATER).symbol == "S39", "for one that waits there is more"
    assert (setting.ours.next_deadline(LATER) or 0) > LATER


def test_a_request_that_was_not_carried_is_made_again_and_after_a_loss_anew() -> None:
    setting = Setting()
    setting.lose("A")
    request = setting.ask()
    setting.ours.give_back(request, LATER + 1)
    again = setting.ask(LATER + 1)
    assert setting.trade(7, LATER + 2) == []
    assert setting.fall(LATER + 3) == [(-5, LATER + 2 - NOW), 7], "nobody is left to wait with"
    assert setting.answer(again, aggregate(1, 3)) == [], "an answer from before"


def test_a_long_answer_about_a_quiet_symbol_is_gone_on_with() -> None:
    setting = Setting()
    setting.trade(1)
    setting.fall()
    setting.ours.confirmed("trades", "A", NOW)
    page = [trade(number) for number in range(2, PAGE + 2)]
    assert len(setting.answer(setting.ask(), *page)) == PAGE
    request = setting.ask()
    assert request.query == f"A,{PAGE + 2},{PAGE}"
    assert setting.answer(request, trade(PAGE + 2)) == [PAGE + 2]
    assert setting.ours.due(LATER) == []


def test_what_was_held_of_an_earlier_want_is_told_and_is_no_beginning() -> None:
    setting = Setting()
    setting.lose("A")
    assert setting.trade(7, NOW + 1) == []
    request = setting.ask(NOW + 1)
    setting.ours.forget("trades", "A")
    assert setting.answer(request, aggregate(1, 3), now=NOW + 2) == []
    assert told(setting.ours.overdue(NOW + 2)) == [7]
    setting.ours.confirmed("trades", "A", NOW + 3)
    assert setting.trade(20, NOW + 4) == [20]

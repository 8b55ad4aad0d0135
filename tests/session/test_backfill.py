"""What is missing is asked for by its ids, in pages, within the venue's weight."""

from __future__ import annotations

import random
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from pitwire.model import errors
from pitwire.model.clock import SECOND
from pitwire.model.entropy import Entropy
from pitwire.model.events import AggregateTrade, Event, Trade, TradeGap
from pitwire.model.orders import Side
from pitwire.session.backfill import AT_ONCE, Backfill
from pitwire.session.continuity import HOLD_SECONDS
from pitwire.session.freshness import Freshness
from pitwire.session.origins import DOUBT_SECONDS, PAGE
from pitwire.session.pacing import Pacing
from pitwire.venues.venue import Ask, Can, CodecOptions, HttpRequest, Limit, Role, Venue
from tests.session.toy import TOY, ToyCodec

NOW = 1_700_000_000 * SECOND
HOLD = round(HOLD_SECONDS * SECOND)
LATER = NOW + round(DOUBT_SECONDS * SECOND)
_ROWS = {
    "trades": msgspec.structs.replace(TOY.channels["trades"], dense=True),
    "aggregate_trades": msgspec.structs.replace(
        TOY.channels["trades"], name="aggregate_trades", event="AggregateTrade", dense=True
    ),
}
DENSE = msgspec.structs.replace(TOY, channels={**TOY.channels, **_ROWS})


class Setting:
    """A backfill, and what it did."""

    def __init__(self, *limits: Limit, venue: Venue = DENSE, enabled: bool = True) -> None:
        venue = msgspec.structs.replace(venue, limits=limits)
        self.stirred = 0
        self.pacing = Pacing(limits)
        self.ours = Backfill(
            venue,
            ToyCodec(CodecOptions(Role.MARKET)),
            pacing=self.pacing,
            chance=Entropy(1).stream("backfill"),
            stir=self._stir,
            enabled=enabled,
        )

    def _stir(self) -> None:
        self.stirred += 1

    def trade(self, number: int, now: int = NOW, symbol: str = "A") -> list[Any]:
        return told(self.ours.trades.accept(trade(number, now, symbol), number))

    def answer(self, request: HttpRequest, *numbers: int, now: int = NOW) -> list[Any]:
        found = [trade(number, now, request.symbol, history=True) for number in numbers]
        return told(self.ours.answered(request, found, None, now))


def trade(number: int, now: int = NOW, symbol: str = "A", *, history: bool = False) -> Trade:
    return Trade("toy", symbol, 0, now, 1.0, 1.0, Side.BUY, number, history)


def told(events: Any) -> list[Any]:
    return [
        (each.first_missing, each.last_missing) if isinstance(each, TradeGap) else each.trade_id
        for each in events
    ]


def first_ids(requests: list[HttpRequest]) -> list[int]:
    return [int(request.query.split(",")[1]) for request in requests]


def test_a_gap_is_asked_for_at_once_and_put_in_its_place() -> None:
    setting = Setting()
    assert setting.trade(1) == [1]
    assert setting.stirred == 0
    assert setting.trade(4) == []
    assert setting.stirred == 1
    assert setting.ours.next_deadline(NOW) == NOW
    [request] = setting.ours.due(NOW)
    assert (request.purpose, request.query) == ("trades", f"A,2,{PAGE}")
    assert setting.ours.due(NOW) == []
    assert setting.answer(request, 2, 3, 4, 5) == [2, 3, 4]
    assert setting.trade(5) == [5]
    assert setting.ours.next_deadline(NOW) is None


def test_a_long_gap_is_asked_for_in_pages_so_many_at_a_time() -> None:
    setting = Setting()
    setting.trade(0)
    pages = AT_ONCE + 2
    assert setting.trade(pages * PAGE + 1) == []
    requests = setting.ours.due(NOW)
    assert first_ids(requests) == [number * PAGE + 1 for number in range(AT_ONCE)]
    assert setting.answer(requests[1], *range(PAGE + 1, 2 * PAGE + 1)) == []
    assert setting.answer(requests[0], *range(1, PAGE + 1)) == list(range(1, 2 * PAGE + 1))
    assert first_ids(setting.ours.due(NOW)) == [AT_ONCE * PAGE + 1, (AT_ONCE + 1) * PAGE + 1]


def test_gaps_close_together_share_one_request() -> None:
    setting = Setting()
    setting.trade(1)
    for number in range(3, 60, 2):
        assert setting.trade(number) == []
    [request] = setting.ours.due(NOW)
    assert setting.ours.next_deadline(NOW) == NOW + HOLD, "the others are on their way"
    assert setting.answer(request, *range(2, 70)) == list(range(2, 60))
    assert setting.ours.due(NOW) == []


def test_a_page_that_comes_short_is_asked_for_again_until_it_is_too_late() -> None:
    setting = Setting()
    setting.trade(1)
    setting.trade(5)
    [request] = setting.ours.due(NOW)
    assert setting.answer(request, 2) == [2]
    when = setting.ours.next_deadline(NOW)
    assert when is not None
    assert NOW < when <= NOW + SECOND // 10
    [request] = setting.ours.due(when)
    error = errors.VenueUnavailable(venue="toy", code=503)
    assert setting.ours.answered(request, (), error, when) == []
    assert told(setting.ours.overdue(NOW + HOLD)) == [(3, 4), 5]
    assert setting.ours.due(NOW + HOLD + SECOND) == []


def test_what_the_venue_will_never_tell_is_named_at_once() -> None:
    setting = Setting()
    setting.trade(1)
    setting.trade(5)
    [request] = setting.ours.due(NOW)
    refused = errors.RequestRejected(venue="toy", code=-1100, text="no such id")
    assert told(setting.ours.answered(request, (), refused, NOW + 1)) == [(2, 4), 5]


def test_a_ban_longer_than_the_wait_names_the_gap_at_once_and_nothing_is_asked() -> None:
    setting = Setting(Limit("weight", 600, 60.0))
    setting.trade(1)
    setting.trade(5)
    setting.pacing.block("weight", NOW + 60 * SECOND)
    assert setting.ours.due(NOW) == []
    assert setting.ours.next_deadline(NOW) == NOW
    assert told(setting.ours.overdue(NOW)) == [(2, 4), 5]
    assert setting.ours.next_deadline(NOW) is None


def test_a_part_of_the_weight_is_left_to_books_and_questions() -> None:
    setting = Setting(Limit("weight", 600, 60.0))
    asked = 0
    for number in range(40):
        symbol = f"S{number}"
        setting.trade(1, symbol=symbol)
        setting.trade(3, symbol=symbol)
        for request in setting.ours.due(NOW):
            asked += 1
            assert setting.answer(request, 2) == [2, 3]
    assert asked == 360 // 25
    assert setting.pacing.allows("weight", NOW, cost=240)
    named = setting.ours.overdue(NOW)
    assert len(named) == 2 * (40 - asked), "what cannot be asked for in time is named"


def test_a_lost_connection_waits_for_nothing_and_old_answers_are_nobodys() -> None:
    setting = Setting()
    setting.trade(1)
    setting.trade(4)
    [request] = setting.ours.due(NOW)
    assert told(setting.ours.lost(NOW)) == [(2, 3), 4]
    setting.ours.begin_again()
    assert setting.trade(9) == []
    assert setting.answer(request, 2, 3) == []
    [request] = setting.ours.due(NOW)
    assert setting.answer(request, *range(5, 9)) == [5, 6, 7, 8, 9]


def test_what_comes_by_itself_before_it_is_asked_for_is_not_asked_for() -> None:
    setting = Setting()
    setting.trade(1)
    setting.trade(3)
    assert setting.trade(2) == [2, 3]
    assert setting.ours.due(NOW) == []
    assert setting.ours.next_deadline(NOW) is None


def test_a_request_that_was_not_carried_is_made_again() -> None:
    setting = Setting()
    setting.trade(1)
    setting.trade(3)
    [request] = setting.ours.due(NOW)
    setting.ours.give_back(request, NOW + 1)
    setting.ours.give_back(HttpRequest("time", "GET", "/time"), NOW + 1)
    [again] = setting.ours.due(NOW + 1)
    assert setting.answer(request, 2) == [], "an answer to what was not asked"
    assert setting.answer(again, 2) == [2, 3]


def test_it_can_be_switched_off_and_a_venue_may_have_none() -> None:
    no_history = msgspec.structs.replace(DENSE, can=Can(trades_by_id=False))
    for setting in (Setting(enabled=False), Setting(venue=no_history)):
        assert setting.trade(1) == [1]
        assert setting.trade(4) == [(2, 3), 4]
        assert setting.stirred == 0
        assert setting.ours.due(NOW) == []


def test_aggregates_are_asked_for_by_their_own_ids() -> None:
    setting = Setting()

    def aggregate(number: int) -> AggregateTrade:
        return AggregateTrade("toy", "A", 0, NOW, 1.0, 1.0, Side.BUY, number, number, number)

    chain = setting.ours.aggregates
    assert len(chain.accept(aggregate(1), 1)) == 1
    assert chain.accept(aggregate(3), 3) == ()
    setting.trade(1)
    setting.trade(3)
    requests = setting.ours.due(NOW)
    assert [request.purpose for request in requests] == ["aggregate_trades", "trades"]
    events = setting.ours.answered(requests[0], [aggregate(2)], None, NOW)
    assert [event.aggregate_id for event in events if isinstance(event, AggregateTrade)] == [2, 3]
    assert setting.answer(requests[1], 2) == [2, 3]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_whatever_is_lost_and_whatever_the_venue_answers_nothing_is_lost_untold(seed: int) -> None:
    """Delivered and named together are what was emitted: in order, none twice."""
    chance = random.Random(seed)
    setting = Setting(Limit("weight", chance.choice((200, 6000)), 60.0))
    out: list[Event] = []
    asked: list[tuple[int, HttpRequest]] = []
    now, emitted = NOW, 0
    for _ in range(120):
        now += round(chance.expovariate(8.0) * SECOND)
        emitted += 1
        if chance.random() < 0.2:
            emitted += chance.choice((1, 5, 30, 1200))
        live = trade(emitted, now)
        if emitted > 1 and chance.random() < 0.03:
            out += setting.ours.lost(now)
            setting.ours.begin_again()
        out += setting.ours.trades.accept(live, emitted)
        out += setting.ours.overdue(now)
        asked += [(now, request) for request in setting.ours.due(now)]
        while asked and chance.random() < 0.7:
            since, request = asked.pop(chance.randrange(len(asked)))
            assert since <= now
            out += _answer(setting, request, emitted, chance, now)
    out += setting.ours.overdue(now + 2 * HOLD)
    covered: list[int] = []
    for item in told(out):
        covered += range(item[0], item[1] + 1) if isinstance(item, tuple) else [item]
    assert covered == list(range(covered[0], emitted + 1))
    stamps = [event.received for event in out]
    assert stamps == sorted(stamps)


def _answer(
    setting: Setting, request: HttpRequest, emitted: int, chance: random.Random, now: int
) -> list[Event]:
    _, first, count = request.query.split(",")
    there = range(int(first), min(int(first) + int(count), emitted + 1))
    match chance.randrange(6):
        case 0:
            error: errors.PitwireError | None = errors.VenueUnavailable(venue="toy", code=503)
            found: list[int] = []
        case 1:
            error, found = errors.RequestRejected(venue="toy", code=-1), []
        case 2:
            error, found = None, [number for number in there if chance.random() < 0.9]
        case _:
            error, found = None, list(there)
    trades = [trade(number, now, history=True) for number in found]
    return setting.ours.answered(request, trades, error, now)


# --- a symbol that is quiet after a loss


def fell(*numbers: int) -> Setting:
    """All connections fell after these trades, and one stands again with nothing confirmed."""
    setting = Setting(Limit("weight", 1000, 60 * SECOND))
    for number in numbers:
        setting.trade(number)
    assert setting.ours.lost(NOW) == []
    setting.ours.begin_again()
    return setting


def test_what_a_quiet_symbol_traded_during_a_loss_is_asked_for_and_told_once() -> None:
    setting = fell(1, 2)
    assert setting.ours.due(NOW) == []
    setting.ours.confirmed("trades", "A", NOW)
    assert setting.ours.next_deadline(NOW) == NOW
    [request] = setting.ours.due(NOW)
    assert (request.purpose, request.query) == ("trades", f"A,3,{PAGE}")
    assert setting.answer(request, 2, 4, 3) == [3, 4]
    assert setting.trade(4) == [], "the connection brings it too"
    assert setting.trade(5) == [5]
    assert setting.ours.next_deadline(NOW) is None


def test_nothing_traded_and_nothing_is_told() -> None:
    setting = fell(1)
    setting.ours.confirmed("trades", "A", NOW)
    [request] = setting.ours.due(NOW)
    assert setting.answer(request) == []
    assert setting.ours.next_deadline(NOW) is None
    assert setting.trade(2) == [2]


def test_a_trade_that_comes_before_the_answer_tells_by_itself() -> None:
    setting = fell(1)
    setting.ours.confirmed("trades", "A", NOW)
    [request] = setting.ours.due(NOW)
    assert setting.trade(4) == []
    assert setting.ours.due(NOW) == [], "what is missing is on its way"
    assert setting.answer(request, 2, 3, 4) == [2, 3, 4]
    steady = fell(1)
    steady.ours.confirmed("trades", "A", NOW)
    assert steady.trade(2) == [2]
    assert steady.ours.due(NOW) == [], "nothing is missing"


def test_what_a_connection_noted_before_it_fell_tells_a_late_trade_from_a_new_count() -> None:
    for time, expected in (
        (1, []),
        (2 * SECOND, [(0, -1), 6]),
        (0, [(0, -1), 6]),
    ):  # 0: no time at all
        setting, heard = Setting(), Freshness("toy")
        heard.confirmed(Ask("trades", "A"), "Trade", NOW, busy=True)
        for number in (5, 6, 7):
            one = msgspec.structs.replace(trade(number), venue_time=1)
            setting.ours.hears(one, heard)
            heard.first(one, NOW)
            assert len(setting.ours.trades.accept(one, number)) == 1
        setting.ours.ends(heard)
        setting.ours.begin_again()
        again = msgspec.structs.replace(trade(6), venue_time=time)
        assert told(setting.ours.trades.accept(again, 6)) == expected


def test_a_symbol_of_which_nothing_is_known_is_not_asked_for() -> None:
    setting = fell(1)
    for channel, symbol in (("trades", "B"), ("aggregate_trades", "A"), ("book", "A")):
        setting.ours.confirmed(channel, symbol, NOW)
    setting.ours.forget("trades", "A")
    setting.ours.confirmed("trades", "A", NOW)
    assert setting.ours.due(NOW) == []
    silent = Setting(enabled=False)
    silent.trade(1)
    silent.ours.begin_again()
    silent.ours.confirmed("trades", "A", NOW)
    assert silent.ours.due(NOW) == []


def test_what_may_be_lost_on_a_connection_that_stands_is_asked_for_where_no_trade_tells() -> None:
    setting = Setting(Limit("weight", 1000, 60 * SECOND))
    setting.trade(1)
    setting.trade(1, symbol="B")
    setting.ours.doubt("", NOW)
    assert setting.ours.due(NOW) == [], "the next trade may come at once"
    assert setting.trade(2, symbol="B") == [2]
    [request] = setting.ours.due(LATER)
    assert (request.symbol, first_ids([request])) == ("A", [2])
    assert setting.answer(request, 2, 3) == [2, 3]
    assert setting.trade(3) == [], "it was only late"
    assert setting.trade(1) == [], "and the venue does not count anew"
    assert setting.trade(4) == [4]
    assert setting.ours.next_deadline(LATER) is None


def test_what_a_connection_that_has_not_spoken_may_have_lost_is_asked_for_too() -> None:
    setting = fell(1)
    setting.ours.confirmed("trades", "A", NOW)
    [request] = setting.ours.due(NOW)
    assert setting.answer(request) == [], "nothing yet; what comes next is swallowed"
    setting.ours.doubt("A", NOW)
    [request] = setting.ours.due(LATER)
    assert setting.answer(request, 2, 3) == [2, 3]
    assert setting.trade(4) == [4]
    assert setting.ours.next_deadline(LATER) is None


def test_an_answer_from_before_trades_were_confirmed_is_not_the_last_word() -> None:
    setting = fell(1)
    setting.ours.doubt("", NOW)  # the confirmation itself could not be read
    [request] = setting.ours.due(LATER)
    assert setting.answer(request, 2, 3) == [2, 3]
    assert setting.ours.due(LATER) == []
    setting.ours.confirmed("trades", "A", LATER)
    [request] = setting.ours.due(LATER)
    assert first_ids([request]) == [4]
    assert setting.answer(request, 4) == [4]
    assert setting.ours.due(LATER) == []
    assert setting.trade(5) == [5]
    spoke = fell(1)
    spoke.ours.doubt("", NOW)
    assert spoke.answer(spoke.ours.due(LATER)[0], 2) == [2]
    assert spoke.trade(3) == [3]
    spoke.ours.confirmed("trades", "A", LATER)
    assert spoke.ours.due(LATER) == [], "its connection has told"


def test_what_is_asked_again_while_an_answer_is_on_its_way_begins_where_that_ends() -> None:
    setting = fell(1)
    setting.ours.confirmed("trades", "A", NOW)
    [first] = setting.ours.due(NOW)
    setting.ours.doubt("A", NOW)
    assert setting.answer(first, 2) == [2]
    [second] = setting.ours.due(LATER)
    assert first_ids([second]) == [3]
    setting.ours.doubt("A", LATER)
    [third] = setting.ours.due(LATER + SECOND)
    assert setting.answer(second, 3) == [3]
    assert setting.answer(third, 3, 4) == [4]
    assert setting.ours.due(LATER + 2 * SECOND) == []
    assert setting.trade(5) == [5]


def test_a_doubt_while_a_gap_is_waited_for_is_about_what_follows_the_newest() -> None:
    setting = Setting(Limit("weight", 1000, 60 * SECOND))
    setting.trade(1)
    assert setting.trade(3) == []
    [gap] = setting.ours.due(NOW)
    setting.ours.doubt("", NOW)
    [rest] = setting.ours.due(LATER)
    assert first_ids([gap, rest]) == [2, 4]
    assert setting.answer(rest, 4) == [], "the order holds"
    assert setting.answer(gap, 2, 3) == [2, 3, 4]
    assert setting.trade(5) == [5]
    told = Setting(Limit("weight", 1000, 60 * SECOND))
    told.trade(1)
    told.trade(3)
    told.ours.doubt("", NOW)
    told.trade(4)
    assert first_ids(told.ours.due(LATER)) == [2], "the next trade has told"


def test_a_doubt_is_about_one_symbol_or_all_and_asks_once() -> None:
    setting = Setting(Limit("weight", 1000, 60 * SECOND))
    setting.trade(1)
    setting.trade(1, symbol="B")
    for _ in range(3):
        setting.ours.doubt("A", NOW)
    assert [request.symbol for request in setting.ours.due(LATER)] == ["A"]
    assert setting.ours.due(LATER) == []
    silent = Setting(enabled=False)
    silent.trade(1)
    silent.ours.doubt("", NOW)
    assert silent.ours.due(LATER) == []


def test_asking_leaves_most_of_the_weight_and_gives_up_at_the_fourth_refusal() -> None:
    setting = fell(1)
    setting.pacing.spend("weight", NOW, cost=250)
    setting.ours.confirmed("trades", "A", NOW)
    assert setting.ours.due(NOW) == [], "a quarter of the weight is all it may have"
    assert (setting.ours.next_deadline(NOW) or 0) > NOW
    setting, now = fell(1), NOW
    setting.ours.confirmed("trades", "A", now)
    for _ in range(4):
        [request] = setting.ours.due(now)
        setting.ours.answered(request, (), errors.VenueUnavailable(venue="toy", code=503), now)
        assert setting.ours.due(now) == []
        now = setting.ours.next_deadline(now) or now
    assert setting.ours.due(now + 60 * SECOND) == []
    refused = fell(1)
    refused.ours.confirmed("trades", "A", NOW)
    [request] = refused.ours.due(NOW)
    refused.ours.give_back(request, NOW)
    [request] = refused.ours.due(NOW)
    assert (
        refused.ours.answered(request, (), errors.RequestRejected(venue="toy", code=-1121), NOW)
        == []
    )
    assert refused.ours.next_deadline(NOW) is None

"""The conversation alone: bytes and time in, events and bytes out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitwire.market.book import OrderBook
from pitwire.model import errors, events
from pitwire.model.clock import SECOND
from pitwire.model.credentials import Credentials, Secret
from pitwire.model.entropy import Entropy
from pitwire.model.events import Rejected, Unanswered, Update
from pitwire.model.orders import Order, UpdateKind
from pitwire.session.conversation import Conversation, ConversationOptions
from pitwire.session.pacing import Pacing
from pitwire.session.pending import What
from pitwire.session.skew import Skew
from pitwire.venues.binance import BINANCE
from pitwire.venues.venue import Ask, Decoded, HttpRequest, Outgoing, Reply, Role, Venue
from tests.session.toy import LIMITS, TOY, ToyCodec, order

START = 1_700_000_000 * SECOND
NO_ANSWER = errors.DialFailed(address="toy://http/depth", cause="refused")
SNAPSHOT = json.dumps({"e": "snapshot", "s": "BTC-USDT", "id_": 10, "b": [], "a": []}).encode()


def conversation(
    role: Role = Role.MARKET,
    *,
    asks_time: bool = False,
    venue: Venue = TOY,
    skew: Skew | None = None,
) -> Conversation:
    return Conversation(
        venue,
        ConversationOptions(link="x", role=role, asks_time=asks_time),
        pacing=Pacing([limit for limit in LIMITS if limit.scope in ("weight", "orders")]),
        skew=skew or Skew(),
        chance=Entropy(1).stream("x"),
    )


def said(ours: Conversation) -> list[dict[str, Any]]:
    return [json.loads(frame) for frame in ours.outbox.take_frames()]


def answer(ours: Conversation, request: dict[str, Any], now: int, **more: Any) -> list[Any]:
    return list(ours.receive_data(json.dumps({"id": request["id"], **more}).encode(), now))


def frame(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def live_book(ours: Conversation, now: int = START) -> None:
    """Bring a conversation with one book to its steady state."""
    ours.opened(now)
    ours.want([Ask("book", "BTC-USDT")], now)
    [request] = said(ours)
    answer(ours, request, now)
    [snapshot] = ours.outbox.take_requests()
    ours.receive_response(snapshot, 200, {}, SNAPSHOT, now)
    ours.receive_data(frame(e="delta", s="BTC-USDT", U=11, u=11, b=[], a=[]), now)


# --- commands over HTTP


def over_http() -> tuple[Conversation, HttpRequest]:
    """A conversation that has just given an order to be carried."""

    class OverHttp(ToyCodec):
        def place(self, order: Order, now: int, request_id: int) -> Outgoing:
            return HttpRequest("place", "POST", "/orders", request_id=request_id)

        def decode_response(self, request: HttpRequest, *_: Any) -> Sequence[Decoded]:
            no = errors.OrderRejected(venue="toy", code=1, text="no", reason="other")
            return (Reply(request.request_id, no),)

    ours = conversation(Role.ORDERS, venue=msgspec.structs.replace(TOY, codec=OverHttp))
    ours.opened(START)
    ours.authenticate(Credentials("k", Secret("s")), START)
    for request in said(ours):
        answer(ours, request, START)
    ours.commands.place(order("a"), START)
    [carried] = ours.outbox.take_requests()
    return ours, carried


@pytest.mark.parametrize(
    ("kind", "told"),
    [("", "Unanswered"), ("closed", "Unanswered"), (errors.UNREACHED, "Update")],
)
def test_only_a_request_without_a_connection_is_known_not_to_have_left(
    kind: str, told: str
) -> None:
    ours, carried = over_http()
    failed = errors.DialFailed(address="x", cause="no", kind=kind)
    [event] = ours.request_failed(carried, failed, START + 1)
    assert (type(event).__name__, event.order_id) == (told, "a")  # type: ignore[attr-defined]
    if isinstance(event, Update):
        assert event.update is UpdateKind.REJECTED
        assert (event.answers, event.asked) == ("desk", 0), "the venue has not said it"
        assert event.text.startswith("never sent: dial failed")
    assert list(ours.request_failed(carried, failed, START + 2)) == [], "it is told once"


@pytest.mark.parametrize(("kind", "told"), [("", []), (errors.UNREACHED, [UpdateKind.REJECTED])])
def test_who_has_been_given_up_is_told_of_again_only_with_proof(
    kind: str, told: list[UpdateKind]
) -> None:
    ours, carried = over_http()
    given_up = ours.handle_deadline(START + 5 * SECOND)
    assert [one.order_id for one in given_up if isinstance(one, Unanswered)] == ["a"]
    failed = errors.DialFailed(address="x", cause="no", kind=kind)
    late = ours.request_failed(carried, failed, START + 6 * SECOND)
    assert [one.update for one in late if isinstance(one, Update)] == told
    assert len(late) == len(told)


def test_what_the_venue_says_over_http_counts_though_the_connection_fell_meanwhile() -> None:
    """Else the order would be unknown until it is asked about, and where that proves nothing, for
    ever."""
    ours, carried = over_http()
    lost = ours.lost(errors.ConnectionLost(code=1006), START + 1)
    assert [one.order_id for one in lost if isinstance(one, Unanswered)] == ["a"]
    ours.opened(START + 2)
    [told] = ours.receive_response(carried, 403, {}, b"", START + 3)
    assert isinstance(told, Update)
    assert (told.order_id, told.update, told.answers) == ("a", UpdateKind.REJECTED, "place")


def test_what_was_said_on_a_connection_that_fell_is_answered_on_no_other() -> None:
    ours = conversation(Role.ORDERS)
    ours.opened(START)
    ours.authenticate(Credentials("k", Secret("s")), START)
    for request in said(ours):
        answer(ours, request, START)
    ours.commands.place(order("a"), START)
    [placed] = said(ours)
    ours.lost(errors.ConnectionLost(code=1006), START + 1)
    ours.opened(START + 2)
    [told] = answer(ours, placed, START + 3, error="rejected", text="no")
    assert isinstance(told, Rejected)


# --- subscriptions


def test_nothing_leaves_before_a_connection_stands() -> None:
    ours = conversation()
    ours.want([Ask("ticker", "A")], START)
    assert said(ours) == []
    assert ours.next_deadline(START) is None
    ours.opened(START)
    assert [s["do"] for s in said(ours)] == ["subscribe"]


def test_messages_keep_to_the_limit_and_a_venues_ping_counts() -> None:
    ours, now, sent = conversation(), START, []
    ours.opened(now)
    ours.receive_ping(now)  # answered by the wire: one of the three of this second is gone
    for n in range(5):
        ours.want([Ask("ticker", f"S{n}")], now)
        sent += [now for _ in said(ours)]
    assert len(sent) == 2
    while len(sent) < 3:  # the last three share a message
        now = max(now + 1, ours.next_deadline(now) or 0)
        ours.handle_deadline(now)
        sent += [now for _ in said(ours)]
        assert sum(at > now - SECOND for at in sent) <= 3
    assert now < START + 3 * SECOND


def test_a_subscription_that_is_not_answered_condemns_the_connection() -> None:
    ours = conversation()
    ours.opened(START)
    ours.want([Ask("trades", "A")], START)
    assert len(said(ours)) == 1
    ours.receive_data(frame(e="trade", s="B", p=1.0), START + 4 * SECOND)
    ours.handle_deadline(START + 5 * SECOND)
    assert ours.outbox.take_fault() is None
    assert len(said(ours)) == 1, "once more"
    ours.receive_data(frame(e="trade", s="B", p=1.0), START + 9 * SECOND)
    ours.handle_deadline(START + 10 * SECOND)
    fault = ours.outbox.take_fault()
    assert isinstance(fault, errors.Stalled)
    assert fault.what == "answer to subscribe"


class Telling(ToyCodec):
    """Says of an event which ask it answers, as the venues' codecs do."""

    def ask_of(self, event: events.Event) -> Ask | None:
        return Ask("book" if isinstance(event, events.BookDelta) else "trades", event.symbol)


TELLING = msgspec.structs.replace(TOY, codec=Telling)


def test_first_data_confirm_a_subscription_whose_acknowledgement_is_lost_or_late() -> None:
    for late in (False, True):
        ours = conversation(venue=TELLING)
        ours.opened(START)
        ours.want([Ask("book", "BTC-USDT"), Ask("trades", "A"), Ask("trades", "B")], START)
        [request] = said(ours)
        told = ours.receive_data(frame(e="delta", s="BTC-USDT", U=11, u=11, b=[], a=[]), START + 1)
        assert [type(one) for one in told] == [events.Subscribed, events.FeedFresh]
        [snapshot] = ours.outbox.take_requests()
        story = ours.receive_response(snapshot, 200, {}, SNAPSHOT, START + 2)
        assert [type(one) for one in story] == [events.BookSnapshot, events.BookDelta], "was held"
        told = ours.receive_data(frame(e="trade", s="A", p=1.0, t=7), START + 3)
        assert [type(one) for one in told] == [events.Subscribed, events.FeedFresh, events.Trade]
        assert not ours.is_confirmed(Ask("trades", "B")), "it has not spoken"
        if late:
            told = answer(ours, request, START + 4)
            assert [one.symbol for one in told if isinstance(one, events.Subscribed)] == ["B"]
            assert ours.outbox.take_requests() == []
            continue
        ours.receive_data(frame(e="trade", s="A", p=1.0, t=8), START + 4 * SECOND)
        ours.handle_deadline(START + 5 * SECOND)
        [again] = said(ours)
        assert "B" in str(again)
        assert "BTC" not in str(again)


def test_late_data_of_an_earlier_want_confirm_nothing() -> None:
    ours = conversation(venue=TELLING)
    ours.opened(START)
    ours.want([Ask("trades", "A")], START)
    answer(ours, said(ours)[0], START)
    ours.receive_data(frame(e="trade", s="A", p=1.0, t=7), START)
    ours.unwant([Ask("trades", "A")], START)
    ours.want([Ask("trades", "A")], START)
    requests = said(ours)
    ours.receive_data(frame(e="trade", s="A", p=1.0, t=8), START)
    assert not ours.is_confirmed(Ask("trades", "A"))
    for request in requests:
        answer(ours, request, START)
    assert ours.is_confirmed(Ask("trades", "A"))


def test_a_venue_that_has_no_time_is_asked_again_later() -> None:
    ours = conversation()
    ours.opened(START)
    ours.want([Ask("ticker", "A")], START)
    [request] = said(ours)
    until = START + 9 * SECOND
    [told] = answer(ours, request, START, error="limited", text=str(until))
    assert isinstance(told, events.Rejected)
    ours.receive_data(frame(e="trade", s="B", p=1.0), START + 8 * SECOND)
    ours.handle_deadline(START + 8 * SECOND)
    assert said(ours) == []
    ours.handle_deadline(until)
    assert [s["do"] for s in said(ours)] == ["subscribe"]


def test_an_end_the_venue_has_no_time_for_is_asked_again_unless_wanted_again() -> None:
    ours = conversation()
    ours.opened(START)
    asks = [Ask("ticker", "A"), Ask("ticker", "B")]
    ours.want(asks, START)
    answer(ours, said(ours)[0], START)
    ours.unwant(asks, START)
    [unsubscribe] = said(ours)
    ours.want(asks[1:], START)
    [subscribe] = said(ours)
    assert subscribe["asks"] == [["ticker", "B", ""]]
    answer(ours, unsubscribe, START, error="limited")
    ours.handle_deadline(START + 2 * SECOND)
    [again] = said(ours)
    assert (again["do"], again["asks"]) == ("unsubscribe", [["ticker", "A", ""]])


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_everything_wanted_is_restored_exactly_once_whatever_happens(data: st.DataObject) -> None:
    """A venue that loses connections, refuses, and answers late; ours must end where it should."""
    ours, now = conversation(), START
    names = [f"S{n}" for n in range(6)]
    wanted: set[str] = set()
    flowing: list[str] = []
    unanswered: list[dict[str, Any]] = []
    is_open = False

    def hear() -> None:
        for request in said(ours):
            if request["do"] == "subscribe":
                flowing.extend(symbol for _, symbol, _ in request["asks"])
            else:
                for _, symbol, _ in request["asks"]:
                    flowing.remove(symbol)
            unanswered.append(request)

    def reply() -> None:
        while unanswered:
            answer(ours, unanswered.pop(0), now)

    for _ in range(data.draw(st.integers(1, 25))):
        now += data.draw(st.integers(0, 2)) * SECOND // 4
        match data.draw(st.sampled_from(["want", "unwant", "answer", "lose", "open", "time"])):
            case "want":
                names_ = data.draw(st.sets(st.sampled_from(names), min_size=1))
                ours.want([Ask("trades", name) for name in sorted(names_)], now)
                wanted |= names_
            case "unwant":
                names_ = data.draw(st.sets(st.sampled_from(names), min_size=1))
                ours.unwant([Ask("trades", name) for name in sorted(names_)], now)
                wanted -= names_
            case "answer" if is_open:
                reply()
            case "lose" if is_open:
                ours.lost(errors.ConnectionLost(code=1006), now)
                is_open = False
                flowing.clear()
                unanswered.clear()
            case "open" if not is_open:
                ours.opened(now)
                is_open = True
            case "time" if is_open:
                ours.handle_deadline(now)
        if is_open:
            hear()
        assert len(flowing) == len(set(flowing)), "asked for twice on one connection"
    if not is_open:
        ours.opened(now)
    for _ in range(10):
        hear()
        reply()
        now += SECOND
        ours.handle_deadline(now)
    assert sorted(flowing) == sorted(wanted)
    assert all(ours.is_confirmed(Ask("trades", name)) for name in wanted)
    assert ours.streams == len(wanted)


def test_trades_that_nobody_wanted_are_not_missing_later() -> None:
    ours = Conversation(
        BINANCE,
        ConversationOptions(link="x", role=Role.MARKET, backfill=False),
        pacing=Pacing([]),
        skew=Skew(),
        chance=Entropy(1).stream("x"),
    )

    def trade(number: int) -> list[str]:
        told = frame(e="trade", E=1, s="BTCUSDT", t=number, p="1", q="1", T=1, m=True, M=True)
        return [type(event).__name__ for event in ours.receive_data(told, START)]

    ask = Ask("trades", "BTC-USDT")
    ours.opened(START)
    ours.want([ask], START)
    assert trade(1) == ["Subscribed", "FeedFresh", "Trade"], "no acknowledgement is needed"
    ours.unwant([ask], START)
    assert trade(2) == ["Trade"], "on its way already"
    ours.want([ask], START)
    assert trade(99) == ["Trade"]
    assert trade(101) == ["TradeGap", "Trade"]


# --- login


def test_login_comes_first_the_private_stream_after_it() -> None:
    ours = conversation(Role.ORDERS)
    ours.watch_orders(START)
    ours.authenticate(Credentials("k", "s"), START)
    ours.opened(START)
    time, login = said(ours)
    assert (time["do"], login["do"]) == ("time", "login")
    told = answer(ours, login, START)
    assert isinstance(told[0], events.Authenticated)
    [watch] = said(ours)
    assert watch["do"] == "watch"
    answer(ours, watch, START)
    assert ours.outbox.take_settled() == [(What.LOGIN, None), (What.WATCH, None)]
    ours.lost(errors.ConnectionLost(code=1006), START)
    assert not ours.commands.admitted
    ours.opened(START + SECOND)
    assert [s["do"] for s in said(ours)] == ["time", "login"]


def test_a_private_stream_that_the_venue_ends_is_asked_for_again() -> None:
    ours = Conversation(
        BINANCE,
        ConversationOptions(link="x", role=Role.ORDERS),
        pacing=Pacing([]),
        skew=Skew(),
        chance=Entropy(1).stream("x"),
    )
    ours.opened(START)
    ours.authenticate(Credentials("k", "s"), START)
    ours.watch_orders(START)
    for _ in range(3):
        for request in said(ours):
            ours.receive_data(frame(id=request["id"], status=200, result={}), START)
    assert ours.watches_orders
    ended = {"e": "eventStreamTerminated", "E": 1728973001334}
    [told] = ours.receive_data(frame(subscriptionId=0, event=ended), START)
    assert isinstance(told, events.Rejected)
    assert not ours.watches_orders
    assert not said(ours)
    ours.handle_deadline(START + SECOND)
    assert [s["method"] for s in said(ours)] == ["userDataStream.subscribe.signature"]


def test_the_measured_offset_goes_into_what_is_signed() -> None:
    ours = conversation(Role.ORDERS)
    ours.opened(START)
    [time] = said(ours)
    answer(ours, time, START, time=START + 3 * SECOND)
    ours.authenticate(Credentials("k", "s"), START)
    [login] = said(ours)
    assert abs(login["at"] - (START + 3 * SECOND)) < SECOND // 100


def test_a_refusal_for_the_clocks_sake_has_it_measured_again() -> None:
    ours = conversation(Role.ORDERS)
    ours.authenticate(Credentials("k", "s"), START)
    ours.opened(START)
    for request in said(ours):
        answer(ours, request, START)
    ours.commands.place(order("a"), START)
    [place] = said(ours)
    answer(ours, place, START, error="clock")
    assert [s["do"] for s in said(ours)] == ["time"]


def test_a_market_connection_asks_the_time_over_http() -> None:
    ours = conversation(asks_time=True)
    ours.opened(START)
    [request] = ours.outbox.take_requests()
    assert request.purpose == "time"
    body = frame(time=START + 2 * SECOND)
    offset, alarm = ours.receive_response(request, 200, {}, body, START + SECOND // 5)
    assert isinstance(offset, events.ClockOffset)
    assert isinstance(alarm, events.ClockAlarm)
    assert (alarm.what, alarm.seconds) == ("venue", offset.offset / SECOND)
    assert abs(offset.offset - (2 * SECOND - SECOND // 10)) <= offset.error


def test_a_connection_that_does_not_ask_has_the_time_asked_by_the_one_that_does() -> None:
    skew, now = Skew(), START
    asks, other = conversation(asks_time=True, skew=skew), conversation(skew=skew)
    for ours in (asks, other):
        ours.opened(now)
    [request] = asks.outbox.take_requests()
    asks.receive_response(request, 200, {}, frame(time=now), now)
    assert skew.measured
    other.want([Ask("trades", "A")], now)
    answer(other, *said(other), now)
    put_back = now + 3 * SECOND
    told = None
    while told is None and now < START + 8 * SECOND:
        now += SECOND // 4
        for ours in (asks, other):
            ours.handle_deadline(now)
        stamp = now - (6 * SECOND if now >= put_back else 0)
        other.receive_data(frame(e="trade", s="A", p=1.0, T=stamp), now)
        told = next(iter(asks.outbox.take_requests()), None)
    assert told is not None
    assert told.purpose == "time"
    assert now - put_back <= 2 * SECOND


# --- books


def test_the_answer_to_a_subscription_says_how_long_the_line_is() -> None:
    ours = conversation()
    ours.opened(START)
    ours.want([Ask("trades", "A")], START)
    answer(ours, *said(ours), START + 2 * SECOND)
    assert ours.vigil._pulse.quickest == 2 * SECOND


def test_the_steady_state_passes_the_same_delta_on() -> None:
    ours = conversation()
    live_book(ours)
    ours.outbox.stirred = False
    [delta] = ours.receive_data(
        frame(e="delta", s="BTC-USDT", U=12, u=12, b=[[1.0, 2.0]], a=[]), START
    )
    assert isinstance(delta, events.BookDelta)
    assert not ours.outbox.stirred, "the steady state leaves nothing to do"


def test_a_gap_is_said_at_once_and_fetched_under_the_limit() -> None:
    ours = conversation()
    live_book(ours)
    [stale] = ours.receive_data(frame(e="delta", s="BTC-USDT", U=14, u=14, b=[], a=[]), START)
    assert isinstance(stale, events.BookStale)
    assert (stale.expected, stale.found) == (12, 14)
    [request] = ours.outbox.take_requests()
    ours.outbox.stirred = False
    ours.receive_data(frame(e="delta", s="BTC-USDT", U=15, u=15, b=[], a=[]), START)
    assert ours.outbox.take_requests() == [], "one is under way"
    assert not ours.outbox.stirred, "what is held leaves nothing to do"
    late = json.dumps({"e": "snapshot", "s": "BTC-USDT", "id_": 14, "b": [], "a": []}).encode()
    told = ours.receive_response(request, 200, {}, late, START)
    assert [type(event).__name__ for event in told] == ["BookSnapshot", "BookDelta"]


def test_snapshots_wait_for_the_weight_of_the_whole_session() -> None:
    ours, now = conversation(), START
    ours.opened(now)
    asks = [Ask("book", f"S{n}") for n in range(20)]
    ours.want(asks, now)
    for request in said(ours):
        answer(ours, request, now)
    fetched: list[int] = []
    open_requests: list[HttpRequest] = ours.outbox.take_requests()
    while len(fetched) < 20:
        for request in open_requests:
            fetched.append(now)
            body = frame(e="snapshot", s=request.symbol, id_=1, b=[], a=[])
            ours.receive_response(request, 200, {}, body, now)
        open_requests = ours.outbox.take_requests()
        if not open_requests:
            now = max(now + 1, ours.next_deadline(now) or 0)
            ours.receive_pong(now)
            ours.handle_deadline(now)
            open_requests = ours.outbox.take_requests()
    for at in fetched:  # 50 each, 600 a minute
        assert sum(at <= other < at + 60 * SECOND for other in fetched) <= 12
    assert fetched[-1] < START + 130 * SECOND


def test_a_failed_fetch_is_tried_again_later_and_later() -> None:
    ours, now, tries = conversation(), START, [START]
    ours.opened(now)
    ours.want([Ask("book", "BTC-USDT")], now)
    answer(ours, said(ours)[0], now)
    [request] = ours.outbox.take_requests()
    while len(tries) < 8:
        ours.receive_pong(now)
        if len(tries) % 2:
            told = ours.request_failed(request, NO_ANSWER, now)
        else:
            told = ours.receive_response(request, 503, {}, b"<html>", now)
        assert [(e.symbol, e.what, e.code) for e in told if isinstance(e, events.Rejected)] == [
            ("BTC-USDT", "snapshot", 0 if len(tries) % 2 else 503)
        ]
        requests: list[HttpRequest] = []
        while not requests:
            now = max(now + 1, ours.next_deadline(now) or 0)
            ours.receive_pong(now)
            ours.handle_deadline(now)
            requests = ours.outbox.take_requests()
        [request] = requests
        tries.append(now)
    gaps = [(b - a) / SECOND for a, b in pairwise(tries)]
    assert 0.1 <= gaps[0] <= 0.26
    assert gaps[-1] > 4


def test_a_throttled_fetch_waits_as_long_as_it_is_told_and_so_does_everything_else() -> None:
    ours = conversation()
    ours.opened(START)
    ours.want([Ask("book", "BTC-USDT"), Ask("book", "ETH-USDT")], START)
    answer(ours, said(ours)[0], START)
    first, second = ours.outbox.take_requests()
    ours.receive_response(first, 429, {"retry-after": "20"}, b"", START)
    ours.request_failed(second, NO_ANSWER, START)
    now = START + 19 * SECOND
    ours.receive_pong(now)
    ours.handle_deadline(now)
    assert ours.outbox.take_requests() == []
    ours.handle_deadline(START + 20 * SECOND)
    assert len(ours.outbox.take_requests()) == 2


def test_a_snapshot_asked_for_before_a_loss_is_not_used_after_it() -> None:
    ours = conversation()
    ours.opened(START)
    ours.want([Ask("book", "BTC-USDT")], START)
    answer(ours, said(ours)[0], START)
    [request] = ours.outbox.take_requests()
    ours.lost(errors.ConnectionLost(code=1006), START)
    assert ours.receive_response(request, 200, {}, SNAPSHOT, START) == []
    ours.opened(START)
    answer(ours, said(ours)[0], START)
    [again] = ours.outbox.take_requests()
    told = ours.receive_response(again, 200, {}, SNAPSHOT, START)
    assert isinstance(told[0], events.BookSnapshot)


@pytest.mark.parametrize("what", ["unreadable", "gap", "trades", "mute"])
def test_what_may_be_lost_has_a_book_that_stands_still_looked_after(what: str) -> None:
    dense = msgspec.structs.replace(TOY.channels["trades"], dense=True)
    ours = conversation(
        venue=msgspec.structs.replace(TOY, channels={**TOY.channels, "trades": dense})
    )
    live_book(ours)
    ours.feed.audit.book_of = lambda _: OrderBook("toy", "BTC-USDT")
    later = START + round(1.1 * SECOND)
    ours.want([Ask("trades", "ETH-USDT"), Ask("book", "ETH-USDT")], START)
    for request in said(ours):
        answer(ours, request, START)
    [snapshot] = ours.outbox.take_requests()
    match what:
        case "unreadable":
            ours.receive_data(b"<html>", START)
        case "gap":
            eth = SNAPSHOT.replace(b"BTC", b"ETH")
            ours.receive_response(snapshot, 200, {}, eth, START)
            ours.receive_data(frame(e="delta", s="ETH-USDT", U=20, u=20, b=[], a=[]), START)
        case "trades":
            for number in (1, 3):
                ours.receive_data(frame(e="trade", s="ETH-USDT", p=1.0, t=number), START)
        case "mute":
            ours._freshness.miss(START)
    ours.handle_deadline(START + SECOND // 2)
    ours.receive_data(frame(e="quote", s="ETH-USDT", bid=1.0), START + SECOND // 2)
    ours.outbox.take_requests()
    ours.handle_deadline(later + SECOND // 2)
    asked = [(one.purpose, one.symbol) for one in ours.outbox.take_requests()]
    assert ("snapshot", "BTC-USDT") in asked


def test_a_book_that_is_given_up_is_stale_and_its_late_deltas_are_nobodys() -> None:
    ours = conversation()
    live_book(ours)
    ours.unwant([Ask("book", "BTC-USDT")], START)
    [stale] = ours.outbox.take_told()
    assert isinstance(stale, events.BookStale)
    late = frame(e="delta", s="BTC-USDT", U=12, u=12, b=[], a=[])
    assert ours.receive_data(late, START) == []


def test_somebody_who_knows_better_has_the_book_fetched_again() -> None:
    ours = conversation()
    live_book(ours)
    [stale] = ours.resync("BTC-USDT", "crossed", START)
    assert isinstance(stale, events.BookStale)
    assert len(ours.outbox.take_requests()) == 1
    assert ours.resync("ETH-USDT", "crossed", START) == ()


# --- strays


def test_answers_to_nothing_are_told_and_hurt_nobody() -> None:
    ours = conversation()
    ours.opened(START)
    assert ours.receive_data(frame(id=99), START) == []
    [rejected] = ours.receive_data(frame(id=-1, error="bad", text="unreadable"), START)
    assert isinstance(rejected, events.Rejected)
    assert rejected.text == "unreadable"


def test_the_venues_count_of_weight_is_believed() -> None:
    ours = conversation()
    ours.opened(START)
    ours.want([Ask("book", "BTC-USDT")], START)
    answer(ours, said(ours)[0], START, used=590)
    assert ours.outbox.take_requests() == []
    assert (ours.next_deadline(START) or 0) <= START + 61 * SECOND


@pytest.mark.parametrize(("apart", "given_up"), [(2.4, True), (2.6, False)])
def test_a_connection_of_which_nothing_can_be_read_is_given_up(
    apart: float, given_up: bool
) -> None:
    ours = conversation()
    ours.opened(START)
    for number in range(5):
        ours.receive_data(b"{", START + round(number * apart * SECOND))
    fault = ours.outbox.take_fault()
    assert (fault is not None) is given_up
    assert fault is None or "5 malformed frames within 10 s" in str(fault)

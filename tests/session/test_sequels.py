"""What the venue wants before it answers, and what its session needs now and then."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from pitwire.model import errors, events
from pitwire.model.clock import SECOND
from pitwire.model.credentials import Credentials
from pitwire.model.entropy import Entropy
from pitwire.model.events import Event
from pitwire.session.conversation import Conversation, ConversationOptions
from pitwire.session.pacing import Pacing
from pitwire.session.skew import Skew
from pitwire.venues.venue import (
    Ask,
    Buffer,
    Chore,
    Decoded,
    Doubted,
    Ended,
    Further,
    HttpRequest,
    Limit,
    Outgoing,
    Reply,
    Role,
)
from tests.session.toy import TOY, ToyCodec, order

START = 1_700_000_000 * SECOND
KEY = Credentials("key", "secret")
ANSWERED = b'{"error":"no","n":1}'


class AskingCodec(ToyCodec):
    """A venue that logs in by a request and a frame, and answers an order with a question."""

    def login(self, credentials: Credentials, now: int, request_id: int) -> Outgoing:  # type: ignore[override]
        return HttpRequest("tickle", "POST", "/tickle", request_id=request_id, scope="tickle")

    def place(self, order: object, now: int, request_id: int) -> Outgoing:  # type: ignore[override]
        return json.dumps({"do": "place", "id": request_id}).encode()

    def chore(self, name: str, now: int) -> Sequence[Outgoing]:
        return (name.encode(), HttpRequest(name, "POST", f"/{name}", scope=name))

    def decode(self, frame: Buffer, now: int) -> Sequence[Decoded]:
        said = json.loads(bytes(frame))
        match said:
            case {"question": number}:
                reply = HttpRequest("yes", "POST", "/reply", request_id=number, scope="replies")
                return (Further(number, reply),)
            case {"over": reason}:
                return (Ended(errors.ConnectionLost(code=1006, reason=reason)),)
            case {"doubt": True}:
                return (Doubted(),)
        return super().decode(frame, now)

    def decode_response(
        self,
        request: HttpRequest,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        now: int,
    ) -> Sequence[Decoded]:
        if request.purpose == "tickle" and request.request_id:
            return (Further(request.request_id, b'{"session":"s"}'),)
        return (Reply(request.request_id),)


ASKING = replace(
    TOY,
    codec=AskingCodec,
    chores=(Chore("tic", 30.0), Chore("renew", 540.0, Role.MARKET)),
)
LIMITS = (Limit("tickle", 1, 1.0), Limit("replies", 1, 2.0), Limit("weight", 600, 60.0))


def conversation(
    role: Role = Role.ORDERS, *, logs_in: bool = True, pacing: Pacing | None = None
) -> Conversation:
    ours = Conversation(
        ASKING,
        ConversationOptions(link="x", role=role),
        pacing=pacing or Pacing(LIMITS),
        skew=Skew(),
        chance=Entropy(1).stream("x"),
    )
    ours.opened(START)
    if logs_in:
        ours.authenticate(KEY, START)
        [request] = ours.outbox.take_requests()
        ours.receive_response(request, 200, {}, b"", START)
        ours.receive_data(b'{"id": %d}' % request.request_id, START)
    ours.outbox.take_frames(), ours.outbox.take_requests()
    return ours


def kinds(told: Sequence[Event]) -> list[str]:
    return [type(one).__name__ for one in told]


def frame(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def test_a_login_in_two_steps_goes_on_under_one_number() -> None:
    ours = conversation(Role.MARKET, logs_in=False)
    ours.authenticate(KEY, START)
    [request] = ours.outbox.take_requests()
    assert ours.receive_response(request, 200, {}, b"", START) == []
    assert ours.outbox.take_frames() == [b'{"session":"s"}']
    told = ours.receive_data(b'{"id": %d}' % request.request_id, START)
    assert kinds(told) == ["Authenticated"]


def test_a_login_waits_for_a_limit_of_its_own_and_for_nothing_else() -> None:
    ours = conversation()
    ours.lost(errors.ConnectionLost(code=1006), START)
    ours.opened(START + SECOND // 2)
    assert ours.outbox.take_requests() == []
    due = ours.next_deadline(START + SECOND // 2)
    assert due is not None
    assert START + SECOND <= due <= START + SECOND + SECOND // 10
    ours.handle_deadline(due)
    assert [one.purpose for one in ours.outbox.take_requests()] == ["tickle"]


def test_an_order_that_is_answered_with_a_question_goes_on_waiting() -> None:
    ours = conversation()
    ours.commands.place(order("a"), START)
    [placed] = [json.loads(one) for one in ours.outbox.take_frames()]
    assert ours.receive_data(frame(question=placed["id"]), START) == []
    [answer] = ours.outbox.take_requests()
    assert (answer.path, answer.request_id) == ("/reply", placed["id"])
    # Another question: it is answered once the limit has room, while the order still waits.
    ours.receive_data(frame(question=placed["id"]), START)
    assert ours.outbox.take_requests() == []
    due = ours.next_deadline(START + SECOND)
    assert due is not None
    assert due <= START + 3 * SECOND
    ours.handle_deadline(START + 3 * SECOND)
    assert len(ours.outbox.take_requests()) == 1
    ours.receive_response(answer, 200, {}, b"", START + 3 * SECOND)
    assert ours.commands.is_idle


def test_a_question_that_comes_too_late_is_not_answered() -> None:
    ours = conversation()
    ours.commands.place(order("a"), START)
    [placed] = [json.loads(one) for one in ours.outbox.take_frames()]
    told = ours.handle_deadline(START + 5 * SECOND)
    assert [one.order_id for one in told if isinstance(one, events.Unanswered)] == ["a"]
    ours.receive_data(frame(question=placed["id"]), START + 6 * SECOND)
    assert [one.purpose for one in ours.outbox.take_requests() if one.purpose == "yes"] == []


def test_an_answer_that_waits_for_its_limit_is_dropped_with_its_order() -> None:
    ours = conversation()
    for name in ("a", "b"):
        ours.commands.place(order(name), START)
    first, second = (json.loads(one) for one in ours.outbox.take_frames())
    ours.receive_data(frame(question=first["id"]), START + 4 * SECOND)
    ours.receive_data(frame(question=second["id"]), START + 4 * SECOND)
    assert len(ours.outbox.take_requests()) == 1
    ours.handle_deadline(START + 5 * SECOND)
    ours.handle_deadline(START + 7 * SECOND)
    assert [one for one in ours.outbox.take_requests() if one.purpose == "yes"] == []


@pytest.mark.parametrize("kind", ["", errors.UNREACHED])
def test_an_order_whose_question_could_not_be_answered_may_stand_all_the_same(kind: str) -> None:
    """That the answer never left says nothing of the order, which has."""
    ours = conversation()
    ours.commands.place(order("a"), START)
    [placed] = [json.loads(one) for one in ours.outbox.take_frames()]
    ours.receive_data(frame(question=placed["id"]), START)
    [answer] = ours.outbox.take_requests()
    failed = errors.DialFailed(address="x", cause="no", kind=kind)
    [told] = ours.request_failed(answer, failed, START + 1)
    assert isinstance(told, events.Unanswered)
    assert told.order_id == "a"
    assert list(ours.request_failed(answer, failed, START + 2)) == []


@pytest.mark.parametrize("role", [Role.ORDERS, Role.MARKET])
@pytest.mark.parametrize("kind", ["", errors.UNREACHED])
def test_a_connection_whose_login_got_no_answer_is_dialled_again(role: Role, kind: str) -> None:
    """Else it would stand for ever, and whoever waits for the login would, too."""
    ours = conversation(role, logs_in=False)
    ours.authenticate(KEY, START)
    [request] = ours.outbox.take_requests()
    failed = errors.DialFailed(address="x", cause="no", kind=kind)
    assert list(ours.request_failed(request, failed, START + 1)) == [], "it is no order's"
    assert ours.outbox.take_fault() is failed


def test_chores_begin_with_the_login_and_are_done_in_their_time() -> None:
    ours = conversation()
    seen: list[tuple[int, str]] = []
    for second in range(1, 121):
        now = START + second * SECOND
        ours.receive_pong(now)
        ours.handle_deadline(now)
        seen += [(second, one.decode()) for one in ours.outbox.take_frames() if one == b"tic"]
        seen += [(second, one.path) for one in ours.outbox.take_requests()]
    assert [one for one in seen if one[1] == "tic"] == [(n, "tic") for n in (30, 60, 90, 120)]
    assert [one for one in seen if one[1] == "/tic"] == [(n, "/tic") for n in (30, 60, 90, 120)]
    assert not [one for one in seen if "renew" in one[1]]  # a market connection's alone


def test_a_chore_that_waits_for_the_venues_limits_is_not_done_twice_when_they_end() -> None:
    pacing = Pacing(LIMITS)
    ours = conversation(pacing=pacing)
    pacing.block("weight", START + 600 * SECOND)
    for second in range(1, 600):
        ours.receive_pong(START + second * SECOND)
        ours.handle_deadline(START + second * SECOND)
    assert ours.outbox.take_requests() == []
    ours.receive_pong(START + 601 * SECOND)
    ours.handle_deadline(START + 601 * SECOND)
    assert [one.path for one in ours.outbox.take_requests()] == ["/tic"]


def test_no_chore_is_done_before_a_login() -> None:
    ours = conversation(logs_in=False)
    ours.receive_pong(START + 100 * SECOND)
    ours.handle_deadline(START + 100 * SECOND)
    assert b"tic" not in ours.outbox.take_frames()


def test_a_connection_that_is_worth_nothing_is_dropped() -> None:
    ours = conversation(Role.MARKET)
    ours.receive_data(frame(over="another login"), START)
    fault = ours.outbox.take_fault()
    assert isinstance(fault, errors.ConnectionLost)
    assert fault.reason == "another login"


def test_what_the_venue_says_is_not_live_is_stale_until_it_speaks_again() -> None:
    ours = conversation(Role.MARKET)
    ours.want([Ask("ticker", "A")], START)
    [asked] = [json.loads(one) for one in ours.outbox.take_frames()]
    ours.receive_data(frame(id=asked["id"]), START)
    quote = {"e": "quote", "s": "A", "bid": 1.0, "ask": 2.0}
    assert "FeedFresh" in kinds(ours.receive_data(frame(**quote), START + SECOND))
    [stale] = ours.receive_data(frame(doubt=True), START + 2 * SECOND)
    assert isinstance(stale, events.FeedStale)
    assert (stale.symbol, stale.why) == ("A", "told")
    assert "FeedFresh" in kinds(ours.receive_data(frame(**quote), START + 3 * SECOND))


class NamingCodec(ToyCodec):
    """Says which ask an event answers."""

    def ask_of(self, event: Event) -> Ask | None:
        return Ask("ticker", event.symbol)


SILENT = replace(TOY, codec=NamingCodec, acknowledges=False, asks_a_message=1)


def test_a_venue_that_acknowledges_nothing_is_asked_twice_and_then_counts_as_refusing() -> None:
    ours = Conversation(
        SILENT,
        ConversationOptions(link="x", role=Role.MARKET),
        pacing=Pacing(LIMITS),
        skew=Skew(),
        chance=Entropy(1).stream("x"),
    )
    ours.opened(START)
    ours.want([Ask("ticker", "A"), Ask("ticker", "B")], START)
    assert [len(json.loads(one)["asks"]) for one in ours.outbox.take_frames()] == [1, 1]
    ours.receive_data(frame(e="quote", s="A", bid=1.0, ask=2.0), START)
    ours.handle_deadline(START + 5 * SECOND)
    [again] = ours.outbox.take_frames()
    assert json.loads(again)["asks"] == [["ticker", "B", ""]]
    ours.receive_pong(START + 10 * SECOND)
    ours.handle_deadline(START + 10 * SECOND)
    [(asked, error)] = [one for one in ours.outbox.take_settled() if one[1] is not None]
    assert asked == Ask("ticker", "B")
    assert isinstance(error, errors.SubscriptionRejected)
    assert ours.outbox.take_fault() is None
    ours.outbox.take_told()
    ours.unwant([Ask("ticker", "A")], START + 11 * SECOND)
    assert kinds(ours.outbox.take_told()) == ["Unsubscribed"]

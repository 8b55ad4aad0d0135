"""Orders out, answers in: what each answer proves."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from pitwire.model import errors
from pitwire.model.clock import SECOND
from pitwire.model.events import Event, Fill, OpenOrders, Rejected, Unanswered, Update
from pitwire.model.orders import (
    AmendOrder,
    CancelOrder,
    Order,
    OrderType,
    RejectReason,
    ReplaceOrder,
    Side,
    UpdateKind,
)
from pitwire.session.commands import ORDER_DEADLINE_SECONDS, Commands
from pitwire.session.outbox import Outbox
from pitwire.session.pacing import Pacing
from pitwire.session.pending import Pending, Probe, Request, What
from pitwire.session.skew import Skew
from pitwire.venues.venue import (
    CodecOptions,
    HttpRequest,
    Limit,
    Outgoing,
    Reply,
    Role,
    Venue,
)
from tests.session.toy import TOY, ToyCodec, order

NOW = 1_700_000_000 * SECOND
CANCEL = CancelOrder(order_id="a", symbol="BTC-USDT")


class Bench:
    """Commands on a connection whose login was accepted."""

    def __init__(
        self,
        *limits: Limit,
        codec: ToyCodec | None = None,
        venue: Venue = TOY,
        deadline_seconds: float = ORDER_DEADLINE_SECONDS,
    ) -> None:
        self.outbox, self.pacing = Outbox(), Pacing(limits)
        self.pending = Pending(5 * SECOND)
        self.commands = Commands(
            venue,
            codec or ToyCodec(CodecOptions(Role.ORDERS)),
            pacing=self.pacing,
            pending=self.pending,
            outbox=self.outbox,
            skew=Skew(),
        )
        self.commands.deadline = round(deadline_seconds * SECOND)
        self.commands.admitted = True

    def said(self) -> list[dict[str, Any]]:
        return [json.loads(frame) for frame in self.outbox.take_frames()]

    def answered(self, what: What, reply: Reply, **facts: str) -> list[Event]:
        request = Request(what, NOW, symbol="BTC-USDT", **facts)
        return self.commands.answered(request, reply, NOW + SECOND)


def told(found: list[Event]) -> list[tuple[str, UpdateKind]]:
    assert all(isinstance(event, Update) for event in found)
    return [(e.order_id, e.update) for e in found if isinstance(e, Update)]


def update(order_id: str, kind: UpdateKind) -> Update:
    return Update("toy", "BTC-USDT", 0, NOW, order_id, "v", kind)


def test_what_waits_for_a_silence_to_end_is_said_once() -> None:
    """A list each second of a ban is another ban when it ends, and no cancel gets through."""
    bench = Bench(Limit("weight", 1000, 60))
    commands, other = bench.commands, replace(CANCEL, order_id="b")
    bench.pacing.block("weight", NOW + 60 * SECOND)
    for second in range(60):
        now = NOW + second * SECOND
        commands.ask_open_orders("", now)
        commands.ask_open_orders("BTC-USDT", now)
        commands.ask_account(now)
        commands.ask_status("BTC-USDT", "a", now)
        commands.cancel(CANCEL, now)
        commands.cancel(other, now)
    assert bench.said() == []
    commands.release(NOW + 60 * SECOND)
    assert len(bench.said()) == 6
    commands.cancel(CANCEL, NOW + 61 * SECOND)
    assert len(bench.said()) == 1, "nothing waits any more"


def traded(*trade_ids: int) -> tuple[Fill, ...]:
    return tuple(
        Fill("toy", "BTC-USDT", NOW, NOW, "a", "7", str(one), Side.BUY, Decimal(1), Decimal(1),
             Decimal(0), "USDT", False)
        for one in trade_ids
    )  # fmt: skip


def fills(bench: Bench, trade_id: str) -> Request:
    bench.commands.ask_fills_since("BTC-USDT", trade_id, 0, NOW)
    bench.said()
    return Request(What.FILLS, NOW, symbol="BTC-USDT", trade_id=trade_id)


def test_behind_a_full_answer_about_fills_the_rest_is_asked_for() -> None:
    bench = Bench(venue=replace(TOY, fills_page=3))
    request = fills(bench, "5")
    assert bench.commands.answered(request, Reply(1, None, traded(5, 6)), NOW) == [*traded(5, 6)]
    assert bench.said() == [], "that was all"
    told = bench.commands.answered(request, Reply(1, None, traded(5, 6, 7)), NOW)
    assert told == [*traded(5, 6, 7)]
    [on] = bench.said()
    assert (on["do"], on["symbol"], on["trade_id"]) == ("fills", "BTC-USDT", "7")
    assert bench.commands.asks(What.FILLS), "who waits for what traded waits on"


def test_of_one_order_with_more_fills_than_an_answer_holds_the_rest_is_asked_for() -> None:
    bench = Bench(venue=replace(TOY, fills_page=3))
    request = Request(What.FILLS, NOW, "a", symbol="BTC-USDT")
    bench.commands.answered(request, Reply(1, None, traded(1, 2, 9)), NOW)
    [on] = bench.said()
    assert (on["do"], on["trade_id"]) == ("fills", "9")


def test_a_venue_that_tells_the_same_fills_again_is_not_asked_for_ever() -> None:
    bench = Bench(venue=replace(TOY, fills_page=3))
    request = fills(bench, "7")
    *told, last = bench.commands.answered(request, Reply(1, None, traded(5, 6, 7)), NOW)
    assert told == [*traded(5, 6, 7)]
    assert isinstance(last, Unanswered), "the rest is not told"
    assert (last.what, last.order_id, last.symbol) == ("fills", "", "BTC-USDT")
    assert bench.said() == []


def test_a_full_answer_that_comes_when_nothing_can_be_asked_is_no_whole_one() -> None:
    bench = Bench(venue=replace(TOY, fills_page=3))
    request = fills(bench, "5")
    bench.commands.lost(NOW)
    *_, last = bench.commands.answered(request, Reply(1, None, traded(5, 6, 7)), NOW)
    assert isinstance(last, Unanswered)


def test_every_verb_needs_a_login() -> None:
    bench = Bench()
    commands = bench.commands
    commands.admitted = False
    size = order("x").size
    for verb, call in {
        "place": lambda: commands.place(order("a"), NOW),
        "cancel": lambda: commands.cancel(CANCEL, NOW),
        "cancel_all": lambda: commands.cancel_all("BTC-USDT", NOW),
        "replace": lambda: commands.replace(ReplaceOrder(order_id="a", order=order("b")), NOW),
        "amend": lambda: commands.amend(
            AmendOrder(order_id="a", symbol="BTC-USDT", size=size or 0), NOW
        ),
        "ask_status": lambda: commands.ask_status("BTC-USDT", "a", NOW),
        "ask_fills": lambda: commands.ask_fills("BTC-USDT", "a", "7", NOW),
        "test": lambda: commands.test(order("a"), NOW),
        "ask_open_orders": lambda: commands.ask_open_orders("", NOW),
        "ask_account": lambda: commands.ask_account(NOW),
    }.items():
        with pytest.raises(errors.StateError, match=f"^{verb}: found the session not logged in"):
            call()
    assert bench.said() == []


def test_an_order_is_written_before_anything_is_noted_of_it_and_noted_whatever_the_write_does() -> (
    None
):
    bench, written = Bench(Limit("orders", 3, 10.0)), []

    def write(frame: bytes) -> None:
        written.append(
            (json.loads(frame)["do"], len(bench.pending), bench.pacing.left("orders", NOW))
        )
        if len(written) == 2:
            raise OSError("no such wire")

    bench.commands.place(order("a"), NOW, write)
    with pytest.raises(OSError, match="no such wire"):
        bench.commands.place(order("b"), NOW, write)
    assert written == [("place", 0, (3, 3, 10.0)), ("place", 1, (2, 3, 10.0))]
    assert (len(bench.pending), bench.pacing.left("orders", NOW)) == (2, (1, 3, 10.0))
    assert bench.said() == [], "nothing waits to be written once more"


class OverHttp(ToyCodec):
    """A venue that takes orders over REST alone."""

    def place(self, order: Order, now: int, request_id: int) -> Outgoing:
        return HttpRequest("place", "POST", "/orders", body=order.id.encode(), weight=2,
                           request_id=request_id)  # fmt: skip


def test_an_order_that_goes_over_http_is_left_to_be_carried_and_spends_weight() -> None:
    weight = Limit("weight", 100, 60.0)
    venue = msgspec.structs.replace(TOY, limits=(weight,))
    bench = Bench(
        Limit("orders", 2, 10.0), weight, venue=venue, codec=OverHttp(CodecOptions(Role.ORDERS))
    )
    written: list[bytes] = []
    bench.outbox.stirred = False
    bench.commands.place(order("a"), NOW, written.append)
    bench.commands.place(order("b"), NOW)
    bench.commands.place(order("c"), NOW)
    assert bench.outbox.stirred, "or nobody would empty it"
    requests = bench.outbox.take_requests()
    assert [(one.body, one.request_id) for one in requests] == [(b"a", 1), (b"b", 2)]
    assert (written, bench.said()) == ([], [])
    assert bench.pacing.left("weight", NOW) == (96, 100, 60.0)
    assert len(bench.pending) == 2
    bench.commands.release(NOW + SECOND)
    assert bench.outbox.take_requests() == [], "the third waits for the limit"
    due = bench.commands.next_deadline(NOW)
    assert due == NOW + 2 * SECOND, "and is given up rather than late"


def test_an_order_that_goes_over_http_may_wait_its_turn() -> None:
    bench = Bench(Limit("orders", 1, 1.0), codec=OverHttp(CodecOptions(Role.ORDERS)))
    bench.pacing.spend("orders", NOW)
    bench.commands.place(order("a"), NOW)
    due = bench.commands.next_deadline(NOW)
    assert due is not None
    bench.commands.release(due)
    [request] = bench.outbox.take_requests()
    assert request.body == b"a"
    assert bench.pending.pop(request.request_id) == Request(What.PLACE, due, "a", symbol="BTC-USDT")


def test_an_order_that_must_wait_is_left_to_the_outbox() -> None:
    written: list[bytes] = []
    bench = Bench(Limit("orders", 1, 1.0))
    bench.pacing.spend("orders", NOW)
    bench.commands.place(order("a"), NOW, written.append)
    assert bench.said() == []
    due = bench.commands.next_deadline(NOW)
    assert due is not None
    bench.commands.release(due)
    assert ([frame["do"] for frame in bench.said()], written) == (["place"], [])


def test_after_a_throttle_everything_waits_and_cancels_leave_first() -> None:
    bench = Bench(Limit("orders", 5, 10.0))
    until = NOW + SECOND
    bench.pacing.block("weight", until)
    bench.commands.place(order("p"), NOW)
    bench.commands.cancel(CANCEL, NOW)
    assert bench.said() == []
    assert bench.commands.next_deadline(NOW) == until
    bench.commands.release(until)
    assert [frame["do"] for frame in bench.said()] == ["cancel", "place"]
    assert bench.commands.next_deadline(until) is None


@pytest.mark.parametrize("why", ["banned", "the venue's limit", "the last of the weight"])
def test_an_order_that_waited_until_its_deadline_never_leaves(why: str) -> None:
    weight = Limit("weight", 100, 60.0)
    venue = msgspec.structs.replace(TOY, limits=(weight,))
    bench = Bench(Limit("orders", 1, 10.0), weight, venue=venue)
    match why:
        case "banned":
            bench.pacing.block("weight", NOW + 60 * SECOND)
        case "the venue's limit":
            bench.pacing.spend("orders", NOW)
        case _:
            bench.pacing.report("weight", 100, NOW)
    bench.commands.place(order("a"), NOW)
    bench.commands.replace(ReplaceOrder(order_id="x", order=order("y")), NOW + SECOND // 2)
    bench.commands.cancel(CancelOrder(order_id="x", symbol="BTC-USDT"), NOW + SECOND)
    bench.commands.ask_status("BTC-USDT", "x", NOW + SECOND)
    late = NOW + 2 * SECOND
    assert bench.commands.next_deadline(NOW + SECOND) == late, "it wakes us by itself"
    bench.commands.release(late - 1)
    assert list(bench.outbox.take_told()) == []
    bench.commands.release(late)
    [dead] = bench.outbox.take_told()
    assert isinstance(dead, Update)
    assert (dead.order_id, dead.update) == ("a", UpdateKind.REJECTED)
    assert dead.text == "never sent: waited 2.0 s for its turn, 2 s are allowed"
    assert (dead.answers, dead.asked) == ("desk", 0), "the venue has not said it"
    assert bench.commands.next_deadline(late) == late + SECOND // 2
    bench.commands.release(late + 58 * SECOND)
    assert told(list(bench.outbox.take_told())) == [
        ("x", UpdateKind.CANCEL_REJECTED),
        ("y", UpdateKind.REJECTED),
    ]
    said = [frame["do"] for frame in bench.said()]
    assert said == ["cancel", "status"], "cancels and questions are never too late"
    assert bench.commands.next_deadline(late + 58 * SECOND) is None


def test_how_long_an_order_may_wait_can_be_said() -> None:
    bench = Bench(Limit("orders", 1, 10.0), deadline_seconds=30.0)
    for order_id in ("a", "b", "c"):
        bench.commands.place(order(order_id), NOW)
    for second in range(40):
        bench.commands.release(NOW + second * SECOND)
    assert [frame["order"] for frame in bench.said()] == ["a", "b", "c"]


def test_the_patience_for_an_answer_begins_when_the_bytes_leave() -> None:
    bench = Bench(Limit("orders", 1, 1.0))
    bench.commands.place(order("a"), NOW)
    bench.commands.place(order("b"), NOW)
    bench.said()
    later = bench.commands.next_deadline(NOW) or 0
    bench.commands.release(later)
    assert [frame["at"] for frame in bench.said()] == [later]
    bench.pending.expire(NOW + 5 * SECOND)
    assert bench.pending.next_deadline() == later + 5 * SECOND


def test_the_last_of_the_budget_is_for_cancels() -> None:
    """The venue counts a hundred a minute, so five of them are kept."""
    weight = Limit("weight", 100, 60.0)
    bench = Bench(weight, venue=msgspec.structs.replace(TOY, limits=(weight,)))
    bench.pacing.report("weight", 95, NOW)
    bench.commands.place(order("a"), NOW)
    assert [frame["do"] for frame in bench.said()] == ["place"], "five are left"
    bench.pacing.report("weight", 96, NOW)
    bench.commands.place(order("b"), NOW)
    bench.commands.amend(AmendOrder(order_id="a", symbol="BTC-USDT", size=Decimal(1)), NOW)
    assert bench.said() == []
    for step in range(10):
        bench.pacing.report("weight", 97 + step, NOW)
        bench.commands.cancel(CANCEL, NOW)
        bench.commands.ask_status("BTC-USDT", "a", NOW)
    said = [frame["do"] for frame in bench.said()]
    assert said == ["cancel", "status"] * 10, "cancels and questions may use it up"
    later = bench.commands.next_deadline(NOW)
    assert later is not None
    assert later == NOW + 2 * SECOND, "there is no room before, so then it is too late"


def test_after_a_sleep_what_waited_too_long_never_leaves() -> None:
    bench = Bench(Limit("orders", 1, 70.0))
    for order_id in ("a", "b"):
        bench.commands.place(order(order_id), NOW)
    assert [frame["do"] for frame in bench.said()] == ["place"]
    bench.commands.amend(
        AmendOrder(order_id="a", symbol="BTC-USDT", size=order("a").size or Decimal(1)), NOW
    )
    late = NOW + 60 * SECOND
    bench.commands.place(order("c"), late - SECOND)
    bench.commands.cancel(CANCEL, late)
    assert [frame["do"] for frame in bench.said()] == ["cancel"]
    bench.commands.release(NOW + 90 * SECOND)
    assert bench.said() == []
    said = told(list(bench.outbox.take_told()))
    assert said == [
        ("b", UpdateKind.REJECTED),
        ("a", UpdateKind.CANCEL_REJECTED),
        ("c", UpdateKind.REJECTED),
    ]


def test_cancelling_all_drops_what_waits_here_in_that_symbol() -> None:
    bench = Bench(Limit("orders", 1, 1.0))
    for order_id, symbol in (("a", "BTC-USDT"), ("b", "BTC-USDT"), ("c", "ETH-USDT")):
        bench.commands.place(order(order_id, symbol), NOW)
    bench.commands.cancel_all("BTC-USDT", NOW)
    assert [frame["do"] for frame in bench.said()] == ["place", "cancel_all"]
    assert told(bench.outbox.take_told()) == [("b", UpdateKind.REJECTED)]
    bench.commands.release(NOW + 11 * SECOND // 10)
    assert [frame["order"] for frame in bench.said()] == ["c"]


def test_a_replacement_that_waits_here_is_dropped_by_a_cancel_of_what_it_brings() -> None:
    bench = Bench(Limit("orders", 1, 10.0))
    bench.commands.place(order("a"), NOW)
    bench.commands.replace(ReplaceOrder(order_id="a", order=order("b")), NOW)
    bench.commands.cancel(CancelOrder(order_id="b", symbol="BTC-USDT"), NOW)
    bench.commands.release(NOW + 11 * SECOND)
    assert [frame["do"] for frame in bench.said()] == ["place"]
    assert told(bench.outbox.take_told()) == [
        ("a", UpdateKind.CANCEL_REJECTED),
        ("b", UpdateKind.REJECTED),
    ]


def test_what_cannot_be_encoded_was_never_sent() -> None:
    class Strict(ToyCodec):
        def place(self, order: Any, now: int, request_id: int) -> bytes:
            raise errors.OffGrid(field="price", value=1, expected="a multiple of 2")

        def cancel(self, command: Any, now: int, request_id: int) -> bytes:
            raise errors.ConfigError(where="order", found="?", expected="an id")

        def order_status(
            self, symbol: str, order_id: str, now: int, request_id: int, venue_id: str = ""
        ) -> bytes:
            raise errors.ConfigError(where="order", found="?", expected="an id")

    bench = Bench(codec=Strict(CodecOptions(Role.ORDERS)))
    with pytest.raises(errors.OffGrid):
        bench.commands.place(order("a"), NOW)
    bench.commands.cancel(CANCEL, NOW)
    bench.commands.ask_status("BTC-USDT", "s", NOW)
    bench.pacing.block("weight", NOW + SECOND)
    bench.commands.place(order("later"), NOW)
    bench.commands.release(NOW + SECOND)
    assert len(bench.pending) == 0
    cancel, status, place = bench.outbox.take_told()
    assert told([cancel, place]) == [
        ("a", UpdateKind.CANCEL_REJECTED),
        ("later", UpdateKind.REJECTED),
    ]
    assert isinstance(place, Update)
    assert "multiple of 2" in place.text
    assert isinstance(status, Unanswered)


def test_an_error_of_our_own_over_what_waited_is_told_and_keeps_nothing_back() -> None:
    """It is encoded before anything leaves, so nothing of it has."""

    class Broken(ToyCodec):
        def place(self, order: Any, now: int, request_id: int) -> bytes:
            if order.id == "a":
                raise ZeroDivisionError("planted")
            return super().place(order, now, request_id)

        def amend(self, command: Any, now: int, request_id: int) -> bytes:
            raise ZeroDivisionError("planted")

    bench = Bench(codec=Broken(CodecOptions(Role.ORDERS)))
    bench.pacing.block("weight", NOW + SECOND)
    bench.commands.place(order("a"), NOW)
    bench.commands.amend(AmendOrder(order_id="c", symbol="BTC-USDT", size=Decimal(1)), NOW)
    bench.commands.place(order("b"), NOW)
    bench.commands.release(NOW + SECOND)
    assert [frame["order"] for frame in bench.said()] == ["b"]
    assert len(bench.pending) == 1
    found = bench.outbox.take_told()
    assert told(found) == [("a", UpdateKind.REJECTED), ("c", UpdateKind.CANCEL_REJECTED)]
    assert {one.text for one in found if isinstance(one, Update)} == {
        "never sent: ZeroDivisionError: planted"
    }


# --- what an answer proves

REFUSED = errors.OrderRejected(venue="toy", code=7, text="no", reason="price_rule")
UNKNOWN = errors.OrderRejected(venue="toy", code=8, text="no such", reason="unknown_order")
UNPROVEN = errors.OutcomeUnknown(venue="toy", code=9)
DOWN = errors.VenueUnavailable(venue="toy")


@pytest.mark.parametrize(
    ("went_on", "kind", "is_known"),
    [(False, errors.UNREACHED, True), (True, errors.UNREACHED, False), (False, "timeout", False)],
)
def test_a_request_that_reached_nobody_is_known_not_to_have_left_unless_it_was_read(
    went_on: bool, kind: str, is_known: bool
) -> None:
    """A broker that asked back has read the order; what fails after that proves nothing."""
    request = Request(What.PLACE, NOW, "a", symbol="BTC-USDT", went_on=went_on)
    failure = errors.DialFailed(address="venue", cause="planted", kind=kind)
    [event] = Bench().commands.failed(request, failure, NOW + SECOND, told=False)
    assert type(event) is (Update if is_known else Unanswered)


@pytest.mark.parametrize(
    ("what", "kind"),
    [
        (What.PLACE, UpdateKind.REJECTED),
        (What.CANCEL, UpdateKind.CANCEL_REJECTED),
        (What.AMEND, UpdateKind.CANCEL_REJECTED),
    ],
)
def test_a_refusal_proves_that_nothing_was_done(what: What, kind: UpdateKind) -> None:
    bench = Bench()
    [event] = bench.answered(what, Reply(1, REFUSED), order_id="a")
    assert isinstance(event, Update)
    assert (event.order_id, event.update, event.reason) == ("a", kind, RejectReason.PRICE_RULE)
    assert (event.code, event.text) == (7, "no")


@pytest.mark.parametrize("what", [What.PLACE, What.CANCEL, What.AMEND, What.STATUS])
@pytest.mark.parametrize("error", [UNPROVEN, DOWN, errors.MalformedFrame(venue="toy")])
def test_anything_else_proves_nothing(what: What, error: errors.RemoteError) -> None:
    bench = Bench()
    [event] = bench.answered(what, Reply(1, error), order_id="a")
    assert isinstance(event, Unanswered)
    assert (event.order_id, event.what, event.waited_seconds) == ("a", what, 1.0)


def test_an_order_the_venue_does_not_know_is_missing_and_only_that_proves_it() -> None:
    bench = Bench()
    found = bench.answered(What.STATUS, Reply(1, UNKNOWN), order_id="a")
    assert told(found) == [("a", UpdateKind.MISSING)]
    [event] = bench.answered(What.STATUS, Reply(1, REFUSED), order_id="a")
    assert isinstance(event, Unanswered)


def test_a_replacement_is_two_orders_and_the_answers_own_facts_come_first() -> None:
    bench, facts = Bench(), {"order_id": "old", "new_id": "new"}
    assert told(bench.answered(What.REPLACE, Reply(1, REFUSED), **facts)) == [
        ("old", UpdateKind.CANCEL_REJECTED),
        ("new", UpdateKind.REJECTED),
    ]
    gone = update("old", UpdateKind.CANCELED)
    half = bench.answered(What.REPLACE, Reply(1, REFUSED, (gone,)), **facts)
    assert told(half) == [("old", UpdateKind.CANCELED), ("new", UpdateKind.REJECTED)]
    first, second = bench.answered(What.REPLACE, Reply(1, UNPROVEN, (gone,)), **facts)
    assert first == replace(gone, answers="replace", asked=NOW)
    assert isinstance(second, Unanswered)
    assert second.order_id == "new"
    assert bench.answered(What.REPLACE, Reply(1, None, (gone,)), **facts) == [first]


def test_questions_without_an_order_are_refused_by_name() -> None:
    bench = Bench()
    for what in (What.CANCEL_ALL, What.OPEN_ORDERS, What.ACCOUNT):
        [refused] = bench.answered(what, Reply(1, REFUSED))
        assert isinstance(refused, Rejected)
        assert refused.what == what
        [event] = bench.answered(what, Reply(1, UNPROVEN))
        assert isinstance(event, Unanswered)
        assert (event.order_id, event.what) == ("", what)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (errors.RateLimited(venue="toy"), RejectReason.RATE_LIMIT),
        (errors.AuthenticationFailed(venue="toy", hint="clock"), RejectReason.CLOCK),
        (errors.AuthenticationFailed(venue="toy", hint="key"), RejectReason.NOT_PERMITTED),
        (errors.RequestRejected(venue="toy", code=1), RejectReason.BAD_PARAMETER),
        (errors.OrderRejected(venue="toy", reason="a new word"), RejectReason.OTHER),
    ],
)
def test_every_reason_is_a_word_rules_can_depend_on(
    error: errors.RemoteError, reason: RejectReason
) -> None:
    [event] = Bench().answered(What.PLACE, Reply(1, error), order_id="a")
    assert isinstance(event, Update)
    assert event.reason is reason


# ── an order that is only to be checked ───────────────────────────────────────────────────────


def test_who_has_an_order_checked_is_told_and_nobody_else() -> None:
    bench, refused = Bench(), errors.OrderRejected(venue="toy", reason="price_rule")
    bench.commands.test(order("t"), NOW)
    assert [frame["do"] for frame in bench.said()] == ["test"]
    for error in (None, refused):
        reply = Reply(1, error)
        assert bench.answered(What.TEST, reply, order_id="t") == []
        assert bench.outbox.take_settled() == [(Probe("t"), error)]


def test_a_check_that_nobody_answers_or_that_never_left_makes_nothing_unknown() -> None:
    bench = Bench()
    request = Request(What.TEST, NOW, "t", symbol="BTC-USDT")
    assert bench.commands.unanswered(request, NOW + 2 * SECOND) == []
    [(key, error)] = bench.outbox.take_settled()
    assert (key, type(error)) == (Probe("t"), errors.Stalled)
    bench.pacing.block("weight", NOW + 9 * SECOND)
    bench.commands.test(order("t"), NOW)
    assert bench.commands.lost(NOW) == []
    [(key, error)] = bench.outbox.take_settled()
    assert (key, type(error)) == (Probe("t"), errors.RequestRejected)


def test_a_venue_that_checks_no_orders_is_not_asked_to() -> None:
    can = msgspec.structs.replace(TOY.can, order_test=False)
    bench = Bench(venue=msgspec.structs.replace(TOY, can=can))
    with pytest.raises(errors.StateError, match="checks orders"):
        bench.commands.test(order("t"), NOW)


class Apart(ToyCodec):
    """A venue that keeps conditional orders apart."""

    def conditional_status(self, symbol: str, order_id: str, now: int, request_id: int) -> bytes:
        return self._said(request_id, "apart status", order_id)

    def open_conditional(self, symbol: str, now: int, request_id: int) -> bytes:
        return self._said(request_id, "apart list", symbol)

    def cancel_all_conditional(self, symbol: str, now: int, request_id: int) -> bytes:
        return self._said(request_id, "apart cancel_all", symbol)

    def _said(self, request_id: int, do: str, what: str) -> bytes:
        return json.dumps({"id": request_id, "do": do, "what": what}).encode()


def apart() -> Bench:
    return Bench(codec=Apart(CodecOptions(Role.ORDERS)))


def open_orders(*ids: str) -> tuple[Event, ...]:
    """A list, and what it says of each."""
    listed = OpenOrders("toy", "", 0, NOW, ids)
    return (listed, *(update(order_id, UpdateKind.STATUS_OPEN) for order_id in ids))


def hear(bench: Bench, request_id: int, events: tuple[Event, ...], later: int = 0) -> list[Event]:
    request = bench.pending.pop(request_id)
    assert request is not None
    return bench.commands.answered(request, Reply(request_id, events=events), NOW + later)


def test_two_lists_of_open_orders_are_told_as_one() -> None:
    bench = apart()
    bench.commands.ask_open_orders("", NOW)
    assert [one["do"] for one in bench.said()] == ["apart list"], "the second one is asked later"
    assert hear(bench, 1, open_orders("waits", "both"), later=SECOND) == []
    assert bench.commands.asks(What.OPEN_ORDERS)
    assert [one["do"] for one in bench.said()] == ["open_orders"]
    listed, *updates = hear(bench, 2, open_orders("rests", "both"), later=2 * SECOND)
    assert isinstance(listed, OpenOrders)
    assert listed.order_ids == ("waits", "both", "rests")
    assert listed.asked == NOW, "what was there since then may be in neither of them"
    assert [one[0] for one in told(updates)] == ["waits", "both", "rests", "both"]


@pytest.mark.parametrize("first", [True, False])
def test_half_a_list_is_none(first: bool) -> None:
    bench = apart()
    bench.commands.ask_open_orders("", NOW)
    if not first:
        hear(bench, 1, open_orders("waits"))
    request = bench.pending.pop(1 if first else 2)
    assert request is not None
    [silent] = bench.commands.unanswered(request, NOW)
    assert isinstance(silent, Unanswered)
    assert silent.what == "open_orders"
    refusal = errors.RequestRejected(venue="toy", code=-1, text="no", request="?")
    [refused] = bench.commands.answered(request, Reply(1, refusal), NOW)
    assert isinstance(refused, Rejected)
    assert refused.what == "open_orders"
    assert [one["do"] for one in bench.said()] == ["apart list", *["open_orders"] * (not first)]


def test_a_conditional_order_is_asked_about_where_it_waits() -> None:
    bench = apart()
    for type, venue_id in ((OrderType.STOP, ""), (OrderType.STOP, "7"), (OrderType.LIMIT, "")):
        bench.commands.ask_status("BTC-USDT", "a", NOW, venue_id, type)
    assert [one["do"] for one in bench.said()] == ["apart status", "status", "status"]
    plain = Bench()
    plain.commands.ask_status("BTC-USDT", "a", NOW, "", OrderType.STOP)
    assert [one["do"] for one in plain.said()] == ["status"]


def test_all_are_cancelled_in_both_places() -> None:
    bench = apart()
    bench.commands.cancel_all("BTC-USDT", NOW)
    assert [one["do"] for one in bench.said()] == ["apart cancel_all", "cancel_all"]


class ListingCodec(ToyCodec):
    """Lists go over REST, once in five seconds; everything else over the socket."""

    def open_orders(self, symbol: str, now: int, request_id: int) -> HttpRequest:  # type: ignore[override]
        return HttpRequest("open", "GET", "/open", request_id=request_id, scope="lists")


def test_what_waits_for_a_limit_of_its_own_holds_nothing_else_back() -> None:
    bench = Bench(Limit("lists", 1, 5.0), codec=ListingCodec(CodecOptions(Role.ORDERS)))
    bench.commands.ask_open_orders("", NOW)
    bench.commands.ask_open_orders("A", NOW)
    bench.commands.ask_open_orders("A", NOW)  # said twice, and asked once
    bench.commands.ask_open_orders("B", NOW)
    bench.commands.cancel(CANCEL, NOW)
    assert len(bench.outbox.take_requests()) == 1
    assert [one["do"] for one in bench.said()] == ["cancel"]
    assert bench.commands.asks(What.OPEN_ORDERS)
    assert not bench.commands.is_idle
    for _ in range(2):
        due = bench.commands.next_deadline(NOW)
        assert due is not None
        bench.commands.release(due)
        assert len(bench.outbox.take_requests()) == 1
    assert bench.commands.next_deadline(NOW) is None


def test_what_waits_for_a_limit_of_its_own_is_told_when_the_connection_is_lost() -> None:
    bench = Bench(Limit("lists", 1, 5.0), codec=ListingCodec(CodecOptions(Role.ORDERS)))
    bench.commands.ask_open_orders("A", NOW)
    bench.commands.ask_open_orders("B", NOW)
    [told] = bench.commands.lost(NOW)
    assert isinstance(told, Rejected)
    assert told.symbol == "B"


def test_where_one_too_many_is_a_ban_cancels_wait_for_the_limit_too() -> None:
    limit = Limit("weight", 2, 1.0, strict=True)
    venue = msgspec.structs.replace(TOY, limits=(limit,))
    bench = Bench(limit, codec=ListingCodec(CodecOptions(Role.ORDERS)), venue=venue)
    for symbol in ("A", "B"):
        bench.commands.ask_open_orders(symbol, NOW)
    assert len(bench.outbox.take_requests()) == 2
    bench.commands.cancel(CANCEL, NOW)
    bench.commands.place(order("a"), NOW)
    assert bench.said() == []
    due = bench.commands.next_deadline(NOW)
    assert due is not None
    assert NOW + SECOND <= due <= NOW + 2 * SECOND
    bench.commands.release(due)
    assert [one["do"] for one in bench.said()] == ["cancel", "place"]


def test_where_one_order_spoils_the_questions_about_another_it_waits_for_its_answer() -> None:
    bench = Bench(venue=msgspec.structs.replace(TOY, one_order_at_a_time=True))
    for name in ("a", "b", "c"):
        bench.commands.place(order(name), NOW)
    bench.commands.cancel(CancelOrder(order_id="x", symbol="A"), NOW)
    assert [one["do"] for one in bench.said()] == ["place", "cancel"]
    assert not bench.commands.may_place(NOW)
    assert bench.commands.next_deadline(NOW) == NOW + bench.commands.deadline
    bench.pending.pop(1)
    bench.commands.release(NOW)
    assert [one["order"] for one in bench.said()] == ["b"]

"""A venue that answers the same request twice: alike, or first one thing and then another.

What it says is proof of neither where the two are not alike; the desk asks, and until it knows an
order counts in full. The venue is the judge.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from pitwire.desk.desk import Desk
from pitwire.model.clock import SECOND
from pitwire.model.orders import OrderState, Side
from pitwire.sim.facts import Status
from pitwire.trading.journal import Alerted
from pitwire.trading.tracked import Disagreement, Tracked
from pitwire.trading.wishes import cancel, order
from pitwire.wire.link import Receiver
from tests.desk.setting import BTC, PLAIN, Setting, TappedLink, command, is_open, until

Reply = dict[str, Any]
Answers = Callable[[Reply], Iterable[Reply]]
POOR = (-2010, "Account has insufficient balance for requested action.")
UNFIT = (-1013, "Filter failure: LOT_SIZE")
TWICE = (-2010, "Duplicate order sent.")
SLOW = (-1007, "Timeout waiting for response from backend server.")
NO_SUCH = (-2011, "Unknown order sent.")


def error(reply: Reply, what: tuple[int, str] = POOR) -> Reply:
    return {
        "id": reply["id"],
        "status": 400,
        "error": dict(zip(("code", "msg"), what, strict=True)),
    }


class Ears:
    """Hears every answer to a method as others would have it; the order stream may be lost."""

    def __init__(self, receiver: Receiver, venue: Babbling) -> None:
        self._receiver, self._venue = receiver, venue

    def __getattr__(self, name: str) -> Any:
        return getattr(self._receiver, name)

    def on_frame(self, frame: bytes, drained: bool) -> None:
        reply = json.loads(bytes(frame))
        if self._venue.mute and "executionReport" in json.dumps(reply):
            return
        if self._venue.asked.get(reply.get("id", "")) != self._venue.method:
            self._receiver.on_frame(frame, drained)
            return
        self.hear(self._venue.answers(reply))

    def hear(self, replies: Iterable[Reply]) -> None:
        for one in replies:
            self._receiver.on_frame(json.dumps(one).encode(), False)
        self._receiver.on_drained()


class Mouth(TappedLink):
    """Notes what is asked; where the venue only pretends, no order reaches it."""

    def __init__(self, link: Any, ears: Ears, venue: Babbling) -> None:
        super().__init__(link, venue.sent)
        self._ears, self._venue = ears, venue

    def send(self, frame: bytes) -> None:
        asked = json.loads(frame)
        self._venue.asked[str(asked.get("id", ""))] = asked["method"]
        if not (self._venue.pretends and asked["method"] == "order.place"):
            super().send(frame)
            return
        reply, loop = _acknowledged(asked), asyncio.get_running_loop()
        loop.call_later(0.02, lambda: self._ears.hear(self._venue.answers(reply)))


def _acknowledged(asked: Reply) -> Reply:
    wanted, now = asked["params"], 1_700_000_000_020
    result = {
        "symbol": wanted["symbol"], "orderId": 99_454, "orderListId": -1,
        "clientOrderId": wanted["newClientOrderId"], "transactTime": now, "price": wanted["price"],
        "origQty": wanted["quantity"], "executedQty": "0", "cummulativeQuoteQty": "0",
        "status": "NEW", "timeInForce": "GTC", "type": "LIMIT", "side": "BUY", "workingTime": now,
        "fills": [], "selfTradePreventionMode": "NONE",
    }  # fmt: skip
    return {"id": asked["id"], "status": 200, "result": result}


class Babbling(Setting):
    """A venue whose answers to one method are as told."""

    def __init__(
        self, answers: Answers, method: str = "order.place", *, mute: bool = False
    ) -> None:
        super().__init__()
        self.answers, self.method, self.mute, self.pretends = answers, method, mute, False
        self.asked: dict[str, str] = {}

    async def dial(self, url: str, receiver: Receiver) -> TappedLink:
        ears = Ears(receiver, self)
        return Mouth(await self.world.dial(url, ears), ears, self)

    def told(self, kind: type[Any]) -> list[str]:
        return [one.what if kind is Disagreement else one.text for one in self.records(kind)]


def buy_one(desk: Desk) -> Tracked:
    [one] = command(desk, order(BTC, Side.BUY, size=0.01, price=50_000))
    return one


PLACED: dict[str, tuple[Answers, str]] = {
    "alike": (lambda ack: [ack, ack], ""),
    "taken, refused": (lambda ack: [ack, error(ack)], "transition"),
    "refused, taken": (lambda ack: [error(ack), ack], "alive after death"),
    "refused twice, not alike": (lambda ack: [error(ack), error(ack, UNFIT)], "alive after death"),
    "unsure, taken": (lambda ack: [error(ack, SLOW), ack], ""),
    "taken, there already": (lambda ack: [ack, error(ack, TWICE)], "duplicate id"),
}


@pytest.mark.parametrize("mute", [False, True], ids=["stream", "no stream"])
@pytest.mark.parametrize("how", PLACED)
def test_an_order_that_the_venue_has_is_open_here(how: str, mute: bool) -> None:
    answers, differs = PLACED[how]
    setting = Babbling(answers, mute=mute)

    async def story(setting: Setting, desk: Desk) -> None:
        one = buy_one(desk)
        twice_refused_and_no_stream = mute and how.startswith("refused twice")
        await asyncio.sleep(90 if twice_refused_and_no_stream else 10)  # found by stocktaking
        assert (one.state, one.doubt) == (OrderState.OPEN, "")
        assert desk.engine.state.ledger.exposure(BTC, None).buys == one.size
        assert [is_open(each) for each in setting.orders().values()] == [True]
        assert setting.methods("order.place") == ["order.place"], "and sent once"

    setting.run(story)
    assert (differs in setting.told(Disagreement)) is bool(differs)
    assert setting.told(Alerted) == []


@pytest.mark.parametrize(
    "answers",
    [
        lambda done: [done, done],
        lambda done: [done, error(done, NO_SUCH)],
        lambda done: [error(done, NO_SUCH), done],
        lambda done: [error(done, SLOW), error(done, NO_SUCH)],
    ],
    ids=["alike", "done, no such", "no such, done", "unsure, no such"],
)
@pytest.mark.parametrize("mute", [False, True], ids=["stream", "no stream"])
def test_a_cancel_ends_what_it_ended_at_the_venue(answers: Answers, mute: bool) -> None:
    async def story(setting: Setting, desk: Desk) -> None:
        one = buy_one(desk)
        await until(lambda: one.state is OrderState.OPEN)
        command(desk, cancel(BTC))
        await asyncio.sleep(10)
        assert (one.state, one.cancel_sent) == (OrderState.CANCELED, 0)
        assert [each.status for each in setting.orders().values()] == [Status.CANCELED]

    Babbling(answers, "order.cancel", mute=mute).run(story)


@pytest.mark.parametrize("looked_at", [True, False], ids=["awake", "asleep"])
@pytest.mark.parametrize(
    ("answers", "doubt"),
    [
        (lambda ack: [ack, error(ack)], "rejected while open"),
        (lambda ack: [error(ack), ack], "it was refused, and then it was alive"),
    ],
    ids=["taken, refused", "refused, taken"],
)
def test_one_that_is_nowhere_counts_in_full_and_a_person_is_told(
    answers: Answers, doubt: str, looked_at: bool
) -> None:
    """It may be alive: the venue has said so. Asking does not end it, so somebody has to know."""
    setting = Babbling(answers)
    setting.pretends, setting.looked_at = True, looked_at

    async def story(setting: Setting, desk: Desk) -> None:
        await asyncio.sleep(5)  # what was asked for at the start is compared
        one = buy_one(desk)
        await asyncio.sleep(25)
        assert (one.state, one.doubt) == (OrderState.OPEN, doubt)
        assert len(setting.methods("order.status")) >= 3, "it is asked about"
        assert setting.records(Alerted) == []
        await asyncio.sleep(60)
        assert desk.engine.state.ledger.exposure(BTC, None).buys == one.size
        told = (
            f"order {one.id} in {BTC} is in doubt for more than 33 s, and counted in full: {doubt}"
        )
        [alert] = setting.records(Alerted)  # once
        assert alert.text == told
        late = alert.at - max(one.doubted_at, desk.engine.state.reached_at or 0) - 33 * SECOND
        assert 0 < late <= SECOND // 20, "at the next beat"

    # No question falls on that moment.
    setting.run(story, config=PLAIN + "[risk]\nmax_unknown_seconds = 33\n")

"""What a loss took of trades without numbers is named by time."""

from __future__ import annotations

from msgspec.structs import replace

from pitwire.model import errors
from pitwire.model.clock import SECOND
from pitwire.model.events import Trade, TradeGap
from pitwire.session.conversation import Conversation
from pitwire.venues.venue import Ask, Can
from tests.session.test_conversation import START, answer, conversation, frame, said
from tests.session.toy import TOY

UNNUMBERED = replace(TOY, can=Can(trades_by_id=False))
LOSS = errors.ConnectionLost(code=1006)


def trade(ours: Conversation, at: int, symbol: str = "A") -> list[str]:
    told = ours.receive_data(frame(e="trade", s=symbol, p=1.0, T=at), at)
    return [type(one).__name__ for one in told if isinstance(one, Trade | TradeGap)]


def opened(ours: Conversation, now: int) -> None:
    ours.opened(now)
    for request in said(ours):
        answer(ours, request, now)


def test_the_first_trade_after_a_loss_names_what_may_be_missing() -> None:
    ours, now = conversation(venue=UNNUMBERED), START
    ours.want([Ask("trades", "A"), Ask("trades", "B")], now)
    opened(ours, now)
    assert trade(ours, now + 1) == ["Trade"]
    assert trade(ours, now + 2) == ["Trade"]
    ours.lost(LOSS, now + SECOND)
    opened(ours, now + 5 * SECOND)
    told = ours.receive_data(frame(e="trade", s="A", p=1.0, T=now + 6 * SECOND), now + 6 * SECOND)
    [gap] = [one for one in told if isinstance(one, TradeGap)]
    assert (gap.symbol, gap.first_missing, gap.last_missing) == ("A", 0, -1)
    assert (gap.since, gap.venue_time) == (now + 2, now + 6 * SECOND)
    assert told.index(gap) < next(i for i, one in enumerate(told) if isinstance(one, Trade))
    assert trade(ours, now + 7 * SECOND) == ["Trade"], "once"
    assert trade(ours, now + 7 * SECOND, "B") == ["Trade"], "it had not spoken before"


def test_two_losses_before_a_trade_are_one_gap() -> None:
    ours, now = conversation(venue=UNNUMBERED), START
    ours.want([Ask("trades", "A")], now)
    opened(ours, now)
    trade(ours, now + 1)
    for second in (1, 3):
        ours.lost(LOSS, now + second * SECOND)
        opened(ours, now + (second + 1) * SECOND)
    assert trade(ours, now + 9 * SECOND) == ["TradeGap", "Trade"]


def test_what_was_not_wanted_meanwhile_is_not_missing() -> None:
    ours, now = conversation(venue=UNNUMBERED), START
    ours.want([Ask("trades", "A")], now)
    opened(ours, now)
    trade(ours, now + 1)
    ours.lost(LOSS, now + SECOND)
    ours.unwant([Ask("trades", "A")], now + SECOND)
    ours.want([Ask("trades", "A")], now + 2 * SECOND)
    opened(ours, now + 5 * SECOND)
    assert trade(ours, now + 6 * SECOND) == ["Trade"]


def test_where_trades_can_be_asked_for_by_their_ids_nothing_is_named_by_time() -> None:
    ours, now = conversation(), START
    ours.want([Ask("trades", "A")], now)
    opened(ours, now)
    trade(ours, now + 1)
    ours.lost(LOSS, now + SECOND)
    opened(ours, now + 5 * SECOND)
    assert trade(ours, now + 6 * SECOND) == ["Trade"]

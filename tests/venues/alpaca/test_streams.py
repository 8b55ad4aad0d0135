"""Which answer belongs to which request, where none has an id."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pitwire.model.credentials import Credentials
from pitwire.model.errors import ConfigError, RemoteError
from pitwire.model.events import Bar, Malformed
from pitwire.venues.alpaca.codec import AlpacaCodec
from pitwire.venues.venue import Ask, CodecOptions, Reply, Role

NOW = 1
A, B = Ask("trades", "A-USD"), Ask("book", "B-USD")


def codec() -> AlpacaCodec:
    return AlpacaCodec(CodecOptions(Role.MARKET))


def state(ours: AlpacaCodec, **channels: list[str]) -> list[tuple[int, RemoteError | None]]:
    return said(ours, {"T": "subscription", **channels})


def said(ours: AlpacaCodec, message: dict[str, Any]) -> list[tuple[int, RemoteError | None]]:
    found = ours.decode(json.dumps([message]).encode(), NOW)
    assert all(isinstance(one, Reply) for one in found)
    return [(one.request_id, one.error) for one in found if isinstance(one, Reply)]


def test_requests_are_answered_in_order_by_all_that_is_subscribed_to() -> None:
    ours = codec()
    ours.subscribe([A], 1)
    ours.subscribe([B], 2)
    ours.unsubscribe([A], 3)
    assert state(ours, trades=["A/USD"]) == [(1, None)]
    assert state(ours, trades=["A/USD"], orderbooks=["B/USD"]) == [(2, None)]
    assert state(ours, orderbooks=["B/USD"]) == [(3, None)]
    assert state(ours, orderbooks=["B/USD"]) == [], "nobody asked"


def test_a_book_that_is_ended_and_begun_anew_has_two_answers() -> None:
    ours = codec()
    ours.unsubscribe([B], 5)
    ours.subscribe([B], 6)
    assert state(ours) == [(5, None)]
    assert state(ours, orderbooks=["B/USD"]) == [(6, None)]


def test_an_answer_that_was_lost_is_made_up_for_by_the_next() -> None:
    ours = codec()
    ours.subscribe([A], 1)
    ours.subscribe([B], 2)
    assert state(ours, trades=["A/USD"], orderbooks=["B/USD"]) == [(1, None), (2, None)]


def test_an_answer_that_comes_after_it_was_made_up_for_refuses_nobody() -> None:
    ours, c = codec(), Ask("trades", "C-USD")
    ours.subscribe([A], 1)
    ours.subscribe([A], 2)  # the answer is late, and it is asked for once more
    assert state(ours, trades=["A/USD"]) == [(1, None), (2, None)]
    ours.subscribe([c], 3)
    assert state(ours, trades=["A/USD"]) == [], "that was the answer to the second"
    assert state(ours, trades=["A/USD", "C/USD"]) == [(3, None)]
    ours.subscribe([B], 4)
    [(request_id, error)] = state(ours, trades=["A/USD", "C/USD"])
    assert (request_id, error is None) == (4, False), "and of those there was one"


def test_what_is_not_in_the_answer_is_refused() -> None:
    ours = codec()
    ours.subscribe([A], 1)
    [(request_id, error)] = state(ours, trades=["B/USD"])
    assert request_id == 1
    assert error is not None
    assert "A-USD" in error.text


def test_an_error_refuses_who_asked_first_and_the_next_goes_on() -> None:
    ours = codec()
    ours.subscribe([A], 1)
    ours.subscribe([B], 2)
    limit = {"T": "error", "code": 405, "msg": "symbol limit exceeded"}
    [(request_id, error)] = said(ours, limit)
    assert request_id == 1
    assert type(error).__name__ == "SubscriptionRejected"
    assert state(ours, orderbooks=["B/USD"]) == [(2, None)]


def test_a_login_forgets_what_was_asked_before_it_and_is_answered_once() -> None:
    ours = codec()
    ours.subscribe([A], 1)
    ours.login(Credentials("key", "secret"), NOW, 7)
    done = {"T": "success", "msg": "authenticated"}
    assert said(ours, done) == [(7, None)]
    assert said(ours, done) == []
    ours.subscribe([B], 8)
    assert state(ours, orderbooks=["B/USD"]) == [(8, None)]


def test_a_second_login_on_one_connection_is_no_failure() -> None:
    ours = codec()
    ours.login(Credentials("key", "secret"), NOW, 7)
    assert said(ours, {"T": "error", "code": 403, "msg": "already authenticated"}) == [(7, None)]


@pytest.mark.parametrize(
    ("ask", "found"),
    [
        (Ask("partial_book", "BTC-USD"), "channel: found 'partial_book'"),
        (Ask("bars", "BTC-USD", "5m"), "option of bars: found '5m'"),
        (Ask("book", "BTC-USD", "100ms"), "option of book"),
        (Ask("book", "BTC"), "a pair such as BTC-USD"),
        (Ask("book", ""), "symbol"),
    ],
)
def test_what_cannot_be_asked_for_is_named(ask: Ask, found: str) -> None:
    for call in (codec().check, lambda one: codec().subscribe([one], 1)):
        with pytest.raises(ConfigError, match=found):
            call(ask)


def test_an_event_answers_the_ask_as_it_was_given() -> None:
    ours = codec()
    bar = Bar("alpaca", "A-USD", 0, 0, "1m", 0, 0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1, True)
    assert ours.ask_of(bar) == Ask("bars", "A-USD")
    ours.subscribe([Ask("bars", "A-USD", "1m")], 1)
    assert ours.ask_of(bar) == Ask("bars", "A-USD", "1m")
    assert ours.ask_of(Malformed("alpaca", "", 0, 0, "", "", "")) is None

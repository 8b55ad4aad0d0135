"""From a gateway at which somebody has logged in to a session, and what becomes of it."""

from __future__ import annotations

from pitwire.model.clock import SECOND
from pitwire.model.errors import (
    AuthenticationFailed,
    ConnectionLost,
    RateLimited,
    RequestRejected,
    VenueUnavailable,
)
from pitwire.model.events import Rejected
from pitwire.venues.codec import Ended, Further, HttpRequest
from pitwire.venues.ibkr.login import SESSION
from pitwire.venues.ibkr.settings import Settings
from tests.venues.ibkr.talk import (
    ACCOUNTS,
    CLOSED,
    FINE,
    KEY,
    NOW,
    TAKEN,
    answer,
    frame,
    fresh,
    further,
    log_in,
    ready,
    reply,
    tickled,
)


def test_a_login_is_a_tickle_the_accounts_and_the_session_on_the_socket() -> None:
    codec = fresh()
    request = codec.login(KEY, NOW, 1)
    assert (request.method, request.path, request.scope) == ("POST", "/v1/api/tickle", "tickle")
    accounts = further(answer(codec, request, tickled()))
    assert (accounts.method, accounts.path) == ("GET", "/v1/api/iserver/accounts")
    [named] = answer(codec, accounts, ACCOUNTS)
    assert named == Further(1, b'{"session":"%b"}' % (b"s" * 32))
    [said] = codec.decode(frame(topic="sts", args=FINE), NOW)
    assert reply([said]).request_id == 1


def test_a_socket_that_knows_us_by_itself_is_told_nothing() -> None:
    codec = fresh()
    request = codec.login(KEY, NOW, 1)
    assert codec.decode(frame(topic="sts", args=FINE), NOW) == ()
    accounts = further(answer(codec, request, tickled()))
    assert reply(answer(codec, accounts, ACCOUNTS)).error is None


def test_a_brokerage_session_that_is_not_open_is_opened_and_competes_with_nobody() -> None:
    codec = fresh()
    opening = further(answer(codec, codec.login(KEY, NOW, 1), tickled(CLOSED)))
    assert opening.path == "/v1/api/iserver/auth/ssodh/init"
    assert opening.body == b'{"publish":true,"compete":false}'
    assert further(answer(codec, opening, FINE)).path == "/v1/api/iserver/accounts"


def test_a_session_that_does_not_open_is_asked_about_again() -> None:
    codec = fresh()
    opening = further(answer(codec, codec.login(KEY, NOW, 1), tickled(CLOSED)))
    told, waits = answer(codec, opening, CLOSED)
    assert isinstance(told, Rejected)
    error = reply([waits]).error
    assert isinstance(error, VenueUnavailable)
    assert NOW < error.until <= NOW + 60 * SECOND


def test_what_another_login_has_taken_is_told_once_and_not_taken_back() -> None:
    codec = ready()
    told, ended = codec.decode(frame(topic="sts", args=TAKEN), NOW)
    assert isinstance(told, Rejected)
    assert (told.what, "another login" in told.text) == (SESSION, True)
    assert isinstance(ended, Ended)
    assert isinstance(ended.error, ConnectionLost)
    for _ in range(3):  # asked again and again, and it says the same
        [again] = answer(codec, codec.login(KEY, NOW, 2), tickled(TAKEN))
        assert isinstance(reply([again]).error, VenueUnavailable)


def test_a_session_that_comes_back_is_told_anew_when_it_is_taken_again() -> None:
    codec = ready()
    assert len(codec.decode(frame(topic="sts", args=TAKEN), NOW)) == 2
    log_in(codec)
    assert isinstance(codec.decode(frame(topic="sts", args=TAKEN), NOW)[0], Rejected)


def test_who_says_so_competes_and_not_again_within_ten_minutes() -> None:
    codec = fresh(settings=Settings(compete=True))
    opening = further(answer(codec, codec.login(KEY, NOW, 1), tickled(TAKEN)))
    assert opening.body == b'{"publish":true,"compete":true}'
    assert isinstance(reply(answer(codec, opening, TAKEN)).error, VenueUnavailable)
    again = answer(codec, codec.login(KEY, NOW + SECOND, 2), tickled(TAKEN), now=NOW + SECOND)
    assert isinstance(reply(again).error, VenueUnavailable)
    later = NOW + 601 * SECOND
    assert further(answer(codec, codec.login(KEY, later, 3), tickled(TAKEN), now=later))


def test_nobody_at_the_gateway_is_final_at_first_and_waited_for_afterwards() -> None:
    codec = fresh()
    refused = answer(codec, codec.login(KEY, NOW, 1), b"", 401)
    assert isinstance(reply(refused).error, AuthenticationFailed)
    codec = ready()
    waits = answer(codec, codec.login(KEY, NOW, 2), b"<html>", 401)
    assert isinstance(reply(waits).error, VenueUnavailable)


def test_a_wanted_account_is_selected_and_one_that_is_not_there_refused() -> None:
    codec = fresh(settings=Settings(account="DU7654321"))
    accounts = further(answer(codec, codec.login(KEY, NOW, 1), tickled()))
    select = further(answer(codec, accounts, ACCOUNTS))
    assert (select.path, select.body) == ("/v1/api/iserver/account", b'{"acctId":"DU7654321"}')
    [named] = answer(codec, select, {"set": True, "acctId": "DU7654321"})
    assert isinstance(named, Further)
    codec = fresh(settings=Settings(account="U1"))
    accounts = further(answer(codec, codec.login(KEY, NOW, 1), tickled()))
    assert isinstance(reply(answer(codec, accounts, ACCOUNTS)).error, RequestRejected)


def test_too_many_requests_silence_us_for_the_penalty() -> None:
    codec = fresh()
    error = reply(answer(codec, codec.login(KEY, NOW, 1), b"", 429)).error
    assert isinstance(error, RateLimited)
    assert (error.banned, error.until) == (True, NOW + 600 * SECOND)


def test_a_tickle_that_names_another_session_or_a_taken_one_ends_the_connection() -> None:
    for said in (tickled(TAKEN), tickled(session="another"), tickled({**FINE, "connected": False})):
        codec = ready()
        [tickle] = codec.chore("tickle", NOW)
        told = answer(codec, tickle, said)  # type: ignore[arg-type]
        assert [one for one in told if isinstance(one, Ended)]
        assert [one.what for one in told if isinstance(one, Rejected)] == [SESSION]
    codec = ready()
    [tickle] = codec.chore("tickle", NOW)
    assert reply(answer(codec, tickle, tickled())).error is None  # type: ignore[arg-type]


def test_a_part_of_the_state_is_enough() -> None:
    codec = ready()
    assert codec.decode(frame(topic="sts", args={"competing": False}), NOW) == ()
    told = codec.decode(frame(topic="sts", args={"authenticated": False}), NOW)
    assert [type(one).__name__ for one in told] == ["Rejected", "Ended"]


def test_both_streams_are_asked_for_once_the_session_is_sure() -> None:
    codec = ready()
    watch = codec.watch_orders(NOW, 5)
    assert (watch.method, watch.path) == ("POST", "/v1/api/iserver/auth/status")
    orders, trades, warm, agreed = answer(codec, watch, FINE)
    assert isinstance(warm, Further)
    assert isinstance(warm.outgoing, HttpRequest)
    assert (warm.request_id, warm.outgoing.path) == (0, "/v1/api/iserver/account/orders")
    assert orders == Further(5, b"sor+{}")
    assert trades == Further(5, b'str+{"realtimeUpdatesOnly":true,"days":1}')
    assert reply([agreed]).error is None
    told = answer(ready(), watch, TAKEN)
    assert isinstance(reply(told).error, VenueUnavailable)

"""What the key may do, and how the account is set, before a desk goes anywhere with them.

House rules: asked over HTTP, before any socket is opened; a key that may take money away is refused
unless the configuration names the account that may have it; an account on which a desk would count
wrongly is refused; no answer is no permission.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

from pitwire.desk.config import DeskConfig
from pitwire.desk.desk import Desk
from pitwire.desk.key_lock import account_lock
from pitwire.model.clock import Clock
from pitwire.model.credentials import Credentials
from pitwire.model.errors import ConfigError, StateError
from pitwire.venues.registry import find_venue
from pitwire.venues.venue import CodecOptions, Endpoints, HttpRequest, Reply, Role, Venue
from pitwire.wire.http import HttpClient
from pitwire.wire.link import Fetch, HttpAnswer
from pitwire.wire.names import is_on_this_machine


def addresses_of(config: DeskConfig, endpoints: Endpoints | None) -> Endpoints:
    """Where the session of this configuration will go; `endpoints` go before all.

    Raises `ConfigError` for a testnet that the venue has not.
    """
    venue = find_venue(config.venue.name)
    given = endpoints or config.venue.endpoints
    if given is not None or not config.venue.testnet:
        return given or venue.endpoints
    if venue.testnet is None:
        expected = f"false: {venue.name} has none"
        raise ConfigError(where="venue.testnet", found=True, expected=expected)
    return venue.testnet


async def check_account(
    desk: Desk,
    credentials: Credentials | None,
    endpoints: Endpoints | None,
    fetch: Fetch | None,
    *,
    plays: bool,
) -> None:
    """All that is asked before a socket is opened; who `plays` another's day has nobody to ask.

    Raises what `check_rights`, `hold_account` and `check_mode` raise.
    """
    await check_rights(desk.config, credentials, endpoints, fetch, desk.clock)
    await hold_account(desk, credentials, endpoints, fetch)
    if not plays:
        await check_mode(desk.config, credentials, endpoints, fetch, desk.clock)


async def hold_account(
    desk: Desk, credentials: Credentials | None, endpoints: Endpoints | None, fetch: Fetch | None
) -> None:
    """Be the one live desk of this machine on the account that the venue says the key is of.

    Raises `ConfigError` where another has it, with whatever key; what the venue says when it
    refuses to answer, and `DialFailed` when it does not. A venue that has no name of its own for an
    account is not asked, and one that tells none is an alert.
    """
    config = desk.config
    venue, addresses = find_venue(config.venue.name), addresses_of(config, endpoints)
    if config.mode != "live" or credentials is None or desk.restarted is None:
        return
    if venue.account is None:
        return
    ask = partial(venue.account.ask, credentials)
    body = await _answered(venue, ask, addresses.http, fetch, desk.clock)
    name = venue.account.read(body)
    if name:
        desk.restarted.folder.hold_also(account_lock(venue, addresses, name), "account")
    else:
        text = "the venue does not say whose key this is: one desk with each of its keys may start"
        desk.alert(text, desk.clock.now())


async def check_rights(
    config: DeskConfig,
    credentials: Credentials | None,
    endpoints: Endpoints | None,
    fetch: Fetch | None,
    clock: Clock,
) -> bool:
    """Raise `ConfigError` when mode is `live` and the key may withdraw, or may not trade.

    Says whether anybody was asked: not a testnet, which keeps no money and does not say. Raises
    what the venue says when it refuses to answer, and `DialFailed` when it does not.
    """
    venue, live = find_venue(config.venue.name), config.live
    if config.mode != "live" or live is None or credentials is None or config.venue.testnet:
        return False
    if venue.rights is None or live.may_withdraw == config.account.name:
        return False
    addresses = addresses_of(config, endpoints)
    if venue.rights.root and addresses != venue.endpoints:
        _demand_waiver(config, addresses)
        return False
    ask = partial(venue.rights.ask, credentials)
    body = await _answered(venue, ask, addresses.http, fetch, clock, at=venue.rights.root)
    rights = venue.rights.read(body)
    if rights.may_withdraw:
        expected = f"one that may not, or [live] may_withdraw = {config.account.name!r}"
        raise ConfigError(where="account.key", found="a key that may withdraw", expected=expected)
    if not rights.may_trade:
        raise ConfigError(
            where="account.key", found="a key that may not trade", expected="one that may"
        )
    return True


def _demand_waiver(config: DeskConfig, addresses: Endpoints) -> None:
    """Raise `ConfigError` where nobody can say whether the key may withdraw: no answer is no
    permission. A venue on this machine keeps no money."""
    host = urlsplit(addresses.http).hostname or ""
    if is_on_this_machine(host):
        return
    expected = f"the venue's own addresses, or [live] may_withdraw = {config.account.name!r}"
    found = f"a key of which nobody at {host} says whether it may withdraw"
    raise ConfigError(where="account.key", found=found, expected=expected)


async def check_mode(
    config: DeskConfig,
    credentials: Credentials | None,
    endpoints: Endpoints | None,
    fetch: Fetch | None,
    clock: Clock,
) -> None:
    """Raise `ConfigError` when the account holds positions in a way that a desk cannot count.

    Raises what the venue says when it refuses to answer, and `DialFailed` when it does not.
    """
    venue = find_venue(config.venue.name)
    if venue.mode is None or credentials is None or config.mode == "paper":
        return
    root = addresses_of(config, endpoints).http
    found = venue.mode.read(
        await _answered(venue, partial(venue.mode.ask, credentials), root, fetch, clock)
    )
    if found:
        raise ConfigError(
            where=f"account at {venue.name}", found=found, expected=venue.mode.expected
        )


async def _answered(
    venue: Venue,
    ask: Callable[[int], HttpRequest],
    root: str,
    fetch: Fetch | None,
    clock: Clock,
    *,
    at: str = "",
) -> bytes:
    """The body of the answer to a signed question; raises what the venue says when it has none.

    `at` is where it is asked, if that is not `root`, where the time is.
    """
    codec, ahead = venue.codec(CodecOptions(Role.MARKET)), 0
    if venue.can.anonymous_time:  # else nothing is signed by it
        sent = clock.now()
        status, headers, body = await _fetched(asked := codec.ask_time(), root, fetch)
        middle = (sent + clock.now()) // 2
        [*_, told] = codec.decode_response(asked, status, headers, body, clock.now())
        if not isinstance(told, Reply) or not told.server_time:
            raise _error(told, venue)
        ahead = told.server_time - middle
    # A clock that is wrong by a known amount is good enough: what is signed has the venue's time.
    request = ask(clock.now() + ahead)
    status, headers, body = await _fetched(request, at or root, fetch)
    if status != 200:
        answer = codec.decode_response(request, status, headers, body, clock.now())
        raise _error(answer[-1], venue)
    return body


async def _fetched(request: HttpRequest, root: str, fetch: Fetch | None) -> HttpAnswer:
    url = f"{root}{request.path}?{request.query}"
    if fetch is not None:
        return await fetch(request.method, url, request.headers, request.body)
    client = HttpClient()
    try:
        return await client.fetch(request.method, url, request.headers, request.body)
    finally:
        await client.close()


def _error(reply: object, venue: Venue) -> Exception:
    if isinstance(reply, Reply) and reply.error is not None:
        return reply.error
    return StateError(
        verb="start",
        state=f"without a word of {venue.name}",
        expected="an answer to what was asked",
    )

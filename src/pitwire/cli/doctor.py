"""`pitwire doctor`: configuration, keys, clock, reachability, and what would be sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from rich.console import Console
from rich.markup import escape

from pitwire.cli import loops
from pitwire.cli.exits import Code, code_for, gravest, line_for
from pitwire.desk.config import DeskConfig, check_arming, describe, load_config, wanted
from pitwire.desk.masking import Masker
from pitwire.desk.opening import credentials_of
from pitwire.desk.rights import addresses_of, check_mode, check_rights
from pitwire.desk.secrets import file_warning, find_credentials
from pitwire.model.clock import MILLISECOND, SECOND, Clock, SystemClock
from pitwire.model.credentials import Credentials, mask
from pitwire.model.errors import ConfigError, ConnectionLost, PitwireError
from pitwire.model.instruments import Instrument
from pitwire.model.numbers import plain
from pitwire.model.twins import KINDS, Kind
from pitwire.venues.registry import find_venue
from pitwire.venues.venue import (
    Ask,
    Buffer,
    Codec,
    CodecOptions,
    Endpoints,
    Further,
    HttpRequest,
    Outgoing,
    Reply,
    Role,
    Venue,
)
from pitwire.wire.http import HttpClient
from pitwire.wire.link import Dial, Fetch, HeadedDial, HttpAnswer
from pitwire.wire.websocket import WebSocketDialer

WORRYING_OFFSET = SECOND
"""A clock this far from the venue's is worth a word: requests are valid for a few seconds only."""

_STYLES = {"ok": "green", "note": "yellow", "bad": "red"}


class Finding(NamedTuple):
    """One thing looked at. `verdict` is ok, note or bad; a bad one gives the exit code."""

    verdict: str
    what: str
    text: str
    code: Code = Code.DONE


def bad(what: str, error: Exception) -> Finding:
    """A finding from an error that ends no examination."""
    return Finding("bad", what, line_for(error), code_for(error))


class Patient(NamedTuple):
    """What is examined, and the means to do so."""

    config: DeskConfig
    venue: Venue
    endpoints: Endpoints
    credentials: Credentials | None
    clock: Clock

    def codec(self, role: Role) -> Codec:
        return self.venue.codec(CodecOptions(role, self.config.venue.time_unit))


def run(path: Path | None, *, offline: bool = False, console: Console | None = None) -> int:
    """Examine, print, and return the code of the worst finding."""
    console = console or Console(soft_wrap=True, highlight=False)
    tell = _teller(console)
    config = DeskConfig()
    if path is not None:
        try:
            config = load_config(path)
        except PitwireError as error:
            return tell(bad("config", error)).code
    codes = [tell(finding).code for finding in examine_file(config, path, SystemClock().now())]
    keys = examine_keys(config)
    codes += [tell(finding).code for finding in keys.findings]
    venue = find_venue(config.venue.name)
    endpoints = addresses_of(config, None)
    patient = Patient(config, venue, endpoints, keys.credentials, SystemClock())
    patient.codec(Role.MARKET)  # which loads what it reads with
    load_parts()
    tell(examine_parts())
    if is_local(config):
        tell(Finding("note", "venue", "simulated on this machine: nothing to reach"))
    elif offline:
        tell(Finding("note", "venue", f"not asked ({endpoints.http})"))
    else:
        findings = loops.run(_ask_the_venue(patient), config.loop.kind)
        codes += [tell(finding).code for finding in findings]
    console.print("\n[bold]Effective configuration[/]")
    console.print(describe(config), markup=False)
    console.print("[bold]Would be sent[/]")
    for line in would_send(patient):
        console.print(line, markup=False)
    return gravest(codes)


def _teller(console: Console) -> Callable[[Finding], Finding]:
    def tell(finding: Finding) -> Finding:
        style = _STYLES[finding.verdict]
        text = escape(finding.text)
        console.print(f"[{style}]{finding.verdict:<5}[/] {finding.what:<8} {text}")
        return finding

    return tell


# ── on this machine ───────────────────────────────────────────────────────────────────────────


def is_local(config: DeskConfig) -> bool:
    """Whether the venue would be our own simulation."""
    return config.mode == "sim" and config.venue.endpoints is None


def examine_parts(kinds: Mapping[str, Kind] = KINDS) -> Finding:
    """Which of the parts that may be compiled are."""
    found = named_parts(kinds)
    if {"plain", "compiled"} >= set(kinds.values()):
        return Finding("ok", "parts", found)
    return Finding("note", "parts", f"{found}: there and not used, the plain one is; build it anew")


def load_parts() -> None:
    """Load whatever may be compiled, so that it is known what is used of it."""
    for user in ("market.ladder", "venues.binance.decode", "venues.binance.sbe", "sim.quotes",
                 "sim.capture"):  # fmt: skip
        import_module(f"pitwire.{user}")


def used_parts() -> str:
    """The same of this process, which has loaded every one of them then."""
    load_parts()
    return named_parts()


def named_parts(kinds: Mapping[str, Kind] = KINDS) -> str:
    """Each of the parts that may be compiled, and what is used of it."""
    return ", ".join(f"{name.rpartition('._')[2]} {kind}" for name, kind in sorted(kinds.items()))


def examine_file(config: DeskConfig, path: Path | None, now: int) -> Iterator[Finding]:
    """The configuration as far as it can be judged without the venue."""
    source = str(path) if path else "no file, defaults"
    symbols = ", ".join(config.venue.symbols)
    yield Finding("ok", "config", f"{source}: mode {config.mode}, {symbols}")
    if config.mode != "live":
        return
    try:
        check_arming(config, now)
    except PitwireError as error:
        yield bad("arming", error)
    else:
        until = config.live.armed_until.isoformat() if config.live else ""
        yield Finding("ok", "arming", f"account {config.account.name}, armed until {until}")


class Keys(NamedTuple):
    credentials: Credentials | None
    findings: list[Finding]


def examine_keys(config: DeskConfig) -> Keys:
    """Whether keys are there, what kind they are, and who else can read them."""
    account = config.account
    if find_venue(config.venue.name).keyless:
        text = f"none is needed: whoever runs {config.venue.name}'s gateway has logged in there"
        return Keys(credentials_of(config), [Finding("ok", "keys", text)])
    try:
        found = find_credentials(
            config.venue.name,
            key_ref=account.key or None,
            secret_ref=account.secret or None,
            account=account.name,
        )
    except PitwireError as error:
        return Keys(None, [bad("keys", error)])
    if found is None:
        missing = config.mode == "live"
        verdict, code = ("bad", Code.USAGE) if missing else ("note", Code.DONE)
        return Keys(None, [Finding(verdict, "keys", f"none set: {_without_keys(config)}", code)])
    findings = [Finding("ok", "keys", f"{mask(found.key)}, {found.kind}, account {found.account}")]
    if account.kind not in ("auto", found.kind):
        text = f"account.kind: found {found.kind}, expected {account.kind}"
        findings.append(Finding("bad", "keys", text, Code.USAGE))
    for reference in (account.key, account.secret):
        scheme, _, name = reference.partition(":")
        if scheme == "file" and (warning := file_warning(Path(name).expanduser())):
            findings.append(Finding("note", "keys", warning))
    return Keys(found, findings)


def _without_keys(config: DeskConfig) -> str:
    """What there is for who has no key."""
    if not find_venue(config.venue.name).market_login:
        return "public data only"
    if is_local(config):
        return "the simulated venue brings its own"
    return f"{config.venue.name} streams nothing without one"


# ── at the venue ──────────────────────────────────────────────────────────────────────────────


async def _ask_the_venue(patient: Patient) -> list[Finding]:
    http = HttpClient()
    try:
        return [
            *await examine_http(patient, http.fetch),
            *await examine_sockets(patient, WebSocketDialer()),
        ]
    finally:
        await http.close()


async def examine_http(patient: Patient, fetch: Fetch) -> list[Finding]:
    """The venue's clock against ours, and whether it lists our symbols."""
    codec = patient.codec(Role.MARKET)
    try:
        if patient.venue.market_login:  # whoever asks has to say who it is, there as well
            codec.login(_key(patient), patient.clock.now(), 0)
        return [
            await _examine_clock(patient, codec, fetch),
            *await _examine_symbols(patient, codec, fetch),
            *await _examine_rights(patient, fetch),
            *await _examine_mode(patient, fetch),
        ]
    except PitwireError as error:
        return [bad("http", error)]


async def _examine_clock(patient: Patient, codec: Codec, fetch: Fetch) -> Finding:
    if patient.venue.socket_time:
        return Finding("note", "clock", "not asked here: once a minute at most may it be")
    sent = patient.clock.now()
    reply, _ = await _ask(patient, codec, codec.ask_time(), fetch)
    if reply.error is not None:
        return bad("clock", reply.error)
    took = patient.clock.now() - sent
    offset = reply.server_time - (sent + took // 2)
    text = (
        f"venue is {offset / MILLISECOND:+.1f} ms from us "
        f"(± {took / 2 / MILLISECOND:.1f} ms), answered in {took / MILLISECOND:.1f} ms"
    )
    certain = abs(offset) - took // 2
    return Finding("note" if certain > WORRYING_OFFSET else "ok", "clock", text)


async def _examine_symbols(patient: Patient, codec: Codec, fetch: Fetch) -> list[Finding]:
    wanted_here = patient.config.venue.symbols
    waiting, listed = [codec.ask_instruments(wanted_here)], list[Instrument]()
    while waiting:
        request = waiting.pop(0)
        status, headers, body = await _fetched(patient, request, fetch)
        for item in codec.decode_response(request, status, headers, body, patient.clock.now()):
            if isinstance(item, Reply) and item.error is not None:
                return [bad("symbols", item.error)]
            if isinstance(item, Further) and isinstance(item.outgoing, HttpRequest):
                waiting.append(item.outgoing)
        listed += codec.decode_instruments(body)
    found = [
        Finding(
            "ok" if each.status == "TRADING" else "note",
            "symbols",
            f"{each.symbol} {each.status.lower()}: tick {plain(each.tick)}, "
            f"lot {plain(each.lot)}, at least {plain(each.min_notional)} {each.quote}",
        )
        for each in listed
        if each.symbol in wanted_here
    ]
    missing = set(wanted_here) - {each.symbol for each in listed}
    return [
        *found,
        *(
            Finding("bad", "symbols", f"{one}: {patient.venue.name} lists none", Code.USAGE)
            for one in sorted(missing)
        ),
    ]


async def _examine_rights(patient: Patient, fetch: Fetch) -> list[Finding]:
    """What the key may do; a live desk asks the same before it opens a socket."""
    config, keys = patient.config, patient.credentials
    if config.mode != "live" or keys is None:
        return []
    try:
        was_asked = await check_rights(config, keys, patient.endpoints, fetch, patient.clock)
    except PitwireError as error:
        return [bad("rights", error)]
    if was_asked:
        return [Finding("ok", "rights", "the key may trade and may not withdraw")]
    waived = config.live is not None and config.live.may_withdraw == config.account.name
    why = "may withdraw, as the file allows" if waived else "was not asked about: nobody here says"
    return [Finding("note", "rights", f"the key {why}")]


async def _examine_mode(patient: Patient, fetch: Fetch) -> list[Finding]:
    """Whether the account holds positions as a desk counts them, where there are several ways."""
    mode, keys = patient.venue.mode, patient.credentials
    if mode is None or keys is None or patient.config.mode == "paper":
        return []
    try:
        await check_mode(patient.config, keys, patient.endpoints, fetch, patient.clock)
    except PitwireError as error:
        return [bad("account", error)]
    return [Finding("ok", "account", mode.expected)]


async def _ask(
    patient: Patient, codec: Codec, request: HttpRequest, fetch: Fetch
) -> tuple[Reply, bytes]:
    status, headers, body = await _fetched(patient, request, fetch)
    decoded = codec.decode_response(request, status, headers, body, patient.clock.now())
    [reply] = [each for each in decoded if isinstance(each, Reply)]
    return reply, body


async def _fetched(patient: Patient, request: HttpRequest, fetch: Fetch) -> HttpAnswer:
    query = f"?{request.query}" if request.query else ""
    url = f"{patient.endpoints.http.rstrip('/')}{request.path}{query}"
    return await fetch(request.method, url, request.headers, request.body)


class _Silent:
    """A receiver for a connection that is only opened and closed."""

    def on_frame(self, frame: Buffer, drained: bool) -> None: ...

    def on_drained(self) -> None: ...

    def on_ping(self, payload: bytes) -> None: ...

    def on_pong(self, payload: bytes) -> None: ...

    def on_lost(self, error: ConnectionLost) -> None: ...


async def examine_sockets(patient: Patient, dial: Dial) -> list[Finding]:
    """Whether every WebSocket address that is needed lets us in."""
    unit = patient.config.venue.time_unit
    findings = []
    doors = [("market", path) for path in _asks_by_address(patient)]
    if patient.venue.can.orders:
        doors.append(("orders", patient.venue.orders_path(patient.endpoints, unit)))
    for name, path in doors:
        sent = patient.clock.now()
        try:
            opener = _headed(patient, dial) if name == "market" else dial
            link = await opener(path, _Silent())
        except PitwireError as error:
            findings.append(bad(name, error))
            continue
        took = (patient.clock.now() - sent) / MILLISECOND
        link.close()
        findings.append(Finding("ok", name, f"{path}: open in {took:.1f} ms"))
    return findings


# ── what would be sent ────────────────────────────────────────────────────────────────────────


def _asks_by_address(patient: Patient) -> Mapping[str, list[Ask]]:
    """The market addresses that the configured channels need, each with what is asked for there."""
    venue, unit = patient.venue, patient.config.venue.time_unit
    found: dict[str, list[Ask]] = {}
    for ask in wanted(patient.config):
        channel = venue.channels.get(ask.channel)
        route = "" if channel is None else channel.route
        if route and venue.route_path is not None:
            path = venue.route_path(patient.endpoints, unit, route)
        else:
            path = venue.stream_path(patient.endpoints, unit)
        found.setdefault(path, []).append(ask)
    return found or {venue.stream_path(patient.endpoints, unit): []}


def _headed(patient: Patient, dial: Dial) -> Dial:
    """Who opens a market connection: with a key, where the venue wants one on it."""
    headers_of = patient.venue.market_headers
    dialer: object = dial
    if headers_of is None or not isinstance(dialer, HeadedDial):
        return dial
    return dialer.with_headers(headers_of(_key(patient)))


def _key(patient: Patient) -> Credentials:
    """Who looks on, where the venue wants to know; raises `ConfigError` where nobody is known."""
    if patient.credentials is None:
        raise ConfigError(
            where="credentials",
            found=None,
            expected=f"an API key, without which {patient.venue.name} streams nothing",
        )
    return patient.credentials


def would_send(patient: Patient) -> Iterator[str]:
    """The addresses dialled and the frames sent first, secrets masked."""
    unit, now = patient.config.venue.time_unit, patient.clock.now()
    masked = Masker([patient.credentials] if patient.credentials else [])
    local = "a port on this machine" if is_local(patient.config) else ""
    for address, asks in _asks_by_address(patient).items():
        market = patient.codec(Role.MARKET)
        yield f"dial  {f'{local}, {urlsplit(address).path}' if local else address}"
        try:
            for ask in asks:
                market.check(ask)
            if patient.venue.market_login and (patient.credentials is not None or not local):
                yield _said(patient, masked, market.login(_key(patient), now, 1))
            if patient.venue.listed_first:
                listing = market.ask_instruments(patient.config.venue.symbols)
                yield f"{_said(patient, masked, listing)}: numbers, by which the streams are meant"
                continue
            pack = patient.venue.asks_a_message
            for first in range(0, len(asks), pack):
                yield f"send  {masked(market.subscribe(asks[first : first + pack], 1))}"
        except PitwireError as error:
            yield f"not sent: {line_for(error)}"
    if patient.credentials is None or not patient.venue.can.orders:
        return
    if patient.config.mode == "live" and patient.venue.rights is not None:
        request, root = (
            patient.venue.rights.ask(patient.credentials, now),
            patient.venue.rights.root,
        )
        if not root or patient.endpoints == patient.venue.endpoints:
            yield f"ask   {root or patient.endpoints.http}{request.path}"
    if patient.config.mode == "live" and patient.venue.account is not None:
        request = patient.venue.account.ask(patient.credentials, now)
        yield f"ask   {patient.endpoints.http}{request.path}"
    if patient.config.mode != "paper" and patient.venue.mode is not None:
        request = patient.venue.mode.ask(patient.credentials, now)
        yield f"ask   {patient.endpoints.http}{request.path}"
    orders = patient.codec(Role.ORDERS)
    yield f"dial  {local or patient.venue.orders_path(patient.endpoints, unit)}"
    try:
        yield _said(patient, masked, orders.login(patient.credentials, now, 1))
        yield _said(patient, masked, orders.watch_orders(now, 2))
    except PitwireError as error:
        yield f"not sent: {line_for(error)}"


def _said(patient: Patient, masked: Masker, outgoing: Outgoing) -> str:
    """What would leave: a frame over the socket, or a request to the venue's address for REST."""
    if isinstance(outgoing, HttpRequest):
        root = "a port on this machine, " if is_local(patient.config) else patient.endpoints.http
        return f"ask   {root}{outgoing.path}"
    return f"send  {masked(outgoing)}"

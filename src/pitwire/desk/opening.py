"""From a configuration to a running desk, in the order in which it can go wrong.

Connect, learn the instruments' rules, build the rules, log in, take stock, subscribe, begin.
"""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pitwire
from pitwire.desk.banned import bans_of, remembered, sit_out
from pitwire.desk.clocking import know_time
from pitwire.desk.config import DeskConfig, check_arming, check_live, state_folder, wanted
from pitwire.desk.day_count import count_the_day_on, read_the_day
from pitwire.desk.desk import Desk
from pitwire.desk.door import connect_to_websocket
from pitwire.desk.health import Health
from pitwire.desk.housekeeping import House
from pitwire.desk.interactions import InteractionLog
from pitwire.desk.key_lock import key_lock
from pitwire.desk.leash import charge_of
from pitwire.desk.paper import PaperOutlet
from pitwire.desk.restart import Restarted, restart
from pitwire.desk.rights import addresses_of, check_account
from pitwire.desk.secrets import check_private, find_credentials, prefixes
from pitwire.desk.settling import end_on_paper, settle
from pitwire.desk.taping import record_desk, tap_of
from pitwire.desk.watched import watched
from pitwire.model.clock import MILLISECOND, Clock, SystemClock, booted_at
from pitwire.model.credentials import GATEWAY, Credentials
from pitwire.model.entropy import Entropy, system_seed
from pitwire.model.errors import ConfigError, DialFailed, RequestRejected
from pitwire.model.events import Event, Fill, Update
from pitwire.model.instruments import Instrument
from pitwire.model.orders import UpdateKind
from pitwire.session.audience import OnEvents
from pitwire.session.session import Session
from pitwire.store.frames import Frames
from pitwire.trading.declared import build_rules
from pitwire.trading.engine import Engine
from pitwire.trading.ids import OrderIds, installation_prefix
from pitwire.trading.journal import Came, Journal, Record, Seeded, Started
from pitwire.trading.ledger import OrderLedger
from pitwire.trading.limits import Limits
from pitwire.trading.paper import PaperVenue
from pitwire.trading.risk import Screen
from pitwire.trading.rules import Rule
from pitwire.trading.state import State
from pitwire.trading.tracked import Change
from pitwire.venues.registry import find_venue
from pitwire.venues.venue import Ask, Endpoints
from pitwire.wire.link import Dial, Fetch
from pitwire.wire.names import is_on_this_machine

_FRAMES = 20_000
"""Rows a desk's tables keep: three megabytes a symbol at most, full in minutes where it is busy."""


class Journals:
    """One journal over several: what is written goes to each that it concerns.

    A journal that takes few kinds of records names them in `concerned`.
    """

    def __init__(self, journals: Iterable[Journal]) -> None:
        few = set[type]()
        journals = tuple(journals)
        for journal in journals:
            few.update(getattr(journal, "concerned", ()))
        # How each writes is looked up here, once: an order waits while that is done.
        self._of_most = tuple(one.write for one in journals if not hasattr(one, "concerned"))
        self._of = {
            kind: tuple(one.write for one in journals if kind in getattr(one, "concerned", (kind,)))
            for kind in few
        }

    def write(self, record: Record) -> None:
        for write in self._of.get(type(record), self._of_most):
            write(record)


class TablesJournal:
    """Writes orders and fills into tables, each fact once, however often a venue tells it.

    The engine journals an event before the change it made; a copy makes none.
    """

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._came: Event | None = None

    def write(self, record: Record) -> None:
        match record:
            case Came(event=event):
                self._came = event
            case Change() if isinstance(self._came, Fill | Update):
                if not _says_again(record):
                    self._frames.record(self._came)
                self._came = None
            case _:
                self._came = None  # a change of our own making tells of no event


def _says_again(change: Change) -> bool:
    """Whether the venue only said that an open order is open."""
    repeats = change.came in (UpdateKind.ACCEPTED, UpdateKind.STATUS_OPEN)
    return repeats and change.before is change.after and not change.missing


async def open_desk(
    config: DeskConfig,
    *,
    rules: Iterable[Rule] = (),
    endpoints: Endpoints | None = None,
    credentials: Credentials | None = None,
    dial: Dial | None = None,
    fetch: Fetch | None = None,
    clock: Clock | None = None,
    log: InteractionLog | None = None,
    journals: Iterable[Journal] = (),
    state: Path | None = None,
    ids: OrderIds | None = None,
    hear: Callable[[Rule], Rule] | None = None,
    seen: OnEvents | None = None,
    looked_at: bool = True,
) -> Desk:
    """Open a desk by a configuration, plus rules written in Python.

    `state` is the account's folder, in place of the configuration's; `ids` are the order ids of a
    desk that keeps nothing, for one that goes through another's day again, and
    `hear` puts something around each of its rules; `seen` is shown all events after the desk. One
    that is not to be `looked_at` keeps neither tables nor health, and sleeps where it can.
    Raises `ConfigError` for what
    cannot work, `JournalFailed` when nothing can be written there, `DialFailed` when there is no
    connection, `AuthenticationFailed` and `SubscriptionRejected` when the venue says no. With a
    `dial` of yours there is no watchdog: another process cannot use it.
    """
    clock = clock or SystemClock()
    _check_mode(config, clock.now(), endpoints, dials=dial is None)
    credentials = credentials or (None if config.mode == "paper" else credentials_of(config))
    seed = system_seed() if config.seed is None else config.seed
    restarted = _restarted(config, state, clock, _key_lock(config, credentials, endpoints))
    desk = _composed(config, restarted, journals, clock, ids, log, looked_at=looked_at)
    try:
        count_on = _day_before(desk)
        await desk.switchboard.open()
        bans, addresses = bans_of(desk), addresses_of(config, endpoints)
        await sit_out(desk, bans, addresses)
        with remembered(bans, addresses, clock):
            await check_account(desk, credentials, endpoints, fetch, plays=ids is not None)
        _enter(desk, config, seed)
        tape = desk.tape = record_desk(
            config, desk.engine.screen, credentials, seed=seed, clock=clock
        )
        session = await connect_to_websocket(
            config.venue.table,
            endpoints=addresses,  # always said: an environment redirects no desk
            credentials=credentials,
            on_events=desk.on_events if seen is None else _both(desk.on_events, seen),
            on_error=partial(_note_refused_dials, log, clock) if log is not None else None,
            dial=dial,
            fetch=fetch,
            clock=clock,
            lap=clock,
            on_written=partial(_note_written, desk),
            entropy=Entropy(seed),
            order_deadline_seconds=config.desk.order_deadline_seconds,
            time_unit=config.venue.time_unit,
            redundancy=config.venue.redundancy,
            roll_at=config.venue.roll_at,
            keep_books=False,
            book_of=desk.engine.state.books.get,
            urgent_books=desk.urgent_symbols,
            doing=desk.doing,
            bans=bans,
            tap=tap_of(log, tape),
            witness=tape,
            carry=None if tape is None else tape.fetch,
        )
        desk.attach(session, _paper(desk) if config.mode == "paper" else None)
        await _guard(desk, None if dial else credentials, endpoints or config.venue.endpoints)
        await _begin(desk, session, tuple(rules), hear, count_on)
    except BaseException:
        await desk.stop()
        raise
    return desk


def _day_before(desk: Desk) -> Callable[[], None]:
    """What was ordered today before this run; to be counted once the instruments are known."""
    now, engine, restarted = desk.clock.now(), desk.engine, desk.restarted
    day = None if restarted is None else read_the_day(restarted.folder.path, engine.screen, now)
    return lambda: None if day is None else count_the_day_on(day, engine, now)


def _enter(desk: Desk, config: DeskConfig, seed: int) -> None:
    """The first words of a journal that no folder keeps, and of any the seed: at the time at which
    a tape begins, so that who plays it says the same."""
    now, engine = desk.clock.now(), desk.engine
    if desk.restarted is None:
        ids, proof = engine.screen.ids, find_venue(config.venue.name).proof
        started = Started(at=now, prefix=ids.prefix, epoch=ids.epoch, mode=config.mode, proof=proof)
        engine.journal.write(started)
        engine.state.ledger.lost(now, restarted=True)  # as who replays it will have it
    engine.journal.write(Seeded(at=now, name="desk", seed=seed))


def _composed(
    config: DeskConfig,
    restarted: Restarted | None,
    journals: Iterable[Journal],
    clock: Clock,
    ids: OrderIds | None,
    log: InteractionLog | None,
    *,
    looked_at: bool,
) -> Desk:
    frames, house = Frames(_FRAMES), House(sleeps=not looked_at)
    own: Journal = TablesJournal(frames) if looked_at else house
    others = [own, *journals, *([log] if log is not None else [])]
    engine = _engine(config, restarted, others, clock, ids)
    return Desk(
        config,
        engine,
        clock=clock,
        health=Health(clock.now()),
        frames=frames,
        log=log,
        restarted=restarted,
        house=house,
    )


def _note_written(desk: Desk, order_id: str, at: int) -> None:
    """The bytes of an order that goes over HTTP went to the socket then."""
    desk.timings.written(order_id, at)
    desk.engine.written(order_id, at)


def _both(first: OnEvents, second: OnEvents) -> OnEvents:
    def both(events: Sequence[Event], now: int, drained: bool) -> None:
        first(events, now, drained)
        second(events, now, drained)

    return both


async def _guard(desk: Desk, credentials: Credentials | None, endpoints: Endpoints | None) -> None:
    """Start the watchdog, where one is wanted."""
    config, asked_for = desk.config, desk.config.watchdog.enabled
    wanted_now = config.mode == "live" if asked_for is None else asked_for
    if wanted_now and credentials is not None:
        prefix, epoch = desk.order_prefix, desk.engine.screen.ids.epoch
        await desk.guard(charge_of(config, prefix, credentials, endpoints, epoch=epoch))


def _key_lock(
    config: DeskConfig, credentials: Credentials | None, endpoints: Endpoints | None
) -> Path | None:
    if config.mode != "live" or credentials is None:
        return None
    return key_lock(find_venue(config.venue.name), addresses_of(config, endpoints), credentials.key)


def _restarted(
    config: DeskConfig, state: Path | None, clock: Clock, key_lock: Path | None
) -> Restarted | None:
    """Take over what is kept of this account, if anything is to be kept."""
    folder = state or state_folder(config)
    if folder is None:
        return None
    return restart(
        folder,
        config.account.name,
        now=clock.now(),
        entropy=Entropy(system_seed()),
        mode=config.mode,
        program=pitwire.__version__,
        durable=config.desk.durable,
        proof=find_venue(config.venue.name).proof,
        booted=booted_at() if isinstance(clock, SystemClock) else 0,
        key_lock=key_lock,
    )


def _check_mode(config: DeskConfig, now: int, endpoints: Endpoints | None, *, dials: bool) -> None:
    check_live(config)
    check_arming(config, now)
    if dials and config.mode == "sim":
        _check_simulated(endpoints or config.venue.endpoints)


def _check_simulated(endpoints: Endpoints | None) -> None:
    """Mode `sim` sends real orders, so it may reach nothing but a venue on this machine."""
    if endpoints is None:
        expected = "the addresses of a simulated venue (endpoints), or mode paper or live"
        raise ConfigError(where="mode", found="sim without a simulated venue", expected=expected)
    for name in endpoints.__struct_fields__:
        url = getattr(endpoints, name)
        host = urlsplit(url).hostname or ""
        if not is_on_this_machine(host):
            expected = "an address of this machine, since mode is sim"
            raise ConfigError(where=f"endpoints.{name}", found=url, expected=expected)


async def _begin(
    desk: Desk,
    session: Session,
    rules: tuple[Rule, ...],
    hear: Callable[[Rule], Rule] | None,
    count_on: Callable[[], None],
) -> None:
    config = desk.config
    state = desk.engine.state
    state.instruments.update(await _instruments(session, _named(config, rules)))
    count_on()
    hearing: list[Rule] = [*build_rules(config.rule, state.instruments), *rules]
    if hear is not None:
        hearing = [hear(rule) for rule in hearing]
    if config.mode != "paper":
        await session.authenticate_websocket()
        await session.subscribe_to_order_updates()
    asks = wanted(config)
    asks = (*asks, *watched(session.venue, asks, hearing))
    # Watching is harmless while the venue is asked; trading waits for its word.
    await _subscribe(session, asks)
    if config.mode == "paper":
        end_on_paper(desk)
    else:
        await settle(desk, session)
    if config.mode == "live":
        await know_time(desk)
    desk.keep_checkpoint()
    desk.begin(hearing)
    if config.mode == "paper":
        desk.gateway.reconcile(desk.clock.now())
    _look_at_latch(desk)


def _look_at_latch(desk: Desk) -> None:
    """Somebody may have thrown it while we were starting."""
    thrown = None if desk.restarted is None else desk.restarted.folder.latch.read()
    if thrown is not None and not desk.engine.screen.halted:
        desk.halt(thrown.reason, thrown.by)


def _note_refused_dials(log: InteractionLog, clock: Clock, error: BaseException) -> None:
    """A dial that fails after a loss is no event; whoever waits should know all the same."""
    if isinstance(error, DialFailed):
        facts = {"address": error.address, "cause": error.cause, "status": error.status}
        log.say("reconnect", "DialFailed", clock.now(), **facts)


def _paper(desk: Desk) -> PaperOutlet:
    venue = PaperVenue(desk.engine.state, desk.config.paper.balances)
    soon = asyncio.get_running_loop().call_soon
    return PaperOutlet(venue, desk.on_events, clock=desk.clock, soon=soon)


async def _subscribe(session: Session, asks: Iterable[Ask]) -> None:
    """One request a channel, however many symbols it has."""
    groups: dict[tuple[str, str], dict[str, None]] = {}
    for ask in asks:
        groups.setdefault((ask.channel, ask.option), {})[ask.symbol] = None
    for (channel, option), symbols in groups.items():
        await session.subscribe(channel, *symbols, option=option)


def _engine(
    config: DeskConfig,
    restarted: Restarted | None,
    others: Sequence[Journal],
    clock: Clock,
    ids: OrderIds | None,
) -> Engine:
    """The pure middle, going on from where an earlier run stopped."""
    told = Journals(others)
    if restarted is not None:
        for record in restarted.told:
            told.write(record)
        journal = Journals([restarted.file, restarted.latch, *others])
        engine = _pure(config, restarted.ids, restarted.state, journal)
        engine.screen.halted = restarted.halted
        engine.screen.reducing = restarted.reducing
        return engine
    now = clock.now()
    if ids is None:
        machine = Entropy(int.from_bytes(platform.node().encode()[:32], "big"))
        prefix = installation_prefix(machine, config.account.name)
        ids = OrderIds(prefix, now // MILLISECOND)
    ledger = OrderLedger(is_ours=ids.is_ours, proof=find_venue(config.venue.name).proof)
    return _pure(config, ids, State(ledger=ledger), told)


def _pure(config: DeskConfig, ids: OrderIds, state: State, journal: Journal) -> Engine:
    state.checksum = find_venue(config.venue.name).checksum
    return Engine((), Screen(config.risk or Limits(), ids, journal), state, journal)


def credentials_of(config: DeskConfig) -> Credentials:
    """Who the configuration says we are; raises `ConfigError` when nothing is to be found."""
    account = config.account
    if find_venue(config.venue.name).keyless:
        return Credentials(GATEWAY, "", account=account.name)
    found = find_credentials(
        config.venue.name,
        key_ref=account.key or None,
        secret_ref=account.secret or None,
        account=account.name,
    )
    if found is None:
        prefix = prefixes(config.venue.name)[-1]
        signs = find_venue(config.venue.name).sign is not None
        secret = f"{prefix}_API_SECRET" + (f" or {prefix}_PRIVATE_KEY" if signs else "")
        raise ConfigError(
            where=f"{prefix}_API_KEY",
            found="not set",
            expected=f"a key, and {secret} beside it, in the "
            "environment, in .env, or as references in [account]",
        )
    if config.mode == "live":
        check_private(
            config.venue.name, key_ref=account.key or None, secret_ref=account.secret or None
        )
    if account.kind not in ("auto", found.kind):
        raise ConfigError(
            where="account.kind", found=account.kind, expected=f"{found.kind}: the key"
        )
    return found


def _named(config: DeskConfig, rules: Iterable[Rule]) -> dict[str, str]:
    """Every symbol that anybody has named, and where."""
    named = {
        watch.symbol: f"rule {rule.name!r}: symbol"
        for rule in rules
        for watch in rule.watches
        if watch.symbol
    }
    named |= {symbol: f"venue.symbols[{i}]" for i, symbol in enumerate(config.venue.symbols)}
    return named


async def _instruments(session: Session, named: Mapping[str, str]) -> Mapping[str, Instrument]:
    """The rules of these symbols; raises `ConfigError` that names the first the venue lacks."""
    try:
        listed = await session.load_instruments(named)
    except RequestRejected:
        # It does not say which one, so we look them up in all there are.
        listed = await session.load_instruments()
    for symbol, where in named.items():
        if symbol not in listed:
            close = get_close_matches(symbol, listed, n=1, cutoff=0.6)
            hint = f", {close[0]!r} perhaps" if close else ""
            raise ConfigError(
                where=where,
                found=symbol,
                expected=f"a symbol that {session.venue.name} lists{hint}",
            )
    return {symbol: listed[symbol] for symbol in named}

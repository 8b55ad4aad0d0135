"""A desk that goes through a tape: the same conversations, books and rules, in the tape's time.

Nothing leaves: the links are the tape's own, and no other can be dialled. Orders are answered by
the tape where it holds the answers and the rules are those that were recorded, else on paper.
House rules: the same tape, configuration and rules give the same journal, byte for byte.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from typing import Literal, Protocol
from urllib.parse import urlsplit

import msgspec

from pitwire.desk.config import DeskConfig, DeskSection, LogSection, TapeSection
from pitwire.desk.countdown import wants_countdown
from pitwire.desk.desk import Desk
from pitwire.desk.opening import open_desk
from pitwire.model.credentials import Credentials
from pitwire.model.entropy import Entropy
from pitwire.model.errors import ConfigError
from pitwire.model.events import Event
from pitwire.model.packed import unpacked
from pitwire.session.audience import OnEvents
from pitwire.session.connect import Connecting, connect_to_websocket
from pitwire.session.session import Session
from pitwire.tape.format import UNKNOWN, Kind, Meta, decode_exchange
from pitwire.tape.format import Record as Taped
from pitwire.tape.loop import TapeLoop
from pitwire.tape.player import Player
from pitwire.tape.reader import Flaw, Tape
from pitwire.trading.ids import OrderIds
from pitwire.trading.journal import Journal, Record, encode
from pitwire.trading.rules import Rule, Watch
from pitwire.trading.state import State
from pitwire.trading.wishes import Wish
from pitwire.venues.registry import find_venue, known_venues, lending
from pitwire.venues.venue import CodecOptions, Role, Venue

_NOBODY = Credentials("replay", "replay")
_LOT = 1 << 16
"""Bytes that are summed up at a time."""


class JournalDigest:
    """A journal as the bytes it would be: their digest, and each of them for whoever asks."""

    def __init__(self, told: Callable[[Record, bytes], None] | None = None) -> None:
        self._digest = blake2b(digest_size=16)
        self._told = told
        self.since = 0
        """Records before this time are not counted."""
        self.open = True
        self.records = 0

    def write(self, record: Record) -> None:
        if not self.open or record.at < self.since:
            return
        line = encode(record)
        self._digest.update(line)
        self.records += 1
        if self._told is not None:
            self._told(record, line)

    def hexdigest(self) -> str:
        """Of all that was written."""
        return self._digest.hexdigest()


class Onlooker(Protocol):
    """Looks at a desk that is played, from a thread of its own, where it may; changes nothing."""

    @property
    def journal(self) -> Journal:
        """Is told what the desk's own is told."""

    def opened(self, desk: Desk) -> None:
        """The desk is there."""

    def look(self) -> None:
        """The desk may be looked at now; said between any two records."""

    def rest(self, seconds: float) -> None:
        """Sleep; the desk may be looked at meanwhile."""

    def ended(self) -> None:
        """The last record was played, or the desk is to stop; returns when enough was seen."""


class Played(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    frames: int
    unheard: int
    """Frames of links that the replay did not have."""
    events: int
    records: int
    """Journal records."""
    digest: str
    """Of the journal, or, where no desk was played, of all events."""
    flaws: tuple[Flaw, ...]
    desk: Desk | None = None
    paper: bool = False
    """Whether orders were answered on paper."""


class _Later:
    """A rule that is not asked before its time."""

    def __init__(self, rule: Rule, since: int) -> None:
        self._rule, self._since = rule, since
        self.name = rule.name
        if hasattr(rule, "next_wake"):
            self.next_wake = rule.next_wake

    @property
    def watches(self) -> Sequence[Watch]:
        return self._rule.watches

    def react(self, state: State, now: int) -> Iterable[Wish]:
        return self._rule.react(state, now) if now >= self._since else ()


def recorded_config(tape: Tape) -> DeskConfig | None:
    """The configuration of the desk that was recorded; None when there was none."""
    if not tape.meta.config:
        return None
    try:
        return msgspec.json.decode(tape.meta.config, type=DeskConfig)
    except msgspec.ValidationError as error:
        raise ConfigError(
            where=f"{tape.path}: the recorded configuration",
            found=str(error),
            expected="one that this version knows; give one with --config",
        ) from None


def play(
    tape: Tape,
    config: DeskConfig | None = None,
    *,
    rules: Iterable[Rule] = (),
    since: int = 0,
    until: int | None = None,
    speed: float = 0.0,
    paper: bool | None = None,
    journal: Callable[[Record, bytes], None] | None = None,
    watch: Callable[[Taped], bool] | None = None,
    events: OnEvents | None = None,
    onlooker: Onlooker | None = None,
) -> Played:
    """Play a tape through a desk of this configuration; None takes the recorded one.

    Times are ns. Before `since` everything is played, so that books are what they were, but no
    rule is asked and nothing is journalled. `speed` 0 does not wait at all. `paper` answers orders
    on paper; None does so unless the tape holds answers, the configuration is the recorded one, and
    it is asked from the start.
    `events` is shown every event. A tape without a desk's configuration is played through a session
    alone when none is given; then there is nothing for an `onlooker`.
    """
    recorded = recorded_config(tape)
    rules = tuple(rules)
    # From a later moment on, the tape's answers are to orders that nobody here has decided.
    begins = since <= tape.meta.started
    answered = begins and config is None and recorded is not None and recorded.mode != "paper"
    on_paper = not answered if paper is None else paper
    found = config or recorded
    venue = _venue_on(tape)
    if tape.meta.origin != "session":
        venue = _of_one_address(venue)
    listing = _listing(venue, tape.meta.symbols or (found.venue.symbols if found else ()))
    if found is not None:
        _demand_listing(tape, listing)
    rest = time.sleep if onlooker is None else onlooker.rest
    loop = TapeLoop(tape.meta.started, speed=speed, rest=rest)
    watched = _watched(watch, onlooker)
    player = Player(
        tape, until=until, acknowledge=venue.acknowledge, watch=watched, listing=listing
    )
    with (
        _let_go(player),
        lending(venue),
        asyncio.Runner(loop_factory=lambda: loop) as runner,
    ):
        if found is None:
            if rules:
                expected = "a configuration, too"
                raise ConfigError(where="rules", found="without a desk", expected=expected)
            if onlooker is not None:
                lacking = "a tape without a desk's rules"
                raise ConfigError(where="board", found=lacking, expected="--config as well")
            counted = _Count(since, events)
            return runner.run(_finished(player, _play_session(tape, player, loop, counted)))
        digest = JournalDigest(journal)
        digest.since = since
        seed = tape.meta.seed if tape.meta.seed is not None else found.seed
        plain = harmless(found, seed=seed, paper=on_paper)
        playing = _play_desk(tape, player, loop, plain, digest, rules, events, onlooker)
        return runner.run(_finished(player, playing))


def _venue_on(tape: Tape) -> Venue:
    if tape.meta.venue == UNKNOWN:
        expected = f"one of {', '.join(known_venues())}; its frames are kept as they came"
        raise ConfigError(
            where=str(tape.path),
            found="an import from a venue that this program cannot read",
            expected=expected,
        )
    return find_venue(tape.meta.venue)


def _of_one_address(venue: Venue) -> Venue:
    """The venue as who hears all connections as one has to see it: one address carries all."""
    channels = {
        name: msgspec.structs.replace(row, route="") for name, row in venue.channels.items()
    }
    return msgspec.structs.replace(venue, channels=channels)


def _listing(venue: Venue, symbols: Sequence[str]) -> str:
    """The path of the venue's list of symbols; "" where it has none of all and the tape none."""
    if not venue.listed_first:
        symbols = ()
    elif not symbols:
        return ""
    return venue.codec(CodecOptions(Role.MARKET)).ask_instruments(symbols).path


def _demand_listing(tape: Tape, path: str) -> None:
    """A desk asks for the rules of its symbols first; better told before than waited for."""
    name = path.rpartition("/")[2]
    for record in tape.records(only=Kind.HTTP):
        if name in urlsplit(decode_exchange(record.payload).url).path.split("/"):
            return
    raise ConfigError(
        where=str(tape.path),
        found="no listing of its venue, whose rules a desk needs",
        expected="a tape of `pitwire record` or of a desk; an import gets one by --instruments",
    )


def _watched(
    watch: Callable[[Taped], bool] | None, onlooker: Onlooker | None
) -> Callable[[Taped], bool] | None:
    if onlooker is None:
        return watch

    def both(taped: Taped) -> bool:
        onlooker.look()
        return watch is None or watch(taped)

    return both


@contextmanager
def _let_go(player: Player) -> Iterator[None]:
    """However it ends, the tape's file is not left to whoever clears up at some time."""
    try:
        yield
    finally:
        player.finish()


async def _finished(player: Player, playing: Coroutine[None, None, Played]) -> Played:
    """Told to end, whoever waits for the tape need not wait for all of it."""
    try:
        return await playing
    except asyncio.CancelledError:
        player.finish()
        raise


async def _play_desk(
    tape: Tape,
    player: Player,
    loop: TapeLoop,
    config: DeskConfig,
    digest: JournalDigest,
    rules: tuple[Rule, ...],
    events: OnEvents | None,
    onlooker: Onlooker | None,
) -> Played:
    meta = tape.meta
    loop.load(player)
    opening = asyncio.ensure_future(
        open_desk(
            config,
            rules=rules,
            endpoints=config.venue.endpoints or find_venue(meta.venue).endpoints,
            credentials=None if config.mode == "paper" else _NOBODY,
            dial=player.dial,
            fetch=player.fetch,
            clock=loop,
            journals=[digest] if onlooker is None else [digest, onlooker.journal],
            ids=OrderIds(meta.prefix or "replay", meta.epoch),
            seen=events,
            hear=(lambda rule: _Later(rule, digest.since)) if digest.since else None,
        )
    )
    over = asyncio.ensure_future(player.over.wait())
    stopping = asyncio.ensure_future(player.stopping.wait())
    await asyncio.wait([opening, over], return_when=asyncio.FIRST_COMPLETED)
    if not opening.done():
        missing = " and ".join(player.awaited())
        waited = f", which waited for {missing}" if missing else ""
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        stopping.cancel()
        if player.told_to_end:
            return _played(tape, player, digest, events=0)
        raise ConfigError(
            where=str(tape.path),
            found=f"its end before a desk could be opened{waited}",
            expected="a tape that holds what this configuration subscribes to",
        )
    desk = opening.result()
    if onlooker is not None:
        onlooker.opened(desk)
    await asyncio.wait([over, stopping], return_when=asyncio.FIRST_COMPLETED)
    if onlooker is not None and not player.told_to_end:
        onlooker.ended()
    if stopping.done():
        await desk.stop()  # as it was; the tape goes on with what came of it
    stopping.cancel()
    await over
    await asyncio.sleep(0)  # what the last frame stirred
    loop.at += 1  # what holds with the last record is over a moment later
    digest.open = False
    counted = desk.health.snapshot(loop.now()).events
    await desk.stop(within_seconds=0.0)
    return _played(tape, player, digest, events=counted, desk=desk)


def _played(
    tape: Tape, player: Player, digest: JournalDigest, *, events: int, desk: Desk | None = None
) -> Played:
    return Played(
        frames=player.frames,
        unheard=player.unheard,
        events=events,
        records=digest.records,
        digest=digest.hexdigest(),
        flaws=tape.flaws,
        desk=desk,
        paper=desk is not None and desk.config.mode == "paper",
    )


async def _play_session(tape: Tape, player: Player, loop: TapeLoop, counted: _Count) -> Played:
    """Conversations and books alone."""
    meta = tape.meta
    loop.load(player)
    connecting = connect_to_websocket(
        meta.venue,
        dial=player.dial,
        fetch=player.fetch,
        clock=loop,
        on_events=counted.take,
        time_unit=meta.time_unit,
        redundancy=meta.redundancy,
        roll_at=meta.roll_at,
        entropy=Entropy(meta.seed or 0),
    )
    opening = asyncio.ensure_future(_opened(connecting))
    over = asyncio.ensure_future(player.over.wait())
    await asyncio.wait([opening, over], return_when=asyncio.FIRST_COMPLETED)
    if opening.done():
        await _hear_all(opening.result(), meta, over, loop)
    else:  # it was cut before a link stood
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
    return Played(
        frames=player.frames,
        unheard=player.unheard,
        events=counted.events,
        records=0,
        digest=counted.hexdigest(),
        flaws=tape.flaws,
    )


async def _opened(connecting: Connecting) -> Session:
    return await connecting


async def _hear_all(
    session: Session, meta: Meta, over: asyncio.Future[Literal[True]], loop: TapeLoop
) -> None:
    """Subscribe to what was recorded, and close the session when the tape is over."""
    asking = asyncio.ensure_future(_subscribe(session, meta))
    await over
    await asyncio.sleep(0)
    loop.at += 1  # as above
    asking.cancel()
    await session.close()
    [outcome] = await asyncio.gather(asking, return_exceptions=True)
    if isinstance(outcome, Exception):
        raise outcome


async def _subscribe(session: Session, meta: Meta) -> None:
    for channel in meta.channels:
        name, _, option = channel.partition("@")
        await session.subscribe(name, *meta.symbols, option=option)


class _Count:
    """Events, counted and summed up."""

    def __init__(self, since: int, told: OnEvents | None) -> None:
        self.events, self._since, self._told = 0, since, told
        self._digest = blake2b(digest_size=16)
        self._waiting = bytearray()
        self._encode = msgspec.msgpack.Encoder(enc_hook=unpacked).encode_into

    def take(self, events: Sequence[Event], now: int, drained: bool) -> None:
        if now < self._since:
            return
        self.events += len(events)
        waiting = self._waiting
        self._encode(events, waiting, -1)
        if len(waiting) > _LOT:
            self._add()
        if self._told is not None:
            self._told(events, now, drained)

    def hexdigest(self) -> str:
        """Of all that was taken."""
        self._add()
        return self._digest.hexdigest()

    def _add(self) -> None:
        self._digest.update(self._waiting)
        self._waiting.clear()


def harmless(config: DeskConfig, *, seed: int | None, paper: bool) -> DeskConfig:
    """The same desk, without a disk, a process or an account of its own."""
    return msgspec.structs.replace(
        config,
        mode="paper" if paper else "sim",
        seed=0 if seed is None else seed,
        desk=DeskSection(),
        log=LogSection(file=""),
        tape=TapeSection(),
        watchdog=msgspec.structs.replace(
            config.watchdog, enabled=False, countdown=wants_countdown(config)
        ),  # the timer's requests are numbered among all others, so they are made here, too
    )

"""A desk is killed again and again while it trades; the venue's word is held against its journal.

`python -m pitwire.torture.deaths FOLDER KILLS SEED MODE` serves a simulated venue in one process
and kills one desk after another with signal 9, while it starts and while it trades. The venue is
the listener: whatever was asked of it must stand in the journal, once. MODE is `default` or
`durable`. Prints one JSON object. House rules: loopback only; every wait ends.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from decimal import Decimal
from functools import partial
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec

from pitwire.desk.config import parse_config
from pitwire.desk.desk import Desk
from pitwire.desk.opening import open_desk
from pitwire.model.clock import SystemClock
from pitwire.model.credentials import Credentials
from pitwire.model.entropy import Entropy
from pitwire.model.errors import DialFailed
from pitwire.sim.facades.binance_options import BinanceOptions
from pitwire.sim.serve import serve
from pitwire.sim.world import BTC_USDT, World
from pitwire.store.folder import AccountFolder
from pitwire.store.history import History, segment_numbers
from pitwire.torture.lives import CONFIG, SYMBOL, Busy
from pitwire.torture.struck import (
    BrokeOff,
    Ready,
    demand_life,
    demand_whole,
    fork,
    lived,
    nothing,
    strike,
)
from pitwire.trading.journal import Decided, placed
from pitwire.trading.receipts import Receipt, receipts
from pitwire.trading.replay import Replay
from pitwire.venues.venue import Endpoints

_PATIENCE_SECONDS = 6.0
"""A desk that waits for the proof of an order's death is killed while it waits."""
_LAST_SECONDS = 60.0
_SCRIPT_SECONDS = 0.5
_LOOK_SECONDS = 0.01
_QUIET_LOOKS = 20
_MOST = 10**9
_PLENTY = BinanceOptions(
    connections_per_5_minutes=_MOST, weight_per_minute=_MOST, raw_requests_per_5_minutes=_MOST,
    orders_per_10_seconds=_MOST,
)  # fmt: skip


class Place(msgspec.Struct, frozen=True):
    """Where the venue is, and who may trade there."""

    market: str
    orders: str
    http: str
    key: str
    secret: str

    @property
    def endpoints(self) -> Endpoints:
        return Endpoints(market=self.market, orders=self.orders, http=self.http)


class Word(msgspec.Struct, frozen=True):
    """What the venue knows of us: how often each id was asked for and taken, what came of it."""

    asked: dict[str, int]
    taken: dict[str, int]
    filled: dict[str, Decimal]
    open: list[str]


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """The venue's word against the journal's, over all lives."""

    kills: int
    starts: int
    asked: int
    """Orders that were asked of the venue."""
    unjournalled: int
    """Of these, such as no record tells of."""
    twice: int
    """Ids that were asked for, or taken, more than once."""
    unsent: int
    """Intents that died with their desk."""
    ghosts: int
    """Orders that the journal has as accepted or filled and the venue never took."""
    lost: int
    """Orders that the venue has taken and the journal has as rejected."""
    misfilled: int
    """Orders of which the two do not agree on what was filled."""
    left_open: int
    harm: int
    """Flaws of the journal that a crash does not leave behind."""
    contradictions: int
    broke_off: int = 0
    """Lives that reached no venue, on a machine too busy to let them: they were lived again."""

    @property
    def faults(self) -> int:
        """Everything that must be none."""
        return (
            self.unjournalled + self.twice + self.ghosts + self.lost + self.misfilled
            + self.left_open + self.harm + self.contradictions
        )  # fmt: skip


# ── the venue ─────────────────────────────────────────────────────────────────────────────────


def serve_venue(pipe: Connection, other_end: Connection, seed: int) -> None:
    """Serve until the pipe ends; answers whatever comes through it with the venue's word."""
    other_end.close()
    asyncio.run(_serving(pipe, seed))


async def _serving(pipe: Connection, seed: int) -> None:
    world = World(
        seed=seed, listings=[BTC_USDT], scenario="calm", clock=SystemClock(), options=_PLENTY
    )
    asked: Counter[str] = Counter()
    receive = world.facade.receive

    def overhear(link: int, text: bytes, now: int) -> None:
        if b'"newClientOrderId"' in text:
            asked[msgspec.json.decode(text)["params"]["newClientOrderId"]] += 1
        receive(link, text, now)

    world.facade.receive = overhear  # type: ignore[method-assign]
    over, loop = asyncio.Event(), asyncio.get_running_loop()

    def answer() -> None:
        try:
            pipe.recv_bytes()
        except EOFError:
            over.set()
            return
        pipe.send_bytes(msgspec.json.encode(_word(world, asked)))

    async with serve(world) as venue:
        key, secret = world.keys["ed25519"]
        place = Place(venue.market_url, venue.orders_url, venue.http_url, key, secret)
        pipe.send_bytes(msgspec.json.encode(place))
        loop.add_reader(pipe.fileno(), answer)
        await over.wait()
        loop.remove_reader(pipe.fileno())


def _word(world: World, asked: Mapping[str, int]) -> Word:
    orders = world.exchange.all_orders("main", SYMBOL)
    names = [order.original_client_id or order.client_id for order in orders]
    held = dict(zip(names, orders, strict=True))
    return Word(
        asked=dict(asked),
        taken=dict(Counter(names)),
        filled={name: order.filled_lots * BTC_USDT.lot for name, order in held.items()},
        open=[
            order.original_client_id or order.client_id
            for order in world.exchange.open_orders("main", SYMBOL)
        ],
    )


# ── the desk ──────────────────────────────────────────────────────────────────────────────────


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """How a desk lives."""

    durable: bool = False
    seconds: float = 0.0
    """It trades for so long and ends well; 0: until it is killed."""
    settles: bool = False
    """It trades nothing, and ends when nothing is in doubt."""


def trade(folder: Path, place: Place, tell: int, life: Life, ready: Ready = nothing) -> None:
    """One life; says `t` when it trades. Raises `BrokeOff` when it did not reach the venue."""
    try:
        asyncio.run(_trading(folder, place, tell, life, ready))
    except DialFailed as error:
        raise BrokeOff(str(error)) from error


async def _trading(folder: Path, place: Place, tell: int, life: Life, ready: Ready) -> None:
    more = f"[desk]\ndurable = {'true' if life.durable else 'false'}\n"
    desk = await open_desk(
        parse_config(CONFIG + more),
        rules=[] if life.settles else [Busy(2)],
        endpoints=place.endpoints,
        credentials=Credentials(place.key, place.secret),
        state=folder,
    )
    os.write(tell, b"t")
    ready()
    running = asyncio.ensure_future(desk.run())
    if life.settles:
        await _until_settled(desk)
    if life.settles or life.seconds:
        await asyncio.sleep(life.seconds)
        await desk.stop(within_seconds=20)
    await running


async def _until_settled(desk: Desk) -> None:
    ledger, quiet = desk.engine.state.ledger, 0
    with suppress(TimeoutError):
        async with asyncio.timeout(_LAST_SECONDS):
            while quiet < _QUIET_LOOKS:
                await asyncio.sleep(0.1)
                quiet = 0 if ledger.next_question() is not None else quiet + 1


def forgive(folder: Path) -> None:
    """So many deaths in a row would keep the next desk from trading; here they are wanted."""
    held = AccountFolder.hold(folder, "main", Entropy(1))
    if held.identity.crashes:
        held.take_epoch(msgspec.structs.replace(held.identity, crashes=()))
    held.close()


def kill_once(folder: Path, place: Place, chance: Callable[[], float], life: Life) -> None:
    """One life and its end: while it starts, or while it trades. Raises `BrokeOff`."""
    ours, theirs = os.pipe()
    before = _starts(folder)
    child = fork(lambda: trade(folder, place, theirs, life))
    os.close(theirs)
    try:
        if chance() < 0.75:
            _await_start(folder, before)
            select.select([ours], [], [], _PATIENCE_SECONDS)
        time.sleep(0.6 * chance())
    finally:
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        os.close(ours)
    forgive(folder)
    demand_whole(status, "a life that was to be killed")


def _starts(folder: Path) -> int:
    return len(segment_numbers(folder)) if folder.is_dir() else 0


def _await_start(folder: Path, before: int) -> None:
    """Until a start has begun its segment, however busy the machine is; or a minute is over."""
    for _ in range(round(_LAST_SECONDS / _LOOK_SECONDS)):
        if _starts(folder) > before:
            return
        time.sleep(_LOOK_SECONDS)


@contextmanager
def listener(seed: int) -> Iterator[tuple[Place, Callable[[], Word]]]:
    """A venue in a process of its own, and how to ask for its word."""
    ours, theirs = Pipe()
    venue = fork(lambda: serve_venue(theirs, ours, seed))
    theirs.close()

    def word() -> Word:
        ours.send_bytes(b"?")
        return msgspec.json.decode(ours.recv_bytes(), type=Word)

    try:
        yield msgspec.json.decode(ours.recv_bytes(), type=Place), word
    finally:
        os.kill(venue, signal.SIGKILL)
        os.waitpid(venue, 0)
        ours.close()


def settle_all(folder: Path, place: Place, told: list[str]) -> None:
    """The last life: it leaves nothing in doubt and nothing open. What broke off is `told`."""

    def settle() -> None:
        with Path(os.devnull).open("wb") as tell:
            last = fork(lambda: trade(folder, place, tell.fileno(), Life(settles=True)))
            _, status = os.waitpid(last, 0)
        demand_life(status, "the last life")

    lived(settle, told)


def main(folder: Path, kills: int, seed: int, mode: str) -> Judgement:
    """So many deaths, one life that ends well, and the judgement."""
    chance, told = Entropy(seed).stream("kills").random, list[str]()
    with listener(seed) as (place, word):
        life = Life(durable=mode == "durable")
        for _ in range(kills):
            lived(partial(kill_once, folder, place, chance, life), told)
        settle_all(folder, place, told)
        return judge(folder, word(), kills, len(told))


def sweep(
    folder: Path,
    syscall: str,
    *,
    most: int,
    durable: bool = True,
    beside: bool = False,
    seed: int = 1,
) -> Judgement:
    """A scripted life, killed at its first such call, its second, … until it ends by itself.

    The calls are those of the desk's own thread, with `beside` those of the threads beside it from
    when it trades. By strace; raises `PermissionError` where it may not trace.
    """
    with listener(seed) as (place, word), Path(os.devnull).open("wb") as tell:
        life, told = Life(durable=durable, seconds=_SCRIPT_SECONDS), list[str]()

        def run(ready: Ready) -> None:
            trade(folder, place, tell.fileno(), life, ready)

        def struck(number: int) -> bool:
            try:
                return strike(run, syscall, number, beside=beside)
            finally:
                forgive(folder)

        for number in range(1, most + 1):
            if not lived(partial(struck, number), told):
                settle_all(folder, place, told)
                return judge(folder, word(), number - 1, len(told))
    raise RuntimeError(f"{syscall}: it was killed {most} times and never ended by itself")


def judge(folder: Path, word: Word, kills: int, broke_off: int = 0) -> Judgement:
    """Every order that was asked for exists once in both; none exists that nobody wished for."""
    history, replay = History(folder), Replay()
    records, decided = [], Counter[str]()
    for record, text in history.records():
        replay.take(record, text)
        records.append(record)
        if isinstance(record, Decided) and (order := placed(record.command)) is not None:
            decided[order.id] += 1
    told = {receipt.id: receipt for receipt in receipts(records)}
    counts = (word.asked, word.taken, decided)
    ours = [told[name] for name in decided if name in told]
    return Judgement(
        kills=kills,
        starts=len({header.epoch for header in history.headers}),
        asked=len(word.asked),
        unjournalled=len(word.asked.keys() - decided.keys()),
        twice=sum(number > 1 for count in counts for number in count.values()),
        unsent=len(decided.keys() - word.asked.keys()),
        ghosts=sum(_is_alive(one) and one.id not in word.taken for one in ours),
        lost=sum(one.state == "rejected" and one.id in word.taken for one in ours),
        misfilled=sum(one.filled != word.filled.get(one.id, 0) for one in ours),
        left_open=len(word.open),
        harm=sum(not flaw.is_harmless for flaw in history.flaws),
        contradictions=replay.contradicted,
        broke_off=broke_off,
    )


def _is_alive(receipt: Receipt) -> bool:
    return receipt.state != "rejected"


if __name__ == "__main__":
    found = main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
    print(msgspec.json.encode(found).decode())

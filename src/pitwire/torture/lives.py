"""A desk's life for trials of its journal: in virtual time, the same for the same seed.

`python -m pitwire.torture.lives FOLDER SEED SECONDS` lives one and prints what it has left.

House rules: a disk keeps no virtual time, and one that is waited for is told of in the journal. A
process that stood still for a second has lived another life, so it lives again, and says so.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from hashlib import blake2b
from pathlib import Path

from pitwire.desk.config import parse_config
from pitwire.desk.opening import open_desk
from pitwire.model.credentials import Credentials
from pitwire.model.entropy import Entropy
from pitwire.model.events import Trade
from pitwire.sim.faults import Cut, DelayAck, FillBeforeAck, LoseAck
from pitwire.sim.world import BTC_USDT, HTTP_URL, MARKET_URL, ORDERS_URL, World
from pitwire.store.folder import AccountFolder
from pitwire.store.history import History, segment_numbers, segment_path
from pitwire.torture.struck import BrokeOff, lived
from pitwire.trading.journal import Alerted, Started
from pitwire.trading.replay import Replay
from pitwire.trading.rules import Watch
from pitwire.trading.state import State
from pitwire.trading.wishes import Wish, buy, cancel, replace, sell
from pitwire.venues.venue import Endpoints

SYMBOL = "BTC-USDT"
SECONDS = 40.0
"""How long a life is, in its own time."""
CONFIG = """
mode = "sim"
seed = 1
[venue]
symbols = ["BTC-USDT"]
channels = ["trades", "ticker"]
[log]
file = ""
[risk]
max_orders_per_second = 50
max_orders_per_ten_seconds = 200
max_open_orders = 100
max_cancel_ratio = 1000
"""
FAULTS = (
    FillBeforeAck(at_seconds=6, kind="place"),
    LoseAck(at_seconds=9, kind="place"),
    DelayAck(at_seconds=14, kind="place", seconds=12),
    Cut(at_seconds=20, link="orders*"),
    LoseAck(at_seconds=26, kind="cancel"),
)


_WAITED = "the journal has waited"
"""How a desk begins to tell of a slow disk."""


class Busy:
    """Places, replaces and cancels by turns, one thing for every so many trades."""

    name = "busy"

    def __init__(self, every: int = 1) -> None:
        self.watches = (Watch(Trade, SYMBOL),)
        self._every, self._seen = every, 0

    def react(self, state: State, now: int) -> Iterable[Wish]:
        self._seen += 1
        turn, rest = divmod(self._seen, self._every)
        touch = state.touch(SYMBOL)
        if rest or touch is None:
            return ()
        return self._act(turn, touch[0], state)

    def _act(self, turn: int, bid: float, state: State) -> Iterator[Wish]:
        tag = str(turn)
        match turn % 6:
            case 0:
                yield cancel(SYMBOL)
            case 1 | 2:
                yield buy(SYMBOL, 0.001, price=round(bid * 0.99, 2) - turn % 7, tag=tag)
            case 3:
                yield buy(SYMBOL, 0.001, tag=tag)
            case 4:
                yield sell(SYMBOL, 0.001, tag=tag)
            case _:
                working = (order for order in state.ledger.open_of(SYMBOL) if order.working)
                first = next(working, None)
                if first is not None and first.is_ours:
                    draft = buy(SYMBOL, 0.002, price=round(bid * 0.98, 2), tag=tag)
                    yield replace(first.id, draft)


def settle_in(folder: Path) -> None:
    """Draw the installation's name by a seed, so that order ids are the same in every life."""
    held = AccountFolder.hold(folder, "main", Entropy(1))
    held.take_epoch(held.identity)
    held.close()


def live(folder: Path, seed: int, *, seconds: float = SECONDS) -> World:
    """One life from opening to a clean end; the world as it was left."""
    world = World(seed=seed, listings=[BTC_USDT], scenario="calm", faults=FAULTS)
    settle_in(folder)

    async def life() -> None:
        desk = await open_desk(
            parse_config(CONFIG),
            rules=[Busy(20)],
            endpoints=Endpoints(market=MARKET_URL, orders=ORDERS_URL, http=HTTP_URL),
            credentials=Credentials(*world.keys["ed25519"]),
            dial=world.dial,
            fetch=world.fetch,
            clock=world.clock,
            state=folder,
        )
        try:
            await asyncio.sleep(seconds)
        finally:
            await desk.stop()

    world.run(life())
    return world


def digest(folder: Path) -> str:
    """All segments as one digest."""
    whole = blake2b(digest_size=16)
    for number in segment_numbers(folder):
        whole.update(segment_path(folder, number).read_bytes())
    return whole.hexdigest()


def live_undisturbed(folder: Path, seed: int, seconds: float) -> None:
    """One life. Raises `BrokeOff`, and leaves nothing, where it tells of a disk it waited for."""
    live(folder, seed, seconds=seconds)
    for record, _ in History(folder).records():
        if isinstance(record, Alerted) and record.text.startswith(_WAITED):
            shutil.rmtree(folder)
            raise BrokeOff(f"{folder.name}: {record.text}")


def main(folder: Path, seed: int, seconds: float) -> str:
    """One life, and its replay: what was written, what it makes, and how often they disagree."""
    lived(partial(live_undisturbed, folder, seed, seconds), [])
    history, replay = History(folder), Replay()
    starts = 0
    for record, text in history.records():
        replay.take(record, text)
        starts += isinstance(record, Started)
    assert starts == 1, "one life begins once"
    return f"{digest(folder)} {replay.hash()} {replay.taken} {replay.contradicted}"


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))

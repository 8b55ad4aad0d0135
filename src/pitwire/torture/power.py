"""The power goes again and again under a desk's journal; a listener outside keeps what was sent.

`python -m pitwire.torture.power FOLDER CUTS SEED MODE` forks an order loop that journals into a
lossy file system, cuts the power after a random number of sends, and starts again from what is left
on the disk. MODE is `default` or `durable`. Prints one JSON object.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from pitwire.desk.gateway import Gateway
from pitwire.desk.restart import restart
from pitwire.desk.timings import Timings
from pitwire.model.clock import SystemClock
from pitwire.model.entropy import Entropy
from pitwire.model.events import Quote, Update
from pitwire.model.instruments import Instrument
from pitwire.model.orders import Order, Side, UpdateKind
from pitwire.sim.world import BTC_USDT
from pitwire.store.history import History
from pitwire.torture import kills
from pitwire.torture.lossy import powered
from pitwire.torture.struck import fork
from pitwire.trading.engine import Engine
from pitwire.trading.journal import Alerted, Decided
from pitwire.trading.limits import Limits
from pitwire.trading.risk import Screen
from pitwire.trading.wishes import order

SYMBOL = "BTC-USDT"
FOLDER = "desks/main"
"""Where the desk keeps its journal; it makes both folders itself."""
_CLOCK = SystemClock()
_LIMITS = Limits(max_orders_per_second=10**6, max_orders_per_ten_seconds=10**7)
_MOST = 120
"""Orders in one life, at most."""
_PAUSE_SECONDS = 0.001
_LOOK_SECONDS = 0.02
_BEGUN = "+begun"
"""No order has such a name."""


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """What the listener heard, against what the disk has kept."""

    cuts: int
    idle: int
    """Lives in which nothing was sent, so that nothing was tried."""
    sent: int
    twice: int
    """Ids that left more than once."""
    forgotten: int
    """Orders that left and of which no record was kept."""
    late_ms: float
    """How long before the cut the oldest of these had left."""
    harm: int
    """Flaws that a power cut must not leave."""
    epochs_twice: int
    unannounced: int
    """Starts after a cut that did not say that the machine went down."""


class Wire(kills.Wire):
    """An outlet whose other end is outside: each order with the time at which it left."""

    def place(self, one: Order, now: int) -> int:
        os.write(self._handle, f"{one.id} {_CLOCK.now()}\n".encode())
        return now


def trade(folder: Path, handle: int, *, durable: bool) -> None:
    """Take over, and send until the disk is gone."""
    clock = _CLOCK
    now = clock.now()  # which is when this machine has started, too
    begun = restart(folder, "main", now=now, entropy=Entropy(1), durable=durable, booted=now)
    told = any("went down" in one.text for one in begun.told if isinstance(one, Alerted))
    os.write(handle, f"{_BEGUN} {told:d}\n".encode())
    begun.checkpoint(begun.halted, begun.reducing)
    state, file = begun.state, begun.file
    state.instruments[SYMBOL] = _instrument()
    screen = Screen(_LIMITS, begun.ids, file, armed=True)
    engine = Engine((), screen, state, file)
    gateway = Gateway(Wire(handle), engine, clock=clock, timings=Timings(), file=file)
    for name in begun.waiting:  # nobody else will say what became of them
        at = clock.now()
        engine.apply(Update("test", SYMBOL, at, at, name, f"v{name}", UpdateKind.EXPIRED))
    for number in range(_MOST):
        now = clock.now()
        engine.apply(Quote("test", SYMBOL, now, now, 99.0, 1.0, 101.0, 1.0))
        wish = order(SYMBOL, Side.BUY, size=1, price=50 + number % 40, tag=str(number))
        for command in screen.admit((wish,), state, now):
            gateway.send(command, now)
            if file.failed:
                return
            at, name = clock.now(), getattr(command, "id", "")
            engine.apply(Update("test", SYMBOL, at, at, name, f"v{name}", UpdateKind.EXPIRED))
        file.settle()
        time.sleep(_PAUSE_SECONDS)


def _instrument() -> Instrument:
    return Instrument(
        venue="test", symbol=SYMBOL, native="BTCUSDT", base="BTC", quote="USDT",
        tick=BTC_USDT.tick, lot=BTC_USDT.lot,
    )  # fmt: skip


def cut_once(
    root: Path, run: Callable[[int], None], enough: Callable[[bytes], bool]
) -> tuple[list[str], int]:
    """One life and its sudden end; what was heard, and when the power went.

    `run` is lived by another process over `root / "mount"`, with a pipe to say things on; the power
    goes when there is `enough` in what was heard, or nobody lives to say more.
    """
    ours, theirs = os.pipe()

    def live() -> None:
        os.close(ours)  # or who says things would never hear that nobody is left to listen
        run(theirs)

    with powered(root / "mount", root / "disk") as power:
        child = fork(live)
        os.close(theirs)
        heard = b""
        while not enough(heard):
            if select.select([ours], [], [], _LOOK_SECONDS)[0]:
                data = os.read(ours, 65536)
                if not data:
                    break
                heard += data
        at = _CLOCK.now()
        power.cut()
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        while data := os.read(ours, 65536):
            heard += data
        os.close(ours)
    return heard.decode().split("\n")[:-1], at


def main(root: Path, cuts: int, seed: int, mode: str) -> Tally:
    """So many cuts, one after another over the same disk."""
    root.mkdir(parents=True, exist_ok=True)
    chance = Entropy(seed).stream("cuts")
    left: dict[str, str] = {}
    sent, forgotten, late, idle, unannounced = 0, 0, 0, 0, 0

    def run(handle: int) -> None:
        trade(root / "mount" / FOLDER, handle, durable=mode == "durable")

    for number in range(cuts):
        lines, at = cut_once(root, run, _so_many(chance.randrange(1, _MOST)))
        unannounced += number > 0 and f"{_BEGUN} 1" not in lines
        now = dict(line.split() for line in lines if not line.startswith(_BEGUN))
        sent += len(now)
        idle += not now
        left |= now
        lost = now.keys() - _kept(root / "disk" / FOLDER)
        forgotten += len(lost)
        late = max([late, *(at - int(now[name]) for name in lost)])
    history = History(root / "disk" / FOLDER)
    for _ in history.records():
        pass
    epochs = [header.epoch for header in history.headers]
    return Tally(
        cuts=cuts,
        idle=idle,
        sent=sent,
        twice=sent - len(left),
        forgotten=forgotten,
        late_ms=round(late / 1e6, 3),
        harm=sum(not flaw.is_harmless for flaw in history.flaws),
        epochs_twice=len(epochs) - len(set(epochs)),
        unannounced=unannounced,
    )


def _so_many(sends: int) -> Callable[[bytes], bool]:
    return lambda heard: heard.count(b"\n") > sends  # the first line is of the start


def _kept(disk: Path) -> set[str]:
    """Ids of the orders that the journal tells of."""
    records = (record for record, _ in History(disk, reads_on=True).records())
    return {
        record.command.id
        for record in records
        if isinstance(record, Decided) and isinstance(record.command, Order)
    }


if __name__ == "__main__":
    found = main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
    print(msgspec.json.encode(found).decode())

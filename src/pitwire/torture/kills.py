"""Kills a desk's order loop again and again, and compares its journal with what a listener heard.

`python -m pitwire.torture.kills FOLDER KILLS SEED MODE` forks a loop that decides, journals, sends
over a pipe as fast as it can; kills it with signal 9 after a random number of sends; and reads the
journal. The listener at the other end of the pipe is the judge. Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from decimal import Decimal
from pathlib import Path

import msgspec

from pitwire.desk.gateway import Gateway
from pitwire.desk.restart import restart
from pitwire.desk.timings import Timings
from pitwire.model.clock import SystemClock
from pitwire.model.entropy import Entropy
from pitwire.model.events import Quote, Update
from pitwire.model.instruments import Instrument
from pitwire.model.orders import (
    AmendOrder,
    Cancel,
    CancelOrder,
    Order,
    OrderType,
    ReplaceOrder,
    Side,
    UpdateKind,
)
from pitwire.sim.kit import Script
from pitwire.store.history import History
from pitwire.torture.outcome import Outcome
from pitwire.torture.struck import Ready, nothing
from pitwire.trading.engine import Engine
from pitwire.trading.journal import Decided
from pitwire.trading.limits import Limits
from pitwire.trading.replay import Replay
from pitwire.trading.risk import Screen
from pitwire.trading.wishes import order

SYMBOL = "BTC-USDT"
_INSTRUMENT = Instrument(
    venue="test",
    symbol=SYMBOL,
    native="BTCUSDT",
    base="BTC",
    quote="USDT",
    tick=Decimal("0.01"),
    lot=Decimal("0.001"),
    max_price=Decimal(1_000_000),
    max_size=Decimal(9000),
    min_notional=Decimal(5),
)

LIMITS = Limits(max_orders_per_second=10**6, max_orders_per_ten_seconds=10**7)
"""A loop as fast as it can would only wait for the usual ones."""


class Wire:
    """An outlet whose other end is another process."""

    may_trade = True
    asks_fills = asks_account = False
    encoded_at = 0

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def has_room(self, weight: int, now: int) -> bool:
        return True

    def place(self, one: Order, now: int) -> int:
        os.write(self._handle, f"+{one.id}\n".encode())
        return now

    def cancel(self, command: CancelOrder, now: int) -> None:
        os.write(self._handle, f"-{command.order_id}\n".encode())

    def replace(self, command: ReplaceOrder, now: int) -> None: ...

    def amend(self, command: AmendOrder, now: int) -> None: ...

    def ask_status(
        self,
        symbol: str,
        order_id: str,
        now: int,
        venue_id: str = "",
        type: OrderType | None = None,
    ) -> None: ...

    def drop_waiting(self, now: int) -> None: ...

    def ask_fills_since(self, symbol: str, trade_id: str, since: int, now: int) -> None: ...

    def ask_fills(self, symbol: str, order_id: str, venue_id: str, now: int) -> None: ...

    def ask_open_orders(self, symbol: str, now: int) -> None: ...

    def ask_account(self, now: int) -> None: ...


def trade(
    folder: Path,
    handle: int,
    *,
    durable: bool,
    steps: int = sys.maxsize,
    ready: Ready = nothing,
) -> None:
    """Start as a desk does, then place, hear and cancel without end."""
    clock = SystemClock()
    now = clock.now()
    started = restart(folder, "main", now=now, entropy=Entropy(1), durable=durable)
    started.checkpoint(started.halted, started.reducing)
    state, file = started.state, started.file
    state.instruments[SYMBOL] = _INSTRUMENT
    screen = Screen(LIMITS, started.ids, file, armed=True)
    engine = Engine((), screen, state, file)
    gateway = Gateway(Wire(handle), engine, clock=clock, timings=Timings(), file=file)

    def hear(order_id: str, kind: UpdateKind) -> None:
        at = clock.now()
        engine.apply(Update("test", SYMBOL, at, at, order_id, f"v{order_id}", kind))

    ready()
    for order_id in started.waiting:
        hear(order_id, UpdateKind.CANCELED)
    for step in range(steps):
        now = clock.now()
        engine.apply(Quote("test", SYMBOL, now, now, 99.0, 1.0, 101.0, 1.0))
        wishes = [
            order(SYMBOL, Side.BUY, size=1, price=price + step % 20, tag=str(step))
            for price in (50, 70)[: 1 + step % 2]
        ]
        for command in screen.admit(wishes, state, now):
            gateway.send(command, now)
            assert isinstance(command, Order)
            assert command.type is OrderType.LIMIT
            hear(command.id, UpdateKind.ACCEPTED)
        file.settle()
        if step % 3 == 2:
            for command in screen.admit((Cancel(symbol=SYMBOL),), state, clock.now()):
                gateway.send(command, now)
                assert isinstance(command, CancelOrder)
                hear(command.order_id, UpdateKind.CANCELED)
            file.settle()
        file.tend(now)
    started.checkpoint("")
    started.close()


def kill_once(folder: Path, sends: int, *, durable: bool) -> list[str]:
    """One life; what the listener heard of it."""
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        os.close(ours)
        try:
            trade(folder, theirs, durable=durable)
        finally:
            os._exit(1)
    os.close(theirs)
    heard, killed = b"", False
    while data := os.read(ours, 65536):
        heard += data
        if not killed and heard.count(b"\n") >= sends:
            os.kill(child, signal.SIGKILL)
            killed = True
    os.close(ours)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"it ended by itself: {status}"
    assert os.WTERMSIG(status) == signal.SIGKILL
    return heard.decode().split("\n")[:-1]


def judge(folder: Path, heard: list[str]) -> dict[str, int]:
    """What the listener heard against what the journal holds."""
    history, replay = History(folder), Replay()
    placed: set[str] = set()
    cancelled: set[str] = set()
    for record, text in history.records():
        replay.take(record, text)
        if isinstance(record, Decided):
            if isinstance(record.command, Order):
                assert record.command.id not in placed, f"decided twice: {record.command.id}"
                placed.add(record.command.id)
            elif isinstance(record.command, CancelOrder):
                cancelled.add(record.command.order_id)
    sent = [line[1:] for line in heard if line[0] == "+"]
    withdrawn = [line[1:] for line in heard if line[0] == "-"]
    return {
        "sent": len(sent),
        "twice": len(sent) - len(set(sent)),
        "unjournalled": len(set(sent) - placed) + len(set(withdrawn) - cancelled),
        "journalled_not_sent": len(placed - set(sent)),
        "torn": len(history.flaws),
        "harmful": sum(not flaw.is_harmless for flaw in history.flaws),
        "contradictions": replay.contradicted,
        "epochs": len({header.epoch for header in history.headers}),
    }


def kill_often(folder: Path, kills: int, seed: int, mode: str) -> dict[str, int]:
    """So many lives in one folder, and what the listener and the journal say of them."""
    chance = Entropy(seed).stream("kills")
    heard: list[str] = []
    for _ in range(kills):
        heard += kill_once(folder, chance.randrange(1, 120), durable=mode == "durable")
    return judge(folder, heard)


def try_kills(script: Script, seed: int) -> Outcome:
    """Kill a real process again and again, and judge by what its listener heard."""
    found = Outcome(fault=script.id, title=script.title, way="process", seed=seed, orders=0)
    if not hasattr(os, "fork"):
        return msgspec.structs.replace(found, skipped="there is no fork and no signal 9 here")
    kills = script.trial.kills
    with tempfile.TemporaryDirectory(prefix="pitwire-kills-") as place:
        line = [sys.executable, "-m", __name__, f"{place}/main", str(kills), str(seed), "default"]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        return msgspec.structs.replace(found, complaints=(f"it ended by itself: {last}",))
    told: dict[str, int] = json.loads(done.stdout)
    wrong = {
        "orders or cancels left without an intent in the journal": told["unjournalled"],
        "orders left twice": told["twice"],
        "harms in the journal that no kill explains": told["harmful"],
        "contradictions in the journal": told["contradictions"],
    }
    complaints = [f"{count} {what}" for what, count in wrong.items() if count]
    if told["epochs"] != kills:
        complaints.append(f"{told['epochs']} starts, expected {kills}")
    if told["journalled_not_sent"] > 2 * kills:
        complaints.append(f"{told['journalled_not_sent']} intents never left, two a kill at most")
    return msgspec.structs.replace(
        found,
        happened=kills,
        orders=told["sent"],
        unknown=told["journalled_not_sent"],
        doubled=told["twice"],
        wrong=told["unjournalled"],
        back_after=0.0,
        complaints=tuple(complaints),
    )


if __name__ == "__main__":
    path, count, number, how = sys.argv[1:]
    print(json.dumps(kill_often(Path(path), int(count), int(number), how)))

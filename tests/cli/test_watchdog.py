"""The watchdog as a process: a desk that is killed, frozen or blocked, on real sockets."""

from __future__ import annotations

import asyncio
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pitwire.desk.door import connect_to_websocket
from pitwire.desk.secrets import find_credentials
from pitwire.model.events import Event, OpenOrders
from pitwire.venues.venue import Endpoints
from tests.cli.command import Command, pitwire

DESK = """
mode = "sim"
[venue]
symbols = ["BTC-USDT"]
channels = ["ticker"]
{endpoints}
[watchdog]
enabled = true
silence_seconds = 60.0
[[rule]]
name = "rest"
when = {{ price = "BTC-USDT", above = 1, of = "bid" }}
do = {{ post_only = "buy", size = 0.01, price = {{ from = "bid", bips = -500 }} }}
once = true
[[rule]]
name = "keep"
when = {{ price = "BTC-USDT", above = 1, of = "bid" }}
do = {{ post_only = "buy", size = 1e-2, protective = true, price = {{ from = "bid", bips = -90 }} }}
once = true
"""
PATIENT = "import pitwire.desk.leash as leash; leash.LOGIN_SECONDS = 120.0"
"""A starved machine lets a watchdog log in late, after which a desk would not begin."""
OPEN = r"order \S+ open"


class Venue:
    """A simulated venue in a process of its own, and a look at its books."""

    def __init__(self, text: str, folder: Path) -> None:
        (folder / ".env").write_text(text)
        (folder / ".env").chmod(0o600)
        found = dict(re.findall(r"# (streams|ws-api|rest) +(\S+)", text))
        self.endpoints = Endpoints(found["streams"], found["ws-api"], found["rest"])
        self._folder = folder
        written = ", ".join(
            f'{name} = "{getattr(self.endpoints, name)}"' for name in ("market", "orders", "http")
        )
        (folder / "desk.toml").write_text(DESK.format(endpoints=f"endpoints = {{ {written} }}"))

    def open_orders(self) -> tuple[str, ...]:
        """What rests at the venue, as a stranger to the desk is told."""

        async def ask() -> tuple[str, ...]:
            told: asyncio.Future[tuple[str, ...]] = asyncio.get_running_loop().create_future()

            def hear(event: Event) -> None:
                if isinstance(event, OpenOrders) and not told.done():
                    told.set_result(event.order_ids)

            keys = find_credentials("binance", dotenv=self._folder / ".env")
            async with connect_to_websocket(
                "binance", endpoints=self.endpoints, credentials=keys, on_event=hear
            ) as session:
                await session.authenticate_websocket()
                session.ask_open_orders("", time.time_ns())
                return await asyncio.wait_for(told, 60)

        return asyncio.run(ask())


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[Venue]:
    with pitwire("sim", "BTC-USDT", "--seed", "5", folder=tmp_path) as served:
        served.until("Ctrl-C ends it")
        yield Venue("".join(served.out), tmp_path)


@contextmanager
def trading(folder: Path) -> Iterator[Command]:
    """A desk with two orders open."""
    with pitwire("desk", "desk.toml", folder=folder, first=PATIENT) as desk:
        for _ in range(2):
            desk.until(OPEN)
        yield desk


def both_open(desk: Command, venue: Venue) -> tuple[str, str]:
    """The ids of the order that may go and of the protective one, once both rest."""
    while sum(bool(re.search(OPEN, line)) for line in desk.err) < 2:
        desk.until(OPEN)
    ids = venue.open_orders()
    assert len(ids) == 2, desk.text
    [kept] = [one for one in ids if one.endswith("P")]
    [plain] = [one for one in ids if one != kept]
    return plain, kept


def test_a_desk_that_is_killed_is_cleared_up_after(venue: Venue, tmp_path: Path) -> None:
    with trading(tmp_path) as desk:
        plain, kept = both_open(desk, venue)
        desk.signal(signal.SIGKILL)
        line = desk.until(r"pitwire watchdog: .*cancelled,")
        assert "the desk is gone; 1 orders cancelled, 1 protective left open" in line
        assert kept in line
    assert venue.open_orders() == (kept,)
    assert plain not in venue.open_orders()


def test_a_desk_that_froze_is_cleared_up_after_and_halts_when_it_wakes(
    venue: Venue, tmp_path: Path
) -> None:
    file = tmp_path / "desk.toml"
    file.write_text(file.read_text().replace("silence_seconds = 60.0", "silence_seconds = 10.0"))
    with trading(tmp_path) as desk:
        _, kept = both_open(desk, venue)
        desk.signal(signal.SIGSTOP)
        desk.until(r"pitwire watchdog: .*cancelled,")
        assert venue.open_orders() == (kept,)
        desk.signal(signal.SIGCONT)
        desk.until(r"trading halted by watchdog: .*silent for")
        desk.signal(signal.SIGTERM)
        assert desk.ended() == 143, desk.text
    assert venue.open_orders() == ()


def test_a_desk_that_ends_in_good_order_takes_its_watchdog_along(
    venue: Venue, tmp_path: Path
) -> None:
    with trading(tmp_path) as desk:
        both_open(desk, venue)
        desk.signal(signal.SIGTERM)
        assert desk.ended() == 143, desk.text  # its ears close: the watchdog has gone, too
    assert "watchdog" not in desk.text
    assert venue.open_orders() == ()

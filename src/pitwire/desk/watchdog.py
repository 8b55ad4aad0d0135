"""The watchdog: a small process of its own that cancels our orders when the desk dies or freezes.

It is started by the desk with one end of a socket pair, hears a beat a few times a second, and
keeps a login of its own ready. When the beats stop, or the line breaks without a goodbye, it asks
the venue what is open and cancels what is ours; orders of others are never touched. It shares no
code with the engine beyond the spelling of order ids.

`main` is started by `desk.leash` alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable, Sequence

import msgspec

from pitwire.desk.vigil import Outcome, Sweep, Vigil
from pitwire.model.clock import SECOND, Clock, SystemClock
from pitwire.model.credentials import Credentials, KeyKind
from pitwire.model.errors import AuthenticationFailed, PitwireError, StateError
from pitwire.model.events import Event
from pitwire.model.recovery import Halt
from pitwire.session.connect import Connecting, connect_to_websocket
from pitwire.session.session import Session
from pitwire.session.setup import Closed
from pitwire.trading.ids import OrderIds
from pitwire.venues.registry import find_venue
from pitwire.venues.venue import Endpoints
from pitwire.wire.link import Dial, Fetch

LOOK_SECONDS = 0.05
"""How often it looks at the clock and at the venue's answers."""
AGAIN_SECONDS, AGAIN_CAP_SECONDS = 1.0, 30.0
"""How long to wait before another try to log in; doubled each time, up to the cap."""
DOWN_SECONDS = 10.0
"""A login that was lost and is not back after this long is told: until then nobody could act."""
GIVE_UP_SECONDS = 600.0
"""How long a dead desk's orders are tried for when the venue cannot be reached."""


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """What the desk tells its watchdog at the start. It carries the key: never log it."""

    venue: str
    prefix: str
    """What our order ids begin with, in every run."""
    epoch: int | None = None
    """The run that is watched: orders of a later one are not touched; None: all that are ours."""
    key: str
    secret: str
    kind: KeyKind
    account: str = "main"
    endpoints: Endpoints | None = None
    testnet: bool = False
    silence_seconds: float = 3.0
    keep_protective: bool = True

    @property
    def credentials(self) -> Credentials:
        """Who we are to the venue."""
        return Credentials(self.key, self.secret, kind=self.kind, account=self.account)


class Beat(msgspec.Struct, frozen=True, tag="beat"):
    """The desk lives; and the watchdog, which answers each one with another."""


class Goodbye(msgspec.Struct, frozen=True, tag="goodbye"):
    """The desk has ended in good order and left nothing open."""


BEAT = msgspec.json.encode(Beat()) + b"\n"


class Report(msgspec.Struct, frozen=True, kw_only=True, tag="report"):
    """What the watchdog tells the desk."""

    state: str
    """`ready`, `trouble` (no login at the moment), `acting` or `clear`."""
    text: str = ""
    outcome: Outcome | None = None


class Watchdog:
    """Hears the desk, and acts in its place once it is quiet."""

    def __init__(
        self,
        charge: Charge,
        *,
        clock: Clock,
        tell: Callable[[Report], None],
        dial: Dial | None = None,
        fetch: Fetch | None = None,
        give_up_seconds: float = GIVE_UP_SECONDS,
        in_flight: Callable[[int], bool] | None = None,
    ) -> None:
        """`in_flight` says whether an order may have been on its way at this time or since.

        Without it one always may. `give_up_seconds` is how long a dead desk's orders are tried for.
        """
        self._give_up = round(give_up_seconds * SECOND)
        self._charge, self._clock, self._tell = charge, clock, tell
        self._dial, self._fetch = dial, fetch
        self._ids = OrderIds(charge.prefix, 0)
        venue = find_venue(charge.venue)
        self._proof = venue.proof
        self._keeps_off = any(limit.outlives for limit in venue.limits)
        """Whether the venue counts what we ask with what the desk asks: then nothing is asked while
        the desk lives."""
        self._in_flight = in_flight
        self.vigil = Vigil(round(charge.silence_seconds * SECOND), clock.now())
        self._session: Session | None = None
        self._dismissed = False
        self._sweep: Sweep | None = None
        self._said = ""
        self._down_since = 0
        """Since when the session that we hold could not act, ns; 0 while it can."""

    def hear(self, message: Beat | Goodbye) -> None:
        """Something came from the desk."""
        match message:
            case Beat():
                self.vigil.hear(self._clock.now())
            case Goodbye():
                self._dismissed = True

    async def run(self) -> Outcome | None:
        """Until the desk says goodbye, or is gone and cleared up after; the last outcome."""
        outcome: Outcome | None = None
        dialling = asyncio.get_running_loop().create_task(self._stay_ready())
        try:
            while not self._dismissed:
                before = self._clock.now()
                await asyncio.sleep(LOOK_SECONDS)
                now = self._clock.now()
                if now - before >= self.vigil.silence // 2:
                    self.vigil.excuse(now)
                self._look_at_line(now)
                reason = self.vigil.alarm(now)
                if reason and not self._dismissed:
                    outcome = await self._clear_away(reason)
                    if self.vigil.is_over:
                        break
        finally:
            dialling.cancel()
            await asyncio.gather(dialling, return_exceptions=True)
        return outcome

    # ── the line to the venue ──

    async def _stay_ready(self) -> None:
        """Log in now, and for ever again: a watchdog that dials only when it must comes late."""
        pause = AGAIN_SECONDS
        while True:
            await self._until_needed()
            try:
                async with self._connect() as session:
                    await session.authenticate_websocket()
                    self._session, pause = session, AGAIN_SECONDS
                    self._say(Report(state="ready"))
                    closed = await self._hold(session)
                    if closed is not None:
                        self._say(Report(state="trouble", text=closed.reason))
            except PitwireError as error:
                self._say(Report(state="trouble", text=str(error)))
            except Exception as error:  # noqa: BLE001 - the edge of a task: without it nobody acts
                self._say(Report(state="trouble", text=f"{type(error).__name__}: {error}"))
            finally:
                self._session = None
            await asyncio.sleep(pause)
            pause = min(2 * pause, AGAIN_CAP_SECONDS)

    async def _until_needed(self) -> None:
        """Where we keep off: until the desk is quiet. To be ready is to be there."""
        while self._keeps_off and not self._is_needed:
            self._say(Report(state="ready"))
            await asyncio.sleep(LOOK_SECONDS)

    async def _hold(self, session: Session) -> Closed | None:
        """Until the session is over, or needed no more."""
        over = asyncio.ensure_future(session.process_incoming_data())
        try:
            while not over.done() and (self._is_needed or not self._keeps_off):
                await asyncio.wait([over], timeout=LOOK_SECONDS)
            return over.result() if over.done() else None
        finally:
            over.cancel()

    @property
    def _is_needed(self) -> bool:
        return self._sweep is not None or bool(self.vigil.alarm(self._clock.now()))

    def _look_at_line(self, now: int) -> None:
        """A session dials again by itself; while it has no login, we are not ready."""
        if self._session is None or self._session.may_trade:
            if self._down_since and self._session is not None:
                self._say(Report(state="ready"))
            self._down_since = 0
            return
        self._down_since = self._down_since or now
        if now - self._down_since >= DOWN_SECONDS * SECOND:
            text = f"its login was lost, and is not back after {DOWN_SECONDS:g} s"
            self._say(Report(state="trouble", text=text))

    def _connect(self) -> Connecting:
        charge = self._charge
        return connect_to_websocket(
            charge.venue,
            endpoints=charge.endpoints,
            testnet=charge.testnet,
            credentials=charge.credentials,
            on_events=self._on_events,
            dial=self._dial,
            fetch=self._fetch,
            clock=self._clock,
            keep_books=False,
            on_error=_end_when_refused,
        )

    def _say(self, report: Report) -> None:
        """Tell the desk, once for each change."""
        if report.state + report.text != self._said:
            self._said = report.state + report.text
            self._tell(report)

    def _on_events(self, events: Sequence[Event], now: int, drained: bool) -> None:
        if self._sweep is None or self._session is None:
            return
        for command in self._sweep.take(events, now):
            try:
                self._session.cancel(command, now)
            except StateError:
                return  # the line is down; the next list says what is left
            except Exception as error:  # noqa: BLE001 - the last who can cancel: the others must go
                text = f"a cancel failed: {type(error).__name__}: {error}"
                self._say(Report(state="trouble", text=text))

    # ── clearing away ──

    async def _clear_away(self, reason: str) -> Outcome:
        begun = self._clock.now()
        self._tell(Report(state="acting", text=reason))
        sweep = self._sweep = Sweep(
            self._is_charged, keep_protective=self._charge.keep_protective, begun=begun
        )
        looked_clear = False
        while not sweep.is_clear and not self._is_relieved(begun):
            now = self._clock.now()
            self._ask(sweep, now)
            await asyncio.sleep(LOOK_SECONDS)
            if sweep.looks_clear and not looked_clear:
                looked_clear = True
                sweep.certain_from = self._certain_from(begun)
                if not sweep.is_clear:
                    self._tell(Report(state="acting", text=self._waits(sweep.certain_from, now)))
        self._sweep = None
        outcome = sweep.outcome()
        state = "clear" if sweep.is_clear else "trouble"
        if not (sweep.is_clear or self.vigil.is_over):
            reason = f"{reason}, and is back before all is clear"
        self._tell(Report(state=state, text=reason, outcome=outcome))
        self._said = ""
        await self._rest()
        return outcome

    def _certain_from(self, begun: int) -> int | None:
        """From when on a list shows every order that the desk ever sent; None: never."""
        if self._in_flight is not None and not self._in_flight(begun):
            return begun
        proof = self._proof
        return begun + round(proof.after_seconds * SECOND) if proof.automatic else None

    def _waits(self, certain_from: int | None, now: int) -> str:
        """Why an account that looks clear is looked at for longer."""
        if certain_from is None:
            return f"nothing listed, and {self._charge.venue} may still accept what was on its way"
        after = max(0.0, (certain_from - now) / SECOND)
        return f"nothing listed; an order on its way could still be accepted for {after:.0f} s"

    def _is_charged(self, order_id: str) -> bool:
        """Whether an order is the dead desk's, or an earlier one's: the next may trade already."""
        read, newest = self._ids.read(order_id), self._charge.epoch
        return read is not None and (newest is None or read[0] <= newest)

    def _ask(self, sweep: Sweep, now: int) -> None:
        session = self._session
        if session is not None and session.may_trade and sweep.wants_list(now):
            session.ask_open_orders("", now)

    def _is_relieved(self, begun: int) -> bool:
        """Whether to stop in the middle: the desk is back, or the venue is not."""
        now = self._clock.now()
        if self.vigil.is_over:
            return now - begun > self._give_up
        return self._dismissed or not self.vigil.alarm(now)

    async def _rest(self) -> None:
        """A desk that only froze may wake: wait for its beat before looking again."""
        while not self.vigil.is_over and not self._dismissed:
            if not self.vigil.alarm(self._clock.now()):
                if self._session is not None:
                    self._say(Report(state="ready"))
                return
            await asyncio.sleep(LOOK_SECONDS)


def main() -> None:
    """Serve as a watchdog on the inherited socket."""
    line = socket.socket(fileno=int(sys.argv[1]))
    asyncio.run(_serve(line))


async def _serve(line: socket.socket) -> None:
    mouth = _Mouth(line.dup())
    reader, writer = await asyncio.open_connection(sock=line)
    charge = msgspec.json.decode(await reader.readline(), type=Charge)

    def tell(report: Report) -> None:
        _print(report)
        mouth.say(msgspec.json.encode(report) + b"\n")

    dog = Watchdog(charge, clock=SystemClock(), tell=tell)
    hearing = asyncio.get_running_loop().create_task(_hear(reader, mouth, dog))
    try:
        await dog.run()
    finally:
        hearing.cancel()
        writer.close()
        mouth.close()


class _Mouth:
    """Speaks to the desk beside the stream that hears it.

    The stream would end at a word that nobody takes any more, with the desk's goodbye unread.
    """

    def __init__(self, line: socket.socket) -> None:
        self._line, self._unsaid = line, b""

    def say(self, message: bytes) -> None:
        """What finds no room is said before the next word."""
        self._unsaid += message
        with contextlib.suppress(OSError):
            self._unsaid = self._unsaid[self._line.send(self._unsaid) :]

    def close(self) -> None:
        self._line.close()


async def _hear(reader: asyncio.StreamReader, mouth: _Mouth, dog: Watchdog) -> None:
    decode = msgspec.json.Decoder(Beat | Goodbye).decode
    try:
        while line := await reader.readline():
            dog.hear(message := decode(line))
            if isinstance(message, Beat):
                mouth.say(BEAT)
    except OSError:
        pass  # a desk that is killed may leave a reset behind: the same as the end
    dog.vigil.lose("the desk is gone")


def _print(report: Report) -> None:
    """For whoever reads the console of a desk that is dead."""
    if report.state in ("acting", "clear") or report.outcome is not None:
        sys.stderr.write(f"pitwire watchdog: {describe(report)}\n")
        sys.stderr.flush()


def _end_when_refused(error: BaseException) -> Halt | None:
    """Here a session without a login is good for nothing: another one is tried."""
    return Halt(str(error)) if isinstance(error, AuthenticationFailed) else None


def describe(report: Report) -> str:
    """One line about what the watchdog does or did."""
    outcome = report.outcome
    if report.state == "acting":
        return f"{report.text}; cancelling what is ours"
    if outcome is None:
        return f"{report.state}{': ' if report.text else ''}{report.text}"
    parts = [f"{len(outcome.cancelled)} orders cancelled"]
    if outcome.late:
        parts.append(f"{len(outcome.late)} taken late ({', '.join(outcome.late)})")
    if outcome.spared:
        parts.append(f"{len(outcome.spared)} protective left open ({', '.join(outcome.spared)})")
    if outcome.left:
        parts.append(f"{len(outcome.left)} may still be open ({', '.join(outcome.left)})")
    if outcome.foreign:
        parts.append(f"{outcome.foreign} not ours and not touched")
    return f"{report.text}; {', '.join(parts)}"

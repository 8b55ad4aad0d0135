"""The desk's end of the line to its watchdog: start it, beat, hear its reports.

House rules: the beat comes from the loop itself, so that a blocked loop is a silent one, and
nothing here blocks it; a watchdog that answers no beats hangs, and is killed; one that dies is
started again, and five deaths in a minute are told and left.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable

import msgspec

from pitwire.desk.config import DeskConfig
from pitwire.desk.inheritance import bequest
from pitwire.desk.watchdog import BEAT, Beat, Charge, Goodbye, Report
from pitwire.model.credentials import Credentials
from pitwire.model.errors import ConfigError
from pitwire.venues.venue import Endpoints

BEAT_SECONDS = 0.25
LOGIN_SECONDS = 10.0
"""A desk starts only if its watchdog has logged in within this long."""
DEATHS, WITHIN_SECONDS = 5, 60.0
GONE = "gone"
"""The state of a watchdog that is not started again."""
ANSWER_SECONDS = 10.0
"""A watchdog that has answered no beat for so long hangs; for its first word it has
`LOGIN_SECONDS`."""
END_SECONDS = 2.0
"""A process that has closed its end of the line and still runs is killed after this long."""
_LOOK_SECONDS = 0.02

_PROGRAM = "from pitwire.desk.watchdog import main; main()"
_GOODBYE = msgspec.json.encode(Goodbye()) + b"\n"


def charge_of(
    config: DeskConfig,
    prefix: str,
    credentials: Credentials,
    endpoints: Endpoints | None,
    *,
    epoch: int | None = None,
) -> Charge:
    """What the watchdog of this desk must know; `epoch` is the newest run that it may touch."""
    return Charge(
        venue=config.venue.name,
        prefix=prefix,
        epoch=epoch,
        key=credentials.key,
        secret=credentials.secret.reveal(),
        kind=credentials.kind,
        account=credentials.account,
        endpoints=endpoints,
        testnet=config.venue.testnet,
        silence_seconds=config.watchdog.silence_seconds,
        keep_protective=config.watchdog.keep_protective,
    )


class Leash:
    """Holds one watchdog process. `on_report` hears what it says, in the desk's loop."""

    def __init__(self, charge: Charge, on_report: Callable[[Report], None]) -> None:
        self._charge, self._on_report = charge, on_report
        self._line: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._deaths: deque[float] = deque(maxlen=DEATHS)
        self._burial: asyncio.Task[None] | None = None
        self._left = False
        """Whether the desk wants no watchdog any more."""
        self._heard = b""
        self._unanswered = 0
        """Beats since it said anything: a count, so that it does not matter how long we slept."""
        self._spoke = False
        self._hung = ""
        self._news = asyncio.Event()
        self.state = ""
        """`ready`, `trouble`, `acting`, `clear`, as it said last; `gone` when it died for good."""
        self.text = ""

    @property
    def pid(self) -> int:
        """Its process id; 0 when there is none."""
        return self._process.pid if self._process is not None else 0

    def start(self) -> None:
        """Start the process and beat from now on."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        try:
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-c", _PROGRAM, str(theirs.fileno())],
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,  # a Ctrl-C meant for the desk must not end it
                    stdin=subprocess.DEVNULL,
                    env=bequest(),
                )
        except OSError:
            ours.close()
            raise
        self._line, self._heard = ours, b""  # the one before may have died in mid-word
        self._unanswered, self._spoke, self._hung = 0, False, ""
        self._send(msgspec.json.encode(self._charge) + b"\n")
        self._loop.add_reader(ours.fileno(), self._on_readable)
        self._beat()

    async def ready(self) -> None:
        """Wait until it has logged in; raises `ConfigError` when it cannot."""
        within_seconds = LOGIN_SECONDS
        try:
            async with asyncio.timeout(within_seconds):
                while self.state not in ("ready", GONE):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            pass
        if self.state != "ready":
            raise ConfigError(
                where="watchdog",
                found=self.text or f"no login within {within_seconds:g} s",
                expected="a login of its own, or [watchdog] enabled = false",
            )

    def dismiss(self) -> None:
        """The desk ends in good order: so does the watchdog, and touches nothing."""
        self._send(_GOODBYE)
        self.leave()

    def leave(self) -> None:
        """Break the line without a goodbye: the watchdog clears away what is still open."""
        self._left = True
        self._hang_up()

    # ── within ──

    def _hang_up(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        line, self._line = self._line, None
        if line is not None:
            self._loop.remove_reader(line.fileno())
            line.close()

    def _beat(self) -> None:
        allowed = ANSWER_SECONDS if self._spoke else LOGIN_SECONDS
        self._unanswered += 1
        if self._unanswered > allowed / BEAT_SECONDS and self._process is not None:
            self._hung = f"the watchdog has answered nothing for {allowed:g} s"
            self._process.kill()  # its end of the line closes, and another is started
        self._send(BEAT)
        self._timer = self._loop.call_later(BEAT_SECONDS, self._beat)

    def _send(self, message: bytes) -> None:
        if self._line is None:
            return
        try:
            self._line.send(message)
        except BlockingIOError:
            pass  # it does not read: what it has not read it will read as a beat, later
        except OSError:
            pass  # it is gone; the reader tells

    def _on_readable(self) -> None:
        assert self._line is not None
        try:
            data = self._line.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._on_death()
            return
        self._unanswered, self._spoke = 0, True
        *lines, self._heard = (self._heard + data).split(b"\n")
        for line in lines:
            message = msgspec.json.decode(line, type=Beat | Report)
            if isinstance(message, Report):
                self._tell(message)

    def _tell(self, report: Report) -> None:
        self.state, self.text = report.state, report.text
        self._news.set()
        self._on_report(report)

    def _on_death(self) -> None:
        self._hang_up()
        self._burial = self._loop.create_task(self._bury())

    async def _bury(self) -> None:
        """Wait for its end, help it along, and start another one."""
        code = None if self._process is None else await _end_of(self._process)
        if self._left:
            return
        now = self._loop.time()
        self._deaths.append(now)
        often = len(self._deaths) == DEATHS and now - self._deaths[0] < WITHIN_SECONDS
        text = self._hung or f"the watchdog ended by itself (exit code {code})"
        self._tell(Report(state=GONE if often else "trouble", text=text))
        if not often:
            try:
                self.start()
            except OSError as error:
                why = error.strerror or type(error).__name__
                self._tell(Report(state=GONE, text=f"no watchdog can be started: {why}"))


async def _end_of(process: subprocess.Popen[bytes]) -> int:
    """Its exit code; a process that goes on without a line is killed."""
    loop = asyncio.get_running_loop()
    until = loop.time() + END_SECONDS
    while (code := process.poll()) is None:
        if loop.time() >= until:
            process.kill()
        await asyncio.sleep(_LOOK_SECONDS)
    return code

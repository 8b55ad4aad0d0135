"""What people may do to a desk: halt it, resume it, ask how it stands. And what follows from it.

House rules: a halt is on the disk before it is answered, and cancels go on until the venue has
closed every order of ours; only a person resumes, and not while the reason stands.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from pitwire.desk.control import Ask, Control, Told
from pitwire.desk.flattening import Closing, Flattener
from pitwire.desk.leash import GONE
from pitwire.desk.troubles import (
    LATELY_SECONDS,
    STEADY_SECONDS,
    UNGUARDED_SECONDS,
    Troubles,
)
from pitwire.desk.vigil import CANCEL_CAP
from pitwire.desk.watchdog import Report, describe
from pitwire.model.clock import SECOND
from pitwire.model.errors import ConfigError, StateError
from pitwire.model.events import Rejected
from pitwire.model.orders import Cancel, CancelOrder, Command
from pitwire.session.obedience import ACCOUNT, KEY, SESSION
from pitwire.session.pending import What
from pitwire.store.folder import CRASHES, CRASHES_WITHIN
from pitwire.store.latch import Thrown
from pitwire.trading.asked import AskedKeys
from pitwire.trading.journal import Alerted, Armed, Asked, Disarmed
from pitwire.trading.tracked import Origin

if TYPE_CHECKING:
    from pitwire.desk.desk import Desk


_LOOK_SECONDS = 0.05
_AGAIN = 60 * SECOND
PRIVATE_STREAM = What.WATCH
"""What a refusal of the private stream is told under."""
TELL_AFTER = 2 * SECOND
"""So long a halt may take until nothing of ours is open, before a person is told."""
AGAIN_A_SECOND = 10
"""So many cancels that were said before may be said again without room, a quarter of the weight of
the venue that allows least; each after `CANCEL_CAP`."""


class Switchboard:
    """The switches of one desk, and its door."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._asked = AskedKeys() if desk.restarted is None else desk.restarted.asked
        self._control: Control | None = None
        self._flattener = Flattener(desk)
        self._cancel_again = 0
        self._told_to_go: dict[str, int] = {}
        """Orders of ours → when a cancel of it was said here last, ns."""
        self._at_halt: tuple[str, ...] = ()
        """Orders of ours that were open when the desk was halted."""
        self._halted_at = 0
        """When it was first seen that the desk is halted; 0 while it is not."""
        self._told = False
        """Whether a person was told that cancels do not get through."""
        self._failed = ""
        """The error of our own amid a command that a person was told of last."""
        self._session_told = 0
        """When a person was told last that the session at the venue is not ours."""
        self._troubles = Troubles()
        self._trouble = ""
        """What the watchdog said of its last trouble."""

    # ── the door ──────────────────────────────────────────────────────────────────────────────

    async def open(self) -> None:
        """Serve the door in the account's folder, where it has one; a crash loop halts."""
        desk = self._desk
        if desk.restarted is None:
            return
        if desk.restarted.folder.is_crash_loop(desk.clock.now()):
            within = CRASHES_WITHIN // SECOND
            self.halt(f"crash loop: {CRASHES} runs have died within {within} s", "desk")
        control = Control(desk.restarted.folder.path, self)
        try:
            await control.open()
        except ConfigError as error:
            desk.alert(f"no door, so a halt comes by the latch alone: {error}", desk.clock.now())
        else:
            self._control = control

    async def close(self) -> None:
        """Close the door."""
        if self._control is not None:
            await self._control.close()

    @property
    def closing(self) -> dict[str, Closing]:
        """Symbol → how the closing of its position stands; nothing where nobody asked for it."""
        return self._flattener.told()

    def note(self, ask: Ask) -> bool:
        """Journal what a person asks for; False when its key was journalled before."""
        if not self._asked.add(ask.key):
            return False
        asked = Asked(
            at=self._desk.clock.now(),
            do=ask.do,
            by=ask.by,
            reason=ask.reason or ask.order,
            key=ask.key,
        )
        self._desk.engine.journal.write(asked)
        return True

    def refuse(self, ask: Ask, why: str) -> None:
        """Journal what a person asked for and is not done."""
        text = f"{ask.by} asked for a {ask.do}, which is not done: {why}"
        now = self._desk.clock.now()
        self._desk.engine.journal.write(Alerted(at=now, text=text, level="warning", rule="desk"))

    def told(self) -> Told:
        """How the desk stands."""
        desk = self._desk
        screen, ledger = desk.engine.screen, desk.engine.state.ledger
        found = [order for one in self._at_halt if (order := ledger.find(one)) is not None]
        way_out, restarted = desk.way_out, desk.restarted
        return Told(
            stance=screen.stance,
            halted=screen.halted,
            reducing=screen.reducing,
            open=tuple(self.ours()),
            ended={order.id: order.state.value for order in found if not order.is_open},
            closing=self.closing,
            reachable=way_out is not None and way_out.may_trade,
            kept="nothing is kept on disk" if restarted is None else restarted.latch.failed,
            stands=self.still_stands(),
            account=desk.config.account.name,
            mode=desk.config.mode,
            pid=os.getpid(),
            watchdog=desk.watchdog,
            unwell=desk.report().unwell,
        )

    # ── the switches ──────────────────────────────────────────────────────────────────────────

    def arm(self) -> None:
        """Let orders leave, as far as nothing else forbids it."""
        desk = self._desk
        desk.engine.screen.armed = True
        desk.engine.journal.write(Armed(at=desk.clock.now(), by="desk"))

    def disarm(self, reason: str) -> None:
        """Watch only, from here on."""
        desk, screen = self._desk, self._desk.engine.screen
        if screen.armed:
            screen.armed = False
            desk.engine.journal.write(Disarmed(at=desk.clock.now(), reason=reason))
            self.hold_back(desk.clock.now())

    def halt(self, reason: str, by: str) -> None:
        """No more orders, and cancels until nothing of ours is open. Twice is no error."""
        desk = self._desk
        if not desk.engine.screen.halted:
            self._at_halt = tuple(self.ours())
        self.bar("")  # it is worth another try
        now, way_out = desk.clock.now(), desk.way_out
        if way_out is None:
            desk.engine.screen.throw(reason, by, now)
        else:
            self.send(desk.engine.halt(reason, by, now), now)
        self.hold_back(now)
        desk.settle()

    def hold_back(self, now: int) -> None:
        """What waits for the venue's limit, and no cancel is for, never leaves."""
        if (way_out := self._desk.way_out) is not None:
            way_out.drop_waiting(now)

    def send(self, commands: Iterable[Command], now: int) -> None:
        """Send each; an error of our own amid one is told, once, and keeps nothing else back."""
        error = self._desk.gateway.try_all(commands, now)
        text = f"a command failed: {type(error).__name__}: {error}"
        if error is not None and text != self._failed:
            self._failed = text
            self._desk.alert(text, now)

    def flatten(self, reason: str, by: str) -> None:
        """Halt, and close positions as soon as nothing of ours is open. Twice is no error."""
        self.halt(reason, by)
        self._flattener.begin(by)

    def resume(self, by: str) -> None:
        """Let orders leave again; raises `StateError` while what would halt again stands."""
        desk = self._desk
        stands = self.still_stands()
        if stands:
            expected = "its cause to be mended first"
            raise StateError(verb="resume", state=f"halted, and {stands}", expected=expected)
        if (anew := self._look_at_latch()) is not None:
            state, expected = f"halted anew by {anew.by}: {anew.reason}", "a look at that first"
            raise StateError(verb="resume", state=state, expected=expected)
        desk.engine.screen.resume(by, desk.clock.now())
        self._at_halt, self._halted_at, self._told = (), 0, False
        self._told_to_go.clear()
        self.bar("")
        desk.settle()

    def cancel(self, order_id: str, by: str) -> None:
        """Cancel one order of ours; raises `StateError` where none is open, or no way out is."""
        desk = self._desk
        state, way_out, now = desk.engine.state, desk.way_out, desk.clock.now()
        order = state.ledger.find(order_id)
        if order is None or not (order.is_open and order.is_ours):
            expected = "the id of an open order of ours"
            raise StateError(verb="cancel", state=f"no open order {order_id!r}", expected=expected)
        if way_out is not None and way_out.barred:
            expected = "a key that it takes, and then a resume"
            raise StateError(verb="cancel", state=way_out.barred, expected=expected)
        if way_out is None or not way_out.may_trade:
            expected = "a connection for orders"
            raise StateError(verb="cancel", state="the venue cannot be reached", expected=expected)
        wish = Cancel(order_id=order.id, rule=by)
        self.send(desk.engine.screen.admit((wish,), state, now), now)
        desk.settle()

    def still_stands(self) -> str:
        """What would halt the desk again at once; "" when a person may resume."""
        desk = self._desk
        if desk.journal_failed:
            return desk.journal_failed
        if desk.has_begun and not desk.on_paper and not desk.session.hears_orders:
            return "the venue refuses our order updates"
        return "there is no watchdog until the desk starts anew" if desk.watchdog == GONE else ""

    def tend(self) -> None:
        """Look at the latch, which somebody may have thrown alone, and go on cancelling."""
        desk = self._desk
        self._look_at_latch()
        self._look_at_watchdog(desk.clock.now())
        if desk.engine.screen.halted:
            # A cancel may have been lost with its connection, or refused.
            self.cancel_ours()
            self.hold_back(desk.clock.now())
            self._look_after(desk.clock.now())
            self._flattener.tend(desk.clock.now())

    async def withdraw(
        self, within_seconds: float, is_hurried: Callable[[], bool]
    ) -> tuple[str, ...]:
        """Cancel what is ours until the venue's word is there or the time is up; what is left.

        Time in which we stood still does not count: what was said meanwhile is not read yet.
        """
        desk = self._desk
        self.disarm("the desk stops")
        looks = round(within_seconds / _LOOK_SECONDS)
        while (left := self.ours()) and not is_hurried() and looks > 0:
            looks -= 1
            self.cancel_ours()
            await asyncio.sleep(_LOOK_SECONDS)
        way_out = desk.way_out
        if not left and way_out is not None and way_out.rest(desk.clock.now()):
            await asyncio.sleep(_LOOK_SECONDS)  # what was said last has to leave first
        return tuple(left)

    def _look_at_latch(self) -> Thrown | None:
        """What somebody has thrown since the last look; it halts us."""
        desk = self._desk
        thrown = None if desk.restarted is None else desk.restarted.latch.thrown()
        if thrown is not None and not desk.engine.screen.halted:
            self.halt(thrown.reason, thrown.by)
        return thrown

    def _look_after(self, now: int) -> None:
        """What a halt has not achieved within two seconds is a person's business, too."""
        self._halted_at = self._halted_at or now
        if self._told or now < self._halted_at + TELL_AFTER or not (left := self.ours()):
            return
        self._told = True
        way_out = self._desk.way_out
        can = way_out is not None and way_out.may_trade
        why = "no cancel was confirmed" if can else "no cancel can leave"
        text = f"halted for {(now - self._halted_at) / SECOND:.0f} s, {why}: "
        self._desk.alert(f"{text}{len(left)} orders may still be open ({', '.join(left)})", now)

    def refused(self, event: Rejected) -> None:
        """Whoever is deaf to their own orders, or is not let in, must not send more of them.

        The cancels of the halt are the one more try; after that only a login, or a person who
        resumes or halts, asks for anything again.
        """
        desk = self._desk
        if desk.on_paper:
            return
        if event.what in (KEY, ACCOUNT):
            what = "refuses our key" if event.what == KEY else "lets the account in no more"
            why = f"the venue {what}: {event.text} ({event.code})"
            if not desk.engine.screen.halted:
                self.halt(why, "desk")
            self.bar(why)
        elif event.what == SESSION:
            self._session_troubled(event)
        elif event.what == PRIVATE_STREAM and not desk.session.hears_orders:
            self.halt(f"the venue refuses our order updates: {event.text} ({event.code})", "desk")
        elif event.what == What.COUNTDOWN and (winder := desk.gateway.winder) is not None:
            text = f"the venue refuses its timer for {event.symbol}: {event.text} ({event.code})"
            if winder.refused(event.symbol):
                desk.alert(text, event.received)

    def _session_troubled(self, event: Rejected) -> None:
        """Each connection says it; a person is told once a minute."""
        now = event.received
        if now - self._session_told >= _AGAIN:
            self._session_told = now
            self._desk.alert(f"no order leaves, and the venue is asked again: {event.text}", now)

    def hear_watchdog(self, report: Report) -> None:
        """It tells of trouble, or of what it did while we were silent; that is a halt.

        Without one that is wanted nobody would clear up after us, so nothing may grow any more; nor
        while one is in trouble for long, or again and again.
        """
        desk, now = self._desk, self._desk.clock.now()
        if report.state in ("trouble", GONE):
            self._troubles.begin(now)
            self._trouble = report.text
        else:
            self._troubles.end(now)
        if report.state in ("trouble", GONE) and report.outcome is None:
            desk.alert(f"watchdog: {describe(report)}", now)
            if report.state == GONE and desk.has_begun:
                desk.engine.screen.restrict(f"there is no watchdog: {report.text}", "desk", now)
                desk.settle()
        elif report.state == "acting" or report.outcome is not None:
            desk.halt(f"the watchdog acted: {describe(report)}", "watchdog")

    def _look_at_watchdog(self, now: int) -> None:
        """Orders that grow a position wait for a watchdog that can act, and for no person."""
        way_out, troubles = self._desk.way_out, self._troubles
        if way_out is None or not troubles.tend(now):
            return
        if not troubles.is_unguarded:
            way_out.unguarded = ""
            self._desk.alert("the watchdog can act again: orders may leave", now)
            return
        why, until = f"the watchdog could not act for {UNGUARDED_SECONDS} s", "it can"
        if troubles.is_repeated:
            why += f" of the last {LATELY_SECONDS}"
            until += f" for {STEADY_SECONDS} s"
        way_out.unguarded = f"{why}: {self._trouble}"
        self._desk.alert(f"{why}: until {until}, only orders that reduce a position leave", now)

    def bar(self, why: str) -> None:
        """Let nothing leave any more; "" lets it leave again."""
        if self._desk.way_out is not None:
            self._desk.way_out.barred = why

    def judge(self, order_id: str) -> None:
        """The venue speaks of an order: one in our name that was never decided here is a halt."""
        desk = self._desk
        order = desk.engine.state.ledger.find(order_id)
        if order is None or order.origin is not Origin.EARLIER:
            return
        if desk.engine.screen.ids.is_unborn(order_id) and not desk.engine.screen.halted:
            self.halt(
                f"order {order_id} is in our name and was not decided here, by "
                f"{desk.engine.screen.ids.made} decided orders: somebody else trades as us",
                "desk",
            )

    def cancel_ours(self, *, at_once: bool = False) -> None:
        """Cancels of what is ours and open, once a second; not while none can leave.

        What was told to go before is told again as the venue's limit has room for that, since a ban
        for it would keep back every cancel; without room it is a few of those told longest ago.
        """
        desk = self._desk
        now, way_out = desk.clock.now(), desk.way_out
        early = now < self._cancel_again and not at_once
        if early or way_out is None or not way_out.may_trade:
            return
        self._cancel_again = now + SECOND
        ours = self.ours()
        if not way_out.has_room(len(ours), now):
            told = self._told_to_go
            untold = [one for one in ours if one not in told]
            due = [one for one in ours if now >= told.get(one, now) + CANCEL_CAP]
            ours = untold + sorted(due, key=lambda one: told[one])[:AGAIN_A_SECOND]
        wishes = [Cancel(order_id=one, rule="desk") for one in ours]
        commands = desk.engine.screen.admit(wishes, desk.engine.state, now)
        self._told_to_go |= {one.order_id: now for one in commands if isinstance(one, CancelOrder)}
        self.send(commands, now)
        desk.settle()

    def ours(self) -> list[str]:
        """Orders of ours that the venue has not closed."""
        return [one.id for one in self._desk.engine.state.ledger.open_of("") if one.is_ours]

"""The desk: a session, an engine and a gateway, and the four lines that are the hot path.

`open_desk` composes one from a configuration; `Desk.run` keeps it until the session ends; `stop`
cancels what is ours, waits for the venue's word, and says goodbye.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from pitwire.desk.chronicle import Chronicle
from pitwire.desk.config import DeskConfig, check_arming
from pitwire.desk.countdown import winder_for
from pitwire.desk.gateway import Gateway, Outlet
from pitwire.desk.health import Health, HealthReport, OrdersHealth
from pitwire.desk.housekeeping import House, idle_until
from pitwire.desk.interactions import InteractionLog
from pitwire.desk.leash import Leash
from pitwire.desk.paper import PaperOutlet
from pitwire.desk.rehearsal import Rehearsal, keep_warm, rehearse_forms
from pitwire.desk.relearning import Relearner
from pitwire.desk.restart import Restarted
from pitwire.desk.stocktaking import stock_at, weight_a_minute
from pitwire.desk.switchboard import Switchboard
from pitwire.desk.timings import Timings
from pitwire.desk.watchdog import Charge
from pitwire.model.clock import SECOND, Clock
from pitwire.model.errors import ConfigError
from pitwire.model.events import (
    Authenticated,
    Balance,
    Event,
    Lost,
    OpenOrders,
    Rejected,
    Unanswered,
    Update,
)
from pitwire.session.session import Session
from pitwire.session.setup import Closed
from pitwire.store.frames import Frames
from pitwire.tape.recorder import Recorder
from pitwire.trading.engine import Engine
from pitwire.trading.journal import Alerted, DurableJournal, Volatile
from pitwire.trading.rules import Rule

ORDERS_LINK = "orders"
"""Links of this name carry commands; the session names them so."""
_LOOK_WITHIN = SECOND
"""No decision is made when nobody has looked at the halt for so long: the process stood still."""
_BEHIND_SECONDS = 1.0
"""A disk this slow to sync is told of."""


class Desk:
    """Everything composed and running. Made by `open_desk`."""

    def __init__(
        self,
        config: DeskConfig,
        engine: Engine,
        *,
        clock: Clock,
        health: Health,
        frames: Frames,
        log: InteractionLog | None = None,
        restarted: Restarted | None = None,
        house: House | None = None,
    ) -> None:
        self.config, self.engine, self.clock = config, engine, clock
        self._keeper = house or House()
        self._chronicle = Chronicle(health, frames, engine.state.books, self._table())
        if self._keeper.sleeps:
            self._chronicle.keep_nothing(self._keeper.rouse)
        self._observe = self._chronicle.note
        """Counters and tables: nothing that an order would have to wait for."""
        self.timings = Timings()
        self._log = log
        self.tape: Recorder | None = None
        """What all that is heard and said is written to, where that is wanted."""
        self._tape_failed = False
        self.restarted = restarted
        """What an earlier run of this account has left; None where nothing is kept on disk."""
        self._file: DurableJournal = Volatile() if restarted is None else restarted.file
        self._latch = None if restarted is None else restarted.latch
        self._session: Session | None = None
        self._paper: PaperOutlet | None = None
        self._gateway: Gateway | None = None
        self._house: asyncio.Task[None] | None = None
        self._look_by = 1 << 63
        """When somebody must have looked at the halt; never before housekeeping begins."""
        self._wake: asyncio.TimerHandle | None = None
        self._wake_at = 0
        self._stopped: asyncio.Task[None] | None = None
        self._hurried = False
        self._behind = False
        self.listed_at = 0
        """When the venue last listed our open orders; 0 while it has not."""
        self.counted_at = 0
        """When the venue last told what we own; 0 while it has not."""
        self._leash: Leash | None = None
        self._rehearsal: Rehearsal | None = None
        self.switchboard = Switchboard(self)
        self._relearner = Relearner(self)
        self.left_open: tuple[str, ...] = ()
        """Orders of ours that the venue had not closed when the desk stopped."""

    # ── the hot path ──────────────────────────────────────────────────────────────────────────

    def on_events(self, events: Sequence[Event], now: int, drained: bool) -> None:
        """A burst, or a part of one, from the session."""
        apply = self.engine.apply
        for event in events:
            apply(event)
        try:
            if drained and self._stopped is None:
                self._decide(now)
        finally:  # an error amid a command hides nothing of what came
            self._observe(events)
            if drained:
                self.settle()
        if self.engine.state.flaws:
            self._distrust()

    def _distrust(self) -> None:
        """Books that are wrong are marked already; new ones are asked for."""
        flaws = self.engine.state.flaws
        for symbol, flaw in flaws.items():
            self.session.resync_book(symbol, flaw)
        flaws.clear()

    def urgent_symbols(self) -> set[str]:
        """Where something of ours is at stake: an open order, a position."""
        state = self.engine.state
        held = {symbol for symbol in state.instruments if state.portfolio.position(symbol)}
        return held | {order.symbol for order in state.ledger.open_of("")}

    def _decide(self, now: int) -> None:
        if now > self._look_by:  # a person may have halted what did not answer
            self._look_by = now + _LOOK_WITHIN
            self.switchboard.tend()
        try:
            if commands := self.engine.decide(now):
                self.gateway.send_all(commands, now)
        finally:
            if self.engine.screen.halted:  # by a rule, too
                self.switchboard.hold_back(now)
            self._rearm(now)

    def doing(self) -> str:
        """Whose turn it is at this moment; any thread may ask."""
        rule = self.engine.hearing
        return "" if rule is None else f"rule {rule.name!r}"

    # ── life ──────────────────────────────────────────────────────────────────────────────────

    @property
    def way_out(self) -> Gateway | None:
        """The gateway, if there is one yet."""
        return self._gateway

    @property
    def on_paper(self) -> bool:
        """Whether commands go nowhere near the venue."""
        return self._paper is not None

    @property
    def gateway(self) -> Gateway:
        """The way out; there as soon as there is a session."""
        assert self._gateway is not None, "a desk has a gateway once it has a session"
        return self._gateway

    @property
    def order_prefix(self) -> str:
        """What the ids of our orders begin with, in every run."""
        return self.engine.screen.prefix

    @property
    def session(self) -> Session:
        """The session with the venue."""
        assert self._session is not None, "a desk is opened with its session"
        return self._session

    def report(self) -> HealthReport:
        """How we are at this moment, with what became of every stream and every line."""
        now, session = self.clock.now(), self._session
        found = (
            self.health.snapshot(now)
            if session is None
            else self.health.snapshot(now, session.stream_counts(), session.lines)
        )
        orders = OrdersHealth() if self._gateway is None else self._gateway.stock.health()
        return msgspec.structs.replace(found, stance=self.engine.screen.stance, orders=orders)

    def attach(self, session: Session, paper: PaperOutlet | None = None) -> None:
        """Take over an open session; with `paper`, no command ever goes to it."""
        self._session, self._paper = session, paper
        if paper is not None:
            self._observe = self._observe_on_paper
        self._find_way_out()

    def _find_way_out(self) -> None:
        outlet: Outlet = self.session if self._paper is None else self._paper
        state = self.engine.state
        every = self.config.desk.reconcile_seconds
        if self._gateway is not None:
            stock = self._gateway.stock  # what the venue owes when the rules begin, it owes still
        else:
            stock = stock_at(self.session.venue, outlet, self.engine, every_seconds=every)
        self._gateway = Gateway(
            outlet,
            self.engine,
            clock=self.clock,
            timings=self.timings,
            file=self._file,
            stock=stock,
            deadline_seconds=self.config.desk.order_deadline_seconds,
            winder=winder_for(
                self.config,
                outlet,
                self.session.venue.countdown,
                state.ledger,
                limit_a_minute=weight_a_minute(self.session.venue),
            ),
        )

    @property
    def has_begun(self) -> bool:
        """Whether rules are heard, and all that a start finds out is found out."""
        return self._house is not None

    def begin(self, rules: Iterable[Rule]) -> None:
        """Hear these rules from now on."""
        state, screen = self.engine.state, self.engine.screen
        self.engine = Engine(rules, screen, state, self.engine.journal)
        self._find_way_out()
        self.switchboard.arm()
        self._relearner.begin()
        self._look_by = self.clock.now() + _LOOK_WITHIN
        keeping = self._keeper.keep(self, (self._tidy, self._tend), self._idle_until)
        self._house = asyncio.get_running_loop().create_task(keeping)
        self._rearm(self.clock.now())
        rehearse_forms(self.engine, self.session, self.clock)
        self._rehearsal = keep_warm(self.engine, self.session, self.clock)

    async def run(self) -> Closed:
        """Until the session is over for good; then, or when cancelled, `stop`."""
        try:
            return await self.session.process_incoming_data()
        finally:
            await self.stop()

    async def stop(self, *, within_seconds: float = 5.0) -> None:
        """Cancel what is ours, wait for the venue's word, close; the rest is in `left_open`.

        Whoever calls it again waits for the same end; cancelled, it waits for the venue no longer,
        and still says goodbye.
        """
        if self._stopped is None:
            self._stopped = asyncio.get_running_loop().create_task(self._stop(within_seconds))
        told_to_hurry: asyncio.CancelledError | None = None
        while not self._stopped.done():
            try:
                await asyncio.shield(self._stopped)
            except asyncio.CancelledError as error:
                self._hurried, told_to_hurry = True, error
        if told_to_hurry is not None:
            raise told_to_hurry
        self._stopped.result()

    async def guard(self, charge: Charge) -> None:
        """Start a watchdog and wait until it could act; raises `ConfigError` when it cannot."""
        self._leash = Leash(charge, self.switchboard.hear_watchdog)
        self._leash.start()
        await self._leash.ready()

    @property
    def watchdog(self) -> str:
        """What the watchdog said last, in the words of `Report.state`; "" without one."""
        return "" if self._leash is None else self._leash.state

    def halt(self, reason: str, by: str) -> None:
        """Throw the kill switch: no more orders, and cancels until nothing of ours is open."""
        self.switchboard.halt(reason, by)

    def resume(self, by: str) -> None:
        """A person lifts the halt, or lets positions grow again.

        Raises `StateError` while what would halt the desk again still stands.
        """
        self.switchboard.resume(by)

    def settle(self) -> None:
        """Hand what was written to the journal on, and a halt to its latch."""
        self._file.settle()
        if self._latch is not None and self._latch.due is not None:
            self._latch.keep()

    @property
    def journal_failed(self) -> str:
        """Why the journal on disk takes nothing more; "" while it does, or where there is none."""
        return self._file.failed

    async def _stop(self, within_seconds: float) -> None:
        if self.tape is not None:
            self.tape.stopping(self.clock.now())
        if self.has_begun and self._gateway is not None:
            self.left_open = await self.switchboard.withdraw(within_seconds, self._is_hurried)
        self._relearner.stop()
        if self._rehearsal is not None:
            self._rehearsal.close()
        for waiting in (self._house, self._wake):
            if waiting is not None:
                waiting.cancel()
        if self._session is not None:
            await self._session.close()
        if self.tape is not None:
            self.tape.close()
        if self._leash is not None:
            # What is left open is left to the watchdog, which goes on trying.
            self._leash.leave() if self.left_open else self._leash.dismiss()
        await self.switchboard.close()
        self.keep_checkpoint(ends=True)
        if self.restarted is not None:
            self.restarted.close()
        if self._log is not None:
            self._log.flush()

    def _is_hurried(self) -> bool:
        return self._hurried

    def keep_checkpoint(self, *, ends: bool = False) -> None:
        """Keep the state, so that the next start is quick; a disk that refuses is told of.

        With `ends` it is written down that this run ended in good order.
        """
        if self.restarted is None:
            return
        try:
            self.restarted.checkpoint(self.engine.screen.halted, self.engine.screen.reducing)
            if ends:
                self.restarted.folder.end()
        except OSError as error:
            text = f"no checkpoint: {error.strerror or error}; the next start reads the journal"
            self.alert(text, self.clock.now())

    # ── after the orders have left ────────────────────────────────────────────────────────────

    @property
    def frames(self) -> Frames:
        """What happened lately. Tops of a book: one row for every 50 ms in which it changed."""
        return self._chronicle.frames

    @property
    def health(self) -> Health:
        """Are we well?"""
        return self._chronicle.health

    @property
    def events(self) -> int:
        """How many there were so far."""
        return self._chronicle.events

    def _observe_on_paper(self, events: Sequence[Event]) -> None:
        self._chronicle.note(events)
        assert self._paper is not None, "there is paper, or this is not asked"
        self._paper.hear(events)

    def _table(self) -> dict[type[Event], Callable[[Any], None]]:
        """What each kind of event means to us; others are counted, and kept where they have a
        table."""
        return {
            Update: self._on_update,
            OpenOrders: self._on_open_orders,
            Balance: self._on_balance,
            Lost: self._on_lost,
            Authenticated: self._on_login,
            Rejected: self._on_rejected,
            Unanswered: self._on_unanswered,
        }

    def _on_update(self, event: Event) -> None:
        assert isinstance(event, Update)
        self.timings.heard(event)
        self.switchboard.judge(event.order_id)
        self._relearner.hear(event)

    def _on_open_orders(self, event: Event) -> None:
        self.listed_at = event.received

    def _on_balance(self, event: Event) -> None:
        self.counted_at = event.received

    def _on_lost(self, event: Event) -> None:
        assert isinstance(event, Lost)
        if event.link.startswith(ORDERS_LINK) and not event.covered:
            self.engine.lost(event.received)

    def _on_login(self, event: Event) -> None:
        self.switchboard.bar("")
        if self.engine.screen.halted:
            self.switchboard.cancel_ours(at_once=True)  # before anything else that we have to say
        if self.has_begun:
            self.gateway.reconcile(event.received)

    def _on_unanswered(self, event: Event) -> None:
        assert isinstance(event, Unanswered)
        if not event.order_id:
            self._came_to_nothing(event)

    def _on_rejected(self, event: Event) -> None:
        assert isinstance(event, Rejected)
        self._came_to_nothing(event)
        if self.has_begun:
            self.switchboard.refused(event)

    def _came_to_nothing(self, event: Unanswered | Rejected) -> None:
        if self._gateway is not None:
            self._gateway.stock.failed(event.what, event.received)

    # ── timers ────────────────────────────────────────────────────────────────────────────────

    def _rearm(self, now: int) -> None:
        wake = self.engine.next_wake() if self._stopped is None else None
        if wake is None or (self._wake is not None and self._wake_at <= wake):
            return
        if self._wake is not None:
            self._wake.cancel()
        self._wake_at = wake
        delay = max(0, wake - now) / SECOND
        self._wake = asyncio.get_running_loop().call_later(delay, self._on_wake)

    def _on_wake(self) -> None:
        self._wake = None
        if self._stopped is not None:
            return
        self._decide(self.clock.now())
        self.settle()

    def _idle_until(self, now: int) -> int:
        kept = (self.restarted, self.tape, self._log, self._paper)
        is_alone = all(one is None for one in kept) and self.config.mode != "live"
        return idle_until(self.engine, self.gateway, now) if is_alone else now

    def _tend(self, now: int) -> None:
        """Apart from all other chores, so that none of them holds up a halt and its cancels."""
        self._look_by = now + _LOOK_WITHIN
        self.switchboard.tend()

    def _tidy(self, now: int) -> None:
        self.gateway.chase(now)
        self.gateway.send_all(self.engine.tend(now), now)
        self.settle()
        if self._paper is not None:
            self._paper.pass_time(now)
        self._check_arming(now)
        self._chronicle.note_tops()
        self._check_journal(now)
        if self.tape is not None and self.tape.failed and not self._tape_failed:
            self._tape_failed = True
            self.alert(self.tape.failed, now)
        if self._log is not None:
            self._log.flush_due(now)

    def _check_arming(self, now: int) -> None:
        screen = self.engine.screen
        if not screen.armed:
            return
        try:
            check_arming(self.config, now)
        except ConfigError as error:
            self.switchboard.disarm(str(error))
            self.alert(str(error), now)

    def _check_journal(self, now: int) -> None:
        """A journal that fails ends trading; only cancels leave from then on."""
        if self.restarted is not None and (told := self.restarted.tend(now)):
            self.alert(told, now)
        failed, behind = self._file.failed, self._file.behind_seconds
        if behind < _BEHIND_SECONDS:
            self._behind = False
        elif not self._behind and not failed:
            self._behind = True
            text = (
                f"the journal has waited {behind:.1f} s for the disk; a power cut would lose that"
            )
            self.alert(text, now)
        if failed and not self.engine.screen.halted:
            self.halt(failed, "desk")
            if self.restarted is not None and self.restarted.latch.failed:
                lost = self.restarted.latch.failed
                self.alert(f"the halt will not survive a restart: {lost}", now)

    def alert(self, text: str, now: int) -> None:
        """Tell a person of trouble."""
        self.engine.journal.write(Alerted(at=now, text=text, level="error", rule="desk"))

"""The kill switch in a person's hand: halt, resume and look at an account from another process.

House rules: the running desk is asked first; where none answers, the latch is thrown on the disk
and our orders are cancelled by a login of our own; what could not be done is said, never supposed.
All of it may be done twice.
"""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Iterable
from pathlib import Path

import msgspec

from pitwire.desk.account import Account, find_account
from pitwire.desk.control import NO_REASON, Ask, Told, ask_desk
from pitwire.desk.flattening import Closing
from pitwire.desk.leash import charge_of
from pitwire.desk.opening import credentials_of
from pitwire.desk.restart import recall, standing
from pitwire.desk.vigil import Outcome
from pitwire.desk.watchdog import Report, Watchdog
from pitwire.model.clock import Clock, SystemClock
from pitwire.model.credentials import Credentials
from pitwire.model.entropy import Entropy, system_seed
from pitwire.model.errors import ConfigError, PitwireError, StateError
from pitwire.model.orders import OrderState
from pitwire.store.folder import AccountFolder, holder_of, identity_of
from pitwire.store.latch import HaltLatch, Thrown
from pitwire.trading.ids import account_prefix
from pitwire.trading.journal import sayable_text
from pitwire.trading.stance import Switches
from pitwire.wire.link import Dial, Fetch

ANSWER_SECONDS = 2.0
"""A desk that does not answer within this is taken for hung."""
FLATTEN_SECONDS = 15.0
"""So long a desk that was asked for it has to close its positions before it is told of as open."""
CLEAR_SECONDS = 2.0
"""A desk that has not seen its orders closed by then gets help."""
SWEEP_SECONDS = 30.0
"""How long a login of our own tries to clear the account."""
_LOOK_SECONDS = 0.05
_ON_THE_WAY = (OrderState.NEW, OrderState.SENT, OrderState.UNKNOWN)


class Killed(msgspec.Struct, frozen=True, kw_only=True):
    """What `kill` has done."""

    answered: bool
    """Whether a running desk has halted."""
    latched: bool
    """Whether the halt is on the disk, so that no later start trades."""
    cancelled: tuple[str, ...] = ()
    ended: dict[str, str] = {}
    """Orders that ended otherwise meanwhile → how, as `filled`."""
    left: tuple[str, ...] = ()
    """Orders of ours that may still be open."""
    foreign: int = 0
    """Orders of others, not touched."""
    cleared: bool = False
    """Whether nothing of ours is open, by the desk's word or by the venue's own."""
    closing: dict[str, Closing] = {}
    """What became of each position, where closing them was asked for of a desk that runs."""
    flat: bool | None = None
    """Whether every position was closed; None where nobody asked for that."""
    notes: tuple[str, ...] = ()
    """What did not go as it should, in order."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How an account stands."""

    folder: str
    account: str
    told: Told | None
    """What the running desk says; None when none answers."""
    thrown: Thrown | None
    """The halt on the disk."""
    holder: str = ""
    """The process that holds the account; "" when none does."""
    halts: str = ""
    """Where no process holds it: why a desk that starts will be halted; "" when it will not."""
    reduces: str = ""
    """Where no process holds it: why a desk that starts may only reduce; "" when it may trade."""


async def kill(
    where: str | Path | None = None,
    *,
    reason: str = "",
    by: str = "",
    key: str = "",
    flatten: bool = False,
    credentials: Credentials | None = None,
    dial: Dial | None = None,
    fetch: Fetch | None = None,
    clock: Clock | None = None,
) -> Killed:
    """Halt an account: no more orders, and every open order of ours is cancelled.

    Asks the running desk; where none answers, or cannot get its orders closed within two seconds,
    the latch is thrown on the disk and a login of our own cancels what is ours. `by` is who wants
    it (none: who is logged in here), `key` makes a repetition the same decision. With `flatten` a
    desk that runs closes its positions, too; without one they are left. Raises `ConfigError` when
    there is no such account.
    """
    account = find_account(where)
    clock, notes = clock or SystemClock(), list[str]()
    reason, by = sayable_text(reason or NO_REASON), sayable_text(by or _user())
    ask = Ask(do="flatten" if flatten else "halt", by=by, reason=reason, key=key)
    told = await _halt_desk(account.folder, ask, notes)
    if told is None:
        latched = _throw(account.folder, reason, by, clock.now(), notes)
    else:
        latched = not told.kept
        if told.kept:
            notes.append(f"the halt would not survive a restart: {told.kept}")
    sweeper, outcome = _Sweeper(account, clock, credentials, dial, fetch), None
    if told is None or told.open:
        outcome = await sweeper.run(notes, answered=told is not None)
    killed = _killed(told, outcome, latched, notes)
    if not sweeper.has_cleared:
        known = _open_of(account.folder) if told is None else told.open
        left = killed.left or tuple(one for one in known if one not in killed.cancelled)
        killed = msgspec.structs.replace(killed, cleared=False, left=left)
    return await _flattened(account.folder, by, killed) if flatten else killed


async def resume(
    where: str | Path | None = None, *, confirm: str, by: str = "", key: str = ""
) -> Thrown | None:
    """Let orders leave again; `confirm` is the account's name, typed again by a person.

    Returns the halt that was on the disk, None when there was none. Raises `ConfigError` for
    another name, and `StateError` while the reason of the halt stands.
    """
    account = find_account(where)
    identity = identity_of(account.folder)
    if confirm != identity.account:
        expected = f"the account's name, {identity.account!r}, typed again"
        raise ConfigError(where="confirm", found=confirm, expected=expected)
    latch, by = HaltLatch(account.folder), sayable_text(by or _user())
    thrown = latch.read()
    ask = Ask(do="resume", by=by, key=key or f"{system_seed():x}")
    told = await ask_desk(account.folder, ask, within_seconds=ANSWER_SECONDS)
    if told is None:
        _lift(account.folder, identity.account, latch, thrown, by)
    elif told.error:
        state = f"halted, and {told.stands or told.error}"
        expected = "its cause to be mended first" if told.stands else "a desk that does it"
        raise StateError(verb="resume", state=state, expected=expected)
    return thrown


async def status(where: str | Path | None = None) -> Standing:
    """How an account stands, by its running desk and by what is on the disk.

    Raises `ConfigError` where no desk could start, since a newer version wrote the journal.
    """
    account = find_account(where)
    ask, name = Ask(do="status", by=_user()), identity_of(account.folder).account
    told = await ask_desk(account.folder, ask, within_seconds=ANSWER_SECONDS)
    holder = holder_of(account.folder)
    then = Switches() if told or holder else standing(account.folder)
    return Standing(
        folder=str(account.folder),
        account=name,
        told=told,
        thrown=HaltLatch(account.folder).read(),
        holder=holder,
        halts=then.halted,
        reduces=then.reducing,
    )


# ── the parts of a kill ───────────────────────────────────────────────────────────────────────


async def _halt_desk(folder: Path, ask: Ask, notes: list[str]) -> Told | None:
    """Ask the running desk to halt, and wait a while for its orders to go."""
    ask = msgspec.structs.replace(ask, key=ask.key or f"{system_seed():x}")
    told = await ask_desk(folder, ask, within_seconds=ANSWER_SECONDS)
    if told is None:
        holder = holder_of(folder)
        notes.append(
            f"process {holder} runs this account and does not answer" if holder else "no desk runs"
        )
        return None
    if told.error or not told.halted:
        notes.append(f"the desk did not halt: {told.error or 'no reason given'}")
        return None
    loop = asyncio.get_running_loop()
    until = loop.time() + CLEAR_SECONDS
    while told.open and loop.time() < until:
        await asyncio.sleep(_LOOK_SECONDS)
        newer = await ask_desk(folder, Ask(do="status", by=ask.by), within_seconds=ANSWER_SECONDS)
        if newer is None:
            notes.append("the desk has halted, and does not answer any more")
            return told
        told = newer
    if told.open:
        why = "could not get its orders closed" if told.reachable else "cannot reach the venue"
        notes.append(f"the desk has halted, and {why} within {CLEAR_SECONDS:g} s")
    return told


_GONE = (
    "the desk stopped answering while it closed positions: they are told as it told them last, and "
    "an order of that may have traded since; say kill again"
)


async def _flattened(folder: Path, by: str, killed: Killed) -> Killed:
    """Wait until the desk has closed its positions, or says why it cannot."""
    if not killed.answered:
        note = "positions are left as they are: closing them takes a desk that runs"
        return msgspec.structs.replace(killed, flat=False, notes=(*killed.notes, note))
    loop = asyncio.get_running_loop()
    until, found = loop.time() + FLATTEN_SECONDS, dict[str, Closing]()
    while True:
        told = await ask_desk(folder, Ask(do="status", by=by), within_seconds=ANSWER_SECONDS)
        if told is not None:
            found = told.closing
            if all(one.state in ("closed", "left") for one in found.values()):
                break
        if told is None or loop.time() >= until:
            break
        await asyncio.sleep(_LOOK_SECONDS)
    if told is None:
        return msgspec.structs.replace(
            killed, closing=found, flat=False, cleared=False, notes=(*killed.notes, _GONE)
        )
    flat = all(one.state == "closed" for one in found.values())
    return msgspec.structs.replace(killed, closing=found, flat=flat)


def _throw(folder: Path, reason: str, by: str, now: int, notes: list[str]) -> bool:
    try:
        HaltLatch(folder).throw(reason, by, now)
    except OSError as error:
        notes.append(f"the halt is not on the disk: {folder}: {error.strerror or error}")
        return False
    return True


class _Sweeper:
    """Cancels what is ours by a login of its own, as the watchdog does for a dead desk."""

    def __init__(
        self,
        account: Account,
        clock: Clock,
        credentials: Credentials | None,
        dial: Dial | None,
        fetch: Fetch | None,
    ) -> None:
        self._account, self._clock = account, clock
        self._credentials, self._dial, self._fetch = credentials, dial, fetch
        self._reports: list[Report] = []
        self.has_cleared = True
        """False when the venue did not say that nothing of ours is open."""

    async def run(self, notes: list[str], *, answered: bool) -> Outcome | None:
        """Until the account is clear or the time is over; None when the venue was not asked."""
        config = self._account.config
        if config is None:
            notes.append("the venue was not asked: that needs the desk's TOML file, for its keys")
            return None
        if config.mode == "paper" or (config.mode == "sim" and config.venue.endpoints is None):
            return self._in_memory(notes, answered=answered)
        try:
            identity = identity_of(self._account.folder)
            credentials = self._credentials or credentials_of(config)
        except ConfigError as error:
            notes.append(f"the venue was not asked: {error}")
            return None
        prefix = account_prefix(identity.installation, identity.account)
        charge = charge_of(config, prefix, credentials, config.venue.endpoints)
        dog = Watchdog(
            msgspec.structs.replace(charge, keep_protective=False),
            clock=self._clock,
            tell=self._reports.append,
            dial=self._dial,
            fetch=self._fetch,
            give_up_seconds=SWEEP_SECONDS,
            in_flight=lambda since: _in_flight(self._account.folder, since),
        )
        dog.vigil.lose("a person threw the kill switch")
        outcome = await dog.run()
        if self._reports[-1].state != "clear":
            told = dict.fromkeys(one.text for one in self._reports if one.state == "trouble")
            why = "; ".join(text for text in told if text)
            notes.append(f"the account is not clear after {SWEEP_SECONDS:g} s: {why}")
            self.has_cleared = False
        if outcome is not None and outcome.late:
            notes.append(f"taken by the venue only after a list without: {', '.join(outcome.late)}")
        return outcome

    def _in_memory(self, notes: list[str], *, answered: bool) -> Outcome | None:
        """No venue holds these orders but the desk's own process: they end with it, or by it."""
        holder = holder_of(self._account.folder)
        if answered:
            notes.append("no venue holds its orders, so nobody but the desk can close them")
        elif holder:
            notes.append(f"no venue holds its orders: they end with process {holder}")
        else:
            return Outcome()
        return None


def _in_flight(folder: Path, since: int) -> bool:
    """Whether an order of a desk that has halted, hangs or is dead may be on its way to the venue,
    or was at some time after `since`: one that was accepted meanwhile is in no list from before.

    Each intent is in the journal before its bytes leave, and one that hung between the two is too
    old to leave when it wakes (`order_deadline_seconds`).
    """
    try:
        replay, history, _ = recall(folder, expected=identity_of(folder).segment)
    except (OSError, PitwireError):
        return True
    orders = replay.state.ledger.open_of("")
    return history.worst is not None or any(
        one.is_ours and (one.state in _ON_THE_WAY or one.changed_at >= since) for one in orders
    )


def _open_of(folder: Path) -> tuple[str, ...]:
    """Orders of ours that were open when the journal was last written."""
    try:
        replay, _, _ = recall(folder, expected=identity_of(folder).segment)
    except (OSError, PitwireError):
        return ()
    return tuple(one.id for one in replay.state.ledger.open_of("") if one.is_ours)


def _killed(
    told: Told | None, outcome: Outcome | None, latched: bool, notes: Iterable[str]
) -> Killed:
    ended = {} if told is None else told.ended
    cancelled = [one for one, how in ended.items() if how == "canceled"]
    left: tuple[str, ...] = () if told is None else told.open
    if outcome is not None:
        cancelled += [one for one in outcome.cancelled if one not in ended]
        left = outcome.left
    return Killed(
        answered=told is not None,
        latched=latched,
        cancelled=tuple(cancelled),
        ended={one: how for one, how in ended.items() if how != "canceled"},
        left=left,
        foreign=0 if outcome is None else outcome.foreign,
        cleared=not left and (told is not None or outcome is not None),
        notes=tuple(notes),
    )


# ── the rest ──────────────────────────────────────────────────────────────────────────────────


def _lift(folder: Path, account: str, latch: HaltLatch, known: Thrown | None, by: str) -> None:
    """No desk answers: lift the latch, in its place and under its lock."""
    holder = holder_of(folder)
    if holder:
        state = f"in the hands of process {holder}, which does not answer"
        raise StateError(verb="resume", state=state, expected="a desk that answers, or none")
    held = AccountFolder.hold(folder, account, Entropy(0))
    try:
        _, history, _ = recall(folder, expected=held.identity.segment)
        if history.worst is not None:
            state, expected = f"halted, and the journal: {history.worst}", "a journal that is sound"
            raise StateError(verb="resume", state=state, expected=expected)
        if known is not None:
            latch.lift(by, SystemClock().now(), mark=known.mark, to=history.end)
        if (anew := latch.read()) is not None:
            state = f"halted anew by {anew.by}: {anew.reason}"
            raise StateError(verb="resume", state=state, expected="a look at that first")
        _demand_free(folder)
    finally:
        held.close()


def _demand_free(folder: Path) -> None:
    """Raises `StateError` for what the journal alone knows, and only a desk that runs can end."""
    then = standing(folder)
    if then.halted or then.reducing:
        stance, why = then.stance, then.halted or then.reducing
        expected = "a desk that runs, and this said again"
        raise StateError(
            verb="resume", state=f"in {stance} by its journal: {why}", expected=expected
        )


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no name for this user id
        return "operator"

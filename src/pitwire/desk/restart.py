"""The first half of a start: what this account was doing when it was last heard of.

Lock, latch, epoch, checkpoint, tail, unknowns, in this order (the second half, the venue's word on
them, is in `opening`). House rules: nothing is sent from here; whatever is not as it was written is
told, and halts trading unless every crash may leave it so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from pitwire.desk.keeper import Keeper
from pitwire.model.entropy import Entropy
from pitwire.model.errors import ConfigError, JournalFailed
from pitwire.model.proof import NO_PROOF, DeathProof
from pitwire.store.checkpoint import newest_good, write_checkpoint
from pitwire.store.folder import AccountFolder, readable_identity
from pitwire.store.history import START, History, Position, segment_numbers, segment_path
from pitwire.store.journal_file import JournalFile
from pitwire.store.latch import HaltLatch, Thrown
from pitwire.store.room import trim
from pitwire.store.safely import sync_file
from pitwire.store.segment import NOTHING, Header, Ill
from pitwire.store.slate import ON_SLATE, set_aside, slate_path
from pitwire.trading.asked import AskedKeys
from pitwire.trading.ids import OrderIds, account_prefix
from pitwire.trading.journal import Alerted, Halted, Record, Resumed, Started
from pitwire.trading.replay import Replay
from pitwire.trading.snapshot import take
from pitwire.trading.stance import Switches
from pitwire.trading.state import State

_WENT_DOWN = (
    "the machine went down under the run before: what its journal had not synced is gone, "
    "the last ms of it unless it was durable; the venue is asked"
)


class LatchJournal:
    """Throws the latch when a halt was written down, and lifts it when a person resumes.

    A throw waits for `keep`, so that no cancel has to wait for the disk; until then the journal
    alone has the halt, and that is enough. A lift lifts what was known here, and nothing that
    somebody has thrown since. `reached` is how far the journal has come.
    """

    def __init__(self, latch: HaltLatch, reached: Callable[[], Position] = lambda: START) -> None:
        self._latch, self._reached = latch, reached
        self.concerned = frozenset((Halted, Resumed))
        """Records that are its business."""
        self.due: Halted | None = None
        """The halt that `keep` has to bring to the disk."""
        self._seen = latch.mark()
        known = latch.read()
        self._known = None if known is None else known.mark
        """The throw that a person who resumes here knows of."""
        self.failed = ""
        """Why the last halt will not survive a restart; "" when it will."""

    def write(self, record: Record) -> None:
        if type(record) is Halted:
            self.due = record
        elif type(record) is Resumed:
            self.keep()
            self._lift(record)

    def thrown(self) -> Thrown | None:
        """Why somebody else threw it since we looked last; None when nobody did. Cheap."""
        mark = self._latch.mark()
        if mark == self._seen:
            return None
        self._seen, found = mark, self._latch.read()
        if found is None or found.mark == self._known:
            return None
        self._known = found.mark
        return found

    def keep(self) -> None:
        """Bring a halt that was written down to the disk; before anybody is told of it."""
        record, self.due = self.due, None
        if record is None:
            return
        try:
            if self._latch.read() is None:
                self._known = self._latch.throw(record.reason, record.by, record.at).mark
            self.failed = ""
        except OSError as error:
            self.failed = f"{self._latch.path}: {error.strerror or error}"

    def _lift(self, record: Resumed) -> None:
        known, self._known = self._known, None
        if known is None:
            return
        try:
            self._latch.lift(record.by, record.at, mark=known, to=self._reached())
        except OSError as error:
            self.failed = f"{self._latch.path}: {error.strerror or error}"


class Restarted(NamedTuple):
    """Everything an earlier run has left, and the journal of this one.

    Whoever took over makes a checkpoint once there is time for it; until then a start reads more.
    """

    folder: AccountFolder
    file: JournalFile
    latch: LatchJournal
    state: State
    ids: OrderIds
    told: tuple[Record, ...]
    """What the journal holds of this start already."""
    halted: str
    """Why no order may leave until a person resumes; "" when they may."""
    records: int
    """Records that were read, behind the checkpoint."""
    waiting: tuple[str, ...]
    """Orders of ours of which the venue has to be asked."""
    asked: AskedKeys
    """Keys of what people asked for; the desk adds to them."""
    keeper: Keeper
    """Has a checkpoint made now and then while the desk runs."""
    reducing: str = ""
    """Why only orders that reduce a position may leave."""

    def tend(self, now: int) -> str:
        """Now and then, between two bursts; what to tell, mostly ""."""
        file, latch = self.file, self.latch
        file.tend(now)
        if file.failed or latch.failed or latch.due is not None:
            return ""
        return self.keeper.tend(file.count, file.position, now)

    def checkpoint(self, halted: str, reducing: str = "") -> None:
        """Keep the state as it is now, on the disk; raises `OSError` when the disk refuses.

        None is kept of a halt that the latch has not taken: of that one the records must be read.
        """
        self.file.settle()
        self.file.sync()
        if self.file.failed or self.latch.failed:
            return
        snapshot = take(
            self.state,
            prefix=self.ids.prefix,
            epoch=self.ids.epoch,
            made=self.ids.made,
            halted=halted,
            reducing=reducing,
            asked=self.asked.contents(),
        )
        write_checkpoint(self.folder.path, self.file.position, self.file.chain, snapshot)

    def close(self) -> None:
        """Write, sync, and let another desk in."""
        self.keeper.close()
        self.file.close()
        self.folder.close()


def restart(
    path: Path,
    account: str,
    *,
    now: int,
    entropy: Entropy,
    mode: str = "",
    program: str = "",
    durable: bool = False,
    proof: DeathProof = NO_PROOF,
    booted: int = 0,
    key_lock: Path | None = None,
) -> Restarted:
    """Take this account over; raises `ConfigError` or `JournalFailed` when that cannot be.

    `key_lock` is a file that one desk with the same key holds at a time, wherever its folder is.
    `booted` is when this machine started, 0 when nobody knows: a run that began before and did not
    end in good order went down with it, and what it had not synced is gone.
    """
    folder = AccountFolder.hold(path, account, entropy)
    try:
        if key_lock is not None:
            folder.hold_also(key_lock, "account.key")
        return _restart(
            folder, now, mode=mode, program=program, durable=durable, proof=proof, booted=booted
        )
    except BaseException:
        folder.close()
        raise


def _restart(
    folder: AccountFolder,
    now: int,
    *,
    mode: str,
    program: str,
    durable: bool,
    proof: DeathProof,
    booted: int,
) -> Restarted:
    identity = folder.next_epoch(now)
    replay, history, wrong = recall(folder.path, expected=folder.identity.segment)
    _demand_readable(folder.path, history)
    header = Header(
        installation=identity.installation,
        account=identity.account,
        epoch=identity.epoch,
        segment=identity.segment,
        started=now,
        previous=history.chain.hex(),
    )
    began = history.headers[-1].started if history.headers else booted
    wrong += [_WENT_DOWN] if began < booted and not folder.identity.ended else []
    wrong += _close_past(folder.path, history, identity.segment)
    file = JournalFile(folder.path, header, durable=durable, slated=history.slated)
    folder.take_epoch(identity)
    prefix = account_prefix(identity.installation, identity.account)
    ids = OrderIds(prefix, identity.epoch)
    started = Started(
        at=now, prefix=prefix, epoch=identity.epoch, mode=mode, program=program, proof=proof
    )
    read = replay.taken
    replay.take(started)
    latch = LatchJournal(folder.latch, lambda: file.position)
    switched = _switch(folder.latch, replay, history, now)
    told = (started, *replay.derived(), *switched, *_told(history, replay, wrong, now))
    for record in told:
        latch.write(record)
        file.write(record)
    file.settle()
    latch.keep()
    halted = _reason(switched, replay)
    replay.state.event = None
    return Restarted(
        folder=folder,
        file=file,
        latch=latch,
        state=replay.state,
        ids=ids,
        told=told,
        halted=halted,
        records=read,
        waiting=tuple(order.id for order in replay.state.ledger.open_of("") if order.is_ours),
        asked=replay.asked,
        keeper=Keeper(folder.path),
        reducing=_reduces(switched, replay),
    )


def standing(path: Path) -> Switches:
    """How a desk that starts on this folder will stand, once it may trade.

    Nothing is written. Raises `ConfigError` where it would not start, since a newer version wrote
    this.
    """
    identity = readable_identity(path)
    replay, history, _ = recall(path, expected=identity.segment)
    _demand_readable(path, history)
    switched = _switch(HaltLatch(path), replay, history, 0)
    return Switches(_reason(switched, replay), _reduces(switched, replay), armed=True)


def _reduces(switched: Iterable[Record], replay: Replay) -> str:
    """Why only orders that reduce may leave, once the start has switched this; "" when all may."""
    resumed = any(isinstance(one, Resumed) for one in switched)
    return "" if resumed else replay.switches.reducing


def _reason(switched: Iterable[Record], replay: Replay) -> str:
    """Why trading is halted, once the start has switched this; "" when it is not."""
    for one in switched:
        return one.reason if isinstance(one, Halted) else ""
    return replay.halted


def _demand_readable(path: Path, history: History) -> None:
    if history.worst is not None and history.worst.ill is Ill.NEWER:
        expected = "a journal of this version or older"
        where, found = str(path), str(history.worst)
        raise ConfigError(where=where, found=found, expected=expected)


def recall(path: Path, *, expected: int = 0) -> tuple[Replay, History, list[str]]:
    """The newest good checkpoint and everything after it; and what to tell of worse ones."""
    checkpoint, wrong = newest_good(path)
    since, chain = (
        (START, NOTHING)
        if checkpoint is None
        else (checkpoint.position, bytes.fromhex(checkpoint.chain))
    )
    history = History(path, since, chain=chain, expected=expected)
    replay = Replay(None if checkpoint is None else checkpoint.snapshot)
    for record, text in history.records(replay.expects):
        replay.take(record, text)
    replay.state.missed.clear()  # a start asks for everything before a rule is heard
    return replay, history, [f"checkpoint passed over: {one}" for one in wrong]


def _close_past(path: Path, history: History, segment: int) -> list[str]:
    """Make what an earlier run has left safe to go by; what to tell of it."""
    HaltLatch(path).keep_room()
    _sync_past(path)
    return _slate_aside(path, history, segment)


def _slate_aside(path: Path, history: History, segment: int) -> list[str]:
    """What cannot be taken over from the slate is kept for who reads it; what to tell of it."""
    if history.worst is None and all(flaw.text != ON_SLATE for flaw in history.flaws):
        return []
    try:
        kept = set_aside(path, segment)
    except OSError as error:
        cause = error.strerror or str(error)
        raise JournalFailed(path=str(slate_path(path)), cause=cause) from None
    return [] if kept is None else [f"the slate of the run before is kept as {kept.name}"]


def _sync_past(path: Path) -> None:
    """A run that was killed may have left records that only the kernel knows; we go by them."""
    numbers = segment_numbers(path)
    if not numbers:
        return
    newest = segment_path(path, numbers[-1])
    trim(newest)
    try:
        sync_file(newest)
    except OSError as error:
        raise JournalFailed(path=str(newest), cause=error.strerror or str(error)) from None


def _switch(latch: HaltLatch, replay: Replay, history: History, now: int) -> list[Record]:
    """What changes about the halt at this start. The latch knows; without one the journal does.

    A latch that was lifted before the journal's halt says nothing of it: the run died, or its disk
    refused, before that halt was on the latch. What was before is told by the places in the
    journal, for a clock that was set between the two would tell it wrong.
    """
    thrown, last = latch.read(), latch.last()
    if history.worst is not None:
        return [Halted(at=now, reason=f"the journal: {history.worst}", by="desk")]
    if thrown is not None:
        return [] if replay.halted else [Halted(at=now, reason=thrown.reason, by=thrown.by)]
    if not replay.halted:
        return []
    if last is not None and history.number_of(last.lifted_to) >= replay.halted_by:
        return [Resumed(at=now, by=last.lifted_by)]
    return [Halted(at=now, reason=replay.halted, by="journal")]


def _told(history: History, replay: Replay, wrong: list[str], now: int) -> list[Record]:
    texts = [f"journal: {flaw}" for flaw in history.flaws]
    texts += wrong
    if replay.contradicted:
        first = replay.contradictions[0]
        texts.append(f"journal: {replay.contradicted} contradictions, the first: {first}")
    return [Alerted(at=now, text=text, level="warning", rule="desk") for text in texts]

"""What a restart needs of the state, as one value: orders, trades seen, portfolio, switches, ids.

House rules: the market is not in it, for it is learned anew; nor is when to ask about an order
next, for after a restart everything in doubt is asked about at once; the same state gives the same
bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import msgspec

from pitwire.model.proof import NO_PROOF, DeathProof
from pitwire.trading.journal import sayable_value
from pitwire.trading.portfolio import Contents
from pitwire.trading.shelf import Seen, ShelfContents
from pitwire.trading.state import State


class Snapshot(msgspec.Struct, kw_only=True):
    """Everything that the records of a journal make, up to one of them."""

    prefix: str = ""
    epoch: int = 0
    made: int = 0
    """Ids given in this epoch."""
    halted: str = ""
    reducing: str = ""
    asked: list[str] = []
    """Keys of what people asked for, newest last."""
    shelf: ShelfContents = msgspec.field(default_factory=ShelfContents)
    trades: list[Seen] = []
    sure: dict[str, int] | None = None
    lost_at: int = 0
    proof: DeathProof = NO_PROOF
    late: int = 0
    doubled: int = 0
    portfolio: Contents = msgspec.field(default_factory=Contents)


_ENCODER = msgspec.json.Encoder(decimal_format="string")
_DECODER = msgspec.json.Decoder(Snapshot)


def encode(snapshot: Snapshot) -> bytes:
    """As JSON; text that UTF-8 cannot say is spelt out, as in the journal."""
    try:
        return _ENCODER.encode(snapshot)
    except UnicodeEncodeError:
        return _ENCODER.encode(sayable_value(msgspec.to_builtins(snapshot)))


def decode(text: bytes) -> Snapshot:
    """Raises `msgspec.ValidationError` when it is no snapshot."""
    return _DECODER.decode(text)


def state_hash(snapshot: Snapshot) -> str:
    """The same for the same state, on every machine and in every version of Python."""
    return blake2b(encode(snapshot), digest_size=16).hexdigest()


def take(
    state: State,
    *,
    prefix: str,
    epoch: int,
    made: int,
    halted: str,
    reducing: str = "",
    asked: Iterable[str] = (),
) -> Snapshot:
    """The snapshot of this state; encode it before the state goes on."""
    shelf, trades, _ = state.ledger.memory
    return Snapshot(
        prefix=prefix,
        epoch=epoch,
        made=made,
        halted=halted,
        reducing=reducing,
        asked=list(asked),
        shelf=shelf.contents(),
        trades=trades.contents(),
        sure=trades.sure,
        lost_at=trades.lost_at,
        proof=state.ledger.proof,
        late=state.ledger.late,
        doubled=state.ledger.doubled,
        portfolio=state.portfolio.contents(),
    )


def restore(snapshot: Snapshot, state: State) -> None:
    """Put a snapshot into a state that is still empty."""
    ledger = state.ledger
    shelf, trades, doubts = ledger.memory
    shelf.restore(snapshot.shelf)
    trades.restore(snapshot.trades, snapshot.sure, snapshot.lost_at)
    ledger.proof = snapshot.proof
    ledger.late, ledger.doubled = snapshot.late, snapshot.doubled
    doubts.restore(snapshot.shelf.orders)
    ledger.pursuit.restore(snapshot.shelf.orders)
    state.portfolio.restore(snapshot.portfolio)


def same_state(kept: Snapshot, made: Snapshot) -> bool:
    """Whether both are one state; one kept before proofs, the venue's clock, the times of first
    balances or losses were is judged by what it says."""
    if state_hash(kept) == state_hash(made):
        return True
    return any(
        state_hash(older(kept)) == state_hash(kept) == state_hash(older(made))
        for older in (_without_losses, _without_openings, _without_clock, _without_proofs)
    )


def _without_losses(snapshot: Snapshot) -> Snapshot:
    return msgspec.structs.replace(snapshot, sure=None, lost_at=0)


def _without_openings(snapshot: Snapshot) -> Snapshot:
    snapshot, change = _without_losses(snapshot), msgspec.structs.replace
    return change(snapshot, portfolio=change(snapshot.portfolio, opened_at={}))


def _without_clock(snapshot: Snapshot) -> Snapshot:
    snapshot, change = _without_openings(snapshot), msgspec.structs.replace
    portfolio = change(snapshot.portfolio, offset=None, offset_error=0, stamps_from=0)
    return change(snapshot, portfolio=portfolio)


def _without_proofs(snapshot: Snapshot) -> Snapshot:
    snapshot = _without_clock(snapshot)
    change, shelf = msgspec.structs.replace, snapshot.shelf
    orders = [
        change(one, doubted_at=0, dead_from=0, absences=0, absent_at=0, counted=False, proof=None)
        for one in shelf.orders
    ]
    portfolio = change(snapshot.portfolio, counted_from=0)
    return change(snapshot, proof=NO_PROOF, shelf=change(shelf, orders=orders), portfolio=portfolio)

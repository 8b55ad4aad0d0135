"""From what a witness saw to an outcome: what a script demands, checked one by one.

House rules: pure; a complaint says what was found and what was expected.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import msgspec

from pitwire.model.clock import SECOND
from pitwire.sim.kit import Demand, Script
from pitwire.sim.truth import Truth
from pitwire.torture.outcome import Outcome
from pitwire.torture.witness import GRACE_SECONDS, MOST_TOLD, Witness

DIALS_WITHIN = 600 * SECOND
"""In any so long no more may be dialled than a script allows."""


class Period(msgspec.Struct, frozen=True):
    """When it went wrong, and how long it was watched; ns of the right time."""

    begun: int
    broke: int
    """When the first fault happened."""
    over: int
    """When the last one was over."""
    ended: int


def judge(
    script: Script,
    witness: Witness,
    truth: Truth,
    *,
    period: Period,
    way: str,
    seed: int,
    happened: int,
    growth: int | None,
    closed: str = "",
) -> Outcome:
    """What came of a script; `closed` says why the session is over, if it is."""
    notice = witness.first_notice(period.broke)
    back = witness.back_since(period.over)
    dials = sorted(at for at in (*truth.dials, *truth.refused_dials) if at >= period.broke)
    lost = witness.lost(period.ended - round(GRACE_SECONDS * SECOND))
    found = Outcome(
        fault=script.id,
        title=script.title,
        way=way,
        source=script.source,
        seed=seed,
        noticed_after=None if notice is None else (notice[0] - period.broke) / SECOND,
        noticed_by="" if notice is None else notice[1],
        back_after=None if back is None else max(0, back - period.over) / SECOND,
        lost=sum(map(len, lost.values())),
        doubled=len(witness.doubled),
        gaps=witness.gaps,
        named=sum(map(len, witness.named.values())),
        compared=witness.compared,
        wrong=len(witness.wrong),
        dials=len(dials),
        delivered=witness.seen["Trade"],
        happened=happened,
        growth=growth,
        seconds=(period.ended - period.begun) / SECOND,
    )
    complaints = [
        *(f"lost untold: {symbol} {_some(ids)}" for symbol, ids in lost.items()),
        *witness.doubled[:MOST_TOLD],
        *witness.wrong[:MOST_TOLD],
        *witness.untold[:MOST_TOLD],
        *(f"a limit of the venue was broken: {each}" for each in truth.refusals[:MOST_TOLD]),
        *_timing(script.demand, found),
        *_manners(script.demand, dials, witness, truth),
    ]
    if closed:
        complaints.append(f"the session is over: {closed}")
    if not happened and script.demand.certain:
        complaints.append("the fault never happened")
    return msgspec.structs.replace(found, complaints=tuple(complaints))


def _timing(demand: Demand, found: Outcome) -> list[str]:
    complaints = []
    allowed = demand.noticed_within_seconds
    if allowed:
        took = found.noticed_after
        if took is None or took > allowed:
            told = "never" if took is None else f"after {took:.2f} s"
            complaints.append(f"noticed {told}, expected within {allowed:g} s")
    took = found.back_after
    if took is None or took > demand.back_within_seconds:
        told = "not back" if took is None else f"back after {took:.2f} s"
        complaints.append(f"{told}, expected within {demand.back_within_seconds:g} s")
    return complaints


def _manners(demand: Demand, dials: Sequence[int], witness: Witness, truth: Truth) -> list[str]:
    complaints = []
    if demand.unnoticed and witness.troubles:
        told = ", ".join(what for _, what in witness.troubles[:MOST_TOLD])
        complaints.append(f"told of trouble where there was none: {told}")
    most = max((bisect_left(dials, at + DIALS_WITHIN) - i for i, at in enumerate(dials)), default=0)
    if demand.most_dials and most > demand.most_dials:
        expected = f"expected {demand.most_dials} at most"
        complaints.append(f"dialled {most} times within ten minutes, {expected}")
    if demand.kept and dials:
        complaints.append(f"dialled {len(dials)} times, expected none")
    if demand.sole:
        complaints += [f"asked twice: {each}" for each in truth.asked_twice[:MOST_TOLD]]
    return complaints


def _some(ids: list[int]) -> str:
    told = ", ".join(map(str, ids[:MOST_TOLD]))
    return f"trade {told}" + (f" and {len(ids) - MOST_TOLD} more" if len(ids) > MOST_TOLD else "")

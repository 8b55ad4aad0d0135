"""Cards about connections (C)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import msgspec

from pitwire.conformance.cards import Card, Exam, Found, trades, wrong
from pitwire.conformance.courses import BACK_SECONDS, Meeting, channels_of
from pitwire.conformance.overhearing import PRIVATE, Heard, Said
from pitwire.model.clock import SECOND
from pitwire.model.errors import PitwireError, StateError
from pitwire.model.events import Authenticated, Balance, Lost, Rejected, Subscribed
from pitwire.session.session import Session
from pitwire.session.setup import connections_limit
from pitwire.sim.faults import BlackHole, CloseWith
from pitwire.torture.witness import FLOWS, GRACE_SECONDS

NOTICED_SECONDS = 10.0
"""By then a connection on which nothing comes any more must be given up."""
_CALM_SECONDS = 70.0
"""So long after a close the next comes: what was learned of the last one is forgotten."""
_HTTP = 0
"""The link of what went over HTTP."""
_HELD_SECONDS = 20.0
_DEAD_AT = 2.0
"""Where no market is and no word has come: heartbeats alone can tell."""


# ── C1 to C4: a session that loses everything once ────────────────────────────────────────────


class Life(msgspec.Struct, frozen=True):
    """A session that was cut off once."""

    meeting: Meeting
    cut_at: int
    back: bool
    balances: int
    """Told after the second login, when they were asked for."""


def lived(exam: Exam) -> Life:
    """Log in, subscribe, be cut off, come back, ask."""
    return exam.once("life", lambda: Meeting(exam, exam.world(), channels_of(exam)).run(_lose))


async def _lose(meeting: Meeting, session: Session) -> Life:
    can = meeting.exam.venue.can
    if can.orders:
        await session.authenticate_websocket(meeting.credentials())
        if can.order_streams:
            await session.subscribe_to_order_updates()
    await meeting.subscribe(session)
    if not await meeting.flows(0):
        raise TimeoutError(f"nothing flows: {silent(meeting, 0)}")
    cut_at = meeting.cut()
    await asyncio.sleep(2 * GRACE_SECONDS)  # what was fetched anew may be quiet so long
    back = await meeting.flows(cut_at + 1)
    balances = 0
    if can.orders:
        admitted = await meeting.until(lambda: session.may_trade, within_seconds=BACK_SECONDS)
        before = len(meeting.overheard.events(Balance))
        if admitted:
            session.ask_account(meeting.now)
            await asyncio.sleep(3.0)
        balances = len(meeting.overheard.events(Balance)) - before
    return Life(meeting, cut_at, back, balances)


def restored(exam: Exam) -> Found:
    """After a loss everything wanted flows again."""
    life = lived(exam)
    wanted = life.meeting.wanted
    if not life.back:
        what = silent(life.meeting, life.cut_at + 1)
        return wrong(0, "subscriptions", f"{what} not back within {BACK_SECONDS:g} s")
    return Found(len(wanted), "subscriptions restored")


def asked_once(exam: Exam) -> Found:
    """On each connection each thing is asked for once."""
    meeting = lived(exam).meeting
    # A private stream of its own is asked for again when it alone is lost.
    once = ["subscribe", "login"] + ["watch_orders"] * (exam.venue.private is None)
    overheard, looked = meeting.overheard, 0
    for link in overheard.links():
        asked: Counter[object] = Counter()
        for one in overheard.said(*once):
            if one.link == link:
                asked.update(one.args[0] if one.call == "subscribe" else [one.call])
        looked += len(asked)
        for what, times in asked.items():
            if times > 1:
                return wrong(looked, "asks", f"link {link}: {what} was asked for {times} times")
    if meeting.truth.asked_twice:  # a venue whose asks it can read says so itself
        return wrong(looked, "asks", f"at the venue: {meeting.truth.asked_twice[0]}")
    return Found(looked, "asks, each once a connection")


def login_first(exam: Exam) -> Found:
    """A login is the first thing that a new connection for orders hears, and it holds."""
    life = lived(exam)
    overheard = life.meeting.overheard
    logins = overheard.said("login")
    for link in dict.fromkeys(one.link for one in overheard.said("login", *PRIVATE)):
        first = next(one for one in overheard.said("login", *PRIVATE) if one.link == link)
        # What goes over HTTP alone is waited with for the login of another connection.
        late = link == _HTTP and any(one.at <= first.at for one in logins)
        if first.call != "login" and not late:
            return wrong(len(logins), "logins", f"link {link}: {first.call} before the login")
    if not any(one.at > life.cut_at for one in logins):
        return wrong(len(logins), "logins", "no login after the loss")
    for event in overheard.events(Rejected):
        if isinstance(event, Rejected) and event.received > life.cut_at:
            told = f"{event.what} was refused after the second login: {event.code} {event.text}"
            return wrong(len(logins), "logins", told)
    if not life.balances:
        return wrong(len(logins), "logins", "the account was not told after the second login")
    return Found(len(logins), "logins, each first")


def private_waits(exam: Exam) -> Found:
    """Nothing private leaves before the venue has accepted a login, nor after it refused one."""
    looked = _before_login(lived(exam).meeting)
    if isinstance(looked, str):
        return wrong(0, "private asks", looked)
    if exam.venue.keyless:  # there is no secret that could be another's
        return Found(looked, "private asks, all after the login")
    meeting = Meeting(exam, exam.world(), channels_of(exam, "ticker"))
    meeting.run(_be_refused)
    if meeting.overheard.events(Authenticated):
        return wrong(looked, "private asks", "a login with another's secret was taken for accepted")
    left = meeting.overheard.said(*PRIVATE)
    if left:
        return wrong(looked, "private asks", f"{left[0].call} left after a refused login")
    return Found(looked + 1, "private asks, all after the login")


async def _be_refused(meeting: Meeting, session: Session) -> None:
    mine, other = (meeting.world.keys_of(name) for name in ("main", "rival"))
    kind = meeting.exam.candidate.keys
    wrong_ones = type(meeting.credentials())(mine[kind][0], other[kind][1])
    with suppress(PitwireError, TimeoutError):
        async with asyncio.timeout(20):
            await session.authenticate_websocket(wrong_ones)
    if not meeting.exam.venue.market_login:  # else it would log in by the right ones
        with suppress(PitwireError, TimeoutError):
            async with asyncio.timeout(20):
                await session.subscribe_to_order_updates()
    with suppress(StateError):
        session.ask_account(meeting.now)
    await asyncio.sleep(3.0)


def _before_login(meeting: Meeting) -> int | str:
    admitted: set[int] = set()
    orders_link = looked = 0
    for one in meeting.overheard.log:
        match one:
            case Said(call="login", link=link):
                orders_link = link
            case Heard(event=Authenticated()):
                admitted.add(orders_link)
            case Said(call=call, link=link) if call in PRIVATE:
                if link not in admitted and not (link == _HTTP and admitted):
                    return f"link {link}: {call} before the login was accepted"
                looked += 1
            case _:
                pass
    return looked


# ── C5, C6 ────────────────────────────────────────────────────────────────────────────────────


def stall_noticed(exam: Exam) -> Found:
    """A connection on which nothing comes any more is given up in time."""
    # A venue that lets in one connection holds on to the dead one until it learns of its end.
    lasts = _HELD_SECONDS if connections_limit(exam.venue) else 0.0
    hole = BlackHole(link="market*", at_seconds=_DEAD_AT, for_seconds=lasts)
    world = exam.world(faults=(hole,), scenario=None)
    meeting = Meeting(exam, world, channels_of(exam, "ticker"))
    begun = meeting.now
    dead = begun + round(_DEAD_AT * SECOND)

    def told(kind: type[Lost | Subscribed]) -> list[int]:
        heard = [one for one in meeting.overheard.log if isinstance(one, Heard) and one.at >= dead]
        return [one.at for one in heard if isinstance(one.event, kind)]

    async def story(meeting: Meeting, session: Session) -> tuple[float | None, bool]:
        await meeting.subscribe(session)
        lost = await meeting.until(lambda: told(Lost), within_seconds=120)
        back = await meeting.until(lambda: told(Subscribed), within_seconds=BACK_SECONDS)
        return (told(Lost)[0] - dead) / SECOND if lost else None, back

    after, back = meeting.run(story)
    if after is None or after > NOTICED_SECONDS:
        when = "never" if after is None else f"after {after:.1f} s"
        return wrong(0, "stalls", f"given up {when}, expected within {NOTICED_SECONDS:g} s")
    return Found(1, f"stall, given up after {after:.1f} s") if back else wrong(1, "", "not back")


def closes_handled(exam: Exam) -> Found:
    """Each close of the papers, one after another, and what the papers want done."""
    closes = exam.golden.papers.closes
    for number, (code, then) in enumerate(closes.items()):
        example = _closed(exam, int(code), then)
        if example:
            return wrong(number, "closes", f"close code {code}: {example}")
    return Found(len(closes), "documented closes")


def _closed(exam: Exam, code: int, then: str) -> str:
    times = {"reconnect": 1, "policy": 3, "halt": 1}[then]
    faults = [
        CloseWith(link="market*", at_seconds=10 + number * _CALM_SECONDS, code=code)
        for number in range(times)
    ]
    channels = channels_of(exam, "ticker")
    meeting = Meeting(exam, exam.world(faults=tuple(faults), scenario="quiet"), channels)
    begun = meeting.now

    async def story(meeting: Meeting, session: Session) -> str:
        over = asyncio.ensure_future(session.process_incoming_data())
        try:
            await meeting.subscribe(session)
            for fault in faults:
                at = begun + round(fault.at_seconds * SECOND)
                await asyncio.sleep(max(0.0, (at - meeting.now) / SECOND))
                last = fault is faults[-1] and then != "reconnect"
                if last:
                    halted = await meeting.until(over.done, within_seconds=BACK_SECONDS)
                    return "" if halted else f"the session goes on, expected {then}"
                if not await meeting.flows(at + 1):
                    return f"not back within {BACK_SECONDS:g} s, expected {then}"
            return ""
        finally:
            over.cancel()

    return meeting.run(story)


# ── within ────────────────────────────────────────────────────────────────────────────────────


def silent(meeting: Meeting, since: int) -> str:
    times = meeting.witness.flows
    return ", ".join(
        f"{channel} {symbol}"
        for channel, symbol in meeting.wanted
        if not any(at >= since for at, _ in times.get((FLOWS[channel], symbol), ()))
    )


def _cards() -> Iterator[Card]:
    yield Card("C1", "restoration", "everything wanted flows again after a loss", restored)
    yield Card("C2", "single asks", "each thing is asked for once a connection", asked_once)
    yield Card("C3", "login first", "and it holds, after a loss too", login_first, trades)
    yield Card("C4", "private asks", "wait for an accepted login", private_waits, trades)
    yield Card("C5", "stalls", f"are noticed within {NOTICED_SECONDS:g} s", stall_noticed)
    yield Card("C6", "closes", "every documented one is handled as documented", closes_handled)


CARDS = tuple(_cards())

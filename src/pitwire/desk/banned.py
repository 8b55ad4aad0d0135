"""A desk and the venue's bans: what an earlier run was told is obeyed, what this one is told kept.

House rules: while a ban lasts nothing is dialled and nothing asked, from the first moment of a
start; a file that cannot be read or written is told of, and stops nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pitwire.desk.desk import Desk
from pitwire.model.clock import SECOND, Clock, to_second
from pitwire.model.errors import RateLimited, Unsound
from pitwire.session.bans import Ban, Bans
from pitwire.session.obedience import obey
from pitwire.session.pacing import Pacing
from pitwire.store.bans import read_bans, write_bans
from pitwire.venues.venue import Endpoints, Reply

KEPT_FROM_SECONDS = 5.0
"""A silence shorter than this is over before a restart could break it, and is not written down."""
_LOOK_SECONDS = 1.0


def bans_of(desk: Desk) -> Bans:
    """What is known of bans in this account's folder; what becomes known is written there."""
    if desk.restarted is None:
        return Bans(keep=_Keeper(desk, None))
    folder, known = desk.restarted.folder.path, tuple[Ban, ...]()
    try:
        known = read_bans(folder)
    except (OSError, Unsound) as error:
        desk.alert(f"what the venue had banned us for is not known: {error}", desk.clock.now())
    return Bans(known, keep=_Keeper(desk, folder))


async def sit_out(desk: Desk, bans: Bans, endpoints: Endpoints) -> None:
    """Wait for the end of a ban that an earlier run was told of, if one still lasts."""
    until = max(bans.until(endpoints, scope) for scope in ("dials", "weight"))
    now = desk.clock.now()
    if until <= now:
        return
    text = f"the venue has banned this address until {to_second(until)}: nothing is dialled before"
    desk.alert(text, now)
    while (left := until - desk.clock.now()) > 0:
        desk.switchboard.tend()
        await asyncio.sleep(min(left / SECOND, _LOOK_SECONDS))


@contextmanager
def remembered(bans: Bans, endpoints: Endpoints, clock: Clock) -> Iterator[None]:
    """What is asked in here before there is a session: a refusal that wants silence is known."""
    try:
        yield
    except RateLimited as error:
        pacing = Pacing(())
        bans.join(pacing, endpoints)
        obey(Reply(0, error), pacing, clock.now())
        raise


class _Keeper:
    """Tells a person of each silence that lasts, once, and writes it down where there is a
    folder."""

    def __init__(self, desk: Desk, folder: Path | None) -> None:
        self._desk, self._folder = desk, folder
        self._told = 0

    def __call__(self, bans: tuple[Ban, ...]) -> None:
        desk, now = self._desk, self._desk.clock.now()
        lasting = tuple(ban for ban in bans if ban.until - now > KEPT_FROM_SECONDS * SECOND)
        if not lasting:
            return
        until = max(ban.until for ban in lasting)
        if until > self._told:
            self._told = until
            text = (
                f"the venue wants silence until {to_second(until)}: nothing is asked of it before"
            )
            desk.alert(text, now)
        if self._folder is None:
            return
        try:
            write_bans(self._folder, lasting)
        except OSError as error:
            text = f"a restart will not know of the venue's ban: {error.strerror or error}"
            desk.alert(text, now)

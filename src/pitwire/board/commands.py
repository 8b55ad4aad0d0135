"""What a page may ask of a desk: halt, flatten, resume, cancel; each once, all journalled.

House rules: nothing changes by looking: a command is a POST with the token for control in a header
that no foreign page can set; the same key again is the same decision; it says until when somebody
waits for it, and but for a halt is not carried out later; what is answered is what the desk has
answered, and when it has not, that is said.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from pitwire.board.gate import CONTROL
from pitwire.board.server import BoardServer
from pitwire.desk.control import Ask, Control, Told, ask_desk
from pitwire.desk.desk import Desk
from pitwire.model.clock import MILLISECOND, SECOND, since_boot

PATH = "/command"
BY = "board"
"""Who asked, in the journal."""
PATIENCE_SECONDS = 5.0

Obey = Callable[[Ask], Awaitable[Told | None]]
"""Carries a request out; None when no desk has answered."""


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a command."""

    do: Literal["halt", "flatten", "resume", "cancel"]
    key: Annotated[str, Meta(min_length=16, max_length=64)]
    desk: Annotated[str, Meta(max_length=200)] = ""
    """Its name, where a board shows several."""
    reason: Annotated[str, Meta(max_length=200)] = ""
    order: Annotated[str, Meta(max_length=64)] = ""
    """The id of the order to cancel."""
    not_after: Annotated[float, Meta(ge=0)] = 0.0
    """When whoever asks has given up, ms since the desk's machine started; 0 for a halt alone."""


def serve_commands(server: BoardServer, obeys: Mapping[str, Obey]) -> None:
    """Let a board's server take commands, too, for each desk by its name."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if await server.rights(request) != CONTROL:
            raise web.HTTPForbidden(reason="this token may only look")
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType(reason="expected application/json")
        try:
            command = msgspec.json.decode(await request.read(), type=Command)
        except msgspec.MsgspecError as error:
            return web.Response(status=400, text=f"not understood: {error}\n")
        if command.do != "halt" and not command.not_after:
            return web.Response(status=400, text="not_after: found none, expected a time\n")
        obey = obeys.get(command.desk)
        if obey is None:
            text = f"desk: found {command.desk!r}, expected one of {', '.join(obeys)}\n"
            return web.Response(status=400, text=text)
        told = await obey(_ask_of(command))
        if told is None:
            return web.Response(status=504, text="the desk has not answered\n")
        return web.Response(body=msgspec.json.encode(told), content_type="application/json")

    server.add("POST", PATH, handle)
    server.acts = True


def _ask_of(command: Command) -> Ask:
    return Ask(
        do=command.do,
        by=BY,
        reason=command.reason,
        order=command.order,
        key=f"{BY}-{command.key}",
        not_after=round(command.not_after * MILLISECOND),
    )


def within(desk: Desk) -> Obey:
    """Commands to a desk of this process."""
    control = Control(Path(), desk.switchboard)

    async def obey(ask: Ask) -> Told | None:
        return control.obey(ask)

    return obey


def at_door(folder: Callable[[], Path]) -> Obey:
    """Commands to the desk that runs on this folder, which is asked for each time."""

    async def obey(ask: Ask) -> Told | None:
        until = since_boot() + round(PATIENCE_SECONDS * SECOND)
        soon = msgspec.structs.replace(ask, not_after=min(ask.not_after or until, until))
        return await ask_desk(folder(), soon, within_seconds=PATIENCE_SECONDS)

    return obey

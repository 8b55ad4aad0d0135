"""What a viewer may say, over whichever socket, and what follows from it."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from pitwire.board.digits import milliseconds
from pitwire.board.hub import VIEWS, Viewer
from pitwire.model.clock import since_boot


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Views to look at, an answer to a frame, a wish for everything, a question of the clock."""

    do: Literal["look", "answer", "all", "clock"]
    views: Annotated[tuple[Annotated[str, Meta(max_length=64)], ...], Meta(max_length=VIEWS)] = ()
    seq: int = 0
    at: float = 0.0


_DECODER = msgspec.json.Decoder(Said)


def decode_said(text: str | bytes) -> Said:
    """Raises `msgspec.MsgspecError` for what is nothing a viewer may say."""
    return _DECODER.decode(text)


def hear(viewer: Viewer, said: Said, now: int) -> None:
    """Do what a viewer wants."""
    match said.do:
        case "look":
            viewer.look_at(said.views)
        case "answer":
            viewer.answer(said.seq)
        case "all":
            viewer.ask_for_all()
        case "clock":
            boot = milliseconds(since_boot())
            viewer.notify({"kind": "clock", "at": said.at, "now": milliseconds(now), "boot": boot})

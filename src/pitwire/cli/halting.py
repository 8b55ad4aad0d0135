"""The kill switch of `pitwire watch`: a word typed in full, and told as `pitwire kill` tells it.

House rules: no single key halts anything; nothing is called done before the desk has said so, and
what went wrong stays on the screen; it asks at the desk's door, so it works while what is shown is
stale.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from rich.text import Text

from pitwire.board.remote import Remote
from pitwire.cli.switch import told_of
from pitwire.desk.control import NO_REASON
from pitwire.desk.switch import kill
from pitwire.model.errors import PitwireError

WORD = "HALT"
BY = "watch"
"""Who asked, in the journal."""
_ESCAPE, _ENTER, _BACK = "\x1b", "\r\n", "\x7f\b"


class Halting:
    """Shift+K, the word, Enter."""

    def __init__(self) -> None:
        self._typed: str | None = None
        self._desks: dict[str, Remote] = {}
        self._told: dict[str, list[str]] = {}
        self._asking: set[asyncio.Task[None]] = set()

    def press(self, key: str, desks: Mapping[str, Remote]) -> bool:
        """Take a key that is meant for this; the desks are those that are shown."""
        if self._typed is None:
            if key == "K":
                self._typed, self._desks, self._told = "", dict(desks), {}
            return key == "K"
        if key == _ESCAPE:
            self._typed = None
        elif key in _BACK:
            self._typed = self._typed[:-1]
        elif key in _ENTER:
            if self._typed == WORD:
                self._typed = None
                self._ask_all()
        elif key.isprintable():
            self._typed = (self._typed + key)[: 2 * len(WORD)]
        return True

    def _ask_all(self) -> None:
        for name, desk in self._desks.items():
            self._told[name] = ["asked; waiting for the desk …"]
            asking = asyncio.ensure_future(self._ask(name, desk))
            self._asking.add(asking)
            asking.add_done_callback(self._asking.discard)

    async def _ask(self, name: str, desk: Remote) -> None:
        try:
            self._told[name] = told_of(await kill(desk.folder, reason=NO_REASON, by=BY))
        except (PitwireError, OSError) as error:
            self._told[name] = [f"not done: {error}", f"pitwire kill {desk.folder}"]

    async def settle(self) -> None:
        """Wait until every desk that was asked has been heard, or given up."""
        await asyncio.gather(*self._asking)

    def lines(self) -> list[Text]:
        """What is asked of whoever types, and what has become of it."""
        if self._typed is not None:
            return [Text(f"{self._question()}{self._typed}▏", style="bold white on red")]
        return [
            Text(f"{name}  {line}" if name else line, style="bold")
            for name, lines in self._told.items()
            for line in lines
        ]

    def _question(self) -> str:
        tables = [desk.common.tables for desk in self._desks.values()]
        orders = sum(bool(row["open"]) for one in tables for row in one.get("orders", {}).values())
        held = sum(row[1] != "flat" for one in tables for row in one.get("positions", {}).values())
        names = ", ".join(name for name in self._desks if name)
        return (
            f"Halt{f' {names}' if names else ''}: cancel {orders} working orders, block new ones, "
            f"leave {held} positions open. Type {WORD} and Enter; Esc leaves: "
        )

"""The broker's line and its data farms, which are lost and come back (ibkr §8.3).

House rules: codes and texts are those of the broker's other API, where they are documented; that
they are told on this one, and how, is (unconfirmed) and so adjustable.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from pitwire.sim.facades.ibkr_options import NoticeTopic

Told = Literal["both", "status", "notice"]
"""Where it is said that the line is lost, and back."""
CODES: dict[int, str] = {
    1100: "Connectivity between IBKR and the client has been lost.",
    1101: "Connectivity between IBKR and the client has been restored - data lost.",
    1102: "Connectivity between IBKR and the client has been restored - data maintained.",
    2103: "Market data farm connection is broken:{farm}",
    2104: "Market data farm connection is OK:{farm}",
    2105: "HMDS data farm connection is broken:{farm}",
    2106: "HMDS data farm connection is OK:{farm}",
    2107: "HMDS data farm connection is inactive but should be available upon demand.{farm}",
    2108: "Market data farm connection is inactive but should be available upon demand.{farm}",
}
"""Code → text, (unconfirmed) on this API."""
LOST, BACK_WITHOUT, BACK_WITH = 1100, 1101, 1102
FARM_BROKEN, FARM_OK = 2103, 2104
HISTORY_BROKEN, HISTORY_OK = 2105, 2106
WELL = {FARM_BROKEN: FARM_OK, 2108: FARM_OK, HISTORY_BROKEN: HISTORY_OK, 2107: HISTORY_OK}
"""What a farm says when it is well again."""


class Line:
    """Whether data come, and what is told of it."""

    def __init__(
        self,
        *,
        topic: NoticeTopic,
        tell: Callable[[dict[str, object]], None],
        connect: Callable[[bool, int], None],
        forget: Callable[[int], None],
        resume: Callable[[int], None],
    ) -> None:
        self._topic = topic
        self._tell = tell
        """Say it to every socket."""
        self._connect = connect
        """Whether there is a line to the broker."""
        self._forget = forget
        """All subscriptions to market data are gone."""
        self._resume = resume
        """They go on."""
        self.is_lost = False
        self.broken: set[str] = set()
        """Farms of market data that are broken."""
        self.no_history: set[str] = set()

    @property
    def flows(self) -> bool:
        """Whether market data come."""
        return not (self.is_lost or self.broken)

    def lose(self, now: int, told: Told = "both") -> None:
        """The line is gone (1100)."""
        self.is_lost = True
        if told != "notice":
            self._connect(False, now)
        if told != "status":
            self.notice(LOST)

    def restore(self, now: int, *, data_kept: bool, told: Told = "both") -> None:
        """It is back, with what was subscribed to (1102) or without (1101)."""
        if not self.is_lost:
            return
        self.is_lost = False
        if not data_kept:
            self._forget(now)
        if told != "notice":
            self._connect(True, now)
        if told != "status":
            self.notice(BACK_WITH if data_kept else BACK_WITHOUT)
        self._resume(now)

    def farm(self, code: int, name: str, now: int, *, data_kept: bool = True) -> None:
        """A word of a farm, and what it means: 2103 stops market data, 2105 history."""
        if code == FARM_BROKEN:
            self.broken.add(name)
            if not data_kept:
                self._forget(now)
        elif code == FARM_OK:
            self.broken.discard(name)
        elif code == HISTORY_BROKEN:
            self.no_history.add(name)
        elif code == HISTORY_OK:
            self.no_history.discard(name)
        self.notice(code, name)
        if code == FARM_OK:
            self._resume(now)

    def notice(self, code: int, farm: str = "") -> None:
        """Tell of a code on the topic that was chosen; an unknown one has no words."""
        text = CODES.get(code, "").format(farm=farm)
        if self._topic == "error":
            self._tell({"topic": "error", "error": text, "code": code})
        elif self._topic == "ntf":
            args = {"id": str(code), "text": text, "title": "Notice", "url": ""}
            self._tell({"topic": "ntf", "args": args})
        elif self._topic == "blt":
            self._tell({"topic": "blt", "args": {"id": str(code), "message": text}})

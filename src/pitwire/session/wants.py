"""What is wanted on a connection, what was asked for, what the venue confirmed.

House rules: pure. After a loss everything wanted is asked for again, each ask in exactly one
request; many asks share a request, since a venue counts messages and not streams.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from enum import Enum
from itertools import islice

from pitwire.venues.venue import Ask


class Stage(Enum):
    WANTED = "wanted"
    ASKED = "asked"
    CONFIRMED = "confirmed"


class Wants:
    """The asks of one connection, in the order they were first wanted."""

    def __init__(self, pack: int = 200, *, acknowledged: bool = True) -> None:
        self._pack, self._acknowledged = pack, acknowledged
        """How many asks share a request; whether the venue answers them, so that data that may be
        late ones need not prove anything."""
        self._stages: dict[Ask, Stage] = {}
        self._todo: dict[Ask, None] = {}
        self._drops: dict[Ask, None] = {}
        self._halves: deque[tuple[Ask, ...]] = deque()
        self._open: set[Ask] = set()
        """Asked for, and not confirmed yet."""
        self._ended: set[Ask] = set()
        """Ended on this connection: what proves that they begin anew may be late data."""

    def __len__(self) -> int:
        return len(self._stages)

    def __contains__(self, ask: object) -> bool:
        return ask in self._stages

    def __iter__(self) -> Iterator[Ask]:
        return iter(self._stages)

    def is_confirmed(self, ask: Ask) -> bool:
        """Whether the venue has said yes on this connection."""
        return self._stages.get(ask) is Stage.CONFIRMED

    @property
    def has_asks(self) -> bool:
        """Whether a stream is to be asked for."""
        return bool(self._todo)

    @property
    def has_drops(self) -> bool:
        """Whether a stream is to be ended."""
        return bool(self._drops)

    @property
    def speaks(self) -> bool:
        """Either of the two."""
        return bool(self._todo or self._drops)

    def add(self, asks: Iterable[Ask]) -> None:
        """Want these; what is wanted already stays as it is."""
        for ask in asks:
            if ask not in self._stages:
                self._put_back(ask)

    def remove(self, asks: Iterable[Ask]) -> list[Ask]:
        """Want these no more; returns those that were wanted."""
        gone = [ask for ask in dict.fromkeys(asks) if ask in self._stages]
        for ask in gone:
            self._todo.pop(ask, None)
            self._open.discard(ask)
            if self._stages.pop(ask) is not Stage.WANTED:
                self._drops[ask] = None
                if self._acknowledged:
                    self._ended.add(ask)
        return gone

    def again(self, ask: Ask) -> bool:
        """End this and begin it anew, once it is confirmed; whether it is to be."""
        if self._stages.get(ask) is not Stage.CONFIRMED:
            return False
        self._drops[ask] = None
        self._ended.add(ask)
        self._put_back(ask)
        return True

    def begin_again(self) -> None:
        """A new connection: nothing is asked for and nothing confirmed."""
        for ask in self._stages:
            self._put_back(ask)
        self._drops.clear()
        self._halves.clear()
        self._ended.clear()

    def next_drops(self) -> tuple[Ask, ...]:
        """The next request's worth of streams to end."""
        pack = tuple(islice(self._drops, self._pack))
        for ask in pack:
            del self._drops[ask]
        return pack

    def drop_again(self, asks: Iterable[Ask]) -> None:
        """The venue could not end these; those still unwanted are to be ended again."""
        for ask in asks:
            if ask not in self._stages:
                self._drops[ask] = None

    def next_asks(self) -> tuple[Ask, ...]:
        """The next request's worth of streams to begin; they count as asked for."""
        pack: tuple[Ask, ...] = ()
        while self._halves and not pack:
            pack = tuple(ask for ask in self._halves.popleft() if ask in self._todo)
        pack = pack or tuple(islice(self._todo, self._pack))
        for ask in pack:
            del self._todo[ask]
            self._stages[ask] = Stage.ASKED
        self._open.update(pack)
        return pack

    def confirm(self, asks: Iterable[Ask]) -> list[Ask]:
        """The venue said yes; returns those that are still wanted."""
        agreed = [ask for ask in asks if self._stages.get(ask) is Stage.ASKED]
        for ask in agreed:
            self._stages[ask] = Stage.CONFIRMED
        self._open.difference_update(agreed)
        return agreed

    @property
    def is_waiting(self) -> bool:
        """Whether anything that was asked for is not confirmed yet."""
        return bool(self._open)

    def prove(self, ask: Ask) -> list[Ask]:
        """Its data came: as good as a yes, unless they may be those of an earlier ask."""
        return self.confirm((ask,)) if ask not in self._ended else []

    def unconfirmed(self, asks: Iterable[Ask]) -> list[Ask]:
        """Those that were asked for and have no answer yet."""
        return [ask for ask in asks if self._stages.get(ask) is Stage.ASKED]

    def refuse(self, asks: tuple[Ask, ...]) -> list[Ask]:
        """The venue said no to a request; returns the ask that is to blame, if that is known.

        A request with several asks is split and asked again in halves, so that one bad ask takes
        no other with it.
        """
        blamed = [ask for ask in asks if self._stages.get(ask) is Stage.ASKED]
        if len(asks) == 1:
            for ask in blamed:
                del self._stages[ask]
                self._open.discard(ask)
            return blamed
        self.postpone(blamed)
        middle = (len(blamed) + 1) // 2
        self._halves.extend((tuple(blamed[:middle]), tuple(blamed[middle:])))
        return []

    def postpone(self, asks: Iterable[Ask]) -> None:
        """The venue could not say; these are to be asked for again."""
        for ask in asks:
            if self._stages.get(ask) is Stage.ASKED:
                self._put_back(ask)

    def _put_back(self, ask: Ask) -> None:
        self._stages[ask] = Stage.WANTED
        self._todo[ask] = None
        self._open.discard(ask)

"""What a rule is, what it may watch, and small ways to put rules together.

House rules: a rule reads the state and yields wishes; it never changes anything. What it says it
watches is all it is shown. A watch with `each` shows every such event, in order, even inside a
burst; one without asks the rule once a burst, if such an event was in it. Trades that were
backfilled are history: only a watch that says so is shown them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeAlias

import msgspec

from pitwire.model import events as ev
from pitwire.model.clock import SECOND
from pitwire.model.errors import ConfigError
from pitwire.model.events import EVENTS, Event
from pitwire.trading.state import State
from pitwire.trading.wishes import Wish

_BY_NAME: dict[str, type[Event]] = {kind.__name__: kind for kind in EVENTS}


class Watch(msgspec.Struct, frozen=True):
    """An event type that a rule wants to see; of one symbol, or of all when it is ""."""

    event: type[Event]
    symbol: str = ""
    each: bool = True
    """Shown one by one; False: asked once a burst."""
    option: str = ""
    """Of bars, the interval ("" for all); what a desk must subscribe to."""
    history: bool = False
    """Of trades, whether those that were backfilled are shown too, in their place."""


class Rule(Protocol):
    """Anything with a name, watches, and wishes.

    A rule may also have `next_wake() -> int | None`: the engine asks for it after every `react`
    and calls `react` at that time with `state.event` None.
    """

    name: str

    @property
    def watches(self) -> Sequence[Watch]: ...

    def react(self, state: State, now: int) -> Iterable[Wish]: ...


Reaction: TypeAlias = Callable[[State, int], Iterable[Wish] | None]


def watch(
    event: type[Event] | str, symbol: str = "", *, each: bool = True, history: bool = False
) -> Watch:
    """A watch by event class or its name."""
    kind = _BY_NAME.get(event) if isinstance(event, str) else event
    if kind is None:
        raise ConfigError(where="watch", found=event, expected=f"one of {', '.join(_BY_NAME)}")
    return Watch(kind, symbol, each, history=history)


def trades(symbol: str = "", *, history: bool = False) -> Watch:
    """Every single trade; with `history`, those that came late because they were missing too."""
    return Watch(ev.Trade, symbol, history=history)


def quotes(symbol: str = "") -> Watch:
    """Every change of the best bid and ask."""
    return Watch(ev.Quote, symbol)


def bars(symbol: str = "", interval: str = "") -> Watch:
    """Every bar of this interval, closed or still growing."""
    return Watch(ev.Bar, symbol, option=interval)


def fills(symbol: str = "") -> Watch:
    """Every fill of ours."""
    return Watch(ev.Fill, symbol)


def updates(symbol: str = "") -> Watch:
    """Every word of the venue about an order."""
    return Watch(ev.Update, symbol)


def book(symbol: str = "") -> tuple[Watch, ...]:
    """The book, once a burst: whole, its changes, its top levels, and when it goes stale."""
    kinds = (ev.BookSnapshot, ev.BookDelta, ev.PartialBook, ev.BookStale)
    return tuple(Watch(kind, symbol, each=False) for kind in kinds)


def touch(symbol: str = "") -> tuple[Watch, ...]:
    """The best bid and ask, once a burst, wherever they come from."""
    return (Watch(ev.Quote, symbol, each=False), *book(symbol))


def orders(symbol: str = "") -> tuple[Watch, ...]:
    """Our orders and position, once a burst."""
    kinds = (ev.Update, ev.Fill, ev.Unanswered)
    return tuple(Watch(kind, symbol, each=False) for kind in kinds)


def feeds(symbol: str = "") -> tuple[Watch, ...]:
    """Feeds that go stale or fresh, once a burst. A lost connection names no symbol."""
    kinds = (ev.FeedStale, ev.FeedFresh, ev.BookStale, ev.BookSnapshot, ev.Subscribed)
    of_symbol = tuple(Watch(kind, symbol, each=False) for kind in kinds)
    return (*of_symbol, Watch(ev.Lost, "", each=False))


Watches: TypeAlias = Watch | Iterable["Watch | Iterable[Watch]"]


def flatten(watches: Watches) -> tuple[Watch, ...]:
    """Watches and groups of them, each once, in the order written."""
    if isinstance(watches, Watch):
        return (watches,)
    found: dict[Watch, None] = {}
    for one in watches:
        found.update(dict.fromkeys((one,) if isinstance(one, Watch) else one))
    return tuple(found)


# ── rules from functions ──────────────────────────────────────────────────────────────────────


class FunctionRule:
    """A plain function as a rule."""

    def __init__(
        self,
        function: Reaction,
        watches: Watches,
        *,
        name: str = "",
        every_seconds: float = 0.0,
    ) -> None:
        self.name = name or str(getattr(function, "__name__", "rule"))
        self.watches = flatten(watches)
        self._function = function
        self._every = round(every_seconds * SECOND)
        self._next: int | None = 0 if self._every else None

    @property
    def by_clock(self) -> bool:
        """Whether it is called by the clock, too."""
        return bool(self._every)

    def react(self, state: State, now: int) -> Iterable[Wish]:
        if self._next is not None and now >= self._next:
            self._next = now + self._every
        return self._function(state, now) or ()

    def next_wake(self) -> int | None:
        return self._next


def rule(
    watches: Watches = (), *, name: str = "", every_seconds: float = 0.0
) -> Callable[[Reaction], FunctionRule]:
    """Turn `def f(state, now): yield buy(...)` into a rule that is shown `watches`.

    With `every_seconds` it is also called by the clock, with `state.event` None.
    """
    if not every_seconds and not flatten(watches):
        raise ConfigError(where="rule", found="nothing", expected="watches or every_seconds")

    def make(function: Reaction) -> FunctionRule:
        return FunctionRule(function, watches, name=name, every_seconds=every_seconds)

    return make


# ── rules from rules ──────────────────────────────────────────────────────────────────────────

Test: TypeAlias = Callable[[State, int], bool]


class _Around:
    """A rule around another: same name, same watches, same timers."""

    def __init__(self, inner: Rule) -> None:
        self.name = inner.name
        self.watches: Sequence[Watch] = inner.watches
        self._inner = inner
        self._inner_wake: Callable[[], int | None] = getattr(inner, "next_wake", _no_wake)

    def next_wake(self) -> int | None:
        return self._inner_wake()


def _no_wake() -> int | None:
    return None


class _When(_Around):
    def __init__(self, inner: Rule, test: Test) -> None:
        super().__init__(inner)
        self._test = test

    def react(self, state: State, now: int) -> Iterable[Wish]:
        # The inner rule sees every event, so that what it remembers stays right.
        wishes = list(self._inner.react(state, now))
        return wishes if self._test(state, now) else ()


class _Spaced(_Around):
    def __init__(self, inner: Rule, apart: int | None) -> None:
        super().__init__(inner)
        self._apart = apart
        self._acted: int | None = None

    def react(self, state: State, now: int) -> Iterable[Wish]:
        wishes = list(self._inner.react(state, now))
        if not wishes:
            return ()
        if self._acted is not None and (self._apart is None or now < self._acted + self._apart):
            return ()
        self._acted = now
        return wishes


def when(test: Test, inner: Rule) -> Rule:
    """`inner`, heard only while `test(state, now)` is true."""
    return _When(inner, test)


def unless(test: Test, inner: Rule) -> Rule:
    """`inner`, heard only while `test(state, now)` is false."""
    return _When(inner, lambda state, now: not test(state, now))


def once(inner: Rule) -> Rule:
    """`inner`, heard the first time it wishes for anything and never again."""
    return _Spaced(inner, None)


def every(seconds: float, inner: Rule) -> Rule:
    """`inner`, heard at most once in so many seconds."""
    return _Spaced(inner, round(seconds * SECOND))

"""The rule behind every `when … do`: looks at a condition, acts when it becomes true.

House rules: what holds a while fires when it begins to hold and again only after it had ended;
what happens at one event fires every time. Inside a cooldown the former waits and fires after it
if it still holds, the latter is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from pitwire.model.clock import SECOND
from pitwire.trading.conditions import Condition, Truth
from pitwire.trading.rules import Watch
from pitwire.trading.state import State
from pitwire.trading.wishes import Wish

Action: TypeAlias = Callable[[State], Iterable[Wish]]
"""What to do when it fires, as things stand."""


class Trigger:
    """A condition, what to do, and how often."""

    def __init__(
        self,
        name: str,
        condition: Condition,
        actions: Sequence[Action],
        *,
        once: bool = False,
        cooldown_seconds: float = 0.0,
    ) -> None:
        self.name = name
        self.watches: Sequence[Watch] = condition.watches
        self.fired = 0
        self._condition = condition
        self._actions = tuple(actions)
        self._once = once
        self._cooldown = round(cooldown_seconds * SECOND)
        self._rests_until = 0
        self._told = False
        self._waits = False

    def react(self, state: State, now: int) -> Iterable[Wish]:
        truth = self._condition.look(state, now)
        if not truth & Truth.YES:
            self._told = False
        if not truth:
            self._waits = False
            return ()
        due = bool(truth & Truth.NOW) or bool(truth & Truth.YES and not self._told)
        resting = now < self._rests_until
        self._waits = due and resting
        if not due or resting or (self._once and self.fired):
            return ()
        self.fired += 1
        self._told = bool(truth & Truth.YES)
        self._rests_until = now + self._cooldown
        return [wish for action in self._actions for wish in action(state)]

    def next_wake(self) -> int | None:
        wake = self._condition.next_wake()
        if self._waits:
            return self._rests_until if wake is None else min(wake, self._rests_until)
        return wake

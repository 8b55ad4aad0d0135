"""Who held the loop up, and for how long: said while it lasts, told when it is over.

House rules: whoever is watched pays nothing for it; a beat in the loop measures how late it is, and
a thread looks on from outside, because a loop that is held cannot speak. The thread reads, logs and
remembers a name; everything else happens in the loop.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import sys
import sysconfig
import threading
from collections import Counter
from collections.abc import Callable
from types import FrameType

from pitwire.model.clock import SECOND, Clock

LATE_AFTER_SECONDS = 1.0
"""A loop that is held longer than this is told of."""
NOBODY = "the process or its machine"
"""Who held the loop up when it was waiting for work: it was not given any time."""
UNSEEN = "something that lets no other thread run"
"""Who held the loop up when the thread could not look either."""
_BEATS = 4
"""Beats in the time that is allowed; what is told is wrong by one of them at most."""

_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_LIBRARY = tuple(
    {os.path.abspath(path) + os.sep for path in sysconfig.get_paths().values()}
    | {os.path.dirname(os.path.abspath(asyncio.__file__)) + os.sep}
)
_IDLE = ("asyncio", "selectors", "uvloop", "pitwire.wire.polling")
"""Modules whose loop waits for work in them."""
_BELOW = frozenset({"asyncio.events", "asyncio.base_events", "asyncio.runners", "runpy"})
"""Modules that run the loop: who stands below them started it and is not who holds it up now."""
_LINE = re.compile(r":\d+(?= in )")

logger = logging.getLogger("pitwire.session")


class Sentinel:
    """Watches one loop for one session.

    `doing` names what the caller's functions are at, "" when nothing; `told` hears, in the loop,
    who held it up and for how many seconds; `died` hears why nobody looks on any more.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        doing: Callable[[], str] | None,
        told: Callable[[str, float], None],
        died: Callable[[Exception], None],
        late_after_seconds: float = LATE_AFTER_SECONDS,
        looks_on: bool = True,
    ) -> None:
        self._now, self._doing, self._told, self._died = clock.now, doing, told, died
        self._allowed = late_after_seconds
        self._every = late_after_seconds / _BEATS
        self._looks_on = looks_on
        self._beat_at = 0
        self._seen = _Seen()
        self._error: Exception | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._over = threading.Event()
        self._loop_thread = 0

    def start(self) -> None:
        """Watch the running loop."""
        if self._timer is not None or self._over.is_set():
            return
        self._arm()
        if self._looks_on:
            self._loop_thread = threading.get_ident()
            threading.Thread(target=self._look_on, name="pitwire-sentinel", daemon=True).start()

    def stop(self) -> None:
        """Watch no more."""
        self._over.set()
        if self._timer is not None:
            self._timer.cancel()

    # ── in the loop ──

    def _arm(self) -> None:
        self._beat_at = self._now()
        self._timer = asyncio.get_running_loop().call_later(self._every, self._beat)

    def _beat(self) -> None:
        late = self._held() - self._every
        seen, self._seen = self._seen, _Seen()
        error, self._error = self._error, None
        self._arm()
        if late > self._allowed:
            self._told(seen.most_often(), late)
        if error is not None:
            self._died(error)

    def _held(self) -> float:
        return (self._now() - self._beat_at) / SECOND

    # ── in the thread ──

    def _look_on(self) -> None:
        try:
            warn_at = self._allowed + self._every
            while not self._over.wait(self._every):
                held = self._held()
                if held < self._allowed:
                    warn_at = self._allowed + self._every
                    continue
                name = self._name()
                self._seen.note(name)
                if held > warn_at and name != NOBODY:
                    warn_at = 2 * held  # each warning waits twice as long as the one before
                    logger.warning("%s holds everything up, for %.1f s now", name, held)
        except Exception as error:  # noqa: BLE001 — the edge of a thread: it dies, but not untold
            self._error = error

    def _name(self) -> str:
        place = _place(sys._current_frames().get(self._loop_thread))
        doing = self._doing() if self._doing is not None else ""
        return f"{doing} at {place}" if doing and place != NOBODY else doing or place


class _Seen:
    """Whom the thread saw at it since the last beat."""

    def __init__(self) -> None:
        self._looks = Counter[str]()
        self._last: dict[str, str] = {}

    def note(self, name: str) -> None:
        """One more look; a function is one and the same at each of its lines."""
        function = _LINE.sub("", name)
        self._last[function] = name
        self._looks[function] += 1

    def most_often(self) -> str:
        """Who held the loop up for long, with the last line: others may have been at work for a
        moment when that was over."""
        looks = self._looks
        longest = max(tuple(looks), key=looks.__getitem__, default="")
        return self._last.get(longest, UNSEEN)


def _place(frame: FrameType | None) -> str:
    """The innermost place in the caller's own code; if there is none, in ours, or in anybody's."""
    module = "" if frame is None else frame.f_globals.get("__name__", "")
    if frame is None or module in _IDLE or module.partition(".")[0] in _IDLE:
        return NOBODY
    innermost, ours = frame, None
    while frame is not None and not _runs_the_loop(frame):
        path = frame.f_code.co_filename
        if path.startswith(_OURS):
            ours = ours or frame
        elif not path.startswith(_LIBRARY):
            return _spelt(frame)
        frame = frame.f_back
    return _spelt(ours or innermost)


def _runs_the_loop(frame: FrameType) -> bool:
    """Whether this frame is the loop itself at work, not one of its functions that was called."""
    return (
        frame.f_code.co_name in {"_run", "_run_once", "run_forever", "run", "_run_code"}
        and frame.f_globals.get("__name__", "") in _BELOW
    )


def _spelt(frame: FrameType) -> str:
    name = os.path.basename(frame.f_code.co_filename)
    return f"{name}:{frame.f_lineno} in {frame.f_code.co_qualname}"

"""Names to addresses, without ever holding the loop up.

House rules: a lookup has a deadline and runs in a thread of its own that nobody waits for at the
end; while one hangs no second one is started; an address that once served is used when the names
give none.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import TypeAlias

Address: TypeAlias = tuple[int, str]
"""Address family, and the address as text."""
Lookup: TypeAlias = Callable[[str], Awaitable[list[Address]]]
"""name → addresses, best first; raises `OSError` when there are none."""

WITHIN_SECONDS = 2.0
_KEPT = 256


class Names:
    """Looks names up, and remembers where they led."""

    def __init__(
        self, *, lookup: Lookup | None = None, within_seconds: float = WITHIN_SECONDS
    ) -> None:
        self._lookup = lookup or system_lookup
        self._within_seconds = within_seconds
        self._good: dict[str, list[Address]] = {}
        self._under_way: dict[str, asyncio.Future[list[Address]]] = {}

    async def addresses(self, name: str) -> list[Address]:
        """Where this name leads, best first.

        Raises `OSError` when nobody knows and nobody knew, `TimeoutError` when no answer came.
        """
        literal = _literal(name)
        if literal is not None:
            return [literal]
        asked = self._ask(name)
        try:
            async with asyncio.timeout(self._within_seconds):
                return await asyncio.shield(asked)
        except TimeoutError:
            if name in self._good:
                return self._good[name]
            cause = f"no answer about the name {name} within {self._within_seconds:g} s"
            raise TimeoutError(cause) from None
        except OSError:
            if name in self._good:
                return self._good[name]
            raise

    def served(self, name: str, address: Address) -> None:
        """A connection to this address of the name came about."""
        if _literal(name) is not None:
            return
        known = [one for one in self._good.pop(name, []) if one != address]
        self._good[name] = [address, *known][:8]
        while len(self._good) > _KEPT:
            del self._good[next(iter(self._good))]

    def _ask(self, name: str) -> asyncio.Future[list[Address]]:
        asked = self._under_way.get(name)
        if asked is None or asked.get_loop() is not asyncio.get_running_loop():
            asked = asyncio.ensure_future(self._lookup(name))
            self._under_way[name] = asked
            asked.add_done_callback(lambda done: self._answered(name, done))
        return asked

    def _answered(self, name: str, done: asyncio.Future[list[Address]]) -> None:
        if self._under_way.get(name) is done:
            del self._under_way[name]
        if not done.cancelled():
            done.exception()  # whoever gave up waiting has nobody to tell


async def system_lookup(name: str) -> list[Address]:
    """What the operating system knows; it may take as long as it likes."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[Address]] = loop.create_future()

    def settle(found: list[Address] | OSError) -> None:
        if answer.done():
            return
        if isinstance(found, OSError):
            answer.set_exception(found)
        else:
            answer.set_result(found)

    def ask() -> None:
        found: list[Address] | OSError
        try:
            rows = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
            found = list(dict.fromkeys((int(row[0]), str(row[4][0])) for row in rows))
        except OSError as error:
            found = error
        except UnicodeError:
            found = socket.gaierror(socket.EAI_NONAME, "not a name")
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, found)

    # No executor: its threads are joined at the end, and a lookup may hang for half a minute.
    threading.Thread(target=ask, name=f"lookup {name}", daemon=True).start()
    return await answer


def _literal(name: str) -> Address | None:
    try:
        address = ip_address(name.partition("%")[0])
    except ValueError:
        return None
    return (socket.AF_INET if address.version == 4 else socket.AF_INET6), name


def is_on_this_machine(host: str) -> bool:
    """Whether what is said to this host stays here."""
    if host.lower() in ("localhost", "localhost."):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False

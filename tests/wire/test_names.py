"""Lookups that fail, hang or come late."""

from __future__ import annotations

import asyncio
import socket

import pytest

from pitwire.wire.names import Address, Names, is_on_this_machine
from tests import unhurried

V4 = int(socket.AF_INET)


class Directory:
    """A lookup whose answers a test gives."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: list[list[Address] | OSError | None] = []
        """In order; None hangs, and with none left everything does."""

    async def __call__(self, name: str) -> list[Address]:
        self.asked.append(name)
        answer = self.answers.pop(0) if self.answers else None
        if answer is None:
            await asyncio.Event().wait()
        if isinstance(answer, OSError):
            raise answer
        return answer or []


async def test_a_lookup_that_hangs_ends_at_its_deadline_and_is_not_started_twice() -> None:
    directory = Directory()
    names = Names(lookup=directory, within_seconds=0.01)
    for _ in range(3):
        with pytest.raises(TimeoutError, match=r"no answer about the name venue within 0\.01 s"):
            await names.addresses("venue")
    assert directory.asked == ["venue"]


def test_the_address_that_served_is_used_while_the_names_fail_or_hang() -> None:
    async def tale() -> None:
        directory = Directory()
        directory.answers = [
            [(V4, "10.0.0.1"), (V4, "10.0.0.2")],
            socket.gaierror(-3, "again"),
            None,
        ]
        names, both = Names(lookup=directory, within_seconds=0.5), [*directory.answers[0]]
        assert await names.addresses("venue") == both
        names.served("venue", (V4, "10.0.0.2"))
        assert await names.addresses("venue") == [(V4, "10.0.0.2")]
        assert await names.addresses("venue") == [(V4, "10.0.0.2")]
        assert directory.asked == ["venue"] * 3

    unhurried.run(tale())


async def test_a_name_that_moves_is_followed() -> None:
    directory = Directory()
    directory.answers = [[(V4, "10.0.0.1")], [(V4, "10.0.0.9")]]
    names = Names(lookup=directory)
    names.served("venue", (V4, "10.0.0.1"))
    await names.addresses("venue")
    assert await names.addresses("venue") == [(V4, "10.0.0.9")]


async def test_of_several_addresses_that_served_the_last_one_is_tried_first() -> None:
    directory = Directory()
    directory.answers = [socket.gaierror(-3, "again")]
    names = Names(lookup=directory)
    for last in (1, 2, 3, 1):
        names.served("venue", (V4, f"10.0.0.{last}"))
    assert await names.addresses("venue") == [(V4, f"10.0.0.{last}") for last in (1, 3, 2)]


async def test_a_name_that_nobody_knows_is_an_error() -> None:
    directory = Directory()
    directory.answers = [socket.gaierror(-2, "unknown")]
    with pytest.raises(OSError, match="unknown"):
        await Names(lookup=directory).addresses("venue")


async def test_addresses_are_not_looked_up() -> None:
    directory = Directory()
    names = Names(lookup=directory)
    assert await names.addresses("127.0.0.1") == [(V4, "127.0.0.1")]
    assert await names.addresses("::1") == [(int(socket.AF_INET6), "::1")]
    assert directory.asked == []


async def test_the_systems_own_lookup_knows_this_machine_and_not_nonsense() -> None:
    known = await Names(within_seconds=60.0).addresses("localhost")
    assert {one for _, one in known} <= {"127.0.0.1", "::1"}
    names = Names(within_seconds=5.0)
    for nonsense in ("nowhere.invalid", "x" * 70):
        with pytest.raises(OSError):  # noqa: PT011 — the system's words are its own
            await names.addresses(nonsense)


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost.example.com", False),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("", False),
    ],
)
def test_what_stays_on_this_machine(host: str, here: bool) -> None:
    assert is_on_this_machine(host) is here

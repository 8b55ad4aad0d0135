"""What stands around every answer of Binance's family (binance §1.4, §5.1)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pitwire.model.errors import MalformedFrame, OutcomeUnknown
from pitwire.venues.mbx.envelopes import (
    STREAM,
    Kind,
    Notes,
    blocked_until,
    read_answer,
    read_fault,
    sort,
    unread,
)
from pitwire.venues.mbx.refusals import Asked

PLACE = Kind("place", Asked.COMMAND)


def answer(**body: Any) -> Any:
    return read_answer(json.dumps(body).encode())


@pytest.mark.parametrize(
    ("json_id", "expected"),
    [
        ("p7", (7, PLACE)),
        ("p", (-1, STREAM)),
        ("z7", (-1, STREAM)),
        ("p٧", (-1, STREAM)),
        ("", (-1, STREAM)),
        (None, (-1, STREAM)),
        (3, (3, STREAM)),
        (0, (-1, STREAM)),
        (2**53, (-1, STREAM)),
        ("p" + "9" * 40, (int("9" * 15), PLACE)),
    ],
)
def test_an_id_says_what_was_asked(json_id: Any, expected: tuple[int, Kind]) -> None:
    assert sort(json_id, {"p": PLACE}) == expected


def test_a_refusal_is_one_wherever_it_is_written() -> None:
    assert answer(id=1, result=None).fault is None
    nested = answer(id=1, status=400, error={"code": -1, "msg": "no"}).fault
    bare = answer(code=-1, msg="no").fault
    assert (nested.code, nested.msg) == (bare.code, bare.msg) == (-1, "no")
    assert answer(id=1, status=500).fault.code == 0


def test_the_minutes_weight_alone_is_the_used_weight() -> None:
    limits = [
        {"rateLimitType": kind, "interval": interval, "count": count}
        for kind, interval, count in (
            ("ORDERS", "MINUTE", 1), ("REQUEST_WEIGHT", "DAY", 2), ("REQUEST_WEIGHT", "MINUTE", 3),
        )
    ]  # fmt: skip
    assert answer(rateLimits=limits).used_weight == 3
    assert answer(rateLimits=limits[:2]).used_weight == -1


@pytest.mark.parametrize(
    ("data", "until"),
    [({"retryAfter": 1_700_000_000_000}, 1_700_000_000 * 10**9), ({"retryAfter": "x"}, 0), ({}, 0)],
)
def test_a_refusal_may_say_until_when(data: Any, until: int) -> None:
    fault = read_fault(json.dumps({"code": -1003, "msg": "", "data": data}).encode())
    assert blocked_until(fault) == until
    assert blocked_until(read_fault(b'{"code":-1}')) == 0


def test_an_unreadable_answer_to_a_command_proves_nothing() -> None:
    command = unread("toy", "place", Asked.COMMAND, "$.a", b"{")
    assert isinstance(command, OutcomeUnknown)
    question = unread("toy", "account", Asked.QUESTION, "$.a", b"{")
    assert isinstance(question, MalformedFrame)
    assert (question.channel, question.path, question.excerpt) == ("account", "$.a", "{")


def test_notes_are_kept_once_and_not_for_ever() -> None:
    notes = Notes("nothing")
    for request_id in range(5000):
        notes.keep(request_id, f"about {request_id}")
    assert len(notes) == 4096
    assert notes.take(0) == "nothing", "the oldest went"
    assert notes.take(4999) == "about 4999"
    assert notes.take(4999) == "nothing"

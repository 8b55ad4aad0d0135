"""The tables of what is done about a connection, and the page that shows them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pitwire.model import errors
from pitwire.model.recovery import (
    BANS,
    CLOSES,
    DIALS,
    SILENCES,
    SLOW_SECONDS,
    UPGRADES,
    Halt,
    Reconnect,
    Remedy,
    recovery_for,
    remedy_for,
    silence_seconds,
)

PAGE = Path(__file__).parents[2] / "docs" / "reconnection.md"


def table(heading: str) -> Iterator[list[str]]:
    """The rows of the first table under a heading, without its head."""
    section = PAGE.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    for row in rows[2:]:
        yield [cell.strip() for cell in row.strip("|").split("|")]


def refused(status: int, after: float | None = None) -> errors.DialFailed:
    return errors.DialFailed(
        address="wss://venue", cause="no", status=status, retry_after_seconds=after
    )


def test_the_page_shows_the_close_codes() -> None:
    shown = {code: word for code, word, _ in table("A connection ends")}
    assert shown.pop("any other") == "reconnect"
    assert shown == {str(code): remedy.value for code, remedy in CLOSES.items()}


def test_the_page_shows_the_refusals() -> None:
    rows = list(table("The upgrade is refused"))
    shown = {status: word for status, word, _, _ in rows if status.isdigit()}
    assert shown == {str(status): remedy.value for status, remedy in UPGRADES.items()}
    silent = {status: text for status, _, text, _ in rows if text}
    assert silent == {
        str(status): f"{seconds:g} s" + (", requests too" if status in BANS else "")
        for status, seconds in SILENCES.items()
    }
    others = {status: word for status, word, _, _ in rows if not status.isdigit()}
    assert others == {"other 3xx": "slowly", "other 4xx": "slowly", "any other": "reconnect"}


def test_the_page_shows_what_fails_before_an_answer() -> None:
    shown = {kind: word for kind, word, _ in table("No answer at all")}
    assert shown == {kind: remedy.value for kind, remedy in DIALS.items()}


def test_the_page_explains_every_word() -> None:
    assert [word for word, _ in table("What each word means")] == [word.value for word in Remedy]


@pytest.mark.parametrize("status", range(100, 600))
def test_every_status_has_a_remedy_and_the_other_rows_hold(status: int) -> None:
    remedy = remedy_for(refused(status))
    if status not in UPGRADES and status != 101:
        assert remedy is (Remedy.SLOWLY if 300 <= status < 500 else Remedy.RECONNECT)
    answer = recovery_for(refused(status), delay_seconds=1.0)
    assert isinstance(answer, Halt) is (remedy is Remedy.HALT)
    if isinstance(answer, Reconnect):
        least = {Remedy.SLOWLY: SLOW_SECONDS, Remedy.SILENCE: SILENCES.get(status, 0.0)}
        assert answer.after_seconds == least.get(remedy, 1.0)


def test_a_time_that_is_named_goes_before_the_least() -> None:
    assert recovery_for(refused(418, 9.0), delay_seconds=1.0) == Reconnect(9.0)
    assert recovery_for(refused(503, 9.0), delay_seconds=1.0) == Reconnect(9.0)
    assert (silence_seconds(refused(418, 9.0)), silence_seconds(refused(503, 9.0))) == (9.0, 0.0)
    assert isinstance(recovery_for(refused(401, 9.0)), Halt)


@pytest.mark.parametrize("kind", DIALS)
def test_what_fails_before_an_answer_is_judged_by_its_kind(kind: str) -> None:
    error = errors.DialFailed(address="wss://venue", cause="no", kind=kind)
    answer = recovery_for(error, delay_seconds=1.0)
    match DIALS[kind]:
        case Remedy.HALT:
            assert isinstance(answer, Halt)
        case Remedy.SLOWLY:
            assert answer == Reconnect(SLOW_SECONDS)
        case _:
            assert answer == Reconnect(1.0)


@pytest.mark.parametrize("code", [*CLOSES, 1000, 1001, 1006, 1011, 1012, 1013, 1015, 4321])
def test_a_close_halts_only_where_the_table_says_so(code: int) -> None:
    answer = recovery_for(errors.ConnectionLost(code=code), delay_seconds=1.0)
    assert isinstance(answer, Halt) is (CLOSES.get(code) is Remedy.HALT)


def test_the_kinds_are_those_that_the_wire_gives() -> None:
    source = Path(errors.__file__).parents[1] / "wire"
    text = "".join(path.read_text() for path in source.glob("*.py"))
    given = set(re.findall(r'kind="([\w-]+)"|return "([\w-]+)", ', text))
    assert {one or other for one, other in given} == set(DIALS)

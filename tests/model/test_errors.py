import dataclasses
from collections.abc import Iterator
from decimal import Decimal

import pytest

from pitwire.model import errors, recovery


def _tree(root: type[errors.PitwireError]) -> Iterator[type[errors.PitwireError]]:
    yield root
    for child in root.__subclasses__():
        yield from _tree(child)


SAMPLE = {"str": "x", "int": 7, "float": 0.5, "bool": False, "object": "x", "float | None": None}


def _example(kind: type[errors.PitwireError]) -> errors.PitwireError:
    facts = {field.name: SAMPLE[str(field.type)] for field in dataclasses.fields(kind)}
    return kind(**facts)


@pytest.mark.parametrize("kind", list(_tree(errors.PitwireError)), ids=lambda kind: kind.__name__)
def test_every_error_has_a_text_and_a_recovery(kind: type[errors.PitwireError]) -> None:
    error = _example(kind)
    assert str(error)
    assert "\n" not in str(error)
    assert isinstance(recovery.recovery_for(error, delay_seconds=1.5), recovery.Recovery)


@pytest.mark.parametrize(
    ("until", "told"),
    [
        (
            1_796_106_459_626_844_088,
            "rate limited: venue v, code 429, until 2026-12-01T06:27:39+00:00",
        ),
        (0, "rate limited: venue v, code 429"),
    ],
)
def test_until_when_is_a_time_and_nothing_where_nobody_knows(until: int, told: str) -> None:
    error = errors.RateLimited(venue="v", code=429, until=until)
    assert str(error).startswith(told)
    assert "until 0" not in str(error)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.DialFailed(address="a", cause="b"), recovery.Reconnect(2.0)),
        (
            errors.DialFailed(address="a", cause="b", status=429, retry_after_seconds=9.0),
            recovery.Reconnect(9.0),
        ),
        (errors.ConnectionLost(code=1006), recovery.Reconnect(2.0)),
        (errors.Stalled(silent_seconds=9), recovery.Reconnect(2.0)),
        (errors.RateLimited(venue="v", until=77), recovery.Wait(77)),
        (errors.VenueUnavailable(venue="v", until=88), recovery.Wait(88)),
        (errors.VenueUnavailable(venue="v"), recovery.Reconnect(2.0)),
        (errors.Gap(symbol="BTC-USDT", expected=1, found=3), recovery.Resync("BTC-USDT")),
        (
            errors.ChecksumMismatch(symbol="BTC-USDT", ours=1, theirs=3),
            recovery.Resync("BTC-USDT"),
        ),
        (errors.MalformedFrame(venue="v"), recovery.Ignore()),
        (errors.OrderRejected(venue="v"), recovery.Ignore()),
    ],
)
def test_what_is_met_decides_what_is_done(
    error: errors.PitwireError, expected: recovery.Recovery
) -> None:
    assert recovery.recovery_for(error, delay_seconds=2.0) == expected


@pytest.mark.parametrize(
    "error",
    [
        errors.AuthenticationFailed(venue="v", hint="key"),
        errors.ConfigError(where="a", found=1, expected="b"),
        errors.DialFailed(address="a", cause="b", status=401),
        ZeroDivisionError("boom"),
    ],
)
def test_doors_are_not_hammered_and_the_unforeseen_halts(error: BaseException) -> None:
    done = recovery.recovery_for(error)
    assert isinstance(done, recovery.Halt)
    assert done.reason


def test_texts_are_made_of_the_facts() -> None:
    gap = errors.Gap(symbol="BTC-USDT", expected=4, found=6)
    assert str(gap) == "gap: symbol BTC-USDT, expected 4, found 6"
    refused = errors.Refused(limit="order size", value=5, allowed=1, rule="dip", symbol="BTC-USDT")
    assert str(refused) == "refused dip BTC-USDT: order size is 5, allowed 1"


def test_a_number_is_shown_as_a_person_writes_it() -> None:
    def shown(found: object) -> str:
        return str(errors.ConfigError(where="size", found=found, expected="more"))

    assert shown(Decimal("0.000001")) == "size: found 0.000001, expected more"
    assert shown(Decimal("1E+5")) == "size: found 100000, expected more"
    assert len(shown(Decimal("1E+1000000"))) < 60
    assert shown(Decimal("NaN")) == "size: found NaN, expected more"
    assert shown("x") == "size: found 'x', expected more"

"""Numbers and instants, strictly."""

from __future__ import annotations

import pytest

from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.venues.alpaca.reading import instant, step_of, written

NOON = 1_710_239_930 * SECOND


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2024-03-12T10:38:50Z", NOON),
        ("2024-03-12T10:38:50.7Z", NOON + 700 * MILLISECOND),
        ("2024-03-12T10:38:50.79613221Z", NOON + 796_132_210),
        ("2024-03-12T10:38:50.000000001Z", NOON + 1),
        ("2024-03-12T06:38:50-04:00", NOON),
        ("2024-03-12T16:08:50.5+05:30", NOON + SECOND // 2),
        ("1970-01-01T00:00:00Z", 0),
    ],
)
def test_an_instant_to_the_nanosecond(text: str, at: int) -> None:
    assert instant(text, "t") == at
    assert instant(text, "t") == at, "also when its minute is known"


@pytest.mark.parametrize(
    "text",
    [
        "", "2024-03-12", "2024-03-12T10:38:50", "2024-13-12T10:38:50Z", "2024-03-12T24:00:00Z",
        "2024-03-12T10:38:60Z", "2024-03-12T10:38:50.Z", "2024-03-12T10:38:50.1234567891Z",
        "1969-12-31T23:59:59Z", "2300-01-01T00:00:00Z", "1970-01-01T00:00:00+01:00",
        "２024-03-12T10:38:50Z", "2024-03-12T10:38:50Z\n",
    ],
)  # fmt: skip
def test_what_is_no_instant(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        instant(text, "t")


def test_how_finely_it_is_written() -> None:
    assert step_of("2025-06-24T14:15:22-04:00") == SECOND
    assert step_of("2025-06-24T14:15:22.5-04:00") == SECOND // 10
    assert step_of("2025-06-24T14:15:22.123456789Z") == 1
    assert step_of("nonsense") == SECOND


@pytest.mark.parametrize("at", [0, NOON, NOON + 1, NOON + 796_132_210])
def test_what_we_write_reads_as_the_same(at: int) -> None:
    assert instant(written(at), "t") == at

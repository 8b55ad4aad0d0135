"""Retry-After, in seconds and as a date."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pitwire.model.clock import SECOND
from pitwire.model.retry_after import MOST_SECONDS, retry_after_seconds

NOW = round(datetime(2026, 11, 29, 12, 0, 0, tzinfo=UTC).timestamp()) * SECOND


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        (" 30 ", 30.0),
        ("Sun, 29 Nov 2026 12:00:30 GMT", 30.0),
        ("Sunday, 29-Nov-26 12:00:30 GMT", 30.0),  # RFC 9110 §5.6.7: two obsolete forms
        ("Sun Nov 29 12:00:30 2026", 30.0),
        ("Sun, 29 Nov 2026 11:00:00 GMT", 0.0),
        ("Sun, 29 Nov 2099 11:00:00 GMT", MOST_SECONDS),
        ("9" * 9, MOST_SECONDS),
        ("9" * 400, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("\xb2", None),
        ("Sun, 99 Nov 2026 12:00:30 GMT", None),
    ],
)
def test_both_forms_are_read_and_nonsense_names_no_time(text: str, seconds: float | None) -> None:
    assert retry_after_seconds({"retry-after": text}, NOW) == seconds


def test_a_date_is_measured_from_the_answers_own() -> None:
    headers = {
        "date": "Sun, 29 Nov 2026 03:00:00 GMT",  # a server that is nine hours behind us
        "retry-after": "Sun, 29 Nov 2026 03:02:00 GMT",
    }
    assert retry_after_seconds(headers, NOW) == 120.0


def test_no_header_names_no_time() -> None:
    assert retry_after_seconds({}, NOW) is None

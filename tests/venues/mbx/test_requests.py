"""What stands in a request: ids and numbers that the venue takes, and no others."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitwire.model.errors import ConfigError
from pitwire.venues.mbx.requests import client_id, decimal

letters = st.text(st.sampled_from("aZ09-_ .é²ー"), max_size=38)


@given(letters)
def test_an_id_is_taken_where_the_pattern_takes_it(text: str) -> None:
    if re.fullmatch(r"[A-Za-z0-9_-]{1,36}", text):
        assert client_id(text, "id") == text
    else:
        with pytest.raises(ConfigError):
            client_id(text, "id")


@given(st.decimals(allow_nan=True, allow_infinity=True))
def test_a_number_is_plain_text_and_nothing_but_an_amount(value: Decimal) -> None:
    if value.is_finite() and value > 0:
        assert decimal(value, "size") == format(value, "f")
    else:
        with pytest.raises(ConfigError):
            decimal(value, "size")


@pytest.mark.parametrize("text", ["1E+3", "1E-9", "0.10", "-0", "-1", "0E-8", "sNaN"])
def test_an_exponent_is_written_out_and_a_sign_refused(text: str) -> None:
    value = Decimal(text)
    if text in ("1E+3", "1E-9", "0.10"):
        assert decimal(value, "size") == {"1E+3": "1000", "1E-9": "0.000000001"}.get(text, text)
    else:
        with pytest.raises(ConfigError):
            decimal(value, "size")


def test_an_id_of_dashes_alone_is_one() -> None:
    assert client_id("--_-", "id") == "--_-"

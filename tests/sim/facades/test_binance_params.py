"""Each way for a parameter to be wrong has its own complaint (binance §5.2)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from pitwire.sim.facades.binance_params import CLIENT_ID, Args, as_text, decode_json
from pitwire.sim.facades.binance_text import ApiError
from pitwire.sim.facts import Stp

RANGE = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"


@pytest.mark.parametrize(
    ("read", "value", "code", "text"),
    [
        (lambda a: a.need("x"), None, -1102, "Mandatory parameter 'x' was not sent"),
        (lambda a: a.need("x"), "", -1102, "Mandatory parameter 'x' was not sent"),
        (lambda a: a.text("x"), "", -1105, "Parameter 'x' was empty."),
        (
            lambda a: a.decimal("x"),
            "1e-5",
            -1100,
            f"Illegal characters found in parameter 'x'; legal range is '{RANGE}'.",
        ),
        (lambda a: a.decimal("x"), "-1", -1100, "Illegal characters"),
        (lambda a: a.decimal("x"), "abc", -1100, "Illegal characters"),
        (lambda a: a.decimal("x"), "0.123456789", -1111, "'x' has too much precision."),
        (lambda a: a.number("x"), "1.5", -1100, r"legal range is '^[0-9]{1,20}$'."),
        (lambda a: a.number("x"), "99999999999999999999", -1108, "Parameter 'x' overflowed."),
        (lambda a: a.text("x", CLIENT_ID), "no space", -1100, "^[a-zA-Z0-9-_]{1,36}$"),
        (lambda a: a.text("x", CLIENT_ID), "y" * 37, -1100, "Illegal characters"),
        (lambda a: a.choice("x", Stp), "SOME", -1130, "Data sent for parameter 'x' is not valid."),
        (lambda a: a.word("x", ("A", "B")), "C", -1130, "not valid"),
        (lambda a: a.flag("x"), "yes", -1130, "not valid"),
        (lambda a: a.names("x"), "[oops", -1100, "Illegal characters"),
        (lambda a: a.names("x"), [1], -1130, "not valid"),
    ],
)
def test_complaints(read: Callable[[Args], object], value: object, code: int, text: str) -> None:
    with pytest.raises(ApiError) as error:
        read(Args({"x": value}))
    assert error.value.code == code
    assert text in error.value.text


def test_good_values_are_read() -> None:
    args = Args(
        {"d": "1.50", "n": 7, "s": "12", "f": "TRUE", "l": '["A","B"]', "c": "NONE", "z": None}
    )
    assert args.decimal("d") == Decimal("1.50")
    assert (args.number("n"), args.number("s")) == (7, 12)
    assert args.flag("f")
    assert args.names("l") == ["A", "B"]
    assert args.choice("c", Stp) is Stp.NONE
    assert args.text("z") == ""
    assert args.decimal("absent") is None
    args.finish()


def test_a_json_number_is_read_as_it_was_written() -> None:
    params = decode_json(b'{"price":0.10000000000000001}')
    assert isinstance(params, dict)
    assert as_text(params["price"]) == "0.10000000000000001"


def test_what_nobody_read_is_counted() -> None:
    args = Args({"a": 1, "b": 2})
    args.number("a")
    with pytest.raises(ApiError) as error:
        args.finish()
    assert error.value.body() == {
        "code": -1104,
        "msg": "Not all sent parameters were read; read '1' parameter(s) but was sent '2'.",
    }

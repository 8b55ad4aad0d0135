"""One clear line about a file: where, what was found, what was expected."""

from __future__ import annotations

import msgspec
import pytest

from pitwire.model.errors import ConfigError
from pitwire.model.strict import read_strictly


class _Shower(msgspec.Struct, frozen=True, tag="Shower", tag_field="what"):
    litres: float = 0.0


class _Storm(msgspec.Struct, frozen=True, tag="Storm", tag_field="what"):
    bolts: int = 0


class _Forecast(msgspec.Struct, frozen=True):
    days: tuple[_Shower | _Storm, ...] = ()
    worst: _Shower | _Storm | None = None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[[days]]\nwhat = "Strom"', "f: days[0].what: found 'Strom', expected Storm"),
        ('[[days]]\nwhat = "Frog"', "f: days[0].what: found 'Frog', expected one of Shower, Storm"),
        ('[worst]\nwhat = "Shwer"', "f: worst.what: found 'Shwer', expected Shower"),
        (
            '[[days]]\nwhat = "Storm"\nbolt = 3',
            "f: days[0].bolt: found 'unknown key bolt', expected bolts",
        ),
        ("[[days]]\nlitres = 3", "f: days[0].what: found nothing, expected a value"),
        (
            '[[days]]\nwhat = "Storm"\nbolts = "x"',
            "f: days[0].bolts: found 'x', expected a whole number",
        ),
    ],
)
def test_a_table_of_a_union_is_told_by_its_tag(text: str, line: str) -> None:
    with pytest.raises(ConfigError) as told:
        read_strictly(text, _Forecast, source="f")
    assert str(told.value) == line


def test_what_fits_is_read() -> None:
    found = read_strictly('[[days]]\nwhat = "Storm"\nbolts = 2', _Forecast, source="f")
    assert found == _Forecast(days=(_Storm(2),))

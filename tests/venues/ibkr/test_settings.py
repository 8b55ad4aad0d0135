"""What `[venue.options]` may say."""

from __future__ import annotations

import pytest

from pitwire.desk.config import parse_config
from pitwire.model.errors import ConfigError
from pitwire.venues.codec import CodecOptions, Role
from pitwire.venues.ibkr.settings import Settings, settings_of
from pitwire.venues.ibkr.venue import IBKR

DESK = """
[venue]
name = "ibkr"
symbols = ["AAPL-USD"]
channels = ["ticker"]
"""


def test_the_options_are_read_from_a_configuration() -> None:
    text = f'{DESK}[venue.options]\nanswers = ["price-cap"]\ncompete = true\naccount = "DU1"\n'
    table = parse_config(text).venue.table
    assert table.name == "ibkr"
    assert table.codec is not IBKR.codec
    table.codec(CodecOptions(Role.ORDERS))
    assert parse_config(DESK).venue.table is IBKR


@pytest.mark.parametrize(
    "options",
    ['answers = ["everything"]', "compete = 3", "competes = true", 'answers = "price-cap"'],
)
def test_an_option_that_is_none_is_named(options: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(f"{DESK}[venue.options]\n{options}\n")
    assert "venue.options" in caught.value.where


def test_a_venue_without_options_takes_none() -> None:
    with pytest.raises(ConfigError):
        parse_config('[venue]\nname = "binance"\n[venue.options]\ncompete = true\n')


def test_by_default_nothing_is_agreed_to_and_nothing_taken() -> None:
    assert settings_of({}) == Settings(account="", answers=(), compete=False, delayed=False)

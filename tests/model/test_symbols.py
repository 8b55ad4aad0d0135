import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitwire.model.errors import ConfigError
from pitwire.model.symbols import Symbol

ASSETS = st.from_regex(r"\A[A-Z][A-Z0-9]{0,9}\Z")


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("BTC-USDT", Symbol("BTC", "USDT")),
        ("AAPL", Symbol("AAPL")),
        ("ES-202612", Symbol("ES", expiry="202612")),
        ("1INCH-USDT", Symbol("1INCH", "USDT")),
    ],
)
def test_both_ways(text: str, symbol: Symbol) -> None:
    assert Symbol.parse(text) == symbol
    assert str(symbol) == text


@given(ASSETS, ASSETS)
def test_every_pair_round_trips(base: str, quote: str) -> None:
    assert Symbol.parse(f"{base}-{quote}") == Symbol(base, quote)


@pytest.mark.parametrize(
    "text", ["", "btc-usdt", "BTC-", "-USDT", "BTC/USDT", "BTC-US-DT", "BTC-USDT\n"]
)
def test_nonsense_is_named(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Symbol.parse(text)
    assert caught.value.found == text
    assert "expected BASE-QUOTE" in str(caught.value)

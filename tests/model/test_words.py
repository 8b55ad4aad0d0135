"""Words are found by what they say."""

import pickle

import msgspec
import pytest

from pitwire.model.orders import OrderState, OrderType, RejectReason, Side, TimeInForce, UpdateKind
from pitwire.model.words import Word

WORDS = (Side, OrderType, TimeInForce, UpdateKind, OrderState, RejectReason)


@pytest.mark.parametrize("kind", WORDS)
def test_a_word_and_its_text_are_one_key(kind: type[Word]) -> None:
    for word in kind:
        assert {word: 1}[word.value] == 1
        assert {word.value: 1}[word] == 1
        assert type(word).__hash__ is str.__hash__


def test_words_survive_being_written_and_read() -> None:
    assert pickle.loads(pickle.dumps(Side.BUY)) is Side.BUY
    assert msgspec.json.decode(msgspec.json.encode(Side.SELL), type=Side) is Side.SELL

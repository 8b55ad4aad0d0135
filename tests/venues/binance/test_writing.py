"""The compiled writer of orders beside the plain one: the same bytes, the same refusals."""

from __future__ import annotations

import gc
import hashlib
import hmac
import json
import sys
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import native
from pitwire.model.credentials import Credentials
from pitwire.model.errors import LocalError
from pitwire.model.orders import Order, OrderType, Side, TimeInForce
from pitwire.venues.binance.encode import Encoder, _Shape
from pitwire.venues.binance.symbols import Symbols

NOW = 1_700_000_000_000_000_000
_LIMIT = Order("a", "BTC-USDT", Side.BUY, OrderType.LIMIT, Decimal(1), None, Decimal(2))


@pytest.fixture(scope="module")
def writing() -> Any:
    found = native.twin(native.WRITING)
    if found is None:
        pytest.skip("no C compiler that can build it")
    return found


def _encoder(compiled: Any, key: str = "k" * 64, secret: str = "s") -> Encoder:
    encoder = Encoder(Symbols(), compiled)
    encoder.login(Credentials(key, secret), NOW, 1)
    return encoder


def _said(encoder: Encoder, order: Order, json_id: str = "p7", now: int = NOW) -> bytes | str:
    """The frame, or why there is none."""
    try:
        return encoder.order(order, "order.place", json_id, now)
    except LocalError as error:
        return f"{type(error).__name__}: {error}"


def _fills(encoder: Encoder) -> list[_Shape]:
    return [shape for shape in encoder._shapes.values() if shape.fill is not None]


amounts = st.one_of(
    st.none(),
    st.decimals(min_value="1e-12", max_value="1e9", places=8, allow_nan=False),
    st.integers(1, 10**12).map(Decimal),
    st.sampled_from(["0", "-1", "1E+3", "1E-9", "0.00", "NaN", "Infinity", "sNaN", "12.50"]).map(
        Decimal
    ),
    st.sampled_from([1.5, "1", 3, True]),
)
ids = st.one_of(
    st.text("abcXYZ019_-", min_size=1, max_size=37),
    st.sampled_from(["", "a b", 'a"b', "é", "a%sb", "\N{ARABIC-INDIC DIGIT ONE}", "x" * 36]),
)
orders = st.builds(
    Order,
    id=ids,
    symbol=st.sampled_from(("BTC-USDT", "ETH-USDT")),
    side=st.sampled_from(Side),
    type=st.sampled_from(OrderType),
    size=amounts,
    quote_size=st.one_of(st.none(), st.none(), amounts),
    price=amounts,
    stop_price=st.one_of(st.none(), st.none(), amounts),
    trailing_bips=st.sampled_from([None, None, None, 100, 0, -3, True]),
    time_in_force=st.sampled_from(TimeInForce),
)


@settings(max_examples=600, deadline=None)
@given(
    made=st.lists(orders, min_size=1, max_size=4),
    key=st.text("abcXYZ019_-", min_size=1, max_size=256),
    secret=st.text(min_size=1, max_size=100),
    json_id=st.sampled_from(("p1", "p99999", "t5")),
    now=st.integers(0, 2**63 + 10),
)
def test_what_is_written_is_written_alike(
    writing: Any, made: list[Order], key: str, secret: str, json_id: str, now: int
) -> None:
    plain, compiled = (_encoder(one, key, secret) for one in (None, writing))
    for order in made:
        assert _said(compiled, order, json_id, now) == _said(plain, order, json_id, now)


@pytest.mark.parametrize("logged_on", [False, True])
@pytest.mark.parametrize("kind", list(OrderType))
def test_every_usual_order_is_written_by_the_twin(
    writing: Any, kind: OrderType, logged_on: bool
) -> None:
    encoders = [_encoder(one) for one in (None, writing)]
    priced = kind in (OrderType.LIMIT, OrderType.POST_ONLY) or kind.value.endswith("_limit")
    stops = kind.value.startswith(("stop", "take"))
    order = Order(
        "pw-1-a", "BTC-USDT", Side.SELL, kind, Decimal("0.00100"), None,
        Decimal("50000.10") if priced else None, Decimal("49000.5") if stops else None,
        250 if stops else None,
    )  # fmt: skip
    for encoder in encoders:
        encoder.requests.can_log_on = encoder.requests.logged_on = logged_on
    plain, compiled = (_said(encoder, order) for encoder in encoders)
    assert isinstance(plain, bytes)
    assert compiled == plain
    [shape] = _fills(encoders[1])
    assert shape.fill is not None
    assert shape.fill(order, "p7", NOW) == plain
    assert (b"signature" in plain) is not logged_on


@pytest.fixture(params=[False, True], ids=["plainly", "by instructions"])
def way(writing: Any, request: pytest.FixtureRequest) -> Any:
    """The writer, which sums up in this way meanwhile."""
    if writing.hash_quickly(request.param) is not request.param:
        pytest.skip("this machine has no instructions for SHA-256")
    yield writing
    writing.hash_quickly(True)


@pytest.mark.parametrize("length", range(1, 257))
def test_a_signature_is_right_wherever_the_text_ends_in_its_block(way: Any, length: int) -> None:
    writing = way
    frame = _said(_encoder(writing, "k" * length, "s" * (length % 130 + 1)), _LIMIT)
    params = json.loads(frame)["params"]
    signature = params.pop("signature")
    text = "&".join(f"{name}={params[name]}" for name in sorted(params))
    secret = b"s" * (length % 130 + 1)
    assert signature == hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()


def test_what_it_cannot_write_it_leaves(writing: Any) -> None:
    encoder = _encoder(writing)
    _said(encoder, _LIMIT)
    [shape] = _fills(encoder)
    assert shape.fill is not None
    odd = [
        Order("a", "BTC-USDT", Side.BUY, OrderType.LIMIT, Decimal("1E+3"), None, Decimal(2)),
        Order("a b", "BTC-USDT", Side.BUY, OrderType.LIMIT, Decimal(1), None, Decimal(2)),
        Order("a", "BTC-USDT", Side.BUY, OrderType.LIMIT, Decimal(1), None, Decimal(0)),
    ]
    assert [shape.fill(order, "p1", NOW) for order in odd] == [None] * 3
    assert shape.fill(_LIMIT, "é", NOW) is None
    assert shape.fill(_LIMIT, "p1", 1 << 70) is None
    assert shape.fill(_LIMIT, "p1", -1) is None
    with pytest.raises(AttributeError):
        shape.fill(object(), "p1", NOW)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        shape.fill(_LIMIT, "p1", "now")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "told",
    [
        (b"", (), b"", b"", None),
        (b"", [], b"", b"", None, None),
        (b"", ((1,),), b"", b"", None, None),
        (b"", (("x", "id", b"", b""),), b"", b"", None, None),
        (b"", (("i", "id", b"", b""),) * 9, b"", b"", None, None),
        (b"", (), b"", b"", b"", b"too short"),
        (b"", (), b"", b"", None, bytes(64)),
    ],
)
def test_a_form_that_is_none_is_refused(writing: Any, told: tuple[Any, ...]) -> None:
    with pytest.raises((TypeError, ValueError)):
        writing.Form(*told)


def test_nothing_is_held_that_is_not_needed(writing: Any) -> None:
    encoder = _encoder(writing)
    for _ in range(3):
        _said(encoder, _LIMIT)
    gc.collect()
    before = sys.getallocatedblocks()
    for number in range(2_000):
        encoder.order(_LIMIT, "order.place", f"p{number}", NOW)
    gc.collect()
    assert sys.getallocatedblocks() - before < 50

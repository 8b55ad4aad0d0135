"""Every kind of event with any values, for hypothesis."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from pitwire.model.events import EVENTS, Event, Trade
from pitwire.model.orders import Side

_PLAIN: dict[type, st.SearchStrategy[Any]] = {
    str: st.text(max_size=8),
    int: st.integers(-(2**63), 2**64 - 1),
    float: st.floats(),
    bool: st.booleans(),
    Decimal: st.decimals(),
    type(None): st.none(),
}


def any_event() -> st.SearchStrategy[Event]:
    """An event of any kind."""
    return st.one_of([of_kind(kind) for kind in EVENTS])


def of_kind(kind: type[Event]) -> st.SearchStrategy[Event]:
    """An event of this kind."""
    return st.builds(kind, **{name: _values(of) for name, of in get_type_hints(kind).items()})


def trade(number: int) -> Trade:
    """The trade with this id."""
    return Trade("toy", "BTC-USDT", 0, number, 1.0, 1.0, Side.BUY, number)


def _values(of: Any) -> st.SearchStrategy[Any]:
    if get_origin(of) in (Union, UnionType):
        return st.one_of([_values(one) for one in get_args(of)])
    if get_origin(of) is tuple:
        inner = get_args(of)
        if inner[-1] is Ellipsis:
            return st.lists(_values(inner[0]), max_size=3).map(tuple)
        return st.tuples(*(_values(one) for one in inner))
    if isinstance(of, type) and issubclass(of, Enum):
        return st.sampled_from(of)
    return _PLAIN[of]

"""What every venue of the family writes alike, in its own names (binance §3, §11.3).

House rules: those of the frames of each venue; here stands only what is the same at all of them.
"""

from __future__ import annotations

from msgspec import Struct

from pitwire.venues.mbx.fields import Id, Name, Price, Size, Time


class AggregateFrame(Struct, gc=False, tag_field="e", tag="aggTrade"):
    s: Name
    a: Id
    p: Price
    q: Size
    f: Id
    l: Id  # noqa: E741 - the venue's name
    T: Time
    m: bool


class BarBody(Struct, gc=False):
    t: Time
    T: Time
    i: str
    o: Price
    c: Price
    h: Price
    l: Price  # noqa: E741 - the venue's name
    v: Size
    n: Id
    x: bool
    q: Size


class BarFrame(Struct, gc=False, tag_field="e", tag="kline"):
    E: Time
    s: Name
    k: BarBody


class ShutdownFrame(Struct, gc=False, tag_field="e", tag="serverShutdown"):
    E: Time = 0


class HistoricTrade(Struct, gc=False, rename="camel"):
    id: Id
    price: Price
    qty: Size
    time: Time
    is_buyer_maker: bool


class HistoricAggregate(Struct, gc=False):
    a: Id
    p: Price
    q: Size
    f: Id
    l: Id  # noqa: E741 - the venue's name
    T: Time
    m: bool

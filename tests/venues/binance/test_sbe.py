"""Binary market frames: the sheet's worked hex, newer schemas, hostile bytes (binance §10)."""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitwire.model import events as ev
from pitwire.model.credentials import Credentials
from pitwire.model.errors import ConfigError
from pitwire.model.orders import Side
from pitwire.venues.binance import BINANCE, BINANCE_SBE
from pitwire.venues.registry import find_venue
from pitwire.venues.venue import Ask, CodecOptions, Reply, Role

NOW, US = 5, 1_000
AT = 1772506983582123 * US
BTC = "BTC-USDT"

DIFF = bytes.fromhex(
    "1a00132701000000ab491ef1154c0600"
    "9d00000000000000a000000000000000"
    "f8f810000200c0cf2efb1c0600004059"
    "7307000000000080369f1c0600000000"
    "0000000000001000010000123efb1c06"
    "000030330b00000000000742544355534454"
)
BEST = bytes.fromhex(
    "3200112701000000ab491ef1154c06007940e51700000000f8f8c0cf2efb1c06000040597307000000000012"
    "3efb1c06000030330b00000000000742544355534454"
)
TRADES = bytes.fromhex(
    "1200102701000000ab491ef1154c060071491ef1154c0600f8f8190002000000393000000000000000123efb"
    "1c06000020a1070000000000003a3000000000000000123efb1c0600001092030000000000000742544355534454"
)
SNAPSHOT = bytes.fromhex(
    "1200122701000000ab491ef1154c06007940e51700000000f8f810000100c0cf2efb1c06000040597307000000"
    "001000010000123efb1c06000030330b00000000000742544355534454"
)
FRAMES = {
    "diff": (
        DIFF,
        [
            ev.BookDelta(
                "binance", BTC, AT, NOW, 157, 160, ((67215.43, 1.25), (67200.0, 0.0)),
                ((67215.44, 0.00734),),
            )
        ],
    ),
    "best": (
        BEST,
        [ev.Quote("binance", BTC, AT, NOW, 67215.43, 1.25, 67215.44, 0.00734, 400900217)],
    ),
    "trades": (
        TRADES,
        [
            ev.Trade(
                "binance", BTC, 1772506983582065 * US, NOW, 67215.44, 0.005, Side.BUY, 12345
            ),
            ev.Trade(
                "binance", BTC, 1772506983582065 * US, NOW, 67215.44, 0.00234, Side.BUY, 12346
            ),
        ],
    ),
    "snapshot": (
        SNAPSHOT,
        [
            ev.PartialBook(
                "binance", BTC, AT, NOW, 400900217, ((67215.43, 1.25),), ((67215.44, 0.00734),), 20
            )
        ],
    ),
}  # fmt: skip
ROOTS = {"diff": 26, "best": 50, "trades": 18, "snapshot": 18}


def codec() -> Any:
    return BINANCE_SBE.codec(CodecOptions(role=Role.MARKET))


@pytest.mark.parametrize("name", FRAMES)
def test_a_worked_frame_of_the_papers(name: str) -> None:
    frame, events = FRAMES[name]
    assert list(codec().decode(frame, NOW)) == events
    assert list(codec().decode(memoryview(frame), NOW)) == events


def test_the_worked_frames_are_as_long_as_the_papers_say() -> None:
    assert [len(FRAMES[one][0]) for one in ("diff", "best", "trades", "snapshot")] == [
        98, 66, 90, 74,
    ]  # fmt: skip


# ── newer schemas break nothing (§10.1) ──


def longer_root(name: str, more: bytes) -> bytes:
    frame, root = FRAMES[name][0], ROOTS[name]
    head = struct.pack("<H", root + len(more)) + frame[2:6] + struct.pack("<H", 9)
    return head + frame[8 : 8 + root] + more + frame[8 + root :]


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("more", [b"\x01", b"\xff" * 4, b"new field"])
def test_a_longer_root_block_is_skipped(name: str, more: bytes) -> None:
    assert list(codec().decode(longer_root(name, more), NOW)) == FRAMES[name][1]


@pytest.mark.parametrize("name", FRAMES)
def test_more_behind_the_symbol_is_skipped(name: str) -> None:
    frame, events = FRAMES[name]
    assert list(codec().decode(frame + b"\x05later", NOW)) == events


def test_longer_entries_of_groups_are_skipped() -> None:
    level = struct.pack("<qq", 6721543000000, 125000000) + b"\xee\xee\xee"
    group = struct.pack("<HH", 19, 1) + level
    frame = SNAPSHOT[:26] + group + struct.pack("<HH", 19, 0) + b"\x07BTCUSDT"
    [book] = codec().decode(frame, NOW)
    assert (book.bids, book.asks) == (((67215.43, 1.25),), ())
    trade = struct.pack("<qqqB", 9, 100000000, 1, 1) + b"\x07\x07"
    frame = TRADES[:26] + struct.pack("<HI", 27, 1) + trade + b"\x07BTCUSDT"
    [one] = codec().decode(frame, NOW)
    assert (one.trade_id, one.price, one.size, one.side) == (9, 1.0, 1e-8, Side.SELL)


@pytest.mark.parametrize("field", [2, 4])
def test_an_unknown_template_or_schema_is_unhandled(field: int) -> None:
    frame = bytearray(BEST)
    struct.pack_into("<H", frame, field, 77)
    [one] = codec().decode(bytes(frame), NOW)
    assert isinstance(one, ev.Unhandled)
    assert "77" in one.channel


def test_offsets_are_those_of_the_schema(captures: Path) -> None:
    """The published schema itself, read with another reader, gives the sizes assumed here."""
    path = captures.parent / "venues/sbe/stream_1_0.xml"
    if not path.exists():
        pytest.skip("the venue's schema files are not here")
    sizes = {
        "utcTimestampUs": 8, "updateId": 8, "tradeId": 8, "mantissa64": 8, "exponent8": 1,
        "boolEnum": 1,
    }  # fmt: skip

    def block(element: ET.Element) -> int:
        return sum(
            sizes[field.attrib["type"]]
            for field in element.findall("field")
            if field.get("presence") != "constant"
        )

    messages = {
        int(one.attrib["id"]): one
        for one in ET.parse(path).getroot()
        if one.tag.endswith("message")
    }
    assert {key: block(one) for key, one in messages.items()} == {
        10000: 18, 10001: 50, 10002: 18, 10003: 26,
    }  # fmt: skip
    groups = {key: [block(g) for g in one.findall("group")] for key, one in messages.items()}
    assert groups == {10000: [25], 10001: [], 10002: [16, 16], 10003: [16, 16]}


# ── numbers ──


@pytest.mark.parametrize("exponent", [-18, -8, -3, 0, 1, 5])
def test_any_exponent_gives_the_float_of_its_text(exponent: int) -> None:
    frame = bytearray(BEST)
    struct.pack_into("<b", frame, 24, exponent)
    [quote] = codec().decode(bytes(frame), NOW)
    assert quote.bid == float(f"6721543000000e{exponent}")
    assert quote.ask == float(f"6721544000000e{exponent}")


@given(st.integers(1, 2**63 - 1), st.integers(-18, 0))
def test_every_mantissa_gives_the_float_of_its_text(mantissa: int, exponent: int) -> None:
    frame = bytearray(BEST)
    struct.pack_into("<b", frame, 24, exponent)
    struct.pack_into("<q", frame, 26, mantissa)
    [quote] = codec().decode(bytes(frame), NOW)
    assert quote.bid == float(f"{mantissa}e{exponent}")


def test_a_side_where_nobody_quotes_is_zero_for_zero() -> None:
    frame = bytearray(BEST)
    struct.pack_into("<qq", frame, 26, 0, 0)
    [quote] = codec().decode(bytes(frame), NOW)
    assert (quote.bid, quote.bid_size, quote.is_whole) == (0.0, 0.0, False)


# ── hostile bytes ──


@pytest.mark.parametrize("name", FRAMES)
def test_every_cut_is_one_clear_error(name: str) -> None:
    frame, ours = FRAMES[name][0], codec()
    for end in range(len(frame)):
        told = list(ours.decode(frame[:end], NOW))
        assert len(told) == 1, end
        assert isinstance(told[0], ev.Malformed | ev.Unhandled), end
        if end >= 8:
            assert isinstance(told[0], ev.Malformed)
            assert told[0].channel == "sbe"


@pytest.mark.parametrize(
    ("name", "layout", "at", "value", "path"),
    [
        ("diff", "<H", 0, 25, "blockLength"),
        ("diff", "<q", 8, -1, "eventTime"),
        ("diff", "<q", 8, 2**62, "eventTime"),
        ("diff", "<q", 24, -5, "lastBookUpdateId"),
        ("diff", "<b", 32, 100, "exponent"),
        ("diff", "<H", 34, 15, "bids"),
        ("diff", "<H", 36, 4000, "bids"),
        ("diff", "<q", 38, -1, "bids"),
        ("diff", "<q", 38, 0, "price"),
        ("diff", "<q", 46, -1, "bids"),
        ("diff", "<B", 90, 200, "symbol"),
        ("diff", "<B", 91, 0xFF, "symbol"),
        ("best", "<q", 26, 0, "bid"),
        ("best", "<q", 34, -1, "bid"),
        ("best", "<q", 42, 0, "ask"),
        ("best", "<q", 16, -1, "bookUpdateId"),
        ("trades", "<I", 28, 2**31 - 1, "trades"),
        ("trades", "<q", 40, 0, "trades"),
        ("trades", "<q", 48, -1, "trades"),
        ("trades", "<B", 56, 2, "trades"),
        ("trades", "<q", 16, -1, "transactTime"),
        ("snapshot", "<q", 16, -1, "bookUpdateId"),
    ],
)
def test_a_wrong_number_is_malformed_and_says_where(
    name: str, layout: str, at: int, value: int, path: str
) -> None:
    frame = bytearray(FRAMES[name][0])
    struct.pack_into(layout, frame, at, value)
    [one] = codec().decode(bytes(frame), NOW)
    assert isinstance(one, ev.Malformed)
    assert one.path.startswith(path)


def test_a_message_of_no_trades_is_no_news() -> None:
    frame = TRADES[:26] + struct.pack("<HI", 25, 0) + b"\x07BTCUSDT"
    assert list(codec().decode(frame, NOW)) == []


# ── the connection around it ──


def test_answers_and_notices_are_json_on_the_same_socket() -> None:
    ours = codec()
    assert list(ours.decode(b'{"result":null,"id":4}', NOW)) == [Reply(4)]
    [notice] = ours.decode(b'{"e":"serverShutdown","E":1770123456789}', NOW)
    assert isinstance(notice, ev.VenueShutdown)
    [notice] = ours.decode(
        b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}', NOW
    )
    assert isinstance(notice, ev.VenueShutdown)


def test_asks_have_the_binary_names_and_come_back() -> None:
    ours = codec()
    asks = [Ask(one, BTC) for one in ("trades", "ticker", "book", "partial_book")]
    frame = ours.subscribe(asks, 1)
    for name in ("@trade", "@bestBidAsk", "@depth", "@depth20"):
        assert f'"btcusdt{name}"'.encode() in frame
    for name, ask in (("trades", asks[0]), ("best", asks[1]), ("diff", asks[2]),
                      ("snapshot", asks[3])):  # fmt: skip
        assert ours.ask_of(FRAMES[name][1][0]) == ask
    with pytest.raises(ConfigError, match="one of trades, ticker, book, partial_book"):
        ours.check(Ask("bars", BTC))


def test_the_key_is_said_with_the_upgrade_and_is_ed25519() -> None:
    headers = BINANCE_SBE.market_headers
    assert headers is not None
    assert headers(Credentials("theKey", "pem", kind="ed25519")) == {"X-MBX-APIKEY": "theKey"}
    with pytest.raises(ConfigError, match="ed25519"):
        headers(Credentials("theKey", "secret", kind="hmac"))


def test_it_is_the_same_venue_by_another_wire() -> None:
    assert find_venue("binance-sbe") is BINANCE_SBE
    assert BINANCE_SBE.endpoints.orders == BINANCE.endpoints.orders
    assert BINANCE_SBE.continuity == BINANCE.continuity
    account, plain = (one.codec(CodecOptions(role=Role.ORDERS)) for one in (BINANCE_SBE, BINANCE))
    assert account.server_time(NOW, 1) == plain.server_time(NOW, 1)
    answer = b'{"id":"h1","status":200,"result":{"serverTime":1700000000000}}'
    assert account.decode(answer, NOW) == plain.decode(answer, NOW)

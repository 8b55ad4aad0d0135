"""Answers and account events in binary: recorded, and as the sheet works them (binance §10.3)."""

from __future__ import annotations

import gzip
import json
import struct
import xml.etree.ElementTree as ET
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pitwire.model import errors
from pitwire.model import events as ev
from pitwire.model.credentials import Credentials
from pitwire.model.orders import CancelOrder, Order, OrderType, Side, UpdateKind
from pitwire.venues.binance import BINANCE_SBE
from pitwire.venues.binance.sbe_layouts import ENVELOPE, EVENTS, FAULT, RESULTS, Layout
from pitwire.venues.venue import CodecOptions, Reply, Role

NOW = 5
TIME = bytes.fromhex(
    "030032000300050000c8001300010002010170170000000000004600000000000000013110000000080066000300"
    "0500ab491ef1154c0600"
)
ERROR = bytes.fromhex(
    "0300320003000500009001130001000201017017000000000000480000000000000001322f000000120064000300"
    "05009ffb000000000000008000000000000000800f00496e76616c69642073796d626f6c2e00000000"
)
REPORT = bytes.fromhex(
    "1a015b0203000500ab491ef1154c060071491ef1154c0600f8f80071491ef1154c060071491ef1154c0600bd"
    "3c2ded02000000000000000000008098ec0c0000000000800ed5322102000000000000000000000000000000"
    "000000000000000000000001010000000000000000000080c0dd830000000000000000000000000000000000"
    "0000000000000000000000000000000000000000000000000000000000000000000000000100000103010100"
    "0000000000000080ffffffffffffffff00000000000000800000000000000080000000000000000000000000"
    "0000008000000000000000800000000000000080000000000000008000000000000000800000008000000000"
    "0000008000000000000000800000ffffff0000000000000080ff07425443555344540361626300000000"
)
LIMIT = Order(
    id="test-order-id-0000000", symbol="BTC-USDT", side=Side.BUY, type=OrderType.LIMIT,
    size=Decimal("0.0001"), price=Decimal(60_000),
)  # fmt: skip


def codec() -> Any:
    made = BINANCE_SBE.codec(CodecOptions(role=Role.ORDERS))
    made.login(Credentials("key", "secret", kind="hmac"), NOW, 1)
    return made


def named(frame: bytes, old: bytes, new: bytes) -> bytes:
    """The same answer to another request."""
    assert len(old) == len(new)
    return frame.replace(old, new, 1)


def test_the_clock_of_the_papers() -> None:
    [reply] = codec().decode(named(TIME, b"\x011\x10", b"\x01h\x10"), NOW)
    assert reply.used_weight == 70
    longer = TIME.replace(b"\x011\x10", b"\x02h4\x10")
    [reply] = codec().decode(longer, NOW)
    assert (reply.request_id, reply.server_time) == (4, 1772506983582123 * 1000)


def test_the_error_of_the_papers() -> None:
    ours = codec()
    ours.place(LIMIT, NOW, 2)
    [reply] = ours.decode(ERROR.replace(b"\x012\x2f", b"\x02p2\x2f"), NOW)
    assert isinstance(reply.error, errors.OrderRejected)
    assert (reply.request_id, reply.error.reason) == (2, "unknown_symbol")
    assert (reply.error.order_id, reply.error.text) == (LIMIT.id, "Invalid symbol.")


def test_a_ban_says_until_when() -> None:
    frame = bytearray(ERROR)
    at = ERROR.index(bytes.fromhex("9ffb"))
    struct.pack_into("<hqq", frame, at, -1003, 1, 1_772_506_983_582_123)
    [reply] = codec().decode(bytes(frame), NOW)
    assert isinstance(reply.error, errors.RateLimited)
    assert reply.error.until == 1_772_506_983_582_123 * 1000


def test_the_report_of_the_papers() -> None:
    [update] = codec().decode(REPORT, NOW)
    assert (update.order_id, update.venue_id, update.update) == (
        "abc", "12569099453", UpdateKind.ACCEPTED,
    )  # fmt: skip
    assert (update.side, update.price, update.size) == (
        Side.SELL, Decimal("23416.1"), Decimal("0.00847"),
    )  # fmt: skip
    assert (update.sequence, update.working, update.reason) == (8641984, True, None)
    assert update.venue_time == 1772506983582065 * 1000


def traded() -> bytes:
    frame = bytearray(REPORT)
    root = 8
    struct.pack_into("<b", frame, root + 18, -4)  # commissionExponent
    frame[root + 94], frame[root + 95] = 4, 2  # Trade, Filled
    struct.pack_into("<q", frame, root + 96, 77)  # tradeId
    struct.pack_into("<q", frame, root + 112, 847000)  # executedQty
    struct.pack_into("<q", frame, root + 128, 847000)  # lastQty
    struct.pack_into("<q", frame, root + 136, 2341610000000)  # lastPrice
    struct.pack_into("<q", frame, root + 152, 12)  # commission
    frame[root + 161] = 1  # isMaker
    return bytes(frame).replace(b"\x03abc\x00\x00", b"\x03abc\x00\x04USDT")


def test_a_fill_is_told_with_its_fee() -> None:
    update, fill = codec().decode(traded(), NOW)
    assert (update.update, update.filled) == (UpdateKind.FILLED, Decimal("0.00847"))
    assert (fill.trade_id, fill.price, fill.size) == (
        "77", Decimal("23416.1"), Decimal("0.00847"),
    )  # fmt: skip
    assert (fill.fee, fill.fee_asset, fill.maker) == (Decimal("0.0012"), "USDT", True)


# ── recorded (three frames of a mainnet account) ──


def recorded(captures: Path) -> dict[str, bytes]:
    with gzip.open(captures / "binance/userdata_spot_SBE_frames_1.jsonl.gz") as lines:
        rows = [json.loads(line) for line in lines]
    return {row["name"].removesuffix("_1"): bytes.fromhex(row["hex"]) for row in rows}


def test_a_recorded_placement(captures: Path) -> None:
    ours = codec()
    ours.place(LIMIT, NOW, 7)
    frame = named(recorded(captures)["web_socket_response"], b"ws-place", b"p0000007")
    [reply] = ours.decode(frame, NOW)
    assert (reply.request_id, reply.error, reply.used_weight) == (7, None, 15)
    [update] = reply.events
    assert update == ev.Update(
        "binance", "BTC-USDT", 1773628230587800 * 1000, NOW, LIMIT.id, "59208788051",
        UpdateKind.ACCEPTED, Side.BUY, OrderType.LIMIT, LIMIT.time_in_force, Decimal(60_000),
        Decimal("0.0001"), Decimal(0), Decimal(0), True,
    )  # fmt: skip


def test_recorded_account_events(captures: Path) -> None:
    frames, ours = recorded(captures), codec()
    [update] = ours.decode(frames["execution_report_event"], NOW)
    assert (update.order_id, update.update, update.price) == (
        "O-20200101-000000-000-000-0", UpdateKind.ACCEPTED, Decimal(60_000),
    )  # fmt: skip
    balances = ours.decode(frames["outbound_account_position_event"], NOW)
    assert {one.asset: one.free for one in balances} == {
        "BTC": Decimal(1), "BNB": Decimal("0.00000028"), "USDT": Decimal(50_000),
    }  # fmt: skip


def test_every_cut_of_a_recorded_frame_is_one_clear_error(captures: Path) -> None:
    ours = codec()
    for frame in (*recorded(captures).values(), TIME, ERROR, REPORT):
        for end in range(len(frame)):
            told = list(ours.decode(frame[:end], NOW))
            assert len(told) == 1, (end, told)
            assert isinstance(told[0], ev.Malformed | ev.Unhandled), end


# ── newer and unknown ──


def answer(template: int, body: bytes, json_id: str = "p3", block: int | None = None) -> bytes:
    head = struct.pack("<HHHH", len(body) if block is None else block, template, 3, 5)
    result = head + body
    text = json_id.encode()
    return (
        struct.pack("<HHHHBHHH", 3, 50, 3, 5, 0, 200, 19, 0)
        + bytes([len(text)]) + text + struct.pack("<I", len(result)) + result
    )  # fmt: skip


def test_an_answer_of_a_newer_template_proves_nothing_and_is_an_answer() -> None:
    ours = codec()
    ours.place(LIMIT, NOW, 3)
    told = ours.decode(answer(399, b"\x01\x02"), NOW)
    [reply] = [one for one in told if isinstance(one, Reply)]
    assert reply.request_id == 3
    assert isinstance(reply.error, errors.OutcomeUnknown)


def test_a_longer_block_is_skipped() -> None:
    body = struct.pack("<q", 1772506983582123) + b"later"
    [reply] = codec().decode(answer(102, body, "h4"), NOW)
    assert reply.server_time == 1772506983582123 * 1000
    report = struct.pack("<H", 282 + 3) + REPORT[2:290] + b"new" + REPORT[290:]
    assert list(codec().decode(report, NOW)) == list(codec().decode(REPORT, NOW))


@pytest.mark.parametrize("template", [999, 620])
def test_an_unknown_event_is_unhandled(template: int) -> None:
    frame = struct.pack("<HHHH", 0, template, 3, 9)
    [one] = codec().decode(frame, NOW)
    assert isinstance(one, ev.Unhandled)
    assert str(template) in one.channel


def test_an_ack_and_all_that_was_cancelled() -> None:
    ours = codec()
    ours.place(LIMIT, NOW, 3)
    ack = struct.pack("<qqq", 55, -(2**63), 1) + b"\x07BTCUSDT\x05pw-id"
    [reply] = ours.decode(answer(300, ack, block=24), NOW)
    assert [(one.order_id, one.venue_id) for one in reply.events] == [("pw-id", "55")]
    ours.cancel_all("BTC-USDT", NOW, 8)
    [reply] = ours.decode(answer(306, struct.pack("<HI", 0, 0), "x8", block=0), NOW)
    assert (reply.error, reply.events) == (None, ())


def test_what_was_cancelled_keeps_its_name() -> None:
    ours = codec()
    ours.cancel(CancelOrder(order_id="pw-id", symbol="BTC-USDT"), NOW, 9)
    block = bytearray(137)
    struct.pack_into("<bbqqqqqqq", block, 0, -2, -3, 55, -(2**63), 7, 5000, 2000, 500, 0)
    block[58:62] = bytes([3, 0, 1, 1])
    body = bytes(block) + b"\x07BTCUSDT\x05pw-id\x06cancel"
    [reply] = ours.decode(answer(305, body, "c9", block=137), NOW)
    [update] = reply.events
    assert (update.order_id, update.update, update.filled) == (
        "pw-id", UpdateKind.CANCELED, Decimal("0.5"),
    )  # fmt: skip
    assert (update.price, update.size, update.side) == (Decimal(50), Decimal(2), Side.SELL)


def test_json_on_the_same_connection_is_understood() -> None:
    assert list(codec().decode(b'{"id":"o4","status":200,"result":[]}', NOW)) != []


# ── the layouts against the venue's published schema ──

_SIZES = {"q": 8, "i": 4, "h": 2, "H": 2, "p": 8, "s": 8, "c": 8, "d": 8}


def size(layout: Layout) -> int:
    kinds = [item.partition(":")[2].removesuffix("?") for item in layout.fields.split()]
    return sum(_SIZES.get(kind, 1) for kind in kinds)


def test_every_layout_is_as_long_as_the_schema_says(captures: Path) -> None:
    path = captures.parent / "venues/sbe/spot_3_5.xml"
    if not path.exists():
        pytest.skip("the venue's schema files are not here")
    root = ET.parse(path).getroot()
    types = {one.attrib["name"]: one for one in root.iter() if one.tag in ("type", "enum", "set")}
    widths = {"int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "int64": 8,
              "uint64": 8}  # fmt: skip

    def width(name: str) -> int:
        if name in widths:
            return widths[name]
        one = types[name]
        return width(one.get("primitiveType") or one.attrib["encodingType"])

    def block(element: ET.Element) -> int:
        return sum(
            width(field.attrib["type"])
            for field in element.findall("field")
            if field.get("presence") != "constant"
        )

    messages = {int(one.attrib["id"]): one for one in root.iter() if one.tag.endswith("}message")}
    ours: dict[int, Layout] = {key: layout for key, (layout, _) in RESULTS.items()}
    ours |= {key: layout for key, (_, layout) in EVENTS.items()}
    ours |= {50: ENVELOPE, 100: FAULT}
    for template, layout in ours.items():
        message = messages[template]
        assert size(layout) == block(message), template
        groups = message.findall("group")[: len(layout.groups)]
        assert [size(one[2]) for one in layout.groups] == [block(one) for one in groups], template

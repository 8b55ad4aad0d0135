"""Frames cut, recoded and made up; the `websockets` library judges what goes over the wire."""

from __future__ import annotations

import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.frames import Frame as TheirFrame
from websockets.frames import Opcode
from websockets.streams import StreamReader

from pitwire.sim.proxy_faults import Insertion
from pitwire.sim.proxy_frames import Frame, FrameCutter, inserted, recoded

TEXT_HEAD = 0x81


def theirs(data: bytes) -> list[TheirFrame]:
    """The frames as an independent parser reads them."""
    reader = StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    found = []
    while reader.buffer:
        parsing = TheirFrame.parse(reader.read_exact, mask=False, max_size=1 << 20)
        try:
            while True:
                next(parsing)
        except StopIteration as over:
            found.append(over.value)
    return found


def checked(wire: bytes) -> None:
    """As their protocol does, without any extension."""
    for frame in theirs(wire):
        frame.check()
        if frame.rsv1:
            raise ProtocolError("reserved bits must be 0")


@given(
    st.lists(st.tuples(st.sampled_from((0x81, 0x82, 0x89, 0x8A)), st.binary(max_size=90_000))),
    st.integers(1, 5000),
)
def test_frames_are_cut_out_however_the_bytes_come(
    given: list[tuple[int, bytes]], step: int
) -> None:
    frames = [Frame(head, payload) for head, payload in given]
    wire = b"".join(frame.encode() for frame in frames)
    cutter = FrameCutter()
    found = [
        frame for at in range(0, len(wire), step) for frame in cutter.feed(wire[at : at + step])
    ]
    assert found == frames


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_lengths_are_written_as_the_rfc_has_them(size: int) -> None:
    (frame,) = theirs(Frame(TEXT_HEAD, b"x" * size).encode())
    assert (frame.opcode, frame.fin, len(frame.data)) == (Opcode.TEXT, True, size)


@given(st.binary(min_size=1, max_size=300), st.integers(1, 50))
def test_fragments_are_the_same_message(payload: bytes, size: int) -> None:
    frames = list(recoded(Frame(TEXT_HEAD, payload), "fragments-and-pings", size))
    parts = [frame for frame in theirs(b"".join(each.encode() for each in frames))
             if frame.opcode is not Opcode.PING]  # fmt: skip
    assert b"".join(frame.data for frame in parts) == payload
    assert [frame.fin for frame in parts] == [False] * (len(parts) - 1) + [True]
    assert parts[0].opcode is Opcode.TEXT
    assert all(frame.opcode is Opcode.CONT for frame in parts[1:])


def test_a_text_may_come_as_binary_and_others_are_left_alone() -> None:
    assert list(recoded(Frame(TEXT_HEAD, b"{}"), "binary", 1)) == [Frame(0x82, b"{}")]
    assert list(recoded(Frame(0x89, b"ping"), "fragments", 1)) == [Frame(0x89, b"ping")]


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("huge-header", PayloadTooBig),
        ("reserved-bit", ProtocolError),
        ("unknown-opcode", (ProtocolError, ValueError)),
        ("long-ping", ProtocolError),
        ("fragmented-ping", ProtocolError),
    ],
)
def test_what_no_parser_may_take_is_refused_by_theirs(
    how: Insertion, error: type[Exception] | tuple[type[Exception], ...]
) -> None:
    with pytest.raises(error):
        checked(inserted(how, 1001))


def test_every_insertion_is_made_up() -> None:
    made = {how: inserted(how, 4321) for how in typing.get_args(Insertion)}
    assert len(set(made.values())) == len(made)
    (closing,) = theirs(made["close"])
    assert closing.data[:2] == (4321).to_bytes(2, "big")

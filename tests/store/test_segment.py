from __future__ import annotations

from zlib import crc32

import pytest

from pitwire.store.segment import (
    MAGIC,
    NOTHING,
    VERSION,
    Chain,
    Flaw,
    Header,
    Ill,
    Segment,
    begin,
    read_segment,
)

HEADER = Header(
    installation="k3x9qa", account="main", epoch=1, segment=7, started=1, previous=NOTHING.hex()
)
RECORDS = [b'{"record":"One"}', b"", b'{"record":"Three","text":"' + b"x" * 40 + b'"}']


def written(*payloads: bytes, header: Header = HEADER) -> list[bytes]:
    """The start of a segment, and each record."""
    chain = Chain()
    return [begin(header, chain), *map(chain.frame, payloads)]


def read(data: bytes) -> Segment:
    return read_segment(data, 7)


def test_what_was_written_is_read() -> None:
    segment = read(b"".join(written(*RECORDS)))
    assert segment.header == HEADER
    assert segment.payloads == RECORDS
    assert segment.flaw is None
    assert len(segment.chains) == len(RECORDS) + 1


def test_the_format_is_the_one_that_is_documented() -> None:
    data = b"".join(written(b"{}"))
    assert data[:8] == MAGIC
    assert int.from_bytes(data[8:12], "little") == VERSION
    assert int.from_bytes(data[12:16], "little") == crc32(data[:12])
    length = int.from_bytes(data[16:20], "little")
    assert int.from_bytes(data[20:24], "little") == crc32(data[44 : 44 + length])
    assert int.from_bytes(data[40:44], "little") == crc32(data[16:40])
    assert data[44 + length + 28 :] == b"{}"


def test_a_tail_cut_at_every_byte_of_the_last_two_records_keeps_the_rest() -> None:
    parts = written(*RECORDS)
    data = b"".join(parts)
    whole = [len(b"".join(parts[: number + 1])) for number in range(len(parts))]
    for size in range(whole[1], len(data)):
        segment = read(data[:size])
        good = sum(end <= size for end in whole[1:])
        assert segment.payloads == RECORDS[:good], size
        if size in whole:
            assert segment.flaw is None
        else:
            at = whole[good]
            assert segment.flaw == Flaw(
                ill=Ill.TORN, segment=7, record=good + 1, offset=at, lost=size - at
            )


def test_every_cut_of_the_start_is_torn() -> None:
    data = written()[0]
    for size in range(len(data)):
        segment = read(data[:size])
        assert segment.header is None
        assert segment.flaw is not None
        assert segment.flaw.ill is Ill.TORN, size


def test_every_flipped_bit_is_found_and_located_and_nothing_behind_it_is_used() -> None:
    parts = written(*RECORDS)
    data = b"".join(parts)
    starts = [16, *(len(b"".join(parts[: number + 1])) for number in range(len(parts) - 1))]
    for bit in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        segment = read(bytes(flipped))
        where = sum(start <= bit // 8 for start in starts) - 1
        assert segment.flaw is not None, bit
        assert segment.flaw.ill is Ill.DAMAGED, bit
        assert not segment.flaw.is_harmless
        if where < 0:
            assert segment.header is None
        else:
            assert (segment.flaw.record, segment.flaw.offset) == (where, starts[where]), bit
            assert segment.payloads == RECORDS[: max(0, where - 1)]


@pytest.mark.parametrize("zeros", [1, 27, 28, 29, 4096])
def test_a_tail_that_was_never_written_is_torn(zeros: int) -> None:
    segment = read(b"".join(written(*RECORDS)) + bytes(zeros))
    assert segment.payloads == RECORDS
    assert segment.flaw is not None
    assert (segment.flaw.ill, segment.flaw.lost) == (Ill.TORN, zeros)


def test_a_record_whose_contents_were_never_written_is_torn() -> None:
    parts = written(*RECORDS)
    lost = parts[-1][:28] + bytes(len(parts[-1]) - 28)
    segment = read(b"".join(parts[:-1]) + lost)
    assert segment.payloads == RECORDS[:2]
    assert segment.flaw is not None
    assert segment.flaw.ill is Ill.TORN


def test_a_record_left_out_or_moved_is_found_by_the_chain() -> None:
    start, one, two, three = written(*RECORDS)
    for order in ([start, two, three], [start, one, three], [start, two, one, three]):
        flaw = read(b"".join(order)).flaw
        assert flaw is not None
        assert (flaw.ill, flaw.text) == (Ill.DAMAGED, "its chain")


def test_a_newer_format_is_said_to_be_newer() -> None:
    data = MAGIC + (VERSION + 1).to_bytes(4, "little")
    segment = read(data + crc32(data).to_bytes(4, "little") + b"what nobody knows")
    assert segment.flaw is not None
    assert segment.flaw.ill is Ill.NEWER
    assert "format 2, this program reads up to 1" in str(segment.flaw)


@pytest.mark.parametrize("data", [b"hello", b"{}" * 20, b"\x01" * 15])
def test_another_file_is_damage(data: bytes) -> None:
    flaw = read(data).flaw
    assert flaw is not None
    assert flaw.ill is Ill.DAMAGED


def test_a_header_that_is_none_of_ours_is_strange() -> None:
    chain = Chain()
    start = begin(HEADER, chain)[:16]
    chain.last = NOTHING
    flaw = read(start + chain.frame(b'{"epoch":"seven"}')).flaw
    assert flaw is not None
    assert flaw.ill is Ill.STRANGE


def test_a_flaw_says_where() -> None:
    flaw = Flaw(ill=Ill.DAMAGED, segment=3, record=17, offset=1234, lost=99, text="its chain")
    assert str(flaw) == ("segment 3, record 17 at byte 1234: damaged, its chain, 99 bytes not used")
    assert str(Flaw(ill=Ill.MISSING, segment=4)) == "segment 4 is missing"

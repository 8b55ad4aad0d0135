from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from zlib import crc32

import msgspec
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


Writer = Callable[..., list[bytes]]


def written(*payloads: bytes, header: Header = HEADER) -> list[bytes]:
    """The start of a segment, and each record."""
    chain = Chain()
    return [begin(header, chain), *map(chain.frame, payloads)]


def written_of_old(*payloads: bytes, header: Header = HEADER) -> list[bytes]:
    """The same in format 1, which is read and never written again."""
    preamble, chain = MAGIC + (1).to_bytes(4, "little"), NOTHING
    parts = []
    for payload in (msgspec.json.encode(header), *payloads):
        chain = blake2b(chain + payload, digest_size=16).digest()
        facts = len(payload).to_bytes(4, "little") + crc32(payload).to_bytes(4, "little") + chain
        parts.append(facts + crc32(facts).to_bytes(4, "little") + payload)
    preamble += crc32(preamble).to_bytes(4, "little")
    return [preamble + parts[0], *parts[1:]]


both = pytest.mark.parametrize(("write", "head"), [(written, 24), (written_of_old, 28)])


def read(data: bytes) -> Segment:
    return read_segment(data, 7)


@both
def test_what_was_written_is_read(write: Writer, head: int) -> None:
    segment = read(b"".join(write(*RECORDS)))
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
    assert int.from_bytes(data[20:24], "little") == length ^ 0xFFFFFFFF
    chain = blake2b(bytes(16) + data[40 : 40 + length], digest_size=16).digest()
    assert data[24:40] == chain
    assert (
        data[40 + length + 8 : 40 + length + 24] == blake2b(chain + b"{}", digest_size=16).digest()
    )
    assert data[40 + length + 24 :] == b"{}"


@both
def test_a_tail_cut_at_every_byte_of_the_last_two_records_keeps_the_rest(
    write: Writer, head: int
) -> None:
    parts = write(*RECORDS)
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


@both
def test_every_cut_of_the_start_is_torn(write: Writer, head: int) -> None:
    data = write()[0]
    for size in range(len(data)):
        segment = read(data[:size])
        assert segment.header is None
        assert segment.flaw is not None
        assert segment.flaw.ill is Ill.TORN, size


@both
def test_every_flipped_bit_is_found_and_located_and_nothing_behind_it_is_used(
    write: Writer, head: int
) -> None:
    parts = write(*RECORDS)
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


@both
@pytest.mark.parametrize("zeros", [1, 23, 24, 25, 27, 28, 29, 4096])
def test_a_tail_that_was_never_written_is_torn(zeros: int, write: Writer, head: int) -> None:
    segment = read(b"".join(write(*RECORDS)) + bytes(zeros))
    assert segment.payloads == RECORDS
    assert segment.flaw is not None
    assert (segment.flaw.ill, segment.flaw.lost) == (Ill.TORN, zeros)


@both
def test_a_record_whose_contents_were_never_written_is_torn(write: Writer, head: int) -> None:
    parts = write(*RECORDS)
    lost = parts[-1][:head] + bytes(len(parts[-1]) - head)
    segment = read(b"".join(parts[:-1]) + lost)
    assert segment.payloads == RECORDS[:2]
    assert segment.flaw is not None
    assert segment.flaw.ill is Ill.TORN


@both
def test_a_record_left_out_or_moved_is_found_by_the_chain(write: Writer, head: int) -> None:
    start, one, two, three = write(*RECORDS)
    for order in ([start, two, three], [start, one, three], [start, two, one, three]):
        flaw = read(b"".join(order)).flaw
        assert flaw is not None
        assert flaw.ill is Ill.DAMAGED
        assert flaw.text.endswith("its chain")


@both
def test_what_is_wrong_with_a_record_is_said(write: Writer, head: int) -> None:
    parts = write(*RECORDS)
    whole = bytearray(b"".join(parts))
    last = len(whole) - len(parts[-1])
    for place, told in ((0, "its head"), (head, "its payload"), (8, "its chain")):
        harmed = whole.copy()
        harmed[last + place] ^= 1
        flaw = read(bytes(harmed)).flaw
        assert flaw is not None
        assert told in flaw.text or (head == 28 and flaw.text == "its head")  # which covers it


def test_an_empty_record_whose_chain_is_harmed_is_damage() -> None:
    data = bytearray(b"".join(written(*RECORDS[:2])))
    data[-1] ^= 1
    flaw = read(bytes(data)).flaw
    assert flaw is not None
    assert flaw.ill is Ill.DAMAGED


def test_a_newer_format_is_said_to_be_newer() -> None:
    data = MAGIC + (VERSION + 1).to_bytes(4, "little")
    segment = read(data + crc32(data).to_bytes(4, "little") + b"what nobody knows")
    assert segment.flaw is not None
    assert segment.flaw.ill is Ill.NEWER
    assert "format 3, this program reads up to 2" in str(segment.flaw)


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

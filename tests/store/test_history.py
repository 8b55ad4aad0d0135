from __future__ import annotations

from pathlib import Path

import pytest

from pitwire.store.history import START, History, Position, segment_path
from pitwire.store.segment import NOTHING, Chain, Flaw, Header, Ill, begin, read_segment
from pitwire.trading.journal import Alerted, Record, payload


def say(number: int) -> Alerted:
    return Alerted(at=number, text=f"word {number}")


def fill(folder: Path, *segments: int) -> list[bytes]:
    """Segments with so many records each; the chain at the end of each."""
    last, number, chains = NOTHING, 0, []
    for index, count in enumerate(segments, start=1):
        chain = Chain()
        header = Header(
            installation="k3x9qa",
            account="main",
            epoch=index,
            segment=index,
            started=index,
            previous=last.hex(),
        )
        data = begin(header, chain)
        for _ in range(count):
            number += 1
            data += chain.frame(payload(say(number)))
        segment_path(folder, index).write_bytes(data)
        last = chain.last
        chains.append(last)
    return chains


def told(history: History) -> list[Record]:
    return [record for record, _ in history.records()]


def test_segments_are_read_in_order(tmp_path: Path) -> None:
    last = fill(tmp_path, 2, 0, 3)[-1]
    history = History(tmp_path)
    assert told(history) == [say(n) for n in range(1, 6)]
    assert history.flaws == []
    assert history.end == Position(3, 3)
    assert history.chain == last
    assert [header.epoch for header in history.headers] == [1, 2, 3]


def test_an_empty_folder_has_no_history(tmp_path: Path) -> None:
    history = History(tmp_path)
    assert told(history) == []
    assert (history.end, history.chain, history.worst) == (START, NOTHING, None)


def test_a_tail_is_read_from_where_the_checkpoint_stands(tmp_path: Path) -> None:
    first, second = fill(tmp_path, 3, 2)
    assert told(History(tmp_path, Position(2, 2), chain=second)) == []
    assert told(History(tmp_path, Position(1, 3), chain=first)) == [say(4), say(5)]
    segment_path(tmp_path, 1).unlink()  # it lies before the checkpoint, so nobody needs it
    history = History(tmp_path, Position(1, 3), chain=first)
    assert told(history) == [say(4), say(5)]
    assert history.flaws == []


def test_a_place_is_counted_from_where_the_checkpoint_stands(tmp_path: Path) -> None:
    first, *_ = fill(tmp_path, 3, 2, 1)
    places = [(0, 0), (1, 2), (1, 3), (2, 0), (2, 1), (2, 2), (3, 0), (3, 1), (4, 0)]
    for _ in range(2):
        history = History(tmp_path, Position(1, 3), chain=first)
        told(history)
        numbers = [history.number_of(Position(*one)) for one in places]
        assert numbers == [-1, -1, 0, 0, 1, 2, 2, 3, 3]
        segment_path(tmp_path, 1).unlink(missing_ok=True)  # nobody needs it


def test_a_journal_that_a_checkpoint_was_not_made_of_is_damaged(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    for since, chain in ((Position(1, 3), bytes(16)), (Position(1, 9), bytes(16))):
        history = History(tmp_path, since, chain=chain)
        assert told(history) == []
        assert history.worst is not None
        assert "not what the checkpoint was made of" in str(history.worst)


@pytest.mark.parametrize("gone", [1, 2, 3])
def test_a_missing_segment_is_a_named_hole_and_nothing_behind_it_is_read(
    tmp_path: Path, gone: int
) -> None:
    fill(tmp_path, 1, 1, 1)
    segment_path(tmp_path, gone).unlink()
    history = History(tmp_path, expected=3)
    assert told(history) == [say(n) for n in range(1, gone)]
    assert history.worst == Flaw(ill=Ill.MISSING, segment=gone)


def test_a_torn_tail_is_cut_and_the_next_segment_read(tmp_path: Path) -> None:
    """What the next run followed is what it could read, so the chains still join."""
    fill(tmp_path, 2)
    path = segment_path(tmp_path, 1)
    path.write_bytes(path.read_bytes()[:-3])
    torn = History(tmp_path)
    assert told(torn) == [say(1)]
    chain = Chain()
    start = begin(second(torn.chain), chain)
    segment_path(tmp_path, 2).write_bytes(start + chain.frame(payload(say(9))))
    history = History(tmp_path)
    assert told(history) == [say(1), say(9)]
    assert [flaw.ill for flaw in history.flaws] == [Ill.TORN]
    assert history.worst is None


def second(previous: bytes) -> Header:
    return Header(
        installation="k3x9qa",
        account="main",
        epoch=2,
        segment=2,
        started=2,
        previous=previous.hex(),
    )


def test_a_segment_that_ends_too_soon_is_noticed_by_the_next(tmp_path: Path) -> None:
    """Cut between two records, nothing in the segment itself is wrong."""
    fill(tmp_path, 2, 1)
    path = segment_path(tmp_path, 1)
    path.write_bytes(path.read_bytes()[: -len(Chain().frame(payload(say(2))))])
    history = History(tmp_path)
    assert told(history) == [say(1)]
    assert history.worst is not None
    assert "does not follow the segment before it" in str(history.worst)


def test_a_segment_that_died_before_its_header_breaks_nothing(tmp_path: Path) -> None:
    last = fill(tmp_path, 1)[0]
    segment_path(tmp_path, 2).write_bytes(b"PWJ")
    chain = Chain()
    header = Header(
        installation="k3x9qa", account="main", epoch=3, segment=3, started=3, previous=last.hex()
    )
    segment_path(tmp_path, 3).write_bytes(begin(header, chain) + chain.frame(payload(say(5))))
    history = History(tmp_path)
    assert told(history) == [say(1), say(5)]
    assert history.worst is None


def test_a_record_of_another_kind_is_strange_and_located(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    path = segment_path(tmp_path, 1)
    history = History(tmp_path)
    assert told(history) == [say(1)]
    chain = Chain(history.chain)
    path.write_bytes(path.read_bytes() + chain.frame(b'{"record":"Prophecy","at":1}'))
    history = History(tmp_path)
    assert told(history) == [say(1)]
    assert history.worst is not None
    assert (history.worst.ill, history.worst.record) == (Ill.STRANGE, 2)
    assert history.end == Position(1, 1)


def test_every_flipped_bit_of_a_small_journal_is_found(tmp_path: Path) -> None:
    fill(tmp_path, 1, 2)
    whole = [say(1), say(2), say(3)]
    for number in (1, 2):
        path = segment_path(tmp_path, number)
        data = path.read_bytes()
        for bit in range(len(data) * 8):
            flipped = bytearray(data)
            flipped[bit // 8] ^= 1 << bit % 8
            path.write_bytes(flipped)
            history = History(tmp_path)
            read = told(history)
            assert read == whole[: len(read)], "nothing is used that was not written"
            assert len(read) < 3
            assert history.worst is not None
            assert history.worst.segment == number, (number, bit)
        path.write_bytes(data)


def test_who_only_shows_reads_on_behind_harm(tmp_path: Path) -> None:
    fill(tmp_path, 2, 2, 1, 1)
    segment_path(tmp_path, 3).unlink()
    path = segment_path(tmp_path, 2)
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    history = History(tmp_path, reads_on=True)
    assert told(history) == [say(1), say(2), say(3), say(6)]
    assert [(flaw.ill, flaw.segment) for flaw in history.flaws] == [
        (Ill.DAMAGED, 2),
        (Ill.MISSING, 3),
    ]
    assert told(History(tmp_path)) == [say(1), say(2), say(3)]


def test_a_checkpoints_segment_that_is_gone_is_a_hole_unless_the_next_joins(tmp_path: Path) -> None:
    first, _ = fill(tmp_path, 3, 2)
    early = read_segment(segment_path(tmp_path, 1).read_bytes(), 1).chains[2]
    segment_path(tmp_path, 1).unlink()
    for since, chain, wanted in (
        (Position(1, 3), first, []),
        (Position(1, 2), early, [Flaw(ill=Ill.MISSING, segment=1)]),
    ):
        history = History(tmp_path, since, chain=chain)
        assert len(told(history)) == (0 if wanted else 2)
        assert history.flaws == wanted
    segment_path(tmp_path, 2).unlink()
    alone = History(tmp_path, Position(1, 3), chain=first)
    assert told(alone) == []
    assert alone.worst == Flaw(ill=Ill.MISSING, segment=1), "who knows what came behind it"

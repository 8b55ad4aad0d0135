"""A tape is read as it was written, from any time on; broken anywhere, it says where."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from zlib import crc32

import pytest

from pitwire.model.clock import SECOND
from pitwire.model.entropy import Entropy
from pitwire.model.errors import ConfigError
from pitwire.tape import format as tape_format
from pitwire.tape.format import (
    KEY_BYTES,
    PREAMBLE,
    RECORD,
    VERSION,
    Exchange,
    Flag,
    Head,
    Kind,
    Record,
    Spelling,
    Unpacker,
    decode_exchange,
    encode_exchange,
    zstd,
)
from pitwire.tape.reader import Tape, TapeFile, runs_in
from pitwire.tape.writer import HOUR, TapeWriter, file_path
from tests.tape.tapes import META, START, entries, write_tape


def numbers(tape: Tape | TapeFile, since: int = 0) -> list[int]:
    return [int(record.payload[-9:]) for record in tape.records(since)]


def opened(path: Path) -> tuple[TapeFile | None, str]:
    """The file, or why it is refused."""
    try:
        return TapeFile(path), ""
    except ConfigError as error:
        return None, str(error)


def test_a_run_has_its_names_before_anything_is_synced_into_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a power cut takes it whole, whatever of it was synced."""
    synced: list[tuple[Path, list[str]]] = []

    def sync(folder: Path) -> None:
        synced.append((folder, sorted(path.name for path in folder.iterdir())))

    monkeypatch.setattr("pitwire.tape.writer.sync_folder", sync)
    writer = TapeWriter(tmp_path / "new" / "tapes", META, sync=lambda _: None)
    run = writer.run
    assert synced == [(run, ["000001.tape"]), (run.parent, [run.name])]
    writer.close()


def test_what_was_written_is_read(tmp_path: Path) -> None:
    written = [
        ("market-1", Kind.OPENED, START, True, b"wss://venue"),
        ("market-1", Kind.IN, START + 1, False, b"{}"),
        ("orders", Kind.OUT, START + 2, True, b"\x00\xff"),
        ("", Kind.HTTP, START + 3, True, b"x" * 70_000),
    ]
    tape = Tape(write_tape(tmp_path, [written[:2], written[2:]]))
    read = [(r.link, r.kind, r.at, r.drained, r.payload) for r in tape.records()]
    assert read == written
    assert {type(record) for record in tape.records()} == {Record}
    assert [record.payload for record in tape.records(only=Kind.HTTP)] == [written[3][4]]
    assert tape.meta == META
    assert tape.flaws == ()
    assert tape.span() == (START, START + 3)


def test_reading_begins_at_any_time(tmp_path: Path) -> None:
    size = KEY_BYTES // 100
    written = entries(450, size=size)
    for closed in (True, False):
        path = write_tape(
            tmp_path / str(closed), [written[at : at + 7] for at in range(0, 450, 7)], closed=closed
        )
        file = TapeFile(path)
        assert file.is_closed is closed
        for first in (0, 1, 99, 100, 101, 333, 449):
            assert numbers(file, written[first][2]) == list(range(first, 450))
        assert numbers(file, written[-1][2] + 1) == []
        # From a key block on, and not from the start: most of the file is not even looked at.
        assert file._key_before(written[400][2]) > file.size // 2
        file.close()


def test_reading_ends_at_any_time(tmp_path: Path) -> None:
    written = entries(60)
    tape = Tape(write_tape(tmp_path, [written[at : at + 7] for at in range(0, 60, 7)]))
    for last in (0, 1, 6, 7, 8, 35, 59):
        until = written[last][2]
        assert [int(one.payload) for one in tape.records(until=until)] == list(range(last))
        blocks = [record[0] for block in tape.blocks(until=until) for record in block]
        assert blocks == [entry[2] for entry in written[:last]]


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (RECORD.pack(START, 0, Kind.IN, 0)[:-1], "a record is cut"),
        (RECORD.pack(START, 5, Kind.IN, 0) + b"four", "longer than its block"),
        (RECORD.pack(START, 0, 0x7F, 0), "of kind 127, which is unknown"),
    ],
)
def test_a_record_that_none_of_us_wrote_is_refused(raw: bytes, told: str) -> None:
    packed = zstd.compress(raw)
    head = Head(Flag.KEY, len(packed), len(raw), 1, crc32(packed), START, START)
    with pytest.raises(ValueError, match=told):
        Unpacker().unpack(head, packed)


def test_files_end_when_they_are_full_and_on_the_hour(tmp_path: Path) -> None:
    start = START // HOUR * HOUR
    meta = type(META)(program="test", venue="binance", started=start + HOUR - 3 * SECOND)
    writer = TapeWriter(tmp_path, meta, max_bytes=100_000)
    # Noise cannot be packed, so these fill a file after five or six.
    chance = Entropy(1).stream("noise")
    noise = [b"%d " % number + chance.randbytes(20_000) for number in range(12)]
    for number, payload in enumerate(noise):
        at = meta.started + number * SECOND // 2
        writer.put([("market-1", Kind.IN, at, True, payload)])
    writer.close()
    tape = Tape(tmp_path)
    assert [record.payload for record in tape.records()] == noise
    firsts = [next(iter(Tape(path).records())).at for path in tape.files]
    assert start + HOUR in firsts, "the hour begins a file"
    assert [Tape(path).meta.file for path in tape.files] == list(range(1, len(tape.files) + 1))
    assert all(path.stat().st_size < 100_000 + 21_000 for path in tape.files)
    assert [int(r.payload.split()[0]) for r in tape.records(start + HOUR + 1)] == list(range(7, 12))


@pytest.mark.parametrize("closed", [True, False])
def test_cut_anywhere_what_stands_before_is_read(tmp_path: Path, closed: bool) -> None:
    batches = [entries(30)[at : at + 6] for at in range(0, 30, 6)]
    path = write_tape(tmp_path, batches, closed=closed)
    whole, broken = path.read_bytes(), tmp_path / "cut.tape"
    seen = set()
    for size in range(len(whole) + 1):
        broken.write_bytes(whole[:size])
        file, refused = opened(broken)
        if file is None:
            assert str(broken) in refused
            assert "at byte" in refused
            continue
        found = numbers(file)
        assert found == list(range(len(found)))
        assert len(found) % 6 == 0
        assert all(flaw.torn for flaw in file.flaws), file.flaws
        seen.add(len(found))
        file.close()
    assert seen == {0, 6, 12, 18, 24, 30}


def test_a_flipped_bit_is_found_wherever_it_is(tmp_path: Path) -> None:
    path = write_tape(tmp_path, [entries(30)[at : at + 6] for at in range(0, 30, 6)])
    whole, broken = path.read_bytes(), tmp_path / "flipped.tape"
    for place in range(len(whole)):
        data = bytearray(whole)
        data[place] ^= 1 << place % 8
        broken.write_bytes(data)
        file, refused = opened(broken)
        if file is None:
            assert "at byte" in refused
            continue
        found = numbers(file)
        assert found == sorted(set(found))
        assert found == list(range(len(found))), "before the damage all are read"
        assert len(found) == 30 or file.flaws, place
        if file.flaws:
            assert str(broken) in str(file.flaws[0])
            assert f"at byte {file.flaws[0].offset}" in str(file.flaws[0])
        file.close()


def test_reading_goes_on_behind_the_damage(tmp_path: Path) -> None:
    written = entries(600, size=KEY_BYTES // 150)
    path = write_tape(tmp_path, [written[at : at + 10] for at in range(0, 600, 10)])
    file = TapeFile(path)
    file.close()
    keys = file.index
    assert keys is not None
    data = bytearray(path.read_bytes())
    data[keys.keys[1][0] + 60] ^= 4  # within the second key block
    path.write_bytes(data)
    tape = Tape(path)
    found = numbers(tape)
    [flaw] = tape.flaws
    first_lost = next(n for n in range(600) if n not in found)
    assert found[:first_lost] == list(range(first_lost))
    assert found[-1] == 599, "the third key block and all behind it are read"
    assert flaw.offset == keys.keys[1][0]
    assert flaw.lost == keys.keys[2][0] - keys.keys[1][0]
    assert not flaw.torn


def test_a_damaged_file_does_not_hide_the_others(tmp_path: Path) -> None:
    writer = TapeWriter(tmp_path, META, max_bytes=1)
    for number in range(3):
        writer.put([entries(3)[number]])
    writer.close()
    assert len(Tape(tmp_path).files) == 4  # the first holds no frame: it was full at once
    file_path(writer.run, 3).write_bytes(b"not a tape at all")
    tape = Tape(tmp_path)
    assert numbers(tape) == [0, 2]
    assert "something else than a tape" in str(tape.flaws[0])


def run_of_files(folder: Path, count: int) -> Path:
    """A run of so many files with a frame each, its number in it."""
    writer = TapeWriter(folder, META, max_bytes=300)  # a file's first block and one more
    for number in range(count):
        writer.put([entries(count)[number]])
    writer.close()
    assert [numbers(Tape(path)) for path in Tape(writer.run).files] == [[n] for n in range(count)]
    return writer.run


def told(tape: Tape) -> list[tuple[str, bool]]:
    return [(f"{flaw.path.name}: {flaw.what}", flaw.torn) for flaw in tape.flaws]


def test_a_file_of_a_run_that_is_not_there_is_told(tmp_path: Path) -> None:
    run = run_of_files(tmp_path, 6)
    for gone in (1, 3, 4):
        file_path(run, gone).unlink()
    tape = Tape(run)
    assert numbers(tape) == [1, 4, 5]
    assert told(tape) == [
        ("000001.tape: not there", False),
        ("000003.tape: not there, nor the 1 after it", False),
    ]
    assert Tape(file_path(run, 5)).flaws == (), "who asks for one file has it"


def test_a_file_that_ends_early_before_a_later_one_is_told(tmp_path: Path) -> None:
    run = run_of_files(tmp_path, 3)
    for number in (2, 3):  # cut before a block, which nothing else would show
        file = TapeFile(file_path(run, number))
        begins = [offset for offset, _ in file._heads()]
        file.close()
        file.path.write_bytes(file.path.read_bytes()[: begins[1]])
    tape = Tape(run)
    assert numbers(tape) == [0]
    [(what, torn)] = told(tape)
    assert what.startswith("000002.tape: it was not closed, though a later file")
    assert not torn, "of the last one that is how a crash leaves it"


@pytest.mark.parametrize("left", [0, 5, PREAMBLE.size])
def test_a_crash_as_a_file_began_hides_nothing_before_it(tmp_path: Path, left: int) -> None:
    run = run_of_files(tmp_path, 3)
    span = Tape(run).span()
    last = file_path(run, 4)
    last.write_bytes(file_path(run, 3).read_bytes()[:left])
    tape = Tape(run)
    assert numbers(tape) == [0, 1, 2]
    assert tape.span() == span
    assert all(flaw.torn for flaw in tape.flaws)
    assert Tape(run).meta == META


def test_the_first_file_may_be_spoilt_and_the_others_are_read(tmp_path: Path) -> None:
    run = run_of_files(tmp_path, 3)
    file_path(run, 1).write_bytes(b"")
    tape = Tape(run)
    assert numbers(tape) == [1, 2]
    assert (tape.meta.venue, tape.meta.started) == (META.venue, START)
    assert told(tape) == [("000001.tape: an empty file", False)], "no crash leaves this"


def test_a_spoilt_first_block_costs_no_more_than_another(tmp_path: Path) -> None:
    written = entries(400, size=KEY_BYTES // 150)
    path = write_tape(tmp_path, [written[at : at + 10] for at in range(0, 400, 10)])
    data = bytearray(path.read_bytes())
    data[PREAMBLE.size + 60] ^= 4
    path.with_name("000002.tape").write_bytes(data)
    tape = Tape(path.parent)
    found = numbers(tape)
    assert found[:400] == list(range(400))
    assert found[400:] == list(range(found[400], 400)), "the second key block on"
    assert 0 < found[400] < 200
    [flaw] = tape.flaws
    assert (flaw.path.name, flaw.offset) == ("000002.tape", PREAMBLE.size)
    with pytest.raises(ConfigError, match="its first block whole"):
        Tape(path.with_name("000002.tape"))


def test_an_index_with_a_flipped_bit_is_not_gone_by(tmp_path: Path) -> None:
    size = KEY_BYTES // 100
    written = entries(450, size=size)
    path = write_tape(tmp_path, [written[at : at + 7] for at in range(0, 450, 7)])
    whole = path.read_bytes()
    file = TapeFile(path)
    assert file.index is not None
    keys = file.index.keys
    begins = whole.rindex(b'{"first"')
    file.close()
    assert len(keys) > 3
    for place in range(begins, len(whole)):
        data = bytearray(whole)
        data[place] ^= 1
        path.write_bytes(data)
        tape = Tape(path)
        assert tape.span() == (START, written[-1][2]), place
        if place % 9 == 0:
            assert numbers(tape, written[333][2]) == list(range(333, 450)), place


def test_a_flaw_that_is_met_twice_is_told_once(tmp_path: Path) -> None:
    path = write_tape(tmp_path, [entries(3), entries(6)[3:]])
    path.write_bytes(path.read_bytes()[:-90])
    tape = Tape(path)
    slow = tape.blocks()
    next(slow)
    assert list(tape.records(only=Kind.HTTP)) == []
    for _ in slow:
        pass
    assert len(tape.flaws) == 1


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "an empty file"),
        (b"PWTA", "cut within its preamble"),
        (b"timestamp,price\n1,2\n3,4\n", "something else than a tape"),
    ],
)
def test_what_is_no_tape_is_one_clear_line(tmp_path: Path, data: bytes, told: str) -> None:
    path = tmp_path / "x.tape"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=told) as caught:
        Tape(path)
    assert str(path) in str(caught.value)


def test_a_newer_format_is_refused_by_its_number(tmp_path: Path) -> None:
    from zlib import crc32

    path = write_tape(tmp_path, [entries(3)])
    data = bytearray(path.read_bytes())
    data[8:12] = (VERSION + 1).to_bytes(4, "little")
    data[12:16] = crc32(data[:12]).to_bytes(4, "little")
    assert len(data) > PREAMBLE.size
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=rf"format {VERSION + 1} .*: upgrade pitwire"):
        Tape(path)


def test_a_block_that_no_reader_would_take_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tape_format, "LONGEST", 1000)
    writer = TapeWriter(tmp_path, META)
    with pytest.raises(ValueError, match=r"a block of 1,\d+ bytes, expected up to 1,000"):
        writer.put(entries(1, size=1100))
    writer.abandon()


def test_a_folder_of_several_runs_wants_one_named(tmp_path: Path) -> None:
    write_tape(tmp_path, [entries(3)])
    later = type(META)(program="test", venue="binance", started=START + SECOND)
    TapeWriter(tmp_path, later).close()
    with pytest.raises(ConfigError, match="2 runs"):
        Tape(tmp_path)
    assert numbers(Tape(runs_in(tmp_path)[0])) == [0, 1, 2]
    with pytest.raises(ConfigError, match="nothing"):
        Tape(tmp_path / "missing")


def test_a_rest_exchange_comes_back_whole() -> None:
    exchange = Exchange("GET", "http://venue/depth", 7, 200, {"date": "x"}, body=b'{"a": "\xff"}')
    assert decode_exchange(encode_exchange(exchange)) == exchange
    with pytest.raises(ValueError, match="head"):
        decode_exchange(b"\x01")


def test_a_link_that_two_threads_meet_at_once_has_one_number() -> None:
    both = threading.Barrier(2)

    class Met(dict[str, int]):
        def get(self, link: str, default: int | None = None) -> int | None:  # type: ignore[override]
            found = super().get(link, default)
            both.wait(timeout=30)  # neither knows it, and neither has numbered it yet
            return found

    spelling = Spelling()
    spelling.numbers = Met(spelling.numbers)
    with ThreadPoolExecutor(2) as threads:
        numbers = list(threads.map(spelling.number_of, ("market", "market")))
        others = list(threads.map(spelling.number_of, ("orders", "private")))
    assert numbers[0] == numbers[1] == spelling.numbers["market"]
    assert len({0, numbers[0], *others}) == 4
    assert [record[RECORD.size :] for record in spelling.names(1, START)] == [
        link.encode() for link in list(spelling.numbers)[1:]
    ]


@pytest.mark.parametrize("size", [0, 1, 5119, 5120, 5121, 15_000, 1 << 16, (1 << 16) + 1])
def test_a_sum_in_pieces_is_the_sum(size: int) -> None:
    payload = bytes(number * 7 % 251 for number in range(size))
    assert tape_format._sum_of(payload) == crc32(payload)

"""The recorder: everything kept, nothing secret, and no trouble of its own reaches a session."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

import pytest

from pitwire.desk.masking import Masker
from pitwire.model.clock import SECOND, ManualClock
from pitwire.model.errors import ConfigError, ConnectionLost, DialFailed
from pitwire.tape import recorder as module
from pitwire.tape.format import Kind, decode_exchange
from pitwire.tape.reader import Tape, TapeFile, runs_in
from pitwire.tape.recorder import Recorder
from pitwire.tape.writer import write_all
from pitwire.wire.link import HttpAnswer
from tests.tape.tapes import CREDENTIALS, KEY, META, START, recorder, write_tape
from tests.tape.tapes import entries as frames

SECRET = CREDENTIALS.secret.reveal()


def kinds(tape: Tape) -> list[Kind]:
    return [record.kind for record in tape.records()]


def test_what_a_session_hears_and_says_is_on_the_tape(tmp_path: Path) -> None:
    told = recorder(tmp_path)
    told.refused("market-1", DialFailed(address="ws://x", cause="no", status=503), START)
    told.opened("market-1", "ws://x", START + 1)
    buffer = bytearray(b"first")
    told.frame("market-1", "in", memoryview(buffer), START + 2, False)
    buffer[:] = b"again"  # the reader's buffer is used again at once
    told.frame("market-1", "out", b"second", START + 3, True)
    told.drained("market-1", START + 4)
    told.lost("market-1", ConnectionLost(code=1006, reason="gone"), START + 5)
    told.close()
    told.close()
    tape = Tape(tmp_path)
    assert [(r.kind, r.at - START) for r in tape.records()] == [
        (Kind.REFUSED, 0), (Kind.OPENED, 1), (Kind.IN, 2), (Kind.OUT, 3), (Kind.DRAINED, 4),
        (Kind.LOST, 5),
    ]  # fmt: skip
    assert [r.payload for r in tape.records() if r.kind <= Kind.OUT] == [b"first", b"second"]
    assert told.kept == 6
    assert not told.failed


def test_nothing_secret_is_on_the_tape(tmp_path: Path) -> None:
    told = recorder(tmp_path)
    told.opened("orders", f"ws://x?token={KEY}", START)
    told.frame("orders", "out", f'{{"apiKey":"{KEY}","signature":"abc="}}'.encode(), START, True)
    told.frame("orders", "in", b'{"listenKey":"pqia91ma19a5s61cv6a81va65s"}', START, True)
    told.frame("market-1", "in", f'{{"oops":"{SECRET}"}}'.encode(), START, True)
    told.frame("market-1", "in", b'{"e":"trade","token":"BTC"}', START, True)

    async def fetch(method: str, url: str, headers: Mapping[str, str], body: bytes) -> object:
        return 200, {"date": "today", "set-cookie": "c"}, f'{{"listenKey":"{KEY}"}}'.encode()

    async def ask() -> None:
        carry = told.fetch(fetch)  # type: ignore[arg-type]
        url = "http://x/userDataStream?signature=0a1b2c3d"
        await carry("POST", url, {"X-MBX-APIKEY": KEY}, b"secret=" + SECRET.encode())

    asyncio.run(ask())
    told.close()
    records = list(Tape(tmp_path).records())
    text = b"\n".join(record.payload for record in records)
    for hidden in (KEY, SECRET, "0a1b2c3d", "pqia91ma", "abc="):
        assert hidden.encode() not in text, hidden
    exchange = decode_exchange(records[-1].payload)
    assert (exchange.status, exchange.headers) == (200, {"date": "today"})
    assert b'"token":"BTC"' in text, "a market line is masked by value alone"


def test_frames_keep_their_order_and_their_lines_through_blocks_and_files(tmp_path: Path) -> None:
    told = recorder(tmp_path, max_bytes=2_000_000, flush_seconds=1000.0)
    said: list[tuple[str, Kind, int, bool, bytes]] = []
    chance = Random(3)
    for number in range(600):
        link = chance.choice(("market-1", "market-1-b", "orders", f"market-{number // 100}"))
        way, kind = chance.choice((("in", Kind.IN), ("in", Kind.IN), ("out", Kind.OUT)))
        frame = b"%d " % number + chance.randbytes(8_000).hex().encode()
        drained = chance.random() < 0.5
        told.frame(link, way, memoryview(frame), START + number, drained)
        said.append((link, kind, START + number, drained, frame))
        if number % 20 == 0:
            told._write_waiting()
    told.close()
    tape = Tape(tmp_path)
    assert [(r.link, r.kind, r.at, r.drained, r.payload) for r in tape.records()] == said
    assert len(tape.files) > 2
    for path in tape.files:  # each stands for itself, and each key block in it
        file = TapeFile(path)
        assert file.index is not None
        for offset, first in file.index.keys[1:]:
            assert file._key_before(first) == offset
            assert next(iter(file.records(first))).link == said[first - START][0]
        file.close()


def test_between_two_files_nothing_is_synced(tmp_path: Path) -> None:
    synced: list[int] = []
    told = recorder(tmp_path, sync=synced.append, sync_seconds=60.0)
    handle, told._writer.handle = told._writer.handle, -1
    told._sync_once()
    assert synced == []
    told._writer.handle = handle
    told._sync_once()
    assert synced == [handle]
    told.close()


def test_a_file_that_ends_while_it_is_synced_stops_nothing(tmp_path: Path) -> None:
    closed: list[int] = []

    def sync(handle: int) -> None:
        if not closed:  # full just then, and the next one was given its number by the system
            closed.append(handle)
            told._writer._end()
            told._writer._begin(START)
            raise OSError(errno.EBADF, "Bad file descriptor")

    told = recorder(tmp_path, sync=sync, sync_seconds=60.0)
    told._sync_once()
    assert closed
    assert not told.failed
    told.close()


def test_a_request_that_fails_is_on_the_tape_too(tmp_path: Path) -> None:
    told = recorder(tmp_path)

    async def fetch(method: str, url: str, headers: Mapping[str, str], body: bytes) -> object:
        raise DialFailed(address=url, cause="no route")

    async def ask() -> None:
        with pytest.raises(DialFailed):
            await told.fetch(fetch)("GET", "http://x/depth", {}, b"")  # type: ignore[arg-type]

    asyncio.run(ask())
    told.close()
    [record] = Tape(tmp_path).records()
    exchange = decode_exchange(record.payload)
    assert (exchange.status, exchange.error) == (0, "no route")


def _full_after(limit: int) -> Callable[[int, bytes], None]:
    left = [limit]

    def write(handle: int, data: bytes) -> None:
        left[0] -= len(data)
        if left[0] < 0:
            os.write(handle, data[: len(data) // 2])  # as a disk does: half of it is there
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write_all(handle, data)

    return write


def test_a_full_disk_stops_the_tape_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told = recorder(tmp_path, write=_full_after(700), flush_seconds=0.001)
    written = 0
    for number in range(200):
        told.frame("market-1", "in", os.urandom(50), START + number, True)
        while not told.failed and told.kept == written:
            pass  # each in a block of its own
        written = told.kept
    told.close()
    assert "No space left on device" in told.failed
    assert str(tmp_path) in told.failed
    assert "trading goes on" in told.failed
    assert [r.message for r in caplog.records if r.levelname == "ERROR"] == [told.failed]
    assert told.kept + told.dropped == 200
    tape = Tape(tmp_path)
    assert len(kinds(tape)) == told.kept > 0
    assert all(flaw.torn for flaw in tape.flaws)


def test_a_disk_that_cannot_sync_stops_the_tape(tmp_path: Path) -> None:
    def sync(handle: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    told = recorder(tmp_path, sync=sync, sync_seconds=0.0)
    told.frame("market-1", "in", b"x", START, True)
    told.close()
    assert "Input/output error" in told.failed


@pytest.mark.timeout(240)
def test_a_disk_that_stands_still_holds_nobodys_end_up(tmp_path: Path) -> None:
    syncing, goes_on = threading.Event(), threading.Event()

    def hang(handle: int) -> None:
        syncing.set()
        goes_on.wait()

    told = recorder(tmp_path, sync=hang, sync_seconds=0.0)
    told.frame("market-1", "in", b"x", START, True)
    assert syncing.wait(20)
    try:
        told.close(within_seconds=0.1)
        assert "the disk stands still" in told.failed
    finally:
        goes_on.set()


def test_what_finds_no_room_is_a_hole_and_counted(tmp_path: Path) -> None:
    may_write = threading.Event()

    def write(handle: int, data: bytes) -> None:
        may_write.wait(10)
        write_all(handle, data)

    may_write.set()
    told = recorder(tmp_path, write=write, waiting=5, flush_seconds=0.001)
    may_write.clear()
    for number in range(30):
        told.frame("market-1", "in", b"%d" % number, START + number, True)
    may_write.set()
    told.close()
    records = list(Tape(tmp_path).records())
    holes = [int(record.payload) for record in records if record.kind is Kind.HOLE]
    kept = [record for record in records if record.kind is Kind.IN]
    assert len(kept) + sum(holes) == 30
    assert sum(holes) == told.dropped > 0


def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"tape\.folder"):
        recorder(tmp_path / "file")


def test_an_unfinished_tape_is_announced(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_tape(tmp_path, [frames(10), frames(10)], closed=False)
    path.write_bytes(path.read_bytes()[:-9])
    told = Recorder(
        tmp_path,
        module.Meta(program="test", venue="binance", started=START + SECOND),
        mask=recorder(tmp_path / "other")._mask,
        clock=recorder(tmp_path / "another")._clock,
    )
    told.close()
    assert "was not closed: it ends at 2023-11-14T22:13:20.090000000Z, " in told.found
    assert str(path) in told.found
    assert told.found in caplog.text
    newest = module._newest(tmp_path)
    assert newest is not None
    assert module._unclosed(newest) == "", "the newest run is closed"


def test_a_tape_that_another_recorder_writes_is_not_called_unfinished(tmp_path: Path) -> None:
    def one(number: int) -> Recorder:
        meta = module.Meta(program="test", venue="binance", started=START + number * SECOND)
        return Recorder(tmp_path, meta, mask=Masker(), clock=ManualClock(START))

    first, second = one(1), one(2)
    assert second.found == "", "its writer lives"
    second._over.set()
    second._writer.abandon()  # and this is how it would be left by one that died
    third = one(3)
    assert f"{second.path} was not closed" in third.found
    for each in (first, third):
        each.close()


def test_nobody_waits_for_a_look_at_the_tape_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tape(tmp_path, [frames(10)], closed=False)
    may_look = threading.Event()

    def slow(path: Path) -> str:
        assert may_look.wait(30)
        return f"{path.name} was looked at"

    monkeypatch.setattr(module, "_unclosed", slow)
    told = Recorder(
        tmp_path,
        module.Meta(program="test", venue="binance", started=START + SECOND),
        mask=recorder(tmp_path / "other")._mask,
        clock=recorder(tmp_path / "another")._clock,
    )
    told.frame("market-1", "in", b"{}", START, True)
    told.close()
    assert told.kept == 1
    may_look.set()
    assert told.found == "000001.tape was looked at"


def test_a_secret_in_a_request_is_masked_by_the_thread_and_not_by_the_caller(
    tmp_path: Path,
) -> None:
    who: list[str] = []

    class Noting:
        needles: tuple[bytes, ...] = ()

        def mask_bytes(self, frame: bytes) -> bytes:
            who.append(threading.current_thread().name)
            return frame.replace(b"hush", b"***")

    clock = recorder(tmp_path / "other")._clock
    meta = module.Meta(program="test", venue="binance", started=START)
    told = Recorder(tmp_path / "tapes", meta, mask=Noting(), clock=clock)

    async def answer(*_: object) -> tuple[int, dict[str, str], bytes]:
        return 200, {}, b'{"k": "hush"}'

    fetch = told.fetch(answer)  # type: ignore[arg-type]
    asyncio.run(fetch("GET", "https://venue/x?signature=hush", {}, b""))  # type: ignore[arg-type]
    until = time.monotonic() + 60
    while not told.kept and time.monotonic() < until:
        time.sleep(0.01)
    told.close()
    assert set(who) == {"tape"}
    [record] = [one for one in Tape(told.run).records() if one.kind is Kind.HTTP]
    assert b"hush" not in record.payload


_CHILD = """
import os, sys, time
from pathlib import Path
from random import Random
from tests.tape.tapes import START, recorder
told = recorder(Path(sys.argv[1]))
number = 0
while True:
    for _ in range(50):
        told.frame("market-1", "in", b"%d" % number, START + number, True)
        number += 1
    while told.kept < number:
        time.sleep(0.001)
    print(number, flush=True)
"""


def test_killed_at_any_moment_what_was_written_is_read(tmp_path: Path, repository: Path) -> None:
    for turn, rounds in enumerate((1, 7, 20)):
        folder = tmp_path / str(turn)
        environment = {**os.environ, "PYTHONPATH": f"{repository / 'src'}:{repository}"}
        child = subprocess.Popen(
            [sys.executable, "-c", _CHILD, str(folder)],
            stdout=subprocess.PIPE, env=environment, cwd=repository,
        )  # fmt: skip
        assert child.stdout is not None
        written = 0
        for _ in range(rounds):
            written = int(child.stdout.readline())
        child.kill()
        rest = child.stdout.read().split()
        child.wait()
        child.stdout.close()
        written = max(written, *(int(line) for line in rest)) if rest else written
        tape = Tape(runs_in(folder)[0])
        found = [int(record.payload) for record in tape.records()]
        assert len(found) >= written
        assert found == list(range(len(found)))
        assert "was not closed" in module._unclosed(folder)


def test_sessions_at_a_gateway_are_masked_and_stay_apart(tmp_path: Path) -> None:
    kept = Recorder(tmp_path, META, mask=Masker(), clock=ManualClock(START))
    told = iter((b"cafe01", b"cafe02", b"cafe01"))

    async def fetch(
        _method: str, _url: str, _headers: Mapping[str, str], _body: bytes
    ) -> HttpAnswer:
        return 200, {}, b'{"session":"%b","ssoExpires":1}' % next(told)

    async def life() -> None:
        for _ in range(3):
            await kept.fetch(fetch)("POST", "http://x/tickle", {}, b"")

    asyncio.run(life())
    kept.close()
    tape = Tape(tmp_path)
    bodies = [decode_exchange(one.payload).body for one in tape.records(only=Kind.HTTP)]
    assert bodies == [b'{"session":"***%d","ssoExpires":1}' % one for one in (1, 2, 1)]
    assert not any(b"cafe" in file.read_bytes() for file in tmp_path.rglob("*.tape"))

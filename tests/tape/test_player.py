"""The player: what was said is said when it was, and what is not on the tape fails plainly."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pitwire.model.clock import SECOND
from pitwire.model.errors import ConnectionLost, DialFailed
from pitwire.tape.format import Ended, Entry, Exchange, Kind, Meta, Refused, encode_exchange
from pitwire.tape.loop import Ended as LoopEnded
from pitwire.tape.loop import TapeLoop
from pitwire.tape.player import Player
from pitwire.tape.reader import Tape
from pitwire.tape.writer import TapeWriter
from tests.tape.tapes import META, START


class Hears:
    """A receiver that notes what it is told, and when."""

    def __init__(self, loop: TapeLoop, link: str = "market-1") -> None:
        self.link, self._loop = link, loop
        self.told: list[tuple[float, object]] = []

    def on_frame(self, frame: Any, drained: bool) -> None:
        self._note((bytes(frame), drained))

    def on_drained(self) -> None:
        self._note("drained")

    def on_ping(self, payload: bytes) -> None: ...

    def on_pong(self, payload: bytes) -> None:
        self._note("pong")

    def on_lost(self, error: ConnectionLost) -> None:
        self._note(error.code)

    def _note(self, what: object) -> None:
        self.told.append(((self._loop.now() - START) / SECOND, what))


def tape_of(
    folder: Path,
    *entries: tuple[float, str, Kind, bytes],
    meta: Meta = META,
    burst: tuple[int, ...] = (),
) -> Tape:
    """`burst`: which of them had more behind them in the same read."""
    writer = TapeWriter(folder, meta)
    written: list[Entry] = [
        (link, kind, START + round(at * SECOND), number not in burst, payload)
        for number, (at, link, kind, payload) in enumerate(entries)
    ]
    writer.put(written)
    writer.close()
    return Tape(folder)


OPEN = Path("/proc/self/fd")


def live(tape: Tape, story: Any, speed: float = 0.0, **options: Any) -> Any:
    loop = TapeLoop(START, speed=speed)

    async def life() -> Any:
        player = Player(tape, **options)
        loop.load(player)
        return await story(player, loop)

    work: Coroutine[Any, Any, Any] = life()
    try:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            return runner.run(work)
    finally:
        tape.close()  # a story may end before its tape does


def exchange(url: str, body: bytes) -> bytes:
    return encode_exchange(Exchange("GET", url, 0, 200, {}, body=body))


def order(asked: bytes, body: bytes, sent: float = 0.0) -> bytes:
    stamp = START + round(sent * SECOND)
    return encode_exchange(Exchange("POST", "http://x/orders", stamp, 200, {}, "", asked, body))


def test_a_link_stands_speaks_and_falls_when_it_did(tmp_path: Path) -> None:
    tape = tape_of(
        tmp_path,
        (0.5, "market-1", Kind.REFUSED, msgspec.json.encode(Refused("ws://x", "no", 503))),
        (1.0, "market-1", Kind.OPENED, b"ws://x"),
        (1.5, "market-1", Kind.IN, b"a"),
        (2.0, "market-1", Kind.DRAINED, b""),
        (2.5, "market-1", Kind.LOST, msgspec.json.encode(Ended(1001, "away"))),
        (3.0, "market-1", Kind.IN, b"nobody there"),
    )

    async def story(player: Player, loop: TapeLoop) -> Hears:
        hears = Hears(loop)
        with pytest.raises(DialFailed, match="503"):
            await player.dial("ws://x", hears)
        assert loop.now() == START + SECOND // 2
        link = await player.dial("ws://x", hears)
        assert loop.now() == START + SECOND
        link.send(b"hello")
        link.ping()
        await player.over.wait()
        assert player.unheard == 1
        return hears

    told = live(tape, story).told
    assert told == [(1.0, "pong"), (1.5, (b"a", True)), (2.0, "drained"), (2.5, 1001)]


def test_who_dials_late_hears_what_came_meanwhile(tmp_path: Path) -> None:
    tape = tape_of(
        tmp_path,
        (1.0, "market-1", Kind.OPENED, b"ws://x"),
        (1.5, "market-1", Kind.IN, b"a"),
        (3.0, "market-1", Kind.IN, b"b"),
    )

    async def story(player: Player, loop: TapeLoop) -> Hears:
        hears = Hears(loop)
        await asyncio.sleep(2)
        await player.dial("ws://x", hears)
        await player.over.wait()
        return hears

    assert [what for _, what in live(tape, story).told] == [(b"a", True), (b"b", True)]


def test_requests_are_answered_by_what_was_answered(tmp_path: Path) -> None:
    tape = tape_of(
        tmp_path,
        (1.0, "", Kind.HTTP, exchange("http://x/depth?symbol=A&limit=5&timestamp=1", b"one")),
        (2.0, "", Kind.HTTP, exchange("http://x/depth?symbol=A&limit=9", b"two")),
        (2.0, "", Kind.HTTP, exchange("http://x/depth?symbol=B", b"other")),
    )

    async def story(player: Player, loop: TapeLoop) -> list[tuple[float, bytes]]:
        answers = []
        for symbol in ("A", "B", "A"):
            _, _, body = await player.fetch("GET", f"http://x/depth?symbol={symbol}", {}, b"")
            answers.append(((loop.now() - START) / SECOND, body))
        with pytest.raises(DialFailed, match="the tape holds no answer"):
            await player.fetch("GET", "http://x/depth?symbol=A", {}, b"")
        return answers

    assert live(tape, story) == [(1.0, b"one"), (2.0, b"other"), (2.0, b"two")]


def test_answers_that_overtook_one_another_go_to_what_was_asked(tmp_path: Path) -> None:
    tape = tape_of(
        tmp_path,
        (1.0, "", Kind.HTTP, order(b"second", b"to the second")),
        (1.5, "", Kind.HTTP, order(b"first", b"to the first")),
        (3.0, "", Kind.HTTP, order(b"", b"to the later", sent=2.5)),
        (3.5, "", Kind.HTTP, order(b"", b"to the earlier", sent=2.0)),
        (4.0, "", Kind.HTTP, order(b"fourth", b"to the fourth")),
        (4.5, "", Kind.HTTP, order(b"third", b"to the third")),
    )

    async def ask(player: Player, after: float, body: bytes) -> bytes:
        await asyncio.sleep(after)
        return (await player.fetch("POST", "http://x/orders", {}, body))[2]

    async def story(player: Player, loop: TapeLoop) -> list[bytes]:
        asked = ((0, b"first"), (0, b"second"), (2.0, b""), (2.5, b""), (5.0, b"third"))
        return list(await asyncio.gather(*(ask(player, *one) for one in asked)))

    assert live(tape, story) == [
        b"to the first",
        b"to the second",
        b"to the earlier",
        b"to the later",
        b"to the third",
    ]


@pytest.mark.parametrize("speed", [0.0, 50.0])
def test_what_one_read_brought_is_heard_in_one_turn(tmp_path: Path, speed: float) -> None:
    tape = tape_of(
        tmp_path,
        (1.0, "market-1", Kind.OPENED, b"ws://x"),
        (1.5, "market-1", Kind.IN, b"ends it"),
        (1.500_003, "market-1", Kind.OUT, b"an answer"),
        (1.500_005, "market-1", Kind.IN, b"all the same"),
        (1.500_006, "market-1", Kind.IN, b"later"),
        burst=(1,),
    )

    class Resigns(Hears):
        def on_frame(self, frame: Any, drained: bool) -> None:
            super().on_frame(frame, drained)
            if not drained:
                self._loop.call_soon(self.told.append, (1.5, "resigned"))
                self._loop.call_later(0.000_001, self.told.append, (1.5, "woke"))

    async def story(player: Player, loop: TapeLoop) -> list[object]:
        hears = Resigns(loop)
        await player.dial("ws://x", hears)
        await player.over.wait()
        return [what for _, what in hears.told]

    heard = live(tape, story, speed=speed)
    assert heard[:2] == [(b"ends it", False), (b"all the same", True)]
    assert heard[2:] == ["resigned", "woke", (b"later", True)]


def test_an_imported_tape_says_yes_to_asks(tmp_path: Path) -> None:
    meta = msgspec.structs.replace(META, origin="capture")
    tape = tape_of(
        tmp_path,
        (1.0, "market-1", Kind.IN, b"a"),
        (1.1, "market-2", Kind.IN, b"b"),
        (1.2, "", Kind.HTTP, exchange("http://x/depth?symbol=A", b"book")),
        (60.0, "", Kind.HTTP, exchange("http://x/depth?symbol=A", b"later")),
        meta=meta,
    )

    async def story(player: Player, loop: TapeLoop) -> Any:
        hears = Hears(loop)
        link = await player.dial("ws://x", hears)
        link.send(b"ask")
        answers = []
        for _ in range(2):
            _, _, body = await player.fetch("GET", "http://x/depth?symbol=A&limit=5", {}, b"")
            answers.append(((loop.now() - START) / SECOND, body))
        return answers, hears.told

    answers, told = live(tape, story, acknowledge=lambda frame: b"yes to " + frame)
    assert answers == [(1.2, b"book"), (60.0, b"later")], "never the future"
    assert [what for _, what in told] == [(b"yes to ask", True), (b"a", True), (b"b", True)]


def test_an_imported_book_waits_for_its_time_and_a_listing_does_not(tmp_path: Path) -> None:
    meta = msgspec.structs.replace(META, origin="capture")
    tape = tape_of(
        tmp_path,
        (2.0, "", Kind.HTTP, exchange("http://x/v1/listing", b"rules")),
        (9.0, "", Kind.HTTP, exchange("http://x/depth?symbol=A", b"book")),
        meta=meta,
    )

    async def story(player: Player, loop: TapeLoop) -> list[tuple[float, bytes]]:
        answers = []

        async def ask(path: str) -> None:
            _, _, body = await player.fetch("GET", f"http://x/{path}", {}, b"")
            answers.append(((loop.now() - START) / SECOND, body))

        await ask("v3/listing")
        with pytest.raises(TimeoutError):  # who gives up takes no answer away
            async with asyncio.timeout(3):
                await ask("depth?symbol=A")
        await ask("depth?symbol=A")
        return answers

    assert live(tape, story, listing="listing") == [(0.0, b"rules"), (9.0, b"book")]


def test_what_a_frame_stirs_comes_before_the_next_frame(tmp_path: Path) -> None:
    tape = tape_of(
        tmp_path,
        (0.5, "market-1", Kind.OPENED, b"ws://x"),
        (1.0, "market-1", Kind.IN, b"a"),
        (1.0, "market-1", Kind.IN, b"b"),
        (2.0, "market-1", Kind.IN, b"c"),
    )

    class Answers(Hears):
        def on_frame(self, frame: Any, drained: bool) -> None:
            super().on_frame(frame, drained)
            running = asyncio.get_running_loop()
            running.call_soon(self._note, b"soon after " + frame)
            running.call_later(0.5, self._note, b"later than " + frame)

    async def story(player: Player, loop: TapeLoop) -> list[tuple[float, object]]:
        hears = Answers(loop)
        await player.dial("ws://x", hears)
        await player.over.wait()
        await asyncio.sleep(1)
        return hears.told

    told = [(at, what if isinstance(what, bytes) else what[0]) for at, what in live(tape, story)]
    assert told == [
        (1.0, b"a"),
        (1.0, b"soon after a"),
        (1.0, b"b"),
        (1.0, b"soon after b"),
        (1.5, b"later than a"),
        (1.5, b"later than b"),
        (2.0, b"c"),
        (2.0, b"soon after c"),
        (2.5, b"later than c"),
    ]


def test_whoever_ends_the_tape_in_the_midst_of_a_frame_hears_no_other(tmp_path: Path) -> None:
    tape = tape_of(
        tmp_path,
        (0.5, "market-1", Kind.OPENED, b"ws://x"),
        *((1.0 + n, "market-1", Kind.IN, b"%d" % n) for n in range(4)),
    )

    async def story(player: Player, loop: TapeLoop) -> tuple[int, Hears]:
        class Ends(Hears):
            def on_frame(self, frame: Any, drained: bool) -> None:
                super().on_frame(frame, drained)
                if frame == b"1":
                    player.finish()

        hears = Ends(loop)
        await player.dial("ws://x", hears)
        await player.over.wait()
        return player.frames, hears

    frames, hears = live(tape, story)
    assert (frames, [what for _, what in hears.told]) == (2, [(b"0", True), (b"1", True)])
    held = OPEN.iterdir() if OPEN.is_dir() else ()
    assert not [fd for fd in held if fd.exists() and tmp_path in fd.resolve().parents]


def test_waiting_for_what_never_comes_is_an_error(tmp_path: Path) -> None:
    async def story(player: Player, loop: TapeLoop) -> None:
        await asyncio.Event().wait()

    with pytest.raises(LoopEnded):
        live(tape_of(tmp_path, (1.0, "market-1", Kind.IN, b"a")), story)


def test_there_are_no_sockets_and_no_threads(tmp_path: Path) -> None:
    async def story(player: Player, loop: TapeLoop) -> None:
        with pytest.raises(RuntimeError, match="socket"):
            await loop.create_connection()
        with pytest.raises(RuntimeError, match="thread"):
            loop.run_in_executor(None, print)

    live(tape_of(tmp_path, (1.0, "market-1", Kind.IN, b"a")), story)

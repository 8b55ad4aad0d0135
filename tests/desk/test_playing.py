"""A desk's tape, played again: the same decisions, the same orders, the same journal each time."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

import pytest

from pitwire.desk.config import parse_config
from pitwire.desk.desk import Desk
from pitwire.desk.masking import Masker
from pitwire.desk.playing import Played, play, recorded_config
from pitwire.model.clock import SECOND
from pitwire.model.entropy import Entropy
from pitwire.model.errors import ConfigError
from pitwire.model.events import Event, Fill
from pitwire.session.connect import connect_to_websocket
from pitwire.tape.format import Kind, Meta
from pitwire.tape.reader import Tape
from pitwire.tape.recorder import Recorder
from pitwire.tape.writer import TapeWriter
from pitwire.trading.journal import Alerted, Decided, decode
from tests.desk.setting import BTC, ENDPOINTS, PLAIN, Setting
from tests.desk.test_desk import DIP
from tests.tape.tapes import START, apart

RULES = """
[[rule]]
name = "buy"
when = { price = "BTC-USDT", above = 1, of = "ask" }
do = { market = "buy", size = 0.02, tag = "dip" }
once = true

[[rule]]
name = "rest"
when = { position = "BTC-USDT", above = 0 }
do = { limit = "sell", size = 0.01, price = 60100 }
once = true
"""


def config(folder: Path, more: str = RULES, redundancy: int = 1) -> str:
    return f"""
mode = "sim"
seed = 11
[venue]
symbols = ["BTC-USDT"]
redundancy = {redundancy}
[log]
file = ""
[tape]
folder = "{folder}"
{more}
"""


def recorded(
    folder: Path,
    *,
    seconds: float = 8.0,
    cut: bool = False,
    redundancy: int = 1,
    paper: bool = False,
    **options: Any,
) -> Setting:
    """A desk in a world, with its tape."""

    async def story(setting: Setting, desk: Desk) -> None:
        await asyncio.sleep(seconds / 2)
        if cut:
            setting.cut("market*")
        await asyncio.sleep(seconds / 2)

    setting = Setting(**{"scenario": "calm", "latency": "same-city", **options})
    text = config(folder, redundancy=redundancy)
    if paper:
        text = text.replace('mode = "sim"', 'mode = "paper"')
    setting.run(story, config=text, credentials=not paper)
    return setting


def played(folder: Path, **options: Any) -> tuple[Played, bytes]:
    lines: list[bytes] = []
    result = play(Tape(folder), journal=lambda _, line: lines.append(line), **options)
    return result, b"".join(lines)


def test_a_desk_that_cannot_open_lets_go_of_the_tape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(tmp_path, seconds=1.0)
    opened: list[IO[bytes]] = []
    opens = Path.open

    def noted(path: Path, *how: Any) -> IO[bytes]:
        opened.append(opens(path, *how))
        return opened[-1]

    monkeypatch.setattr(Path, "open", noted)
    another = parse_config(PLAIN.replace("BTC-USDT", "ETH-USDT"))
    with pytest.raises(ConfigError, match="ETH-USDT") as raised:
        play(Tape(tmp_path), another)
    # The error still holds all that was at work when it was raised.
    assert raised.traceback
    assert len(opened) > 2
    assert [file for file in opened if not file.closed] == []


def of(kind: type[Any], setting: Setting) -> list[Any]:
    return setting.records(kind)


@pytest.mark.parametrize(("keys", "cut"), [("ed25519", True), ("hmac", False)])
def test_a_replay_is_what_was_lived(tmp_path: Path, keys: str, cut: bool) -> None:
    """In virtual time nothing but the tape can differ, so the whole journal is the same."""
    setting = recorded(tmp_path, keys=keys, cut=cut)
    result, lines = played(tmp_path)
    assert lines == setting.journal.lines()
    assert result.frames > 500
    assert result.unheard == 0
    assert not result.paper
    assert len(of(Fill, setting)) >= 1
    assert len([one for one in setting.journal.records if type(one) is Decided]) >= 3


@pytest.mark.parametrize("faults", ["gap", "lossy", "cut", "malformed"])
@pytest.mark.parametrize("redundancy", [1, 2])
def test_a_replay_is_what_was_lived_through_faults(
    tmp_path: Path, faults: str, redundancy: int
) -> None:
    setting = recorded(tmp_path, seconds=4, faults=faults, redundancy=redundancy)
    result, lines = played(tmp_path)
    assert lines == setting.journal.lines()
    assert result.unheard == 0
    assert len(of(Fill, setting)) >= 1


@pytest.mark.parametrize("cut", [False, True])
def test_what_was_lived_on_paper_is_played_on_paper(tmp_path: Path, cut: bool) -> None:
    setting = recorded(tmp_path, seconds=4, cut=cut, paper=True)
    result, lines = played(tmp_path)
    assert result.paper
    assert lines == setting.journal.lines()
    assert result.unheard == 0
    assert len(of(Fill, setting)) >= 1


def test_every_replay_is_the_same_to_the_byte(tmp_path: Path) -> None:
    recorded(tmp_path, seconds=5)
    for paper in (False, True):
        assert len({played(tmp_path, paper=paper)[0].digest for _ in range(5)}) == 1


_PROGRAM = """
import sys
from pathlib import Path
from pitwire.desk.playing import play
from pitwire.tape.reader import Tape
print(*[play(Tape(Path(sys.argv[1]))).digest for _ in range(int(sys.argv[2]))])
"""


def digests(folder: Path, repository: Path, hash_seed: str, count: int) -> list[str]:
    environment = {"PYTHONPATH": str(repository / "src"), "PYTHONHASHSEED": hash_seed}
    arguments = [sys.executable, "-c", _PROGRAM, str(folder), str(count)]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_the_order_of_hashes_changes_nothing(tmp_path: Path, repository: Path) -> None:
    recorded(tmp_path, seconds=5)
    found = [digests(tmp_path, repository, seed, 1) for seed in ("1", "77")]
    assert found[0] == found[1] == [played(tmp_path)[0].digest]


@pytest.mark.soak
def test_a_hundred_replays_are_one(tmp_path: Path, repository: Path) -> None:
    recorded(tmp_path, cut=True)
    found = [each for seed in range(10) for each in digests(tmp_path, repository, str(seed), 10)]
    assert len(found) == 100
    assert len(set(found)) == 1


def test_a_replay_from_the_very_start_is_one_of_all(tmp_path: Path) -> None:
    recorded(tmp_path, seconds=4)
    whole, lines = played(tmp_path)
    result, again = played(tmp_path, since=Tape(tmp_path).meta.started)
    assert (result.paper, whole.paper) == (False, False)
    assert again == lines


def test_decisions_begin_and_end_where_they_are_told_to(tmp_path: Path) -> None:
    recorded(tmp_path, seconds=8)
    start = Tape(tmp_path).meta.started
    since, until = start + 3 * SECOND, start + 6 * SECOND
    result, lines = played(tmp_path, since=since, until=until)
    assert result.paper, "the tape's answers are to what was decided before"
    assert result.desk is not None
    assert not result.desk.engine.screen.halted, "and those are nobody else's orders"
    records = [decode(line) for line in lines.splitlines()]
    assert all(since <= record.at < until for record in records)
    [first, *_] = [record for record in records if isinstance(record, Decided)]
    assert first.at >= since, "the rule that had fired at once fires at the first event from there"
    assert first.bid > 0, "what came before was played, so the market is known"
    assert result.frames > 100


def test_other_rules_decide_otherwise_on_paper(tmp_path: Path) -> None:
    recorded(tmp_path, seconds=5)
    tape = Tape(tmp_path)
    config = recorded_config(tape)
    assert config is not None
    other = parse_config(globals()["config"](tmp_path, RULES.replace("0.02", "0.05")))
    result = play(tape, other)
    assert result.paper
    assert result.desk is not None
    position = result.desk.engine.state.portfolio.position("BTC-USDT")
    assert position > Decimal("0.03"), "0.05 bought, 0.01 of it offered"


def test_a_tape_cut_in_the_middle_is_played_to_its_end(tmp_path: Path) -> None:
    recorded(tmp_path / "whole", seconds=5)
    path = apart(Tape(tmp_path / "whole"), tmp_path / "cut")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    result, _ = played(tmp_path / "cut")
    assert result.frames > 100
    assert [flaw.torn for flaw in result.flaws] == [True]


def test_nothing_secret_and_no_key_is_in_what_a_tape_says_of_its_desk(tmp_path: Path) -> None:
    setting = recorded(tmp_path, seconds=2, keys="hmac")
    text = b"".join(record.payload for record in Tape(tmp_path).records())
    text += Tape(tmp_path).files[0].read_bytes() + Tape(tmp_path).meta.config.encode()
    assert setting.credentials.key.encode() not in text
    assert setting.credentials.secret.reveal().encode() not in text
    kinds = {record.kind for record in Tape(tmp_path).records()}
    assert {Kind.IN, Kind.OUT, Kind.OPENED, Kind.LOST, Kind.HTTP, Kind.STOP} <= kinds


def test_a_full_disk_is_told_and_the_desk_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int, data: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async def story(setting: Setting, desk: Desk) -> None:
        assert desk.tape is not None
        monkeypatch.setattr(desk.tape._writer, "_write", full)
        desk.tape.frame("market-1", "in", b"x", setting.clock.now(), True)
        while not desk.tape.failed:
            await asyncio.sleep(0.01)
        await asyncio.sleep(1)

    setting = Setting(scenario="calm")
    setting.run(story, config=config(tmp_path, DIP.removeprefix(PLAIN)))
    [alert] = [one for one in setting.journal.records if isinstance(one, Alerted)]
    assert "No space left on device" in alert.text
    assert len(setting.records(Fill)) >= 1


def test_a_session_alone_is_played_without_a_desk(tmp_path: Path) -> None:
    setting = Setting(scenario="calm", latency="same-city")
    seen: list[Event] = []

    async def life() -> None:
        meta = Meta(
            program="test",
            venue="binance",
            started=setting.clock.now(),
            symbols=("BTC-USDT",),
            channels=("trades", "book"),
            seed=5,
        )
        recorder = Recorder(tmp_path, meta, mask=Masker(), clock=setting.clock)
        async with connect_to_websocket(
            endpoints=ENDPOINTS,
            dial=setting.dial,
            fetch=setting.world.fetch,
            clock=setting.clock,
            entropy=Entropy(5),
            on_event=seen.append,
            tap=recorder.frame,
            witness=recorder,
            carry=recorder.fetch,
        ) as session:
            await session.subscribe("trades", BTC)
            await session.subscribe("book", BTC)
            await asyncio.sleep(5)
        recorder.close()

    setting.world.run(life())
    result = play(Tape(tmp_path))
    assert result.desk is None
    assert result.events == len(seen) > 100
    assert play(Tape(tmp_path)).digest == result.digest


def test_a_configuration_of_a_newer_version_is_one_clear_line(tmp_path: Path) -> None:
    meta = Meta(program="9", venue="binance", started=START, config='{"mode":"sim","warp":9}')
    TapeWriter(tmp_path, meta).close()
    with pytest.raises(ConfigError, match=r"warp.*--config"):
        play(Tape(tmp_path))


@pytest.mark.parametrize("origin", ["session", "capture"])
def test_a_tape_that_holds_nothing_is_over_at_once(tmp_path: Path, origin: str) -> None:
    """A recorder that was killed before it heard anything leaves such a one."""
    channels = ("book", "trades")
    meta = Meta(
        program="9",
        venue="binance",
        started=START,
        origin=origin,
        symbols=(BTC,),
        channels=channels,
    )
    TapeWriter(tmp_path, meta).close()
    played = play(Tape(tmp_path))
    assert (played.frames, played.unheard, played.flaws) == (0, 0, ())
